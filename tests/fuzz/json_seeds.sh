#!/bin/sh
# Seeds for fuzz_json.
cd "$1" || exit 1
printf '{"shards": [{"name": "a.ngt", "bytes": 12345, "root": "0123456789abcdef"}], "x": -1.5e10, "y": [true, null]}' >a
printf '"\\u00e9\\ud83d\\ude00 \\n \303\251"' >b
printf '[[[[[[[[1]]]]]]]]' >c
