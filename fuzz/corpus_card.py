"""corpus_card.py FOLDER - seeds for fuzz_card: a byte for the file's name, then a card, a licence, a
citation, a list of hashes, a configuration."""
import json
import os
import sys

CARD = """---
license: %s
base_model: [a/b, c/d]
datasets:
- e/f
license_name: llama3
license_link: https://llama.meta.com/llama3/license/
model-index: [{name: x, results: [{metrics: [{value: 48.1}]}]}]
tags: ["arxiv:2401.00001"]
---
# A model
It was trained from scratch on the Pile with https://github.com/a/b for training; see our paper at
https://arxiv.org/abs/2401.00001 and `from_pretrained("a/b")`.
## Training data
## Evaluation
| task | score |
|---|---|
| hellaswag | 0.5 |
| mmlu | 0.25 |
The code is licensed under the [MIT License](LICENSE), the weights under CC-BY-NC-4.0.
"""
MIT = """MIT License

Copyright (c) 2024 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.
"""
CFF = "cff-version: 1.2.0\ntype: dataset\nlicense: [ODC-By-1.0, MIT]\ntitle: x\n"
SUMS = f"{'0' * 32}  checklist.chk\n{'1' * 64} *./README.md\n"


def main(folder):
    os.makedirs(folder, exist_ok=True)
    config = json.dumps({"model_type": "llama", "vocab_size": 3})
    vocab = json.dumps({"model": {"vocab": {"a": 0, "b": 9}}})
    seeds = [(0, CARD % "apache-2.0"), (0, CARD % "other"), (0, "<p>" + MIT), (1, MIT), (1, "> " + MIT[:200]),
             (2, CFF), (3, SUMS), (4, config), (5, vocab), (6, "learning_rate: 1\n"), (7, MIT)]
    for i, (name, text) in enumerate(seeds):
        with open(os.path.join(folder, f"seed-{i}"), "wb") as f:
            f.write(bytes([name]) + text.encode())
        with open(os.path.join(folder, f"text-{i}"), "wb") as f:
            f.write(bytes([128]) + text.encode())


main(sys.argv[1])
