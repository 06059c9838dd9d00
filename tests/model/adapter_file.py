"""LoRA adapters of tests/model/data/adapters in other forms, with the standard library only.

    read(FOLDER)                 {name: (shape, bytes)}, dtype
    to_gguf(FOLDER, OUT)         as llama.cpp's converter writes it
    to_bin(FOLDER, OUT)          PEFT's folder with adapter_model.bin (F32 only)
"""
import json
import os
import shutil
import struct

import hf_folder as hf

HERE = os.path.dirname(os.path.abspath(__file__))
ADAPTERS = os.path.join(HERE, "data/adapters")
TYPES = {"F32": 0, "F16": 1, "BF16": 30}
PREFIX = "base_model.model."


def read(folder):
    with open(os.path.join(folder, "adapter_model.safetensors"), "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    tensors, dtype = {}, None
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        dtype = t["dtype"]
        tensors[name] = (t["shape"], data[8 + n + begin:8 + n + end])
    return tensors, dtype


def settings(folder):
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as f:
        return json.load(f)


def save(folder, tensors, config, dtype="F32"):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "adapter_config.json"), "w", encoding="utf-8") as f:
        f.write(config if isinstance(config, str) else json.dumps(config))
    hf.save_safetensors(os.path.join(folder, "adapter_model.safetensors"), tensors, dtype)


def to_bin(folder, out):
    tensors, dtype = read(folder)
    assert dtype == "F32"
    save(out, {}, settings(folder))
    os.remove(os.path.join(out, "adapter_model.safetensors"))
    hf.save_bin(os.path.join(out, "adapter_model.bin"), tensors)


def to_pairs(tensor, n_heads):
    """Rows of q or k from Hugging Face's halves to GGUF's pairs."""
    r = hf.rows(tensor)
    size = len(r) // n_heads
    out = []
    for h in range(n_heads):
        head = r[h * size:(h + 1) * size]
        for i in range(size // 2):
            out += [head[i], head[size // 2 + i]]
    return tensor[0], b"".join(out)


def from_heads(tensor, n_heads):
    """[q|k|v] of each head to all q, all k, all v."""
    r = hf.rows(tensor)
    size = len(r) // (3 * n_heads)
    return tensor[0], b"".join(r[(3 * h + part) * size + i] for part in range(3)
                               for h in range(n_heads) for i in range(size))


def gguf_tensors(folder, model):
    """{GGUF's name: (shape, bytes)}, dtype, architecture."""
    values, _ = hf.read_gguf(os.path.join(hf.FAMILIES, model + ".gguf"))
    arch = values["general.architecture"]
    heads = values[arch + ".attention.head_count"]
    kv = values.get(arch + ".attention.head_count_kv", heads)
    names, layers = hf.NAMES.get(arch, (hf.LLAMA, "model.layers."))
    tensors, dtype = read(folder)
    out = {}
    for name, tensor in tensors.items():
        layer, side = name[len(PREFIX):].split(".lora_")
        where = ""
        if layer.startswith(layers):
            number, layer = layer[len(layers):].split(".", 1)
            where = f"blk.{number}."
        ours = next(k for k, v in names.items() if v == layer)
        if side == "B.weight" and arch == "llama" and ours in ("attn_q", "attn_k"):
            tensor = to_pairs(tensor, heads if ours == "attn_q" else kv)
        if side == "B.weight" and arch == "gptneox" and ours == "attn_qkv":
            tensor = from_heads(tensor, heads)
        out[f"{where}{ours}.weight.lora_{side[0].lower()}"] = tensor
    return out, dtype, arch


def write_gguf(path, tensors, dtype, arch, alpha, more=None):
    text = lambda s: struct.pack("<Q", len(s)) + s.encode()
    string = lambda key, s: text(key) + struct.pack("<I", 8) + text(s)
    values = {"general.type": "adapter", "adapter.type": "lora", "general.architecture": arch}
    values.update(more or {})
    head = [string(k, v) for k, v in values.items() if v is not None]
    if alpha is not None:
        head.append(text("adapter.lora.alpha") + struct.pack("<If", 6, alpha))
    out = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(head))] + head
    at = 0
    for name, (shape, data) in tensors.items():
        out.append(text(name) + struct.pack("<I", len(shape)) +
                   b"".join(struct.pack("<Q", d) for d in reversed(shape)) +
                   struct.pack("<IQ", TYPES[dtype], at))
        at += (len(data) + 31) // 32 * 32
    out = b"".join(out)
    out += b"\0" * (-len(out) % 32)
    for _, data in tensors.values():
        out += data + b"\0" * (-len(data) % 32)
    with open(path, "wb") as f:
        f.write(out)


def to_gguf(folder, model, path):
    tensors, dtype, arch = gguf_tensors(folder, model)
    write_gguf(path, tensors, dtype, arch, float(settings(folder)["lora_alpha"]))
