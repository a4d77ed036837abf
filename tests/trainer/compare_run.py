#!/usr/bin/env python3
"""A run of ngtrain and the same in PyTorch: same initial weights, sequences in the same order, same learning rate in each
step. What is judged is the mean loss over the last steps: ours must not be above PyTorch's by more than --limit nats, and
with --peer fp32, which has the digits to say so, not below it either.

  scripts/compare-run packed/                                        10m, 2000 steps of 8 sequences at 3e-4, on the GPU
  scripts/compare-run --device cpu --preset 1m --steps 20 --last 10 packed/

PyTorch's side is bf16 as in scripts/bench-train, eager unless --mode says otherwise, with documents masked from each other;
--peer fp32 tells which of the two is nearer to what more digits give.
The rate is that of scripts/bench-train, the same in all steps. `--lr preset` takes ngtrain's own for the preset, three times as
high, and its schedule: at such a rate the order in which gradients are added up decides where a run goes, and two runs of ours
with other micro-batches end 0.1 nats apart (tests/kernels/cuda/H200.md). --micro-batch tells how far ours differs from itself.

Weights come from PyTorch's generator and reach ngtrain by `ngtrain import`; the sequences and rates that ngtrain takes reach
PyTorch by dump_feed, from ngtrain's own feed. Losses are paired step by step: the standard error is that of the mean
difference, as if steps were independent.

Runs lie in --out, one folder a seed; finished ones are kept, and the same command goes on. Exit 0: within; 1: not, or cut off
(what is there is printed); 77: no GPU.
"""
import argparse
import ctypes
import glob
import json
import math
import os
import signal
import statistics
import struct
import subprocess
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "kernels"))
from presets import PRESETS  # noqa: E402
from torch_model import EPS, THETA, Model  # noqa: E402
from torch_training import Training  # noqa: E402

KEPT_EVERY = 100  # steps of PyTorch's between two looks at its losses
WINDOWS = 10      # rows of the curve


class Broken(Exception):
    pass


def vocabulary(path):
    """Of the first shard there: FORMAT.md, section 2."""
    shards = [path] if path.endswith(".ngt") else sorted(glob.glob(os.path.join(path, "*.ngt")))
    if not shards:
        raise Broken(f"{path}: there are no shards")
    with open(shards[0], "rb") as f:
        head = f.read(32)
    if head[:4] != b"\x89NGT":
        raise Broken(f"{shards[0]}: not a shard")
    return struct.unpack_from("<Q", head, 24)[0]


def call(command, log):
    """Runs a program; a signal to us ends it as one to it would."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    return code


def write_weights(folder, model, shape, vocab):
    """The model as transformers would store it: config.json and model.safetensors."""
    _, width, heads, kv_heads, head_dim, ffn = shape
    tensors, at, parts = {}, 0, []
    for name, p, rows in model.slices():
        part = p.detach()[rows].contiguous()
        parts.append(ctypes.string_at(part.data_ptr(), 4 * part.numel()))
        tensors[name] = {"dtype": "F32", "shape": list(part.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    head = json.dumps(tensors).encode()
    head += b" " * (-len(head) % 8)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + b"".join(parts))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocab, "hidden_size": width,
                   "intermediate_size": ffn, "num_hidden_layers": shape[0], "num_attention_heads": heads,
                   "num_key_value_heads": kv_heads, "head_dim": head_dim, "hidden_act": "silu", "rms_norm_eps": EPS,
                   "rope_theta": THETA, "tie_word_embeddings": True}, f)


def new_model(a, seed, vocab, seq_len):
    """The same weights whatever the device: drawn on the CPU."""
    torch.manual_seed(seed)
    return Model(*PRESETS[a.preset], vocab, False, seq_len)


def ours(a, seed, folder, log):
    """Losses by step, of a run that is begun, gone on with, or done already."""
    ngtrain, run = os.path.join(a.build, "trainer", "ngtrain"), os.path.join(folder, "run")
    if not glob.glob(os.path.join(run, "checkpoint-*")):
        vocab = vocabulary(a.data[0])
        write_weights(os.path.join(folder, "weights"), new_model(a, seed, vocab, 1), PRESETS[a.preset], vocab)
        if call([ngtrain, "import", os.path.join(folder, "weights"), run], log):
            raise Broken(f"ngtrain import failed: {log.name}")
    more = [*(["--lr", a.lr, "--min-lr", a.lr, "--warmup", "0"] if a.lr != "preset" else []),
            *(["--seq-len", str(a.seq_len)] if a.seq_len else []),
            *(["--micro-batch", str(a.micro_batch)] if a.micro_batch else [])]
    code = call([ngtrain, "--model", a.preset, "--steps", str(a.steps), "--batch", str(a.batch), "--seed", str(seed), *more,
                 "--device", a.device, "--val-every", "0", "--checkpoint-every", "0", "--progress", "never", "-o", run, *a.data],
                log)
    if code:
        raise Broken(f"ngtrain ended with {code}: {log.name}")


def our_losses(folder):
    path, losses = os.path.join(folder, "run", "metrics.jsonl"), {}
    if os.path.exists(path):
        with open(path) as f:
            for entry in map(json.loads, f):
                if entry.get("loss") is not None:
                    losses[entry["step"]] = entry["loss"]
    return losses


def feed(a, folder, log):
    """What the run was fed with: int32 [steps, 3, rows, seq_len] with -100 for no target, and the learning rates."""
    program = os.path.join(a.build, "tests", "trainer", "dump_feed")
    command = [program, os.path.join(folder, "run", "config.json"), *a.data]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    rows, seq_len = struct.unpack("<2I", process.stdout.read(8))
    steps, rates = torch.empty(a.steps, 3, rows, seq_len, dtype=torch.int32), []
    for step in range(a.steps):
        rates.append(struct.unpack("<dQ", process.stdout.read(16))[0])
        got = bytearray(process.stdout.read(12 * rows * seq_len))
        steps[step] = torch.frombuffer(got, dtype=torch.int32).view(3, rows, seq_len)
    process.stdout.close()
    if process.wait():
        raise Broken(f"dump_feed failed: {log.name}")
    steps[:, 1].masked_fill_(steps[:, 1] < 0, -100)
    return steps, rates


def theirs_path(folder):
    return os.path.join(folder, "torch.json")


def their_losses(folder):
    if not os.path.exists(theirs_path(folder)):
        return None, {}
    with open(theirs_path(folder)) as f:
        kept = json.load(f)
    return kept["about"], dict(enumerate(kept["losses"], 1))


def theirs(a, seed, folder, log):
    """Trains PyTorch's model, unless that is done; losses are kept every so many steps."""
    with open(os.path.join(folder, "run", "config.json")) as f:
        about = {"torch": torch.__version__, "mode": a.mode, "device": a.device, "plant": a.plant, "peer": a.peer,
                 "config": json.load(f)["options"]}
    old, done = their_losses(folder)
    if old == about and len(done) >= a.steps:
        return
    device = "cuda" if a.device == "cuda" else "cpu"
    torch.backends.cuda.enable_cudnn_sdp(False)  # it has no plan for some shapes of masks
    steps, rates = feed(a, folder, log)
    steps, rates = steps.to(device), a.plant * torch.tensor(rates, dtype=torch.float64, device=device)
    model = new_model(a, seed, about["config"]["vocab"], steps.shape[3]).to(device)
    rate = torch.zeros((), device=device)  # fp32: a tensor, so that a captured step reads it anew
    training = Training(model, steps.shape[2], steps.shape[3], a.mode, rate, segments=True,
                        dtype=torch.float32 if a.peer == "fp32" else torch.bfloat16)
    losses, kept, start = torch.zeros(a.steps, device=device), 0, time.monotonic()
    for step in range(a.steps):
        training.batch.copy_(steps[step])
        rate.copy_(rates[step])
        training.step()
        losses[step].copy_(training.loss)
        if (step + 1) % KEPT_EVERY == 0 or step + 1 == a.steps:
            kept = step + 1
            with open(theirs_path(folder) + ".tmp", "w") as f:
                json.dump({"about": about, "seconds": time.monotonic() - start, "losses": losses[:kept].tolist()}, f)
            os.replace(theirs_path(folder) + ".tmp", theirs_path(folder))
            print(f"seed {seed}: PyTorch's step {kept}/{a.steps}, {time.monotonic() - start:.1f} s", file=sys.stderr,
                  flush=True)


def paired(own, peer, steps):
    """Means of both and of their difference over these steps, and the difference's standard error."""
    a, b = [own[s] for s in steps], [peer[s] for s in steps]
    d = [x - y for x, y in zip(a, b)]
    error = statistics.stdev(d) / math.sqrt(len(d)) if len(d) > 1 else math.inf
    return statistics.fmean(a), statistics.fmean(b), statistics.fmean(d), error


def report(a, seeds):
    """The table, and what is wrong."""
    lines, wrong = [f"| seed | steps | ours | PyTorch {a.peer} | difference | standard error |", "|---|---|---|---|---|---|"], []
    for seed in seeds:
        folder = os.path.join(a.out, f"seed-{seed}")
        own, peer = our_losses(folder), their_losses(folder)[1]
        both = sorted(own.keys() & peer.keys())
        if len(both) < a.steps:
            wrong.append(f"seed {seed}: {len(own)} steps of ours and {len(peer)} of PyTorch's are there, of {a.steps}")
        size = max(1, a.steps // WINDOWS)
        windows = [both[i:i + size] for i in range(0, len(both) // size * size, size)]
        for steps in windows + ([both[-a.last:]] if len(both) >= a.steps else []):
            x, y, d, error = paired(own, peer, steps)
            lines.append(f"| {seed} | {steps[0]} to {steps[-1]} | {x:.4f} | {y:.4f} | {d:+.4f} | {error:.4f} |")
        if len(both) >= a.steps:
            lines[-1] = lines[-1].replace("| ", "| **", 1).replace(" |", "** |", 1)
            if not (abs(d) if a.peer == "fp32" else d) <= a.limit:
                wrong.append(f"seed {seed}: the last {a.last} steps differ by {d:+.4f} nats, allowed {a.limit:g}")
    return "\n".join(lines), wrong


def interrupt(signum, frame):
    raise KeyboardInterrupt


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("data", nargs="+", metavar="SHARD|DIR", help="packed shards, or document shards with --seq-len")
    ap.add_argument("--build", default=os.path.join(ROOT, "build-gpu"), help="folder with the binaries (default build-gpu)")
    ap.add_argument("--device", default="cuda", choices=["cpu", "cuda"], help="of both sides")
    ap.add_argument("--preset", default="10m", choices=list(PRESETS))
    ap.add_argument("--steps", type=int, default=2000)
    ap.add_argument("--last", type=int, default=200, help="steps whose mean is judged")
    ap.add_argument("--limit", type=float, default=0.01, help="nats that the means may differ by")
    ap.add_argument("--batch", type=int, default=8, help="sequences a step")
    ap.add_argument("--lr", default="3e-4", help="learning rate, or `preset`: ngtrain's rate and schedule (default 3e-4)")
    ap.add_argument("--micro-batch", type=int, help="of ours: sequences held at once")
    ap.add_argument("--seq-len", type=int, help="for document shards")
    ap.add_argument("--seeds", default="0", help="of weights and order, by commas")
    ap.add_argument("--mode", default="eager", choices=["eager", "compile", "graph"], help="of PyTorch")
    ap.add_argument("--peer", default="bf16", choices=["bf16", "fp32"], help="what PyTorch's side computes with")
    ap.add_argument("--plant", type=float, default=1, metavar="X",
                    help="multiplies PyTorch's learning rates: the runs must differ")
    ap.add_argument("--out", help="where runs and the table go (default: compare-run in the build folder)")
    a = ap.parse_args()
    a.out = a.out or os.path.join(a.build, "compare-run")
    seeds, failed = [int(seed) for seed in a.seeds.split(",")], []
    if a.device == "cuda" and not torch.cuda.is_available():
        print("compare-run: PyTorch finds no GPU", file=sys.stderr)
        return 77
    if a.device == "cpu":
        torch.set_num_threads(1)  # threads that wait for each other are slow beside anything else
    signal.signal(signal.SIGTERM, interrupt)
    try:
        for seed in seeds:
            folder = os.path.join(a.out, f"seed-{seed}")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "log"), "a") as log:
                start = time.monotonic()
                ours(a, seed, folder, log)
                print(f"seed {seed}: ngtrain is done, {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
                theirs(a, seed, folder, log)
    except (Broken, RuntimeError, OSError, struct.error) as error:
        failed.append(f"seed {seed}: {error}".splitlines()[0])
    except KeyboardInterrupt:
        failed.append("cut off: the same command goes on")
    text, wrong = report(a, seeds)
    wrong = failed + wrong
    where = torch.cuda.get_device_name() if a.device == "cuda" else "CPU"
    text = (f"{a.preset}, {a.batch} sequences a step, ngtrain on {a.device} beside PyTorch {torch.__version__} ({a.mode}) on "
            f"{where}; the last row of a seed is judged\n\n{text}\n\n" + "".join(what + "\n" for what in wrong) +
            ("FAILED\n" if wrong else f"all within {a.limit:g} nats\n"))
    with open(os.path.join(a.out, "table.md"), "w") as f:
        f.write(text)
    print(text, end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
