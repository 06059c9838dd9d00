#!/usr/bin/env python3
"""Writes seeds for fuzz_trace into a folder: corpus_trace.py FOLDER. Only the standard library."""
import hashlib
import os
import random
import struct
import sys


def index(documents, n_symbols, width, n_segments, names=("train-0.safetensors",)):
    """An index as trace_file.h has it, sorted by comparing."""
    symbols, starts = [], [0]
    for d in documents:
        symbols += [c + 1 for c in d] + [0]
        starts.append(len(symbols))
    cuts = [round(i * len(documents) / n_segments) for i in range(n_segments + 1)]
    records, buckets, suffixes = b"", b"", b""
    for a, b in zip(cuts, cuts[1:]):
        part = symbols[starts[a]:starts[b]]
        order = sorted((i for i in range(len(part)) if part[i]), key=lambda i: part[i:])
        heads = [part[i] for i in order]
        table = struct.pack(f"<{n_symbols + 1}I",
                            *[sum(h < c for h in heads) for c in range(n_symbols + 1)])
        places = struct.pack(f"<{len(order)}I", *order)
        records += struct.pack("<qq32sQQ", starts[a], a,
                               hashlib.sha256(table + places).digest(), 1, 0)
        buckets += table
        suffixes += places
    records += struct.pack("<qq48x", len(symbols), len(documents))
    shards, at = b"", 64 * len(names)
    for i, name in enumerate(names):
        own = documents if i == 0 else []
        shards += struct.pack("<32sQQQQ", bytes(32), sum(map(len, own)), len(own), at, len(name))
        at += len(name)
    shards += "".join(names).encode()
    sections = [shards, b"GGUF", struct.pack(f"<{len(starts)}Q", *starts),
                b"".join(struct.pack("<I", s)[:width] for s in symbols), records, buckets, suffixes]
    body = b"".join(s + bytes(-len(s) % 64) for s in sections)
    header = b"GLTRACE1" + struct.pack("<IIqqqqqQQ", width, n_symbols, len(symbols),
                                       len(documents), len(names), n_segments, 100,
                                       len(shards), 4)
    header += b"".join(hashlib.sha256(s).digest() for s in sections[:5])
    header += bytes(4064 - len(header))
    return header + hashlib.sha256(header).digest() + body


def main():
    pick = random.Random(1)
    seeds = [
        index([[0, 1, 2], [1, 1]], 4, 2, 1),
        index([[0, 1, 2] * 40, [0] * 50, [1, 2], [2]], 5, 2, 3, ("a", "b")),
        index([[pick.randrange(20) for _ in range(pick.randrange(1, 30))] for _ in range(12)],
              300, 3, 2),
    ]
    for i, seed in enumerate(seeds):
        with open(os.path.join(sys.argv[1], f"seed-{i}"), "wb") as f:
            f.write(seed)


main()
