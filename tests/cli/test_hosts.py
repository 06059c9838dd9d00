#!/usr/bin/env python3
"""glass train on two machines: network namespaces with a cable between them, each with processes, names and
shared memory of its own, Open MPI's launcher and TCP. The bits of one process; a process that dies on
the other machine; a cable that is pulled. Needs root, iproute2 and unshare; skipped without."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import test_mpi as many  # noqa: E402
import test_train as one  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

STEPS = 600
RECIPE = one.RECIPE.replace("steps: 20", f"steps: {STEPS}").replace("checkpoint: {every: 5}", "checkpoint: {every: 20}") \
    .replace("sample: {every: 10, prompt: a, n: 20}\n", "").replace("evaluate: {every: 10}", "evaluate: {every: 300}")
NET = f"glass{os.getpid() % 100000}"
HERE, THERE = NET + "a", NET + "b"
# What Open MPI would start by ssh: `AGENT HOST COMMAND...`, quoted for a shell.
AGENT = """#!/bin/bash
shift
exec ip netns exec {there} unshare --uts --ipc --mount --pid --fork --mount-proc \\
    bash -c "hostname {there}; mount -t tmpfs tmpfs /dev/shm; $*"
"""
# A launcher that looks for a silent machine often: 3 s, then twice more, a second apart.
KEEP = [w for k, v in (("time", 3), ("intvl", 1), ("probes", 2)) for w in ("--mca", f"oob_tcp_keepalive_{k}", str(v))]


def command(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def lay_cable():
    """Why it cannot be done, or nothing."""
    if not all(shutil.which(program) for program in ("ip", "unshare", "mpirun")):
        return "no ip, unshare or mpirun"
    for line in (f"ip netns add {HERE}", f"ip netns add {THERE}",
                 f"ip link add {HERE} type veth peer name {THERE}",
                 f"ip link set {HERE} netns {HERE}", f"ip link set {THERE} netns {THERE}",
                 f"ip -n {HERE} addr add 10.77.0.1/24 dev {HERE}", f"ip -n {THERE} addr add 10.77.0.2/24 dev {THERE}",
                 f"ip -n {HERE} link set {HERE} up", f"ip -n {THERE} link set {THERE} up",
                 f"ip -n {HERE} link set lo up", f"ip -n {THERE} link set lo up",
                 f"ip netns exec {THERE} unshare --uts --ipc --mount --pid --fork --mount-proc true"):
        p = command(*line.split())
        if p.returncode != 0:
            return f"{line}: {p.stdout.decode().strip()}"
    return ""


def start(h, n, *words):
    mpirun = ["mpirun", "--oversubscribe", "--bind-to", "none", "--leave-session-attached",
              "--mca", "plm_rsh_agent", f"{h.path}/agent", "--mca", "plm_rsh_no_tree_spawn", "1",
              "--mca", "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24", *KEEP,
              "-host", "10.77.0.1:4,10.77.0.2:4", "--map-by", "node", "-n", str(n)]
    return subprocess.Popen(["ip", "netns", "exec", HERE, "unshare", "--uts", "bash", "-c",
                             f'hostname {HERE}; exec "$@"', "x", *mpirun, *words],
                            cwd=h.path, env=h.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(h, n, *words):
    return many.finish(start(h, n, *words))


def there():
    """The processes of Glass on the other machine, by their numbers here."""
    pids = command("ip", "netns", "pids", THERE).stdout.split()
    return [int(p) for p in pids if os.path.basename(os.readlink(f"/proc/{int(p)}/exe")) == "glass"]


def after(h, run_, step, p):
    many.wait_for(f"{h.path}/{run_}/checkpoints/step-{step:08d}/SHA256SUMS", p)


def all_end():
    end = time.monotonic() + 10
    while there() and time.monotonic() < end:
        time.sleep(0.05)
    equal(there(), [], "nothing goes on there")


def same_bits(h):
    p = run(h, 2, "hostname")
    equal(sorted(p.out.split()), [HERE, THERE], "two machines with a name each")
    for n in (2, 4):
        p = run(h, n, kit.GLASS, "train", "a.yaml", "-q", "-o", "b.run")
        equal((p.returncode, p.err, many.same(f"{h.path}/a.run", f"{h.path}/b.run")), (0, "", []),
              f"{n} processes on two machines write what one writes")
        command("rm", "-rf", f"{h.path}/b.run")


def one_dies(h):
    p = start(h, 2, kit.GLASS, "train", "a.yaml", "-q", "-o", "b.run")
    after(h, "b.run", 40, p)
    for pid in there():
        os.kill(pid, signal.SIGKILL)
    many.finish(p)
    ok(p.returncode not in (0, None), "a process that dies there ends the run", p.returncode)
    has(p.err, "mpirun noticed that process rank 1 ", "the launcher says which one")
    has(p.err, "b.run goes on from its last checkpoint with --resume", "the other says how it goes on")
    all_end()
    p = run(h, 3, kit.GLASS, "train", "--resume", "b.run", "-q")
    equal((p.returncode, p.err, many.same(f"{h.path}/a.run", f"{h.path}/b.run")), (0, "", []),
          "three processes on both machines end it with the same bits")
    command("rm", "-rf", f"{h.path}/b.run")


def the_cable(h):
    p = start(h, 2, kit.GLASS, "train", "a.yaml", "-q", "-o", "b.run")
    after(h, "b.run", 40, p)
    command("ip", "-n", THERE, "link", "set", THERE, "down")
    began = time.monotonic()
    many.finish(p)
    ok(p.returncode not in (0, None), "a pulled cable ends the run", p.returncode)
    has(p.err, "lost communication with a remote daemon", "the launcher says so")
    print(f"# after {time.monotonic() - began:.1f} s")
    all_end()
    q = h.run("train", "--resume", "b.run", "-q", cwd=h.path)
    equal((q.returncode, q.err, many.same(f"{h.path}/a.run", f"{h.path}/b.run")), (0, "", []),
          "one process ends it here with the same bits")


def main():
    with kit.Home() as h:
        many.prepare(h)
        if not os.path.exists(many.MODULE):
            kit.skip("two machines", "built without MPI")
            kit.done()
        why = lay_cable()
        try:
            if why:
                kit.skip("two machines", why)
                kit.done()
            tiny_model.write(f"{h.path}/bytes.gguf", "abc")
            one.write(h, "text.txt", one.make_text(400))
            one.write(h, "a.yaml", RECIPE)
            one.write(h, "agent", AGENT.format(there=THERE))
            os.chmod(f"{h.path}/agent", 0o755)
            one.train(h, "a.yaml", "-q", "-t", "1")
            same_bits(h)
            one_dies(h)
            the_cable(h)
        finally:
            for name in (HERE, THERE) if shutil.which("ip") else ():
                command("ip", "netns", "del", name)
    kit.done()


if __name__ == "__main__":
    main()
