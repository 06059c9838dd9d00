#!/usr/bin/env python3
"""make_tokenizers.py OUT [NAME …] - folders with a tokenizer.json in the shapes that the families of models
are published in, made of vocabularies at hand: for compare_tokenizers.py and by hand.

Needs gguf, sentencepiece and transformers. $GLASS_SHARED is the shared data, $GLASS_VOCABS the
folder models/ of llama.cpp's source, $GLASS_MODEL a SmolLM2 GGUF (default: the default model)."""
import json
import os
import shutil
import sys

SHARED = os.environ.get("GLASS_SHARED", "../shared/data")
VOCABS = os.environ.get("GLASS_VOCABS", "")
HOME = os.environ.get("GLASS_HOME") or os.path.join(
    os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "glass")
SMOLLM = os.environ.get("GLASS_MODEL") or os.path.join(HOME, "models/SmolLM2-135M-Instruct.gguf")
MARK = "\u2581"

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")


def added(token_id, content, special=True, **flags):
    return {"id": token_id, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": special, **flags}


def template(bos, bos_id, eos=None, eos_id=None):
    single = [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    tokens = {bos: {"id": bos, "ids": [bos_id], "tokens": [bos]}}
    if eos is not None:
        single.append({"SpecialToken": {"id": eos, "type_id": 0}})
        tokens[eos] = {"id": eos, "ids": [eos_id], "tokens": [eos]}
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": tokens}


def whole(model, added_tokens, normalizer, pre, post, decoder):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens,
            "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": post,
            "decoder": decoder, "model": model}


def bpe(vocab, merges, **flags):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, **flags,
            "vocab": vocab, "merges": merges}


def level(**flags):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
            "use_regex": True, **flags}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def gguf_vocabulary(path):
    import gguf
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [m.split(" ") for m in fields["tokenizer.ggml.merges"].contents()]
    return tokens, merges, fields["tokenizer.ggml.token_type"].contents()


# ---- SentencePiece

def llama_parts():
    from sentencepiece import SentencePieceProcessor
    from transformers.tokenization_utils_base import generate_merges
    sp = SentencePieceProcessor(model_file=os.path.join(SHARED, "tokenizers/llama/tokenizer.model"))
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    scores = {sp.id_to_piece(i): sp.get_score(i) for i in range(sp.get_piece_size())}
    return vocab, generate_merges(vocab, scores)


def marked_decoder(strip):
    parts = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "},
             {"type": "ByteFallback"}, {"type": "Fuse"}]
    if strip:
        parts.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": parts}


PREPEND = {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": MARK},
    {"type": "Replace", "pattern": {"String": " "}, "content": MARK}]}


def metaspace(scheme, cut):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": cut}


def llama(normalizer, pre, strip=True, normalized=False, merges_as_text=True, **flags):
    vocab, merges = llama_parts()
    merges = [" ".join(m) for m in merges] if merges_as_text else [list(m) for m in merges]
    tokens = [added(i, t, normalized=normalized) for i, t in enumerate(("<unk>", "<s>", "</s>"))]
    tokens += flags.pop("more", [])
    model = bpe(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True, **flags)
    config = {"add_bos_token": True, "add_eos_token": False, "legacy": False,
              "bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": "</s>",
              "unk_token": "<unk>", "pad_token": None, "tokenizer_class": "LlamaTokenizer"}
    return whole(model, tokens, normalizer, pre, template("<s>", 1),
                 marked_decoder(strip)), config


def code_llama():
    """Code Llama's four tokens for filling in."""
    more = [added(32000 + i, MARK + t) for i, t in enumerate(("<PRE>", "<SUF>", "<MID>", "<EOT>"))]
    return llama(PREPEND, None, more=more)


def phi3():
    """White space behind these belongs to them."""
    names = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    more = [added(32000 + i, t, rstrip=True) for i, t in enumerate(names)]
    more.append(added(32005, "<mask>", lstrip=True))
    return llama(PREPEND, None, more=more)


def gemma():
    tokens, merges, types = gguf_vocabulary(os.path.join(VOCABS, "ggml-vocab-gemma-4.gguf"))
    vocab = {t: i for i, t in enumerate(tokens)}
    extra = [added(i, t, special=kind == 3) for i, (t, kind) in enumerate(zip(tokens, types))
             if kind in (3, 4)]
    model = bpe(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True,
                ignore_merges=False)
    pre = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious",
           "invert": False}
    normalizer = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
    config = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
              "unk_token": "<unk>", "tokenizer_class": "GemmaTokenizer"}
    return whole(model, extra, normalizer, pre, template("<bos>", 2), marked_decoder(False)), config


# ---- byte-level

def llama3(pre=None, whole_words=True, **flags):
    tokens, merges, types = gguf_vocabulary(os.path.join(VOCABS, "ggml-vocab-llama-bpe.gguf"))
    vocab = {t: i for i, (t, kind) in enumerate(zip(tokens, types)) if kind == 1}
    extra = [added(i, t, special=kind == 3) for i, (t, kind) in enumerate(zip(tokens, types))
             if kind != 1]
    model = bpe(vocab, [" ".join(m) for m in merges], ignore_merges=whole_words)
    post = {"type": "Sequence", "processors": [
        level(trim_offsets=False), template("<|begin_of_text|>", 128000)]}
    config = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>",
              "tokenizer_class": "PreTrainedTokenizerFast"}
    pre = pre or sequence(split(LLAMA3), level(use_regex=False))
    return whole(model, extra, flags.get("normalizer"), pre, post, level()), config


def smollm2():
    tokens, merges, types = gguf_vocabulary(SMOLLM)
    extra = [added(i, t) for i, (t, kind) in enumerate(zip(tokens, types)) if kind != 1]
    model = bpe({t: i for i, t in enumerate(tokens)}, [" ".join(m) for m in merges])
    pre = sequence({"type": "Digits", "individual_digits": True}, level())
    config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
              "pad_token": "<|im_end|>", "add_prefix_space": False,
              "tokenizer_class": "GPT2Tokenizer"}
    return whole(model, extra, None, pre, None, level()), config


MADE = {
    "llama": lambda: llama(PREPEND, None),
    "llama-normalized": lambda: llama(PREPEND, None, normalized=True),
    "llama-first": lambda: llama(None, metaspace("first", False), merges_as_text=False),
    "llama-always": lambda: llama(None, metaspace("always", False), ignore_merges=True),
    "llama-never": lambda: llama(None, metaspace("never", False), strip=False),
    "llama-split": lambda: llama(None, metaspace("always", True)),
    "code-llama": code_llama,
    "phi3": phi3,
    "gemma": gemma,
    "llama3": llama3,
    "smollm2": smollm2,
    "tekken": lambda: llama3(sequence(split(TEKKEN), level(use_regex=False))),
    "olmo2": lambda: llama3(sequence(split(LLAMA3, "Removed", True), level(use_regex=False)),
                            False),
    "cl100k": lambda: llama3(sequence(split(CL100K, "Removed", True), level(use_regex=False)),
                             False),
    "prefix-space": lambda: llama3(level(add_prefix_space=True), False),
}
COPIED = {"gpt2": ["tokenizer.json"], "gpt-neox": ["tokenizer.json"],
          "qwen3": ["tokenizer.json", "tokenizer_config.json"]}


def main(out, names):
    for name in names or [*COPIED, *MADE]:
        folder = os.path.join(out, name)
        os.makedirs(folder, exist_ok=True)
        if name in COPIED:
            for file in COPIED[name]:
                shutil.copy(os.path.join(SHARED, "tokenizers", name, file), folder)
            continue
        tokenizer, config = MADE[name]()
        for file, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
            with open(os.path.join(folder, file), "w", encoding="utf-8") as f:
                json.dump(value, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
