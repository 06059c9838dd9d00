#!/usr/bin/env python3
"""glass train: the same weights whatever the threads, the instruction set and the kills; a ledger
whose chain is computed here anew; errors that name the place. GLASS_KILLS says how often the
killed run is killed (8; the long form is 50).
test_train.py [PART...]: those, after the first."""
import gzip
import hashlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok, skip  # noqa: E402

# The root of the weights after the 20 steps of RECIPE, by every instruction set.
GOLDEN = "62d73403d8ebf778ab885849d8d1a05e9c5a789a349305e3f7a109ba023c21c2"
RECIPE = """model:
  tokenizer: bytes.gguf
  n_embd: 32
  n_layer: 2
  n_head: 4
  n_head_kv: 2
data:
- file: text.txt
  documents: lines
held_out: {fraction: 0.1}
context: 32
batch:
  sequences: 6
  micro: 2
steps: 20
threads: 1
optimizer: {rate: 0.01}
schedule: {warmup: 4}
evaluate: {every: 10}
checkpoint: {every: 5}
sample: {every: 10, prompt: a, n: 20}
"""


def make_text(n):
    words = "the cat dog sees a small red house and sleeps under green tree".split()
    pick = random.Random(1)
    return "".join(" ".join(pick.choice(words) for _ in range(pick.randint(1, 12))) + "\n"
                   for _ in range(n))


def write(h, name, text):
    path = os.path.join(h.path, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def lines_of(data):
    return [json.loads(line) for line in data.splitlines()]


def lines(path):
    return lines_of(read(path))


def state(run, step):
    return json.loads(read(f"{run}/checkpoints/step-{step:08}/state.json"))


def train(h, *words, **options):
    return h.run("train", *words, cwd=h.path, timeout=300, **options)


# ---- what a run is


def first(h):
    p = train(h, "a.yaml", "-t", "1")
    run = f"{h.path}/a.run"
    equal((p.returncode, p.err), (0, ""), "a run ends well")
    has(p.out, "step 20  loss", "it says what it did")
    has(p.out, "bits a byte", "and how good it is")
    equal(sorted(os.listdir(f"{run}/checkpoints")), ["step-00000015", "step-00000020"],
          "the two newest checkpoints stay")
    equal(state(run, 20)["weights"], GOLDEN, "the weights after 20 steps")
    sums = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], check=False,
                          cwd=f"{run}/checkpoints/step-00000020")
    equal(sums.returncode, 0, "sha256sum agrees with SHA256SUMS")
    metrics = lines(f"{run}/metrics.jsonl")
    equal([m["step"] for m in metrics], list(range(1, 21)), "metrics of each step")
    ok(metrics[-1]["loss"] < metrics[0]["loss"] - 1, "it learns",
       f"{metrics[0]['loss']} {metrics[-1]['loss']}")
    equal([m["step"] for m in metrics if "bits_per_byte" in m], [10, 20], "evaluations")
    ok(metrics[9]["sample"].startswith("a"), "a sample begins with its prompt")
    # The first loss is that of guessing.
    ok(abs(metrics[0]["loss"] - math.log(tiny_model.N_VOCAB)) < 0.05, "the first loss",
       metrics[0]["loss"])
    root = xml.parse(f"{run}/loss.svg").getroot()
    line = root.find("{http://www.w3.org/2000/svg}polyline[@id='training']").get("points").split()
    dots = root.findall("{http://www.w3.org/2000/svg}circle")
    equal((len(line), len(dots)), (20, 2), "loss.svg has each step and two evaluations")
    pictures(run)
    database(run)
    p = train(h, "--status", "a.run")
    has(p.out, "20 of 20, done", "--status")
    p = h.json("train", "--status", "a.run", "--json", cwd=h.path)
    equal((p["step"], p["steps"], p["running"], p["loss"], p["held_out_loss"]),
          (20, 20, False, metrics[-1]["loss"], metrics[-1]["held_out_loss"]), "--status --json")
    p = h.run("complete", "a.run/checkpoints/step-00000020", "-p", "the ", "-n", "5",
              cwd=h.path)
    equal(p.returncode, 0, "a checkpoint is a MODEL")
    p = train(h, "--resume", "a.run")
    equal((p.returncode, state(run, 20)["weights"]), (0, GOLDEN), "nothing is left to resume")
    p = train(h, "a.yaml")
    ok(p.returncode == 2 and "--resume" in p.err, "a folder with a run is not overwritten", p.err)
    # The run's copy has every key, and gives the same run.
    copy = read(f"{run}/recipe.yaml").decode()
    has(copy, "  n_ff: 96", "defaults are written down")
    write(h, "copy.yaml", copy)
    train(h, "copy.yaml", "-q")
    equal(read(f"{h.path}/copy.run/ledger.jsonl"), read(f"{run}/ledger.jsonl"),
          "the copy of the recipe gives the same run")


def pixels(path):
    """Rows of a PNG of 24-bit pixels, by the format's words."""
    data = read(path)
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, idat, size = 8, b"", None
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">IIBB", body[:10])
        idat += body if kind == b"IDAT" else b""
        at += 12 + n
    return size, len(zlib.decompress(idat))


def pictures(run):
    for name in ("loss", "speed"):
        size, n = pixels(f"{run}/{name}.png")
        equal((size, n), ((720, 400, 8, 2), 400 * (1 + 3 * 720)), f"{name}.png is a picture")
    root = xml.parse(f"{run}/speed.svg").getroot()
    line = root.find("{http://www.w3.org/2000/svg}polyline[@id='speed']").get("points").split()
    equal(len(line), 20, "speed.svg has each step")


def database(run, name="metrics.sqlite tells what metrics.jsonl does"):
    db = sqlite3.connect(f"{run}/metrics.sqlite")
    rows = lines(f"{run}/metrics.jsonl")
    want = ([(m["step"], m["loss"], m["norm"], m["rate"], m["tokens"], m["seconds"]) for m in rows],
            [(m["step"], m["held_out_loss"], m["bits_per_byte"]) for m in rows
             if "bits_per_byte" in m],
            [(m["step"], m["sample"]) for m in rows if "sample" in m])
    have = tuple(db.execute(f"select * from {t} order by step").fetchall()
                 for t in ("steps", "evaluations", "samples"))
    sound = db.execute("pragma integrity_check").fetchall()
    db.close()
    return equal((sound, have), ([("ok",)], want), name)


def link(chain, e):
    """The chain after an entry."""
    text = (f"step {e['step']}\nsamples {' '.join(map(str, e['samples']))}\nloss {e['loss']}\n"
            f"norm {e['norm']}\n")
    if "weights" in e:
        text += f"weights {e['weights']}\nblocks {' '.join(e['blocks'])}\n"
    return hashlib.sha256(chain + text.encode()).digest()


def ledger(h):
    """The chain by the words of ledger.h."""
    run = f"{h.path}/a.run"
    rows = lines(f"{run}/ledger.jsonl")
    chain = bytes.fromhex(rows[0]["chain"])
    for i, e in enumerate(rows[1:], 1):
        chain = link(chain, e)
        if chain.hex() != e["chain"]:
            break
    equal((i, chain.hex()), (20, rows[-1]["chain"]), "the ledger's chain")
    equal([e["step"] for e in rows if "weights" in e], [0, 5, 10, 15, 20], "hashed weights")
    equal(state(run, 20)["chain"], rows[-1]["chain"], "the checkpoint knows the chain")
    metrics = lines(f"{run}/metrics.jsonl")
    equal(struct.unpack(">d", bytes.fromhex(rows[20]["loss"]))[0], metrics[19]["loss"],
          "the ledger's loss is the bits of the metrics'")
    tensors = state(run, 20)["tensors"]
    root = hashlib.sha256(b"".join(bytes.fromhex(t) for t in tensors.values())).hexdigest()
    equal(root, rows[-1]["weights"], "the root is of the tensors' digests")


def chained(rows):
    """The ledger's lines with the chain that they should have, whatever they say."""
    chain, out = bytes.fromhex(rows[0]["chain"]), [rows[0]]
    for e in rows[1:]:
        chain = link(chain, e)
        out.append(dict(e, chain=chain.hex()))
    return "".join(json.dumps(e, separators=(",", ":")) + "\n" for e in out)


def verified(h):
    run = f"{h.path}/a.run"
    good = read(f"{run}/ledger.jsonl")

    def check(*words):
        return h.run("verify", "a.run", *words, cwd=h.path)

    p = check()
    equal((p.returncode, p.err), (0, ""), "a run verifies")
    equal(check("--steps", "17..19", "-t", "2").returncode, 0, "steps from a checkpoint")
    equal(check("--steps", "3..4").returncode, 0, "steps from the start")
    equal(chained(lines(f"{run}/ledger.jsonl")).encode(), good, "the ledger as it should be")
    pick, bad = random.Random(5), []
    for _ in range(16):
        at = pick.randrange(len(good) - 1)
        write(h, "a.run/ledger.jsonl", good[:at] + bytes([good[at] ^ 1 << pick.randrange(8)]) +
              good[at + 1:])
        p = check("--steps", "20..20")
        if p.returncode != 1 or "ledger.jsonl" not in p.err:
            bad.append((at, p.returncode, p.err))
    equal(bad, [], "a flipped bit in the ledger is found")
    for step, field, part in ((7, "loss", "step 7: the loss"), (8, "norm", "step 8: the grad"),
                              (9, "samples", "step 9: sample 2"), (20, "weights", "step 20: the w")):
        rows = lines_of(good)
        if field == "samples":
            rows[step][field][2] ^= 1
        else:
            rows[step][field] = rows[step][field][:-1] + (
                "0" if rows[step][field][-1] != "0" else "1")
        write(h, "a.run/ledger.jsonl", chained(rows))
        p = check()
        ok(p.returncode == 1 and part in p.err, f"a forged {field} is found", p.err)
    write(h, "a.run/ledger.jsonl", good)
    forged(h, run, check)
    for words in (("--steps", "0..3"), ("--steps", "5..4"), ("--steps", "5"),
                  ("--steps", "20..21")):
        equal(check(*words).returncode, 2, f"verify {' '.join(words)}")


def forged(h, run, check):
    """A weight that was changed in a checkpoint whose sums were made to fit."""
    folder = f"{run}/checkpoints/step-00000015"
    model, sums = read(f"{folder}/model.gguf"), read(f"{folder}/SHA256SUMS")
    other = bytearray(model)
    other[-64] ^= 1  # in the last tensor, the final norm
    write(h, "a.run/checkpoints/step-00000015/model.gguf", bytes(other))
    write(h, "a.run/checkpoints/step-00000015/SHA256SUMS", sums.replace(
        hashlib.sha256(model).hexdigest().encode(), hashlib.sha256(other).hexdigest().encode()))
    p = check("--steps", "16..18")
    ok(p.returncode == 1 and "step 15: the weights differ, first in output_norm.weight, "
       "block 0 of 64 KiB, row 0, column 16: " in p.err and "(1 numbers in 1 tensors" in p.err,
       "a forged checkpoint is found, tensor, block and number are named", p.err)
    write(h, "a.run/checkpoints/step-00000015/model.gguf", model)
    write(h, "a.run/checkpoints/step-00000015/SHA256SUMS", sums)


def reseal(folder, name, data):
    """A file of a checkpoint changed, and the sums made to fit."""
    old = read(f"{folder}/{name}")
    sums = read(f"{folder}/SHA256SUMS")
    with open(f"{folder}/{name}", "wb") as f:
        f.write(data)
    with open(f"{folder}/SHA256SUMS", "wb") as f:
        f.write(sums.replace(hashlib.sha256(old).hexdigest().encode(),
                             hashlib.sha256(data).hexdigest().encode()))


def flip(folder, name, at):
    data = bytearray(read(f"{folder}/{name}"))
    data[at] ^= 1
    reseal(folder, name, bytes(data))


def drawn_of(p):
    return [int(w) for w in p.out.splitlines()[0].split(": step ")[1].split()]


def sampled(h):
    write(h, "v.yaml", RECIPE.replace("every: 5", "every: 5, keep: 9"))
    equal(train(h, "v.yaml", "-q").returncode, 0, "a run with all its checkpoints")
    run = f"{h.path}/v.run"

    def check(*words):
        return h.run("verify", "v.run", *words, cwd=h.path)

    p = check("--sample", "4", "--seed", "7")
    drawn = drawn_of(p)
    ok(p.returncode == 0 and len(set(drawn)) == 4 and drawn == sorted(drawn) and
       all(1 <= s <= 20 for s in drawn), "steps are drawn", p.out + p.err)
    equal(check("--sample", "4", "--seed", "7").out, p.out, "the same ones with that seed")
    several = [drawn_of(check("--sample", "3", "--seed", str(s), "--steps", "2..9")) for s in range(5)]
    several += [drawn_of(check("--sample", "3")) for _ in range(3)]
    ok(len(set(map(tuple, several))) > 4 and all(2 <= s <= 9 for d in several[:5] for s in d),
       "others with other seeds, or without one", several)
    # Each from the nearest checkpoint: never more than five steps are computed for one.
    n, at = 0, 0
    for step in drawn:
        at = max(at, (step - 1) // 5 * 5)
        n, at = n + step - at, step
    has(p.out, f"the bit ({n} steps computed again)", "it computes what it must")
    good = read(f"{run}/ledger.jsonl")
    rows = lines_of(good)
    rows[8]["loss"] = rows[8]["loss"][:-1] + ("0" if rows[8]["loss"][-1] != "0" else "1")
    write(h, "v.run/ledger.jsonl", chained(rows))
    p = check("--sample", "99")
    ok(p.returncode == 1 and "step 8: the loss" in p.err, "what is drawn is compared", p.err)
    write(h, "v.run/ledger.jsonl", good)
    p = check("--sample", "1", "--seed", "3", "--steps", "17..17")
    has(p.out, "(2 steps computed again)", "from the checkpoint of step 15")
    equal(drawn_of(check("--sample", "99")), list(range(1, 21)), "no more steps than there are")
    p = check("--full")
    ok(p.returncode == 0 and "20 steps computed again, from the texts" in p.out, "--full", p.err)
    flip(f"{run}/checkpoints/step-00000010", "moments.safetensors", -61)
    p = check("--full")
    ok(p.returncode == 1 and "step 10: the checkpoint differs: the moments, first in v.output_norm"
       ".weight, block 0 of 64 KiB, element 16" in p.err, "--full looks at moments", p.err)
    p = check("--steps", "11..12")
    ok(p.returncode == 1 and "step 12: the loss" in p.err and "the weights after step 15 differ" in p.err and
       "block 0 of 64 KiB" in p.err, "a step from a forged checkpoint names a tensor", p.err)
    flip(f"{run}/checkpoints/step-00000010", "moments.safetensors", -61)
    text = read(f"{h.path}/text.txt")
    for name, other, part in (("train", text.replace(b"cat", b"dog", 1), "train-0.safetensors"),
                              ("held-out", text[:-2] + b"x\n", "held-out-0.safetensors"),
                              ("shorter", text[:text.rindex(b"\n", 0, -1) + 1], "text.txt")):
        write(h, "text.txt", other)
        p = check("--full")
        ok(p.returncode == 1 and part in p.err and ("document " in p.err or "documents" in p.err),
           f"--full finds another text ({name})", p.err)
    write(h, "text.txt", text)
    for words in (("--full", "--sample", "1"), ("--bisect",), ("--sample", "-1"), ("v.run",)):
        equal(check(*words).returncode, 2, f"verify {' '.join(words)}: wrong usage")


def bisected(h):
    def check(a="v.run", b="w.run"):
        p = h.run("verify", "--bisect", a, b, cwd=h.path)
        return p.returncode, p.out + p.err

    def fresh():
        shutil.rmtree(f"{h.path}/w.run", ignore_errors=True)
        shutil.copytree(f"{h.path}/v.run", f"{h.path}/w.run")

    fresh()
    equal(check(), (0, "v.run and w.run: the same to the bit, up to step 20\n"), "equal runs")
    # A bit of a weight that flips while it runs: after the checkpoint of step 10, which was good.
    folder = f"{h.path}/w.run/checkpoints"
    good = read(f"{folder}/step-00000010/model.gguf")
    for step in (15, 20):
        shutil.rmtree(f"{folder}/step-{step:08}")
    flip(f"{folder}/step-00000010", "model.gguf", -64)
    equal(train(h, "--resume", "w.run", "-q").returncode, 0, "it does not notice")
    code, text = check()
    ok(code == 1 and "step 10: the ledgers agree, but not the checkpoints" in text and
       "of w.run: first in output_norm.weight, block 0 of 64 KiB, row 0, column 16" in text and
       "of v.run: the weights are those" not in text, "a forged checkpoint", text)
    reseal(f"{folder}/step-00000010", "model.gguf", good)
    for a, b in (("v.run", "w.run"), ("w.run", "v.run")):
        code, text = check(a, b)
        ok(code == 1 and "step 11: the loss differs" in text and "v.run is right" in text and
           "checkpoint of step 15 of w.run: first in token_embd.weight, block 0" in text,
           "a bit that flipped in memory", text)
    fresh()
    flip(f"{folder}/step-00000015", "moments.safetensors", -61)
    code, text = check()
    ok(code == 1 and "step 15: the ledgers agree" in text and "checkpoint of step 15 of w.run: the "
       "weights are those computed here, the moments, first in v.output_norm.weight, block 0" in
       text and "v.run: the weights are those computed here, and so are the moments" in text,
       "moments that differ", text)
    fresh()
    rows = lines(f"{h.path}/w.run/ledger.jsonl")
    rows[8]["norm"] = rows[8]["norm"][:-1] + ("0" if rows[8]["norm"][-1] != "0" else "1")
    write(h, "w.run/ledger.jsonl", chained(rows))
    code, text = check()
    ok(code == 1 and "step 8: the gradient's norm differs" in text and "v.run is right" in text and
       "checkpoint of step 10 of w.run: the weights are those computed here" in text,
       "a forged line", text)
    equal(check("v.run", "v.run")[0], 0, "a run is equal to itself")
    write(h, "x.yaml", read(f"{h.path}/v.yaml").decode().replace("rate: 0.01", "rate: 0.02"))
    train(h, "x.yaml", "-q")
    has(check("v.run", "x.run")[1], 'recipes differ: "  rate: 0.01" in v.run, "  rate: 0.02"',
        "another recipe")
    write(h, "other.txt", make_text(700).replace("cat", "dog"))
    write(h, "x.yaml", read(f"{h.path}/v.yaml").decode().replace("text.txt", "other.txt"))
    train(h, "x.yaml", "-q", "-o", "y.run")
    has(check("v.run", "y.run")[1], "different texts: shards/train-0.safetensors", "another text")
    for name in "wxy":
        shutil.rmtree(f"{h.path}/{name}.run")


def same_bits(h):
    sets = ["c"] + [s for s in ("avx2", "avx512", "neon")
                    if h.run("show", "bytes.gguf", cwd=h.path,
                             env={"GLASS_ISA": s}).returncode == 0]
    want = read(f"{h.path}/a.run/ledger.jsonl")
    for s in sets:
        for threads in ("1", "2", "3"):
            train(h, "a.yaml", "-q", "-t", threads, "-o", "b.run", env={"GLASS_ISA": s})
            equal(read(f"{h.path}/b.run/ledger.jsonl"), want, f"{s}, {threads} threads")
            shutil.rmtree(f"{h.path}/b.run", ignore_errors=True)


# ---- killed, stopped, resumed


def tree(run):
    """All that must be the same; speeds differ."""
    found = {}
    for folder, _, names in os.walk(run):
        for name in names:
            path = os.path.join(folder, name)
            if name not in ("metrics.jsonl", "run.lock", "run.json") and not name.startswith(
                    ("metrics.sqlite", "speed.")):
                found[os.path.relpath(path, run)] = read(path)
    found["metrics"] = [{k: v for k, v in m.items() if k != "seconds"}
                        for m in lines(f"{run}/metrics.jsonl")]
    return found


def start(h, *words):
    return subprocess.Popen([kit.GLASS, "train", *words], env=h.env, cwd=h.path,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed(h):
    kills = int(os.environ.get("GLASS_KILLS", "8"))
    steps = min(40 * kills, 600)
    long = RECIPE.replace("steps: 20", f"steps: {steps}").replace("every: 5", "every: 3")
    write(h, "k.yaml", long)
    write(h, "l.yaml", long)
    t = time.monotonic()
    train(h, "k.yaml", "-q", "-t", "1")
    took = time.monotonic() - t
    pick, n, moments, sound, looked = random.Random(), 0, [], 0, 0
    while n < kills * 20:
        resume = os.path.exists(f"{h.path}/l.run/run.json")
        p = start(h, *(("--resume", "l.run") if resume else ("l.yaml",)), "-t",
                  "2" if n % 4 == 3 else "1", "-q")
        wait = pick.uniform(0, took * 2 / kills if n < kills else 60)
        try:
            p.wait(wait)
            if p.returncode == 0:
                break
            ok(False, "a resumed run goes on", p.returncode)
            return
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            n += 1
            if os.path.exists(f"{h.path}/l.run/metrics.sqlite"):
                db = sqlite3.connect(f"{h.path}/l.run/metrics.sqlite")
                sound += db.execute("pragma integrity_check").fetchall() == [("ok",)]
                looked += 1
                db.close()
            moments.append(round(wait, 3))
    a, b = tree(f"{h.path}/k.run"), tree(f"{h.path}/l.run")
    ok(n >= kills / 2 and a.keys() == b.keys() and
       not [k for k in a if a[k] != b[k] and k != "recipe.yaml"],
       f"killed {n} times, a run ends with the same bytes",
       f"{[k for k in a if a[k] != b.get(k)]} {a.keys() ^ b.keys()} {moments}")
    ok(sound == looked > 0, "every time the database could be read", f"{sound} of {looked}")
    database(f"{h.path}/l.run", "and has what metrics.jsonl has in the end")
    # Whatever became of it, a resumed run makes it anew.
    for damage in (b"no database", None):
        for name in ("metrics.sqlite-wal", "metrics.sqlite-shm"):
            if os.path.exists(f"{h.path}/l.run/{name}"):
                os.remove(f"{h.path}/l.run/{name}")
        if damage is None:
            os.remove(f"{h.path}/l.run/metrics.sqlite")
        else:
            write(h, "l.run/metrics.sqlite", damage * 999)
        equal(train(h, "--resume", "l.run", "-q").returncode, 0, "a lost database")
        database(f"{h.path}/l.run", "is made anew")
    shutil.rmtree(f"{h.path}/k.run")


def stopped(h):
    for number in (signal.SIGINT, signal.SIGTERM):
        shutil.rmtree(f"{h.path}/l.run", ignore_errors=True)
        p = start(h, "l.yaml", "-q", "-t", "1")
        while not os.path.exists(f"{h.path}/l.run/checkpoints/step-00000003"):
            time.sleep(0.005)
            if p.poll() is not None:
                break
        p.send_signal(number)
        equal(p.wait(20), 130, f"{number.name} stops a run")
        steps = [m["step"] for m in lines(f"{h.path}/l.run/metrics.jsonl")]
        last = sorted(os.listdir(f"{h.path}/l.run/checkpoints"))[-1]
        equal(last, f"step-{steps[-1]:08}", "after the step, with a checkpoint")


# ---- what goes wrong


def flipped(h):
    run = f"{h.path}/a.run"
    step = "checkpoints/step-00000020"
    pick = random.Random(3)
    files = [f"{step}/{name}" for name in ("model.gguf", "moments.safetensors", "state.json",
                                           "SHA256SUMS")]
    files += ["recipe.yaml", "run.json", "shards/train-0.safetensors",
              "shards/held-out-0.safetensors", "ledger.jsonl"]
    for name in files:
        good = read(f"{run}/{name}")
        bad = []
        for _ in range(12):
            at = pick.randrange(len(good))
            if name == "ledger.jsonl":  # what resuming looks at: its last line
                at = len(good) - 1 - pick.randrange(1, 66)
            with open(f"{run}/{name}", "r+b") as f:
                f.seek(at)
                f.write(bytes([good[at] ^ 1 << pick.randrange(8)]))
            p = train(h, "--resume", "a.run", "-q")
            base = os.path.basename(name)
            named = base in p.err or base in ("SHA256SUMS", "run.json") and "a.run" in p.err
            if p.returncode != 3 or not named:
                bad.append((at, p.returncode, p.err))
            write(h, f"a.run/{name}", good)
        equal(bad, [], f"a flipped bit in {base} is refused")
    with open(f"{run}/{step}/model.gguf", "r+b") as f:
        f.write(b"X")
    p = train(h, "--resume", "a.run", "--from", "15", "-q")
    equal(p.returncode, 0, "an older checkpoint is good")
    p = train(h, "--resume", "a.run", "--from", "14")
    ok(p.returncode == 2 and "14" in p.err, "one that is not there", p.err)
    os.remove(f"{run}/shards/train-0.safetensors")
    p = train(h, "--resume", "a.run")
    ok(p.returncode != 0 and "train-0.safetensors" in p.err, "a shard that vanished", p.err)


def full_disk(h):
    """A limit on the size of files stands for it: moments.safetensors does not fit."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

    shutil.rmtree(f"{h.path}/l.run", ignore_errors=True)
    write(h, "l.yaml", RECIPE)
    p = subprocess.run([kit.GLASS, "train", "l.yaml"], env=h.env, cwd=h.path, check=False,
                       preexec_fn=limit, capture_output=True)
    err = p.stderr.decode()
    ok(p.returncode == 4 and "moments.safetensors" in err and "step 5" in err,
       "a full disk is named", err)
    equal(os.listdir(f"{h.path}/l.run/checkpoints"), [], "and leaves nothing half written")
    p = train(h, "--resume", "l.run", "-q")
    equal((p.returncode, state(f"{h.path}/l.run", 20)["weights"]), (0, GOLDEN),
          "with room again the run goes on")
    p = train(h, "l.yaml", "-o", "text.txt/run")
    ok(p.returncode == 4 and "text.txt" in p.err, "a folder that cannot be made", p.err)
    lock = start(h, "k.yaml", "-q")
    while not os.path.exists(f"{h.path}/k.run/run.json") and lock.poll() is None:
        time.sleep(0.005)
    p = train(h, "--resume", "k.run")
    ok(lock.poll() is not None or p.returncode == 2 and "another process" in p.err,
       "two processes at one run", p.err)
    lock.kill()
    lock.wait()


def not_a_number(h):
    path = tiny_model.write(f"{h.path}/base.gguf", "abc")
    base = RECIPE[RECIPE.index("data:"):]
    write(h, "base.yaml", "model: {base: base.gguf}\n" + base)
    p = train(h, "base.yaml", "-q")
    equal(p.returncode, 0, "training goes on from a model")
    first_loss = lines(f"{h.path}/base.run/metrics.jsonl")[0]["loss"]
    data = bytearray(read(path))
    data[-36:-32] = struct.pack("<f", math.nan)
    write(h, "nan.gguf", bytes(data))
    write(h, "nan.yaml", "model: {base: nan.gguf}\n" + base)
    p = train(h, "nan.yaml", "-q")
    ok(p.returncode == 3 and "step 1" in p.err and "not finite" in p.err,
       "a number that is none stops the run", p.err + str(first_loss))


def continued(h):
    """From a checkpoint, as a GGUF file or a Hugging Face folder: the same first weights, and the
    same run; from a llama2.c file, whose loss on its own text is small from the start."""
    base = RECIPE[RECIPE.index("data:"):]
    step = "a.run/checkpoints/step-00000020"
    p = h.run("convert", step, "a-folder", "--to", "safetensors", cwd=h.path)
    equal(p.returncode, 0, "a checkpoint becomes a folder for transformers")
    ledgers = []
    for name, path in (("file", f"{step}/model.gguf"), ("checkpoint", step), ("folder", "a-folder")):
        write(h, "c.yaml", f"model: {{base: {path}}}\n" + base)
        p = train(h, "c.yaml", "-q", "-o", f"c-{name}.run")
        ok(p.returncode == 0, f"training goes on from a {name}", p.err)
        ledgers.append([e.get("weights") for e in lines(f"{h.path}/c-{name}.run/ledger.jsonl")])
    ok(ledgers[0] == ledgers[1] == ledgers[2] and ledgers[0][0] == GOLDEN and
       ledgers[0][20] != GOLDEN, "from the same weights, to the same weights", ledgers)
    was = lines(f"{h.path}/a.run/metrics.jsonl")
    now = lines(f"{h.path}/c-folder.run/metrics.jsonl")
    ok(now[0]["loss"] < was[10]["loss"], "it begins with what was learnt",
       f"{now[0]['loss']} {was[10]['loss']}")
    equal(h.run("verify", "c-folder.run", cwd=h.path).returncode, 0, "such a run verifies")
    stories = os.path.join(os.environ.get("GLASS_SHARED", "../shared/data"), "models/stories260K")
    if not os.path.exists(stories):
        skip("training goes on from a llama2.c file", "no shared data")
        return
    stories = os.path.abspath(stories)
    with open(f"{stories}/reference.json", encoding="utf-8") as f:
        told = json.load(f)
    write(h, "story.txt", max(strings(told), key=len))
    for name in ("stories260K.bin", "tok512.bin"):
        shutil.copy(f"{stories}/{name}", h.path)
    write(h, "s.yaml", "model: {base: stories260K.bin}\ndata: [story.txt]\ncontext: 32\n"
          "batch: {sequences: 2}\nsteps: 6\noptimizer: {rate: 1e-3}\n")
    p = train(h, "s.yaml", "-q")
    loss = [m["loss"] for m in lines(f"{h.path}/s.run/metrics.jsonl")] if p.returncode == 0 else []
    ok(p.returncode == 0 and loss[0] < 2 and loss[-1] < loss[0],
       "training goes on from a llama2.c file", f"{p.err} {loss}")
    p = h.run("complete", "s.run/checkpoints/step-00000006", "-p", "Once upon a", "-n", "1",
              "--temp", "0", cwd=h.path)
    ok(p.out.split()[:1] == ["time"], "and its checkpoint tells stories still", p.out + p.err)


def strings(j):
    if isinstance(j, str):
        return [j]
    return [s for v in (j.values() if isinstance(j, dict) else j if isinstance(j, list) else [])
            for s in strings(v)]


def held_out_loss(h):
    """With rate 0 and weights 0 every token is as likely as any other."""
    text = RECIPE.replace("rate: 0.01", "rate: 0").replace(
        "  n_embd", "  deviation: 0\n  n_embd")
    write(h, "zero.yaml", text)
    p = train(h, "zero.yaml", "-q")
    m = lines(f"{h.path}/zero.run/metrics.jsonl")[-1]
    whole = read(f"{h.path}/text.txt")
    cut = whole.index(b"\n", len(whole) - int(len(whole) * 0.1)) + 1
    documents = [d for d in whole[cut:].split(b"\n") if d]
    n_bytes = sum(map(len, documents))
    rows = n_bytes + len(documents)  # each byte, and EOS, given BOS and what was before
    ok(abs(m["held_out_loss"] - math.log(tiny_model.N_VOCAB)) < 1e-6, "held-out loss of guessing",
       m["held_out_loss"])
    want = rows * math.log2(tiny_model.N_VOCAB) / n_bytes
    ok(abs(m["bits_per_byte"] - want) < 1e-5, "bits a byte", f"{m['bits_per_byte']} not {want}")
    equal(p.returncode, 0, "a run that learns nothing")


def bad_recipes(h):
    cases = [
        ("  micro: 2", "  mirco: 2", 'e.yaml:14: "batch.mirco" is no key of a recipe; did you '
         'mean "batch.micro"?'),
        ("steps: 20", "stesp: 20", '"stesp" is no key of a recipe; did you mean "steps"?'),
        ("  n_embd: 32", "  n_embed: 32", 'did you mean "model.n_embd"?'),
        ("  documents: lines", "  document: lines", 'data: "document" is no key'),
        ("  documents: lines", "  documents: line", 'e.yaml:9: documents is "line"'),
        ("context: 32", "context: 32.5", "e.yaml:11: context is \"32.5\"; wanted: a whole"),
        ("context: 32", "context: 1", "from 2 to 1048576"),
        ("context: 32", "context: '32'", "without quotes"),
        ("context: 32", "context: [32]", "one value"),
        ("rate: 0.01", "rate: nan", "optimizer.rate"),
        ("rate: 0.01", "rate: 1e400", "optimizer.rate"),
        ("steps: 20\n", "", '"steps" is missing'),
        ("steps: 20", "steps: 20\nsteps: 30", "e.yaml:16: steps is there twice"),
        ("steps: 20", "steps: {a: 1}", "one value"),
        ("optimizer: {rate: 0.01}", "optimizer: 3", '"optimizer" must be a mapping'),
        ("  micro: 2", "  micro: 4", "e.yaml:14: batch.sequences must be a multiple of batch.micro"),
        ("  n_head_kv: 2", "  n_head_kv: 3", "e.yaml:6: model.n_head must be a multiple of n_head_kv"),
        ("context: 32", "context: 32\nlr: 1", 'e.yaml:12: "lr" is no key of a recipe; did you mean '
         '"optimizer.rate"?'),
        ("{rate: 0.01}", "{learning_rate: 0.01}", 'did you mean "optimizer.rate"?'),
        ("optimizer: {", "optimiser: {", 'e.yaml:17: "optimiser" is no key of a recipe; did you mean '
         '"optimizer"?'),
        ("threads: 1", "qq: 1", 'e.yaml:16: "qq" is no key of a recipe\n'),
        ("threads: 1", "seed: -1", "from 0 to 9007199254740992\n"),
        ("  n_embd: 32\n", "", "n_embd, n_layer and n_head"),
        ("warmup: 4", "warmup: 40", "e.yaml:18: schedule.warmup is more than steps"),
        ("warmup: 4", "kind: cosinus", 'schedule.kind is "cosinus"; wanted: constant|linear'),
        ("tokenizer: bytes.gguf", "tokenizer: none.gguf", "e.yaml: model.tokenizer: none.gguf"),
        ("file: text.txt", "file: none.txt", "e.yaml:8: data: none.txt: cannot open: No such"),
        ("file: text.txt", "file: text.gz", "text.gz: compressed by gzip"),
        ("file: text.txt", "file: short.txt", "fewer than one context"),
        ("  n_embd: 32", "  family: lama\n  n_embd: 32", 'model.family "lama"'),
        ("steps: 20", "steps: [20", "not YAML"),
        ("data:\n- file: text.txt\n  documents: lines", "data: text.txt", "data must be a list"),
        ("data:\n- file: text.txt\n  documents: lines\n", "", "data is missing"),
    ]
    write(h, "short.txt", "a\n" * 15)
    write(h, "text.gz", gzip.compress(b"a text\n" * 999))
    for old, new, part in cases:
        assert old in RECIPE, old
        write(h, "e.yaml", RECIPE.replace(old, new, 1))
        p = train(h, "e.yaml", "-o", "e.run")
        ok(p.returncode in (3, 4) and part in p.err, f"{new[:40]!r}", p.err)
        ok(not os.path.exists(f"{h.path}/e.run/run.json"), "no run came of it")
    write(h, "e.yaml", "- 1\n")
    has(train(h, "e.yaml").err, "a mapping of keys is wanted", "a list is no recipe")
    bomb = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [{', '.join(9 * ['*' + chr(ord(c) - 1)])}]\n" for c in "bcdefgh")
    for text, part in (("a: &a [*a]\n? [b]\n: c\n", "e.yaml:1: an anchor"),
                       (bomb, "e.yaml:1: an anchor"),
                       (RECIPE + "name: *x\n", "an anchor or an alias"),
                       (RECIPE.replace("steps: 20", "steps: !!int 20"), "e.yaml:15: a tag"),
                       ("%YAML 1.1\n---\n" + RECIPE, "e.yaml:1: a directive"),
                       (RECIPE + "---\n" + RECIPE, "e.yaml:22: a second document"),
                       (RECIPE + "...\nsteps: 3\n", "a second document"),
                       ("[" * 100000, "e.yaml:1: deeper"), ("{a: " * 100000, "e.yaml:1: deeper"),
                       ("- " * 100000, "e.yaml:1: deeper"), ("a: [" + "1," * 400000, "longer than"),
                       ("? " * 50000, "e.yaml:1: deeper"),
                       ("#" * 2000000, "larger than the 1048576 bytes"),
                       (RECIPE.replace("steps: 20", "steps: 2\0000"), "e.yaml:15"),
                       (RECIPE.encode() + b"name: \xff\n", "e.yaml:22: not YAML")):
        write(h, "e.yaml", text)
        t = time.monotonic()
        p = train(h, "e.yaml", "-o", "e.run")
        ok(p.returncode == 3 and part in p.err and time.monotonic() - t < 5,
           f"{text[:24]!r}: {part}", p.err)
    write(h, "e.yaml", "---\n" + RECIPE + "...\n")
    equal(train(h, "e.yaml", "--dry-run").returncode, 0, "marks around the one document")
    every_key(h)


def every_key(h):
    """Each key of the copy that a run keeps, with values of the wrong kind and range."""
    copy, section, bad, n = read(f"{h.path}/a.run/recipe.yaml").decode().splitlines(), "", [], 0
    for i, line in enumerate(copy):
        if not line.startswith((" ", "-")):
            section = line.split(":")[0]
        key, value = line.strip("- ").split(":", 1)
        lead, value = line[:line.index(":") + 1] + " ", value.strip()
        if value == "":
            continue
        name = key if section in (key, "data") else f"{section}.{key}"
        wrong = ["[1]", "{a: 1}", "[]"]
        if value[0] in "0123456789":
            wrong += ["-1", "1e300", "x", "'1'", "", "~", "0x10", "nan", ".inf", "1 2", "1_000",
                      "99999999999999999999999999"]
            if "." not in value and name.split(".")[-1] not in (
                    "deviation", "rope_base", "rate", "decay", "clip", "weight", "final"):
                wrong += ["1.5", "1e1"]
        elif value[0] != '"':  # a flag, a choice
            wrong += ["", "yes", "nothing", "1"]
        for w in wrong:
            write(h, "e.yaml", "\n".join(copy[:i] + [lead + w] + copy[i + 1:]) + "\n")
            p = train(h, "e.yaml", "--dry-run")
            n += 1
            if p.returncode != 3 or f"e.yaml:{i + 1}: {name}" not in p.err:
                bad.append((lead + w, p.returncode, p.err))
    ok(n > 300 and not bad, f"{n} wrong values are named with line and key", bad[:9])


def peak_of(p):
    """The largest resident size of a process (rusage would have this one's, too)."""
    most = 0
    while p.poll() is None:
        most = max(most, peak_now(p.pid))
        time.sleep(0.0005)
    return most


def peak_now(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return max((int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:")),
                       default=0)
    except OSError:
        return 0


def plans(h):
    before = sorted(os.listdir(h.path))
    p = train(h, "a.yaml", "--dry-run")
    equal((p.returncode, sorted(os.listdir(h.path))), (0, before), "--dry-run writes nothing")
    for part in ("parameters     33024", "tokens of", "FLOP a step",
                 "memory", "s a step"):
        has(p.out, part, f"--dry-run says: {part}")
    plan = h.json("train", "a.yaml", "--dry-run", "--json", cwd=h.path)
    equal((plan["parameters"], plan["steps"], plan["step_tokens"], plan["micro_batches"]),
          (33024, 20, 192, 3), "--dry-run --json")
    ok(plan["step_seconds"] > 0 and 0 < plan["share_of_peak"] < 1.2 and
       abs(plan["seconds"] - 20 * plan["step_seconds"]) < 1e-9, "a probe's time", plan)
    deep = RECIPE.replace("n_layer: 2", "n_layer: 12").replace("context: 32", "context: 128")
    for name, text in (("small", RECIPE), ("wide", RECIPE.replace("n_embd: 32", "n_embd: 256")),
                       ("deep", deep), ("deep, made again", deep + "recompute: layers\n"),
                       ("Muon's", RECIPE.replace("n_embd: 32", "n_embd: 256").replace(
                           "rate: 0.01", "rate: 0.01, kind: muon"))):
        write(h, "m.yaml", text.replace("threads: 1\n", ""))
        for threads in ("1", "3"):
            said = h.json("train", "m.yaml", "--dry-run", "--json", "-t", threads,
                          cwd=h.path)["memory_bytes"]
            p = start(h, "m.yaml", "-q", "-t", threads)
            took = peak_of(p)
            shutil.rmtree(f"{h.path}/m.run")
            ok(abs(said / took - 1) < 0.1, f"memory of a {name} run, {threads} threads: "
               f"{said / 1e6:.1f} MB said, {took / 1e6:.1f} taken")
    for words in ((), ("a.yaml", "--resume", "a.run"), ("--status",), ("x", "y"),
                  ("a.yaml", "--json"),
                  ("--resume", "a.run", "--dry-run"), ("a.yaml", "-t", "-1")):
        equal(train(h, *words).returncode, 2, f"train {' '.join(words)}: wrong usage")
    equal(train(h, "--resume", "nothing").returncode, 2, "no such run")
    has(h.run("train", "--help").out, "examples:", "train --help")


def large(h):
    """Shards of a text that is larger than the memory that is taken; and killed meanwhile."""
    text = make_text(10000).encode()
    with open(f"{h.path}/big.txt", "wb") as f:
        for _ in range(100):
            f.write(text)
    size = os.path.getsize(f"{h.path}/big.txt")
    write(h, "big.yaml", RECIPE.replace("text.txt", "big.txt").replace("0.1}", "0.0001}").replace(
        "steps: 20", "steps: 4"))
    p = start(h, "big.yaml", "-q", "-t", "1")
    peak = peak_of(p)
    ok(p.returncode == 0 and peak < 50e6 < 2 * size, f"{2 * size / 1e6:.0f} MB of tokens, "
       "made in less than 50 MB", f"{peak / 1e6:.1f} MB")
    pick, n = random.Random(), 0
    for _ in range(6):
        p = start(h, "big.yaml", "-q", "-t", "1", "-o", "big2.run")
        time.sleep(pick.uniform(0.01, 0.6))
        n += p.poll() is None and not os.path.exists(f"{h.path}/big2.run/run.json")
        p.send_signal(signal.SIGKILL)
        p.wait()
        if os.path.exists(f"{h.path}/big2.run/run.json"):
            shutil.rmtree(f"{h.path}/big2.run")
    for name in ("recipe.yaml", "shards/train-0.safetensors"):  # what a kill can leave
        os.makedirs(f"{h.path}/big2.run/shards", exist_ok=True)
        write(h, f"big2.run/{name}.part-77", "half")
    p = train(h, "big.yaml", "-q", "-t", "1", "-o", "big2.run")
    ok(p.returncode == 0 and n > 0 and tree(f"{h.path}/big.run") == tree(f"{h.path}/big2.run"),
       f"killed {n} times while shards are made, the same bytes come of it", p.err)
    equal(sorted(os.listdir(f"{h.path}/big2.run/shards")),
          ["held-out-0.safetensors", "train-0.safetensors"], "and nothing else is left")
    for name in ("big.run", "big2.run"):
        shutil.rmtree(f"{h.path}/{name}")
    os.remove(f"{h.path}/big.txt")


def live(h):
    """One line on a terminal, drawn over itself."""
    t = h.terminal("train", f"{h.path}/a.yaml", "-o", f"{h.path}/t.run", size=(24, 120))
    seen = t.wait_for(r"\rstep 19/20  loss \d\.\d{4}  \d+ tokens/s  \d+% of FMA peak  \d+ s left")
    ok(seen is not None, "the live line: step, loss, speed, share of the peak, time left", t.text)
    has(t.finish(), "step 20  loss", "and what stays")
    equal(t.status, 0, "a run on a terminal")
    shutil.rmtree(f"{h.path}/t.run")


def elsewhere(h):
    """A run whose folder is all that somebody else has; and then its texts, too."""
    with kit.Home() as other:
        shutil.copytree(f"{h.path}/a.run", f"{other.path}/a.run")
        for name in ("text.txt", "bytes.gguf"):
            os.rename(f"{h.path}/{name}", f"{h.path}/{name}.away")

        def verify(*words):
            return other.run("verify", "a.run", *words, cwd=other.path, timeout=300)
        p = verify()
        equal((p.returncode, p.out), (0, "a.run: the same to the bit (20 steps computed again)\n"),
              "a run whose texts and vocabulary are gone is verified from its start")
        p = verify("--full")
        ok(p.returncode == 4 and "text.txt: is not there" in p.err and "--texts" in p.err,
           "from the texts it cannot be: they are named, and what to do", p.err)
        os.makedirs(f"{other.path}/texts")
        shutil.copy(f"{h.path}/text.txt.away", f"{other.path}/texts/text.txt")
        shutil.copy(f"{h.path}/bytes.gguf.away", f"{other.path}/texts/bytes.gguf")
        p = verify("--full", "--texts", "texts", "--json")
        equal((p.returncode, json.loads(p.out)),
              (0, {"run": "a.run", "steps_computed": 20, "from_texts": True, "same": True,
                   "difference": None}), "--texts says where they are now")
        os.rename(f"{other.path}/texts/text.txt", f"{other.path}/text.txt")
        equal(verify("--full").returncode, 0, "beside the run they are found")
        write(other, "text.txt", read(f"{other.path}/text.txt").replace(b"dog", b"cat", 1))
        p = verify("--full", "--json")
        found = json.loads(p.out)
        ok(p.returncode == 1 and found["same"] is False and "text.txt" in found["difference"],
           "and another text is another", p.out)
        p = verify("--steps", "7", "--json")
        equal(json.loads(p.out)["steps_computed"], 7, "one step, and those up to it")
        p = verify("--sample", "2", "--seed", "3", "--json")
        ok(len(json.loads(p.out)["drawn"]) == 2, "steps that are drawn, as JSON", p.out)
        equal(verify("--sample", "0").returncode, 2, "no step at all is no sample")
        p = other.run("verify", "--bisect", "a.run", "a.run", "--json", cwd=other.path)
        equal(json.loads(p.out), {"runs": ["a.run", "a.run"], "up_to_step": 20, "same": True,
                                  "difference": None}, "two runs, as JSON")
        for name in ("text.txt", "bytes.gguf"):
            os.rename(f"{h.path}/{name}.away", f"{h.path}/{name}")


def names(h):
    """A run as a MODEL, a model by its name in a recipe, folders that are no runs; who may read."""
    run = f"{h.path}/a.run"
    p = h.run("complete", "a.run", "-p", "the ", "-n", "5", "--temp", "0", cwd=h.path)
    equal((p.returncode, p.out),
          (0, h.run("complete", f"{run}/checkpoints/step-00000020", "-p", "the ", "-n", "5",
                    "--temp", "0").out), "a run is a MODEL: its newest checkpoint")
    h.run("convert", "a.run", "exported", cwd=h.path)
    card = read(f"{h.path}/exported/README.md").decode()
    ok("Converted by" in card and "\n# \n" not in card, "no empty title where there is no name", card)
    shutil.rmtree(f"{h.path}/exported")
    shutil.copy(f"{run}/checkpoints/step-00000020/model.gguf", f"{h.models}/mine.gguf")
    write(h, "n.yaml", "model: {base: mine}\ndata: [text.txt]\ncontext: 32\n"
          "batch: {sequences: 2}\nsteps: 1\n")
    p = train(h, "n.yaml", "-q")
    ok(p.returncode == 0 and f'base: "{h.models}/mine.gguf"' in
       read(f"{h.path}/n.run/recipe.yaml").decode(), "a base model by its name", p.err)
    os.remove(f"{h.models}/mine.gguf")
    for words in (("train", "--status", "."), ("verify", "."), ("verify", "--bisect", "a.run", ".")):
        p = h.run(*words, cwd=h.path)
        equal((p.returncode, p.err), (2, "glass: . holds no run (there is no run.json in it)\n"),
              " ".join(words))
    p = train(h, "a.run")
    ok(p.returncode == 2 and "--resume a.run" in p.err, "a run is no recipe", p.err)
    modes = {oct(os.stat(os.path.join(top, name)).st_mode & 0o777)
             for top, _, files in os.walk(run) for name in files}
    folders = {oct(os.stat(top).st_mode & 0o777) for top, _, _ in os.walk(run)}
    mask = os.umask(0)
    os.umask(mask)
    equal((modes, folders), ({oct(0o666 & ~mask)}, {oct(0o777 & ~mask)}),
          "others may read a run as far as the umask has it")
    shutil.rmtree(f"{h.path}/n.run")


def main():
    with kit.Home() as h:
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        write(h, "text.txt", make_text(700))
        write(h, "a.yaml", RECIPE)
        for part in (first, ledger, verified, sampled, bisected, same_bits, killed, stopped, full_disk, not_a_number,
                     continued, held_out_loss, bad_recipes, elsewhere, names, plans,
                     large, live, flipped):
            if part is first or not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(h)
    kit.done()


if __name__ == "__main__":
    main()
