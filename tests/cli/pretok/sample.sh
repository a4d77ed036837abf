#!/bin/sh
# The dry run: what all of the input comes to when all of it is the sample, the same sample for the same seed, what is refused,
# and the estimate beside the fact at the end. Nothing but estimate.json comes of it.
. "$(dirname "$0")/setup.sh"
plan() { "$pretok" plan -q -t "$work/tok.model" -o "$1" $small --stats "$work/stats" --sample "$2" --sample-seed "$3" -j"$4" "$work/in"; }
figure() { # FILE FIGURE KEY
    tr -d ' \n' <"$1" | sed -n "s/.*\"$2\":{[^}]*\"$3\":\([0-9.e+-]*\).*/\1/p"
}
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/one" $small -j2 --stats "$work/one.stats" "$work/in"
records=$(sed -n 's/.*"records": \([0-9]*\).*/\1/p' "$work/one.stats" | head -1)
tokens=$(sed -n 's/.*"tokens": \([0-9]*\).*/\1/p' "$work/one.stats" | head -1)

# all of it is no estimate
expect 0 plan "$work/dry" 100% 1 2
[ "$(figure "$work/stats" records estimate)" = "$records" ] || complain "100%: $(figure "$work/stats" records estimate) records, not $records"
[ "$(figure "$work/stats" tokens low)" = "$tokens" ] || complain "100%: $(figure "$work/stats" tokens low) tokens, not $tokens"
[ "$(figure "$work/stats" tokens high)" = "$tokens" ] || complain "100%: tokens are not exact"
[ "$(ls "$work/dry" | tr '\n' ' ')" = "estimate.json plan.json receipts " ] || complain "a dry run leaves more: $(ls "$work/dry")"
bytes=$(cat "$work"/one/*.ngt | wc -c)
estimated=$(figure "$work/stats" shard_bytes estimate)
[ $((estimated * 20)) -gt $((bytes * 19)) ] && [ $((estimated * 20)) -lt $((bytes * 21)) ] || complain "$estimated bytes of shards, not $bytes"

# the same seed draws the same, whatever the threads; another seed another one
same() { grep -v -A3 cpu_seconds "$1" | grep -v '"\(estimate\|low\|high\)": [0-9]*\.[0-9]' >"$2"; }
expect 0 plan "$work/dry" 40% 7 1
same "$work/stats" "$work/first"
expect 0 plan "$work/dry" 40% 7 2
same "$work/stats" "$work/second"
cmp -s "$work/first" "$work/second" || complain "threads change the sample"
expect 0 plan "$work/dry" 40% 8 2
same "$work/stats" "$work/second"
cmp -s "$work/first" "$work/second" && complain "the seed changes nothing"
expect 0 plan "$work/dry" 500 1 2
has "$work/out" "estimate     from"

# intervals hold what comes, and are not all of it: windows of plain files, small files whole, one stream from its beginning
hold() { # INPUT SHARE: of 12 seeds, 11 hold records and tokens
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/whole" $small -j2 --stats "$work/whole.stats" "$1"
    n=0 wide=0 seed=0
    want_records=$(sed -n 's/.*"records": \([0-9]*\).*/\1/p' "$work/whole.stats" | head -1)
    want_tokens=$(sed -n 's/.*"tokens": \([0-9]*\).*/\1/p' "$work/whole.stats" | head -1)
    while [ $seed -lt 12 ]; do
        seed=$((seed + 1))
        "$pretok" plan -q -t "$work/tok.model" -o "$work/whole" $small --stats "$work/stats" --sample "$2" --sample-seed $seed "$1" >/dev/null
        low=$(figure "$work/stats" records low) high=$(figure "$work/stats" records high)
        tlow=$(figure "$work/stats" tokens low) thigh=$(figure "$work/stats" tokens high)
        [ "$low" -le "$want_records" ] && [ "$high" -ge "$want_records" ] && [ "$tlow" -le "$want_tokens" ] && [ "$thigh" -ge "$want_tokens" ] && n=$((n + 1))
        [ "$high" -gt $((want_records * 2)) ] && wide=$((wide + 1))
    done
    [ $n -ge 11 ] || complain "$1: $n of 12 intervals hold $want_records records and $want_tokens tokens"
    [ $wide -le 3 ] || complain "$1: $wide of 12 intervals reach beyond twice the truth"
    rm -rf "$work/whole"
}
hold "$work/in" 20%
mkdir "$work/files"
cat "$work/in/a.jsonl" "$work/in/d.jsonl" | split -l 20 -a 4 - "$work/files/"
for f in "$work"/files/*; do mv "$f" "$f.jsonl"; done
hold "$work/files" 20%
# small files of short documents and large ones of long ones: what is drawn the more often must count the less
mkdir "$work/uneven"
awk -v to="$work/uneven" 'BEGIN {
    for (i = 0; i < 400; i++) {
        f = sprintf("%s/%03d.jsonl", to, i); large = i % 8 == 0; t = "of the"
        for (k = 0; k < (large ? 60 : 0); k++) t = t " and the rest"
        for (k = 0; k < (large ? 40 : 20); k++) print "{\"text\":\"" t "\"}" > f
        close(f)
    }
}'
hold "$work/uneven" 20%
if command -v zstd >/dev/null; then
    mkdir "$work/stream"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do cat "$work"/in/*.jsonl "$work"/in/b/*.jsonl | sort -R; done | zstd -q -1 -o "$work/stream/one.jsonl.zst"
    hold "$work/stream" 5%
fi

# refused
for wrong in 0 0% 101% 1.5 -1 x 1%x ""; do
    expect 2 plan "$work/dry" "$wrong" 1 1
    has "$work/err" "--sample"
done
expect 2 "$pretok" plan -t "$work/tok.model" -o "$work/dry" $small --sample 1% --limit 5 "$work/in"
has "$work/err" "leave out --limit"
expect 2 "$pretok" plan -t "$work/tok.model" -o "$work/dry2" --input-format jsonl --sample 1% - </dev/null
has "$work/err" "cannot be sampled"

# at the end, beside the fact; it changes no shard
expect 0 plan "$work/dry" 100% 1 2
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/dry" $small -j2 --stats "$work/stats" "$work/in"
has "$work/out" "came to $tokens (+0.0%)"
[ "$(figure "$work/stats" tokens fact)" = "$tokens" ] || complain "no fact in --stats"
[ -n "$(figure "$work/stats" cpu_seconds fact)" ] || complain "no time of the processor in --stats"
[ "$(figure "$work/dry/dataset.json" tokens fact)" = "$tokens" ] || complain "no fact in dataset.json"
expect 0 "$pretok" finish "$work/dry"
has "$work/out" "came to $tokens (+0.0%)"
for shard in "$work"/one/*.ngt; do cmp -s "$shard" "$work/dry/${shard##*/}" || complain "${shard##*/} is another one"; done
# one of another plan is none, a damaged one is told
sed -i 's/"plan": ".*"/"plan": "ffffffffffffffff"/' "$work/dry/estimate.json"
expect 0 "$pretok" finish "$work/dry"
lacks "$work/out" estimate
echo '{}' >"$work/dry/estimate.json"
expect 0 "$pretok" finish "$work/dry"
has "$work/err" "the estimate is damaged"
finish
