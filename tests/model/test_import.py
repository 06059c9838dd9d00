#!/usr/bin/env python3
"""test_import.py - models as Hugging Face folders hold them compute the bits of the GGUF file
of the same weights, in every way in which such folders are written.

hf_folder.py makes the folders; that they are what transformers writes is held by digests of
transformers' own files, and that the GGUF files compute what transformers computes by
test_families.c."""
import hashlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../cli"))
import hf_folder as hf  # noqa: E402
from kit import BUILD, GLASS, Home, done, equal, has, ok  # noqa: E402

LOGITS = os.path.join(BUILD, "tests/tools/logits")
V = 61


def logits(path, tokens=40, *more):
    """The logits of all positions as bytes, or the error as text."""
    with tempfile.TemporaryDirectory() as t:
        ids, out = os.path.join(t, "ids"), os.path.join(t, "out")
        with open(ids, "w", encoding="utf-8") as f:
            f.write(" ".join(str((7 * i + 3) % V) for i in range(tokens)))
        p = subprocess.run([LOGITS, path, ids, out, *more], stderr=subprocess.PIPE,
                           check=False)
        if p.returncode:
            return p.stderr.decode()
        with open(out, "rb") as f:
            return f.read()


def gguf(name):
    return os.path.join(hf.FAMILIES, name + ".gguf")


def digests(top):
    with open(os.path.join(hf.CONFIGS, "SHA256SUMS"), encoding="utf-8") as f:
        wanted = dict(reversed(line.split()) for line in f)
    for file, digest in wanted.items():
        name = file.split("/")[0]
        hf.folder(os.path.join(top, name), name)
        with open(os.path.join(top, file), "rb") as f:
            equal(hashlib.sha256(f.read()).hexdigest(), digest,
                  f"{name}: the folder is what transformers writes")
    return [file.split("/")[0] for file in wanted]


def families(top, names):
    for name in names:
        tokens = 300 if name.endswith("-long") else 40
        theirs = logits(gguf(name), tokens)
        ours = logits(os.path.join(top, name), tokens)
        ok(isinstance(ours, bytes) and ours == theirs, f"{name}: the GGUF file's logits, bit "
           "for bit", ours if isinstance(ours, str) else "other bits")
        cut = logits(os.path.join(top, name), tokens, "--chunk", "3", "--threads", "3")
        ok(cut == ours, f"{name}: in pieces of 3 on 3 threads")


def forms(top):
    """The same weights in shards, as .bin, by the name of a file."""
    wanted = logits(gguf("llama-bias"))
    for how in ({"shards": 3}, {"bin": True}, {"bin": True, "shards": 2}):
        path = os.path.join(top, "form")
        hf.folder(path, "llama-bias", **how)
        ok(logits(path) == wanted, f"llama-bias as {how}", logits(path))
        for file in sorted(os.listdir(path)):
            got = logits(os.path.join(path, file))
            ok(got == wanted, f"named by {file}", got)
        shutil.rmtree(path)
    path = os.path.join(top, "two")
    hf.folder(path, "llama")
    hf.folder(path, "llama-bias", bin=True)
    ok(logits(os.path.join(path, "pytorch_model.bin")) == wanted,
       "of two kinds of weights the one that is named is taken")
    os.rename(os.path.join(path, "model.safetensors"), os.path.join(path, "own.safetensors"))
    ok(logits(path) == wanted, "a .bin of the usual name goes before a file of another name")
    os.remove(os.path.join(path, "pytorch_model.bin"))
    hf.save(path, {}, hf.config("llama"))
    os.remove(os.path.join(path, "model.safetensors"))
    ok(logits(path) == logits(gguf("llama")), "the only .safetensors there is")
    odd = os.path.join(top, "odd")
    hf.folder(odd, "gpt2")
    file = os.path.join(odd, "model.safetensors")
    with open(file, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    with open(file, "wb") as f: # numbers at odd addresses
        f.write(struct.pack("<Q", n + 3) + data[8:8 + n] + b"   " + data[8 + n:])
    ok(logits(odd) == logits(gguf("gpt2")), "tensors that are not aligned")
    bare = os.path.join(top, "gguf")
    os.makedirs(bare)
    shutil.copy(gguf("llama"), bare)
    ok(logits(bare) == logits(gguf("llama")), "a folder with one GGUF file")


def spellings(top):
    """Settings and names as other versions of transformers wrote them."""
    def case(name, title, change=None, rename=None, more=None):
        settings, tensors = hf.config(name), hf.state(name)
        if change:
            change(settings)
        if rename:
            tensors = {rename(k): v for k, v in tensors.items()}
        tensors.update(more or {})
        path = os.path.join(top, "spelling")
        hf.save(path, tensors, settings)
        got = logits(path)
        ok(got == logits(gguf(name)), f"{name}: {title}", got)

    def without(*keys):
        return lambda s: [s.pop(k) for k in keys]

    def old_rope(s):
        rope = s.pop("rope_parameters")
        s["rope_theta"] = rope.pop("rope_theta")
        s["torch_dtype"] = s.pop("dtype")
        part = rope.pop("partial_rotary_factor", None)
        if part is not None:
            s["rotary_pct"] = part
            s["rotary_emb_base"] = s.pop("rope_theta")
        s["rope_scaling"] = rope if rope["rope_type"] != "default" else None

    def older_rope(s):
        old_rope(s)
        s["rope_scaling"]["type"] = s["rope_scaling"].pop("rope_type")

    for name in ("llama", "llama3", "gptneox", "qwen2"):
        case(name, "rope_theta and rope_scaling", old_rope)
    for name in ("smollm3", "gemma", "gemma2", "starcoder2", "granite", "apertus", "qwen2-yarn",
                 "ministral3"):
        case(name, "rope_theta and rope_scaling", old_rope)
    for name in ("llama-linear", "qwen2-yarn", "ministral3"):
        case(name, "rope_scaling with type", older_rope)

    def old_part(s):
        rope = s.pop("rope_parameters")
        s.update(rope_theta=rope.pop("rope_theta"),
                 partial_rotary_factor=rope.pop("partial_rotary_factor"), rope_scaling=None)
        return rope

    def old_phi3(kind):
        def change(s):
            rope = old_part(s)
            del rope["rope_type"], rope["original_max_position_embeddings"]
            s["rope_scaling"] = dict(rope, type=kind)
        return change

    def old_olmo3(s):
        rope = s.pop("rope_parameters")["full_attention"]
        s.update(rope_theta=rope.pop("rope_theta"), rope_scaling=rope)
        del s["layer_types"]

    def old_gemma3(s):
        rope = s.pop("rope_parameters")["full_attention"]
        s.update(rope_theta=rope.pop("rope_theta"), rope_scaling=rope,
                 rope_local_base_freq=10000.0, sliding_window_pattern=6)
        del s["layer_types"], s["_sliding_window_pattern"]

    case("phi2", "rope_theta and partial_rotary_factor", old_part)
    for kind in ("su", "longrope", "yarn"):
        case("phi3", f"rope_scaling of type {kind}, its length beside", old_phi3(kind))
    case("olmo3", "rope_theta and rope_scaling, no kinds of layers", old_olmo3)
    case("gemma3", "rope_local_base_freq, sliding_window_pattern", old_gemma3)
    case("gemma2", "no kinds of layers", without("layer_types"))
    case("smollm3", "no list of layers that rotate", without("no_rope_layers", "layer_types"))
    case("smollm3", "none but the list of layers that rotate",
         without("no_rope_layer_interval", "tie_word_embeddings"))
    case("gemma", "the first files' activation",
         lambda s: s.update(hidden_act="gelu", hidden_activation=None))
    case("llama", "dynamic scaling, which begins beyond the context", lambda s: s.update(
        rope_parameters={"rope_theta": 10000.0, "rope_type": "dynamic", "factor": 2.0}))
    case("llama", "defaults left out", without("rope_parameters", "attention_bias", "mlp_bias",
                                               "tie_word_embeddings", "head_dim", "dtype"))
    case("gpt2", "no prefix", rename=lambda k: k.replace("transformer.", ""))
    case("llama", "no prefix", rename=lambda k: k.replace("model.", ""))
    case("gptneox", "the head as lm_head", rename=lambda k: k.replace("embed_out", "lm_head"))
    mask = ([1, 1, 64, 64], b"\0" * 4 * 64 * 64)
    one = ([1], b"\0" * 4)
    case("gpt2", "masks", more={f"transformer.h.{i}.attn.{k}": v for i in (0, 1)
                                for k, v in (("bias", mask), ("masked_bias", one))})
    case("gptneo", "masks", more={f"transformer.h.{i}.attn.attention.{k}": v for i in (0, 1)
                                  for k, v in (("bias", mask), ("masked_bias", one))})
    case("gptj", "masks", more={f"transformer.h.{i}.attn.{k}": v for i in (0, 1)
                                for k, v in (("bias", mask), ("masked_bias", one))})
    case("gptneox", "masks", more={f"gpt_neox.layers.{i}.attention.{k}": v for i in (0, 1)
                                   for k, v in (("bias", mask), ("masked_bias", one),
                                                ("rotary_emb.inv_freq", one))})
    case("llama", "frequencies", more={"model.layers.0.self_attn.rotary_emb.inv_freq": one})
    embedding = hf.state("llama-tied")["model.embed_tokens.weight"]
    case("llama-tied", "the tied head is stored", more={"lm_head.weight": embedding})
    case("gptneo", "attention_types by groups",
         lambda s: s.update(attention_types=[[["global"], 1], [["local"], 1]]))
    case("qwen2", "kinds of layers", lambda s: s.update(layer_types=["full_attention"] * 2))


def left_out(top):
    """What settings mean that are left out, or null: as GGUF files that say the same."""
    def case(title, name, values, change):
        file, path = os.path.join(top, "said.gguf"), os.path.join(top, "unsaid")
        old, tensors = hf.read_gguf(gguf(name))
        hf.write_gguf(file, dict(old, **values), tensors, {})
        settings = hf.config(name)
        change(settings)
        hf.save(path, hf.state(name), settings)
        got = logits(path)
        ok(isinstance(got, bytes) and got == logits(file), f"{name}: {title}", got)
        ok(got != logits(gguf(name)), "… which counts")

    case("no cap", "gemma2", {"gemma2.attn_logit_softcapping": 0.0},
         lambda s: s.update(attn_logit_softcapping=None))
    case("the class' caps", "gemma2", {"gemma2.attn_logit_softcapping": 50.0,
                                       "gemma2.final_logit_softcapping": 30.0},
         lambda s: [s.pop("attn_logit_softcapping"), s.pop("final_logit_softcapping")])
    case("no windows", "gemma2", {"gemma2.attention.sliding_window": 0},
         lambda s: s.update(layer_types=["full_attention"] * 2))
    case("a cap of the logits", "gemma3", {"gemma3.final_logit_softcapping": 2.0},
         lambda s: s.update(final_logit_softcapping=2.0))
    case("what scores are divided by", "gemma3", {"gemma3.attention.scale": 0.5},
         lambda s: s.update(query_pre_attn_scalar=4))
    case("another base for windows", "gemma3", {"gemma3.rope.freq_base_swa": 50.0},
         lambda s: s["rope_parameters"]["sliding_attention"].update(rope_theta=50.0))
    case("another base for windows", "olmo3", {"olmo2.rope.freq_base_swa": 50.0},
         lambda s: s["rope_parameters"]["sliding_attention"].update(rope_theta=50.0))
    case("factors of 1", "granite", {"granite.embedding_scale": 1.0, "granite.residual_scale": 1.0,
                                     "granite.attention.scale": 1.0, "granite.logit_scale": 1.0},
         lambda s: [s.pop(k) for k in ("embedding_multiplier", "residual_multiplier",
                                       "attention_multiplier", "logits_scaling")])
    case("LongRoPE's own amplitude", "phi3",
         {"phi3.rope.scaling.attn_factor": (1 + math.log(2) / math.log(32)) ** 0.5},
         lambda s: s["rope_parameters"].pop("attention_factor"))
    case("YaRN's own amplitude", "qwen2-yarn",
         {"qwen2.rope.scaling.yarn_attn_factor": 0.1 * math.log(4) + 1},
         lambda s: s["rope_parameters"].pop("attention_factor"))
    case("a quotient of mscales", "qwen2-yarn",
         {"qwen2.rope.scaling.yarn_attn_factor":
          (0.2 * math.log(4) + 1) / (0.05 * math.log(4) + 1)},
         lambda s: [s["rope_parameters"].pop("attention_factor"),
                    s["rope_parameters"].update(mscale=2.0, mscale_all_dim=0.5)])
    case("windows where layers do not rotate", "smollm3",
         {"smollm3.attention.sliding_window": 5,
          "smollm3.attention.sliding_window_pattern": [False, False, False, True]},
         lambda s: [s.update(use_sliding_window=True, sliding_window=5), s.pop("layer_types")])
    case("no window", "starcoder2", {"starcoder2.attention.sliding_window": 0},
         lambda s: s.update(sliding_window=None))


def refusals(top):
    """What would change results and is not understood is named."""
    def case(name, wanted, change=None, drop=None, more=None):
        settings, tensors = hf.config(name), hf.state(name)
        if change:
            settings.update(change)
        if drop:
            del tensors[drop]
        tensors.update(more or {})
        path = os.path.join(top, "refused")
        hf.save(path, tensors, settings)
        got = logits(path)
        if ok(isinstance(got, str), f"{name}: refused: {change or drop or list(more)}"):
            for part in wanted:
                has(got, part, f"… with {part!r}")

    def rope(**more):
        return {"rope_parameters": dict(rope_theta=10000.0, **more)}

    one = ([1], b"\0" * 4)
    case("llama", ["model_type", '"mamba"', "gpt_neox"], {"model_type": "mamba"})
    case("llama", ["model_type"], {"model_type": 7})
    case("llama", ["hidden_act", '"relu"', "silu"], {"hidden_act": "relu"})
    case("gptneox", ["hidden_act", '"gelu_new"'], {"hidden_act": "gelu_new"})
    case("gpt2", ["scale_attn_by_inverse_layer_idx"],
         {"scale_attn_by_inverse_layer_idx": True})
    case("llama", ["quantization_config", "gptq"],
         {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    case("llama", ["rope_type", '"wobble"'], rope(rope_type="wobble"))
    case("llama", ["factor", "missing"], rope(rope_type="linear"))
    case("llama", ["rope_theta", "otherwise"], {"rope_theta": 5e5})
    case("llama", ["partial_rotary_factor"], rope(rope_type="default",
                                                  partial_rotary_factor=1.5))
    case("llama", ["num_hidden_layers", "missing"], {"num_hidden_layers": None})
    case("llama", ["num_hidden_layers", "1024"], {"num_hidden_layers": 10 ** 9})
    case("llama", ["num_hidden_layers", "-1"], {"num_hidden_layers": -1})
    case("llama", ["hidden_size", '"32"'], {"hidden_size": "32"})
    case("llama", ["num_attention_heads"], {"num_attention_heads": 0})
    case("llama", ["heads"], {"num_attention_heads": 3, "head_dim": None})
    case("llama", ["rows", "3 heads"], {"num_attention_heads": 3})
    case("llama", ["vocab_size", "62"], {"vocab_size": 62})
    case("llama", ["model.layers.1.", "does not have"], {"num_hidden_layers": 1})
    case("llama", ["model.layers.2.self_attn.q_proj.weight", "missing"],
         {"num_hidden_layers": 3})
    case("llama", ["model.norm.weight", "missing"], drop="model.norm.weight")
    case("llama", ["lm_head.weight", "missing"], drop="lm_head.weight")
    case("llama", ["q_proj.bias", "missing"], {"attention_bias": True})
    case("llama-bias", ["bias", "no place"], {"attention_bias": False})
    case("llama-bias", ["bias", "no place"], {"mlp_bias": False})
    case("llama", ["tie_word_embeddings", "no copy"], {"tie_word_embeddings": True})
    case("gptneo", ["attention_types"], {"attention_types": [[["global", "local"], 2]]})
    case("gptneo", ["attention_types"], {"attention_types": [[["global", "far"], 1]]})
    case("gptneo", ["attention_types"], {"attention_types": "global"})
    case("qwen2", ["layer_types", "chunked"], {"layer_types": ["chunked_attention"] * 2})
    case("qwen2", ["use_sliding_window"], {"layer_types": ["sliding_attention"] * 2})
    case("llama", ["score.weight", "no place"], more={"score.weight": one})
    case("llama", ["model.layers.0.mlp.experts.0.w1.weight", "no place"],
         more={"model.layers.0.mlp.experts.0.w1.weight": one})
    case("llama", ["model.layers.07.", "no place"],
         more={"model.layers.07.self_attn.q_proj.weight": one})
    case("llama", ["norm.weight", "twice"], more={"norm.weight": ([32], b"\0" * 128)})
    case("llama", ["q_proj", "rows"], more={
        "model.layers.0.self_attn.q_proj.weight": ([30, 32], b"\0" * 30 * 32 * 4)})
    case("gpt2", ["n_head", "spelling"], {"num_attention_heads": 5})
    case("llama", ["kind of layer"], rope(full_attention={"rope_type": "default"}))
    case("gemma3", ["sliding_attention", "default"], {"rope_parameters": {
        "full_attention": {"rope_theta": 1e6},
        "sliding_attention": {"rope_type": "linear", "factor": 2.0}}})
    case("gemma3", ["sliding_attention", "object"], {"rope_parameters": {
        "full_attention": {}, "sliding_attention": 7}})
    case("gemma", ["use_bidirectional_attention"], {"use_bidirectional_attention": True})
    case("gemma2", ["hidden_activation", '"gelu"'], {"hidden_activation": "gelu"})
    case("gemma2", ["query_pre_attn_scalar"], {"query_pre_attn_scalar": 0})
    case("gemma3", ["model_type", "gemma3_text"], {"model_type": "gemma3"})
    case("phi2", ["qk_layernorm"], {"qk_layernorm": True})
    case("starcoder", ["multi_query"], {"multi_query": False})
    case("starcoder2", ["bias", "no place"], {"use_bias": False})
    case("smollm3", ["no_rope_layers", "0 or 1"], {"no_rope_layers": [1]})
    case("smollm3", ["no_rope_layers", "0 or 1"], {"no_rope_layers": [1, 1, 2, 0]})
    case("smollm3", ["sliding_window"], {"layer_types": ["sliding_attention"] * 4})
    case("ministral3", ["rope_parameters", "missing"], {"rope_parameters": None})

    def scaled(name, **more):
        return {"rope_parameters": dict(hf.config(name)["rope_parameters"], **more)}

    case("qwen2-yarn", ["truncate"], scaled("qwen2-yarn", truncate=False))
    case("qwen2-yarn", ["factor"], scaled("qwen2-yarn", factor=0.5))
    case("qwen2-yarn", ["beta_fast"], scaled("qwen2-yarn", beta_fast=-1))
    case("qwen2-yarn", ["original_max_position_embeddings"],
         scaled("qwen2-yarn", original_max_position_embeddings=0))
    case("phi3", ["short_factor", "each pair"], scaled("phi3", short_factor=[1.0]))
    case("phi3", ["long_factor", "missing"], scaled("phi3", long_factor=None))
    case("phi3", ["long_factor", '"a"'], scaled("phi3", long_factor=[1, 2, "a"]))
    case("phi3", ["long_factor", "0"], scaled("phi3", long_factor=[1, 2, 0]))
    case("phi3", ["original_max_position_embeddings", "otherwise"],
         {"original_max_position_embeddings": 16})
    numbers = "model.layers.1.mlp.act_fn."
    case("apertus", [numbers + "beta", "missing"], drop=numbers + "beta")
    case("apertus", ["alpha_p", "one number"], more={numbers + "alpha_p": ([2], b"\0" * 8)})
    case("apertus", ["layers.2.", "does not have"],
         more={"model.layers.2.mlp.act_fn.eps": ([], b"\0" * 4)})
    path = os.path.join(top, "refused")
    for text, wanted in (("{", "line 1"), ("[]", "not a JSON object"), ("", "config.json"),
                         ('{"model_type": "llama", "model_type": "gpt2"}', "duplicate"),
                         ("[" * 100000, "config.json")):
        with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as f:
            f.write(text)
        has(logits(path), wanted, f"config.json {text[:50]!r}: {wanted}")
    empty = os.path.join(top, "empty")
    os.makedirs(empty)
    has(logits(empty), "config.json", "an empty folder: what should be there")
    with open(os.path.join(empty, "config.json"), "w", encoding="utf-8") as f:
        f.write("{}")
    has(logits(empty), "pytorch_model.bin", "a folder without weights: which are looked for")


def clear(path):
    shutil.rmtree(path, ignore_errors=True)
    return path


def meta(top):
    """Meta's folders in 1, 2 and 4 shards, and what must be refused in them."""
    wanted = logits(gguf("llama"))
    for n in (1, 2, 4):
        for embedding in ("rows", "columns"):
            path = clear(os.path.join(top, "meta"))
            hf.meta(path, "llama", shards=n, embedding=embedding)
            got = logits(path)
            ok(got == wanted, f"Meta's form in {n}, embeddings by {embedding}", got)
    ok(logits(os.path.join(path, "consolidated.02.pth")) == wanted, "named by a shard")
    ok(logits(os.path.join(path, "params.json")) == wanted, "named by params.json")
    hf.folder(path, "llama-bias")
    ok(logits(path) == logits(gguf("llama-bias")), "both forms in a folder: config.json's")
    ok(logits(os.path.join(path, "consolidated.02.pth")) == wanted, "… unless a shard is named")
    hf.save(clear(path), *_meta_safetensors())
    os.rename(os.path.join(path, "model.safetensors"),
              os.path.join(path, "consolidated.safetensors"))
    os.rename(os.path.join(path, "config.json"), os.path.join(path, "params.json"))
    ok(logits(path) == logits(gguf("mistral")), "Mistral's form: one safetensors file, a window",
       logits(path))
    hf.meta(clear(path), "llama-tied", shards=2)
    ok(logits(path) == logits(gguf("llama-tied")), "without a head the embedding is it")
    tensors, params = hf.meta_state("llama3")
    params.update(head_dim=16, use_scaled_rope=True, max_seq_len=64)
    settings = hf.config("llama3")
    for factor in (32, 8):
        settings["rope_parameters"].update(original_max_position_embeddings=8192,
                                           factor=float(factor))
        hf.save(clear(path), hf.state("llama3"), settings)
        theirs = logits(path)
        if factor == 8:
            params["rope_scaling_factor"] = 8
        hf.save_meta(clear(path), hf.meta_shards(tensors, 2, 2), params)
        ok(isinstance(theirs, bytes) and logits(path) == theirs,
           f"Llama 3's scaling by {factor}: as in Hugging Face's form", logits(path))
    meta_refusals(path)


def _meta_safetensors():
    tensors, params = hf.meta_state("mistral")
    params.update(hidden_dim=64, sliding_window=8)
    return tensors, params


def meta_refusals(path):
    def case(title, wanted, change=None, shards=2, spoil=None):
        tensors, params = hf.meta_state("llama")
        params.update(change or {})
        parts = hf.meta_shards(tensors, shards, params["n_kv_heads"] or 2)
        if spoil:
            spoil(parts)
        hf.save_meta(clear(path), parts, params)
        got = logits(path)
        if ok(isinstance(got, str), f"Meta: refused: {title}"):
            for part in wanted:
                has(got, part, f"… with {part!r}")

    def put(i, name, tensor):
        return lambda parts: parts[i].__setitem__(name, tensor)

    case("a mixture of experts", ["params.json", "moe"], {"moe": {"num_experts": 8}})
    case("quantised", ["quantization_args"], {"quantization_args": {"scheme": "int4"}})
    case("no width", ["dim", "missing"], {"dim": None})
    case("a width in words", ["dim", '"wide"'], {"dim": "wide"})
    case("heads that do not divide", ["heads"], {"n_heads": 3})
    case("heads that do not fit", ["wq", "32 x 32"], {"head_dim": 16})
    case("layers too many", ["layers.2.attention_norm.weight", "missing"], {"n_layers": 3})
    case("layers too few", ["layers.1.", "does not have"], {"n_layers": 1})
    case("another vocabulary", ["vocab_size", "61"], {"vocab_size": 62})
    case("another MLP", ["MLP", "96", "64"], {"ffn_dim_multiplier": 1})
    case("theta", ["rope_theta"], {"rope_theta": 0})
    case("a stranger", ["score.weight", "no place"], spoil=put(1, "score.weight", ([1], b"\0" * 4)))
    case("a bias", ["wq.bias", "no place"],
         spoil=put(0, "layers.0.attention.wq.bias", ([32], b"\0" * 128)))
    case("a missing piece", ["consolidated.01.pth", "wo.weight", "missing"],
         spoil=lambda p: p[1].pop("layers.0.attention.wo.weight"))
    case("a piece of another height", ["wo.weight", "30 x 16", "32 x 16"],
         spoil=put(1, "layers.0.attention.wo.weight", ([30, 16], b"\0" * 4 * 480)))
    case("a piece of another width", ["wq.weight", "16 x 30", "16 x 32"],
         spoil=put(1, "layers.0.attention.wq.weight", ([16, 30], b"\0" * 4 * 480)))
    case("pieces that do not add up", ["w2.weight", "add up"],
         spoil=put(1, "layers.0.feed_forward.w2.weight", ([32, 30], b"\0" * 4 * 960)))
    case("norms that differ", ["norm.weight", "differs"],
         spoil=put(1, "norm.weight", ([32], b"\0" * 128)))
    case("copies that differ", ["wk.weight", "no copy"], shards=4,
         spoil=put(3, "layers.0.attention.wk.weight", ([8, 32], b"\0" * 4 * 256)))
    case("a vector for a matrix", ["wq.weight", "no matrix"],
         spoil=put(0, "layers.0.attention.wq.weight", ([32], b"\0" * 128)))
    case("one shard of two", ["MLP", "shard missing"], spoil=lambda p: p.pop())
    os.remove(os.path.join(path, "consolidated.00.pth"))
    has(logits(path), "consolidated.00.pth", "Meta: no weights: which are looked for")


LETTERS = {
    "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {chr(33 + i): i for i in range(V)}, "merges": []}}


def ends(top):
    """What ends a text, by generation_config.json."""
    path, file = os.path.join(top, "ends"), os.path.join(top, "ends.gguf")
    hf.folder(path, "llama")

    def put(name, value):
        with open(os.path.join(path, name), "w", encoding="utf-8") as f:
            json.dump(value, f)

    put("tokenizer.json", LETTERS)
    put("tokenizer_config.json", {"eos_token": "#"}) # id 2
    for said, wanted in ((None, [2]), (2, [2]), (7, [2, 7]), ([2], [2]), ([7, 2, 9], [2, 7, 9]),
                         ([7, 7, 61, -1, "a", None, 10 ** 20], [2, 7]), ("x", [2]), ({}, [2])):
        put("generation_config.json", {"eos_token_id": said} if said is not None else {})
        p = subprocess.run([GLASS, "convert", path, file, "--force"], stderr=subprocess.PIPE,
                           check=False)
        if said is not None and isinstance(said, list) and 10 ** 20 in said:
            has(p.stderr.decode(), "generation_config.json", "a number too large is an error")
            said.remove(10 ** 20)
            put("generation_config.json", {"eos_token_id": said})
            p = subprocess.run([GLASS, "convert", path, file, "--force"],
                               stderr=subprocess.PIPE, check=False)
        values = hf.read_gguf(file)[0] if p.returncode == 0 else {}
        got = [values[k] for k in ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                   "tokenizer.ggml.eom_token_id") if k in values]
        equal(got, wanted, f"eos_token_id {said}: {wanted} end a text")
    with open(os.path.join(path, "generation_config.json"), "w", encoding="utf-8") as f:
        f.write("{")
    p = subprocess.run([GLASS, "convert", path, file, "--force"], stderr=subprocess.PIPE,
                       check=False)
    has(p.stderr.decode(), "generation_config.json", "a broken generation_config.json is named")


def listed():
    """Folders are listed by name, and opened by it."""
    with Home() as home:
        cache = os.path.join(home.path, ".cache/huggingface/hub/models--u--n")
        hf.folder(os.path.join(home.models, "own/model"), "llama")
        hf.folder(os.path.join(home.models, "torch"), "llama-bias", bin=True)
        hf.meta(os.path.join(home.models, "meta"), "llama", shards=2)
        hf.folder(os.path.join(cache, "snapshots/abc"), "gemma3", shards=2)
        os.makedirs(os.path.join(cache, "refs"))
        with open(os.path.join(cache, "refs/main"), "w", encoding="utf-8") as f:
            f.write("abc")
        os.makedirs(os.path.join(home.models, "empty"))
        os.makedirs(os.path.join(home.models, "settings"))
        hf.save(os.path.join(home.models, "settings"), {}, hf.config("llama"))
        os.remove(os.path.join(home.models, "settings/model.safetensors"))
        entries = {e["name"]: e for e in home.json("list", "--json")}
        equal(sorted(entries), ["meta", "own/model", "torch", "u/n"],
              "folders with settings and weights are listed, others are not")
        for name, entry in entries.items():
            size = sum(os.path.getsize(os.path.join(entry["path"], f))
                       for f in os.listdir(entry["path"])
                       if f.endswith((".safetensors", ".bin", ".pth")))
            equal(entry["bytes"], size, f"{name}: the weights' bytes")
            p = home.run("show", name, "--json")
            ok(p.returncode == 0, f"{name}: opened by its name", p.err)
            has(home.run("list").out, name, "… and in the table")


with tempfile.TemporaryDirectory(prefix="glass-test-") as folder:
    families(folder, digests(folder))
    forms(folder)
    spellings(folder)
    left_out(folder)
    refusals(folder)
    meta(folder)
    ends(folder)
    listed()
done()
