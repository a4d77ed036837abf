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
