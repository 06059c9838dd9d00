#!/usr/bin/env python3
"""bench_serve.py [options] MODEL.gguf - glass serve, and llama-server beside it, under load.

Both programs are started with the same model and threads. At each level so many clients hold a
chat each at the same time: a prompt that nobody else has (--words long), an answer of --predict
tokens, streamed; a client asks again until --asks answers are there (at least one each). All is
done by one thread of this program. Both begin with two loads of the highest level that do not
count. Then for each level, in turns, as many rounds as asked for: tokens of answers a second, all
clients together, from the first request to the last answer's end; and the time from sending a
request to the first text, median and worst.

  bench/bench_serve.py model.gguf
  bench/bench_serve.py --llama ~/llama.cpp/build/bin/llama-server --levels 1,16 model.gguf
"""
import argparse
import json
import os
import random
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time

FIRST = re.compile(rb'"content":\s*"[^"]')
WORDS = ("river stone winter garden letter music window yellow market engine paper silver "
         "forest bridge teacher ocean summer candle mountain story number animal doctor "
         "village planet kitchen soldier flower travel science history weather").split()


class Server:
    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                sys.exit(f"{' '.join(command)} did not start")
            time.sleep(0.05)

    def ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return b" 200 " in s.recv(100)
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Chat:
    """One request on a connection of its own."""

    def __init__(self, port, body):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start = time.monotonic()
        self.first = None
        self.got = b""
        self.socket.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                            b"Content-Type: application/json\r\nConnection: close\r\n"
                            b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.socket.setblocking(False)

    def read(self):
        """True when the reply has ended."""
        part = self.socket.recv(1 << 18)
        self.got += part
        if self.first is None and FIRST.search(self.got):
            self.first = time.monotonic() - self.start
        if part and b"data: [DONE]" not in self.got[-200:]:
            return False
        self.socket.close()
        return True

    def tokens(self):
        m = re.findall(rb'"completion_tokens":\s*(\d+)', self.got)
        if not m or self.first is None:
            sys.exit(f"a reply without tokens: {self.got[:2000]!r}")
        return int(m[-1])


def body(rng, o):
    text = " ".join(rng.choice(WORDS) for _ in range(o.words))
    return json.dumps({
        "messages": [{"role": "user", "content": f"{rng.random()} Tell me of {text}."}],
        "max_tokens": o.predict, "ignore_eos": True, "stream": True, "seed": rng.randrange(1000),
        "stream_options": {"include_usage": True}, "temperature": 0.8, "top_k": 40,
        "top_p": 0.95, "min_p": 0.05}).encode()


def load(server, level, o, rng):
    """(tokens a second, [seconds to the first text])"""
    n, started, tokens, firsts = max(level, o.asks), 0, 0, []
    bodies = [body(rng, o) for _ in range(n)]
    poll = selectors.DefaultSelector()
    begin = time.monotonic()
    while len(firsts) < n:
        while started < n and started - len(firsts) < level:
            chat = Chat(server.port, bodies[started])
            poll.register(chat.socket, selectors.EVENT_READ, chat)
            started += 1
        for key, _ in poll.select():
            number, chat = key.fd, key.data
            if chat.read():
                poll.unregister(number)
                tokens += chat.tokens()
                firsts.append(chat.first)
    return tokens / (time.monotonic() - begin), firsts


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def commands(o, levels):
    most = max(levels)
    port = free_port()
    yield "glass", [o.glass, "serve", o.model, "--port", str(port), "-np", str(most), "-c",
                    str(o.ctx), "-t", str(o.threads), "--log", "none", "--no-page",
                    *o.glass_words.split()], port
    if o.llama:
        port = free_port()
        yield "llama", [o.llama, "-m", o.model, "--port", str(port), "-np", str(most), "-c",
                        str(o.ctx * most), "-t", str(o.threads), *o.llama_words.split()], port


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--glass", default="build/glass")
    parser.add_argument("--llama", help="llama.cpp's llama-server")
    parser.add_argument("--glass-words", default="", help="more options of glass serve")
    parser.add_argument("--llama-words", default="", help="more options of llama-server")
    parser.add_argument("--levels", default="1,4,16,64")
    parser.add_argument("--asks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--predict", type=int, default=48)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--ctx", type=int, default=512)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    o = parser.parse_args()
    levels = [int(v) for v in o.levels.split(",")]
    servers = {name: Server(command, port) for name, command, port in commands(o, levels)}
    try:
        rng = random.Random(1)
        warm = argparse.Namespace(**dict(vars(o), predict=1, asks=2 * max(levels)))
        for server in servers.values():  # so that all of its cache has been touched
            load(server, max(levels), warm, rng)
        print(f"{os.path.basename(o.model)}, {o.threads} threads")
        for level in levels:
            speeds = {name: [] for name in servers}
            firsts = {name: [] for name in servers}
            for _ in range(o.rounds):
                for name, server in servers.items():
                    speed, waits = load(server, level, o, rng)
                    speeds[name].append(speed)
                    firsts[name] += waits
            cells = [f"{name} {statistics.median(speeds[name]):7.1f} tok/s, first "
                     f"{statistics.median(firsts[name]):.3f} s, worst {max(firsts[name]):.3f}"
                     for name in servers]
            if len(servers) == 2:
                a, b = (statistics.median(v) for v in speeds.values())
                cells.append(f"{a / b:.2f}x")
            print(f"{level:3d} chats: " + " | ".join(cells), flush=True)
    finally:
        for server in servers.values():
            server.stop()


if __name__ == "__main__":
    main()
