#!/bin/sh
# A set from beginning to end: ledger, provenance, threads and tasks that change nothing, a rerun.
. "$(dirname "$0")/setup.sh"

expect 0 "$pretok" -t "$work/tok.model" -o "$work/one" $small -j1 "$work/in"
has "$work/out" "records                 3000"
has "$work/out" "documents               3000"
no_temporaries "$work/one"
expect 0 "$dump" --verify "$work/one"
expect 0 "$pretok" finish --check-inputs "$work/one"

# any number of threads
for threads in 2 7; do
    expect 0 "$pretok" -t "$work/tok.model" -o "$work/threads" $small -j$threads "$work/in"
    same_set "$work/one" "$work/threads"
    rm -r "$work/threads"
done

# any number of tasks, in any order; no task completes the set
for task in 3/3 1/3 2/3; do
    expect 0 "$pretok" -t "$work/tok.model" -o "$work/tasks" $small --task $task "$work/in"
    [ ! -e "$work/tasks/dataset.json" ] || complain "--task writes no dataset.json"
done
expect 0 "$pretok" status "$work/tasks"
has "$work/out" "not complete"
expect 0 "$pretok" finish "$work/tasks"
same_set "$work/one" "$work/tasks"
expect 0 env SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=4 SLURM_ARRAY_TASK_COUNT=1 \
    "$pretok" -t "$work/tok.model" -o "$work/slurm" $small --task auto "$work/in"
expect 0 "$pretok" finish "$work/slurm"
same_set "$work/one" "$work/slurm"
expect 2 "$pretok" -t "$work/tok.model" -o "$work/x" --task auto "$work/in"
expect 2 "$pretok" -t "$work/tok.model" -o "$work/x" --task 4/3 "$work/in"

# missing units
expect 0 "$pretok" -t "$work/tok.model" -o "$work/part" $small --task 1/3 "$work/in"
expect 1 "$pretok" finish "$work/part"
has "$work/err" "units are missing: 2-3, 5"

# a folder above the inputs, or the time, is in no byte
cp -r "$work/in" "$work/copy"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/elsewhere" $small "$work/copy"
for f in "$work"/one/*.ngt; do
    same "$f" "$work/elsewhere/${f##*/}"
done

# the text comes back, and every document knows where it came from
expect 0 "$dump" --text "$work/one"
cp "$work/out" "$work/text"
cat "$work/in/a.jsonl" "$work/in/b/c.jsonl" "$work/in/d.jsonl" | cut -d'"' -f6 |
    awk '{ gsub(/\\n/, "\n"); printf "%s", $0 }' | tr -d '\n' >"$work/want"
tr -d '\n' <"$work/text" >"$work/got"
same "$work/got" "$work/want"
expect 0 "$dump" --docs "$work/one"
tail -1 "$work/out" | grep -q "d.jsonl:1000" || complain "the last document is line 1000 of d.jsonl: $(tail -1 "$work/out")"
sed -n 1201p "$work/out" | grep -q "b/c.jsonl:1" || complain "document 1200 is line 1 of b/c.jsonl"

# again: complete; the ledger, and not a byte touched
bytes_of "$work/one" >"$work/before"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/one" $small "$work/in"
has "$work/out" "records                 3000"
has "$work/err" "complete already"
bytes_of "$work/one" >"$work/after"
same "$work/before" "$work/after"

# a shard that is gone is named by finish and made again by a run
victim=$(ls "$work"/one/*.ngt | sed -n 2p)
cp "$victim" "$work/victim"
rm "$victim"
expect 1 "$pretok" finish "$work/one"
has "$work/err" "${victim##*/}: item"
has "$work/err" "is missing"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/one" $small "$work/in"
has "$work/err" "is done again"
same "$victim" "$work/victim"
bytes_of "$work/one" >"$work/after"
same "$work/before" "$work/after"

# a changed one too
printf x | dd of="$victim" bs=1 seek=5000 conv=notrunc 2>/dev/null
expect 1 "$pretok" finish "$work/one"
has "$work/err" "${victim##*/}"
finish
