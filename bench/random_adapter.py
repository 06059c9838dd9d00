#!/usr/bin/env python3
"""random_adapter.py MODEL.gguf OUT.gguf [--rank N] [--layers NAME,…] - a LoRA adapter of random weights
(F16) for a model: speed does not depend on what they say. Layers are GGUF's names, attn_q,attn_v by
default. Needs numpy and the gguf package."""
import argparse

import numpy as np
from gguf import GGUFReader, GGUFWriter


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--layers", default="attn_q,attn_v")
    parser.add_argument("model")
    parser.add_argument("out")
    args = parser.parse_args()
    base = GGUFReader(args.model)
    writer = GGUFWriter(args.out, base.get_field("general.architecture").contents())
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * args.rank)
    rng, n = np.random.default_rng(1), 0
    for tensor in base.tensors:
        part = tensor.name.split(".")
        if len(part) != 4 or part[2] not in args.layers.split(",") or part[3] != "weight":
            continue
        width, rows = (int(d) for d in tensor.shape)
        a = rng.standard_normal((args.rank, width)) / width ** 0.5
        b = rng.standard_normal((rows, args.rank)) * 0.01
        writer.add_tensor(tensor.name + ".lora_a", a.astype(np.float16))
        writer.add_tensor(tensor.name + ".lora_b", b.astype(np.float16))
        n += 1
    if n == 0:
        raise SystemExit(f"{args.model}: no layer is called {args.layers}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
