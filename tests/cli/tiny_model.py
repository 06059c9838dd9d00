"""GGUF files of language models whose every answer is known, with the standard library only.

The embedding is one-hot, attention and MLP add nothing, and the head is a table: after a
token comes the one that the table says. A text is bytes, one token each.
  abc      a newline or anything but a letter leads to "a", "a" to "b" … "z" to <|im_end|>
  forever  the same, but "z" leads to "a"
  escape   every token leads to ESC, and ESC to <|im_end|>
  dice     every letter is as likely as any other, whatever came before"""
import struct

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
N_VOCAB = 256 + len(SPECIAL)
START, END, EOT = 256, 257, 258
LETTERS = range(ord("a"), ord("z") + 1)
CHATML = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + "
          "'<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}"
          "{{ '<|im_start|>assistant\n' }}{% endif %}")
U32, F32, STRING, ARRAY, I32, BOOL = 4, 6, 8, 9, 5, 7


def byte_letters():
    """GPT-2's letters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for b in range(256):
        letters[b] = chr(b) if b in plain else chr(256 + extra)
        extra += b not in plain
    return letters


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def array(kind, items):
    make = text if kind == STRING else lambda v: struct.pack("<i", v)
    return struct.pack("<IQ", kind, len(items)) + b"".join(make(i) for i in items)


def tables(kind):
    """row y of the head: {x: weight}"""
    rows = [dict() for _ in range(N_VOCAB)]
    for x in range(N_VOCAB):
        if kind == "dice":
            for y in LETTERS:
                rows[y][x] = 2.0
            continue
        follows = ord("a")
        if kind == "escape":
            rows[END if x == 27 else 27][x] = 2.0
            continue
        if x in LETTERS:
            follows = x + 1
        if x == ord("z"):
            follows = ord("a") if kind == "forever" else END
        rows[follows][x] = 2.0
    return rows


def dense(rows):
    return b"".join(struct.pack(f"<{N_VOCAB}f", *[r.get(x, 0.0) for x in range(N_VOCAB)])
                    for r in rows)


def write(path, kind="abc", name="Tiny", licence="mit", template=CHATML, n_ctx=512, pad=0,
          special=tuple(SPECIAL), layers=1):
    """pad: bytes of metadata that make the file larger; layers: they make it slower."""
    letters = byte_letters()
    tokens = [letters[b] for b in range(256)] + list(special)
    meta = [("general.architecture", STRING, text("llama")),
            ("general.name", STRING, text(name)),
            ("llama.context_length", U32, struct.pack("<I", n_ctx)),
            ("llama.embedding_length", U32, struct.pack("<I", N_VOCAB)),
            ("llama.block_count", U32, struct.pack("<I", layers)),
            ("llama.feed_forward_length", U32, struct.pack("<I", 4)),
            ("llama.attention.head_count", U32, struct.pack("<I", 1)),
            ("llama.attention.head_count_kv", U32, struct.pack("<I", 1)),
            ("llama.attention.key_length", U32, struct.pack("<I", 32)),
            ("llama.attention.value_length", U32, struct.pack("<I", 32)),
            ("llama.rope.dimension_count", U32, struct.pack("<I", 32)),
            ("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
            ("tokenizer.ggml.model", STRING, text("gpt2")),
            ("tokenizer.ggml.pre", STRING, text("gpt-2")),
            ("tokenizer.ggml.tokens", ARRAY, array(STRING, tokens)),
            ("tokenizer.ggml.token_type", ARRAY, array(I32, [1] * 256 + [3] * len(SPECIAL))),
            ("tokenizer.ggml.merges", ARRAY, array(STRING, [])),
            ("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", START)),
            ("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", END)),
            ("tokenizer.ggml.add_bos_token", BOOL, b"\0")]
    if licence:
        meta.append(("general.license", STRING, text(licence)))
    if template:
        meta.append(("tokenizer.chat_template", STRING, text(template)))
    if pad:
        meta.append(("test.pad", STRING, text("x" * pad)))
    eye = dense([{i: 1.0} for i in range(N_VOCAB)])
    ones = struct.pack(f"<{N_VOCAB}f", *[1.0] * N_VOCAB)
    tensors = [("token_embd.weight", [N_VOCAB, N_VOCAB], eye),
               ("output.weight", [N_VOCAB, N_VOCAB], dense(tables(kind))),
               ("output_norm.weight", [N_VOCAB], ones)]
    for layer in range(layers):
        block = f"blk.{layer}."
        tensors += [(block + "attn_norm.weight", [N_VOCAB], ones),
                    (block + "ffn_norm.weight", [N_VOCAB], ones)]
        for short, n_in, n_out in (("attn_q", N_VOCAB, 32), ("attn_k", N_VOCAB, 32),
                                   ("attn_v", N_VOCAB, 32), ("attn_output", 32, N_VOCAB),
                                   ("ffn_gate", N_VOCAB, 4), ("ffn_up", N_VOCAB, 4),
                                   ("ffn_down", 4, N_VOCAB)):
            tensors.append((f"{block}{short}.weight", [n_in, n_out],
                            bytes(4 * n_in * n_out)))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(meta))
    for key, kind_id, value in meta:
        head += text(key) + struct.pack("<I", kind_id) + value
    offset = 0
    for tensor, shape, values in tensors:
        head += text(tensor) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, offset)
        offset += len(values) + -len(values) % 32
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for _, _, values in tensors:
            f.write(values + bytes(-len(values) % 32))
    return path
