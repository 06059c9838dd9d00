#!/usr/bin/env python3
"""peers_train.py - training steps of PyTorch on the CPU, beside Glass on the same shape.

    PYTHON bench/peers_train.py make SHAPE FOLDER         writes a random model as transformers saves it
    PYTHON bench/peers_train.py run FOLDER B T [VARIANT [STEPS]]   steps of PyTorch: f32 (default), compile, bf16
    build/bench/bench_train FOLDER B T THREADS [STEPS]    steps of Glass, from the same folder

Forward, backward, clipping and AdamW of B sequences of T tokens; tokens/s, median of the steps after one
to warm up. SHAPE: llama15m (288 wide, 6 layers, 32k vocabulary), gpt2 (124M), smollm2 (135M). Needs torch
and transformers. PyTorch is tuned as docs/performance.md says: fused AdamW, no malloc trimming,
OMP_NUM_THREADS and LD_PRELOAD from outside.
"""
import os
import statistics
import sys
import time

# tokenizers.py beside this file is not the library of that name.
sys.path = [p for p in sys.path if os.path.abspath(p) != os.path.dirname(os.path.abspath(__file__))]

import torch  # noqa: E402
import transformers as tf  # noqa: E402

SHAPES = {
    "llama15m": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(
        vocab_size=32000, hidden_size=288, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=6,
        intermediate_size=768, max_position_embeddings=1024, tie_word_embeddings=True)),
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)),
    "smollm2": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(
        vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        intermediate_size=1536, max_position_embeddings=2048, tie_word_embeddings=True)),
}


def make(shape, folder):
    torch.manual_seed(1)
    SHAPES[shape]().float().save_pretrained(folder)


def run(folder, B, T, variant="f32", steps=3):
    model = tf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train()
    vocabulary = model.config.vocab_size
    ids = torch.tensor([i * 2654435761 % 2**32 % vocabulary for i in range(B * T + 1)])
    x, y = ids[:-1].reshape(B, T), ids[1:].reshape(-1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    forward = torch.compile(model) if variant == "compile" else model

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant == "bf16"):
            logits = forward(x, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary).float(), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return loss.item()

    times, loss = [], 0
    for i in range(-1, steps):
        start = time.perf_counter()
        loss = step()
        if i >= 0:
            times.append(time.perf_counter() - start)
    print(f"PyTorch {torch.__version__} {variant}, {torch.get_num_threads()} threads, B {B}, T {T}: "
          f"{B * T / statistics.median(times):.0f} tokens/s, loss {loss:.4f}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "make":
        make(*sys.argv[2:])
    elif len(sys.argv) >= 5 and sys.argv[1] == "run":
        run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:6], *map(int, sys.argv[6:7]))
    else:
        sys.exit(__doc__)
