#!/usr/bin/env python3
"""test_convert.py - glass convert: what both forms can hold comes back bit for bit, over all
families; what cannot be said is refused; what breaks off leaves nothing under the final name."""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../cli"))
import hf_folder as hf  # noqa: E402
from kit import BUILD, GLASS, done, equal, has, ok, skip  # noqa: E402

LOGITS = os.path.join(BUILD, "tests/tools/logits")
OWN = ("glass.", "general.type", "general.file_type")


def convert(*words, **how):
    return subprocess.run([GLASS, "convert", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **how)


def good(*words):
    p = convert(*words)
    return ok(p.returncode == 0, "convert " + " ".join(os.path.basename(w) for w in words),
              p.stderr.decode())


def read(path):
    with open(path, "rb") as f:
        return f.read()


def logits(path, tokens):
    with tempfile.TemporaryDirectory() as t:
        ids, out = os.path.join(t, "ids"), os.path.join(t, "out")
        with open(ids, "w", encoding="utf-8") as f:
            f.write(" ".join(str((7 * i + 3) % 61) for i in range(tokens)))
        p = subprocess.run([LOGITS, path, ids, out], stderr=subprocess.PIPE, check=False)
        return read(out) if p.returncode == 0 else p.stderr.decode()


def shown(path):
    p = subprocess.run([GLASS, "show", path, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(p.stdout)["metadata"]


def model_keys(values):
    return {k: v for k, v in values.items() if not k.startswith(OWN) and k != "general.name"}


def families(top):
    """GGUF -> folder -> GGUF and folder -> GGUF -> folder, for every tiny model."""
    for config in sorted(os.listdir(hf.CONFIGS)):
        if not config.endswith(".json"):
            continue
        name = config[:-5]
        tokens = 300 if name.endswith("-long") else 40
        source = os.path.join(hf.FAMILIES, name + ".gguf")
        folder, again, back = (os.path.join(top, n) for n in ("a", "b.gguf", "c"))
        theirs = os.path.join(top, "theirs")
        if not good(source, folder) or not good(folder, again):
            continue
        values, tensors = hf.read_gguf(source)
        values2, tensors2 = hf.read_gguf(again)
        equal(tensors2, tensors, f"{name}: GGUF - folder - GGUF: every tensor")
        lost = {k: v for k, v in model_keys(values).items() if values2.get(k) != v and not (
            k.endswith("head_count_kv") and v == values[k[:-3]])}
        equal(lost, {}, f"{name}: … and every key")
        ok(logits(folder, tokens) == logits(source, tokens), f"{name}: the folder's logits")
        hf.folder(theirs, name)
        good(theirs, again, "--force")
        good(again, back)
        ok(read(os.path.join(back, "model.safetensors")) ==
           read(os.path.join(theirs, "model.safetensors")),
           f"{name}: folder - GGUF - folder: the same model.safetensors, to the byte")
        equal(model_keys(shown(back)), model_keys(shown(theirs)), f"{name}: … and settings")
        ok(logits(again, tokens) == logits(source, tokens), f"{name}: the file's logits")
        good(source, again, "--force")
        ok(read(again) == read(source) or name == "", f"{name}: GGUF - GGUF is a copy",
           f"{len(read(again))} and {len(read(source))} bytes")
        for path in (folder, back, theirs):
            shutil.rmtree(path)
        os.remove(again)


def chains(top):
    """Meta's form to a folder to a GGUF file: the same logits, whatever the shards."""
    wanted = logits(os.path.join(hf.FAMILIES, "llama.gguf"), 40)
    meta, folder, file = (os.path.join(top, n) for n in ("meta", "hf", "x.gguf"))
    for n in (1, 2, 4):
        for embedding in ("rows", "columns"):
            hf.meta(meta, "llama", shards=n, embedding=embedding)
            good(meta, folder, "--force")
            good(folder, file, "--force")
            for path, title in ((meta, "Meta's"), (folder, "the folder's"), (file, "the file's")):
                ok(logits(path, 40) == wanted, f"{n} shards, embeddings by {embedding}: {title} "
                   "logits")
            good(meta, file, "--force")
            ok(logits(file, 40) == wanted, "… and without the folder between")
            shutil.rmtree(meta)
    shutil.rmtree(folder)
    os.remove(file)


def stories(top):
    """llama2.c's checkpoint with its tokenizer to both forms: text and logits stay."""
    shared = os.path.join(os.environ.get("GLASS_SHARED", "../shared/data"),
                          "models/stories260K")
    if not os.path.isdir(shared):
        skip("stories260K", "no shared data")
        return
    tell = lambda m: subprocess.run(
        [GLASS, "complete", m, "-p", "Lily and Tom", "-n", "60", "--temp", "0"],
        stdout=subprocess.PIPE, check=True).stdout
    bare = os.path.join(top, "bare")
    os.mkdir(bare)
    for name in ("stories260K.bin", "tok512.bin"):
        shutil.copy(os.path.join(shared, name), bare)
    for source in (os.path.join(shared, "stories260K.bin"), os.path.join(bare, "stories260K.bin")):
        folder, file = os.path.join(top, "s"), os.path.join(top, "s.gguf")
        good(source, file, "--force")
        wanted = tell(source)
        ok(len(wanted) > 100 and tell(file) == wanted, "stories260K as GGUF: the same story")
        good(file, folder, "--force")
        ids = [subprocess.run([GLASS, "tokenizer", "encode", m, "-p", "Lily and Tom"],
                              capture_output=True, check=False).stdout
               for m in (source, file, folder, os.path.join(folder, "model.safetensors"),
                         os.path.join(folder, "config.json"))]
        ok(ids[0].count(b"\n") > 3 and len(set(ids)) == 1, "… the same tokens, named by any file", ids)
        with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
            squeezes = '{"Regex":" {2,}"}' in f.read()
        equal(squeezes, source.startswith(shared), "… runs of spaces become one with tok512.model")
        equal(tell(folder), wanted, "… and as a folder")
        ok(logits(file, 40) == logits(source, 40) == logits(folder, 40), "… the same logits")
    shutil.rmtree(top)


def widths(top):
    """16-bit folders: matrices keep their types, vectors are F32 in the file and 16 bits again
    in the folder; a type asked for is rounded to."""
    short = {k: (s, b"".join(d[i + 2:i + 4] for i in range(0, len(d), 4)))
             for k, (s, d) in hf.state("llama-bias").items()}
    wide = {k: (s, b"".join(b"\0\0" + d[i:i + 2] for i in range(0, len(d), 2)))
            for k, (s, d) in short.items()}
    folder, file, back = (os.path.join(top, n) for n in ("w", "w.gguf", "w2"))
    hf.save(folder, {}, hf.config("llama-bias"))
    hf.save_safetensors(os.path.join(folder, "model.safetensors"), short, "BF16")
    good(folder, file)
    good(file, back)
    ok(read(os.path.join(back, "model.safetensors")) ==
       read(os.path.join(folder, "model.safetensors")), "BF16: the same bytes come back")
    for name in ("gemma3", "apertus"): # norms less one; numbers that are keys in GGUF
        cut = {k: (s, b"".join(d[i + 2:i + 4] for i in range(0, len(d), 4)))
               for k, (s, d) in hf.state(name).items()}
        hf.save(folder, {}, hf.config(name))
        hf.save_safetensors(os.path.join(folder, "model.safetensors"), cut, "BF16")
        good(folder, file, "--force")
        good(file, back, "--force")
        ok(read(os.path.join(back, "model.safetensors")) ==
           read(os.path.join(folder, "model.safetensors")), f"{name} in BF16: the same bytes")
        ok(logits(file, 40) == logits(folder, 40) == logits(back, 40), "… and logits")
    hf.save(folder, {}, hf.config("llama-bias"))
    hf.save_safetensors(os.path.join(folder, "model.safetensors"), short, "BF16")
    good(folder, back, "--force")
    with open(os.path.join(back, "config.json"), encoding="utf-8") as f:
        equal(json.load(f)["torch_dtype"], "bfloat16", "BF16: config.json says so")
    good(folder, file, "--force")
    types = subprocess.run([GLASS, "show", file, "--tensors"], stdout=subprocess.PIPE,
                           check=True).stdout.decode()
    norms = [line for line in types.splitlines() if "norm" in line or ".bias" in line]
    ok(norms and all(" F32 " in line for line in norms), "BF16: vectors are F32 in GGUF", types)
    good(file, back, "--type", "f32", "--force")
    hf.save(folder, wide, hf.config("llama-bias"))
    ok(read(os.path.join(back, "model.safetensors")) ==
       read(os.path.join(folder, "model.safetensors")), "BF16 widened to F32")
    good(back, file, "--type", "bf16", "--force")
    good(file, back, "--type", "bf16", "--force")
    hf.save_safetensors(os.path.join(folder, "model.safetensors"), short, "BF16")
    ok(read(os.path.join(back, "model.safetensors")) ==
       read(os.path.join(folder, "model.safetensors")), "F32 narrowed to BF16 again")
    # F16, rounded to nearest even, against Python's own rounding.
    big = {k: v for k, v in hf.state("llama").items()}
    hf.save(folder, big, hf.config("llama"))
    good(folder, back, "--type", "f16", "--force")
    half = {k: (s, struct.pack(f"<{len(d) // 4}e", *struct.unpack(f"<{len(d) // 4}f", d)))
            for k, (s, d) in big.items()}
    hf.save_safetensors(os.path.join(folder, "model.safetensors"), half, "F16")
    ok(read(os.path.join(back, "model.safetensors")) ==
       read(os.path.join(folder, "model.safetensors")), "F32 rounded to F16")
    big["model.layers.1.mlp.up_proj.weight"] = ([64, 32], struct.pack("<2048f", *[1e5] * 2048))
    hf.save(folder, big, hf.config("llama"))
    p = convert(folder, back, "--type", "f16", "--force")
    ok(p.returncode == 3, "a weight too large for F16 is refused", p.returncode)
    for part in ("up_proj", "100000", "bf16"):
        has(p.stderr.decode(), part, f"… with {part}")
    equal(sorted(os.listdir(top)), ["w", "w.gguf", "w2"], "… and leaves nothing")
    for path in (folder, back):
        shutil.rmtree(path)
    os.remove(file)


def blocks(top):
    """Q8_0 blocks stay in a GGUF file, and become what they stand for in a folder."""
    values, tensors = hf.read_gguf(os.path.join(hf.FAMILIES, "llama.gguf"))
    wide, types = {}, {}
    for name, (shape, data) in tensors.items():
        wide[name] = (shape, data)
        if len(shape) == 2:
            out, stands = b"", b""
            for i in range(0, len(data), 128):
                x = struct.unpack("<32f", data[i:i + 128])
                d = struct.pack("<e", max(map(abs, x)) / 127)
                scale = struct.unpack("<e", d)[0]
                q = [max(-127, min(127, round(v / scale))) for v in x]
                out += d + struct.pack("<32b", *q)
                stands += struct.pack("<32f", *[scale * v for v in q])
            types[name], tensors[name], wide[name] = 8, (shape, out), (shape, stands)
    file, folder, again, plain = (os.path.join(top, n) for n in ("q.gguf", "q", "q2.gguf", "p.gguf"))
    hf.write_gguf(file, values, tensors, types)
    hf.write_gguf(plain, values, wide, {})
    good(file, again)
    ok(read(again) == read(file), "Q8_0: GGUF - GGUF is a copy")
    good(file, folder)
    good(folder, again, "--force")
    equal(hf.read_gguf(again)[1], wide, "Q8_0: a folder has what the blocks stand for")
    shutil.rmtree(folder)
    for path in (file, again, plain):
        os.remove(path)


CARD = """---
license: llama3.2
license_name: 'it''s ours'
license_link: https://example.org/licence  # a comment
language:
- en
- "no"
tags: [text-generation, "a, b"]
model-index:
- name: nested
  results:
  - task: x
base_model:
  - some-org/tiny-model-v2
  - https://example.org/other
datasets: HuggingFaceTB/smoltalk
author: "A. \\"B\\" \\u00c4"
description: >
  a block that is passed over
extra:
  license: not this one
---
# A model
license: nor this
"""


def metadata(top):
    folder, file, back = (os.path.join(top, n) for n in ("m", "m.gguf", "m2"))
    hf.folder(folder, "llama")
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as f:
        f.write(CARD)
    wanted = {
        "general.license": "llama3.2", "general.license.name": "it's ours",
        "general.license.link": "https://example.org/licence",
        "general.languages": ["en", "no"], "general.tags": ["text-generation", "a, b"],
        "general.base_model.count": 2, "general.base_model.0.name": "Tiny Model v2",
        "general.base_model.0.organization": "Some Org",
        "general.base_model.0.repo_url": "https://huggingface.co/some-org/tiny-model-v2",
        "general.base_model.1.repo_url": "https://example.org/other",
        "general.dataset.count": 1, "general.dataset.0.name": "Smoltalk",
        "general.dataset.0.organization": "HuggingFaceTB",
        "general.dataset.0.repo_url": "https://huggingface.co/HuggingFaceTB/smoltalk",
        "general.author": 'A. "B" Ä', "general.name": "m", "general.type": "model"}
    general = lambda p: {k: v for k, v in shown(p).items()
                         if k.startswith("general.") and k not in ("general.architecture",
                                                                   "general.file_type")}
    equal(general(folder), wanted, "a card's licence, authors, data sets and base models")
    good(folder, file)
    equal(general(file), wanted, "… in the GGUF file")
    good(file, back)
    equal(general(back), wanted, "… and in the folder made of that")
    os.remove(os.path.join(folder, "README.md"))
    for text, licence in (("   Apache License\n  Version 2.0, January 2004\n", "apache-2.0"),
                          ("MIT License\n\nCopyright", "mit"),
                          ("\n# House Rules 1\nmore", "other")):
        with open(os.path.join(folder, "LICENSE"), "w", encoding="utf-8") as f:
            f.write(text)
        equal(shown(folder)["general.license"], licence, f"LICENSE says {licence}")
    equal(shown(folder)["general.license.name"], "House Rules 1", "an unknown one by its name")
    for text in ("---\n", "---\n- a\n: b\nlicense: [\nauthor: \"x\n", "---\nlicense", "---\r\n\r\n",
                 "---\n" + "language: [" + "a," * 10000 + "\n"):
        with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as f:
            f.write(text)
        ok(isinstance(shown(folder), dict), f"a broken card is no obstacle: {text[:20]!r}")
    for path in (folder, back):
        shutil.rmtree(path)
    os.remove(file)


def refusals(top):
    source = os.path.join(hf.FAMILIES, "llama.gguf")
    folder, file = os.path.join(top, "r"), os.path.join(top, "r.gguf")
    good(source, folder)

    def case(title, code, wanted, *words):
        before = sorted(os.listdir(top))
        p = convert(*words)
        equal(p.returncode, code, title)
        for part in wanted:
            has(p.stderr.decode(), part, f"… with {part!r}")
        equal(sorted(os.listdir(top)), before, "… and nothing new is there")

    case("a folder that is there", 2, ["exists already", "--force"], source, folder)
    shutil.copy(source, file)
    case("a file that is there", 2, ["exists already"], source, file)
    case("a file where a folder should be", 2, ["a file"], source, file, "--to", "safetensors",
         "--force")
    case("a folder where a file should be", 2, ["a folder"], source, folder, "--to", "gguf",
         "--force")
    os.mkdir(os.path.join(folder, "more"))
    case("a folder with more in it", 2, ["more in it"], source, folder, "--force")
    os.rmdir(os.path.join(folder, "more"))
    case("an unknown form", 2, ["--to", "onnx"], source, os.path.join(top, "x"), "--to", "onnx")
    case("an unknown type", 2, ["type", "q9"], source, os.path.join(top, "x"), "--type", "q9")
    case("a type of blocks", 2, ["--type", "f16"], source, os.path.join(top, "x"), "--type", "q4_0")
    case("an odd size", 2, ["--shard-size"], source, os.path.join(top, "x"), "--shard-size", "big")
    case("no such place", 4, ["No such file"], source, os.path.join(top, "no/such/x.gguf"))
    case("no such place for a folder", 4, ["No such file"], source, os.path.join(top, "no/x"))
    values, tensors = hf.read_gguf(source)
    values["llama.attention.scale"] = 0.5
    odd = os.path.join(top, "odd.gguf")
    hf.write_gguf(odd, values, tensors, {})
    case("settings that a folder cannot say", 3, ["llama.*", "say more"], odd,
         os.path.join(top, "x"))
    values.pop("llama.attention.scale")
    tensors["blk.0.attn_sinks.weight"] = ([4], b"\0" * 16)
    hf.write_gguf(odd, values, tensors, {})
    case("a tensor without a place", 3, ["attn_sinks", "no place"], odd, os.path.join(top, "x"))
    tensors.pop("blk.0.attn_sinks.weight")
    tensors["rope_freqs.weight"] = ([4], struct.pack("<4f", 1, 2, 3, 4))
    hf.write_gguf(odd, values, tensors, {})
    case("factors of no rule", 3, ["rope_freqs"], odd, os.path.join(top, "x"))
    os.remove(odd)
    p = convert(source, folder, "--force", "--json")
    events = [json.loads(line) for line in p.stdout.splitlines()]
    equal([events[0]["event"], events[-1]["event"], events[-1]["path"], events[-1]["tensors"]],
          ["progress", "done", folder, 21], "--json: progress, then what was made")
    good(source, os.path.join(top, "shards"), "--shard-size", "20kB")
    files = sorted(os.listdir(os.path.join(top, "shards")))
    ok("model.safetensors.index.json" in files and "model-00001-of-00006.safetensors" in files,
       "--shard-size: shards and an index", files)
    ok(logits(os.path.join(top, "shards"), 40) == logits(source, 40), "… of the same model")
    for path in (folder, os.path.join(top, "shards")):
        shutil.rmtree(path)
    os.remove(file)


def large(path, n_vocab):
    """A model whose embedding is large and costs no space: zeros that were never written."""
    settings, tensors = hf.config("llama-tied"), hf.state("llama-tied")
    settings["vocab_size"] = n_vocab
    name = "model.embed_tokens.weight"
    tensors.pop(name)
    hf.save(path, tensors, settings)
    file = os.path.join(path, "model.safetensors")
    data = read(file)
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + n])
    end = len(data) - 8 - n
    header[name] = {"dtype": "F32", "shape": [n_vocab, 32],
                    "data_offsets": [end, end + n_vocab * 128]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(file, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data[8 + n:])
        f.truncate(f.tell() + n_vocab * 128)


def broken_off(top):
    source = os.path.join(top, "large")
    large(source, 2_000_000) # 256 MB
    for out in ("k.gguf", "k"):
        path = os.path.join(top, out)
        if out == "k.gguf":
            good(source, path)
            use = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            ok(use < 100_000 or "san" in BUILD, "256 MB go through less than 100 MB of memory",
               f"{use} KB")
            os.remove(path)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            p = subprocess.Popen([GLASS, "convert", source, path], stderr=subprocess.PIPE)
            for _ in range(20000):
                parts = [n for n in os.listdir(top) if n.startswith(out + ".part-")]
                if parts or p.poll() is not None:
                    break
                time.sleep(0.001)
            p.send_signal(sig)
            p.communicate()
            want = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[sig]
            equal(p.returncode, want, f"{out}: {sig.name} ends it")
            ok(not os.path.exists(path), "… and nothing is there under its name")
            parts = [n for n in os.listdir(top) if n.startswith(out + ".part-")]
            if sig != signal.SIGKILL:
                equal(parts, [], "… nor beside it")
            for part in parts:
                part = os.path.join(top, part)
                (shutil.rmtree if os.path.isdir(part) else os.remove)(part)

        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))

        p = convert(source, path, preexec_fn=small)
        equal(p.returncode, 4, f"{out}: no more room")
        has(p.stderr.decode(), "cannot write", "… is said")
        has(p.stderr.decode(), "File too large", "… with the system's reason")
        equal(sorted(os.listdir(top)), ["large"], "… and nothing is left")


with tempfile.TemporaryDirectory(prefix="glass-test-") as t:
    for test in (families, chains, stories, widths, blocks, metadata, refusals, broken_off):
        folder_ = os.path.join(t, test.__name__)
        os.mkdir(folder_)
        test(folder_)
done()
