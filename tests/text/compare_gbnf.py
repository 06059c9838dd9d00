"""compare_gbnf.py GRAMMAR_WALK VOCABULARY PEER [--grammars FOLDER] [--random N] [--seed N]

Holds GBNF grammars against llama.cpp's matcher: the files of FOLDER (its grammars/), and N random
ones. PEER is a program linked with libllama that reads lines {"gbnf": TEXT, "texts": [TEXT, …]} and
answers {"error": true} or {"whole": [whether each is a text of the grammar, or null: given up, …]}:
llama_grammar_init_impl, then llama_grammar_accept for each character and a look at whether some
stack is empty. Texts are answers drawn by our masks, the same with changes, and random ones; every
judgement must be the same.
"""
import argparse
import collections
import json
import os
import random
import subprocess
import sys

ALPHABET = "ab1 é你\n\"-]😀"


class Program:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"no answer to {json.dumps(request)[:2000]}")
        return json.loads(line)


class Maker:
    """Random grammars in all of GBNF's spellings; rule i begins with later rules only."""

    def __init__(self, rng):
        self.r = rng
        self.n_rules = rng.randrange(1, 5)

    def literal(self, char):
        escapes = {"\n": ["\\n", "\\x0A", "\\u000a"], '"': ['\\"', "\\x22"], "a": ["a", "\\x61", "\\u0061"],
                   "é": ["é", "\\u00E9", "\\xe9", "\\U000000e9"], "😀": ["😀", "\\U0001F600"], "]": ["]", "\\]"]}
        return self.r.choice(escapes.get(char, [char]))

    def klass(self):
        def one():
            if self.r.random() < 0.3:
                return self.r.choice(["a-b", "a-z", "0-9", " -~", "\\u0080-\\uffff", "é-你", "A-Za-y"])
            char = self.r.choice("ab1 é你\n\"")
            return self.literal(char)
        items = "".join(one() for _ in range(self.r.randrange(1, 4)))
        return "[" + ("^" if self.r.random() < 0.3 else "") + items + self.r.choice(["", "", "\\]", "\\-"]) + "]"

    def terminal(self):
        kind = self.r.randrange(5)
        if kind < 3:
            return '"' + "".join(self.literal(self.r.choice(ALPHABET)) for _ in range(self.r.randrange(1, 3))) + '"'
        return "." if kind == 3 and self.r.random() < 0.3 else self.klass()

    def repeat(self):
        m = self.r.randrange(3)
        return self.r.choice(["*", "+", "?", f"{{{m + 1}}}", f"{{{m},}}", f"{{{m},{m + 1 + self.r.randrange(2)}}}",
                              f"{{0,{m + 1}}}"])

    def item(self, depth, least):
        kind = 0 if depth > 1 else self.r.randrange(5)
        if kind <= 1 or (kind == 2 and least >= self.n_rules):
            return self.terminal() + (self.repeat() if self.r.random() < 0.3 else "")
        if kind == 2:
            return self.name(least + self.r.randrange(self.n_rules - least))
        body = "(" + self.choices(depth + 1, least) + ")"
        return body + (self.repeat() if self.r.random() < 0.5 else "")

    def sequence(self, depth, least):
        items = []
        for i in range(self.r.randrange(1, 4)):
            literal = items and items[0].startswith('"') and items[0].endswith('"')
            items.append(self.item(depth, 0 if literal else least))
        return self.r.choice([" ", "  "]).join(items)

    def choices(self, depth, least):
        parts = [self.sequence(depth, least) for _ in range(self.r.randrange(1, 3))]
        if self.r.random() < 0.1:
            parts.append('""')
        return " | ".join(parts)

    def name(self, i):
        return "root" if i == 0 else f"rule-{i}"

    def grammar(self):
        lines = []
        for i in range(self.n_rules):
            first = self.terminal()  # so that each rule has a text
            lines.append(f"{self.name(i)} ::= {first} | {self.choices(0, i + 1)}")
            if self.r.random() < 0.2:
                lines.append("# a comment")
        return "\n".join(lines) + "\n"


def changed(text, rng):
    chars = list(text)
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(chars) + 1)
        kind = rng.randrange(3)
        if kind == 0 and chars:
            del chars[min(at, len(chars) - 1)]
        elif kind == 1:
            chars.insert(at, rng.choice(ALPHABET + "{}[]:,"))
        elif chars:
            chars[min(at, len(chars) - 1)] = rng.choice(ALPHABET)
    return "".join(chars)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("walk")
    parser.add_argument("vocabulary")
    parser.add_argument("peer")
    parser.add_argument("--grammars")
    parser.add_argument("--random", type=int, default=500)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    walk, peer = Program(args.walk, args.vocabulary, str(args.seed)), Program(args.peer)
    counts, wrong = collections.Counter(), 0
    cases = [(f, open(os.path.join(args.grammars, f), encoding="utf-8").read(), 100)
             for f in sorted(os.listdir(args.grammars)) if f.endswith(".gbnf")] if args.grammars else []
    cases += [(f"random {i}", Maker(random.Random(args.seed * 1000003 + i)).grammar(), args.samples)
              for i in range(args.random)]
    for name, text, n in cases:
        rng = random.Random(name)
        ours = walk.ask(gbnf=text, samples=n, texts=[])
        theirs = peer.ask(gbnf=text, texts=[])
        if "error" in ours or "error" in theirs:
            counts[f"refused: ours {ours.get('error', '-')[:70]}, theirs {theirs.get('error', '-')}"] += 1
            continue
        drawn = [s for s in ours["samples"] if s is not None and len(s) < 2000]
        counts["samples without end"] += ours["samples"].count(None)
        texts = drawn + [changed(s, rng) for s in drawn] + \
            ["".join(rng.choice(ALPHABET) for _ in range(rng.randrange(6))) for _ in range(n)]
        texts = [t for t in texts if "\0" not in t]
        ours, theirs = walk.ask(gbnf=text, texts=texts), peer.ask(gbnf=text, texts=texts)
        for i, (t, a, b) in enumerate(zip(texts, ours["whole"], theirs["whole"])):
            counts["given up" if b is None else f"texts {'taken' if b else 'not taken'}"] += 1
            if b is None or (a == b and (a or i >= len(drawn))):
                continue
            wrong += 1
            if wrong < 20:
                print(f"DIFFERENT {name}: ours {a}, theirs {b}: {t!r}\n{text}")
        counts["grammars"] += 1
    for what, n in sorted(counts.items()):
        print(f"{n:8} {what}")
    print(f"{wrong:8} DIFFERENT")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
