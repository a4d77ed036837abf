#!/bin/sh
# Runs one fuzz target on seeds: run.sh TARGET ROUNDS SEED-COMMAND... ; the command writes seed files into a folder.
# What libFuzzer found worth keeping, corpus/NAME.hex, is run as well. NGT_TEST_FULL multiplies the rounds by 50.
target=$1 rounds=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$@" "$work" || exit 99
[ -z "${NGT_TEST_FULL-}" ] || rounds=$((rounds * 50))
kept=$(dirname "$0")/corpus/$(basename "$target" | sed 's/^fuzz_//').hex
[ -f "$kept" ] || kept=
# shellcheck disable=SC2086
"$target" --mutate "$rounds" "$work"/* $kept
