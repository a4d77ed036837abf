#!/bin/sh
# kill -9 at random moments, SIGTERM, tasks side by side: the same bytes in the end. NGT_KILL_ROUNDS=50 for the long version.
. "$(dirname "$0")/setup.sh"
rounds=${NGT_KILL_ROUNDS:-3}
for n in 1 2 3 4 5 6; do
    mkdir -p "$work/many/$n"
    cp "$work"/in/a.jsonl "$work"/in/d.jsonl "$work/many/$n"
done
run() {
    "$pretok" -q -t "$work/tok.model" -o "$1" $small -j2 "$work/many"
}
begin=$(date +%s%N)
expect 0 run "$work/want"
# milliseconds of an undisturbed run: under a sanitizer it takes twenty times as long
whole=$((($(date +%s%N) - begin) / 1000000))

round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    rm -rf "$work/set"
    tries=0
    while :; do
        tries=$((tries + 1))
        [ $tries -gt 200 ] && { complain "no progress in 200 tries"; break; }
        # not the function: the signal must reach the program, not a shell around it
        "$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j2 "$work/many" >/dev/null 2>&1 &
        pid=$!
        delay=$(awk -v s="$round$tries$$" -v whole="$whole" 'BEGIN { srand(s); printf "%.3f", whole / 1000 * (0.1 + rand()) }')
        sleep "$delay"
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null && break
    done
    expect 0 run "$work/set"
    no_temporaries "$work/set"
    same_set "$work/want" "$work/set"
done

# SIGTERM: clean, 75, and the same command goes on; unless it was done by then
rm -rf "$work/set"
"$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j2 "$work/many" >/dev/null 2>"$work/err" &
pid=$!
sleep "$(awk -v whole="$whole" 'BEGIN { printf "%.3f", whole / 2000 }')"
kill -TERM $pid 2>/dev/null
wait $pid
code=$?
case $code in
75) [ ! -e "$work/set/dataset.json" ] || complain "stopped, and yet complete" ;;
0) ;;
*) complain "SIGTERM: exit $code" ;;
esac
no_temporaries "$work/set"
expect 0 run "$work/set"
same_set "$work/want" "$work/set"

# all tasks at once, each making the plan
rm -rf "$work/set"
pids=
for task in 1 2 3; do
    "$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j1 --task $task/3 "$work/many" >/dev/null &
    pids="$pids $!"
done
for pid in $pids; do wait $pid || complain "a task failed"; done
expect 0 "$pretok" finish "$work/set"
same_set "$work/want" "$work/set"
finish
