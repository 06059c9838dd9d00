#!/usr/bin/env python3
"""glass verify --without: a run trained again without some documents does not depend on a byte of
them, whichever way it is computed; with none left out it is the run itself; what is told of losses,
reads and answers is reckoned anew here; a planted sentence is forgotten with its document."""
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok, skip  # noqa: E402
from shards import Shard  # noqa: E402

CANARY = "seven violet otters recite the tax code"
PLANTED = [20, 60]  # documents of a.txt that hold it
CONTEXT, SEQUENCES, STEPS = 32, 6, 24
RECIPE = f"""model: {{tokenizer: bytes.gguf, n_embd: 32, n_layer: 2, n_head: 4, n_head_kv: 2}}
data:
- {{file: a.txt, documents: lines}}
- {{file: b.txt, documents: paragraphs, weight: 0.5}}
held_out: {{file: c.txt, documents: lines}}
context: {CONTEXT}
batch: {{sequences: {SEQUENCES}, micro: 2}}
steps: {STEPS}
threads: 1
optimizer: {{rate: 0.01}}
loss: {{z: 1e-4}}
schedule: {{warmup: 4}}
evaluate: {{every: 8}}
checkpoint: {{every: 4, keep: 99}}
ledger: {{every: 3}}
seed: 5
"""


def write(h, name, data):
    path = os.path.join(h.path, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def lines(path):
    return [json.loads(line) for line in read(path).splitlines()]


def sentences(pick, n):
    words = "the cat dog sees a small red house and sleeps under green trees".split()
    return [" ".join(pick.choice(words) for _ in range(pick.randint(1, 14))) for _ in range(n)]


def state(run, step):
    """What a step left behind but its place in a chain."""
    folder = f"{run}/checkpoints/step-{step:08}"
    told = json.loads(read(f"{folder}/state.json"))
    return (read(f"{folder}/model.gguf"), read(f"{folder}/moments.safetensors"),
            {k: v for k, v in told.items() if k != "chain"})


def losses(run):
    return [{k: v for k, v in line.items() if k not in ("chain", "without")}
            for line in lines(f"{run}/ledger.jsonl")]


def verify(h, *words, **options):
    return h.run("verify", *words, cwd=h.path, timeout=300, **options)


def good(p, name):
    return equal((p.returncode, p.err), (0, ""), name)


# ---- not a byte of them


def forgotten(h, a):
    """Two corpora that differ in the documents that are left out, in nothing else."""
    names = [f"train-0:{i}" for i in PLANTED] + ["train-1:3"]
    other = h.path + "/other"
    for name in ("a.txt", "b.txt", "c.txt", "bytes.gguf", "a.yaml"):
        write(h, "other/" + name, read(f"{h.path}/{name}"))
    text = a.split("\n")
    for i in PLANTED:
        text[i] = "".join(random.Random(i).choice("!#$%&(XYZ)") for _ in text[i])
    paragraphs = read(f"{h.path}/b.txt").decode().split("\n\n")
    paragraphs[3] = "?" * len(paragraphs[3])
    write(h, "other/a.txt", "\n".join(text))
    write(h, "other/b.txt", "\n\n".join(paragraphs))
    good(h.run("train", "a.yaml", "-q", cwd=other, timeout=300), "the same run of other texts")
    ok(state(h.path + "/a.run", STEPS)[0] != state(other + "/a.run", STEPS)[0],
       "which gives other weights")
    p = h.json("verify", "a.run", "--without", *names, "-o", "free.run", "--json", "--answer",
               CANARY, cwd=h.path, timeout=300)
    q = h.json("verify", "a.run", "--without", *names, "-o", "free.run", "--json", "--answer",
               CANARY, cwd=other, timeout=300)
    a_run, b_run = h.path + "/free.run", other + "/free.run"
    equal([state(a_run, s) == state(b_run, s) for s in range(4, STEPS + 1, 4)],
          [True] * (STEPS // 4), "without them both give the same weights and moments")
    equal(losses(a_run), losses(b_run), "and the same losses, step by step")
    ok(state(a_run, STEPS)[0] != state(h.path + "/a.run", STEPS)[0], "not those of the run")
    equal([x["lnp"]["without"] for x in (p["answer"], q["answer"])],
          [p["answer"]["lnp"]["without"]] * 2, "and the same answer")
    ok(p["answer"]["lnp"]["with"] != q["answer"]["lnp"]["with"], "which it was not")
    first = [lines(x + "/ledger.jsonl")[0] for x in (a_run, b_run)]
    ok(re.fullmatch("[0-9a-f]{64}", first[0]["without"]) is not None, "the ledger says so", first)
    ok(first[0]["without"] != first[1]["without"], "by the hashes of what is left out")
    ok("without" not in lines(h.path + "/a.run/ledger.jsonl")[0], "a run says nothing of it")
    for i, run in enumerate((h.path + "/a.run/shards", a_run + "/shards")):
        found = [CANARY.encode("utf-16-le") in read(f"{run}/{name}") for name in os.listdir(run)]
        ok(any(found) == (i == 0), "the shards hold nothing of them" if i else "as the run's do",
           found)
    return p


def reckoned(h, p):
    """What was read, by shards and ledger; means by the ledgers."""
    gone = {(int(d["name"][6]), int(d["name"][8:])) for d in p["documents"]}
    rows, windows = [], []  # of each window: how many rows are theirs
    for i in range(2):
        rows = [(i, d) in gone for d, _ in Shard(f"{h.path}/a.run/shards/train-{i}.safetensors")
                .rows()]
        windows += [sum(rows[w * CONTEXT:(w + 1) * CONTEXT]) for w in range(len(rows) // CONTEXT)]
    ledger = lines(h.path + "/a.run/ledger.jsonl")[1:]
    steps = [e["step"] for e in ledger if any(windows[w] for w in e["samples"])]
    equal({k: p[k] for k in ("windows_of", "steps", "steps_of", "first_step", "last_step",
                             "reads", "reads_of", "tokens", "tokens_of")},
          {"windows_of": sum(n > 0 for n in windows), "steps": STEPS, "steps_of": len(steps),
           "first_step": steps[0], "last_step": steps[-1], "reads": STEPS * SEQUENCES,
           "reads_of": sum(windows[w] > 0 for e in ledger for w in e["samples"]),
           "tokens": STEPS * SEQUENCES * CONTEXT,
           "tokens_of": sum(windows[w] for e in ledger for w in e["samples"])},
          "steps, windows and tokens that were read")
    equal(p["from"], (steps[0] - 1) // 4 * 4, "steps before the first are the run's own")
    equal(p["computed"], STEPS - p["from"], "and the others are computed")

    def mean(run):
        last = [e["loss"] for e in lines(run + "/ledger.jsonl")[1:]][-p["training_steps"]:]
        return sum(struct_double(x) for x in last) / len(last)
    ok(abs(mean(h.path + "/a.run") - p["training"]["with"]) < 1e-12 and
       abs(mean(h.path + "/free.run") - p["training"]["without"]) < 1e-12, "training losses", p)
    for key, run in (("with", "a.run"), ("without", "free.run")):
        m = lines(f"{h.path}/{run}/metrics.jsonl")[-1]
        equal((p["held_out"][key], p["bits_per_byte"][key]),
              (m["held_out_loss"], m["bits_per_byte"]), f"held-out loss {key} them")
        model = f"{run}/checkpoints/step-{STEPS:08}/model.gguf"
        item = {"context": "", "continuation": CANARY[:CONTEXT]}
        q = h.json("eval", "loglik", model, "--cache-type", "f32", cwd=h.path,
                   stdin=json.dumps(item).encode())
        told = sum(x["lnp"][key] for x in p["answer"]["tokens"][:CONTEXT])
        ok(abs(q["logprob"] - told) < 1e-4, f"an answer {key} them, as eval loglik has it",
           (q, told))


def struct_double(hexadecimal):
    import struct
    return struct.unpack(">d", bytes.fromhex(hexadecimal))[0]


def mean_of_the_others(h):
    """The first step that reads a document: the losses of its rows are missing from the sum, and
    its rows from their number."""
    run = h.path + "/a.run"
    shard = Shard(run + "/shards/train-0.safetensors")
    windows, lines_of = {}, shard.rows()
    for i, (d, _) in enumerate(lines_of):
        windows.setdefault(d, set()).add(i // CONTEXT)
    ledger = lines(run + "/ledger.jsonl")[1:]
    for d, text in enumerate(shard.documents):
        w = min(windows[d])
        steps = [e["step"] for e in ledger if w in e["samples"]]
        if len(windows[d]) == 1 and len(text) > 9 and steps and steps[0] % 4 == 1 < steps[0] and \
                ledger[steps[0] - 1]["samples"].count(w) == 1:
            break
    else:
        return ok(False, "no such document")
    good(verify(h, "a.run", "--without", f"train-0:{d}", "-o", "one.run"), "without one document")
    step, n, m = steps[0], SEQUENCES * CONTEXT, len(text) - 1
    both = [struct_double(lines(f"{x}/ledger.jsonl")[step]["loss"])
            for x in (run, h.path + "/one.run")]
    equal(losses(run)[:step], losses(h.path + "/one.run")[:step], "the steps before are the same")
    item = {"context": "", "continuation": text[1:-1]}
    q = h.json("eval", "loglik", f"{run}/checkpoints/step-{step - 1:08}/model.gguf",
               "--cache-type", "f32", cwd=h.path, stdin=json.dumps(item).encode())
    end = n * both[0] - (n - m) * both[1] + q["logprob"]  # the loss of the token that ends it
    return ok(0 < end < 10, "then the mean is that of all others' rows", (both, q, end))


# ---- whichever way


def ways(h, p):
    names = [d["name"] for d in p["documents"]]
    wanted = state(h.path + "/free.run", STEPS)
    ledger = read(h.path + "/free.run/ledger.jsonl")

    def same(run, name):
        ok(state(f"{h.path}/{run}", STEPS) == wanted and
           read(f"{h.path}/{run}/ledger.jsonl") == ledger, name)
    good(verify(h, "a.run", "--without", *names, "--full", "-o", "full.run", "-t", "3"), "--full")
    same("full.run", "from the start and with three threads: the same bytes")
    good(verify(h, "free.run"), "the other run verifies, from its start")
    good(verify(h, "free.run", "--full"), "and from the texts")
    good(verify(h, "free.run", "--steps", "9..10"), "and in parts")
    for i, part in ((PLANTED[0], "not the one that the shard says it leaves out"),
                    (PLANTED[0] + 1, "by the text")):
        text = read(h.path + "/a.txt").decode().split("\n")
        text[i] = "X" + text[i][1:]
        shutil.copy(h.path + "/a.txt", h.path + "/kept.txt")
        write(h, "a.txt", "\n".join(text))
        p2 = verify(h, "free.run", "--full")
        ok(p2.returncode == 1 and f"document {i}" in p2.err and part in p2.err,
           "a text that is another", (p2.returncode, p2.err))
        os.replace(h.path + "/kept.txt", h.path + "/a.txt")
    shutil.copytree(h.path + "/free.run", h.path + "/forged.run")
    line, rest = ledger.split(b"\n", 1)
    for forged in (re.sub(b',"without":"[0-9a-f]+"', b"", line),
                   re.sub(b'"without":"[0-9a-f]{4}', b'"without":"0000', line)):
        write(h, "forged.run/ledger.jsonl", forged + b"\n" + rest)
        p2 = verify(h, "forged.run", "--steps", "1..1")
        ok(p2.returncode == 1 and "step 0" in p2.err, "a ledger that hides it", p2.err)
    write(h, "list", "# two of them\n" + "\n".join(n + "  so it is" for n in names) + "\n\n")
    good(verify(h, "a.run", "--without", "@list", "-o", "list.run"), "@FILE")
    same("list.run", "the same by a list")
    # Killed on its way, and by hand.
    full = [kit.GLASS, "verify", "a.run", "--full", "--without", *names, "-o", "killed.run"]
    pick, kills = random.Random(8), 0
    for _ in range(40):
        child = subprocess.Popen(full, cwd=h.path, env=h.env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            child.wait(pick.uniform(0.02, 0.2))
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL if kills % 3 else signal.SIGTERM)
            child.wait()
            kills += 1
    good(verify(h, *full[2:]), f"killed {kills} times and gone on")
    same("killed.run", "the same bytes")
    ok(kills > 0, "it was killed at all")
    p2 = verify(h, "a.run", "--without", names[0], "-o", "free.run")
    ok(p2.returncode == 2 and "another run" in p2.err, "a folder of another run", p2.err)
    p2 = verify(h, "free.run", "--without", names[0])
    ok(p2.returncode == 2 and "itself" in p2.err, "without, of a run without", p2.err)
    if shutil.which("mpirun") and os.path.exists(os.path.join(kit.BUILD, "glass-mpi.so")):
        env = dict(h.env, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1")
        q = subprocess.run(["mpirun", "-n", "3", kit.GLASS, "verify", "a.run", "--without", *names,
                            "-o", "mpi.run", "--json", "--answer", CANARY], cwd=h.path, env=env,
                           capture_output=True, timeout=300, check=False)
        ok(q.returncode == 0, "by three processes", q.stderr.decode())
        same("mpi.run", "the same bytes")
        told = dict(json.loads(q.stdout or b"{}"), run="free.run")
        equal(told, p, "and the same report")
    else:
        skip("by three processes", "no mpirun, or a build without it")


def nothing(h):
    write(h, "none", "# nobody\n")
    good(verify(h, "a.run", "--without", "@none", "--full", "-o", "same.run"), "without nothing")
    run, same = h.path + "/a.run", h.path + "/same.run"
    for name in ("ledger.jsonl", "run.json", "recipe.yaml"):
        equal(read(f"{run}/{name}"), read(f"{same}/{name}"), f"it is the run: {name}")
    for step in range(4, STEPS + 1, 4):
        folder = f"checkpoints/step-{step:08}"
        equal([read(f"{run}/{folder}/{n}") for n in sorted(os.listdir(f"{run}/{folder}"))],
              [read(f"{same}/{folder}/{n}") for n in sorted(os.listdir(f"{same}/{folder}"))],
              f"it is the run: step {step}")
    # The last line's rows are in no complete window.
    shard = Shard(run + "/shards/train-0.safetensors")
    rows = shard.rows()
    unread = [d for d in range(len(shard.documents))
              if all(i >= len(rows) // CONTEXT * CONTEXT for i, r in enumerate(rows) if r[0] == d)]
    before = sorted(os.listdir(h.path))
    p = h.json("verify", "a.run", "--without", f"train-0:{unread[-1]}", "--json", cwd=h.path)
    equal((p["steps_of"], p["computed"], p["from"], p["run"]), (0, 0, STEPS, None),
          "what no step read changes nothing")
    equal(p["held_out"]["with"], p["held_out"]["without"], "to the bit")
    equal(sorted(os.listdir(h.path)), before, "and the other run is removed")
    p = verify(h, "a.run", "--without", f"train-0:{unread[-1]}")
    has(p.out, "no step of the", "and it says so")


# ---- the canary


def canary(h):
    """Planted, traced, left out, forgotten."""
    recipe = re.sub("context: .*", "context: 64", RECIPE.replace(f"steps: {STEPS}", "steps: 160"))
    write(h, "c.yaml", recipe)
    good(h.run("train", "c.yaml", "-q", cwd=h.path, timeout=300), "a run that learns it")
    good(h.run("trace", "--build", "-q", "c.run", cwd=h.path), "an index")
    p = h.run("trace", "c.run", CANARY, cwd=h.path)
    hint = re.search(r"glass verify c.run --without (.*) --answer '" + CANARY + "'", p.out)
    ok(hint is not None, "trace tells how to ask for the cause", p.out)
    names = hint.group(1).split(" ") if hint else []
    equal(sorted(names), sorted(f"train-0:{i}" for i in PLANTED), "of the documents it found")
    t = h.json("trace", "c.run", CANARY, "--json", cwd=h.path)
    ok({f"train-0:{i}" for i in PLANTED} <= {d["name"] for d in t["documents"]}, "--json, too", t)
    q = h.json("verify", "c.run", "--without", *names, "--answer", CANARY, "--json", cwd=h.path)
    other = h.json("verify", "c.run", "--without", "train-0:21", "train-0:61", "--answer", CANARY,
                   "--json", cwd=h.path)
    fell = q["answer"]["lnp"]["without"] - q["answer"]["lnp"]["with"]
    beside = other["answer"]["lnp"]["without"] - other["answer"]["lnp"]["with"]
    ok(fell < -20, "without its documents the sentence is forgotten", (fell, q["answer"]))
    ok(abs(beside) < abs(fell) / 4, "not without their neighbours", (fell, beside))
    equal(len(q["answer"]["tokens"]), len(CANARY), "token by token")
    equal("".join(x["text"] for x in q["answer"]["tokens"]), CANARY, "which say the sentence")
    for key in ("with", "without"):
        ok(abs(sum(x["lnp"][key] for x in q["answer"]["tokens"]) -
               q["answer"]["lnp"][key]) < 1e-9, "whose sum is told")
    p = verify(h, "c.run", "--without", *names, "-p", CANARY[:12], "--answer", CANARY[12:])
    has(p.out, "lower.\nAll else was the same", "in words")
    short = h.json("verify", "c.run", "--without", *names, "-p", CANARY[:12], "--answer",
                   CANARY[12:], "--json", cwd=h.path)
    equal([x["lnp"] for x in short["answer"]["tokens"]],
          [x["lnp"] for x in q["answer"]["tokens"][12:]], "a prompt counts as what stands before")
    long = h.json("verify", "c.run", "--without", *names, "--answer", CANARY * 4, "--json",
                  cwd=h.path)["answer"]["tokens"]
    equal([x["lnp"] for x in long[:len(CANARY)]], [x["lnp"] for x in q["answer"]["tokens"]],
          "a text longer than the context begins as itself")
    ok(len(long) == 4 * len(CANARY) and all(x["lnp"]["with"] < 0 for x in long), "and is told whole")


# ---- names


def empty_steps(h):
    """A step all of whose rows were left out has no loss, and not one of 0."""
    for name in "xy":
        write(h, f"{name}.txt", "".join(f"{name} says {i}\n" for i in range(9)))
    write(h, "xy.yaml", "model: {tokenizer: bytes.gguf, n_embd: 16, n_layer: 1, n_head: 1}\n"
          "data: [x.txt, y.txt]\ncontext: 32\nbatch: {sequences: 1}\nsteps: 1\n")
    h.run("train", "xy.yaml", "-q", cwd=h.path)
    found = [h.json("verify", "xy.run", "--without", f"source:{name}.txt", "--json", cwd=h.path)
             ["training"]["without"] for name in "xy"]
    ok(None in found and max(x or 0 for x in found) > 1, "a step with nothing to learn has no loss",
       found)
    p = h.run("verify", "xy.run", "--without", f"source:{'xy'[found.index(None)]}.txt", cwd=h.path)
    has(p.out, "            -            -\n", "people see that there is none")


def named(h):
    write(h, "letter.txt", CANARY + " backwards\n")
    for name, wanted in (("letter.txt", [f"train-0:{i}" for i in PLANTED]),
                         ("train-0.safetensors:5", ["train-0:5"]),
                         ("source:b.*", None)):
        p = h.json("verify", "a.run", "--without", name, "--json", cwd=h.path, timeout=300)
        got = [d["name"] for d in p["documents"]]
        if wanted is None:
            wanted = [f"train-1:{i}" for i in range(len(got))]
            ok(len(got) > 5, "a whole file", got)
        equal(got, wanted, f"named by {name}")
    for words, code, part in ((("train-0:9999",), 2, "no such document"),
                              (("train-7:1",), 2, "no such document"),
                              (("nobody.txt",), 2, "no document is called so"),
                              (("0123456789",), 2, "no document that"),
                              (("licence:GPL*",), 2, "no document that"),
                              (("source:*",), 2, "all the documents"),
                              (("@nolist",), 4, "nolist"),
                              (("train-0:1", "-p", "x"), 2, "--answer"),
                              (("train-0:1", "--answer", ""), 2, "empty"),
                              (("train-0:1", "--answer", "x", "-f", "list"), 2, "one of them"),
                              (("train-0:1", "--sample", "3"), 2, "do not go with it")):
        p = verify(h, "a.run", "--without", *words)
        ok(p.returncode == code and part in p.err, "wrong: " + " ".join(words),
           (p.returncode, p.err))
    p = verify(h, "a.run", "--answer", "x")
    ok(p.returncode == 2 and "--without" in p.err, "an answer alone", p.err)


def packed(h):
    """Records name documents by hash and licence, and what is left out keeps its record."""
    pick = random.Random(3)
    for i, text in enumerate(sentences(pick, 30)):
        write(h, f"texts/{i}.txt", f"{text} number {i}")
        write(h, f"texts/{i}.txt.license",
              "SPDX-License-Identifier: " + ("GPL-3.0-or-later" if i % 3 == 0 else "MIT"))
    equal(h.run("data", "add", "corpus", "texts", cwd=h.path).returncode, 0, "a corpus")
    equal(h.run("data", "pack", "corpus", "packed", "--tokenizer", "bytes.gguf", cwd=h.path)
          .returncode, 0, "packed")
    root = json.loads(read(h.path + "/packed/pack.json"))["root"]
    recipe = re.sub(r"data:\n.*\n.*\n", f"data:\n- {{shards: packed, root: {root}}}\n", RECIPE)
    write(h, "p.yaml", recipe)
    good(h.run("train", "p.yaml", "-q", cwd=h.path, timeout=300), "a run of a pack")
    records = lines(h.path + "/p.run/shards/train-0.documents.jsonl")
    p = h.json("verify", "p.run", "--without", "licence:GPL*", "-o", "mit.run", "--json",
               cwd=h.path)
    equal([d["name"] for d in p.get("documents", [])],
          [f"train-0:{i}" for i, r in enumerate(records) if r["licence"].startswith("GPL")],
          "by licence")
    ok(len(p["documents"]) == 10 and all(d["licence"] == "GPL-3.0-or-later" and d["source"]
                                         for d in p["documents"]), "and told", p)
    good(verify(h, "mit.run"), "it verifies")
    good(verify(h, "mit.run", "--full"), "against the pack")
    equal(lines(h.path + "/mit.run/shards/train-0.documents.jsonl"), records, "records stay")
    r = records[4]
    for name in (r["content"][:12], r["record"][:8].upper(), r["content"]):
        p = h.json("verify", "p.run", "--without", name, "--json", cwd=h.path)
        equal([d["name"] for d in p.get("documents", [])], ["train-0:4"], f"by hash {name}")
    # The pack with another text in the place of one that is left out is another pack.
    path = h.path + "/packed/0-00000.safetensors"
    data = read(path)
    gone = next(i for i, r in enumerate(records) if r["licence"].startswith("GPL"))
    text = "".join(map(chr, map(ord, Shard(path).documents[gone][1:-1])))
    at = data.index(text.encode("utf-16-le"))
    os.unlink(path)
    write(h, "packed/0-00000.safetensors", data[:at] + b"#" + data[at + 1:])
    p = verify(h, "mit.run", "--full")
    ok(p.returncode == 3 and "pack.json" in p.err, "a changed pack", (p.returncode, p.err))


def main():
    with kit.Home() as h:
        pick = random.Random(1)
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        text = sentences(pick, 90)
        for i in PLANTED:
            text[i] = CANARY + " backwards"
        a = "\n".join(text) + "\n"
        write(h, "a.txt", a)
        write(h, "b.txt", "\n\n".join("\n".join(sentences(pick, 3)) for _ in range(12)) + "\n")
        write(h, "c.txt", "\n".join(sentences(pick, 20)) + "\n")
        write(h, "a.yaml", RECIPE)
        good(h.run("train", "a.yaml", "-q", cwd=h.path, timeout=300), "a run")
        p = forgotten(h, a)
        reckoned(h, p)
        mean_of_the_others(h)
        ways(h, p)
        nothing(h)
        canary(h)
        empty_steps(h)
        named(h)
        packed(h)
    kit.done()


main()
