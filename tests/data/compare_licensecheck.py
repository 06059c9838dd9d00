#!/usr/bin/env python3
"""Debian's licensecheck beside Glass, on the files of source packages (by name, not in CI):

    tests/data/compare_licensecheck.py build/glass FOLDER hello gzip zlib ...

FOLDER gets a corpus and the unpacked archives. Compared are families (GPL, LGPL, BSD, MIT, ...),
without versions, of every document that both have."""
import collections
import json
import os
import re
import sqlite3
import subprocess
import sys

FAMILIES = [
    ("AGPL", r"\bAGPL|Affero"), ("LGPL", r"\bLGPL|Lesser General|Library General"),
    ("GFDL", r"\bGFDL|Free Documentation"), ("FSF", r"\bFSF"), ("Apache", r"\bApache"),
    ("BSD", r"\bBSD"), ("ISC", r"\bISC\b"), ("Artistic", r"Artistic"), ("Zlib", r"\bzlib\b"),
    ("Libpng", r"libpng"), ("MIT", r"\bMIT\b|\bExpat\b|\bX11\b|\bHPND|\bNTP|\bICU\b|\bcurl\b|Old Style"),
    ("public", r"public.?domain|\bCC0|\bblessing|Unlicense|\b0BSD"), ("MPL", r"\bMPL"),
    ("CC", r"\bCC-BY|Creative Commons"), ("IJG", r"\bIJG"), ("Info-ZIP", r"Info.?ZIP"),
    ("Latex2e", r"Latex2e|Linux-man-pages"), ("WordNet", r"WordNet|Princeton"), ("TCL", r"\bTCL\b"),
    ("GPL", r"(?<![AL])\bGPL|General Public License"),
]


def families(text):
    out = set()
    for name, pattern in FAMILIES:
        if name == "GPL":
            text = re.sub(r"(Lesser|Library|Affero) General Public License", "", text)
        if re.search(pattern, text, re.I):
            out.add(name)
    return out


def unpack(corpus, package, folder):
    """As the corpus calls the files: the first folder of upstream's archive is left out."""
    top = os.path.join(folder, "files", package)
    if os.path.isdir(top):
        return top
    os.makedirs(top)
    fetched = os.path.join(corpus, "fetched", "debsrc_" + package)
    for name in sorted(os.listdir(fetched)):
        path = os.path.join(fetched, name)
        if re.search(r"\.orig\.tar\.[a-z0-9]+$", name):
            subprocess.run(["tar", "-xf", path, "-C", top, "--strip-components=1"], check=True)
        elif ".debian.tar." in name:
            subprocess.run(["tar", "-xf", path, "-C", top], check=True)
    return top


def main():
    glass, folder, packages = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
    corpus = os.path.join(folder, "corpus")
    os.makedirs(folder, exist_ok=True)
    count, examples = collections.Counter(), collections.defaultdict(list)
    for package in packages:
        subprocess.run([glass, "data", "add", corpus, "debsrc:" + package, "--policy", "any"], check=True,
                       stdout=subprocess.DEVNULL)
        top = unpack(corpus, package, folder)
        p = subprocess.run(["licensecheck", "--machine", "--recursive", "--shortname-scheme=spdx",
                            "--lines=0", "."], cwd=top, capture_output=True, text=True, errors="replace",
                           check=False)
        theirs = {}
        for line in p.stdout.splitlines():
            path, _, said = line.partition("\t")
            theirs[os.path.normpath(path)] = said.strip()
        db = sqlite3.connect(os.path.join(corpus, "corpus.sqlite"))
        rows = db.execute("SELECT path, licence, record FROM documents WHERE source LIKE ?",
                          (f"debsrc:{package}=%",)).fetchall()
        for path, licence, record in rows:
            if path not in theirs:
                continue
            kinds = [e["kind"] for e in json.loads(record)["evidence"]]
            a, b = families(theirs[path]), families(licence)
            if not a:
                what = "licensecheck says nothing; Glass: " + (kinds[0] if kinds else "unknown, too")
            elif licence == "unknown":
                what = "licensecheck names one where Glass says unknown"
            elif a & b:
                what = "both name " + ("the same families" if a == b else
                                       "a common family; Glass names more" if a < b else
                                       "a common family; licensecheck names more" if b < a else
                                       "a common family")
            else:
                what = "they differ"
            count[what] += 1
            if a and a != b:
                examples[what].append(f"{package} {path}: {theirs[path]} | {licence[:70]}")
    for what, n in count.most_common():
        print(f"{n:6} {what}")
    print(f"{sum(count.values()):6} documents of {len(packages)} packages")
    for what, list_ in examples.items():
        print(f"\n{what}:")
        for line in list_[:: max(1, len(list_) // 12)][:14]:
            print("   " + line)


main()
