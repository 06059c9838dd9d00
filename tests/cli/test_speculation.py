#!/usr/bin/env python3
"""--draft and --lookup: the same answers, and what is said of the proposals."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

WAYS = (("--lookup",), ("--lookup", "1", "--draft-n", "3"), ("--draft", "dice"),
        ("--draft", "abc"), ("--draft", "abc", "--lookup=2"),
        ("--model-draft", "forever", "--draft-max", "4"))
SAMPLERS = (("--temp", "0"), ("--seed", "1"), ("--seed", "2", "--temp", "2", "--top-k", "0"),
            ("--seed", "3", "--dry-multiplier", "1", "--repeat-penalty", "1.2"),
            ("--seed", "4", "--mirostat", "2"), ("--seed", "5", "--stop", "q"),
            ("--seed", "6", "-c", "64", "-n", "-1"))


def same_answers(h):
    for sampler in SAMPLERS:
        for model in ("dice", "forever"):
            words = ("complete", model, "-p", "abcabc", "-n", "60", "--json", "--logprobs", "2",
                     *sampler)
            want = h.json(*words)
            wrong = []
            for way in WAYS:
                got = h.json(*words, *way)
                same = all(got.get(k) == want[k] for k in ("text", "tokens", "finish"))
                counted = "passes" in got and got["accepted"] <= got["proposed"]
                if not same or not counted or "passes" in want:
                    wrong.append((way, got))
            ok(not wrong, f"{model} {' '.join(sampler)}", wrong)


def what_is_counted(h):
    words = ("complete", "deep", "-p", "a", "-n", "100", "--temp", "0", "--json")
    j = h.json(*words, "--draft", "forever")
    # A draft that is always right; the last pass may reach beyond the answer.
    ok(j["passes"] + j["accepted"] == 100, "every token is a pass or a proposal", j)
    # How often it is asked hangs on what that costs on this machine now.
    ok(j["accepted"] > 0 and j["proposed"] - j["accepted"] <= 16, "the draft is right", j)
    j = h.json(*words, "--lookup")
    ok(j["passes"] < 100 and j["accepted"] > 0, "the alphabet comes again", j)
    j = h.json(*words, "--draft", "escape")
    equal((j["accepted"], j["passes"], j["answer_tokens"]), (0, 100, 100),
          "a draft that is always wrong costs no answer")
    ok(j["proposed"] < 300, "and is soon heard less", j)


def chats(h):
    talk = b"one\ntwo\nthree\n"
    want = h.run("chat", "dice", "--seed", "3", "-n", "40", stdin=talk)
    equal(want.returncode, 0, "a chat")
    for way in WAYS:
        p = h.run("chat", "dice", "--seed", "3", "-n", "40", *way, stdin=talk)
        equal(p.out, want.out, f"the same chat with {' '.join(way)}")
    p = h.run("chat", "deep", "--temp", "0", "-n", "40", "--draft", "forever",
              stdin=b"one\n/stats\n")
    has(p.out, "passes for", "/stats says it")
    has(p.out, "the draft's: ", "and whose proposals held")
    j = h.json("chat", "forever", "-p", "one", "--temp", "0", "-n", "40", "--lookup", "--json")
    ok(j["passes"] + j["accepted"] == 40, "chat --json", j)


def benches(h):
    text = os.path.join(h.path, "text")
    with open(text, "w", encoding="utf-8") as f:
        f.write("abc")
    j = h.json("bench", "forever", "--lookup", "-f", text, "--temp", "0", "-n", "60", "-r", "2",
               "--json")
    equal((j.get("same"), j.get("answer_tokens"), j.get("prompt_tokens")), (True, 60, 3),
          "glass bench --lookup")
    ok(j["plain_per_s"] > 0 and j["per_s"] > 0 and j["accepted"] > 0, "its figures", j)
    p = h.run("bench", "dice", "--draft", "dice", "-f", text, "-n", "30", "-r", "1")
    has(p.out, "the same tokens both ways", "for people")
    p = h.run("bench", "dice", "--lookup")
    ok(p.returncode == 2 and "-f FILE" in p.err, "it needs a text", p.err)
    p = h.run("bench", "dice", "-f", text)
    ok(p.returncode == 2 and "--draft and --lookup" in p.err, "-f alone", p.err)


def refusals(h):
    tiny_model.write(os.path.join(h.models, "strange.gguf"),
                     special=("<|im_start|>", "<|im_end|>", "<|end|>"))
    for words, code, part in (
            (("--draft", "strange"), 3, "<|end|>"), (("--draft", "none"), 3, "none"),
            (("--draft-n", "3"), 2, "--draft and --lookup"),
            (("--lookup", "--draft-n", "65"), 2, "1 to 64"), (("--lookup=x",), 2, "lookup"),
            (("--draft",), 2, "MODEL")):
        p = h.run("complete", "dice", "-p", "a", "-n", "2", *words)
        ok(p.returncode == code and part in p.err, f"{words} is refused", (p.returncode, p.err))
    # The number may be left out, wherever the option stands.
    for words in (("--lookup", "dice"), ("dice", "--lookup"), ("--lookup", "3", "dice"),
                  ("dice", "--lookup", "-t", "1")):
        p = h.run("complete", "-p", "a", "-n", "2", *words)
        equal(p.returncode, 0, " ".join(words))


with kit.Home() as home:
    for kind in ("abc", "forever", "dice", "escape"):
        tiny_model.write(os.path.join(home.models, kind + ".gguf"), kind)
    tiny_model.write(os.path.join(home.models, "deep.gguf"), "forever", layers=24)
    same_answers(home)
    what_is_counted(home)
    chats(home)
    benches(home)
    refusals(home)
kit.done()
