#!/usr/bin/env python3
"""convert_tokenizers.py [--mb N] [--llama-tokenize PROGRAM] IN … - each vocabulary through our writers and back, on
N MB of mixed text. IN is a folder with a tokenizer.json, a SentencePiece model or a GGUF file.

  to GGUF        encodes here as IN does, and in llama.cpp (special tokens apart, which it treats
                 otherwise, and with what it does not do done before: NFC; Metaspace puts no
                 space before one, which llama.cpp always does)
  to JSON        encodes here as IN does, and in the tokenizers library
  from the GGUF  to JSON: the same file again, and the library encodes as from IN

Run it with a Python that has the tokenizers library."""
import argparse
import ast
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_tokenizers as compare  # noqa: E402

TOOL = os.path.join(os.path.dirname(compare.TOOL), "convert_tokenizer")
failed = count = 0


def verdict(name, wrong):
    global failed, count
    count += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {count} - {name}")
    for line in wrong[:6]:
        print("# " + line.replace("\n", "\n# "))
    sys.stdout.flush()


def differences(texts, a, b):
    return [compare.difference(t, x, y) for t, x, y in zip(texts, a, b) if x != y]


def convert(source, out):
    done = subprocess.run([TOOL, source, out], capture_output=True, text=True, check=False)
    return [done.stderr.strip()] if done.returncode else []


def encode(path, texts, special):
    flags = compare.NO_CHECK | (compare.PARSE_SPECIAL | compare.ADD_SPECIAL if special else 0)
    return compare.ours(path, [t.encode() for t in texts], flags)


def library(folder, texts, special=True):
    import tokenizers
    peer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    return [e.ids for e in peer.encode_batch(texts, add_special_tokens=special)]


def in_llama_cpp(program, path, text, folder):
    """None where the program crashes: std::regex recurses for each character of a long run."""
    name = os.path.join(folder, "text")
    with open(name, "w", encoding="utf-8", newline="") as f:
        f.write(text)
    done = subprocess.run([program, "-m", path, "-f", name, "--ids", "--no-bos",
                           "--no-parse-special", "--log-disable"], capture_output=True, check=False)
    if done.returncode == -signal.SIGSEGV:
        return None
    done.check_returncode()
    return ast.literal_eval(done.stdout.decode())


def rules_of(source):
    path = os.path.join(source, "tokenizer.json")
    if not os.path.isdir(source):
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def specials_of(source):
    return [t["content"] for t in rules_of(source).get("added_tokens", [])][:40]


def check(source, n_bytes, program):
    name = os.path.basename(os.path.normpath(source))
    names = specials_of(source) or ["<s>", "</s>", "<|endoftext|>", "<unk>"]
    texts = [t for t, _ in compare.mixed(random.Random(2), n_bytes, names)]
    want = encode(source, texts, True)
    with tempfile.TemporaryDirectory() as folder:
        gguf = os.path.join(folder, "made.gguf")
        verdict(f"{name}: to GGUF", convert(source, gguf) or differences(
            texts, encode(gguf, texts, True), want))
        if program:
            # The program reads backslashes as escapes.
            plain = [t.rstrip("\n") for t in texts
                     if not set("<\\") & set(t) and t.strip("\n") != ""]
            if "Metaspace" in json.dumps(rules_of(source).get("pre_tokenizer")):
                plain = [t for t in plain if t[0] not in " \u2581"]
            if "NFC" in json.dumps(rules_of(source).get("normalizer")):
                plain = [unicodedata.normalize("NFC", t) for t in plain]
            if "deepseek-llm" in name:  # to llama.cpp U+3000 is white space only, not punctuation
                plain = [t for t in plain if "\u3000" not in t]
            mine = encode(gguf, plain, False)
            theirs = [in_llama_cpp(program, gguf, t, folder) for t in plain[:150]]
            mine = [None if b is None else a for a, b in zip(mine, theirs)]
            verdict(f"{name}: in llama.cpp, {len(theirs)} texts, of which it crashes on "
                    f"{theirs.count(None)}", differences(plain, mine, theirs) or
                    ["it crashes on most"] * (2 * theirs.count(None) > len(theirs)))
        again = os.path.join(folder, "again")
        direct = os.path.join(folder, "direct")
        os.mkdir(again)
        os.mkdir(direct)
        wrong = convert(gguf, again) or convert(source, direct)
        verdict(f"{name}: to JSON, here", wrong or differences(
            texts, encode(direct, texts, True), want))
        verdict(f"{name}: to JSON, the library", wrong or differences(
            texts, library(direct, texts), want))
        if os.path.isdir(source):
            verdict(f"{name}: GGUF to JSON, the library", wrong or differences(
                texts, library(again, texts), library(source, texts)))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            both = []
            for f in (again, direct):
                with open(os.path.join(f, file), encoding="utf-8") as text:
                    both.append(json.load(text))
            verdict(f"{name}: {file} is the same through GGUF",
                    [] if both[0] == both[1] else ["it is not"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=1)
    parser.add_argument("--llama-tokenize", default="")
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    for source in args.sources:
        check(source, int(args.mb * 1e6), args.llama_tokenize)
    print(f"1..{count}")
    return failed > 0


sys.exit(main())
