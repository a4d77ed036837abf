# For tests of programs, read by them with `.`: a folder of their own, and a few words to say what is expected.
#
#   $work         an empty folder, removed at the end
#   expect CODE COMMAND...   runs it; its output is in $work/out and $work/err; complains unless it exits with CODE
#   has FILE TEXT            FILE contains TEXT
#   same FILE FILE           equal bytes
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
complain() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}
expect() {
    code=$1
    shift
    "$@" >"$work/out" 2>"$work/err"
    got=$?
    [ $got = "$code" ] || {
        complain "exit $got, expected $code: $*"
        tail -5 "$work/err" >&2
    }
}
has() {
    grep -qF -- "$2" "$1" || { complain "no \"$2\" in $1:"; head -5 "$1" >&2; }
}
lacks() {
    grep -qF -- "$2" "$1" && complain "\"$2\" in $1"
}
same() {
    cmp -s "$1" "$2" || complain "$1 and $2 differ"
}
finish() {
    [ $failures = 0 ]
    exit
}
