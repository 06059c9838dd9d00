#!/usr/bin/env python3
"""peers_tokenizers.py [--mb N] BENCH TEXT FOLDER … - encoding speed of each FOLDER's tokenizer.json on one
thread: our bench_tokenizer (BENCH) and the tokenizers library, one after the other, on the first
N MB of TEXT.

MB/s (10^6 bytes), the best of a few runs of each: the whole text in one call (for Glass also the first
run, which has seen no word before), in pieces of 4096 bytes, and for the library the pieces as one batch, with offsets and without (encode_batch_fast).
Run it with a Python that has the tokenizers library."""
import argparse
import os
import re
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
RUNS, SECONDS = 3, 3


def ours(bench, folder, path):
    done = subprocess.run([bench, folder, path], capture_output=True, text=True, check=True)
    best = re.findall(r"ms +([0-9.]+) MB/s", done.stdout)
    first = re.search(r"at first ([0-9.]+) MB/s", done.stdout)
    return float(first[1]), float(best[0]), float(best[1])


def best(n_bytes, encode):
    fastest, start = float("inf"), time.perf_counter()
    for _ in range(RUNS):
        before = time.perf_counter()
        encode()
        fastest = min(fastest, time.perf_counter() - before)
        if time.perf_counter() - start > SECONDS:
            break
    return n_bytes / fastest / 1e6


def main():
    import tokenizers
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=1)
    parser.add_argument("bench")
    parser.add_argument("text")
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    with open(args.text, "rb") as f:
        data = f.read(int(args.mb * 1e6)).decode(errors="ignore").encode()
    whole = data.decode()
    pieces = [data[i:i + 4096].decode(errors="replace") for i in range(0, len(data), 4096)]
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        print("| vocabulary | Glass, first run | whole | in 4 kB | encode, whole | in 4 kB | batch | fast batch |")
        for folder in args.folders:
            peer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            mine = ours(args.bench, folder, f.name)
            theirs = [
                best(len(data), lambda: peer.encode(whole, add_special_tokens=False)),
                best(len(data), lambda: [peer.encode(p, add_special_tokens=False)
                                         for p in pieces]),
                best(len(data), lambda: peer.encode_batch(pieces, add_special_tokens=False)),
                best(len(data), lambda: peer.encode_batch_fast(pieces,
                                                               add_special_tokens=False))]
            print("|", " | ".join([os.path.basename(os.path.normpath(folder)),
                                   *[f"{rate:.1f}" for rate in (*mine, *theirs)]]), "|",
                  flush=True)


main()
