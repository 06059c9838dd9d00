#!/usr/bin/env python3
"""The default model, where setup.sh has put it: it knows a capital, and a second turn reads
only what is new."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
from kit import equal, has, ok  # noqa: E402

NAME = "SmolLM2-135M-Instruct"
DATA = os.environ.get("GLASS_HOME") or os.path.join(
    os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "glass")
FILE = os.path.join(DATA, "models", NAME + ".gguf")


def main():
    if not os.path.exists(FILE):
        kit.skip("the default model", f"{NAME} is not in the store")
        kit.done()
    with kit.Home() as h:
        h.env["GLASS_HOME"] = DATA
        p = h.run("complete", "smollm2", "-p", "The capital of France is", "-n", "1", "--temp",
                  "0")
        equal(p.out, " Paris\n", "a capital")
        p = h.run("chat", "-j", "--temp", "0", "-n", "24",
                  stdin=b"Name one colour.\nAnd another one?\n")
        first, second = [json.loads(line) for line in p.out.splitlines()]
        held = first["prompt_tokens"] + first["answer_tokens"]
        ok(second["cached_tokens"] >= held - 1, "a second turn reads only what is new",
           (first, second))
        p = h.run("chat", "-p", "Hi", "-n", "1", "--seed", "3")
        q = h.run("chat", "-p", "Hi", "-n", "1", "--seed", "3", "-t", "1")
        equal(p.out, q.out, "the same seed, the same answer, on one thread too")
        p = h.run("show", NAME)
        has(p.out, "apache-2.0", "its licence")
        ids = h.run("tokenizer", "encode", NAME, "--ids", "-p", "Grüße, 世界 👋").stdout
        equal(h.run("tokenizer", "decode", NAME, stdin=ids).out, "Grüße, 世界 👋",
              "text to tokens and back")
    kit.done()


main()
