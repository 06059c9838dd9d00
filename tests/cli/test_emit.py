#!/usr/bin/env python3
"""glass audit --emit: SPDX, CycloneDX, Croissant, MOF, SLSA, cards and datasheets of a run, a corpus and a
model, checked by what their standards ask and against the files; by their official tools where
GLASS_PEER_PYTHON names a Python that has jsonschema, cyclonedx-python-lib[validation], mlcroissant,
in-toto-attestation, spdx-python-model and pyyaml."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny_model  # noqa: E402
from audit_kit import read, write  # noqa: E402
from kit import ROOT, Home, done, equal, has, ok, skip  # noqa: E402

SHARED = os.environ.get("GLASS_SHARED", os.path.join(ROOT, "../shared/data"))
PYTHON = os.environ.get("GLASS_PEER_PYTHON")
RECIPE = """model: {tokenizer: bytes.gguf, n_embd: 32, n_layer: 1, n_head: 2, n_head_kv: 2}
data:
- {file: a.txt, documents: lines}
held_out: {fraction: 0.2}
context: 16
batch: {sequences: 2}
steps: 4
threads: 1
checkpoint: {every: 2, keep: 9}
seed: 5
"""
CARD = """---
license: apache-2.0
language: [en, de]
datasets: [some/texts]
base_model: org/base
pipeline_tag: text-generation
---
# A model
"""
MODEL_FORMS = ("spdx", "cyclonedx", "mof", "card", "datasheet")
FORMS = {"run": MODEL_FORMS + ("slsa",), "model": MODEL_FORMS, "bare": MODEL_FORMS, "odd": MODEL_FORMS,
         "corpus": ("spdx", "cyclonedx", "croissant", "datasheet")}


def sha256(path):
    return hashlib.sha256(read(path)).hexdigest()


def prepare(home):
    tiny_model.write(os.path.join(home.path, "bytes.gguf"), "abc")
    write(home, "a.txt", "".join(f"line {i} of a text with words\n" for i in range(100)))
    write(home, "a.yaml", RECIPE)
    p = home.run("train", os.path.join(home.path, "a.yaml"), "-o", os.path.join(home.path, "run"))
    ok(p.returncode == 0, "a run", p.err)
    write(home, "docs/a.txt", "SPDX-License-Identifier: MIT\nA text about nothing much, and a line.\n")
    write(home, "docs/b.txt", "SPDX-License-Identifier: CC0-1.0\nA second text of some other words.\n")
    write(home, "docs/d.txt", "SPDX-License-Identifier: GPL-9.0-only\nA text under what nobody wrote yet.\n")
    write(home, "docs/e.txt", "SPDX-License-Identifier: GPL-2.0-only OR MIT\nA text with a choice of two.\n")
    write(home, "docs/f.txt", "SPDX-License-Identifier: LicenseRef-public-domain\nA text that nobody owns.\n")
    write(home, "docs/c.txt", "A third one, of which nobody says anything.\n")
    p = home.run("data", "add", os.path.join(home.path, "corpus"), os.path.join(home.path, "docs"), "--policy", "any")
    ok(p.returncode == 0, "a corpus", p.err)
    write(home, "model/README.md", CARD)
    write(home, "model/LICENSE", read(os.path.join(ROOT, "LICENSE")))
    tiny_model.write(os.path.join(home.path, "model/model.gguf"), "abc")
    write(home, "bare/model.safetensors", b"\x02\0\0\0\0\0\0\0{}")
    write(home, "odd/README.md", '---\nlicense: "my | <b> terms"\ndatasets: ["a\\n# b|c", "\\u00e9"]\n---\n')
    with open(os.path.join(os.fsencode(home.path), b"odd/\xff|`.py"), "wb") as f:
        f.write(b"import torch\n")


def emit(home, what, form, *more):
    return home.run("audit", os.path.join(home.path, what), "--emit", form, *more)


def emit_all(home):
    """Every form of everything, as text; each is written twice, once to a file, and from a copy elsewhere."""
    out = {}
    before = {n: sha256(os.path.join(home.path, "corpus", n)) for n in ("corpus.sqlite", "texts")}
    for what, forms in FORMS.items():
        same = True
        for form in forms:
            p = emit(home, what, form)
            ok(p.returncode == 0, f"{form} of {what}", p.err)
            path = os.path.join(home.path, f"{what}.{form}")
            copy = os.path.join(home.path, "elsewhere", what)
            if not os.path.exists(copy):
                shutil.copytree(os.path.join(home.path, what), copy)
            home.run("audit", copy, "--emit", form, "-o", path)
            same &= os.path.exists(path) and read(path) == p.stdout
            out[what, form] = p.out
        ok(same, f"{what}: the same bytes again, from a copy, to a file")
    equal({n: sha256(os.path.join(home.path, "corpus", n)) for n in before}, before, "the corpus stays as it is")
    return out


def load(text, name):
    try:
        return json.loads(text)
    except ValueError as e:
        ok(False, name, e)
        return {}


def files(home, what):
    """Files with their hashes, as they lie there."""
    root, found = os.path.join(home.path, what), {}
    for folder, _, names in os.walk(root):
        for n in names:
            path = os.path.join(folder, n)
            if n != "run.lock" and not n.endswith(("-shm", "-wal")):
                found[os.path.relpath(path, root)] = sha256(path)
    return found


# ---- SPDX ----

def relations(graph, kind):
    return [(r["from"].split("#")[1], t.split("#")[-1]) for r in graph if r["type"] == "Relationship"
            and r["relationshipType"] == kind for t in r["to"]]


def test_spdx(home, what, text):
    d = load(text, "SPDX is JSON")
    graph = d.get("@graph", [])
    equal(d.get("@context"), "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", f"{what}: SPDX 3.0.1's context")
    ids = [e["spdxId"] for e in graph if "spdxId" in e]
    equal(len(ids), len(set(ids)), f"{what}: ids are unique")
    refs = [x for e in graph for k in ("from", "to", "rootElement", "element", "subject", "createdBy")
            for x in (e.get(k, []) if isinstance(e.get(k, []), list) else [e[k]])]
    equal([x for x in refs if x not in ids and x != "expandedlicensing_NoAssertionLicense"], [],
          f"{what}: all that is referred to is there")
    documents = [e for e in graph if e["type"] == "SpdxDocument"]
    equal(len(documents), 1, f"{what}: one document")
    equal(sorted(documents[0]["element"] + [documents[0]["spdxId"]]), sorted(ids), f"{what}: which has every element")
    info = [e for e in graph if e["type"] == "CreationInfo"][0]
    equal(info["created"], "1970-01-01T00:00:00Z", f"{what}: no clock is read")
    has(info["comment"], "No clock", f"{what}: which is said")
    got = {e["name"]: e["verifiedUsing"][0]["hashValue"] for e in graph if e["type"] == "software_File"}
    if what != "odd":
        equal(got, files(home, what), f"{what}: every file with its SHA-256")
    notes = [json.loads(e["statement"]) for e in graph if e["type"] == "Annotation"]
    ok(all(n["grade"] in ("verified", "declared", "inherited", "missing") for n in notes), f"{what}: facts have grades")
    for n in notes:
        at = n.get("evidence", {})
        if "sha256" in at and sha256(os.path.join(home.path, what, at["file"])) != at["sha256"]:
            ok(False, f"{what}: evidence has its file's hash", n)
    return graph, notes


def test_all_spdx(home, out):
    graph, notes = test_spdx(home, "model", out["model", "spdx"])
    names = {e["spdxId"].split("#")[1]: e.get("name") for e in graph if "spdxId" in e}
    equal([names[t] for _, t in relations(graph, "trainedOn")], ["some/texts"], "the data set that the card names")
    equal([names[t] for _, t in relations(graph, "descendantOf")], ["org/base"], "the model that it was made from")
    said = {e["spdxId"].split("#")[1]: e["simplelicensing_licenseExpression"] for e in graph
            if e["type"] == "simplelicensing_LicenseExpression"}
    equal([said.get(t) for f, t in relations(graph, "hasConcludedLicense") if f == "model"], ["Apache-2.0"],
          "a licence whose text is there is concluded")
    equal([said.get(t) for f, t in relations(graph, "hasDeclaredLicense") if f == "model"], ["Apache-2.0", "MIT"],
          "those of the card's tag and of the weights' metadata are declared")
    ok(any(n["fact"] == "finding: contradiction" for n in notes), "and contradict each other", notes)
    ok(any(n["fact"] == "language" and n["grade"] == "declared" and "begin" in n["evidence"] for n in notes),
       "with the bytes that say so")
    graph, _ = test_spdx(home, "bare", out["bare", "spdx"])
    equal(relations(graph, "hasDeclaredLicense") + relations(graph, "hasConcludedLicense"),
          [("model", "expandedlicensing_NoAssertionLicense")] * 2, "where nothing is said, nothing is asserted")
    model = [e for e in graph if e["type"] == "ai_AIPackage"][0]
    equal(sorted(model), sorted(["type", "spdxId", "creationInfo", "name", "software_primaryPurpose", "verifiedUsing"]),
          "and nothing is invented")
    graph, _ = test_spdx(home, "run", out["run", "spdx"])
    equal(relations(graph, "trainedOn"), [("model", "data")], "a run is trained on its shards")
    model = [e for e in graph if e["type"] == "ai_AIPackage"][0]
    has(str(model["ai_hyperparameter"]), "'optimizer.kind', 'value': 'adamw'", "with the recipe's settings")
    graph, _ = test_spdx(home, "corpus", out["corpus", "spdx"])
    data = [e for e in graph if e["type"] == "dataset_DatasetPackage"][0]
    equal((data["dataset_datasetType"], data["dataset_datasetSize"]),
          (["text"], os.path.getsize(os.path.join(home.path, "corpus/texts"))), "a corpus with the size of its text")
    test_spdx(home, "odd", out["odd", "spdx"])
    p = emit(home, "model", "spdx", "--date", "2026-01-31", "--name", "Mine")
    has(p.out, '"created": "2026-01-31T00:00:00Z"', "a date that is given is told")
    has(p.out, '"name": "Mine"', "and a name")


# ---- CycloneDX ----

def test_cyclonedx(home, out):
    for what in FORMS:
        d = load(out[what, "cyclonedx"], "CycloneDX is JSON")
        equal((d["bomFormat"], d["specVersion"], d["version"]), ("CycloneDX", "1.6", 1), f"{what}: CycloneDX 1.6")
        ok(re.fullmatch("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        d["serialNumber"]), f"{what}: a serial number", d["serialNumber"])
        refs = [c["bom-ref"] for c in d["components"]] + ["main"]
        equal(len(refs), len(set(refs)), f"{what}: references are unique")
        equal(sorted(d["dependencies"][0]["dependsOn"] + ["main"]), sorted(refs), f"{what}: and tied to the main one")
        ok("timestamp" not in d["metadata"], f"{what}: no clock is read")
        if what != "odd":
            got = {c["name"]: c["hashes"][0]["content"] for c in d["components"] if c["type"] == "file"}
            equal(got, files(home, what), f"{what}: every file with its SHA-256")
    main = load(out["model", "cyclonedx"], "")["metadata"]["component"]
    equal([(x["license"]["id"], x["license"]["acknowledgement"]) for x in main["licenses"]],
          [("Apache-2.0", "concluded"), ("Apache-2.0", "declared"), ("MIT", "declared")], "a text is concluded, a tag declared")
    equal(main["modelCard"]["modelParameters"]["datasets"], [{"ref": "dataset-0"}], "data sets by reference")
    main = load(out["bare", "cyclonedx"], "")["metadata"]["component"]
    ok("licenses" not in main and main["modelCard"] == {"modelParameters": {}}, "what is not known is left out", main)


# ---- Croissant ----

def test_croissant(home, out):
    d = load(out["corpus", "croissant"], "Croissant is JSON")
    equal((d["@type"], d["conformsTo"]), ("sc:Dataset", "http://mlcommons.org/croissant/1.1"), "Croissant 1.1")
    equal(sorted(d["license"]), ["GPL-2.0-only OR MIT", "LicenseRef-GPL-9.0-only", "LicenseRef-public-domain",
                                 "https://spdx.org/licenses/CC0-1.0", "https://spdx.org/licenses/MIT"], "licences")
    equal({f["@id"]: f["sha256"] for f in d["distribution"]}, files(home, "corpus"), "files with their SHA-256")
    rows = {s["@id"]: s["data"] for s in d["recordSet"]}
    equal({r["licences/licence"]: r["licences/documents"] for r in rows["licences"]},
          {"MIT": 1, "CC0-1.0": 1, "unknown": 1, "GPL-2.0-only OR MIT": 1, "LicenseRef-GPL-9.0-only": 1,
           "LicenseRef-public-domain": 1}, "documents by licence")
    named = {x["license"].get("id", "") + "|" + x["license"].get("name", "")
             for x in load(out["corpus", "cyclonedx"], "")["metadata"]["component"]["licenses"]}
    equal(named, {"MIT|", "CC0-1.0|", "|GPL-2.0-only OR MIT", "|LicenseRef-GPL-9.0-only", "|LicenseRef-public-domain"},
          "CycloneDX has ids for those of its list, names for others")
    ok(all(set(r) == {f["@id"] for f in s["field"]} for s in d["recordSet"] for r in s["data"]), "rows fit fields")
    summary = home.json("data", "list", os.path.join(home.path, "corpus"), "--json")
    root = [f["value"] for f in d["additionalProperty"] if f["name"] == "root"]
    ok(root and root[0] in json.dumps(summary) or root == [d["identifier"]], "named by its root", root)
    for gone in ("url", "creator", "datePublished"):
        ok(gone not in d, f"{gone} is not invented")


# ---- SLSA ----

def test_slsa(home, out):
    run = os.path.join(home.path, "run")
    d = load(out["run", "slsa"], "provenance is JSON")
    equal((d["_type"], d["predicateType"]), ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"),
          "an in-toto statement with SLSA's provenance")
    subject = d["subject"][0]
    equal(subject["name"], "checkpoints/step-00000004/model.gguf", "of the last weights")
    equal(subject["digest"], {"sha256": sha256(os.path.join(run, subject["name"]))}, "by their SHA-256")
    state = json.loads(read(os.path.join(run, "checkpoints/step-00000004/state.json")))
    equal(subject["annotations"]["glass_weights_root"], state["weights"], "and the root of the weights")
    build, made = d["predicate"]["buildDefinition"], d["predicate"]["runDetails"]
    equal(build["externalParameters"]["recipe"]["seed"], "5", "the recipe's keys")
    equal(build["internalParameters"]["arithmetic"], state["arithmetic"], "the arithmetic")
    record = json.loads(read(os.path.join(run, "run.json")))
    equal(build["internalParameters"]["shards"], record["train"], "the shards' digests as run.json has them")
    needs = {r["name"]: r["digest"]["sha256"] for r in build["resolvedDependencies"]}
    wanted = ["recipe.yaml", "shards/held-out-0.safetensors", "shards/train-0.safetensors"]
    equal(needs, {n: sha256(os.path.join(run, n)) for n in wanted}, "made of the recipe and the shards")
    ledger = read(os.path.join(run, "ledger.jsonl")).splitlines()
    note = [r for r in made["byproducts"] if r["name"] == "ledger.jsonl"][0]["annotations"]
    equal((note["glass_lines"], note["glass_chain"]), (len(ledger), json.loads(ledger[-1])["chain"]),
          "and the ledger's chain")
    ok("startedOn" not in made["metadata"], "when, nobody knows")
    bad = os.path.join(home.path, "bad")
    shutil.copytree(run, bad)
    data = bytearray(read(os.path.join(bad, "shards/train-0.safetensors")))
    data[-3] ^= 1
    write(home, "bad/shards/train-0.safetensors", bytes(data))
    p = emit(home, "bad", "slsa")
    equal(p.returncode, 1, "one bit of a shard, and there is no provenance")
    has(p.err, "does not agree with its own record", "which is said")
    p = emit(home, "bad", "spdx")
    has(p.out, "check: shards failed", "in the other forms it is told")


# ---- MOF, cards, datasheets ----

def test_words(home, out):
    for what in ("run", "model", "bare"):
        write(home, "r.yml", out[what, "mof"])
        got = home.json("audit", "--mof", os.path.join(home.path, "r.yml"), "--json")
        audit = home.json("audit", os.path.join(home.path, what), "--json")
        record = got.get("records", [got])[0] if isinstance(got, dict) else got[0]
        wanted = sorted(c["name"] for c in audit["components"] if c["grade"] in ("verified", "declared"))
        equal(sorted(c["name"] for c in record["components"] if c["present"]), wanted,
              f"{what}: the record has the parts that the audit found")
    has(out["model", "mof"], 'name: "Apache-2.0" # verified', "with the licence and how sure it is")
    card = out["model", "card"]
    front = card.split("---\n")[1]
    equal(front, 'license: apache-2.0\nlanguage:\n- "en"\n- "de"\nbase_model:\n- "org/base"\ndatasets:\n- '
          '"some/texts"\npipeline_tag: text-generation\n', "a card's YAML")
    write(home, "again/README.md", card)
    again = home.json("audit", os.path.join(home.path, "again"), "--json")
    ok(any(c["licence"] == "apache-2.0" and c["how"] == "tag" for c in again["claims"]), "which the audit reads",
       again["claims"])
    has(card, "| parameters | ", "the number of parameters")
    has(card, "Not declared to Glass.", "and what it does not know")
    has(out["run", "card"], "| optimizer.kind | adamw | verified | recipe.yaml", "a run's card has its settings")
    has(out["bare", "card"], "Nothing at hand says what it is under.", "a bare model has no licence")
    ok("\n# b" not in out["odd", "datasheet"] and "\n# b" not in out["odd", "card"], "values break no lines")
    has(out["odd", "card"], "my \\| \\<b> terms", "nor tables")
    has(out["corpus", "datasheet"], "| MIT | 1 |", "a corpus' licences")
    ok("![" not in out["corpus", "datasheet"], "without pictures, which are other files")
    has(out["run", "datasheet"], "shards/train-0.safetensors: " + sha256(os.path.join(home.path,
        "run/shards/train-0.safetensors")), "a run's shards")


def test_wrong(home):
    for words, code, part in ((("model", "croissant"), 2, "this is a model"), (("model", "slsa"), 2, "Glass run"),
                              (("corpus", "mof"), 2, "this is a corpus"), (("model", "rdf"), 2, "wanted spdx"),
                              (("model", "spdx", "--date", "2026-13-01"), 2, "YYYY-MM-DD"),
                              (("model", "spdx", "--date", "yesterday"), 2, "YYYY-MM-DD"),
                              (("model", "spdx", "--date", "2026-02-29"), 2, "YYYY-MM-DD"),
                              (("model", "spdx", "--html", "x"), 2, "alone"),
                              (("nothing", "spdx"), 3, "no such file or model")):
        p = emit(home, *words)
        equal(p.returncode, code, f"{' '.join(words)}: exit {code}")
        has(p.err, part, f"{' '.join(words)}: {part}")
    p = home.run("audit", "licence:gemma", "--emit", "spdx")
    equal(p.returncode, 2, "a licence alone has no evidence")


OFFICIAL = r"""
import json, sys, glob, os, yaml, jsonschema
shared, folder = sys.argv[1:]
def read(f): return open(f).read()
spdx = mof = None
if os.path.exists(shared):
    spdx = jsonschema.Draft202012Validator(json.loads(read(shared + "/openness/schemas/spdx3/3.0.1/spdx-json-schema.json")))
    mof = jsonschema.Draft7Validator(json.loads(read(shared + "/openness/mot/schema/mof_schema.json")),
                                     format_checker=jsonschema.FormatChecker())
import cyclonedx.validation.json as cv, cyclonedx.schema as cs
cdx = cv.JsonStrictValidator(cs.SchemaVersion.V1_6)
from spdx_python_model import v3_0_1 as model
import mlcroissant
from google.protobuf import json_format
from in_toto_attestation.v1 import statement, statement_pb2
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
n = 0
for f in sorted(glob.glob(folder + "/*.*")):
    form, bad = f.rsplit(".", 1)[1], []
    if form == "spdx":
        bad = [e.message[:300] for e in spdx.iter_errors(json.loads(read(f)))] if spdx else []
        objects = model.SHACLObjectSet()
        model.JSONLDDeserializer().read(open(f, "rb"), objects)
        bad += list(objects.missing_ids)
    elif form == "cyclonedx":
        e = cdx.validate_str(read(f))
        bad = [str(e)[:300]] if e else []
    elif form == "mof":
        if not mof: continue
        bad = [e.message[:300] for e in mof.iter_errors(yaml.safe_load(read(f)))]
    elif form == "croissant":
        d = mlcroissant.Dataset(f)
        bad = list(d.metadata.issues.errors)
        if len(list(d.records("licences"))) != 6: bad.append("records")
    elif form == "slsa":
        d = json.loads(read(f))
        statement.Statement.copy_from_pb(json_format.ParseDict(d, statement_pb2.Statement())).validate()
        json_format.ParseDict(d["predicate"], provenance_pb2.Provenance())
    else:
        continue
    n += 1
    print("ok" if not bad else "not ok", os.path.basename(f), bad)
print("checked", n)
"""


def test_official(home):
    if not PYTHON:
        skip("official validators", "GLASS_PEER_PYTHON names no Python that has them")
        return
    p = subprocess.run([PYTHON, "-c", OFFICIAL, SHARED, home.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False)
    lines = p.stdout.decode().splitlines()
    for line in lines[:-1]:
        ok(line.startswith("ok"), "official: " + line.split(" ", 2)[-1 if line[0] == "n" else 1], line)
    n_mof = len([name for name in os.listdir(home.path) if name.endswith(".mof")])
    n = 16 if os.path.exists(SHARED) else 16 - n_mof
    equal(lines[-1:], [f"checked {n}"], "official validators" + p.stderr.decode()[-600:] * (p.returncode != 0))


def main():
    with Home() as home:
        prepare(home)
        out = emit_all(home)
        test_all_spdx(home, out)
        test_cyclonedx(home, out)
        test_croissant(home, out)
        test_slsa(home, out)
        test_words(home, out)
        test_wrong(home)
        test_official(home)
    done()


main()
