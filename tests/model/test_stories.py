#!/usr/bin/env python3
"""test_stories.py - a real, trained model: stories260K against llama2.c's own output.

Makes a GGUF file of the llama2.c checkpoint in the shared data (standard library alone), then
compares the logits of 64 positions with llama2.c's and two greedy texts with its texts. Prints
TAP; skipped without the shared data.
"""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile

SHARED = os.path.join(os.environ.get("GLASS_SHARED", "../shared/data"), "models/stories260K")
BUILD = os.environ.get("GLASS_BUILD", "build")
GLASS = os.environ.get("GLASS", os.path.join(BUILD, "glass"))
U32, F32, STRING, ARRAY, I32, BOOL = 4, 6, 8, 9, 5, 7
UNKNOWN, CONTROL, BYTE, NORMAL = 2, 3, 6, 1


def text(s):
    data = s.encode() if isinstance(s, str) else s
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", F32: "<f", I32: "<i", BOOL: "<?"}[kind], v)


def key(name, kind, v):
    out = text(name)
    if isinstance(v, list):
        out += struct.pack("<IIQ", ARRAY, kind, len(v))
        return out + b"".join(value(kind, x) for x in v)
    return out + struct.pack("<I", kind) + value(kind, v)


def read_vocabulary(n):
    """llama2.c's tokenizer.bin: longest piece; per piece score, length, bytes."""
    with open(os.path.join(SHARED, "tok512.bin"), "rb") as f:
        data = f.read()
    at, pieces, scores, types = 4, [], [], []
    for i in range(n):
        score, length = struct.unpack_from("<fi", data, at)
        piece = data[at + 8:at + 8 + length]
        at += 8 + length
        kind = UNKNOWN if i == 0 else CONTROL if i < 3 else BYTE if i < 259 else NORMAL
        # The file has "\n<s>\n" for <s>, and spaces for SentencePiece's mark.
        piece = piece.strip(b"\n") if kind == CONTROL else piece
        pieces.append(piece.replace(b" ", "▁".encode()))
        scores.append(score)
        types.append(kind)
    return pieces, scores, types


def read_checkpoint():
    with open(os.path.join(SHARED, "stories260K.bin"), "rb") as f:
        data = f.read()
    d, ff, layers, heads, kv, vocab, positions = struct.unpack_from("<7i", data)
    floats = array.array("f")
    floats.frombytes(data[28:])
    if sys.byteorder == "big":
        floats.byteswap()
    hd, at, tensors = d // heads, 0, {}

    def take(name, *shape):
        nonlocal at
        n = math.prod(shape)
        tensors[name] = (shape, floats[at:at + n])
        at += n

    def layered(name, *shape):
        for i in range(layers):
            take(f"blk.{i}.{name}.weight", *shape)

    take("token_embd.weight", abs(vocab), d)
    layered("attn_norm", d)
    layered("attn_q", heads * hd, d)
    layered("attn_k", kv * hd, d)
    layered("attn_v", kv * hd, d)
    layered("attn_output", d, heads * hd)
    layered("ffn_norm", d)
    layered("ffn_gate", ff, d)
    layered("ffn_down", d, ff)
    layered("ffn_up", ff, d)
    take("output_norm.weight", d)
    at += positions * hd  # tables of cosines and sines
    if vocab < 0:
        take("output.weight", -vocab, d)
    assert at == len(floats), "the checkpoint's size"
    return (d, ff, layers, heads, kv, abs(vocab), positions), tensors


def write_gguf(path, other=None):
    (d, ff, layers, heads, kv, vocab, positions), tensors = read_checkpoint()
    tensors = other or tensors
    pieces, scores, types = read_vocabulary(vocab)
    keys = [key("general.architecture", STRING, "llama"),
            key("general.name", STRING, "stories260K"),
            key("llama.block_count", U32, layers), key("llama.embedding_length", U32, d),
            key("llama.feed_forward_length", U32, ff), key("llama.context_length", U32, positions),
            key("llama.attention.head_count", U32, heads),
            key("llama.attention.head_count_kv", U32, kv),
            key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("llama.rope.freq_base", F32, 10000.0),
            key("tokenizer.ggml.model", STRING, "llama"),
            key("tokenizer.ggml.tokens", STRING, pieces),
            key("tokenizer.ggml.scores", F32, scores),
            key("tokenizer.ggml.token_type", I32, types),
            key("tokenizer.ggml.bos_token_id", U32, 1), key("tokenizer.ggml.eos_token_id", U32, 2),
            key("tokenizer.ggml.unknown_token_id", U32, 0),
            key("tokenizer.ggml.add_bos_token", BOOL, True)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    body = b""
    for name, (shape, floats) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", n) for n in reversed(shape))
        head += struct.pack("<IQ", 0, len(body))
        body += floats.tobytes() + bytes(-floats.itemsize * len(floats) % 32)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + body)


def logits(folder, model, reference):
    ids, out = os.path.join(folder, "ids"), os.path.join(folder, "logits")
    rows = reference["logits_shape"][0]
    with open(ids, "w", encoding="ascii") as f:
        f.write(" ".join(str(t) for t in reference["tokens"][:rows]))
    subprocess.run([os.path.join(BUILD, "tests/tools/logits"), model, ids, out], check=True)
    with open(out, "rb") as f:
        return f.read()


def check_logits(ours_bytes, reference):
    rows, width = reference["logits_shape"]
    ours, theirs = array.array("f"), array.array("f")
    ours.frombytes(ours_bytes)
    with open(os.path.join(SHARED, reference["logits_file"]), "rb") as f:
        theirs.frombytes(f.read())
    assert len(ours) == len(theirs) == rows * width, "the number of logits"
    apart = math.fsum((a - b) ** 2 for a, b in zip(ours, theirs))
    return math.sqrt(apart / math.fsum(b * b for b in theirs))


def complete(model, prompt, n):
    run = subprocess.run([GLASS, "complete", model, "-p", prompt, "--echo", "--temp", "0", "-n",
                          str(n)], check=True, stdout=subprocess.PIPE)
    return run.stdout.decode().rstrip("\n")


def eight_bits(folder, reference):
    """Version 2 of the checkpoint, and a GGUF file of the same rounded weights."""
    shape, tensors = read_checkpoint()
    group, scales, rounded, ints = 4, {}, {}, {}
    for name, (dims, floats) in tensors.items():
        if len(dims) == 1:
            continue
        ints[name], scales[name], rounded[name] = [], [], array.array("f")
        for i in range(0, len(floats), group):
            part = floats[i:i + group]
            scale = struct.unpack("<f", struct.pack("<f", max(map(abs, part)) / 127))[0] or 1.0
            whole = [max(-127, min(127, round(x / scale))) for x in part]
            ints[name] += whole
            scales[name].append(scale)
            rounded[name].extend(q * scale for q in whole)
    head = struct.pack("<4si7iBi", b"24ka", 2, *shape, 1, group)
    layers = range(shape[2])
    order = [f"blk.{i}.{n}.weight" for n in ("attn_norm", "ffn_norm") for i in layers]
    matrices = ["token_embd.weight"] + [
        f"blk.{i}.{n}.weight" for n in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate",
                                        "ffn_down", "ffn_up") for i in layers]
    path, model = os.path.join(folder, "eight.bin"), os.path.join(folder, "eight.gguf")
    with open(path, "wb") as f:
        f.write(head + bytes(256 - len(head)))
        for name in order + ["output_norm.weight"]:
            f.write(tensors[name][1].tobytes())
        for name in matrices:
            f.write(array.array("b", ints[name]).tobytes())
            f.write(array.array("f", scales[name]).tobytes())
    for name, floats in rounded.items():
        tensors[name] = (tensors[name][0], floats)
    write_gguf(model, tensors)
    return logits(folder, path, reference) == logits(folder, model, reference), "other bits"


def main():
    names = ["logits of 64 positions are llama2.c's", "a prompt goes on as in llama2.c",
             "its own story goes on as in llama2.c", "a next word keeps its space",
             "the .bin itself: the same logits, bit for bit",
             "the .bin itself: a prompt goes on as in llama2.c",
             "the .bin itself: its own story goes on as in llama2.c",
             "the .bin beside its tokenizer.bin only: the same story",
             "8-bit weights with scales: the logits of what they stand for"]
    print(f"1..{len(names)}")
    if not os.path.isdir(SHARED):
        for i, name in enumerate(names):
            print(f"ok {i + 1} - {name} # SKIP no shared data")
        return 0
    with open(os.path.join(SHARED, "reference.json"), encoding="utf-8") as f:
        reference = json.load(f)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "stories260K.gguf")
        write_gguf(model)
        ours = logits(folder, model, reference)
        distance = check_logits(ours, reference)
        prompt, whole = reference["prompt"], reference["text"].rstrip("\n")
        # What llama2.c writes without a prompt, continued from its first words.
        first, story = "Once upon a time", reference["greedy_text"].rstrip("\n")
        results = [(distance <= 1e-5, f"relative L2 {distance:.2g}")]
        source = os.path.join(SHARED, "stories260K.bin")
        alone = os.path.join(folder, "alone.bin")
        shutil.copy(source, alone)
        shutil.copy(os.path.join(SHARED, "tok512.bin"), folder)

        def tell(file, begin, want):
            got = complete(file, begin, 400)[:len(want)]
            results.append((got == want and len(want) > 100, repr(got)))

        tell(model, prompt, whole)
        tell(model, first, story)
        tell(model, story[:story.index(" ", len(first) + 2)], story)
        results.append((logits(folder, source, reference) == ours, "other bits"))
        tell(source, prompt, whole)
        tell(source, first, story)
        tell(alone, first, story)
        results.append(eight_bits(folder, reference))
    for i, (name, (good, told)) in enumerate(zip(names, results)):
        print(f"{'ok' if good else 'not ok'} {i + 1} - {name}")
        print(f"# {told}" if not good or i == 0 else f"# {len(told)} characters")
        bad += not good
    return bad != 0


sys.exit(main())
