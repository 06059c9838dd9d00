#!/usr/bin/env python3
"""Ollama's API, infilling for editors, and operations."""
import hashlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serve_kit  # noqa: E402
from serve_kit import ALL, Server, kit, model, say  # noqa: E402
from kit import equal, has, ok  # noqa: E402

FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
GREEDY = {"temperature": 0}
HI = [{"role": "user", "content": "hi"}]


def digest(s, seconds=20):
    """That of the first model, when it is known; how often it was asked for."""
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        n += 1
        found = s.get("/api/tags").json["models"][0].get("digest")
        if found:
            return found, n
        time.sleep(0.02)
    return None, n


def digests(home):
    path = os.path.join(home.models, "tiny.gguf")

    def wanted():
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    with Server(home, "tiny", "fim") as s:
        equal(digest(s)[0], wanted(), "digest is the file's SHA-256")
        equal(s.get("/api/ps").json["models"][0].get("digest"), wanted(), "in ps, too")
    with Server(home, "tiny") as s:
        equal(digest(s), (wanted(), 1), "it is remembered")
        with open(path, "rb") as f, open(path + ".new", "wb") as g:
            g.write(f.read() + bytes(64))
        os.rename(path + ".new", path)
        equal(digest(s)[0], wanted(), "but not for another file of that name")
    store = os.path.join(os.path.dirname(home.models), "digests.json")
    for text in ("", "{", "[]", '{"x":1,"y":{"sha256":5}}'):
        with open(store, "w", encoding="ascii") as f:
            f.write(text)
        with Server(home, "tiny") as s:
            equal(digest(s)[0], wanted(), f"a damaged memory is no harm: {text!r}")
            equal(s.stop(), 0, "it ends well")


def lists(s):
    j = s.get("/api/tags").json["models"]
    ok([m["name"] for m in j] == ["tiny", "fim"] and j[0]["size"] > 1000
       and j[0]["details"]["family"] == "llama"
       and j[0]["modified_at"].endswith("Z"), "tags", j)
    j = s.get("/api/ps").json["models"]
    ok([m["name"] for m in j] == ["tiny"] and j[0]["context_length"] == 512, "ps", j)
    ok(s.get("/api/version").json["version"].count(".") == 2, "version")
    for name in ({"model": "tiny"}, {"name": "tiny"}, {"model": "tiny:latest"}):
        j = s.post("/api/show", name).json
        ok(j.get("license") == "mit" and "<|im_start|>" in j["template"]
           and j["model_info"]["llama.context_length"] == 512
           and j["model_info"]["tokenizer.ggml.tokens"] is None
           and j["capabilities"] == ["completion", "embedding", "tools"], f"show {name}", j)
    equal(s.post("/api/show", {"model": "fim"}).json["capabilities"][-1], "insert",
          "who can fill in says so")


def generate(s):
    r = s.post("/api/generate", {"model": "tiny", "prompt": "hi", "options": GREEDY})
    equal(r.headers["content-type"], "application/x-ndjson", "a stream of lines is the default")
    e = r.lines
    ok("".join(x["response"] for x in e) == ALL and [x["done"] for x in e] == [False] * 26 + [True]
       and all(x["model"] == "tiny" and x["created_at"].endswith("Z") for x in e), "its text", e)
    last = e[-1]
    ok(last["done_reason"] == "stop" and last["eval_count"] == 26 and last["prompt_eval_count"] > 5
       and last["total_duration"] >= last["eval_duration"] > 1000
       and len(last["context"]) == 26 + last["prompt_eval_count"], "its costs", last)
    one = s.post("/api/generate", {"model": "tiny", "prompt": "hi", "stream": False,
                                   "options": dict(GREEDY, num_predict=3, num_ctx=4096)}).json
    equal((one["response"], one["done"], one["done_reason"]), ("abc", True, "length"), "whole")
    more = s.post("/api/generate", {"model": "tiny", "prompt": "x", "raw": True, "stream": False,
                                    "context": one["context"],
                                    "options": dict(GREEDY, num_predict=2)}).json
    ok(more["response"] == "yz" and more["prompt_eval_count"] == len(one["context"]) + 1,
       "context and raw", more)
    got = s.post("/api/generate", {"model": "tiny", "prompt": "hi", "stream": False,
                                   "options": dict(GREEDY, stop=["f"])}).json["response"]
    equal(got, "abcde", "a stop text")
    j = s.post("/api/generate", {"model": "fim", "prompt": "abc", "suffix": "x", "stream": False,
                                 "options": dict(GREEDY, num_predict=3)}).json
    equal(j["response"], "abc", "a suffix: after the middle's token comes an a")
    j = s.post("/api/generate", {"model": "fim"}).json
    equal((j["done_reason"], j["response"]), ("load", ""), "loading only")
    equal([s.post(path, {"model": "tiny", **body}).code for path, body in (
        ("/api/generate", {"format": 3}), ("/api/generate", {"context": "x"}),
        ("/api/chat", {"messages": [], "format": 3}), ("/api/chat", {"messages": [], "think": 3}))],
          [400] * 4, "what is wrong with it is said then, too")
    equal(len(s.get("/api/ps").json["models"]), 2, "both are loaded now")
    j = s.post("/api/generate", {"model": "fim", "keep_alive": 0}).json
    equal((j["done_reason"], [m["name"] for m in s.get("/api/ps").json["models"]]),
          ("unload", ["tiny"]), "unloading")
    j = s.post("/api/generate", {"model": "tiny", "prompt": "x", "stream": False, "options": GREEDY,
                                 "format": {"enum": ["yes"]}}).json
    equal(j["response"], '"yes"', "format: a schema")


def chat(s):
    e = s.post("/api/chat", {"model": "tiny", "messages": HI, "options": GREEDY}).lines
    ok("".join(x["message"]["content"] for x in e) == ALL and e[-1]["done_reason"] == "stop"
       and e[0]["message"]["role"] == "assistant", "a chat", e)
    j = s.post("/api/chat", {"model": "tiny", "stream": False, "options": dict(GREEDY, num_predict=2),
                             "messages": HI + [{"role": "assistant", "content": "pq"}]}).json
    equal(j["message"]["content"], "rs", "an answer that was begun goes on")
    tool = {"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {"a": {"const": 1}}, "required": ["a"],
        "additionalProperties": False}}}
    j = s.post("/api/chat", {"model": "tiny", "stream": False, "messages": HI, "tools": [tool],
                             "tool_choice": "required", "options": GREEDY}).json
    equal(j["message"]["tool_calls"][0]["function"],
          {"index": 0, "name": "add", "arguments": {"a": 1}}, "a call")
    j = s.post("/api/chat", {"model": "tiny", "stream": False, "options": dict(GREEDY, num_predict=1),
                             "messages": HI + [j["message"], {"role": "tool", "content": "2",
                                                              "tool_name": "add"}]}).json
    equal(j["message"]["content"], "a", "and its result")
    equal(s.post("/api/chat", {"model": "tiny", "messages": []}).json["done_reason"], "load",
          "no messages: loading only")


def embed(s):
    j = s.post("/api/embed", {"model": "tiny", "input": ["abc", "x"]}).json
    ok(len(j["embeddings"]) == 2 and len(j["embeddings"][0]) == 259 and j["prompt_eval_count"] == 4,
       "embed", j.get("error"))
    old = s.post("/api/embeddings", {"model": "tiny", "prompt": "abc"}).json["embedding"]
    equal(old, j["embeddings"][0], "the old way: the same")
    r = s.post("/api/embed", {"model": "tiny", "input": "x" * 600})
    ok(r.code == 400 and "600" in r.json["error"] and "512" in r.json["error"],
       "nothing is cut in silence", r.text)
    ok(s.post("/api/embed", {"model": "tiny", "input": "x" * 600, "truncate": True}).code == 200,
       "but where it is asked for")


def wrong(s):
    for path, body, part in (
            ("/api/generate", {"model": 5, "prompt": "x"}, "model:"),
            ("/api/generate", {"prompt": 5}, "prompt:"),
            ("/api/generate", {"prompt": "x", "options": 5}, "options:"),
            ("/api/generate", {"prompt": "x", "options": {"temperature": "x"}},
             "options.temperature:"),
            ("/api/generate", {"prompt": "x", "options": {"num_predict": 1.5}},
             "options.num_predict:"),
            ("/api/generate", {"prompt": "x", "keep_alive": "soon"}, "keep_alive:"),
            ("/api/generate", {"prompt": "x", "format": "xml"}, "format:"),
            ("/api/generate", {"prompt": "x", "context": [1, -1]}, "context:"),
            ("/api/generate", {"prompt": "x", "images": ["aa"]}, "images:"),
            ("/api/generate", {"prompt": "x", "template": "y"}, "template:"),
            ("/api/generate", {"prompt": "x", "suffix": "y"}, "suffix:"),
            ("/api/chat", {"messages": 5}, "messages:"),
            ("/api/chat", {"messages": [dict(HI[0], images=["x"])]}, "messages[0].images:"),
            ("/api/chat", {"messages": HI, "think": 5}, "think:"),
            ("/api/embed", {"input": "a", "dimensions": 3}, "dimensions:"),
            ("/api/embed", {}, "input:"), ("/api/embed", {"input": [5]}, "input[0]:"),
            ("/api/show", {"verbose": 3}, "verbose:"),
            ("/infill", {}, "input_prefix:"), ("/infill", {"input_prefix": ""}, "input_suffix:"),
            ("/infill", {"model": "fim", "input_prefix": "", "input_suffix": "", "input_extra": 3},
             "input_extra:"),
            ("/infill", {"model": "fim", "input_prefix": "", "input_suffix": "", "input_extra": [3]},
             "input_extra[0]:"),
            ("/infill", {"input_prefix": "", "input_suffix": ""}, "was not made to fill in"),
            ("/completion", {"prompt": {}}, "prompt:"), ("/tokenize", {}, "content:"),
            ("/detokenize", {"tokens": [1, 1.5]}, "tokens:"), ("/detokenize", {}, "tokens:")):
        r = s.post(path, body)
        e = r.json.get("error", "")
        message = e if isinstance(e, str) else e.get("message", "")
        ok(r.code == 400 and part in message and isinstance(e, str) == path.startswith("/api"),
           f"{path} {json.dumps(body)[-50:]}: 400 for {part}", f"{r.code} {r.text[:300]}")
    r = s.post("/api/chat", {"model": "nope", "messages": HI})
    ok(r.code == 404 and "tiny, fim" in r.json["error"], "an unknown model", r.text)
    equal((s.post("/api/pull", {"model": "a/b"}).code, s.ask("DELETE", "/api/delete",
                                                            {"model": "tiny"}).code),
          (403, 403), "nothing is got or deleted unless allowed")
    equal(s.post("/trace", {"text": "x"}).code, 404, "there is no trace index")


def infill(s):
    # What llama.vim sends.
    body = {"model": "fim", "id_slot": 0, "input_prefix": "int main() {\n", "input_suffix": "}\n",
            "input_extra": [{"text": "int x;\n", "time": 1, "filename": "x.c"}], "prompt": "    ab",
            "n_predict": 4, "n_indent": 4, "top_k": 40, "top_p": 0.9, "stream": False,
            "samplers": ["top_k", "top_p", "infill"], "cache_prompt": True,
            "t_max_prompt_ms": 500, "t_max_predict_ms": 1000, "response_fields": ["content"],
            "temperature": 0}
    j = s.post("/infill", body).json
    ok(j["content"] == "abcd" and j["stop"] is True and j["stop_type"] == "limit"
       and j["tokens_predicted"] == 4 and j["timings"]["predicted_n"] == 4
       and j["tokens_evaluated"] == 3 + len("x.c\nint x;\nint main() {\n    ab" "}\n"),
       "/infill as llama.vim asks", j)
    e = s.post("/infill", dict(body, stream=True, n_predict=-1)).events
    equal(("".join(x["content"] for x in e), e[-1]["stop_type"]), (ALL, "eos"), "a stream")
    # To fill the cache only.
    j = s.post("/infill", dict(body, n_predict=0)).json
    equal((j["content"], j["stop"]), ("", True), "n_predict 0")
    long = "a" * 2000
    j = s.post("/infill", dict(body, input_prefix=long, input_suffix=long)).json
    ok(j["content"] == "abcd" and j["tokens_evaluated"] <= 512, "a long file is cut to fit", j)
    j = s.post("/completion", {"prompt": "xa", "n_predict": 3, "temperature": 0, "n_probs": 2}).json
    ok(j["content"] == "bcd" and len(j["completion_probabilities"]) == 3
       and j["completion_probabilities"][0]["id"] == 98, "/completion", j)


def vscode(home):
    """What llama.vscode sends: no model, an order of samplers, limits of time."""
    chunks = [{"text": "int x;\n", "time": 1764115200000, "filename": "x.c"}]
    with Server(home, "fim", "tiny", "--temp", "0", "-c", "512") as s:
        body = {"input_prefix": "int main() {\n", "input_suffix": "}\n", "input_extra": chunks,
                "prompt": "    ab", "n_predict": 4, "top_k": 40, "top_p": 0.99, "stream": False,
                "samplers": ["top_k", "top_p", "infill"], "cache_prompt": True, "n_indent": 4,
                "t_max_prompt_ms": 500, "t_max_predict_ms": 2500, "lora": [{"id": 0, "scale": 0.5}]}
        j = s.post("/infill", body).json
        ok(j["content"] == "abcd" and j["truncated"] is False and j["tokens_cached"] == 0
           and isinstance(j["generation_settings"], dict) and {
               "prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", "predicted_ms",
               "predicted_per_second"} <= set(j["timings"]), "/infill as llama.vscode asks", j)
        for extra in (chunks, []):
            r = s.post("//infill", {
                "input_prefix": "", "input_suffix": "", "input_extra": extra, "prompt": "",
                "n_predict": 0, "samplers": [], "cache_prompt": True, "t_max_prompt_ms": 500,
                "t_max_predict_ms": 1})
            equal((r.code, r.json.get("content")), (200, ""), "and before it will ask")
        r = s.post("/v1/chat/completions", {
            "model": "tiny", "messages": [{"role": "system", "content": "You write code."},
                                          {"role": "user", "content": "int x"}],
            "stream": False, "cache_prompt": True, "samplers": "edkypmxt", "temperature": 0,
            "dynatemp_range": 0, "dynatemp_exponent": 1, "top_k": 40, "top_p": 0.95, "min_p": 0.05,
            "typical_p": 1, "xtc_probability": 0, "xtc_threshold": 0.1, "repeat_last_n": 64,
            "repeat_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0, "dry_multiplier": 0,
            "dry_base": 1.75, "dry_allowed_length": 2, "dry_penalty_last_n": -1, "max_tokens": -1,
            "timings_per_token": False})
        equal(r.json.get("choices", [{"message": {}}])[0]["message"].get("content"), ALL,
              "its request for an edit")


def operations(s):
    j = s.post("/tokenize", {"content": "a<|im_end|>\n"}).json
    equal(j, {"tokens": [97, 257, 10]}, "tokenize")
    equal(s.post("/tokenize", {"content": "<|", "parse_special": False, "with_pieces": True}).json,
          {"tokens": [{"id": 60, "piece": "<"}, {"id": 124, "piece": "|"}]}, "with pieces")
    equal(s.post("/detokenize", {"tokens": [97, 257, 10]}).json, {"content": "a<|im_end|>\n"},
          "detokenize")
    equal(s.post("/apply-template", {"messages": HI}).json,
          {"prompt": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"}, "apply-template")
    j = s.get("/props").json
    ok(j["default_generation_settings"]["n_ctx"] == 512 and j["bos_token"] == "<|im_start|>"
       and j["infill"] is False and "<|im_start|>" in j["chat_template"]
       and "/" not in j["model_alias"], "props", j)
    equal(s.get("/props?model=fim").json["infill"], True, "of a model that is named")
    equal(s.get("/props?model=nope").code, 404, "that is not there")
    equal(s.get("/slots").json, [], "slots")


def store(home):
    model(home, "other")
    with Server(home, "tiny", "--store", "--allow-pull", "--allow-delete") as s:
        names = {m["name"] for m in s.get("/api/tags").json["models"]}
        ok({"tiny", "fim", "other"} <= names, "--store: all may be named", names)
        equal(s.post("/v1/chat/completions", say(model="other", max_tokens=2)).code, 200,
              "and answer")
        r = s.ask("DELETE", "/api/delete", {"model": "other"})
        ok(r.code == 200 and not os.path.exists(os.path.join(home.models, "other.gguf")),
           "--allow-delete", r.text)
        ok("other" not in {m["name"] for m in s.get("/api/tags").json["models"]}, "it is gone")
        equal(s.ask("DELETE", "/api/delete", {"model": "other2"}).code, 404, "one that is not there")
        for name in ("http://127.0.0.1:1/x.gguf", "file:///etc/passwd", "../x", "x", "a/b/../../c"):
            r = s.post("/api/pull", {"model": name})
            ok(r.code == 400 and r.json["error"].startswith("model: "),
               f"only names of the hub are got: {name}", f"{r.code} {r.text}")
        r = s.post("/api/pull", {"model": "user/model"})  # the hub is not reachable here
        has(r.lines[-1].get("error", ""), "127.0.0.1", "an error comes at the stream's end")


def main():
    with kit.Home() as home:
        model(home)
        model(home, "fim", special=FIM, template=None)
        with Server(home, "tiny", "fim", "-c", "512") as s:
            for part in (lists, generate, chat, embed, wrong, infill, operations):
                part(s)
            equal(s.stop(), 0, "the server ends well")
        vscode(home)
        digests(home)
        store(home)
    kit.done()


if __name__ == "__main__":
    main()
