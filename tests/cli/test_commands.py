#!/usr/bin/env python3
"""glass complete, show, list, bench, help and options, on models whose answers are known."""
import bz2
import gzip
import json
import lzma
import math
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

ABC = "abcdefghijklmnopqrstuvwxyz"


def complete(h):
    run = h.run
    p = run("complete", "abc", "-p", "k")
    equal((p.returncode, p.out, p.err), (0, "lmnopqrstuvwxyz\n", ""), "-p, until the model ends")
    file = os.path.join(h.path, "prompt.txt")
    with open(file, "w", encoding="utf-8") as f:
        f.write("x\ng")
    equal(run("complete", "abc", "-f", file, "-n", "3").out, "hij\n", "-f and -n")
    equal(run("complete", "abc", "-n", "3", stdin=b"m").out, "nop\n", "standard input")
    equal(run("complete", "abc", "-f", "-", "-n3", stdin=b"m").out, "nop\n", "-f - and -n3")
    equal(run("complete", "abc", "-pm", "--predict=0").out, "\n", "no token at all")
    equal(run("complete", "-m", "abc", "-p", "m", "--n-predict", "2").out, "no\n",
          "-m and names from elsewhere")
    equal(run("complete", "abc", "-p", "m", "--stop", "qr").out, "nop\n", "--stop is not shown")
    equal(run("complete", "abc", "-p", "m", "--stop", "zzz", "--stop", "pqrX", "--stop", "s").out,
          "nopqr\n", "the first of several, and what looks like one only")
    equal(run("complete", "abc", "-p", "m", "--echo", "-n", "1").out, "mn\n", "--echo")
    p = run("complete", "abc", "-p", "y", "--ignore-eos", "-n", "6", "--temp", "0")
    equal(len(p.out.encode()), 7 if p.out.startswith("z") else 0, "--ignore-eos goes on after z")
    j = h.json("complete", "abc", "-p", "w", "--json")
    equal((j.get("text"), j.get("finish"), j.get("prompt_tokens"), j.get("answer_tokens")),
          ("xyz", "end", 1, 3), "--json")
    equal(h.json("complete", "abc", "-p", "a", "-j", "--stop", "d").get("finish"), "stop",
          "finish stop")
    equal(h.json("complete", "abc", "-p", "a", "-j", "-n", "2").get("finish"), "length",
          "finish length")
    j = h.json("complete", "forever", "-p", "a", "-j", "-c", "16")
    equal((j.get("finish"), len(j.get("text", ""))), ("context", 16), "finish context")
    j = h.json("complete", "dice", "-p", "a", "-j", "-n", "3", "--logprobs", "5")
    tokens = j.get("tokens", [])
    ok(len(tokens) == 3 and all(math.isclose(t["logprob"], -math.log(26), abs_tol=1e-4)
                                for t in tokens), "--logprobs are the model's own", tokens)
    equal([t["text"] for t in tokens[0]["top"]], list("abcde"), "with alternatives, best first")
    p = run("complete", "abc", "-p", "a", "--logprobs", "99")
    equal(p.returncode, 2, "--logprobs has a limit")
    equal(run("complete", "abc", "-p", "a", "--logprobs", "-3").returncode, 2, "and another")
    p = run("complete", "-p", "a")
    ok(p.returncode == 3 and "SmolLM2-135M-Instruct" in p.err, "without MODEL: the default one, as chat", p.err)
    plain = h.json("complete", "abc", "-p", "<|im_end|>", "-j", "-n", "1")
    special = h.json("complete", "abc", "-p", "<|im_end|>", "-j", "-n", "1", "--special")
    equal((plain.get("prompt_tokens"), special.get("prompt_tokens")), (10, 1), "--special")
    p = run("complete", "abc", "-p", "a" * 600)
    ok(p.returncode == 3 and "600" in p.err and "512" in p.err, "too long: both numbers", p.err)
    p = run("complete", "abc", "-p", "")
    ok(p.returncode == 3 and "empty" in p.err, "an empty prompt", p.err)
    equal(run("complete", "abc", "-p", "a", "-f", file).returncode, 2, "-p and -f at once")
    equal(run("complete", "abc", "-f", "/none").returncode, 4, "a missing file")
    with open("/dev/full", "wb") as full:
        p = subprocess.run([kit.GLASS, "complete", "abc", "-p", "a"], env=h.env, stdout=full,
                           stderr=subprocess.PIPE, check=False)
    ok(p.returncode == 4 and b"standard output" in p.stderr, "a full disk is no success", p.stderr)
    with open("/dev/full", "wb") as full:
        p = subprocess.run([kit.GLASS, "show", "abc"], env=h.env, stdout=full,
                           stderr=subprocess.PIPE, check=False)
    equal(p.returncode, 4, "also for other commands")


def sampling(h):
    def dice(*words):
        return h.run("complete", "dice", "-p", "x", "-n", "40", *words).out.strip()
    same = dice("--seed", "7", "--min-p", "0", "--top-k", "0", "--top-p", "1")
    equal(dice("-s", "7", "--min-p", "0", "--top-k", "0", "--top-p", "1"), same,
          "the same seed, the same answer")
    ok(len(set(same)) > 10 and dice("--seed", "8", "--min-p", "0", "--top-k", "0") != same,
       "another seed, another one", same)
    equal(dice("--seed", "7", "--min-p", "0", "--top-k", "0", "--top-p", "1", "-t", "1", "-b", "1"),
          same, "threads and batch change nothing")
    ok(dice("--seed", "-1") != dice("--seed", "-1"), "--seed -1 is another every time")
    equal(dice("--temp", "0"), "a" * 40, "--temp 0 takes the first of equals")
    equal(set(dice("--top-k", "3")), set("abc"), "--top-k")
    equal(set(dice("--top-p", "0.1", "--top-k", "0", "--min-p", "0")), set("abc"), "--top-p")
    equal(dice("--temp", "0", "--logit-bias", "97-inf", "--logit-bias", "99+2"), "c" * 40,
          "--logit-bias")
    fresh = ABC.replace("x", "")  # the prompt has an x
    equal(dice("--temp", "0", "--repeat-penalty", "1.5")[:25], fresh, "--repeat-penalty")
    equal(dice("--temp", "0", "--presence-penalty", "3")[:25], fresh, "--presence-penalty")
    equal(dice("--temp", "0", "--frequency-penalty", "3", "--repeat-last-n", "2"),
          ("abc" * 14)[:40], "--repeat-last-n")
    ok(len(set(dice("--mirostat", "2"))) > 3, "--mirostat")
    for words in (("--typical", "0.5"), ("--dry-multiplier", "0.8"), ("--xtc-probability", "0.5"),
                  ("--mirostat", "1", "--mirostat-tau", "3", "--mirostat-eta", "0.2")):
        text = dice(*words)
        ok(re.fullmatch("[a-z]{40}", text), f"{words[0]} runs", text)
    for words in (("--temp", "-1"), ("--top-p", "2"), ("--top-k", "-3"), ("--mirostat", "3"),
                  ("--temp", "nan"), ("--logit-bias", "x"), ("--logit-bias", "999+1"),
                  ("--top-k", "99999999999"), ("-t", "-1"), ("-t", "99999"), ("-c", "-5"),
                  ("-b", "-1"), ("--cache-type", "q4_0"), ("--cache-type", "none")):
        p = h.run("complete", "dice", "-p", "x", "-n", "1", *words)
        ok(p.returncode == 2 and words[0].strip("-")[0] in p.err, f"{words} is refused", p.err)
    for kind in ("f32", "f16", "q8_0"):
        equal(h.run("complete", "abc", "-p", "k", "--cache-type", kind).out, "lmnopqrstuvwxyz\n",
              f"a {kind} cache")
    equal(h.run("complete", "abc", "-p", "k", "--mlock").out, "lmnopqrstuvwxyz\n", "--mlock")


def describe(h):
    p = h.run("show", "abc")
    for part in ("licence      mit", "family       llama", "context      512", "259 tokens",
                 "has a chat template", "bpe gpt-2"):
        has(p.out, part, f"show: {part}")
    small = h.json("show", "abc", "--json", "-c", "100", "--cache-type", "f16")
    big = h.json("show", "abc", "--json", "-c", "100", "--cache-type", "f32")
    equal(big["session"]["bytes"] - small["session"]["bytes"] > 0, True,
          "memory depends on the cache's type")
    equal((small["session"]["positions"], small["license"], small["template"]),
          (100, "mit", tiny_model.CHATML), "--json")
    ok(h.json("show", "abc", "-j", "-c", "500")["session"]["bytes"] > big["session"]["bytes"],
       "and on -c")
    equal(len(h.json("show", "abc", "-j", "--tensors")["tensors"]), 12, "--tensors")
    has(h.run("show", "abc", "--meta").out, "tokenizer.ggml.pre", "--meta")
    has(h.run("show", "abc", "--template").out, "add_generation_prompt", "--template")
    equal(h.run("show", "abc", "--cache-type", "bf16").returncode, 2, "no such cache")
    p = h.run("show", "/none.gguf")
    ok(p.returncode == 3 and "/none.gguf" in p.err and "abc" in p.err,
       "no such model: what there is", p.err)
    junk = os.path.join(h.path, "junk.gguf")
    with open(junk, "wb") as f:
        f.write(b"GGUF\3\0\0\0junk")
    p = h.run("show", junk)
    ok(p.returncode == 3 and junk in p.err, "a broken file", p.err)


def bench(h):
    p = h.run("bench", "abc", "-r", "2", "-p", "8", "-n", "4", "-t", "1", "--json")
    j = json.loads(p.out)
    equal((j["threads"], j["prompt_tokens"], j["answer_tokens"], len(j["prompt_rounds"])),
          (1, 8, 4, 2), "bench --json")
    ok(j["prompt_per_s"] > 0 and j["answer_per_s"] > 0 and j["read_before"] > 1e8 and
       j["fma_per_s"] > 1e8, "with speeds and limits", j)
    equal(p.err, "", "no progress through a pipe")
    p = h.run("bench", "abc", "-r", "1", "-p", "8", "-n", "4")
    ok(re.search(r"tokens/s.*% of the FMA peak.*\n.*% of read bandwidth", p.out),
       "for people", p.out)
    t = h.terminal("bench", "abc", "-r", "2", "-p", "8", "-n", "4", "-t", "1")
    ok(t.wait_for(r"round 2 of 2: prompt [\d.]+, answer [\d.]+ tokens/s", 30), "round by round",
       t.text)
    t.finish()
    for words in (("-r", "0"), ("-p", "0"), ("-n", "99999999"), ("-t", "-2"), ("-r", "65")):
        equal(h.run("bench", "abc", *words).returncode, 2, f"bench {words} is refused")


COMMANDS = ("chat", "complete", "show", "list", "pull", "eval", "bench", "tokenizer")


def helping(h):
    p = h.run("--help")
    lines = p.out.splitlines()
    ok(p.returncode == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80,
       "glass --help fits a screen", p.out)
    for name in COMMANDS:
        ok(re.search(rf"^  {name} ", p.out, re.M), f"and names {name}")
        q, r = h.run(name, "--help"), h.run("help", name)
        ok(q.returncode == 0 and "examples:" in q.out and q.out == r.out,
           f"{name} --help has examples, help {name} is the same", q.out + r.err)
        ok(max(map(len, q.out.splitlines())) <= 100, f"{name} --help in 100 columns", q.out)
    for part in ("encode", "decode", "show", "train"):
        q, r = h.run("tokenizer", part, "--help"), h.run("help", "tokenizer", part)
        ok("examples:" in q.out and q.out == r.out, f"tokenizer {part} --help", q.out)
    ok(re.match(r"glass \d+\.\d+\.\d+ \(exact-1, \w+\)\n$", h.run("--version").out), "--version")
    equal(h.run().returncode, 2, "no command")
    p = h.run("compelte")
    ok(p.returncode == 2 and "did you mean complete" in p.err, "a mistyped command", p.err)
    p = h.run("complete", "abc", "--tmep", "0")
    ok(p.returncode == 2 and "--temp" in p.err, "a mistyped option", p.err)
    p = h.run("complete", "abc", "--frobnicate")
    ok(p.returncode == 2 and "mean" not in p.err, "an option like no other", p.err)
    for word, ours in (("run", "chat"), ("ls", "list"), ("-v", "--version"), ("generate", "complete")):
        has(h.run(word).err, f"did you mean {ours}?", f"{word}, as elsewhere")
    p = h.run("complete", "abc", "-ngl", "99")
    ok(p.returncode == 2 and "no option -ngl" in p.err, "-ngl is not -n", p.err)
    p = h.run("complete", "abc", "-m", "def")
    ok(p.returncode == 2 and '"def" is one word too many' in p.err, "two models", p.err)
    for words in (("show",), ("pull",), ("complete", "a", "b"), ("list", "x"),
                  ("complete", "abc", "-n"), ("complete", "abc", "-n", "1x"), ("bench", "-m"),
                  ("complete", "abc", "--json=1"), ("tokenizer",), ("tokenizer", "frob"),
                  ("help", "frob"), ("complete", "abc", "-n", "9" * 30)):
        p = h.run(*words)
        ok(p.returncode == 2 and p.err, f"{' '.join(words)}: wrong usage", p.err)
    equal(h.run("complete", "-n", "1", "-p", "a", "--", "abc").out, "b\n", "-- ends options")
    equal(h.run("complete", "-p", "a", "--", "abc", "-n").returncode, 2, "what follows is words")


def tokenizer(h):
    j = h.json("tokenizer", "encode", "abc", "-p", "hé", "--json")
    equal(j, {"n": 3, "ids": [104, 195, 169], "tokens": ["h", "\ufffd", "\ufffd"]},
          "encode --json")
    p = h.run("tokenizer", "encode", "abc", "-p", 'a"\n\xe9')
    equal(p.out, '     97  "a"\n     34  "\\""\n     10  "\\n"\n    195  "\\xC3"\n'
                 '    169  "\\xA9"\n', "encode for people")
    equal(h.run("tokenizer", "encode", "abc", "--ids", stdin=b"\0\xff").out, "0 255\n",
          "any bytes")
    text = "<|im_start|>x<|im_end|>"
    equal(h.run("tokenizer", "encode", "abc", "--ids", "--special", "-p", text).out,
          "256 120 257\n", "--special")
    equal(len(h.run("tokenizer", "encode", "abc", "--ids", "-p", text).out.split()), len(text),
          "without it the text is text")
    equal(h.run("tokenizer", "encode", "abc", "--ids", "--lines", stdin=b"ab\n\nc").out,
          "97 98\n\n99\n", "--lines")
    equal(h.run("tokenizer", "encode", "abc", "-p", "").out, "", "an empty text")
    equal(h.run("tokenizer", "decode", "abc", "-p", "[104, 195,169]").stdout, "hé".encode(),
          "decode")
    equal(h.run("tokenizer", "decode", "abc", stdin=b"256 120\n257\n").out, text,
          "decode shows special tokens")
    equal(h.run("tokenizer", "decode", "abc", "--hide-special", stdin=b"256 120 257").out, "x",
          "or hides them")
    equal(h.json("tokenizer", "decode", "abc", "-j", "-p", "97 98"), {"n": 2, "text": "ab"},
          "decode --json")
    for ids in ("999", "-1", "1 x", "99999999999", "1;2", "-"):
        p = h.run("tokenizer", "decode", "abc", stdin=ids.encode())
        ok(p.returncode == 3, f"decode of {ids}", p.err)
    data = bytes(i * 7 % 256 for i in range(1 << 20))
    ids = h.run("tokenizer", "encode", "abc", "--ids", stdin=data).stdout
    equal(len(ids.split()), len(data), "a megabyte")
    ok(h.run("tokenizer", "decode", "abc", stdin=ids).stdout == data, "and back, byte for byte")
    p = h.run("tokenizer", "show", "abc", "-n", "2")
    for part in ("bpe", "gpt-2", "259 tokens, 3 of them special", '257  "<|im_end|>"  eos'):
        if part.startswith("257"):
            has(h.run("tokenizer", "show", "abc").out, part, "show: roles of special tokens")
        else:
            has(p.out, part, f"show: {part}")
    has(p.out, "1 more", "show -n cuts the list and says so")
    j = h.json("tokenizer", "show", "abc", "--json")
    equal((j["kind"], j["vocabulary"], j["eos"], len(j["special"]), j["adds_bos"]),
          ("bpe", 259, 257, 3, False), "show --json")
    folder = os.path.join(h.path, "hf")
    os.makedirs(folder)
    letters = tiny_model.byte_letters()
    spec = {"model": {"type": "BPE", "vocab": {letters[b]: b for b in range(256)} | {"ab": 256},
                      "merges": ["a b"]},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
            "decoder": {"type": "ByteLevel"}, "added_tokens": []}
    with open(folder + "/tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(spec, f)
    for name in (folder, folder + "/tokenizer.json"):
        equal(h.run("tokenizer", "encode", name, "--ids", "-p", "cab").out, "99 256\n",
              f"MODEL may be {os.path.basename(name)}")
    os.remove(folder + "/tokenizer.json")
    equal(h.run("tokenizer", "show", folder).returncode, 3, "a folder without one")
    equal(h.run("tokenizer", "show", "/dev/null").returncode in (3, 4), True, "no tokenizer")


def training(h):
    def train(*words, stdin=b""):
        return h.run("tokenizer", "train", out, *words, stdin=stdin)
    text, out = os.path.join(h.path, "text.txt"), os.path.join(h.path, "made.json")
    with open(text, "w", encoding="utf-8") as f:
        f.write("the cat sat on the mat, the dog sat on the cat\n" * 50)
    p = train(text, "--vocab", "270", "--special", "<|end|>")
    ok(p.returncode == 0 and "270 tokens" in p.out and p.err == "", "train", p.out + p.err)
    with open(out, "rb") as f:
        made = f.read()
    equal(h.run("tokenizer", "encode", out, "--ids", "--special", "-p", "the<|end|>").out.split()[-1],
          "0", "control tokens come first")
    equal(h.run("tokenizer", "encode", out, "--ids", "-p", " the").out.split()[1:], [],
          "a frequent word is one token")
    with open(text, "rb") as f:
        p = train("-", "--vocab", "270", "--special", "<|end|>", "-t", "3", "--json", stdin=f.read())
    with open(out, "rb") as f:
        ok(f.read() == made, "from standard input, with three threads: the same bytes", p.err)
    j = json.loads(p.out)
    equal((j["vocabulary"], j["merges"], j["bytes"], j["different_words"]), (270, 13, 2350, 9),
          "train --json")
    p = train(text, "--vocab", "5000")
    ok(p.returncode == 0 and "5000 tokens were asked for" in p.err, "fewer tokens are said", p.err)
    for words, code, part in (((text, "--vocab", "100"), 2, "256"), ((text, "--pre", "x"), 2, "gpt-2"),
                              ((text, "--vocab", "0"), 2, "--vocab"), ((text, "--memory", "1X"), 2, "1X"),
                              ((text, "--memory", "1K"), 3, "1024 bytes"), ((text, "--memory", "0.001"), 3, "1048 bytes"), ((), 2, "TEXT"),
                              ((h.path,), 2, "folder"), (("/none",), 4, "/none"),
                              ((text, "--special", "a"), 2, "short"), (("/dev/null",), 3, "no text")):
        p = train(*words)
        ok(p.returncode == code and part in p.err, f"train {' '.join(words)} is refused", p.err)
    with open(text, "wb") as f:
        f.write(bytes(range(256)) * 20 + b"\0" * 1000 + b"\xff" * 1000)
    equal(train(text, "--vocab", "300").returncode, 0, "any bytes are text")
    with open(text, "rb") as f:
        before = f.read()
    p = h.run("tokenizer", "train", text, out, "--vocab", "300")
    with open(text, "rb") as f:
        ok(p.returncode == 2 and "is there, and no tokenizer.json" in p.err and f.read() == before,
           "a text that stands where the vocabulary should is not replaced", p.err)
    for name, data in (("gz", gzip.compress(before)), ("xz", lzma.compress(before)),
                       ("bz2", bz2.compress(before))):
        with open(f"{h.path}/x.{name}", "wb") as f:
            f.write(data)
        p = train(f"{h.path}/x.{name}", "--vocab", "300")
        ok(p.returncode == 3 and "compressed by" in p.err, f"compressed text ({name}) is none", p.err)


def main():
    with kit.Home() as h:
        for kind in ("abc", "forever", "dice"):
            tiny_model.write(f"{h.models}/{kind}.gguf", kind)
        for part in (complete, sampling, describe, bench, helping, tokenizer, training):
            part(h)
    kit.done()


main()
