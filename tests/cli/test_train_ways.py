#!/usr/bin/env python3
"""glass train with Muon, a z-loss, other decay, and parts of the tape made again: the same bits by
every instruction set, with any number of threads, resumed or not."""
import json
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

# The root of the weights after the 12 steps of RECIPE.
GOLDEN = "b3a9575e27ea3f0f013d1be3724db72d3ee2453196b880f6585fd805713d347b"
RECIPE = """model:
  tokenizer: bytes.gguf
  n_embd: 48
  n_layer: 2
  n_head: 4
  n_head_kv: 2
data:
- file: text.txt
  documents: lines
context: 24
batch: {sequences: 4, micro: 2}
steps: 12
optimizer: {kind: muon, rate: 0.01, muon_rate: 0.01, scale: rms, decay_norms: true, decay_embeddings: false}
schedule: {warmup: 2}
loss: {z: 0.001}
recompute: none
checkpoint: {every: 4, keep: 9}
"""


def write(h, name, text):
    with open(os.path.join(h.path, name), "w", encoding="utf-8") as f:
        f.write(text)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def train(h, *words, **options):
    return h.run("train", *words, cwd=h.path, timeout=300, **options)


def tensors(path):
    data = read(path)
    return set(json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])) - {"__metadata__"}


def first(h):
    p = train(h, "a.yaml", "-t", "1")
    equal((p.returncode, p.err), (0, ""), "a run ends well")
    last = f"{h.path}/a.run/checkpoints/step-00000012"
    equal(json.loads(read(f"{last}/state.json"))["weights"], GOLDEN, "the weights after 12 steps")
    metrics = [json.loads(x) for x in read(f"{h.path}/a.run/metrics.jsonl").splitlines()]
    ok(metrics[-1]["loss"] < metrics[0]["loss"] - 0.5, "it learns",
       f"{metrics[0]['loss']} {metrics[-1]['loss']}")
    names = tensors(f"{last}/moments.safetensors")
    second = {n[2:] for n in names if n.startswith("v.")}
    every = {n[2:] for n in names if n.startswith("m.")}
    matrices = {n for n in every if re.fullmatch(r"blk\.\d\.(attn_[qkv]|attn_output|ffn_\w+)\.weight", n)
                and "norm" not in n}
    equal((len(matrices), every - second), (14, matrices), "Muon's matrices have no second moment")
    p = h.run("verify", "a.run", cwd=h.path)
    equal(p.returncode, 0, "glass verify")
    p = h.run("verify", "a.run", "--full", cwd=h.path)
    equal((p.returncode, p.err), (0, ""), "glass verify --full: moments, too")


def same_bits(h):
    sets = ["c"] + [s for s in ("avx2", "avx512", "neon")
                    if h.run("show", "bytes.gguf", cwd=h.path, env={"GLASS_ISA": s}).returncode == 0]
    want = read(f"{h.path}/a.run/ledger.jsonl")
    for i, s in enumerate(sets):
        for threads in ("1", "2", "3"):
            level = ("none", "mlp", "layers")[(i + int(threads)) % 3]
            write(h, "b.yaml", RECIPE.replace("recompute: none", f"recompute: {level}"))
            train(h, "b.yaml", "-q", "-t", threads, env={"GLASS_ISA": s})
            equal(read(f"{h.path}/b.run/ledger.jsonl"), want, f"{s}, {threads} threads, recompute {level}")
            shutil.rmtree(f"{h.path}/b.run", ignore_errors=True)


def resumed(h):
    want = read(f"{h.path}/a.run/ledger.jsonl")
    moments = f"{h.path}/a.run/checkpoints/step-00000012/moments.safetensors"
    kept = read(moments)
    p = train(h, "--resume", "a.run", "--from", "4", "-t", "2")
    equal((p.returncode, p.err), (0, ""), "from an older checkpoint")
    equal((read(f"{h.path}/a.run/ledger.jsonl"), read(moments)), (want, kept),
          "ends with the same bytes")


def others(h):
    """What each key changes: other weights, or only memory."""
    roots = {GOLDEN}
    for old, new in (("kind: muon, ", ""), ("scale: rms", "scale: original"), ("{z: 0.001}", "{z: 0}"),
                     ("decay_norms: true, ", ""), ("decay_embeddings: false", "decay_embeddings: true"),
                     ("scale: rms", "scale: rms, momentum: 0.9"), ("scale: rms", "scale: rms, nesterov: false"),
                     ("scale: rms", "scale: rms, muon_decay: 0"), ("scale: rms", "scale: rms, decay: 0.2")):
        assert old in RECIPE
        write(h, "c.yaml", RECIPE.replace(old, new, 1))
        p = train(h, "c.yaml", "-q", "-t", "1")
        state = f"{h.path}/c.run/checkpoints/step-00000012/state.json"
        root = json.loads(read(state))["weights"] if p.returncode == 0 else p.err
        ok(len(root) == 64 and root not in roots, f"{old} -> {new}: other weights", root)
        roots.add(root)
        shutil.rmtree(f"{h.path}/c.run", ignore_errors=True)
    memory = []
    for level in ("none", "mlp", "layers"):
        write(h, "d.yaml", RECIPE.replace("recompute: none", f"recompute: {level}")
              .replace("context: 24", "context: 512").replace("n_layer: 2", "n_layer: 12"))
        found = re.search(r"memory +([\d.]+) (\w+)", train(h, "d.yaml", "--dry-run").out)
        memory.append(found and float(found[1]) * {"kB": 1e-3, "MB": 1, "GB": 1e3}[found[2]])
    ok(None not in memory and memory[0] > 1.1 * memory[1] > 1.21 * memory[2], "--dry-run counts what is kept",
       memory)
    for old, new, part in (("kind: muon", "kind: mouon", "adamw|muon"), ("muon_rate", "muon_rat", "muon_rate"),
                           ("recompute: none", "recompute: mpl", "none|mlp|layers"),
                           ("loss: {z:", "loss: {y:", 'did you mean "loss.z"'),
                           ("decay_norms: true", "decay_norms: 1", "true or false")):
        write(h, "e.yaml", RECIPE.replace(old, new, 1))
        p = train(h, "e.yaml")
        equal(p.returncode, 3, new)
        has(p.err, part, f"{new}: the message")


def main():
    with kit.Home() as h:
        tiny_model.write(f"{h.path}/bytes.gguf", "abc")
        write(h, "text.txt", "".join(f"the {a} {b} sees the {b} {a}\n" for a in "red green small tall old new".split()
                                     for b in "cat dog house tree sun moon".split()))
        write(h, "a.yaml", RECIPE)
        for part in (first, same_bits, resumed, others):
            part(h)
    kit.done()


main()
