"""compare_schemas.py GRAMMAR_DRAW VOCABULARY [--suite FOLDER] [--real FOLDER [--every N]] [--random N]
                      [--samples N] [--seed N]

Holds JSON schemas as grammars against Python's jsonschema (with its format checkers: jsonschema,
rfc3339-validator, fqdn, isoduration, rfc3987). For each schema it draws answers by random tokens,
all of which must be JSON that jsonschema allows; changes them a little, and whatever the
grammar takes of that must be allowed too. Schemas: tests/text/data/schemas.json, N random ones, and,
with --suite, those of a checkout of JSON-Schema-Test-Suite, whose own values are judged as well:
none that it calls invalid may be taken. Prints how many values that are allowed are not taken, too.

--real takes every Nth file of a folder of schemas, or of objects with "schema" and "tests", such as
maskbench/data of JSONSchemaBench, and prints how many of each kind (the beginning of the files' names)
are taken, and why the others are not.
"""
import argparse
import collections
import copy
import json
import os
import random
import re
import subprocess
import sys

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))
DRAFTS = {"draft4": jsonschema.Draft4Validator, "draft7": jsonschema.Draft7Validator,
          "draft2020-12": jsonschema.Draft202012Validator}

# --- random schemas ---------------------------------------------------------------------------

PATTERNS = ["^[a-z]{2,5}$", "^\\d+(\\.\\d+)?$", "abc|^x", "^(foo|bar)-[A-F0-9]{4}$", "^\\S+@\\S+$",
            "[^\\w]$", "^.{3}$", "^(\\+\\d{1,3})?\\d{3}-\\d{4}$", "^$", "\\u00e9", "^[^\"\\\\]*$", "^\\D*$",
            "^a*b+c?$", "q", "^(?=.*\\d)(?=.*[a-z])\\w{4,9}$", "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", "^(?!a|b$)",
            "(^a$)|(^[xy]b|c$)", "^(?:a|(b|c$))", "(?:^| )z( |$)", "^\\s*x", "^(?:\\w+ ){1,3}\\w+$"]
FORMATS = ["date", "time", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri",
           "regex", "json-pointer", "relative-json-pointer", "uri-reference", "iri", "uri-template", "idn-email"]
NAMES = ["a", "b", "name", "x y", "é", "q\"t", "tab\t", "back\\slash", "long_name_here", "\U0001f600", "", "$ref2"]
WORDS = ["", "a", "red", "two words", "é", "\"", "\\", "\n", "\u2028", "\U0001f600", "\x7f", "a/b"]


class Maker:
    def __init__(self, rng):
        self.r = rng
        self.defs = {}

    def pick(self, items):
        return items[self.r.randrange(len(items))]

    def chance(self, p):
        return self.r.random() < p

    def value(self, depth=0):
        kind = self.r.randrange(7 if depth < 2 else 5)
        if kind == 0:
            return self.pick([None, True, False])
        if kind == 1:
            return self.r.randrange(-1000, 1000)
        if kind == 2:
            return self.pick([0.5, -1.25, 1e3, 3.0, 1e-7, 123456.75])
        if kind in (3, 4):
            return self.pick(WORDS)
        if kind == 5:
            return [self.value(depth + 1) for _ in range(self.r.randrange(3))]
        return {self.pick(NAMES): self.value(depth + 1) for _ in range(self.r.randrange(3))}

    def number(self, out, integer):
        def bound():
            if integer or self.chance(0.4):
                return self.r.choice([0, 1, 5, 10, 99, 100, -1, -7, -100, 255, 1000, 65535, 2**31, -2**40])
            return self.r.choice([0.5, -0.5, 1.25, 99.99, -3.75, 0.001, 1000.5, 2.5e-3, 1e6])
        low, high = sorted([bound(), bound()])
        if self.chance(0.5):
            out[self.pick(["minimum", "exclusiveMinimum"])] = low
        if self.chance(0.5):
            out[self.pick(["maximum", "exclusiveMaximum"])] = high
        if integer and self.chance(0.15):
            out["multipleOf"] = self.pick([1, 2, 3, 5, 7, 10, 12, 60])

    def string(self, out):
        kind = self.r.randrange(6)
        if kind == 0:
            out["pattern"] = self.pick(PATTERNS)
        if kind == 1:
            out["format"] = self.pick(FORMATS)
        if kind in (2, 0) and self.chance(0.6):
            n = self.r.randrange(6)
            out["minLength"] = n
            if self.chance(0.7):
                out["maxLength"] = n + self.r.randrange(12)
        if kind == 3:
            out["maxLength"] = self.r.randrange(10)

    def array(self, out, depth):
        if self.chance(0.3):
            out["prefixItems"] = [self.schema(depth + 1) for _ in range(1 + self.r.randrange(3))]
        if self.chance(0.7):
            out["items"] = self.schema(depth + 1)
        if self.chance(0.4):
            out["minItems"] = self.r.randrange(4)
        if self.chance(0.4):
            out["maxItems"] = out.get("minItems", 0) + self.r.randrange(4)

    def object(self, out, depth):
        names = self.r.sample(NAMES, self.r.randrange(5))
        if names and self.chance(0.9):
            out["properties"] = {n: self.schema(depth + 1) for n in names}
        if self.chance(0.6):
            out["required"] = self.r.sample(names, self.r.randrange(len(names) + 1))
            if self.chance(0.2):
                out["required"].append("other")
        if self.chance(0.6):
            out["additionalProperties"] = self.schema(depth + 1) if self.chance(0.3) else self.chance(0.4)
        if self.chance(0.15):
            out["patternProperties"] = {self.pick(["^a", "^x-", "e$", "\\d", "n"]): self.schema(depth + 1)}
        if self.chance(0.1):
            out["propertyNames"] = self.pick([{"pattern": "^[a-z]+$"}, {"maxLength": 4}, {"enum": ["a", "b", "zz"]},
                                              {"minLength": 1}, {"anyOf": [{"const": "a"}, {"pattern": "e"}]},
                                              {"not": {"pattern": "^a"}}])
        if self.chance(0.1):
            out["minProperties"] = self.r.randrange(3)
        if self.chance(0.1):
            out["maxProperties"] = 1 + self.r.randrange(4)
        if len(names) > 1 and self.chance(0.08):
            out["dependentRequired"] = {names[0]: [names[1]]}

    def condition(self, out, depth):
        """Keywords that ask for what must not hold, or for what stands in the same place."""
        part = {"type": out["type"]} if "type" in out and self.chance(0.5) else {}
        kind = self.r.randrange(7)
        if kind == 0:
            out["if"] = self.twist(out) if self.chance(0.6) else self.schema(depth + 1)
            out["then"] = self.twist(out)
            if self.chance(0.5):
                out["else"] = self.twist(out) if self.chance(0.8) else False
        elif kind == 1:
            out["not"] = self.twist(out) if self.chance(0.7) else self.schema(depth + 1)
        elif kind == 2:
            out[self.pick(["oneOf", "oneOf", "anyOf"])] = [dict(part, **self.wrap(self.twist(out)))
                                                          for _ in range(2 + self.r.randrange(2))]
        elif kind == 3 and out.get("type") == "object":
            names = list(out.get("properties", {})) or ["a"]
            out["dependentSchemas"] = {self.pick(names): self.twist(out)}
        elif kind == 4 and out.get("type") == "object":
            out["unevaluatedProperties"] = False if self.chance(0.7) else self.schema(depth + 1)
            out["allOf"] = [self.twist(out)]
            if self.chance(0.7):
                out.pop("additionalProperties", None)
        elif kind == 5 and out.get("type") == "array":
            out["contains"] = self.schema(depth + 1)
            if self.chance(0.4):
                out["minContains"] = self.r.randrange(3)
            if self.chance(0.4):
                out["maxContains"] = out.get("minContains", 1) + self.r.randrange(3)
        elif kind == 6 and out.get("type") == "array":
            out["unevaluatedItems"] = self.chance(0.3)
            out["allOf"] = [self.twist(out)]

    def union(self):
        """Objects told apart by a member, as data models write them."""
        words = self.r.sample(["cat", "dog", "bird", "fish"], 2 + self.r.randrange(2))
        shared = self.r.sample(NAMES, 2)
        options = []
        for word in words:
            own = {"kind": {"const": word, "type": "string"}} if self.chance(0.8) else {"kind": {"enum": [word, "x"]}}
            own.update({n: self.schema(3) for n in shared + [word] if self.chance(0.7)})
            option = {"type": "object", "properties": own}
            required = [n for n in own if self.chance(0.5)]
            if required:
                option["required"] = required
            if self.chance(0.5):
                option["additionalProperties"] = False
            options.append(option)
        return {"oneOf": options}

    def schema(self, depth=0):
        out = self.plain(depth)
        if isinstance(out, dict) and depth < 3 and "allOf" not in out and self.chance(0.2):
            self.condition(out, depth)
        return out

    def plain(self, depth):
        if depth < 2 and self.chance(0.04):
            return self.union()
        out = {}
        kind = self.r.randrange(16 if depth < 3 else 6)
        if depth > 0 and self.chance(0.03):
            return self.chance(0.7)
        if kind == 0:
            out["type"] = self.pick(["null", "boolean"])
        elif kind in (1, 2):
            integer = self.chance(0.6)
            out["type"] = "integer" if integer else "number"
            self.number(out, integer)
        elif kind in (3, 4):
            out["type"] = "string"
            self.string(out)
        elif kind == 5:
            if self.chance(0.3):
                out["const"] = self.value()
            else:
                out["enum"] = [self.value() for _ in range(1 + self.r.randrange(5))]
            if self.chance(0.3):
                out["type"] = self.pick(["string", "number", "integer", "array", ["string", "null"]])
        elif kind in (6, 7):
            out["type"] = "array"
            self.array(out, depth)
            if self.chance(0.1):
                out["uniqueItems"] = True
                out["items"] = {"enum": [self.value() for _ in range(4)]}
        elif kind in (8, 9, 10, 11):
            out["type"] = "object"
            self.object(out, depth)
        elif kind == 12:
            out[self.pick(["anyOf", "oneOf"])] = [self.schema(depth + 1) for _ in range(2)]
            if self.chance(0.2):
                out["type"] = self.pick(["string", "object", "number"])
        elif kind == 13:
            base = self.schema(depth + 1)
            out["allOf"] = [base, self.schema(depth + 1) if self.chance(0.3) else self.twist(base)]
        elif kind == 14:
            name = self.pick(["n1", "n2", "a/b", "c~d"])
            if name not in self.defs:
                self.defs[name] = {}
                self.defs[name].update(self.wrap(self.schema(depth + 1)))
            out["$ref"] = "#/$defs/" + name.replace("~", "~0").replace("/", "~1")
        else:
            out["type"] = self.r.sample(["null", "boolean", "integer", "number", "string", "array", "object"],
                                        1 + self.r.randrange(3))
            if self.chance(0.3):
                self.number(out, False)
            if self.chance(0.3):
                self.string(out)
            if self.chance(0.15):
                out["not"] = {"const": self.value()} if self.chance(0.5) else {"enum": [self.value(), self.value()]}
        return out

    def wrap(self, schema):
        return schema if isinstance(schema, dict) else {"allOf": [schema]}

    def twist(self, base):
        """Another schema that has something to do with the first."""
        if not isinstance(base, dict):
            return True
        out = {}
        if base.get("type") == "object":
            self.object(out, 3)
            out.pop("additionalProperties", None)
        elif base.get("type") == "string":
            self.string(out)
        elif base.get("type") in ("integer", "number"):
            self.number(out, base["type"] == "integer")
        elif base.get("type") == "array":
            self.array(out, 3)
        return out


def random_cases(n, seed):
    for i in range(n):
        maker = Maker(random.Random(seed * 1000003 + i))
        schema = maker.wrap(maker.schema())
        if maker.defs:
            schema["$defs"] = maker.defs
        yield {"name": f"random {seed}/{i}", "schema": schema}


# --- values that are nearly right -----------------------------------------------------------------

def places(value, at=()):
    yield at
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in items:
        yield from places(item, at + (key,))


def changed(value, rng):
    """A copy with one thing changed."""
    value = copy.deepcopy(value)
    spots = list(places(value))
    at = spots[rng.randrange(len(spots))]
    holder, key, node = None, None, value
    for step in at:
        holder, key, node = node, step, node[step]
    if isinstance(node, dict) and node and rng.random() < 0.6:
        name = rng.choice(list(node))
        if rng.random() < 0.6:
            del node[name]
        else:
            node = {k: v for k, v in list(node.items()) + [("other", node[name])]}
    elif isinstance(node, list) and node and rng.random() < 0.7:
        node = node + [node[-1]] if rng.random() < 0.5 else node[:-1]
    elif isinstance(node, str) and rng.random() < 0.7:
        node = rng.choice([node + "a", node[:-1], node[1:], node + "\n", "é" + node, node.upper(), node + node])
    elif isinstance(node, (int, float)) and not isinstance(node, bool) and rng.random() < 0.8:
        node = rng.choice([node + 1, node - 1, -node, node * 10, node + 0.5, node // 2, int(node)])
    else:
        node = rng.choice([None, True, 0, 1.5, "", "a", [], {}, [1], {"a": 1}])
    if holder is None:
        return node
    holder[key] = node
    return value


# --- the comparison -----------------------------------------------------------------------------

class Walk:
    def __init__(self, program, vocabulary, seed):
        self.process = subprocess.Popen([program, vocabulary, str(seed)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"grammar_draw ended at {json.dumps(request)[:2000]}")
        return json.loads(line)


def validator_of(case):
    cls = DRAFTS[case.get("draft", "draft2020-12")]
    return cls(case["schema"], format_checker=cls.FORMAT_CHECKER)


def allowed(validator, value):
    try:
        return validator.is_valid(value)
    except Exception as error:  # a reference that jsonschema cannot follow, a pattern that it cannot read
        return error


class Report:
    def __init__(self):
        self.wrong = []
        self.counts = collections.Counter()
        self.errors = collections.Counter()
        self.missed = []
        self.kinds = collections.defaultdict(collections.Counter)

    def bad(self, case, what, text):
        self.counts["WRONG"] += 1
        if len(self.wrong) < 40 and not any(w[:2] == (case["name"], what) for w in self.wrong):
            self.wrong.append((case["name"], what, json.dumps(case["schema"])[:1500], text))


def strict(text):
    """No name twice, and no NaN."""
    def pairs(items):
        return dict(items)

    def constant(name):
        raise ValueError(name)
    return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)


def check_case(walk, case, report, n_samples, rng):
    text = json.dumps(case["schema"], ensure_ascii=rng.random() < 0.5)
    compact = rng.random() < 0.3
    own = [json.dumps(t["data"], ensure_ascii=False) for t in case.get("tests", [])]
    reply = walk.ask(schema=text, samples=n_samples, compact=compact, texts=own)
    report.counts["schemas"] += 1
    report.kinds[case.get("kind")]["taken" if "error" not in reply else "refused"] += 1
    if "error" in reply:
        report.counts["refused"] += 1
        words = reply["error"].split(": ")
        why = ": ".join([words[1].split("/")[-1]] + words[2:])
        report.errors[re.sub("^[^ ]*: an unknown keyword.*", "an unknown keyword", re.sub("[0-9]+", "N", why))[:110]] += 1
        if case.get("must"):
            report.bad(case, "is refused", reply["error"])
        return
    report.counts["compiled"] += 1
    validator = validator_of(case)
    values = []
    for sample in reply["samples"]:
        report.counts["samples"] += 1
        if sample is None:  # the way to an end is guessed: patterns may need a word
            report.counts["samples without end"] += 1
            if "pattern" not in text and not case.get("kind") and not any(reply["samples"]):
                report.bad(case, "no sample ends", "")
            continue
        try:
            value = strict(sample)
        except ValueError as error:
            report.bad(case, f"no JSON: {error}", sample)
            continue
        fine = allowed(validator, value)
        if fine is False:
            report.bad(case, "is not allowed", sample)
        if fine is True:
            values.append(value)
        else:
            report.counts["not judged"] += 1
    for test, whole in zip(case.get("tests", []), reply["whole"]):
        report.counts["values of the suite"] += 1
        if whole and not test["valid"]:
            report.bad(case, "is called invalid, and taken", json.dumps(test["data"]))
        if not whole and test["valid"]:
            report.counts["valid, not taken (suite)"] += 1
            report.missed.append((case["name"], text[:300], json.dumps(test["data"])[:200]))
        if whole and test["valid"]:
            report.counts["valid, taken (suite)"] += 1
    if not values:
        return
    texts = []
    for _ in range(n_samples):
        value = changed(rng.choice(values), rng)
        texts.append(json.dumps(value, ensure_ascii=rng.random() < 0.3))
    reply = walk.ask(schema=text, samples=0, compact=False, texts=texts)
    for changed_text, whole in zip(texts, reply["whole"]):
        fine = allowed(validator, json.loads(changed_text))
        report.counts["changed"] += 1
        if whole and fine is False:
            report.bad(case, "changed, is not allowed, and taken", changed_text)
        report.counts[f"changed: {'taken' if whole else 'not taken'}, "
                      f"{'allowed' if fine is True else 'not allowed'}"] += 1
        if not whole and fine is True:
            report.missed.append((case["name"], text[:300], changed_text[:200]))


def suite_cases(folder):
    for draft in DRAFTS:
        base = os.path.join(folder, "tests", draft)
        for where, _, files in sorted(os.walk(base)):
            for file in sorted(files):
                path = os.path.join(where, file)
                if not file.endswith(".json") or file in ("unknown.json", "content.json"):
                    continue
                for group in json.load(open(path, encoding="utf-8")):
                    yield {"name": f"{os.path.relpath(path, folder)}: {group['description']}", "schema":
                           group["schema"], "draft": draft, "tests": group["tests"]}


def real_cases(folder, every):
    for i, file in enumerate(sorted(os.listdir(folder))):
        if file.endswith(".json") and i % every == 0:
            with open(os.path.join(folder, file), encoding="utf-8") as f:
                case = json.load(f)
            if "tests" not in case or "schema" not in case:
                case = {"schema": case}
            kind = re.sub("(BFCL|JME).*", r"\1", re.split("---|_[0-9]|[.]json", file)[0])
            named = str(case["schema"].get("$schema")) if isinstance(case["schema"], dict) else ""
            yield {"name": file, "schema": case["schema"], "tests": case.get("tests", []), "kind": kind,
                   "draft": "draft4" if "draft-04" in named else "draft7" if "draft-07" in named else "draft2020-12"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("walk")
    parser.add_argument("vocabulary")
    parser.add_argument("--suite")
    parser.add_argument("--real")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--random", type=int, default=300)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", help="a file for the allowed values that are not taken")
    args = parser.parse_args()
    report, rng = Report(), random.Random(args.seed)
    walk = Walk(args.walk, args.vocabulary, args.seed)
    own = os.path.join(HERE, "data", "schemas.json")
    cases = [dict(c, must="error" not in c) for c in json.load(open(own, encoding="utf-8"))] \
        if os.path.exists(own) else []
    cases += list(suite_cases(args.suite)) if args.suite else []
    cases += list(real_cases(args.real, args.every)) if args.real else []
    cases += list(random_cases(args.random, args.seed))
    for case in cases:
        check_case(walk, case, report, args.samples, rng)
    for name, what, schema, text in report.wrong:
        print(f"WRONG {name}: {what}\n  {schema}\n  {text!r}")
    for message, n in report.errors.most_common(25):
        print(f"{n:6} refused: {message}")
    for kind, counts in sorted((k, c) for k, c in report.kinds.items() if k):
        n = sum(counts.values())
        print(f"{kind:20} {counts['taken']:5} of {n:5} taken, {100 * counts['taken'] / n:.1f}%")
    for what, n in sorted(report.counts.items()):
        print(f"{n:8} {what}")
    if args.missed:
        with open(args.missed, "w", encoding="utf-8") as f:
            for entry in report.missed:
                f.write("\n  ".join(entry) + "\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
