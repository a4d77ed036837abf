#!/bin/sh
# What is refused, and that the message names it.
. "$(dirname "$0")/setup.sh"
run() {
    "$pretok" -t "$work/tok.model" -o "$work/set" $small "$@"
}
expect 0 run "$work/in"

# another tokenizer, option or input
expect 1 "$pretok" -t "$work/other.model" -o "$work/set" $small "$work/in"
has "$work/err" "another tokenizer"
expect 1 run --bos "$work/in"
has "$work/err" "bos was no, is now yes"
expect 1 run --no-eos "$work/in"
has "$work/err" "eos was yes, is now no"
expect 1 run --text-key meta.set "$work/in"
has "$work/err" "text_key was text, is now meta.set"
expect 1 run --unit-bytes 70000 "$work/in"
has "$work/err" "unit_bytes was 60000, is now 70000"
expect 1 run "$work/in" --exclude d.jsonl
has "$work/err" "exclude was none, is now d.jsonl"
expect 1 run "$work/in" --include 'a*' --include 'c*'
has "$work/err" "input d.jsonl was planned and is missing now"
cp "$work/in/d.jsonl" "$work/in/e.jsonl"
expect 1 run "$work/in"
has "$work/err" "input e.jsonl was not planned"
rm "$work/in/e.jsonl"
cp -p "$work/in/d.jsonl" "$work/d"
echo '{"text":"more"}' >>"$work/in/d.jsonl"
expect 1 run "$work/in"
has "$work/err" "d.jsonl: changed since it was planned (its size)"
cp -p "$work/d" "$work/in/d.jsonl"
touch "$work/in/d.jsonl"
expect 1 run "$work/in"
has "$work/err" "its time of modification"
cp -p "$work/d" "$work/in/d.jsonl"
expect 0 run "$work/in"
sed 's/the/THE/' "$work/d" >"$work/in/d.jsonl"
touch -r "$work/d" "$work/in/d.jsonl"
expect 1 run "$work/in"
has "$work/err" "its content"
expect 1 "$pretok" finish --check-inputs "$work/set"
has "$work/err" "d.jsonl: does not hold the bytes that were read from it"
cp -p "$work/d" "$work/in/d.jsonl"

# inputs
fresh() {
    "$pretok" -t "$work/tok.model" -o "$work/fresh" "$@"
}
expect 1 fresh "$work/in/a.jsonl" "$work/in/../in/a.jsonl"
has "$work/err" "is given twice"
expect 1 fresh "$work/none"
has "$work/err" "cannot open"
mkdir "$work/empty"
expect 1 fresh "$work/empty"
has "$work/err" "no input files"
echo x >"$work/empty/what.bin"
expect 1 fresh "$work/empty"
has "$work/err" "--input-format"
printf 'PAR1aaaaaaaa' >"$work/empty/x.jsonl"
expect 1 fresh "$work/empty/x.jsonl"
has "$work/err" "a parquet file"
expect 1 fresh -
has "$work/err" "--input-format"
expect 1 fresh - "$work/in" --input-format jsonl
has "$work/err" "only input"
mkdir "$work/in2"
cp "$work/in/a.jsonl" "$work/in2"
expect 1 fresh "$work/in" "$work/in2"
has "$work/err" "has the same name"

# tokenizers
echo '{"name": "other"}' >"$work/tokenizer.json"
expect 1 "$pretok" -t "$work/tokenizer.json" -o "$work/fresh" "$work/in"
has "$work/err" "neither a tokenizer.json nor a tekken.json"
has "$work/err" "SentencePiece"
echo 'aGVsbG8= 0' >"$work/x.tiktoken"
expect 1 "$pretok" -t "$work/x.tiktoken" -o "$work/fresh" "$work/in"
has "$work/err" "rank file"
expect 1 "$pretok" -t "$work/in/a.jsonl" -o "$work/fresh" "$work/in"
head -c 5000 "$work/tok.model" >"$work/cut.model"
expect 1 "$pretok" -t "$work/cut.model" -o "$work/fresh" "$work/in"
has "$work/err" "cut.model: offset"
expect 1 fresh "$work/in" --eos-token '<nothing>'
has "$work/err" "control tokens: <s> </s>"
expect 1 fresh "$work/in" --parse-special '<nothing>'
has "$work/err" "not a control token"

# usage
expect 2 "$pretok" -o "$work/fresh" "$work/in"
expect 2 "$pretok" -t "$work/tok.model" "$work/in"
expect 2 fresh
expect 2 fresh --max-bad 200% "$work/in"
expect 2 fresh --max-bed 1% "$work/in"
has "$work/err" "--max-bad"
expect 1 "$pretok" status "$work/empty"
expect 1 "$pretok" finish "$work/empty"
expect 0 "$pretok" --help
expect 0 "$pretok" finish --help
[ ! -e "$work/fresh/dataset.json" ] || complain "a refused run completes nothing"

# which key holds the text, where nothing has keys
mkdir "$work/keyless"
echo text >"$work/keyless/a.txt"
for option in "--text-key text" "--text-template {text}"; do
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/keyless.out" $option "$work/keyless"
    has "$work/err" "a.txt: ${option%% *} does nothing here: the inputs are text files or WARC"
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/keyless.out" --input-format warc $option "$work/in"
    has "$work/err" "${option%% *} does nothing here"
done
cp "$work/in/d.jsonl" "$work/keyless"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/keyless.out" --text-key text "$work/keyless"
finish
