#!/usr/bin/env python3
"""random_model.py TOKENIZER.gguf OUT.gguf - a Llama-shaped model of 1.1 billion random weights.

Speed does not depend on what weights say, so benchmarks that need a model larger than any cache
use this one: TinyLlama's shape (2048 wide, 22 layers, 32 heads on 4 key/value heads, 5632 in the
MLP) in F16, with the vocabulary of any SentencePiece-style GGUF. Quantise it with another program
(llama-quantize). Needs numpy and the gguf package.
"""
import sys

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

WIDTH, LAYERS, HEADS, KV_HEADS, INNER, CONTEXT = 2048, 22, 32, 4, 5632, 2048


def main(tokenizer, out):
    vocabulary = GGUFReader(tokenizer)
    writer = GGUFWriter(out, "llama")
    n_vocab = 0
    for key, field in vocabulary.fields.items():
        if not key.startswith("tokenizer."):
            continue
        value = field.contents()
        if key == "tokenizer.ggml.tokens":
            n_vocab = len(value)
        if field.types[0] == GGUFValueType.ARRAY:
            writer.add_key_value(key, value, field.types[0], field.types[-1])
        else:
            writer.add_key_value(key, value, field.types[0])
    writer.add_name("random 1.1B")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(n_vocab)
    writer.add_file_type(1)
    generator = np.random.default_rng(1)

    def matrix(name, rows, columns):
        weights = generator.standard_normal((rows, columns), dtype=np.float32)
        writer.add_tensor(name, (weights * 0.02).astype(np.float16))

    def ones(name):
        writer.add_tensor(name, np.ones(WIDTH, dtype=np.float32))

    matrix("token_embd.weight", n_vocab, WIDTH)
    kv = WIDTH // HEADS * KV_HEADS
    for i in range(LAYERS):
        ones(f"blk.{i}.attn_norm.weight")
        ones(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", WIDTH, WIDTH)
        matrix(f"blk.{i}.attn_k.weight", kv, WIDTH)
        matrix(f"blk.{i}.attn_v.weight", kv, WIDTH)
        matrix(f"blk.{i}.attn_output.weight", WIDTH, WIDTH)
        matrix(f"blk.{i}.ffn_gate.weight", INNER, WIDTH)
        matrix(f"blk.{i}.ffn_up.weight", INNER, WIDTH)
        matrix(f"blk.{i}.ffn_down.weight", WIDTH, INNER)
    ones("output_norm.weight")
    matrix("output.weight", n_vocab, WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
