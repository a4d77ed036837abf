#!/usr/bin/env python3
"""What a resident kernel promises, read off the calls that trace_calls.c wrote down.

  trace_check.py CALLS       a table of the calls before, during and after the kernel's residency; exit 1 and the reasons
                             where a promise is broken

Promises: one launch in the whole run; from there to the kernel's end no call that waits, allocates, frees or loads, in any
thread, but the one wait for the kernel's end. Calls during residency are held against a list of those that do neither, so
that a call nobody thought of fails as well. Only the program's own calls count: what the runtime calls in the driver to
serve one of them is that call.
"""
import collections
import re
import sys

Call = collections.namedtuple("Call", "begin end thread depth name")

LAUNCH = re.compile(r"(cuda|cu)(Launch|GraphLaunch)")
HOST_CALLBACK = re.compile(r"(cuda|cu)LaunchHostFunc")
# the wait for the kernel's end
WAIT = ("cudaStreamSynchronize", "cuStreamSynchronize")
# calls that neither wait nor allocate
HARMLESS = re.compile(
    r"(cuda|cu)(StreamQuery|EventQuery|EventRecord|MemcpyAsync|MemcpyDtoHAsync|MemcpyHtoDAsync|MemcpyDtoDAsync|"
    r"GetLastError|PeekAtLastError|GetErrorString|GetErrorName|GetDevice|SetDevice|DeviceGetAttribute|CtxGetCurrent|"
    r"CtxSetCurrent|CtxPushCurrent|CtxPopCurrent|DeviceGetCount|StreamIsCapturing)(_v\d+|_ptsz)*$")


def read(path):
    """The program's own calls, by their begin."""
    calls = []
    with open(path) as f:
        for line in f:
            begin, end, thread, depth, _, name = line.split()
            calls.append(Call(int(begin), int(end), int(thread), int(depth), name))
    return sorted(call for call in calls if call.depth == 0)


def launches(calls):
    return [call for call in calls if LAUNCH.match(call.name) and not HOST_CALLBACK.match(call.name)]


def split(calls):
    """(before, during, after) the residency, and what is wrong. The launch is the first of `during`, the wait the last
    but for calls of other threads that began before it was over."""
    found = launches(calls)
    if len(found) != 1:
        return (calls, [], []), [f"{len(found)} launches: {', '.join(call.name for call in found[:8])}"]
    begin = found[0].begin
    waits = [call for call in calls if call.begin > begin and call.name in WAIT and call.thread == found[0].thread]
    if not waits:
        return (calls, [], []), ["nothing waited for the kernel's end"]
    end = waits[-1].end
    return tuple([call for call in calls if test(call)] for test in (
        lambda call: call.begin < begin, lambda call: begin <= call.begin <= end, lambda call: call.begin > end)), []


def judge(calls):
    """(parts, what is wrong)"""
    parts, wrong = split(calls)
    during = parts[1]
    waits = [call for call in during if call.name in WAIT]
    if len(waits) > 1:
        first = (waits[0].begin - during[0].begin) / 1e6
        wrong.append(f"{len(waits)} waits where one is allowed; the first {first:.1f} ms after the launch")
    for call in during[1:]:
        if call.name not in WAIT and not HARMLESS.match(call.name):
            wrong.append(f"{call.name} {(call.begin - during[0].begin) / 1e6:.1f} ms after the launch, thread {call.thread}")
    return parts, wrong


def table(parts):
    counts = [collections.Counter(call.name for call in part) for part in parts]
    names = sorted(set().union(*counts))
    width = max([len(name) for name in names] + [8])
    lines = [f"{'call':{width}} {'before':>8} {'during':>8} {'after':>8}"]
    return "\n".join(lines + [f"{name:{width}} " + " ".join(f"{count[name] or '-':>8}" for count in counts) for name in names])


def main():
    parts, wrong = judge(read(sys.argv[1]))
    print(table(parts))
    during = parts[1]
    if during:
        threads = len({call.thread for call in during})
        resident = (max(call.end for call in during) - during[0].begin) / 1e9
        slowest = max(during[1:], key=lambda call: (call.name not in WAIT) * (call.end - call.begin))
        print(f"resident for {resident:.2f} s; {len(during)} calls by {threads} threads; the slowest but the wait: "
              f"{slowest.name}, {(slowest.end - slowest.begin) / 1e6:.2f} ms")
    for reason in wrong:
        print(f"BROKEN: {reason}")
    if not wrong:
        print("one launch, and no wait but the last")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
