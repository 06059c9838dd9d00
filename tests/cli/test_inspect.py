#!/usr/bin/env python3
"""glass inspect: figures that are reckoned anew here, models whose kinship is known, texts whose
probabilities other commands tell, pictures that parse, and requests for what is not there.
What it shows of a text beside transformers: tests/inspect/test_transformers.py."""
import array
import json
import math
import os
import re
import struct
import sys
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../model"))
import hf_folder  # noqa: E402
import kit  # noqa: E402
import noise_model  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

FAMILY = os.path.join(hf_folder.FAMILIES, "{}.gguf")
TEXT = "what a model makes of a text"


def floats(data):
    return array.array("f", data)


def near(got, want, name, limit=1e-9):
    return ok(abs(got - want) <= limit * max(1, abs(want)), name, f"got {got!r}, wanted {want!r}")


# ---- tensors ----

def figures(x):
    n, m = len(x), max(abs(v) for v in x)
    mean = math.fsum(x) / n
    bins = [0] * 32
    for v in x:
        bins[min(31, int((v + m) * 32 / (2 * m)))] += 1
    return {"numbers": n, "zeros": sum(v == 0 for v in x), "not_finite": 0,
            "norm": math.sqrt(math.fsum(v * v for v in x)), "mean": mean,
            "std": math.sqrt(math.fsum((v - mean) ** 2 for v in x) / n), "min": min(x),
            "max": max(x), "histogram": {"low": -m, "high": m, "counts": bins}}


def check_tensors(h):
    model = FAMILY.format("gpt2")
    shown = h.json("inspect", "tensors", model, "--json")["tensors"]
    theirs = hf_folder.read_gguf(model)[1]
    equal([t["name"] for t in shown], list(theirs), "every tensor is there, in the file's order")
    bad = []
    for t in shown:
        shape, data = theirs[t["name"]]
        want = figures(floats(data))
        same = all(t[k] == want[k] for k in ("numbers", "zeros", "not_finite", "min", "max"))
        same = same and t["histogram"] == want["histogram"] and t["shape"] == shape
        same = same and t["bytes"] == len(data) and t["type"] == "F32"
        for k in ("norm", "mean", "std"):
            same = same and abs(t[k] - want[k]) <= 1e-9 * max(1, abs(want[k]))
        if not same:
            bad.append((t, want))
    ok(not bad, "norm, mean, deviation, extremes, zeros and histograms are right", bad[:1])


def check_large_tensors(h, noise):
    """Tensors of many pieces, in blocks, on any number of threads."""
    name = "blk.1.ffn_up.weight"
    t = h.json("inspect", "tensors", noise, name, "--json")["tensors"][0]
    want = figures(floats(hf_folder.read_gguf(noise)[1][name][1]))
    for key in ("norm", "mean", "std"):
        near(t[key], want[key], f"the {key} of a tensor of several pieces")
    equal(t["histogram"], want["histogram"], "and its histogram")
    q4 = os.path.join(h.path, "q4.gguf")
    wide = os.path.join(h.path, "q4-f32.gguf")
    h.run("quantize", noise, q4, "--type", "q4_k_m")
    h.run("convert", q4, wide, "--type", "f32")
    one = h.run("inspect", "tensors", q4, "--json", "-t", "1").out
    equal(h.run("inspect", "tensors", q4, "--json", "-t", "5").out, one,
          "five threads give the figures of one")
    blocks = {t["name"]: t for t in json.loads(one)["tensors"]}
    bad = []
    for t in h.json("inspect", "tensors", wide, "--json")["tensors"]:
        b = blocks[t["name"]]
        bad += [t["name"]] if any(b[k] != t[k] for k in ("norm", "mean", "histogram")) else []
    ok(not bad and blocks["blk.0.ffn_up.weight"]["type"] == "Q4_K",
       "blocks have the figures of the numbers that they stand for", bad)


def check_spoilt_tensors(h):
    spoilt = noise_model.write(os.path.join(h.path, "spoilt.gguf"), spoil={
        "blk.1.ffn_up.weight": {5: math.nan, 70000: math.inf, 131071: -math.inf}})
    t = h.json("inspect", "tensors", spoilt, "blk.1.ffn_up.weight", "--json")["tensors"][0]
    ok(t["not_finite"] == 3 and 0 < t["norm"] < 1e3 and sum(t["histogram"]["counts"]) == 131069,
       "what is not finite is counted and left out", t)
    p = h.run("inspect", "tensors", spoilt)
    has(p.out, "3 not finite", "and said in the table")
    p = h.run("inspect", "logits", spoilt, "-p", TEXT)
    ok(p.returncode == 3 and "not finite" in p.err, "its predictions are refused", p.err)
    p = h.run("inspect", "diff", spoilt, spoilt, "--json")
    equal(json.loads(p.out)["kinship"], "same weights", "it is still the same as itself")


def check_patterns(h):
    model = FAMILY.format("llama")
    names = lambda *words: [t["name"] for t in h.json(
        "inspect", "tensors", model, *words, "--json").get("tensors", [])]
    equal(names("blk.1.attn_[qk].weight", "output.weight"),
          ["blk.1.attn_q.weight", "blk.1.attn_k.weight", "output.weight"], "patterns choose")
    p = h.run("inspect", "tensors", model, "blk.*", "blk.9.*")
    ok(p.returncode == 2 and 'no tensor is called "blk.9.*"' in p.err and not p.out,
       "a pattern without a tensor is an error", p.err)
    p = h.run("inspect", "tensors", model, "blk.1.attn_q.weight")
    ok(p.returncode == 0 and len(p.out.splitlines()) > 10 and "█" in p.out,
       "a tensor by name comes with its histogram", p.out)


def check_bare_files(h):
    """Tensors without a model around them, some of types that no weight has."""
    path = os.path.join(h.path, "bare.safetensors")
    header, data = {}, b""
    for name, kind, shape, part in (
            ("a", "F32", [2, 3], struct.pack("<6f", 1, -2, 3, 0, 0, 4)),
            ("b", "I64", [2], struct.pack("<2q", -5, 7)), ("c", "BOOL", [3], b"\0\1\1"),
            ("d", "F64", [1], struct.pack("<d", 0.5)), ("e", "F32", [0, 4], b""),
            ("f", "I8", [], b"\xfd")):
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    head = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)
    t = {x["name"]: x for x in h.json("inspect", "tensors", path, "--json")["tensors"]}
    ok(len(t) == 6 and t["a"]["norm"] == math.sqrt(30) and t["a"]["zeros"] == 2 and
       t["b"]["min"] == -5 and t["b"]["max"] == 7 and t["d"]["mean"] == 0.5 and
       t["f"]["mean"] == -3 and "norm" not in t["c"] and t["e"]["numbers"] == 0,
       "files of tensors alone are read, integers too", t)
    p = h.run("inspect", "tensors", path)
    has(p.out, "not read", "a type that is not read is said to be")
    d = h.json("inspect", "diff", path, path, "--json")
    ok(d["kinship"] == "same weights" and d["counts"]["same bytes"] == 6, "and compared", d)
    with open(path, "r+b") as f:
        f.truncate(len(head) + 10)
    p = h.run("inspect", "tensors", path)
    ok(p.returncode == 3 and "bare.safetensors" in p.err, "a cut one is an error", p.err)
    p = h.run("inspect", "tensors", os.path.join(h.path, "nothing.gguf"))
    ok(p.returncode != 0 and "nothing.gguf" in p.err, "a missing one, too", p.err)


# ---- two models ----

def changed(change, source="llama"):
    """A model's tensors by transformers' names, each number as change(name, i, x) has it."""
    out = {}
    for name, (shape, data) in hf_folder.state(source).items():
        out[name] = shape, array.array("f", [change(name, i, x)
                                             for i, x in enumerate(floats(data))]).tobytes()
    return out


def kinship(h, a, b):
    d = h.json("inspect", "diff", a, b, "--json")
    return d.get("kinship", d), d


def check_diff_of_types(h, noise):
    for kind in ("f16", "bf16", "q8_0", "q4_k_m", "q2_k"):
        path = os.path.join(h.path, f"noise-{kind}.gguf")
        h.run(*(("convert", noise, path, "--type", kind) if "f16" in kind else
                ("quantize", noise, path, "--type", kind)))
        k, d = kinship(h, noise, path)
        ok(k == "quantised from" and d["fewer_bits"] == "b" and
           d["counts"]["rounded"] == 16 and d["counts"]["same bytes"] == 5,
           f"{kind} is known as the same model in fewer bits", d.get("verdict", d))
        if kind == "q4_k_m":
            ok(0.04 < d["relative"] < 0.1, "its distance is what four bits leave", d["relative"])
            equal(kinship(h, path, noise)[1]["fewer_bits"], "a", "from the other side, too")
    k, d = kinship(h, os.path.join(h.path, "noise-f16.gguf"),
                   os.path.join(h.path, "noise-bf16.gguf"))
    equal(k, "quantised from", "F16 and BF16 of one model are the same model")
    other = noise_model.write(os.path.join(h.path, "other.gguf"), seed=2)
    k, d = kinship(h, noise, other)
    ok(k == "unrelated" and abs(d["median_cosine"]) < 0.05 and d["counts"]["akin"] == 0,
       "another seed is unrelated", d.get("verdict", d))
    k, _ = kinship(h, other, os.path.join(h.path, "noise-q2_k.gguf"))
    equal(k, "unrelated", "whatever its type")
    a = h.run("inspect", "diff", noise, other, "--json", "-t", "1").out
    equal(h.run("inspect", "diff", noise, other, "--json", "-t", "5").out, a,
          "five threads give the figures of one")


def check_pair(shown, name, a, b):
    """The figures of one pair; b as it was changed."""
    t = next(t for t in shown if t["name"] == name)
    a, b = floats(a[name][1]), floats(b[1])
    norm = lambda v: math.sqrt(math.fsum(x * x for x in v))
    apart = [y - x for x, y in zip(a, b)]
    near(t["norm_a"], norm(a), "a pair's first norm")
    near(t["norm_b"], norm(b), "and second")
    near(t["cosine"], math.fsum(x * y for x, y in zip(a, b)) / norm(a) / norm(b), "its cosine")
    near(t["relative"], norm(apart) / norm(a), "its relative distance")
    near(t["largest"], max(map(abs, apart)), "its largest difference", 1e-6)
    equal(t["equal"], sum(x == y for x, y in zip(a, b)), "how many numbers are equal")


def check_diff_of_forms(h):
    config = hf_folder.config("llama")
    gguf = FAMILY.format("llama")
    folder = os.path.join(h.path, "hf")

    def save(name, tensors, **more):
        path = os.path.join(folder, name)
        hf_folder.save(path, tensors, {**config, **more}, shards=2)
        return path

    k, d = kinship(h, gguf, save("same", changed(lambda n, i, x: x)))
    ok(k == "same weights" and d["counts"]["same bytes"] == 21,
       "a folder of other names and orders of rows is the same", d)
    tuned = changed(lambda n, i, x: x + 0.05 * math.sin(i * i))
    k, d = kinship(h, gguf, save("tuned", tuned))
    ok(k == "closely follows" and 0.9 < d["median_cosine"] < 1, "a fine-tune is known", d)
    check_pair(d["tensors"], "blk.1.ffn_up.weight", hf_folder.read_gguf(gguf)[1],
               tuned["model.layers.1.mlp.up_proj.weight"])
    k, d = kinship(h, gguf, save("part", changed(
        lambda n, i, x: x if "embed" in n else math.sin(i * i))))
    ok(k == "partly follows" and d["counts"]["same bytes"] == 1, "a taken embedding is known", d)
    grown = changed(lambda n, i, x: x)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        (rows, columns), data = grown[name]
        grown[name] = [rows + 3, columns], data + struct.pack(f"<{3 * columns}f",
                                                              *[0.5] * (3 * columns))
    k, d = kinship(h, gguf, save("grown", grown, vocab_size=64))
    ok(k == "same weights" and d["counts"]["same values"] == 2,
       "a grown vocabulary is compared in the rows that both have", d)
    tied = hf_folder.state("llama-tied")
    tied["lm_head.weight"] = tied["model.embed_tokens.weight"]
    k, d = kinship(h, FAMILY.format("llama-tied"), save("untied", tied))
    head = [t for t in d["tensors"] if t.get("other")]
    ok(k == "same weights" and len(head) == 1 and d["counts"]["not compared"] == 0,
       "a head is compared with a tied embedding", d)
    k, d = kinship(h, gguf, FAMILY.format("gptj"))
    ok(k in ("unrelated", "not comparable") and d["counts"]["not compared"] > 0,
       "what is in one alone is said", d)
    p = h.run("inspect", "diff", gguf, FAMILY.format("gptj"))
    has(p.out, "only in the first", "also in the table")
    p, j = (h.run("inspect", "diff", gguf, FAMILY.format("gptj"), *w) for w in ((), ("--json",)))
    equal("matrices:" in p.out, "not comparable" not in j.out, "where nothing is compared no cosine is told")
    k, d = kinship(h, gguf, save("moved", changed(
        lambda n, i, x: x * (1 + 2.0 ** -20) if n.endswith("down_proj.weight") else x)))
    ok(k == "closely follows" and d["counts"]["same bytes"] == 19,
       "the last bits of two tensors are seen", d)


# ---- a text ----

def check_logits(h, noise):
    whole = os.path.join(h.path, "text")
    with open(whole, "w", encoding="ascii") as f:
        f.write(TEXT)
    for kind in ("", "-f16", "-q8_0", "-q4_k_m", "-q2_k"):
        model = noise if not kind else os.path.join(h.path, f"noise{kind}.gguf")
        p = h.json("inspect", "logits", model, "-p", TEXT, "--json")
        e = h.json("eval", "perplexity", model, whole, "--whole", "--json")
        ok(p.get("nll") == e.get("nll") and p["scored"] == e["scored_tokens"],
           f"the losses are those of glass eval perplexity ({kind or 'F32'})",
           (p.get("nll"), e))
        lens = h.json("inspect", "layers", model, "-p", TEXT, "--at", "3..", "--layers", "-1",
                      "--json")
        equal(lens["predictions"], p["predictions"][2:], f"and the last layer's {kind}")
        equal(h.json("inspect", "layers", model, "-p", TEXT, "--at", "3..", "--layers", "-1",
                     "-t", "5", "-b", "3", "--json"), lens, f"on any threads and batches {kind}")


def check_pieces(h, noise):
    """Tokens that are bytes of a character."""
    p = h.run("inspect", "logits", noise, "-p", "aé")
    ok('"\\xC3"' in p.out and '"\\xA9"' in p.out, "pieces of a character stand as their bytes", p.out)
    tokens = h.json("inspect", "logits", noise, "-p", "aé", "--json")["tokens"][-3:]
    equal([t.get("bytes") for t in tokens], [None, [0xc3], [0xa9]], "in JSON beside the text")


def check_views(h, noise):
    p = h.run("inspect", "logits", noise, "-p", "ab", "--top", "2")
    ok(p.returncode == 0 and "(what follows)" in p.out and "bits a token" in p.out and
       len(p.out.splitlines()) == 5, "logits as a table", p.out)
    p = h.run("inspect", "layers", noise, "-p", "ab")
    equal(len(p.out.splitlines()), 2 + 3, "layers as a table: the embedding and two layers")
    a = h.run("inspect", "attention", noise, "-p", TEXT)
    ok(a.out.count("layer ") == 2 and "attends to" in a.out and "\x1b" not in a.out,
       "attention of the last token, a line a layer, without colours in a pipe", a.out)
    equal(h.run("inspect", "attention", noise, "-p", TEXT, "--layers", "1").out.count(" head "),
          4, "of one layer a line a head")
    m = h.run("inspect", "attention", noise, "-p", TEXT, "--layers", "1", "--heads", "2")
    equal(len(m.out.splitlines()), 2 + len(TEXT), "of one head the whole map (BOS is a row)")
    t = h.terminal("inspect", "attention", noise, "-p", TEXT)
    t.finish()
    ok(t.status == 0 and "\x1b[48;5;" in t.text, "in a terminal with colours", t.text[:300])
    t = h.terminal("inspect", "attention", noise, "-p", TEXT, env={"NO_COLOR": "1"})
    t.finish()
    ok(t.status == 0 and "\x1b[48" not in t.text, "not with NO_COLOR", t.text[:300])


def check_activations(h, noise):
    folder = os.path.join(h.path, "acts")
    one = os.path.join(h.path, "acts.safetensors")
    p = h.run("inspect", "activations", noise, "-p", TEXT, "-o", folder)
    ok(p.returncode == 0 and folder in p.out, "activations go to a folder of npy", p.err)
    h.run("inspect", "activations", noise, "-p", TEXT, "-o", one)
    with open(one, "rb") as f:
        data = f.read()
    n = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    equal(sorted(os.listdir(folder)), sorted(k + ".npy" for k in header),
          "with the names of the safetensors file")
    bad = []
    for name, info in header.items():
        with open(os.path.join(folder, name + ".npy"), "rb") as f:
            npy = f.read()
        size = struct.unpack_from("<H", npy, 8)[0]
        d = eval(npy[10:10 + size], {"__builtins__": {}})  # a dict of text, written here
        a, b = info["data_offsets"]
        kind = {"I32": "<i4", "F32": "<f4"}[info["dtype"]]
        if (npy[:8] != b"\x93NUMPY\1\0" or (10 + size) % 64 or npy[9 + size:10 + size] != b"\n" or
                d != {"descr": kind, "fortran_order": False, "shape": tuple(info["shape"])} or
                npy[10 + size:] != data[8 + n + a:8 + n + b]):
            bad.append(name)
    ok(not bad and len(header) == 2 * 6 + 3, "the same bytes in NumPy's format", bad)
    p = h.run("inspect", "activations", noise, "-p", TEXT, "-o", one, "--what", "stream,Q")
    ok(p.returncode == 2 and "--what Q" in p.err, "an unknown kind is named", p.err)
    with open(one, "rb") as f:
        ok(f.read() == data, "and the file is as it was")
    p = h.run("inspect", "activations", noise, "-p", TEXT)
    ok(p.returncode == 2 and "--out" in p.err, "without --out it says so", p.err)
    for end in ("npy", "npz"):
        p = h.run("inspect", "activations", noise, "-p", TEXT, "-o", os.path.join(h.path, "x." + end))
        ok(p.returncode == 2 and "FOLDER" in p.err and not os.path.exists(os.path.join(h.path, "x." + end)),
           f"no folder is called .{end}", p.err)


def check_pictures(h, noise):
    odd = "a<b>&\"'\x1b\x07\n\xff"
    views = {"logits": (), "layers": ("--at", "1.."), "attention": ("--layers", "0", "--heads", "0"),
             "many": ()}
    for name, words in views.items():
        part = "attention" if name == "many" else name
        svg, png = (os.path.join(h.path, f"{name}.{end}") for end in ("svg", "png"))
        for path in (svg, png):
            p = h.run("inspect", part, noise, "-p", odd, *words, "--svg", path)
            ok(p.returncode == 0, f"a picture of {name}: {path[-3:]}", p.err)
        with open(svg, "rb") as f:
            text = f.read()
        rects = xml.dom.minidom.parseString(text).getElementsByTagName("rect")
        ok(len(rects) > 5 and b"\x1b" not in text, f"{name}.svg is XML, whatever the tokens are",
           len(rects))
        with open(png, "rb") as f:
            ok(f.read(8) == b"\x89PNG\r\n\x1a\n", f"{name}.png is a PNG")
    svg = os.path.join(h.path, "t.svg")
    old = os.umask(0o027)
    p = h.run("inspect", "tensors", noise, "--svg", svg)
    os.umask(old)
    equal(oct(os.stat(svg).st_mode & 0o777), "0o640", "who may read a picture is for the umask to say")
    with open(svg, "rb") as f:
        dom = xml.dom.minidom.parseString(f.read())
    ok(p.returncode == 0 and len(dom.getElementsByTagName("rect")) > 21 * 20, "histograms, too")
    p = h.run("inspect", "logits", noise, "-p", "ab", "--svg", os.path.join(h.path, "x.jpg"))
    ok(p.returncode == 2 and ".svg or .png" in p.err, "another end is an error", p.err)
    p = h.run("inspect", "logits", noise, "-p", "ab" * 250, "--svg", svg)
    ok(p.returncode == 0, "a tall picture", p.err)
    p = h.run("inspect", "layers", noise, "-p", "ab" * 200, "--at", "1..", "--svg", svg)
    ok(p.returncode == 2 and "pixels" in p.err, "one that is too large is refused", p.err)


def check_refusals(h, noise):
    def refused(code, part, *words, **options):
        p = h.run("inspect", *words, **options)
        ok(p.returncode == code and part in p.err and not p.out,
           " ".join(w if len(w) < 40 else "…" for w in words if w != noise), (p.returncode, p.err))

    n = len(TEXT) + 1  # BOS
    text = (noise, "-p", TEXT)
    refused(2, f"there are 1 to {n}", "logits", *text, "--at", "0")
    refused(2, f"there are 1 to {n}", "logits", *text, "--at", f"{n + 1}")
    refused(2, f"there are 1 to {n}", "layers", *text, "--at", "5..99")
    refused(2, "there are 0 to 2", "layers", *text, "--layers", "3")
    refused(2, "there are 0 to 1", "attention", *text, "--layers", "-3")
    refused(2, "there are 0 to 3", "attention", *text, "--heads", "2..4")
    refused(2, f"there are 0 to {n - 1}", "attention", *text, "--at", f"{n}")
    refused(2, "--at 3..1", "attention", *text, "--at", "3..1")
    refused(2, "--layers x", "attention", *text, "--layers", "x")
    refused(2, "--heads 9999999999999999999", "attention", *text, "--heads", "9999999999999999999")
    refused(2, "1 to 1000", "logits", *text, "--top", "1001")
    refused(2, "one of -p", "logits", noise)
    refused(2, "one of -p", "logits", *text, "--ids", "3")
    refused(2, "no token's number", "logits", noise, "--ids", "3,x")
    refused(3, "token 1 is 320", "logits", noise, "--ids", "3,320")
    refused(3, "601 tokens: the model has 512 positions", "logits", noise, "-p", "a" * 600)
    refused(3, "no token", "logits", noise, "--ids", "")
    refused(2, "a context of 5", "logits", *text, "-c", "5")
    refused(2, "cache", "logits", *text, "--cache-type", "q4_k")
    refused(4, "are allowed", "attention", *text, "--at", "0..", "--memory", "1")
    refused(3, "no tokenizer", "logits", FAMILY.format("llama"), "-p", "a")
    refused(2, 'no "inspect look"', "look", noise)
    refused(2, "usage", "diff", noise)
    cut = os.path.join(h.path, "cut.gguf")
    with open(noise, "rb") as f, open(cut, "wb") as g:
        g.write(f.read()[:200000])
    for words in (("tensors", cut), ("diff", cut, noise), ("diff", noise, cut),
                  ("logits", cut, "-p", "a")):
        refused(3, "cut.gguf", *words)
    p = h.run("inspect", "--help")
    ok(p.returncode == 0 and "activations" in p.out, "inspect --help lists its parts")
    for part in ("tensors", "diff", "logits", "layers", "attention", "activations"):
        p = h.run("inspect", part, "--help")
        ok(p.returncode == 0 and f"glass inspect {part}" in p.out and "examples" in p.out.lower(),
           f"{part} --help has examples", p.out)


def check_escapes(h):
    """What a token holds never reaches the terminal as it is."""
    model = tiny_model.write(os.path.join(h.path, "escape.gguf"), "escape")
    for words in (("logits",), ("layers",), ("attention",)):
        p = h.run("inspect", *words, model, "-p", "\x1b]0;x\x07\n")
        ok(p.returncode == 0 and "\x1b" not in p.out and "\x07" not in p.out,
           f"{words[0]} shows no control characters", repr(p.out[:200]))
        p = h.json("inspect", *words, model, "-p", "\x1b\n", "--json")
        equal([t["text"] for t in p["tokens"]], ["\x1b", "\n"], "JSON keeps them")


def main():
    with kit.Home() as h:
        noise = noise_model.write(os.path.join(h.path, "noise.gguf"))
        check_tensors(h)
        check_large_tensors(h, noise)
        check_spoilt_tensors(h)
        check_patterns(h)
        check_bare_files(h)
        check_diff_of_types(h, noise)
        check_diff_of_forms(h)
        check_logits(h, noise)
        check_views(h, noise)
        check_pieces(h, noise)
        check_activations(h, noise)
        check_pictures(h, noise)
        check_refusals(h, noise)
        check_escapes(h)
    kit.done()


if __name__ == "__main__":
    main()
