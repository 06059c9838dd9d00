"""gen_gradients.py - writes tests/train/data/NAME.grads with PyTorch and transformers.

    PYTHON tests/train/gen_gradients.py [OUT [FULL]]

Run from the root, with a python that has torch, transformers and gguf. The models are those of
tests/model/gen_families.py (same seeds, so the same weights as the committed GGUF files). The batch is
two documents of 24 and 15 tokens (200 and 99 of the -long ones) side by side, some of whose tokens
do not count. OUT/NAME.grads has, in text: the loss, ten losses of AdamW, and of every tensor's
gradient its norm and 64 evenly spaced numbers. FULL/NAME.gguf has all of them. OUT/NAME.steps has
ten losses in each of the other ways to step (VARIANTS). Apertus' four numbers of each xIELU
do not train.
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
          "gemma smollm3 starcoder2 phi2 phi3 qwen2-yarn ministral3 olmo olmo3 gemma2 gemma3 apertus granite "
          "starcoder codellama llama-linear mistral-long gptneo-long gemma2-long").split()
STEPPED = "llama qwen3 starcoder2".split()
STEPS = 10


def batch(tokens):
    ids = [(7 * i + 3) % g.V for i in range(tokens)]
    split = 24 if tokens == g.T else 200
    docs = [ids[:split + 1], ids[split:]]
    weights = [[0.0 if t % 5 == 2 else 1.0 if t % 3 else 0.5 for t in range(len(d) - 1)] for d in docs]
    return docs, weights


def loss_of(model, tokens, z=0.0):
    """Mean cross-entropy; with z, also that of a log^2 Z of z, as (objective, cross-entropy)."""
    docs, weights = batch(tokens)
    total = extra = 0
    for doc, w in zip(docs, weights):
        logits = model(torch.tensor([doc[:-1]])).logits[0].float()
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(doc[1:]), reduction="none")
        total = total + (each * torch.tensor(w)).sum()
        extra = extra + (torch.logsumexp(logits, -1) ** 2 * torch.tensor(w)).sum()
    n = sum(map(sum, weights))
    return (total + z * extra) / n, (total / n).item()


def orthogonal(u):
    """Newton-Schulz of Muon (Jordan 2024) in binary32; PyTorch's own does it in bfloat16."""
    x = u.T if u.size(0) > u.size(1) else u
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if u.size(0) > u.size(1) else x


class Muon:
    def __init__(self, params, lr, decay, momentum, nesterov, rms):
        self.all = [(p, torch.zeros_like(p)) for p in params]
        self.lr, self.decay, self.momentum, self.nesterov, self.rms = lr, decay, momentum, nesterov, rms

    @torch.no_grad()
    def step(self):
        for p, m in self.all:
            m.lerp_(p.grad, 1 - self.momentum)
            o = orthogonal(p.grad.lerp(m, self.momentum) if self.nesterov else m)
            n, k = p.shape
            scale = 0.2 * max(n, k) ** 0.5 if self.rms else max(1, n / k) ** 0.5
            p.mul_(1 - self.lr * self.decay).add_(o, alpha=-self.lr * scale)


# Where larger steps of PyTorch's own, in binary32 and in binary64, come apart by a thousandth in ten.
RATES = {"gemma3": 1e-4}
ADAM = dict(betas=(0.9, 0.95), eps=1e-8)


def groups(model, hidden):
    """(matrices of hidden layers, matrices of embeddings and heads, vectors)"""
    inside = [p for n, p in model.named_parameters() if p.dim() > 1 and ".layers." in n and p.requires_grad]
    if not hidden:
        inside = []
    others = [p for p in model.parameters() if p.dim() > 1 and not any(p is q for q in inside)]
    return inside, others, [p for p in model.parameters() if p.dim() <= 1]


def steppers(model, kind, rate):
    hidden, matrices, vectors = groups(model, "muon" in kind)
    decays = (0.0, 0.2) if kind == "adamw-decay-vectors" else (0.1, 0.0)
    adam = torch.optim.AdamW([{"params": matrices, "weight_decay": decays[0]},
                              {"params": vectors, "weight_decay": decays[1]}], lr=rate, **ADAM)
    if kind == "muon-torch":
        return [adam, torch.optim.Muon(hidden, lr=0.02, weight_decay=0.1, momentum=0.95)]
    if "muon" in kind:
        return [adam, Muon(hidden, 0.02 if kind == "muon" else 0.01, 0.1, 0.95, kind != "muon-rms-plain",
                           "rms" in kind)]
    return [adam]


VARIANTS = "muon muon-rms muon-rms-plain muon-torch adamw-z adamw-decay-vectors".split()


def steps(model, tokens, kind, rate=1e-3):
    """Ten losses, from the model's weights, to which it returns."""
    start = {k: v.clone() for k, v in model.state_dict().items()}
    optimisers, losses = steppers(model, kind, rate), []
    for _ in range(STEPS):
        model.zero_grad()
        objective, loss = loss_of(model, tokens, 0.01 if kind == "adamw-z" else 0.0)
        losses.append(loss)
        objective.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimisers:
            o.step()
    model.load_state_dict(start)
    return " ".join(f"{x:.9g}" for x in losses)


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
    if arch.startswith("gemma"):  # whose fill adds 1 to the weights of norms
        return {k: t - 1 if "norm" in k else t for k, t in w.tensors.items()}
    return w.tensors


def make(name, arch, model, fill, extra=None, kv=g.KV, rms=True, tied=False, tokens=g.T,
         shape=(g.L, g.D, g.H, g.F)):
    if name not in WANTED:
        return original(name, arch, model, fill, extra, kv, rms, tied, tokens, shape)
    model = original(name, arch, model, fill, extra, kv, rms, tied, tokens, shape)
    for key, p in model.named_parameters():
        p.requires_grad_("act_fn" not in key)
    loss = loss_of(model, tokens)[0]
    model.zero_grad()
    loss.backward()
    tensors = collect(arch, model, fill, tied, shape[0], shape[2])
    losses = steps(model, tokens, "adamw", RATES.get(name, 1e-3))
    if name in STEPPED:
        with open(os.path.join(OUT, name + ".steps"), "w") as f:
            for kind in VARIANTS:
                f.write(f"{kind} {steps(model, tokens, kind)}\n")
    with open(os.path.join(OUT, name + ".grads"), "w") as f:
        f.write(f"loss {loss.item():.9g}\nsteps {losses}\n")
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
