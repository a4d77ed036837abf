#!/bin/sh
# Every mode of ngt-dump on two small shards; messages and exit codes of its failures. Arguments: ngt-dump make_shards.
dump=$1 make=$2
. "$(dirname "$0")/../check.sh"
"$make" "$work" || exit 99
a=$work/part-0.ngt b=$work/part-1.ngt

expect 0 "$dump" "$a"
has "$work/out" "documents          8 (7 not empty)"
has "$work/out" "text-hashes"
has "$work/out" "max-doc-bytes            1073741824"
expect 0 "$dump" --list "$a" "$b"
[ "$(wc -l <"$work/out")" = 2 ] || complain "--list: two lines expected"
expect 0 "$dump" --docs "$a" "$b"
[ "$(sed -n 2p "$work/out" | cut -f1-4)" = "$(printf '1\t0\tpart-0.jsonl:2\tbyte 100')" ] || complain "--docs, line 2"
has "$work/out" 'doc-7'
expect 0 "$dump" --docs --at part-0.jsonl:3 "$a"
[ "$(cut -f1 "$work/out")" = 2 ] || complain "--at finds document 2"
expect 1 "$dump" --docs --at part-0.jsonl:99 "$a"
has "$work/err" 'no document came from "part-0.jsonl:99"'
expect 0 "$dump" --ids "$a" "$b"
[ "$(wc -l <"$work/out")" = 12 ] || complain "--ids: a line a document"
[ "$(sed -n 2p "$work/out")" = "" ] || complain "--ids: an empty document is an empty line"
[ "$(sed -n 7p "$work/out" | wc -w)" = 300 ] || complain "--ids: 300 ids"
expect 0 "$dump" --ids --range 3:5 "$a"
[ "$(awk '{print NF}' "$work/out" | tr '\n' ' ')" = "17 2 " ] || complain "--range"
expect 0 "$dump" --ids --doc 8 "$a" "$b"
[ "$(wc -w <"$work/out")" = 3 ] || complain "--doc counts over all shards"
expect 0 "$dump" --text --doc 0 "$a"
[ "$(wc -c <"$work/out")" -ge 5 ] && ! grep -q '[^a-z]' "$work/out" || complain "--text"
expect 0 "$dump" --stats "$a" "$b"
has "$work/out" "documents              12 (2 empty)"
has "$work/out" "entropy of targets"
expect 0 "$dump" --stats --json "$a"
has "$work/out" '"unigram_entropy": '
expect 0 "$dump" --verify "$a" "$b"
[ "$(grep -c ': ok, root ' "$work/out")" = 2 ] || complain "--verify"
for mode in --header --list --docs --ids --text --verify; do
    expect 0 "$dump" $mode --json "$a" "$b"
    /usr/bin/python3 -c '
import json, sys
text = open(sys.argv[1]).read()
json.loads(text) if sys.argv[2] == "--header" else [json.loads(line) for line in text.splitlines()]' \
        "$work/out" $mode || complain "$mode --json is no JSON"
done

# failures: which file, what, what to do
expect 1 "$dump" "$work"
has "$work/err" "has no dataset.json"
expect 0 "$dump" --incomplete --list "$work"
expect 1 "$dump" --range 3:99 --ids "$a"
has "$work/err" "only 8 items"
expect 2 "$dump" --ids --text "$a"
expect 2 "$dump"
printf x | dd of="$a" bs=1 seek=5000 conv=notrunc 2>/dev/null
expect 1 "$dump" --verify "$a" "$b"
has "$work/out" "DAMAGED"
has "$work/out" "part-1.ngt: ok"
head -c 5000 "$b" >"$work/cut.ngt"
expect 1 "$dump" --ids "$work/cut.ngt"
has "$work/err" "cut or extended"
expect 1 "$dump" --ids "$work/none.ngt"
has "$work/err" "none.ngt: cannot open: No such file"
finish
