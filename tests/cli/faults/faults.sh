# Read with `.` by the tests of faults, which are called with PRETOK NGT-DUMP NGT-PACK LIBFAILING: a tokenizer that loads
# at once, a small job, and what makes calls of it fail.
#
#   $work/in              120 records, three of them refused, in 3 files
#   pretok_in DIR ARG...  pretok with that tokenizer, one thread, small units, into DIR
#   $options              the options of that, but where to
#   faulty FAULT COMMAND...   the command with that fault (failing.c) at a path that holds $only; its calls in $work/log
#   sweep NAME N          each call of job DIR fails once, in each of its ways; without NGT_TEST_FULL one in N of these (NGT_FAULT_STRIDE)
pretok=$(realpath "$1") dump=$(realpath "$2") pack=$(realpath "$3") failing=$(realpath "$4")
# many calls of fsync, of many small files
[ -n "${TMPDIR-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "$0")/../check.sh"
only=
unset $(env | sed -n 's/^\(\(SLURM\|OMPI\|PMIX*\)_[A-Z0-9_]*\)=.*/\1/p') NGT_NOTHING
# what is preloaded comes before a sanitizer; killed processes are no leaks
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:detect_leaks=0"

awk 'BEGIN {
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 256; i++)
        print substr(digits, int(i / 4) + 1, 1) substr(digits, i % 4 * 16 + 1, 1) "== " i
}' >"$work/bytes.tiktoken"
mkdir "$work/in"
awk -v in_="$work/in" 'BEGIN {
    for (i = 0; i < 120; i++) {
        f = in_ "/" int(i / 40) ".jsonl"
        if (i % 40 == 20)
            print "{\"no\":" i "}" > f
        else
            printf "{\"id\":%d,\"set\":\"%s\",\"text\":\"this is document %d of a few\"}\n", i, i % 7 ? "most" : "some", i % 50 > f
    }
}'

tokenizer="-t $work/bytes.tiktoken --pattern gpt2"
options="$tokenizer --no-eos --max-bad 10% --unit-bytes 2000 --shard-tokens 500 -j1"
pretok_in() {
    to=$1
    shift
    "$pretok" -q $options -o "$to" "$@"
}

faulty() { # FAULT COMMAND...
    fault=$1
    shift
    rm -f "$work/log" "$work.log" "$work.log.counts"
    (
        export LD_PRELOAD="$failing" NGT_FAIL="$fault" NGT_FAIL_AT="${only:-$work/}" NGT_FAIL_LOG="$work.log"
        "$@"
    ) >"$work/out" 2>"$work/err"
    code=$?
    rm -f "$work.log.counts"
    mv "$work.log" "$work/log" 2>/dev/null || : >"$work/log"
    return $code
}

# Every file that is in DIR under a final name is as it is in the undisturbed WANT. What of estimates is time is left out.
none_torn() { # DIR WANT
    diff -rq "$1" "$2" | grep " differ$" | grep -v "estimate.json" >"$work/differ" || return 0
    complain "$3: under final names, and not as they should be:"
    cat "$work/differ" >&2
}
same_folder() { # DIR WANT WHAT
    notes= # of failures: they go with finish
    [ -e "$2/dataset.json" ] || notes="-x [0-9]*.failed"
    diff -rq -x estimate.json $notes "$1" "$2" >"$work/differ" || { complain "$3: another data set"; head -5 "$work/differ" >&2; }
}

# The ways that a call of each kind fails in; the last column is tried in the quick sweep.
ways() {
    case $1 in
    create) echo "ENOSPC EACCES EDQUOT" ;;
    open) echo "EIO EACCES" ;;
    read) echo "EIO half EINTR" ;;
    write) echo "ENOSPC torn EIO EDQUOT half EINTR kill killed" ;;
    sync) echo "EIO ENOSPC EINTR kill killed" ;;
    rename) echo "EIO late kill killed" ;;
    close) echo "EIO EINTR" ;;
    mkdir) echo "ENOSPC" ;;
    unlink) echo "EIO" ;;
    stat) echo "EIO" ;;
    map) echo "EIO bus" ;;
    seek) echo "EIO" ;;
    list) echo "EIO" ;;
    esac
}

# one FAULT NAME: the job with that fault, then again without
one() {
    rm -rf "$work/set"
    faulty "$1" job "$work/set"
    got=$?
    grep -q ^FAULT "$work/log" || return 0
    tried=$((tried + 1))
    call=${1%%:*} how=${1##*:}
    what="$name $1 ($(sed -n 's/^FAULT [a-z]* [a-z]* [0-9]* //p' "$work/log" | head -1 | sed "s|$work/||"))"
    case $how:$got in
    kill*:137 | half:0 | EINTR:0 | late:0) ;;
    kill* | half:* | EINTR:* | *:75 | *:2) complain "$what: exit $got"; head -3 "$work/err" >&2 ;;
    *:1)
        # file, reason, what to do
        grep -q -e "$work" "$work/err" && grep -qi -e "error\|space\|quota\|permission\|corrupt\|could not be read" "$work/err" &&
            grep -q -e "again\|--allow-lost" "$work/err" || { complain "$what: says"; cat "$work/err" >&2; }
        ;;
    *:0)
        # but for a note of a failure, and an input of a dry run, which tells that, or reads it once more
        case $name:$call in
        "a dry run:read") ;;
        *:create | *:write | *:sync | *:rename | *:read | *:mkdir) grep -q "^FAULT.*\.failed" "$work/log" || complain "$what: exit 0" ;;
        esac
        ;;
    *) complain "$what: exit $got"; head -3 "$work/err" >&2 ;;
    esac
    [ $got -lt 128 ] && [ "$call" != unlink ] && [ -n "$(find "$work/set" -name '*.tmp.*' 2>/dev/null)" ] && complain "$what: temporaries left"
    if [ -d "$work/set" ] && ! grep -q "could not be read to their end" "$work/err"; then none_torn "$work/set" "$work/want" "$what"; fi
    if [ $got != 0 ]; then
        job "$work/set" >"$work/out" 2>"$work/err" || { complain "$what: the same again: exit $?"; head -3 "$work/err" >&2; }
    fi
    same_folder "$work/set" "$work/want" "$what"
}

sweep() {
    name=$1 stride=${NGT_FAULT_STRIDE:-$2} tried=0 turn=0
    [ -z "${NGT_TEST_FULL-}" ] || stride=1
    rm -rf "$work/set" "$work/want"
    faulty "" job "$work/set" || { complain "$name: exit $?"; cat "$work/err" >&2; return; }
    mv "$work/set" "$work/want"
    grep BROKEN "$work/log" >"$work/broken" && { complain "$name: rules of the commit"; sort "$work/broken" | uniq -c >&2; }
    cp "$work/log" "$work/clean"
    for call in create open read write sync rename close mkdir unlink stat map seek list; do
        count=$(grep -c "^$call " "$work/clean")
        n=0
        while [ $n -lt "$count" ]; do
            n=$((n + 1))
            for how in $(ways $call); do
                turn=$((turn + 1))
                [ $((turn % stride)) = 0 ] || continue
                one "$call:$n:$how"
            done
        done
    done
    echo "$name: $tried faults"
    [ $tried -gt 0 ] || complain "$name: nothing went wrong"
}
