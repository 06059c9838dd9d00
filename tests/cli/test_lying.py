#!/usr/bin/env python3
"""glass audit of folders that lie, or are made to hurt: reports that are true, and bounded."""
import hashlib
import json
import os
import resource
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny_model  # noqa: E402
from audit_kit import folder, parts, points, quotes_hold, read, tensors, write  # noqa: E402
from kit import ROOT, Home, done, equal, has, ok  # noqa: E402

APACHE = read(os.path.join(ROOT, "LICENSE"))
CARD = "---\nlicense: %s\n---\n# A model\n\n%s\n"
MIT = read(os.path.join(ROOT, "tests/cli/data/mit.txt"))


def audit(home, files, *options):
    root = folder(home, "lie", files)
    out = home.json("audit", root, "--json", *options)
    return out, [(f["kind"], f["words"]) for f in out.get("findings", [])]


def kinds(found):
    return [k for k, _ in found if k != "gap"]


def may(home, what):
    return home.run("audit", os.path.join(home.path, "lie"), "--may", what).returncode


def test_tags(home):
    files = {"README.md": CARD % ("apache-2.0", ""), "LICENSE": MIT, "model.safetensors": tensors()}
    out, found = audit(home, files)
    equal(kinds(found), ["contradiction"], "a tag against the licence's text beside it")
    p = points(out)
    equal(p["G7", ""]["value"], "open weights", "two open licences that disagree are open, all the same")
    _, found = audit(home, dict(files, **{"README.md": CARD % ("mit", "")}))
    equal(found, [], "and one that agrees")
    _, found = audit(home, dict(files, **{"README.md": CARD % ("llama2", "")}))
    equal(kinds(found), ["contradiction"], "a restrictive tag over an open text")
    equal(may(home, "train-other-models"), 1, "and what one of the two forbids is not allowed")
    restricted = MIT.replace(b"subject to the following conditions:",
                             b"for non-commercial research only, subject to the following conditions:")
    out, _ = audit(home, {"README.md": CARD % ("mit", ""), "LICENSE": restricted, "model.safetensors": tensors()})
    said = home.run("audit", os.path.join(home.path, "lie"), "--may", "commercial")
    equal(([c["changed"] for c in out["claims"] if c["how"] == "text"], "5 words of substance" in said.out, said.returncode),
          ([True], True, 1), "a text called MIT with words more is told of, and allows nothing by itself")
    out, _ = audit(home, {"README.md": CARD % ("completely-open-1.0", ""), "model.safetensors": tensors()})
    equal((points(out)["OSAID 1.0", "parameters"]["value"], points(out)["G7", ""]["value"]),
          ("no", "weights available"), "a licence that nobody knows is not open")
    out, _ = audit(home, {"README.md": CARD % ("[mit, cc-by-nc-4.0]", ""), "model.safetensors": tensors()})
    equal(sorted(c["licence"] for c in out["claims"]), ["cc-by-nc-4.0", "mit"], "a tag that is two")
    equal(may(home, "commercial"), 1, "of which the strictest is asked")


def test_mixed(home):
    out, _ = audit(home, {"code/train.py": "optimizer.step()\nloss.backward()\n", "code/LICENSE": APACHE,
                          "weights/README.md": CARD % ("cc-by-nc-4.0", ""), "weights/model.safetensors": tensors(),
                          "weights/config.json": '{"model_type": "llama"}'})
    got = parts(out)
    equal((got["Training code"]["licence"], got["Model parameters (Final)"]["licence"]), ("apache-2.0", "cc-by-nc-4.0"),
          "code and weights under two licences, each in its folder")
    equal(points(out)["European Open Source AI Index", "licences"]["value"], "partial",
          "an open program does not open the weights")
    out, _ = audit(home, {"LICENSE": APACHE, "train.py": "optimizer.step()\nloss.backward()\n",
                          "README.md": "# A model\n`m = AutoModel.from_pretrained(\"a/b\")`\n"})
    equal(points(out)["European Open Source AI Index", "base weights"]["value"], "partial",
          "nor does it those that nothing licenses")


    sets = "Our set is at https://huggingface.co/datasets/a/b . %s [ODC-BY](https://opendatacommons.org/licenses/by/1-0/).\n"
    for words, licence in (("It is licensed under", "odc-by-1.0"), ("Others are known by", "apache-2.0")):
        out, _ = audit(home, {"LICENSE": APACHE, "README.md": sets % words})
        equal(parts(out)["Datasets"]["licence"], licence, f"data beside a program's licence: {words}")


def test_parts_missing(home):
    out, _ = audit(home, {"README.md": CARD % ("mit", "Weights, code and data are all fully open!"), "LICENSE": MIT})
    equal([n for n, c in parts(out).items() if c["grade"] == "verified"], ["Model card"],
          "words that all is open open nothing")
    equal(points(out)["G7", ""]["value"], "no label", "and earn no label")
    out, _ = audit(home, {"README.md": CARD % ("mit", ""), "model.safetensors": b"", "train.py": b"", "eval.py": b"",
                          "data.jsonl": b"", "requirements.txt": b"", "paper.pdf": b"", "MODEL_CARD.md": b""})
    equal([n for n, c in parts(out).items() if c["grade"] == "verified" and n != "Model card"], [],
          "empty files are no parts")
    out, _ = audit(home, {"README.md": CARD % ("mit", "## Results\n\nExcellent.\n\n## Sources\n\n| a | 1 |\n| b | 2 |\n")})
    equal(parts(out)["Evaluation results"]["grade"], "missing", "another section's table holds no results")
    out, _ = audit(home, {"README.md": "We use our internal evaluations, see https://github.com/a/b/blob/main/eval.md .\n"})
    equal(parts(out)["Evaluation code"]["grade"], "missing", "a page about an evaluation is not its code")


def test_hashes(home):
    weights = tensors()
    good, bad = hashlib.md5(weights).hexdigest(), "0" * 32
    files = {"README.md": CARD % ("mit", ""), "LICENSE": MIT, "model.safetensors": weights}
    out, _ = audit(home, dict(files, **{"checklist.chk": f"{good} model.safetensors\n{bad} nothing.pth\n"}))
    equal([(c["name"], c["good"]) for c in out["checks"]], [("hash", True)], "a list of MD5 as Meta's folders have it")
    out, found = audit(home, dict(files, **{"checklist.chk": f"{bad}  model.safetensors\n"}))
    equal(([c["good"] for c in out["checks"]], kinds(found)), ([False], ["contradiction"]), "and one that is wrong")
    has(str(found), "its MD5 is " + good, "which tells the file's own")
    many = "".join(f"{'0' * 64}  ../../{i}\n{'0' * 64}  /etc/passwd\n" for i in range(20000))
    out, _ = audit(home, dict(files, SHA256SUMS=many))
    equal(out["checks"], [], "lists name no files outside the folder")


def test_citation(home):
    out, _ = audit(home, {"CITATION.cff": "cff-version: 1.2.0\ntype: dataset\nlicense: ODC-By-1.0\n"
                                          "url: https://arxiv.org/abs/2401.00001\nmessage: cite this paper\n"})
    equal([(c["part"], c["licence"], c["how"]) for c in out["claims"] if c["part"] != "weights"],
          [("data", "odc-by-1.0", "citation")], "a citation licenses what it cites")
    equal(parts(out)["Research paper"]["grade"], "declared", "and names a paper")
    path = write(home, "gguf/model.gguf", b"")
    tiny_model.write(path, "abc")
    out = home.json("audit", os.path.dirname(path), "--json")
    e = parts(out)["Model architecture"]["evidence"]
    equal((e["file"], read(path)[e["begin"]:e["end"]].decode()), ("model.gguf", e["quote"]),
          "a GGUF file names its architecture at its bytes")


def bounded(home, name, root, seconds=20):
    start, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    p = home.run("audit", root, "--json", timeout=120)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    good = p.returncode == 0 and spent < seconds and len(p.out) < 4 << 20
    ok(good, f"{name}: a report, bounded", (p.returncode, spent, time.time() - start, len(p.out), p.err[:300]))
    out = json.loads(p.out) if p.returncode == 0 else {}
    if out:
        _, wrong = quotes_hold(root, out)
        equal(wrong[:1], [], f"{name}: its quotes hold")
    return out


def test_hostile(home):
    deep = "a: " + "[" * 50000
    alias = "a0: &a0 [x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 30))
    cues = "github.com/ training arxiv.org/ paper checkpoints weights " * 20000
    cases = {
        "a card nested without end": {"README.md": f"---\n{deep}\n---\n"},
        "a card of aliases": {"README.md": f"---\n{alias}license: mit\n---\n"},
        "a card of one key over and over": {"README.md": "---\n" + "license: mit\n" * 100000 + "---\n"},
        "a megabyte of cues on one line": {"README.md": cues},
        "licences without end": {"README.md": "licensed under x " * 200000 + "license: x\n" * 50000, "TERMS.md": "only " * 800000},
        "bytes inside characters": {"README.md": b"\x80" * 3000000, "LICENSE": b"\xbf" * 3000000},
        "sentences that limit": {"README.md": "You may not use it. " * 150000, "LICENSE": MIT + b"\nnot so\n" * 300000},
        "headings alone": {"README.md": "# results\n" * 100000},
        "tables alone": {"README.md": "# results\n" + "|1|2|\n" * 100000},
        "bytes that are no text": {"README.md": bytes(range(256)) * 2000, "LICENSE": b"\xff\xfe" * 5000,
                                   "config.json": b"\0" * 1000, "CITATION.cff": b"\x80: \xff\n"},
        "JSON nested without end": {"config.json": "[" * 100000, "tokenizer.json": '{"a":' * 50000,
                                    "adapter_config.json": "{", "model.safetensors.index.json": "[" * 9999},
        "half a licence a hundred times": {f"{i}/LICENSE": APACHE[:5000] for i in range(100)},
        "a licence twenty times in a file": {"LICENSE": APACHE * 20},
        "names with escapes": {"LICENSE\x1b[31m\n.md": MIT, "README\r.md": CARD % ("mit", ""), "train\x07.py": "loss"},
        "a header of tensors as long as can be said": {"model.safetensors": b"\xff" * 7 + b"\x7f{" + b" " * 99},
        "GGUF that counts too far": {"model.gguf": b"GGUF\3\0\0\0" + b"\xff" * 16},
    }
    for name, files in cases.items():
        bounded(home, name, folder(home, "hostile", files))
    out = home.run("audit", folder(home, "hostile", cases["names with escapes"]))
    ok("\x1b" not in out.out and "\x07" not in out.out, "no escapes of a name reach the terminal")
    root = folder(home, "hostile", {"README.md": CARD % ("mit", "")})
    os.truncate(write(home, "hostile/README2.md", b"x"), 5 << 30)
    os.truncate(write(home, "hostile/SHA256SUMS", b"x"), 5 << 30)
    os.truncate(write(home, "hostile/train.py", b"loss"), 5 << 30)
    bounded(home, "files of gigabytes, with holes", root)
    shutil.rmtree(root)
    path = root
    for i in range(100):
        path = os.path.join(path, "d")
    os.makedirs(path)
    has(str(bounded(home, "folders a hundred deep", root).get("findings")), "deeper folders", "which is told")
    root = folder(home, "hostile", {"README.md": CARD % ("mit", "")})
    secret = write(home, "secret/LICENSE", APACHE)
    os.symlink(secret, os.path.join(root, "LICENSE"))
    os.symlink("/dev/zero", os.path.join(root, "CITATION.cff"))
    os.symlink("/etc/passwd", os.path.join(root, "checklist.chk"))
    os.symlink(root, os.path.join(root, "again"))
    out = bounded(home, "links to a secret, a device and itself", root)
    equal([c["how"] for c in out["claims"]], ["tag"], "none of which is read")


def main():
    with Home() as home:
        test_tags(home)
        test_mixed(home)
        test_parts_missing(home)
        test_hashes(home)
        test_citation(home)
        test_hostile(home)
    done()


main()
