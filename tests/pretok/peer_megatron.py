"""A peer of scripts/bench-cluster: Megatron's preprocessing of peer.jsonl, by the scheme of its tools/preprocess_data.py.

usage: peer_megatron.py default TOKENIZER INPUT_FOLDER OUTPUT_FOLDER

A pool of one worker maps lines to ids, 32 at a time and in order; this process adds documents to an IndexedDatasetBuilder.
The tokenizer is called directly (tokenizers.Tokenizer.encode), which costs less than Megatron's wrappers around it. Prints as
its last line {"version", "seconds": of CPU of both, without imports, "ids": a file of u16, "in_order"}.
"""
import json
import multiprocessing
import os
import resource
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from importlib.metadata import version  # noqa: E402

import tokenizers  # noqa: E402
import torch  # noqa: E402
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder  # noqa: E402


class Encoder:
    tokenizer = None

    def __init__(self, path):
        self.path = path

    def initializer(self):
        Encoder.tokenizer = tokenizers.Tokenizer.from_file(self.path)

    def encode(self, line):
        data = json.loads(line)
        ids = Encoder.tokenizer.encode(data["text"]).ids
        return {"text": ids}, {"text": [len(ids)]}, len(line)


def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main():
    _, path, source, out = sys.argv[1:]
    encoder = Encoder(path)
    size = tokenizers.Tokenizer.from_file(path).get_vocab_size()
    before = cpu()
    with open(f"{source}/peer.jsonl", encoding="utf-8") as lines, multiprocessing.Pool(1, initializer=encoder.initializer) as pool:
        builder = IndexedDatasetBuilder(f"{out}/text.bin", dtype=DType.optimal_dtype(size))
        for documents, lengths, _ in pool.imap(encoder.encode, lines, 32):
            builder.add_document(torch.IntTensor(documents["text"]), lengths["text"])
        builder.finalize(f"{out}/text.idx")
        pool.close()
        pool.join()
    print(json.dumps({"version": version("megatron-core"), "seconds": cpu() - before, "ids": f"{out}/text.bin", "in_order": True}))


if __name__ == "__main__":
    main()
