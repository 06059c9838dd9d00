#!/usr/bin/env python3
"""serve_overhead.py GLASS MODEL [-n TOKENS] [--rounds N] - what HTTP adds for one client.

In turn, N times: `glass complete` with --json, and prompts of the same length as a streamed and as
a whole completion of a server that runs all the while. Prints medians and their ratios: the time of
a whole answer, prompt included (as the program says it, without starting and loading; as the
client sees it), and the time to the first token. Each prompt is new to the server, so that
nothing of it is cached."""
import argparse
import http.client
import json
import re
import statistics
import subprocess
import time


def complete(o, prompt):
    p = subprocess.run([o.glass, "complete", o.model, "-p", prompt, "-n", str(o.n), "--temp", "0",
                        "--ignore-eos", "--json", "-t", str(o.threads)], check=True,
                       stdout=subprocess.PIPE)
    return json.loads(p.stdout)


def body(o, prompt, stream):
    return json.dumps({"prompt": prompt, "max_tokens": o.n, "temperature": 0, "ignore_eos": True,
                       "stream": stream})


def whole(c, o, prompt):
    start = time.perf_counter()
    c.request("POST", "/v1/completions", body(o, prompt, False))
    text = json.loads(c.getresponse().read())["choices"][0]["text"]
    return text, time.perf_counter() - start


def stream(c, o, prompt):
    start, times, text = time.perf_counter(), [], ""
    c.request("POST", "/v1/completions", body(o, prompt, True))
    r = c.getresponse()
    for line in iter(r.readline, b""):
        if not line.startswith(b"data: {"):
            continue
        now = time.perf_counter()
        for choice in json.loads(line[6:])["choices"]:
            if choice.get("text"):
                times.append(now)
                text += choice["text"]
    return text, times[0] - start, times[-1] - times[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glass")
    parser.add_argument("model")
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--server", default="", help="more options of glass serve")
    o = parser.parse_args()
    server = subprocess.Popen([o.glass, "serve", o.model, "--port", "0", "--log", "none", "-t",
                               str(o.threads), *o.server.split()], stdout=subprocess.PIPE)
    port = int(re.search(rb":(\d+)$", server.stdout.readline().strip()).group(1))
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.connect()
    try:
        while True:
            c.request("GET", "/health")
            r = c.getresponse()
            r.read()
            if r.status == 200:
                break
            time.sleep(0.05)
        measure(c, o)
    finally:
        server.terminate()
        server.wait()


def measure(c, o):
    seconds = {k: [] for k in ("complete", "whole", "stream", "prompt", "first")}
    for i in range(o.rounds + 1):
        prompt = f"{i}. Once upon a time there was a king who had"
        a = complete(o, prompt)
        text, first, rest = stream(c, o, prompt)
        again, took = whole(c, o, prompt.replace(".", ":"))
        if a["text"] != text or a["answer_tokens"] != o.n or not again:
            raise SystemExit(f"the texts differ: {a} | {text}")
        if i == 0:
            continue  # caches are warm now
        for key, value in (("complete", a["prompt_s"] + a["answer_s"]), ("whole", took),
                           ("stream", first + rest), ("prompt", a["prompt_s"]), ("first", first)):
            seconds[key].append(value)
    m = {k: statistics.median(v) for k, v in seconds.items()}
    for key, base in (("complete", "complete"), ("whole", "complete"), ("stream", "complete"),
                      ("prompt", "prompt"), ("first", "prompt")):
        print(f"{key:9} {1e3 * m[key]:8.1f} ms  {m[key] / m[base]:.4f}  "
              f"{[round(1e3 * x, 1) for x in seconds[key]]}")


if __name__ == "__main__":
    main()
