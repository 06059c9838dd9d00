#!/usr/bin/env python3
"""gen_train_golden.py > tests/text/data/train_golden.json - small vocabularies as the tokenizers library trains
them, for test_tok_train.c.

[{"name", "text", "lines", "pre", "special", "min_count", "n_vocab", "pieces" (by id), "merges"}]. Made with
version 0.23.3 of the library; those of kind "spm" with sentencepiece 0.2.3, which splits by scripts only if asked. "letters" are texts of few letters, with many equal counts and overlapping pairs."""
import io
import json
import random
import sys

import sentencepiece
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

LINES = """The cat sat on the mat. The dog, who had seen the cat, sat on the cat's mat.
It's 1234 o'clock; they've said it isn't 12. "There are theories," they said, "THEY'RE about the theatre."

Übung macht den Meister, und die Straße ist naß. Où est l'été ? À côté, là-bas.
Съешь же ещё этих мягких французских булок, да выпей чаю. 天地玄黄 宇宙洪荒 天地
    for (int i = 0; i < n; i++) {
        total += values[i] * 2;\r\n    }\n\n\n
other others another mother  mothers   brothers theories theorem; 2024 2025 1999 aaaaaaaaaaaaaaaa ==== ----
"""
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def pre_tokenizer(name):
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=name in ("gpt-2", "smollm"))
    first = {"gpt-2": [], "smollm": [pre_tokenizers.Digits(individual_digits=True)],
             "llama3": [pre_tokenizers.Split(Regex(LLAMA3), "isolated")]}[name]
    return pre_tokenizers.Sequence(first + [level])


def case(name, text, n_vocab, pre="gpt-2", lines=False, special=(), min_count=2):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer(pre)
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, min_frequency=min_count, special_tokens=list(special),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    t.train_from_iterator(text.splitlines(keepends=True) if lines else [text], trainer)
    made = json.loads(t.to_str())["model"]
    pieces = sorted(made["vocab"], key=made["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in made["merges"]]
    return {"name": name, "text": text, "lines": lines, "pre": pre, "special": list(special),
            "min_count": min_count, "n_vocab": n_vocab, "pieces": pieces, "merges": merges}


def spm_case(name, text, n_vocab, coverage, split_digits, max_piece=16, special=()):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.split("\n")), model_writer=model, vocab_size=n_vocab, model_type="bpe",
        byte_fallback=True, character_coverage=coverage, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=split_digits, split_by_unicode_script=False,
        split_by_number=False, max_sentencepiece_length=max_piece, control_symbols=list(special), minloglevel=2)
    made = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return {"name": name, "kind": "spm", "text": text, "special": list(special), "min_count": 1,
            "n_vocab": n_vocab, "coverage": coverage, "split_digits": split_digits, "max_piece": max_piece,
            "pieces": [made.id_to_piece(i) for i in range(made.vocab_size())]}


def main():
    r = random.Random(1)
    cases = [case("text", LINES, 400),
             case("once", LINES, 600, min_count=1),
             case("too many", LINES * 2, 2000, special=["<|endoftext|>", "<pad>"]),
             case("lines", LINES.replace("\r", ""), 450, lines=True),
             case("llama3", LINES, 450, pre="llama3", min_count=1),
             case("smollm", LINES, 400, pre="smollm", special=["<|im_start|>"])]
    for i in range(6):
        letters = ["ab", "aab", "aab ", "ab", "abc", "aé"][i]
        text = "".join(r.choice(letters) for _ in range(1000))
        cases.append(case(f"letters {i}", text, 256 + 120, min_count=1 + i % 2))
    cases.append(case("special", "ab aab abab aabb abaab " * 3 + "ba", 280, special=["ab", "aab"]))
    text = LINES.replace("\r", "") + "a tab\there, the mark \u2581x\u2581 itself,  spaces   "
    cases += [spm_case("spm", text, 500, 1.0, False),
              spm_case("digits", text * 2, 480, 0.98, True, special=["<|im_end|>", "<pad>"]),
              spm_case("short", text, 430, 0.98, False, max_piece=3),
              spm_case("spm letters", cases[7]["text"] + "\n" + cases[10]["text"].replace("c", " "), 340, 1.0, False)]
    json.dump(cases, sys.stdout, ensure_ascii=False, indent=None, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
