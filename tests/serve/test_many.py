#!/usr/bin/env python3
"""Sixteen requests at once, in four orders: each as alone (tests/serve/many.py does more, by
name); prefixes that outlive a kill."""
import glob
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from many import compare  # noqa: E402
from serve_kit import Server, kit  # noqa: E402
import noise_model  # noqa: E402


def cached(server):
    return float(re.search(r"^glass_cached_tokens_total (\S+)$", server.get("/metrics").text,
                           re.M).group(1))


def killed(home, model):
    """What was read is found by the next server, though the first was killed."""
    folder = os.path.join(home.path, "prefixes")
    words = (model, "-c", "512", "--prefix-dir", folder)
    asked = {"prompt": "one and two, " * 30, "temperature": 0, "max_tokens": 8}
    with Server(home, *words) as s:
        first = s.post("/v1/completions", asked).json["choices"]
        end = time.monotonic() + 20
        while not glob.glob(folder + "/*.page") and time.monotonic() < end:
            time.sleep(0.05)
        kit.equal(len(glob.glob(folder + "/*.page")), 1, "a page is written while nothing is asked")
        s.stop(signal.SIGKILL)
    with Server(home, *words) as s:
        kit.equal(s.post("/v1/completions", asked).json["choices"], first, "the same after a kill")
        kit.equal(cached(s), 256, "with what was written before")


def main():
    with kit.Home() as home:
        model = noise_model.write(os.path.join(home.models, "noise.gguf"))
        small = ["--parallel", "12", "--batch", "24", "--cache-mb", "2"]
        compare(home, model, 16, 4, 1, 512, 280, 24, small)
        killed(home, model)
    kit.done()


if __name__ == "__main__":
    main()
