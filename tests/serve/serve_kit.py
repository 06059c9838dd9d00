"""A server of the program under test, and requests to it, with the standard library only."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import kit  # noqa: E402
import tiny_model  # noqa: E402,F401

PEERS = os.environ.get("GLASS_PEER_PYTHON", "")  # a Python that has clients and other tools

ALL = "abcdefghijklmnopqrstuvwxyz"


class Reply:
    def __init__(self, code, headers, body):
        self.code, self.headers, self.body = code, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {"not json": self.text}

    @property
    def events(self):
        """The data of server-sent events, parsed where it is JSON."""
        found = re.findall(r"^data: (.*)$", self.text, re.M)
        return [json.loads(d) if d.startswith("{") else d for d in found]

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines() if line]


class Server:
    """glass serve with some models, at a free port."""

    def __init__(self, home, *words, env=None, wait=True):
        self.log = []
        self.process = subprocess.Popen(
            [kit.GLASS, "serve", *words, "--port", "0"], env=dict(home.env, **(env or {})),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        m = re.search(r"(https?)://(.*):(\d+)$", line.strip())
        self.line, self.url = line, m.group(0) if m else ""
        self.port = int(m.group(3)) if m else 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if wait and m and m.group(1) == "http":
            end = time.monotonic() + 30
            while self.get("/health").code != 200 and time.monotonic() < end:
                time.sleep(0.02)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.decode("utf-8", "replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, number=signal.SIGTERM, timeout=30):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed"
        self.reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode

    def connect(self, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, method, path, body=None, headers=None, timeout=60):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        except (OSError, http.client.HTTPException) as e:
            return Reply(0, {}, repr(e).encode())
        finally:
            c.close()

    def get(self, path, headers=None):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.ask("POST", path, body, headers)

    def raw(self, data, timeout=10, half_close=False):
        """What comes back for these bytes until the server closes, or nothing more comes."""
        got = b""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
                while True:
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
            except OSError:
                pass
        return got

    def rss(self):
        """Bytes of memory in use."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def model(home, name="tiny", **options):
    return tiny_model.write(os.path.join(home.models, name + ".gguf"), **options)


def say(text="hello", **fields):
    return dict({"messages": [{"role": "user", "content": text}], "temperature": 0}, **fields)
