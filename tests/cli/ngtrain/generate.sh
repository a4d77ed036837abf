# What comes after training: text, report, loss on other data, the way to transformers and back.
$NGTRAIN $tiny --steps 40 --lr 3e-3 --json -o run data >report
grep -q '"tokens_per_second"' report
grep -q '"val_loss"' report

# the same seed, the same text; another, another
$NGTRAIN generate run --tokens 40 --seed 1 --quiet >a
$NGTRAIN generate run --tokens 40 --seed 1 --quiet -j1 >b
$NGTRAIN generate run --tokens 40 --seed 2 --quiet >c
same a b
if cmp -s a c; then exit 1; fi
[ "$(wc -c <a)" -gt 1 ]
$NGTRAIN generate run --tokens 8 --temperature 0 --json --quiet >a
grep -q '"prompt_tokens": 1' a
refuse 1 'give it with --tokenizer' $NGTRAIN generate run --prompt hello
refuse 1 'no checkpoint' $NGTRAIN generate data

$NGTRAIN report run >a
grep -q 'validation loss' a
grep -q 'waiting for data' a
$NGTRAIN report run --json >a
grep -q '"step": 40' a

# eval on the held-out set is the last validation
$NGTRAIN eval run data/val --json --quiet >a
want=$(grep val_loss run/metrics.jsonl | tail -1 | sed 's/.*"val_loss": \([0-9.]*\).*/\1/')
have=$(sed -n 's/.*"loss": \([0-9.]*\).*/\1/p' a)
awk "BEGIN { d = $want - $have; exit !(d < 1e-4 && d > -1e-4) }"

# out to transformers and in again: the same loss
$NGTRAIN export run hf --quiet
grep -q LlamaForCausalLM hf/config.json
$NGTRAIN import hf back --quiet
$NGTRAIN eval back data/val --seq-len 32 --json --quiet >b
same a b
refuse 1 'has a checkpoint already' $NGTRAIN import hf back
# and on from there, with a run that fits
refuse 1 'another model: heads of keys and values' $NGTRAIN $tiny --steps 3 --kv-heads 1 -o back data
$NGTRAIN $tiny --steps 3 -o back data
