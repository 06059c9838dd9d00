#!/usr/bin/env python3
"""glass data: sources, records and their evidence, hostile archives, proofs, killed adds."""
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from kit import GLASS, Home, done, equal, has, ok, skip  # noqa: E402

home = Home()
top = home.path


def glass(*words, code=0, **more):
    r = subprocess.run([GLASS, "data", *words], capture_output=True, text=True, env=home.env,
                       cwd=top, **more)
    if code is not None and r.returncode != code:
        ok(False, "glass data " + " ".join(words), f"exit {r.returncode}: {r.stderr}")
    return r


def add(corpus, *words, **more):
    r = glass("add", corpus, *words, "--json", **more)
    return json.loads(r.stdout) if r.stdout else {"error": r.stderr}


def records(corpus, *words):
    return [json.loads(line) for line in glass("list", corpus, "--json", *words).stdout.splitlines()]


def write(path, data):
    path = os.path.join(top, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def sha(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


# ---- a folder ----
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2001 Ann Other
License: GPL-2+

Files: data/*
Copyright: 2002 Ben Other
License: CC0-1.0

Files: clash/*
Copyright: 2003 Cy Other
License: Apache-2.0
"""
ISC = ("Permission to use, copy, modify, and/or distribute this software for any purpose with or "
       "without fee is hereby granted.\n")
write("tree/debian/copyright", COPYRIGHT)
write("tree/readme.txt", "Nothing is said here.\n")
write("tree/data/words.txt", "one two three\n")
write("tree/src/a.c", "// SPDX-License-Identifier: MIT\nint a;\n")
write("tree/clash/b.c", "/* SPDX-License-Identifier: MIT */\nint b;\n")
write("tree/page.html", "<html><head><title>A  page</title><script>x()</script></head><body>"
      "<p>One &amp; two</p><ul><li>three</ul><pre>a  b\n c</pre></body></html>")
write("tree/picture.png", b"\x89PNG\0\0")
write("tree/latin.txt", b"na\xefve\n")
write("tree/empty.txt", "")
os.symlink("/etc/passwd", os.path.join(top, "tree/link.txt"))
os.mkfifo(os.path.join(top, "tree/pipe"))
r = add("c1", "tree")
equal((r["documents"], r["added"], r["excluded"]), (5, 5, 0), "a folder's texts are added")
by_path = {d["path"]: d for d in records("c1")}
equal({p: d["licence"] for p, d in by_path.items()},
      {"readme.txt": "GPL-2.0-or-later", "data/words.txt": "CC0-1.0", "page.html": "GPL-2.0-or-later",
       "src/a.c": "MIT AND GPL-2.0-or-later", "clash/b.c": "MIT AND Apache-2.0"}, "each has its licence")
equal(by_path["clash/b.c"].get("contradictory"), True, "a contradiction is recorded")
words = by_path["data/words.txt"]
e = words["evidence"][0]
equal((e["kind"], e["file"], e["quote"]), ("debian-copyright", "debian/copyright", "CC0-1.0"),
      "evidence from debian/copyright")
at = e["offset"]
equal((COPYRIGHT[at:at + e["bytes"]], e["sha256"]), ("CC0-1.0", sha(COPYRIGHT)),
      "the evidence stands at its offset in the file with its hash")
equal((words["content"], words["raw"], words["author"]),
      (sha("one two three\n"), sha("one two three\n"), "2002 Ben Other"), "hashes and author")
e = by_path["src/a.c"]["evidence"][0]
equal((e["kind"], e["offset"], e["quote"]), ("spdx-tag", 3, "SPDX-License-Identifier: MIT"),
      "evidence from a tag")
db = sqlite3.connect(os.path.join(top, "c1/corpus.sqlite"))
row = db.execute("SELECT text_at, text_bytes FROM documents WHERE path='page.html'").fetchone()
with open(os.path.join(top, "c1/texts"), "rb") as f:
    f.seek(row[0])
    equal(f.read(row[1]).decode(), "One & two\n\n- three\n\na  b\n c\n", "HTML as text")
equal(by_path["page.html"]["title"], "A page", "a page's title")
reasons = dict(db.execute("SELECT path, reason FROM excluded"))
db.close()
equal({k: reasons.get(k) for k in ("picture.png", "latin.txt", "empty.txt", "link.txt", "pipe", "debian/copyright")},
      {"picture.png": "no text", "latin.txt": "not UTF-8", "empty.txt": "empty", "link.txt": "a link",
       "pipe": "no ordinary file", "debian/copyright": "a licence, not a document"},
      "what is left out has its reason")

# ---- the same from archives ----


def pack(path, entries, mode="w:gz"):
    with tarfile.open(os.path.join(top, path), mode) as t:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return path


entries = [(os.path.relpath(os.path.join(d, f), os.path.join(top, "tree")),
            open(os.path.join(d, f), "rb").read())
           for d, _, names in os.walk(os.path.join(top, "tree")) for f in names
           if os.path.isfile(os.path.join(d, f)) and not os.path.islink(os.path.join(d, f))]
licences = {p: d["licence"] for p, d in by_path.items()}
for path, mode in (("t.tar", "w"), ("t.tar.gz", "w:gz"), ("t.tar.xz", "w:xz"), ("t.tar.bz2", "w:bz2")):
    pack(path, entries, mode)
    add("c-" + path, path)
    equal({d["path"]: d["licence"] for d in records("c-" + path)}, licences, f"{path} as the folder")
with zipfile.ZipFile(os.path.join(top, "t.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    for name, data in entries:
        z.writestr(name, data)
add("c-zip", "t.zip")
got = records("c-zip")
equal({d["path"]: d["licence"] for d in got}, licences, "t.zip as the folder")
equal({d["retrieved"] for d in got}, {sha(open(os.path.join(top, "t.zip"), "rb").read())},
      "retrieved is the archive's hash")
# An archive in an archive in a folder, top folder and all.
pack("inner.tar.xz", [("pkg-1.0/" + n, d) for n, d in entries], "w:xz")
write("nest/outer.zip", b"")
with zipfile.ZipFile(os.path.join(top, "nest/outer.zip"), "w") as z:
    z.write(os.path.join(top, "inner.tar.xz"), "inner.tar.xz")
add("c-nest", "nest")
equal({d["path"]: d["licence"] for d in records("c-nest")},
      {"outer.zip!inner.tar.xz!pkg-1.0/" + p: v for p, v in licences.items()}, "archives in archives")

# '!' parts an archive from what is in it, and nothing else: a name's own is %21, and % is %25.
write("marks/a.zip", b"")
with zipfile.ZipFile(os.path.join(top, "marks/a.zip"), "w") as z:
    z.writestr("b!c.txt", "of the zip\n")
    z.writestr("100%.txt", "percent\n")
pack("marks/a.zip!b.tar", [("c.txt", b"of a tar with an odd name\n"), ("!x/COPYING", ISC.encode()),
                           ("!x/y.txt", b"has a licence beside it\n")], "w")
write("marks/x!/debian/copyright", COPYRIGHT + "\nFiles: 50%!.c\nCopyright: M\nLicense: ISC\n")
write("marks/x!/50%!.c", "int odd;\n")
with open(os.path.join(os.fsencode(top), b"marks/caf\xe9.txt"), "wb") as f:
    f.write(b"a name of Latin-1\n")
add("c-marks", "marks", "--policy", "any")
equal({d["path"]: d["licence"] for d in records("c-marks")},
      {"a.zip!b%21c.txt": "unknown", "a.zip!100%25.txt": "unknown", "a.zip%21b.tar!c.txt": "unknown",
       "a.zip%21b.tar!%21x/y.txt": "ISC", "x%21/50%25%21.c": "ISC", "caf%E9.txt": "unknown"},
      "a path has one reading, whatever names have")
add("c-mark", "marks/a.zip!b.tar", "--policy", "any")
equal(sorted(d["path"] for d in records("c-mark")), ["%21x/y.txt", "c.txt"],
      "also where the archive is the source")

# What an archive says of its files is nearer than what is said of it.
write("near/debian/copyright", COPYRIGHT)
pack("near/ours.tar.gz", [("COPYING", ISC.encode()), ("x.txt", b"inside\n")])
write("near/de.po", '# under the same licence\nmsgid "GNU GPL version 3 or later"\n')
add("c-near", "near")
equal({d["path"]: d["licence"] for d in records("c-near")},
      {"ours.tar.gz!x.txt": "ISC", "de.po": "GPL-2.0-or-later"}, "the nearest archive's licence; catalogues")

# ---- JSON lines and <doc> ----
LINES = ('{"text":"first text","license":"CC BY 4.0","author":"Al","url":"http://x/1"}\n'
         '\n'
         '{"content":"second \\u00e9","made_by":"model:m","licence":"MIT"}\n'
         '{"text":"third"}\n'
         '{"text":3,"license":"MIT"}\n'
         'not json\n'
         '{"text":"open\n'
         '{"text":"last","license":"CC-BY-NC-4.0","deep":[[{"a":1}]]}')
with gzip.open(write("lines.jsonl.gz", b""), "wb") as f:
    f.write(LINES.encode())
r = add("c-lines", "lines.jsonl.gz", "--policy", "commercial")
equal((r["documents"], r["excluded"], r["skipped"]), (2, 2, 3), "JSON lines: kept, excluded, no documents")
first = next(d for d in records("c-lines") if d["part"] == 0)
raw = LINES.split("\n")[0] + "\n"
e = first["evidence"][0]
equal((e["kind"], e["quote"], raw[e["offset"]:e["offset"] + e["bytes"]], e["sha256"]),
      ("stated", "CC BY 4.0", "CC BY 4.0", sha(raw)), "a line's own statement is its evidence")
equal((first["author"], first["url"], first["licence"]), ("Al", "http://x/1", "CC-BY-4.0"), "a line's fields")
second = next(d for d in records("c-lines") if d["part"] == 2)
equal((second["content"], second["made_by"]), (sha("second é"), "model:m"), "made by a model, as declared")
DOCS = ('<doc title="A &quot;B&quot;" url="u1" license="CC BY-SA 3.0">\nBody one.\n\nMore.\n</doc>\n'
        'between\n<doc title="C" url="u2" license="">\nBody two.\n</doc>\n'
        '<doc title="D" url="u3" license="CC0 1.0">\nBody three, unfinished.\n')
with lzma.open(write("docs.txt.xz", b""), "wb") as f:
    f.write(DOCS.encode())
r = add("c-docs", "docs.txt.xz")
equal((r["documents"], r["excluded"]), (2, 1), "<doc> elements; one without a licence stays out")
d = next(d for d in records("c-docs") if d["part"] == 0)
equal((d["title"], d["licence"], d["content"]), ('A "B"', "CC-BY-SA-3.0", sha("Body one.\n\nMore.\n")),
      "a <doc> element")

# ---- Parquet is known, and not read ----
write("pq/x.parquet", b"PAR1\x15\x04" + bytes(40) + b"PAR1")
write("pq/y.txt", "beside it\n")
r = glass("add", "c-pq", "pq/x.parquet", code=3)
has(r.stderr, "to_json(", "Parquet: an error that says what to do")
add("c-pq", "pq", "--licence", "MIT")
equal([d["path"] for d in records("c-pq")], ["y.txt"], "Parquet among other files is skipped")
db = sqlite3.connect(os.path.join(top, "c-pq/corpus.sqlite"))
has(db.execute("SELECT reason FROM excluded").fetchone()[0], "JSON lines", "and the reason says what to do")
db.close()

# ---- hostile archives ----
before = set(os.listdir(top)) | {"bad", "c-bad"}
write("bad/evil.txt", "fine\n")
pack("bad/dots.tar.gz", [("../../escape.txt", b"out\n"), ("/abs.txt", b"abs\n"), ("a/../../b", b"x\n")])
with tarfile.open(os.path.join(top, "bad/links.tar"), "w") as t:
    for name, kind, target in (("l", tarfile.SYMTYPE, "/etc"), ("h", tarfile.LNKTYPE, "x"),
                               ("dev", tarfile.CHRTYPE, ""), ("fifo", tarfile.FIFOTYPE, "")):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        t.addfile(info)
    info = tarfile.TarInfo("l/shadow.txt")
    info.size = 3
    t.addfile(info, io.BytesIO(b"hi\n"))
whole = open(os.path.join(top, "t.tar.xz"), "rb").read()
write("bad/cut.tar.xz", whole[:len(whole) // 2])
write("bad/noise.zip", random.Random(1).randbytes(5000))
write("bad/not.gz", "this was never compressed\n")
deep = b"deep text\n"
for _ in range(7):
    deep = gzip.compress(deep)
write("bad/deep.txt" + ".gz" * 7, deep)
r = add("c-bad", "bad", "--licence", "MIT")
paths = sorted(d["path"] for d in records("c-bad"))
equal(paths, ["dots.tar.gz!abs.txt", "evil.txt", "links.tar!l/shadow.txt"] +
      [p for p in paths if p.startswith("cut.tar.xz!")], "of bad archives only what is sound is read")
equal(set(os.listdir(top)), before, "nothing is written beside the corpus")
ok(not os.path.exists(os.path.join(os.path.dirname(top), "escape.txt")), "nor above it")
for name in ("cut.tar.xz", "noise.zip", "not.gz"):
    r = glass("add", "c-bad2", "bad/" + name, code=3)
    has(r.stderr, name, f"{name} alone is an error that names it")
bomb = lzma.compress(bytes(200 << 20))
write("bomb.txt.xz", bomb)
start = time.time()
r = glass("add", "c-bomb", "bomb.txt.xz", code=None)
ok(r.returncode in (0, 3) and (r.returncode == 3 or "0 new" in r.stdout), "a bomb is stopped", r.stdout + r.stderr)
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as t:
    for i in range(40):
        info = tarfile.TarInfo(f"{i}.txt")
        info.size = 10 << 20
        t.addfile(info, io.BytesIO(b"a" * (10 << 20)))
write("bomb.tar.xz", lzma.compress(tar.getvalue()))
r = glass("add", "c-bomb", "bomb.tar.xz", "--licence", "MIT", code=3)
has(r.stderr, "--max-ratio", "a bomb of many files is stopped, and the way out is told")
pack("many.tar.gz", [(f"{i}", b"x\n") for i in range(300)])
r = glass("add", "c-bomb", "many.tar.gz", "--max-files", "200", code=3)
has(r.stderr, "--max-files", "too many files are stopped")
equal(glass("show", "c-bomb", "--json").stdout[:14], '{"documents":0', "a source that fails leaves nothing")
write("long.txt", "word " * 1000)
r = add("c-long", "long.txt", "--max-document", "4999", "--licence", "MIT")
equal((r["documents"], r["skipped"]), (0, 1), "a document that is too long is left out")

# ---- a git checkout ----
git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-C", os.path.join(top, "repo")]
write("repo/a.txt", "committed\n")
write("repo/LICENSE", ISC)
write("repo/.gitattributes", "hidden.txt export-ignore\n")
write("repo/hidden.txt", "not exported, but committed\n")
try:
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(git + words, check=True, env=home.env, capture_output=True)
    commit = subprocess.run(git + ["rev-parse", "HEAD"], check=True, env=home.env, capture_output=True,
                            text=True).stdout.strip()
    write("repo/a.txt", "changed later\n")
    write("repo/new.txt", "not committed\n")
    add("c-git", "repo")
    got = records("c-git")
    equal(sorted((d["path"], d["content"], d["licence"]) for d in got if d["path"] != ".gitattributes"),
          [("a.txt", sha("committed\n"), "ISC"), ("hidden.txt", sha("not exported, but committed\n"), "ISC")],
          "a git checkout gives what was committed")
    equal({d["source"] for d in got}, {f"git:repo@{commit}"}, "its commit is the source")
except (OSError, subprocess.CalledProcessError) as why:
    skip("a git checkout", why)

# ---- roots ----
r1 = add("c-again", "tree")
r2 = add("c-again", "tree")
equal((r2["root"], r2["added"], r2["again"]), (r1["root"], 0, 5), "the same sources again: the same root")
equal(r1["root"], add("c1", "tree")["root"], "the same documents elsewhere: the same root")
r3 = add("c-again", "docs.txt.xz")
ok(r3["root"] != r1["root"] and r3["documents"] == 7, "more documents: another root")
r4 = add("c-other", "docs.txt.xz", "tree")
equal(r4["root"], r3["root"], "the order of sources does not matter")
equal(len(records("c-again", "--root", r1["root"][:12])), 5, "an old root names what it did")
r = glass("list", "c-again", "--root", "ffffffff", code=3)
has(r.stderr, "has no root", "a root that is none")

# ---- proofs ----
text = write("words.txt", "one two three\n")
proof = glass("prove", "c-again", "words.txt").stdout
write("p.json", proof)
r = glass("check", "p.json", "--root", r3["root"], "--document", "words.txt")
has(r.stdout, "is in the corpus of 7 documents", "presence is proven")
write("absent.txt", "nobody wrote this\n")
gone = glass("prove", "c-again", "absent.txt", code=1).stdout
write("q.json", gone)
has(glass("check", "q.json", "--document", "absent.txt").stdout, "is NOT in", "absence is proven")
glass("check", "q.json", "--document", "words.txt", code=1)
glass("check", "p.json", "--root", r1["root"], code=1)
old = json.loads(glass("prove", "c-again", "words.txt", "--root", r1["root"]).stdout)
equal((old["root"], old["documents"]), (r1["root"], 5), "a proof for an old root")
bad = 0
p = json.loads(proof)
q = json.loads(gone)


def refused(changed):
    write("bad.json", json.dumps(changed))
    return glass("check", "bad.json", code=None).returncode in (1, 3)


for key, value in (("documents", 8), ("content", sha("x")), ("root", sha("x")), ("present", False)):
    bad += refused({**p, key: value})
bad += refused({**p, "document": {**p["document"], "record": p["document"]["record"].replace("CC0-1.0", "MIT")}})
bad += refused({**p, "document": {**p["document"], "at": (p["document"]["at"] + 1) % 7}})
bad += refused({**p, "document": {**p["document"], "path": p["document"]["path"][:-1]}})
equal(bad, 7, "changed proofs of presence are refused")
sides = [k for k in ("before", "after") if k in q]
bad = sum(refused({k: v for k, v in q.items() if k != side}) for side in sides)
bad += refused({**q, "content": p["content"]})
bad += refused({**q, "documents": 6})
equal(bad, len(sides) + 2, "changed proofs of absence are refused")
every = [d["content"] for d in records("c-again")]
good = 0
for content in every + [sha(str(i)) for i in range(40)] + ["0" * 64, "f" * 64]:
    here = glass("prove", "c-again", content, code=None)
    write("e.json", here.stdout)
    good += here.returncode == (0 if content in every else 1) and \
        glass("check", "e.json", "--document", content).returncode == 0
equal(good, len(every) + 42, "every document, and texts before, between and after them")
db = sqlite3.connect(os.path.join(top, "c-again/corpus.sqlite"))
db.execute("UPDATE documents SET record=replace(record,'CC0','MIT'), hash=zeroblob(32) WHERE path='data/words.txt'")
db.commit()
db.close()
r = glass("prove", "c-again", "absent.txt", code=3)
has(r.stderr, "was changed", "a table that was changed gives no proof")

# ---- killed at any moment ----
rng = random.Random(7)
for s in range(3):
    write(f"big{s}.jsonl", "".join(json.dumps({"text": f"{s} {i} " + "word " * rng.randrange(200),
                                               "license": "MIT"}) + "\n" for i in range(3000)))
sources = [f"big{s}.jsonl" for s in range(3)]
start = time.time()
wanted = add("whole", *sources)["root"]
seconds = time.time() - start
kills = 0
for n in range(12):
    child = subprocess.Popen([GLASS, "data", "add", "killed", *sources], cwd=top, env=home.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(rng.random() * seconds)
    child.send_signal(signal.SIGKILL)
    kills += child.wait() == -signal.SIGKILL
r = add("killed", *sources)
equal(r["root"], wanted, f"killed {kills} times, the same root")
size = os.path.getsize(os.path.join(top, "whole/texts"))
part = 0
for n in range(12):
    shutil.rmtree(os.path.join(top, "killed"), ignore_errors=True)
    child = subprocess.Popen([GLASS, "data", "add", "killed", *sources], cwd=top, env=home.env,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep((n + 0.5) * seconds / 12)
    child.send_signal(signal.SIGKILL)
    child.wait()
    texts = os.path.join(top, "killed/texts")
    left = os.path.getsize(texts) if os.path.exists(texts) else 0
    part += 0 < left < size
    r = add("killed", *sources)
    if r.get("root") != wanted or os.path.getsize(texts) != size:
        break
equal((r.get("root"), os.path.getsize(texts)), (wanted, size),
      f"killed at twelve places of a first add ({part} in the middle of a text), the same root and texts")

# ---- what is left out, and added again; digits; mistakes ----
write("some/mit.c", "// SPDX-License-Identifier: MIT\nint a;\n")
write("some/plain.txt", "Nobody says anything of this.\n")
write("some/deep/bytes", b"\0\1\2")
for _ in range(2):
    add("c-why", "some")
summary = json.loads(glass("show", "c-why", "--json").stdout)
equal(sorted((x["reason"], x["documents"]) for x in summary["left_out"]),
      [("no text", 1), ("policy known: unknown", 1)], "what is added twice is left out once")
for words, code, part in ((("some/plain.txt",), 1, "plain.txt of "), (("some/deep/bytes",), 1, "no text"),
                          (("plain.txt",), 1, "left out: policy known: unknown"),
                          (("some/mit.c",), 0, "in the corpus"), (("mit.c",), 0, "in the corpus"),
                          (("nobody",), 1, "not known here")):
    r = glass("why", "c-why", *words, code=code)
    has(r.stdout, part, f"why {words[0]}")
digits = glass("list", "c-why").stdout.split()[0]
equal(json.loads(glass("prove", "c-why", digits).stdout)["content"], sha(open(f"{top}/some/mit.c").read()),
      "the digits that list shows name a text")
has(glass("prove", "c-why", "0123456789ab", code=2).stderr, "no text of c-why", "digits of none")
shutil.copytree(f"{top}/c-why", f"{top}/some/deep/corpus")
r = glass("add", "c-why", "some", "-v")
has(r.stderr, "deep/corpus: a corpus", "a corpus in a folder is no part of it")
has(r.stdout, "1 document,", "and changes nothing")
for words, part in (("c-why", "take several corpora"), ("https://example.org/a.txt", "addresses are not fetched"),
                    ("/dev/zero", "neither a file nor a folder"), ("tree/pipe", "neither a file nor a folder")):
    has(glass("add", "c-why", words, code=2).stderr, part, f"add {words}")
for words in (("--licence", "GPL-2.0-or-latr"), ("--made-by", "robot"), ("--made-by", "model:")):
    has(glass("add", "c-why", "some", *words, code=2).stderr, words[1], f"{words[0]} by mistake")
for licence in ("CC BY 4.0", "LicenseRef-mine", "GPLv3+", "public domain", "MIT OR Apache-2.0"):
    glass("add", "c-why2", "some/plain.txt", "--licence", licence, "--policy", "any")

# ---- errors ----
for words, code, part in ((("add", "c-x", "nowhere"), 4, "nowhere"),
                          (("add", "c-x", "tree", "--policy", "free"), 2, "no policy"),
                          (("add", "c-x", "deb:Bad Name"), 2, "no package"),
                          (("add", "c-x", "deb:-oX=1"), 2, "no package"),
                          (("show", "tree"), 3, "no corpus"),
                          (("list", "c1", "-n", "-2"), 2, "-n -2"),
                          (("check", "tree/readme.txt"), 3, "no proof"),
                          (("add", "c-x", "tree", "docs.txt.xz", "--name", "x"), 2, "one source")):
    r = glass(*words, code=code)
    has(r.stderr, part, "error: " + " ".join(words))
write("notdb/corpus.sqlite", "this is no database" * 100)
has(glass("show", "notdb", code=3).stderr, "notdb", "a file that is no table")
done()
