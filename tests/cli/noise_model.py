"""A GGUF file of a small Llama with random weights and a tokenizer of bytes, with the standard
library only: two layers of width 256, so that every block type divides its rows."""
import random
import struct

import tiny_model
from tiny_model import ARRAY, BOOL, F32, I32, STRING, U32, array, byte_letters, text

N_VOCAB, WIDTH, HEADS, KV, INNER, LAYERS = 320, 256, 4, 2, 512, 2


def tensors():
    """(name, rows or None, columns)"""
    kv = WIDTH // HEADS * KV
    out = [("token_embd.weight", N_VOCAB, WIDTH), ("output_norm.weight", None, WIDTH),
           ("output.weight", N_VOCAB, WIDTH)]
    for i in range(LAYERS):
        b = f"blk.{i}."
        out += [(b + "attn_norm.weight", None, WIDTH), (b + "ffn_norm.weight", None, WIDTH),
                (b + "attn_q.weight", WIDTH, WIDTH), (b + "attn_k.weight", kv, WIDTH),
                (b + "attn_v.weight", kv, WIDTH), (b + "attn_output.weight", WIDTH, WIDTH),
                (b + "ffn_gate.weight", INNER, WIDTH), (b + "ffn_up.weight", INNER, WIDTH),
                (b + "ffn_down.weight", WIDTH, INNER)]
    return out


def values(rng, name, n):
    """Bell-shaped, whole numbers times a power of two; norms are near one."""
    a, b = (struct.unpack(f"<{n}h", rng.randbytes(2 * n)) for _ in range(2))
    if "norm" in name:
        return [1 + v * 2.0 ** -18 for v in a]
    return [(v + w) * 2.0 ** -19 for v, w in zip(a, b)]


def write(path, seed=1, spoil=None, licence="mit", template=None):
    """spoil: {tensor: {index: value}}"""
    letters = byte_letters()
    tokens = [letters[b] for b in range(256)] + tiny_model.SPECIAL
    tokens += [f"<|unused{i}|>" for i in range(N_VOCAB - len(tokens))]
    u32 = {"context_length": 512, "embedding_length": WIDTH, "block_count": LAYERS,
           "feed_forward_length": INNER, "attention.head_count": HEADS,
           "attention.head_count_kv": KV, "rope.dimension_count": WIDTH // HEADS}
    kinds = [1] * 256 + [3] * (N_VOCAB - 256)
    meta = [("general.architecture", STRING, text("llama")),
            ("general.name", STRING, text("Noise")), ("general.license", STRING, text(licence)),
            ("general.file_type", U32, struct.pack("<I", 0)),
            *((f"llama.{k}", U32, struct.pack("<I", v)) for k, v in u32.items()),
            ("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
            ("tokenizer.ggml.model", STRING, text("gpt2")),
            ("tokenizer.ggml.pre", STRING, text("gpt-2")),
            ("tokenizer.ggml.tokens", ARRAY, array(STRING, tokens)),
            ("tokenizer.ggml.token_type", ARRAY, array(I32, kinds)),
            ("tokenizer.ggml.merges", ARRAY, array(STRING, [])),
            ("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", tiny_model.START)),
            ("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", tiny_model.END)),
            ("tokenizer.ggml.add_bos_token", BOOL, b"\1")]
    if template:
        meta.append(("tokenizer.chat_template", STRING, text(template)))
    rng, listed, data = random.Random(seed), tensors(), []
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(listed), len(meta))
    for key, kind, value in meta:
        head += text(key) + struct.pack("<I", kind) + value
    offset = 0
    for name, rows, columns in listed:
        n = columns * (rows or 1)
        numbers = values(rng, name, n)
        for i, v in (spoil or {}).get(name, {}).items():
            numbers[i] = v
        dims = [columns] if rows is None else [columns, rows]
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 0, offset)
        data.append(struct.pack(f"<{n}f", *numbers))
        offset += 4 * n
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + b"".join(data))
    return path
