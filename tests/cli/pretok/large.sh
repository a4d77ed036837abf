#!/bin/sh
# A plan of many inputs stands in a table: tasks read their share of it, and neither look for inputs nor at the units of others;
# the set is that of a single run, and what changed is told.
. "$(dirname "$0")/setup.sh"
many=$work/many
mkdir "$many"
awk -v to="$many" 'BEGIN { for (i = 0; i < 5000; i++) { f = sprintf("%s/%05d.jsonl", to, i); printf "{\"text\":\"text of file %d\"}\n", i > f; close(f) } }'
run() { "$pretok" -q -t "$work/tok.model" --unit-bytes 5000 -j2 "$@"; }
expect 0 run -o "$work/one" "$many"
[ -f "$work"/one/plan.*.table ] || complain "no table"
[ "$(wc -c <"$work/one/plan.json")" -lt 4000 ] || complain "plan.json is large all the same"

expect 0 "$pretok" plan -q -t "$work/tok.model" --unit-bytes 5000 -o "$work/set" "$many"
for n in 3 1 2; do (cd "$work" && "$pretok" -q -t tok.model --unit-bytes 5000 -j1 -o set --task $n/3 many) >/dev/null || complain "task $n fails"; done
expect 0 "$pretok" finish "$work/set"
same_set "$work/one" "$work/set"
expect 0 "$pretok" status "$work/set"
has "$work/out" "data set            complete"

# calls that grow with the inputs: none for those of others
if command -v strace >/dev/null && strace -o "$work/calls" true 2>/dev/null; then
    rm "$work/set/receipts/00001.json"
    tasks=$(ls "$work"/one/receipts | grep -c json)
    expect 0 env ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=%file -o "$work/calls" "$pretok" -q -t "$work/tok.model" --unit-bytes 5000 -j1 -o "$work/set" --task 1/"$tasks" "$many"
    own=$(grep -c "$many/0" "$work/calls")
    others=$(grep -v ENOENT "$work/calls" | grep -c 'receipts/000[0-9][02-9]')
    [ "$own" -lt 800 ] || complain "$own looks at inputs for a unit of about 150"
    [ "$others" = 0 ] || complain "$others looks at other units' receipts"
    expect 0 "$pretok" finish "$work/set"
fi

# another option is refused by the task itself, other inputs by whoever looks for them
expect 1 run -o "$work/set" --no-eos --task 1/3 "$many"
has "$work/err" "eos was yes, is now no"
echo '{"text":"more"}' >"$many/x.jsonl"
expect 1 run -o "$work/set" "$many"
has "$work/err" "input x.jsonl was not planned"
expect 1 run -o "$work/set" --task 1/3 "$many" "$work/in/a.jsonl"
has "$work/err" "was not planned"
rm "$many/x.jsonl"
# a changed input by the task that reads it
rm -rf "$work/set"
expect 0 "$pretok" plan -q -t "$work/tok.model" --unit-bytes 5000 -o "$work/set" "$many"
echo '{"text":"other"}' >"$many/00000.jsonl"
expect 1 run -o "$work/set" --task 1/3 "$many"
has "$work/err" "changed since it was planned"
expect 0 run -o "$work/set" --task 2/3 "$many"
finish
