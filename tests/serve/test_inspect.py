#!/usr/bin/env python3
"""POST /inspect, which says what glass inspect says; tokens by their ids; odd paths."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serve_kit  # noqa: E402
from serve_kit import Server, kit, model, say, tiny_model  # noqa: E402
from kit import equal, has, ok  # noqa: E402
import noise_model  # noqa: E402

CHAT = "/v1/chat/completions"
TALK = [{"role": "user", "content": "What is it?"}]


def close(a, b):
    return len(a) == len(b) and all(abs(x - y) < 2e-6 for x, y in zip(a, b))


def means(rows):
    return [sum(column) / len(column) for column in zip(*rows)]


def views(s, home, path):
    """Beside what the command says of the same tokens."""
    r = s.post("/inspect", {"messages": TALK, "prefill_ids": [97, 256], "token": 98, "top": 4})
    j = r.json
    if not ok(r.code == 200 and j.get("model") == "noise", "a look inside", r.text[:500]):
        return
    ids = [t["id"] for t in j["layers"]["tokens"]]
    at = len(ids) - 1
    equal((ids[-3:], j["position"], j["attention"]["query"]), ([97, 256, 98], at, at - 1),
          "at the token that was asked about, behind exactly these")
    words = ("--ids", ",".join(map(str, ids)), "--at", str(at), "--ctx", "512", "--json")
    for name in ("logits", "layers"):
        wanted = home.json("inspect", name, path, *words, "--top", "4")
        equal(j[name], wanted, f"{name} are those of glass inspect")
    words = ("--ids", ",".join(map(str, ids[:-1])), "--at", str(at - 1), "--ctx", "512", "--json")
    maps = home.json("inspect", "attention", path, *words)["maps"]
    rows = [[m["weights"][0] for m in maps if m["layer"] == l] for l in range(2)]
    a = j["attention"]
    equal((a["layers"], a["heads"], len(a["tokens"])), (2, 4, at), "attention's sizes")
    ok(all(close(g, means(w)) for g, w in zip(a["by_layer"], rows)) and close(a["mean"], means(rows[0] + rows[1]))
       and len(a["by_layer"]) == 2, "attention is that of glass inspect", a)
    one = s.post("/inspect", {"tokens": ids, "position": at, "what": ["attention"], "layer": 1}).json["attention"]
    ok(one["layer"] == 1 and len(one["by_head"]) == 4 and all(close(g, w) for g, w in zip(one["by_head"], rows[1]))
       and close(one["mean"], means(rows[1])), "each head of one layer", one)
    r = s.post("/inspect", {"prompt": "abcdef", "what": ["logits"], "position": 1, "positions": 200}).json
    equal([p["position"] for p in r["logits"]["predictions"]], [1, 2, 3, 4, 5, 6, 7], "a whole text's tokens")
    ok("layers" not in r and "attention" not in r, "and only what was asked for")
    r = s.post("/inspect", {"prompt": "aé", "what": ["attention"]}).json["attention"]["tokens"]
    equal(r[-3:], ["a", "<C3>", "<A9>"], "pieces of a character can be told apart")
    r = s.post("/inspect", {"tokens": [97, 98, 99], "position": 1, "what": ["logits"]}).json["logits"]
    equal((len(r["tokens"]), r["predictions"][0]["id"]), (2, 98), "what stands behind is not read")


def refusals(s):
    wrong = []
    base = {"tokens": [97, 98]}
    for fields, word in (
            ({"tokens": None}, "one of messages"), ({"prompt": "x"}, "one of messages"),
            ({"tokens": []}, "tokens"), ({"tokens": [97, 320]}, "tokens[1]"), ({"tokens": [-1]}, "tokens[0]"),
            ({"tokens": ["a"]}, "tokens[0]"), ({"tokens": [1.5]}, "tokens[0]"), ({"tokens": "ab"}, "tokens"),
            ({"token": 320}, "token"), ({"token": "a"}, "token"), ({"position": 0}, "position"),
            ({"position": 3}, "position"), ({"positions": 17}, "positions"), ({"layer": 2}, "layer"),
            ({"layer": -1}, "layer"), ({"top": 0}, "top"), ({"top": 21}, "top"), ({"what": "layers"}, "what"),
            ({"what": ["weights"]}, "what"), ({"what": [7]}, "what"), ({"tokens": [97] * 4097}, "4097 tokens"),
            ({"tokens": [97] * 600}, "600"), ({"tokens": None, "messages": []}, "messages"),
            ({"tokens": None, "messages": TALK, "prefill_ids": [97, 1000]}, "prefill_ids[1]"),
            ({"tokens": None, "messages": TALK, "prefill_ids": {}}, "prefill_ids"), ({"prefill_ids": ["a"]}, "prefill_ids"),
            ({"model": 7}, "model")):
        r = s.post("/inspect", dict(base, **fields))
        if r.code != 400 or word not in r.text:
            wrong.append((fields if len(str(fields)) < 200 else word, r.code, r.text[:200]))
    equal(wrong, [], "what is wrong is named")
    equal(s.post("/inspect", dict(base, model="nope")).code, 404, "no such model")
    equal(s.post("/inspect").code, 400, "no body")
    equal(s.get("/inspect").code, 405, "another method")


def beside(s):
    """Looks run one at a time, beside answers, and end when their client leaves."""
    text = {"tokens": [97 + i % 26 for i in range(500)], "position": 500}
    alone = s.post("/inspect", text).body
    chat = dict(say("go on", max_tokens=60, seed=5), temperature=1)
    answer = s.post(CHAT, chat).json["choices"]
    got, answers = [], []
    work = [threading.Thread(target=lambda: got.append(s.ask("POST", "/inspect", text, timeout=300))) for _ in range(4)]
    work += [threading.Thread(target=lambda: answers.append(s.post(CHAT, chat).json["choices"])) for _ in range(4)]
    for t in work:
        t.start()
    for t in work:
        t.join()
    ok([g.body == alone for g in got] == [True] * 4, "four looks at once say the same",
       [(g.code, g.text[:200]) for g in got])
    equal([a == answer for a in answers], [True] * 4, "and so do answers meanwhile")
    for _ in range(6):
        c = s.connect()
        body = b'{"tokens":[' + b",".join([b"97"] * 500) + b"]}"
        c.sendall(b"POST /inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        c.close()
    begun = time.monotonic()
    equal(s.post("/inspect", text).code, 200, "who left is not waited for")
    ok(time.monotonic() - begun < 30, "long")


def exact_ids(s):
    r = s.post(CHAT, say(logprobs=True, top_logprobs=2, max_tokens=40)).json["choices"][0]["logprobs"]["content"]
    ids = [t["id"] for t in r]
    wanted = [s.post("/detokenize", {"tokens": [i]}).json["content"] for i in ids[:5]]
    equal([t["token"] for t in r[:5]], wanted, "each token's id")
    ok(all(t["top_logprobs"][0]["id"] == t["id"] for t in r), "and its alternatives'")
    first = s.post(CHAT, say()).json["usage"]["prompt_tokens"]
    for k in (1, 7, 39):
        j = s.post(CHAT, say(logprobs=True, max_tokens=40 - k, prefill_ids=ids[:k])).json
        equal(([t["id"] for t in j["choices"][0]["logprobs"]["content"]], j["usage"]["prompt_tokens"]),
              (ids[k:], first + k), f"an answer goes on from its first {k} tokens")
    # A special token, which no text of a person's can become.
    text = say(max_tokens=3, continue_final_message=True)
    text["messages"] = text["messages"] + [{"role": "assistant", "content": "<|im_start|>"}]
    equal(s.post(CHAT, dict(text, prefill_ids=[256])).json["usage"]["prompt_tokens"], first + 1,
          "ids stand for the last message's text")
    ok(s.post(CHAT, text).json["usage"]["prompt_tokens"] > first + 1, "which without them is text")
    for bad, path in (([320], "prefill_ids[0]"), ([1, -1], "prefill_ids[1]"), (["a"], "prefill_ids[0]"),
                      (7, "prefill_ids")):
        r = s.post(CHAT, say(prefill_ids=bad))
        ok(r.code == 400 and r.json["error"]["param"] == path, f"refused: {bad}", r.text)


def paths(s):
    for path in ("/health%00", "/web/app.js%00.css", "/%00", "/web/%00", "/v1/models/tiny%00x", "/web/a%0ab",
                 "/glass/conversations/%00"):
        r = s.get(path)
        ok(r.code == 400 and "%00" in r.text, f"{path} is refused", (r.code, r.text))
    equal(s.get("/web/%61pp.js").code, 200, "other escapes are read")
    equal(s.get("/glass/conversations?q=%00").code, 200, "a search for nothing")
    for path in ("/web/..%2f..%2fetc%2fpasswd", "/web/%2e%2e/x", "/web/%zz"):
        ok(s.get(path).code in (400, 404), f"{path}: nothing there")


def keys(home):
    with Server(home, "noise", "--api-key", "open-sesame") as s:
        equal(s.post("/inspect", {"tokens": [97]}).code, 401, "a key is needed")
        equal(s.post("/inspect", {"tokens": [97]}, {"X-Api-Key": "open-sesame"}).code, 200, "and does")


def run(home):
    path = noise_model.write(os.path.join(home.models, "noise.gguf"),
                             template=tiny_model.CHATML)
    model(home)
    with Server(home, "noise", "tiny", "-t", "1") as s:
        for part, more in ((views, (home, path)), (refusals, ()), (beside, ()), (exact_ids, ()), (paths, ())):
            part(s, *more)
        r = s.post(CHAT, dict(say(), model="tiny", prefill_ids=[ord("x")])).json
        equal(r["choices"][0]["message"]["content"], "yz", "another model")
        equal(s.stop(), 0, "the server ends well")
        equal(s.process.returncode, 0, "".join(s.log[-3:]))
    keys(home)


def main():
    with kit.Home() as home:
        run(home)
    kit.done()


if __name__ == "__main__":
    main()
