#!/bin/sh
# Which task a process is, by --task, Slurm's variables or MPI's; what status and finish say of what is missing; two
# tasks at the same units at the same time.
. "$(dirname "$0")/setup.sh"
run() { # [VARIABLE=VALUE...] -- ARGUMENT...: one task in $work/set
    variables=
    while [ "$1" != -- ]; do variables="$variables $1"; shift; done
    shift
    env $variables "$pretok" -t "$work/tok.model" -o "$work/set" $small -j1 "$@" "$work/in"
}
stats() { # TASK TASKS VARIABLE... -- ARGUMENT...: it is task TASK of TASKS
    want="\"task\":$1,\"tasks\":$2,"
    shift 2
    expect 0 run "$@" --stats "$work/stats"
    tr -d ' \n' <"$work/stats" | grep -qF "$want" || complain "not $want: $*"
}
a=SLURM_ARRAY_TASK_
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/one" $small -j2 "$work/in"
cp -r "$work/one" "$work/set" # complete: tasks have nothing to do and are soon over

# the environment, with and without being asked for it
stats 1 1 --
stats 1 4 ${a}ID=0 ${a}COUNT=4 ${a}MIN=0 ${a}MAX=3 ${a}STEP=1 --
has "$work/err" "task 1 of 4, as SLURM_ARRAY_TASK_ID says"
stats 4 4 ${a}ID=10 ${a}COUNT=4 ${a}MIN=7 ${a}MAX=10 ${a}STEP=1 --
stats 3 4 ${a}ID=9 ${a}COUNT=4 ${a}MIN=5 ${a}MAX=11 ${a}STEP=2 -- --task auto
lacks "$work/err" "as SLURM_ARRAY_TASK_ID says"
stats 3 4 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 --
stats 4 4 PMI_RANK=3 PMI_SIZE=4 --
stats 2 3 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=3 --
stats 1 1 SLURM_PROCID=0 SLURM_NTASKS=3 --
# mpirun's daemons are a step of Slurm, one a node; ranks times the array
stats 3 4 SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 --
stats 6 8 ${a}ID=1 ${a}COUNT=2 ${a}MIN=0 ${a}MAX=1 ${a}STEP=1 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 --
# --task goes before it, and says so where they differ
stats 2 3 ${a}ID=4 ${a}COUNT=4 ${a}MIN=1 ${a}MAX=4 -- --task 2/3
has "$work/err" "--task 2/3 holds, though SLURM_ARRAY_TASK_ID makes this task 4 of 4"
stats 2 3 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 -- --task 2/3
has "$work/err" "holds, though OMPI_COMM_WORLD_RANK makes this task 3 of 4"
stats 1 1 ${a}ID=4 ${a}COUNT=4 ${a}MIN=1 ${a}MAX=4 -- --task none
lacks "$work/err" holds
# a part of an array again: its ids have gaps, and are the places of the first time
stats 7 9 ${a}ID=7 ${a}COUNT=4 ${a}MIN=3 ${a}MAX=9 ${a}STEP=1 -- --task 7/9
stats 8 9 ${a}ID=7 ${a}COUNT=2 ${a}MIN=7 ${a}MAX=8 ${a}STEP=1 -- --task 8/9
lacks "$work/err" holds
stats 2 9 ${a}ID=7 ${a}COUNT=4 ${a}MIN=3 ${a}MAX=9 ${a}STEP=1 -- --task 2/9
has "$work/err" "--task 2/9 holds, though SLURM_ARRAY_TASK_ID is 7"
for auto in "" "--task auto"; do
    expect 2 run ${a}ID=7 ${a}COUNT=4 ${a}MIN=3 ${a}MAX=9 ${a}STEP=1 -- $auto
    has "$work/err" "have gaps"
    expect 2 run ${a}ID=7 -- $auto
    has "$work/err" "SLURM_ARRAY_TASK_COUNT is not"
    expect 2 run ${a}ID=7x ${a}COUNT=9 -- $auto
    has "$work/err" "\"7x\", not a number"
    expect 2 run PMI_RANK=4 PMI_SIZE=4 -- $auto
    has "$work/err" "PMI_RANK is 4 and PMI_SIZE 4"
done
for wrong in 0/3 4/3 1 1/ -1/3 1/3x none/3; do
    expect 2 run -- --task $wrong
    has "$work/err" "is not I/N"
done
expect 2 run -- --task auto

# what is missing, as text and for sbatch
units=$(ls "$work"/one/receipts | grep -c json)
rm -rf "$work/set"
cp -r "$work/one" "$work/set"
ls "$work"/one/receipts | grep json | sed -n '2p;3p;5p' | while read -r f; do rm "$work/set/receipts/$f"; done
expect 1 "$pretok" finish "$work/set"
has "$work/err" "3 of $units units are missing: 2-3, 5"
has "$work/out" "array 2-3,5 of $units"
expect 1 "$pretok" finish --tasks 3 "$work/set"
has "$work/out" "array 2-3 of 3"
expect 1 "$pretok" finish --tasks 2 "$work/set"
has "$work/out" "array 1-2 of 2"
expect 0 "$pretok" status --tasks 4 "$work/set"
has "$work/out" "missing                    3"
has "$work/out" "failed                     0"
has "$work/out" "array                          1-3 of 4"
has "$work/out" "time left"
expect 0 "$pretok" status --json "$work/set"
has "$work/out" '"array": "2-3,5"'

# a unit that fails is told until it is done
bad=$work/bad
mkdir "$bad"
cp "$work/in/a.jsonl" "$bad/a.jsonl"
awk 'NR % 10 == 0 { print "no JSON"; next } { print }' "$work/in/d.jsonl" >"$bad/d.jsonl"
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/badset" --unit-bytes 1Mi -j1 --task 1/1 "$bad"
[ -n "$(find "$work/badset/receipts" -name '*.failed')" ] || complain "no note of the failure"
expect 0 "$pretok" status "$work/badset"
has "$work/out" "failed                     1"
has "$work/out" "beyond --max-bad 1%"
expect 0 "$pretok" status --json "$work/badset"
has "$work/out" '"failed": 1'
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/badset" --unit-bytes 1Mi -j1 --task 1/1 --max-bad 100% "$bad"
[ -z "$(find "$work/badset/receipts" -name '*.failed')" ] || complain "the note outlives the failure"

# the same units in many hands at the same time, some of them killed
round=0
while [ $round -lt 3 ]; do
    round=$((round + 1))
    rm -rf "$work/set"
    pids=
    for n in 1 2 3 4; do
        "$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j2 --task 1/1 "$work/in" >/dev/null 2>"$work/err$n" &
        pids="$pids $!"
    done
    sleep 0.$round
    kill -9 ${pids##* } 2>/dev/null
    for pid in ${pids% *}; do wait "$pid" || { complain "one of several writers failed"; cat "$work"/err? >&2; }; done
    wait
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j1 --task 1/1 "$work/in"
    expect 0 "$pretok" finish "$work/set"
    same_set "$work/one" "$work/set"
    no_temporaries "$work/set"
done

# what a killed task of another host left goes with finish, when it is old
touch "$work/set/00001-0001.ngt.tmp.elsewhere.1.0" "$work/set/receipts/00001.json.tmp.elsewhere.1.1"
touch -d '2 hours ago' "$work/set/00001-0001.ngt.tmp.elsewhere.1.0"
expect 0 "$pretok" finish "$work/set"
[ ! -e "$work/set/00001-0001.ngt.tmp.elsewhere.1.0" ] || complain "an old temporary of another host stays"
[ -e "$work/set/receipts/00001.json.tmp.elsewhere.1.1" ] || complain "a young temporary of another host goes"

# a temporary that another process of the same host name and number left, as in containers: not touched, not in the way
rm -rf "$work/set"
mkdir "$work/set"
in_the_way() {
    sh -c 'd=$1; shift; echo other >"$d/plan.json.tmp.$(uname -n | tr ./ --).$$.0"; exec "$@"' - "$work/set" \
        "$pretok" -q -t "$work/tok.model" -o "$work/set" $small -j1 "$work/in"
}
expect 0 in_the_way
has "$(find "$work/set" -name '*.tmp.*')" other
rm "$work"/set/*.tmp.*
same_set "$work/one" "$work/set"
finish
