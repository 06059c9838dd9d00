#!/usr/bin/env python3
"""gen_tok_golden.py > tests/text/data/tok_golden.json - small vocabularies in every shape of tokenizer.json that
Glass reads, and what the tokenizers library makes of some texts with them.

{"vocabularies": {kind: {"vocab", "merges"}}, "shapes": [{"name", "vocabulary", "tokenizer" (without
vocab and merges), "around": [ids in front, ids behind] with special tokens, "cases": [[text, ids],
…]}]}. Made with version 0.23.3 of the library. The vocabularies are trained on the lines below."""
import collections
import hashlib
import json
import os
import random
import sys

import tokenizers
from tokenizers import pre_tokenizers

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_tokenizers as texts_of  # noqa: E402
import make_tokenizers as shape  # noqa: E402

MARK = shape.MARK
SIZE = 500
LINES = [
    "The cat sat on the mat. The dog, who had seen the cat, sat on the cat's mat.",
    "It's 1234 o'clock; they've said it isn't 12. \"There are theories,\" they said.",
    "Übung macht den Meister, und die Straße ist naß. Où est l'été ? À côté, là-bas.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "いろはにほへと ちりぬるを 我が世誰ぞ 常ならむ。 天地玄黄 宇宙洪荒",
    "    for (int i = 0; i < n; i++) {\n        total += values[i] * 2;\n    }\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  bb  bb  bb    ==== ---- ....",
    "theories theorem theory thesis; others another mother brothers; 2024 2025 1999",
]


def train(words, vocab, size):
    """Merges of the most frequent pairs, of equal ones the first by text: {"vocab", "merges"}."""
    vocab, merges = {t: i for i, t in enumerate(vocab)}, []
    while len(vocab) < size:
        pairs = collections.Counter(p for word in words for p in zip(word, word[1:]))
        left, right = min(pairs, key=lambda p: (-pairs[p], p))
        vocab.setdefault(left + right, len(vocab))
        merges.append([left, right])
        for word in words:
            for i in range(len(word) - 2, -1, -1):
                if i + 1 < len(word) and (word[i], word[i + 1]) == (left, right):
                    word[i:i + 2] = [left + right]
    return {"vocab": vocab, "merges": merges}


def byte_level():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [list(w) for line in LINES for w, _ in cut.pre_tokenize_str(line)]
    return train(words, alphabet, SIZE)


def marked():
    text = [line.replace(" ", MARK) for line in LINES]
    alphabet = sorted(set("".join(text)))
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    return train([list(line) for line in text], special + alphabet[:110], SIZE)


def level(pre, added, normalizer=None, post=None, **flags):
    return "bytes", shape.whole(shape.bpe({}, [], **flags), added, normalizer, pre, post,
                                shape.level())


def mark(normalizer, pre, added=(), post=None, **flags):
    flags = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, **flags}
    first = [shape.added(i, t) for i, t in enumerate(("<unk>", "<s>", "</s>"))]
    return "marks", shape.whole(shape.bpe({}, [], **flags), first + list(added), normalizer, pre,
                                post or shape.template("<s>", 1), shape.marked_decoder(True))


def swap(regex, content):
    return {"type": "Replace", "pattern": {"Regex": regex}, "content": content}


# As SentencePiece does it: none at the ends, where U+2581 counts, and one of many.
SQUEEZE = [swap(r"\A +", ""), swap(rf"[ {MARK}]+\z", ""), swap(" {2,}", " ")]


def sequence_of(normalizers):
    return {"type": "Sequence", "normalizers": normalizers}


def shapes(n):
    """n: the size of both vocabularies."""
    end = [shape.added(n, "<|end|>"), shape.added(n + 1, "<tool>", special=False)]
    spaces = [shape.added(n + 2 + i, " " * k, special=False, normalized=True)
              for i, k in enumerate((6, 5, 3))]
    strips = [shape.added(n, "<|l|>", lstrip=True), shape.added(n + 1, "<|r|>", rstrip=True),
              shape.added(n + 2, "<|b|>", special=False, lstrip=True, rstrip=True)]
    normal = [shape.added(n, "<|n|>", normalized=True), shape.added(n + 1, "two words",
              special=False, normalized=True), shape.added(n + 2, "<|e\u0301|>", normalized=True)]
    use = shape.level(use_regex=False)
    nfc, split, sequence = {"type": "NFC"}, shape.split, shape.sequence
    digits = {"type": "Digits", "individual_digits": True}
    both = shape.template("<|end|>", n, "<tool>", n + 1)
    replace = shape.PREPEND["normalizers"][1]
    gemma = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
             "invert": False}
    return {
        "gpt2": level(shape.level(), end),
        "neox": level(shape.level(), end + spaces, nfc),
        "qwen": level(sequence(split(shape.LLAMA3.replace("{1,3}", "")), use), end, nfc),
        "llama3": level(sequence(split(shape.LLAMA3), use), end,
                        post={"type": "Sequence", "processors": [shape.level(), shape.template(
                            "<|end|>", n)]}, ignore_merges=True),
        "smollm": level(sequence(digits, shape.level()), end),
        "runs-of-digits": level(sequence({"type": "Digits", "individual_digits": False},
                                         shape.level()), end),
        "removed": level(sequence(split(shape.LLAMA3, "Removed", True), use), end),
        "removed-gaps": level(sequence(split(r"\p{L}+|\p{N}", "Removed", True), use), end),
        "tekken": level(sequence(split(shape.TEKKEN), use), end, ignore_merges=True),
        "cl100k": level(sequence(split(shape.CL100K), use), end),
        "string": level(sequence(split(r"\n"), {**split(""), "pattern": {"String": "="}},
                                 shape.level()), end),
        "nested": level(sequence(sequence(digits), sequence(sequence(shape.level()))), end),
        "prefix-space": level(shape.level(add_prefix_space=True), end + spaces, post=both),
        "no-regex": level(use, end, {"type": "Sequence", "normalizers": [nfc]}),
        "strips": level(shape.level(), strips),
        "normalized": level(shape.level(), normal, nfc),
        "llama": mark(shape.PREPEND, None, end),
        "llama-first": mark(None, shape.metaspace("first", False), end),
        "llama-always": mark(None, shape.metaspace("always", False), end, ignore_merges=True),
        "llama-never": mark(None, shape.metaspace("never", False), end),
        "llama-split": mark(None, shape.metaspace("always", True), end),
        "metaspace-old": mark(None, {"type": "Metaspace", "replacement": MARK,
                                     "add_prefix_space": True}, end),
        "llama-strips": mark(shape.PREPEND, None, strips),
        "llama-normalized": mark(shape.PREPEND, None, normal),
        "metaspace-normalized": mark(None, shape.metaspace("first", False), normal),
        "gemma": mark(replace, gemma, end, post=both),
        "gemma-normalized": mark({"type": "Sequence", "normalizers": [nfc, replace]}, gemma, normal),
        "no-bytes": mark(shape.PREPEND, None, end, byte_fallback=False),
        "no-bytes-apart": mark(shape.PREPEND, None, end, byte_fallback=False, fuse_unk=False),
        "llama-squeezed": mark(sequence_of(SQUEEZE + shape.PREPEND["normalizers"]), None, end),
        "squeezed-strips": mark(sequence_of(SQUEEZE + [replace]), None, strips),
    }


def cases(rng, names):
    made = ["", " ", "  ", "a", " a", "the cat", "The  cat\n", "it's 12345", "\u2581the", "\ufffd",
            "two words", "<|end|> the cat <tool>the", "e\u0301\u0301", "\u1100\u1161\u11a8 \u212b",
            "a" * 50, " " * 60, "<|l|>", " <|l|> <|r|> x <|b|>  <|b|>", "\u0344\u0316\u0301" * 3]
    for source, count, longest in ((texts_of.scripts(rng), 2, 30), (texts_of.white(rng), 3, 40),
                                   (texts_of.emoji(rng), 1, 12), (texts_of.runs(rng), 2, 60),
                                   (texts_of.special(rng, names), 5, 70)):
        for _ in range(count):
            text = next(source)
            at = rng.randrange(max(1, len(text) - longest))
            made.append(text[at:at + longest])
    line = rng.choice(LINES)
    return made + [line[:80]]


def main():
    vocabularies = {"bytes": byte_level(), "marks": marked()}
    size = {kind: len(model["vocab"]) for kind, model in vocabularies.items()}
    assert size["bytes"] == size["marks"], size
    rng = random.Random(3)
    out = []
    for name, (kind, described) in shapes(size["bytes"]).items():
        model = described["model"]
        for part in ("vocab", "merges"):
            model[part] = vocabularies[kind][part]
        peer = tokenizers.Tokenizer.from_str(json.dumps(described))
        names = [t["content"] for t in described["added_tokens"]]
        tried = [[t, peer.encode(t, add_special_tokens=False).ids] for t in cases(rng, names)]
        one, whole = peer.encode("a", add_special_tokens=False).ids, peer.encode("a").ids
        at = next(i for i in range(len(whole)) if whole[i:i + len(one)] == one)
        around = [whole[:at], whole[at + len(one):]]
        del model["vocab"], model["merges"]
        out.append({"name": name, "vocabulary": kind, "tokenizer": described,
                    "around": around, "cases": tried})
    kept = {kind: {"vocab": m["vocab"], "merges": m["merges"]} for kind, m in vocabularies.items()}
    text = json.dumps({"vocabularies": kept, "shapes": out}, ensure_ascii=True,
                      separators=(",", ":"))
    print(text)
    print("sha256", hashlib.sha256((text + "\n").encode()).hexdigest(), file=sys.stderr)


main()
