#!/usr/bin/env python3
"""gold_qk.py - prints the digests in test_kernels_qk.c: SHA-256 of 64 random blocks of each
type, widened to binary32 by the gguf package (pip install gguf; made with 0.19.0). Not part
of the test run."""
import hashlib
import struct

import gguf
import numpy

MASK = (1 << 64) - 1


class Random:  # splitmix64, as in check_qk.h
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        return z ^ z >> 31


def half(random):
    h = random.next() & 0xFFFF
    return struct.pack("<H", h & 0xBFFF if h & 0x7C00 == 0x7C00 else h)


# name, gguf's type, bytes, offset of d, offset of dmin
TYPES = [
    ("q2_k", "Q2_K", 84, 80, 82),
    ("q3_k", "Q3_K", 110, 108, None),
    ("q4_k", "Q4_K", 144, 0, 2),
    ("q5_k", "Q5_K", 176, 0, 2),
    ("q6_k", "Q6_K", 210, 208, None),
    ("iq4_xs", "IQ4_XS", 136, 0, None),
]

for name, kind, size, d, dmin in TYPES:
    random = Random(2024)
    data = b""
    for _ in range(64):
        block = bytearray(random.next() & 255 for _ in range(size))
        block[d : d + 2] = half(random)
        if dmin is not None:
            block[dmin : dmin + 2] = half(random)
        data += bytes(block)
    y = gguf.dequantize(
        numpy.frombuffer(data, dtype=numpy.uint8).reshape(64, size),
        getattr(gguf.GGMLQuantizationType, kind),
    )
    assert y.dtype == numpy.float32 and y.size == 64 * 256
    print(name, hashlib.sha256(y.astype("<f4").tobytes()).hexdigest())
