#!/bin/sh
# Refused records: counted, kept, judged. Sources that cannot be read to their end.
. "$(dirname "$0")/setup.sh"
mkdir "$work/bad"
f=$work/bad/x.jsonl
{
    head -500 "$work/in/a.jsonl"
    printf '{"text":"cut off\n'
    printf '\n'
    printf '{"content":"other key","n":1}\r\n'
    printf '{"text":7}\n'
    printf '["text"]\n'
    printf '{"text":"a lone \\ud83d and a bad \377 byte, <s> and </s>"}\n'
    printf '{"text":""}'
} >"$f"

expect 0 "$pretok" -t "$work/tok.model" -o "$work/set" "$work/bad"
has "$work/out" "records                  506"
has "$work/out" "documents                502"
has "$work/out" "quarantined                4"
has "$work/out" "replaced                   2"
has "$work/out" "special                    2"
q=$work/set/quarantine.jsonl
[ "$(wc -l <"$q")" = 4 ] || complain "four records in quarantine"
sed -n 1p "$q" >"$work/line"
has "$work/line" '"record": 501'
has "$work/line" "not JSON from byte 16 on"
has "$work/line" "$(printf '{"text":"cut off' | base64)"
sed -n 2p "$q" >"$work/line"
has "$work/line" '"record": 503'
has "$work/line" 'keys: content, n'
has "$work/line" "$(printf '{"content":"other key","n":1}\r' | base64 | tr -d '\n')"
same "$q" "$work/set/receipts/00001.quarantine.jsonl"
expect 0 "$dump" --docs "$work/set"
tail -1 "$work/out" | grep -q "x.jsonl:507" || complain "blank and refused lines count: $(tail -1 "$work/out")"

# judged
expect 1 "$pretok" -t "$work/tok.model" -o "$work/strict" --max-bad 0.5% "$work/bad"
has "$work/err" "4 of 506 records refused (1 not_json, 1 not_object, 1 no_key, 1 wrong_type), beyond --max-bad 0.5%"
[ ! -e "$work/strict/dataset.json" ] || complain "no data set beyond --max-bad"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/strict" --max-bad 1% "$work/bad"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/fail" --on-bad fail "$work/bad"
has "$work/err" "x.jsonl: offset"
has "$work/err" "item 501: not JSON"

# a wrong key fails early and names the keys there are, and does so however much is allowed
expect 1 "$pretok" -t "$work/tok.model" -o "$work/key" --text-key content "$work/in"
has "$work/err" 'the keys there are: id, text, meta'
expect 1 "$pretok" -t "$work/tok.model" -o "$work/key2" --text-key meta.text --max-bad 100% "$work/in"
has "$work/err" "not one document in 3000 records"
has "$work/err" 'the keys there are: set'

# too long
expect 0 "$pretok" -t "$work/tok.model" -o "$work/long" --max-doc-bytes 200 --max-bad 100% "$work/in"
has "$work/out" "longer than --max-doc-bytes"

# nothing at all
mkdir "$work/nothing"
: >"$work/nothing/x.jsonl"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/none" "$work/nothing"
has "$work/err" "no record at all"

# cut and corrupt sources: what is readable is kept, the rest is told, the set is withheld
mkdir "$work/cut"
gzip -c "$work/in/a.jsonl" | head -c 12000 >"$work/cut/a.jsonl.gz"
cp "$work/in/d.jsonl" "$work/cut"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost" "$work/cut"
has "$work/err" "a.jsonl.gz: not read to its end: gzip stream cut off"
has "$work/err" "1 sources could not be read to their end"
[ ! -e "$work/lost/dataset.json" ] || complain "dataset.json is withheld"
expect 1 "$pretok" finish "$work/lost"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/lost" --allow-lost-sources "$work/cut"
expect 0 "$dump" --verify "$work/lost"
has "$work/lost/dataset.json" '"why": "gzip stream cut off'
if command -v zstd >/dev/null; then
    rm "$work/cut/a.jsonl.gz"
    zstd -qc "$work/in/a.jsonl" | head -c 9000 >"$work/cut/a.jsonl.zst"
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost2" "$work/cut"
    has "$work/err" "a.jsonl.zst: not read to its end: zstd stream cut off"
    zstd -qc "$work/in/a.jsonl" >"$work/cut/a.jsonl.zst"
    printf '\377' | dd of="$work/cut/a.jsonl.zst" bs=1 seek=5000 conv=notrunc 2>/dev/null
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost3" "$work/cut"
    has "$work/err" "a.jsonl.zst: not read to its end: zstd stream corrupt"
fi
finish
