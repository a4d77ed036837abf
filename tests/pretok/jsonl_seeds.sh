#!/bin/sh
# Seeds for the JSON lines scanner; the first byte is the chunk size (and, above 127, the key "text").
set -eu
out=$1
printf '\003{"a":{"b":"x\\u00e9\\ud83d\\ude00"}}\n{"a":1}\n\n' >"$out/1"
printf '\201{"text":"abc","n":[1,2.5e-3,true,null,{"x":[]}]}\r\n{"text":"\\ud800"}\n' >"$out/2"
printf '\217\357\273\277{"text":"\377\342\226"}\n{"text":1}\n[]\nx\n' >"$out/3"
printf '\200{"text":"a","text":"b"} {\n{"te\\u0078t":"abc"}' >"$out/4"
printf '\037{"a":{"b":"one"},"a":{"c":"two"}}\n{"a":{"b":"1234567890123456789012345678901234567890123456789012345678901234567"}}\n' >"$out/5"
