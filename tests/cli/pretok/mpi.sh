#!/bin/sh
# mpirun -n 4 pretok ...: a rank killed with -9, all stopped by USR1, again, and the bytes of a single process.
. "$(dirname "$0")/setup.sh"
. "$(dirname "$0")/cluster.sh"
needs mpirun
make_corpus 8
# several ranks on however many cores; root, as in a container
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { # COUNT
    mpirun --oversubscribe -n "$1" "$pretok" -t "$work/tok.model" -o "$work/set" $cluster -j1 "$work/corpus"
}

expect 0 ranks 4
for rank in 1 2 3 4; do has "$work/err" "task $rank of 4, as OMPI_COMM_WORLD_RANK says"; done
[ ! -e "$work/set/dataset.json" ] || complain "a rank completed the set"
expect 0 "$pretok" finish "$work/set"
same_set "$work/want" "$work/set"

rm -rf "$work/set"
ranks 4 >"$work/log" 2>&1 &
mpirun=$!
wait_for 60 begun 2 || complain "the ranks do not begin"
victim=$(pids_of | head -1)
kill -9 "$victim" || complain "the ranks were done before one could be killed"
wait $mpirun && complain "mpirun did not notice a killed rank"
wait_for 20 eval '[ -z "$(pids_of)" ]'
expect 1 "$pretok" finish "$work/set"
has "$work/out" "array "

before=$(receipts)
ranks 3 >"$work/log" 2>&1 &
mpirun=$!
wait_for 60 begun $((before + 1)) || complain "the ranks do not go on"
# to the ranks: mpirun is behind the function's shell
kill -USR1 $(pids_of) || complain "a rank was done before it could be stopped"
wait $mpirun
code=$?
[ $code = 75 ] || complain "mpirun: exit $code, expected 75"
expect 0 ranks 2
expect 0 "$pretok" finish "$work/set"
no_temporaries "$work/set"
same_set "$work/want" "$work/set"
finish
