#!/usr/bin/env python3
"""The clients that people use, against glass serve: openai, ollama, anthropic, langchain-openai.
They are no packages of Debian's: $GLASS_PEER_PYTHON names a Python that has them (./setup.sh check makes
one, build/peers); what is not installed is skipped."""
import importlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serve_kit import ALL, PEERS, Server, kit, model  # noqa: E402
from kit import equal, ok, skip  # noqa: E402

M = "tiny"
HI = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"enum": [7]}, "b": {"enum": ["x"]}},
          "required": ["a", "b"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "add", "description": "adds",
                                         "parameters": SCHEMA}}


def raises(kind, call, *parts):
    try:
        got = call()
    except kind as e:
        ok(all(p in str(e) for p in parts), f"{kind.__name__}: {' '.join(parts)}", e)
        return
    except Exception as e:  # pylint: disable=broad-except
        ok(False, f"{kind.__name__}: {' '.join(parts)}", repr(e))
        return
    ok(False, f"{kind.__name__}: {' '.join(parts)}", got)


# ---- openai ----

def openai_chats(c):
    chat = c.chat.completions
    equal([m.id for m in c.models.list()], ["tiny", "dice", "fim"], "openai: the models")
    equal(c.models.retrieve("dice").id, "dice", "one of them")
    r = chat.create(model=M, messages=HI, temperature=0)
    ok(r.choices[0].message.content == ALL and r.choices[0].finish_reason == "stop"
       and r.usage.completion_tokens == 26 and r.usage.prompt_tokens_details is not None, "a chat", r)
    r = chat.create(model=M, messages=HI, temperature=0, n=2, max_completion_tokens=3)
    equal([x.message.content for x in r.choices], ["abc", "abc"], "n")
    r = chat.create(model=M, messages=HI, temperature=0, stop=["de", "xyz"])
    equal(r.choices[0].message.content, "abc", "stop")
    r = chat.create(model=M, messages=HI, temperature=0, max_tokens=2, logit_bias={"97": -100})
    ok(r.choices[0].message.content[0] != "a", "logit_bias", r)
    r = chat.create(model=M, messages=HI, temperature=0, max_tokens=2, logprobs=True,
                    top_logprobs=2)
    p = r.choices[0].logprobs.content
    ok([x.token for x in p] == ["a", "b"] and len(p[0].top_logprobs) == 2, "logprobs", p)
    one, two = (chat.create(model="dice", messages=HI, temperature=1, seed=4, max_tokens=9)
                for _ in range(2))
    ok(one.choices[0].message.content == two.choices[0].message.content
       and one.system_fingerprint == two.system_fingerprint, "seed", one)
    r = chat.create(model=M, messages=[{"role": "developer", "content": "be kind"},
                                       {"role": "user", "content": [
                                           {"type": "text", "text": "hi"}]}],
                    presence_penalty=0.1, frequency_penalty=0.1, top_p=0.5, temperature=0,
                    extra_body={"top_k": 3, "min_p": 0.1})
    equal(r.choices[0].message.content, ALL, "parts, penalties, extra_body")
    chunks = list(chat.create(model=M, messages=HI, temperature=0, stream=True,
                              stream_options={"include_usage": True}))
    ok("".join(x.choices[0].delta.content or "" for x in chunks[:-1]) == ALL
       and chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 26, "a stream", chunks[-1])
    with chat.stream(model=M, messages=HI, temperature=0, logprobs=True) as s:
        kinds = {e.type for e in s}
        r = s.get_final_completion()
    ok({"chunk", "content.delta", "content.done"} <= kinds
       and r.choices[0].message.content == ALL and len(r.choices[0].logprobs.content) == 26,
       "a stream that the client gathers", f"{kinds} {r}")
    with chat.create(model=M, messages=HI, temperature=0, stream=True) as s:
        next(iter(s))
    ok(True, "a stream that is left")


def openai_formats(c):
    chat = c.chat.completions
    r = chat.create(model=M, messages=HI, response_format={"type": "json_schema", "json_schema": {
        "name": "x", "strict": True, "schema": SCHEMA}})
    equal(json.loads(r.choices[0].message.content), {"a": 7, "b": "x"}, "json_schema")
    r = chat.create(model="dice", messages=HI, response_format={"type": "json_object"},
                    max_tokens=30)
    equal(r.choices[0].message.content[0], "{", "json_object")
    pydantic = importlib.import_module("pydantic")
    kind = pydantic.create_model("Kind", yes=(bool, ...))
    r = chat.parse(model=M, messages=HI, response_format=kind, seed=1)
    ok(isinstance(r.choices[0].message.parsed.yes, bool), "a class of pydantic's", r)


def openai_tools(c):
    chat = c.chat.completions
    for choice in ("required", {"type": "function", "function": {"name": "add"}}):
        r = chat.create(model=M, messages=HI, tools=[TOOL], tool_choice=choice).choices[0]
        call = r.message.tool_calls[0]
        ok(r.finish_reason == "tool_calls" and call.function.name == "add"
           and json.loads(call.function.arguments) == {"a": 7, "b": "x"}, "tool_choice", r)
    r = chat.create(model=M, messages=HI + [r.message, {
        "role": "tool", "tool_call_id": call.id, "content": "8"}], tools=[TOOL],
        tool_choice="none", temperature=0)
    equal(r.choices[0].message.content, ALL, "what a tool gave")
    with chat.stream(model=M, messages=HI, tools=[TOOL], tool_choice="required") as s:
        events = list(s)
        r = s.get_final_completion().choices[0]
    pieces = [e.arguments_delta for e in events
              if e.type == "tool_calls.function.arguments.delta"]
    ok(json.loads("".join(pieces)) == {"a": 7, "b": "x"} and len([p for p in pieces if p]) > 3
       and json.loads(r.message.tool_calls[0].function.arguments)["a"] == 7,
       "a streamed call comes in pieces", pieces)


def openai_texts(c):
    r = c.completions.create(model=M, prompt=["a", "m"], temperature=0, max_tokens=3, echo=True,
                             logprobs=1)
    equal([x.text for x in r.choices], ["abcd", "mnop"], "completions, echo")
    equal(r.choices[0].logprobs.tokens, ["a", "b", "c", "d"], "their log-probabilities")
    r = c.completions.create(model=M, prompt=[97, 98], temperature=0, max_tokens=0, echo=True,
                             logprobs=1)
    equal(len(r.choices[0].logprobs.token_logprobs), 2, "token ids, no answer")
    text = "".join(x.choices[0].text for x in c.completions.create(
        model=M, prompt="x", temperature=0, stream=True))
    equal(text, "yz", "a stream")
    r = c.completions.create(model="fim", prompt="q", suffix="z", temperature=0, max_tokens=2)
    equal(r.choices[0].text, "ab", "a suffix")
    one = c.embeddings.create(model=M, input=["ab", "c"])  # base64 on the wire
    two = c.embeddings.create(model=M, input="ab", encoding_format="float")
    ok(len(one.data) == 2 and max(abs(x - y) for x, y in zip(
        one.data[0].embedding, two.data[0].embedding)) < 1e-6, "embeddings", one.usage)


def openai_responses(c):
    r = c.responses.create(model=M, input="hi", temperature=0, instructions="be kind")
    ok(r.output_text == ALL and r.status == "completed" and r.usage.output_tokens == 26,
       "a response", r)
    with c.responses.stream(model=M, input=[{"role": "user", "content": "hi"}],
                            temperature=0) as s:
        kinds = [e.type for e in s]
        ok(s.get_final_response().output_text == ALL
           and kinds.count("response.output_text.delta") == 26, "a stream of one", kinds)
    tool = dict(type="function", strict=True, **TOOL["function"])
    r = c.responses.create(model=M, input="hi", tools=[tool], tool_choice="required")
    ok(r.output[0].type == "function_call"
       and json.loads(r.output[0].arguments) == {"a": 7, "b": "x"}, "a call", r)
    with c.responses.stream(model=M, input="hi", tools=[tool], tool_choice="required") as s:
        pieces = [e.delta for e in s if e.type == "response.function_call_arguments.delta"]
        call = s.get_final_response().output[0]
    ok("".join(pieces) == call.arguments and len(pieces) > 3, "a streamed call", pieces)
    r = c.responses.create(model=M, input=[
        {"role": "user", "content": "hi"}, call.model_dump(exclude={"parsed_arguments"}),
        {"type": "function_call_output", "call_id": call.call_id, "output": "8"}], tools=[tool],
        tool_choice="none", temperature=0)
    equal(r.output_text, ALL, "and what the tool gave")


def openai_errors(o, c):
    chat = c.chat.completions
    raises(o.NotFoundError, lambda: chat.create(model="nope", messages=HI), "tiny, dice")
    raises(o.BadRequestError, lambda: chat.create(model=M, messages=HI, temperature="x"),
           "temperature")
    raises(o.BadRequestError, lambda: chat.create(model=M, messages=[
        {"role": "user", "content": "x" * 3000}]), "3019", "1024")
    raises(o.BadRequestError, lambda: chat.create(model=M, messages=HI, response_format={
        "type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objct"}}}),
        "response_format.json_schema.schema")
    raises(o.AuthenticationError, lambda: c.with_options(api_key="wrong-key").chat.completions
           .create(model=M, messages=HI), "key")


def openai(url):
    try:
        o = importlib.import_module("openai")
    except ImportError as e:
        skip("openai", e)
        return
    print(f"# openai {o.__version__}")
    c = o.OpenAI(base_url=url + "/v1", api_key="a-long-key", max_retries=0, timeout=60)
    for part in (openai_chats, openai_formats, openai_tools, openai_texts, openai_responses):
        part(c)
    openai_errors(o, c)


# ---- anthropic ----

def anthropic(url):
    try:
        a = importlib.import_module("anthropic")
    except ImportError as e:
        skip("anthropic", e)
        return
    print(f"# anthropic {a.__version__}")
    c = a.Anthropic(base_url=url, api_key="a-long-key", max_retries=0, timeout=60)
    zero = {"extra_body": {"temperature": 0}}
    r = c.messages.create(model=M, max_tokens=50, messages=HI, system="be kind", **zero)
    ok(r.content[0].text == ALL and r.stop_reason == "end_turn" and r.usage.output_tokens == 26,
       "anthropic: a message", r)
    r = c.messages.create(model=M, max_tokens=50, messages=HI, stop_sequences=["d"], **zero)
    equal((r.content[0].text, r.stop_sequence), ("abc", "d"), "a stop text")
    with c.messages.stream(model=M, max_tokens=50, messages=HI, **zero) as s:
        ok("".join(s.text_stream) == ALL and s.get_final_message().usage.output_tokens == 26,
           "a stream")
    r = c.messages.create(model=M, max_tokens=2, **zero, messages=HI + [
        {"role": "assistant", "content": "pq"}])
    equal((r.content[0].text, r.stop_reason), ("rs", "max_tokens"), "an answer that was begun")
    n = c.messages.count_tokens(model=M, messages=HI).input_tokens
    ok(n > 5, "count_tokens", n)
    tool = {"name": "add", "description": "adds", "input_schema": SCHEMA}
    r = c.messages.create(model=M, max_tokens=90, messages=HI, tools=[tool],
                          tool_choice={"type": "tool", "name": "add"})
    equal((r.stop_reason, r.content[0].type, r.content[0].input),
          ("tool_use", "tool_use", {"a": 7, "b": "x"}), "a call")
    with c.messages.stream(model=M, max_tokens=90, messages=HI, tools=[tool],
                           tool_choice={"type": "any"}) as s:
        pieces = [e.partial_json for e in s if e.type == "input_json"]
        use = s.get_final_message().content[0]
    ok(use.input == {"a": 7, "b": "x"} and len(pieces) > 3, "a streamed call", pieces)
    r = c.messages.create(model=M, max_tokens=50, tools=[tool], **zero, messages=HI + [
        {"role": "assistant", "content": [use.model_dump(include={"type", "id", "name",
                                                                  "input"})]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id,
                                      "content": "8"}]}], tool_choice={"type": "none"})
    equal(r.content[0].text, ALL, "and what it gave")
    r = c.messages.create(model=M, max_tokens=300, messages=HI, output_config={
        "format": {"type": "json_schema", "schema": SCHEMA}})
    equal(json.loads(r.content[0].text), {"a": 7, "b": "x"}, "an answer in a form")
    raises(a.NotFoundError, lambda: c.messages.create(model="nope", max_tokens=1, messages=HI),
           "tiny")
    raises(a.BadRequestError, lambda: c.messages.create(model=M, max_tokens=0, messages=HI),
           "max_tokens")
    raises(a.AuthenticationError, lambda: c.with_options(api_key="wrong-key").messages.create(
        model=M, max_tokens=1, messages=HI), "key")


# ---- ollama ----

def ollama(url):
    try:
        o = importlib.import_module("ollama")
    except ImportError as e:
        skip("ollama", e)
        return
    print("# ollama")
    c = o.Client(host=url, headers={"Authorization": "Bearer a-long-key"}, timeout=60)
    zero = {"temperature": 0}
    equal([m.model for m in c.list().models], ["tiny", "dice", "fim"], "ollama: the models")
    ok("tiny" in [m.model for m in c.ps().models], "ps")
    s = c.show(M)
    ok(s.details.family == "llama" and s.capabilities == ["completion", "embedding", "tools"]
       and s.modelinfo["llama.context_length"] == 1024, "show", s)
    r = c.generate(M, "hi", options=zero)
    ok(r.response == ALL and r.done and r.eval_count == 26 and r.total_duration > 0, "generate", r)
    parts = list(c.generate(M, "hi", options=dict(zero, num_predict=4, stop=["d"]), stream=True))
    ok("".join(p.response for p in parts) == "abc" and parts[-1].done_reason == "stop", "a stream",
       parts)
    r = c.generate(M, "x", raw=True, options=dict(zero, num_predict=2))
    equal(r.response, "yz", "raw")
    equal(c.generate("fim", "q", suffix="z", options=dict(zero, num_predict=2)).response, "ab",
          "a suffix")
    equal(json.loads(c.generate(M, "x", format=SCHEMA).response), {"a": 7, "b": "x"}, "a schema")
    equal(c.generate(M, "x", format="json", options={"num_predict": 9}).response[0], "{", "json")
    equal(c.generate(M).done_reason, "load", "loading only")
    r = c.chat(M, HI, options=zero, keep_alive="5m")
    equal((r.message.content, r.message.role, r.done_reason), (ALL, "assistant", "stop"), "chat")
    equal("".join(p.message.content for p in c.chat(M, HI, stream=True, options=zero)), ALL,
          "a stream")
    c.chat(M, HI, tools=[TOOL], options=dict(zero, num_predict=3))
    ok(True, "tools")
    e = c.embed(M, ["ab", "c"])
    ok(len(e.embeddings) == 2 and len(e.embeddings[0]) == 259, "embed")
    equal(list(c.embeddings(M, "ab").embedding), list(e.embeddings[0]), "embeddings")
    raises(o.ResponseError, lambda: c.generate("nope", "x"), "tiny")
    raises(o.ResponseError, lambda: c.generate(M, "x", options={"temperature": "x"}),
           "options.temperature")
    raises(o.ResponseError, lambda: c.pull("x/y"), "--allow-pull")
    raises(o.ResponseError, lambda: c.delete(M), "--allow-delete")


# ---- langchain ----

def langchain(url):
    try:
        lc = importlib.import_module("langchain_openai")
        core = importlib.import_module("langchain_core.messages")
    except ImportError as e:
        skip("langchain-openai", e)
        return
    options = {"base_url": url + "/v1", "api_key": "a-long-key", "model": M, "max_retries": 0}
    c = lc.ChatOpenAI(temperature=0, **options)
    r = c.invoke([core.SystemMessage("be kind"), core.HumanMessage("hi")])
    ok(r.content == ALL and r.usage_metadata["output_tokens"] == 26, "langchain: a chat", r)
    equal("".join(x.content for x in c.stream("hi")), ALL, "a stream")
    equal([x.content for x in c.batch(["hi", "you"])], [ALL, ALL], "a batch")
    r = c.bind_tools([TOOL], tool_choice="add").invoke("hi")
    equal((r.tool_calls[0]["name"], r.tool_calls[0]["args"]), ("add", {"a": 7, "b": "x"}), "a tool")
    more = c.invoke([core.HumanMessage("hi"), r, core.ToolMessage("8", tool_call_id=r.tool_calls[0]["id"])])
    equal(more.content, ALL, "and what it gave")
    whole = None
    for part in c.bind_tools([TOOL], tool_choice="add").stream("hi"):
        whole = part if whole is None else whole + part
    equal(whole.tool_calls[0]["args"], {"a": 7, "b": "x"}, "a streamed one")
    r = c.with_structured_output(dict(SCHEMA, title="Pair"), method="json_schema").invoke("hi")
    equal(r, {"a": 7, "b": "x"}, "structured output")
    equal(lc.OpenAI(temperature=0, max_tokens=2, **options).invoke("x"), "yz", "texts")
    e = lc.OpenAIEmbeddings(base_url=url + "/v1", api_key="a-long-key", model=M,
                            check_embedding_ctx_length=False).embed_documents(["ab", "c"])
    ok(len(e) == 2 and len(e[0]) == 259, "embeddings")


def main():
    os.environ["NO_PROXY"] = "127.0.0.1"
    with kit.Home() as home:
        model(home, n_ctx=1024)
        model(home, "dice", kind="dice", n_ctx=1024)
        model(home, "fim", n_ctx=1024, special=("<fim_prefix>", "<fim_suffix>", "<fim_middle>"), template=None)
        with Server(home, "tiny", "dice", "fim", "-c", "1024", "--api-key", "a-long-key") as s:
            for part in (openai, anthropic, ollama, langchain):
                part(s.url)
            equal(s.stop(), 0, "the server ends well")
    kit.done()


if __name__ == "__main__":
    if PEERS and os.environ.get("GLASS_PEER_CHILD") is None:
        os.environ["GLASS_PEER_CHILD"] = "1"
        os.execv(PEERS, [PEERS, os.path.abspath(__file__)])
    main()
