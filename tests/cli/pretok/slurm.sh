#!/bin/sh
# scripts/slurm/ under a real Slurm: munged, slurmctld and slurmd of this machine on loopback, with keys, ports and folders
# of their own. An array is submitted, tasks are killed and signalled in the middle, come back, the finish job tells what is
# missing, that is submitted again, and the bytes are those of a single process. As root.
. "$(dirname "$0")/setup.sh"
. "$(dirname "$0")/cluster.sh"
[ "$(id -u)" = 0 ] || { echo "skipped: Slurm's daemons need root"; exit 77; }
needs munged slurmctld slurmd sbatch
host=$(hostname -s 2>/dev/null || uname -n)
slurm=$work/slurm
mkdir -p "$slurm/state" "$slurm/spool" "$slurm/log"
chmod 755 "$work" "$slurm"

# ---- the daemons; only those that are started here are ended
daemons=
stop_all() {
    for pid in $daemons; do kill "$pid" 2>/dev/null; done
    for pid in $(pids_of) $daemons; do
        wait_for 10 eval "! kill -0 $pid 2>/dev/null" || kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap stop_all EXIT
trap 'exit 99' INT TERM
port=$((20000 + $$ % 20000))
dd if=/dev/urandom of="$slurm/munge.key" bs=128 count=1 2>/dev/null
chmod 400 "$slurm/munge.key"
cat >"$slurm/slurm.conf" <<END
ClusterName=ngt
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$slurm/munge.sock
CredType=cred/munge
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/slurmd.pid
SlurmctldLogFile=$slurm/log/slurmctld
SlurmdLogFile=$slurm/log/slurmd
# no control groups: not every machine lends them
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# four tasks at a time, however many cores there are
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=1,sched_interval=2
ReturnToService=2
JobRequeue=1
KillWait=10
MpiDefault=none
MailProg=/bin/true
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF="$slurm/slurm.conf"
munged --foreground --force --socket="$slurm/munge.sock" --key-file="$slurm/munge.key" --pid-file="$slurm/munge.pid" \
    --log-file="$slurm/log/munged" --seed-file="$slurm/munge.seed" >"$slurm/log/munged.out" 2>&1 &
daemons="$daemons $!"
wait_for 20 test -S "$slurm/munge.sock" || { cat "$slurm"/log/munged* >&2; exit 99; }
slurmctld -D >"$slurm/log/slurmctld.out" 2>&1 &
daemons="$! $daemons"
slurmd -D -N "$host" >"$slurm/log/slurmd.out" 2>&1 &
daemons="$! $daemons"
ready() { sinfo -h -o %t 2>/dev/null | grep -q idle; }
wait_for 60 ready || { tail -5 "$slurm"/log/* >&2; echo "Slurm does not start here" >&2; exit 99; }

# ---- the job
make_corpus 20
cd "$work" || exit 99
submit() {
    PRETOK=$pretok "$scripts/slurm/submit" -n 6 "$@" --output="$work/log-%A-%a" -- -t tok.model -o "$work/set" $cluster \
        "$work/corpus"
}
id_of() { awk -v what="$1" '$1 == what { print $2 }' "$work/out"; }
state_of() { scontrol -o show job "$1" 2>/dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p'; }
ended() {
    # A task that was put back waits two minutes. Not here, but for a few seconds: within the second of the requeue the node
    # still refuses it ("Job credential revoked").
    squeue -h -t PD -o '%A %r' | while read -r id reason; do
        [ "$reason" = BeginTime ] && [ ! -e "$work/released-$id" ] || continue
        touch "$work/released-$id"
        scontrol update jobid="$id" starttime=now+3 2>/dev/null
    done
    case $(state_of "$1") in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY) return 0 ;; esac
    return 1
}
runs() { [ -n "$(pids_of --task "$1/6")" ]; }

expect 0 submit
array=$(id_of array) finish=$(id_of finish)
wait_for 60 begun 2 || complain "the tasks do not begin"
for task in 1 2 3; do wait_for 60 runs $task || complain "task $task does not begin"; done
# a task killed, one told to stop by Slurm, and one killed with its shell, which nobody puts back
# (scancel tries again for minutes when the task went back into the queue meanwhile, so nobody waits for it)
timeout 5 scancel --full --signal=USR1 "${array}_2" &
timeout 5 scancel --full --signal=KILL "${array}_3" &
kill -9 "$(pids_of --task 1/6)" || complain "task 1 was done before it could be killed"
wait_for 300 ended "$finish" || complain "the finish job does not end: $(squeue)"
[ "$(state_of "$finish")" = FAILED ] || complain "finish: $(state_of "$finish"), though task 3 is missing"
has "$work/log-$array-1" "pretok was killed by signal 9; back into the queue (restart 1)"
has "$work/log-$array-2" "stopped; "
has "$work/log-$array-2" "stopped in time; back into the queue (restart 1)"
log=$(ls "$work/log-$finish-"*)
has "$log" "array 3 of 6"
has "$log" "submit -n 6 --array 3,"
[ ! -e "$work/set/dataset.json" ] || complain "complete without task 3"

# the rest: what the finish job said
expect 0 submit --array 3
finish=$(id_of finish)
wait_for 300 ended "$finish" || complain "the second finish job does not end: $(squeue)"
[ "$(state_of "$finish")" = COMPLETED ] || { complain "finish: $(state_of "$finish")"; tail -20 "$work/log-$finish-"* >&2; }
lacks "$work/log-$(id_of array)-3" holds
no_temporaries "$work/set"
same_set "$work/want" "$work/set"
expect 0 "$pretok" finish --check-inputs "$work/set"
[ $failures = 0 ] || { tail -60 "$slurm/log/slurmctld"; tail -n 5 "$work"/log-*; } >&2
finish
