#!/bin/sh
# scripts/compare-torch on small models: both kinds of arithmetic agree with PyTorch, and a gradient that is 5% too large is
# found and named. Skipped without torch.
set -eu
script=$1 build=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

status=0
"$script" --build "$build" --out "$out" --cases "head 64, tied;head 128, grouped, seg" || status=$?
[ $status = 0 ] || exit $status
grep -q "model.norm.weight" "$out/tensors.log" || { echo "tensors.log has not every tensor" >&2; exit 1; }

"$script" --build "$build" --out "$out" --device twin --seeds 3 --cases "head 64, tied, seg" --plant layers.1.mlp.up >"$out/said" &&
    { echo "a planted error passes" >&2; exit 1; }
grep "times the bf16 model's error$" "$out/said" | grep "layers.1.mlp.up_proj" || { echo "a planted error is not named" >&2; exit 1; }
[ "$(grep -c "layers.*times the bf16 model's error$" "$out/said")" = 1 ] || { echo "more than the planted error is named" >&2; exit 1; }
