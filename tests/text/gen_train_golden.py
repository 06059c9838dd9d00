#!/usr/bin/env python3
"""gen_train_golden.py > tests/text/data/train_golden.json - small vocabularies as the tokenizers library trains
them, for test_tok_train.c.

[{"name", "text", "lines", "pre", "special", "min_count", "n_vocab", "pieces" (by id), "merges"}]. Made with
version 0.23.3 of the library. "letters" are texts of few letters, with many equal counts and overlapping pairs."""
import json
import random
import sys

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
    json.dump(cases, sys.stdout, ensure_ascii=False, indent=None, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
