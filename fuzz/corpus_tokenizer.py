"""corpus_tokenizer.py FOLDER - small vocabularies for fuzz_tokenizer: GGUF (byte-level BPE with
several pre-tokenizers, SentencePiece), tokenizer.json in its variants, SentencePiece models,
vocab.json with merges.txt."""
import base64
import json
import os
import struct
import sys

TEXT = "The cat's 123 théâtre\n\n <|x|> 你🦙 ".encode() + b"\xff\xc3 aaaa  "
WORDS = ["the", "Ġthe", "Ġcat", "aa", "12", "ĠĠ"]


def byte_chars():
    plain = [b for b in range(256) if 33 <= b <= 126 or b >= 161 and b != 173]
    rest = [b for b in range(256) if b not in plain]
    names = {b: chr(b) for b in plain}
    names.update({b: chr(256 + i) for i, b in enumerate(rest)})
    return [names[b] for b in range(256)]


def bpe():
    tokens, merges = byte_chars(), []
    for word in WORDS:
        for i in range(1, len(word)):
            if word[:i + 1] not in tokens:
                tokens.append(word[:i + 1])
                merges.append((word[:i], word[i]))
    return tokens, merges


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(key, kind, payload):
    return string(key) + struct.pack("<I", kind) + payload


def array(key, kind, items):
    return value(key, 9, struct.pack("<IQ", kind, len(items)) + b"".join(items))


def gguf(values):
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(values)
    return head + bytes(-len(head) % 32)


def gguf_bpe(pre, few=False):
    tokens, merges = bpe()
    if few:
        tokens, merges = ["a", "b", "ab", "Ġ"], [("a", "b")]
    special = ["<|x|>", "[U]"]
    types = [1] * len(tokens) + [3, 4]
    return gguf([
        value("tokenizer.ggml.model", 8, string("gpt2")),
        value("tokenizer.ggml.pre", 8, string(pre)),
        array("tokenizer.ggml.tokens", 8, [string(t) for t in tokens + special]),
        array("tokenizer.ggml.token_type", 5, [struct.pack("<i", t) for t in types]),
        array("tokenizer.ggml.merges", 8, [string(" ".join(m)) for m in merges]),
        value("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", len(tokens))),
        value("tokenizer.ggml.add_bos_token", 7, b"\1")])


def spm_pieces(with_bytes):
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    if with_bytes:
        pieces += [(f"<0x{b:02X}>", 0, 6) for b in range(256)]
    for n, piece in enumerate(["▁t", "he", "▁the", "▁", "t", "h", "e", "a", "aa", "c", "▁c",
                               "▁▁", "é", "你", "th", "[U]"]):
        pieces.append((piece, -float(n), 4 if piece == "[U]" else 1))
    return pieces


def gguf_spm(with_bytes):
    pieces = spm_pieces(with_bytes)
    return gguf([
        value("tokenizer.ggml.model", 8, string("llama")),
        array("tokenizer.ggml.tokens", 8, [string(p) for p, _, _ in pieces]),
        array("tokenizer.ggml.scores", 6, [struct.pack("<f", s) for _, s, _ in pieces]),
        array("tokenizer.ggml.token_type", 5, [struct.pack("<i", t) for _, _, t in pieces]),
        value("tokenizer.ggml.add_space_prefix", 7, b"\1")])


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def sp_model(with_bytes, squeeze):
    out = b""
    for piece, score, kind in spm_pieces(with_bytes):
        message = field(1, piece.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", score)
        out += field(1, message + field(3, kind))
    out += field(2, field(3, 2) + field(40, 0) + field(41, 1) + field(42, 2))
    return out + field(3, field(3, 1) + field(4, int(squeeze)) + field(5, 1))


def tokenizer_json(pre, pairs=False, few=False, **more):
    tokens, merges = bpe()
    if few:
        tokens, merges = ["a", "b", "ab", "Ġ"], [("a", "b")]
    added = [{"id": len(tokens), "content": "<|x|>", "special": True},
             {"id": len(tokens) + 1, "content": "[U]", "special": False}]
    model = {"type": "BPE", "vocab": {t: i for i, t in enumerate(tokens)},
             "merges": [list(m) if pairs else " ".join(m) for m in merges]}
    model.update(more.pop("model", {}))
    return json.dumps({"added_tokens": added, "normalizer": None, "pre_tokenizer": pre,
                       "model": model, **more}, ensure_ascii=False).encode()


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
PLAIN = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(pattern, kind="Regex", behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior,
            "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def jsons():
    yield "level", tokenizer_json(LEVEL)
    yield "space", tokenizer_json({**LEVEL, "add_prefix_space": True})
    yield "qwen", tokenizer_json(sequence(split(QWEN), PLAIN), normalizer={"type": "NFC"})
    yield "digits", tokenizer_json(sequence({"type": "Digits", "individual_digits": True},
                                            LEVEL), pairs=True)
    yield "removed", tokenizer_json(sequence(split(QWEN, behavior="Removed", invert=True),
                                             PLAIN))
    yield "string", tokenizer_json(sequence(split("-", "String"), LEVEL), few=True)
    yield "pattern", tokenizer_json(sequence(split(r"(\w+)\s?|(?<=a)b{1,3}|.$"), PLAIN), few=True)
    yield "whole", tokenizer_json(LEVEL, few=True, model={"ignore_merges": True})
    post = {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<|x|>", "type_id": 0}}, {"Sequence": {"id": "A"}}]}
    yield "post", tokenizer_json(LEVEL, few=True, post_processor={
        "type": "Sequence", "processors": [post, {"type": "ByteLevel"}]})
    yield "gaps", tokenizer_json(sequence(split(r"\w+", behavior="Removed", invert=True), PLAIN),
                                 few=True, model={"unk_token": "a", "fuse_unk": True})
    config = {"add_bos_token": True, "bos_token": "<|x|>", "eos_token": {"content": "[U]"}}
    yield "config", tokenizer_json(LEVEL, few=True) + b"\0" + json.dumps(config).encode()


MARK = "▁"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": MARK}, REPLACE]}


def metaspace(scheme, cut):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": cut}


def marked_json(normalizer, pre, with_bytes=True, flags=None, **model):
    pieces = [p for p, _, _ in spm_pieces(with_bytes)] + ["<|n|>", "e\u0301"]
    added = [{"id": pieces.index(p), "content": p, "special": p != "[U]", **(flags or {})}
             for p in ("<unk>", "<s>", "</s>", "[U]", "<|n|>")]
    merges = [[a, b] for c in pieces for a, b in ((c[:i], c[i:]) for i in range(1, len(c)))
              if a in pieces and b in pieces and not c.startswith("<")]
    return json.dumps({"added_tokens": added, "normalizer": normalizer, "pre_tokenizer": pre,
                       "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": with_bytes,
                                 "fuse_unk": True, **model, "merges": merges,
                                 "vocab": {p: i for i, p in enumerate(pieces)}}},
                      ensure_ascii=False).encode()


def marked():
    yield "prepend", marked_json(PREPEND, None)
    yield "first", marked_json(None, metaspace("first", False), ignore_merges=True)
    yield "split", marked_json(None, metaspace("always", True), flags={"normalized": True})
    yield "replace", marked_json(REPLACE, split(" ", "String", "MergedWithPrevious"),
                                 flags={"lstrip": True, "rstrip": True})
    yield "normalized", marked_json({"type": "Sequence", "normalizers": [{"type": "NFC"}, *PREPEND[
        "normalizers"]]}, None, flags={"normalized": True})
    yield "few", marked_json(PREPEND, None, with_bytes=False)
    squeeze = [{"type": "Replace", "pattern": {"Regex": regex}, "content": content}
               for regex, content in ((r"\A +", ""), (rf"[ {MARK}]+\z", ""), (" {2,}", " "))]
    yield "squeezed", marked_json({"type": "Sequence", "normalizers": squeeze + PREPEND[
        "normalizers"]}, None, flags={"lstrip": True, "normalized": False})


def pair():
    tokens, merges = bpe()
    lines = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    vocab = json.dumps({t: i for i, t in enumerate(tokens)})
    return b"\1" + vocab.encode() + b"\0" + lines.encode() + b"\0" + b'{"<|x|>": %d}' % len(tokens)


def tiktoken():
    pieces = [bytes([b]) for b in range(256)] + [b"th", b"the", b" t", b" the", b"in", b"ing"]
    return b"".join(base64.b64encode(p) + b" %d\n" % i for i, p in enumerate(pieces))


def seeds():
    for pre in ("gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-v3"):
        yield "gguf-" + pre, gguf_bpe(pre)
    yield "gguf-few", gguf_bpe("gpt-2", few=True)
    yield "gguf-spm", gguf_spm(True)
    yield "gguf-spm-few", gguf_spm(False)
    yield "model", sp_model(True, False)
    yield "model-few", sp_model(False, True)
    for name, data in jsons():
        yield "json-" + name, data
    for name, data in marked():
        yield "marked-" + name, data
    yield "pair", pair()
    yield "tiktoken", tiktoken()


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(struct.pack("<H", len(TEXT)) + TEXT + data)


main(sys.argv[1])
