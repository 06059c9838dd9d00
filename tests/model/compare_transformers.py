#!/usr/bin/env python3
"""compare_transformers.py [MODEL.gguf …] - real Llama-shape models against transformers.

For a developer with torch, transformers, gguf and numpy in a Python of their own: run it with
that Python, or name it in GLASS_PEER_PYTHON. MODELs may be quantised; without any, it is the
default model. The weights of each are widened to f32, written as a GGUF file for Glass and
given to transformers' LlamaForCausalLM. Of each, all logits of four texts (one longer than 512
tokens) must be within a relative L2 of 1e-5; of the first, the greedy continuations of 26
prompts must be transformers', 48 tokens each. Prints TAP. Needs 1 GB of temporary space.
"""
import os
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np
    import torch
    import transformers
except ImportError as missing:
    peer = os.environ.get("GLASS_PEER_PYTHON")
    if peer and os.path.exists(peer) and os.path.realpath(peer) != os.path.realpath(
            sys.executable) and "GLASS_PEER_TRIED" not in os.environ:
        os.environ["GLASS_PEER_TRIED"] = "1"
        os.execv(peer, [peer] + sys.argv)
    print(f"1..1\nok 1 - transformers # SKIP {missing}; GLASS_PEER_PYTHON names no Python that "
          "has it")
    sys.exit(0)

BUILD = os.environ.get("GLASS_BUILD", "build")
DEFAULT = os.path.expanduser("~/.local/share/glass/models/SmolLM2-135M-Instruct.gguf")
NEW_TOKENS = 48
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = [
    "Once upon a time", "The history of the Roman Empire begins",
    "In physics, the law of conservation of energy states that", "To make bread, you need",
    "The quick brown fox", "Q: How many legs does a spider have?\nA:",
    "Dear Sir or Madam,\n\nI am writing to", "List of countries in Africa:\n1.",
    "def fibonacci(n):\n", "#include <stdio.h>\n\nint main(", "SELECT name, age FROM",
    "function quicksort(array) {", "import numpy as np\n\nx =", "<html>\n<head>\n<title>",
    CHAT.format("What is the capital of France?"), CHAT.format("Write a haiku about the sea."),
    CHAT.format("Explain photosynthesis to a child."), CHAT.format("What is 17 + 25?"),
    CHAT.format("¿Cuál es la capital de España?"),
    "La capitale de la France est", "Der Rhein ist ein", "El gato se sentó",
    "日本の首都は", "Москва — это", "1, 1, 2, 3, 5, 8, 13,", "🙂 means",
]
LONG = ("The lighthouse keeper wrote in his book each evening, whatever the weather: the "
        "height of the tide, the ships that had passed, the birds. ")


class Model:
    """One GGUF file, widened: the file for Glass and the network of transformers."""

    def __init__(self, path, folder):
        reader = gguf.GGUFReader(path)
        self.fields = {k: f.contents() for k, f in reader.fields.items() if ":" not in k and
                       not k.startswith("GGUF.")}
        self.weights = {t.name: np.ascontiguousarray(
            gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32)
                        for t in reader.tensors}
        self.path = os.path.join(folder, "widened.gguf")
        self.write(reader)
        self.net = self.build().eval()
        self.tokens = {piece: i for i, piece in enumerate(self.fields["tokenizer.ggml.tokens"])}

    def write(self, reader):
        writer = gguf.GGUFWriter(self.path, self.fields["general.architecture"])
        for name, field in reader.fields.items():
            if name.startswith("GGUF.") or name == "general.architecture":
                continue
            kind = field.types[0]
            sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub)
        for name, weight in self.weights.items():
            writer.add_tensor(name, weight)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def number(self, name, absent=None):
        return self.fields.get("llama." + name, absent)

    def build(self):
        heads, kv = self.number("attention.head_count"), self.number("attention.head_count_kv")
        d, vocab = self.number("embedding_length"), len(self.weights["token_embd.weight"])
        config = transformers.LlamaConfig(
            vocab_size=vocab, hidden_size=d, intermediate_size=self.number("feed_forward_length"),
            num_hidden_layers=self.number("block_count"), num_attention_heads=heads,
            num_key_value_heads=kv, max_position_embeddings=self.number("context_length"),
            rms_norm_eps=self.number("attention.layer_norm_rms_epsilon"),
            rope_parameters={"rope_type": "default",
                             "rope_theta": self.number("rope.freq_base", 10000.0)},
            tie_word_embeddings="output.weight" not in self.weights, attn_implementation="eager")
        with torch.device("meta"):
            net = transformers.LlamaForCausalLM(config)
        net = net.to_empty(device="cpu")
        names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
                 "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
                 "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
                 "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
        state = {"model.embed_tokens.weight": self.weights["token_embd.weight"],
                 "model.norm.weight": self.weights["output_norm.weight"],
                 "lm_head.weight": self.weights.get("output.weight",
                                                    self.weights["token_embd.weight"])}
        for name, w in self.weights.items():
            part = name.split(".")
            if part[0] != "blk":
                continue
            if part[2] in ("attn_q", "attn_k"):  # Meta's pairs to Hugging Face's halves
                n = heads if part[2] == "attn_q" else kv
                w = w.reshape(n, -1, 2, d).swapaxes(1, 2).reshape(w.shape)
            state[f"model.layers.{part[1]}.{names[part[2]]}.weight"] = w
        net.load_state_dict({k: torch.from_numpy(np.array(v))
                             for k, v in state.items()})
        # Tables that are no weights were left empty by the detour over "meta".
        fresh = type(net.model.rotary_emb)(config)
        net.model.rotary_emb = fresh
        return net.float()

    def encode(self, text):
        """Longest pieces first: any ids will do, as long as both see the same."""
        ids, spelling = [], byte_spelling()
        for piece in split_controls(text):
            if piece in self.tokens:
                ids.append(self.tokens[piece])
                continue
            chars, at = "".join(spelling[b] for b in piece.encode()), 0
            while at < len(chars):
                size = next(s for s in range(min(24, len(chars) - at), 0, -1)
                            if chars[at:at + s] in self.tokens)
                ids.append(self.tokens[chars[at:at + size]])
                at += size
        return ids

    def theirs(self, ids):
        with torch.inference_mode():
            return self.net(torch.tensor([ids])).logits[0].numpy()

    def ours(self, ids, folder):
        where = os.path.join(folder, "ids"), os.path.join(folder, "logits")
        with open(where[0], "w", encoding="ascii") as f:
            f.write(" ".join(map(str, ids)))
        subprocess.run([os.path.join(BUILD, "tests/tools/logits"), self.path, *where], check=True)
        return np.fromfile(where[1], "<f4").reshape(len(ids), -1)

    def greedy(self, ids):
        with torch.inference_mode():
            return self.net.generate(torch.tensor([ids]), max_new_tokens=NEW_TOKENS,
                                     do_sample=False, eos_token_id=None, pad_token_id=0,
                                     use_cache=True)[0].tolist()


def byte_spelling():
    """GPT-2's printable characters for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling = {b: chr(b) for b in plain}
    for i, b in enumerate(b for b in range(256) if b not in spelling):
        spelling[b] = chr(256 + i)
    return spelling


def split_controls(text):
    while "<|" in text:
        before, rest = text.split("<|", 1)
        name, text = rest.split("|>", 1)
        if before:
            yield before
        yield f"<|{name}|>"
    if text:
        yield text


def check_logits(model, folder):
    worst, lengths = 0.0, []
    for text in (PROMPTS[2], PROMPTS[8] + "    a, b = 0, 1\n" * 9, PROMPTS[14], LONG * 20):
        ids = model.encode(text)
        a, b = model.ours(ids, folder).astype(float), model.theirs(ids).astype(float)
        worst = max(worst, float(np.linalg.norm(a - b) / np.linalg.norm(b)))
        lengths.append(len(ids))
    return worst, lengths


def check_greedy(model, prompt, folder):
    """Feeding transformers' answer, Glass's likeliest token must be the answer's next one at
    each place: then its own answer, whose bits do not depend on cuts, is the same."""
    ids = model.encode(prompt)
    answer = model.greedy(ids)
    logits = model.ours(answer[:-1], folder)[len(ids) - 1:]
    for i, (row, want) in enumerate(zip(logits, answer[len(ids):])):
        if int(row.argmax()) != want:
            got = int(row.argmax())
            theirs = model.theirs(answer[:len(ids) + i])[-1]
            return (f"token {i}: {got}, not {want}; Glass's logits {row[got]:.6f} and "
                    f"{row[want]:.6f}, transformers' {theirs[got]:.6f} and {theirs[want]:.6f}")
    assert len(answer) == len(ids) + NEW_TOKENS
    return None


def main():
    paths = sys.argv[1:] or [DEFAULT]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if not os.path.exists(paths[0]):
        print(f"1..1\nok 1 - transformers # SKIP no model {paths[0]}")
        return 0
    n, bad = 0, 0

    def verdict(good, name, told):
        nonlocal n, bad
        n += 1
        bad += not good
        print(f"{'ok' if good else 'not ok'} {n} - {name}\n# {told}", flush=True)

    print(f"1..{len(paths) + len(PROMPTS)}")
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            model = Model(path, folder)
            worst, lengths = check_logits(model, folder)
            verdict(worst <= 1e-5 and max(lengths) > 512,
                    f"logits of {os.path.basename(path)}, widened, are transformers'",
                    f"largest relative L2 {worst:.2g} over texts of {lengths} tokens")
            if path != paths[0]:
                continue
            for prompt in PROMPTS:
                wrong = check_greedy(model, prompt, folder)
                verdict(wrong is None, f"goes on as transformers does: {prompt!r}".replace(
                    "#", "\\#"), wrong or f"{NEW_TOKENS} tokens")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
