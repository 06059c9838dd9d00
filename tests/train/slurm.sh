#!/usr/bin/env bash
# slurm.sh - by hand, as root: a Slurm cluster of two machines, which are network namespaces of this one, runs
# packaging/slurm/train.sbatch: to its end; with a process killed; ended by SIGUSR1; resumed by other numbers.
#   apt-get install slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge iproute2
#   tests/train/slurm.sh            # after ./setup.sh build; some 40 s
# TAP lines; each run must end with the bytes of one process without Slurm.
set -u
cd "$(dirname "$0")/../.." || exit 4
root=$PWD n=0 failed=0
for program in slurmctld slurmd srun munged ip unshare nsenter; do
    command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin
    command -v "$program" >/dev/null || { echo "slurm.sh: no $program" >&2; exit 4; }
done
# Not under /tmp: each machine has one of its own there, as PMIx wants.
work=$(mktemp -d "$root/build/slurm-XXXXXX")
munged=
leave() {
    [ -z "$munged" ] || pkill -x munged
    cat "$work"/*.pid 2>/dev/null | xargs -r kill
    wait
    ip netns del glass-a
    ip netns del glass-b
    rm -rf "$work"
}
trap leave EXIT
verdict() { # NAME CONDITION...
    n=$((n + 1))
    if "${@:2}"; then echo "ok $n - $1"; else echo "not ok $n - $1" && failed=1; fi
}
on() { # MACHINE COMMAND...
    nsenter --net="/run/netns/$1" unshare --uts --ipc --mount bash -c 'hostname "$0"
        mount -t tmpfs tmpfs /tmp
        mount -t tmpfs tmpfs /dev/shm
        export SLURM_CONF='"$work"'/slurm.conf PATH='"$root/build:$PATH"'
        cd '"$work"' && exec "$@"' "$@"
}
batch() { # LOG WORDS... -> the job's status
    on glass-a sbatch --wait --cpus-per-task=1 --output="$work/$1" "${@:2}" >"$work/sbatch.out" 2>&1
}
script=$root/packaging/slurm/train.sbatch
same() { (cd "$work" && diff -r "one.run/checkpoints/$1" "$2/checkpoints/$1" >&2); }

# ---- two machines

ip netns add glass-a && ip netns add glass-b && ip link add glass-a type veth peer name glass-b || exit 4
for side in a:1 b:2; do
    name=glass-${side%:*}
    ip link set "$name" netns "$name"
    ip -n "$name" addr add "10.78.0.${side#*:}/24" dev "$name"
    ip -n "$name" link set "$name" up
    ip -n "$name" link set lo up
done
cat >"$work/slurm.conf" <<E
ClusterName=two
SlurmctldHost=glass-a(10.78.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$work/ctl
SlurmdSpoolDir=$work/d-%n
SlurmdPidFile=$work/%n.pid
SlurmctldPidFile=$work/ctl.pid
SlurmdLogFile=$work/%n.log
SlurmctldLogFile=$work/ctl.log
KillWait=5
NodeName=glass-a NodeAddr=10.78.0.1 CPUs=$(nproc) RealMemory=1000
NodeName=glass-b NodeAddr=10.78.0.2 CPUs=$(nproc) RealMemory=1000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
E
echo "CgroupPlugin=cgroup/v1" >"$work/cgroup.conf"
mkdir "$work/ctl" "$work/d-glass-a" "$work/d-glass-b"
pgrep -x munged >/dev/null || { mkdir -p /run/munge && chown munge: /run/munge && runuser -u munge -- munged && munged=ours; }
on glass-a slurmctld -D >"$work/ctl.out" 2>&1 &
sleep 2
for name in glass-a glass-b; do
    on $name slurmd -D >"$work/$name.out" 2>&1 &
done
for _ in $(seq 100); do
    [ "$(on glass-a sinfo -h -t idle -o %D)" = 2 ] && break
    sleep 0.2
done
verdict "two machines" test "$(on glass-a srun -N2 -n2 hostname | sort | tr '\n' ' ')" = "glass-a glass-b "

# ---- runs

PYTHONPATH=tests/cli GLASS_BUILD=build python3 - "$work" <<'P'
import os, sys
import test_train as one, tiny_model
os.chdir(sys.argv[1])
tiny_model.write("bytes.gguf", "abc")
open("text.txt", "w").write(one.make_text(400))
recipe = one.RECIPE.replace("steps: 20", "steps: 1500").replace("every: 10", "every: 500")
open("one.yaml", "w").write(recipe.replace("checkpoint: {every: 5}", "checkpoint: {every: 50}"))
P
(cd "$work" && "$root/build/glass" train one.yaml -q -t 1) || exit 4
started() { # RUN: it has a checkpoint
    for _ in $(seq 300); do
        [ -e "$work/$1/checkpoints/step-00000050/SHA256SUMS" ] && return
        sleep 0.1
    done
}

batch whole.log "$script" one.yaml whole.run
verdict "srun by PMIx: it ends well" test $? = 0
verdict "with the bytes of one process" same step-00001500 whole.run

batch killed.log "$script" one.yaml cut.run &
job=$!
started cut.run
for p in $(ip netns pids glass-b); do
    [ "$(readlink "/proc/$p/exe")" = "$root/build/glass" ] && victim=$p
done
kill -9 "${victim:?}"
wait $job
verdict "a process killed there ends the job" test $? != 0
verdict "srun says which" grep -q "glass-b: task 1: Killed" "$work/killed.log"
verdict "the other says how to go on" grep -qE "cut.run.* goes on from (its|the) last checkpoint" "$work/killed.log"

batch usr1.log --nodes=1 --ntasks-per-node=2 "$script" one.yaml cut.run &
job=$!
for _ in $(seq 100); do
    grep -q "^step" "$work/usr1.log" 2>/dev/null && break
    sleep 0.1
done
on glass-a scancel -s USR1 --jobname=glass
wait $job
verdict "SIGUSR1: the job ends with 130" test $? = 130
verdict "after a checkpoint of then" grep -q "stopped after step .* goes on with --resume" "$work/usr1.log"

batch end.log "$script" one.yaml cut.run
verdict "submitted again it ends well" test $? = 0
verdict "with the bytes of one process" same step-00001500 cut.run
exit $failed
