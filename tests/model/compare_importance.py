#!/usr/bin/env python3
"""compare_importance.py MODEL.gguf TEXT [PIECES] - holds the importance that glass quantize
--calibrate collects to sums of squares taken by hooks in transformers. For a developer, as
compare_transformers.py, whose Llama network it uses: run it with a Python that has torch,
transformers, gguf and numpy. Prints the largest relative difference (L2) of each kind of matrix."""
import os
import subprocess
import sys
import tempfile

import gguf
import numpy
import torch
from compare_transformers import BUILD, Model

GLASS = os.path.join(BUILD, "glass")
PLACES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
          "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
          "mlp.down_proj": "ffn_down"}
PIECE = 512


def hooked(net, ids, pieces):
    sums = {}

    def watch(key):
        def hook(_, inputs):
            x = inputs[0].detach().double().reshape(-1, inputs[0].shape[-1])
            sums[key] = sums.get(key, 0) + (x * x).sum(0)
        return hook

    for i, layer in enumerate(net.model.layers):
        for theirs, ours in PLACES.items():
            layer.get_submodule(theirs).register_forward_pre_hook(
                watch(f"blk.{i}.{ours}.weight.in_sum2"))
    with torch.inference_mode():
        for p in range(pieces):
            net(torch.tensor([ids[p * PIECE:(p + 1) * PIECE]]))
    return {k: v.numpy() for k, v in sums.items()}


def main():
    path, text = sys.argv[1:3]
    pieces = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    with tempfile.TemporaryDirectory() as folder:
        model = Model(path, folder)
        ids = subprocess.run([GLASS, "tokenizer", "encode", model.path, "--ids", "--bos", "--file",
                              text], stdout=subprocess.PIPE, check=True).stdout.split()
        ids = [int(i) for i in ids]
        if model.fields.get("tokenizer.ggml.add_bos_token"):
            ids[::PIECE] = [ids[0]] * len(ids[::PIECE])
        out = os.path.join(folder, "importance.gguf")
        subprocess.run([GLASS, "quantize", model.path, "--calibrate", text, "--pieces",
                        str(pieces), "--save-imatrix", out], check=True)
        ours = {t.name: numpy.array(t.data).ravel() for t in gguf.GGUFReader(out).tensors}
        theirs = hooked(model.net, ids, pieces)
    assert len(theirs) == sum(n.endswith(".in_sum2") for n in ours)
    worst = {}
    for name, wanted in theirs.items():
        off = numpy.linalg.norm(ours[name] - wanted) / numpy.linalg.norm(wanted)
        kind = name.split(".")[2]
        worst[kind] = max(worst.get(kind, 0), off)
    for kind, off in worst.items():
        print(f"{kind:12s} {off:.2e}")


main()
