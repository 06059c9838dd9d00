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


def write_gguf(path):
    (d, ff, layers, heads, kv, vocab, positions), tensors = read_checkpoint()
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


def check_logits(folder, model, reference):
    ids, out = os.path.join(folder, "ids"), os.path.join(folder, "logits")
    rows, width = reference["logits_shape"]
    with open(ids, "w", encoding="ascii") as f:
        f.write(" ".join(str(t) for t in reference["tokens"][:rows]))
    subprocess.run([os.path.join(BUILD, "tests/tools/logits"), model, ids, out], check=True)
    ours, theirs = array.array("f"), array.array("f")
    with open(out, "rb") as f:
        ours.frombytes(f.read())
    with open(os.path.join(SHARED, reference["logits_file"]), "rb") as f:
        theirs.frombytes(f.read())
    assert len(ours) == len(theirs) == rows * width, "the number of logits"
    apart = math.fsum((a - b) ** 2 for a, b in zip(ours, theirs))
    return math.sqrt(apart / math.fsum(b * b for b in theirs))


def complete(model, prompt, n):
    run = subprocess.run([GLASS, "complete", model, "-p", prompt, "--echo", "--temp", "0", "-n",
                          str(n)], check=True, stdout=subprocess.PIPE)
    return run.stdout.decode().rstrip("\n")


def main():
    names = ["logits of 64 positions are llama2.c's", "a prompt goes on as in llama2.c",
             "its own story goes on as in llama2.c", "a next word keeps its space"]
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
        distance = check_logits(folder, model, reference)
        prompt, whole = reference["prompt"], reference["text"].rstrip("\n")
        # What llama2.c writes without a prompt, continued from its first words.
        first, story = "Once upon a time", reference["greedy_text"].rstrip("\n")
        results = [(distance <= 1e-5, f"relative L2 {distance:.2g}")]
        word = story[:story.index(" ", len(first) + 2)]
        for begin, want in ((prompt, whole), (first, story), (word, story)):
            got = complete(model, begin, 400)[:len(want)]
            results.append((got == want and len(want) > 100, repr(got)))
    for i, (name, (good, told)) in enumerate(zip(names, results)):
        print(f"{'ok' if good else 'not ok'} {i + 1} - {name}")
        print(f"# {told}" if not good or i == 0 else f"# {len(told)} characters")
        bad += not good
    return bad != 0


sys.exit(main())
