"""corpus_recipe.py FOLDER - seeds for fuzz_recipe: short recipes, and one with every key."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = """model: {tokenizer: t.json, n_embd: 32, n_layer: 2, n_head: 4}
data: [a.txt, {file: b.txt, documents: lines, weight: 0.5}]
context: 32
batch: {sequences: 4, micro: 2}
steps: 20
"""
BASE = "model: {base: m.gguf}\ndata: [a.txt]\ncontext: 8\nbatch: {sequences: 1}\nsteps: 1\n"


def main(folder):
    os.makedirs(folder, exist_ok=True)
    seeds = [SMALL, BASE, SMALL + "schedule:\n  kind: wsd\n  decline: 3\nheld_out: {file: c}\n"]
    with open(os.path.join(HERE, "../src/train/recipe_keys.c"), encoding="utf-8") as f:
        keys = re.findall(r'\{"([a-z0-9_.]+)", KEY_\w+, AT\(\w+\), (?:"([^"]*)"|NULL)', f.read())
    for key, absent in keys:  # each key beside the small one
        section, _, name = key.rpartition(".")
        if section and f"{section}:" not in SMALL:
            seeds.append(SMALL + f"{section}: {{{name}: {absent or 1}}}\n")
        elif section and f" {name}:" not in SMALL:
            seeds.append(SMALL.replace(f"{section}: {{", f"{section}: {{{name}: {absent or 1}, "))
    for i, seed in enumerate(seeds):
        with open(os.path.join(folder, f"seed-{i}"), "w", encoding="utf-8") as f:
            f.write(seed)


main(sys.argv[1])
