#!/bin/sh
# scripts/compare-run on a few steps: the runs end alike, are kept, and one at twice the learning rate is told apart. Skipped
# without torch.
set -eu
script=$1 build=$2 make_shards=$3
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$make_shards" "$out/data" 60 1

compare() {
    "$script" --build "$build" --out "$out/$1" --device cpu --preset 1m --steps 10 --last 5 --batch 2 --seq-len 32 --limit 0.03 $2 "$out/data"
}

status=0
compare runs "" || status=$?
[ $status = 0 ] || exit $status
before=$(stat -c %Y.%Z "$out/runs/seed-0/torch.json")
compare runs "--limit 0" >/dev/null 2>&1 && { echo "no difference at all is hardly true" >&2; exit 1; }
[ "$(stat -c %Y.%Z "$out/runs/seed-0/torch.json")" = "$before" ] || { echo "a finished run was not kept" >&2; exit 1; }
compare planted "--plant 2" >"$out/said" && { echo "another learning rate passes" >&2; exit 1; }
grep "the last 5 steps differ" "$out/said"
