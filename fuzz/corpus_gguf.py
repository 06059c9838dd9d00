#!/usr/bin/env python3
"""Writes seeds for fuzz_gguf into a folder: corpus_gguf.py FOLDER. Only the standard library."""
import os
import shutil
import struct
import sys

SCALARS = [(0, "<B", 7), (1, "<b", -7), (2, "<H", 7), (3, "<h", -7), (4, "<I", 7), (5, "<i", -7),
           (6, "<f", 0.5), (7, "<B", 1), (10, "<Q", 7), (11, "<q", -7), (12, "<d", 0.5)]
# id: (weights in a block, bytes of a block)
DTYPES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
          10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
          20: (32, 18), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
          28: (1, 8), 30: (1, 2)}


def string(text):
    return struct.pack("<Q", len(text)) + text


def value(key, kind, payload):
    return string(key) + struct.pack("<I", kind) + payload


def array(key, item, n, payload):
    return value(key, 9, struct.pack("<IQ", item, n) + payload)


def build(values, tensors, alignment=32, version=3):
    infos, data = b"", b""
    for name, kind, shape in tensors:
        block, size = DTYPES[kind]
        count = 1
        for n in shape:
            count *= n
        infos += string(name) + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", n) for n in shape)
        infos += struct.pack("<IQ", kind, len(data))
        data += bytes(i & 255 for i in range(count // block * size))
        data += bytes(-len(data) % alignment)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(values) + infos
    return head + bytes(-len(head) % alignment) + data


def seeds():
    scalars = [value(b"k%d" % k, k, struct.pack(f, v)) for k, f, v in SCALARS]
    arrays = [array(b"a%d" % k, k, 2, struct.pack(f, v) * 2) for k, f, v in SCALARS]
    words = array(b"words", 8, 3, string(b"one") + string(b"") + string(b"three"))
    yield "empty", build([], [])
    yield "v2", build([value(b"general.name", 8, string(b"x"))], [], version=2)
    yield "scalars", build(scalars, [])
    yield "arrays", build(arrays + [words, array(b"none", 6, 0, b"")], [])
    yield "aligned", build([value(b"general.alignment", 4, struct.pack("<I", 8))],
                           [(b"a", 0, [3]), (b"b", 1, [2, 2, 2, 2])], alignment=8)
    yield "types", build([words], [(b"t%d" % k, k, [b[0]]) for k, b in DTYPES.items()])
    yield "split", build([value(b"split.no", 2, struct.pack("<H", 0)),
                          value(b"split.count", 2, struct.pack("<H", 2))], [(b"a", 0, [1])])


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    made = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/format/data")
    for name in sorted(os.listdir(made)):
        if name.endswith(".gguf"):
            shutil.copy(os.path.join(made, name), folder)
    return 0


sys.exit(main(sys.argv[1]))
