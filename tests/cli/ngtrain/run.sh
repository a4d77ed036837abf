#!/bin/sh
# run.sh TEST: runs one test of ngtrain in a folder of its own, with a small data set in `data`.
# A test is a list of commands; what fails ends it. NGTRAIN and MAKE_SHARDS name the programs.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
test=$(realpath "$1")
cd "$scratch"
"$MAKE_SHARDS" data 60 1
"$MAKE_SHARDS" data/val 6 2

# The smallest run there is: a step is 2 sequences of 32 tokens. Some tests are made on a GPU too: DEVICE=cuda.
device=${DEVICE:-cpu}
tiny="--seq-len 32 --batch 2 --device $device --quiet"

# refuse CODE PATTERN COMMAND...: must fail with that code and say something that matches.
refuse() {
    code=$1 pattern=$2
    shift 2
    got=0
    "$@" >out 2>err || got=$?
    if [ "$got" != "$code" ] || ! grep -q -e "$pattern" err; then
        echo "$*: exit $got, expected $code and \"$pattern\"; it said:"
        cat out err
        exit 1
    fi
}

same() {
    if ! cmp "$1" "$2"; then
        exit 1
    fi
}

. "$test"
