# A step without targets changes nothing, and is told. Documents of one token have none.
"$MAKE_SHARDS" lonely 400 1 1
$NGTRAIN --device cpu --seq-len 32 --batch 1 --steps 40 -o run lonely/0.ngt data/val/1.ngt --stop-after 6 2>err >out
grep -q 'no update: no targets' err
grep -q 'without an update' out
grep -q '"loss": null.*"targets": 0.*"updated": false' run/metrics.jsonl
$NGTRAIN report run >a
grep -q 'without update' a
