#!/usr/bin/env python3
"""Training steps of a preset on the CPU: ours and PyTorch's, one after the other in turns (A B A B ...).

Both do the same: forward, backward, clip to norm 1, AdamW, on random tokens, fp32, the same number of threads. While
one works the other sleeps. Beside the time on the wall, which other programs on the machine lengthen, stands the time
that the process spent on cores.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

from presets import PRESETS, VOCAB


def serve(preset, rows, seq_len, threads):
    """The peer: reads a number of steps a line, answers with the seconds they took and the loss."""
    import torch
    from torch import nn
    from torch_model import Model

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Model(*PRESETS[preset], VOCAB, False, seq_len)
    adamw = model.optimizer(3e-4)
    x, y = torch.randint(VOCAB, (rows, seq_len)), torch.randint(VOCAB, (rows, seq_len))
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            adamw.zero_grad()
            loss = model(x, y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adamw.step()
        print(time.perf_counter() - start, loss.item(), flush=True)


class Program:
    def __init__(self, name, command):
        self.name, self.wall, self.cores = name, [], []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.process.stdout.readline().split()[1:]

    def core_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure(self, steps):
        before = self.core_seconds()
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, loss = map(float, self.process.stdout.readline().split())
        self.wall.append(seconds / steps)
        self.cores.append((self.core_seconds() - before) / steps)
        return loss

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default="build")
    ap.add_argument("--preset", default="1m", choices=PRESETS)
    ap.add_argument("--batch", default="8x256")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--steps", type=int, default=1, help="steps of one measurement")
    ap.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    rows, seq_len = map(int, a.batch.split("x"))
    if a.serve:
        return serve(a.preset, rows, seq_len, a.threads)

    shape = [a.preset, str(rows), str(seq_len), str(a.threads)]
    ours = Program("ngt", [os.path.join(a.build, "tests", "kernels", "bench_step"), *shape])
    peer = Program("torch", [sys.executable, __file__, "--serve", "--preset", a.preset, "--batch", a.batch,
                             "--threads", str(a.threads)])
    for program in (ours, peer):  # warm-up: pages, caches, thread pools
        program.measure(1)
        program.wall.clear(), program.cores.clear()
    for _ in range(a.rounds):
        losses = [program.measure(a.steps) for program in (ours, peer)]
    print(f"{a.preset} {a.batch}, {a.threads} threads, torch {' '.join(peer.version)}, {a.rounds} rounds of "
          f"{a.steps}, last losses {losses[0]:.3f} {losses[1]:.3f}")
    for program in (ours, peer):
        wall, cores = statistics.median(program.wall), statistics.median(program.cores)
        print(f"{program.name:6} {wall:7.3f} s a step ({min(program.wall):.3f} to {max(program.wall):.3f}), "
              f"{rows * seq_len / wall:8.0f} tokens/s, {cores:6.3f} s on cores")
        program.close()
    print(f"ratio  {statistics.median(peer.wall) / statistics.median(ours.wall):.2f} by the clock, "
          f"{statistics.median(peer.cores) / statistics.median(ours.cores):.2f} by time on cores")


if __name__ == "__main__":
    main()
