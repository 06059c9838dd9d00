#!/usr/bin/env python3
"""Audits of 24 published models' folders (of the shared data), each read by hand beside its cards and
licences: what is there, where that is told, under what, and what does not fit.

data/audits.tsv holds the verdicts, no texts. "test_golden.py --write" writes it anew; what changes in it
has to be read beside the folder's files again."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from audit_kit import quotes_hold, read  # noqa: E402
from kit import ROOT, Home, done, equal, ok, skip  # noqa: E402

MODELS = os.path.join(os.environ.get("GLASS_SHARED", os.path.join(ROOT, "../shared/data")), "openness/models")
GOLDEN = os.path.join(ROOT, "tests/cli/data/audits.tsv")
SHORT = {"verified": "v", "declared": "d", "inherited": "i", "missing": "-"}


def at(e):
    return f"{e['file']}:{e['begin']}-{e['end']}" if e and e["file"] else ""


def verdicts(name, out):
    """Lines of one folder: what, verdict, where."""
    rows = []
    for c in out["components"]:
        if c["grade"] != "missing":
            under = f"{c['licence']}/{SHORT[c['licence_grade']]}" if c["licence"] else "no licence"
            rows.append((c["name"], SHORT[c["grade"]], under, at(c["evidence"])))
    rows.append(("not found", "", "", ", ".join(str(i + 1) for i, c in enumerate(out["components"])
                                                if c["grade"] == "missing")))
    for c in out["claims"]:
        rows.append((f"claim: {c['part']}", SHORT[c["grade"]], f"{c['name']} ({c['how']})", at(c["evidence"])))
    for f in out["findings"]:
        rows.append((f["kind"], "", f["words"].split(",")[0].split(":")[0], at(f["one"])))
    for measure in ("MOF", "OSAID 1.0", "European Open Source AI Index", "G7", "FSF", "Debian"):
        rows.append((measure, "", "", ", ".join(p["value"] for p in out["points"] if p["measure"] == measure)))
    return ["\t".join((name,) + r) for r in rows]


def main():
    if not os.path.isdir(MODELS):
        skip("audits of published models' folders", "no shared data")
        done()
    golden = {}
    if "--write" not in sys.argv:
        for line in read(GOLDEN).decode().splitlines():
            golden.setdefault(line.split("\t")[0], []).append(line)
    every = []
    with Home() as home:
        names = sorted(os.listdir(MODELS))
        for name in names:
            root = os.path.join(MODELS, name)
            out = home.json("audit", root, "--json")
            if "components" not in out:
                ok(False, f"{name}: is audited", out)
                continue
            lines = verdicts(name, out)
            every += lines
            n, wrong = quotes_hold(root, out)
            if golden:
                other = sorted(set(golden.get(name, [])) ^ set(lines))
                ok(lines == golden.get(name) and n > 3 and not wrong, f"{name}: as it was read, quotes and all",
                   "\n".join(other) or wrong[:2])
    if golden:
        equal(len(names), 24, "24 folders")
    else:
        with open(GOLDEN, "w", encoding="utf-8") as f:
            f.write("\n".join(every) + "\n")
    done()


main()
