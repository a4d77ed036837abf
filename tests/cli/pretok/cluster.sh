# Read with `.` by the tests under a scheduler, after setup.sh: a corpus that takes a few seconds, and the same set from a
# single process to compare with. Exit 77 where the programs are not there and cannot be installed.
#
#   $work/corpus   12 files, a few hundred units
#   $work/want     the data set of one process
PATH=$PATH:/usr/sbin:/sbin
scripts=$(cd "$(dirname "$0")/../../../scripts" && pwd)

needs() { # PROGRAM...
    for program in "$@"; do
        command -v "$program" >/dev/null && continue
        [ "$(id -u)" = 0 ] && "$scripts/install-deps" --cluster >"$work/install" 2>&1 && break
        echo "skipped: no $program, and it cannot be installed here (scripts/install-deps --cluster)"
        exit 77
    done
}
make_corpus() { # PASSES: how long it takes
    mkdir -p "$work/corpus"
    for n in 01 02 03 04 05 06 07 08 09 10 11 12; do
        # every pass differs, so that a unit in another one's place would be seen
        pass=0
        while [ $pass -lt "$1" ]; do
            pass=$((pass + 1))
            sed "s/ the / $n the $pass /" "$work"/in/a.jsonl "$work"/in/d.jsonl "$work"/in/b/c.jsonl
        done >"$work/corpus/$n.jsonl"
    done
    # the slow engine: there must be time to kill in
    cluster="--engine plain --unit-bytes 500000 --shard-tokens 200000"
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/want" $cluster -j1 --task none "$work/corpus"
}
receipts() { find "$work/set/receipts" -name '*.json' 2>/dev/null | wc -l; }
wait_for() { # SECONDS COMMAND...: until it succeeds
    tries=$(($1 * 10))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}
begun() { [ "$(receipts)" -ge "$1" ]; }
# Processes of this test alone: their command line has the set's folder, whose name nobody else has.
pids_of() { # WORD...: of the pretok processes at $work/set whose command line has these words, too
    for file in $(grep -lF -- "$work/set" /proc/[0-9]*/cmdline 2>/dev/null); do
        proc=${file%/cmdline}
        [ "$(readlink "$proc/exe")" = "$pretok" ] || continue
        line=$(tr '\0' ' ' 2>/dev/null <"$file")
        for word in "$@"; do case $line in *" $word "*) ;; *) continue 2 ;; esac; done
        echo "${proc#/proc/}"
    done
}
