#!/usr/bin/env python3
"""Runs of training whose files are damaged, gone, or cannot be written: what is wrong is named, and
the last good checkpoint goes on. GLASS_FLIPS=all changes every byte of the small files.
test_train_damage.py [PART...]"""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import test_train as t  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, ok, skip  # noqa: E402

SMALL = 16384  # bytes: a file each of whose bytes is changed in the long form


# ---- a byte


def put(path, data):
    with open(path, "wb") as f:
        f.write(data)


def places(pick, n, name):
    if os.environ.get("GLASS_FLIPS") == "all":
        return range(n) if n <= SMALL else sorted(pick.sample(range(n), 300))
    ends = [0, n - 1]
    return sorted({*ends, *pick.sample(range(n), min(n, 10))})


def changed(h, name, *command):
    """Each of some bytes of a file becomes another one: the command fails, and names the file."""
    path, pick, bad = f"{h.path}/d.run/{name}", random.Random(name), []
    good = t.read(path)
    some = places(pick, len(good), name)
    for at in some:
        byte = good[at] ^ pick.randrange(1, 256)
        put(path, good[:at] + bytes([byte]) + good[at + 1:])
        p = h.run(*command, cwd=h.path, timeout=600)
        if p.returncode not in (1, 3) or os.path.basename(name) not in p.err:
            bad.append((at, good[at], byte, p.returncode, p.err))
    put(path, good)
    equal(bad, [], f"{len(some)} changed bytes of {name}: glass {command[0]} names it")


def flips(h):
    resume, verify = ("train", "--resume", "d.run", "-q"), ("verify", "d.run", "--steps", "20..20")
    for step, command in ((20, resume), (15, verify)):
        for name in ("model.gguf", "moments.safetensors", "state.json", "SHA256SUMS"):
            changed(h, f"checkpoints/step-{step:08}/{name}", *command)
    for name in ("recipe.yaml", "run.json", "shards/train-0.safetensors",
                 "shards/held-out-0.safetensors"):
        for command in (resume, verify):
            changed(h, name, *command)
    changed(h, "ledger.jsonl", *verify)
    good = t.read(f"{h.path}/d.run/run.json")
    put(f"{h.path}/d.run/run.json", good.replace(b",\n", b", ", 1))
    p = h.run(*verify, cwd=h.path)
    ok(p.returncode == 3 and "run.json:2: not as the run wrote it" in p.err, "run.json with a blank "
       "for a newline", p.err)
    put(f"{h.path}/d.run/run.json", good.replace(b'"format": 2', b'"format": 1'))
    p = h.run(*verify, cwd=h.path)
    ok(p.returncode == 3 and "format 1, which another version of Glass made" in p.err,
       "another version's run", p.err)
    put(f"{h.path}/d.run/run.json", good)
    equal((h.run(*resume, cwd=h.path).returncode, h.run(*verify, cwd=h.path).returncode), (0, 0),
          "as it was, it is good")


# ---- files


def gone(h):
    last = "checkpoints/step-00000020"
    for name in (f"{last}/model.gguf", f"{last}/moments.safetensors", f"{last}/state.json",
                 f"{last}/SHA256SUMS", "recipe.yaml", "run.json", "ledger.jsonl",
                 "shards/train-0.safetensors", "shards/held-out-0.safetensors"):
        path = f"{h.path}/d.run/{name}"
        os.rename(path, f"{h.path}/away")
        p = t.train(h, "--resume", "d.run", "-q")
        ok(p.returncode in (2, 3, 4) and os.path.basename(name) in p.err,
           f"{name} is gone: {p.err.strip()}", p.returncode)
        if name == "ledger.jsonl" and os.path.exists(path):
            ok(False, "a lost ledger is not made anew")
        os.rename(f"{h.path}/away", path)
    equal(t.train(h, "--resume", "d.run", "-q").returncode, 0, "with all of them it is good")
    os.rename(f"{h.path}/d.run/{last}", f"{h.path}/away")
    p = t.train(h, "--resume", "d.run", "-q")
    equal((p.returncode, t.state(f"{h.path}/d.run", 20)["weights"]), (0, t.GOLDEN),
          "without its last checkpoint it goes on from the one before")
    shutil.rmtree(f"{h.path}/away")


# ---- numbers


def blown_up(h):
    """Weights that grow a hundredfold each step: the loss ends as no number."""
    t.write(h, "n.yaml", t.RECIPE.replace("rate: 0.01", "rate: 10, decay: 10, clip: 0").replace(
        "warmup: 4", "kind: constant").replace("every: 5", "every: 1, keep: 9"))
    p = t.train(h, "n.yaml", "-q")
    run = f"{h.path}/n.run"
    steps = sorted(int(d[5:]) for d in os.listdir(f"{run}/checkpoints"))
    ok(p.returncode == 3 and "not finite" in p.err and f"step {steps[-1] + 1}:" in p.err and
       1 < steps[-1] < 19, f"a run that blows up: {p.err.strip()}", steps)
    equal(h.run("verify", "n.run", "--full", cwd=h.path).returncode, 0, "what is there verifies")
    bad = []
    for step in steps:
        sums = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], check=False,
                              cwd=f"{run}/checkpoints/step-{step:08}", capture_output=True)
        data = t.read(f"{run}/checkpoints/step-{step:08}/moments.safetensors")
        head = 8 + int.from_bytes(data[:8], "little")
        if sums.returncode or any(data[i + 3] & 0x7f == 0x7f and data[i + 2] & 0x80
                                  for i in range(head, len(data), 4)):
            bad.append(step)
    equal(bad, [], "checkpoints are whole, and have numbers only")
    again = t.train(h, "--resume", "n.run", "-q")
    equal((again.returncode, again.err), (p.returncode, p.err), "resumed, it ends there again")
    shutil.rmtree(run)


# ---- disks; inside a namespace of its own, whose verdicts are lines of JSON


def good_checkpoints(run):
    found = []
    if os.path.isdir(f"{run}/checkpoints"):
        found = os.listdir(f"{run}/checkpoints")
    return all(name.startswith("step-") and subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=f"{run}/checkpoints/{name}",
        check=False, capture_output=True).returncode == 0 for name in found)


def full(disk, kilobytes, command):
    """A run that meets a disk's end, and goes on when there is room. What was named."""
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)
    p = command("train", "../a.yaml", "-o", "f.run", "-q", "-t", "1")
    run = f"{disk}/f.run"
    begun = os.path.exists(f"{run}/run.json")
    bad = ""
    if p.returncode == 0:
        shutil.rmtree(run)
        return "nothing"
    if p.returncode != 4 or "f.run/" not in p.stderr or not (
            "No space left" in p.stderr or "disk is full" in p.stderr):
        bad = "another error"
    elif not good_checkpoints(run):
        bad = "a half-written checkpoint"
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
    if begun and not bad:
        if command("verify", "f.run").returncode not in (0, 2):
            bad = "it does not verify"
    again = command("train", *(("--resume", "f.run") if begun else ("../a.yaml", "-o", "f.run")),
                    "-q", "-t", "1")
    if not bad and (again.returncode or t.state(run, 20)["weights"] != t.GOLDEN):
        bad = f"it does not go on: {again.stderr}"
    shutil.rmtree(run, ignore_errors=True)
    if bad:
        return f"BAD {kilobytes} kB: {bad}: {p.returncode} {p.stderr}"
    return p.stderr.split("f.run/")[-1].split(":")[0].split(".part-")[0]


def inside(disk):
    def command(*words):
        return subprocess.run([kit.GLASS, *words], cwd=disk, check=False, capture_output=True,
                              text=True)

    def verdict(good, name, why=""):
        print(json.dumps([bool(good), name, str(why)]), flush=True)

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], check=True)
    named = [full(disk, kilobytes, command) for kilobytes in
             (*range(8, 256, 28), *range(256, 2600, 100))]
    verdict(not [n for n in named if n.startswith("BAD")] and len(set(named)) > 4,
            f"a disk that is full at {len(named)} moments: {', '.join(sorted(set(named)))}", named)
    command("train", "../a.yaml", "-o", "r.run", "-q", "-t", "1")
    shutil.rmtree(f"{disk}/r.run/checkpoints/step-00000020")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for words in (("train", "../a.yaml", "-o", "s.run"), ("train", "--resume", "r.run")):
        p = command(*words)
        verdict(p.returncode == 4 and "Read-only" in p.stderr and ".run" in p.stderr,
                f"a folder that is read alone: {p.stderr.strip()}", p.returncode)
    p = command("verify", "r.run")
    verdict(p.returncode == 0,
            "such a run verifies", p.stderr)
    verdict(command("train", "--status", "r.run").returncode == 0, "and tells how far it came")
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    p = command("train", "--resume", "r.run", "-q")
    verdict(p.returncode == 0 and t.state(f"{disk}/r.run", 20)["weights"] == t.GOLDEN,
            "where it can write again, it goes on", p.stderr)
    subprocess.run(["umount", disk], check=True)


def disks(h):
    disk = f"{h.path}/disk"
    os.makedirs(disk)
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", disk], check=False,
                           capture_output=True)
    if probe.returncode != 0:
        skip("disks that are full or read-only", "no namespace with a disk of its own here")
        return
    p = subprocess.run(["unshare", "-rm", sys.executable, os.path.abspath(__file__), "inside", disk],
                       env=dict(h.env, GLASS_BUILD=kit.BUILD), check=False, capture_output=True,
                       text=True)
    for line in p.stdout.splitlines():
        ok(*json.loads(line))
    equal((p.returncode, p.stderr), (0, ""), "all of that was tried")


# ---- which weights


def forge(rows, step, tensors, block):
    """Another digest of a block in a line, with all that follows from it. tensors: of state.json,
    with shapes and numbers of blocks."""
    e = rows[step]
    e["blocks"][block] = hashlib.sha256(b"forged").hexdigest()
    digests, at = [], 0
    for name, n, k in tensors:
        n_blocks = -(-n * k * 4 // (1 << 20))
        digests.append(hashlib.sha256(f"{name}\n{n} {k}\n".encode() + b"".join(
            bytes.fromhex(b) for b in e["blocks"][at:at + n_blocks])).digest())
        at += n_blocks
    assert at == len(e["blocks"]), "the tree of weights_hash.h"
    e["weights"] = hashlib.sha256(b"".join(digests)).hexdigest()


def named(h):
    """Where no checkpoint is left, the ledger's own digests name tensor and block."""
    wide = t.RECIPE.replace("n_embd: 32", "n_embd: 1024").replace("n_layer: 2", "n_layer: 1").replace(
        "n_head_kv: 2", "n_ff: 32").replace("steps: 20", "steps: 6\nledger: {every: 2}").replace(
        "checkpoint: {every: 5}", "").replace("warmup: 4", "warmup: 1").replace(
        "sequences: 6\n  micro: 2", "sequences: 1")
    t.write(h, "b.yaml", wide)
    p = t.train(h, "b.yaml", "-q")
    run = f"{h.path}/b.run"
    rows = t.lines(f"{run}/ledger.jsonl")
    equal((p.returncode, [e["step"] for e in rows if "weights" in e]), (0, [0, 2, 4, 6]),
          "weights are hashed as often as ledger.every says")
    names = list(t.state(run, 6)["tensors"])
    shape = {"token_embd": (tiny_model.N_VOCAB, 1024), "ffn_gate": (32, 1024), "ffn_up": (32, 1024),
             "ffn_down": (1024, 32)}
    tensors = []
    for name in names:
        kind = name.split(".")[-2]
        tensors.append((name, *shape.get(kind, (1, 1024) if "norm" in kind else (1024, 1024))))
    first = sum(-(-n * k * 4 // (1 << 20)) for name, n, k in
                tensors[:names.index("blk.0.attn_k.weight")])
    good = t.read(f"{run}/ledger.jsonl")
    for forged_root in (True, False):
        rows = t.lines_of(good)
        was = rows[4]["weights"]
        forge(rows, 4, tensors, first + 2)
        if not forged_root:
            rows[4]["weights"] = was
        t.write(h, "b.run/ledger.jsonl", t.chained(rows))
        p = h.run("verify", "b.run", "-t", "2", cwd=h.path)
        what = ("step 4: the weights differ, " if forged_root else
                "step 4: the weights are right, but not the ledger's blocks: ")
        ok(p.returncode == 1 and what + "first in blk.0.attn_k.weight, block 2 of 1 MiB (1 of " in
           p.err, "the ledger names tensor and block" if forged_root else
           "blocks that are not the root's", p.err)
        if forged_root:  # another root needs the tree of the words above
            shutil.copytree(run, f"{h.path}/c.run")
            shutil.rmtree(f"{h.path}/c.run/checkpoints")
    t.write(h, "b.run/ledger.jsonl", good)
    p = h.run("verify", "--bisect", "b.run", "c.run", cwd=h.path)
    ok(p.returncode == 1 and "step 4: the weights differ" in p.err and "b.run is right" in p.err
       and "weights after step 4 of c.run: first in blk.0.attn_k.weight, block 2 of 1 MiB" in p.err,
       "two runs of which one was forged", p.err)
    state = t.state(run, 6)["tensors"]
    rows = t.lines_of(good)
    at = 0
    for name, n, k in tensors:
        n_blocks = -(-n * k * 4 // (1 << 20))
        if hashlib.sha256(f"{name}\n{n} {k}\n".encode() + b"".join(
                bytes.fromhex(b) for b in rows[6]["blocks"][at:at + n_blocks])).hexdigest() != state[name]:
            ok(False, f"the blocks of {name}")
        at += n_blocks
    for name in "bc":
        shutil.rmtree(f"{h.path}/{name}.run")


def main():
    with kit.Home() as h:
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        t.write(h, "text.txt", t.make_text(700))
        for name in "ad":
            t.write(h, f"{name}.yaml", t.RECIPE)
        t.train(h, "d.yaml", "-q")
        for part in (named, blown_up, disks, gone, flips):
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(h)
    kit.done()


if __name__ == "__main__":
    inside(sys.argv[2]) if sys.argv[1:2] == ["inside"] else main()
