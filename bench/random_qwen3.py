#!/usr/bin/env python3
"""random_qwen3.py TOKENIZER.json OUT - a folder with a model of Qwen3-0.6B's shape and random weights.

For measurements with a large vocabulary (151,936 tokens): 1024 wide, 28 layers, 16 heads on 8
key/value heads of 128, 3072 in the MLP, the head tied; BF16. glass quantize makes it Q8_0. Needs numpy.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, INNER, VOCAB = 1024, 28, 16, 8, 128, 3072, 151936


def tensors():
    yield "model.embed_tokens.weight", (VOCAB, WIDTH)
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (WIDTH,)
        yield p + "post_attention_layernorm.weight", (WIDTH,)
        yield p + "self_attn.q_proj.weight", (HEADS * HEAD, WIDTH)
        yield p + "self_attn.k_proj.weight", (KV_HEADS * HEAD, WIDTH)
        yield p + "self_attn.v_proj.weight", (KV_HEADS * HEAD, WIDTH)
        yield p + "self_attn.o_proj.weight", (WIDTH, HEADS * HEAD)
        yield p + "self_attn.q_norm.weight", (HEAD,)
        yield p + "self_attn.k_norm.weight", (HEAD,)
        yield p + "mlp.gate_proj.weight", (INNER, WIDTH)
        yield p + "mlp.up_proj.weight", (INNER, WIDTH)
        yield p + "mlp.down_proj.weight", (WIDTH, INNER)
    yield "model.norm.weight", (WIDTH,)


def main(tokenizer, out):
    os.makedirs(out, exist_ok=True)
    shutil.copy(tokenizer, os.path.join(out, "tokenizer.json"))
    config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": WIDTH,
              "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
              "head_dim": HEAD, "intermediate_size": INNER, "vocab_size": VOCAB, "rms_norm_eps": 1e-6,
              "rope_theta": 1000000, "max_position_embeddings": 4096, "tie_word_embeddings": True,
              "hidden_act": "silu", "attention_bias": False, "torch_dtype": "bfloat16",
              "bos_token_id": 151643, "eos_token_id": 151645}
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(config, f)
    header, at = {}, 0
    for name, shape in tensors():
        n = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(1)
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors():
            if len(shape) == 1:
                values = np.ones(shape, np.float32)
            else:
                values = generator.standard_normal(shape, np.float32) * np.float32(0.03)
            f.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())


main(*sys.argv[1:3])
