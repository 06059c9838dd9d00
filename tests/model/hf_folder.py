"""Hugging Face folders out of the tiny GGUF models of tests/model/data/families, with the
standard library only: the weights by transformers' names and in its order, as its
save_pretrained writes them, to the byte.

    folder(PATH, NAME)               config.json and model.safetensors
    folder(PATH, NAME, shards=2)     model-0000N-of-0000M.safetensors and their index
    folder(PATH, NAME, bin=True)     pytorch_model.bin, a zip as torch.save makes it
    meta(PATH, NAME, shards=2)       params.json and consolidated.0N.pth, as Meta cuts models
"""
import json
import os
import pickle
import struct
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = os.path.join(HERE, "data/families")
CONFIGS = os.path.join(HERE, "data/hf")
SIZES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
         11: "<q", 12: "<d"}


def read_gguf(path):
    """{key: value}, {name: (shape outermost first, bytes)}; F32 tensors only."""
    with open(path, "rb") as f:
        data = f.read()
    at = 8

    def take(form):
        nonlocal at
        value = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
        return value

    def text():
        nonlocal at
        n = take("<Q")
        at += n
        return data[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            item, n = take("<I"), take("<Q")
            return [value(item) for _ in range(n)]
        return take(SIZES[kind])

    n_tensors, n_values = take("<Q"), take("<Q")
    values = {}
    for _ in range(n_values):
        key = text()
        values[key] = value(take("<I"))
    infos = []
    for _ in range(n_tensors):
        name, n_dims = text(), take("<I")
        shape = [take("<Q") for _ in range(n_dims)][::-1]
        assert take("<I") == 0, name
        infos.append((name, shape, take("<Q")))
    at = (at + 31) // 32 * 32
    tensors = {}
    for name, shape, offset in infos:
        n = 4
        for d in shape:
            n *= d
        tensors[name] = (shape, data[at + offset:at + offset + n])
    return values, tensors


def rows(tensor):
    shape, data = tensor
    n = len(data) // shape[0]
    return [data[i * n:(i + 1) * n] for i in range(shape[0])]


def to_halves(tensor, n_heads):
    """Rows of q or k from GGUF's pairs to Hugging Face's halves."""
    r = rows(tensor)
    size = len(r) // n_heads
    out = []
    for h in range(n_heads):
        head = r[h * size:(h + 1) * size]
        out += head[0::2] + head[1::2]
    return tensor[0], b"".join(out)


def to_heads(tensor, n_heads):
    """Rows q, k, v to [q|k|v] of each head."""
    r = rows(tensor)
    third = len(r) // 3
    size = third // n_heads
    return tensor[0], b"".join(row for h in range(n_heads) for part in range(3)
                               for row in r[part * third + h * size:part * third + (h + 1) * size])


def turned(tensor):
    """(out, in) to (in, out)."""
    (n, k), data = tensor
    item = [data[i:i + 4] for i in range(0, len(data), 4)]
    return [k, n], b"".join(item[r * k + c] for c in range(k) for r in range(n))


LLAMA = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
         "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
         "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
         "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
         "post_attention_norm": "post_attention_layernorm",
         "post_ffw_norm": "post_feedforward_layernorm"}
GPT2 = {"token_embd": "transformer.wte", "position_embd": "transformer.wpe",
        "output_norm": "transformer.ln_f", "attn_norm": "ln_1", "ffn_norm": "ln_2",
        "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc",
        "ffn_down": "mlp.c_proj"}
NEO = dict(GPT2, attn_q="attn.attention.q_proj", attn_k="attn.attention.k_proj",
           attn_v="attn.attention.v_proj", attn_output="attn.attention.out_proj")
NEOX = {"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm",
        "output": "embed_out", "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm", "attn_qkv": "attention.query_key_value",
        "attn_output": "attention.dense", "ffn_up": "mlp.dense_h_to_4h",
        "ffn_down": "mlp.dense_4h_to_h"}
GPTJ = dict({k: v for k, v in GPT2.items() if k != "position_embd"}, output="lm_head",
            ffn_up="mlp.fc_in", ffn_down="mlp.fc_out", attn_output="attn.out_proj",
            **{f"attn_{a}": f"attn.{a}_proj" for a in "qkv"})
GEMMA2 = dict(LLAMA, ffn_norm="pre_feedforward_layernorm")
STARCODER2 = dict(LLAMA, ffn_up="mlp.c_fc", ffn_down="mlp.c_proj")
PHI = dict(LLAMA, output_norm="model.final_layernorm", attn_output="self_attn.dense",
           ffn_up="mlp.fc1", ffn_down="mlp.fc2")
PHI3 = dict(LLAMA, attn_qkv="self_attn.qkv_proj", ffn_up="mlp.gate_up_proj")
APERTUS = dict(LLAMA, attn_norm="attention_layernorm", ffn_norm="feedforward_layernorm")
NAMES = {"gpt2": (GPT2, "transformer.h."), "gptneo": (NEO, "transformer.h."),
         "gptneox": (NEOX, "gpt_neox.layers."), "gptj": (GPTJ, "transformer.h."),
         "starcoder": (GPT2, "transformer.h."), "gemma2": (GEMMA2, "model.layers."),
         "gemma3": (GEMMA2, "model.layers."), "starcoder2": (STARCODER2, "model.layers."),
         "phi2": (PHI, "model.layers."), "phi3": (PHI3, "model.layers."),
         "apertus": (APERTUS, "model.layers.")}
PAIRS = ("llama", "olmo", "smollm3", "granite", "mistral3")


def less_one(tensor):
    shape, data = tensor
    return shape, b"".join(struct.pack("<f", x - 1) for (x,) in struct.iter_unpack("<f", data))


def state(name):
    """{transformers' name: (shape, F32 bytes)} of a family's model."""
    values, tensors = read_gguf(os.path.join(FAMILIES, name + ".gguf"))
    arch = values["general.architecture"]
    heads = values[arch + ".attention.head_count"]
    kv = values[arch + ".attention.head_count_kv"]
    names, layers = NAMES.get(arch, (LLAMA, "model.layers."))
    out = {}
    for ours, tensor in tensors.items():
        if ours.startswith("rope_"):
            continue
        parts = ours.split(".")
        what, kind = parts[-2], parts[-1]
        if arch.startswith("gemma") and what.endswith("norm"):
            tensor = less_one(tensor)
        if arch in PAIRS and what in ("attn_q", "attn_k"):
            tensor = to_halves(tensor, heads if what == "attn_q" else kv)
        if arch == "gptneox" and what == "attn_qkv":
            tensor = to_heads(tensor, heads)
        if arch == "gpt2" and parts[0] == "blk" and len(tensor[0]) == 2:
            tensor = turned(tensor)
        where = f"{layers}{parts[1]}.{names[what]}" if parts[0] == "blk" else names[what]
        out[f"{where}.{kind}"] = tensor
    for key, numbers in values.items():
        if key.startswith("xielu."): # two are parameters, the others are not
            for i, number in enumerate(numbers):
                out[f"model.layers.{i}.mlp.act_fn.{key[6:]}"] = (
                    [1] if "alpha" in key else [], struct.pack("<f", number))
    return out


def save_safetensors(path, tensors, dtype="F32"):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        shape, data = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for name in sorted(tensors):
            f.write(tensors[name][1])


def save_bin(path, tensors):
    """What torch.save writes: a pickle of calls that rebuild tensors, and their storages."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    text = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()
    number = lambda n: b"J" + struct.pack("<i", n)
    tuple_of = lambda items: b"(" + b"".join(number(i) for i in items) + b"t"
    for i, (name, (shape, data)) in enumerate(tensors.items()):
        strides, n = [], 1
        for d in reversed(shape):
            strides.insert(0, n)
            n *= d
        out += [text(name), b"ctorch._utils\n_rebuild_tensor_v2\n((", text("storage"),
                b"ctorch\nFloatStorage\n", text(str(i)), text("cpu"), number(n), b"tQ",
                number(0), tuple_of(shape), tuple_of(strides), b"\x89",
                b"ccollections\nOrderedDict\n)RtR"]
    out.append(b"u.")
    stem = os.path.basename(path).rsplit(".", 1)[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr(f"{stem}/data.pkl", b"".join(out))
        z.writestr(f"{stem}/byteorder", "little")
        for i, (_, data) in enumerate(tensors.values()):
            z.writestr(f"{stem}/data/{i}", data)
        z.writestr(f"{stem}/version", "3\n")


def config(name):
    with open(os.path.join(CONFIGS, name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def save(path, tensors, settings, shards=0, bin=False):
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as f:
        json.dump(settings, f, indent=2, sort_keys=True)
    stem, end, write = (("pytorch_model", "bin", save_bin) if bin else
                        ("model", "safetensors", save_safetensors))
    if shards == 0:
        write(os.path.join(path, f"{stem}.{end}"), tensors)
        return
    names = sorted(tensors)
    weight_map = {}
    for i in range(shards):
        part = names[i::shards]
        file = f"{stem}-{i + 1:05}-of-{shards:05}.{end}"
        write(os.path.join(path, file), {n: tensors[n] for n in part})
        weight_map.update({n: file for n in part})
    with open(os.path.join(path, f"{stem}.{end}.index.json"), "w", encoding="utf-8") as f:
        json.dump({"metadata": {"total_size": 0}, "weight_map": weight_map}, f)


def folder(path, name, **how):
    save(path, state(name), config(name), **how)


META = {"token_embd": "tok_embeddings", "output_norm": "norm", "output": "output",
        "attn_q": "attention.wq", "attn_k": "attention.wk", "attn_v": "attention.wv",
        "attn_output": "attention.wo", "ffn_gate": "feed_forward.w1",
        "ffn_down": "feed_forward.w2", "ffn_up": "feed_forward.w3",
        "attn_norm": "attention_norm", "ffn_norm": "ffn_norm"}


def meta_state(name):
    """{Meta's name: (shape, bytes)}, and the settings that go with them."""
    values, tensors = read_gguf(os.path.join(FAMILIES, name + ".gguf"))
    out = {}
    for ours, tensor in tensors.items():
        parts = ours.split(".")
        if ours != "rope_freqs.weight":
            where = f"layers.{parts[1]}." if parts[0] == "blk" else ""
            out[f"{where}{META[parts[-2]]}.weight"] = tensor
    v = {k.split(".", 1)[1]: v for k, v in values.items()}
    params = {"dim": v["embedding_length"], "n_layers": v["block_count"],
              "n_heads": v["attention.head_count"], "n_kv_heads": v["attention.head_count_kv"],
              "vocab_size": -1, "multiple_of": 32, "ffn_dim_multiplier": 0.75,
              "norm_eps": 1e-5, "rope_theta": v.get("rope.freq_base", 10000.0)}
    return out, params


def cut(tensor, n, how):
    """A tensor in n pieces by rows or columns, the first ones a little larger."""
    (r, c), _ = tensor
    lines = rows(tensor)
    total = r if how == "rows" else c
    sizes = [total // n + (i < total % n) for i in range(n)]
    at, out = 0, []
    for size in sizes:
        if how == "rows":
            out.append(([size, c], b"".join(lines[at:at + size])))
        else:
            out.append(([r, size], b"".join(x[4 * at:4 * (at + size)] for x in lines)))
        at += size
    return out


def meta_shards(tensors, n, kv_heads, embedding="columns"):
    """What each of n shards holds. Fewer heads of keys than shards: each several times."""
    shards = [{"rope.freqs": ([2], b"\0" * 8)} for _ in range(n)]
    for name, tensor in tensors.items():
        kind = name.split(".")[-2]
        if len(tensor[0]) == 1:
            pieces = [tensor] * n
        elif kind in ("wk", "wv") and kv_heads < n:
            pieces = [p for p in cut(tensor, kv_heads, "rows") for _ in range(n // kv_heads)]
        else:
            how = (embedding if kind == "tok_embeddings" else
                   "columns" if kind in ("wo", "w2") else "rows")
            pieces = cut(tensor, n, how)
        for shard, piece in zip(shards, pieces):
            shard[name] = piece
    return shards


def save_meta(path, shards, params):
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "params.json"), "w", encoding="utf-8") as f:
        json.dump(params, f)
    for i, shard in enumerate(shards):
        save_bin(os.path.join(path, f"consolidated.{i:02}.pth"), shard)


def meta(path, name, shards=1, **how):
    tensors, params = meta_state(name)
    save_meta(path, meta_shards(tensors, shards, params["n_kv_heads"], **how), params)


def write_gguf(path, values, tensors, types):
    """What read_gguf gave, with other values; types[name] is a tensor's type, F32 if absent."""
    text = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()

    def scalar(v):
        kind = 7 if isinstance(v, bool) else 4 if isinstance(v, int) else 6
        return (8, text(v)) if isinstance(v, str) else (kind, struct.pack(SIZES[kind], v))

    def value(v):
        if not isinstance(v, list):
            kind, data = scalar(v)
            return struct.pack("<I", kind) + data
        items = [scalar(x) for x in v]
        return struct.pack("<IIQ", 9, items[0][0], len(v)) + b"".join(d for _, d in items)

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(k) + value(v) for k, v in values.items())
    body = b""
    for name, (shape, data) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        head += struct.pack("<IQ", types.get(name, 0), len(body))
        body += data + bytes(-len(data) % 32)
    with open(path, "wb") as f:
        f.write(head + bytes(-len(head) % 32) + body)
