#!/usr/bin/env python3
"""compare_archive.py LIST_ARCHIVE [SEED] - random files of torch and safetensors against Glass.

Writes files of random tensors (types, shapes, orders in memory, shared storages, nested dicts,
pickle protocols) in every format that src/format/archive.h reads, asks
build/tests/tools/list_archive what is in them, and compares every tensor's type, shape and bytes
with what torch and safetensors say themselves; then has Glass write safetensors, in one file and in
shards, and loads those in the safetensors library. Prints TAP. Needs torch and safetensors."""
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import OrderedDict

import safetensors
import safetensors.torch
import torch

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
         torch.uint8: "U8", torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3",
         torch.float8_e5m2: "F8_E5M2", torch.uint16: "U16", torch.uint32: "U32",
         torch.uint64: "U64"}
STORAGES = {"torch.FloatStorage": torch.float32, "torch.HalfStorage": torch.float16,
            "torch.BFloat16Storage": torch.bfloat16, "torch.DoubleStorage": torch.float64,
            "torch.CharStorage": torch.int8, "torch.ShortStorage": torch.int16,
            "torch.IntStorage": torch.int32, "torch.LongStorage": torch.int64,
            "torch.ByteStorage": torch.uint8, "torch.BoolStorage": torch.bool}


def dtype_of(word):
    if word in STORAGES:
        return STORAGES[word]
    if word.startswith("torch."):
        return getattr(torch, word[6:])
    return {v: k for k, v in TYPES.items()}[word]


def raw(t):
    t = t.detach().contiguous()
    return t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""


def random_tensor(rng):
    dtype = rng.choice(list(TYPES))
    shape = [rng.choice([1, 2, 3, 7, 64, 129]) for _ in range(rng.randrange(0, 4))]
    if rng.random() < 0.05:
        shape = [3, 0, 2]
    bits = torch.randint(0, 256, (max(1, torch.Size(shape).numel()) * dtype.itemsize,),
                         dtype=torch.uint8)
    if dtype == torch.bool:
        bits &= 1
    t = bits.view(dtype)[:torch.Size(shape).numel()].reshape(shape)
    return t


def reorder(rng, t):
    """Another order in memory, or a part of the storage."""
    way = rng.randrange(6)
    if t.dim() >= 2 and way == 0:
        return t.transpose(0, t.dim() - 1)
    if t.dim() >= 1 and way == 1 and t.shape[0] > 1:
        return t[1:]
    if t.dim() >= 2 and way == 2 and t.shape[-1] > 2:
        return t[..., ::2]
    if t.dim() == 1 and way == 3:
        return t.unsqueeze(0).expand(3, *t.shape)
    if t.dim() >= 2 and way == 4:
        return t.permute(*reversed(range(t.dim())))
    return t


def random_dict(rng, n, nested=True):
    out = OrderedDict() if rng.random() < 0.5 else {}
    shared = []
    for i in range(n):
        t = random_tensor(rng)
        if nested:
            t = reorder(rng, t)
            if shared and rng.random() < 0.2:
                t = rng.choice(shared)
                t = t.view(-1)[t.numel() // 2:] if t.is_contiguous() else t.clone()
            shared.append(t)
            if t.dtype.is_floating_point and t.dtype.itemsize > 1 and rng.random() < 0.3:
                t = torch.nn.Parameter(t, requires_grad=rng.random() < 0.5)
        name = rng.choice(["layers.%d.weight", "h.%d.bias", "größe.%d", "x%d"]) % i
        out[name] = t
        if nested and rng.random() < 0.1:
            out["part%d" % i] = random_dict(rng, 3)
        if nested and rng.random() < 0.1:
            out["more%d" % i] = [random_tensor(rng), 5, (random_tensor(rng), None, {3: random_tensor(rng)})]
        if nested and rng.random() < 0.1:
            out["extra%d" % i] = {"lr": 0.5, "big": 1 << 80, "neg": -300, "size": t.shape,
                                  "device": torch.device("cpu"), "dtype": torch.float16}
    return out


def flatten(value, prefix, out):
    if isinstance(value, torch.Tensor):
        out[prefix] = value
    elif isinstance(value, dict):
        for k, v in value.items():
            flatten(v, f"{prefix}.{k}" if prefix else str(k), out)
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        for i, v in enumerate(value):
            flatten(v, f"{prefix}.{i}" if prefix else str(i), out)
    return out


def listed(tool, *args):
    run = subprocess.run([tool, *args], capture_output=True, text=True)
    if run.returncode != 0:
        return run.stderr.strip()
    out = {}
    for line in run.stdout.splitlines():
        if line.startswith("# "):
            continue
        name, word, shape, digest, _ = line.split("\t")
        out[name] = (dtype_of(word), tuple(int(x) for x in shape.split(",") if x), digest)
    return out


def expected(tensors):
    return {k: (t.dtype, tuple(t.shape), hashlib.sha256(raw(t)).hexdigest())
            for k, t in tensors.items()}


def same(a, b):
    if isinstance(a, str):
        return a
    if a == b:
        return ""
    for k in sorted(set(a) | set(b)):
        if a.get(k) != b.get(k):
            return f"{k}: {a.get(k)} but should be {b.get(k)}"
    return "?"


def check_torch(tool, rng, folder, i):
    value = random_dict(rng, rng.choice([1, 5, 40]))
    if i == 1:  # torch writes the types that have no storage class, and cannot read them
        torch_types = set(STORAGES.values())
        value = {k: v for k, v in flatten(value, "", {}).items() if v.dtype in torch_types}
    path = os.path.join(folder, "t.bin")
    torch.save(value, path, pickle_protocol=rng.choice([2, 4]),
               _use_new_zipfile_serialization=i % 2 == 0)
    return same(listed(tool, path), expected(flatten(torch.load(path, weights_only=False), "", {})))


def check_safetensors(tool, rng, folder):
    value = {k: v.contiguous() for k, v in random_dict(rng, rng.choice([1, 5, 40]), False).items()}
    path = os.path.join(folder, "s.safetensors")
    safetensors.torch.save_file(value, path, {"format": "pt", "title": "Größe \"x\"\n"})
    error = same(listed(tool, path), expected(safetensors.torch.load_file(path)))
    if error:
        return error
    for shard in [0, 5000]:
        copy = os.path.join(folder, f"c{shard}.safetensors")
        error = same(listed(tool, path, "--write", copy, str(shard)), expected(value))
        if error:
            return error
        error = check_copy(copy, value)
        if error:
            return error
    return ""


def check_copy(copy, value):
    if os.path.exists(copy):
        got = safetensors.torch.load_file(copy)
        with safetensors.safe_open(copy, "pt") as f:
            if f.metadata() != {"format": "pt", "title": "Größe \"x\"\n"}:
                return f"metadata {f.metadata()}"
        os.unlink(copy)
    else:
        with open(copy + ".index.json", encoding="utf-8") as f:
            index = json.load(f)
        got = {}
        for part in sorted(set(index["weight_map"].values())):
            path = os.path.join(os.path.dirname(copy), part)
            tensors = safetensors.torch.load_file(path)
            for name in tensors:
                if index["weight_map"].get(name) != part:
                    return f"{name} is in {part}, not in {index['weight_map'].get(name)}"
            got.update(tensors)
            os.unlink(path)
    return same(expected(got), expected(value))


def main(tool, seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for i in range(300):
            kind = ["zip", "legacy", "safetensors"][i % 3]
            error = check_safetensors(tool, rng, folder) if kind == "safetensors" else \
                check_torch(tool, rng, folder, 0 if kind == "zip" else 1)
            if error:
                failed += 1
                print(f"not ok {i + 1} - {kind}: {error}")
        print(f"{'not ok' if failed else 'ok'} 301 - 300 random files, {failed} differ")
    return 1 if failed else 0


sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1))
