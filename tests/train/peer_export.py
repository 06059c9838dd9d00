"""peer_export.py - models that Glass trained, exported to safetensors, in transformers: the logits of 96
tokens within a relative L2 of 1e-5, for every family that a recipe makes anew. TAP. For a Python that
has torch and transformers; GLASS_BUILD has glass and tests/tools/logits."""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
BUILD = os.path.abspath(os.path.join(ROOT, os.environ.get("GLASS_BUILD", "build")))
FAMILIES = {"llama": "n_head_kv: 2", "qwen2": "n_head_kv: 1", "qwen3": "n_head_kv: 2, head_dim: 32",
            "olmo2": "tied: false", "gpt2": "", "gptneox": "tied: false", "gemma": "n_head_kv: 1"}
RECIPE = """model: {{family: {0}, tokenizer: tokenizer.json, n_embd: 96, n_layer: 3, n_head: 4, n_ctx: 128,
        {1}}}
data: [text.txt]
context: 64
batch: {{sequences: 4}}
steps: 30
optimizer: {{rate: 1e-2}}
"""


def glass(*words, cwd):
    subprocess.run([f"{BUILD}/glass", *words], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def logits(folder, model, ids):
    """Glass's."""
    write(f"{folder}/ids", " ".join(map(str, ids)))
    subprocess.run([f"{BUILD}/tests/tools/logits", model, f"{folder}/ids", f"{folder}/out"],
                   check=True, stdout=subprocess.DEVNULL)
    return np.fromfile(f"{folder}/out", "<f4").reshape(len(ids), -1)


def apart(folder, family, more):
    write(f"{folder}/a.yaml", RECIPE.format(family, more).replace(",\n        }", "}"))
    glass("train", "a.yaml", "-q", "-o", f"{family}.run", cwd=folder)
    made = f"{folder}/{family}.run/checkpoints/step-00000030"
    glass("convert", made, family, "--to", "safetensors", cwd=folder)
    net = AutoModelForCausalLM.from_pretrained(f"{folder}/{family}", dtype=torch.float32,
                                               attn_implementation="eager").eval()
    ids = [(7 * i * i + 3 * i + 5) % net.config.vocab_size for i in range(96)]
    with torch.no_grad():
        want = net(torch.tensor([ids])).logits[0].numpy().astype(np.float64)
    have = logits(folder, made, ids).astype(np.float64)
    return np.linalg.norm(have - want) / np.linalg.norm(want), float(want.std())


def main():
    failed = 0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        words = "the cat dog sees a small red house and sleeps under green tree".split()
        write(f"{folder}/text.txt", " ".join(words[i * i % 13] + words[i % 7] for i in range(4000)))
        glass("tokenizer", "train", "tokenizer.json", "text.txt", "--vocab", "512", "--special",
              "<|endoftext|>", cwd=folder)
        for i, (family, more) in enumerate(FAMILIES.items(), 1):
            far, spread = apart(folder, family, more)
            good = far <= 1e-5 and spread > 0.5
            failed += not good
            print(f"{'ok' if good else 'not ok'} {i} - {family}: logits {far:.1e} apart "
                  f"(their deviation {spread:.2f})", flush=True)
    print(f"1..{len(FAMILIES)}")
    sys.exit(1 if failed else 0)


main()
