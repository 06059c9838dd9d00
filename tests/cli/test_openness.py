#!/usr/bin/env python3
"""glass audit MODEL: the parts of a model and seven measures of openness; records of the Model
Openness Tool; a Glass run and a corpus verified by their hashes; folders that lie."""
import glob
import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import noise_model  # noqa: E402
import tiny_model  # noqa: E402
from audit_kit import folder, parts, points, quotes_hold, read, tensors, write  # noqa: E402
from kit import ROOT, Home, done, equal, has, ok, skip  # noqa: E402

SHARED = os.environ.get("GLASS_SHARED", os.path.join(ROOT, "../shared/data"))
MOT = os.path.join(SHARED, "openness/mot")
APACHE = os.path.join(ROOT, "LICENSE")


# ---- records of the Model Openness Tool ----

RECORD = """framework: {name: Model Openness Framework, version: '1.0', date: '2024-12-15'}
release:
  name: A-model
  license:
    distribution: {name: Apache-2.0}
    data: {name: CC0-1.0}
  components:
%s"""
THIRD = ["Model architecture", "Model parameters (Final)", "Technical report", "Evaluation results", "Model card",
         "Data card"]


def record(home, names, own=None):
    """own: licences of single components."""
    lines = "".join(f"  - name: '{n}'\n" + (f"    license: '{own[n]}'\n" if own and n in own else "") for n in names)
    return write(home, "record.yml", RECORD % lines)


def classes(home, *paths):
    out = home.json("audit", "--mof", "--json", *paths)
    return [(r["tool"]["class"], r["paper"]["class"], r["without_inherited"]["class"]) for r in out["records"]]


def test_records(home):
    path = record(home, THIRD)
    equal(classes(home, path), [(3, 0, 0)], "class III as the tool, as documents inherit the code's licence")
    documents = {n: "CC-BY-4.0" for n in THIRD[2:]}
    equal(classes(home, record(home, THIRD, documents)), [(3, 3, 0)],
          "class III as the paper, with licences for documents")
    equal(classes(home, record(home, THIRD, dict(documents, **{"Model architecture": "MIT"}))), [(3, 3, 3)],
          "and without inherited ones")
    equal(classes(home, record(home, THIRD, {"Model card": "unlicensed"})), [(0, 0, 0)],
          "what is called unlicensed inherits nothing")
    equal(classes(home, record(home, THIRD, {"Model card": "Apache 2.0"})), [(0, 0, 0)],
          "the tool takes names to the letter")
    paper = [n for n in THIRD if n != "Technical report"] + ["Research paper"]
    equal(classes(home, record(home, paper)), [(3, 0, 0)], "a paper stands for the report")
    every = THIRD + ["Data preprocessing code", "Training code", "Inference code", "Evaluation code", "Datasets",
                     "Model parameters (Intermediate)", "Evaluation data", "Research paper"]
    documents["Research paper"] = "CC-BY-4.0"
    bare = dict(documents, **{"Datasets": "unlicensed"})
    equal(classes(home, record(home, every, documents)), [(1, 1, 0)], "class I")
    equal(classes(home, record(home, every, bare)), [(2, 1, 0)], "the paper takes data sets without a licence, the tool does not")
    bare = dict(documents, **{"Evaluation data": "unlicensed"})
    equal(classes(home, record(home, every, bare)), [(3, 3, 0)], "other data neither")
    p = home.run("audit", "--mof", record(home, THIRD))
    has(p.out, "rests on the licence of the whole for: Model card", "what rests on an inherited licence is named")
    equal(home.run("audit", "--mof", write(home, "no.yml", "a: b\n")).returncode, 3, "what is no record is refused")
    equal(home.run("audit", "--mof", write(home, "bad.yml", "a: [b\n")).returncode, 3, "and what is no YAML")
    equal(home.run("audit", "--mof").returncode, 2, "a record is asked for")


def table(name):
    with open(os.path.join(MOT, name), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return [dict(zip(rows[0], r)) for r in rows[1:]]


def agrees(record, row, mof_class):
    progress = [float(row[f"progress_class{i}"]) for i in (1, 2, 3)]
    return record["tool"]["class"] == int(row[mof_class]) and all(
        abs(a - b) < 0.01 for a, b in zip(progress, record["tool"]["progress"]))


def test_tool(home):
    if not os.path.isdir(MOT):
        skip("the Model Openness Tool's vectors and records", "no shared data")
        return
    rows = table("expected.tsv")
    out = home.json("audit", "--mof", "--json", *[os.path.join(MOT, r["file"]) for r in rows])
    wrong = [r["file"] for r, x in zip(rows, out["records"]) if not agrees(x, r, "expected_class")]
    equal((len(rows), wrong), (27, []), "27 of 27 vectors have their class and all progress")
    rows = table("records.tsv")
    out = home.json("audit", "--mof", "--json", *[os.path.join(MOT, r["file"]) for r in rows])
    wrong = [r["file"] for r, x in zip(rows, out["records"]) if not agrees(x, r, "class")]
    equal((len(rows), wrong), (273, []), "273 records have the class that the tool's rules give")
    equal(out["counts"]["tool"], [242, 14, 1, 16], "242 have none, 14 are of class I, 1 of II, 16 of III")
    equal(out["counts"]["without_inherited"], [272, 1, 0, 0], "one keeps a class without inherited licences")
    rest = sorted(x["name"] for x in out["records"] if x["tool"]["class"] == 1 and any(
        c["name"] == "Datasets" and c["from"] == "distribution" for c in x["components"]))
    equal((len(rest), all(n.startswith(("Pythia", "OLMo")) for n in rest)), (12, True),
          "the twelve Pythia and OLMo records rest on a dataset licence inherited from the model's")
    p = home.run("audit", "--mof", *sorted(glob.glob(os.path.join(MOT, "models", "OLMo*.yml"))))
    has(p.out, "of them the datasets'", "which the table tells")


# ---- folders ----

CARD = """---
license: apache-2.0
library_name: transformers
datasets: [somebody/texts]
---
# A model

It was trained from scratch; see our paper at https://arxiv.org/abs/2401.00001.

## Training data
See above.

## Limitations
Many.

## Evaluation

| task | score |
|---|---|
| one | 0.5 |
| two | 0.25 |
"""
TRAIN = "import torch\noptimizer = torch.optim.AdamW(lr=1)\nloss.backward()\n"
FULL = {
    "README.md": CARD, "LICENSE": read(APACHE), "model.safetensors": tensors(),
    "config.json": '{"model_type": "llama"}', "code/train.py": TRAIN,
    "code/modeling_x.py": "class Attention:\n    def forward(self):\n        pass\n",
    "code/generate.py": "def generate(prompt):\n    return decode(prompt)\n",
    "code/eval_tasks.py": "def accuracy():\n    return score\n",
    "code/preprocess.py": "def clean(text):\n    return text\n", "code/requirements.txt": "torch\n",
    "code/LICENSE": read(APACHE), "settings.yaml": "learning_rate: 1\n",
    "checkpoint-100/model.safetensors": tensors(4),
}


def test_parts(home):
    root = folder(home, "full", FULL)
    data = folder(home, "data", {"README.md": "---\nlicense: cc0-1.0\n---\n# Texts\n", "a.jsonl": '{"text": "a"}\n',
                                 "eval/b.jsonl": '{"text": "b"}\n'})
    out = home.json("audit", root, "--json", "--data", data)
    got = parts(out)
    grades = {n: c["grade"] for n, c in got.items()}
    wanted = {n: "verified" for n in (
        "Model architecture", "Data preprocessing code", "Training code", "Inference code", "Evaluation code",
        "Supporting libraries and tools", "Model parameters (Final)", "Model parameters (Intermediate)", "Datasets",
        "Evaluation data", "Model metadata", "Model card", "Data card", "Evaluation results")}
    wanted.update({"Research paper": "declared", "Technical report": "missing", "Sample model outputs": "missing"})
    equal(grades, wanted, "the seventeen components of a folder")
    equal((got["Datasets"]["licence"], got["Datasets"]["licence_grade"], got["Datasets"]["fit"]),
          ("cc0-1.0", "declared", True), "data is under what its own card says")
    equal((got["Model card"]["licence"], got["Model card"]["licence_grade"], got["Model card"]["fit"]),
          ("apache-2.0", "inherited", False), "a card inherits the model's licence, which is not for documents")
    equal(got["Training code"]["licence_grade"], "verified", "code has a licence's text beside it")
    said = points(out)
    equal(said["MOF", "class, as the tool"]["value"], "I", "class I as the tool")
    equal(said["MOF", "class, as the paper"]["value"], "none", "and none as the paper")
    equal([said["OSAID 1.0", n]["value"] for n in ("data information", "code", "parameters", "")], ["yes"] * 4,
          "open source AI by OSAID")
    equal((said["G7", ""]["value"], said["G7", ""]["grade"]), ("data-open open source AI", "declared"), "G7's label")
    equal((said["FSF", ""]["value"], said["Debian", ""]["value"]), ("yes", "yes"), "free, with data and programs")
    equal(len([p for p in out["points"] if p["measure"].startswith("European")]), 14, "fourteen criteria")
    alone = home.json("audit", root, "--json")
    n, wrong = quotes_hold(root, alone)
    ok(n > 20 and not wrong, "every quote stands at its bytes, in a file of that hash", wrong[:3])
    p = home.run("audit", root)
    equal(p.returncode, 0, "the table is printed")
    has(p.out, "Model parameters (Intermediate)", "with all components")
    said = points(alone)
    equal(said["G7", ""]["value"], "open source AI" if said["OSAID 1.0", ""]["value"] == "yes" else "open weights",
          "without its data, no data-open label")


    out = home.json("audit", folder(home, "away", {
        "LICENSE": read(APACHE), "README.md": "The training code is at https://github.com/a/b .\n"}), "--json")
    equal([parts(out)["Training code"][k] for k in ("grade", "licence", "licence_grade")],
          ["declared", "apache-2.0", "inherited"], "code that is elsewhere is not under the licence that is here")


def test_lies(home):
    def grades(files):
        out = home.json("audit", folder(home, "lie", files), "--json")
        return parts(out), [f["words"] for f in out["findings"]], out

    got, said, _ = grades(dict(FULL, **{"code/train.py": "", "code/generate.py": "# nothing\n"}))
    equal((got["Training code"]["grade"], got["Inference code"]["grade"]), ("missing", "declared"),
          "files that are only called so are none")
    got, said, _ = grades({"README.md": CARD, "model.safetensors": b"no tensors at all"})
    equal(got["Model parameters (Final)"]["grade"], "missing", "neither are weights")
    has(str(said), "its bytes are none of their forms", "which is told")
    got, said, _ = grades({"README.md": CARD, "model.safetensors": tensors()[:-4]})
    equal(got["Model parameters (Final)"]["grade"], "missing", "nor weights that are cut short")
    has(str(said), "cut short", "which is told")
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
    got, said, _ = grades({"README.md": CARD, "model-1.safetensors": tensors(), "model.safetensors.index.json": index})
    has(str(said), "are missing", "parts that an index names and nobody has")
    lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 99\n" % ("ab" * 32)
    got, said, _ = grades({"README.md": CARD, "model.safetensors": lfs})
    equal((got["Model parameters (Final)"]["grade"], got["Model parameters (Final)"]["evidence"]["quote"]),
          ("declared", "oid sha256:" + "ab" * 32), "a pointer is no file, and tells a hash")
    good = hashlib.sha256(tensors()).hexdigest()
    _, said, out = grades({"README.md": CARD, "model.safetensors": tensors(),
                           "SHA256SUMS": f"{good}  model.safetensors\n"})
    equal([(c["name"], c["good"]) for c in out["checks"]], [("hash", True)], "a published hash holds")
    _, said, out = grades({"README.md": CARD, "model.safetensors": tensors(9),
                           "SHA256SUMS": f"{good}  model.safetensors\n"})
    equal([(c["name"], c["good"]) for c in out["checks"]], [("hash", False)], "or does not")
    has(str(said), "is not the file whose hash is published", "which is a contradiction")
    _, said, out = grades({"README.md": CARD, "model.safetensors": tensors(9),
                           ".cache/huggingface/download/model.safetensors.metadata": f"{'1' * 40}\n{good}\n1.0\n"})
    equal([c["good"] for c in out["checks"]], [False], "what a hub's client wrote down is a published hash")
    got, _, out = grades({"README.md": "nothing to see\n"})
    equal({c["grade"] for c in got.values()}, {"missing"}, "of nothing, all is missing")
    equal(points(out)["G7", ""]["value"], "no label", "and there is no label")


# ---- runs and corpora ----

RECIPE = """model: {tokenizer: bytes.gguf, n_embd: 32, n_layer: 1, n_head: 2, n_head_kv: 2}
data:
- {file: a.txt, documents: lines}
held_out: {fraction: 0.2}
context: 16
batch: {sequences: 2}
steps: 6
threads: 1
checkpoint: {every: 3, keep: 9}
ledger: {every: 3}
seed: 5
"""


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def checks(out):
    return [(c["name"], c["good"]) for c in out["checks"] if c["name"] != "hash"]


def test_run(home):
    tiny_model.write(os.path.join(home.path, "bytes.gguf"), "abc")
    write(home, "a.txt", "".join(f"line {i} of a text with words\n" for i in range(200)))
    run = os.path.join(home.path, "a.run")
    p = home.run("train", write(home, "a.yaml", RECIPE), "-o", run)
    if not ok(p.returncode == 0, "a run to audit", p.err):
        return
    out = home.json("audit", run, "--json")
    equal(checks(out), [("shards", True), ("ledger", True), ("checkpoint", True), ("checkpoint", True)],
          "a run's shards, ledger and checkpoints hold")
    got = parts(out)
    verified = sorted(n for n, c in got.items() if c["grade"] == "verified")
    equal(verified, ["Datasets", "Evaluation data", "Evaluation results", "Model metadata", "Model parameters (Final)",
                     "Model parameters (Intermediate)"], "which verifies these")
    equal(got["Training code"]["grade"], "declared", "its program is declared")
    equal([(got[name]["licence"], got[name]["licence_grade"], got[name]["open"]) for name in
           ("Training code", "Model architecture", "Evaluation code")], [("apache-2.0", "declared", True)] * 3,
          "under its own licence")
    has(got["Model parameters (Final)"]["evidence"]["file"], "step-00000006", "the last checkpoint is the model")
    out = home.json("audit", run, "--json", "--replay", "2")
    equal(checks(out)[-1], ("replay", True), "steps are computed again on request")
    equal(parts(out)["Training code"]["grade"], "verified", "which verifies the program")
    for licences, wanted in ((("MIT", "Apache-2.0"), ("mit", True)), (("MIT", "CC-BY-NC-4.0"), ("cc-by-nc-4.0", False)),
                             (("CC-BY-NC-4.0", "MIT"), ("cc-by-nc-4.0", False)),
                             (("MIT", "LicenseRef-whose"), ("LicenseRef-whose", False))):
        write(home, "a.run/shards/train-0.documents.jsonl",
              "".join(json.dumps({"licence": x}, separators=(",", ":")) + "\n" for x in licences))
        data = parts(home.json("audit", run, "--json"))["Datasets"]
        equal((data["licence"], data["open"]), wanted, f"documents under {' and '.join(licences)}: the strictest decides")
    os.remove(os.path.join(run, "shards/train-0.documents.jsonl"))
    for name, at, check in (("shards/train-0.safetensors", 2000, "shards"), ("ledger.jsonl", 300, "ledger"),
                            ("checkpoints/step-00000006/model.gguf", 5000, "checkpoint")):
        bad = os.path.join(home.path, "bad.run")
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(run, bad)
        flip(os.path.join(bad, name), at)
        out = home.json("audit", bad, "--json")
        ok((check, False) in checks(out), f"one bit of {name} is seen", checks(out))
        has(str(out["findings"]), "does not agree with its own record", "and told")


def test_corpus(home):
    corpus = os.path.join(home.path, "corpus")
    source = write(home, "doc.txt", "SPDX-License-Identifier: CC0-1.0\nA document of some words.\n")
    p = home.run("data", "add", corpus, source)
    if not ok(p.returncode == 0, "a corpus to audit", p.err):
        return
    root = folder(home, "model", {"README.md": CARD, "model.safetensors": tensors()})
    out = home.json("audit", root, "--json", "--data", corpus)
    equal((checks(out), parts(out)["Datasets"]["grade"]), ([("corpus", True)], "verified"), "a corpus' root holds")
    flip(os.path.join(corpus, "texts"), 40)
    out = home.json("audit", root, "--json", "--data", corpus)
    equal((checks(out), parts(out)["Datasets"]["grade"]), ([("corpus", False)], "declared"),
          "one bit of its texts is seen")


# ---- contradictions ----

PLAIN = "---\nlicense: mit\n%s---\n# A model\n%s\n"


def test_kin(home):
    models = [os.path.join(home.path, f"noise{i}.gguf") for i in (1, 2)]
    for i, path in enumerate(models):
        noise_model.write(path, seed=i + 1)
    tiny = os.path.join(home.path, "tiny.gguf")
    tiny_model.write(tiny, "abc")

    def audit(front, words, *options):
        root = folder(home, "kin", {"README.md": PLAIN % (front, words), "model.gguf": read(models[0])})
        out = home.json("audit", root, "--json", *options)
        return ([(c["name"], c["good"]) for c in out["checks"]],
                [(f["kind"], f["words"]) for f in out["findings"] if f["kind"] != "gap"])

    base = "base_model: someone/something\n"
    scratch = "It was trained from scratch."
    checks_, said = audit("", scratch, "--against", models[0])
    equal(checks_, [("likeness", False), ("vocabulary", True)], "weights that follow another model's are seen")
    equal(said[0][0], "contradiction", "which is a contradiction to being trained from scratch")
    has(said[0][1], "said to be trained from scratch, and its weights follow", "and is told so")
    _, said = audit("", "It was not trained from scratch.", "--against", models[0])
    equal(said[0][0], "warning", "without such words, a model that nobody names is a warning")
    checks_, said = audit(base, "", "--against", models[0])
    equal((checks_[0], said), (("likeness", True), []), "and none if a base model is named")
    checks_, said = audit("", scratch, "--against", models[1])
    equal((checks_, said), ([("likeness", True)], []), "other weights are other weights")
    checks_, said = audit(base, "", "--base", models[1])
    equal((checks_[0], said[0][0]), (("likeness", False), "contradiction"), "a base model that it does not follow")
    checks_, said = audit(base, "", "--base", models[0])
    equal((checks_, said), ([("likeness", True), ("vocabulary", True)], []), "and one that it does")
    checks_, said = audit("", "", "--against", tiny)
    ok(all(good for _, good in checks_), "a model of another shape is no relative", checks_)
    _, said = audit("", "", "--against", os.path.join(home.path, "nothing.gguf"))
    has(str(said), "cannot be compared", "what cannot be read is told")


def test_tokenizer(home):
    def said(model, size, class_name, ids):
        vocab = json.dumps({"model": {"vocab": {f"t{i}": i for i in range(ids)}}})
        out = home.json("audit", folder(home, "tok", {
            "README.md": PLAIN % ("", ""), "config.json": json.dumps({"model_type": model, "vocab_size": size}),
            "tokenizer_config.json": json.dumps({"tokenizer_class": class_name}), "tokenizer.json": vocab}), "--json")
        return [f["kind"] for f in out["findings"] if f["kind"] != "gap"]

    equal(said("llama", 10, "LlamaTokenizer", 10), [], "a tokenizer that fits")
    equal(said("gpt_neox", 10, "LlamaTokenizer", 10), ["warning"], "one of another family")
    equal(said("llama", 10, "LlamaTokenizer", 11), ["contradiction"], "one with more tokens than the model has rows")


def test_compare(home):
    a = folder(home, "full", FULL)
    b = folder(home, "bare", {"README.md": "<script>alert('x')</script> & \"more\"\n"})
    page = os.path.join(home.path, "report.html")
    out = home.json("audit", a, b, "--json", "--html", page)
    equal([x["path"] for x in out["audits"]], [a, b], "two audits side by side")
    text = read(page).decode()
    ok("<script" not in text and "src=" not in text and "http-equiv" in text and "url(" not in text,
       "the page has no scripts and asks for nothing")
    has(text, "Model parameters (Intermediate)", "and all components")
    p = home.run("audit", a, b)
    has(p.out, "contradictions", "a table for the terminal")
    equal(home.run("audit", a, b, "--may", "use").returncode, 2, "--may is asked of one")
    bad = folder(home, "bad", {"README.md": CARD, "LICENSE<b>": "x", "LICENSE": b"<img src=x onerror=1>\xff\0"})
    home.run("audit", bad, "--html", page)
    text = read(page).decode()
    ok("<img" not in text, "markup in files is shown, not used")
    bad = folder(home, "bad", {"README.md": "---\nlicense: '<script>alert(1)</script>'\nbase_model: '<img src=x>'\n---\n"})
    home.run("audit", bad, "--html", page)
    text = read(page).decode()
    ok("<script" not in text and "<img" not in text and "&lt;script&gt;" in text, "as what a card says")


def main():
    with Home() as home:
        test_records(home)
        test_tool(home)
        test_parts(home)
        test_lies(home)
        test_run(home)
        test_corpus(home)
        test_kin(home)
        test_tokenizer(home)
        test_compare(home)
    done()


main()
