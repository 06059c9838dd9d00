#!/usr/bin/env python3
"""gen_hf.py HF - keeps what the tests need of the folders that gen_families.py wrote to HF.

Copies each config.json, as transformers' save_pretrained wrote it, to data/hf/NAME.json, and
writes the digests of the model.safetensors beside them to data/hf/SHA256SUMS: hf_folder.py
must make the same bytes out of the GGUF models."""
import hashlib
import os
import shutil
import sys

HF = sys.argv[1]
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data/hf")
os.makedirs(OUT, exist_ok=True)
with open(os.path.join(OUT, "SHA256SUMS"), "w", encoding="utf-8") as sums:
    for name in sorted(os.listdir(HF)):
        shutil.copy(os.path.join(HF, name, "config.json"), os.path.join(OUT, name + ".json"))
        with open(os.path.join(HF, name, "model.safetensors"), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        sums.write(f"{digest}  {name}/model.safetensors\n")
