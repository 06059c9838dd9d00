"""What the chat template tests share: Jinja as the transformers library configures it, and
the conversations that templates are rendered with."""
import datetime
import json

NOW = 1760000000  # 2025-10-09 08:53:20 UTC: the clock of every test


def environment():
    """jinja2 3.1 with the settings, globals and filters of transformers' chat templates."""
    import jinja2
    import jinja2.ext
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

        def _body(self, caller):
            return caller()

    class Namespace(jinja2.utils.Namespace):
        def __init__(*args, **kwargs):
            self, args = args[0], args[1:]
            attrs = dict(*args, **kwargs)
            for name in attrs:
                check_name(name)
            jinja2.utils.Namespace.__init__(self, attrs)

        def __setitem__(self, name, value):
            check_name(name)
            jinja2.utils.Namespace.__setitem__(self, name, value)

    class Dict:
        def __call__(self, *args, **kwargs):
            return dict(*args, **kwargs)

    def check_name(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore in a namespace")

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def strftime_now(format):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(format)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals.update(raise_exception=raise_exception, strftime_now=strftime_now,
                       dict=Dict(), namespace=Namespace)
    return env


def reference(env, template, variables):
    """The text, or None where jinja2 raises."""
    import copy
    cache = env.__dict__.setdefault("compiled_templates", {})
    try:
        if template not in cache:
            cache[template] = env.from_string(template)
        return cache[template].render(**copy.deepcopy(variables))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what a user would see
        reference.error = f"{type(error).__name__}: {error}"
        return None


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Looks up the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city & its country"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": ["integer", "null"], "default": 3},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "A sentence"},
    },
}
NESTED = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Searches <documents>\nin several lines",
        "parameters": {
            "type": "object",
            "properties": {
                "filters": {
                    "type": "array",
                    "description": "What to look for",
                    "items": {"type": "object",
                              "properties": {"field": {"type": "string"},
                                             "weight": {"type": "number", "minimum": 0.5}},
                              "required": ["field"]},
                },
                "exact": {"type": "boolean", "default": False},
                "mode": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "extra": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
}
BARE = {"type": "function",
        "function": {"name": "now", "description": "The time", "parameters": {}}}

S = {"role": "system", "content": "You are kind."}
U = {"role": "user", "content": "Hello"}
A = {"role": "assistant", "content": "Hi! How can I help?"}
U2 = {"role": "user", "content": "What's 2 < 3?\n  Say \"yes\" & why.\n"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image"},
                                     {"type": "text", "text": "what is it?"}]}
TEXT_PARTS = {"role": "user", "content": [{"type": "text", "text": "One."},
                                          {"type": "text", "text": "Two."}]}


def call(name, arguments, ident="call12345"):
    return {"id": ident, "type": "function",
            "function": {"name": name, "arguments": arguments}}


CALL = {"role": "assistant", "content": "",
        "tool_calls": [call("get_weather", {"city": "Paris", "unit": "celsius"})]}
CALL_NULL = {"role": "assistant", "content": None,
             "tool_calls": [call("get_weather", {"city": "Zürich", "days": 2})]}
CALL_TEXT = {"role": "assistant", "content": "Let me see.",
             "tool_calls": [call("get_weather", "{\"city\": \"Paris\"}")]}
CALL_TWO = {"role": "assistant", "content": "",
            "tool_calls": [call("get_weather", {"city": "Oslo"}, "call00001"),
                           call("search", {"filters": [{"field": "a'b", "weight": 1.5}],
                                           "exact": True, "mode": None}, "call00002")]}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call12345",
          "content": "{\"temperature\": 21}"}
RESULT_1 = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001",
            "content": "cold"}
RESULT_2 = {"role": "tool", "name": "search", "tool_call_id": "call00002",
            "content": [{"type": "text", "text": "nothing found"}]}
THINK = {"role": "assistant", "content": "<think>\nHm, 2 is less.\n</think>\n\nYes."}
REASON = {"role": "assistant", "content": "Yes.", "reasoning_content": "2 is less than 3.",
          "thinking": "2 is less than 3."}

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def conversations():
    """name -> variables"""
    both = {
        "user": [U],
        "system": [S, U],
        "turns": [U, A, U2],
        "system-turns": [S, U, A, U2, A, U],
        "empty-content": [{"role": "system", "content": ""}, {"role": "user", "content": ""}],
        "unicode": [{"role": "system", "content": "Sois poli — s'il te plaît 🙂"},
                    {"role": "user", "content": "Grüße, ΟΔΟΣ, 漢字\u00a0\u2028 \U0001d54f!"}],
        "template-text": [{"role": "user", "content": "{{ 7*7 }} {% if x %} {# no #} {%- raw %}"
                           " <|im_end|> </s> [/INST] <think> \\n %s"}, A, U],
        "white-space": [{"role": "system", "content": "  \n a  "},
                        {"role": "user", "content": "\n\n  b \t\n"},
                        {"role": "assistant", "content": "  c\n"}, U],
        "think": [U2, THINK, U],
        "reasoning": [S, U2, REASON, U],
        "reasoning-last": [U2, REASON],
        "text-parts": [TEXT_PARTS],
        "system-parts": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
                         TEXT_PARTS, A, TEXT_PARTS],
        "image-parts": [PARTS],
        "ends-assistant": [U, A],
    }
    once = {
        "two-users": [U, U],
        "assistant-first": [A, U],
        "system-late": [U, S, A],
        "developer": [{"role": "developer", "content": "Be brief."}, U],
        "unknown-role": [{"role": "wizard", "content": "abc"}, U],
        "no-content": [{"role": "user"}],
        "null-content": [{"role": "user", "content": None}],
        "number-content": [{"role": "user", "content": 42}],
        "no-messages": [],
        "content-dict": [{"role": "user", "content": {"text": "x", "n": [1, 2.5, None, True]}}],
    }
    tooled = {
        "tools-user": [U],
        "tools-system": [S, U],
        "tools-call": [U, CALL],
        "tools-result": [S, U, CALL, RESULT],
        "tools-answer": [U, CALL, RESULT, A, U2],
        "tools-null": [U, CALL_NULL, RESULT],
        "tools-text-arguments": [U, CALL_TEXT, RESULT, A],
        "tools-two": [S, U, CALL_TWO, RESULT_1, RESULT_2, A, U],
        "tools-reasoning": [U, {**CALL, "reasoning_content": "I must look.",
                                "thinking": "I must look."}, RESULT],
    }
    out = {}

    def add(name, messages, **more):
        out[name] = {"messages": messages, **TOKENS, **more}

    for name, messages in both.items():
        add(name, messages, add_generation_prompt=False)
        add(name + "+", messages, add_generation_prompt=True)
    for name, messages in once.items():
        add(name, messages, add_generation_prompt=True)
    for name, messages in tooled.items():
        add(name, messages, add_generation_prompt=False, tools=[WEATHER, NESTED])
        add(name + "+", messages, add_generation_prompt=True, tools=[WEATHER])
    add("tools-none", [S, U], add_generation_prompt=True, tools=None)
    add("tools-empty", [S, U], add_generation_prompt=True, tools=[])
    add("tools-bare", [U], add_generation_prompt=True, tools=[BARE])
    add("tools-plain", [U], add_generation_prompt=True, tools=[NESTED["function"]])
    add("results-without-tools", [U, CALL, RESULT], add_generation_prompt=True)
    for name, value in (("on", True), ("off", False)):
        add("thinking-" + name, [S, U2, REASON, U], add_generation_prompt=True,
            enable_thinking=value, thinking=value)
        add("thinking-tools-" + name, [U, CALL, RESULT, A, U], add_generation_prompt=True,
            enable_thinking=value, thinking=value, tools=[WEATHER])
    for effort in ("low", "high"):
        add("effort-" + effort, [S, U], add_generation_prompt=True, reasoning_effort=effort)
    add("budget", [U], add_generation_prompt=True, thinking_budget=512,
        keep_past_thinking=True)
    add("options", [S, U, A, U], add_generation_prompt=True, date_string="26 Jul 2024",
        builtin_tools=["browser", "python"], custom_tools=[WEATHER],
        tools_in_user_message=False, documents=[{"title": "T", "text": "D & E"}],
        model_identity="You are Glass.", controls={"length": "short"},
        response_format={"type": "json_object"}, add_vision_id=True)
    add("documents", [U], add_generation_prompt=True,
        documents=[{"title": "Cats", "text": "Cats sleep.", "doc_id": 1},
                   {"title": "Dogs", "text": "Dogs \"bark\".", "doc_id": 2}])
    out["nothing"] = {"messages": [S, U, A]}
    return out
