# What is exported means to transformers what it means here: a second implementation of the model,
# in plain Python, finds the same loss on a document.
command -v python3 >/dev/null || exit 77
"$MAKE_SHARDS" one 1 5 40
"$NGT_DUMP" --ids one/0.ngt >ids
[ "$(wc -w <ids)" -gt 8 ]

check() {
    $NGTRAIN export "$1" "$1.hf" --quiet
    want=$(python3 "$(dirname "$test")/llama.py" "$1.hf" <ids)
    have=$($NGTRAIN eval "$1" one/0.ngt --seq-len 64 --json --quiet | sed -n 's/.*"loss": \([0-9.]*\).*/\1/p')
    awk "BEGIN { d = $want - $have; exit !(d < 1e-4 && d > -1e-4) }" || {
        echo "$1: loss $have, by the second implementation $want"
        exit 1
    }
}

$NGTRAIN $tiny --steps 12 --lr 3e-3 -o tied data
check tied
$NGTRAIN $tiny --steps 12 --lr 3e-3 --untied --kv-heads 1 -o grouped data
check grouped
