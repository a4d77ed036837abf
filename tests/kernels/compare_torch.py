#!/usr/bin/env python3
"""One training step of several small models here and in PyTorch: the loss, every gradient and every updated weight.

  compare_torch.py BUILD_DIR       (scripts/compare-torch finds a Python that has torch)

Errors are relative: the norm of the difference over the norm of PyTorch's value, tensor by tensor. Exit 1 where a
loss, gradient or update is off by more than 1e-4.
"""
import os
import struct
import subprocess
import sys
import tempfile

import numpy
import torch
from torch import nn

from torch_model import Model

LIMIT = 1e-4
# AdamW's first step divides each gradient by its own size: with the usual eps of 1e-8 it would turn the last bits of
# tiny gradients into whole steps. An eps near the gradients' own size compares the formula instead.
LR, ADAM_EPS = 1e-2, 1e-3
#         name                          layers width heads kv head_dim ffn vocab untied rows seq_len segments
CASES = (("head 64, tied",                   2, 48, 2, 2, 64, 80, 211, 0, 2, 40, False),
         ("head 64, tied, segments",         2, 48, 2, 2, 64, 80, 211, 0, 3, 70, True),
         ("head 64, grouped, untied",        2, 56, 4, 2, 64, 72, 211, 1, 3, 70, True),
         ("head 128, tied",                  2, 72, 2, 2, 128, 96, 331, 0, 2, 70, False),
         ("head 128, grouped, segments",     3, 72, 4, 1, 128, 96, 331, 0, 2, 70, True),
         ("head 128, untied, segments",      1, 72, 3, 3, 128, 96, 331, 1, 2, 140, True),
         ("many head chunks, segments",      2, 64, 2, 1, 64, 100, 1200, 0, 5, 130, True))


def batch(rows, seq_len, vocab, segments, rng):
    tokens = rng.integers(0, vocab, (rows, seq_len), dtype=numpy.uint32)
    targets = rng.integers(0, vocab, (rows, seq_len)).astype(numpy.int64)
    first = numpy.zeros((rows, seq_len), numpy.uint32)
    if segments:
        for row in range(rows):
            at = 0
            while at < seq_len - 3:
                n = int(rng.integers(1, seq_len // 2))
                first[row, at:at + n] = at
                at += n
            for i in range(seq_len - 3, seq_len):  # padding: segments of one, no target
                first[row, i], targets[row, i] = i, -100
        targets[rng.random((rows, seq_len)) < 0.1] = -100
    return tokens, targets, first


def ours(driver, shape, weights, tokens, targets, first):
    with tempfile.TemporaryDirectory() as folder:
        given, got = os.path.join(folder, "in"), os.path.join(folder, "out")
        with open(given, "wb") as f:
            f.write(struct.pack("<10I2d", *shape, LR, ADAM_EPS))
            f.write(weights.astype("<f4").tobytes())
            f.write(tokens.astype("<u4").tobytes())
            f.write(numpy.where(targets < 0, 0xffffffff, targets).astype("<u4").tobytes())
            f.write(first.astype("<u4").tobytes())
        subprocess.run([driver, given, got], check=True)
        with open(got, "rb") as f:
            loss, norm = struct.unpack("<2d", f.read(16))
            rest = numpy.frombuffer(f.read(), "<f4")
    return loss, norm, rest[:len(weights)], rest[len(weights):]


def tensors(driver, shape):
    """name -> (rows, cols, offset) of the flat vector."""
    listed = subprocess.run([driver, *map(str, shape)], check=True, capture_output=True, text=True).stdout
    fields = (line.split() for line in listed.splitlines())
    return {name: (int(rows), int(cols), int(offset)) for name, rows, cols, offset in fields}


def relative(a, b):
    size = float(numpy.linalg.norm(b))
    return float(numpy.linalg.norm(a - b)) / size if size else float(numpy.linalg.norm(a))


def run(driver, case, rng):
    name, *shape, segments = case
    rows, seq_len, vocab = shape[8], shape[9], shape[6]
    model = Model(*shape[:8], seq_len)
    with torch.no_grad():  # larger than at the start of a training, so that every part matters
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * p.shape[-1] ** -0.5 if p.dim() > 1 else 1 + 0.2 * torch.randn_like(p))
    tokens, targets, first = batch(rows, seq_len, vocab, segments, rng)
    places = tensors(driver, shape)

    def flat(values):
        out = numpy.zeros(sum(r * c for r, c, _ in places.values()), numpy.float32)
        for key, p, part in model.slices():
            r, c, offset = places[key]
            out[offset:offset + r * c] = values(p).detach()[part].reshape(-1).numpy()
        return out

    before = flat(lambda p: p)
    got = ours(driver, shape, before, tokens, targets, first)
    loss = model(torch.from_numpy(tokens.astype(numpy.int64)), torch.from_numpy(targets),
                 torch.from_numpy(first.astype(numpy.int64)) if segments else None)
    loss.backward()
    gradient = flat(lambda p: p.grad)
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
    model.optimizer(LR, ADAM_EPS).step()
    update = flat(lambda p: p) - before

    worst, where, worst_update = 0.0, "", 0.0
    for key, (r, c, offset) in places.items():
        part = slice(offset, offset + r * c)
        error = relative(got[2][part], gradient[part])
        if error >= worst:
            worst, where = error, key
        worst_update = max(worst_update, relative(got[3][part] - before[part], update[part]))
    loss_error = abs(got[0] - float(loss.detach())) / float(loss.detach())
    norm_error = abs(got[1] - norm) / norm
    print(f"{name:30} loss {loss_error:.1e}  norm {norm_error:.1e}  worst gradient {worst:.1e} ({where})  "
          f"worst update {worst_update:.1e}", flush=True)
    return max(loss_error, norm_error, worst, worst_update) <= LIMIT


def main():
    driver = os.path.join(sys.argv[1], "tests", "kernels", "dump_step")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    rng = numpy.random.default_rng(1)
    print(f"torch {torch.__version__}, everything must agree within {LIMIT:g}")
    good = [run(driver, case, rng) for case in CASES]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
