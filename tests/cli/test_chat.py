#!/usr/bin/env python3
"""glass chat in a real pseudo-terminal, through pipes, and when the context is full."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from kit import equal, has, ok, plain  # noqa: E402

ABC = "abcdefghijklmnopqrstuvwxyz"


def through_pipes(h):
    p = h.run("chat", "abc", "-p", "hi")
    equal((p.returncode, p.out, p.err), (0, ABC + "\n", ""), "-p answers once and says no more")
    p = h.run("chat", "abc", stdin=b"one\ntwo \\\nlines\n\"\"\"three\n/help\"\"\"\n")
    equal((p.returncode, p.out), (0, (ABC + "\n") * 3), "a pipe: a message a line, joined, quoted")
    p = h.run("chat", "abc", "-j", stdin=b"one\nand two\n")
    answers = [json.loads(line) for line in p.out.splitlines()]
    equal([a["answer"] for a in answers], [ABC, ABC], "--json: an object an answer")
    first, second = answers
    equal(first["finish"], "end", "with its end")
    # "<|im_end|>\n<|im_start|>user\nand two<|im_end|>\n<|im_start|>assistant\n" is new.
    equal(second["cached_tokens"], first["prompt_tokens"] + 26, "the session is used again")
    equal(second["prompt_tokens"] - second["cached_tokens"], 28, "only what is new is read")
    p = h.run("chat", "abc", "-j", stdin=b"/help\n/stats\none\n/system x\n/clear\n")
    ok(p.out.count("\n") == 1 and json.loads(p.out)["answer"] == ABC and "context" in p.err,
       "--json: nothing but objects on standard output, whatever the commands", p.out)
    crlf, lf = (h.json("chat", "abc", "-j", stdin=b"one" + end)["prompt_tokens"] for end in (b"\r\n", b"\n"))
    equal(crlf, lf, "lines may end as on Windows")
    p = h.run("chat", "abc", "-p", "hi", "-n", "-2")
    ok(p.returncode == 2 and "--predict -2" in p.err, "-n below -1", p.err)
    p = h.run("chat", "abc", stdin=b"/nonsense\n")
    ok(p.returncode == 2 and "/help" in p.err, "an unknown command", p.err)
    p = h.run("chat", "abc", stdin=b"hi\n/retry\n/stats\n/system be brief\n/clear\n/help\n/exit\nno\n")
    ok(p.returncode == 0 and p.out.count(ABC) == 2, "/retry answers again, /exit leaves", p.out)
    has(p.out, "2 messages", "/stats counts")
    ok(re.search(r"prompt +\d+ tokens: \d+ kept from before, 1 read", p.out),
       "and shows that a retry reads one token", p.out)
    ok("\x1b" not in p.out + p.err, "no colours through a pipe")
    p = h.run("chat", "plain", "-p", "hi")
    ok(p.returncode == 3 and "no chat template" in p.err, "a model that was not made to chat",
       p.err)
    p = h.run("chat", "broken", "-p", "hi")
    ok(p.returncode == 3 and "line 1" in p.err, "a template that is none", p.err)
    p = h.run("chat", "-p", "hi")
    ok(p.returncode == 3 and "SmolLM2-135M-Instruct" in p.err and "glass pull" in p.err,
       "the default model is not there", p.err)
    p = h.run("chat", "abc", "-p", "x", "--system", "<|im_end|>" * 3, "-j")
    q = h.run("chat", "abc", "-p", "x", "--system", "__________" * 3, "-j")
    equal(json.loads(p.out)["prompt_tokens"], json.loads(q.out)["prompt_tokens"],
          "what a person types is no control token")


def save_and_load(h):
    file = os.path.join(h.path, "kept.json")
    p = h.run("chat", "abc", "--system", "be brief", stdin=f"one\n/save {file}\n".encode())
    equal(p.returncode, 0, "/save")
    with open(file, encoding="utf-8") as f:
        kept = json.load(f)["messages"]
    equal([m["role"] for m in kept], ["system", "user", "assistant"], "keeps every message")
    equal(oct(os.stat(file).st_mode & 0o777), "0o600", "for its owner only")
    equal(kept[2]["content"], ABC, "word for word")
    p = h.run("chat", "abc", "-j", stdin=f"/load {file}\ntwo\n/save {file}2\n".encode())
    with open(file + "2", encoding="utf-8") as f:
        equal([m["content"] for m in json.load(f)["messages"]],
              ["be brief", "one", ABC, "two", ABC], "/load goes on")
    for text, what in (("{", "no JSON"), ("{}", "no chat"), ('{"messages":[{"role":1}]}', "no role"),
                       ('{"messages":[{"role":"user","content":null}]}', "no content"),
                       ('{"messages":[{"role":"king","content":"x"}]}', "of a role that is none")):
        with open(file, "w", encoding="utf-8") as f:
            f.write(text)
        p = h.run("chat", "abc", stdin=f"/load {file}\n".encode())
        ok(p.returncode == 3 and file in p.err, f"/load of a file that is {what}", p.err)
    with open(file, "w", encoding="utf-8") as f:
        f.write("notes of mine")
    p = h.run("chat", "abc", stdin=f"one\n/save {file}\n".encode())
    with open(file, encoding="utf-8") as f:
        ok(p.returncode == 2 and "no saved chat" in p.err and f.read() == "notes of mine",
           "/save replaces no file that is something else", p.err)
    with open(file, "w", encoding="utf-8") as f:
        f.write('{"messages":[]}')
    p = h.run("chat", "abc", stdin=f"one\n/save {file}\n".encode())
    equal(p.returncode, 0, "but an older saved chat")
    p = h.run("chat", "abc", stdin=b"/load /none\n")
    ok(p.returncode == 4 and "/none" in p.err, "/load of a missing file", p.err)
    p = h.run("chat", "abc", stdin=b"hi\n/save /none/x\n")
    ok(p.returncode == 4 and "/none/x" in p.err, "/save where nothing can be", p.err)


def full_context(h):
    lines = "".join(f"message number {i}\n" for i in range(12)).encode()
    p = h.run("chat", "abc", "-c", "256", "-j", "--system", "SYS", stdin=lines)
    answers = [json.loads(line) for line in p.out.splitlines()]
    equal([a["answer"] for a in answers], [ABC] * 12, "a chat longer than its context goes on")
    skipped = [a["skipped_messages"] for a in answers]
    ok(skipped[0] == 0 and skipped[-1] > 0 and skipped == sorted(skipped) and
       all(s % 2 == 0 for s in skipped), "the oldest turns go", skipped)
    ok(all(a["prompt_tokens"] <= 256 - 64 for a in answers), "room stays for the answer")
    ok("no longer sees" in p.err and "256" in p.err, "and it is said", p.err)
    reused = [a["cached_tokens"] > 26 for a, b in zip(answers[1:], skipped)
              if a["skipped_messages"] == b]
    ok(reused and all(reused), "between two cuts, turns are appended to what is there", reused)
    p = h.run("chat", "abc", "-c", "128", "-p", "y" * 200)
    ok(p.returncode == 3 and "128 positions" in p.err and "-c" in p.err,
       "a message that cannot fit: both numbers, and what to do", p.err)
    p = h.run("chat", "forever", "-c", "128", "-p", "y")
    ok(p.returncode == 0 and "cut the answer" in p.err, "an answer that fills it is said to be cut",
       p.err)
    p = h.run("chat", "forever", "-p", "y", "-n", "5")
    equal((p.out, "-n" in p.err), ("abcde\n", True), "so is one of the length given")


def editing(h):
    t = h.terminal("chat", "abc")
    seen = t.wait_for("> ")
    has(plain(seen or ""), "licence mit", "the greeting names the licence")
    ok("\x1b[1;32m" in (seen or ""), "colours on a terminal", seen)
    t.send("hellp\x7fo\r")  # backspace
    seen = t.wait_for(ABC + r"\r?\n.*> ")
    ok(seen, "a message, corrected with backspace, is answered", t.text)
    t.send("\x1b[A\r")  # arrow up
    ok(t.wait_for(r"hello.*" + ABC + ".*> "), "the arrow key brings it back", t.text)
    t.send("/st\t\r")
    seen = t.wait_for("context .*answer .*> ")
    ok(seen and "4 messages" in plain(seen), "Tab completes /stats", seen or t.text)
    open(os.path.join(h.path, "other.json"), "w", encoding="utf-8").close()
    t.send(f"/save {h.path}/kep\t\r")
    ok(t.wait_for("messages in .*kep.*> "), "/save", t.text)
    t.send(f"/load {h.path}/oth\t\r")
    ok(t.wait_for(r"other\.json: .*> "), "Tab completes file names", t.text)
    t.send("one \\\r")
    ok(t.wait_for(r"\. "), "a backslash asks for more", t.text)
    t.send("two\r")
    ok(t.wait_for(ABC + ".*> "), "and ends without one", t.text)
    t.send('"""first\r')
    t.wait_for(r"\. ")
    t.send("\r")
    t.wait_for(r"\. ")
    t.send('last"""\r')
    ok(t.wait_for(ABC + ".*> "), 'so does """', t.text)
    t.send("\x1b[200~pasted one\rpasted two\r\x1b[201~")
    time.sleep(0.3)
    t.send("\r")
    ok(t.wait_for(ABC + ".*> "), "a pasted text of two lines is one message", t.text)
    t.send(f"/save {h.path}/all.json\r")
    t.wait_for("messages in .*> ")
    t.send("grüße 世界\x1b[D\x1b[D\x1b[C!\r")  # left, left, right
    ok(t.wait_for(ABC + ".*> "), "letters beyond ASCII", t.text)
    t.send(f"/save {h.path}/utf8.json\r")
    t.wait_for("messages in .*> ")
    t.send("\x04")
    t.finish()
    equal(t.status, 0, "Ctrl-D ends with 0")
    with open(h.path + "/all.json", encoding="utf-8") as f:
        said = [m["content"] for m in json.load(f)["messages"] if m["role"] == "user"]
    equal(said, ["hello", "hello", "one \ntwo", "first\n\nlast", "pasted one\npasted two"],
          "what was typed is what was sent")
    with open(h.path + "/utf8.json", encoding="utf-8") as f:
        equal(json.load(f)["messages"][-2]["content"], "grüße 世!界", "also when edited inside")
    t = h.terminal("chat", "abc")
    t.wait_for("> ")
    t.send("\x12hello\r\r")  # Ctrl-R
    ok(t.wait_for(ABC + ".*> "), "history is kept between chats, Ctrl-R searches it", t.text)
    t.send("\x04")
    t.finish()
    mode = os.stat(os.path.join(h.path, ".local/state/glass/chat_history")).st_mode & 0o777
    equal(oct(mode), "0o600", "and nobody else reads it")


def interrupts(h):
    t = h.terminal("chat", "forever", "-c", "200000")
    t.wait_for("> ")
    t.send("go\r")
    t.wait_for("xyzabc")
    t.send("\x03")
    ok(t.wait_for(r"\[stopped\].*> "), "Ctrl-C stops an answer", t.text[-200:])
    t.send(f"/save {h.path}/stopped.json\r")
    t.wait_for("messages in .*> ")
    with open(h.path + "/stopped.json", encoding="utf-8") as f:
        said = json.load(f)["messages"]
    ok(len(said) == 2 and said[1]["content"].startswith(ABC + "abc"), "and keeps the chat", said)
    t.send("more\r")
    t.wait_for("xyzabc")
    t.send("\x03")
    ok(t.wait_for(r"\[stopped\].*> "), "again and again", t.text[-200:])
    t.send("half a line\x03")
    ok(t.wait_for(r"\^C\r?\n.*> "), "Ctrl-C at the prompt throws the line away", t.text)
    t.send("\"\"\"block\r")
    t.wait_for(r"\. ")
    t.send("\x03")
    ok(t.wait_for("> "), "also a text of several lines", t.text)
    t.send("\x03")
    ok(t.wait_for("again leaves.*> "), "on an empty line it says how to leave", t.text)
    t.send("/stats\r")
    ok(t.wait_for("4 messages.*> "), "nothing of it was sent", t.text)
    t.send("\x03")
    t.wait_for("again leaves.*> ")
    t.send("\x03")
    t.finish()
    equal(t.status, 0, "and twice in a row leaves")
    t = h.terminal("complete", "forever", "-p", "x", "-c", "200000")
    t.wait_for("xyzabc")
    t.send("\x03")
    t.finish()
    equal(t.status, 130, "complete: Ctrl-C ends with 130")
    t = h.terminal("chat", "forever", "-c", "200000", "-p", "x")
    t.wait_for("xyzabc")
    os.kill(t.pid, signal.SIGINT)
    t.finish()
    equal(t.status, 130, "chat -p: likewise")
    t = h.terminal("chat", "forever", "-c", "200000")
    t.wait_for("> ")
    t.send("\x1b[200~" + "y" * 60000 + "\x1b[201~")
    t.wait_for("yyyy$", timeout=3)
    t.send("\r")
    time.sleep(0.2)
    t.send("\x03")
    seen = t.wait_for(r"\[stopped.*> ")
    ok(seen, "Ctrl-C is heard while a long message is read", t.text[-300:])
    t.send("\x04")
    t.finish()


def without_colours(h):
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        t = h.terminal("chat", "abc", env=env)
        t.wait_for("> ")
        t.send("hi\r")
        seen = t.wait_for(ABC + ".*> ")
        t.send("\x03")
        seen = (seen or "none") + (t.wait_for("again leaves.*> ") or "none")
        t.send("\x04")
        seen += t.finish()
        ok(ABC in seen and not re.search(r"\x1b\[[0-9;]*m", seen), f"no colours with {env}", seen)
    t = h.terminal("chat", "evil")
    t.wait_for("> ")
    t.send("hi\r")
    seen = t.wait_for("\ufffd")
    ok(seen is not None and "\x1b\ufffd" not in seen, "what a model says steers no terminal",
       t.text)
    t.wait_for("> ")
    t.send("\x04")
    t.finish()


def without_asking(h):
    """-p, and glass complete, on a terminal."""
    for words in (("chat", "evil", "-p", "hi"), ("complete", "evil", "-p", "hi")):
        t = h.terminal(*words)
        seen = t.finish()
        ok("\ufffd" in seen and "\x1b\ufffd" not in seen and not re.search("\x1b[^[]", seen),
           f"nor with {words[0]} -p", seen)
    p = subprocess.run([kit.GLASS, "chat", "abc", "-n", "3"], input=b"one\ntwo\n", env=h.env, check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    equal(p.stdout.decode(), "abc\n[cut at the length given with -n]\n" * 2, "with 2>&1 a remark stands on its own line")
    t = h.terminal("chat", "abc")
    t.wait_for("> ")
    t.send("/system be brief\r")
    ok(t.wait_for(r"\[the system message is set\].*> "), "/system says that it was done", t.text)
    t.send("/clear\r")
    ok(t.wait_for(r"\[a new chat\].*> "), "and so does /clear", t.text)
    t.send("\x04")
    t.finish()


def main():
    with kit.Home() as h:
        for kind in ("abc", "forever"):
            tiny_model.write(f"{h.models}/{kind}.gguf", kind, n_ctx=4096 if kind == "abc" else 1 << 18)
        tiny_model.write(h.models + "/plain.gguf", template=None)
        tiny_model.write(h.models + "/broken.gguf", template="{% for %}")
        for part in (through_pipes, save_and_load, full_context, editing, interrupts):
            part(h)
        tiny_model.write(h.models + "/evil.gguf", kind="escape")
        without_colours(h)
        without_asking(h)
    kit.done()


main()
