#!/usr/bin/env python3
"""Encodings are those of the tokenizers, tiktoken and sentencepiece libraries, on megabytes of
text: English, code, many scripts, emoji, white space, long runs, and random characters.

Needs those libraries and gguf: GLASS_PEER_PYTHON names a Python that has them; skipped without.
GLASS_PEER_MB is how much text each comparison takes (default 2). Vocabularies are trained here, and come
from the shared data, from $GLASS_VOCABS (models/ of llama.cpp's source) and from the default model."""
import itertools
import os
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

SHARED = os.environ.get("GLASS_SHARED", "../shared/data")
VOCABS = os.environ.get("GLASS_VOCABS", "")
TOOL = os.path.join(os.environ.get("GLASS_BUILD", "build"), "tests/tools/tokenize_texts")
HOME = os.environ.get("GLASS_HOME") or os.path.join(
    os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "glass")
SMOLLM = os.path.join(HOME, "models/SmolLM2-135M-Instruct.gguf")
PARSE_SPECIAL, NORMALISES = 2, 256
count = failures = 0

GPT2 = (r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")
LLAMA3 = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"""
          r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")


def verdict(good, name, why=""):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good:
        print("# " + why.replace("\n", "\n# "))


def skip(name, why):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}")


# ---- texts

def settled():
    """Characters whose category has not changed since Unicode 3.2, by script: what the
    libraries' tables, of different ages, agree on."""
    blocks = {}
    for c in itertools.chain(range(0xD800), range(0xE000, 0x30000)):
        char = chr(c)
        category = unicodedata.ucd_3_2_0.category(char)
        if category not in ("Cn", "Co", "Cs") and category == unicodedata.category(char):
            blocks.setdefault(c >> 7, []).append(char)
    return list(blocks.values())


def random_texts(rng, size, blocks):
    """Words of one block each, mixed with spaces, digits and punctuation."""
    made = 0
    while made < size:
        out = []
        for _ in range(rng.randint(1, 200)):
            block = rng.choice(blocks)
            word = "".join(rng.choice(block) for _ in range(rng.randint(1, 8)))
            out.append(word + rng.choice(["", " ", " ", "  ", "\n", "\r\n\t", ", ", "'s", "'LL ",
                                          "12345", "\u00a0", "\u2003", "e\u0301", "!?", "🦙"]))
        text = "".join(out)
        made += len(text.encode())
        yield text


def run_texts(rng):
    """One character or a few, very often."""
    for unit in ["a", " ", "\n", "!", "7", "=", "-", "ab", "the", " the", "\t", "é", "你", "🦙",
                 "\u0301", "'", " \n", "a ", "0 ", "\r\n", "Aa", "\u2003", "x" * 41]:
        for n in (1, 2, 3, 10, 100, rng.randint(1000, 5000)):
            yield unit * n
            yield "x" + unit * n + "y"


def file_texts(size):
    """English, conversations, and this project's code, in documents of some kilobytes."""
    names = ["text/tinyshakespeare.txt", "eval/wikitext-2-raw/wiki.test.raw", "text/names.txt",
             "chat/open_assistant_prompts_en_250.jsonl", "eval/TruthfulQA.csv"]
    whole = []
    for name in names:
        path = os.path.join(SHARED, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace", newline="") as f:
                whole.append(f.read(size // 4))
    for name in ["src/text/tok_pre.c", "src/text/jinja_case_table.h", "Makefile",
                 "tests/text/data/template_cases.json"]:
        with open(name, encoding="utf-8", newline="") as f:
            whole.append(f.read(size // 16))
    for text in whole:
        for at in range(0, len(text), 3000):
            yield text[at:at + 3000]


def make_texts():
    size = int(float(os.environ.get("GLASS_PEER_MB", "2")) * 1e6)
    rng = random.Random(1)
    texts = list(run_texts(rng)) + list(file_texts(size // 2))
    texts += random_texts(rng, size - sum(len(t.encode()) for t in texts), settled())
    return [t for t in texts if "<|" not in t and "|>" not in t]


# ---- the comparison

def ours(vocabulary, texts, flags):
    data = b"".join(struct.pack("<I", len(t)) + t for t in (x.encode() for x in texts))
    done = subprocess.run([TOOL, vocabulary, str(flags)], input=data, capture_output=True)
    if done.returncode != 0:
        return None, done.stderr.decode()
    out, at = [], 0
    while at < len(done.stdout):
        n, = struct.unpack_from("<I", done.stdout, at)
        out.append(list(struct.unpack_from(f"<{n}i", done.stdout, at + 4)))
        at += 4 + 4 * n
    return out, ""


def compare(name, vocabulary, texts, theirs, flags=PARSE_SPECIAL):
    mine, why = ours(vocabulary, texts, flags)
    if mine is None:
        verdict(False, name, why)
        return
    wrong = []
    for text, a in zip(texts, mine):
        b = theirs(text)
        if a != b:
            k = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            wrong.append(f"{text[:60]!r} ({len(text)}): token {k}: ours {a[k:k + 4]}, "
                         f"theirs {b[k:k + 4]}")
    n_bytes = sum(len(t.encode()) for t in texts)
    verdict(not wrong and len(mine) == len(texts),
            f"{name}: {len(texts)} texts, {n_bytes / 1e6:.1f} MB, "
            f"{sum(map(len, mine))} tokens", f"{len(wrong)} differ\n" + "\n".join(wrong[:8]))


def byte_of():
    plain = [b for b in range(256) if 33 <= b <= 126 or b >= 161 and b != 173]
    rest = [b for b in range(256) if b not in plain]
    table = {chr(b): b for b in plain}
    table.update({chr(256 + i): b for i, b in enumerate(rest)})
    return table


def gguf_pieces(path):
    import gguf
    fields = gguf.GGUFReader(path).fields

    def strings(key):
        field = fields["tokenizer.ggml." + key]
        return [bytes(field.parts[i]).decode() for i in field.data]
    types = fields["tokenizer.ggml.token_type"]
    return strings("tokens"), strings("merges"), [int(types.parts[i][0]) for i in types.data]


def compare_tiktoken(name, path, pattern, texts):
    """Ids of these vocabularies are in the order of merging, which is what tiktoken wants."""
    if not os.path.exists(path):
        skip(name, "no vocabulary")
        return
    import tiktoken
    tokens, _, types = gguf_pieces(path)
    table = byte_of()
    ranks = {bytes(table[c] for c in t): i for i, (t, kind) in enumerate(zip(tokens, types))
             if kind == 1 and all(c in table for c in t)}
    peer = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    compare(name, path, texts, lambda t: peer.encode(t, disallowed_special=()), 0)


def compare_json(name, texts, flags=PARSE_SPECIAL):
    path = os.path.join(SHARED, "tokenizers", name, "tokenizer.json")
    if not os.path.exists(path):
        skip(f"tokenizers, {name}", "no shared data")
        return
    import tokenizers
    peer = tokenizers.Tokenizer.from_file(path)
    compare(f"tokenizers, {name}", path, texts,
            lambda t: peer.encode(t, add_special_tokens=False).ids, flags)


def compare_trained(texts):
    """What `glass tokenizer train` writes, in each of its kinds, read by the library."""
    import tokenizers
    build = os.environ.get("GLASS_BUILD", "build")
    with tempfile.TemporaryDirectory() as folder:
        corpus = os.path.join(folder, "corpus.txt")
        with open(corpus, "w", encoding="utf-8", newline="") as f:
            f.write("\n".join(itertools.chain(file_texts(1000000), texts[::7])))
        for words in (["--pre", "gpt-2"], ["--pre", "llama3"], ["--pre", "smollm"], ["--kind", "spm"],
                      ["--kind", "spm", "--split-digits"]):
            name = "tokenizers, trained here, " + " ".join(words)
            path = os.path.join(folder, "tokenizer.json")
            done = subprocess.run([os.path.join(build, "glass"), "tokenizer", "train", path, corpus, "--vocab",
                                   "16000", "--special", "<|end|>", *words], capture_output=True)
            if done.returncode != 0:
                verdict(False, name, done.stderr.decode())
                continue
            peer = tokenizers.Tokenizer.from_file(path)
            compare(name, path, texts, lambda t: peer.encode(t, add_special_tokens=False).ids,
                    PARSE_SPECIAL | NORMALISES)


def compare_smollm(texts):
    name = "tokenizers, the default model's vocabulary"
    if not os.path.exists(SMOLLM):
        skip(name, "no default model")
        return
    import tokenizers
    from tokenizers import models, pre_tokenizers
    tokens, merges, _ = gguf_pieces(SMOLLM)
    peer = tokenizers.Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)},
                                           [tuple(m.split(" ")) for m in merges]))
    peer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    # The vocabulary lacks some bytes, which both leave out: no text back from those.
    compare(name, SMOLLM, texts, lambda t: peer.encode(t, add_special_tokens=False).ids,
            NORMALISES)


def compare_sentencepiece(texts):
    path = os.path.join(SHARED, "tokenizers/llama/tokenizer.model")
    if not os.path.exists(path):
        skip("sentencepiece, llama", "no shared data")
        return
    import sentencepiece
    peer = sentencepiece.SentencePieceProcessor(model_file=path)
    # U+2581 is the vocabulary's space and comes back as one.
    compare("sentencepiece, llama", path, texts, peer.encode, PARSE_SPECIAL | NORMALISES)


def main():
    python = os.environ.get("GLASS_PEER_PYTHON", "")
    if "tokenizers" not in sys.modules and os.environ.get("GLASS_PEER_CHILD") is None:
        if python == "":
            skip("encodings of other libraries", "GLASS_PEER_PYTHON is not set")
            return 0
        os.environ["GLASS_PEER_CHILD"] = "1"
        os.execv(python, [python, os.path.abspath(__file__)])
    texts = make_texts()
    for name, flags in (("gpt2", PARSE_SPECIAL), ("gpt-neox", PARSE_SPECIAL | NORMALISES),
                        ("qwen3", PARSE_SPECIAL | NORMALISES)):
        compare_json(name, texts, flags)
    compare_trained(texts)
    compare_smollm(texts)
    compare_sentencepiece(texts)
    vocabs = os.path.join(SHARED, "tokenizers/ggml-vocab")
    compare_tiktoken("tiktoken, gpt-2", os.path.join(vocabs, "ggml-vocab-gpt-2.gguf"), GPT2, texts)
    compare_tiktoken("tiktoken, llama-bpe", os.path.join(VOCABS, "ggml-vocab-llama-bpe.gguf"),
                     LLAMA3, texts)
    compare_tiktoken("tiktoken, qwen2", os.path.join(VOCABS, "ggml-vocab-qwen2.gguf"),
                     LLAMA3.replace("{1,3}", ""), texts)
    return failures > 0


sys.exit(main())
