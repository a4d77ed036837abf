# What does not fit is refused by name, and nothing is changed.
$NGTRAIN $tiny --steps 4 -o run data
cp -r run before

refuse 1 '--lr: the run began with 0.001, now it is 0.002' $NGTRAIN $tiny --steps 4 --lr 2e-3 -o run data
refuse 1 '--steps: the run began with 4' $NGTRAIN $tiny --steps 5 -o run data
refuse 1 '--batch: ' $NGTRAIN $tiny --steps 4 --batch 3 -o run data
refuse 1 '--micro-batch: ' $NGTRAIN $tiny --steps 4 --micro-batch 1 -o run data
refuse 1 '--seed: ' $NGTRAIN $tiny --steps 4 --seed 1 -o run data
refuse 1 '--seq-len: ' $NGTRAIN $tiny --steps 4 --seq-len 8 -o run data
refuse 1 '--model: ' $NGTRAIN $tiny --steps 4 --model 10m -o run data
refuse 1 '--untied: ' $NGTRAIN $tiny --steps 4 --untied -o run data
refuse 1 'the shards are not those the run began with' $NGTRAIN $tiny --steps 4 -o run data/0.ngt
diff -r run before

# what does not matter may change
$NGTRAIN $tiny --steps 4 -j1 --log-every 2 --val-every 2 --checkpoint-every 1 -o run data

refuse 2 '--steps: "0" is not a whole number' $NGTRAIN --steps 0 data
refuse 2 'needs SHARD|DIR' $NGTRAIN
refuse 2 'did you mean --checkpoint-every' $NGTRAIN --checkpoint-evry 5 data
refuse 1 'dataset.json' $NGTRAIN $tiny -o new data/..
[ ! -e new ]
refuse 1 'no-such' $NGTRAIN $tiny -o new no-such.ngt
refuse 1 '--kv-heads: 3 does not divide' $NGTRAIN $tiny --kv-heads 3 -o new data
refuse 1 'there is no preset "2m"' $NGTRAIN $tiny --model 2m -o new data
refuse 1 '--launch: only the CUDA device' $NGTRAIN $tiny --launch graph -o new data
refuse 1 '--recompute: only the CUDA device' $NGTRAIN $tiny --recompute -o new data

# a broken checkpoint is told, with what to do
printf x | dd of=run/checkpoint-0000000004.ngc bs=1 seek=5000 conv=notrunc 2>/dev/null
refuse 1 'contradicts its hash; remove this checkpoint' $NGTRAIN $tiny --steps 4 -o run data
refuse 1 'contradicts its hash' $NGTRAIN generate run
# and so is a broken shard
cp -r data bad
printf x | dd of=bad/0.ngt bs=1 seek=4500 conv=notrunc 2>/dev/null
refuse 1 '0.ngt' $NGTRAIN $tiny --steps 4 -o new data bad/0.ngt
refuse 1 'digest\|hash' $NGTRAIN $tiny --steps 300 -o new2 bad/0.ngt

# two runs do not write one folder
flock run/lock sh -c '
    got=0
    "$0" --device cpu -o run data 2>err || got=$?
    [ $got = 1 ] && grep -q "another ngtrain works in this run folder" err' "$NGTRAIN"
