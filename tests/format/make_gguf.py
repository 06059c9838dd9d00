#!/usr/bin/env python3
"""Makes tests/format/data/*.gguf with the gguf Python package (0.19.0, numpy).

Another implementation's files: one with every type of value and several types of tensor, and
one in two parts. Run it and compare with data/SHA256SUMS (sha256sum -c); test_gguf.c
checks the same digests."""
import hashlib
import os
import sys

import gguf
import numpy as np

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def add_values(w):
    w.add_uint8("test.u8", 255)
    w.add_int8("test.i8", -128)
    w.add_uint16("test.u16", 65535)
    w.add_int16("test.i16", -32768)
    w.add_uint32("test.u32", 4294967295)
    w.add_int32("test.i32", -2147483648)
    w.add_uint64("test.u64", 18446744073709551615)
    w.add_int64("test.i64", -9223372036854775808)
    w.add_float32("test.f32", 0.1)
    w.add_float64("test.f64", 0.1)
    w.add_bool("test.yes", True)
    w.add_bool("test.no", False)
    w.add_string("test.text", "Grüße, 世界")
    w.add_array("test.words", ["<unk>", "", "▁the", "naïve"])
    w.add_array("test.numbers", [1, -2, 2147483647])
    w.add_array("test.floats", [0.0, -1.5, 3.25])
    w.add_array("test.bools", [True, False, True])


def add_tensors(w):
    ramp = np.arange(6, dtype=np.float32).reshape(2, 3)
    w.add_tensor("matrix.f32", ramp)
    w.add_tensor("vector.f16", np.array([1, 2, 3, 4, 5], dtype=np.float16))
    w.add_tensor("cube.i32", np.arange(24, dtype=np.int32).reshape(2, 3, 4))
    blocks = gguf.quants.quantize(
        np.linspace(-4, 4, 128, dtype=np.float32).reshape(2, 64), gguf.GGMLQuantizationType.Q8_0)
    w.add_tensor("rows.q8_0", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)


def write(path, **options):
    w = gguf.GGUFWriter(path, "test", **options)
    add_values(w)
    add_tensors(w)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    os.makedirs(here, exist_ok=True)
    write(os.path.join(here, "python.gguf"))
    write(os.path.join(here, "parts.gguf"), split_max_tensors=2)
    with open(os.path.join(here, "SHA256SUMS"), "w", encoding="ascii") as sums:
        for name in sorted(os.listdir(here)):
            if name.endswith(".gguf"):
                with open(os.path.join(here, name), "rb") as f:
                    sums.write(f"{hashlib.sha256(f.read()).hexdigest()}  {name}\n")
    return 0


sys.exit(main())
