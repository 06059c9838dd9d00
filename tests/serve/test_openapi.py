#!/usr/bin/env python3
"""The description of all routes: it is whole, and what it forbids is refused. Every field of every
route gets values of every wrong type and numbers beyond its bounds: each is a 400 that names it.

By hand, with GLASS_EXAMPLES=20 or more and schemathesis beside $GLASS_PEER_PYTHON (./setup.sh check makes one,
build/peers), it makes up so many requests for each route from the same description, new ones each time."""
import glob
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serve_kit import PEERS, Server, kit, model  # noqa: E402
from kit import equal, ok, skip  # noqa: E402

HI = [{"role": "user", "content": "hi"}]
FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
VALID = {
    "/v1/chat/completions": {"messages": HI}, "/v1/completions": {"prompt": "x"},
    "/v1/embeddings": {"input": "x"}, "/v1/responses": {"input": "x"},
    "/v1/messages": {"messages": HI, "max_tokens": 3},
    "/v1/messages/count_tokens": {"messages": HI},
    "/api/show": {}, "/api/generate": {"prompt": "x"}, "/api/chat": {"messages": HI},
    "/api/embed": {"input": "x"}, "/api/embeddings": {"prompt": "x"},
    "/infill": {"model": "fim", "input_prefix": "x", "input_suffix": "x"},
    "/completion": {"prompt": "x"}, "/tokenize": {"content": "x"}, "/detokenize": {"tokens": [1]},
    "/apply-template": {"messages": HI}, "/inspect": {"prompt": "x"}}
VALUES = {"string": "glass", "boolean": True, "object": {"q": 1}, "array": [{"q": [1]}],
          "number": 0.123}


def resolve(doc, schema):
    while "$ref" in schema:
        schema = doc["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def wrong_values(schema):
    """(kind, value) that the schema forbids."""
    if "enum" in schema:
        words = [v for v in schema["enum"] if v is not None]
        bad = [(k, v) for k, v in VALUES.items() if not any(type(v) is type(w) for w in words)]
        return bad + ([("word", "no such word")] if isinstance(words[0], str) else [])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds:
        return []
    bad = [(k, v) for k, v in VALUES.items() if k not in kinds]
    if "integer" in kinds and "minimum" in schema:
        bad += [("below", schema["minimum"] - 1)] if schema["minimum"] > -2**63 else []
        bad += [("above", schema["maximum"] + 1)] if schema.get("maximum", 2**63) < 2**62 else []
    if "number" in kinds and "minimum" in schema:
        bad += [("below", schema["minimum"] - 1), ("above", schema["maximum"] * 2 + 1)]
    return bad


def refused(s, path, name, kind, body):
    r = s.post(path, body)
    e = r.json.get("error", "")
    text = e if isinstance(e, str) else e.get("message", "")
    if r.code == 400 and text.startswith(name):
        return None
    return f"{path} {name} {kind} {json.dumps(body)[:120]}: {r.code} {text[:160]}"


def loads(s):
    """A chat without messages loads the model; what else it has is looked at all the same."""
    for key, value in (("tool_choice", [1]), ("tools", 1), ("parallel_tool_calls", "x")):
        r = s.ask("POST", "/api/chat", {"model": "tiny", "messages": [], key: value})
        ok(r.code == 400 and key in r.text, f"no messages, wrong {key}", r.text)


def fields(s, doc):
    total = 0
    for path, valid in VALID.items():
        content = doc["paths"][path]["post"]["requestBody"]["content"]
        schema = resolve(doc, content["application/json"]["schema"])
        bad = []
        for name, field in schema["properties"].items():
            field = resolve(doc, field)
            for kind, value in wrong_values(field):
                total += 1
                bad.append(refused(s, path, name, kind, dict(valid, **{name: value})))
            for inner, what in field.get("properties", {}).items() if name in (
                    "options", "stream_options") else ():
                for kind, value in wrong_values(what):
                    total += 1
                    bad.append(refused(s, path, f"{name}.{inner}", kind,
                                       dict(valid, **{name: {inner: value}})))
            if name in schema.get("required", ()):
                less = {k: v for k, v in valid.items() if k != name}
                bad.append(refused(s, path, name, "missing", less))
        bad = [b for b in bad if b]
        ok(not bad, f"{path}: a wrong type or value for each field is a 400 that names it",
           "\n".join(bad))
        ok(s.post(path, dict(valid, nothing_known={"a": [1]})).code == 200,
           "and what is not known is passed over")
    print(f"# {total} wrong values")
    ok(total > 1000, "all fields were tried", total)


def routes(doc):
    described = {(m.upper(), re.sub(r"\{[a-z]+\}", "*", p)) for p in doc["paths"]
                 for m in doc["paths"][p]}
    found = set()
    for name in glob.glob(os.path.join(kit.ROOT, "src/serve/api_*.c")):
        with open(name, encoding="utf-8") as f:
            found |= set(re.findall(r'^ +\{"([A-Z]+)", +"(/[^"]*)"', f.read(), re.M))
    found = {(m, p.replace("**", "*")) for m, p in found}
    ok(len(found) > 40 and not found - described, "every route is described", found - described)


def open_routes(home, doc):
    """Only what the description says needs no key."""
    with Server(home, "tiny", "--api-key", "a-long-key") as s:
        wrong = []
        for path, methods in doc["paths"].items():
            for method, op in methods.items():
                code = s.ask(method.upper(), re.sub(r"\{[a-z]+\}", "x", path)).code
                if (code == 401) != ("security" not in op) and code != 405:
                    wrong.append((method, path, code))
        equal(wrong, [], "every route but those that say so needs a key")


def made_up(s):
    tool = os.path.join(os.path.dirname(PEERS), "schemathesis")
    n = os.environ.get("GLASS_EXAMPLES")
    if n is None or not PEERS or not os.path.exists(tool):
        skip("schemathesis", "by hand: GLASS_EXAMPLES says how much")
        return
    env = dict(os.environ, NO_PROXY="127.0.0.1", NO_COLOR="1")
    p = subprocess.run(
        [tool, "run", s.url + "/openapi.json", "--max-examples", n, "--checks",
         "not_a_server_error,status_code_conformance,content_type_conformance,"
         "response_schema_conformance,response_headers_conformance,negative_data_rejection",
         "--phases", "fuzzing", "--generation-allow-x00", "true", "--request-timeout", "60",
         "--continue-on-failure", "--no-color"], env=env, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, cwd=os.environ.get("TMPDIR", "/tmp"))
    text = p.stdout.decode("utf-8", "replace")
    ok(p.returncode == 0, "what schemathesis makes up gets proper replies", text[-20000:])
    print("# " + "\n# ".join(text.strip().splitlines()[-12:]))
    equal(s.get("/health").code, 200, "and the server lives")


def main():
    with kit.Home() as home:
        model(home, n_ctx=512)
        model(home, "fim", special=FIM, template=None)
        p = home.run("serve", "--openapi")
        doc = json.loads(p.out)
        equal((p.returncode, doc["openapi"][:2]), (0, "3."), "glass serve --openapi")
        routes(doc)
        with Server(home, "tiny", "fim", "-c", "512", "--log", "none") as s:
            equal(s.get("/openapi.json").json, doc, "GET /openapi.json is the same")
            loads(s)
            fields(s, doc)
            made_up(s)
            equal(s.stop(), 0, "it ends well")
        open_routes(home, doc)
    kit.done()


if __name__ == "__main__":
    main()
