#!/bin/sh
# s3:// and http:// against a server that fails in every way there is (fault_server.py): the same bytes as from files,
# or an error that names the input and says what to do. S3's own server: remote_moto.sh.
. "$(dirname "$0")/setup.sh"
here=$(dirname "$0")
unset $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\|[a-zA-Z]*_proxy\|[A-Z]*_PROXY\|SSL_CERT_FILE\)=.*/\1/p') NGT_NOTHING
if "$pretok" plan -t "$work/tok.model" -o "$work/x" http://127.0.0.1:9/a.jsonl 2>&1 | grep -q "without libcurl"; then
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/x" s3://bucket/folder/
    has "$work/err" "s3://bucket/folder/: remote input (s3://, https://) is not in this build"
    has "$work/err" "-Dremote=enabled"
    [ $failures = 0 ] || exit 1
    echo "skipped: this build reads no remote inputs (libcurl4-openssl-dev, libssl-dev)"
    exit 77
fi
rm -rf "$work/x"

# ---- what is served ----
root=$work/root
mkdir -p "$root/bucket/data/b" "$root/bucket/data/.hidden" "$root/open" "$root/bucket/other"
cp "$work/in/a.jsonl" "$work/in/d.jsonl" "$root/bucket/data"
cp "$work/in/b/c.jsonl" "$root/bucket/data/b"
cp "$work/in/a.jsonl" "$root/bucket/data/.hidden/no.jsonl"
cp "$work/in/a.jsonl" "$root/bucket/data/.no.jsonl"
cp "$work/in/a.jsonl" "$root/bucket/data2.jsonl"
cp "$work/in/a.jsonl" "$root/bucket/data/e +&%=ü~.jsonl"
cp -r "$root/bucket/data" "$work/local"
cp "$work/in/d.jsonl" "$root/open"
: >"$root/empty.txt"
cat "$work/in/a.jsonl" "$work/in/d.jsonl" "$work/in/b/c.jsonl" >"$root/big.jsonl"
cp "$work/in/d.jsonl" "$root/small.jsonl"
head -c 3000 "$work/in/d.jsonl" | sed '$d' >"$root/few.jsonl"
gzip -c "$root/big.jsonl" >"$root/big.jsonl.gz"
(cd "$work/in" && tar cf "$root/all.tar" a.jsonl d.jsonl)
/usr/bin/python3 - "$work/in" "$root/all.zip" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as z:
    for n in ("a.jsonl", "d.jsonl"):
        z.write(f"{sys.argv[1]}/{n}", n)
END
if command -v zstd >/dev/null; then
    for n in a d b/c; do zstd -qc "$work/in/$n.jsonl"; done >"$root/big.jsonl.zst"
fi
start_server() { # PORTFILE [CERTIFICATE]
    /usr/bin/python3 "$here/fault_server.py" "$root" "$@" &
    servers="${servers-} $!"
    for _ in $(seq 100); do
        [ -f "$1" ] && return
        sleep 0.1
    done
    exit 99
}
trap 'kill ${servers-} 2>/dev/null; rm -rf "$work"' EXIT
start_server "$work/port"
http=http://127.0.0.1:$(cat "$work/port")
web=$http/web
ask() { /usr/bin/python3 -c 'import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())' "$http/ctl/$1"; }

set_of() { # NAME INPUT OPTION...
    name=$1
    shift
    expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/$name" "$@"
}
refused() { # MESSAGE INPUT OPTION...
    message=$1
    shift
    rm -rf "$work/no"
    expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" "$@"
    has "$work/err" "$message"
    [ ! -e "$work/no/dataset.json" ] || complain "a data set of $*"
}

# ---- whatever fails on the way, the same bytes ----
for python in "$here/../../../deps/arrow/bin/python" python3; do
    "$python" -c 'import pyarrow.parquet' 2>/dev/null || continue
    "$python" "$here/make_parquet.py" "$work/pq" && cp "$work/pq/good/a.parquet" "$root/rows.parquet"
    "$pretok" plan -t "$work/tok.model" -o "$work/y" "$root/rows.parquet" 2>/dev/null >&2 || rm "$root/rows.parquet"
    break
done
for file in big.jsonl small.jsonl few.jsonl big.jsonl.gz all.tar all.zip big.jsonl.zst rows.parquet empty.txt; do
    [ -f "$root/$file" ] || continue
    set_of "file-$file" --unit-bytes 120000 --shard-tokens 20000 "$root/$file"
    set_of "none-$file" --unit-bytes 120000 --shard-tokens 20000 "$web/none/$file"
    same_set "$work/file-$file" "$work/none-$file"
done
for fault in cut reset short chunked oncewrong norange noetag weak hop busy tooMany; do
    set_of "$fault" --unit-bytes 120000 --shard-tokens 20000 --remote-timeout 30 "$web/$fault/big.jsonl"
    same_set "$work/file-big.jsonl" "$work/$fault"
done
for file in all.zip rows.parquet big.jsonl.zst; do
    [ -f "$root/$file" ] || continue
    set_of "cut-$file" --unit-bytes 120000 --shard-tokens 20000 --remote-timeout 30 "$web/cut/$file"
    same_set "$work/file-$file" "$work/cut-$file"
done
expect 1 env TMPDIR="$work/nowhere" "$pretok" -t "$work/tok.model" -o "$work/no3" "$web/none/all.zip"
has "$work/err" "TMPDIR names another folder"
set_of gz "$root/big.jsonl.gz"
for fault in cut short norange; do
    set_of "$fault-gz" --remote-timeout 30 "$web/$fault/big.jsonl.gz"
    same_set "$work/gz" "$work/$fault-gz"
done
expect 0 "$pretok" finish --check-inputs "$work/cut"
# what was broken off went on at the next byte, and under the condition that it is the same
ask reset >/dev/null
set_of cut2 --remote-timeout 30 "$web/cut/big.jsonl"
ask log >"$work/log"
grep -q 'bytes=[1-9][0-9]*-[0-9]* "' "$work/log" || complain "no range with If-Match: $(cat "$work/log")"
# a dry run takes the same sample of it: windows of a plain file, the beginning of a compressed one
for i in 1 2 3 4 5 6 7 8 9 10; do cat "$root/big.jsonl"; done >"$root/long.jsonl"
gzip -c "$root/long.jsonl" >"$root/long.jsonl.gz"
sampled() { # SET INPUT
    expect 0 "$pretok" plan -q -t "$work/tok.model" -o "$work/$1" --sample 20% "$2"
    grep -vE 'core-hours' "$work/out" >"$work/sampled"
}
for file in long.jsonl long.jsonl.gz rows.parquet; do
    [ -f "$root/$file" ] || continue
    sampled dry "$root/$file"
    mv "$work/sampled" "$work/want"
    sampled dryr "$web/none/$file"
    same "$work/sampled" "$work/want"
    rm -r "$work/dry" "$work/dryr"
done
# stopping while it waits
"$pretok" -q -t "$work/tok.model" -o "$work/stop" "$web/dead/big.jsonl" 2>"$work/err" &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
[ $? = 75 ] || complain "stopped while planning: $(cat "$work/err")"
ask reset >/dev/null
"$pretok" -q -t "$work/tok.model" -o "$work/stop" "$web/down/big.jsonl" >/dev/null 2>"$work/err" &
pid=$!
while ! [ "$(ask log | wc -l)" -ge 3 ]; do sleep 0.1; done
kill -TERM $pid
wait $pid
[ $? = 75 ] || complain "stopped while reading: $(cat "$work/err")"
ask reset >/dev/null

# ---- what cannot be had ----
refused "big.jsonl: offset 0: no progress in 1 s (--remote-timeout): HTTP status 503" --remote-timeout 1 "$web/dead/big.jsonl"
refused "big.jsonl: offset 0: no progress in 1 s" --remote-timeout 1 "$web/down/big.jsonl"
refused "no progress in 3 s (--remote-timeout): less than 65536 bytes came in 1 s" --remote-timeout 3 "$web/drip/big.jsonl"
refused "no progress in 3 s (--remote-timeout): less than 65536 bytes came in 1 s" --remote-timeout 3 "$web/stall/big.jsonl"
refused "big.jsonl: offset 0: the server answers wrongly, 6 times in a row: bytes 1 to" "$web/wrongrange/big.jsonl"
ask reset >/dev/null
refused "big.jsonl: offset 0: changed since it was planned (its ETag was " "$web/etag/big.jsonl"
ask reset >/dev/null
refused "big.jsonl: offset 0: changed since it was planned (it has another ETag); use another folder" "$web/match/big.jsonl"
ask reset >/dev/null
refused "big.jsonl: changed since it was planned (its time of modification)" "$web/touched/big.jsonl"
refused "is redirected more than ten times" "$web/loop/big.jsonl"
refused "big.jsonl: access denied (HTTP status 403)" "$web/denied/big.jsonl"
refused "nothing.jsonl: not found (HTTP status 404 NoSuchKey)" "$web/none/nothing.jsonl"
refused "big.jsonl: the server does not say how large it is" "$web/nosize/big.jsonl"
refused "a web server has no list of them" "$web/none/"
refused "an address with a user or a password in it" "http://me:hush@127.0.0.1/a.jsonl"
lacks "$work/err" hush
refused "Failed to connect" --remote-timeout 1 http://127.0.0.1:1/a.jsonl
refused "is given twice" "$web/none/big.jsonl" "$web/none/big.jsonl"
expect 1 "$pretok" bench -t "$work/tok.model" "$web/none/big.jsonl?key=SECRET"
has "$work/err" "big.jsonl?...: a remote input; this command reads its inputs several times"
expect 2 "$pretok" -t "$work/tok.model" -o s3://bucket/out "$work/in"
has "$work/err" "not to an address (-o)"
# a source that failed is no source that is lost: nothing of it was committed, and the same command goes on
refused "no progress" --remote-timeout 1 --allow-lost-sources "$web/down/big.jsonl"
[ -z "$(find "$work/no" -name '*.ngt')" ] || complain "shards of what was not read"

# ---- secrets in addresses ----
refused "big.jsonl?...: access denied" "$web/query/big.jsonl?key=WRONG"
set_of query --unit-bytes 120000 --shard-tokens 20000 "$web/query/big.jsonl?key=SECRET"
same_set "$work/file-big.jsonl" "$work/query"
grep -rq SECRET "$work/query" "$work/err" "$work/out" && complain "the query is stored"
has "$work/query/plan.json" "/web/query/big.jsonl?..."
expect 0 "$pretok" -t "$work/tok.model" -o "$work/query" --unit-bytes 120000 --shard-tokens 20000 "$web/query/big.jsonl?key=SECRET"
expect 1 "$pretok" finish --check-inputs "$work/query"
has "$work/err" "what follows the question mark is kept in no plan"
# tasks need the words for it
expect 0 "$pretok" plan -t "$work/tok.model" -o "$work/queryt" --unit-bytes 120000 --shard-tokens 20000 "$web/query/big.jsonl?key=SECRET"
lacks "$work/queryt/plan.json" '"query"'
printf '%s\n' "$web/query/big.jsonl?key=SECRET" >"$work/list"
for i in 1 2; do
    expect 0 "$pretok" -t "$work/tok.model" -o "$work/queryt" --unit-bytes 120000 --shard-tokens 20000 --task $i/2 \
        "$web/query/big.jsonl?key=SECRET"
done
expect 0 "$pretok" finish "$work/queryt"
same_set "$work/query" "$work/queryt"
expect 0 "$pretok" plan -t "$work/tok.model" -o "$work/queryl" --files-from "$work/list"
lacks "$work/queryl/plan.json" '"query"'
expect 0 "$pretok" encode -t "$work/tok.model" "$web/query/few.jsonl?key=SECRET"
mv "$work/out" "$work/want"
expect 0 "$pretok" encode -t "$work/tok.model" "$root/few.jsonl"
same "$work/out" "$work/want"

# ---- S3 ----
s3() { env AWS_ENDPOINT_URL="$http/" AWS_REGION=eu-test-1 AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=the/secret+key "$@"; }
set_of files $small "$work/local"
expect 0 s3 "$pretok" -t "$work/tok.model" -o "$work/s3" $small s3://bucket/data/
same_set "$work/files" "$work/s3"
expect 0 s3 "$pretok" finish --check-inputs "$work/s3"
has "$work/s3/plan.json" '"path": "s3://bucket/data/b/c.jsonl"'
grep -rqE 'AKID|secret' "$work/s3" && complain "credentials are stored"
expect 0 s3 "$pretok" -t "$work/tok.model" -o "$work/s3" $small s3://bucket/data/ # complete: nothing is read
# tasks, which take what the plan knows where the list says it is the same
expect 0 s3 "$pretok" plan -t "$work/tok.model" -o "$work/s3t" $small s3://bucket/data/
ask reset >/dev/null
for i in 1 2 3; do expect 0 s3 "$pretok" -t "$work/tok.model" -o "$work/s3t" $small --task $i/3 s3://bucket/data/; done
ask log >"$work/log"
grep -q 'bytes=0-65535 -' "$work/log" && complain "a task has looked at inputs that the plan knows"
grep -q '^GET /bucket/* ' "$work/log" && complain "a task has asked for a list that the plan makes needless"
expect 0 s3 "$pretok" finish "$work/s3t"
same_set "$work/files" "$work/s3t"
# with a session token, to one bucket without credentials, and all of a bucket
expect 0 env AWS_ENDPOINT_URL_S3="$http" AWS_DEFAULT_REGION=eu-test-1 AWS_ACCESS_KEY_ID=ASIATEMP AWS_SECRET_ACCESS_KEY=temporary \
    AWS_SESSION_TOKEN=to+ken/== "$pretok" -t "$work/tok.model" -o "$work/s3s" $small s3://bucket/data/
same_set "$work/files" "$work/s3s"
set_of open-file "$root/open"
expect 0 env AWS_ENDPOINT_URL="$http" "$pretok" -t "$work/tok.model" -o "$work/s3o" s3://open
same_set "$work/open-file" "$work/s3o"
printf 's3://bucket/data/a.jsonl\ns3://bucket/data/b/c.jsonl\n' >"$work/list"
expect 0 s3 "$pretok" -t "$work/tok.model" -o "$work/s3l" --files-from "$work/list"
grep -q '"name": "data/b/c.jsonl"' "$work/s3l/plan.json" || complain "names of a list"
# the object is another one by now
cp -r "$work/s3" "$work/s3c"
sed 's/the/thE/' "$work/in/a.jsonl" >"$root/bucket/data/a.jsonl"
expect 1 s3 "$pretok" finish --check-inputs "$work/s3c"
has "$work/err" "s3://bucket/data/a.jsonl: offset 0: changed since it was planned (it has another ETag)"
expect 1 s3 "$pretok" -t "$work/tok.model" -o "$work/s3c" $small s3://bucket/data/
has "$work/err" "s3://bucket/data/a.jsonl: changed since it was planned (its content)"
cp "$work/in/a.jsonl" "$root/bucket/data/a.jsonl"

# and so where a task has its ETag from the table of a large plan
awk 'BEGIN { for (i = 0; i < 4200; i++) printf "{\"text\":\"%04d\"}\n", i }' >"$root/bucket/many.jsonl"
expect 0 s3 "$pretok" plan -t "$work/tok.model" -o "$work/s3m" --unit-bytes 1 s3://bucket/many.jsonl
[ -n "$(find "$work/s3m" -name '*.table')" ] || complain "no table"
expect 0 s3 "$pretok" -q -t "$work/tok.model" -o "$work/s3m" --unit-bytes 1 --task 3/4200 s3://bucket/many.jsonl
sed -i 's/4199/4200/' "$root/bucket/many.jsonl"
expect 1 s3 "$pretok" -q -t "$work/tok.model" -o "$work/s3m" --unit-bytes 1 --task 4/4200 s3://bucket/many.jsonl
has "$work/err" "s3://bucket/many.jsonl: offset 48: changed since it was planned (it has another ETag); use another folder"
[ "$(find "$work/s3m" -name '*.ngt' | wc -l)" = 1 ] || complain "a shard of another object"
rm "$root/bucket/many.jsonl"

s3_refused() { # MESSAGE INPUT [ENVIRONMENT...]
    message=$1 input=$2
    shift 2
    expect 1 s3 env "$@" "$pretok" -t "$work/tok.model" -o "$work/no2" --remote-timeout 3 "$input"
    has "$work/err" "$message"
    grep -qE 'the/secret|hush' "$work/err" && complain "a secret is told: $(cat "$work/err")"
}
s3_refused "s3://bucket/nothing.jsonl: no such object; a folder of objects ends with a slash (HTTP status 404 NoSuchKey)" s3://bucket/nothing.jsonl
s3_refused "s3://nobucket/a.jsonl: no such bucket; check its name, and AWS_ENDPOINT_URL" s3://nobucket/a.jsonl
s3_refused "s3://nobucket/data/: no such bucket" s3://nobucket/data/
s3_refused "s3://bucket/nothing/: no input files" s3://bucket/nothing/
s3_refused "asked anonymously; set AWS_ACCESS_KEY_ID" s3://bucket/data/ -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY
s3_refused "the credentials are wrong" s3://bucket/data/ AWS_SECRET_ACCESS_KEY=hush
s3_refused "the credentials are wrong" s3://bucket/data/a.jsonl AWS_ACCESS_KEY_ID=hush
s3_refused "AWS_SESSION_TOKEN has expired or is wrong" s3://bucket/data/a.jsonl AWS_SESSION_TOKEN=hush
s3_refused "AWS_ACCESS_KEY_ID is set, but not AWS_SECRET_ACCESS_KEY" s3://bucket/data/ AWS_SECRET_ACCESS_KEY=
s3_refused "AWS_ENDPOINT_URL is no address of a server" s3://bucket/data/ AWS_ENDPOINT_URL=127.0.0.1
s3_refused "s3://elsewhere/a.jsonl: the bucket is in another region; set AWS_REGION=west-9" s3://elsewhere/a.jsonl
s3_refused "s3://elsewhere/: the bucket is in another region; set AWS_REGION=west-9" s3://elsewhere/
s3_refused "names no bucket" s3:///data/
s3_refused "is no name of a bucket" s3://buc%20ket/data/

# ---- https ----
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert" -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    cat "$work/key" "$work/cert" >"$work/both"
    start_server "$work/tls" "$work/both"
    https=https://127.0.0.1:$(cat "$work/tls")/web
    expect 0 env SSL_CERT_FILE="$work/cert" "$pretok" -t "$work/tok.model" -o "$work/tlsset" --unit-bytes 120000 \
        --shard-tokens 20000 --remote-timeout 10 "$https/cut/big.jsonl"
    same_set "$work/file-big.jsonl" "$work/tlsset"
    refused "SSL_CERT_FILE names certificates to trust" "$https/none/big.jsonl"
fi
finish
