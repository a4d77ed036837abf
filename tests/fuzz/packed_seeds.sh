#!/bin/sh
# Seeds for fuzz_shard: packed-seeds MAKE_SHARDS NGT_PACK FOLDER.
"$1" "$3" && "$2" -q -T 16 -o "$3/p" "$3/part-0.ngt" "$3/part-1.ngt" >/dev/null && mv "$3"/p/*.ngt "$3/" && rm -r "$3/p"
