#!/usr/bin/env python3
"""--grammar, --grammar-text, --json-schema, --json-object: answers of a given form, alone and with
drafts and look-up, and what is said where that is not possible."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402

SCHEMA = {"type": "object", "properties": {
    "name": {"type": "string", "pattern": "^[a-z]{2,5}$"}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
    "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "minItems": 1, "maxItems": 3}},
    "required": ["name", "age", "tags"], "additionalProperties": False}
GBNF = 'root ::= ([a-m]{2,4} "-")+ [0-9]{3} "."\n'
WAYS = (("--lookup",), ("--draft", "dice"), ("--draft", "abc", "--lookup=2", "--draft-n", "3"))


def good(value):
    return (list(value) == ["name", "age", "tags"] and re.fullmatch("[a-z]{2,5}", value["name"]) and
            0 <= value["age"] <= 130 and 1 <= len(value["tags"]) <= 3 and set(value["tags"]) <= {"red", "green"})


def schemas(h):
    for seed in range(3):
        j = h.json("complete", "dice", "-p", "x", "-n", "400", "--seed", str(seed), "--temp", "1.5", "--json",
                   "--json-schema", json.dumps(SCHEMA))
        ok(good(json.loads(j["text"])), f"a schema's answer, seed {seed}", j["text"])
    path = os.path.join(h.path, "schema.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(SCHEMA, f)
    words = ("complete", "dice", "-p", "x", "-n", "400", "--seed", "1", "--json", "--json-schema")
    equal(h.json(*words, path)["text"], h.json(*words, json.dumps(SCHEMA))["text"], "from a file and in place")
    p = h.run("complete", "dice", "-p", "x", "-n", "400", "--seed", "1", "--json-schema", "-",
              stdin=json.dumps(SCHEMA).encode())
    ok(p.returncode == 0 and good(json.loads(p.out)), "from standard input", p.out + p.err)
    p = h.run("chat", "dice", "-p", "x", "-n", "400", "--seed", "2", "--json-schema", path)
    ok(p.returncode == 0 and good(json.loads(p.out)), "glass chat", p.out + p.err)
    j = h.json("complete", "abc", "-p", "x", "-n", "400", "--temp", "0", "--json", "--json-schema",
               '{"const": {"k": [1, "two"]}}')
    equal(json.loads(j["text"]), {"k": [1, "two"]}, "one value, whatever the model thinks")


def grammars(h):
    path = os.path.join(h.path, "g.gbnf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(GBNF)
    words = ("complete", "dice", "-p", "x", "-n", "3000", "-c", "512", "--temp", "1.5", "--json", "--seed")
    for seed in range(3):
        j = h.json(*words, str(seed), "--grammar", path)
        whole = re.fullmatch(r"([a-m]{2,4}-)+[0-9]{3}\.", j["text"])
        begun = re.fullmatch(r"([a-m]{1,4}-?)*", j["text"])
        ok(whole or (begun and j["finish"] != "stop"), f"a grammar's answer, seed {seed}", j)
    equal(h.json(*words, "2", "--grammar-text", GBNF)["text"], h.json(*words, "2", "--grammar", path)["text"],
          "from a file and in place")
    j = h.json("complete", "abc", "-p", "x", "-n", "9", "--temp", "0", "--json", "--grammar-text", 'root ::= "zyx"')
    equal((j["text"], j["answer_tokens"]), ("zyx", 3), "it ends where nothing more may follow")
    j = h.json("complete", "abc", "-p", "x", "-n", "60", "--temp", "0", "--json", "--json-object")
    equal(j["text"][0], "{", "--json-object")
    talk = b"one\ntwo\n"
    p = h.run("chat", "abc", "--temp", "0", "-n", "9", "--grammar-text", 'root ::= "yes" | "no"', stdin=talk)
    equal(len(re.findall("yes|no", p.out)), 2, "each answer of a chat begins at its beginning")


def same_with_proposals(h):
    forms = (("--json-schema", json.dumps(SCHEMA)), ("--grammar-text", GBNF), ("--json-object",),
             ("--grammar-text", 'root ::= "abcabcabcabcabcabcd" | [a-z]{30}'))
    for i, form in enumerate(forms):
        for sampler in (("--temp", "0"), ("--seed", "1", "--temp", "1.5")):
            words = ("complete", "dice", "-p", "abcabc", "-n", "80", "--json", "--logprobs", "1", *sampler,
                     *form)
            want = h.json(*words)
            wrong = []
            for way in WAYS:
                got = h.json(*words, *way)
                if any(got[k] != want[k] for k in ("text", "tokens", "finish")):
                    wrong.append((way, got["text"], want["text"]))
            ok(not wrong, f"form {i}, {' '.join(sampler)}: the same with drafts and look-up", wrong)


    j = h.json("complete", "deep", "-p", "x", "-n", "60", "--temp", "0", "--json", "--draft", "forever", "--grammar-text",
               'root ::= "qwertyuiop-asdfghjkl-zxcvbnm-0123456789"')
    ok(j["accepted"] > 5 and 2 * j["accepted"] > j["proposed"], "a draft keeps to the grammar, too", j)


def refusals(h):
    for words, code, parts in (
            (("--grammar-text", "root ::= x"), 3, ("line 1, column 10", "no rule x")),
            (("--grammar", "none.gbnf"), 4, ("none.gbnf",)),
            (("--json-schema", '{"properties":{"a":{"minLenth":1}}}'), 3, ("#/properties/a/minLenth",)),
            (("--json-schema", '{"type":'), 3, ("line 1",)),
            (("--json-object", "--grammar-text", 'root ::= "a"'), 2, ("only one of them",)),
            (("--json-schema",), 2, ("--json-schema",))):
        p = h.run("complete", "abc", "-p", "a", "-n", "2", *words)
        ok(p.returncode == code and all(part in p.err for part in parts) and p.out == "", f"{words} is refused",
           (p.returncode, p.err))
    p = h.run("complete", "--help")
    has(p.out, "--json-schema", "--help")


with kit.Home() as home:
    for kind in ("abc", "forever", "dice"):
        tiny_model.write(os.path.join(home.models, kind + ".gguf"), kind)
    tiny_model.write(os.path.join(home.models, "deep.gguf"), "forever", layers=24)
    schemas(home)
    grammars(home)
    same_with_proposals(home)
    refusals(home)
kit.done()
