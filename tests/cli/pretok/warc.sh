#!/bin/sh
# WARC and WET: as Common Crawl has them, each record a gzip member of its own; broken ones; provenance.
. "$(dirname "$0")/setup.sh"
record() { # TYPE MEDIA-TYPE PAYLOAD [FURTHER FIELD]
    printf 'WARC/1.0\r\nWARC-Type: %s\r\nWARC-Record-ID: <urn:uuid:%s>\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n' "$1" "$n"
    [ -z "${4-}" ] || printf '%s\r\n' "$4"
    printf 'Content-Type: %s\r\nContent-Length: %s\r\n\r\n' "$2" "$(printf '%s' "$3" | wc -c | tr -d ' ')"
    printf '%s\r\n\r\n' "$3"
    n=$((n + 1))
}
n=1
mkdir "$work/crawl" "$work/plain"
{
    record warcinfo application/warc-fields 'Software-Info: test' | gzip -c
    for i in 1 2 3 4 5; do
        record conversion text/plain "page $i
has two lines" "WARC-Target-URI: http://example.org/$i" | gzip -c
    done
} >"$work/crawl/a.warc.wet.gz"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/set" "$work/crawl"
has "$work/out" "records                    6"
has "$work/out" "documents                  5"
has "$work/out" "filtered                   1"
has "$work/set/dataset.json" '"filtered.warc_other": 1'
expect 0 "$dump" --text --doc 4 "$work/set"
same_text() { [ "$(cat "$work/out")" = "$1" ] || complain "text: $(cat "$work/out")"; }
same_text "page 5
has two lines"
# record number and byte, counted in the decompressed file
gzip -dc "$work/crawl/a.warc.wet.gz" >"$work/plain/a.wet"
at=$(grep -abo 'WARC/1.0' "$work/plain/a.wet" | sed -n 4p | cut -d: -f1)
expect 0 "$dump" --docs "$work/set"
grep -q "a.warc.wet.gz:4.*\b$at\b" "$work/out" || complain "the third page is record 4 at byte $at: $(cat "$work/out")"
expect 0 "$dump" --text --at a.warc.wet.gz:4 "$work/set"
same_text "page 3
has two lines"
expect 0 "$dump" --verify "$work/set"
expect 0 "$dump" --ids "$work/set"
mv "$work/out" "$work/want"

# the same uncompressed, from standard input, in a tar
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set2" "$work/plain"
expect 0 "$dump" --ids "$work/set2"
same "$work/out" "$work/want"
"$pretok" -q -t "$work/tok.model" -o "$work/set3" --input-format warc - <"$work/crawl/a.warc.wet.gz" >/dev/null || complain "standard input"
expect 0 "$dump" --ids "$work/set3"
same "$work/out" "$work/want"
tar -C "$work/crawl" -cf "$work/crawl.tar" a.warc.wet.gz
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set4" "$work/crawl.tar"
expect 0 "$dump" --ids "$work/set4"
same "$work/out" "$work/want"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/set5" --limit 3 "$work/plain"
has "$work/out" "documents                  2"

# what is taken beside the text: fields of the header
expect 0 "$pretok" -t "$work/tok.model" -o "$work/fields" --id-key WARC-Record-ID --meta-keys warc-target-uri,WARC-Date,None \
    --split-by-key WARC-Type --dedup --min-chars 3 "$work/crawl"
has "$work/out" "filtered                   1"
expect 0 "$dump" --docs --at a.warc.wet.gz:4 "$work/fields/conversion"
has "$work/out" '"<urn:uuid:1>"'
has "$work/out" '{"warc-target-uri":"http://example.org/3","WARC-Date":"2026-01-01T00:00:00Z"}'
expect 0 "$dump" --ids "$work/fields/conversion"
same "$work/out" "$work/want"
expect 0 "$dump" --verify "$work/fields/conversion"

# a crawl: responses are counted, not read; text/plain resources are
mkdir "$work/responses"
{
    for i in 1 2 3; do
        record request application/http 'GET / HTTP/1.1'
        record response application/http 'HTTP/1.1 200 OK'
        record metadata application/warc-fields 'a: b'
    done
} >"$work/responses/b.warc"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" "$work/responses"
has "$work/err" "not one document in 9 records (3 warc_response, 6 warc_other); text is not extracted from HTML: take the WET files"
record resource text/plain 'a text' >>"$work/responses/b.warc"
record resource image/png 'no text' >>"$work/responses/b.warc"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/some" "$work/responses"
has "$work/out" "documents                  1"
has "$work/out" "3   WARC: HTTP responses"
has "$work/out" "1   WARC: conversions and resources that are not text/plain"

# broken records: where and why, and those behind them are found
mkdir "$work/bad"
{
    record conversion text/plain one
    record conversion text/plain two | sed 's/Content-Length: 3/Content-Length: 300/'
    record conversion text/plain three
    record conversion 'text/plain; charset=koi8-r' four
    record conversion text/plain five | sed '/^Content-Length/d'
    record conversion text/plain six
} >"$work/bad/c.wet"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/judged" "$work/bad"
has "$work/err" "3 of 6 records refused (2 broken, 1 charset), beyond --max-bad 1%"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/broken" --max-bad 60% "$work/bad"
has "$work/out" "documents                  3"
q=$work/broken/quarantine.jsonl
[ "$(wc -l <"$q")" = 3 ] || complain "three in quarantine"
at=$(grep -abo 'WARC/1.0' "$work/bad/c.wet" | sed -n 2p | cut -d: -f1)
sed -n 1p "$q" >"$work/line"
has "$work/line" '"record": 2'
has "$work/line" "\"offset\": $at"
has "$work/line" "Content-Length does not lead to the next record"
sed -n 2p "$q" >"$work/line"
has "$work/line" "koi8-r"
sed -n 3p "$q" >"$work/line"
has "$work/line" "no Content-Length"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/strict" --on-bad fail "$work/bad"
has "$work/err" "c.wet: offset $at: item 2: not a record as the format has them: Content-Length does not lead"

# a member that is corrupt: what was whole before it is kept
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/whole" "$work/crawl"
mkdir "$work/cut"
size=$(wc -c <"$work/crawl/a.warc.wet.gz")
head -c $((size - 20)) "$work/crawl/a.warc.wet.gz" >"$work/cut/a.warc.wet.gz"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/lost" "$work/cut"
has "$work/err" "not read to its end: gzip stream cut off"
expect 0 "$pretok" -t "$work/tok.model" -o "$work/lost" --allow-lost-sources "$work/cut"
has "$work/out" "documents                  4"
finish
