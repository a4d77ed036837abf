# The CUDA device seen from outside: the same bytes in every launch mode, for any number of blocks, interrupted
# or not; validation and checkpoints on the way. Skipped where there is no GPU.
gpu="--seq-len 32 --batch 4 --micro-batch 2 --device cuda --deadline 20 --quiet --steps 12 --val-every 4 --checkpoint-every 5"
if ! $NGTRAIN $gpu -o whole data 2>err; then
    cat err >&2
    # none in the machine, or no device half in the build; any other failure is one
    grep -q "no CUDA device" err && exit 77
    exit 1
fi
figures() {
    sed 's/, "tokens.*//; s/, "val_tokens.*//' "$1"
}
figures whole/metrics.jsonl >expected
agrees() {
    same whole/checkpoint-0000000012.ngc "$1/checkpoint-0000000012.ngc"
    figures "$1/metrics.jsonl" >found
    same expected found
}
for mode in graph stepwise; do
    $NGTRAIN $gpu --launch $mode -o $mode data
    agrees $mode
done
$NGTRAIN $gpu --ctas 7 -o seven data
agrees seven
for k in 1 5 7; do
    $NGTRAIN $gpu -o parts$k --stop-after $k data
    $NGTRAIN $gpu -o parts$k data
    agrees parts$k
done

$NGTRAIN $gpu --recompute -o again data
agrees again
# it may come and go with the commands of a run
$NGTRAIN $gpu --recompute -o mixed --stop-after 5 data
$NGTRAIN $gpu -o mixed data
agrees mixed

# the CPU computes the same in fp32: the first losses agree
$NGTRAIN $gpu --device cpu -o cpu data
first=$(sed -n '1s/.*"loss": \([0-9.]*\).*/\1/p' whole/metrics.jsonl)
second=$(sed -n '1s/.*"loss": \([0-9.]*\).*/\1/p' cpu/metrics.jsonl)
awk "BEGIN { d = ($first - $second) / $second; exit !(d < 1e-3 && d > -1e-3) }"

refuse 1 "holds .* blocks at once" $NGTRAIN $gpu --ctas 100000 -o many data
