#!/usr/bin/env python3
"""Prompts of infilling beside the programs that the models came with. Run by hand:

    compare_infill.py BUILD/tests/tools/infill_ids TOKENIZERS

TOKENIZERS has llama/tokenizer.model and ggml-vocab/ggml-vocab-{llama-spm,starcoder}.gguf.
Needs sentencepiece, transformers, tokenizers and gguf.

Code Llama: Llama's vocabulary with Code Llama's sixteen more pieces. Two references: what
Meta's repository does with the SentencePiece library (spelled out in meta_ids below), and
transformers' CodeLlamaTokenizer. StarCoder: the pieces around what the tokenizers library
makes of each text."""
import os
import random
import subprocess
import sys
import tempfile

import gguf
import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CodeLlamaTokenizer

PIECES = ["def add(a, b):\n", "    return ", "a + b", "\n", "\n\n", " ", "  ", "    ", "\t", "x", "if",
          " if", "(", ")", "#", " comment", "é", "你好", "🦙", "☺", " ☺", "☺ ", "</s>", "<s>", " <PRE>",
          "▁", "▁x", "1234", " 5", "'s", "self.", ".", "\u00a0", "\r\n", "\u2028", "import os", "{", "}",
          ";", "/*", "*/"]


def texts(n, seed):
    r = random.Random(seed)
    for i in range(n):
        if i % 10 == 0:
            yield ""
        else:
            yield "".join(r.choices(PIECES, k=r.randint(1, 24)))


def strings(reader, key):
    field = reader.fields[key]
    return [bytes(field.parts[i]).decode() for i in field.data]


def numbers(reader, key):
    field = reader.fields[key]
    return [field.parts[i][0].item() for i in field.data]


def write_code_llama(path, base):
    """The ids of the seven billion parameter model's file."""
    reader = gguf.GGUFReader(base)
    tokens = strings(reader, "tokenizer.ggml.tokens")[:32000]
    tokens += [f"<extra{i}>" for i in range(7)] + ["▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"]
    tokens += [f"<extra{i}>" for i in range(7, 12)]
    more = len(tokens) - 32000
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(numbers(reader, "tokenizer.ggml.scores")[:32000] + [0.0] * more)
    writer.add_token_types(numbers(reader, "tokenizer.ggml.token_type")[:32000] + [3] * more)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {name: tokens.index(f"▁<{name}>") for name in ("PRE", "SUF", "MID")}


def meta_ids(sp, ids, prefix, suffix, order):
    """Code Llama's generation.py and tokenizer.py, in other words."""
    before = sp.encode(prefix)
    after = sp.encode("☺" + suffix)[2:]
    if order == "spm":
        return [1, ids["PRE"], ids["SUF"], *after, ids["MID"], *before]
    return [1, ids["PRE"], *before, ids["SUF"], *after, ids["MID"]]


def hugging_face(sp):
    """CodeLlamaTokenizer on Llama's vocabulary; its four pieces get the next ids."""
    vocab = {sp.id_to_piece(i): i for i in range(len(sp))}
    pairs = []
    for piece, rank in sorted(vocab.items(), key=lambda item: item[1]):
        local = [(piece[:k], piece[k:]) for k in range(1, len(piece))
                 if piece[:k] in vocab and piece[k:] in vocab]
        local.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        pairs += [(rank, a, b) for a, b in local]
    pairs.sort(key=lambda p: -sp.get_score(p[0]))
    t = CodeLlamaTokenizer(vocab=vocab, merges=[(a, b) for _, a, b in pairs])
    # As in the tokenizer.json files of the published models; one that is made anew has a
    # Metaspace here, which puts a space before the suffix.
    t.backend_tokenizer.pre_tokenizer = None
    return t


def star_coder(path):
    reader = gguf.GGUFReader(path)
    tokens = strings(reader, "tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ", 1)) for m in strings(reader, "tokenizer.ggml.merges")]
    t = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(tokens)}, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    return t, [tokens.index(f"<fim_{p}>") for p in ("prefix", "suffix", "middle")]


def glass(tool, tokenizer, cases):
    lines = "".join(f"{order}\t{a.encode().hex()}\t{b.encode().hex()}\n"
                    for order, a, b in cases)
    out = subprocess.run([tool, tokenizer], input=lines.encode(), check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return [[int(i) for i in line.split()] for line in out.splitlines()]


def compare(name, cases, got, want):
    wrong = [(c, g, w) for c, g, w in zip(cases, got, want, strict=True) if g != w]
    for case, g, w in wrong[:3]:
        print(f"# {case!r}\n#   got    {g}\n#   wanted {w}")
    print(f"{'not ok' if wrong else 'ok'} - {name}: {len(cases)} prompts, {len(wrong)} differ")
    return not wrong


def main():
    tool, folder = sys.argv[1:]
    cases = [(order, a, b) for order in ("psm", "spm")
             for a, b in zip(texts(4000, 1), texts(4000, 2), strict=True)]
    sp = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "llama/tokenizer.model"))
    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "code-llama.gguf")
        ids = write_code_llama(path, os.path.join(folder, "ggml-vocab/ggml-vocab-llama-spm.gguf"))
        got = glass(tool, path, cases)
    good = compare("Code Llama, as in Meta's code", cases, got,
                   [meta_ids(sp, ids, a, b, order) for order, a, b in cases])
    hf = hugging_face(sp)
    theirs = {hf.prefix_id: ids["PRE"], hf.suffix_id: ids["SUF"], hf.middle_id: ids["MID"]}
    # It takes an empty suffix for a text without a gap, and these as special tokens.
    some = [i for i, (_, a, b) in enumerate(cases)
            if b and not any(s in a + b for s in ("<s>", "</s>"))]
    want = [[theirs.get(i, i) for i in hf(cases[k][1], suffix=cases[k][2],
                                         suffix_first=cases[k][0] == "spm")["input_ids"]]
            for k in some]
    good &= compare("Code Llama, as in transformers", [cases[k] for k in some],
                    [got[k] for k in some], want)
    path = os.path.join(folder, "ggml-vocab/ggml-vocab-starcoder.gguf")
    t, (pre, suf, mid) = star_coder(path)

    def star_ids(order, a, b):
        a, b = (t.encode(x, add_special_tokens=False).ids for x in (a, b))
        return [pre, suf, *b, mid, *a] if order == "spm" else [pre, *a, suf, *b, mid]

    good &= compare("StarCoder", cases, glass(tool, path, cases), [star_ids(*c) for c in cases])
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
