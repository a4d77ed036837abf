#!/bin/sh
# A damaged file in the middle of a job, of every kind: the records before the damage are kept, or with --on-lost drop none
# of that file; byte and reason are told, the exit code says so, and the other files are complete.
. "$(dirname "$0")/setup.sh"
mkdir "$work/job" "$work/kinds"
# as many blocks as there are lines, nearly, so that damage in the middle leaves something before it
for f in a.jsonl b.jsonl c.jsonl; do
    awk 'BEGIN { srand(5); for (i = 0; i < 4000; i++) { printf "{\"text\":\"%d", i; for (k = 0; k < 30; k++) printf " %x", rand() * 2147483647; print "\"}" } }' \
        >"$work/job/$f"
done
lines=4000
middle=$work/job/b.jsonl
(cd "$work/job" && tar cf "$work/kinds/b.tar" b.jsonl)
awk 'NR <= 2000' "$middle" >"$work/job/1.jsonl" && awk 'NR > 2000' "$middle" >"$work/job/2.jsonl"
(cd "$work/job" && tar cf "$work/kinds/two.tar" 1.jsonl 2.jsonl && rm 1.jsonl 2.jsonl)
cp "$work/kinds/two.tar" "$work/kinds/cut.tar"
gzip -c "$middle" >"$work/kinds/b.jsonl.gz"
gzip -c "$work/kinds/b.tar" >"$work/kinds/b.tgz"
command -v zstd >/dev/null && zstd -qc <"$middle" >"$work/kinds/b.jsonl.zst"
command -v xz >/dev/null && xz -c <"$middle" >"$work/kinds/b.jsonl.xz"
command -v bzip2 >/dev/null && bzip2 -c <"$middle" >"$work/kinds/b.jsonl.bz2"
rm "$middle"

damage() { # FILE: in its middle
    size=$(wc -c <"$1")
    case $1 in
    */cut.tar) head -c $((size / 4 * 3)) "$1" >"$work/x" && mv "$work/x" "$1" ;;
    */two.tar) # the second member's header
        at=$(grep -abo '2\.jsonl' "$1" | sed -n '$s/:.*//p')
        printf 'XXXXXXXX' | dd of="$1" bs=1 seek=$((at + 148)) conv=notrunc 2>/dev/null ;;
    *) printf '\377\000\377\000\377\000\377\000' | dd of="$1" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null ;;
    esac
}
# what damage has made of records is no reason to end the job by --max-bad
run() {
    "$pretok" -t "$work/tok.model" -o "$@" "$work/job"
}
documents() { awk '$1 == "documents" { print $2 }' "$work/out"; }

for kind in "$work"/kinds/*; do
    name=$(basename "$kind")
    [ "$name" != b.tar ] || continue
    cp "$kind" "$work/job/$name"
    damage "$work/job/$name"
    rm -rf "$work/set" "$work/drop"
    expect 1 run "$work/set"
    grep -q "$name: not read to its end: .*at byte [0-9]" "$work/err" || complain "$name: no byte in: $(cat "$work/err")"
    has "$work/err" "1 sources could not be read to their end"
    [ ! -e "$work/set/dataset.json" ] || complain "$name: dataset.json is withheld"
    expect 0 run "$work/set" --allow-lost-sources
    n=$(documents)
    case $name in
    *.bz2 | *.xz) least=0 ;; # blocks of a megabyte: one, here
    *) least=500 ;;
    esac
    [ "$n" -ge $((2 * lines + least)) ] && [ "$n" -le $((3 * lines)) ] || complain "$name: $n documents"
    expect 0 "$dump" --verify "$work/set"
    # the others whole, and of this one what stands before the damage
    expect 0 "$dump" --docs "$work/set"
    [ "$(grep -c "a.jsonl:" "$work/out")" = $lines ] && [ "$(grep -c "c.jsonl:" "$work/out")" = $lines ] || complain "$name: the others"
    # nothing of it
    expect 1 run "$work/drop" --on-lost drop
    has "$work/err" "$name: not read to its end"
    expect 0 run "$work/drop" --on-lost drop --allow-lost-sources
    [ "$(documents)" = $((2 * lines)) ] || complain "$name: --on-lost drop keeps $(documents)"
    has "$work/drop/dataset.json" '"why":'
    expect 1 run "$work/drop" --allow-lost-sources
    has "$work/err" "on_lost was drop, is now not set"
    # the bytes do not depend on threads
    expect 0 run "$work/drop7" --on-lost drop --allow-lost-sources -j7 --unit-bytes 100000
    expect 0 run "$work/drop1" --on-lost drop --allow-lost-sources -j1 --unit-bytes 100000
    same_set "$work/drop1" "$work/drop7"
    rm -rf "$work/drop1" "$work/drop7" "$work/job/$name"
done
# records that are no JSON though nothing is damaged are judged, in a compressed file as well
awk '{ print NR % 10 ? $0 : "no JSON" }' "$work/job/a.jsonl" | gzip -c >"$work/job/b.jsonl.gz"
expect 1 run "$work/judged"
has "$work/err" "refused ("
has "$work/err" "beyond --max-bad 1%"
expect 0 run "$work/judged2" --max-bad 5%
rm "$work/job/b.jsonl.gz"
# whole files pass --on-lost drop unchanged
gzip -c "$work/in/a.jsonl" >"$work/job/d.jsonl.gz"
expect 0 run "$work/whole"
expect 0 run "$work/whole2" --on-lost drop
expect 0 "$dump" --ids "$work/whole"
mv "$work/out" "$work/want"
expect 0 "$dump" --ids "$work/whole2"
same "$work/out" "$work/want"
expect 2 "$pretok" -t "$work/tok.model" -o "$work/no" --on-lost drop --input-format jsonl - <"$work/in/a.jsonl"
has "$work/err" "--on-lost drop reads inputs twice"
finish
