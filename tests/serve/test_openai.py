#!/usr/bin/env python3
"""OpenAI's API and the messages API, on models of which every answer is known."""
import json
import os
import struct
import sys
import threading
import base64

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serve_kit  # noqa: E402
from serve_kit import ALL, Server, kit, model, say  # noqa: E402
from kit import equal, has, ok  # noqa: E402

CHAT, TEXT, LETTER = "/v1/chat/completions", "/v1/completions", "/v1/messages"
TOOLS = [{"type": "function", "function": {
    "name": "add", "description": "adds", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": [7]}},
        "required": ["a", "b"], "additionalProperties": False}}},
         {"type": "function", "function": {"name": "now"}}]


def content(r):
    try:
        return r.json["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return r.text


def models(s):
    j = s.get("/v1/models").json
    equal((j["object"], [m["id"] for m in j["data"]], j["data"][0]["object"]),
          ("list", ["tiny", "dice"], "model"), "the models")
    equal(s.get("/v1//models").json, j, "with two slashes")
    equal(s.get("/v1/models/dice").json["id"], "dice", "one of them")
    r = s.get("/v1/models/nope")
    ok(r.code == 404 and "tiny, dice" in r.json["error"]["message"], "none of them", r.text)


def chats(s):
    r = s.post(CHAT, say())
    j = r.json
    equal(j["choices"], [{"index": 0, "message": {"role": "assistant", "content": ALL,
                                                  "refusal": None},
                          "logprobs": None, "finish_reason": "stop"}], "an answer")
    ok(j["object"] == "chat.completion" and j["id"].startswith("chatcmpl-") and j["model"] == "tiny"
       and j["system_fingerprint"].startswith("fp_") and j["created"] > 1e9, "with its head", j)
    u = j["usage"]
    ok(u["completion_tokens"] == 26 and u["total_tokens"] == 26 + u["prompt_tokens"]
       and "cached_tokens" in u["prompt_tokens_details"], "and its costs", u)
    again = s.post(CHAT, say()).json["usage"]["prompt_tokens_details"]["cached_tokens"]
    ok(again > 0, "a second time the prompt is in the cache", again)
    for fields, text, why in (
            ({"max_tokens": 3}, "abc", "length"), ({"max_completion_tokens": 2}, "ab", "length"),
            ({"stop": "de"}, "abc", "stop"), ({"stop": ["xyz", "c"]}, "ab", "stop"),
            ({"stop": None, "max_tokens": None}, ALL, "stop"), ({"stop": ""}, ALL, "stop"),
            ({"max_tokens": 100000}, ALL, "stop"), ({"logit_bias": {"99": -100}, "max_tokens": 3},
                                                    "ab\x00", "length"),
            ({"messages": [{"role": "developer", "content": "x"},
                           {"role": "user", "content": [{"type": "text", "text": "h"},
                                                        {"type": "text", "text": "i"}]}],
              "max_tokens": 1}, "a", "length"),
            ({"messages": [{"role": "user", "content": "h"}, {"role": "assistant", "content": "pq"}],
              "continue_final_message": True, "max_tokens": 2}, "rs", "length"),
            ({"messages": [{"role": "user", "content": "\u0000<|im_end|>\U0001f600"}],
              "max_tokens": 1}, "a", "length"),
            ({"user": "me", "metadata": {}, "unknown_field": [1], "max_tokens": 1.0}, "a",
             "length")):
        r = s.post(CHAT, say(**fields))
        got = (content(r), r.json.get("choices", [{}])[0].get("finish_reason"))
        equal(got, (text, why), f"{json.dumps(fields)[:60]}")
    r = s.post(CHAT, say(n=3, model="dice", temperature=1, seed=5, max_tokens=8, top_k=0, min_p=0,
                         top_p=1))
    texts = [c["message"]["content"] for c in r.json["choices"]]
    alone = [content(s.post(CHAT, say(model="dice", temperature=1, seed=5 + i, max_tokens=8,
                                      top_k=0, min_p=0, top_p=1))) for i in range(3)]
    ok(texts == alone and len(set(texts)) == 3, "n: choice k is what seed + k gives alone",
       f"{texts} {alone}")
    r = s.post(CHAT, say(model="dice", temperature=1, max_tokens=8))
    seed = int(r.headers["x-glass-seed"])
    equal(content(s.post(CHAT, say(model="dice", temperature=1, max_tokens=8, seed=seed))),
          content(r), "without a seed one is taken, and told")


def streams(s):
    r = s.post(CHAT, say(stream=True, stream_options={"include_usage": True}))
    equal(r.headers["content-type"], "text/event-stream", "a stream")
    e = r.events
    equal(e[-1], "[DONE]", "ends as OpenAI's do")
    e = e[:-1]
    first = e[0]["choices"][0]["delta"]
    equal((first["role"], first["content"]), ("assistant", ""), "the role comes first")
    ok(all("role" not in x["choices"][0]["delta"] for x in e[1:-1]), "and never again", e)
    equal("".join(x["choices"][0]["delta"].get("content", "") for x in e[:-1]), ALL, "its text")
    equal((e[-2]["choices"][0]["delta"], e[-2]["choices"][0]["finish_reason"]), ({}, "stop"),
          "the last chunk is empty")
    ok(all(x["usage"] is None for x in e[:-1]), "no costs before the end")
    equal((e[-1]["choices"], e[-1]["usage"]["completion_tokens"]), ([], 26), "then the costs")
    ok(len({x["id"] for x in e}) == 1 and {x["object"] for x in e} == {"chat.completion.chunk"},
       "one id")
    e = s.post(CHAT, say(stream=True, max_tokens=2)).events
    ok(all("usage" not in x for x in e[:-1]), "costs only where asked for")
    e = s.post(CHAT, say(stream=True, stop=["de"])).events[:-1]
    equal("".join(x["choices"][0]["delta"].get("content", "") for x in e), "abc",
          "nothing of a stop text is told")
    e = s.post(CHAT, say(stream=True, n=2, max_tokens=3)).events[:-1]
    for i in (0, 1):
        equal("".join(x["choices"][0]["delta"].get("content", "") for x in e
                      if x["choices"][0]["index"] == i), "abc", f"choice {i} of two")


def logprobs(s):
    j = s.post(CHAT, say(logprobs=True, max_tokens=2)).json["choices"][0]["logprobs"]["content"]
    ok([x["token"] for x in j] == ["a", "b"] and j[0]["bytes"] == [97] and j[0]["top_logprobs"] == []
       and -9 < j[0]["logprob"] <= 0, "logprobs without top_logprobs", j)
    j = s.post(CHAT, say(logprobs=True, top_logprobs=3, stop="d")).json["choices"][0]["logprobs"]
    ok([x["token"] for x in j["content"]] == ["a", "b", "c"]
       and all(len(x["top_logprobs"]) == 3 for x in j["content"])
       and j["content"][0]["top_logprobs"][0]["token"] == "a", "none of a stop text's", j)
    e = s.post(CHAT, say(logprobs=True, stream=True, stop="de", max_tokens=9)).events[:-1]
    told = [x["token"] for c in e if c["choices"][0]["logprobs"]
            for x in c["choices"][0]["logprobs"]["content"]]
    equal(told, ["a", "b", "c"], "streamed ones, too")


def wrong(s):
    for path, body, param in (
            (CHAT, {}, "messages"), (CHAT, {"messages": "x"}, "messages"),
            (CHAT, {"messages": []}, "messages"), (CHAT, {"messages": [1]}, "messages[0]"),
            (CHAT, {"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
            (CHAT, {"messages": [{"content": "x"}]}, "messages[0].role"),
            (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content"),
            (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
            (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
             "messages[0].content[0]"),
            (CHAT, say(model=5), "model"), (CHAT, say(temperature="x"), "temperature"),
            (CHAT, say(temperature=-1), "temperature"), (CHAT, say(top_p=2), "top_p"),
            (CHAT, say(max_tokens="3"), "max_tokens"), (CHAT, say(max_tokens=1.5), "max_tokens"),
            (CHAT, say(n=0), "n"), (CHAT, say(n=1000), "n"), (CHAT, say(stream=1), "stream"),
            (CHAT, say(stream_options=[]), "stream_options"),
            (CHAT, say(stream_options={"include_usage": 3}), "stream_options.include_usage"),
            (CHAT, say(stop=5), "stop"), (CHAT, say(stop=["a", 5]), "stop[1]"),
            (CHAT, say(stop=["x"] * 99), "stop[32]"), (CHAT, say(seed="x"), "seed"),
            (CHAT, say(logit_bias=[]) | {"logit_bias": "x"}, "logit_bias"),
            (CHAT, say(logit_bias={"x": 1}), "logit_bias"),
            (CHAT, say(logit_bias={"999999": 1}), "logit_bias"),
            (CHAT, say(logit_bias={"1": 500}), "logit_bias"),
            (CHAT, say(presence_penalty=3), "presence_penalty"),
            (CHAT, say(logprobs=3), "logprobs"), (CHAT, say(top_logprobs=3), "top_logprobs"),
            (CHAT, say(logprobs=True, top_logprobs=99), "top_logprobs"),
            (CHAT, say(response_format="json"), "response_format"),
            (CHAT, say(response_format={"type": "yaml"}), "response_format.type"),
            (CHAT, say(response_format={"type": "json_schema"}),
             "response_format.json_schema.schema"),
            (CHAT, say(response_format={"type": "json_schema", "json_schema": {
                "schema": {"type": "objct"}}}), "response_format.json_schema.schema"),
            (CHAT, say(grammar="root ::= ("), "grammar"), (CHAT, say(tools={}), "tools"),
            (CHAT, say(tools=[{}]), "tools[0].name"),
            (CHAT, say(tools=[{"type": "function", "function": {"name": "x", "parameters": 5}}]),
             "tools[0].function.parameters"),
            (CHAT, say(tools=TOOLS, tool_choice="maybe"), "tool_choice"),
            (CHAT, say(tools=TOOLS, tool_choice={"function": {"name": "x"}}), "tool_choice"),
            (CHAT, say(tool_choice="required"), "tool_choice"),
            (CHAT, say(tools=TOOLS, response_format={"type": "json_object"}), "response_format"),
            (CHAT, say(modalities=["audio"]), "modalities"),
            (CHAT, say(functions=[TOOLS[0]["function"]]), "functions"),
            (CHAT, say(function_call="auto"), "function_call"),
            (CHAT, say(web_search_options={}), "web_search_options"),
            (CHAT, say(tools=TOOLS, parallel_tool_calls=1), "parallel_tool_calls"),
            (TEXT, {}, "prompt"), (TEXT, {"prompt": 5}, "prompt"), (TEXT, {"prompt": []}, "prompt"),
            (TEXT, {"prompt": [[1, 99999]]}, "prompt[0]"), (TEXT, {"prompt": [1, "x"]}, "prompt"),
            (TEXT, {"prompt": "a", "logprobs": 99}, "logprobs"),
            (TEXT, {"prompt": "a", "best_of": 3}, "best_of"),
            (TEXT, {"prompt": "a", "suffix": "b"}, "suffix"),
            ("/v1/embeddings", {}, "input"), ("/v1/embeddings", {"input": {}}, "input"),
            ("/v1/embeddings", {"input": "a", "encoding_format": "x"}, "encoding_format"),
            ("/v1/embeddings", {"input": "a", "dimensions": 3}, "dimensions"),
            ("/v1/responses", {}, "input"), ("/v1/responses", {"input": [{"type": "x"}]},
                                             "input[0].type"),
            ("/v1/responses", {"input": "x", "previous_response_id": "y"},
             "previous_response_id"),
            ("/v1/responses", {"input": "x", "top_logprobs": 2}, "top_logprobs"),
            ("/v1/responses", {"input": "x", "include": ["message.output_text.logprobs"]}, "include"),
            ("/v1/responses", {"input": [1]}, "input[0]")):
        r = s.post(path, body)
        e = r.json.get("error", {})
        ok(r.code == 400 and e.get("param") == param and e.get("type") == "invalid_request_error",
           f"{json.dumps(body)[-60:]}: 400 for {param}", f"{r.code} {r.text[:300]}")
    r = s.post(CHAT, say("x" * 2200))
    e = r.json["error"]
    ok(r.code == 400 and e["code"] == "context_length_exceeded" and "2048" in e["message"]
       and "2219" in e["message"], "too long a prompt: both numbers", r.text)
    equal([s.post(CHAT, b).json["error"]["message"] for b in (say(n=0), say(n="x"), say(n=[]))],
          [f"n: must be a whole number from 1 to 128, not {v}" for v in ("0", '"x"', "a list")],
          "what was sent is shown")
    for path, meant in (("/chat/completions", CHAT), ("/v1/chat/completions/", CHAT),
                        ("/models", "/v1/models"), ("/v1/api/chat", "/api/chat")):
        has(s.post(path, {}).text, f"(did you mean {meant}?)", f"{path} is nearly {meant}")
    ok("did you mean" not in s.get("/nothing").text, "and what is near nothing is not guessed at")
    r = s.get("/v1/messages/nothing").json
    equal((r["type"], r["error"]["type"]), ("error", "not_found_error"), "errors have Anthropic's shape there")
    r = s.post(CHAT, say(model="nope"))
    ok(r.code == 404 and "tiny, dice" in r.json["error"]["message"], "an unknown model", r.text)


def completions(s):
    r = s.post(TEXT, {"prompt": "xab", "temperature": 0, "max_tokens": 2}).json
    equal([(c["index"], c["text"], c["finish_reason"]) for c in r["choices"]], [(0, "cd", "length")],
          "a completion")
    r = s.post(TEXT, {"prompt": ["a", "m"], "temperature": 0, "max_tokens": 3, "n": 2,
                      "echo": True}).json
    equal([(c["index"], c["text"]) for c in r["choices"]],
          [(0, "abcd"), (1, "abcd"), (2, "mnop"), (3, "mnop")], "two prompts, n, echo")
    r = s.post(TEXT, {"prompt": "abx", "temperature": 0, "max_tokens": 1, "echo": True,
                      "logprobs": 1}).json["choices"][0]
    p = r["logprobs"]
    ok(r["text"] == "abxy" and p["tokens"] == ["a", "b", "x", "y"] and p["text_offset"] == [0, 1, 2, 3]
       and p["token_logprobs"][0] is None and p["top_logprobs"][0] is None
       and list(p["top_logprobs"][2]) == ["c"] and p["top_logprobs"][1] == {"b": p["token_logprobs"][1]},
       "echo with log-probabilities", r)
    for n, tokens in ((0, ["a", "b"]), (1, ["a", "b", "c"])):
        r = s.post(TEXT, {"prompt": [[97, 98], [99]], "temperature": 0, "max_tokens": n, "echo": True,
                          "logprobs": 1, "seed": 1234}).json["choices"]
        equal((r[0]["logprobs"]["tokens"], len(r)), (tokens, 2),
              f"what evaluation harnesses send, max_tokens {n}")
    e = s.post(TEXT, {"prompt": "a", "temperature": 0, "max_tokens": 4, "stream": True,
                      "stop": ["e"], "logprobs": 0}).events
    equal(("".join(x["choices"][0]["text"] for x in e[:-1]), e[-2]["choices"][0]["finish_reason"],
           [t for x in e[:-1] for t in x["choices"][0]["logprobs"]["tokens"]]),
          ("bcd", "stop", ["b", "c", "d"]), "a stream")
    many = s.post(TEXT, {"prompt": [[97 + i % 20] for i in range(300)], "temperature": 0,
                         "max_tokens": 1}).json["choices"]
    equal([c["text"] for c in many], [ALL[i % 20 + 1] for i in range(300)],
          "more prompts than places")


def embeddings(s):
    a = s.post("/v1/embeddings", {"input": ["abc", "x"]}).json
    v = a["data"][0]["embedding"]
    ok(len(a["data"]) == 2 and len(v) == 259 and abs(sum(x * x for x in v) - 1) < 1e-5
       and a["usage"]["prompt_tokens"] == 4, "embeddings have length 1", a["usage"])
    b = s.post("/v1/embeddings", {"input": [[97, 98, 99]], "encoding_format": "base64"}).json
    raw = base64.b64decode(b["data"][0]["embedding"])
    equal(list(struct.unpack(f"<{len(raw) // 4}f", raw)),
          [struct.unpack("<f", struct.pack("<f", x))[0] for x in v], "base64 and ids: the same")


def formats(s):
    r = s.post(CHAT, say(model="dice", temperature=1, grammar='root ::= "x" [q-s] [q-s] "."', seed=1))
    ok(r.json["choices"][0]["finish_reason"] == "stop" and content(r)[0] == "x"
       and content(r)[-1] == "." and len(content(r)) == 4 and set(content(r)[1:-1]) <= set("qrs"), "a grammar", r.text)
    schema = {"type": "object", "properties": {"name": {"enum": ["ann", "bob"]},
                                               "n": {"const": 5}},
              "required": ["name", "n"], "additionalProperties": False}
    for stream in (False, True):
        r = s.post(CHAT, say(stream=stream, seed=1, response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": schema}}))
        text = content(r) if not stream else "".join(
            x["choices"][0]["delta"].get("content", "") for x in r.events[:-1])
        got = json.loads(text)
        ok(got["n"] == 5 and got["name"] in ("ann", "bob"), f"a schema, stream {stream}", text)
    r = s.post(CHAT, say(model="dice", response_format={"type": "json_object"}, max_tokens=40))
    ok(content(r).startswith("{"), "a JSON object", r.text)


def tools(s):
    for choice, name in (({"type": "function", "function": {"name": "add"}}, "add"),
                         ({"type": "function", "function": {"name": "now"}}, "now")):
        r = s.post(CHAT, say(tools=TOOLS, tool_choice=choice, seed=2, max_tokens=200)).json
        c = r["choices"][0]
        call = c["message"].get("tool_calls", [{}])[0]
        ok(c["finish_reason"] == "tool_calls" and c["message"]["content"] is None
           and call.get("type") == "function" and call["function"]["name"] == name
           and isinstance(json.loads(call["function"]["arguments"]), dict)
           and call["id"].startswith("call_"), f"a call of {name}", r)
    e = s.post(CHAT, say(tools=TOOLS[:1], tool_choice="required", seed=2, stream=True,
                         max_tokens=200)).events[:-1]
    calls = [t for x in e for t in x["choices"][0]["delta"].get("tool_calls", [])]
    ok("id" in calls[0] and calls[0]["function"] == {"name": "add", "arguments": ""}
       and all("id" not in t and "name" not in t["function"] for t in calls[1:]) and len(calls) > 4
       and json.loads("".join(t["function"]["arguments"] for t in calls))["b"] == 7
       and e[-1]["choices"][0]["finish_reason"] == "tool_calls", "a streamed call", calls)
    r = s.post(CHAT, say(tools=TOOLS, tool_choice="none", max_tokens=3))
    equal(content(r), "abc", "tool_choice none")
    r = s.post("/apply-template", {"messages": [
        {"role": "user", "content": "1+2"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"}], "tools": TOOLS})
    ok("functions" in r.json["prompt"] and '"add"' in r.json["prompt"]
       and "<|im_start|>tool\n3<|im_end|>" in r.json["prompt"], "tools are told in the prompt", r.text)


def responses(s):
    r = s.post("/v1/responses", {"input": "hi", "temperature": 0}).json
    ok(r["status"] == "completed" and r["output"][0]["content"][0]["text"] == ALL
       and r["usage"]["output_tokens"] == 26, "a response", r)
    r = s.post("/v1/responses", {"input": [{"role": "user", "content": [
        {"type": "input_text", "text": "hi"}]}], "temperature": 0, "max_output_tokens": 3}).json
    equal((r["status"], r["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"}),
          "one that was cut")
    equal((r["instructions"], r["tools"], r["tool_choice"], r["metadata"], r["text"], r["max_output_tokens"]),
          (None, [], "auto", {}, {"format": {"type": "text"}}, 3), "what was not asked for stands as such")
    e = s.post("/v1/responses", {"input": "hi", "temperature": 0, "stream": True}).events
    equal([x["sequence_number"] for x in e], list(range(len(e))), "a stream counts its events")
    equal("".join(x["delta"] for x in e if x["type"] == "response.output_text.delta"), ALL, "its text")
    kinds = [x["type"] for x in e if x["type"] != "response.output_text.delta"]
    equal(kinds, ["response." + k for k in (
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.done",
        "content_part.done", "output_item.done", "completed")], "in this order")
    asked = {"tools": [dict(type="function", **TOOLS[0]["function"])], "tool_choice": "required",
             "instructions": "Be \"brief\".", "metadata": {"a": "b"}, "parallel_tool_calls": False}
    r = s.post("/v1/responses", dict(asked, input="hi", seed=2)).json
    equal({k: r[k] for k in asked}, asked, "what was asked for comes back in the response")
    ok(r["output"][0]["type"] == "function_call" and json.loads(r["output"][0]["arguments"])["b"] == 7,
       "a call", r)


def forms(s):
    """Anthropic's output_config, and what of its tools is not known here."""
    ask = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50, "temperature": 0}
    tool = {"name": "add", "input_schema": TOOLS[0]["function"]["parameters"]}
    schema = {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"], "additionalProperties": False}
    for name, fields in (("output_config", {"format": {"type": "json_schema", "schema": schema}}),
                         ("output_format", {"type": "json_schema", "schema": schema})):
        r = s.post(LETTER, dict(ask, **{name: fields}, max_tokens=300)).json
        equal(json.loads(r["content"][0]["text"]), {"n": 5}, f"an answer in the form that {name} asks for")
    form = {"format": {"type": "json_schema", "schema": {"type": "objct"}}}
    for fields, word in ((dict(mcp_servers=[{"url": "http://x"}]), "mcp_servers: "),
                         (dict(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools[0].type: "),
                         (dict(tools=[tool], tool_choice={"type": "auto", "disable_parallel_tool_use": 1}),
                          "tool_choice.disable_parallel_tool_use: "),
                         (dict(output_config=form), "output_config.format.schema: "),
                         (dict(output_config={"format": {"type": "xml"}}), "output_config.format.type: "),
                         (dict(output_format={"type": "json_schema"}), "output_format.schema: "),
                         (dict(output_config={"format": {"schema": schema}}, tools=[tool]), "output_config.format: ")):
        r = s.post(LETTER, dict(ask, **fields))
        ok(r.code == 400 and r.json["error"]["message"].startswith(word), f"400 for {word}", r.text)


def letters(s):
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50, "temperature": 0}
    r = s.post("/v1/messages", body).json
    ok(r["type"] == "message" and r["content"] == [{"type": "text", "text": ALL}]
       and r["stop_reason"] == "end_turn" and r["usage"]["output_tokens"] == 26, "a message", r)
    r = s.post("/v1/messages", dict(body, stop_sequences=["d"], system="be kind")).json
    equal((r["content"][0]["text"], r["stop_reason"], r["stop_sequence"]),
          ("abc", "stop_sequence", "d"), "a stop text")
    equal(s.post("/v1/messages", dict(body, max_tokens=2)).json["stop_reason"], "max_tokens", "cut")
    r = s.post("/v1/messages", dict(body, messages=body["messages"] + [
        {"role": "assistant", "content": "pq"}], max_tokens=2)).json
    equal(r["content"][0]["text"], "rs", "an answer that was begun")
    e = s.post("/v1/messages", dict(body, stream=True)).events
    equal("".join(x["delta"]["text"] for x in e if x["type"] == "content_block_delta"), ALL,
          "a stream")
    equal([x["type"] for x in e if x["type"] != "content_block_delta"],
          ["message_start", "content_block_start", "content_block_stop", "message_delta",
           "message_stop"], "its events")
    tool = {"name": "add", "input_schema": TOOLS[0]["function"]["parameters"]}
    r = s.post("/v1/messages", dict(body, tools=[tool], tool_choice={"type": "any"},
                                    max_tokens=200)).json
    ok(r["stop_reason"] == "tool_use" and r["content"][0]["name"] == "add"
       and r["content"][0]["input"]["b"] == 7, "a call", r)
    r = s.post("/v1/messages", dict(body, messages=body["messages"] + [
        {"role": "assistant", "content": r["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": r["content"][0]["id"],
                                      "content": "9"}]}], tools=[tool],
        tool_choice={"type": "none"})).json
    equal(r["content"][0]["text"], ALL, "and what it gave")
    n = s.post("/v1/messages/count_tokens", {"messages": body["messages"]}).json["input_tokens"]
    equal(n, len("Suser\nhiE\nSassistant\n"), "count_tokens")
    for broken, part in (({}, "max_tokens"), (dict(body, messages=5), "messages"),
                         (dict(body, tool_choice={"type": "any"}), "tool_choice"),
                         (dict(body, messages=[{"role": "user", "content": []}]), "messages")):
        r = s.post("/v1/messages", broken)
        ok(r.code == 400 and r.json["type"] == "error" and part in r.json["error"]["message"],
           f"an error in its own shape: {part}", r.text)


def together(s):
    """Answers do not depend on who else is served."""
    fields = dict(model="dice", temperature=1, top_k=0, min_p=0, top_p=1, max_tokens=12)
    alone = [content(s.post(CHAT, say("x" * i, seed=i, **fields))) for i in range(24)]
    got = [None] * 24

    def one(i):
        got[i] = content(s.post(CHAT, say("x" * i, seed=i, **fields)))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(got, alone, "twenty-four at once: each as alone")


def main():
    with kit.Home() as home:
        model(home, n_ctx=2048)
        model(home, "dice", kind="dice", n_ctx=2048)
        with Server(home, "tiny", "dice", "-c", "2048") as s:
            for part in (models, chats, streams, logprobs, wrong, completions, embeddings, formats,
                         tools, responses, forms, letters, together):
                part(s)
            equal(s.stop(), 0, "the server ends well")
    kit.done()


if __name__ == "__main__":
    main()
