#!/usr/bin/env python3
"""glass serve under hostile load: clients that are slow, vanish, stay half open, send garbage,
bodies without end, deep and broken JSON and many requests at once, beside honest ones whose
answers must stay right. Then everything must have been given back, and memory be flat.

$GLASS_LOAD_SECONDS (5) says how long, $GLASS_LOAD_SEED which inputs; with a program under
AddressSanitizer or ThreadSanitizer memory is only printed."""
import json
import mmap
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serve_kit import ALL, Server, kit, model, say  # noqa: E402
from kit import equal, ok  # noqa: E402

SECONDS = float(os.environ.get("GLASS_LOAD_SECONDS", "5"))
SEED = int(os.environ.get("GLASS_LOAD_SEED", "1"))
CHAT = "/v1/chat/completions"
POSTS = {CHAT: say(max_tokens=5), "/v1/completions": {"prompt": "x", "max_tokens": 3},
         "/v1/embeddings": {"input": ["a", "b"]}, "/v1/responses": {"input": "x"},
         "/v1/messages": say(max_tokens=3), "/api/generate": {"prompt": "x"},
         "/api/chat": {"messages": [{"role": "user", "content": "x"}]},
         "/api/embed": {"input": "x"}, "/api/show": {"model": "tiny"},
         "/completion": {"prompt": "x", "n_predict": 3},
         "/infill": {"input_prefix": "x", "input_suffix": "y"},
         "/tokenize": {"content": "x"}, "/detokenize": {"tokens": [1, 2]},
         "/apply-template": {"messages": [{"role": "user", "content": "x"}]},
         "/inspect": {"prompt": "abc"}, "/v1/messages/count_tokens": say(),
         "/glass/feedback": {"id": "x"}, "/glass/conversations": {"id": "../x"}}
GETS = ["/health", "/v1/models", "/api/tags", "/api/ps", "/metrics", "/slots", "/props", "/",
        "/openapi.json", "/nothing", "/glass/conversations", "/web/app.js"]
LEAVES = [None, True, False, 0, -1, 2**63 - 1, -2**63, 1e308, 0.5, "", "x", "\0", "\ud7ff", "é" * 50,
          [], {}, [[]], [None], {"": None}, "a" * 3000, [1] * 300, {"type": "text"}, "<|im_start|>"]


def request(path, body, more=b""):
    return (b"POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" %
            (path.encode(), more, len(body)) + body)


def get(path):
    return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


def reset(s):
    """Goes away without a word of farewell."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Load:
    """What all clients share: the server, the clock, and what they saw."""

    def __init__(self, server, seconds):
        self.server, self.end = server, time.monotonic() + seconds
        self.lock, self.codes, self.done, self.wrong = threading.Lock(), {}, {}, []

    def over(self):
        return time.monotonic() >= self.end

    def saw(self, data, what):
        """Replies: their status lines are counted; 500 and the like are wrong."""
        with self.lock:
            for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", data):
                code = int(code)
                self.codes[code] = self.codes.get(code, 0) + 1
                if code >= 500 and code != 503:
                    self.wrong.append((what[:300], data[-300:]))

    def did(self, kind):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    def read(self, s, what, limit=1 << 20):
        data = b""
        try:
            while len(data) < limit and not self.over():
                part = s.recv(65536)
                if not part:
                    break
                data += part
        except OSError:
            pass
        self.saw(data, what)
        return data


# ---- clients; each is called again and again


def honest(load, r):
    n = r.choice((3, 26, 60))
    body = json.dumps(say("x" * r.randrange(200), max_tokens=n, stream=r.random() < 0.5))
    reply = load.server.ask("POST", CHAT, body, timeout=60)
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in reply.events
                   if isinstance(e, dict)) if reply.text.startswith("data") else (
        reply.json.get("choices", [{"message": {"content": reply.text}}])[0]["message"]["content"])
    if reply.code == 503:
        return
    if (reply.code, text) != (200, ALL[:n]):
        with load.lock:
            load.wrong.append((body, f"{reply.code} {reply.text[:300]}"))


def slow_writer(load, r):
    data = request(r.choice(list(POSTS)), json.dumps(POSTS[CHAT]).encode())
    with load.server.connect(2) as s:
        for i in range(r.randrange(1, len(data))):
            if load.over():
                return
            s.sendall(data[i:i + 1])
            time.sleep(r.choice((0.0, 0.001, 0.05)))


def slow_reader(load, r):
    body = json.dumps(say(model="forever", stream=True, max_tokens=2000, n=r.choice((1, 3)))).encode()
    s = load.server.connect(2)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(request(CHAT, body))
    for _ in range(r.randrange(20)):
        if not s.recv(r.randrange(1, 200)) or load.over():
            break
        time.sleep(0.02)
    reset(s) if r.random() < 0.5 else s.close()


def vanishing(load, r):
    """Gone after any part of a request, or while its answer is being made."""
    path = r.choice(list(POSTS))
    data = request(path, json.dumps(POSTS[path]).encode())
    s = load.server.connect(2)
    s.sendall(data[:r.choice((r.randrange(len(data)), len(data)))])
    if r.random() < 0.5:
        time.sleep(r.random() * 0.02)
    reset(s) if r.random() < 0.7 else s.close()


def half_open(load, r):
    """No more is sent, but the connection stays; or nothing was sent at all."""
    path = r.choice(list(POSTS))
    data = request(path, json.dumps(POSTS[path]).encode())
    with load.server.connect(3) as s:
        s.sendall(data[:r.choice((0, r.randrange(len(data)), len(data)))])
        if r.random() < 0.7:
            s.shutdown(socket.SHUT_WR)
        load.read(s, data)


def garbage(load, r):
    data = bytearray(r.choice((get("/health"), request(CHAT, b'{"messages":[]}'),
                               bytes(r.randrange(256) for _ in range(300)))) * r.choice((1, 3)))
    for _ in range(r.randrange(12)):
        at = r.randrange(len(data))
        data[at:at + r.choice((0, 1, 4))] = r.choice((
            b"\r\n", b"\0", b":", b" ", b"%00", b"\xff", b"a" * 3000, b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 7\r\n", bytes([r.randrange(256)])))
    with load.server.connect(1) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        load.read(s, bytes(data))


def giant(load, r):
    with load.server.connect(2) as s:
        if r.random() < 0.3:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 300000)
        elif r.random() < 0.5:
            s.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                      b"%d\r\n\r\n" % r.choice((10**7, 10**12, 2**64 - 1, 2**64, 10**30)))
            s.sendall(b"[" * 200000)
        else:
            s.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(60):
                s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        load.read(s, b"giant")


def any_json(r, depth=0):
    kind = r.random()
    if depth > 3 or kind < 0.5:
        return r.choice(LEAVES)
    if kind < 0.7:
        return [any_json(r, depth + 1) for _ in range(r.randrange(4))]
    names = ("role", "content", "type", "function", "name", "parameters", "text", "properties", "x")
    return {r.choice(names): any_json(r, depth + 1) for _ in range(r.randrange(4))}


FIELDS = ("messages", "prompt", "input", "stream", "n", "max_tokens", "stop", "logit_bias", "tools",
          "tool_choice", "response_format", "logprobs", "top_logprobs", "seed", "temperature", "top_p",
          "top_k", "model", "suffix", "options", "format", "system", "context", "raw", "template",
          "echo", "input_extra", "n_probs", "grammar", "json_schema", "tokens", "content", "keep_alive",
          "stream_options", "chat_template_kwargs", "prefill_ids", "thinking", "what", "position")


def odd_json(load, r):
    path = r.choice(list(POSTS))
    body = dict(POSTS[path])
    for _ in range(r.randrange(1, 4)):
        body[r.choice(FIELDS)] = any_json(r)
    data = json.dumps(body).encode()
    if r.random() < 0.3:
        at = r.randrange(len(data))
        data = data[:at] + r.choice((b"", b"\\", b"\xff", b"[" * 150, b"}" * 3)) + data[at + 1:]
    elif r.random() < 0.1:
        data = b'{"messages":' + r.choice((b"[", b'{"a":', b'[{"x":')) * r.randrange(90, 30000)
    reply = load.server.ask("POST", path, data, timeout=30)
    load.saw(b"HTTP/1.1 %d " % reply.code + reply.body, path.encode() + b" " + data)


def pipelined(load, r):
    parts = []
    for _ in range(r.randrange(2, 25)):
        path = r.choice(list(POSTS))
        parts.append(r.choice((get(r.choice(GETS)),
                               request(path, json.dumps(POSTS[path]).encode()))))
    with load.server.connect(2) as s:
        s.sendall(b"".join(parts))
        if r.random() < 0.3:
            reset(s)
            return
        s.shutdown(socket.SHUT_WR)
        load.read(s, b"".join(parts))


KINDS = (honest, honest, honest, slow_writer, slow_writer, slow_reader, slow_reader, vanishing,
         half_open, half_open, garbage, giant, odd_json, odd_json, pipelined)


def client(load, kind, seed):
    r = random.Random(seed)
    while not load.over():
        try:
            kind(load, r)
        except OSError:
            time.sleep(0.01)  # refused, or cut off: as it should be
        except Exception as e:  # a mistake of this test would go unseen
            with load.lock:
                load.wrong.append((kind.__name__, repr(e)))
            return
        load.did(kind.__name__)


def attack(server, seconds, seed):
    load = Load(server, seconds)
    threads = [threading.Thread(target=client, args=(load, kind, seed * 1000 + i))
               for i, kind in enumerate(KINDS)]
    for t in threads:
        t.start()
    sizes = []
    while not load.over():
        time.sleep(0.25)
        if server.process.poll() is not None:
            break
        sizes.append(server.rss())
    for t in threads:
        t.join(70)
    return load, sizes


def sanitized():
    with open(kit.GLASS, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        return any(m.find(name) >= 0 for name in (b"__asan_init", b"__tsan_init"))


def given_back(s):
    """Nobody is answered any more, and no connection is left but the one that asks."""
    end, left = time.monotonic() + 20, None
    while time.monotonic() < end:
        text = s.get("/metrics").text
        connections = re.search(r"^glass_http_connections (\d+)", text, re.M)
        left = (s.get("/slots").json, int(connections.group(1)) if connections else text[:200])
        if left == ([], 1):
            return left
        time.sleep(0.2)
    return left


def flat(sizes):
    """Growth from the first third's highest to the last third's."""
    third = max(len(sizes) // 3, 1)
    return max(sizes[-third:], default=0) - max(sizes[:third], default=0)


def main():
    with kit.Home() as home:
        model(home, n_ctx=2048)
        model(home, "forever", kind="forever", n_ctx=4096, layers=2)
        words = ("tiny", "forever", "-c", "2048", "-np", "8", "--timeout", "2", "--max-body", "1",
                 "--max-connections", "300", "--log", "none")
        with Server(home, *words) as s:
            load, sizes = attack(s, SECONDS, SEED)
            ok(not load.wrong, "no reply is wrong, and no request breaks anything", load.wrong[:5])
            ok(set(load.done) == {k.__name__ for k in KINDS}, "all kinds of clients came", load.done)
            equal(s.process.poll(), None, "the server lives")
            equal(given_back(s), ([], 1), "every place and connection is given back")
            whole = s.post(CHAT, say()).json
            equal(whole.get("choices", [{"message": {}}])[0]["message"].get("content"), ALL,
                  "and it answers as before")
            grown = flat(sizes)
            if not sanitized():
                ok(grown < 6 << 20, "memory is flat", f"{grown} {sizes[:: max(len(sizes) // 20, 1)]}")
            print(f"# {sum(load.done.values())} clients in {SECONDS:g} s: {load.done}")
            print(f"# replies: {dict(sorted(load.codes.items()))}; memory {[x // 1000000 for x in sizes[:1] + sizes[-1:]]} MB first and last, "
                  f"grown {grown / 1e6:.1f}")
            equal(s.stop(), 0, "it ends well")
            ok(not re.search("Sanitizer|runtime error", "".join(s.log)), "no sanitizer speaks",
               "".join(s.log)[-6000:])
        with Server(home, *words) as s:  # in the midst of it all
            t = threading.Thread(target=attack, args=(s, 1.0, SEED + 1))
            t.start()
            time.sleep(0.6)
            s.process.send_signal(signal.SIGTERM)
            equal(s.stop(), 0, "SIGTERM under load ends it well")
            t.join(90)
            ok(not re.search("Sanitizer|runtime error", "".join(s.log)), "nor does one then",
               "".join(s.log)[-6000:])


if __name__ == "__main__":
    main()
    kit.done()
