#!/usr/bin/env python3
"""glass trace: the spans, counts and places of texts are those that a search through the tokens
finds; a planted sentence is traced to its document and to exactly the steps that read it, by
shards, order and ledger that are read anew here; indexes that were stopped, cut or changed."""
import hashlib
import json
import os
import random
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402
from shards import Shard  # noqa: E402

# Documents hold stretches of it that overlap for more than a hundred tokens.
CHAIN = "".join(random.Random(9).choice("uvwxyz ") for _ in range(700))
CANARY = "seven violet otters recite the tax code backwards"
END = chr(0xFFFF)  # between documents
CONTEXT, SEQUENCES, SEED, WEIGHTS = 24, 4, 11, (1.5, 0.5)
RECIPE = f"""model: {{tokenizer: bytes.gguf, n_embd: 16, n_layer: 1, n_head: 2}}
data:
- {{file: a.txt, documents: lines, weight: {WEIGHTS[0]}}}
- {{file: b.txt, documents: paragraphs, weight: {WEIGHTS[1]}}}
context: {CONTEXT}
batch: {{sequences: {SEQUENCES}}}
steps: STEPS
threads: 1
seed: {SEED}
"""


def write(h, name, data):
    path = os.path.join(h.path, name)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def read(path):
    with open(path, "rb") as f:
        return f.read()


def make_texts(pick):
    words = "the cat dog sees a small red house and sleeps under green trees".split()
    lines = ["".join(pick.choice("ab") for _ in range(pick.randint(1, 60))) if i % 7 == 0 else
             " ".join(pick.choice(words) for _ in range(pick.randint(1, 14))) for i in range(150)]
    lines[40] = "a" * 300
    lines[41] = "ab" * 150
    lines[90:93] = [lines[60]] * 3
    lines[100:104] = [CHAIN[:250], CHAIN[100:400], CHAIN[220:600], CHAIN[450:]]
    lines[77] = "a cat saw " + CANARY + " under a tree"
    paragraphs = ["\n".join(lines[i:i + 4]) for i in range(0, 60, 4)]
    return "\n".join(lines) + "\n", "\n\n".join(paragraphs) + "\n"


def all_places(corpus, pattern):
    at = corpus.find(pattern)
    while at >= 0:
        yield at
        at = corpus.find(pattern, at + 1)


def searched_spans(corpus, text, least):
    """Maximal spans by searching for every stretch: {(first, n): count}"""
    spans, end = {}, 0
    for first in range(len(text)):
        n = max(end - first, 0)
        while first + n < len(text) and text[first:first + n + 1] in corpus:
            n += 1
        if first + n > end:
            end = first + n
            if n >= least:
                spans[first, n] = len(list(all_places(corpus, text[first:end])))
    return spans


def located(documents, offset_of, corpus, text):
    """Where a stretch stands: {(document, offset)}"""
    return {offset_of[at] for at in all_places(corpus, text)}


# ---- the spans


def spans(h, index, documents):
    corpus = END.join(documents)
    offset_of = {}
    at = 0
    for d, text in enumerate(documents):
        for i in range(len(text)):
            offset_of[at + i] = (d, i)
        at += len(text) + 1
    pick, wrong, n_spans, n_zero = random.Random(2), [], 0, 0
    plain = "".join(map(chr, range(32, 127)))
    for round_ in range(60):
        pieces = []
        # Every third text has stretches of hundreds of tokens.
        longest, n_pieces = (40, 30) if round_ % 3 else (400, 6)
        for _ in range(pick.randint(1, n_pieces)):
            text = pick.choice(documents if round_ % 3 else [d for d in documents if len(d) > 150])
            begin = pick.randrange(len(text))
            piece = list(text[begin:begin + pick.randint(1, longest)])
            if round_ % 2 == 1:  # perturbed
                piece[pick.randrange(len(piece))] = pick.choice(plain)
            pieces.append("".join(c for c in piece if c < "\x80"))
        if round_ % 6 == 0:
            pieces.insert(pick.randrange(len(pieces)), CHAIN[pick.randrange(200):])
        text = "".join(pieces)
        write(h, "text", text)
        p = h.json("trace", index, "-f", "text", "--json", "--spans", "-1", "--least", "1",
                   "--places", "1000000", "--reads", "1", cwd=h.path)
        wanted = searched_spans(corpus, text, 1)
        got = {(s["first"], s["tokens"]): s["count"] for s in p.get("spans", [])}
        n_spans += len(got)
        covered = {i for first, n in wanted for i in range(first, first + n)}
        if got != wanted or p["text"] != text or p["covered"] != len(covered):
            wrong.append((text, got, wanted))
            continue
        for s in p["spans"]:
            places = {(q["document"], q["offset"]) for q in s["places"]}
            if len(places) != s["count"] or places != located(
                    documents, offset_of, corpus, s["text"]):
                wrong.append((s["text"], places))
            n_zero += s["count"] == 0
        order = [(s["log2_probability"], s["first"]) for s in p["spans"]]
        if order != sorted(order):
            wrong.append(("order", order))
    equal(wrong[:1], [], "spans, counts and places are those of a search")
    ok(n_spans > 1000 and n_zero == 0, f"of {n_spans} spans", n_zero)
    counts = []
    for i in range(60):
        text = pick.choice(documents)
        begin = pick.randrange(len(text) - 1)
        piece = text[begin:begin + pick.randint(1, 12)].strip("".join(map(chr, range(128, 300))))
        if i % 2 == 1 and piece:
            piece = piece[:-1] + pick.choice(plain)
        p = h.json("trace", index, "--count", "--json", piece, cwd=h.path) if piece else None
        if p and (p["count"], p["count_behind_space"]) != tuple(
                len(list(all_places(corpus, x))) for x in (piece, " " + piece)):
            counts.append(piece)
    equal(counts, [], "--count counts as a search does")
    for words, context in ((("--ngrams", "3"), 2), (("--ngrams", "1"), 0), (("--ngrams", "-1"), None)):
        text = "zz cat" if context is None else "a cat"
        p = h.json("trace", index, text, *words, "--json", "--top", "1000", cwd=h.path)
        last = text[-4:] if context is None else text[len(text) - context:]
        follow = {}
        for at in all_places(corpus, last) if last else range(len(corpus)):
            c = corpus[at + len(last):at + len(last) + 1]
            if last == "" and c == END:
                continue
            follow[-1 if c in ("", END) else ord(c)] = follow.get(
                -1 if c in ("", END) else ord(c), 0) + 1
        wanted = sorted(follow.items(), key=lambda x: (-x[1], x[0]))
        equal([(n["id"], n["count"]) for n in p["next"]], wanted, f"what follows: {words}")
        equal(p["context_tokens"], len(last), "after so many tokens")


# ---- the steps


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return c


def order(seed, epoch, i, n):
    """By the words of order.h."""
    half = 1
    while 1 << 2 * half < n:
        half += 1
    while True:
        left, right = i >> half, i & (1 << half) - 1
        for r in range(8):
            f = philox((right & 0xFFFFFFFF, r, epoch, 0), (seed, 0x6F726465))[0]
            left, right = right, left ^ f & (1 << half) - 1
        i = left << half | right
        if i < n:
            return i


def windows_of(run, n_steps, shards):
    """The windows of each step, by arithmetic; the ledger must say the same."""
    n = [len(s.rows()) // CONTEXT for s in shards]
    places = [max(1, int(w * k + 0.5)) for w, k in zip(WEIGHTS, n)]
    steps = []
    for g in range(n_steps * SEQUENCES):
        epoch, at = divmod(g, sum(places))
        place = order(SEED, epoch, at, sum(places))
        shard = 0 if place < places[0] else 1
        place -= shard * places[0]
        window = (epoch * places[shard] + place) % n[shard]
        if g % SEQUENCES == 0:
            steps.append([])
        steps[-1].append(shard * n[0] + window)
    ledger = [json.loads(line)["samples"] for line in
              read(f"{run}/ledger.jsonl").splitlines()[1:]]
    equal(ledger, steps, "the ledger's windows are those of the order")
    return steps, n


def reading_steps(shards, steps, n, shard, document, begin, end):
    """[(step, window, tokens held)] of tokens begin … end - 1 of a document."""
    held = {}
    rows = shards[shard].rows()
    for w in range(n[shard]):
        tokens = set()
        for d, t in rows[w * CONTEXT:(w + 1) * CONTEXT]:
            if d == document:
                tokens |= {t, t + 1} & set(range(begin, end))
        if tokens:
            held[w + shard * n[0]] = len(tokens)
    return sorted((i + 1, w, held[w]) for i, s in enumerate(steps) for w in s if w in held)


def canary(h, n_steps):
    run = f"{h.path}/a.run"
    shards = [Shard(f"{run}/shards/train-{i}.safetensors") for i in range(2)]
    steps, n = windows_of(run, n_steps, shards)
    p = h.json("trace", "a.run", f"It is said that {CANARY}, or so.", "--json", "--reads", "-1",
               cwd=h.path)
    if not ok("spans" in p, "the canary is traced", p):
        return
    s = p["spans"][0]
    has(s["text"], CANARY, "the canary is the least likely span")
    equal((s["count"], len(s["places"])), (1, 1), "it stands once")
    place = s["places"][0]
    document = [i for i, d in enumerate(shards[0].documents) if CANARY in d]
    equal(([place["in_shard"]], place["shard"]), (document, "train-0.safetensors"), "its document")
    has(place["origin"], "a.txt", "its file")
    text = shards[0].documents[document[0]]
    equal(text[place["offset"]:place["offset"] + s["tokens"]], s["text"], "its place")
    has(place["before"] + place["span"] + place["after"], "a cat saw " + CANARY + " under a tree",
        "the text around")
    wanted = reading_steps(shards, steps, n, 0, document[0], place["offset"],
                           place["offset"] + s["tokens"])
    got = [(r["step"], r["window"], r["tokens"]) for r in place["reads"]]
    equal(got, wanted, "exactly the steps that read it")
    ok(len(wanted) >= 4 and len({s for s, _, _ in wanted}) < n_steps, f"{len(wanted)} reads", wanted)
    # Many places, of both shards, whose weights differ.
    wrong, n_reads = [], 0
    pick = random.Random(6)
    pieces = [pick.choice(pick.choice(shards).documents)[1:-1] for _ in range(20)]
    write(h, "text", "aaaaaaaaaaabz".join(x[:60] for x in pieces))
    p = h.json("trace", "a.run", "-f", "text", "--json", "--reads", "-1", "--spans", "-1",
               cwd=h.path)
    for s in p["spans"]:
        for q in s["places"]:
            shard = int(q["shard"][6])
            wanted = reading_steps(shards, steps, n, shard, q["in_shard"], q["offset"],
                                   q["offset"] + s["tokens"])
            n_reads += len(wanted)
            if [(r["step"], r["window"], r["tokens"]) for r in q["reads"]] != wanted:
                wrong.append((q, wanted))
    equal(wrong[:1], [], "the steps of every place")
    ok(n_reads > 300, f"{n_reads} reads", n_reads)
    p = h.run("trace", "a.run", CANARY, cwd=h.path)
    has(p.out, f"read by step {got[0][0]}", "people see steps")
    has(p.out, "A match is not a cause", "and what a match is not")
    # A ledger that says something else.
    good = read(f"{run}/ledger.jsonl")
    rows = [json.loads(line) for line in good.splitlines()]
    step = got[0][0]
    rows[step]["samples"] = [x + 1 for x in rows[step]["samples"]]
    write(h, "a.run/ledger.jsonl", "".join(json.dumps(r, separators=(",", ":")) + "\n"
                                           for r in rows))
    p = h.run("trace", "a.run", CANARY, cwd=h.path)
    ok(p.returncode == 3 and f"step {step}:" in p.err, "a ledger that contradicts", p.err)
    write(h, "a.run/ledger.jsonl", good)


# ---- records, reports


def records(h):
    lines = [{"source": f"file:{i}", "path": "x" if i % 2 else "", "title": f"title {i}",
              "url": f"https://x/{i}", "licence": "CC0-1.0" if i % 2 else "GPL-2+",
              "author": f"<b>author {i}</b>", "made_by": "person"} for i in range(150)]
    path = write(h, "a.run/shards/train-0.documents.jsonl",
                 "".join(json.dumps(x) + "\n" for x in lines))
    p = h.json("trace", "a.run", CANARY, "--json", cwd=h.path)
    place = p["spans"][0]["places"][0]
    equal([place[k] for k in ("title", "license", "author", "origin", "url", "made_by")],
          ["title 77", "CC0-1.0", "<b>author 77</b>", "file:77 x", "https://x/77", "person"],
          "the record")
    equal(p["documents"][0]["title"], "title 77", "of the most relevant document")
    p = h.run("trace", "a.run", f"<i>{CANARY}</i>\x1b[31m", "--html", "t.html", cwd=h.path)
    html = read(f"{h.path}/t.html").decode()
    equal(p.returncode, 0, "--html")
    ok("<b>author" not in html and "&lt;b&gt;author 77" in html, "markup in records is text")
    ok("<i>" not in html and "&lt;i&gt;" in html, "and in the text")
    ok("://" not in html.replace("https://x/", "") and "default-src 'none'" in html and
       not re.search(r"<(script|link|img|iframe|object)|\bsrc=|@import|url\(", html),
       "nothing comes from elsewhere")
    has(html, "glass verify a.run --without train-0:77 -f", "how the cause is found out")
    has(html, "A match is not a cause", "the report says what a match is not")
    has(html, "read in step", "and the steps")
    write(h, "a.run/shards/train-0.documents.jsonl", json.dumps(lines[0]) + "\n")
    p = h.run("trace", "a.run", CANARY, cwd=h.path)
    ok(p.returncode == 3 and "documents.jsonl" in p.err, "records of too few documents", p.err)
    os.remove(path)


def spaces(h):
    """A text's first word is another token in the middle of a line; a file ends with a newline."""
    write(h, "s.txt", "A cat saw the king of Ruritania twice.\n" + "so the cat sat on the mat\n" * 9)
    write(h, "s.yaml", "model: {tokenizer: s.json, n_embd: 8, n_layer: 1, n_head: 1}\ndata: [s.txt]\n"
          "context: 8\nbatch: {sequences: 2}\nsteps: 1\n")
    h.run("tokenizer", "train", "s.json", "s.txt", "--vocab", "290", "--special", "<|endoftext|>",
          cwd=h.path)
    h.run("train", "s.yaml", "-q", cwd=h.path)
    h.run("trace", "--build", "-q", "s.run", cwd=h.path)
    ids = [h.run("tokenizer", "encode", "s.json", "--ids", "-p", text, cwd=h.path).out.split()
           for text in ("the king", " the king")]
    ok(ids[0][-3:] == ids[1][-3:] and ids[0] != ids[1], "another first token", ids)
    p = h.json("trace", "s.run", "the king", "--json", cwd=h.path)
    equal([(s["text"], s["count"]) for s in p["spans"]], [(" the king", 1)],
          "a stretch whose first word stands behind a space")
    p = h.run("trace", "s.run", "-f", "-", stdin=b"the king\n", cwd=h.path)
    has(p.out, "« the king»", "the newline that ends a file is not looked for")
    ok("--without" not in p.out, "nobody is told to leave out the only document", p.out)
    has(p.out, "1 document)", "one document")
    equal(h.run("trace", "s.run", "--count", cwd=h.path).returncode, 2, "no text is not counted")
    write(h, "t.txt", "\n".join(["one more line about the king"] * 3))
    write(h, "s.yaml", read(f"{h.path}/s.yaml").decode().replace("[s.txt]", "[s.txt, t.txt]"))
    h.run("train", "s.yaml", "-q", "-o", "s2.run", cwd=h.path)
    h.run("trace", "--build", "-q", "s2.run", cwd=h.path)
    p = h.run("trace", "s2.run", "-f", "-", stdin=b"of Ruritania\n", cwd=h.path)
    has(p.out, "glass verify s2.run --without train-0:0 --answer 'of Ruritania'",
        "what came from standard input is said by its text")
    os.rename(f"{h.path}/s2.run", f"{h.path}/it's 2.run")
    p = h.run("trace", "it's 2.run", "of Ruritania", cwd=h.path)
    has(p.out, "glass verify 'it'\\''s 2.run' --without train-0:0", "a name that a shell would cut is quoted")


def answers(h):
    """Models that always say the alphabet, and a run that read some of it."""
    p = h.json("complete", "bytes.gguf", "-p", "cat sees a", "--temp", "0", "--json", "--trace",
               "a.run", "-n", "30", cwd=h.path)
    equal(p["trace"]["text"], p["text"], "complete --trace traces the answer")
    p = h.run("complete", "bytes.gguf", "-p", "the c", "--echo", "--temp", "0", "--trace",
              "a.run", cwd=h.path)
    ok(p.out.startswith("the cdef") and "23 tokens, " in p.out and "not a cause" in p.out,
       "and without the prompt", p.out)
    p = h.json("chat", "bytes.gguf", "-p", "a cat saw", "--json", "--trace", "one.index",
               cwd=h.path)
    equal(p["trace"]["text"], "abcdefghijklmnopqrstuvwxyz", "chat --trace")
    p = h.run("chat", "bytes.gguf", "-p", "x", "--trace", "none", cwd=h.path)
    ok(p.returncode == 4 and "none" in p.err and p.out == "", "no such index", p.err)


# ---- the file


def same_bytes(h):
    """Whatever the threads; stopped and gone on with; in segments or not, the same answers."""
    run = f"{h.path}/a.run"
    shards = [f"{run}/shards/train-{i}.safetensors" for i in range(2)]

    def build(name, *words):
        p = h.run("trace", "--build", "-q", "-o", name, "--vocabulary", "bytes.gguf", *words,
                  *shards, cwd=h.path)
        equal((p.returncode, p.err), (0, ""), f"builds {' '.join(words)}")
        return read(f"{h.path}/{name}")
    one = build("one.index", "--segment", "1500", "-t", "1")
    two = build("two.index", "--segment", "1500", "-t", "3")
    ok(one == two, "the same bytes on any number of threads")
    whole = build("whole.index")
    n_tokens = sum(len(d) for p in shards for d in Shard(p).documents)
    n_documents = sum(len(Shard(p).documents) for p in shards)
    header = struct.unpack("<IIqqqqq", one[8:56])
    equal((header[2], header[3], header[4]), (n_tokens + n_documents, n_documents, 2), "counts")
    ok(header[5] > 4 and struct.unpack("<q", whole[40:48])[0] == 1, "segments", header)
    ours = 4096 + 64 * 8 + len(whole) - (n_tokens * 6 + n_documents * 10)
    ok(ours < 20000, "6 bytes a token, 10 more a document", ours)
    texts = [CANARY, "the cat sees a house", "a" * 500 + "b", "ab" * 300, "no such words", ""]
    equal([h.json("trace", "one.index", "--json", "--spans", "-1", "--places", "99999", t,
                  cwd=h.path)["spans"] for t in texts],
          [h.json("trace", "whole.index", "--json", "--spans", "-1", "--places", "99999", t,
                  cwd=h.path)["spans"] for t in texts], "segments change no answer")
    p = h.run("trace", "--check", "one.index", cwd=h.path)
    equal(p.returncode, 0, "--check")
    p = h.run("trace", "--build", "-q", "-o", "x.index", "--vocabulary", "bytes.gguf",
              "--memory", "1", shards[0], cwd=h.path)
    equal(p.returncode, 0, "1 MB of memory is enough for short documents")
    return one


def as_building(data, done):
    """The file as a build leaves it that was stopped after some segments."""
    n_segments = struct.unpack("<q", data[40:48])[0]
    sizes = struct.unpack("<QQ", data[56:72])
    at = 4096
    counts = struct.unpack("<IIqq", data[8:32])
    for size in (*sizes, 8 * (counts[3] + 1), counts[0] * counts[2]):
        at = (at + size + 63) // 64 * 64
    out = bytearray(data)
    out[0:8] = b"GLTRPART"
    for i in range(n_segments):
        if i not in done:
            out[at + 64 * i + 16:at + 64 * i + 64] = bytes(48)
    out[72 + 4 * 32:72 + 5 * 32] = bytes(32)
    out[4064:4096] = hashlib.sha256(out[:4064]).digest()
    suffixes = (at + 64 * (n_segments + 1) + 63) // 64 * 64
    return out, suffixes


def gone_on(h, one):
    run = f"{h.path}/a.run"
    shards = [f"{run}/shards/train-{i}.safetensors" for i in range(2)]

    def build(data):
        write(h, "again.index.building", bytes(data))
        p = h.run("trace", "--build", "-q", "-o", "again.index", "--vocabulary", "bytes.gguf",
                  "--segment", "1500", *shards, cwd=h.path)
        good = p.returncode == 0 and read(f"{h.path}/again.index") == one
        return good and not os.path.exists(f"{h.path}/again.index.building")
    part, after = as_building(one, {0, 2})
    ok(build(part), "a build that was stopped goes on")
    pick, bad = random.Random(3), []
    for _ in range(40):
        hurt = bytearray(part)
        hurt[pick.randrange(len(hurt))] ^= 1 << pick.randrange(8)
        if not build(hurt):
            bad.append(hurt)
    equal(bad, [], "whatever was damaged meanwhile is made anew")
    ok(build(part[:after]) and build(part[:100]) and build(b""), "or cut off")


def hostile(h, one):
    pick, wrong = random.Random(4), []
    asked = ("trace", "bad.index", CANARY + " aaaa the cat", "--json", "--spans", "-1")

    def ask(data):
        write(h, "bad.index", bytes(data))
        p = h.run(*asked, cwd=h.path)
        return p.returncode in (0, 3) and (p.returncode == 0 or p.err.startswith("glass: ")), p
    for n in [*range(0, 5000, 97), *(pick.randrange(len(one)) for _ in range(30)), len(one) - 1]:
        good, p = ask(one[:n])
        if not good or p.returncode == 0:
            wrong.append((n, p.returncode, p.err))
    equal(wrong, [], "cut files are refused")
    unseen = []
    for i in range(150):
        hurt = bytearray(one)
        # A header that is good of itself, and damage anywhere behind it.
        at = pick.randrange(8, 72) if i % 3 == 0 else pick.randrange(4096, len(one))
        hurt[at] = pick.choice([0, 1, 0x7F, 0xFF, hurt[at] ^ 1 << pick.randrange(8)])
        hurt[4064:4096] = hashlib.sha256(hurt[:4064]).digest()
        good, p = ask(hurt)
        if not good:
            wrong.append((at, p.returncode, p.err))
        changed = bytes(hurt) != one
        if changed and h.run("trace", "--check", "bad.index", cwd=h.path).returncode != 3:
            unseen.append(at)
    equal(wrong, [], "damage is an error or goes unseen, and nothing else happens")
    # The largest segment and the vocabulary's tokens beyond those in use are only told.
    ok(all(48 <= at < 56 for at in unseen), "--check sees damage", unseen)
    shutil.copy(f"{h.path}/one.index", f"{h.path}/a.run/trace.index.keep")
    other = read(f"{h.path}/x.index")
    keep = read(f"{h.path}/a.run/trace.index")
    write(h, "a.run/trace.index", other)
    p = h.run("trace", "a.run", "a", cwd=h.path)
    ok(p.returncode == 3 and "other shards" in p.err, "another run's index", p.err)
    write(h, "a.run/trace.index", keep)
    for words, code, part in (
            (("trace", "none.index", "a"), 4, "none.index"),
            (("trace", "a.yaml", "a"), 3, "no trace index"),
            (("trace", "--build", "a.run/shards/train-0.safetensors"), 2, "-o INDEX"),
            (("trace", "--build", "-o", "y", "--vocabulary", "bytes.gguf", "a.txt"), 3, "a.txt"),
            (("trace", "a.run", "--count", ""), 2, "no text"),
            (("trace", "one.index", "a", "b"), 2, "quotes"),
            (("trace", "one.index", "a", "-f", "text"), 2, "-f FILE"),
            (("trace", "one.index", "--count", "--build"), 2, "one at a time")):
        p = h.run(*words, cwd=h.path)
        ok(p.returncode == code and part in p.err, " ".join(words), (p.returncode, p.err))


def main():
    with kit.Home() as h:
        pick = random.Random(1)
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        a, b = make_texts(pick)
        write(h, "a.txt", a)
        write(h, "b.txt", b)
        n_steps = 130
        write(h, "a.yaml", RECIPE.replace("STEPS", str(n_steps)))
        p = h.run("train", "a.yaml", "-q", cwd=h.path, timeout=300)
        equal((p.returncode, p.err), (0, ""), "a run to trace")
        p = h.run("trace", "a.run", "a", cwd=h.path)
        ok(p.returncode == 2 and "--build a.run" in p.err, "a run without an index", p.err)
        p = h.run("trace", "--build", "a.run", cwd=h.path)
        equal((p.returncode, p.err), (0, ""), "--build of a run")
        shards = [Shard(f"{h.path}/a.run/shards/train-{i}.safetensors") for i in range(2)]
        one = same_bytes(h)
        documents = [d for s in shards for d in s.documents]
        spans(h, "one.index", documents)
        canary(h, n_steps)
        records(h)
        spaces(h)
        answers(h)
        gone_on(h, one)
        hostile(h, one)
    kit.done()


main()
