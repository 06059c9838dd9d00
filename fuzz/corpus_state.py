"""corpus_state.py FOLDER - seeds for fuzz_state: a state.json as checkpoints have it."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(HERE, "../src/base/version.c"), encoding="utf-8") as f:
        arithmetic = re.findall(r'"([^"]+)"', f.read().split("glass_arithmetic")[1])[0]
    digest = "0123456789abcdef" * 4
    state = (f'{{\n"step": 5,\n"sample": 30,\n"arithmetic": "{arithmetic}",\n"powers": '
             f'["{digest[:16]}", "{digest[:16]}"],\n"chain": "{digest}",\n"weights": "{digest}",\n'
             f'"tensors": {{\n  "token_embd.weight": "{digest}"\n}}\n}}\n')
    for i, text in enumerate((state, state.replace('"step": 5', '"step": 1e3'), state[:-3], "{}")):
        with open(os.path.join(folder, f"seed-{i}"), "w", encoding="utf-8") as f:
            f.write(text)


main(sys.argv[1])
