#!/ usr / bin / env python3
"""gold_q32.py - prints the digests in test_kernels_q32.c: SHA-256 of 256 random blocks of
each type, widened to binary32 by the gguf package (pip install gguf; made with 0.19.0). Not
part of the test run."""
import hashlib
import struct

import gguf
import numpy

MASK = (1 << 64) - 1


class Random:  # splitmix64, as in check_q32.h
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

#gguf's name, bytes, whether a minimum follows the scale
TYPES = [
    ("Q4_0", 18, False),
    ("Q4_1", 20, True),
    ("Q5_0", 22, False),
    ("Q5_1", 24, True),
    ("Q8_0", 34, False),
    ("IQ4_NL", 18, False),
]

for name, size, has_minimum in TYPES:
    random = Random(2024)
    data = b""
    for _ in range(256):
        block = bytearray(random.next() & 255 for _ in range(size))
        block[0:2] = half(random)
        if has_minimum:
            block[2:4] = half(random)
        data += bytes(block)
    y = gguf.dequantize(
        numpy.frombuffer(data, dtype=numpy.uint8).reshape(256, size),
        getattr(gguf.GGMLQuantizationType, name),
    )
    assert y.dtype == numpy.float32 and y.size == 256 * 32
    print(name, hashlib.sha256(y.astype("<f4").tobytes()).hexdigest())
