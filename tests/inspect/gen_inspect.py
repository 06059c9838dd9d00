#!/usr/bin/env python3
"""gen_inspect.py OUT - what transformers shows of the inside of the tiny models of
tests/model/data/families: attention, hidden states, what attention and MLP give, keys and values.

Needs torch and transformers; the folders are made of the GGUF models by tests/model/hf_folder.py.
For each family OUT/NAME.bin: little-endian binary32, of the text's last Q positions:
attentions (L, H, Q, T), hidden states (L+1, Q, D; the last one normed), attention's output
(L, Q, D), the MLP's (L, Q, D), keys and values (L, Q, KV * hd) twice; and OUT/shapes.json.
"""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import transformers as tf

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../model"))
import hf_folder

NAMES = ("llama", "mistral", "qwen3", "olmo2", "gpt2", "gptneo", "gptneox", "gptj", "gemma2",
         "gemma3", "apertus", "granite", "phi2", "starcoder2", "mistral-long", "gptneo-long",
         "gemma2-long")
V, Q = 61, 6


def layers_of(model):
    for name in ("model.layers", "transformer.h", "gpt_neox.layers"):
        at = model
        for part in name.split("."):
            at = getattr(at, part, None)
            if at is None:
                break
        if at is not None:
            return at
    raise ValueError("no layers")


def watch(model, kept):
    for i, layer in enumerate(layers_of(model)):
        for child, module in layer.named_children():
            kind = ("attention" if child in ("self_attn", "attn", "attention") else
                    "mlp" if child == "mlp" else None)
            if kind:
                module.register_forward_hook(
                    lambda m, a, out, kind=kind, i=i: kept.__setitem__(
                        (kind, i), (out[0] if isinstance(out, tuple) else out).detach()))


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    shapes = {}
    torch.set_num_threads(1)
    for name in NAMES:
        tokens = 300 if name.endswith("-long") else 40
        ids = torch.tensor([[(7 * i + 3) % V for i in range(tokens)]])
        kept = {}
        with tempfile.TemporaryDirectory() as folder:
            hf_folder.folder(folder, name)
            model = tf.AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation="eager", dtype=torch.float32).eval()
        watch(model, kept)
        with torch.no_grad():
            r = model(ids, output_attentions=True, output_hidden_states=True, use_cache=True)
        n = len(r.attentions)
        cache = r.past_key_values.layers
        rows = lambda t: t[0].transpose(0, 1).reshape(t.shape[2], -1)[-Q:]
        parts = [torch.stack([a[0, :, -Q:, :] for a in r.attentions]),
                 torch.stack([h[0, -Q:] for h in r.hidden_states]),
                 torch.stack([kept["attention", i].reshape(tokens, -1)[-Q:] for i in range(n)]),
                 torch.stack([kept["mlp", i].reshape(tokens, -1)[-Q:] for i in range(n)]),
                 torch.stack([rows(c.keys) for c in cache]),
                 torch.stack([rows(c.values) for c in cache])]
        shapes[name] = {"tokens": tokens, "heads_kv": cache[0].keys.shape[1],
                        "parts": [list(p.shape) for p in parts]}
        np.concatenate([p.numpy().astype("<f4").reshape(-1) for p in parts]).tofile(
            os.path.join(out, name + ".bin"))
    with open(os.path.join(out, "shapes.json"), "w", encoding="utf-8") as f:
        json.dump(shapes, f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main()
