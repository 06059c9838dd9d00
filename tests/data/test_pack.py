#!/usr/bin/env python3
"""glass data pack: shards from corpora, the same bytes whatever the threads, the memory and the
kills; their records' table; runs that read them by root. The shards are read here anew."""
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import GLASS, Home, done, equal, has, ok  # noqa: E402

home = Home()
top = home.path


def glass(*words, code=0):
    p = home.run(*words, cwd=top, timeout=300)
    if p.returncode != code:
        ok(False, "glass " + " ".join(words), f"exit {p.returncode}: {p.err}")
    return p


def pack(out, *words, code=0):
    p = glass("data", "pack", *words[:words.index("--")], out, "-t", "bytes.gguf", "--json",
              *words[words.index("--") + 1:], code=code)
    return json.loads(p.out) if p.out else {"error": p.err}


def read(path):
    with open(os.path.join(top, path), "rb") as f:
        return f.read()


def files(folder):
    return {name: read(f"{folder}/{name}") for name in sorted(os.listdir(f"{top}/{folder}"))}


def tensors(data):
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    meta = head.pop("__metadata__", {})
    body = data[8 + n:]
    return meta, {k: body[v["data_offsets"][0]:v["data_offsets"][1]] for k, v in head.items()}


def documents(folder, name):
    """(text, line of the records' file, the record's hash in the shard) of each."""
    meta, t = tensors(read(f"{folder}/{name}.safetensors"))
    jsonl = read(f"{folder}/{name}.documents.jsonl")
    equal(meta["records_sha256"], hashlib.sha256(jsonl).hexdigest(), f"{name}: the records' hash")
    starts = struct.unpack(f"<{len(t['starts']) // 8}q", t["starts"])
    width = 2 if len(t["tokens"]) == 2 * starts[-1] else 4
    ids = struct.unpack(f"<{starts[-1]}{'H' if width == 2 else 'i'}", t["tokens"])
    lines = [json.loads(x) for x in jsonl.splitlines()]
    equal(len(lines), len(starts) - 1, f"{name}: a line each")
    out = []
    for d, line in enumerate(lines):
        part = ids[starts[d] + 1:starts[d + 1] - 1]
        equal_rows = (line["row"], line["rows"]) == (starts[d] - d, starts[d + 1] - starts[d] - 1)
        if not equal_rows:
            ok(False, f"{name}: rows of document {d}", str(line))
        out.append((part, line, t["records"][32 * d:32 * d + 32].hex()))
    return out


rng = random.Random(5)
for s, n in (("a", 400), ("b", 150)):
    with open(os.path.join(top, s + ".jsonl"), "w", encoding="utf-8") as f:
        for i in range(n):
            text = f"{s} {i} " + " ".join(rng.choice(["cat", "dog", "naïve", "tree"])
                                          for _ in range(rng.randrange(1, 60)))
            f.write(json.dumps({"text": text, "license": rng.choice(["MIT", "GPL-2.0-only"]),
                                "title": f"T {i}", "author": "Ann"}) + "\n")
        if s == "a":
            f.write(json.dumps({"text": "said twice", "license": "MIT", "title": "one"}) + "\n")
            f.write(json.dumps({"text": "said twice", "license": "MIT", "title": "two"}) + "\n")
tiny_model.write(os.path.join(top, "bytes.gguf"))
for s in "ab":
    glass("data", "add", "c" + s, s + ".jsonl")

# ---- what a pack is ----
OPTIONS = ("ca", "cb", "--", "--shard-tokens", "9000", "--held-out", "0.1", "--mix", "cb=0.5")
r = pack("p1", *OPTIONS)
listed = json.loads(read("p1/pack.json"))
equal(r["root"], listed["root"], "the root is in pack.json")
text = f"glass pack 1\ntokenizer {listed['tokenizer']}\n"
for c in listed["corpora"]:
    text += f"corpus {c['root']} weight {c['weight']:g} policy {c['policy']}\n"
for s in listed["shards"]:
    equal(hashlib.sha256(read("p1/" + s["file"])).hexdigest(), s["sha256"], s["file"])
    text += f"shard {s['sha256']} corpus {s['corpus']}\n"
equal(hashlib.sha256(text.encode()).hexdigest(), r["root"], "the root, computed anew")
equal((r["documents"], r["again"], listed["corpora"][1]["weight"]), (551, 1, 0.5),
      "every text once, and the weight")
every, tables = {}, {}
for s in listed["shards"]:
    held = s["corpus"] < 0
    docs = documents("p1", s["file"][:-len(".safetensors")])
    for ids, line, record in docs:
        content = line["content"]
        equal_held = (int(content[:16], 16) < int(0.1 * 2**64 + 0.5)) == held
        if not equal_held or record != line["record"] or content in every:
            ok(False, "a document in its place", str(line))
        every[content] = (ids, line)
for c in ("ca", "cb"):
    db = sqlite3.connect(os.path.join(top, c, "corpus.sqlite"))
    whole = read(c + "/texts")
    good = n = 0
    for content, record, at, size in db.execute(
            "SELECT lower(hex(content)),lower(hex(hash)),text_at,text_bytes FROM documents"):
        ids, line = every[content]
        text = whole[at:at + size]
        p = tables.setdefault(text, ids)
        good += p == ids and (line["record"] == record or text == b"said twice")
        n += 1
    equal(good, n, f"{c}: each document is there with its record")
equal([t for t, ids in tables.items() if bytes(ids) != t], [], "a token for each byte of this vocabulary")

# ---- the same bytes ----
want = files("p1")
for name, words in (("p2", ("--threads", "1", "--memory", "1")), ("p3", ("--threads", "5"))):
    pack(name, *OPTIONS, *words)
    ok(files(name) == want, "the same files with " + " ".join(words))
equal(pack("p1", *OPTIONS)["kept"], len(listed["shards"]), "a second call keeps all")
start = time.time()
pack("p4", *OPTIONS)
seconds = time.time() - start
cut = 0
for n in range(12):
    shutil.rmtree(f"{top}/p4", ignore_errors=True)
    child = subprocess.Popen([GLASS, "data", "pack", "ca", "cb", "p4", "-t", "bytes.gguf",
                              *OPTIONS[3:], "--memory", "1"], cwd=top, env=home.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep((n + 0.5) * seconds / 12)
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = os.listdir(f"{top}/p4") if os.path.exists(f"{top}/p4") else []
    cut += 0 < len(left) and "pack.json" not in left
    pack("p4", *OPTIONS)
    now = files("p4")
    if now != want:
        break
ok(now == want, f"killed at twelve places ({cut} in the middle), the same files")
for k in sorted(want):
    if k.startswith("1-") or k == "pack.json":
        os.unlink(f"{top}/p4/{k}")
r = pack("p4", *OPTIONS)
ok(r["kept"] < len(listed["shards"]) and files("p4") == want, "goes on behind whole shards", r)
has(pack("p4", "ca", "cb", "--", "--shard-tokens", "9001", "--held-out", "0.1", code=2)["error"],
    "another folder", "other options want another folder")
r = pack("free", "ca", "--", "--policy", "permissive")
db = sqlite3.connect(os.path.join(top, "ca/corpus.sqlite"))
n = db.execute("SELECT count(DISTINCT content) FROM documents WHERE licence='MIT'").fetchone()[0]
equal(r["documents"], n, "a policy")

# ---- runs ----
RECIPE = """model: {{tokenizer: {2}, n_embd: 32, n_layer: 2, n_head: 4}}
data:
- shards: {0}
  root: {1}
held_out: {{file: p1/held-out.safetensors}}
context: 32
batch: {{sequences: 4}}
steps: 6
threads: 1
evaluate: {{every: 3}}
checkpoint: {{every: 3}}
"""


def recipe(name, *values):
    with open(os.path.join(top, name), "w", encoding="utf-8") as f:
        f.write(RECIPE.format(*values))


recipe("r.yaml", "p1", listed["root"], "bytes.gguf")
p = glass("train", "r.yaml")
has(p.out, "bits a byte", "a run from packed shards")
first = json.loads(read("r.run/ledger.jsonl").splitlines()[0])
equal(first.get("data"), [listed["root"]], "the ledger's first line carries the root")
train = [s for s in listed["shards"] if s["corpus"] >= 0]
equal(json.loads(read("r.run/run.json"))["train"], [s["sha256"] for s in train], "its shards")
ok(all(read(f"r.run/shards/train-{i}.documents.jsonl") ==
       read("p1/" + s["file"].replace(".safetensors", ".documents.jsonl"))
       for i, s in enumerate(train)), "the records lie beside them")
glass("trace", "--build", "r.run")
_, line, _ = documents("p1", train[0]["file"].replace(".safetensors", ""))[0]
at, size = db.execute("SELECT text_at, text_bytes FROM documents WHERE content=?",
                      (bytes.fromhex(line["content"]),)).fetchone()
text = read("ca/texts")[at:at + size].decode()
place = json.loads(glass("trace", "r.run", text, "--json").out)["spans"][0]["places"][0]
equal((place["license"], place["origin"]), (line["licence"], f"{line['source']} {line['path']}"),
      "a trace of the run tells the document's licence and origin")
glass("verify", "r.run", "--full")
ok(True, "verify --full")
shutil.copytree(f"{top}/r.run", f"{top}/q.run")
lines = read("q.run/ledger.jsonl").splitlines(keepends=True)
with open(f"{top}/q.run/ledger.jsonl", "wb") as f:
    f.write(lines[0].replace(listed["root"].encode(), b"0" * 64) + b"".join(lines[1:]))
has(glass("verify", "q.run", code=1).err, "step 0", "another root in the ledger")
recipe("w.yaml", "p1", "0" * 64, "bytes.gguf")
has(glass("train", "w.yaml", code=3).err, listed["root"], "a wrong root is told the right one")
recipe("o.yaml", "free", listed["root"][::-1], "bytes.gguf")
has(glass("train", "o.yaml", code=3).err, "its root is", "of another pack")
recipe("c.yaml", "free", json.loads(read("free/pack.json"))["corpora"][0]["root"], "bytes.gguf")
glass("train", "c.yaml", "--dry-run")
ok(True, "a pack of one corpus goes by the corpus's root, too")
with open(os.path.join(top, "f.yaml"), "w", encoding="utf-8") as f:
    f.write(RECIPE.format("p1", listed["root"], "bytes.gguf").replace(
        "file: p1/held-out.safetensors", "fraction: 0.1"))
has(glass("train", "f.yaml", code=3).err, "held_out.file", "a fraction of packed shards")
with open(os.path.join(top, "n.yaml"), "w", encoding="utf-8") as f:
    f.write(RECIPE.format("p1", listed["root"], "bytes.gguf").replace(
        f"  root: {listed['root']}\n", ""))
has(glass("train", "n.yaml", code=3).err, "root", "shards without a root")
shutil.copytree(f"{top}/p1", f"{top}/bad")
with open(f"{top}/bad/0-00000.safetensors", "r+b") as f:
    f.seek(-5, 2)
    f.write(b"x")
recipe("b.yaml", "bad", listed["root"], "bytes.gguf")
has(glass("train", "b.yaml", code=3).err, "0-00000.safetensors", "a shard that was changed")
with open(f"{top}/bad/pack.json", "r+b") as f:
    data = f.read().replace(b'"weight":0.5', b'"weight":0.6')
    f.seek(0)
    f.write(data)
has(glass("train", "b.yaml", code=3).err, "was changed", "a list that was changed")
for words, code, part in (
        (("ca", "x", "-t", "bytes.gguf", "--mix", "cc=2"), 2, "no corpus of that name"),
        (("ca", "x", "-t", "bytes.gguf", "--mix", "ca"), 2, "CORPUS=WEIGHT"),
        (("ca", "x"), 2, "--tokenizer is missing"),
        (("nowhere", "x", "-t", "bytes.gguf"), 3, "no corpus"),
        (("ca", "x", "-t", "bytes.gguf", "--held-out", "0.7"), 2, "held out"),
        (("ca", "x", "-t", "bytes.gguf", "--policy", "public-domain"), 3, "no document"),
        (("ca@00", "x", "-t", "bytes.gguf"), 3, "no root")):
    has(glass("data", "pack", *words, code=code).err, part, "error: " + " ".join(words))
done()
