#!/bin/sh
# What is taken from a record beside one text key: several keys, ids and metadata, lengths.
. "$(dirname "$0")/setup.sh"
mkdir "$work/slim"
awk -v out="$work/slim/part.jsonl" 'BEGIN {
    split("RedPajamaC4 RedPajamaBook RedPajamaGithub", set, " ")
    for (i = 0; i < 900; i++) {
        t = i % 7 ? sprintf("\"title\": \"Title %d\", ", i) : i % 2 ? "\"title\":null, " : ""
        printf "{%s\"text\": \"document %d %s\", \"meta\": {\"redpajama_set_name\": \"%s\", \"n\": %d.50}, \"id\":\"d\\u0031-%d\"}\n",
            t, i, i % 10 ? "of words" : "", set[i % 3 + 1], i, i > out
    }
}'
run() {
    "$pretok" -q -t "$work/tok.model" -o "$work/set" --unit-bytes 20k "$work/slim" "$@"
}
options="--id-key id --meta-keys meta,meta.n,none"
expect 0 run --text-template '{title?\n\n}{text}' $options
expect 0 "$dump" --text --range 0:2 "$work/set"
has "$work/out" "document 0 "
has "$work/out" "Title 1"
expect 0 "$dump" --docs --doc 701 "$work/set"
has "$work/out" '"d\u0031-701"'
has "$work/out" '{"meta":{"redpajama_set_name": "RedPajamaGithub", "n": 701.50},"meta.n":701.50}'
expect 0 "$dump" --docs --json --at part.jsonl:702 "$work/set"
has "$work/out" '"id": "d\u0031-701", "metadata": {"meta":{"redpajama_set_name": "RedPajamaGithub", "n": 701.50},"meta.n":701.50}}'
expect 0 "$dump" --verify "$work/set"
expect 0 "$dump" --header "$work/set"
has "$work/out" "version 1.1"
has "$work/out" '{title?\n\n}{text}'

# all of it decides about bytes: another one is refused by its name
expect 1 run --text-template '{title?: }{text}' $options
has "$work/err" 'text_template was {title?\n\n}{text}, is now {title?: }{text}'
expect 1 run $options
has "$work/err" "text_template was"
expect 1 run --text-template '{title?\n\n}{text}' --id-key meta.n
has "$work/err" "id_key was id, is now meta.n"
expect 1 run --text-template '{title?\n\n}{text}' --id-key id
has "$work/err" "meta_keys was meta,meta.n,none, is now not set"
expect 1 run --text-template '{title?\n\n}{text}' $options --min-chars 3
has "$work/err" "min_chars was not set, is now 3"
expect 1 run --text-template '{title?\n\n}{text}' $options --dedup
has "$work/err" "dedup was not set"
# a newline of the shell's is the escape
expect 0 run --text-template '{title?

}{text}' $options

# what is missing is told: a key of the template, which then is none of a document
rm -rf "$work/set"
expect 1 run --text-template '{title} {text}'
has "$work/err" '--text-template is "{title} {text}", the keys there are: text, meta, id'
rm -rf "$work/set"
expect 0 run --max-bad 20% --text-template '{title} {text}' --id-key none --meta-keys also.none
has "$work/out" "771   documents without --id-key"
has "$work/out" "771   documents without any of --meta-keys"
has "$work/set/quarantine.jsonl" 'no text key'
expect 0 "$dump" --header "$work/set"
has "$work/out" "version 1.0"

# usage
expect 2 run --text-key text --text-template '{text}'
has "$work/err" "exclude each other"
for bad in '{text' 'text' '{te{xt}' '{text}\q' '}'; do
    expect 1 run --text-template "$bad"
    has "$work/err" "--text-template"
done
expect 1 run --meta-keys a,,b
has "$work/err" "--meta-keys"
expect 2 run --min-chars 9 --max-chars 8
expect 2 run --max-tokens 0

# lengths, by reason; the ledger balances
rm -rf "$work/set"
expect 0 run --max-chars 20
has "$work/out" "   longer than --max-chars"
rm -rf "$work/set"
expect 0 run --min-chars 14 --min-tokens 6 --max-tokens 6
has "$work/out" "records                  900"
has "$work/out" "   shorter than --min-chars"
has "$work/out" "   fewer tokens than --min-tokens"
has "$work/out" "   more tokens than --max-tokens"
expect 0 "$pretok" finish "$work/set"
expect 0 "$dump" --stats --json "$work/set"
documents=$(sed -n 's/^  "documents": \([0-9]*\),/\1/p' "$work/out")
filtered=$(sed -n 's/^    "filtered": \([0-9]*\),/\1/p' "$work/set/dataset.json")
[ $((documents + filtered)) = 900 ] && [ "$filtered" -gt 50 ] || complain "$documents documents and $filtered left out of 900"
finish
