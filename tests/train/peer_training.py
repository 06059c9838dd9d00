"""peer_training.py TEXT [STEPS] - trains a model of 2.4 million parameters on a text with Glass and,
from the same first weights, over the same windows, with PyTorch and transformers' LlamaForCausalLM;
held-out losses must be within 1%. TAP. For a Python that has torch and transformers; minutes.

  GLASS_RUN=FOLDER   a run of this recipe that is there already"""
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
GLASS = os.path.abspath(os.path.join(ROOT, os.environ.get("GLASS_BUILD", "build"), "glass"))
CONTEXT, BATCH, RATE, WARMUP, DECAY = 256, 16, 2e-3, 50, 0.1
RECIPE = """model: {{tokenizer: tokenizer.json, n_embd: 192, n_layer: 5, n_head: 6}}
data: [{text}]
held_out: {{fraction: 0.05}}
context: {context}
batch: {{sequences: {batch}}}
steps: {steps}
optimizer: {{rate: {rate}}}
schedule: {{warmup: {warmup}}}
evaluate: {{every: 100}}
checkpoint: {{every: 100}}
"""


def glass(*words, cwd):
    subprocess.run([GLASS, *words], cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def shard(path):
    t = load_file(path)
    assert t["starts"].tolist() == [0, len(t["tokens"])], "one document is wanted"
    return t["tokens"].to(torch.int64)


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def rate(step, steps):
    if step <= WARMUP:
        return RATE * step / WARMUP
    p = (step - WARMUP) / (steps - WARMUP)
    return RATE * (0.1 + 0.9 * (1 + math.cos(math.pi * p)) / 2)


def loss_of(model, ids, targets):
    logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(),
                                             reduction="sum")


def held_out(model, tokens):
    total, rows = 0.0, len(tokens) - 1
    with torch.no_grad():
        for at in range(0, rows, CONTEXT):
            end = min(at + CONTEXT, rows)
            total += loss_of(model, tokens[None, at:end], tokens[None, at + 1:end + 1]).item()
    return total / rows


def learn(model, tokens, samples, steps):
    """A loss a step."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY},
                                   {"params": vectors, "weight_decay": 0.0}],
                                  lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step in range(1, steps + 1):
        windows = torch.stack([tokens[w * CONTEXT:w * CONTEXT + CONTEXT + 1]
                               for w in samples[step - 1]])
        loss = loss_of(model, windows[:, :-1], windows[:, 1:]) / (BATCH * CONTEXT)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % 50 == 0:
            print(f"# step {step}: {losses[-1]:.4f}", flush=True)
    return losses


def prepare(folder, text, steps):
    """Glass's run and, as a folder for transformers, its first weights."""
    shutil.copy(text, f"{folder}/text.txt")
    glass("tokenizer", "train", "tokenizer.json", "text.txt", "--vocab", "1024", "--special",
          "<|endoftext|>", cwd=folder)
    write(f"{folder}/a.yaml", RECIPE.format(text="text.txt", steps=steps, rate=RATE,
                                            context=CONTEXT, batch=BATCH, warmup=WARMUP))
    # A step at rate 0 leaves the first weights as they are.
    write(f"{folder}/first.yaml", RECIPE.format(text="text.txt", steps=1, rate=0, context=CONTEXT,
                                                batch=BATCH, warmup=0))
    glass("train", "first.yaml", "-q", cwd=folder)
    glass("convert", "first.run/checkpoints/step-00000001", "first", cwd=folder)
    run = os.environ.get("GLASS_RUN")
    if run is None:
        glass("train", "a.yaml", "-q", cwd=folder)
        run = f"{folder}/a.run"
    first, begun = (lines(f"{r}/ledger.jsonl")[0]["weights"] for r in (f"{folder}/first.run", run))
    assert first == begun, "not a run of this recipe"
    return run


def main():
    text, steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(folder, text, steps)
        metrics = lines(f"{run}/metrics.jsonl")
        samples = [e["samples"] for e in lines(f"{run}/ledger.jsonl")[1:]]
        assert len(samples) == len(metrics) == steps, "not a run of so many steps"
        model = LlamaForCausalLM.from_pretrained(f"{folder}/first", dtype=torch.float32)
        losses = learn(model, shard(f"{run}/shards/train-0.safetensors"), samples, steps)
        theirs = held_out(model, shard(f"{run}/shards/held-out-0.safetensors"))
    ours = metrics[-1]["held_out_loss"]
    apart = [abs(m["loss"] / b - 1) for m, b in zip(metrics, losses)]
    print("# losses apart:", ", ".join(f"step {i} {apart[i - 1]:.1e}" for i in
                                       (1, 2, 5, 10, 20, 50, 100, 200, 500) if i <= steps))
    rates = [abs(m["rate"] / rate(m["step"], steps) - 1) for m in metrics]
    verdicts = ((max(rates) < 1e-6, f"the same rates: {max(rates):.1e} apart"),
                (apart[0] < 1e-5, f"the first loss: {metrics[0]['loss']:.7f}, {losses[0]:.7f}"),
                (max(apart) < 0.05, f"each loss within 5%: {max(apart):.5f} apart at most, "
                 f"{sum(apart) / steps:.5f} on average"),
                (abs(ours / theirs - 1) < 0.01,
                 f"held out after {steps} steps: Glass {ours:.4f}, PyTorch {theirs:.4f}, "
                 f"{ours / theirs - 1:+.3%}"))
    for i, (good, name) in enumerate(verdicts, 1):
        print(f"{'ok' if good else 'not ok'} {i} - {name}")
    print(f"1..{len(verdicts)}")
    sys.exit(0 if all(good for good, _ in verdicts) else 1)


main()
