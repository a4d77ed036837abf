# An interrupted run ends in the bytes of an uninterrupted one, whatever the number of threads.
$NGTRAIN $tiny --steps 9 --val-every 4 --checkpoint-every 4 -j1 -o whole data
for k in 1 4 7; do
    $NGTRAIN $tiny --steps 9 --val-every 4 --checkpoint-every 4 -j2 -o parts$k --stop-after $k data
    [ -e parts$k/checkpoint-000000000$k.ngc ]
    $NGTRAIN $tiny --steps 9 --val-every 4 --checkpoint-every 4 -j3 -o parts$k data
    same whole/checkpoint-0000000009.ngc parts$k/checkpoint-0000000009.ngc
    same whole/checkpoint-0000000008.ngc parts$k/checkpoint-0000000008.ngc
done
# two are kept
[ "$(ls whole/checkpoint-* | wc -l)" = 2 ]

# what was measured is the same too: steps, losses, validations, in order, none twice
figures() {
    sed 's/, "tokens.*//; s/, "val_tokens.*//' "$1"
}
for k in 1 4 7; do
    figures whole/metrics.jsonl >a
    figures parts$k/metrics.jsonl >b
    same a b
done
[ "$(grep -c '"loss"' whole/metrics.jsonl)" = 9 ]
[ "$(grep -c '"val_loss"' whole/metrics.jsonl)" = 3 ]

# lines beyond the checkpoint are cut: a crash between a step and the next checkpoint
cp -r whole crashed
rm crashed/checkpoint-0000000009.ngc
$NGTRAIN $tiny --steps 9 --val-every 4 --checkpoint-every 4 -o crashed data
figures whole/metrics.jsonl >a
figures crashed/metrics.jsonl >b
same a b
same whole/checkpoint-0000000009.ngc crashed/checkpoint-0000000009.ngc

# a short last micro-batch; micro-batches change the rounding, not the result
$NGTRAIN $tiny --steps 3 --batch 5 --micro-batch 2 -o micro data
$NGTRAIN $tiny --steps 3 --batch 5 --micro-batch 5 -o all data
first=$(sed -n '1s/.*"loss": \([0-9.]*\).*/\1/p' micro/metrics.jsonl)
second=$(sed -n '1s/.*"loss": \([0-9.]*\).*/\1/p' all/metrics.jsonl)
awk "BEGIN { d = $first - $second; exit !(d < 1e-4 && d > -1e-4) }"

# done is done
$NGTRAIN $tiny --steps 9 --val-every 4 --checkpoint-every 4 -o whole data
$NGTRAIN $tiny --steps 9 --stop-after 4 --val-every 4 --checkpoint-every 4 -o whole data
