#!/usr/bin/env python3
"""gold_quant.py LIBGGML - prints the digests in test_quant.c: SHA-256 of the blocks that
llama.cpp's own quantiser makes of the weights in check_quant.h. LIBGGML is llama.cpp's
libggml-base.so, built without contraction: for x86-64 without -march (which has no fused
multiply-add), or with -ffp-contract=off. Needs numpy. Not part of the test run.

The digests are of llama.cpp's ggml as llama-cpp-python 0.3.36 carries it."""
import ctypes
import hashlib
import sys

import numpy

MASK = (1 << 64) - 1
KINDS = ["bell", "outliers", "positive", "sparse", "steps", "scales"]
ROWS, COLUMNS = 5, 768
# name, ggml's number, weights and bytes of a block
TYPES = [("q4_0", 2, 32, 18), ("q4_1", 3, 32, 20), ("q5_0", 6, 32, 22), ("q5_1", 7, 32, 24),
         ("q8_0", 8, 32, 34), ("iq4_nl", 20, 32, 18), ("q2_k", 10, 256, 84),
         ("q3_k", 11, 256, 110), ("q4_k", 12, 256, 144), ("q5_k", 13, 256, 176),
         ("q6_k", 14, 256, 210), ("iq4_xs", 23, 256, 136)]


def randoms(seed, n):  # splitmix64, as in kernel_check.h
    state = seed
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        yield z ^ z >> 31


def signed(u):
    return (u & 0xFFFF) - ((u & 0x8000) << 1)


def weights(kind, n, seed):
    out, shift = [], 0
    for i, u in enumerate(randoms(seed, n)):
        bell = signed(u) + signed(u >> 16) + signed(u >> 32)
        pick = u >> 48 & 1023
        if i % 32 == 0:
            shift = pick % 32
        v = float(bell)
        if kind == "outliers" and pick % 64 == 0:
            v *= 32
        if kind == "positive":
            v = float(abs(bell) + 20000)
        if kind == "sparse" and pick % 16:
            v = 0.0 if pick & 16 else -0.0
        if kind == "steps":
            v = float(int(bell / 16384))
        if kind == "scales":
            v = 0.0 if shift == 31 else v * 2.0 ** (shift - 24)
        out.append(v * 2.0 ** -18)
    return numpy.array(out, numpy.float32)


def importance(k, seed):
    return numpy.array([0.0 if u >> 60 == 0 else (1 + (u & 0xFFFF)) * 2.0 ** ((u >> 32 & 15) - 24)
                        for u in randoms(seed, k)], numpy.float32)


def main():
    lib = ctypes.CDLL(sys.argv[1])
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, pointer, pointer, number, number, number,
                                        pointer]
    for name, kind_id, block, size in TYPES:
        for important in (False, True):
            sha = hashlib.sha256()
            for seed, kind in enumerate(KINDS):
                x = weights(kind, ROWS * COLUMNS, seed)
                w = importance(COLUMNS, seed)
                out = numpy.zeros(x.size // block * size, numpy.uint8)
                n = lib.ggml_quantize_chunk(kind_id, x.ctypes.data, out.ctypes.data, 0, ROWS,
                                            COLUMNS, w.ctypes.data if important else None)
                assert n == out.size
                sha.update(out.tobytes())
            print(f'    {{"{name}", {"true" if important else "false"},\n'
                  f'     "{sha.hexdigest()}"}},')


main()
