#!/usr/bin/env python3
"""glass serve as a server: addresses, keys, hosts and origins, limits, hostile and vanishing
clients, TLS, logs, counters, the end."""
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import serve_kit  # noqa: E402
from serve_kit import ALL, Server, kit, model, say  # noqa: E402
from kit import equal, has, ok, skip  # noqa: E402

CHAT = "/v1/chat/completions"
# What must not be answered without a key.
GUARDED = [("POST", "/v1/chat/completions"), ("POST", "/v1/completions"),
           ("POST", "/v1/embeddings"), ("POST", "/v1/responses"), ("POST", "/v1/messages"),
           ("POST", "/v1/messages/count_tokens"), ("GET", "/api/version"), ("GET", "/api/ps"),
           ("POST", "/api/show"), ("POST", "/api/generate"), ("POST", "/api/chat"),
           ("POST", "/api/embed"), ("POST", "/api/embeddings"), ("POST", "/api/pull"),
           ("DELETE", "/api/delete"), ("POST", "/infill"), ("POST", "/completion"),
           ("GET", "/metrics"), ("POST", "/tokenize"), ("POST", "/detokenize"),
           ("POST", "/apply-template"), ("GET", "/props"), ("GET", "/slots"),
           ("POST", "/trace"), ("GET", "/no/such/thing"), ("PUT", "/v1/models")]
OPEN = [("GET", "/health"), ("GET", "/v1/models"), ("GET", "/api/tags"),
        ("GET", "/v1//models"), ("GET", "/v1/models/tiny")]


def start(home):
    model(home)
    for words, code, part in (
            (("nothing.gguf",), 3, "nothing.gguf"),
            (("tiny", "--port", "70000"), 2, "0 to 65535"),
            (("tiny", "--host", "no.such.host.invalid"), 2, "no.such.host.invalid"),
            (("tiny", "--tls-cert", "x"), 2, "belong together"),
            (("tiny", "--api-key", "short"), 2, "can be guessed"),
            (("tiny", "--log", "loud"), 2, "text, json and none"),
            (("tiny", "--temp", "500"), 2, "temperature is 500: 0 to 100"),
            (("tiny", "-n", "-5"), 2, "--predict -5"),
            (("tiny", "--cors-origin", "chat.example"), 2, "browsers send"),
            (("tiny", "--cors-origin", "https://chat.example/"), 2, "nothing behind it"),
            (("tiny", "--trace", "nothing"), 4, "nothing")):
        p = home.run("serve", *words, timeout=20)
        ok(p.returncode == code and part in p.err, f"{' '.join(words)} is refused",
           f"{p.returncode}: {p.err}")
    with Server(home, "tiny") as s:
        ok(s.line.startswith("glass serves tiny at http://127.0.0.1:"), "the address is said",
           s.line)
        p = home.run("serve", "tiny", "--port", str(s.port), timeout=20)
        has(p.err, "is in use", "a port that is in use")
        equal(s.get("/health").json, {"status": "ok"}, "health")
        r = s.ask("HEAD", "/health")
        equal((r.code, r.body, r.headers.get("content-length")), (200, b"", "15"), "HEAD")
        r = s.get("/nothing")
        equal((r.code, r.json["error"]["code"]), (404, 404), "no such path")
        r = s.get("/v1/nothing")
        equal((r.code, r.json["error"]["type"]), (404, "not_found_error"), "in OpenAI's shape")
        equal(s.get("/api/nothing").json, {"error": "there is nothing at /api/nothing"},
              "in Ollama's")
        r = s.get(CHAT)
        equal((r.code, r.headers.get("allow")), (405, "POST"), "a wrong method")
        said = os.read(s.process.stdout.fileno(), 200).decode()
        ok(re.fullmatch(r"16 answers at once of 512 positions; [0-9.]+ [kMG]B for caches, "
                        r"[0-9.]+ [kMG]B to work in\n", said), "the memory it keeps is said", said)
        ok("guards" not in "".join(s.log), "loopback needs no key", s.log)
        equal(s.stop(), 0, "SIGTERM ends it well")
    with Server(home, "tiny", "--host", "0.0.0.0") as s:
        equal(s.stop(), 0, "an address that others reach")
        has("".join(s.log), "--api-key or --api-key-file guards it", "without a key, it says so")
    with Server(home, "tiny", "--host", "0.0.0.0", "--api-key", "a-long-key") as s:
        s.stop()
        ok("guards" not in "".join(s.log), "with one it does not", s.log)


def keys(home):
    path = os.path.join(home.path, "keys")
    with open(path, "w", encoding="ascii") as f:
        f.write("# remark\n\nfrom-the-file\r\n")
    with Server(home, "tiny", "--api-key", "from-the-line", "--api-key-file", path,
                env={"GLASS_API_KEY": "from-the-environment"}) as s:
        refused = [(m, p) for m, p in GUARDED if s.ask(m, p, {}).code != 401]
        equal(refused, [], "every route but the open ones needs a key")
        equal([p for m, p in OPEN if s.ask(m, p).code != 200], [], "the open ones do not")
        for key in ("from-the-line", "from-the-file", "from-the-environment"):
            a = s.post(CHAT, say(max_tokens=2), {"Authorization": "Bearer " + key})
            b = s.post(CHAT, say(max_tokens=2), {"X-Api-Key": key})
            equal((a.code, b.code), (200, 200), f"{key}: Bearer and X-Api-Key")
        for value in ("from-the-lin", "from-the-line1", "", "FROM-THE-LINE", "x" * 4000):
            r = s.post(CHAT, say(), {"Authorization": "Bearer " + value})
            ok(r.code == 401 and r.json["error"]["code"] == "invalid_api_key",
               f"a wrong key: {value[:20]!r}", r.text)
        r = s.post(CHAT, say(), {"Authorization": "Basic from-the-line"})
        equal((r.code, r.headers.get("www-authenticate")), (401, "Bearer"), "Basic is not asked")
        has(s.get("/metrics", {"X-Api-Key": "from-the-file"}).text,
            "glass_refused_key_total 3", "they are counted")


def origins(home):
    with Server(home, "tiny", "--cors-origin", "https://page.example",
                "--allowed-host", "box.example") as s:
        for origin, code in (("http://localhost:3000", 200), ("https://127.0.0.1", 200),
                             ("http://[::1]:5", 200), ("https://page.example", 200),
                             (s.url, 200), ("https://evil.example", 403), ("null", 403),
                             ("http://localhost.evil.example", 403),
                             ("http://127.0.0.1.evil.example", 403),
                             ("file://localhost", 403)):
            r = s.post(CHAT, say(max_tokens=1), {"Origin": origin})
            allowed = r.headers.get("access-control-allow-origin")
            ok(r.code == code and allowed == (origin if code == 200 else None),
               f"origin {origin}: {code}", f"{r.code} {allowed} {r.text}")
        r = s.ask("OPTIONS", CHAT, headers={
            "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type"})
        ok(r.code == 204 and "POST" in r.headers["access-control-allow-methods"]
           and r.headers["access-control-allow-headers"] == "authorization,content-type",
           "a preflight", f"{r.code} {r.headers}")
        r = s.ask("OPTIONS", CHAT, headers={"Origin": "https://evil.example"})
        equal(r.code, 403, "a preflight of a stranger")
        equal(s.post(CHAT, say(), {"Sec-Fetch-Site": "cross-site"}).code, 403,
              "another site's form")
        for host, code in (("localhost:1", 200), ("127.0.0.1", 200), ("127.9.9.9:80", 200),
                           ("[::1]:80", 200), ("a.localhost", 200), ("box.example:1", 200),
                           ("evil.example", 403), ("127.0.0.1.evil.example:80", 403),
                           ("localhost.evil", 403), ("", 403)):
            r = s.get("/v1/models", {"Host": host})
            ok(r.code == code, f"host {host!r}: {code}", f"{r.code} {r.text}")


def bodies(home):
    with Server(home, "tiny", "--max-body", "1") as s:
        for body, part in (
                (b"", "needs a body"), (b"{", "no JSON: line 1"), (b"[1]", "JSON object"),
                (b'"x"', "no JSON"), (b"\xff\xfe", "no JSON"), (b'{"a":1}x', "no JSON"),
                (b'{"a":1,"a":2}', "duplicate"), (b'{"a":"\xc3"}', "byte 0xc3"),
                (b'{"a":"\\ud800"}', "no JSON"), (b'{"a":1e999}', "no JSON"),
                (b'{"a":123456789012345678901}', "no JSON"),
                (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "in each other"),
                (b'{"a":' + b'{"a":' * 5000, "in each other"),
                (b'{"a":[' + b"[]," * 300000 + b"0]}", "values"), (b"nul\x00l", "no JSON")):
            r = s.post(CHAT, body)
            ok(r.code == 400 and part in r.json["error"]["message"],
               f"a body of {body[:24]!r}…", f"{r.code} {r.text[:300]}")
        r = s.post(CHAT, b"x" * (2 << 20))
        ok(r.code == 413 or r.code == 0, "a body over the limit", f"{r.code} {r.text}")
        got = s.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                    b"99999999999\r\n\r\n")
        has(got.split(b"\r\n")[0].decode(), " 413", "and one that is announced")
        got = s.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                    b"chunked\r\nConnection: close\r\n\r\n" +
                    b"10000\r\n" + b"x" * 65536 + b"\r\n" + 17 *
                    (b"10000\r\n" + b"x" * 65536 + b"\r\n") + b"0\r\n\r\n")
        has(got.split(b"\r\n")[0].decode("latin1"), " 413", "and one in pieces")
        r = s.post(CHAT, json.dumps(say(max_tokens=3)).encode(), {"Content-Encoding": "gzip"})
        equal(r.code, 415, "a packed body")
        r = s.post(CHAT, json.dumps(say(max_tokens=3)).encode(),
                   {"Content-Type": "application/x-www-form-urlencoded"})
        equal(r.code, 200, "curl -d says nothing of JSON")
        r = s.get("/health", {"X": "y" * 60000})
        ok(r.code in (400, 431, 413, 0), "a huge header", f"{r.code}")
        ok(s.get("/health").code == 200, "it is alive")


def paths(home):
    secret = os.path.join(home.path, "secret")
    with open(secret, "w", encoding="ascii") as f:
        f.write("very secret")
    with Server(home, "tiny") as s:
        found = []
        for path in ("/../" * 9 + secret[1:], "/%2e%2e/" * 9 + "etc/passwd", secret,
                     "/v1/models/../../../../etc/passwd", "/v1/models/" + secret,
                     "/v1/models/%2fetc%2fpasswd", "//etc/passwd", "/static/..%5c..%5cx",
                     "/v1/models%00/../x", "/" + "a" * 9000, "/%ff%fe", "/?x=%00", "/*", "/**"):
            got = s.raw(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
                        b"Connection: close\r\n\r\n")
            code = got.split(b"\r\n")[0]
            if b"secret" in got.split(b"\r\n\r\n", 1)[-1] and b"very" in got or b"root:" in got:
                found.append((path[:40], code))
        equal(found, [], "no file can be read")
        for name in (secret, "../../secret", "/etc/passwd", "file:///etc/passwd", "."):
            r = s.post(CHAT, say(model=name))
            ok(r.code == 404 and r.json["error"]["code"] == "model_not_found",
               f"a path as a model: {name}", f"{r.code} {r.text}")


def garbage(home):
    with Server(home, "tiny", "--timeout", "1", "--max-connections", "200") as s:
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n\r\n", b"GET\r\n\r\n",
                     b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 4096, b"POST / HTTP/1.1\r\n" + b"a" * 40000,
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                     b"chunked\r\n\r\nzz\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            s.raw(data, timeout=5, half_close=True)
        ok(s.get("/health").code == 200, "garbage does not hurt")
        # Who sends a byte now and then is sent away all the same.
        begin = time.monotonic()
        with s.connect() as slow:
            slow.sendall(b"GET /health HT")
            gone = False
            while not gone and time.monotonic() - begin < 8:
                time.sleep(0.2)
                try:
                    slow.sendall(b"x")
                    slow.settimeout(0.01)
                    gone = slow.recv(100) == b""
                except socket.timeout:
                    pass
                except OSError:
                    gone = True
        took = time.monotonic() - begin
        ok(gone and 0.8 < took < 4, "a slow head has a time limit", f"{gone} {took}")
        got = s.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
                    timeout=6)
        ok(b" 200 " not in got, "and so has a body that never ends", got)
        two = (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
               b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
               b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = s.raw(two)
        equal((got.count(b"HTTP/1.1 200"), b'"list"' in got), (3, True), "pipelining")
        has(s.raw(b"GET /health HTTP/1.0\r\n\r\n").decode(), " 200 ", "HTTP/1.0")


def leaving(home):
    model(home, "forever", kind="forever", n_ctx=200000, layers=2)
    with Server(home, "forever", "-c", "200000", "-np", "2", "--cache-mb", "600",
                "--log", "json") as s:
        def running():
            return len(s.get("/slots").json)
        body = json.dumps(say(stream=True)).encode()
        head = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d"
                b"\r\n\r\n" % len(body))
        with s.connect() as c:
            c.sendall(head + body)
            got = c.recv(100)
            equal((got[:15], running()), (b"HTTP/1.1 200 OK", 1), "an answer without end")
        end = time.monotonic() + 3
        while running() and time.monotonic() < end:
            time.sleep(0.02)
        equal(running(), 0, "a client that leaves a stream frees its place")
        whole = json.dumps(say()).encode()
        with s.connect() as c:
            c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(whole) + whole)
            time.sleep(0.3)
            equal(running(), 1, "one that is not streamed")
        end = time.monotonic() + 3
        while running() and time.monotonic() < end:
            time.sleep(0.02)
        equal(running(), 0, "and one that leaves before anything was written")
        with s.connect() as c:  # reads nothing for a while, then everything that waits
            c.sendall(head + body)
            time.sleep(0.7)
            size = s.rss()
            time.sleep(0.7)
            ok(s.rss() - size < 8 << 20, "who does not read is not stored for without end",
               f"{size} {s.rss()}")
        time.sleep(0.3)
        left = [json.loads(line) for line in s.log if CHAT in line]
        equal([x["client_left"] for x in left], [True] * 3, "the log says so")
        equal([x["status"] for x in left], [200, 499, 200], "and does not call it a busy server's 503")
        ok(left[-1]["prompt_tokens"] > 0 and left[-1]["answer_tokens"] > 0,
           "what was read and answered for such a client is counted", left)


def limits(home):
    with Server(home, "tiny", "--rate", "3", "--max-connections", "20", "--timeout", "5") as s:
        codes = [s.post(CHAT, say(max_tokens=1)).code for _ in range(5)]
        equal(codes, [200] * 3 + [429] * 2, "--rate")
        r = s.post(CHAT, say())
        ok(15 <= int(r.headers.get("retry-after", 0)) <= 20 and r.json["error"]["type"] == "rate_limit_error",
           "and when to come back", r.text)
        equal(s.get("/health").code, 200, "open routes have no rate")
        held = [s.connect() for _ in range(40)]
        time.sleep(0.2)
        fds = len(os.listdir(f"/proc/{s.process.pid}/fd"))
        ok(fds < 60, "--max-connections", fds)
        for c in held:
            c.close()
        ok(s.get("/health").code == 200, "and afterwards others are served")


def idle(home):
    with Server(home, "tiny") as s:
        s.post(CHAT, say(max_tokens=1))
        before = s.rss()
        held, answered = [], 0
        for _ in range(10):  # more than 528 at work at once would be told to come back
            some = [s.connect(60) for _ in range(100)]
            for c in some:
                c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answered += sum(c.recv(1000).startswith(b"HTTP/1.1 200") for c in some)
            held += some
        equal(answered, 1000, "a thousand connections are answered")
        grown = s.rss() - before
        ok(grown < 50 << 20, "and cost under 50 MB when they are idle", grown)
        print(f"# 1000 idle connections: {grown / 1e6:.1f} MB")
        equal(s.post(CHAT, say()).json["choices"][0]["message"]["content"], ALL,
              "while they are, others are answered")
        for c in held:
            c.close()


def tls(home):
    cert, key = (os.path.join(home.path, n) for n in ("cert.pem", "key.pem"))
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as e:
        skip("TLS", f"no openssl: {e}")
        return
    p = home.run("serve", "tiny", "--port", "0", "--tls-cert", key, "--tls-key", cert, timeout=20)
    ok(p.returncode == 4 and "PEM" in p.err, "a certificate that is none", p.err)
    with Server(home, "tiny", "--tls-cert", cert, "--tls-key", key, wait=False) as s:
        ok(s.url.startswith("https://"), "the address is https", s.url)
        context = ssl.create_default_context(cafile=cert)
        c = http.client.HTTPSConnection("127.0.0.1", s.port, context=context, timeout=20)
        for _ in range(2):
            c.request("POST", CHAT, json.dumps(say(stream=True)).encode())
            r = c.getresponse()
            text = r.read().decode()
            ok(r.status == 200 and "[DONE]" in text, "a stream over TLS, kept alive", text[:200])
        c.close()
        plain = s.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", timeout=3)
        ok(b"200 OK" not in plain, "no plain HTTP there", plain)
        held = s.connect()  # a handshake that never comes
        time.sleep(0.1)
        held.close()
        equal(s.stop(), 0, "and it ends well")


def logs(home):
    with Server(home, "tiny", "--log", "json") as s:
        s.post(CHAT, say("a secret thing", max_tokens=3))
        s.get("/nothing\x7f\x01".replace("\x01", "%01"))
        time.sleep(0.2)
        try:
            lines = [json.loads(line) for line in s.log]
        except ValueError:
            lines = []
        mine = [x for x in lines if x["path"] == CHAT]
        ok(len(mine) == 1 and mine[0]["status"] == 200 and mine[0]["model"] == "tiny"
           and mine[0]["answer_tokens"] == 3 and mine[0]["ms"] > 0, "--log json", s.log)
        ok("secret" not in "".join(s.log), "what people write is not logged", s.log)
        text = s.get("/metrics").text
        for part in ('glass_http_requests_total{code="200"}', "glass_answer_tokens_total 3",
                     'glass_jobs_total{model="tiny"} 1', "glass_ready 1",
                     'glass_http_request_seconds_bucket{le="+Inf"}'):
            has(text, part, f"metrics: {part}")
        bad = [line for line in text.splitlines() if not line.startswith("# ") and
               not re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"\})? [-+0-9.e]+', line)]
        equal(bad, [], "every line of them is well formed")
        ok(s.get("/health").headers.get("x-request-id"), "every reply has an id")
    model(home, "other")
    with Server(home, "tiny", "other") as s:
        for name in ("tiny", "other"):
            s.post(CHAT, say(model=name, max_tokens=3))
        lines = s.get("/metrics").text.splitlines()
        names = [line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")]
        groups = [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]
        equal(len(groups), len(set(groups)), "with two models a metric's lines stand together")
        heads = [line.split(" ")[1:3] for line in lines if line.startswith("#")]
        bare = [re.sub("_(bucket|sum|count)$", "", n) if "http_request_seconds" in n else n for n in groups]
        equal([h for h in heads if h[0] == "TYPE"], [["TYPE", n] for n in dict.fromkeys(bare)],
              "under one TYPE each")
        equal([h[1] for h in heads if h[0] == "HELP"], list(dict.fromkeys(bare)), "and one HELP")
    with Server(home, "tiny", "--log-prompts") as s:
        s.post(CHAT, say("a secret thing", max_tokens=3))
        time.sleep(0.2)
        has("".join(s.log), "a secret thing", "--log-prompts")
    with Server(home, "tiny", "--log", "none") as s:
        s.post(CHAT, say("a secret thing", max_tokens=3))
        time.sleep(0.2)
        equal(s.log, [], "--log none")


def ending(home):
    model(home, "long", kind="abc", n_ctx=512, layers=1)
    with Server(home, "forever", "-c", "1500", "--drain", "100") as s:
        got = []

        def client():
            got.append(s.post(CHAT, say(stream=True)))
        t = threading.Thread(target=client)
        t.start()
        while t.is_alive() and not s.get("/slots").json:  # a busy machine may look too late
            time.sleep(0.01)
        c = s.connect()
        c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        c.recv(1000)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        if t.is_alive():
            c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            has(c.recv(1000).decode(), " 503 ", "health while it ends")
        t.join(100)
        ok(got and got[0].code == 200 and got[0].events[-1] == "[DONE]"
           and got[0].events[-2]["choices"][0]["finish_reason"] == "length",
           "an answer may end after SIGTERM", got and got[0].text[-300:])
        equal(s.stop(), 0, "then the server does")
        c.close()
    with Server(home, "forever", "-c", "200000", "--cache-mb", "600", "--drain", "60") as s:
        t = threading.Thread(target=lambda: s.post(CHAT, say(stream=True)))
        t.start()
        while t.is_alive() and not s.get("/slots").json:  # a busy machine may look too late
            time.sleep(0.01)
        s.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        begin = time.monotonic()
        equal(s.stop(signal.SIGINT), 0, "a second signal")
        took = time.monotonic() - begin
        ok(took < 5, "ends it at once", took)
        t.join(10)


def probed(home):
    """Whoever looks after servers asks for their health until they are gone: some request comes
    when the workers are gone and the sockets are not. That is 50 ms after the signal."""
    codes = []
    for _ in range(4):
        with Server(home, "tiny", "--log", "none") as s:
            probes = [s.connect() for _ in range(800)]
            s.process.send_signal(signal.SIGTERM)
            time.sleep(0.04)
            for c in probes:
                try:
                    c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                except OSError:
                    break
            codes.append(s.stop())
            for c in probes:
                c.close()
    equal(codes, [0] * 4, "it ends well while its health is asked for")


def main():
    with kit.Home() as home:
        for part in (start, keys, origins, bodies, paths, garbage, leaving, limits, idle, tls, logs,
                     ending, probed):
            part(home)
    kit.done()


if __name__ == "__main__":
    main()
