#!/bin/sh
# The simulation of a cluster: its counts of metadata calls are those of the program, under strace; its runs commit every unit once,
# and what it says moves as it must.
. "$(dirname "$0")/setup.sh"
simulate=$(realpath "$3")
json() { # KEY FILE
    tr -d "," <"$2" | tr " " "\n" | awk -v key="\"$1\":" '{ gsub(/[{}]/, "") } found { print; exit } $0 == key { found = 1 }'
}
less() { awk "BEGIN { exit !($1 < $2) }"; }

few="--inputs 20000 --tasks 100 --tokens 1e11"
expect 0 "$simulate" $few --folder "$work"
cp "$work/out" "$work/calm"
[ "$(json table_bytes "$work/calm")" -gt 1000000 ] || complain "no table"
expect 0 "$simulate" $few --preempted-hours 0 --lost-hours 0
[ "$(json failures "$work/out")" = 0 ] || complain "failures where there are none"
[ "$(json lost_core_hours "$work/out")" = 0.00 ] || complain "work lost where there are no failures"
expect 0 "$simulate" $few --preempted-hours 0.02
[ "$(json failures "$work/out")" -gt 50 ] || complain "no failures"
less "$(json hours "$work/calm")" "$(json hours "$work/out")" || complain "failures cost no time"
less 0 "$(json lost_core_hours "$work/out")" || complain "failures cost no work"
expect 0 "$simulate" $few --metadata 20
less "$(json hours "$work/calm")" "$(json hours "$work/out")" || complain "a slow file server costs no time"
less "$(json busiest_calls_per_second "$work/out")" 21 || complain "more calls than are served"
expect 1 "$simulate" $few --metadatas 20

command -v strace >/dev/null && strace -o "$work/calls" true 2>/dev/null || { echo "skipped: no strace"; [ $failures = 0 ] || exit 1; exit 77; }
many=$work/many
mkdir "$many"
awk -v to="$many" 'BEGIN { for (i = 0; i < 4200; i++) { f = sprintf("%s/%05d.jsonl", to, i); printf "{\"text\":\"text of file %d\"}\n", i > f; close(f) } }'
told() { "$simulate" --calls | sed -n "s/^$1 //p"; }
# COMMAND...: its calls that name something of the set or an input go to $work/set.calls and $work/in.calls
traced() {
    expect 0 env ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=%file -o "$work/calls" "$@"
    grep -v execve "$work/calls" | grep -c "$work/set" >"$work/set.calls"
    grep -v execve "$work/calls" | grep -c "$many/" >"$work/in.calls"
}
is() { [ "$2" = "$3" ] || complain "$1: $3 calls, the simulation says $2"; }
task() { traced "$pretok" -q -t "$work/tok.model" --unit-bytes 3000 -j1 -o "$work/set" --task "$1" "$many"; }

traced "$pretok" plan -q -t "$work/tok.model" --unit-bytes 3000 -j1 -o "$work/set" "$many"
is "an input planned" $(($(told plan_input) * 4200)) "$(cat "$work/in.calls")"
cp -r "$work/set" "$work/fresh"
units=$("$pretok" status --json "$work/set" | tr -d ' ' | sed -n 's/"units":\([0-9]*\),/\1/p' | head -1)
task 2/"$units" # one unit
one=$(cat "$work/set.calls")
is "a task and a unit" $(($(told task) + $(told unit))) "$one"
inputs=$(($(cat "$work/in.calls") / $(told input)))
# as many as the unit has: a line of 27 bytes each
[ $((inputs * $(told input))) = "$(cat "$work/in.calls")" ] && [ $inputs -gt 100 ] && [ $inputs -lt 120 ] || complain "$inputs inputs by their calls"
rm -rf "$work/set"; cp -r "$work/fresh" "$work/set"
task 1/$((units / 4)) # five, or four
own=$(ls "$work"/set/receipts | grep -c json)
is "a task and $own units" $(($(told task) + own * $(told unit))) "$(cat "$work/set.calls")"
rm "$work/set/receipts/00001.json"
task 1/$((units / 4)) # one of them again, the others are there
is "a task with $((own - 1)) units done" $(($(told task) + $(told unit) + (own - 1) * $(told done))) "$(cat "$work/set.calls")"
expect 0 "$pretok" -q -t "$work/tok.model" --unit-bytes 3000 -j2 -o "$work/set" "$many"
rm "$work/set/dataset.json"
traced "$pretok" finish --quick -j1 "$work/set"
each=$(($(cat "$work/set.calls") / units))
is "a unit finished" "$(told finish_unit)" "$each"
finish
