#!/usr/bin/env python3
"""gen_adapters.py OUT - LoRA adapters for the tiny models of data/families, as PEFT saves them,
with the logits that PEFT computes with them, unmerged.

Needs torch, transformers, peft, safetensors. For each row of CASES: OUT/NAME/ with
adapter_config.json and adapter_model.safetensors, and OUT/CASE.logits (f32, (40, 61),
little-endian) for the ids (7 i + 3) mod 61; SHA256SUMS over all."""
import hashlib
import os
import sys
import tempfile

import peft
import torch
import transformers as tf
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hf_folder as hf  # noqa: E402

OUT, V, T = sys.argv[1], 61, 40
LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# name: model, dtype of the file, settings
ADAPTERS = {
    "llama": ("llama", torch.float32, dict(r=4, lora_alpha=8, target_modules=LLAMA + ["lm_head"])),
    "llama-b": ("llama", torch.float32, dict(
        r=3, lora_alpha=7, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={"layers.1.self_attn.q_proj": 5},
        alpha_pattern={"v_proj": 3, "layers.1.mlp.down_proj": 11})),
    "qwen2": ("qwen2", torch.bfloat16, dict(
        r=8, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "down_proj"])),
    "gpt2": ("gpt2", torch.float32, dict(
        r=2, lora_alpha=4, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
    "gptneox": ("gptneox", torch.float16, dict(
        r=4, lora_alpha=2, target_modules=["query_key_value", "dense", "dense_h_to_4h",
                                           "dense_4h_to_h", "embed_out"])),
}
# case: adapters with their scales
CASES = {name: [(name, 1.0)] for name in ADAPTERS}
CASES["llama-both"] = [("llama", 1.0), ("llama-b", 1.0)]
CASES["llama-scaled"] = [("llama", 0.5), ("llama-b", -1.5)]


def base(name):
    with tempfile.TemporaryDirectory() as folder:
        hf.folder(folder, name)
        return tf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                       attn_implementation="eager")


def make(name):
    """Random A and B, rounded to what the file holds."""
    model, dtype, settings = ADAPTERS[name]
    torch.manual_seed(sum(map(ord, name)))
    m = peft.get_peft_model(base(model), peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    for key, p in m.named_parameters():
        if "lora_" in key:
            p.data = (torch.randn(p.shape) * 0.2).to(dtype).float()
    path = os.path.join(OUT, name)
    m.peft_config["default"].base_model_name_or_path = "tiny/" + model
    m.save_pretrained(path, save_embedding_layers=False)
    os.remove(os.path.join(path, "README.md"))
    file = os.path.join(path, "adapter_model.safetensors")
    tensors = {k: v.to(dtype).contiguous() for k, v in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def logits(case):
    uses = CASES[case]
    m = peft.PeftModel.from_pretrained(base(ADAPTERS[uses[0][0]][0]),
                                       os.path.join(OUT, uses[0][0]), adapter_name=uses[0][0],
                                       autocast_adapter_dtype=True)
    for name, _ in uses[1:]:
        m.load_adapter(os.path.join(OUT, name), adapter_name=name)
    m.base_model.set_adapter([name for name, _ in uses])
    m = m.float().eval()
    for layer in m.modules():
        for name, scale in uses:
            if isinstance(layer, LoraLayer) and name in layer.scaling:
                layer.scaling[name] *= scale
    ids = torch.tensor([[(7 * i + 3) % V for i in range(T)]])
    with torch.no_grad():
        out = m(ids).logits[0]
    with open(os.path.join(OUT, case + ".logits"), "wb") as f:
        f.write(out.numpy().astype("<f4").tobytes())


os.makedirs(OUT, exist_ok=True)
for adapter in ADAPTERS:
    make(adapter)
for one in CASES:
    logits(one)
with open(os.path.join(OUT, "SHA256SUMS"), "w", encoding="utf-8") as sums:
    for folder, _, files in sorted(os.walk(OUT)):
        for file in sorted(files):
            if file == "SHA256SUMS":
                continue
            path = os.path.join(folder, file)
            with open(path, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            sums.write(f"{digest}  {os.path.relpath(path, OUT)}\n")
