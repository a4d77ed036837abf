#!/usr/bin/env python3
"""Training steps of several small models here and in PyTorch on the same weights and tokens: the loss, every gradient and
the update. The truth is PyTorch's model in fp64; errors are relative, the norm of a difference over the norm of the truth.

  scripts/compare-torch                         the CPU backend, fp32: everything within 1e-4 of the truth
  scripts/compare-torch --device cuda           the GPU's, bf16: each tensor at most 1.5 times as far from the truth as the
                                                gradient of PyTorch's bf16 model is, median of 8 seeds
  scripts/compare-torch --device twin           the same without a GPU, by the twins of the kernels and PyTorch on the CPU

The bf16 model has bf16 weights, activations and gradients, as scripts/bench-train's and eager; gradients of micro-batches
add up in bf16. Weights of a trial are bf16 numbers: rounding them would be one error for both sides, and hide others. An
error below 1e-4 counts as 1e-4: bf16's own roundings are 2e-3, so less says that a tensor is exact, or luck. The loss is one
number, whose error may come out as nothing: for one model the mean of N targets from bf16 logits counts as 2^-9 / sqrt(N) off
at least; the root mean square over all models and seeds is held to 1.5 times as well. Our norm must be that of our gradients,
and our update AdamW's on them.

Exit 0: all within; 1: something is not, or was cut off (what is done is printed); 77: no such device.
"""
import argparse
import contextlib
import ctypes
import math
import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_model import Model

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FP32_LIMIT = 1e-4          # of everything where all is fp32
RATIO_LIMIT = 1.5          # of our error over the bf16 model's
FLOOR = 1e-4               # errors of bf16 gradients are taken to be no less
EXACT_LIMIT = 1e-3         # norm and update from our own gradients, fp32 on the GPU
LOSSES_ENOUGH = 40         # numbers whose root mean square is more than luck
PLANT = 1.05
# AdamW's first step divides each gradient by its own size: with the usual eps of 1e-8 it would turn the last bits of
# tiny gradients into whole steps. An eps near the gradients' own size compares the formula instead.
LR, ADAM_EPS = 1e-2, 1e-3
# On a GPU a fused kernel, whichever PyTorch takes first; cuDNN's has no plan for some shapes. The one that is not fused is fp32
# inside, and nobody trains with it: a harder peer.
ATTENTION = (("fused", [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]),
             ("fused, not cuDNN's", [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]),
             ("whatever PyTorch takes", None))
#         name                              layers width heads kv head_dim ffn vocab untied rows seq_len segments micros
CASES = (("head 64, tied",                       2, 48, 2, 2, 64, 80, 211, 0, 2, 40, False, 1),
         ("head 64, tied, segments",             2, 48, 2, 2, 64, 80, 211, 0, 3, 70, True, 1),
         ("head 64, grouped, untied",            2, 56, 4, 2, 64, 72, 211, 1, 3, 70, True, 1),
         ("head 64, grouped, micro-batches",     2, 128, 4, 2, 64, 192, 1000, 0, 2, 128, False, 3),
         ("head 128, tied",                      2, 72, 2, 2, 128, 96, 331, 0, 2, 70, False, 1),
         ("head 128, grouped, segments",         3, 72, 4, 1, 128, 96, 331, 0, 2, 70, True, 1),
         ("head 128, untied, segments, micro-batches", 1, 72, 3, 3, 128, 96, 331, 1, 2, 140, True, 3),
         ("head 128, grouped, untied",           2, 256, 4, 2, 128, 384, 777, 1, 2, 200, False, 1),
         ("many head chunks, segments",          2, 64, 2, 1, 64, 104, 1200, 0, 5, 130, True, 1),
         ("12 layers, segments",                12, 128, 2, 2, 64, 384, 2000, 0, 2, 256, True, 1),
         ("50257 ids, tied",                     2, 128, 2, 2, 64, 192, 50257, 0, 2, 128, False, 1),
         ("50257 ids, untied, segments, micro-batches", 1, 64, 2, 1, 64, 128, 50257, 1, 2, 96, True, 2))


class Broken(Exception):
    pass


class Case:
    """A row of CASES: its shape and the places of its tensors in the flat vector."""

    def __init__(self, row, driver):
        self.name, *shape, self.segments, self.micros = row
        self.shape, self.rows, self.seq_len, self.vocab = shape, shape[8], shape[9], shape[6]
        listed = subprocess.run([driver, *map(str, shape)], check=True, capture_output=True, text=True).stdout
        fields = (line.split() for line in listed.splitlines())
        self.places = {name: (int(rows), int(cols), int(offset)) for name, rows, cols, offset in fields}
        self.parameters = sum(rows * cols for rows, cols, _ in self.places.values())

    def part(self, name):
        rows, cols, offset = self.places[name]
        return slice(offset, offset + rows * cols)

    def model(self, device):
        with torch.device(device):
            return Model(*self.shape[:8], self.seq_len)

    def flat(self, model, values, device):
        """values(parameter) of a model as the flat vector in fp64."""
        out = torch.empty(self.parameters, dtype=torch.float64, device=device)
        for name, p, rows in model.slices():
            out[self.part(name)] = values(p).detach()[rows].reshape(-1).double()
        return out

    def put(self, model, flat, store):
        """The other way: store(parameter, its values whole)."""
        whole = {}
        for name, p, rows in model.slices():
            values = whole.setdefault(p, torch.empty(p.shape, dtype=torch.float64, device=p.device))
            values[rows] = flat[self.part(name)].view(values[rows].shape)
        for p, values in whole.items():
            store(p, values.to(p.dtype))


class Trial:
    """Weights and the micro-batches of a step, from a seed."""

    def __init__(self, case, seed, rounded):
        rng = torch.Generator().manual_seed(seed)
        self.weights = torch.empty(case.parameters)
        for name, (rows, cols, _) in case.places.items():  # larger than at the start of a training: every part matters
            noise = torch.randn(rows * cols, generator=rng)
            self.weights[case.part(name)] = noise * cols ** -0.5 if cols > 1 else 1 + 0.2 * noise
        if rounded:
            self.weights = self.weights.bfloat16().float()
        self.micros = [batch(case, rng, 0.95 * 0.4 ** m if case.segments or case.micros > 1 else 1) for m in range(case.micros)]
        self.targets = sum(int((targets >= 0).sum()) for _, targets, _ in self.micros)

    def bytes(self):
        out = raw(self.weights)
        for tokens, targets, first in self.micros:
            out += b"".join(raw(t.to(torch.int32)) for t in (tokens, targets, first))
        return out


def raw(t):
    """A tensor's memory; numpy need not be there."""
    t = t.contiguous()
    return ctypes.string_at(t.data_ptr(), t.numel() * t.element_size())


def batch(case, rng, share):
    """Tokens, targets (about this share of them; -1: none) and segment starts, int64."""
    size = (case.rows, case.seq_len)
    tokens, targets = (torch.randint(case.vocab, size, generator=rng) for _ in range(2))
    first = torch.zeros(size, dtype=torch.int64)
    if case.segments:
        for row in range(case.rows):
            at = 0
            while at < case.seq_len - 3:
                n = int(torch.randint(1, case.seq_len // 2, (), generator=rng))
                first[row, at:at + n] = at
                at += n
            for i in range(case.seq_len - 3, case.seq_len):  # padding: segments of one, no target
                first[row, i], targets[row, i] = i, -1
    targets[torch.rand(size, generator=rng) >= share] = -1
    return tokens, targets, first


def ours(driver, device, case, trials, folder):
    """For each trial: loss, norm, gradients, weights after the step."""
    given, got, said = (os.path.join(folder, name) for name in ("in", "out", "said"))
    with open(given, "wb") as f:
        f.write(struct.pack("<11I2d", *case.shape, case.micros, LR, ADAM_EPS))
        for trial in trials:
            f.write(trial.bytes())
    with open(said, "wb") as f:
        code = subprocess.run([driver, device, given, got], stderr=f).returncode
    if code:
        with open(said) as f:
            why = f.read().strip() or f"dump_step ended with {code}"
        if code == 77:
            print(f"compare-torch: {why}", file=sys.stderr)
            sys.exit(77)
        raise Broken(why)
    answers = []
    with open(got, "rb") as f:
        for _ in trials:
            loss, norm = struct.unpack("<2d", f.read(16))
            values = torch.frombuffer(bytearray(f.read(8 * case.parameters)), dtype=torch.float32).double()
            answers.append((loss, norm, values[:case.parameters], values[case.parameters:]))
    return answers


def theirs(case, model, trial, device, kernels):
    """Loss and gradients of PyTorch's model."""
    case.put(model, trial.weights.to(device), lambda p, values: p.data.copy_(values))
    loss = 0.0
    for p in model.parameters():
        p.grad = None
    for tokens, targets, first in trial.micros:
        tokens, targets = tokens.to(device), targets.masked_fill(targets < 0, -100).to(device)
        with sdpa_kernel(kernels) if kernels else contextlib.nullcontext():
            share = model(tokens, targets, first.to(device) if case.segments else None, divisor=trial.targets)
        share.backward()
        loss += float(share.detach())
    return loss, case.flat(model, lambda p: p.grad, device)


def bf16_model(case, device):
    model = case.model(device)
    for p in model.parameters():
        p.data = p.data.bfloat16()
    return model


def bf16_theirs(case, model, trial, device):
    """And which attention it had: the first of ATTENTION that takes these shapes."""
    for name, kernels in ATTENTION if device == "cuda" else ATTENTION[-1:]:
        try:
            return *theirs(case, model, trial, device, kernels), name
        except RuntimeError as error:
            last = error
    raise last


def relative(a, b):
    size = float(b.norm())
    return float((a - b).norm()) / size if size else float(a.norm())


def own_errors(case, model, trial, answer, device):
    """Norm and worst update against clipping and AdamW in fp64 on our own gradients."""
    _, norm, gradient, after = answer
    before = trial.weights.double()
    case.put(model, before.to(device), lambda p, values: p.data.copy_(values))
    case.put(model, gradient.to(device), lambda p, values: setattr(p, "grad", values))
    true_norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
    model.optimizer(LR, ADAM_EPS).step()
    update = case.flat(model, lambda p: p, device).cpu() - before
    worst = max(relative((after - before)[case.part(n)], update[case.part(n)]) for n in case.places)
    return abs(norm - true_norm) / true_norm, worst


def run(driver, case, a, folder):
    """Errors of a case: lists by seed, of tensors by name."""
    bf16, device = a.device != "cpu", "cuda" if a.device == "cuda" else "cpu"
    trials = [Trial(case, seed, bf16) for seed in range(a.seeds)]
    truth, peer = case.model(device).double(), bf16_model(case, device) if bf16 else None
    found = {"loss": [], "peer_loss": [], "norm": [], "update": [], "attention": set(), "targets": trials[0].targets,
             "ours": {name: [] for name in case.places}, "peer": {name: [] for name in case.places}}
    for trial, answer in zip(trials, ours(driver, a.device, case, trials, folder)):
        if a.plant:
            planted = [n for n in case.places if a.plant in n]
            for name in planted[:1]:
                answer[2][case.part(name)] *= PLANT
        loss, gradient = theirs(case, truth, trial, device, None)
        found["loss"].append(abs(answer[0] - loss) / loss)
        for name in case.places:
            found["ours"][name].append(relative(answer[2][case.part(name)].to(device), gradient[case.part(name)]))
        if bf16:
            peer_loss, peer_gradient, attention = bf16_theirs(case, peer, trial, device)
            found["attention"].add(attention)
            found["peer_loss"].append(abs(peer_loss - loss) / loss)
            for name in case.places:
                found["peer"][name].append(relative(peer_gradient[case.part(name)], gradient[case.part(name)]))
        norm, update = own_errors(case, truth, trial, answer, device)
        found["norm"] += [norm] if a.device != "twin" else []
        found["update"].append(update)
    return found


def largest(values):
    """inf where one is no number: no comparison may pass for that."""
    return max((v if math.isfinite(v) else math.inf for v in values), default=0.0)


def ratio(own, peer, floor):
    if largest(own + peer) == math.inf:
        return math.inf
    return statistics.median(max(o, floor) / max(p, floor) for o, p in zip(own, peer))


def judge_fp32(found):
    """A row of the table, what is wrong, and the lines of the log."""
    errors = {name: largest(values) for name, values in found["ours"].items()}
    worst = max(errors, key=errors.get)
    what = {"loss": largest(found["loss"]), "norm": largest(found["norm"]), "update": largest(found["update"]),
            worst: errors[worst]}
    row = [f"{what['loss']:.1e}", f"{errors[worst]:.1e}", worst, f"{what['norm']:.1e}", f"{what['update']:.1e}"]
    wrong = [f"{name} is off by {error:.1e}" for name, error in what.items() if error > FP32_LIMIT]
    return row, wrong, [f"{name:48} {error:.2e}" for name, error in errors.items()]


def judge_bf16(found):
    own, peer = found["ours"], found["peer"]
    ratios = {name: ratio(own[name], peer[name], FLOOR) for name in own}
    middle = statistics.median
    ratios["loss"] = ratio(found["loss"], found["peer_loss"], 2 ** -9 / found["targets"] ** 0.5)
    worst = max((name for name in own), key=ratios.get)
    row = [f"{ratios['loss']:.2f}", f"{middle(found['loss']):.1e}", f"{middle(found['peer_loss']):.1e}",
           f"{ratios[worst]:.2f}", f"{middle(own[worst]):.1e}", f"{middle(peer[worst]):.1e}", worst,
           f"{middle(ratios[name] for name in own):.2f}", f"{largest(found['norm']):.1e}" if found["norm"] else "-",
           f"{largest(found['update']):.1e}"]
    wrong = [f"{name}: {value:.2f} times the bf16 model's error" for name, value in ratios.items() if value > RATIO_LIMIT]
    wrong += [f"{name} is off by {largest(found[name]):.1e}" for name in ("norm", "update") if largest(found[name]) > EXACT_LIMIT]
    log = [f"{name:48} {ratios[name]:6.3f}  ours {middle(own[name]):.2e}  bf16 PyTorch {middle(peer[name]):.2e}" for name in own]
    log.append(f"PyTorch's attention: {'; '.join(sorted(found['attention']))}")
    return row, wrong, log


HEAD = {False: ["model", "loss", "worst gradient", "which", "norm", "update"],
        True: ["model", "loss: ratio", "ours", "bf16 PyTorch", "worst gradient: ratio", "ours", "bf16 PyTorch", "which",
               "middle ratio", "norm", "update"]}


def losses_together(all_found):
    """Ratio of the root mean squares over all models and seeds, and over how many."""
    own = [e * f["targets"] ** 0.5 for f in all_found for e in f["loss"]]
    peer = [e * f["targets"] ** 0.5 for f in all_found for e in f["peer_loss"]]
    return math.hypot(*own) / math.hypot(*peer), len(own)


def table(head, rows):
    width = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("| " + " | ".join(f"{cell:{w}}" for cell, w in zip(row, width)) + " |"
                     for row in [head, ["-" * w for w in width], *rows])


def compare(driver, cases, a, log):
    """All cases in order: the table's rows, words beneath it, and what is wrong. A signal ends it with what there is."""
    rows, wrong, all_found, words = [], [], [], ""
    try:
        for row in cases:
            start, case = time.monotonic(), Case(row, driver)
            try:
                with tempfile.TemporaryDirectory(dir=a.out) as folder:
                    found = run(driver, case, a, folder)
                figures, bad, lines = (judge_fp32 if a.device == "cpu" else judge_bf16)(found)
                all_found.append(found)
            except (Broken, RuntimeError, struct.error) as error:
                figures, bad, lines = ["-"] * (len(HEAD[a.device != "cpu"]) - 1), [str(error).splitlines()[0]], []
            rows.append([case.name, *figures])
            wrong += [f"{case.name}: {what}" for what in bad]
            log.write(f"== {case.name}\n" + "".join(line + "\n" for line in lines + bad))
            log.flush()
            print(f"{case.name}: {'FAILED' if bad else 'good'}, {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        wrong.append(f"cut off after {len(rows)} of {len(cases)} models")
    if a.device != "cpu" and all_found:
        together, count = losses_together(all_found)
        words = f"loss over all models and seeds ({count}): {together:.2f} times the bf16 model's error\n"
        if count >= LOSSES_ENOUGH and not together <= RATIO_LIMIT:
            wrong.append(words.strip())
    return rows, words, wrong


def interrupt(signum, frame):
    raise KeyboardInterrupt


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", help="folder with the binaries (default build; build-gpu for cuda)")
    ap.add_argument("--device", default="cpu", choices=["cpu", "cuda", "twin"], help="what computes our side")
    ap.add_argument("--seeds", type=int, help="trials of a model (default 8 in bf16, 1 in fp32)")
    ap.add_argument("--cases", default="", help="some models: parts of their names, by ;")
    ap.add_argument("--out", help="where the table and each tensor's errors go (default: compare-torch in the build folder)")
    ap.add_argument("--plant", metavar="PART", help=f"multiplies one gradient of ours whose name has PART by {PLANT}: the "
                                                    "comparison must fail")
    a = ap.parse_args()
    a.seeds = a.seeds or (1 if a.device == "cpu" else 8)
    a.build = a.build or os.path.join(ROOT, "build-gpu" if a.device == "cuda" else "build")
    a.out = a.out or os.path.join(a.build, "compare-torch")
    driver = os.path.join(a.build, "tests", "kernels", "dump_step")
    if not os.path.exists(driver):
        sys.exit(f"compare-torch: {driver} is absent: scripts/build, or --build FOLDER")
    if a.device == "cuda" and not torch.cuda.is_available():
        print("compare-torch: PyTorch finds no GPU", file=sys.stderr)
        return 77
    parts = [part for part in a.cases.split(";") if part]
    cases = [case for case in CASES if not parts or any(part in case[0] for part in parts)]
    if not cases:
        ap.error(f"--cases: no model has \"{a.cases}\" in its name")
    if a.device != "cuda":
        torch.set_num_threads(1)
    os.makedirs(a.out, exist_ok=True)
    signal.signal(signal.SIGTERM, interrupt)
    with open(os.path.join(a.out, "tensors.log"), "w") as log:
        rows, words, wrong = compare(driver, cases, a, log)
    where = torch.cuda.get_device_name() if a.device == "cuda" else "CPU"
    bound = f"everything within {FP32_LIMIT:g}" if a.device == "cpu" else f"no ratio above {RATIO_LIMIT}"
    text = (f"{a.device} beside PyTorch {torch.__version__} on {where}, {a.seeds} seed{'s' if a.seeds > 1 else ''}, {bound}\n\n"
            f"{table(HEAD[a.device != 'cpu'], rows)}\n\n{words}" + "".join(what + "\n" for what in wrong) +
            ("FAILED\n" if wrong else "all within\n"))
    with open(os.path.join(a.out, "table.md"), "w") as f:
        f.write(text)
    print(text, end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
