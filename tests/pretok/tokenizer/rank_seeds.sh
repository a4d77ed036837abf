#!/bin/sh
# Writes a small rank file and two small tekken.json files into a folder.
cd "$1" || exit 99
awk 'BEGIN {
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (b = 0; b < 256; b++) {
        code = substr(digits, int(b / 4) + 1, 1) substr(digits, b % 4 * 16 + 1, 1) "=="
        print code, b > "ranks"
        vocab = vocab (b ? "," : "") "{\"rank\":" b ",\"token_bytes\":\"" code "\"}"
    }
    split("YWI= YWFi IGE= YWE= w6k=", more, " ")
    for (i = 1; i <= 5; i++) {
        print more[i], 255 + i > "ranks"
        vocab = vocab ",{\"rank\":" 255 + i ",\"token_bytes\":\"" more[i] "\"}"
    }
    start = "{\"config\":{\"pattern\":\" ?\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+\",\"default_vocab_size\":265,"
    start = start "\"default_num_special_tokens\":4},\"vocab\":["
    printf "%s%s]}", start, vocab > "tekken"
    printf "%s%s],\"special_tokens\":[{\"rank\":1,\"token_str\":\"<s>\"}]}", start, vocab > "tekken-specials"
}'
