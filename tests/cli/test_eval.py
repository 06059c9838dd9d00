#!/usr/bin/env python3
"""glass eval, on models whose every probability is known, and the same digits with every
instruction set."""
import json
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

# The norm makes a one-hot row sqrt(N) high, and the table has 2.0: what follows has this
# logit, the others 0. In "dice" 26 letters share it.
N = tiny_model.N_VOCAB
LOGIT = 2 * math.sqrt(N) / math.sqrt(1 + N * 1e-5)
RIGHT = -math.log(1 + (N - 1) * math.exp(-LOGIT))
WRONG = RIGHT - LOGIT
DICE = -math.log(26 + (N - 26) * math.exp(-LOGIT))


def near(got, want, name):
    ok(isinstance(got, (int, float)) and abs(got - want) <= 1e-5 * max(1, abs(want)), name,
       f"{got}, not {want}")


def perplexity(h):
    text = b"abcdefghijklmnopqrstuvwxyz" * 4
    j = h.json("eval", "perplexity", "dice", "-", "-c", "16", "--json", stdin=text)
    near(j.get("nll"), -DICE, "any letter after any other")
    near(j.get("perplexity"), math.exp(-DICE), "perplexity")
    near(j.get("bits_per_byte"), -DICE / math.log(2), "a token is a byte")
    equal((j.get("windows"), j.get("ctx"), j.get("scored_tokens"), j.get("scored_bytes"),
           j.get("tokens")), (6, 16, 42, 42, 104), "pieces of 16 tokens, 7 scored in each")
    file = os.path.join(h.path, "text")
    with open(file, "wb") as f:
        f.write(b"abcXabcd\n")
    j = h.json("eval", "perplexity", "abc", file, "--whole", "--json")
    # b c are right, X is not; after X comes a, then b c d.
    near(j.get("nll"), -(6 * RIGHT + WRONG) / 7, "the whole; the last newline does not count")
    j = h.json("eval", "perplexity", "abc", file, "-c", "4", "--stride", "2", "-j")
    near(j.get("nll"), -(6 * RIGHT + WRONG) / 7, "a stride scores every token once")
    equal((j.get("windows"), j.get("scored_tokens")), (3, 7), "three windows")
    p = h.run("eval", "perplexity", "abc", file, "--whole")
    has(p.out, "bits per byte", "for people")
    has(p.out, "7 of 8 tokens scored", "with counts")
    p = h.run("eval", "perplexity", "dice", "-", "--chunks", "2", "-c", "8", "--running",
              stdin=text)
    has(p.out, "[1]", "--running, and llama-perplexity's --chunks")
    has(p.out, "2 windows of 8", "--windows")
    for words, code, part in ((("-c", "600"), 2, "512"), (("-c", "512"), 3, "at least 512"),
                              (("--whole", "-c", "9"), 2, "--whole"),
                              (("-c", "-1"), 2, "negative"), (("--stride", "512"), 2, "stride"),
                              (("--cache-type", "q4_0"), 2, "f32, f16 and q8_0")):
        p = h.run("eval", "perplexity", "dice", "-", *words, stdin=text)
        ok(p.returncode == code and part in p.err, f"{words} is refused", p.err)
    equal(h.run("eval", "perplexity", "dice", h.path + "/none").returncode, 4, "no such file")
    equal(h.run("eval", "perplexity", "none", file).returncode != 0, True, "no such model")


def kl(h):
    text = b"abcdefghijklmnop"
    j = h.json("eval", "kl", "abc", "dice", "-", "--whole", "--json", stdin=text)
    # P is dice: 1/26 on each letter; Q nearly all on the right one.
    p, q = math.exp(DICE), math.exp(RIGHT)
    low, wrong = DICE - LOGIT, math.exp(DICE - LOGIT) * (N - 26)
    want = p * (DICE - RIGHT) + 25 * p * (DICE - WRONG) + wrong * (low - WRONG)
    near(j.get("kl"), want, "KL(BASE || MODEL)")
    near(j.get("kl_99"), want, "at every token")
    near(j.get("dp"), q - p, "the change of p")
    near(j.get("ratio"), math.exp(DICE - RIGHT), "the ratio of perplexities")
    near(j["model"]["nll"], -RIGHT, "the model's own figures")
    near(j["base"]["nll"], -DICE, "and the base's")
    near(j.get("same_top"), 0, "dice finds a likeliest, abc never does here")
    p = h.run("eval", "kl", "abc", "abc", "-", "-c", "8", stdin=text)
    has(p.out, "mean 0.000000", "a model beside itself")
    has(p.out, "100.000%", "agrees with itself")
    tiny_model.write(f"{h.models}/other.gguf", "abc", special=["<x>", "<|im_end|>", "<y>"])
    p = h.run("eval", "kl", "abc", "other", "-", stdin=text)
    ok(p.returncode == 3 and 'token 256 is "<|im_start|>"' in p.err, "other vocabularies", p.err)


def loglik(h):
    lines = [{"id": 7, "context": "abc", "continuation": "def"},
             {"context": "abc", "continuation": "dx", "id": [1, "x"]},
             {"context": "ab ", "continuation": "c"}, {"continuation": "q"},
             {"context": "z", "continuation": ""}]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    p = h.run("eval", "loglik", "abc", stdin=data + b"\n")
    got = [json.loads(line) for line in p.out.splitlines()]
    equal([g["is_greedy"] for g in got], [True, False, False, False, True], "is_greedy")
    equal([g["tokens"] for g in got], [3, 2, 2, 1, 0], "tokens")
    equal([g["bytes"] for g in got], [3, 2, 1, 1, 0], "bytes")
    equal([g.get("id") for g in got], [7, [1, "x"], None, None, None], "id comes back")
    # "ab" then " c": a space after b is wrong, and after a space comes a, not c; "q" follows
    # BOS, after which comes a.
    for g, want in zip(got, (3 * RIGHT, RIGHT + WRONG, 2 * WRONG, WRONG, 0)):
        near(g["logprob"], want, f"logprob {want:.3f}")
    file = os.path.join(h.path, "lines")
    with open(file, "wb") as f:
        f.write(data)
    equal(h.run("eval", "loglik", "abc", file, "--json").out, p.out, "from a file")
    for line, part in ((b"{", "line 1"), (b"[]", "JSON object"), (b'{"context":"a"}', "continuation"),
                       (b'{"context":1,"continuation":"a"}', "context"),
                       (b'{"continuation":"a","continuation":"b"}', "line 1")):
        q = h.run("eval", "loglik", "abc", stdin=line)
        ok(q.returncode == 3 and part in q.err, f"{line} is refused", q.err)
    q = h.run("eval", "loglik", "abc", "-c", "4",
              stdin=b'{"context":"ab","continuation":"cdefgh"}')
    ok(q.returncode == 3 and "6 tokens" in q.err, "a continuation longer than the context", q.err)
    q = h.json("eval", "loglik", "abc", "-c", "4", stdin=b'{"context":"abcdef","continuation":"g"}')
    equal((q["cut_tokens"], q["context_tokens"]), (2, 6), "a context that is cut says so")


def same_digits(h):
    sets = ["c"] + [s for s in ("avx2", "avx512", "avx512vnni", "neon", "dotprod")
                    if h.run("show", "abc", env={"GLASS_ISA": s}).returncode == 0]
    text = bytes(97 + i * i % 26 for i in range(200))
    outs = {h.run("eval", "kl", "dice", "abc", "-", "-c", "50", "--json", "-t", str(1 + i % 2),
                  stdin=text, env={"GLASS_ISA": s}).out for i, s in enumerate(sets)}
    ok(len(outs) == 1 and "kl_median" in outs.pop(), f"the same digits with {', '.join(sets)}",
       str(outs))


def helping(h):
    for part in ("perplexity", "loglik", "kl"):
        q, r = h.run("eval", part, "--help"), h.run("help", "eval", part)
        ok("examples:" in q.out and q.out == r.out, f"eval {part} --help", q.out)
        ok(max(map(len, q.out.splitlines())) <= 100, f"eval {part} --help in 100 columns", q.out)
    for words in ((), ("frob",), ("kl", "abc"), ("perplexity", "abc"), ("loglik",),
                  ("kl", "abc", "abc", "x", "y")):
        equal(h.run("eval", *words).returncode, 2, f"eval {' '.join(words)}: wrong usage")


def main():
    with kit.Home() as h:
        for kind in ("abc", "dice"):
            tiny_model.write(f"{h.models}/{kind}.gguf", kind)
        for part in (perplexity, kl, loglik, same_digits, helping):
            part(h)
    kit.done()


main()
