#!/bin/sh
# ngt-pack seen from outside. Arguments: ngt-pack ngt-dump make_shards.
pack=$1 dump=$2 make=$3
. "$(dirname "$0")/../check.sh"
"$make" "$work" || exit 99
a=$work/part-0.ngt b=$work/part-1.ngt

expect 0 "$pack" -T 32 -o "$work/p" "$a" "$b"
has "$work/out" "tokens                 393 in = 393 out"
has "$work/out" "targets                383"
expect 0 "$dump" --verify "$work/p"
expect 0 "$pack" -T 32 -o "$work/p" "$a" "$b"
has "$work/err" "is complete already"
expect 1 "$pack" -T 33 -o "$work/p" "$a" "$b"
has "$work/err" "seq-len is 32 there, 33 here"
expect 1 "$pack" -T 32 -o "$work/p" "$a"
has "$work/err" "the number of input shards is 2 there, 1 here"
expect 1 "$pack" -T 32 -o "$work/q" "$work/p"
has "$work/err" "is packed already"
expect 0 "$pack" --what-if 16,32,1Ki "$a" "$b"
[ "$(wc -l <"$work/out")" = 5 ] || complain "--what-if: two lines of heading and three lengths"
expect 1 "$pack" --what-if 16,x "$a"
expect 0 "$pack" --plan-only -T 16 --json "$a"
has "$work/out" '"sequences": '
[ ! -e "$work/dataset.json" ] || complain "--plan-only wrote something"
expect 2 "$pack" -o "$work/q" "$a"
expect 2 "$pack" -T 0 -o "$work/q" "$a"
has "$work/err" "--seq-len"

# threads change no byte; a killed run's leavings are swept and finished
for j in 1 2 7; do
    expect 0 "$pack" -j $j -T 16 --shard-tokens 64 --window-tokens 40 --val 30% -o "$work/j$j" "$a" "$b"
done
for j in 2 7; do
    diff -r "$work/j1" "$work/j$j" >/dev/null || complain "-j $j changes bytes"
done
rm "$work/j2/dataset.json" "$work/j2/packed-000001.ngt"
touch "$work/j2/packed-000001.ngt.tmp.$(uname -n | cut -d. -f1).999999999.0"
expect 0 "$pack" -T 16 --shard-tokens 64 --window-tokens 40 --val 30% -o "$work/j2" "$a" "$b"
diff -r "$work/j1" "$work/j2" >/dev/null || complain "a repaired set differs"
finish
