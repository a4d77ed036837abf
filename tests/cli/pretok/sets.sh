#!/bin/sh
# --split-by-key and --dedup: a set for each value, by any number of tasks, killed or not; equal texts are dropped once.
. "$(dirname "$0")/setup.sh"
mkdir -p "$work/slim/chunk1" "$work/slim/chunk2"
awk -v dir="$work/slim" 'BEGIN {
    srand(3)
    split("RedPajamaC4 RedPajamaBook RedPajamaGithub ../up receipts", set, " ")
    for (i = 0; i < 4000; i++) {
        d = int(rand() * 3000); t = "document " d
        for (k = 0; k < 30; k++) t = t " word" (d * 7 + k) % 97
        printf "{\"text\":\"%s\",\"meta\":{\"redpajama_set_name\":\"%s\"},\"id\":%d}\n", t, set[int(rand() * 5) + 1], i \
            > (dir "/chunk" i % 2 + 1 "/part-" int(i / 1000) ".jsonl")
    }
}'
options="--unit-bytes 200000 --shard-tokens 20000 --split-by-key meta.redpajama_set_name --dedup --id-key id"
run() {
    folder=$1
    shift
    "$pretok" -q -t "$work/tok.model" -o "$folder" $options "$work/slim" "$@"
}
expect 0 run "$work/want" -j1
has "$work/out" "documents               4000"
has "$work/out" "documents dropped"
[ "$(ls "$work/want" | tr '\n' ' ')" = "%2E.%2Fup %72eceipts RedPajamaBook RedPajamaC4 RedPajamaGithub dataset.json plan.json receipts " ] ||
    complain "folders: $(ls "$work/want")"

# each record once, in the set its value says; of equal texts the first one stays
for set in "$work"/want/*/dataset.json; do
    expect 0 "$dump" --verify "${set%/dataset.json}"
    expect 0 "$dump" --docs "${set%/dataset.json}"
    awk -F'\t' -v set="$(basename "${set%/dataset.json}")" '{print set "\t" $3 "\t" ($5 == "dropped" ? "dropped\t" $6 : "kept\t" $5)}' "$work/out"
done | sort -k2 >"$work/got"
awk -v dir="$work/slim" 'BEGIN {
    name["RedPajamaC4"] = "RedPajamaC4"; name["RedPajamaBook"] = "RedPajamaBook"; name["RedPajamaGithub"] = "RedPajamaGithub"
    name["../up"] = "%2E.%2Fup"; name["receipts"] = "%72eceipts"
    for (c = 1; c <= 2; c++) for (p = 0; p < 4; p++) {
        file = "chunk" c "/part-" p ".jsonl"; n = 0
        while ((getline line < (dir "/" file)) > 0) {
            n++; split(line, f, "\"")
            printf "%s\t%s:%d\t%s\t%s\n", name[f[10]], file, n, f[4] in met ? "dropped" : "kept", substr(f[13], 2, length(f[13]) - 2)
            met[f[4]] = 1
        }
    }
}' | sort -k2 >"$work/all"
cmp -s "$work/got" "$work/all" || { complain "not each record once in its set"; diff "$work/got" "$work/all" | head -6 >&2; }

# the folder itself is no data set, and says which there are
expect 1 "$dump" --docs "$work/want"
has "$work/err" "RedPajamaBook, RedPajamaC4"

# tasks, threads, kill -9: the same bytes; a foreign data set below the folder is let alone
expect 0 run "$work/tasks" --task 2/3
expect 1 "$pretok" finish "$work/tasks"
mkdir "$work/tasks/mine"
echo '{"set": "other"}' >"$work/tasks/mine/dataset.json"
for try in 1 2 3 4; do
    "$pretok" -q -t "$work/tok.model" -o "$work/tasks" $options -j2 "$work/slim" --task 3/3 >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$try"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
done
expect 0 run "$work/tasks" --task 1/3 -j 7
expect 0 run "$work/tasks" --task 3/3
expect 0 "$pretok" finish "$work/tasks"
has "$work/out" "documents dropped"
[ -e "$work/tasks/mine/dataset.json" ] || complain "a user's own folder was touched"
rm -r "$work/tasks/mine"
no_temporaries "$work/tasks"
same_set "$work/want" "$work/tasks"
expect 0 run "$work/tasks"
has "$work/out" "documents dropped"

# a unit that is done again opens all sets until it is
rm "$work/tasks/receipts/00002.json"
expect 0 run "$work/tasks" --task 1/3
[ -e "$work/tasks/RedPajamaC4/dataset.json" ] || complain "nothing was to be done, and yet a set is open"
"$pretok" -q -t "$work/tok.model" -o "$work/tasks" $options "$work/slim" --task 2/3 >/dev/null
[ ! -e "$work/tasks/RedPajamaC4/dataset.json" ] || complain "a set is complete though a unit was done again"
expect 0 "$pretok" finish "$work/tasks"
same_set "$work/want" "$work/tasks"
rm "$work/tasks/RedPajamaC4/00001-0001.ngt"
expect 1 "$pretok" finish "$work/tasks"
has "$work/err" "RedPajamaC4/00001-0001.ngt"

# a drop list that is not the one
printf x >>"$work/want/RedPajamaC4/dropped.ngd"
expect 1 "$dump" --docs "$work/want/RedPajamaC4"
has "$work/err" "dropped.ngd"

# no such key: refused, by its name
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/none" --split-by-key meta.set "$work/slim"
has "$work/err" "--split-by-key is meta.set"
# too many values: refused, and what to do
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/many" --split-by-key id "$work/slim"
has "$work/err" "more than 256 values"
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/many2" --unit-bytes 30000 --split-by-key id "$work/slim"
has "$work/err" "more than 256 values"
finish
