#!/usr/bin/env python3
"""glass data card: tables and pictures that agree with the table of documents, in HTML and
Markdown, whatever names say."""
import json
import os
import re
import sqlite3
import sys
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from kit import Home, done, equal, has, ok  # noqa: E402

home = Home()
top = home.path
EVIL = "<script>alert(1)</script>|&\"x\".txt"


def glass(*words, code=0):
    p = home.run("data", *words, cwd=top)
    if p.returncode != code:
        ok(False, "glass data " + " ".join(words), f"exit {p.returncode}: {p.err}")
    return p


def read(name):
    with open(os.path.join(top, name), encoding="utf-8") as f:
        return f.read()


texts = {"MIT": "The cat sat on the mat and looked at the dog that had come into the house with the "
                "children, who were late for their supper again. ",
         "GPL-3.0-only": "Der Hund lief durch den Garten und suchte nach dem Ball, den die Kinder am Abend "
                         "zuvor unter den Büschen verloren hatten. ",
         None: "Nothing is said of this one."}
for name, licences in (("a.jsonl", ["MIT"] * 5 + ["GPL-3.0-only"] * 3), (EVIL, ["MIT"])):
    with open(os.path.join(top, name.replace("/", "_")), "w", encoding="utf-8") as f:
        for i, x in enumerate(licences):
            if name == "a.jsonl":
                f.write(json.dumps({"text": texts[x] * (i + 1), "license": x, "made_by": "person"}) + "\n")
            else:
                f.write("SPDX-License-Identifier: MIT\n" + texts[x])
glass("add", "c", "a.jsonl")
glass("add", "c", EVIL.replace("/", "_"), "--licence", "MIT")
glass("card", "c", "-o", "out.html", "--title", "T <i> & \"q\"", "--purpose", "For <b>tests</b>.")
glass("card", "c", "-o", "out.md", "--title", "T <i>")
html, md = read("out.html"), read("out.md")
page = xml.fromstring(re.sub(r"<!DOCTYPE html>|<meta [^>]*>", "", html))
ok("<script" not in html and "<b>tests" not in html, "names stay text")
SVG = "{http://www.w3.org/2000/svg}"
pictures = page.findall(f".//{SVG}svg")
equal(len(pictures), 3, "three pictures in the page")
db = sqlite3.connect(os.path.join(top, "c/corpus.sqlite"))
# German is what is under the GPL here, so that languages have the sizes of licences.
want = {name: dict(db.execute(f"SELECT {column},sum(text_bytes) FROM documents GROUP BY 1"))
        for name, column in (("sources", "source"), ("licences", "licence"), ("languages", "licence"))}
for name in ("sources", "licences", "languages"):
    root = xml.fromstring(read(f"out-{name}.svg"))
    widths = [float(r.get("width")) for r in root.findall(f"{SVG}rect")[1:]]
    equal(max(widths), 360.0, f"{name}: the largest bar is full")
    ok(f"![Text by {name[:-1]}](out-{name}.svg)" in md, f"{name}: Markdown names its picture")
    sizes = sorted(want[name].values(), reverse=True)
    ok(len(widths) == len(sizes) and
       all(abs(w - 360 * s / sizes[0]) < 0.06 for w, s in zip(widths, sizes)), f"{name}: bars are to scale",
       widths)
for row in ("| MIT | 6 |", "| GPL-3.0-only | 3 |", "| person | 8 |", "| de | 3 |", "| en | 6 |"):
    has(md, row, "a row " + row)
has(md, "yes | yes | yes | yes | yes |", "what MIT allows")
has(md, "yes | yes | no | no | yes |", "what the GPL allows")
has(md, "**By whom, and whom to ask?** Not declared.", "what nobody said")
j = json.loads(glass("card", "c", "--json").out)
equal((j["documents"], j["languages_of"], len(j["languages"])), (9, 9, 2), "as JSON")
equal({x["language"]: x["bytes"] for x in j["languages"]},
      {"de": want["licences"]["GPL-3.0-only"], "en": want["licences"]["MIT"]}, "bytes of each language")
glass("card", "c", "-o", "again.html", "--title", "T <i> & \"q\"", "--purpose", "For <b>tests</b>.")
equal(read("again.html"), html, "the same bytes")
equal(glass("card", "c").out.splitlines()[0], "# A corpus of texts", "printed")
has(glass("card", "c", "-o", "x.pdf", code=2).err, "NAME.html", "another kind of file")
done()
