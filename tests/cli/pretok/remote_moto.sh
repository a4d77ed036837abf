#!/bin/sh
# s3:// against moto's S3 server, whose objects, lists of several pages and answers are not ours. Skipped without it
# (scripts/install-deps --moto, as scripts/test --full does it).
. "$(dirname "$0")/setup.sh"
moto=$(cd "$(dirname "$0")/../../.." && pwd)/deps/moto/bin/moto_server
[ -x "$moto" ] || moto=$(command -v moto_server)
python=$(sed -n '1s/^#!\(.*python[0-9.]*\)$/\1/p' "${moto:-/dev/null}" 2>/dev/null) # its own, which has boto3; not a wrapper's shell
[ -n "$python" ] || { echo "skipped: no moto_server (scripts/install-deps --moto)"; exit 77; }
unset $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\|[a-zA-Z]*_proxy\|[A-Z]*_PROXY\)=.*/\1/p') NGT_NOTHING
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
"$pretok" plan -t "$work/tok.model" -o "$work/x" s3://b/a.jsonl 2>&1 | grep -q "without libcurl" &&
    { echo "skipped: this build reads no remote inputs"; exit 77; }
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$moto" -H 127.0.0.1 -p "$port" >"$work/moto.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
for _ in $(seq 200); do
    "$pretok" plan -q -t "$work/tok.model" -o "$work/x" --remote-timeout 1 s3://b/a.jsonl 2>&1 | grep -q "no such bucket" && break
    kill -0 $server 2>/dev/null || { cat "$work/moto.log" >&2; exit 99; }
    sleep 0.2
done
# boto3 comes with moto
cat >"$work/fill.py" <<'END'
import os, sys
import boto3

s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
s3.create_bucket(Bucket="corpus")
for at, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(at, name)
        s3.put_object(Bucket="corpus", Key="web/" + os.path.relpath(path, sys.argv[1]), Body=open(path, "rb").read())
s3.put_object(Bucket="corpus", Key="web/empty/", Body=b"")
s3.put_object(Bucket="corpus", Key="web/.hidden", Body=b"no")
# in parts: such an ETag is no hash of the bytes
up = s3.create_multipart_upload(Bucket="corpus", Key="parts/big.jsonl")
data = open(sys.argv[1] + "/big.jsonl", "rb").read()
parts = []
for i, at in enumerate(range(0, len(data), 5 << 20), 1):
    r = s3.upload_part(Bucket="corpus", Key="parts/big.jsonl", UploadId=up["UploadId"], PartNumber=i, Body=data[at:at + (5 << 20)])
    parts.append({"PartNumber": i, "ETag": r["ETag"]})
s3.complete_multipart_upload(Bucket="corpus", Key="parts/big.jsonl", UploadId=up["UploadId"], MultipartUpload={"Parts": parts})
END
mkdir -p "$work/local/many" "$work/local/u ü+&"
cp -r "$work/in/." "$work/local"
i=0
while [ $i -lt 1100 ]; do # more than a page
    echo "{\"text\":\"document $i\"}" >"$work/local/many/$i.jsonl"
    i=$((i + 1))
done
cp "$work/in/a.jsonl" "$work/local/u ü+&/%41=~.jsonl"
gzip -c "$work/in/d.jsonl" >"$work/local/d2.jsonl.gz"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do cat "$work/in/d.jsonl" "$work/in/a.jsonl"; done >"$work/local/big.jsonl"
"$python" "$work/fill.py" "$work/local" || exit 99

expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/files" --unit-bytes 1M "$work/local"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/s3" --unit-bytes 1M s3://corpus/web/
same_set "$work/files" "$work/s3"
expect 0 "$pretok" finish --check-inputs "$work/s3"
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/parts" --unit-bytes 1M s3://corpus/parts/big.jsonl
expect 0 "$pretok" -q -t "$work/tok.model" -o "$work/big" --unit-bytes 1M "$work/local/big.jsonl"
same_set "$work/big" "$work/parts"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" s3://corpus/web/nothing.jsonl
has "$work/err" "s3://corpus/web/nothing.jsonl: no such object"
expect 1 "$pretok" -t "$work/tok.model" -o "$work/no" s3://nobucket/web/
has "$work/err" "s3://nobucket/web/: no such bucket"
finish
