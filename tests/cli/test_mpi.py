#!/usr/bin/env python3
"""glass train by several processes: the bits of one; a process that dies, a full disk, a signal.
GLASS_KILLS says how often the killed run is killed (6; the long form is 50)."""
import hashlib
import math
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import test_train as one  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402
from test_train import RECIPE, lines, read, state, tree, write  # noqa: E402

MODULE = os.path.join(kit.BUILD, "glass-mpi.so")
# More processes than cores, as root too (containers), and no files of a session of the user's own.
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}  # of MPI's own


def prepare(h):
    h.env.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def start(h, n, *words):
    """The run of n processes; its text is in .out and .err after finish()."""
    p = subprocess.Popen([*MPIRUN, "-n", str(n), kit.GLASS, *words], cwd=h.path,
                         env=dict(h.env, **LEAKS), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    p.began = time.monotonic()
    return p


def finish(p, timeout=60):
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        for pid in ranks(p):
            os.kill(pid, signal.SIGKILL)
        p.kill()
        out, err = p.communicate()
        ok(False, "processes end", err.decode())
    p.out, p.err = out.decode(), err.decode()
    # What mpirun itself says when it was stopped for a while, and goes on.
    p.err = p.err.replace(f"mpirun: Forwarding signal {int(signal.SIGCONT)} to job\n", "")
    return p


def mpi(h, n, *words):
    return finish(start(h, n, *words))


def ranks(p):
    """Process ids of the ranks, in the order of their ranks."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            if parent != p.pid:
                continue
            with open(f"/proc/{pid}/environ", "rb") as f:
                rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", f.read())
        except OSError:
            continue
        if rank:
            found[int(rank[1])] = int(pid)
    return [found[i] for i in sorted(found)]


def wait_for(path, p):
    while not os.path.exists(path) and p.poll() is None:
        time.sleep(0.005)


def same(a, b):
    x, y = tree(a), tree(b)
    return sorted(x.keys() ^ y.keys()) + [k for k in x if k in y and x[k] != y[k]]


# ---- the same bits


def same_bits(h):
    equal(state(f"{h.path}/a.run", 20)["weights"], one.GOLDEN, "one process")
    for n in (1, 2, 3, 4, 7):
        p = mpi(h, n, "train", "a.yaml", "-o", "b.run")
        equal((p.returncode, p.err), (0, ""), f"{n} processes end well")
        equal(same(f"{h.path}/a.run", f"{h.path}/b.run"), [], f"{n} processes write the same")
        equal(p.out.count("step 20  loss"), 1, "one of them speaks")
        shutil.rmtree(f"{h.path}/b.run")
    # Trees whose runs do not fit: pieces of several sizes; threads in each process.
    for sequences, micro, n in ((7, 1, 3), (8, 1, 3), (11, 1, 4), (13, 1, 2), (3, 1, 5)):
        write(h, "c.yaml", RECIPE.replace("sequences: 6", f"sequences: {sequences}")
              .replace("micro: 2", f"micro: {micro}").replace("steps: 20", "steps: 4"))
        one.train(h, "c.yaml", "-q", "-t", "1")
        p = mpi(h, n, "train", "c.yaml", "-q", "-o", "b.run", "-t", "2")
        equal((p.returncode, same(f"{h.path}/c.run", f"{h.path}/b.run")), (0, []),
              f"{sequences} micro-batches of {micro} and {n} processes of 2 threads")
        shutil.rmtree(f"{h.path}/b.run")
        shutil.rmtree(f"{h.path}/c.run")


WAYS = (("optimizer: {rate: 0.01}", "optimizer: {kind: muon, rate: 0.01, muon_rate: 0.01}"),
        ("threads: 1", "loss: {z: 0.001}\nrecompute: layers"))


def other_ways(h):
    """Muon, whose matrices have one owner each; layers computed again; a z-loss."""
    recipe = RECIPE
    for old, new in WAYS:
        ok(old in recipe, f"the recipe has {old}")
        recipe = recipe.replace(old, new)
    write(h, "w.yaml", recipe)
    one.train(h, "w.yaml", "-q", "-t", "1")
    ok(state(f"{h.path}/w.run", 20)["weights"] != one.GOLDEN, "other weights than AdamW's")
    for n in (1, 2, 3, 5):
        p = mpi(h, n, "train", "w.yaml", "-q", "-t", "2", "-o", "b.run")
        equal((p.returncode, p.err, same(f"{h.path}/w.run", f"{h.path}/b.run")), (0, "", []),
              f"Muon, a z-loss, layers computed again: {n} processes")
        shutil.rmtree(f"{h.path}/b.run")
    p = start(h, 3, "train", "w.yaml", "-q", "-o", "b.run")
    wait_for(f"{h.path}/b.run/checkpoints/step-00000005", p)
    p.send_signal(signal.SIGUSR1)
    finish(p)
    p = mpi(h, 2, "train", "--resume", "b.run", "-q")
    equal((p.returncode, weights(f"{h.path}/w.run"), moments(f"{h.path}/w.run")),
          (0, weights(f"{h.path}/b.run"), moments(f"{h.path}/b.run")), "and resumed by two")
    equal(mpi(h, 3, "verify", "w.run", "--full").returncode, 0, "and verified by three")
    shutil.rmtree(f"{h.path}/b.run")
    shutil.rmtree(f"{h.path}/w.run")


def weights(run):
    return state(run, 20)["weights"]


def moments(run):
    return hashlib.sha256(read(f"{run}/checkpoints/step-00000020/moments.safetensors")).hexdigest()


def resumed(h):
    """To step 5 by 2 processes, to 10 by 3, to the end by one, and the other way round."""
    for counts in ((2, 3, 1), (4, 1, 2)):
        for i, n in enumerate(counts):
            words = ("--resume", "b.run") if i else ("r.yaml", "-o", "b.run")
            stop = (5, 10, 20)[i]
            write(h, "r.yaml", RECIPE)
            p = start(h, n, "train", *words, "-q")
            if stop < 20:  # a signal ends it some steps later; those are taken back
                wait_for(f"{h.path}/b.run/checkpoints/step-{stop:08}", p)
                p.send_signal(signal.SIGUSR1)
            finish(p)
            if stop < 20:
                for name in os.listdir(f"{h.path}/b.run/checkpoints"):
                    if int(name[5:]) > stop:
                        shutil.rmtree(f"{h.path}/b.run/checkpoints/{name}")
        equal((p.returncode, same(f"{h.path}/a.run", f"{h.path}/b.run")), (0, []),
              f"{' then '.join(map(str, counts))} processes")
        shutil.rmtree(f"{h.path}/b.run")


def verified(h):
    """A run by whoever, verified by one process or several."""
    run = f"{h.path}/v.run"
    equal(mpi(h, 3, "train", "a.yaml", "-q", "-o", "v.run").returncode, 0, "a run by three")
    for n, words in ((1, ()), (2, ()), (3, ("--full",)), (2, ("--sample", "3")),
                     (4, ("--steps", "16..18"))):
        p = mpi(h, n, "verify", "v.run", *words)
        ok(p.returncode == 0 and p.err == "" and p.out.count("the same to the bit") == 1,
           f"verified by {n}: {' '.join(words)}", p.out + p.err)
    good = read(f"{run}/ledger.jsonl")
    rows = one.lines_of(good)
    rows[7]["loss"] = rows[7]["loss"][:-1] + ("0" if rows[7]["loss"][-1] != "0" else "1")
    write(h, "v.run/ledger.jsonl", one.chained(rows))
    p = mpi(h, 3, "verify", "v.run")
    said = re.findall("glass: (.*)", p.err)
    ok(p.returncode == 1 and len(said) == 1 and "step 7: the loss" in said[0],
       "a forged line is found by three, and said once", p.err)
    write(h, "v.run/ledger.jsonl", good)
    other_moments(f"{run}/checkpoints/step-00000015")
    for n in (1, 2, 3):
        p = mpi(h, n, "verify", "v.run", "--full")
        said = re.findall("glass: (.*)", p.err)
        ok(p.returncode == 1 and len(said) == 1 and "step 15: the checkpoint differs: the "
           "moments, first in v.output_norm.weight" in said[0], f"forged moments: {n}", p.err)


def other_moments(folder):
    """The last number, in v of the final norm, in a checkpoint whose sums are made to fit."""
    data, sums = read(f"{folder}/moments.safetensors"), read(f"{folder}/SHA256SUMS")
    other = bytearray(data)
    other[-1] ^= 1
    with open(f"{folder}/moments.safetensors", "wb") as f:
        f.write(other)
    with open(f"{folder}/SHA256SUMS", "wb") as f:
        f.write(sums.replace(hashlib.sha256(data).hexdigest().encode(),
                             hashlib.sha256(other).hexdigest().encode()))


# ---- what goes wrong

FOREVER = RECIPE.replace("steps: 20", "steps: 1000000")


def began(h, n):
    """A run of n processes that goes on for ever, after its first checkpoint."""
    shutil.rmtree(f"{h.path}/l.run", ignore_errors=True)
    write(h, "l.yaml", FOREVER)
    p = start(h, n, "train", "l.yaml", "-q")
    wait_for(f"{h.path}/l.run/checkpoints/step-00000005", p)
    return p


def dies(h):
    for n, victim in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        p = began(h, n)
        pids = ranks(p)
        equal(len(pids), n, f"{n} processes are at it")
        t = time.monotonic()
        os.kill(pids[victim], signal.SIGKILL)
        finish(p)
        took = time.monotonic() - t
        ok(p.returncode != 0 and took < 5, f"without rank {victim} of {n} the run ends", took)
        for rank in range(n):
            if rank != victim:
                ok(re.search(rf"glass: rank {rank}: .*rank {victim} of {n} \(process "
                             rf"{pids[victim]} on \S+\) has died \(after step \d+\); "
                             "glass train --resume l.run goes on", p.err),
                   f"rank {rank} says it", p.err)
        p = began_again(h, 2)
        ok(p, "and the run goes on")


def began_again(h, n):
    """Whether the run l.run goes on by n processes from what it has."""
    last = max(os.listdir(f"{h.path}/l.run/checkpoints"))
    p = start(h, n, "train", "--resume", "l.run", "-q")
    want = f"{h.path}/l.run/checkpoints/step-{int(last[5:]) + 5:08}"
    wait_for(want, p)
    p.send_signal(signal.SIGUSR1)
    finish(p)
    return p.returncode == 130


def stopped(h):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        p = began(h, 3)
        p.send_signal(number)
        finish(p)
        steps = [m["step"] for m in lines(f"{h.path}/l.run/metrics.jsonl")]
        last = sorted(os.listdir(f"{h.path}/l.run/checkpoints"))[-1]
        equal(last, f"step-{steps[-1]:08}", f"{number.name} to mpirun: a checkpoint of the last step")
        has(p.err, f"glass: rank 0: stopped after step {steps[-1]};", "rank 0 says it")
        ok("glass: rank 1" not in p.err, "the others do not", p.err)
        # mpirun ends itself where the signal is one for it.
        equal(p.returncode, 130 if number == signal.SIGUSR1 else 1, "and the exit code")
    p = began(h, 3)
    os.kill(ranks(p)[1], signal.SIGTERM)
    finish(p)
    has(p.err, "stopped after step", "a signal to one process stops all of them")


def full_disk(h):
    """A limit on the size of files stands for it: of rank 0, which writes."""
    p = began(h, 3)
    resource.prlimit(ranks(p)[0], resource.RLIMIT_FSIZE, (200000, 200000))
    finish(p)
    equal(p.returncode, 4, "a full disk ends the run")
    ok(re.search(r"glass: rank 0: checkpoint of step \d+: .*File too large", p.err),
       "rank 0 says it", p.err)
    ok("glass: rank 1" not in p.err, "the others do not", p.err)
    ok(began_again(h, 3), "and it goes on")


def not_a_number(h):
    base = RECIPE[RECIPE.index("data:"):]
    data = bytearray(read(tiny_model.write(f"{h.path}/nan.gguf", "abc")))
    data[-36:-32] = struct.pack("<f", math.nan)
    write(h, "nan.gguf", bytes(data))
    write(h, "nan.yaml", "model: {base: nan.gguf}\n" + base)
    p = mpi(h, 3, "train", "nan.yaml", "-q")
    equal(p.returncode, 3, "a number that is none ends the run")
    equal(re.findall("glass: (.*)", p.err), ["rank 0: step 1: the loss is not finite: a smaller optimizer.rate may help"],
          "rank 0 says it")
    for words, part in ((("e.yaml",), "e.yaml:14: "), (("--resume", "no.run"), "holds no run"),
                        (("a.yaml", "-o", "a.run"), "holds a run already"), (("none.yaml",), "none")):
        write(h, "e.yaml", RECIPE.replace("  micro: 2", "  mirco: 2"))
        p = mpi(h, 3, "train", *words)
        said = re.findall("glass: (.*)", p.err)
        ok(len(said) == 1 and part in said[0], f"wrong words are said once: {words}", p.err)


def damaged(h):
    """A shard that only one process finds changed: it ends all of them."""
    shutil.rmtree(f"{h.path}/l.run", ignore_errors=True)
    shutil.copytree(f"{h.path}/a.run", f"{h.path}/l.run")
    os.remove(f"{h.path}/l.run/shards/train-0.safetensors")
    p = mpi(h, 2, "train", "--resume", "l.run")
    equal(p.returncode, 4, "a shard is missing")
    has(p.err, "train-0.safetensors", "and named")


def killed(h):
    """Killed at random moments, all or one of them, and resumed with another number."""
    kills = int(os.environ.get("GLASS_KILLS", "6"))
    steps = min(150 * kills, 2400)
    write(h, "k.yaml", RECIPE.replace("steps: 20", f"steps: {steps}").replace("every: 5", "every: 7"))
    begin = time.monotonic()
    one.train(h, "k.yaml", "-q", "-t", "1")
    # Two processes may be twice as fast: half of the kills come before such a run ends.
    most = 0.8 * (time.monotonic() - begin) / kills
    pick, n, moments = random.Random(), 0, []
    while n < kills * 20:
        made = os.path.exists(f"{h.path}/m.run/run.json")
        count = pick.randint(1, 4)
        p = start(h, count, "train", *(("--resume", "m.run") if made else ("k.yaml", "-o", "m.run")),
                  "-q")
        wait = 0.25 + pick.uniform(0, most if n < kills else 60)
        try:
            p.wait(wait)
            if p.returncode == 0:
                break
            ok(False, "a resumed run goes on", finish(p).err)
            return
        except subprocess.TimeoutExpired:
            n += 1
            moments.append((count, round(wait, 3)))
            pids = ranks(p)
            while not pids and p.poll() is None:  # mpirun itself is still starting
                time.sleep(0.02)
                pids = ranks(p)
            for pid in pids if n % 2 else pids[-1:]:
                os.kill(pid, signal.SIGKILL)
            finish(p)
    ok(n >= kills / 2 and same(f"{h.path}/k.run", f"{h.path}/m.run") == [],
       f"killed {n} times and resumed by other numbers, a run ends with the same bytes",
       f"{same(f'{h.path}/k.run', f'{h.path}/m.run')} {moments}")
    equal(h.run("verify", "m.run", cwd=h.path).returncode, 0, "one process verifies it")


def batch_script(h):
    """packaging/slurm's script where Slurm has no PMIx: mpirun, signals, going on."""
    bin_ = f"{h.path}/bin"
    os.mkdir(bin_)
    os.symlink(kit.GLASS, f"{bin_}/glass")
    write(h, "bin/srun", "#!/bin/sh\necho 'MPI plugin types are... none pmi2'\n")
    os.chmod(f"{bin_}/srun", 0o755)
    env = dict(h.env, **LEAKS, PATH=f"{bin_}:{h.env['PATH']}", SLURM_CPUS_PER_TASK="1",
               OMPI_MCA_rmaps_base_oversubscribe="1")
    script = os.path.join(kit.ROOT, "packaging/slurm/train.sbatch")
    write(h, "s.yaml", FOREVER)
    for words in (["s.yaml"], ["s.yaml"]):
        p = subprocess.Popen(["bash", script, *words], cwd=h.path, env=env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        made = sorted(os.listdir(f"{h.path}/s.run/checkpoints")) if os.path.exists(
            f"{h.path}/s.run/checkpoints") else ["step-00000000"]
        wait_for(f"{h.path}/s.run/checkpoints/step-{int(made[-1][5:]) // 5 * 5 + 5:08}", p)
        p.send_signal(signal.SIGUSR1)
        finish(p)
        ok(p.returncode == 130 and "stopped after step" in p.err, "the batch script", p.err)
    ok(int(made[-1][5:]) > 0, "submitted again, it goes on", made)


def planned(h):
    """What each of several processes takes."""
    size = {}
    for n in ("1", "4"):
        p = one.train(h, "a.yaml", "--dry-run", "--processes", n)
        size[n] = re.search(r"memory +(.*)", p.out)[1]
    ok(size["4"].endswith(" for each of 4 processes"), "--dry-run --processes", size)
    p = mpi(h, 2, "train", "a.yaml", "--dry-run")
    has(p.out, " for each of 2 processes", "--dry-run of mpirun")
    equal(p.out.count("parameters"), 1, "said once")
    equal(one.train(h, "a.yaml", "--processes", "2").returncode, 2, "--processes starts none")
    wide = RECIPE.replace("n_embd: 32", "n_embd: 256")
    for name, text in (("small", RECIPE), ("wide", wide),
                       ("Muon's", wide.replace(*WAYS[0]))):
        write(h, "p.yaml", text.replace("steps: 20", "steps: 12"))
        for n in (2, 3):
            said = h.json("train", "p.yaml", "--dry-run", "--json", "-t", "1", "--processes",
                          str(n), cwd=h.path)["memory_bytes"]
            p = start(h, n, "train", "p.yaml", "-q", "-t", "1")
            took = max(peaks_of(p, n))
            finish(p)
            shutil.rmtree(f"{h.path}/p.run")
            ok(p.returncode == 0 and abs(said / took - 1) < 0.1, f"memory of a {name} run, each of "
               f"{n} processes", f"{said / 1e6:.1f} MB said, {took / 1e6:.1f} taken")


def peaks_of(p, n):
    """The largest resident size of each of n ranks, seen while they run."""
    most, pids = {}, []
    while p.poll() is None:
        if len(pids) < n:
            pids = ranks(p)
        for pid in pids:
            try:
                text = read(f"/proc/{pid}/status").decode()
            except OSError:
                continue
            for size in re.findall(r"VmHWM:\s*(\d+) kB", text):
                most[pid] = int(size) * 1024
        time.sleep(0.002)
    return list(most.values())


def launchers(h):
    """What the environment of a launcher means to a process."""
    for env, code, part in (
            ({"OMPI_COMM_WORLD_SIZE": "1"}, 0, ""),
            ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 0, ""),  # a batch script's own
            ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 0, ""),
            ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}, 2, "srun --mpi=pmix"),
            ({"PMI_SIZE": "2", "PMI_RANK": "0"}, 2, "another MPI")):
        p = one.train(h, "a.yaml", "--dry-run", env=dict(env, **LEAKS))
        ok(p.returncode == code and part in p.err, f"started with {env}", p.err)
    lone = f"{h.path}/lone"  # a build without MPI: the program alone
    os.mkdir(lone)
    shutil.copy(kit.GLASS, lone)
    p = subprocess.run([*MPIRUN, "-n", "2", f"{lone}/glass", "train", "a.yaml"], cwd=h.path,
                       env=h.env, capture_output=True, check=False)
    err = p.stderr.decode()
    ok(p.returncode == 2 and "this build has no MPI" in err, "a build without MPI says so", err)
    p = subprocess.run([f"{lone}/glass", "train", "a.yaml", "--dry-run"], cwd=h.path, env=h.env,
                       capture_output=True, check=False)
    equal(p.returncode, 0, "and works alone")
    maps = subprocess.run(["ldd", kit.GLASS], capture_output=True, check=False).stdout.decode()
    ok("libmpi" not in maps, "the program itself needs no library of MPI", maps)


def main():
    with kit.Home() as h:
        prepare(h)
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        write(h, "text.txt", one.make_text(700))
        write(h, "a.yaml", RECIPE)
        if shutil.which("mpirun") is None or not os.path.exists(MODULE):
            kit.skip("several processes", "there is no mpirun, or this build has no MPI")
        else:
            one.train(h, "a.yaml", "-q", "-t", "1")
            parts = (same_bits, other_ways, resumed, verified, dies, stopped, full_disk, not_a_number, damaged,
                     batch_script, planned, launchers, killed)
            for part in parts:
                if sys.argv[1:] in ([], [part.__name__]):
                    part(h)
    kit.done()


if __name__ == "__main__":
    main()
