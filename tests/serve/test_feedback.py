#!/usr/bin/env python3
"""glass feedback, and the page's routes over HTTP: files, conversations, kills of the server."""
import gzip
import hashlib
import http.client
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import kit
import tiny_model
from kit import equal, has, ok
from test_page import Server

ROUNDS = int(os.environ.get("GLASS_KILLS", "4"))


class Client:
    def __init__(self, url):
        self.address = url.split("//")[1]
        self.connection = http.client.HTTPConnection(self.address, timeout=20)

    def ask(self, method, path, body=None, **headers):
        """(status, headers, bytes)"""
        if body is not None:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self.connection.request(method, path, body, headers)
        r = self.connection.getresponse()
        return r.status, r.headers, r.read()

    def json(self, method, path, body=None, **headers):
        status, _, data = self.ask(method, path, body, **headers)
        return status, json.loads(data)


def message(content, role="user", parent=None, **more):
    return {"role": role, "parent": parent, "content": content, "state": "done", "version": 1, **more}


def files(c):
    status, headers, page = c.ask("GET", "/")
    equal(status, 200, "the page")
    has(headers["Content-Security-Policy"], "default-src 'self'", "with a policy")
    ok("unsafe" not in headers["Content-Security-Policy"], "that allows nothing unsafe")
    status, packed, data = c.ask("GET", "/", **{"Accept-Encoding": "br, gzip"})
    equal((status, packed["Content-Encoding"], gzip.decompress(data)), (200, "gzip", page), "packed, it is the same")
    for refused in ("br", "gzip;q=0", "identity"):
        _, plain, data = c.ask("GET", "/", **{"Accept-Encoding": refused})
        equal((plain["Content-Encoding"], data), (None, page), f"not packed for {refused}")
    status, again, data = c.ask("GET", "/", **{"If-None-Match": headers["ETag"]})
    equal((status, data, again["ETag"]), (304, b"", headers["ETag"]), "not sent twice")
    status, head, data = c.ask("HEAD", "/")
    equal((status, data), (200, b""), "HEAD")
    for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg")):
        status, headers, data = c.ask("GET", "/web/" + name)
        with open(os.path.join(kit.ROOT, "web", name), "rb") as f:
            equal((status, data, headers["X-Content-Type-Options"]), (200, f.read(), "nosniff"), name)
        has(headers["Content-Type"], kind, "as " + kind)
    for name in ("..%2f..%2fetc%2fpasswd", "../README.md", "nothing.js", "", "%2e%2e/Makefile"):
        status, _, data = c.ask("GET", "/web/" + name)
        ok(status in (400, 404) and b"root:" not in data, f"no file by /web/{name}", (status, data[:100]))
    text = b"".join(c.ask("GET", "/web/" + n)[2] for n in sorted(os.listdir(os.path.join(kit.ROOT, "web"))))
    ok(b"innerHTML" not in text and b"eval(" not in text and b"http://" not in text.replace(b"http://www.w3.org/2000/svg", b""),
       "no innerHTML, no eval, no address of elsewhere")


def conversations(c):
    status, made = c.json("POST", "/glass/conversations", {"id": "c1", "title": "One", "model": "abc", "settings": {}})
    equal((status, made["version"]), (201, 1), "a conversation")
    equal(c.json("PUT", "/glass/conversations/c1/messages/u1", message("Hello"))[0], 200, "a message")
    for i in (1, 2):
        equal(c.json("PUT", f"/glass/conversations/c1/messages/a{i}",
                     message(f"Answer {i}", "assistant", "u1", model="abc", seed=i, tokens=[{"t": "x"}] * i))[0], 200, "an answer")
    status, whole = c.json("GET", "/glass/conversations/c1")
    equal([m["id"] for m in whole["messages"]], ["u1", "a1", "a2"], "all of it")
    equal(c.json("GET", "/glass/conversations/c1/messages/a2/tokens"), (200, {"tokens": [{"t": "x"}] * 2}), "tokens")
    status, now = c.json("PUT", "/glass/conversations/c1", {"version": 1, "title": "Two"})
    equal((status, now["version"]), (200, 2), "a title")
    status, now = c.json("PUT", "/glass/conversations/c1", {"version": 1, "title": "Three"})
    equal((status, now["current"]["title"], now["error"]["type"]), (409, "Two", "conflict"), "an overtaken change is told so")
    equal(c.json("PUT", "/glass/conversations/c1/messages/a1", message("Other", "assistant", "u1"))[0], 409,
          "what is done does not change")
    for method, path, body, wanted in (
            ("GET", "/glass/conversations/none", None, 404), ("GET", "/glass/conversations?limit=x", None, 400),
            ("GET", "/glass/conversations?before=x", None, 400), ("POST", "/glass/conversations", {"id": "../x"}, 400),
            ("PUT", "/glass/conversations/c1/messages/m", {"role": "user"}, 400),
            ("PUT", "/glass/conversations/c1/messages/m%2fn", message("x"), 404),
            ("DELETE", "/glass/conversations/none", None, 404), ("DELETE", "/glass/feedback/none", None, 404),
            ("POST", "/glass/feedback", {"kind": "rating"}, 400), ("GET", "/glass/feedback/export?which=all", None, 400),
            ("GET", "/glass/conversations/c1/messages/none/tokens", None, 404)):
        status, told = c.json(method, path, body)
        ok(status == wanted and len(str(told.get("error", ""))) > 10, f"{method} {path}: {wanted}", (status, told))


def feedback(c, home):
    more = {"author": "Ada", "consent": True, "licence": "CC-BY-4.0", "comment": "ünïcode\n\x1b[31mred"}
    equal(c.json("POST", "/glass/feedback", {"id": "f1", "conversation": "c1", "message": "a2", "kind": "comparison",
                                             "chosen": "a2", "rejected": "a1", **more})[0], 201, "a comparison")
    equal(c.json("POST", "/glass/feedback", {"id": "f2", "conversation": "c1", "message": "a1", "kind": "rating", "rating": -1})[0],
          201, "a thumb")
    path = os.path.join(home.path, "out.jsonl")
    equal(home.run("feedback", "export", "-o", path).returncode, 0, "exported to a file")
    equal(oct(os.stat(path).st_mode & 0o777), "0o600", "for its owner only: it is what people said")
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    with open(home.models + "/abc.gguf", "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    wanted = {"format": "glass-preference-1", "id": "f1", "kind": "comparison", "author": "Ada", "licence": "CC-BY-4.0",
              "prompt": [{"role": "user", "content": "Hello"}], "chosen": [{"role": "assistant", "content": "Answer 2"}],
              "rejected": [{"role": "assistant", "content": "Answer 1"}], "seeds": {"chosen": 2, "rejected": 1},
              "chosen_by": "model", "model": {"name": "abc", "sha256": digest, "licence": "mit"}, "comment": more["comment"]}
    equal({k: lines[0].get(k) for k in wanted}, wanted, "a line has all members")
    equal((len(lines), lines[0]["consent"]["given"]), (1, True), "and no line lacks consent")
    equal(c.ask("GET", "/glass/feedback/export")[2].decode(), home.run("feedback", "export").out, "over HTTP, the same")
    equal(home.run("feedback", "export", "--ratings").out, "", "no rating has consent")
    listed = home.run("feedback", "list").out
    ok("without consent" in listed and "Answer 2" in listed and "\x1b" not in listed, "listed, and no terminal is steered", listed)
    equal(len(home.run("feedback", "list", "--json").out.splitlines()), 2, "as JSON, too")
    equal(home.json("feedback", "stats", "--json")["authors"], {"Ada": 1}, "counted")
    equal(home.run("feedback", "forget", "f1").returncode, 0, "forgotten")
    equal(home.run("feedback", "export").out, "", "and gone")
    equal(home.run("feedback", "forget", "f1").returncode, 1, "not twice")
    for words, code in ((["praise"], 2), ([], 2), (["forget"], 2), (["list", "x"], 2)):
        equal(home.run("feedback", *words).returncode, code, "usage: " + " ".join(words))
    nowhere = os.path.join(home.path, "nowhere")
    p = home.run("feedback", "stats", "--data", nowhere)
    ok(p.returncode == 3 and "nowhere/conversations.db: there is none" in p.err and not os.path.exists(nowhere),
       "a folder without conversations is said, not made", p.err)


def kills(home):
    """SIGKILL while conversations are written: what was acknowledged is there."""
    acknowledged = 0
    for r in range(ROUNDS):
        server = Server(home, "abc")
        c = Client(server.url)
        c.json("POST", "/glass/conversations", {"id": f"k{r}", "title": "Kill"})
        n, end = 0, time.monotonic() + 0.05 + 0.037 * r
        while time.monotonic() < end:
            n += c.json("PUT", f"/glass/conversations/k{r}/messages/m{n}", message("words " * 20))[0] == 200
        c.connection.request("PUT", f"/glass/conversations/k{r}/messages/last", json.dumps(message("x")),
                             {"Content-Type": "application/json"})
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server = Server(home, "abc")
        _, whole = Client(server.url).json("GET", f"/glass/conversations/k{r}")
        found = {m["id"] for m in whole.get("messages", [])}
        if not ok({f"m{i}" for i in range(n)} <= found and n > 0, f"{n} acknowledged messages survive SIGKILL", found):
            break
        acknowledged += n
        server.stop()
    print(f"# {ROUNDS} kills, {acknowledged} acknowledged messages")


def keys(home):
    server = Server(home, "abc", "--api-key", "open-sesame")
    c = Client(server.url)
    equal(c.ask("GET", "/")[0], 200, "the page needs no key")
    for method, path in (("GET", "/glass/info"), ("GET", "/glass/conversations"), ("GET", "/glass/conversations/c1"),
                         ("DELETE", "/glass/conversations/c1"), ("GET", "/glass/feedback/export"), ("GET", "/glass/feedback/stats"),
                         ("GET", "/glass/conversations/c1/messages/a1/tokens")):
        equal(c.ask(method, path)[0], 401, f"{method} {path} does")
    equal(c.ask("GET", "/glass/conversations/c1", Authorization="Bearer open-sesame")[0], 200, "and with it, goes")
    server.stop()
    server = Server(home, "abc", "--no-page")
    c = Client(server.url)
    equal((c.ask("GET", "/")[0], c.ask("GET", "/web/app.js")[0]), (404, 404), "--no-page: there is none")
    ok(c.ask("GET", "/glass/conversations")[0] >= 400, "and nothing of it")
    server.stop()


def main():
    with kit.Home() as home:
        tiny_model.write(home.models + "/abc.gguf")
        server = Server(home, "abc")
        c = Client(server.url)
        files(c)
        conversations(c)
        feedback(c, home)
        equal(server.stop(), 0, "the server ends well")
        keys(home)
        kills(home)
    kit.done()


if __name__ == "__main__":
    main()
