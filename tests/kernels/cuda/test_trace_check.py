#!/usr/bin/env python3
"""trace_check.py on made-up traces: a good one, and one for each broken promise."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# (depth, thread, name); a call follows the other by 1000 ns and takes 100
GOOD = [
    (0, 1, "cudaMalloc"), (0, 1, "cudaMemcpy"), (0, 1, "cudaDeviceSynchronize"), (0, 1, "cudaMemsetAsync"),
    (1, 1, "cuLaunchCooperativeKernel"), (0, 1, "cudaLaunchCooperativeKernel"),
    (0, 1, "cudaStreamQuery"), (1, 2, "cuMemcpyDtoHAsync_v2"), (0, 2, "cudaMemcpyAsync"), (0, 2, "cudaStreamQuery"),
    (0, 1, "cudaStreamQuery"), (1, 1, "cuStreamSynchronize"), (0, 1, "cudaStreamSynchronize"),
    (0, 2, "cudaMemcpyAsync"), (0, 1, "cudaFree"), (0, 1, "cudaStreamDestroy"),
]
LAUNCH, WAIT = 5, 12


def run(calls, waited=100):
    lines = []
    for i, (depth, thread, name) in enumerate(calls):
        # what is called within a call lies within it: its line comes first, its time is the same
        begin = 1000 * (i + 1 if depth else i)
        took = waited if name == "cudaStreamSynchronize" else 100
        lines.append(f"{begin} {begin + took} {thread} {depth} {'D' if depth else 'R'} {name}\n")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.writelines(lines)
        f.flush()
        done = subprocess.run([sys.executable, os.path.join(HERE, "trace_check.py"), f.name], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def put(at, *calls):
    return GOOD[:at] + list(calls) + GOOD[at:]


CASES = (
    ("good", GOOD, 0, "one launch, and no wait but the last"),
    ("two launches", put(2, (0, 1, "cudaLaunchKernel")), 1, "2 launches: cudaLaunchKernel, cudaLaunchCooperativeKernel"),
    ("a launch after the end", GOOD + [(0, 1, "cudaLaunchKernel")], 1, "2 launches"),
    ("graphs are launches", put(WAIT, (0, 1, "cudaGraphLaunch")), 1, "2 launches"),
    ("the driver's own", put(WAIT, (0, 3, "cuLaunchKernelEx")), 1, "2 launches"),
    ("no launch", GOOD[:LAUNCH - 1] + GOOD[LAUNCH + 1:], 1, "0 launches"),
    ("a second wait", put(8, (0, 2, "cudaStreamSynchronize")), 1, "2 waits"),
    ("no wait", GOOD[:WAIT - 1], 1, "nothing waited"),
    ("a device-wide wait", put(8, (0, 1, "cudaDeviceSynchronize")), 1, "cudaDeviceSynchronize 0.0 ms after the launch"),
    ("an event", put(8, (0, 2, "cudaEventSynchronize")), 1, "cudaEventSynchronize"),
    ("a copy that waits", put(8, (0, 2, "cudaMemcpy")), 1, "cudaMemcpy 0.0 ms"),
    ("an allocation", put(8, (0, 2, "cudaHostAlloc")), 1, "cudaHostAlloc"),
    ("a module", put(8, (0, 1, "cuModuleLoadData")), 1, "cuModuleLoadData"),
    ("frees after the end are no matter", GOOD + [(0, 1, "cudaFreeHost")], 0, "one launch"),
)


def main():
    failed = 0
    for name, calls, code, said in CASES:
        got, output = run(calls)
        if got != code or said not in output:
            failed += 1
            print(f"{name}: exit code {got}, expected {code} and {said!r}:\n{output}", file=sys.stderr)
    # other threads' calls while the last wait lasts are during the residency
    late = GOOD[:WAIT + 1] + [(0, 2, "cudaMalloc")] + GOOD[WAIT + 1:]
    got, output = run(late, waited=5000)
    if got != 1 or "cudaMalloc" not in output:
        failed += 1
        print(f"an allocation during the last wait: exit code {got}:\n{output}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
