"""corpus_http_body.py FOLDER - seeds for fuzz_http_body: for each route a plain request, and one
with most of its fields. Beside the folder the target's models: FOLDER-chat.gguf, FOLDER-fim.gguf."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/cli"))
import tiny_model  # noqa: E402

SAY = {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}
TOOL = {"name": "f", "description": "d", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", None]}}}}
SCHEMA = {"type": "object", "properties": {"k": {"type": "string", "maxLength": 3}}, "required": ["k"]}
SAMPLING = {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.01, "seed": 3, "stop": ["q", "zz"],
            "presence_penalty": 0.5, "frequency_penalty": -0.5, "logit_bias": {"97": 3, "98": -100},
            "dry_multiplier": 0.8, "dry_sequence_breakers": ["\n"], "mirostat": 2, "ignore_eos": True}
FULL = [
    dict(SAY, **SAMPLING, max_tokens=4, n=2, logprobs=True, top_logprobs=3, stream=True,
         stream_options={"include_usage": True}),
    dict(SAY, tools=[{"type": "function", "function": TOOL}], tool_choice="required", max_tokens=30),
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]},
                  {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {
                      "name": "f", "arguments": "{\"a\":1}"}}]},
                  {"role": "tool", "tool_call_id": "1", "content": "ok"}], "max_tokens": 3},
    dict(SAY, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}),
    dict(SAY, response_format={"type": "json_object"}, max_completion_tokens=9),
    dict(SAY, grammar="root ::= [a-c]+ \"d\"", chat_template_kwargs={"x": [1]}, max_tokens=5),
    {"prompt": ["a", "b"], "echo": True, "logprobs": 2, "max_tokens": 1, "suffix": None, "best_of": 1},
    {"prompt": [[97, 98], [99]], "max_tokens": 2, "stream": True},
    {"prompt": "def f(", "suffix": "return", "model": "http_body-fim", "max_tokens": 4},
    {"input": ["a", [97]], "encoding_format": "base64"},
    {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
               {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
               {"type": "function_call_output", "call_id": "1", "output": "o"}],
     "instructions": "i", "max_output_tokens": 4, "stream": True,
     "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
    {"system": [{"type": "text", "text": "s"}], "max_tokens": 4, "stream": True, "messages": [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]}],
     "tools": [{"name": "f", "input_schema": TOOL["parameters"]}], "tool_choice": {"type": "any"}},
    {"prompt": "x", "system": "s", "options": {"num_predict": 3, "stop": ["q"]}, "context": [97, 98],
     "format": SCHEMA, "keep_alive": "5m", "raw": False, "think": True},
    {"prompt": "a", "suffix": "b", "model": "http_body-fim", "options": {"num_predict": 2}, "stream": False},
    {"messages": SAY["messages"], "tools": [{"type": "function", "function": TOOL}], "format": "json"},
    {"input": ["a", "b"], "truncate": True}, {"name": "http_body-chat", "verbose": True},
    {"input_prefix": "a", "input_suffix": "b", "prompt": "c", "model": "http_body-fim", "n_predict": 4,
     "input_extra": [{"filename": "f", "text": "t"}], "n_probs": 2, "t_max_predict_ms": 50,
     "samplers": ["top_k"], "stream": True},
    {"prompt": "x", "n_predict": 2, "json_schema": SCHEMA}, {"content": "x", "with_pieces": True},
    {"tokens": [97, 98]}, {"prompt": "abc", "what": ["logits", "attention"], "position": 1, "top": 2},
    {"tokens": [97, 98, 99], "token": 100, "layer": 0, "positions": 2}, {"text": "x", "prompt": "y"}]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    tiny_model.write(folder + "-chat.gguf", "dice", n_ctx=128)
    tiny_model.write(folder + "-fim.gguf", "dice", n_ctx=128, template=None,
                     special=("<fim_prefix>", "<fim_suffix>", "<fim_middle>"))
    for i, body in enumerate(FULL):
        for route in range(24):  # more than there are: they wrap around
            with open(os.path.join(folder, f"{i}-{route}"), "wb") as f:
                f.write(bytes([route]) + json.dumps(body).encode())


main(sys.argv[1].rstrip("/"))
