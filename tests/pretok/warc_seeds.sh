#!/bin/sh
# Seeds for the WARC reader; the first byte is the chunk size (above 127: texts of 16 bytes at most).
set -eu
out=$1
text='Content-Type: text/plain\r\nContent-Length:'
printf "\\003WARC/1.0\\r\\nWARC-Type: conversion\\r\\nWARC-Target-URI: http://a/\\r\\n$text 5\\r\\n\\r\\nhello\\r\\n\\r\\n" >"$out/1"
printf "\\201WARC/1.1\\nwarc-type:\\n resource\\n$text 20\\n\\nhello hello hello hel\\n\\nWARC/1.0\\nWARC-Type: response\\nContent-Length: 1\\n\\nx\\n\\n" >"$out/2"
printf "\\037WARC/1.0\\r\\nWARC-Type: conversion\\r\\n$text 300\\r\\n\\r\\none\\r\\n\\r\\nWARC/1.0\\r\\nWARC-Type: resource\\r\\n$text 2\\r\\n\\r\\n\\377y\\r\\n\\r\\n" >"$out/3"
printf "\\000junk\\nWARC/1.0\\r\\nWARC-Type: conversion\\r\\nWARC-Segment-Number: 1\\r\\n$text 0\\r\\n\\r\\n\\r\\n\\r\\nWARC/0.18\\r\\nWARC-Type: metadata\\r\\nContent-Length: 3\\r\\n\\r\\na:b" >"$out/4"
printf "\\007WARC/1.0\\r\\nWARC-Type: conversion\\r\\nContent-Type: text/plain; charset=koi8-r\\r\\nContent-Length: 1\\r\\n\\r\\nx\\r\\n\\r\\nWARC/1.0\\r\\nX: y\\r\\nWARC/1.0\\r\\n\\r\\n" >"$out/5"
