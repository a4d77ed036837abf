"""A peer of scripts/bench-cluster: datatrove's DocumentTokenizer on peer.jsonl.zst, in this process.

usage: peer_datatrove.py default|leanest TOKENIZER INPUT_FOLDER OUTPUT_FOLDER

Prints as its last line {"version", "seconds": of CPU, without imports, "ids": a file of u16, "in_order"}.
"""
import json
import os
import resource
import sys

setting, tokenizer, source, out = sys.argv[1:]
if setting == "leanest":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

from importlib.metadata import version  # noqa: E402

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.tokens import DocumentTokenizer  # noqa: E402


def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


before = cpu()
more = {"batch_size": 1, "shuffle_documents": False} if setting == "leanest" else {}
LocalPipelineExecutor(
    pipeline=[JsonlReader(source, glob_pattern="peer.jsonl.zst"),
              DocumentTokenizer(out, tokenizer_name_or_path=tokenizer, eos_token=None, **more)],
    tasks=1, workers=1, logging_dir=f"{out}/log").run()
seconds = cpu() - before
ids = [name for name in sorted(os.listdir(out)) if name.endswith(".ds")]
print(json.dumps({"version": version("datatrove"), "seconds": seconds, "ids": os.path.join(out, ids[-1]), "in_order": setting == "leanest"}))
