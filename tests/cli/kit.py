"""What the command tests share: TAP, running the program, a home of its own, a terminal."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("GLASS_BUILD", "build"))
GLASS = os.path.join(BUILD, "glass")
_count = _failures = 0


def ok(good, name, why=""):
    """One verdict; `why` is shown when it is bad."""
    global _count, _failures
    _count += 1
    _failures += not good
    print(f"{'ok' if good else 'not ok'} {_count} - {name}", flush=True)
    if not good and why != "":
        print("# " + str(why).replace("\n", "\n# "), flush=True)
    return good


def equal(got, wanted, name):
    return ok(got == wanted, name, f"got    {got!r}\nwanted {wanted!r}")


def has(text, part, name):
    return ok(part in text, name, f"{part!r} is not in {text!r}")


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failures else 0)


class Home:
    """A folder that stands for a user's home, and an environment in which nothing of the real
    one is seen."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="glass-test-")
        keep = ("PATH", "LD_LIBRARY_PATH", "GLASS_ISA", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                "OMP_NUM_THREADS", "TSAN_OPTIONS", "LSAN_OPTIONS")
        self.env = {k: v for k, v in os.environ.items() if k in keep}
        self.env.update(HOME=self.path, LC_ALL="C.UTF-8", TERM="xterm",
                        HF_ENDPOINT="http://127.0.0.1:9")
        self.env.setdefault("LSAN_OPTIONS", "print_suppressions=0:suppressions=" +
                            os.path.join(ROOT, "tests/cli/lsan.txt"))
        self.models = os.path.join(self.path, ".local/share/glass/models")
        os.makedirs(self.models)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def run(self, *words, stdin=b"", timeout=60, env=None, cwd=None):
        """The finished process, with text in .out and .err."""
        full = dict(self.env, **(env or {}))
        full = {k: v for k, v in full.items() if v is not None}
        p = subprocess.run([GLASS, *words], input=stdin, stdout=subprocess.PIPE, cwd=cwd,
                           stderr=subprocess.PIPE, env=full, timeout=timeout, check=False)
        p.out, p.err = p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")
        return p

    def json(self, *words, **options):
        p = self.run(*words, **options)
        try:
            return json.loads(p.out)
        except ValueError:
            return {"not json": p.out, "err": p.err, "code": p.returncode}

    def terminal(self, *words, env=None, size=(24, 100)):
        return Terminal([GLASS, *words], dict(self.env, **(env or {})), size)


class Terminal:
    """The program in a pseudo-terminal."""

    def __init__(self, command, env, size):
        import fcntl
        import struct
        import termios
        self.text = ""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.execve(command[0], command, env)
        os.set_blocking(self.fd, False)

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is gone
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, pattern, timeout=20):
        """The text up to and with the pattern, which is taken away; None if it never comes."""
        end = time.monotonic() + timeout
        alive = True
        while True:
            m = re.search(pattern, self.text, re.S)
            if m:
                seen, self.text = self.text[:m.end()], self.text[m.end():]
                return seen
            if not alive or time.monotonic() > end:
                return None
            alive = self._read(0.1)

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:  # a terminal takes some thousand bytes at a time
            self._read(0)
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:
                self._read(0.01)

    def finish(self, timeout=20):
        """The rest of the text; .status is the exit code (negative: a signal)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.status is None:
            alive = self._read(0.05)
            pid, status = os.waitpid(self.pid, 0 if not alive else os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                while self._read(0.05) and select.select([self.fd], [], [], 0)[0]:
                    pass
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
        return self.text


def plain(text):
    """Without the terminal's own sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x1b[=>]", "", text)
