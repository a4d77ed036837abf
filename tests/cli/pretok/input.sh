#!/bin/sh
# The same documents however they are stored, and the ways to name inputs.
. "$(dirname "$0")/setup.sh"
ids() { # INPUT... -> $work/ids
    rm -rf "$work/set"
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set" "$@"
    expect 0 "$dump" --ids "$work/set"
    mv "$work/out" "$work/ids"
}
ids "$work/in"
mv "$work/ids" "$work/want"

pack() { # COMMAND...: every file through it; $suffix names the result
    rm -rf "$work/packed"
    cp -r "$work/in" "$work/packed"
    for f in a b/c d; do
        "$@" <"$work/in/$f.jsonl" >"$work/packed/$f.jsonl$suffix"
        rm "$work/packed/$f.jsonl"
    done
    ids "$work/packed"
    same "$work/ids" "$work/want"
}
suffix=.gz pack gzip -c
for tool in zstd bzip2 xz lz4; do
    command -v $tool >/dev/null || continue
    suffix=.$tool
    [ $tool = zstd ] && suffix=.zst
    [ $tool = bzip2 ] && suffix=.bz2
    pack $tool -qc
done
# by content, not by name
rm -rf "$work/packed"
mkdir -p "$work/packed/b"
for f in a b/c d; do gzip -c "$work/in/$f.jsonl" >"$work/packed/$f.jsonl"; done
ids "$work/packed"
same "$work/ids" "$work/want"

# archives, their members compressed or not
(cd "$work/in" && tar cf "$work/in.tar" a.jsonl b/c.jsonl d.jsonl)
ids "$work/in.tar"
same "$work/ids" "$work/want"
gzip -c "$work/in.tar" >"$work/in.tgz"
ids "$work/in.tgz"
same "$work/ids" "$work/want"
(cd "$work/packed" && tar cf "$work/inner.tar" a.jsonl b/c.jsonl d.jsonl)
ids "$work/inner.tar"
same "$work/ids" "$work/want"
expect 0 "$dump" --docs "$work/set"
has "$work/out" "b/c.jsonl"

# what is no text in an archive: refused by name, or left out
mkdir "$work/mixed"
cp "$work/in/d.jsonl" "$work/mixed"
echo hello >"$work/mixed/LICENSE"
(cd "$work/mixed" && tar cf "$work/mixed.tar" LICENSE d.jsonl)
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/mixed1" "$work/mixed.tar"
has "$work/err" "LICENSE: its name does not tell a format"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/mixed2" "$work/mixed.tar" --exclude 'LIC*'
has "$work/out" "documents               1000"

# standard input, lists, globs
rm -rf "$work/set"
cat "$work/in/a.jsonl" "$work/in/b/c.jsonl" "$work/in/d.jsonl" |
    "$pretok" -q -t "$work/tok.model" -o "$work/set" --input-format jsonl - >/dev/null || complain "standard input"
expect 0 "$dump" --ids "$work/set"
same "$work/out" "$work/want"
(cd "$work/in" && printf 'd.jsonl\na.jsonl\n\nb\n' >"$work/list")
rm -rf "$work/set"
(cd "$work/in" && "$pretok" -q -t "$work/tok.model" -o "$work/set" --files-from "$work/list" >/dev/null) || complain "--files-from"
expect 0 "$dump" --ids "$work/set"
[ "$(wc -l <"$work/out")" = 3000 ] || complain "--files-from: 3000 documents"
ids "$work/in" --include 'a*' --include '*/c.jsonl' --exclude 'd*'
[ "$(wc -l <"$work/ids")" = 2000 ] || complain "--include"
head -2000 "$work/want" | cmp -s - "$work/ids" || complain "--include: the first 2000"

# a few records for a try
for n in 1 700 1200 1201 2900; do
    ids "$work/in" --limit $n --unit-bytes 60000
    head -$n "$work/want" | cmp -s - "$work/ids" || complain "--limit $n"
done

# the output folder is no input
rm -rf "$work/same"
cp -r "$work/in" "$work/same"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/same/out" "$work/same"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/same/out" "$work/same"
has "$work/out" "records                 3000"

# text files; BOS and EOS
mkdir "$work/text"
printf 'one\r\ntwo' >"$work/text/a.txt"
printf '\357\273\277three' >"$work/text/b.md"
: >"$work/text/c.txt"
rm -rf "$work/set"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/set" --bos "$work/text"
has "$work/out" "documents                  3   of them empty: 1"
expect 0 "$dump" --text "$work/set"
[ "$(tr -d '\n' <"$work/out")" = "$(printf 'one\rtwothree')" ] || complain "text files come back"
expect 0 "$dump" --ids "$work/set"
[ "$(sed -n 3p "$work/out")" = "1 2" ] || complain "an empty document is BOS and EOS"
rm -rf "$work/set"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/set" --no-eos "$work/text"
expect 0 "$dump" --ids "$work/set"
[ "$(sed -n 3p "$work/out")" = "" ] || complain "an empty document without EOS has no ids"

# control tokens in text
printf 'a<s>b</s>\n' >"$work/special"
expect 0 "$pretok" encode -t "$work/tok.model" "$work/special"
grep -qw 1 "$work/out" && complain "parse-special none"
expect 0 "$pretok" encode -t "$work/tok.model" --parse-special all "$work/special"
grep -qw 1 "$work/out" && grep -qw 2 "$work/out" || complain "parse-special all"
expect 0 "$pretok" encode -t "$work/tok.model" --parse-special '</s>' "$work/special"
grep -qw 1 "$work/out" && complain "parse-special LIST takes no others"
grep -qw 2 "$work/out" || complain "parse-special LIST"
expect 0 "$pretok" encode -t "$work/tok.model" --pieces "$work/special"
printf 'a\nb\0c\n' >"$work/nul"
expect 0 "$pretok" encode -t "$work/tok.model" -0 "$work/nul"
[ "$(wc -l <"$work/out")" = 2 ] || complain "encode -0"
expect 0 "$pretok" bench -t "$work/tok.model" --limit 50 -j1 "$work/in/a.jsonl"
has "$work/out" "50 documents"
has "$work/out" "ids equal the plain engine's"

# does the text come back?
printf '{"text": "as it is"}\n{"text": ""}\n' >"$work/back.jsonl"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/back" --verify-roundtrip "$work/back.jsonl"
grep -q "not back  *0 " "$work/out" || complain "text that does not come back"
grep -q not_given_back "$work/back/dataset.json" || complain "roundtrip is not in dataset.json"
expect 1 "$pretok" -q -t "$work/tok.model" -o "$work/back" "$work/back.jsonl"
has "$work/err" "verify_roundtrip"
finish
