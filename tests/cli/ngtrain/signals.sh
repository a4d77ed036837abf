# A signal ends the run cleanly with 75, and the same command goes on to the same bytes.
$NGTRAIN $tiny --steps 30 -o whole data
for signal in INT TERM USR1; do
    rm -rf run
    $NGTRAIN $tiny --steps 30 -o run data &
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
    $NGTRAIN $tiny --steps 30 -o run data
    same whole/checkpoint-0000000030.ngc run/checkpoint-0000000030.ngc
done

# kill -9 at any moment leaves nothing half-written, and the same command goes on to the same bytes
for after in 3 9 14; do
    rm -rf run
    $NGTRAIN $tiny --steps 30 --checkpoint-every 2 -o run data &
    pid=$!
    tries=0
    until [ -e run/metrics.jsonl ] && [ "$(wc -l <run/metrics.jsonl)" -ge $after ]; do
        tries=$((tries + 1))
        [ $tries -lt 6000 ]
        sleep 0.002
    done
    kill -9 $pid
    wait $pid || true
    $NGTRAIN $tiny --steps 30 --checkpoint-every 2 -o run data
    same whole/checkpoint-0000000030.ngc run/checkpoint-0000000030.ngc
    [ "$(grep -c '"loss"' run/metrics.jsonl)" = 30 ]
    [ "$(ls run | wc -l)" = 6 ]
done
