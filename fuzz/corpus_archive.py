#!/usr/bin/env python3
"""Writes seeds for fuzz_archive into a folder: corpus_archive.py FOLDER. Only the standard
library: zip archives and safetensors are put together here, torch's own are committed."""
import io
import json
import os
import shutil
import struct
import sys
import zipfile


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(kind, shape, begin, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def llama2c(version, shared):
    dim, hidden, layers, heads, kv, vocab, ctx = 4, 4, 1, 2, 1, 2, 2
    numbers = [dim, hidden, layers, heads, kv, vocab if shared or version else -vocab, ctx]
    head = struct.pack("<7i", *numbers)
    if version:
        head = struct.pack("<Ii", 0x616b3432, version) + head + bytes([shared])
        head += struct.pack("<i", 4) if version == 2 else b""
        head += bytes(256 - len(head))
    matrices = [vocab * dim, dim * dim, 2 * dim, 2 * dim, dim * dim] + [dim * hidden] * 3
    matrices += [] if shared else [vocab * dim]
    size = sum(n + n if version == 2 else 4 * n for n in matrices) + 4 * 3 * dim
    return head + bytes(size + (0 if version else ctx * (dim // heads) * 4))


def archive(members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as z:
        for name, data in members:
            with z.open(name, "w", force_zip64=name.endswith("0")) as f:
                f.write(data)
    return out.getvalue()


def seeds():
    yield "empty.safetensors", safetensors({})
    kinds = [("F32", 4), ("BF16", 2), ("F16", 2), ("I64", 8), ("BOOL", 1), ("F8_E4M3", 1)]
    header, at = {"__metadata__": {"format": "pt", "k\u00e9": "v\n"}}, 0
    for kind, size in kinds:
        header["t." + kind] = tensor(kind, [1, 2], at, at + 2 * size)
        at += 2 * size
    yield "kinds.safetensors", safetensors(header, bytes(range(at)))
    yield "scalar.safetensors", safetensors({"a": tensor("F32", [], 0, 4)}, b"abcd")
    yield "index.json", json.dumps({"metadata": {"total_size": 1, "x": [1, {"y": None}]},
                                    "weight_map": {"a": "one.bin", "b": "two.bin"}}).encode()
    for version in range(3):
        for shared in (False, True):
            yield f"llama{version}{shared:d}.bin", llama2c(version, shared)
    yield "tokenizer.bin", struct.pack("<ifi", 3, 0.5, 3) + b"abc" + struct.pack("<fi", -1, 0)
    yield "none.zip", archive([("a/data.pkl", b"\x80\x02N."), ("a/data/0", b"abcd")])
    yield "deflated.zip", archive([("a/data.pkl", b"\x80\x02N.")], compression=zipfile.ZIP_DEFLATED)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    made = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/format/data")
    for name in sorted(os.listdir(made)):
        if name.endswith((".bin", ".safetensors", ".json")):
            shutil.copy(os.path.join(made, name), folder)
    return 0


sys.exit(main(sys.argv[1]))
