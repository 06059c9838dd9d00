"""gen_gradients.py - writes tests/train/data/NAME.grads with PyTorch and transformers.

    PYTHON tests/train/gen_gradients.py [OUT [FULL]]

Run from the root, with a python that has torch, transformers and gguf. The models are those of
tests/model/gen_families.py (same seeds, so the same weights as the committed GGUF files). The batch is
two documents of 24 and 15 tokens side by side, some of whose tokens do not count. OUT/NAME.grads has,
in text: the loss, ten losses of AdamW, and of every tensor's gradient its norm and 64 evenly spaced
numbers. FULL/NAME.gguf has all of them, for tests/tools/gradients.
"""
import os
import sys

sys.path.insert(0, "tests/model")
arguments, sys.argv = sys.argv[1:], [sys.argv[0], "."]
import gen_families as g
import gguf
import numpy as np
import torch

OUT = arguments[0] if arguments else "tests/train/data"
FULL = arguments[1] if len(arguments) > 1 else None
WANTED = ("llama llama-tied mistral llama3 llama-bias qwen2 qwen3 olmo2 gpt2 gptneo gptneox gptneox-sequential gptj "
          "gemma smollm3 starcoder2 phi2 phi3 qwen2-yarn ministral3").split()
SPLIT = 24
STEPS = 10


def batch():
    ids = [(7 * i + 3) % g.V for i in range(g.T)]
    docs = [ids[:SPLIT + 1], ids[SPLIT:]]
    weights = [[0.0 if t % 5 == 2 else 1.0 if t % 3 else 0.5 for t in range(len(d) - 1)] for d in docs]
    return docs, weights


def loss_of(model):
    docs, weights = batch()
    total = 0
    for doc, w in zip(docs, weights):
        logits = model(torch.tensor([doc[:-1]])).logits[0].float()
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(doc[1:]), reduction="none")
        total = total + (each * torch.tensor(w)).sum()
    return total / sum(map(sum, weights))


class Collector:
    """Takes the place of a GGUFWriter: keeps the tensors that a family's fill function makes."""

    def __init__(self):
        self.tensors = {}

    def add_tensor(self, name, data, **kw):
        self.tensors[name] = np.ascontiguousarray(data, dtype=np.float32)

    def __getattr__(self, name):
        return lambda *a, **k: None


def collect(arch, model, fill, tied, layers, heads):
    w = Collector()
    w.tied, w.layers, w.heads = tied, layers, heads
    grads = {}
    params = dict(model.named_parameters(remove_duplicate=False))
    for key, value in model.state_dict(keep_vars=True).items():
        p = params.get(key)
        grads[key] = torch.zeros_like(value) if p is None or p.grad is None else p.grad.clone()
    fill(w, grads)
    w.tensors = {k: t for k, t in w.tensors.items() if not k.startswith("rope_")}
    if arch == "gemma":  # whose fill adds 1 to the weights of norms
        return {k: t - 1 if "norm" in k else t for k, t in w.tensors.items()}
    return w.tensors


def make(name, arch, model, fill, extra=None, kv=g.KV, rms=True, tied=False, tokens=g.T,
         shape=(g.L, g.D, g.H, g.F)):
    if name not in WANTED:
        return original(name, arch, model, fill, extra, kv, rms, tied, tokens, shape)
    model = original(name, arch, model, fill, extra, kv, rms, tied, tokens, shape)
    loss = loss_of(model)
    model.zero_grad()
    loss.backward()
    tensors = collect(arch, model, fill, tied, shape[0], shape[2])
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        step = loss_of(model)
        losses.append(step.item())
        step.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    with open(os.path.join(OUT, name + ".grads"), "w") as f:
        f.write(f"loss {loss.item():.9g}\nsteps " + " ".join(f"{x:.9g}" for x in losses) + "\n")
        for key, t in tensors.items():
            flat = t.reshape(-1)
            stride = max(1, len(flat) // 64)
            some = flat[::stride]
            f.write(f"{key} {len(flat)} {stride} {np.linalg.norm(flat.astype(np.float64)):.9g} " +
                    " ".join(f"{x:.9g}" for x in some) + "\n")
    if FULL:
        w = gguf.GGUFWriter(os.path.join(FULL, name + ".gguf"), arch)
        for key, t in tensors.items():
            w.add_tensor(key, t)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()
    return model


original = g.make
if __name__ == "__main__":
    import tempfile
    sys.modules["gen_families"] = g
    g.OUT = tempfile.mkdtemp()  # the models themselves are committed already
    g.make = make
    g.main()
