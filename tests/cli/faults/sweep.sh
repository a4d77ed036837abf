#!/bin/sh
# Each call to the file system fails once, in each way it can: the exit code and the message say so, nothing is torn, and the
# same command again ends in the bytes of an undisturbed run. With NGT_TEST_FULL all calls, else one in so many.
. "$(dirname "$0")/faults.sh"

# Called with runs, inputs or readers for a part of it.
part=$5

# what the others read
expect 0 pretok_in "$work/docs" --dedup "$work/in"
[ -e "$work/docs/dropped.ngd" ] || complain "no duplicates"
cp -r "$work/docs" "$work/unfinished"
rm "$work/unfinished/dataset.json"

runs() {
    job() { pretok_in "$1" --stats "$1.stats" "$work/in"; }
    sweep "a run" 61

    ls "$work"/in/* >"$work/list"
    job() {
        "$pretok" plan -q $options -o "$1" --files-from "$work/list" >"$work/said" && pretok_in "$1" --files-from "$work/list" --task 1/2 &&
            pretok_in "$1" --files-from "$work/list" --task 2/2 && "$pretok" finish --max-bad 10% --check-inputs "$1" && "$pretok" status "$1"
    }
    sweep "tasks" 293

    job() { pretok_in "$1" --split-by-key set --dedup --id-key id --meta-keys no,id "$work/in"; }
    sweep "sets" 293

    # a killed and a failed run before it: temporaries to be swept, a unit to be done again
    job() {
        [ -e "$1" ] || (unset LD_PRELOAD && cp -r "$work/docs" "$1" && rm "$1/receipts/00002.json" "$1/00003-0001.ngt")
        pretok_in "$1" --dedup "$work/in"
    }
    sweep "going on" 83

    job() {
        "$pretok" plan -q $options -o "$1" --sample 50% "$work/in" >"$work/said" &&
            (unset LD_PRELOAD && cp "$work/estimate.json" "$1") && pretok_in "$1" "$work/in"
    }
    expect 0 "$pretok" plan -q $options -o "$work/estimated" --sample 50% "$work/in"
    cp "$work/estimated/estimate.json" "$work"
    sweep "a dry run" 293

    # a plan with a table: that there are many inputs is a matter of files' names alone
    mkdir "$work/many"
    awk -v to="$work/many" 'BEGIN { for (i = 0; i < 4200; i++) { f = sprintf("%s/%05d.jsonl", to, i); printf "{\"text\":\"text %d\"}\n", i > f; close(f) } }'
    job() {
        "$pretok" plan -q $options -o "$1" "$work/many" >"$work/said" && pretok_in "$1" --task 7/20 "$work/many"
    }
    only=$work/set
    sweep "a table" 61

    only=
}

inputs() {
    for name in gz zst tar zip warc txt; do mkdir "$work/$name"; done
    cat "$work"/in/*.jsonl >"$work/all.jsonl"
    gzip -c "$work/all.jsonl" >"$work/gz/a.jsonl.gz"
    (cd "$work/in" && tar cf "$work/tar/a.tar" 0.jsonl 1.jsonl)
    command -v zstd >/dev/null && for f in "$work"/in/*; do zstd -qc "$f"; done >"$work/zst/a.jsonl.zst"
    for python in "$(dirname "$0")/../../../deps/arrow/bin/python" python3; do
        "$python" -c 'import pyarrow.parquet' 2>/dev/null && break
        python=python3
    done
    awk 'BEGIN {
        for (i = 0; i < 20; i++) {
            text = "this is text " i; type = i % 5 ? "conversion" : "response"
            printf "WARC/1.0\r\nWARC-Type: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n", type, length(text), text
        }
    }' >"$work/warc/a.warc"
    cp "$work/all.jsonl" "$work/txt/a.txt"
    # without pyarrow the last part fails: there is no Parquet file then, which is said below
    "$python" - "$work" 2>/dev/null <<'PYTHON' || true
import sys, zipfile
work = sys.argv[1]
with zipfile.ZipFile(work + "/zip/a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.write(work + "/in/0.jsonl", "0.jsonl")
    z.write(work + "/in/1.jsonl", "1.jsonl")
import os, pyarrow, pyarrow.parquet
os.mkdir(work + "/parquet")
table = pyarrow.table({"text": [f"this is text {i}" for i in range(100)]})
pyarrow.parquet.write_table(table, work + "/parquet/a.parquet", row_group_size=40)
PYTHON
    [ -s "$work/zip/a.zip" ] || rm -r "$work/zip"
    [ -s "$work/zst/a.jsonl.zst" ] || rm -r "$work/zst"

    for kind in gz zst tar zip warc txt parquet; do
        [ -d "$work/$kind" ] || { echo "$kind: nothing to make it with"; continue; }
        "$pretok" plan -q $options -o "$work/can" "$work/$kind" 2>&1 | grep "not in this build" && continue
        rm -rf "$work/can"
        only=$work/$kind
        more=
        [ $kind != zst ] || more="--unit-bytes 300" # a unit a frame
        job() { pretok_in "$1" $more "$work/$kind"; }
        sweep "$kind" 11
        case $kind in
        gz | parquet)
            job() { pretok_in "$1" --on-lost drop "$work/$kind"; }
            sweep "$kind, read twice" 23
            ;;
        esac
    done

    only=
}

readers() {
    job() { "$pack" -q -T 64 --val 30% -j1 -o "$1" "$work/docs"; }
    sweep "packed" 53
    job() { "$pack" -q -T 64 -j1 -o "$1" --shard-tokens 500 --method concat --incomplete "$work/unfinished"; }
    sweep "packed, unfinished" 59

    # what only reads
    for mode in --header --docs --ids --text --stats --verify "--list --incomplete"; do
        job() {
            mkdir -p "$1"
            "$dump" $mode "$work/unfinished" --incomplete >"$work/said" && mv "$work/said" "$1/said"
        }
        [ "$mode" != --verify ] || job() {
            mkdir -p "$1"
            "$dump" --verify "$work/docs" >"$work/said" && mv "$work/said" "$1/said"
        }
        sweep "ngt-dump $mode" 43
    done
    job() {
        mkdir -p "$1"
        "$pretok" encode $tokenizer "$work/in/0.jsonl" "$work/in/1.jsonl" >"$work/said" && mv "$work/said" "$1/said"
    }
    sweep "encode" 5

    # results that cannot be written
    for command in "$dump --docs $work/docs" "$dump --verify $work/docs" "$pack --what-if 16 $work/docs" \
        "$pack --plan-only -T 16 $work/docs" "$pretok encode $tokenizer $work/in/0.jsonl" "$pretok status $work/docs" \
        "$pretok finish --max-bad 10% $work/docs" "$pretok plan $options -o $work/docs --dedup $work/in" "$pretok $options -o $work/docs --dedup $work/in"; do
        $command >/dev/full 2>"$work/err"
        got=$?
        [ $got = 1 ] && grep -q "standard output: cannot write all of it: No space left on device; make room" "$work/err" ||
            { complain "exit $got: $command >/dev/full"; cat "$work/err" >&2; }
    done
}

$part
finish
