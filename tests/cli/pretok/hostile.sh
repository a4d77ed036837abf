#!/bin/sh
# Inputs that mean harm: each ends soon, in little memory, with a message that names it; what stands beside it is read.
# NGT_TEST_FULL: with an archive of ten million members.
. "$(dirname "$0")/setup.sh"
here=$(dirname "$0")
command -v python3 >/dev/null || { echo "skipped: no python3 to write hostile files with"; exit 77; }
python3 "$here/make_hostile.py" "$work/h" || exit 99
memory=300
unset MALLOC_PERTURB_ # it would fill what is only reserved
# a sanitizer's own memory is not ours
grep -qa __asan_init "$pretok" && memory=4000
grep -qa __tsan_init "$pretok" && memory=8000
bounded() { # EXPECTED SECONDS INPUT OPTION...
    want=$1 seconds=$2 input=$3
    shift 3
    rm -rf "$work/set"
    expect "$want" python3 "$here/../bounded.py" "$seconds" $memory "$pretok" -j2 -t "$work/tok.model" -o "$work/set" \
        --max-doc-bytes 32M "$input" "$@"
}
lost() { has "$work/err" "$1: not read to its end: $2"; }

# decompression that hardly ends: as lines, as a text, as WARC; out of a zip, a hole in a tar, a member that is passed over
bounded 1 60 "$work/h/bomb" "$work/in/d.jsonl"
lost a.jsonl.zst "decompresses to 1073872896 bytes and more, out of 262144; --max-expansion is 1000"
lost b.txt.zst "decompresses to"
lost c.wet.zst "decompresses to"
has "$work/err" "3 sources could not be read to their end"
bounded 0 60 "$work/h/bomb" "$work/in/d.jsonl" --allow-lost-sources
has "$work/out" "documents               1000"
bounded 1 60 "$work/h/gzip" --max-expansion 500
lost a.jsonl.gz "decompresses to"
has "$work/err" "1 sources could not be read to their end (a.jsonl.gz: decompresses to"
bounded 1 120 "$work/h/zip" --max-expansion 400
lost a.zip "a.txt: decompresses to"
bounded 1 60 "$work/h/hole"
lost a.tar "a.txt: decompresses to"
bounded 1 60 - --input-format text --max-expansion 500 <"$work/h/zip2/a.zip"
lost - ".a.txt: decompresses to"
# it is the bound that ends it: 400 MB out of twelve thousand bytes are read, in a window as large
memory=$((memory + 300))
bounded 1 120 "$work/h/window2" --max-expansion 1M
memory=$((memory - 300))
has "$work/err" "no record at all"
[ -z "$(sed -n '/cannot be read to its end/p' "$work/err")" ] || complain "what is repetitive but small is read to its end"
bounded 1 60 "$work/h/window"
lost huge.jsonl.zst "zstd stream corrupt at byte 5, after 0 decompressed bytes: Frame requires too much memory"
bounded 1 60 "$work/h/twice"
lost a.jsonl.gz "a gzip stream inside a compressed one; unpack the outer one first"
lost b.tar "c.tar: an archive inside an archive; unpack the outer one first"

# names are labels and nothing else: no file is made, and none can forge a line of output
before=$(find "$work" -newer "$work/h/names/a.tar" -type f ! -path "$work/set/*" ! -name out ! -name err | sort)
bounded 0 60 "$work/h/names"
after=$(find "$work" -newer "$work/h/names/a.tar" -type f ! -path "$work/set/*" ! -name out ! -name err | sort)
[ "$before" = "$after" ] || complain "files appeared: $after"
has "$work/out" "documents                  9"
expect 0 "$dump" --verify "$work/set"
expect 0 "$dump" --docs "$work/set"
[ "$(wc -l <"$work/out")" = 9 ] || complain "a line a document, whatever the names"
has "$work/out" 'a.tar!new\x0aline.jsonl:1'
has "$work/out" 'a.tar!\x1b[31mred\x07.jsonl:1'
has "$work/out" 'a.tar!../../../../up.jsonl:1'
[ -z "$(tr -d '\t\n -~' <"$work/out" | tr -d '\200-\377')" ] || complain "control characters in the output"
expect 0 "$dump" --docs --json "$work/set"
python3 -c 'import json, sys
for line in open(sys.argv[1], encoding="utf-8"): json.loads(line)' "$work/out" || complain "names spoil the JSON"
expect 0 "$dump" --text --at 'a.tar!/etc/passwd.jsonl:1' "$work/set"
bounded 1 60 "$work/h/nul"
has "$work/err" "nul: its name does not tell a format"

# nesting costs no stack
bounded 0 60 "$work/h/deep" --max-bad 2%
has "$work/out" "3   nested too deep"

# members cost no memory: of a hundred thousand, or ten million
bounded 0 60 "$work/h/many"
has "$work/out" "documents               1000"
if [ -n "${NGT_TEST_FULL-}" ]; then
    rm -rf "$work/h"
    python3 "$here/make_hostile.py" "$work/h" 10000000 || exit 99
    bounded 0 1800 "$work/h/many"
    has "$work/out" "documents             100000"
fi
finish
