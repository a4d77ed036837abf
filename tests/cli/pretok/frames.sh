#!/bin/sh
# A zstd file of many frames is cut into units by its frames, wherever these begin and end; what is read, and where it says
# it comes from, is as in the file read in one piece.
. "$(dirname "$0")/setup.sh"
command -v zstd >/dev/null || { echo "skipped: no zstd to make frames with"; exit 77; }
run() { # OPTION... of $work/frames into $work/set
    rm -rf "$work/set"
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" "$@" "$work/frames"
}
pieces() { # COMMAND...: $work/frames/x.jsonl.zst of the pieces, each through the command
    for piece in "$work"/piece.*; do "$@" "$piece"; done >"$work/frames/x.jsonl.zst"
}
mkdir "$work/frames"
cat "$work"/in/a.jsonl "$work"/in/b/c.jsonl "$work"/in/d.jsonl >"$work/x.jsonl"
zstd -qc "$work/x.jsonl" >"$work/frames/x.jsonl.zst"
run
expect 0 "$dump" --ids "$work/set"
mv "$work/out" "$work/want.ids"
expect 0 "$dump" --docs "$work/set"
cut -f 2- "$work/out" >"$work/want.docs"

same_docs() {
    expect 0 "$dump" --ids "$work/set"
    same "$work/out" "$work/want.ids"
    expect 0 "$dump" --docs "$work/set"
    cut -f 2- "$work/out" >"$work/docs"
    same "$work/docs" "$work/want.docs"
}
units() { # at least N units
    n=$("$pretok" status "$work/set" | sed -n 's/^units  *//p')
    [ "$n" -ge "$1" ] || complain "$n units, expected $1 or more"
}

# frames cut in mid-record, smaller and larger than a record; units of one frame or several
for size in 61 4000 20011; do
    if [ $size = 61 ]; then
        head -c 6100 "$work/x.jsonl" | split -a 5 -b 61 - "$work/piece."
        tail -c +6101 "$work/x.jsonl" >"$work/piece.rest"
    else
        split -a 5 -b $size "$work/x.jsonl" "$work/piece."
    fi
    pieces zstd -qc
    for bytes in 1 5000; do
        run -j 2 --unit-bytes $bytes
        same_docs
        [ $bytes = 1 ] && units $(ls "$work"/piece.* | wc -l)
    done
    rm "$work"/piece.*
done
# at line ends; tasks
split -a 5 -l 300 "$work/x.jsonl" "$work/piece."
pieces zstd -qc
run --unit-bytes 1
same_docs
cp -r "$work/set" "$work/whole"
run --unit-bytes 1 --task 2/3
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 1 --task 3/3 "$work/frames"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 1 --task 1/3 "$work/frames"
expect 0 "$pretok" finish --check-inputs "$work/set"
same_docs
for shard in "$work"/whole/*.ngt; do same "$shard" "$work/set/${shard##*/}"; done
# a seek table is no frame of its own; frames that do not say how much they hold, one or several
printf '\136\052\115\030\004\000\000\000seek' >>"$work/frames/x.jsonl.zst"
run --unit-bytes 1
same_docs
for piece in "$work"/piece.*; do zstd -qc <"$piece"; done >"$work/frames/x.jsonl.zst"
run --unit-bytes 1
same_docs
units 10
zstd -qc <"$work/x.jsonl" >"$work/frames/x.jsonl.zst"
run --unit-bytes 1
has "$work/set/plan.json" '"part": false'
# an archive is none of this
(cd "$work/in" && tar cf "$work/in.tar" a.jsonl b/c.jsonl d.jsonl)
split -b 10000 -a 5 "$work/in.tar" "$work/tar."
for piece in "$work"/tar.*; do zstd -qc "$piece"; done >"$work/in.tar.zst"
rm -rf "$work/set"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --input-format jsonl --unit-bytes 1 "$work/in.tar.zst"
expect 0 "$dump" --ids "$work/set"
same "$work/out" "$work/want.ids"

# where the time went, and how much memory it took
rm -rf "$work/set"
expect 0 "$pretok" -v -j 2 -t "$work/tok.model" -o "$work/set" --stats "$work/stats" "$work/frames"
has "$work/err" "unpack ahead"
has "$work/err" "tokenizers waiting for records"
has "$work/err" "readers waiting for room"
has "$work/err" "peak memory"
for figure in peak_memory_bytes unpack commit wait_read wait_batch; do has "$work/stats" "\"$figure\": "; done

# a damaged frame: all others are read, and the exit code says so
pieces zstd -qc --check
size=$(wc -c <"$work/frames/x.jsonl.zst")
printf 'XXXXXXXX' | dd of="$work/frames/x.jsonl.zst" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
rm -rf "$work/set"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/set" --unit-bytes 1 "$work/frames"
has "$work/err" "zstd stream corrupt"
at=$(sed -n 's/.*zstd stream corrupt at byte \([0-9]*\),.*/\1/p' "$work/err" | head -1)
[ "${at:-0}" -gt $((size / 4)) ] || complain "the byte is that of the file: $at"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 1 --allow-lost-sources "$work/frames"
expect 0 "$dump" --ids "$work/set"
lines=$(wc -l <"$work/out")
all=$(wc -l <"$work/want.ids")
[ "$lines" -ge $((all - 2 * 300)) ] && [ "$lines" -lt "$all" ] || complain "$lines of $all documents"
# nothing is taken of it where that is asked: its frames are no units then
cp "$work/in/a.jsonl" "$work/frames/whole.jsonl"
rm -rf "$work/set"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 1 --on-lost drop --allow-lost-sources "$work/frames"
expect 0 "$dump" --ids "$work/set"
[ "$(wc -l <"$work/out")" = "$(wc -l <"$work/in/a.jsonl")" ] || complain "--on-lost drop takes some of a damaged file"

# what is wrong in a record is told by its own byte, wherever the part begins
rm "$work/frames/whole.jsonl" "$work"/piece.*
{ head -n 700 "$work/x.jsonl"; echo '{"text": "a", ?}'; tail -n +701 "$work/x.jsonl"; } >"$work/bad.jsonl"
split -a 5 -b 4000 "$work/bad.jsonl" "$work/piece."
pieces zstd -qc
rm -rf "$work/set"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 1 --max-bad 10% "$work/frames"
has "$work/set/quarantine.jsonl" "not JSON from byte 14 on"
finish
