#!/bin/sh
# Several threads, and several tasks at the same units at the same time, while calls fail at random: the same commands again
# and again end in the bytes of an undisturbed run. NGT_FAULT_SEEDS says how often (3).
. "$(dirname "$0")/faults.sh"
seeds=${NGT_FAULT_SEEDS:-3}

in=$work/in
job() { pretok_in "$1" -j3 --dedup --split-by-key set "$in"; }
expect 0 job "$work/want"

# again FAULTS COMMAND...: until it is done
again() {
    faults=$1 tries=0
    shift
    until faulty "random:$seed$tries:$faults" "$@"; do
        got=$?
        [ $got = 1 ] || complain "seed $seed, try $tries: exit $got"
        [ $tries -lt 200 ] || { complain "seed $seed: no end of it"; break; }
        [ ! -d "$work/set" ] || none_torn "$work/set" "$work/want" "seed $seed, try $tries"
        tries=$((tries + 1))
    done
}

# what a source that cannot be read has left is another matter: it is the set that fails here
only=$work/set
seed=0 all=0
while [ $seed -lt "$seeds" ]; do
    seed=$((seed + 1))
    rm -rf "$work/set"
    again 3 job "$work/set"
    all=$((all + tries))
    # what was told as done may be so with faults that did no harm
    same_folder "$work/set" "$work/want" "seed $seed"

    rm -rf "$work/set"
    pids=
    for n in 1 2 3; do
        (
            work=$work/$n failures=0
            mkdir -p "$work"
            again 3 job "${work%/*}/set" # ends with 0 when all is there
            [ $failures = 0 ]
        ) 2>"$work/err$n" &
        pids="$pids $!"
    done
    for pid in $pids; do wait "$pid" || { complain "seed $seed: several at once"; cat "$work"/err? >&2; }; done
    expect 0 job "$work/set"
    # a note of one that failed when another had finished
    rm -f "$work"/set/receipts/*.failed
    same_folder "$work/set" "$work/want" "seed $seed, several at once"
done
echo "$all runs failed, and the set is the same"
finish
