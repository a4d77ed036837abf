# A signal ends the run cleanly with 75, and the same command goes on to the same bytes.
steps=30 every=2 lines="3 9 14"
if [ $device = cuda ]; then # such a step takes a third of a millisecond there
    steps=2000 every=130 lines="200 600 900"
fi
last=$(printf checkpoint-%010d.ngc $steps)
$NGTRAIN $tiny --steps $steps -o whole data
for signal in INT TERM USR1; do
    rm -rf run
    $NGTRAIN $tiny --steps $steps -o run data &
    pid=$!
    # wait until it is under way: the second line of metrics is there
    tries=0
    until [ -e run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge 2 ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ]
        sleep 0.02
    done
    # background jobs of a shell ignore SIGINT; ngtrain takes it all the same
    kill -$signal $pid
    code=0
    wait $pid || code=$?
    if [ $code != 75 ] && [ $code != 0 ]; then
        echo "SIG$signal: exit $code"
        exit 1
    fi
    [ -n "$(ls run/checkpoint-*)" ]
    [ -z "$(ls run | grep tmp || true)" ]
    $NGTRAIN $tiny --steps $steps -o run data
    same whole/$last run/$last
done

# kill -9 at any moment leaves nothing half-written, and the same command goes on to the same bytes
for after in $lines; do
    rm -rf run
    $NGTRAIN $tiny --steps $steps --checkpoint-every $every -o run data &
    pid=$!
    tries=0
    until [ -e run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge $after ]; do
        tries=$((tries + 1))
        [ $tries -lt 6000 ]
        sleep 0.002
    done
    kill -9 $pid
    wait $pid || true
    $NGTRAIN $tiny --steps $steps --checkpoint-every $every -o run data
    same whole/$last run/$last
    [ "$(grep -c '"loss"' run/metrics.jsonl)" = $steps ]
    [ "$(ls run | wc -l)" = 6 ]
done
