#!/bin/sh
# Parquet: every way in which writers store a column of strings; what is refused; files that are damaged.
. "$(dirname "$0")/setup.sh"
root=$(cd "$(dirname "$0")/../../.." && pwd)
mkdir "$work/pq"
if "$pretok" plan -t "$work/tok.model" -o "$work/x" --input-format parquet "$work/in" 2>&1 | grep -q "without Apache Arrow"; then
    : >"$work/pq/x.parquet"
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/x" "$work/pq"
    has "$work/err" "x.parquet: parquet input is not in this build"
    has "$work/err" "-Dparquet=enabled"
    [ $failures = 0 ] || exit 1
    echo "skipped: this build has no Parquet (scripts/install-deps --parquet, or libparquet-dev)"
    exit 77
fi
rm -rf "$work/x"
for python in "$root/deps/arrow/bin/python" python3; do
    "$python" -c 'import pyarrow.parquet' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { echo "skipped: no pyarrow to write Parquet files with (scripts/install-deps --parquet)"; exit 77; }
rm -rf "$work/pq"
"$python" "$(dirname "$0")/make_parquet.py" "$work/pq" || exit 99

set_of() { # NAME INPUT OPTION...
    name=$1
    shift
    expect 0 "$pretok" -t "$work/tok.model" -o "$work/$name" "$@"
}
ids_of() { # NAME
    expect 0 "$dump" --ids "$work/$1"
}
set_of json "$work/pq/want.jsonl"
ids_of json
mv "$work/out" "$work/want"
set_of good "$work/pq/good"
ids_of good
same "$work/out" "$work/want"
for file in "$work"/pq/kinds/*; do
    rm -rf "$work/kind"
    set_of kind "$file"
    ids_of kind
    same "$work/out" "$work/want"
done
# what it cannot answer is refused by name
for option in "--text-template {text}" "--id-key id" "--meta-keys id" "--split-by-key id"; do
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" $option "$work/pq/good"
    has "$work/err" "${option%% *} does not work on parquet input"
done

# threads, tasks and the next command change nothing
set_of seven -j7 --unit-bytes 20000 "$work/pq/kinds"
set_of one -j1 --unit-bytes 20000 "$work/pq/kinds"
same_set "$work/one" "$work/seven"
expect 0 "$pretok" finish --check-inputs "$work/one"

# a row is a record; the offset is the row from 0 on
set_of few --limit 1500 "$work/pq/good"
has "$work/out" "records                 1500"
expect 0 "$dump" --text --at a.parquet:701 "$work/good"
[ "$(cut -d' ' -f1,2 "$work/out")" = "document 700" ] || complain "--at: $(cat "$work/out")"
expect 0 "$dump" --docs --range 700:701 "$work/good"
grep -q 'a.parquet:701.*\b700\b' "$work/out" || complain "row 701: $(cat "$work/out")"

# a field of a struct; dots in names; lists and other types are refused, naming what there is
set_of nested --text-key content.text "$work/pq/nested"
ids_of nested
same "$work/out" "$work/want"
set_of dots --text-key 'content.a\.b' "$work/pq/nested"
ids_of dots
same "$work/out" "$work/want"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" "$work/pq/nested"
has "$work/err" 'n.parquet: no column "text"; give --text-key: content.text, content.a\.b, lists.list.element (list)'
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no2" --text-key n "$work/pq/good"
has "$work/err" 'a.parquet: column "n" holds no text but INT64; give another --text-key: text, n (INT64)'

# nulls
expect 0 "$pretok" -t "$work/tok.model" -o "$work/nulls" "$work/pq/nulls/n.parquet"
has "$work/out" "3   the text is null"
sed -n 2p "$work/nulls/quarantine.jsonl" >"$work/line"
has "$work/line" '"record": 1008'
has "$work/line" '"offset": 1007'
has "$work/line" '"reason": "the text is null"'
set_of inner --text-key o.text "$work/pq/nulls/o.parquet"
has "$work/out" "6   the text is null"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/long" --max-doc-bytes 100 --max-bad 100% "$work/pq/good"
has "$work/out" "longer than --max-doc-bytes"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/empty" "$work/pq/empty"
has "$work/err" "no record at all"

# a bomb
expect 1 "$python" "$(dirname "$0")/../bounded.py" 60 4000 "$pretok" -t "$work/tok.model" -o "$work/bomb" --max-doc-bytes 500K --max-bad 100% \
    "$work/pq/bomb" "$work/in/d.jsonl"
has "$work/err" "a.parquet: not read to its end: decompresses to"
has "$work/err" "--max-expansion is 1000"

# where Parquet is not expected
cp "$work/pq/good/a.parquet" "$work/pq/a.jsonl"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no3" "$work/pq/a.jsonl"
has "$work/err" "a.jsonl: a parquet file; call it .parquet"
tar -C "$work/pq/good" -cf "$work/pq/a.tar" a.parquet
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no4" "$work/pq/a.tar" "$work/in/a.jsonl"
has "$work/err" "a.tar: not read to its end: a.parquet: a parquet file inside an archive"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no5" --input-format parquet - <"$work/pq/good/a.parquet"
has "$work/err" "standard input"

# damaged in the middle: the rows before, and all other files
read -r at size <"$work/pq/damage.at"
mkdir "$work/bad"
cp "$work/in/d.jsonl" "$work/bad"
cp "$work/pq/damage/d.parquet" "$work/bad/b.parquet"
printf '\377\377' | dd of="$work/bad/b.parquet" bs=1 seek=$((at + size / 2)) conv=notrunc 2>/dev/null
expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost" "$work/bad"
has "$work/err" "b.parquet: not read to its end: Parquet file cut off or corrupt: row 1501, row group 4, column chunk at byte $at"
[ ! -e "$work/lost/dataset.json" ] || complain "dataset.json is withheld"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/lost" --allow-lost-sources "$work/bad"
has "$work/out" "documents               2500"
# its end is missing, or it is something else
head -c 10000 "$work/pq/damage/d.parquet" >"$work/bad/b.parquet"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost2" "$work/bad"
has "$work/err" "b.parquet: not read to its end: Parquet file cut off or corrupt"
cp "$work/in/a.jsonl" "$work/bad/b.parquet"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/lost3" --allow-lost-sources "$work/bad"
has "$work/out" "documents               1000"

# any byte of the file changed: an end with a message, never a crash
cp "$work/pq/damage/d.parquet" "$work/pq/flip.parquet"
bytes=$(wc -c <"$work/pq/flip.parquet")
n=16
[ -z "${NGT_TEST_FULL-}" ] || n=1000
i=0
while [ $i -lt $n ]; do
    # most of them in the last 4000 bytes, where the description of the file is
    at=$(((i * 7919) % 4000))
    [ $((i % 4)) -gt 0 ] || at=$(((i * 104729) % bytes))
    at=$((bytes - 1 - at))
    cp "$work/pq/damage/d.parquet" "$work/pq/flip.parquet"
    printf "\\$(printf %o $((i * 37 % 256)))" | dd of="$work/pq/flip.parquet" bs=1 seek=$at conv=notrunc 2>/dev/null
    rm -rf "$work/flip"
    timeout 60 "$pretok" -q -t "$work/tok.model" -o "$work/flip" "$work/pq/flip.parquet" >/dev/null 2>"$work/err"
    status=$?
    [ $status -le 1 ] || complain "byte $at: exit $status: $(cat "$work/err")"
    i=$((i + 1))
done
finish
