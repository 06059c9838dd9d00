#!/usr/bin/env python3
"""glass pull against a hub on this machine: names, resuming, checks, locks, hostile servers."""
import glob
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import tiny_model  # noqa: E402
from hub_server import Hub  # noqa: E402
from kit import equal, has, ok  # noqa: E402


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        return str(e)


def leftovers(home):
    return sorted(os.path.relpath(p, home.models) for p in
                  glob.glob(home.models + "/**/*.part*", recursive=True))


class Case:
    """A home and a hub with a model u/m of some files."""

    def __init__(self, data):
        self.data, self.home, self.hub = data, kit.Home(), Hub()
        self.home.env["HF_ENDPOINT"] = self.hub.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hub.close()
        self.home.__exit__()

    def add(self, name, **behaviour):
        return self.hub.add("u/m", name, behaviour.pop("data", self.data), **behaviour)

    def pull(self, *words, **options):
        return self.home.run("pull", *words, **options)

    def file(self, name="m-Q4_K_M.gguf", model="u/m"):
        return read(os.path.join(self.home.models, model, name))


def names(data):
    with Case(data) as c:
        for name in ("m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.Q8_0.gguf", "README.md",
                     "mmproj-m-Q4_K_M.gguf"):
            c.add(name)
        p = c.pull("u/m")
        equal(p.returncode, 0, "user/model is got")
        equal(c.file(), data, "Q4_K_M is the usual choice")
        equal(p.out.strip(), os.path.join(c.home.models, "u/m/m-Q4_K_M.gguf"),
              "the path is the one line of standard output")
        has(p.err, "licence mit", "the licence is said")
        has(p.err, "SHA-256 as it should be", "the check is said")
        n = len(c.hub.requests("cdn"))
        p = c.pull("u/m")
        ok(p.returncode == 0 and "already here" in p.err, "a second pull keeps the file", p.err)
        equal(len(c.hub.requests("cdn")), n, "and asks for no byte of it")
        for name, file in (("u/m:q8_0", "m.Q8_0.gguf"), ("hf.co/u/m:Q4_K_S", "m-Q4_K_S.gguf")):
            ok(c.pull(name).returncode == 0 and c.file(file) == data, f"{name} is {file}")
        for name in ("u/m/m.Q8_0.gguf", "https://huggingface.co/u/m/blob/main/m.Q8_0.gguf",
                     "huggingface.co/u/m/resolve/main/m.Q8_0.gguf?download=true",
                     c.hub.url + "/u/m/resolve/v2/m%2EQ8_0.gguf"):
            p = c.pull(name)
            ok(p.returncode == 0 and "already here" in p.err, f"{name} is the same file", p.err)
        p = c.pull("u/m:Q5_K_M")
        ok(p.returncode == 3 and "m-Q4_K_S.gguf" in p.err, "an unknown tag lists the files",
           p.err)
        ok("mmproj" not in p.err and "README" not in p.err, "but only those of models", p.err)
        p = c.pull("u/m:Q4_K")
        ok(p.returncode == 3 and "has no file" in p.err, "a tag is a whole word", p.err)
        p = c.pull("u/m/none.gguf")
        ok(p.returncode == 3 and "m.Q8_0.gguf" in p.err, "an unknown file lists the files", p.err)
        p = c.pull("u/none")
        ok(p.returncode == 3 and "no such model" in p.err, "an unknown model", p.err)
        p = c.pull("u/m", "--revision", "v9")
        ok(p.returncode == 3 and "v9" in p.err, "an unknown revision", p.err)
        for name in ("m", "a/b/../c.gguf", "a/../b.gguf", "../a", "u/m//x.gguf", "u/m:",
                     "ftp://host/a.gguf", "u/m/.x.gguf", "", "u/.."):
            ok(c.pull(name).returncode == 2, f"\"{name}\" is no name")
        p = c.home.run("chat", "hf.co/u/m:Q8_0", "-p", "hi")
        equal(p.out, "abcdefghijklmnopqrstuvwxyz\n", "what was pulled talks, by the same name")
        p = c.home.run("list")
        has(p.out, "u/m/m-Q4_K_M", "and is listed")
        origin = json.loads(c.file("m-Q4_K_M.gguf.origin.json"))
        ok(origin["checked"] is True and origin["bytes"] == len(data) and
           origin["url"].endswith("/u/m/resolve/main/m-Q4_K_M.gguf"), "where it came from is kept",
           origin)


def only_some(data):
    with Case(data) as c:
        c.add("model.safetensors")
        p = c.pull("u/m")
        ok(p.returncode == 3 and "no GGUF file" in p.err and "model.safetensors" in p.err,
           "a model without GGUF files says what there is", p.err)
        c.add("strange.gguf")
        ok(c.pull("u/m").returncode == 0, "the only GGUF file is the choice")
        c.add("other.gguf")
        p = c.pull("u/m")
        ok(p.returncode == 3 and "say which" in p.err, "two without a usual one: which?", p.err)
    with Case(data) as c:
        c.hub.has_tree = False
        c.add("m-Q4_K_M.gguf")
        equal(c.pull("u/m").returncode, 0, "a mirror without /tree/ is listed by siblings")
    with Case(data) as c:
        c.hub.page = 2
        for i in range(7):
            c.add(f"m{i}.gguf")
        ok(c.pull("u/m/m6.gguf").returncode == 0, "lists go on over pages")


def split(data):
    with Case(data) as c:
        for i in (1, 2, 3):
            c.add(f"Q4_K_M/m-Q4_K_M-{i:05}-of-00003.gguf")
        p = c.pull("u/m:Q4_K_M")
        ok(p.returncode == 0 and p.out.strip().endswith("Q4_K_M/m-Q4_K_M-00001-of-00003.gguf") and
           all(c.file(f"Q4_K_M/m-Q4_K_M-{i:05}-of-00003.gguf") == data for i in (1, 2, 3)),
           "all parts of a split model are got", p.err)
        has(p.err, "part 3 of 3", "and counted")
        sizes = [e["bytes"] for e in c.home.json("list", "--json")]
        equal(sizes, [3 * len(data)], "list shows them as one model of their size")
        del c.hub.models["u/m"]["Q4_K_M/m-Q4_K_M-00002-of-00003.gguf"]
        p = c.pull("u/m:Q4_K_M")
        ok(p.returncode == 3 and "00002-of-00003" in p.err, "a missing part is named", p.err)


def broken_off(data):
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", cut=[100000, 50000])
        p = c.pull("u/m")
        ok(p.returncode == 0 and c.file() == data, "a download that is cut twice goes on", p.err)
        ranges = [r[2].get("Range") for r in c.hub.requests("cdn")]
        equal(ranges, [None, "bytes=100000-", "bytes=150000-"], "from where it was")
        equal(leftovers(c.home), [], "nothing is left over")
    with Case(data) as c:
        f = c.add("m-Q4_K_M.gguf", slow=60)
        p = subprocess.Popen([kit.GLASS, "pull", "u/m"], env=c.home.env, stderr=subprocess.PIPE)
        part = os.path.join(c.home.models, "u/m/m-Q4_K_M.gguf.part")
        for _ in range(200):
            if os.path.exists(part) and os.path.getsize(part) > 0:
                break
            time.sleep(0.05)
        p.send_signal(signal.SIGINT)
        err = p.communicate(timeout=20)[1].decode()
        ok(p.returncode == 130 and "goes on from here" in err, "Ctrl-C keeps what came", err)
        have = os.path.getsize(part)
        ok(0 < have < len(data), "a part is there", have)
        f.slow = 0
        p = c.pull("u/m")
        equal((p.returncode, c.hub.requests("cdn")[-1][2].get("Range")), (0, f"bytes={have}-"),
              "the next pull goes on from there")
        ok(c.file() == data, "and gets the file")
    with Case(data) as c:
        f = c.add("m-Q4_K_M.gguf", cut=[100000], ranges=False)
        p = c.pull("u/m")
        ok(p.returncode == 0 and c.file() == data and "begins anew" in p.err,
           "a server that ignores Range: from the beginning, and said", p.err)
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", status=[503, 429], retry_after="1")
        start = time.monotonic()
        p = c.pull("u/m")
        ok(p.returncode == 0 and "trying again" in p.err, "a busy server is asked again", p.err)
        ok(time.monotonic() - start >= 2, "after the time that it names")
        c.add("m-Q4_K_S.gguf", cut=[0] * 50)
        p = c.pull("u/m:Q4_K_S")
        ok(p.returncode == 4 and "given up for now" in p.err, "four tries in vain are the end",
           p.err)


def part_files(data):
    """What lies in the part file is used only if it is of this file."""
    for name, of, kept in (("of this file", "sha256 {sha}", True), ("of another", "sha256 00", False),
                           ("of unknown origin", None, False)):
        with Case(data) as c:
            f = c.add("m-Q4_K_M.gguf")
            folder = os.path.join(c.home.models, "u/m")
            os.makedirs(folder)
            with open(folder + "/m-Q4_K_M.gguf.part", "wb") as out:
                out.write(data[:5000])
            if of:
                with open(folder + "/m-Q4_K_M.gguf.part.of", "w", encoding="ascii") as out:
                    out.write(of.format(sha=f.sha256))
            p = c.pull("u/m")
            equal((p.returncode, c.hub.requests("cdn")[-1][2].get("Range"), c.file() == data),
                  (0, "bytes=5000-" if kept else None, True), f"a part {name}")
    with Case(data) as c:
        f = c.add("m-Q4_K_M.gguf")
        folder = os.path.join(c.home.models, "u/m")
        os.makedirs(folder)
        with open(folder + "/m-Q4_K_M.gguf.part", "wb") as out:
            out.write(b"rotten" + data[6:5000])
        with open(folder + "/m-Q4_K_M.gguf.part.of", "w", encoding="ascii") as out:
            out.write("sha256 " + f.sha256)
        p = c.pull("u/m")
        ok(p.returncode == 0 and c.file() == data and "starting anew" in p.err,
           "a rotten part costs a second download, not the file", p.err)


def wrong_bytes(data):
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    with Case(data) as c:
        f = c.add("m-Q4_K_M.gguf", serve=wrong)
        p = c.pull("u/m")
        ok(p.returncode == 3 and "SHA-256" in p.err and f.sha256 in p.err, "a wrong hash", p.err)
        ok(isinstance(c.file(), str), "leaves no file", c.file())
        equal(leftovers(c.home), [], "and no part")
        f.serve = data[:-10]
        p = c.pull("u/m")
        ok(p.returncode == 3 and isinstance(c.file(), str), "a server with fewer bytes", p.err)
        f.serve = data + b"more"
        p = c.pull("u/m")
        ok(p.returncode == 3 and isinstance(c.file(), str), "a server with more bytes", p.err)
        f.serve = None
        ok(c.pull("u/m").returncode == 0, "and when it is right, it is got")
        before = c.file()
        f.data = tiny_model.write(os.path.join(c.home.path, "new.gguf"), name="New") and \
            read(os.path.join(c.home.path, "new.gguf"))
        f.sha256, f.size, f.serve = hashlib.sha256(f.data).hexdigest(), len(f.data), wrong
        p = c.pull("u/m")
        ok(p.returncode != 0 and c.file() == before, "a bad new version leaves the old one", p.err)
        f.serve = None
        ok(c.pull("u/m").returncode == 0 and c.file() == f.data, "a good one takes its place")
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", data=b"<!DOCTYPE html>", lfs=False, linked=False)
        p = c.pull("u/m")
        ok(p.returncode == 3 and "not a GGUF file" in p.err and "<!DO" in p.err,
           "a page instead of a model", p.err)
        f = c.add("m-Q8_0.gguf", lfs=False)
        p = c.pull("u/m:Q8_0")
        ok(p.returncode == 0 and "as it should be" in p.err, "X-Linked-Etag gives the hash", p.err)
        f.serve, f.data = wrong, wrong
        p = c.pull("u/m:Q8_0", "--force")
        ok(p.returncode == 3 and "SHA-256" in p.err, "and is compared", p.err)
        f = c.add("m-Q5_0.gguf", lfs=False, linked=False)
        p = c.pull("u/m:Q5_0")
        ok(p.returncode == 0 and "no SHA-256 is published" in p.err, "without one, it says so",
           p.err)
        p = c.pull("u/m:Q5_0", "--force", "--sha256", "0" * 64)
        equal(p.returncode, 3, "--sha256 is compared")
        p = c.pull("u/m:Q5_0", "--sha256", "12")
        equal(p.returncode, 2, "--sha256 wants 64 digits")


def addresses(data):
    """Files of servers that are no hub."""
    with Case(data) as c:
        f = c.add("file.gguf", cut=[70000])
        url = c.hub.cdn_url + "/u/m/file.gguf"
        p = c.pull(url + "?x=1#y")
        ok(p.returncode == 0 and c.file("file.gguf", "127.0.0.1") == data, "any address", p.err)
        last = c.hub.requests("cdn")[-1][2]
        equal((last.get("Range"), last.get("If-Range")), ("bytes=70000-", f.etag),
              "resumed only if the server still has the same file (If-Range)")
        equal(c.home.run("chat", "file", "-p", "x").returncode, 0, "and is a MODEL by its name")
        p = c.pull(c.hub.cdn_url + "/u/m/file")
        ok(p.returncode == 2 and "--name" in p.err, "an address without a name", p.err)
        c.add("download")
        p = c.pull(c.hub.cdn_url + "/u/m/download", "--name", "mine")
        ok(p.returncode == 0 and c.file("mine.gguf", "127.0.0.1") == data, "--name gives one",
           p.err)
        for name in ("../mine", "a/b", "/etc/x", ".x", "a\nb"):
            p = c.pull(c.hub.cdn_url + "/u/m/download", "--name", name)
            equal(p.returncode, 2, f"--name {name!r} is refused")
        p = c.pull(c.hub.cdn_url + "/none.gguf")
        ok(p.returncode == 3 and "404" in p.err, "a missing file", p.err)
    with Case(data) as c:
        f = c.add("file.gguf", cut=[70000], status=[])
        url = c.hub.cdn_url + "/u/m/file.gguf"
        f.after_cut = 404
        equal(c.pull(url).returncode, 3, "cut, and then gone")
        f.after_cut, f.data, f.etag = None, data[:-4] + b"\0\0\0\1", '"other"'
        p = c.pull(url)
        ok(p.returncode == 0 and c.file("file.gguf", "127.0.0.1") == f.data and
           "begins anew" in p.err, "a file that changed meanwhile is got from its beginning", p.err)


def secrets(data):
    with Case(data) as c:
        c.hub.gated.add("u/m")
        c.add("m-Q4_K_M.gguf")
        p = c.pull("u/m")
        ok(p.returncode == 3 and "HF_TOKEN" in p.err and "401" in p.err, "gated: how to get in",
           p.err)
        p = c.pull("u/m", env={"HF_TOKEN": " hf_secret\n"})
        equal(p.returncode, 0, "the token opens it")
        sent = [(r[0], r[2].get("Authorization")) for r in c.hub.requests()][1:]
        ok(all(a == "Bearer hf_secret" for role, a in sent if role == "hub"), "sent to the hub",
           sent)
        ok([a for role, a in sent if role == "cdn"] == [None], "and not where it redirects to",
           sent)
        ok("hf_secret" not in p.out + p.err + str(c.file("m-Q4_K_M.gguf.origin.json")),
           "and not shown")
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", redirect=c.hub.url + "/u/m/resolve/main/n.gguf")
        c.add("n.gguf", redirect="none")
        p = c.pull("u/m:Q4_K_M", env={"HF_TOKEN": "hf_secret"})
        sent = [r[2].get("Authorization") for r in c.hub.requests()]
        equal((p.returncode, sent), (0, ["Bearer hf_secret"] * 2 + [None]),
              "no redirect sees it, not even on the same host")
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf")
        folder = os.path.join(c.home.path, ".cache/huggingface")
        os.makedirs(folder)
        with open(folder + "/token", "w", encoding="ascii") as f:
            f.write("hf_of_file\n")
        c.pull("u/m")
        equal(c.hub.requests("hub")[0][2].get("Authorization"), "Bearer hf_of_file",
              "the token file of the hub's programs")
        c.pull(c.hub.cdn_url + "/u/m/m-Q4_K_M.gguf")
        equal(c.hub.requests("cdn")[-1][2].get("Authorization"), None, "no token for other hosts")
        p = c.pull("u/m", env={"HF_TOKEN": "a\r\nX-Evil: 1"})
        equal(p.returncode, 3, "a token that would be two headers is refused")
        p = c.pull("u/m", env={"HF_TOKEN": "t", "HF_ENDPOINT": "http://nowhere.invalid"})
        equal(p.returncode, 4, "no such host")


def hostile(data):
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf")
        outside = os.path.join(c.home.path, "outside.gguf")
        bad = ["../../../../../outside.gguf", "/tmp/outside.gguf", "a/../../x.gguf", "..",
               "a\\..\\b.gguf", "nul\0.gguf", "-rf.gguf", ".hidden.gguf", "a//b.gguf",
               "esc\x1b[31m.gguf", "x" * 300 + ".gguf", "", "a/" * 600 + "b.gguf"]
        c.hub.raw_listing = json.dumps(
            [{"type": "file", "path": b, "size": 9, "lfs": {"oid": "0" * 64}} for b in bad]).encode()
        p = c.pull("u/m")
        ok(p.returncode == 3 and "\x1b" not in p.err and not os.path.exists(outside),
           "names that lead elsewhere are not taken, nor shown", p.err)
        for text, what in ((b"", "nothing"), (b"<html>", "a page"), (b"[" * 100000, "depth"),
                           (b"{}", "an empty object"), (b"[1,null,{}]", "no entries"),
                           (b'[{"type":"file","path":5,"size":"x"}]', "wrong types"),
                           (b'[{"type":"file","path":"a.gguf","size":-5}]', "a negative size"),
                           (b"\xff\xfe[]", "no UTF-8")):
            c.hub.raw_listing = text
            p = c.pull("u/m")
            ok(p.returncode == 3 and "glass: " in p.err, f"a list that is {what}", p.err)
        c.hub.raw_listing = json.dumps([{"type": "file", "path": "m-Q4_K_M.gguf",
                                         "size": 10 ** 16}]).encode()
        p = c.pull("u/m")
        ok(p.returncode == 4 and "are free" in p.err and "10000000000000000" in p.err,
           "no space: both numbers, before the first byte", p.err)
        equal(len(c.hub.requests("cdn")), 0, "and no byte was asked for")
    with Case(data) as c:
        f = c.add("m-Q4_K_M.gguf", redirect="file:///etc/passwd")
        p = c.pull("u/m")
        ok(p.returncode == 3 and "root:" not in p.err, "a redirect to a file of ours", p.err)
        f.redirect = c.hub.url + "/u/m/resolve/main/m-Q4_K_M.gguf"
        p = c.pull("u/m")
        ok(p.returncode == 3 and "redirects" in p.err, "a redirect in circles", p.err)
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf")
        p = subprocess.run(["bash", "-c", "ulimit -f 64; trap '' XFSZ; exec \"$0\" pull u/m",
                            kit.GLASS], env=c.home.env, stderr=subprocess.PIPE,
                           stdout=subprocess.PIPE, check=False)
        err = p.stderr.decode()
        ok(p.returncode == 4 and "no space" in err, "the disk fills up on the way", err)
        equal(c.pull("u/m").returncode, 0, "and it goes on when there is room")
    with kit.Home() as h:
        p = h.run("pull", "u/m")
        ok(p.returncode == 4 and "network" in p.err and "path" in p.err,
           "no network: what to do instead", p.err)
        p = h.run("pull", "u/m", env={"HF_ENDPOINT": "gopher://x"})
        equal(p.returncode, 2, "HF_ENDPOINT must be an address")


def two_at_once(data):
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", slow=1.5)
        first = subprocess.Popen([kit.GLASS, "pull", "u/m"], env=c.home.env,
                                 stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(200):
            if c.hub.requests("cdn"):
                break
            time.sleep(0.02)
        p = c.pull("u/m")
        first.communicate(timeout=30)
        equal((first.returncode, p.returncode, c.file() == data), (0, 0, True),
              "two pulls of one model")
        ok("waiting" in p.err and "already here" in p.err, "the second waits and keeps", p.err)
        equal(len(c.hub.requests("cdn")), 1, "the file is sent once")


def views(data):
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", slow=1.2)
        p = c.pull("u/m", "--json")
        events = [json.loads(line) for line in p.out.splitlines()]
        kinds = [e["event"] for e in events]
        ok(kinds[0] == "file" and kinds[-1] == "done" and "progress" in kinds, "--json: events",
           kinds)
        ok(events[-1]["sha256"] and events[-1]["bytes"] == len(data) and
           os.path.exists(events[-1]["path"]), "the last one has path and hash", events[-1])
        grows = [e["bytes"] for e in events if e["event"] == "progress"]
        ok(grows == sorted(grows) and events[1]["total"] == len(data), "progress grows", grows)
        equal(p.err, "", "and standard error is silent")
        p = c.pull("u/none", "--json")
        ok(p.returncode == 3 and json.loads(p.out.splitlines()[-1])["event"] == "error",
           "--json: an error is an event too", p.out)
    with Case(data) as c:
        c.add("m-Q4_K_M.gguf", slow=1.2)
        t = c.home.terminal("pull", "u/m", size=(24, 90))
        seen = t.wait_for(r"\d+% .{1,40} of .{1,20}/s, [-\d:]+ left")
        ok(seen is not None, "a terminal has a progress bar", t.text)
        t.finish()
        equal(t.status, 0, "and the pull ends well")
        c.hub.models["u/m"]["m-Q4_K_M.gguf"].slow = 0
        p = c.pull("u/m", "--force")
        ok("\r" not in p.err and "\x1b" not in p.err, "a pipe has none", p.err)


def main():
    with kit.Home() as h:
        data = read(tiny_model.write(os.path.join(h.path, "m.gguf")))
    for part in (names, only_some, split, broken_off, part_files, wrong_bytes, addresses, secrets,
                 hostile, two_at_once, views):
        part(data)
    kit.done()


main()
