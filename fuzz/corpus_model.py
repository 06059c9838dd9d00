"""corpus_model.py FOLDER - seeds for fuzz_model: the tests' tiny models of every family, one of
them also with a vocabulary and a chat template."""
import os
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "../tests/model/data/families")


def string(data):
    return struct.pack("<Q", len(data)) + data


def text(key, data):
    return string(key) + struct.pack("<I", 8) + string(data)


def strings(key, items):
    return string(key) + struct.pack("<IIQ", 9, 8, len(items)) + b"".join(map(string, items))


def with_vocabulary(model):
    """Key-value pairs put in front, padded so that the tensors' data stays aligned."""
    version, tensors, values = struct.unpack_from("<IQQ", model, 4)
    more = [text(b"tokenizer.ggml.model", b"gpt2"), text(b"tokenizer.ggml.pre", b"gpt-2"),
            strings(b"tokenizer.ggml.tokens", [b"a", b"b", b"ab", "Ġ".encode(), b"<|x|>"]),
            strings(b"tokenizer.ggml.merges", [b"a b"]),
            text(b"tokenizer.chat_template",
                 b"{% for m in messages %}<|x|>{{ m.content }}{% endfor %}")]
    size = sum(map(len, more))
    padding = -(size + len(text(b"pad", b""))) % 32
    more.append(text(b"pad", b"." * padding))
    return (b"GGUF" + struct.pack("<IQQ", version, tensors, values + len(more)) +
            b"".join(more) + model[24:])


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(MODELS)):
        if name.endswith(".gguf"):
            shutil.copy(os.path.join(MODELS, name), folder)
    with open(os.path.join(MODELS, "llama.gguf"), "rb") as f:
        model = f.read()
    with open(os.path.join(folder, "llama-vocabulary.gguf"), "wb") as f:
        f.write(with_vocabulary(model))


main(sys.argv[1])
