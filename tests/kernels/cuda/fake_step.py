"""Stands in for either side of scripts/bench-train --dry, without a GPU: sleeps for what a step is said to take.

  fake_step.py FOLDER PRESET ROWS SEQ_LEN MODE

Faults by mode: "memory" is out of memory as long as another of these lives, "broken" dies in its second measurement, "slow"
does not answer in time. FOLDER holds a file for each that lives, and tells of two that work at once.
"""
import json
import os
import sys
import time


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    folder, mode = sys.argv[1], sys.argv[5]
    ms = {"ours": 1.0, "eager": 4.0, "compile": 2.0, "graph": 0.5}.get(mode, 1.0)
    own = os.path.join(folder, f"alive-{os.getpid()}")
    open(own, "w").close()
    try:
        lives = [name for name in os.listdir(folder) if os.path.exists("/proc/" + name.removeprefix("alive-"))]
        if mode == "memory" and len(lives) > 1:
            say(error="out of memory", memory=True)
            return 1
        say(ready=True, torch="none", cuda="none")
        for i, line in enumerate(sys.stdin):
            if mode == "broken" and i == 1:
                print("a last word", file=sys.stderr)
                return 1
            if mode == "slow":
                time.sleep(60)
            os.mkdir(os.path.join(folder, "busy"))  # fails when the other works
            time.sleep(1e-3 * ms * int(line))
            os.rmdir(os.path.join(folder, "busy"))
            say(ms=ms * (1 + 0.01 * (i % 3)), loss=10.0)
    finally:
        os.unlink(own)
    return 0


if __name__ == "__main__":
    sys.exit(main())
