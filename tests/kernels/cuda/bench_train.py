#!/usr/bin/env python3
"""Training steps on one GPU: ours beside PyTorch's, in turns (A B A B ...), medians of some rounds.

  scripts/bench-train                                       all cells of the default shapes, in all modes
  scripts/bench-train --cells 1m:8x256,124m:64x1024 --modes graph --rounds 9
  scripts/bench-train --data packed/ --cells 124m:64x1024   packed sequences instead of random tokens

A cell is a preset, a batch and a mode of PyTorch: eager, compile, or graph (the whole step captured). Each cell has two
processes; while one works the other is parked, with nothing of it on the GPU. Both make full rows of random tokens, bf16
weights and gradients, fp32 masters, clipping to norm 1, AdamW, vocabulary 32000, and warm up before each measurement. When
one side runs out of memory beside the parked other, the other is ended for its turn, and begun again. With --data both train
on the first sequences of a data set that ngt-pack made with the cells' length, in the order ngtrain takes them: attention
stays within segments, and positions begin again with each. Padding counts as tokens.

Finished cells are kept in --results: the same command goes on where it was, and measures again what another GPU, driver,
version or commit gave. --table prints what is there without measuring. --dry tries all this with processes that only sleep.
"""
import argparse
import datetime
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.dirname(HERE))
from presets import PRESETS  # noqa: E402

CELLS = "1m:8x256,1m:64x256,10m:4x512,10m:128x512,42m:4x1024,42m:32x1024,124m:4x1024,124m:64x1024"
MODES = ("eager", "compile", "graph")


class Lost(Exception):
    """A side that gave no number: why, and whether it was for memory."""

    def __init__(self, why, memory=False):
        super().__init__(why)
        self.memory = memory


class Side:
    """A process that trains when told to."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log, self.process, self.hello = name, command, log, None, {}
        self.pending = b""

    def start(self, deadline):
        if self.process:
            return
        self.pending = b""
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.hello = self.answer(deadline)

    def answer(self, deadline):
        """The next line of JSON; what is printed besides goes to the log."""
        while True:
            while b"\n" not in self.pending:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                    self.end(kill=True)
                    raise Lost("out of time")
                part = os.read(self.process.stdout.fileno(), 65536)
                if not part:
                    code = self.process.wait()
                    self.end()
                    raise Lost(f"ended with exit code {code}")
                self.pending += part
            line, self.pending = self.pending.split(b"\n", 1)
            try:
                said = json.loads(line)
            except ValueError:
                self.log.write(line + b"\n")
                continue
            if "error" in said:
                self.end()
                raise Lost(said["error"], said.get("memory", False))
            return said

    def measure(self, steps, deadline):
        self.start(deadline)
        try:
            self.process.stdin.write(b"%d\n" % steps)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says how it ended
        return self.answer(deadline)

    def end(self, kill=False):
        if not self.process:
            return
        if kill:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Pair:
    """Two sides in turns."""

    def __init__(self, ours, peer, limit):
        self.sides, self.deadline, self.alone = (ours, peer), time.monotonic() + limit, False

    def measure(self, i, steps):
        side, other = self.sides[i], self.sides[1 - i]
        if self.alone:
            other.end()
        try:
            return side.measure(steps, self.deadline)
        except Lost as lost:
            if not lost.memory or self.alone:
                raise Lost(f"{side.name}: {lost}") from None
        self.alone = True  # once more, with the memory to itself
        return self.measure(i, steps)

    def close(self):
        for side in self.sides:
            side.end()


def run_cell(ours, peer, rounds, seconds, limit):
    """The finished cell as it is kept."""
    pair = Pair(ours, peer, limit)
    ms, loss, more = ([], []), [0, 0], [{}, {}]
    start = time.monotonic()
    try:
        steps = []
        for i in (0, 1):
            first = pair.measure(i, 3)["ms"]
            steps.append(max(3, round(1e3 * seconds / first)))
        for _ in range(rounds):
            for i in (0, 1):
                answer = pair.measure(i, steps[i])
                ms[i].append(answer["ms"])
                loss[i], more[i] = answer["loss"], answer
    except Lost as lost:
        return {"error": str(lost)}
    finally:
        pair.close()
    return {"ours_ms": ms[0], "peer_ms": ms[1], "steps": steps, "loss": loss, "alone": pair.alone,
            "wait": more[0].get("wait"), "busy": more[0].get("busy"), "peer_memory_gb": more[1].get("memory_gb"),
            "peer_warm_s": peer.hello.get("warm_s"), "seconds": round(time.monotonic() - start, 1)}


def smi(field):
    try:
        out = subprocess.run(["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader"], capture_output=True, text=True)
        return out.stdout.splitlines()[0].strip() if out.returncode == 0 else "unknown"
    except (OSError, IndexError):
        return "unknown"


def commit():
    try:
        out = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
        return out.stdout.strip() or "unknown"
    except OSError:
        return "unknown"


def machine(dry):
    """What a cell's numbers depend on beside the cell."""
    if dry:
        return {"gpu": "none", "driver": "none", "torch": "none", "cuda": "none", "commit": commit()}
    import torch
    return {"gpu": smi("name"), "driver": smi("driver_version"), "torch": torch.__version__, "cuda": str(torch.version.cuda),
            "commit": commit()}


class Results:
    """Cells by name in a JSON file that is replaced whole."""

    def __init__(self, path):
        self.path, self.cells = path, {}
        if os.path.exists(path):
            with open(path) as f:
                self.cells = json.load(f)

    def put(self, name, cell):
        self.cells[name] = cell
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        with open(self.path + ".tmp", "w") as f:
            json.dump(self.cells, f, indent=1)
        os.replace(self.path + ".tmp", self.path)


def spread(ms):
    return (max(ms) - min(ms)) / statistics.median(ms)


def cell_name(preset, rows, seq_len, mode, data):
    return f"{preset} {rows}x{seq_len} {mode}" + (f" on {os.path.basename(os.path.abspath(data))}" if data else "")


def table(results, cells, modes, data):
    """A row a shape, a column a mode; ratios are of the same cell's turns."""
    heads = []
    lines = [f"| preset, batch | ours | {' | '.join(f'PyTorch {mode}' for mode in modes)} | ours beside the best |",
             "|---|---|" + "---|" * len(modes) + "---|"]
    for preset, rows, seq_len in cells:
        tokens, own, entries, ratios = rows * seq_len, [], [], []
        for mode in modes:
            cell = results.cells.get(cell_name(preset, rows, seq_len, mode, data))
            if not cell:
                entries.append("not measured")
                continue
            m, day = cell["machine"], cell["date"]
            head = f"{m['gpu']}, driver {m['driver']}, PyTorch {m['torch']} with CUDA {m['cuda']}, {day}, commit {m['commit']}"
            heads += [head] if head not in heads else []
            if "error" in cell:
                entries.append(f"no result ({cell['error']})")
                continue
            ours, peer = statistics.median(cell["ours_ms"]), statistics.median(cell["peer_ms"])
            own.append((peer, ours, max(spread(cell["ours_ms"]), spread(cell["peer_ms"]))))
            ratios.append((peer, peer / ours))
            entries.append(f"{tokens / peer:,.0f}k ({peer / ours:.2f})")
        best = min(own) if own else None
        lines.append(f"| {preset} {rows}x{seq_len} | " + (f"**{tokens / best[1]:,.0f}k** ({best[1]:.3f} ms)" if best else "-") +
                     f" | {' | '.join(entries)} | " + (f"{min(ratios)[1]:.2f}, spread {best[2]:.1%}" if best else "-") + " |")
    return "\n".join([*heads, "", "Tokens a second, medians; in brackets how many times PyTorch's speed ours is. Ours and the "
                      "spread (largest less smallest of a side's rounds) are of the cell with PyTorch's fastest mode.", "", *lines])


def parse_cells(text):
    cells = []
    for cell in text.split(","):
        preset, _, batch = cell.partition(":")
        rows, _, seq_len = batch.partition("x")
        if preset not in PRESETS or not rows.isdigit() or not seq_len.isdigit():
            sys.exit(f"bench-train: --cells: \"{cell}\" is not PRESET:ROWSxSEQ_LEN with a preset of {' '.join(PRESETS)}")
        cells.append((preset, int(rows), int(seq_len)))
    return cells


def dump(a, folder, rows, seq_len):
    """The file of the cell's batches."""
    path = os.path.join(folder, f"{rows}x{seq_len}.u32")
    if not os.path.exists(path):
        program = os.path.join(a.build, "tests", "kernels", "dump_batches")
        if subprocess.run([program, a.data, str(rows), str(seq_len), path]).returncode:
            sys.exit(f"bench-train: --data {a.data}: no sequences of {seq_len} tokens to be had")
    return path


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=os.path.join(ROOT, "build-gpu"), help="folder with the binaries (default build-gpu)")
    ap.add_argument("--cells", default=CELLS, help="PRESET:ROWSxSEQ_LEN,...")
    ap.add_argument("--modes", default=",".join(MODES), help="of PyTorch")
    ap.add_argument("--launch", default="persistent", choices=["persistent", "graph", "stepwise"], help="of ours")
    ap.add_argument("--data", help="folder of packed shards to train on (default: random tokens)")
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    ap.add_argument("--limit", type=float, default=115, help="seconds that a cell may take, compiling included")
    ap.add_argument("--results", help="file of finished cells (default: bench-train.json in the build folder)")
    ap.add_argument("--table", action="store_true", help="print the table of what is there")
    ap.add_argument("--dry", action="store_true", help="no GPU: processes that sleep")
    a = ap.parse_args()
    cells, modes = parse_cells(a.cells), a.modes.split(",")
    if not a.dry and set(modes) - set(MODES):
        ap.error(f"--modes takes {','.join(MODES)}")
    results = Results(a.results or os.path.join(a.build, "bench-train.json"))
    if a.table:
        print(table(results, cells, modes, a.data))
        return 0
    ours_path = os.path.join(a.build, "tests", "kernels", "serve_cuda")
    if not a.dry and not os.path.exists(ours_path):
        sys.exit(f"bench-train: {ours_path} is absent: scripts/build build-gpu, or --build FOLDER")
    where = machine(a.dry)
    with tempfile.TemporaryDirectory() as folder, open(results.path + ".log", "ab") as log:
        for preset, rows, seq_len in cells:
            for mode in modes:
                name = cell_name(preset, rows, seq_len, mode, a.data)
                old = results.cells.get(name)
                if old and old["machine"] == where and old["launch"] == a.launch and "error" not in old:
                    continue
                shape = [preset, str(rows), str(seq_len)]
                batches = [dump(a, folder, rows, seq_len)] if a.data else []
                fake = [sys.executable, os.path.join(HERE, "fake_step.py"), folder, *shape]
                ours = Side("ours", [*fake, "ours"] if a.dry else [ours_path, *shape, a.launch, *batches], log)
                peer = Side("PyTorch", [*fake, mode] if a.dry else
                            [sys.executable, os.path.join(HERE, "torch_step.py"), *shape, mode, *batches], log)
                log.write(f"== {name}\n".encode())
                log.flush()
                cell = run_cell(ours, peer, a.rounds, a.seconds, a.limit)
                cell.update(machine=where, launch=a.launch, date=str(datetime.date.today()))
                results.put(name, cell)
                told = cell["error"] if "error" in cell else (
                    f"ours {statistics.median(cell['ours_ms']):.3f} ms, PyTorch {statistics.median(cell['peer_ms']):.3f} ms, "
                    f"{cell['seconds']} s" + (", never both at once" if cell["alone"] else ""))
                print(f"{name}: {told}", file=sys.stderr, flush=True)
    print(table(results, cells, modes, a.data))
    names = [cell_name(preset, rows, seq_len, mode, a.data) for preset, rows, seq_len in cells for mode in modes]
    return 1 if any("error" in results.cells[name] for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
