#!/usr/bin/env python3
"""glass complete --prefix --suffix, on a model that continues the alphabet."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

# The second one also is this vocabulary's EOS.
FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
ALL = "abcdefghijklmnopqrstuvwxyz"


def answers(h):
    p = h.run("complete", "fim", "--prefix-text", "abc", "--suffix-text", "xyz", "--temp", "0")
    equal((p.returncode, p.out), (0, ALL + "\n"), "after the middle's token comes an a")
    p = h.run("complete", "fim", "--prefix-text", "abc", "--suffix-text", "xyz", "--temp", "0",
              "--infill-order", "spm")
    equal(p.out, ALL[3:] + "\n", "spm: the prefix comes last")
    before, after = (os.path.join(h.path, n) for n in ("before", "after"))
    for path, text in ((before, "abc"), (after, "!\n")):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    p = h.run("complete", "fim", "--prefix", before, "--suffix", after, "--temp", "0",
              "--infill-order", "spm", "--echo", "-n", "3")
    equal(p.out, "abcdef!\n\n", "files, and --echo gives the whole")
    p = h.run("complete", "fim", "--prefix", "-", "--suffix", after, "--temp", "0",
              "--infill-order=spm", "--stop", "h", stdin=b"e")
    equal(p.out, "fg\n", "standard input, a stop text")
    p = h.run("complete", "fim", "--suffix-text", "b", "--temp", "0", "-n", "2")
    equal(p.out, "ab\n", "a suffix alone")
    j = h.json("complete", "fim", "--prefix-text", "abc", "--suffix-text", "xy", "--temp", "0",
               "-n", "4", "--json", "--logprobs", "1")
    equal([j.get(k) for k in ("text", "finish", "prompt_tokens", "answer_tokens", "prefix_cut",
                              "suffix_cut")], ["abcd", "length", 8, 4, 0, 0], "--json")
    equal([t["text"] for t in j.get("tokens", [])], list("abcd"), "--logprobs")
    j = h.json("complete", "fim", "--prefix-text", "a", "--temp", "0", "--json")
    equal((j.get("finish"), j.get("prompt_tokens")), ("end", 4), "a prefix alone")


def cuts(h):
    words = ("complete", "fim", "--prefix-text", ALL, "--suffix-text", ALL, "--temp", "0",
             "-c", "32", "--infill-order", "spm", "-n", "8")
    p = h.run(*words)
    # 24 positions for the prompt, of which 3 are marks: 5 of the suffix, 16 of the prefix.
    has(p.err, "last 16 of the prefix's 26 tokens and the first 5 of the suffix's 26",
        "what is cut is said")
    j = h.json(*words, "--json")
    equal((j.get("prompt_tokens"), j.get("prefix_cut"), j.get("suffix_cut")), (24, 10, 21),
          "and in JSON")
    p = h.run("complete", "fim", "--prefix-text", "a" * 99 + "b", "--temp", "0", "-c", "16",
              "--infill-order", "spm", "-n", "2")
    equal(p.out, "cd\n", "the prefix's end stays")


def refusals(h):
    some = ("--prefix-text", "a")
    for words, code, part in (
            ((*some, "-p", "b"), 2, "whole prompt"), ((*some, "-f", "b"), 2, "whole prompt"),
            ((*some, "--special"), 2, "whole prompt"), ((*some, "--prefix", "b"), 2, "not both"),
            ((*some, "--infill-order", "mps"), 2, "psm and spm"),
            (("--prefix", os.path.join(h.path, "none")), 4, "none"),
            ((*some, "-c", "2"), 3, "tokens of its own")):
        p = h.run("complete", "fim", *words)
        ok(p.returncode == code and part in p.err, f"{words} is refused", p.err)
    p = h.run("complete", "abc", *some)
    equal(p.returncode, 3, "a model that was not made for it")
    has(p.err, "not made to fill in text", "says so")


with kit.Home() as home:
    tiny_model.write(os.path.join(home.models, "fim.gguf"), special=FIM)
    tiny_model.write(os.path.join(home.models, "abc.gguf"))
    answers(home)
    cuts(home)
    refusals(home)
kit.done()
