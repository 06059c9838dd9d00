#!/usr/bin/env python3
"""glass data clean: each rule at both sides of each bound, what it says of a document, duplicates
and planted evaluation items with known answers, the same root whatever the threads, the memory
and the kills."""
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from kit import GLASS, Home, done, equal, has, ok, skip  # noqa: E402

home = Home()
top = home.path
rng = random.Random(11)


def glass(*words, code=0):
    p = home.run("data", *words, cwd=top, timeout=300)
    if code is not None and p.returncode != code:
        ok(False, "glass data " + " ".join(words), f"exit {p.returncode}: {p.err}")
    return p


def sha(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def write(name, data):
    path = os.path.join(top, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def corpus(name, texts):
    write(name + ".jsonl", "".join(json.dumps({"text": t, "license": "MIT"}) + "\n" for t in texts))
    glass("add", name, name + ".jsonl")


def clean(out, *words, code=0):
    shutil.rmtree(os.path.join(top, out), ignore_errors=True)
    p = glass("clean", *words[:1], out, *words[1:], "--json", code=code)
    return json.loads(p.out) if p.out else {"error": p.err}


def texts(name):
    """Every text of a corpus with its record."""
    db = sqlite3.connect(os.path.join(top, name, "corpus.sqlite"))
    with open(os.path.join(top, name, "texts"), "rb") as f:
        whole = f.read()
    return {whole[at:at + n].decode(): json.loads(r) for at, n, r in
            db.execute("SELECT text_at,text_bytes,record FROM documents")}


def why(name, text):
    p = glass("why", name, sha(text), "--json", code=None)
    return json.loads(p.out)


# ---- one rule at a time ----
NOUNS = ["river", "mountain", "garden", "window", "teacher", "engine", "letter", "market", "forest",
         "bridge", "kitchen", "winter", "summer", "island", "doctor", "village", "painter", "shadow"]
VERBS = ["crosses", "remembers", "follows", "builds", "paints", "leaves", "carries", "answers"]


def sentence():
    return (f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} the old {rng.choice(NOUNS)} "
            f"and number {rng.randrange(10**6)} with the {rng.choice(NOUNS)} of {rng.choice(NOUNS)}.")


def prose(n=12):
    return "\n".join(sentence() for _ in range(n))


NOTE = "a b c d e f g " + "this very long sentence of many words stands here two times and is seen again "
fine = prose()
words49 = " ".join(["the", "and"] + [rng.choice(NOUNS) for _ in range(47)])
words50 = words49 + " summer"
cases = [  # rule, text, the finding that leaves it out (None: it stays), its value
    ("gopher", fine, None, None),
    ("gopher", words49, "gopher.words", 49), ("gopher", words50, None, None),
    ("gopher", "the and " + "ab " * 60, "gopher.word-length", None),
    ("gopher", "the and " + "abcdefghijklmno " * 60, "gopher.word-length", None),
    ("gopher", words50 + " # # # # # #", "gopher.hashes", 0.12),
    ("gopher", words50 + " # # # # #", None, None),
    ("gopher", words50 + "... one... two... four... six... ten... ok...", "gopher.ellipses", None),
    ("gopher", "\n".join("• the " + " and ".join(rng.sample(NOUNS, 4)) for _ in range(20)),
     "gopher.bullet-lines", 1),
    ("gopher", "\n".join(sentence() + ("…" if i < 4 else "") for i in range(10)),
     "gopher.ellipsis-lines", 0.4),
    ("gopher", "\n".join(sentence() + ("…" if i < 3 else "") for i in range(10)), None, None),
    ("gopher", "the and " + "garden 123456 " * 40, "gopher.alphabetic", None),
    ("gopher", " ".join(["the"] + [rng.choice(NOUNS) for _ in range(60)]), "gopher.stop-words", 1),
    ("repetition", fine, None, None),
    ("repetition", "\n".join([sentence()] * 5 + [sentence() for _ in range(5)]),
     "repetition.lines", 0.4),
    ("repetition", "\n\n".join([sentence()] * 5 + [sentence() for _ in range(5)]),
     "repetition.paragraphs", 0.4),
    ("repetition", " ".join(f"of the {rng.choice(NOUNS)}{i}" for i in range(30)),
     "repetition.top-2-gram", None),
    ("repetition", " ".join(f"{rng.choice(NOUNS)}{i} of the" if i % 3 == 0 else
                            f"{rng.choice(NOUNS)}{i}" for i in range(90)), None, None),
    ("repetition", sentence() + " " + " ".join(sentence() for _ in range(3)).join(2 * [NOTE]),
     "repetition.5-grams", None),
    ("fineweb", fine, None, None),
    ("fineweb", "\n".join(sentence()[:-1] for _ in range(20)), "fineweb.punctuated-lines", 0),
    ("fineweb", "\n".join("Short line number %d." % i for i in range(10)), "fineweb.short-lines", 1),
    ("fineweb", "\n".join([sentence()] * 2 + [sentence() for _ in range(10)]),
     "fineweb.repeated-line-characters", None),
    ("c4", fine, None, None),
    ("c4", "\n".join(sentence() for _ in range(4)), "c4.sentences", 4),
    ("c4", fine + "\nA brace { is here.", "c4.curly-bracket", 1),
    ("c4", fine + "\nThis is Lorem Ipsum text.", "c4.lorem-ipsum", 1),
    ("boilerplate", "All Rights Reserved", "empty", 0),
]
for rule in ("gopher", "repetition", "fineweb", "c4", "boilerplate"):
    mine = [c for c in cases if c[0] == rule]
    corpus("r-" + rule, [c[1] for c in mine])
    r = clean("o-" + rule, "r-" + rule, "--rules", rule)
    for _, text, finding, value in mine:
        w = why("o-" + rule, text)
        got = [d for d in w["decisions"] if d["removed"]]
        name = f"{rule}: {finding or 'stays'} {text[:30]!r}"
        if finding is None:
            ok(w["kept"] and not got, name, w)
        else:
            ok(not w["kept"] and [d["rule"] for d in got] == [finding] and
               (value is None or abs(got[0]["value"] - value) < 1e-9), name, w)
    removed = sum(c[2] is not None for c in mine)
    equal((r["seen"], r["kept"], r["removed"]), (len(mine), len(mine) - removed, removed),
          f"{rule}: its counts")
    summary = json.loads(glass("show", "o-" + rule, "--json").out)
    equal(sum(x["documents"] for x in summary["rules"] if x["removed"]), removed,
          f"{rule}: the summary counts what it removed")

# ---- changes ----
KEY = "AKIA" + "ABCDEFGH12345678"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"
PHRASES = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
           "all rights reserved", "skip to content", "skip to main content", "share on facebook",
           "share on twitter", "subscribe to our newsletter", "powered by wordpress", "sign up for our",
           "enable javascript", "javascript is disabled", "click here to", "leave a comment"]
changes = {
    "encoding": [("He said â€œyesâ€\u009d and cafÃ©.\r\nNext\u0000"[:-1], "He said “yes” and café.\nNext"),
                 ("Ünï caf\u00e9 São Ã", "Ünï caf\u00e9 São Ã"), ("\ufeffmark\ufeffs", "marks"),
                 ("one\rtwo\x0cthree", "one\ntwo\nthree")],
    "boilerplate": [(f"Kept line of {i}.\nYes, {p.upper() if i % 2 else p}: so.\n", f"Kept line of {i}.\n")
                    for i, p in enumerate(PHRASES)] + [("Text.\nShare on Facebook\nSee our Cookie Policy.\nMore.\n", "Text.\nMore.\n"),
                    ("all rights reserved " + "long " * 60, "all rights reserved " + "long " * 60)],
    "mask": [("Write to ann.other@example.org.uk. Now", "Write to <email>. Now"),
             ("a@b, x @y.com @home", "a@b, x @y.com @home"),
             ("at 93.184.216.34, not 192.168.0.1, 1.2.3.4 or 1.2.3.4.5, 300.1.1.1",
              "at <address>, not 192.168.0.1, 1.2.3.4 or 1.2.3.4.5, 300.1.1.1"),
             (f"key {KEY} and {KEY}x", f"key <key> and {KEY}x"),
             (f"a\n{PEM}\nb", "a\n<key>\nb"), ("ghp_" + "a1" * 18 + " end", "<key> end")],
    "c4": [(fine + "\nno end mark\nTwo words.\nWe use cookies on this page.\nUse JavaScript to see "
            "it.\nHe was here.[12][edit]\nAnd so on...\n" + "w" * 1001 + " is too long.",
            fine + "\nHe was here.")],
}
for rule, list_ in changes.items():
    corpus("x-" + rule, [a for a, _ in list_])
    clean("y-" + rule, "x-" + rule, "-r", rule)
    have = texts("y-" + rule)
    for before, after in list_:
        record = have.get(after)
        ok(record is not None, f"{rule}: {before[:40]!r}", list(have))
        if record is None or before == after:
            continue
        good = record["content"] == sha(after) and record["bytes"] == len(after.encode()) and \
            record["cleaned"]["content"] == sha(before) and \
            record["cleaned"]["steps"][0][0].startswith(rule)
        ok(good, f"{rule}: its record", record)
        w = why("y-" + rule, before)
        ok(w["kept"] and [d["removed"] for d in w["decisions"]] == [False], f"{rule}: why", w)

# ---- files that are no UTF-8 ----
write("enc/a.txt", "Grüße – “Hallo”".encode("cp1252"))
write("enc/b.txt", "Grüße aus Köln".encode("latin-1"))
write("enc/c.txt", "\ufeffzwölf 🙂".encode("utf-16-le"))
write("enc/d.txt", "\ufeffзима".encode("utf-16-be"))
write("enc/e.txt", b"\x81\x8d no text of these")
write("enc/f.txt", b"\xff\xfe\x00\xd8x\x00")
glass("add", "enc0", "enc", "--policy", "any")
equal(len(texts("enc0")), 0, "what is no UTF-8 stays out")
glass("add", "enc1", "enc", "--policy", "any", "--repair")
equal({t: r["encoding"] for t, r in texts("enc1").items()},
      {"Grüße – “Hallo”": "windows-1252", "Grüße aus Köln": "iso-8859-1", "zwölf 🙂": "utf-16le",
       "зима": "utf-16be"}, "and comes in repaired, as its record says")
glass("prove", "enc1", "enc/c.txt")

# ---- language ----
german = ("Der alte Mann ging langsam über die Brücke und dachte an seine Kinder, die schon lange in "
          "einer anderen Stadt wohnten und nur selten schrieben.")
english = ("The old man walked slowly over the bridge and thought of his children, who had lived in "
           "another town for a long time and did not write often.")
corpus("lang", [german, english, "kurz"])
clean("lang1", "lang", "-r", "language=en")
equal(sorted(texts("lang1")), sorted([english, "kurz"]), "language: German goes, what is short stays")
has(why("lang1", german)["decisions"][0]["detail"], "[de", "and why says which it was")

# ---- near duplicates with known answers ----
VOCABULARY = ["".join(rng.choice("bcdfglmnprst") + rng.choice("aeiou") for _ in range(3))
              for _ in range(3000)]


def grams(text):
    w = text.split()
    return {tuple(w[i:i + 5]) for i in range(len(w) - 4)}


def similarity(a, b):
    x, y = grams(a), grams(b)
    return len(x & y) / len(x | y)


originals = [" ".join(rng.choice(VOCABULARY) for _ in range(rng.randrange(120, 400)))
             for _ in range(600)]
made, pairs = list(originals), []
for i, text in enumerate(originals[:500]):
    w = text.split()
    for _ in range(max(1, int(len(w) * (i % 10) * 0.02))):
        w[rng.randrange(len(w))] = rng.choice(VOCABULARY)
    copy = " ".join(w).upper() if i % 7 == 0 else ", ".join(w) if i % 11 == 0 else " ".join(w)
    made.append(copy)
    pairs.append((text, copy, similarity(text, " ".join(w))))
corpus("made", made)
r = clean("made1", "made", "-r", "near", "--memory", "1")
left = texts("made1")
near = [(a, b) for a, b, s in pairs if s >= 0.8]
far = [(a, b) for a, b, s in pairs if s < 0.5]
found = sum((a in left) != (b in left) for a, b in near)
kept = sum(a in left and b in left for a, b in far)
lone = sum(t in left for t in originals[500:])
between = [(a, b) for a, b, s in pairs if 0.5 <= s < 0.8]
caught = sum((a in left) != (b in left) for a, b in between)
print(f"# near: {found} of {len(near)} pairs from 0.8 on, {caught} of {len(between)} from 0.5 to 0.8, "
      f"{len(far) - kept} of {len(far)} below 0.5; {100 - lone} of 100 without a copy")
ok(len(near) >= 90 and found >= 0.97 * len(near), "near: recall of pairs from 0.8 on", found)
ok(len(far) > 100 and kept >= 0.97 * len(far), "near: pairs below 0.5 stay", kept)
equal(lone, 100, "near: what has no copy stays")
removed = next(t for t in made if t not in left)
w = why("made1", removed)
first = w["decisions"][0]["detail"].split()[1]
equal(json.loads(glass("why", "made1", first, "--json").out)["kept"], True,
      "near: why names a document that stayed")

# Groups: chains of copies of copies, each group known by the one that stayed.
group_of = {}
chains = []
for i in range(12):
    w = [rng.choice(VOCABULARY) for _ in range(300)]
    chain = []
    for _ in range(1 + i % 5):
        chain.append(" ".join(w))
        w[rng.randrange(len(w))] = rng.choice(VOCABULARY)
    chains.append(chain)
corpus("chains", [t for c in chains for t in c])
clean("chains1", "chains", "-r", "near")
left = texts("chains1")
bad = []
for chain in chains:
    stayed = [t for t in chain if t in left]
    found = [why("chains1", t).get("group") for t in chain]
    if len(stayed) != 1:
        bad.append((len(chain), "stayed", len(stayed)))
    elif len(chain) == 1:
        bad += [(1, found)] if found != [None] else []
    elif not all(g and g["stayed"] == sha(json.dumps(left[stayed[0]], separators=(",", ":"),
                                                     ensure_ascii=False)) and
                 g["documents"] == len(chain) and len(g["left_out"]) == len(chain) - 1 for g in found):
        bad.append((len(chain), found))
equal(bad, [], "near: each of a group's documents names the one that stayed, and how many they are")
near = json.loads(glass("show", "chains1", "--json").out)["near"]
equal((near["groups"], near["documents"], sorted({g["documents"] for g in near["largest"]})),
      (sum(len(c) > 1 for c in chains), sum(len(c) for c in chains if len(c) > 1), [2, 3, 4, 5]),
      "near: show counts groups")
has(glass("show", "chains1").out, "groups of near duplicates", "near: and says so")
has(glass("why", "chains1", sha(chains[4][0]), code=None).out, "one of 5 near duplicates", "near: why, in words")

# ---- evaluation sets ----
questions = [json.dumps({"task_id": f"T/{i}", "prompt": "def f%d(values, limit):\n    \"\"\" %s \"\"\"\n" %
                         (i, " ".join(rng.choice(VOCABULARY) for _ in range(25))),
                         "choices": [" ".join(rng.choice(VOCABULARY) for _ in range(9))]})
             for i in range(50)]
write("questions.jsonl", "\n".join(questions) + "\n")
write("endings.txt", "\n".join(" ".join(rng.choice(VOCABULARY) for _ in range(30))
                               for _ in range(50)) + "\n")
planted = []
for i, line in enumerate(questions[:30]):
    q = json.loads(line)
    planted.append((prose(6) + "\n" + (q["prompt"] if i % 2 else q["choices"][0].upper() + ".\n") + prose(6),
                    f"questions.jsonl:{i + 1}"))
with open(os.path.join(top, "endings.txt"), encoding="utf-8") as f:
    for i, line in enumerate(f.read().splitlines()[:30]):
        w = line.split()
        planted.append((prose(3) + " " + "  ".join(w[5:18]) + "; " + prose(3), f"endings.txt:{i + 1}"))
innocent = [prose(20) for _ in range(100)] + [
    prose(3) + " " + " ".join(json.loads(q)["prompt"].split()[4:16]) + " " + prose(3)
    for q in questions[30:]]
corpus("plant", [t for t, _ in planted] + innocent)
clean("plant1", "plant", "-r", "exact", "-a", "questions.jsonl", "-a", "endings.txt")
left = texts("plant1")
equal([t for t, _ in planted if t in left], [], "evaluation: all that was planted is found")
equal([t for t in innocent if t not in left], [], "evaluation: twelve words in a row are none")
wrong = [(why("plant1", t)["decisions"][0]["detail"], where) for t, where in planted]
equal([x for x in wrong if x[0] != x[1]], [], "evaluation: why names the item")

shared = os.path.abspath(os.environ.get("GLASS_SHARED", "../shared/data"))
sets = [os.path.join(shared, "eval", n) for n in ("HumanEval.jsonl.gz", "hellaswag_val_full.txt.bz2")]
if all(os.path.exists(s) for s in sets):
    import bz2
    import gzip
    with gzip.open(sets[0], "rt", encoding="utf-8") as f:
        items = [json.loads(line)["prompt"] for line in f][:40]
    with bz2.open(sets[1], "rt", encoding="utf-8") as f:
        items += [x for x in f.read().splitlines() if len(x.split()) > 20][:40]
    corpus("real", [prose(4) + "\n" + t + "\n" + prose(4) for t in items] + innocent)
    clean("real1", "real", "-r", "exact", "-a", sets[0], "-a", sets[1])
    left = texts("real1")
    equal(len(left), len(innocent), "evaluation: 80 items of HumanEval and HellaSwag are found, no more")
else:
    skip("evaluation: HumanEval and HellaSwag", "no shared data")

# ---- the same root ----
corpus("all", made + innocent + [t for t, _ in planted] + [c[1] for c in cases] +
       [a for x in changes.values() for a, _ in x])
RULES = ("all", "-r", "encoding,boilerplate,mask,repetition,exact,near", "-a", "questions.jsonl")
want = clean("w1", *RULES)["root"]
for n, words in enumerate((("--threads", "1", "--memory", "1"), ("--threads", "5"))):
    equal(clean(f"w{n + 2}", *RULES, *words)["root"], want, "the same root with " + " ".join(words))
start = time.time()
clean("k", *RULES)
seconds = time.time() - start
kills = 0
for n in range(10):
    shutil.rmtree(os.path.join(top, "k"), ignore_errors=True)
    child = subprocess.Popen([GLASS, "data", "clean", RULES[0], "k", *RULES[1:]], cwd=top,
                             env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep((n + 0.5) * seconds / 10)
    child.send_signal(signal.SIGKILL)
    kills += child.wait() == -signal.SIGKILL
    p = glass("clean", RULES[0], "k", *RULES[1:], "--json", code=None)
    root = json.loads(glass("show", "k", "--json").out)["roots"][0]["root"]
    if root != want:
        break
# A stopped cleaning goes on: what was judged before is not read again, so that its texts may be gone.
big = [prose(30) + f"\n{i}" for i in range(2400)] + made
corpus("big", big)
BIG = ("big", "-r", "encoding,mask,repetition,exact,near", "--memory", "1", "--threads", "2")
straight = clean("b0", *BIG)


def stopped_at(waited, least):
    """Kills the cleaning as soon as it has committed such a place, and tells the place."""
    shutil.rmtree(os.path.join(top, "b"), ignore_errors=True)
    child = subprocess.Popen([GLASS, "data", "clean", BIG[0], "b", *BIG[1:]], cwd=top, env=home.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    uri = "file:" + os.path.join(top, "b/corpus.sqlite") + "?mode=ro"
    place = None
    while child.poll() is None:
        time.sleep(0.002)
        try:
            db = sqlite3.connect(uri, uri=True, timeout=0.01)
            row = db.execute("SELECT value FROM meta WHERE key='cleaning'").fetchone()
            db.close()
        except sqlite3.Error:
            continue
        place = json.loads(row[0]) if row else None
        if place and place["waited"] == waited and place["judged" if waited else "seen"] >= least:
            child.send_signal(signal.SIGKILL)
    child.wait()
    if child.returncode != -signal.SIGKILL:
        return None
    db = sqlite3.connect(os.path.join(top, "b/corpus.sqlite"))
    row = db.execute("SELECT value FROM meta WHERE key='cleaning'").fetchone()
    db.close()
    return json.loads(row[0]) if row else None


def blank(place):
    """Writes zeros over the source's texts that were judged; returns how many."""
    src = sqlite3.connect(os.path.join(top, "big/corpus.sqlite"))
    last = bytes.fromhex(place["content"]) if place["any"] else bytes([255] * 32)
    gone = src.execute("SELECT text_at,text_bytes FROM documents WHERE content<=?", (last,)).fetchall()
    src.close()
    with open(os.path.join(top, "big/texts"), "r+b") as f:
        for at, size in gone:
            f.seek(at)
            f.write(b"\0" * size)
    return len(gone)


shutil.copy(os.path.join(top, "big/texts"), os.path.join(top, "texts.kept"))
for number, (waited, least) in enumerate(((False, 1), (False, 1500), (True, 0), (True, 900))):
    place = stopped_at(waited, least) or stopped_at(waited, least)
    if place is None:
        skip(f"a cleaning goes on, {number}", "it ended before it could be killed twice")
        continue
    if number == 0:
        has(glass("add", "b", "big.jsonl", code=2).err, "a cleaning was stopped in it",
            "nothing is added to a cleaning that was stopped")
        has(glass("clean", "big", "b", "-r", "exact", code=2).err, "by other rules",
            "nor do other rules go on with it")
        has(glass("list", "b", code=3).err, "never finished", "nor is it a corpus yet")
    gone = blank(place)
    p = glass("clean", BIG[0], "b", *BIG[1:], "--json")
    shutil.copy(os.path.join(top, "texts.kept"), os.path.join(top, "big/texts"))
    got = json.loads(p.out) if p.out else p.err
    ok(gone > 0 and got == straight, f"a cleaning goes on, {number}: waited {place['waited']}, "
       f"{place['seen']} seen, {place['judged']} judged", (got, straight, gone))
equal([n for n in os.listdir(os.path.join(top, "b")) if n.startswith("cleaning")], [],
      "the files of those that waited are gone")

db = sqlite3.connect(os.path.join(top, "k/corpus.sqlite"))
db.execute("DELETE FROM roots")
db.commit()
db.close()
equal(json.loads(glass("clean", RULES[0], "k", *RULES[1:], "--json").out)["root"], want,
      "killed before it was sealed, the same root")
equal(root, want, f"killed {kills} times at ten places, the same root")
both = clean("two", "r-gopher", "-r", "exact")
p = glass("clean", "r-gopher", "r-gopher", "two2", "-r", "exact", "--json")
equal(json.loads(p.out)["root"], both["root"], "exact: a corpus twice is the corpus once")
equal(len(glass("prove", "w1", sha(fine), code=None).out) > 0, True, "proofs of a cleaned corpus")

# ---- errors ----
for words, code, part in (
        (("all", "e1", "-r", "gofer"), 2, 'no rule "gofer"'),
        (("all", "e2", "-r", "language"), 2, "language=en+fr"),
        (("all", "e3", "-r", "near=3"), 2, "has no value"),
        (("all", "w1", "-r", "mask"), 2, "a new folder"),
        (("nowhere", "e4"), 3, "no corpus"),
        (("all", "e5", "-a", "none.jsonl"), 4, "none.jsonl"),
        (("all", "e6", "-a", "enc"), 3, "no text of 8 words")):
    has(glass("clean", *words, code=code).err, part, "error: " + " ".join(words))
equal(glass("why", "all", sha(fine)).out, "in the corpus\n", "why of a corpus that was not cleaned")
has(glass("why", "w1", "0" * 64, code=1).out, "not known", "why of what was never there")
done()
