# What can go wrong around a run: it ends with a message, within the deadline, the last checkpoint is whole, and the
# same command goes on to the bytes of an undisturbed run. FAULTY names the library that makes calls go wrong.
run="$tiny --steps 60 --checkpoint-every 10 --val-every 20"
$NGTRAIN $run -o whole data
cp -r data kept

# what is preloaded comes before a sanitizer, and what a hanging thread works on is left behind
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:detect_leaks=0"

# with FAULT COMMAND...: the command with that fault
with() {
    fault=$1
    shift
    timeout -k 5 60 env LD_PRELOAD="$FAULTY" NGT_FAULT="$fault" "$@"
}

# goes_on FOLDER: the checkpoint left behind is whole, and nothing of the disturbance is to be seen at the end.
goes_on() {
    [ -n "$(ls "$1"/checkpoint-*.ngc)" ]
    [ ! -e "$1/checkpoint-0000000060.ngc" ]
    $NGTRAIN $run -o "$1" data
    same whole/checkpoint-0000000060.ngc "$1/checkpoint-0000000060.ngc"
    [ "$(grep -c '"loss"' "$1/metrics.jsonl")" = 60 ]
    if ls "$1" | grep tmp; then
        exit 1
    fi
    rm -rf "$1"
}

now() {
    date +%s
}

# within SECONDS BEGIN
within() {
    taken=$(($(now) - $2))
    if [ $taken -gt "$1" ]; then
        echo "took $taken s, more than $1"
        exit 1
    fi
}

echo "a feed that stalls: the deadline and the time a thread is given to end"
begin=$(now)
refuse 1 'no data came for 2 s: is their disk stalled' with stall:300 $NGTRAIN $run --deadline 2 -o run data
within 30 $begin
goes_on run

echo "Ctrl-C while the feed stalls: long before the deadline"
begin=$(now)
env LD_PRELOAD="$FAULTY" NGT_FAULT=stall:300 $NGTRAIN $run -o run data &
pid=$!
tries=0
until ls run/checkpoint-*.ngc >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 600 ]
    sleep 0.05
done
sleep 0.5
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 75 ]
within 40 $begin
goes_on run

# the sanitizers do not survive a thread that leaves its stack behind
if [ "${SANITIZE:-none}" = none ]; then
    echo "a feed that dies"
    begin=$(now)
    refuse 1 'the thread that reads the data died' with die:300 $NGTRAIN $run --deadline 30 -o run data
    within 25 $begin
    goes_on run

    echo "a thread that dies while it writes"
    refuse 1 'writes the checkpoint of step 20 died' with die-write:2 $NGTRAIN $run -o run data
    [ -e run/checkpoint-0000000010.ngc ]
    goes_on run
fi

# noticed by its size; then cut between the look at the size and the read, which is a SIGBUS
for fault in shrink cut; do
    echo "a shard cut while it is mapped: $fault"
    refuse 1 '\.ngt: .*the file shrank from .* restore it and start again' with $fault:300 $NGTRAIN $run -o run data
    rm -rf data
    cp -r kept data
    goes_on run
done

echo "a disk that is full at the second checkpoint"
refuse 1 'checkpoint-0000000020.ngc: .*No space left on device; make room and start again' with full:2 $NGTRAIN $run -o run data
[ -e run/checkpoint-0000000010.ngc ]
[ ! -e run/checkpoint-0000000030.ngc ]
goes_on run

mkdir disk
if mount -t tmpfs -o size=20m tmpfs disk 2>/dev/null; then
    echo "and one that really is"
    trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT
    refuse 1 'No space left on device; make room and start again' $NGTRAIN $run -o disk/run data
    [ -e disk/run/checkpoint-0000000010.ngc ]
    mount -o remount,size=100m disk
    goes_on disk/run
fi

echo "a limit on the size of files"
$NGTRAIN $run --stop-after 20 -o run data
refuse 1 'raise the limit on the size of files' sh -c 'ulimit -f 64; exec "$@"' sh $NGTRAIN $run -o run data
[ -e run/checkpoint-0000000020.ngc ]
goes_on run

echo "a slow disk is no fault, though every checkpoint takes longer than the deadline"
with slow-write:2 $NGTRAIN $run --deadline 1 --checkpoint-every 20 -o run data
same whole/checkpoint-0000000060.ngc run/checkpoint-0000000060.ngc
