"""PyTorch's side of scripts/bench-train: one model on the GPU that trains when it is told to.

  torch_step.py PRESET ROWS SEQ_LEN eager|compile|graph [FILE]

Says {"ready": true, ...} when the model is compiled and captured; then, for each line with a number of steps, trains a few
more than these and says what one of these took between two events on the GPU, in JSON. Between two lines nothing of it runs
there, and memory that only a step needs is given back, but for a graph's own.

A step: tokens from pinned memory, then all that torch_training.py has: forward, backward, clip, AdamW, masters rounded into
the weights.

Tokens are random in full rows; or those of a FILE of dump_batches: packed sequences whose segments neither see each other nor
share positions, by PyTorch's attention for varied lengths, which needs no mask.
"""
import array
import gc
import json
import math
import os
import sys
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from presets import PRESETS, VOCAB  # noqa: E402
from torch_model import Model  # noqa: E402
from torch_training import Training  # noqa: E402

WARM = 4  # steps before the clock starts
BATCHES = 8  # as bench_batches.h has it
NO_TARGET = 0xffffffff


def packed(path, rows, seq_len):
    """For each batch of the file: tokens, targets and first positions [3, rows, seq_len], and the bounds of the segments, as
    many for every batch: what is missing is empty segments at the end."""
    header, values = array.array("I"), array.array("I")
    with open(path, "rb") as f:
        header.frombytes(f.read(16))
        values.frombytes(f.read())
    if list(header[:2]) != [rows * BATCHES, seq_len] or header[2] > VOCAB:
        raise RuntimeError(f"{path} is not of this shape")
    all_rows = torch.tensor(values, dtype=torch.long).view(BATCHES, rows, 3, seq_len)
    batches, bounds = [], []
    for tokens, targets, first in all_rows.transpose(1, 2):
        batches.append(torch.stack([tokens, targets.masked_fill(targets == NO_TARGET, -100), first]))
        starts = (first == torch.arange(seq_len)).flatten().nonzero().flatten()
        bounds.append(torch.cat([starts, torch.tensor([rows * seq_len])]))
    most = max(len(b) for b in bounds)
    return [(batch, torch.cat([b, b[-1:].expand(most - len(b))]).int()) for batch, b in zip(batches, bounds)]


class Trainer(Training):
    def __init__(self, preset, rows, seq_len, mode, path):
        torch.manual_seed(0)
        with torch.device("cuda"):
            model = Model(*PRESETS[preset], VOCAB, False, seq_len)
        batches = packed(path, rows, seq_len) if path else [
            (torch.randint(VOCAB, (2, rows, seq_len)), None) for _ in range(BATCHES)]
        self.host = [(batch.pin_memory(), bounds if bounds is None else bounds.pin_memory()) for batch, bounds in batches]
        self.count = 0
        super().__init__(model, rows, seq_len, mode, 3e-4, segments=bool(path), bounds=len(batches[0][1]) if path else 0)

    def step(self):
        batch, bounds = self.host[self.count % BATCHES]
        self.batch.copy_(batch, non_blocking=True)
        if bounds is not None:
            self.bounds.copy_(bounds, non_blocking=True)
        self.count += 1
        super().step()

    def measure(self, steps):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(WARM):
            self.step()
        begin.record()
        for _ in range(steps):
            self.step()
        end.record()
        end.synchronize()
        loss = self.loss.item()
        if not math.isfinite(loss):
            raise RuntimeError("the loss is no number")
        return {"ms": begin.elapsed_time(end) / steps, "loss": loss, "memory_gb": torch.cuda.max_memory_reserved() / 1e9}

    def park(self):
        if not self.graph:
            for w in self.weights:
                w.grad = None
            self.loss = None
            gc.collect()
            torch.cuda.empty_cache()
        torch.cuda.synchronize()


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    preset, rows, seq_len, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    start = time.perf_counter()
    trainer = Trainer(preset, rows, seq_len, mode, sys.argv[5] if len(sys.argv) > 5 else None)
    trainer.measure(1)
    trainer.park()
    say(ready=True, torch=torch.__version__, cuda=torch.version.cuda, warm_s=time.perf_counter() - start)
    for line in sys.stdin:
        if line.strip():
            answer = trainer.measure(int(line))
            trainer.park()
            say(**answer)


if __name__ == "__main__":
    if not torch.cuda.is_available():
        say(error="PyTorch finds no GPU", memory=False)
        sys.exit(77)
    try:
        main()
    except torch.cuda.OutOfMemoryError:
        say(error="out of memory", memory=True)
        sys.exit(1)
    except Exception as error:  # told to the driver, whole in the log
        say(error=f"{type(error).__name__}: {error}".splitlines()[0][:200], memory=False)
        raise
