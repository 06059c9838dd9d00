#!/usr/bin/env python3
"""glass quantize: which tensor gets which type, the same file however it is made, importance,
what is refused, and that nothing is left of what broke off."""
import hashlib
import json
import math
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(sys.path[0], "../model"))
import hf_folder  # noqa: E402
import kit  # noqa: E402
import noise_model  # noqa: E402
import shape_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
MIXES = ["Q2_K", "Q2_K_S", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M",
         "Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", "IQ4_NL", "IQ4_XS", "F16", "BF16",
         "F32"]
TEXT = "The quick brown fox jumps over the lazy dog. " * 40


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def mixes(h):
    """The types that llama-quantize chooses (gen_mixes.py)."""
    with open(os.path.join(DATA, "mixes.json"), encoding="utf-8") as f:
        golden = json.load(f)
    for shape in shape_model.SHAPES:
        model = shape_model.write(os.path.join(h.path, shape + ".gguf"), shape)
        im = shape_model.write_importance(os.path.join(h.path, shape + ".im"), shape)
        bad = []
        for mix in MIXES:
            for important in ("", " important"):
                if mix == "Q2_K_S" and not important:
                    continue
                j = h.json("quantize", model, "--dry-run", "--json", "--type", mix,
                           *(["--imatrix", im] if important else []))
                got = shape_model.spell({t["name"]: t["to"] for t in j.get("tensors", [])
                                         if len(t["shape"]) > 1})
                key = f"{shape} {mix}"
                wanted = golden.get(key + important, golden.get(key))
                if got != wanted:
                    bad.append((key + important, got, wanted, j.get("err")))
        equal(bad[:2], [], f"every mix of {shape}")
        os.remove(model)


def first(h, model):
    out = os.path.join(h.path, "q4.gguf")
    p = h.run("quantize", model, out)
    equal(p.returncode, 0, "quantised, Q4_K_M by itself") or print("# " + p.err)
    m = re.search(r"blk.0.attn_q.weight +256 x 256 +F32 +-> Q4_K +36864 bytes  error (0\.\d+)",
                  p.out)
    ok(m and 0.05 < float(m[1]) < 0.09, "a tensor's type, bytes and error", p.out)
    has(p.out, "blk.0.attn_norm.weight         256              F32     = F32 ", "norms stay")
    ok(re.search(r"21 tensors, 1.3 million weights: 5.* MB -> .* bits a weight, error 0.0", p.out),
       "a line for all", p.out)
    ok(p.out.endswith(out + "\n"), "and the file", p.out)
    equal([f for f in os.listdir(h.path) if ".part" in f], [], "nothing lies beside it")
    show = h.json("show", out, "--json")
    equal((show.get("license"), show.get("name"), show.get("metadata", {}).get("general.file_type"),
           show.get("metadata", {}).get("general.quantization_version")), ("mit", "Noise", 15, 2),
          "metadata is kept, and says what the file is")
    p = h.run("complete", out, "-p", "abc", "-n", "4", "--temp", "0")
    equal(p.returncode, 0, "the file runs")
    j = h.json("quantize", model, out, "--type", "q6_k", "--json")
    by_name = {t["name"]: t for t in j.get("tensors", [])}
    head = by_name.get("output.weight", {})
    equal((head.get("from"), head.get("to"), head.get("shape"), head.get("bytes"),
           head.get("importance"), head.get("fallback")),
          ("F32", "Q6_K", [320, 256], 320 * 210, False, False), "--json")
    ok(0.01 < head.get("rmse", 0) < 0.02 and 0 < head.get("largest", 0) < 0.01 and
       math.isclose(j.get("rmse", 0), head["rmse"], rel_tol=0.1), "its errors", head)
    equal((j.get("bits_per_weight"), j.get("weights")),
          (8 * j["bytes"] / j["weights"], sum(math.prod(t["shape"]) for t in j["tensors"])),
          "and its sums")


def rules(h, model):
    out = os.path.join(h.path, "rules.gguf")
    j = h.json("quantize", model, out, "--json", "--type", "Q4_0", "--keep", "output.weight",
               "--keep", "blk.?.ffn_*.weight=Q5_1", "--keep", "attn_v=bf16")
    to = {t["name"]: t["to"] for t in j.get("tensors", [])}
    equal([to.get(n) for n in ("output.weight", "blk.0.ffn_up.weight", "blk.1.ffn_down.weight",
                               "blk.1.attn_v.weight", "blk.1.attn_q.weight", "token_embd.weight")],
          ["F32", "Q5_1", "Q5_1", "BF16", "Q4_0", "Q4_0"], "--keep, by part and by pattern")
    j = h.json("quantize", model, out, "--json", "--type", "Q4_K_M", "--pure")
    equal({t["to"] for t in j.get("tensors", []) if len(t["shape"]) > 1}, {"Q4_K"}, "--pure")
    p = h.run("quantize", model, out, "--keep", "attn_w=Q8_0")
    ok(p.returncode == 2 and "attn_w" in p.err, "a name that no tensor has", p.err)
    p = h.run("quantize", model, out, "--keep", "attn_v=Q9")
    ok(p.returncode == 2 and "Q9" in p.err and "Q4_K" in p.err, "a type that is none", p.err)
    p = h.run("quantize", model, out, "--keep", "attn_v=I8")
    ok(p.returncode == 2 and "I8" in p.err, "a type that weights cannot have", p.err)
    p = h.run("quantize", model, out, "--keep", "=Q8_0")
    equal(p.returncode, 2, "a rule without a name")


def same(h, model):
    """The same bytes from any number of threads and instruction set."""
    out = os.path.join(h.path, "same.gguf")
    for mix in ("Q4_K_M", "Q3_K_L", "IQ4_XS", "Q5_1", "Q2_K"):
        seen = set()
        for threads, isa in (("1", None), ("2", None), ("7", None), ("2", "c")):
            p = h.run("quantize", model, out, "--type", mix, "-t", threads,
                      env={"GLASS_ISA": isa} if isa else {})
            seen.add((p.returncode, sha(out), p.out))
        equal(len(seen), 1, f"{mix}: one file, whoever makes it")


def folders(h, model):
    """Models of other forms give what their GGUF file gives."""
    logits = os.path.join(kit.BUILD, "tests/tools/logits")
    ids, a, b = (os.path.join(h.path, n) for n in ("ids", "fa.gguf", "fb.gguf"))
    with open(ids, "w", encoding="utf-8") as f:
        f.write(" ".join(str((7 * i + 3) % 61) for i in range(40)))
    folder = os.path.join(h.path, "folder")

    def outputs():
        out = []
        for file in (a, b):
            p = subprocess.run([logits, file, ids, file + ".out"], stderr=subprocess.PIPE, check=False)
            with open(file + ".out", "rb") as f:
                out.append((p.returncode, f.read()))
        return out

    for name in sorted(f[:-5] for f in os.listdir(hf_folder.CONFIGS) if f.endswith(".json")):
        hf_folder.folder(folder, name)
        p = h.run("quantize", folder, a, "--type", "Q8_0")
        q = h.run("quantize", os.path.join(hf_folder.FAMILIES, name + ".gguf"), b, "--type", "Q8_0")
        if equal((p.returncode, q.returncode), (0, 0), f"{name} from a folder") is False:
            print("# " + p.err + q.err)
            continue
        one, other = outputs()
        ok(one == other and one[0] == 0, f"{name}: the same logits as from GGUF")
        shutil.rmtree(folder)
    p = h.run("convert", model, folder)
    equal(p.returncode, 0, "a folder with a vocabulary")
    h.run("quantize", folder, a)
    h.run("quantize", model, b)
    one, other = outputs()
    ok(one == other and one[0] == 0, "its logits")
    say = [h.run("complete", f, "-p", "The quick", "-n", "20").out for f in (a, b)]
    equal(say[0], say[1], "and its tokens")
    meta = [h.json("show", f, "--json").get("metadata", {}) for f in (a, b)]
    for key in ("general.license", "general.file_type", "tokenizer.ggml.bos_token_id"):
        equal(meta[0].get(key), meta[1].get(key), key)


def importance(h, model):
    folder = os.path.join(h.path, "texts")
    os.makedirs(folder)
    text, im = os.path.join(folder, "im.gguf"), os.path.join(h.path, "im.gguf")
    with open(text, "w", encoding="utf-8") as f:
        f.write(TEXT)
    seen = set()
    for threads, isa in (("1", None), ("2", None), ("5", None), ("2", "c")):
        p = h.run("quantize", model, "--calibrate", text, "--save-imatrix", im, "-c", "64", "-t",
                  threads, env={"GLASS_ISA": isa} if isa else {})
        seen.add((p.returncode, sha(im), p.out))
    equal(len(seen), 1, "importance is the same, whoever collects it")
    has(p.out, f"importance for 14 tensors, from {-(-(len(TEXT) + 1) // 64)} pieces of 64 tokens",
        "and what was collected is said")
    first_layer(model, im)
    a, b = os.path.join(h.path, "a.gguf"), os.path.join(h.path, "b.gguf")
    p = h.run("quantize", model, a, "--type", "Q4_0", "--calibrate", text, "-c", "64")
    has(p.out, "by importance", "tensors made by importance are named")
    h.run("quantize", model, b, "--type", "Q4_0", "--imatrix", im)
    equal(sha(a), sha(b), "--calibrate and --imatrix of its file give one file")
    meta = h.json("show", a, "--json").get("metadata", {})
    equal([meta.get("quantize.imatrix." + k) for k in ("file", "dataset", "entries_count",
                                                       "chunks_count")],
          ["im.gguf", "im.gguf", 14, -(-(len(TEXT) + 1) // 64)], "the file says so")
    h.run("quantize", model, b, "--type", "Q4_0")
    ok(sha(a) != sha(b), "which is not the one without importance")
    p = h.run("quantize", model, b, "--type", "Q2_K_S")
    ok(p.returncode == 2 and "importance" in p.err, "Q2_K_S wants importance", p.err)
    old = os.path.join(h.path, "old.dat")
    write_old(old, im)
    h.run("quantize", model, b, "--type", "Q4_K_M", "--imatrix", old)
    h.run("quantize", model, a, "--type", "Q4_K_M", "--imatrix", im)
    show = [h.json("show", f, "--tensors", "--json").get("tensors") for f in (a, b)]
    ok(show[0] and show[0] == show[1], "the older format is read")
    return im, old


def first_layer(model, im):
    """What q, k and v of the first layer read can be said by hand: normed embeddings."""
    with open(model, "rb") as f:
        data = f.read()
    embedding = floats_of(data, b"token_embd.weight", b"blk.1.ffn_down.weight")
    norm = floats_of(data, b"blk.0.attn_norm.weight", b"blk.1.ffn_down.weight")
    ids = [256] + list(TEXT.encode())
    ids = [256 if i % 64 == 0 else t for i, t in enumerate(ids)]
    wanted = [0.0] * 256
    for t in ids:
        row = embedding[t * 256:(t + 1) * 256]
        rms = math.sqrt(sum(v * v for v in row) / 256 + 1e-5)
        for i, v in enumerate(row):
            wanted[i] += (v / rms * norm[i]) ** 2
    with open(im, "rb") as f:
        data = f.read()
    got = floats_of(data, b"blk.0.attn_q.weight.in_sum2")
    off = max(abs(a - b) / b for a, b in zip(got, wanted))
    ok(off < 1e-5, "the first layer's importance is what it says", off)
    equal(floats_of(data, b"blk.0.attn_v.weight.in_sum2"), got, "q and v read the same")
    equal(set(floats_of(data, b"blk.1.ffn_down.weight.counts")), {float(len(ids))}, "tokens")


def floats_of(data, name, last=b".weight.counts"):
    """The numbers of a tensor of a GGUF file of F32 tensors, whose last one's name ends so."""
    at = data.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)
    n_dims = struct.unpack_from("<I", data, at)[0]
    dims = struct.unpack_from(f"<{n_dims}Q", data, at + 4)
    offset = struct.unpack_from("<Q", data, at + 8 + 8 * n_dims)[0]
    end = data.rindex(last) + len(last) + 4 + 16 + 4 + 8
    n = math.prod(dims)
    return struct.unpack_from(f"<{n}f", data, end + -end % 32 + offset)


def write_old(path, im):
    """The same importance as llama-imatrix wrote it before it wrote GGUF."""
    with open(im, "rb") as f:
        data = f.read()
    names = re.findall(rb"blk\.\d+\.\w+\.weight(?=\.in_sum2)", data)
    out = struct.pack("<i", len(names))
    for name in names:
        sums = floats_of(data, name + b".in_sum2")
        count = floats_of(data, name + b".counts")[0]
        out += struct.pack("<i", len(name)) + name + struct.pack("<ii", 1, len(sums))
        out += struct.pack(f"<{len(sums)}f", *[s / count for s in sums])
    with open(path, "wb") as f:
        f.write(out + struct.pack("<ii", 1, 4) + b"text")


def bad_importance(h, model, im, old):
    bad, out = os.path.join(h.path, "bad"), os.path.join(h.path, "never.gguf")

    def refused(data, words, name):
        with open(bad, "wb") as f:
            f.write(data)
        p = h.run("quantize", model, out, "--imatrix", bad)
        ok(p.returncode == 3 and all(w in p.err for w in words) and not os.path.exists(out), name,
           (p.returncode, p.err))

    with open(im, "rb") as f:
        new = f.read()
    with open(old, "rb") as f:
        older = f.read()
    for n in (0, 3, 4, 40, 400, len(new) // 2, len(new) - 40):
        refused(new[:n], [], f"a file of importance cut at {n}")
    for n in (1, 7, 20, 60, len(older) // 2):
        refused(older[:n], ["byte"], f"an old one cut at {n}")
    refused(new.replace(b"imatrix", b"imatrux", 1), ["imatrux"], "another kind of file")
    refused(new.replace(b"attn_q.weight.counts", b"attn_q.weight.county", 1),
            ["blk.0.attn_q.weight.counts"], "sums without counts")
    refused(new.replace(b"blk.", b"bla."), ["another model"], "importance of other tensors")
    first_sum = older.index(b".weight") + 7 + 8
    for value in (float("nan"), float("inf"), -1.0, 1e30):
        refused(older[:first_sum] + struct.pack("<f", value) + older[first_sum + 4:],
                ["blk.0.attn_q.weight", "column 0"], f"importance of {value}")
    refused(struct.pack("<ii", 1, -5), ["byte 4"], "a negative length")
    refused(struct.pack("<iiB", 1, 1, 0x61) + struct.pack("<ii", 1, 1 << 30), ["byte"],
            "more numbers than there are")
    short = struct.pack("<ii", 1, 19) + b"blk.0.attn_q.weight" + struct.pack("<iif", 1, 1, 1)
    refused(short, ["blk.0.attn_q.weight", "256", "1:"], "another width")
    p = h.run("quantize", model, out, "--imatrix", model)
    equal(p.returncode, 3, "a model is no file of importance")
    p = h.run("quantize", model, out, "--imatrix", "/none")
    equal(p.returncode, 4, "a missing one")


def evaluation(h, model):
    text, out = os.path.join(h.path, "eval.txt"), os.path.join(h.path, "eval.gguf")
    with open(text, "w", encoding="utf-8") as f:
        f.write(TEXT)
    cost = []
    for mix in ("Q8_0", "Q2_K"):
        j = h.json("quantize", model, out, "--type", mix, "--eval", text, "--windows", "2", "--json")
        e = j.get("eval", {})
        own = h.json("eval", "kl", out, model, text, "--windows", "2", "--json")
        equal((e.get("kl"), e.get("ratio"), e.get("scored_tokens")),
              (own.get("kl"), own.get("ratio"), 510), f"--eval of {mix} is glass eval kl")
        cost.append(e.get("kl"))
    ok(0 < cost[0] < 1e-3 < cost[1], "fewer bits cost more", cost)
    p = h.run("quantize", model, out, "--type", "Q8_0", "--eval", text)
    ok(re.search(r"perplexity \d+\.\d+ -> \d+\.\d+ \([+-]0\.\d+% ± 0\.\d+%\), KL divergence 0\.000",
                 p.out), "in words", p.out[-300:])
    p = h.run("quantize", model, os.path.join(h.path, "no.gguf"), "--eval", "/none")
    equal((p.returncode, os.path.exists(os.path.join(h.path, "no.gguf"))), (4, False),
          "a text that is not there, before anything is done")


def refusals(h, model):
    out = os.path.join(h.path, "refused.gguf")

    def refused(code, words, name, *arguments):
        p = h.run("quantize", *arguments)
        left = [f for f in os.listdir(h.path) if f.startswith("refused.gguf")]
        ok(p.returncode == code and all(w in p.err for w in words) and not left, name,
           (p.returncode, p.err, left))

    refused(2, ["OUT"], "no new file", model)
    refused(2, ["Q4_Q", "Q4_K_M"], "no such type", model, out, "--type", "Q4_Q")
    refused(2, ["place"], "the model itself", model, model)
    refused(2, ["threads"], "many threads", model, out, "-t", "5000")
    refused(2, ["--calibrate"], "importance twice", model, out, "--calibrate", "a", "--imatrix", "b")
    refused(2, ["--calibrate"], "nothing to save", model, out, "--save-imatrix", "b")
    refused(3, ["none"], "no such model", os.path.join(h.path, "none.gguf"), out)
    refused(4, ["no/such"], "no such folder", model, "/no/such/refused.gguf")
    empty = os.path.join(h.path, "empty.txt")
    open(empty, "wb").close()
    refused(3, ["no tokens"], "an empty text", model, out, "--calibrate", empty)
    for value, word in ((math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")):
        spoilt = noise_model.write(os.path.join(h.path, "spoilt.gguf"),
                                   spoil={"blk.1.ffn_up.weight": {3 * 256 + 17: value,
                                                                  400 * 256: value}})
        for mix in ("Q4_K_M", "Q8_0", "F16"):
            refused(3, ["blk.1.ffn_up.weight, row 3, column 17", word], f"{value} for {mix}",
                    spoilt, out, "--type", mix, "-t", "3")
    spoilt = noise_model.write(spoilt, spoil={"blk.0.ffn_norm.weight": {5: math.nan}})
    refused(3, ["blk.0.ffn_norm.weight, row 0, column 5"], "a NaN in what is kept", spoilt, out)
    large = noise_model.write(os.path.join(h.path, "large.gguf"),
                              spoil={"output.weight": {256 * 9 + 4: 1e9}})
    refused(3, ["output.weight, row 9", "1e+09", "Q6_K", "--keep output.weight"],
            "a weight that is too large", large, out)
    p = h.run("quantize", large, out, "--keep", "output.weight=F32")
    equal(p.returncode, 0, "the way out that the message names")
    os.remove(out)
    q4 = os.path.join(h.path, "q4_0.gguf")
    h.run("quantize", model, q4, "--type", "Q4_0")
    refused(3, ["token_embd.weight is Q4_0", "--allow-requantize"], "quantised already", q4, out,
            "--type", "Q3_K_M")
    p = h.run("quantize", q4, out, "--type", "Q3_K_M", "--allow-requantize")
    equal(p.returncode, 0, "and yet, when it is allowed")
    os.remove(out)


def broken_off(h, model):
    out = os.path.join(h.path, "broken.gguf")

    def left():
        return [f for f in os.listdir(h.path) if f.startswith("broken.gguf")]

    long = shape_model.write(os.path.join(h.path, "long.gguf"), "llama", wide=0)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        p = subprocess.Popen([kit.GLASS, "quantize", long, out, "-t", "1"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             env=dict(h.env, GLASS_ISA="c"))
        end = time.monotonic() + 30
        while not left() and time.monotonic() < end and p.poll() is None:
            time.sleep(0.01)
        p.send_signal(number)
        p.communicate()
        equal((p.returncode, left()), (code, []), f"nothing is left after {number.name}")

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

    p = subprocess.run([kit.GLASS, "quantize", model, out], env=h.env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, preexec_fn=small_files, check=False)
    equal((p.returncode, left()), (4, []), "nor after a disk that is full")
    with open(out, "wb") as f:
        f.write(b"old")
    subprocess.run([kit.GLASS, "quantize", model, out], env=h.env, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, preexec_fn=small_files, check=False)
    with open(out, "rb") as f:
        equal(f.read(), b"old", "and the file that was there is there")


def main():
    with kit.Home() as h:
        model = noise_model.write(os.path.join(h.path, "noise.gguf"))
        mixes(h)
        first(h, model)
        rules(h, model)
        same(h, model)
        folders(h, model)
        im, old = importance(h, model)
        bad_importance(h, model, im, old)
        evaluation(h, model)
        refusals(h, model)
        broken_off(h, model)
    kit.done()


main()
