"""gen_more_families.py - the second half of gen_families.py, which calls it: smaller models, of
as many layers as their patterns of windows and of rotation take to repeat.

The shapes have a head width that is not width / heads, n_kv < n_q, an odd vocabulary, and
numbers that make each particular of a family count: caps that bind, windows shorter than
the text, frequencies on both sides of a scaling's ramp.
"""
import os

import torch
import transformers as tf

from gen_families import BASE, KV, LONG, OUT, POST, PRE, QK, T, V, llama_like, logits_of, \
    llama3_factors, make, pairs

D, H, HD, F = 16, 4, 8, 24
SHAPE = (4, D, H, F)
C = dict(BASE, hidden_size=D, num_hidden_layers=4, num_attention_heads=H, head_dim=HD,
         intermediate_size=F, rms_norm_eps=1e-5)
HEADS = {"attention.key_length": HD, "attention.value_length": HD}
PRE_POST = {"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
            "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}


def rope(theta, **scaling):
    return {"rope_parameters": dict({"rope_type": "default", "rope_theta": theta}, **scaling)}


def renamed(w, sd, rows, top):
    """Tensors by a table of names: rows of each layer under a prefix, and the others."""
    prefix, names = rows
    for i in range(w.layers):
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                t = sd.get(f"{prefix}.{i}.{theirs}.{kind}")
                if t is not None:
                    w.add_tensor(f"blk.{i}.{ours}.{kind}", t.contiguous().numpy())
    for theirs, ours in top.items():
        for kind in ("weight", "bias"):
            if theirs + "." + kind in sd and not (w.tied and ours == "output"):
                w.add_tensor(f"{ours}.{kind}", sd[theirs + "." + kind].numpy())


def plus_one(sd):
    """Gemma multiplies by 1 + its norm weights; GGUF has the sum."""
    return {k: v + 1 if k.endswith("norm.weight") else v for k, v in sd.items()}


def gptj():
    names = {"ln_1": "attn_norm", "attn.q_proj": "attn_q", "attn.k_proj": "attn_k",
             "attn.v_proj": "attn_v", "attn.out_proj": "attn_output", "mlp.fc_in": "ffn_up",
             "mlp.fc_out": "ffn_down"}
    top = {"transformer.wte": "token_embd", "transformer.ln_f": "output_norm", "lm_head": "output"}
    make("gptj", "gptj", tf.GPTJForCausalLM(tf.GPTJConfig(
        vocab_size=V, n_embd=32, n_layer=2, n_head=H, n_inner=F, n_positions=64, rotary_dim=4,
        attn_implementation="eager", tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)),
         lambda w, sd: renamed(w, sd, ("transformer.h", names), top),
         {"rope.dimension_count": 4}, kv=H, rms=False, shape=(2, 32, H, F))


def olmo3():
    yarn = dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=16, beta_fast=0.5,
                beta_slow=0.1)
    extra = {"rope.freq_base": 100.0, "attention.sliding_window": 8,
             "rope.scaling.type": "yarn", "rope.scaling.factor": 8.0,
             "rope.scaling.original_context_length": 16,
             "rope.scaling.yarn_beta_fast": 0.5, "rope.scaling.yarn_beta_slow": 0.1}
    config = dict(C, hidden_size=32, num_attention_heads=2, num_key_value_heads=1, sliding_window=8,
                  rope_parameters={
                      "full_attention": dict(yarn, rope_theta=100.0),
                      "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}})
    del config["head_dim"]
    make("olmo3", "olmo2", tf.Olmo3ForCausalLM(tf.Olmo3Config(**config)),
         lambda w, sd: llama_like(w, sd, False, {**QK, **POST}), extra, kv=1,
         shape=(4, 32, 2, F))


def smollm3():
    make("smollm3", "smollm3", tf.SmolLM3ForCausalLM(tf.SmolLM3Config(
        **C, **rope(5e6), no_rope_layer_interval=4, use_sliding_window=False,
        tie_word_embeddings=True)),
         lambda w, sd: llama_like(w, sd, True, PRE), {"rope.freq_base": 5e6, **HEADS}, tied=True,
         shape=SHAPE)


def gemma():
    g = dict(C, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh")
    make("gemma", "gemma", tf.GemmaForCausalLM(tf.GemmaConfig(**dict(
        g, num_key_value_heads=1, num_hidden_layers=2), **rope(10000.0))),
         lambda w, sd: llama_like(w, plus_one(sd), False, PRE), HEADS, kv=1, tied=True,
         shape=(2, D, H, F))
    for name, window, tokens in (("gemma2", 8, T), ("gemma2-long", 100, LONG)):
        two = dict(g, num_hidden_layers=2, sliding_window=window, query_pre_attn_scalar=24,
                   attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                   max_position_embeddings=320)
        make(name, "gemma2", tf.Gemma2ForCausalLM(tf.Gemma2Config(**two, **rope(10000.0))),
             lambda w, sd: llama_like(w, plus_one(sd), False, PRE_POST),
             {**HEADS, "attention.sliding_window": window, "attention.scale": 24 ** -0.5,
              "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}, tied=True,
             tokens=tokens, shape=(2, D, H, F))
    three = dict(g, num_hidden_layers=6, sliding_window=8, query_pre_attn_scalar=HD,
                 rope_parameters={
                     "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                     "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})
    make("gemma3", "gemma3", tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**three)),
         lambda w, sd: llama_like(w, plus_one(sd), False, {**PRE_POST, **QK}),
         {**HEADS, "attention.sliding_window": 8, "rope.freq_base": 1e6,
          "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}, tied=True,
         shape=(6, D, H, F))


def apertus():
    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=32)
    model = tf.ApertusForCausalLM(tf.ApertusConfig(
        **dict(C, num_hidden_layers=2), **rope(12e6, **scaling), tie_word_embeddings=False))
    names = {"attention_layernorm": "attn_norm", "feedforward_layernorm": "ffn_norm", **QK}

    def fill(w, sd):
        llama_like(w, sd, False, names)
        w.add_tensor("rope_freqs.weight", llama3_factors(HD, 12e6, scaling))
        for key in ("alpha_p", "alpha_n", "beta", "eps"):
            w.add_array("xielu." + key,
                        [float(sd[f"model.layers.{i}.mlp.act_fn.{key}"]) for i in range(2)])
    make("apertus", "apertus", model, fill, {"rope.freq_base": 12e6, **HEADS},
         shape=(2, D, H, F))


def granite():
    make("granite", "granite", tf.GraniteForCausalLM(tf.GraniteConfig(
        **dict(C, num_hidden_layers=2, head_dim=4), **rope(10000.0), embedding_multiplier=6.0,
        residual_multiplier=0.25, attention_multiplier=0.3, logits_scaling=4.0,
        tie_word_embeddings=True)),
         lambda w, sd: llama_like(w, sd, True, PRE),
         {"embedding_scale": 6.0, "residual_scale": 0.25, "attention.scale": 0.3,
          "logit_scale": 4.0}, tied=True, shape=(2, D, H, F))


def phi():
    names = {**PRE, "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.dense": "attn_output",
             "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down", "self_attn.qkv_proj": "attn_qkv",
             "self_attn.o_proj": "attn_output", "mlp.gate_up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down"}
    top = {"model.embed_tokens": "token_embd", "model.final_layernorm": "output_norm",
           "model.norm": "output_norm", "lm_head": "output"}
    c = dict(C, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    del c["head_dim"]
    fill = lambda w, sd: renamed(w, sd, ("model.layers", names), top)
    two = dict(c, layer_norm_eps=1e-5)
    del two["rms_norm_eps"]
    make("phi2", "phi2", tf.PhiForCausalLM(tf.PhiConfig(
        **two, **rope(10000.0, partial_rotary_factor=0.5))), fill,
         {"rope.dimension_count": 4}, kv=1, rms=False, shape=(2, D, 2, F))
    factors = {"short_factor": [1.0, 1.25, 2.0], "long_factor": [1.5, 3.0, 7.0]}
    scaling = dict(rope_type="longrope", original_max_position_embeddings=32,
                   partial_rotary_factor=0.75, attention_factor=1.1875, **factors)

    def fill3(w, sd):
        fill(w, sd)
        for length in ("short", "long"):
            w.add_tensor(f"rope_factors_{length}.weight",
                         torch.tensor(factors[length + "_factor"]).numpy())
    model = make("phi3", "phi3", tf.Phi3ForCausalLM(tf.Phi3Config(
        **c, **rope(10000.0, **scaling), original_max_position_embeddings=32,
        sliding_window=20)), fill3,
        {"rope.dimension_count": 6, "rope.scaling.original_context_length": 32,
         "rope.scaling.attn_factor": 1.1875, "attention.sliding_window": 20}, kv=1,
        shape=(2, D, 2, F))
    logits_of(model, 32).astype("<f4").tofile(os.path.join(OUT, "phi3-short.logits"))


def starcoder():
    names = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv",
             "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    top = {"transformer.wte": "token_embd", "transformer.wpe": "position_embd",
           "transformer.ln_f": "output_norm"}
    make("starcoder", "starcoder", tf.GPTBigCodeForCausalLM(tf.GPTBigCodeConfig(
        vocab_size=V, n_embd=D, n_layer=2, n_head=2, n_inner=F, n_positions=64,
        multi_query=True, attn_implementation="eager", bos_token_id=1, eos_token_id=2)),
         lambda w, sd: renamed(w, {k: v for k, v in sd.items()}, ("transformer.h", names), top),
         kv=1, rms=False, tied=True, shape=(2, D, 2, F))
    names = {**PRE, **{f"self_attn.{a}_proj": f"attn_{a}" for a in "qkv"},
             "self_attn.o_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    c = dict(C, num_hidden_layers=2, norm_epsilon=1e-5)
    del c["rms_norm_eps"], c["head_dim"]
    make("starcoder2", "starcoder2", tf.Starcoder2ForCausalLM(tf.Starcoder2Config(
        **c, **rope(10000.0), sliding_window=8, use_bias=True, tie_word_embeddings=True)),
         lambda w, sd: renamed(w, sd, ("model.layers", names), top),
         {"attention.sliding_window": 8}, rms=False, tied=True, shape=(2, D, H, F))


def yarn():
    c = dict(C, num_hidden_layers=2)
    del c["head_dim"]
    make("qwen2-yarn", "qwen2", tf.Qwen2ForCausalLM(tf.Qwen2Config(
        **dict(c, num_attention_heads=2, num_key_value_heads=1), **rope(
            10000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=16,
            attention_factor=1.25))),
         lambda w, sd: llama_like(w, sd, False, PRE),
         {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
          "rope.scaling.original_context_length": 16, "rope.scaling.yarn_attn_factor": 1.25},
         kv=1, shape=(2, D, 2, F))
    make("ministral3", "mistral3", tf.Ministral3ForCausalLM(tf.Ministral3Config(
        **dict(C, num_hidden_layers=2), sliding_window=None, **rope(
            1e6, rope_type="yarn", factor=16.0, original_max_position_embeddings=8,
            beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
            llama_4_scaling_beta=0.5), tie_word_embeddings=True)),
         lambda w, sd: llama_like(w, sd, True, PRE),
         {**HEADS, "rope.freq_base": 1e6, "rope.scaling.type": "yarn",
          "rope.scaling.factor": 16.0, "rope.scaling.original_context_length": 8,
          "rope.scaling.yarn_beta_fast": 32.0, "rope.scaling.yarn_beta_slow": 1.0,
          "rope.scaling.yarn_log_multiplier": 1.0, "attention.temperature_scale": 0.5},
         tied=True, shape=(2, D, H, F))


def make_all():
    gptj()
    olmo3()
    smollm3()
    gemma()
    apertus()
    granite()
    phi()
    starcoder()
    yarn()
