"""matrix_files.py FOLDER - recipe, text and vocabulary of matrix.sh: the same bytes everywhere."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import tiny_model  # noqa: E402

RECIPE = """model: {tokenizer: bytes.gguf, n_embd: 192, n_layer: 4, n_head: 6, n_head_kv: 2, n_ff: 672}
data: [{file: text.txt, documents: lines}]
context: 8
batch: {sequences: 4, micro: 1}
steps: 200
optimizer: {rate: 3e-3}
schedule: {warmup: 20}
checkpoint: {every: 50}
"""
WORDS = "the cat dog sees a small red house and sleeps under green tree".split()


def text(n):
    """Lines of words by a multiplicative generator that is spelled out here."""
    state, out = 12345, []
    for _ in range(n):
        line = []
        for _ in range(1 + state % 11):
            state = state * 48271 % 0x7fffffff
            line.append(WORDS[state % len(WORDS)])
        state = state * 48271 % 0x7fffffff
        out.append(" ".join(line) + "\n")
    return "".join(out)


def main(folder):
    tiny_model.write(os.path.join(folder, "bytes.gguf"), "abc")
    for name, content in (("matrix.yaml", RECIPE), ("text.txt", text(900))):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(content)


main(sys.argv[1])
