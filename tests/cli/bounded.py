"""bounded.py SECONDS MEGABYTES COMMAND...: runs it; exit 98 when it took longer or more memory, else its own."""

import resource
import subprocess
import sys
import time

seconds, megabytes = float(sys.argv[1]), int(sys.argv[2])
start = time.monotonic()
try:
    code = subprocess.run(sys.argv[3:], timeout=seconds).returncode
except subprocess.TimeoutExpired:
    print(f"bounded: more than {seconds} s: {' '.join(sys.argv[3:])}", file=sys.stderr)
    sys.exit(98)
took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
if took > megabytes:
    print(f"bounded: {took} MiB of memory instead of {megabytes}: {' '.join(sys.argv[3:])}", file=sys.stderr)
    sys.exit(98)
print(f"bounded: {time.monotonic() - start:.1f} s, {took} MiB", file=sys.stderr)
sys.exit(code if code >= 0 else 128 - code)
