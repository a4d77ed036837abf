#!/bin/sh
# The same bytes for 1, 2, 7 threads, for 1, 3, 16 tasks in any order, by every build: same_bytes.sh BUILD-FOLDER...
. "$(dirname "$0")/check.sh"
unset $(env | sed -n 's/^\(\(SLURM\|OMPI\|PMIX*\)_[A-Z0-9_]*\)=.*/\1/p') NGT_NOTHING
[ -n "${NGT_SHARED-}" ] || NGT_SHARED=$(dirname "$0")/../../../shared
builds=
for build in "$@"; do builds="$builds $(realpath "$build")"; done

# records of all kinds: refused ones, duplicates, ill-formed UTF-8, long and empty texts; plain, compressed, in an archive
mkdir "$work/in"
awk 'BEGIN {
    srand(7)
    split("the of and to in é 中文 \\\"a\\\" \\u00e9 \\ud83d\\ude00 1234 don'"'"'t  \\n\\n \\t x_y() \303\050", w, " ")
    for (i = 0; i < 4000; i++) {
        n = i % 500 == 3 ? 3000 : int(rand() * 60); t = ""
        for (k = 0; k < n; k++) t = t w[int(rand() * 16) + 1] (rand() < .8 ? " " : "")
        if (i % 97 == 5) print "{\"other\":1}"
        else if (i % 50 == 7) print "{\"text\":\"again\",\"set\":\"b\",\"id\":" i "}"
        else printf "{\"text\":\"%s\",\"set\":\"%s\",\"id\":%d}\n", t, i % 3 ? "a" : "b", i
    }
}' >"$work/in/a.jsonl"
head -1500 "$work/in/a.jsonl" | gzip -c >"$work/in/b.jsonl.gz"
(cd "$work/in" && tail -900 a.jsonl >"$work/c.jsonl" && tar cf d.tar -C "$work" c.jsonl)
if command -v zstd >/dev/null; then
    split -l 700 "$work/in/a.jsonl" "$work/frame."
    for frame in "$work"/frame.*; do zstd -qc "$frame"; done >"$work/in/e.jsonl.zst"
fi
tokenizer=$work/bytes.tiktoken
awk 'BEGIN {
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 256; i++)
        print substr(digits, int(i / 4) + 1, 1) substr(digits, i % 4 * 16 + 1, 1) "== " i
}' >"$tokenizer"
kind="--pattern gpt2"
if [ -f "$NGT_SHARED/data/tokenizers/hf_gpt2.json.zst" ] && command -v zstd >/dev/null; then
    tokenizer=$work/tokenizer.json kind=
    zstd -dqc "$NGT_SHARED/data/tokenizers/hf_gpt2.json.zst" >"$tokenizer"
fi

run() { # BUILD DIR OPTION...
    program=$1/pretok/pretok to=$2
    shift 2
    "$program" -q -t "$tokenizer" $kind --no-eos --max-bad 10% --unit-bytes 30000 --shard-tokens 30000 --dedup --split-by-key set \
        --id-key id -o "$to" "$@" "$work/in"
}
compare() { # DIR WHAT
    diff -rq "$work/want" "$1" >"$work/differ" || { complain "$2: other bytes"; head -5 "$work/differ" >&2; }
    rm -rf "$1"
}
first=${builds#* }
first=${first%% *}
expect 0 run "$first" "$work/want" -j1
expect 0 "$first/packer/ngt-pack" -q -T 128 --val 10% -j1 -o "$work/packed" "$work/want/a" "$work/want/b"
for build in $builds; do
    for threads in 1 2 7; do
        expect 0 run "$build" "$work/set" -j$threads
        compare "$work/set" "$build, $threads threads"
        expect 0 "$build/packer/ngt-pack" -q -T 128 --val 10% -j$threads -o "$work/set" "$work/want/a" "$work/want/b"
        diff -rq "$work/packed" "$work/set" >&2 || complain "$build, packed by $threads threads: other bytes"
        rm -rf "$work/set"
    done
    for tasks in 3 16; do
        for order in "sort -n" "sort -rn" "sort -R"; do
            for task in $(seq $tasks | $order); do
                expect 0 run "$build" "$work/set" -j2 --task "$task/$tasks"
            done
            expect 0 "$build/pretok/pretok" finish -q --max-bad 10% "$work/set"
            compare "$work/set" "$build, $tasks tasks, $order"
        done
    done
done
echo "the same bytes:$(find "$work/want" -name '*.ngt' | wc -l) shards"
finish
