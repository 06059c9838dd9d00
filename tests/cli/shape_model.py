"""GGUF files that have a model's shape and nothing in it: zeros that take no room on the disk.
For tests of what is decided by names, shapes and numbers alone. Standard library only."""
import struct

U32, F32, BOOL, STRING = 4, 6, 7, 8
F32_ID, F16_ID = 0, 1
N_VOCAB = 64

# architecture, layers, width, heads, key/value heads, MLP's width, head of its own, one qkv
SHAPES = {
    "llama": ("llama", 32, 512, 8, 2, 768, True, False),
    "narrow": ("llama", 30, 576, 9, 3, 1536, False, False),
    "gpt2": ("gpt2", 12, 768, 12, 12, 3072, False, True),
    "odd": ("qwen2", 24, 896, 14, 2, 4864, False, False),
    "large": ("llama", 80, 256, 8, 1, 512, True, False),
    "rows": ("llama", 4, 48, 4, 4, 96, True, False),
    "neox": ("gptneox", 16, 512, 8, 8, 2048, True, True),
}


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def tensors(shape):
    """(name, rows or None, columns), in no particular order"""
    _, n_layer, width, heads, kv, inner, head, fused = SHAPES[shape]
    kv_width = width // heads * kv
    out = [("token_embd.weight", N_VOCAB, width), ("output_norm.weight", None, width)]
    if head:
        out.append(("output.weight", N_VOCAB, width))
    if SHAPES[shape][0] == "gpt2":
        out.append(("position_embd.weight", 128, width))
    for i in range(n_layer):
        b = f"blk.{i}."
        out += [(b + "attn_norm.weight", None, width), (b + "ffn_norm.weight", None, width),
                (b + "attn_output.weight", width, width), (b + "ffn_up.weight", inner, width),
                (b + "ffn_down.weight", width, inner), (b + "ffn_down.bias", None, width)]
        if fused:
            out.append((b + "attn_qkv.weight", width + 2 * kv_width, width))
        else:
            out += [(b + "attn_q.weight", width, width), (b + "attn_k.weight", kv_width, width),
                    (b + "attn_v.weight", kv_width, width),
                    (b + "ffn_gate.weight", inner, width)]
    return out


def write(path, shape, wide=F16_ID):
    """Matrices are F16 (or `wide`), vectors F32."""
    arch, n_layer, width, heads, kv, inner, _, _ = SHAPES[shape]
    numbers = {"context_length": 128, "embedding_length": width, "block_count": n_layer,
               "feed_forward_length": inner, "attention.head_count": heads,
               "attention.head_count_kv": kv, "rope.dimension_count": width // heads}
    meta = [("general.architecture", STRING, text(arch)), ("general.name", STRING, text(shape))]
    meta += [(f"{arch}.{k}", U32, struct.pack("<I", v)) for k, v in numbers.items()]
    for key in ("attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"):
        meta.append((f"{arch}.{key}", F32, struct.pack("<f", 1e-5)))
    meta.append((f"{arch}.use_parallel_residual", BOOL, b"\1"))
    listed = tensors(shape)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(listed), len(meta))
    for key, kind, value in meta:
        head += text(key) + struct.pack("<I", kind) + value
    offset = 0
    for name, rows, columns in listed:
        dims = [columns] if rows is None else [columns, rows]
        kind = F32_ID if rows is None else wide
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
        n_bytes = columns * (rows or 1) * (2 if kind == F16_ID else 4)
        offset += n_bytes + -n_bytes % 32
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        f.truncate(f.tell() + offset)
    return path


def write_importance(path, shape):
    """As llama-imatrix writes it: ones for every matrix of the layers."""
    listed = [(n, c) for n, rows, c in tensors(shape) if rows and n.startswith("blk.")]
    meta = [("general.type", STRING, text("imatrix")),
            ("imatrix.chunk_count", U32, struct.pack("<I", 1)),
            ("imatrix.chunk_size", U32, struct.pack("<I", 512)),
            ("imatrix.datasets", 9, struct.pack("<IQ", STRING, 1) + text("ones"))]
    head = struct.pack("<4sIQQ", b"GGUF", 3, 2 * len(listed), len(meta))
    for key, kind, value in meta:
        head += text(key) + struct.pack("<I", kind) + value
    data = b""
    for name, columns in listed:
        for end, n in ((".in_sum2", columns), (".counts", 1)):
            head += text(name + end) + struct.pack("<IQQIQ", 2, n, 1, F32_ID, len(data))
            data += struct.pack(f"<{n}f", *[1.0] * n) + bytes(-4 * n % 32)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + data)
    return path


LETTERS = dict(F32="f", F16="h", BF16="b", Q4_0="p", Q4_1="q", Q5_0="r", Q5_1="s", Q8_0="t",
               Q2_K="B", Q3_K="C", Q4_K="D", Q5_K="E", Q6_K="F", IQ4_NL="n", IQ4_XS="x")


def spell(types):
    """{tensor: type} -> {"attn_v.weight": "F3D2…"}: for each kind of matrix its types by layer,
    letters with how often they stand in a row."""
    kinds = {}
    for name in sorted(types, key=lambda n: int(n.split(".")[1]) if n.startswith("blk.") else -1):
        kind = name.split(".", 2)[2] if name.startswith("blk.") else name
        kinds.setdefault(kind, []).append(LETTERS[types[name].upper()])
    out = {}
    for kind, letters in sorted(kinds.items()):
        runs = []
        for letter in letters:
            if runs and runs[-1][0] == letter:
                runs[-1][1] += 1
            else:
                runs.append([letter, 1])
        out[kind] = "".join(f"{letter}{n if n > 1 else ''}" for letter, n in runs)
    return out
