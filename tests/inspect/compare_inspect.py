#!/usr/bin/env python3
"""compare_inspect.py FOLDER [TEXT] - attention and streams of a real model beside transformers'.

For a developer with torch, transformers, safetensors and numpy in a Python of their own. FOLDER is a
published Hugging Face folder, read by both. Prints relative L2 distances: of all attention maps and
hidden states, and the farthest layer's.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers as tf
from safetensors.numpy import load_file

GLASS = os.path.join(os.environ.get("GLASS_BUILD", "build"), "glass")
TEXT = ("The lighthouse keeper wrote in his book each evening, whatever the weather: the height of "
        "the tide, the ships that had passed, the birds. What he did not write was")


def distance(a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def main():
    folder, text = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else TEXT
    ids = tf.AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    net = tf.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager",
                                                  dtype=torch.float32).eval()
    with torch.inference_mode():
        r = net(torch.tensor([ids]), output_attentions=True, output_hidden_states=True)
    listed = ",".join(map(str, ids))
    maps = json.loads(subprocess.run([GLASS, "inspect", "attention", folder, "--ids", listed, "--at", "0..",
                                      "--json"], check=True, capture_output=True).stdout)["maps"]
    with tempfile.TemporaryDirectory() as out:
        path = os.path.join(out, "a.safetensors")
        subprocess.run([GLASS, "inspect", "activations", folder, "--ids", listed, "-o", path],
                       check=True, capture_output=True)
        saved = load_file(path)
    n, heads = len(r.attentions), r.attentions[0].shape[1]
    ours = np.zeros((n, heads, len(ids), len(ids)))
    for m in maps:
        for q, row in enumerate(m["weights"]):
            ours[m["layer"], m["head"], q, :len(row)] = row
    theirs = np.stack([a[0].numpy() for a in r.attentions])
    hidden = [saved[f"layers.{i}.stream"] for i in range(n)] + [saved["normed"]]
    far = [distance(a, b[0].numpy()) for a, b in zip(hidden, r.hidden_states)]
    each = [distance(a, b) for a, b in zip(ours, theirs)]
    print(f"{len(ids)} tokens, {n} layers of {heads} heads")
    print(f"attention     {distance(ours, theirs):.2g} over all, farthest layer {max(each):.2g}")
    print(f"hidden states farthest {max(far):.2g}, the last {far[-1]:.2g}")


if __name__ == "__main__":
    main()
