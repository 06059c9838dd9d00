#!/usr/bin/env python3
"""gen_families.py OUT [HF] - tiny random models of every family, with transformers' own logits.

Needs torch, transformers, gguf, numpy. For each family: FAMILY.gguf (f32), FAMILY.logits (f32,
(T, n_vocab), little-endian) for the ids (7 i + 3) mod n_vocab, and SHA256SUMS over all.
Sequences are longer than any window, n_kv < n_q where the family allows (1 for codellama),
rotation is partial for GPT-NeoX and scaled for llama3 and llama-linear, heads are tied and
untied, the vocabulary is odd. The -long ones have 300 tokens, so that windows end inside the
256 keys of one block of attention and reach over into the next. With HF, each model is also
saved there as transformers saves it, for gen_hf.py.
"""
import hashlib
import math
import os
import sys

import gguf
import numpy as np
import torch
import transformers as tf

OUT, HF = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
V, D, L, H, KV, F, T, LONG = 61, 32, 2, 4, 2, 64, 40, 300
BASE = dict(vocab_size=V, hidden_size=D, num_hidden_layers=L, num_attention_heads=H,
            num_key_value_heads=KV, intermediate_size=F, max_position_embeddings=64,
            attn_implementation="eager", pad_token_id=None, bos_token_id=1, eos_token_id=2)


def pairs(w, n):
    """Hugging Face's row order of q and k to Meta's pairs."""
    rows = w.shape[0]
    shape = (n, 2, rows // n // 2) + tuple(w.shape[1:])
    return w.reshape(shape).transpose(1, 2).reshape(w.shape)


def llama_like(w, sd, permute, norms, kv=KV):
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    names.update(norms)
    for i in range(w.layers):
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                key = f"model.layers.{i}.{theirs}.{kind}"
                if key not in sd:
                    continue
                t = sd[key]
                if permute and ours in ("attn_q", "attn_k"):
                    t = pairs(t, w.heads if ours == "attn_q" else kv)
                w.add_tensor(f"blk.{i}.{ours}.{kind}", t.numpy())
    w.add_tensor("token_embd.weight", sd["model.embed_tokens.weight"].numpy())
    if "model.norm.weight" in sd:
        w.add_tensor("output_norm.weight", sd["model.norm.weight"].numpy())
    if "lm_head.weight" in sd and not w.tied:
        w.add_tensor("output.weight", sd["lm_head.weight"].numpy())


PRE = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
QK = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
POST = {"post_attention_layernorm": "post_attention_norm",
        "post_feedforward_layernorm": "post_ffw_norm"}


def gpt2(w, sd, neo=False):
    for i in range(L):
        p = f"transformer.h.{i}."
        # Conv1D keeps (in, out) in GPT-2, nn.Linear (out, in) in GPT-Neo.
        turn = (lambda t: t) if neo else (lambda t: t.t().contiguous())
        rows = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up",
                "mlp.c_proj": "ffn_down"}
        if neo:
            rows.update({f"attn.attention.{a}_proj": f"attn_{a}" for a in "qkv"})
            rows["attn.attention.out_proj"] = "attn_output"
        else:
            rows.update({"attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output"})
        for theirs, ours in rows.items():
            for kind in ("weight", "bias"):
                if p + theirs + "." + kind in sd:
                    t = sd[p + theirs + "." + kind]
                    t = turn(t) if t.dim() == 2 else t
                    w.add_tensor(f"blk.{i}.{ours}.{kind}", t.numpy())
    w.add_tensor("token_embd.weight", sd["transformer.wte.weight"].numpy())
    w.add_tensor("position_embd.weight", sd["transformer.wpe.weight"].numpy())
    for kind in ("weight", "bias"):
        w.add_tensor(f"output_norm.{kind}", sd[f"transformer.ln_f.{kind}"].numpy())


def neox(w, sd):
    hd = D // H
    for i in range(L):
        p = f"gpt_neox.layers.{i}."
        rows = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
                "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output",
                "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}
        for theirs, ours in rows.items():
            for kind in ("weight", "bias"):
                t = sd[f"{p}{theirs}.{kind}"]
                if ours == "attn_qkv":  # per head [q|k|v] to q, k, v
                    t = t.reshape((H, 3, hd) + tuple(t.shape[1:])).transpose(0, 1).reshape(t.shape)
                w.add_tensor(f"blk.{i}.{ours}.{kind}", t.contiguous().numpy())
    w.add_tensor("token_embd.weight", sd["gpt_neox.embed_in.weight"].numpy())
    w.add_tensor("output.weight", sd["embed_out.weight" if "embed_out.weight" in sd else "lm_head.weight"].numpy())
    for kind in ("weight", "bias"):
        w.add_tensor(f"output_norm.{kind}", sd[f"gpt_neox.final_layer_norm.{kind}"].numpy())


def llama3_factors(n_rot, theta, r):
    """By how much Llama 3 divides each frequency: its reference code's apply_scaling."""
    factors = []
    for i in range(n_rot // 2):
        length = 2 * math.pi * theta ** (2 * i / n_rot)
        low = r["original_max_position_embeddings"] / r["low_freq_factor"]
        high = r["original_max_position_embeddings"] / r["high_freq_factor"]
        if length < high:
            factors.append(1.0)
        elif length > low:
            factors.append(r["factor"])
        else:
            smooth = (low / length * r["low_freq_factor"] - r["low_freq_factor"]) / (
                r["high_freq_factor"] - r["low_freq_factor"])
            factors.append(1 / ((1 - smooth) / r["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def logits_of(model, tokens):
    ids = [(7 * i + 3) % V for i in range(tokens)]
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def make(name, arch, model, fill, extra=None, kv=KV, rms=True, tied=False, tokens=T,
         shape=(L, D, H, F)):
    torch.set_num_threads(1)
    torch.manual_seed(sum(map(ord, name)))
    model = model.float().eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            is_norm = "norm" in key or "ln_" in key
            p.copy_(torch.randn_like(p) * (0.1 if p.dim() == 1 else 0.2) + (1 if is_norm and
                    key.endswith("weight") else 0))
            if is_norm and arch.startswith("gemma"): # so that the sum with 1 loses nothing
                p.copy_((p + 1) - 1)
        model.tie_weights() if tied else None
    logits = logits_of(model, tokens)
    if HF:
        model.save_pretrained(os.path.join(HF, name))
    w = gguf.GGUFWriter(os.path.join(OUT, name + ".gguf"), arch)
    w.tied = tied
    w.layers, width, w.heads, inner = shape
    w.add_uint32(f"{arch}.block_count", w.layers)
    w.add_uint32(f"{arch}.embedding_length", width)
    w.add_uint32(f"{arch}.context_length", 64 if tokens == T else 320)
    w.add_uint32(f"{arch}.feed_forward_length", inner)
    w.add_uint32(f"{arch}.attention.head_count", w.heads)
    w.add_uint32(f"{arch}.attention.head_count_kv", kv)
    w.add_float32(f"{arch}.attention.layer_norm_{'rms_' if rms else ''}epsilon", 1e-5)
    for key, value in (extra or {}).items():
        (w.add_bool if isinstance(value, bool) else w.add_uint32 if isinstance(value, int) else
         w.add_array if isinstance(value, list) else w.add_string if isinstance(value, str) else
         w.add_float32)(key if key.startswith("xielu") else f"{arch}.{key}", value)
    fill(w, model.state_dict())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    logits.astype("<f4").tofile(os.path.join(OUT, name + ".logits"))
    return model


def make_more(c):
    """Shapes of Llama's row that the families above leave out, and long sequences."""
    llama = lambda name, config, kv=KV, extra=None, more=None, tokens=T: make(
        name, "llama", tf.LlamaForCausalLM(tf.LlamaConfig(**config)),
        lambda w, sd: (llama_like(w, sd, True, PRE, kv), more and w.add_tensor(*more)),
        extra, kv, tokens=tokens)
    theta = lambda base, **scaling: {"rope_parameters": dict(
        {"rope_type": "default", "rope_theta": base}, **scaling)}
    llama("codellama", dict(c, num_key_value_heads=1, **theta(1e6)), 1, {"rope.freq_base": 1e6})
    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)
    llama("llama3", dict(c, head_dim=16, **theta(500000.0, **scaling)), KV,
          {"rope.freq_base": 500000.0, "attention.key_length": 16, "attention.value_length": 16,
           "rope.dimension_count": 16},
          ("rope_freqs.weight", llama3_factors(16, 500000.0, scaling)))
    llama("llama-linear", dict(c, **theta(10000.0, rope_type="linear", factor=4.0)), KV,
          {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0})
    llama("llama-bias", dict(c, attention_bias=True, mlp_bias=True))
    long = dict(c, max_position_embeddings=320)
    make("mistral-long", "llama",
         tf.MistralForCausalLM(tf.MistralConfig(**long, sliding_window=100)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"attention.sliding_window": 100},
         tokens=LONG)
    make("gptneo-long", "gptneo", tf.GPTNeoForCausalLM(tf.GPTNeoConfig(
        vocab_size=V, hidden_size=D, num_layers=L, num_heads=H, intermediate_size=F,
        max_position_embeddings=320, window_size=256, attention_types=[[["global", "local"], 1]],
        bos_token_id=1, eos_token_id=2)),
         lambda w, sd: gpt2(w, sd, True), {"attention.sliding_window": 256,
         "attention.sliding_window_pattern": [False, True]}, kv=H, rms=False, tied=True,
         tokens=LONG)


def main():
    os.makedirs(OUT, exist_ok=True)
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
    c = dict(BASE, rms_norm_eps=1e-5, **rope)
    make("llama", "llama", tf.LlamaForCausalLM(tf.LlamaConfig(**c)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"rope.freq_base": 10000.0})
    make("llama-tied", "llama", tf.LlamaForCausalLM(tf.LlamaConfig(**c, tie_word_embeddings=True)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"rope.freq_base": 10000.0}, tied=True)
    make("mistral", "llama", tf.MistralForCausalLM(tf.MistralConfig(**c, sliding_window=8)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"attention.sliding_window": 8})
    make("qwen2", "qwen2", tf.Qwen2ForCausalLM(tf.Qwen2Config(**c)),
         lambda w, sd: llama_like(w, sd, False, PRE))
    make("qwen3", "qwen3", tf.Qwen3ForCausalLM(tf.Qwen3Config(**c, head_dim=16)),
         lambda w, sd: llama_like(w, sd, False, {**PRE, **QK}),
         {"attention.key_length": 16, "attention.value_length": 16})
    make("olmo", "olmo", tf.OlmoForCausalLM(tf.OlmoConfig(**dict(BASE, **rope), clip_qkv=1.5)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"attention.clamp_kqv": 1.5}, rms=False)
    make("olmo2", "olmo2", tf.Olmo2ForCausalLM(tf.Olmo2Config(**c)),
         lambda w, sd: llama_like(w, sd, False, {**QK, **POST}))
    g = dict(vocab_size=V, n_embd=D, n_layer=L, n_head=H, n_inner=F, n_positions=64,
             attn_implementation="eager", bos_token_id=1, eos_token_id=2)
    make("gpt2", "gpt2", tf.GPT2LMHeadModel(tf.GPT2Config(**g)), gpt2, kv=H, rms=False, tied=True)
    make("gptneo", "gptneo", tf.GPTNeoForCausalLM(tf.GPTNeoConfig(
        vocab_size=V, hidden_size=D, num_layers=L, num_heads=H, intermediate_size=F,
        max_position_embeddings=64, window_size=8, attention_types=[[["global", "local"], 1]],
        bos_token_id=1, eos_token_id=2)),
         lambda w, sd: gpt2(w, sd, True), {"attention.sliding_window": 8,
         "attention.sliding_window_pattern": [False, True]}, kv=H, rms=False, tied=True)
    for name, parallel in (("gptneox", True), ("gptneox-sequential", False)):
        make(name, "gptneox", tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(
            vocab_size=V, hidden_size=D, num_hidden_layers=L, num_attention_heads=H,
            intermediate_size=F, max_position_embeddings=64, use_parallel_residual=parallel, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                             "partial_rotary_factor": 0.5}, attn_implementation="eager",
            bos_token_id=1, eos_token_id=2)), neox,
             {"rope.dimension_count": D // H // 2, "use_parallel_residual": parallel}, kv=H,
             rms=False)
    make_more(c)
    import gen_more_families
    gen_more_families.make_all()
    with open(os.path.join(OUT, "SHA256SUMS"), "w") as sums:
        for f in sorted(os.listdir(OUT)):
            if f != "SHA256SUMS":
                data = open(os.path.join(OUT, f), "rb").read()
                sums.write(f"{hashlib.sha256(data).hexdigest()}  {f}\n")


if __name__ == "__main__":
    sys.modules["gen_families"] = sys.modules["__main__"]
    main()
