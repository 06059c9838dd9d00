#!/usr/bin/env python3
"""test_transformers.py - attention, streams, keys and values are what transformers shows of the
same tiny models (tests/inspect/data, made by gen_inspect.py), families with groups of heads,
windows, caps, norms of q and k, parallel residuals and no rotation among them."""
import array
import json
import math
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../cli"))
sys.path.insert(0, os.path.join(HERE, "../model"))
import hf_folder
import kit
from kit import ok

LIMIT, V = 1e-5, 61
PARTS = ("attention weights", "hidden states", "attention's outputs", "the MLPs' outputs", "keys",
         "values")


def distance(got, want):
    """Relative L2; infinite where lengths differ or something is no number."""
    if len(got) != len(want):
        return math.inf
    d = sum((a - b) ** 2 for a, b in zip(got, want))
    size = sum(b * b for b in want)
    return math.sqrt(d / size) if d == d else math.inf


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack_from("<Q", data)[0]
    out = {}
    for name, info in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            a, b = info["data_offsets"]
            numbers = array.array("i" if info["dtype"] == "I32" else "f")
            numbers.frombytes(data[8 + n + a:8 + n + b])
            out[name] = info["shape"], numbers
    return out


def pairs(row, n_heads):
    """Hugging Face's halves of each head side by side."""
    size = len(row) // n_heads
    out = []
    for h in range(n_heads):
        head = row[h * size:(h + 1) * size]
        for i in range(size // 2):
            out += [head[i], head[size // 2 + i]]
    return out


def golden(name, shape):
    numbers = array.array("f")
    with open(os.path.join(HERE, "data", name + ".bin"), "rb") as f:
        numbers.frombytes(f.read())
    out, at = [], 0
    for dims in shape["parts"]:
        n = math.prod(dims)
        out.append(list(numbers[at:at + n]))
        at += n
    assert at == len(numbers), name
    return out


def saved(home, model, ids, q):
    path = os.path.join(home.path, "a.safetensors")
    p = home.run("inspect", "activations", model, "--ids", ids, "--at", f"-{q}..", "-o", path,
                 "--what", "all")
    if not ok(p.returncode == 0, f"activations of {model} are saved", p.err):
        return {}
    return read_safetensors(path)


def check(home, name, shape):
    model = os.path.join(hf_folder.FAMILIES, name + ".gguf")
    arch = hf_folder.read_gguf(model)[0]["general.architecture"]
    want = golden(name, shape)
    layers, heads, q, _ = shape["parts"][0]
    width = shape["parts"][4][-1]
    ids = ",".join(str((7 * i + 3) % V) for i in range(shape["tokens"]))
    maps = home.json("inspect", "attention", model, "--ids", ids, "--at", f"-{q}..", "--json")
    got = [[]]
    for m in maps.get("maps", []):
        for row in m["weights"]:
            got[0] += row + [0] * (shape["tokens"] - len(row))
    a = saved(home, model, ids, q)
    each = lambda kind: [x for i in range(layers) for x in a[f"layers.{i}.{kind}"][1]]
    got.append(each("stream") + list(a["normed"][1]))
    got += [each("attention"), each("mlp"), each("k"), each("v")]
    if arch in hf_folder.PAIRS:
        want[4] = [x for i in range(0, len(want[4]), width)
                   for x in pairs(want[4][i:i + width], shape["heads_kv"])]
    far = {part: d for part, d in zip(PARTS, map(distance, got, want)) if not d <= LIMIT}
    ok(not far and len(got) == len(PARTS), f"{name}: {', '.join(PARTS)} are transformers'", far)
    sums = [sum(r) for m in maps["maps"] for r in m["weights"]]
    ok(len(sums) == layers * heads * q and all(abs(s - 1) < 1e-5 for s in sums),
       f"{name}: every query's shares add up to 1", sums[:8])
    ok(list(a["tokens"][1]) == [int(i) for i in ids.split(",")][-q:] and
       a["stream"][0] == [q, shape["parts"][1][-1]], f"{name}: the file names its tokens")


def main():
    with open(os.path.join(HERE, "data/shapes.json"), encoding="utf-8") as f:
        shapes = json.load(f)
    with kit.Home() as home:
        for name in shapes:
            check(home, name, shapes[name])
    kit.done()


if __name__ == "__main__":
    main()
