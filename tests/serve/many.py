#!/usr/bin/env python3
"""many.py MODEL [-n 64] [--orders 10] [--seed 1] - many requests at once, each as alone.

Requests of mixed lengths, seeds, samplers, stop texts and shared beginnings are answered one by
one by `glass complete` with one thread, then all at once by `glass serve`, in random orders of
arrival, streamed or not. Half of the orders meet a server with room for all, the other half one
whose cache is too small for them and whose passes are short. Each answer must have the bytes that it has alone.
The program is build/glass, or that of $GLASS_BUILD. Standard library only."""
import argparse
import glob
import json
import os
import random
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serve_kit import Server, kit  # noqa: E402

FLAGS = {"temperature": "--temp", "top_k": "--top-k", "top_p": "--top-p", "min_p": "--min-p",
         "typical_p": "--typical", "repeat_penalty": "--repeat-penalty",
         "presence_penalty": "--presence-penalty", "mirostat": "--mirostat",
         "dry_multiplier": "--dry-multiplier", "xtc_probability": "--xtc-probability",
         "repeat_last_n": "--repeat-last-n", "seed": "-s", "max_tokens": "-n"}
SAMPLERS = [
    dict(temperature=0), dict(temperature=0, repeat_penalty=1.2),
    dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05),
    dict(temperature=1.3, top_k=0, top_p=0.9, min_p=0),
    dict(temperature=1, typical_p=0.7), dict(temperature=1, mirostat=2),
    dict(temperature=0.7, presence_penalty=0.5, repeat_last_n=-1),
    dict(temperature=1, dry_multiplier=0.8), dict(temperature=1, xtc_probability=0.5),
]
STOPS = [[], [], ["."], ["\n\n", " the "], ["e"], ["\u00e9", "and then"]]


def texts():
    """The pages of docs/, as words to read."""
    out = []
    for path in sorted(glob.glob(os.path.join(kit.ROOT, "docs", "*.md"))):
        with open(path, encoding="utf-8") as f:
            out.append(re.sub(r"[ \n]+", " ", f.read()))
    return out


def requests(n, seed, longest, most):
    """n requests: every second one begins as some others do, up to `longest` characters."""
    rng = random.Random(seed)
    pages = texts()
    shared = [rng.choice(pages)[:rng.randrange(longest // 2, longest)] for _ in range(n // 8 or 1)]
    out = []
    for i in range(n):
        page = rng.choice(pages)
        at = rng.randrange(len(page) - 200)
        own = page[at:at + rng.randrange(1, 200)].strip() or "x"
        head = rng.choice(shared) if i % 2 else ""
        if head and i % 8 == 1:  # parts of them, too
            head = head[:rng.randrange(len(head))]
        stop = rng.choice(STOPS)
        out.append(dict(rng.choice(SAMPLERS), prompt=head + own, seed=rng.randrange(2 ** 31),
                        max_tokens=rng.randrange(1, most), stream=rng.random() < 0.5,
                        **({"stop": stop} if stop else {})))
    return out


def alone(home, model, n_ctx, r):
    words = ["complete", model, "-c", str(n_ctx), "-t", "1", "-p", r["prompt"], "--json"]
    for key, flag in FLAGS.items():
        if key in r:
            words += [flag, str(r[key])]
    for stop in r.get("stop", []):
        words += ["--stop", stop]
    return home.json(*words, timeout=600).get("text")


def ask(server, r):
    reply = server.ask("POST", "/v1/completions", r, timeout=600)
    if reply.code != 200:
        return f"HTTP {reply.code}: {reply.text}"
    try:
        parts = [e for e in reply.events if e != "[DONE]"] if r["stream"] else [reply.json]
        return "".join(p["choices"][0]["text"] for p in parts if p["choices"])
    except (KeyError, TypeError) as e:
        return f"{e!r}: {reply.text}"


def at_once(server, all_requests, rng):
    """The answers, asked in a random order, some at once and some a moment later."""
    got = [None] * len(all_requests)
    order = rng.sample(range(len(got)), len(got))
    late = rng.random() * 0.02

    def one(i):
        got[i] = ask(server, all_requests[i])
    threads = []
    for i in order:
        t = threading.Thread(target=one, args=(i,))
        t.start()
        threads.append(t)
        time.sleep(rng.random() * late if rng.random() < 0.5 else 0)
    for t in threads:
        t.join()
    return got


def compare(home, model, n, orders, seed, n_ctx, longest, most, small):
    """small: words for the server that is short of room."""
    start = time.monotonic()
    asked = requests(n, seed, longest, most)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wanted = list(pool.map(lambda r: alone(home, model, n_ctx, r), asked))
    kit.ok(None not in wanted and sum(len(t or "") > 0 for t in wanted) > n * 2 // 3,
           f"{n} requests alone, {sum(len(t or '') for t in wanted)} characters")
    print(f"# {time.monotonic() - start:.1f} s", flush=True)
    rng = random.Random(seed + 1)
    for half, words in enumerate(([], small)):
        with Server(home, model, "-c", str(n_ctx), "--log", "none", *words) as s:
            for k in range(half, orders, 2):
                start = time.monotonic()
                got = at_once(s, asked, rng)
                wrong = [(r, g, w) for r, g, w in zip(asked, got, wanted) if g != w]
                kit.ok(not wrong, f"order {k + 1}{': ' + ' '.join(words) if words else ''}: "
                       f"each as alone", f"{len(wrong)} are not; one: {wrong[:1]}")
                print(f"# {time.monotonic() - start:.1f} s", flush=True)
            for line in re.findall(r"^glass_(?:cached|paused).*$", s.get("/metrics").text, re.M):
                print(f"# {line}", flush=True)
            kit.equal(s.stop(), 0, "the server ends well")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("-n", type=int, default=64)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    with kit.Home() as home:
        small = ["-t", "1", "--parallel", "48", "--batch", "64", "--cache-mb", "256"]
        compare(home, os.path.abspath(o.model), o.n, o.orders, o.seed, 2048, 2400, 48, small)
    kit.done()


if __name__ == "__main__":
    main()
