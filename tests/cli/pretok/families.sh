#!/bin/sh
# Every kind of tokenizer file from the command line: what it is called, what it needs, and that the text comes back.
. "$(dirname "$0")/setup.sh"
seeds=$(dirname "$0")/../../pretok/tokenizer
mkdir "$work/ranks" "$work/hf"
sh "$seeds/rank_seeds.sh" "$work/ranks" || exit 99
sh "$seeds/hf_seeds.sh" "$work/hf" || exit 99
cp "$work/ranks/ranks" "$work/x.tiktoken"
cp "$work/ranks/tekken" "$work/tekken.json"
cp "$work/hf/byte-level" "$work/tokenizer.json"
printf '{"text": "aab abc  caf\\u00e9\\n12345 \\u4e2d"}\n{"text": ""}\n' >"$work/docs.jsonl"

# rank files: the split is named, and is part of the identity
expect 1 "$pretok" -q -t "$work/x.tiktoken" -o "$work/set" --no-eos "$work/docs.jsonl"
has "$work/err" "--pattern"
expect 1 "$pretok" -q -t "$work/x.tiktoken" --pattern nothing -o "$work/set" --no-eos "$work/docs.jsonl"
has "$work/err" "cl100k"
expect 0 "$pretok" -q -t "$work/x.tiktoken" --pattern gpt2 -o "$work/set" --no-eos --verify-roundtrip "$work/docs.jsonl"
grep -q "not back  *0 " "$work/out" || complain "rank file: text does not come back"
expect 1 "$pretok" -q -t "$work/x.tiktoken" --pattern cl100k -o "$work/set" --no-eos --verify-roundtrip "$work/docs.jsonl"
has "$work/err" "gpt2"
expect 0 "$dump" --text --doc 0 "$work/set"
grep -q "aab abc  caf" "$work/out" || complain "rank file: ngt-dump --text"
# its engines agree; there is no library to refer to
printf 'aab abc  caf\303\251 12345\n' >"$work/line"
expect 0 "$pretok" encode -t "$work/x.tiktoken" --pattern gpt2 "$work/line"
cp "$work/out" "$work/fast"
expect 0 "$pretok" encode -t "$work/x.tiktoken" --pattern gpt2 --engine plain "$work/line"
cmp -s "$work/out" "$work/fast" || complain "plain and fast differ"
expect 1 "$pretok" encode -t "$work/x.tiktoken" --pattern gpt2 --engine reference "$work/line"
has "$work/err" "--engine reference"

# tekken.json and tokenizer.json say themselves how to split
expect 0 "$pretok" -q -t "$work/tekken.json" -o "$work/tekken" --verify-roundtrip "$work/docs.jsonl"
grep -q "not back  *0 " "$work/out" || complain "tekken: text does not come back"
expect 1 "$pretok" encode -t "$work/tekken.json" --pattern gpt2 "$work/line"
has "$work/err" "--pattern belongs to rank files"
expect 0 "$pretok" encode -t "$work/tokenizer.json" "$work/line"
expect 0 "$pretok" encode -t "$work/tokenizer.json" --parse-special all "$work/line"
expect 1 "$pretok" encode -t "$work/tokenizer.json" --parse-special '<nothing>' "$work/line"
has "$work/err" "not a special token"
expect 0 "$pretok" bench --quick -j1 -t "$work/tokenizer.json" "$work/docs.jsonl"
has "$work/out" "2 documents"
finish
