#!/usr/bin/env python3
"""peers.py [options] MODEL.gguf... - Glass beside llama.cpp and ik_llama.cpp, same file, same run.

Every round runs each program once, one after the other, so that a neighbour's load falls on all
of them; the table gives medians over the rounds and Glass's share of the read bandwidth that it
measured right before and after each of its runs. Build the peers outside this tree, with
optimisation for this machine (cmake -DGGML_NATIVE=ON), and name their llama-bench programs:

  bench/peers.py --llama ~/llama.cpp/build/bin/llama-bench \\
      --ik ~/ik_llama.cpp/build/bin/llama-bench model-Q4_0.gguf model-Q8_0.gguf

ik_llama.cpp runs twice, plain and with -rtr 1 (weights repacked at load); the better counts.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def glass(options, model):
    command = [*options.prefix, options.glass, "bench", model, "-t", str(options.threads), "-p",
               str(options.prompt), "-n", str(options.predict), "-r", "1", "--json"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def llama_bench(options, program, model, extra=()):
    command = [*options.prefix, program, "-m", model, "-t", str(options.threads), "-p",
               str(options.prompt), "-n", str(options.predict), "-r", "1", "-o", "json", *extra]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    start = run.stdout.index("[")
    speeds = {}
    for row in json.loads(run.stdout[start:run.stdout.rindex("]") + 1]):
        speeds["prompt" if row["n_prompt"] else "answer"] = row["avg_ts"]
    return speeds


def measure(options, model):
    rounds = {"glass": [], "llama": [], "ik": [], "ik_rtr": []}
    for _ in range(options.rounds):
        rounds["glass"].append(glass(options, model))
        if options.llama:
            rounds["llama"].append(llama_bench(options, options.llama, model))
        if options.ik:
            rounds["ik"].append(llama_bench(options, options.ik, model))
            rounds["ik_rtr"].append(llama_bench(options, options.ik, model, ["-rtr", "1"]))
    return rounds


def median(rows, key):
    return statistics.median(row[key] for row in rows) if rows else float("nan")


def report(model, rounds):
    ours = rounds["glass"]
    cells = [os.path.basename(model)]
    for phase, key in (("prompt", "prompt_per_s"), ("answer", "answer_per_s")):
        mine, llama = median(ours, key), median(rounds["llama"], phase)
        ik = [median(rounds[name], phase) for name in ("ik", "ik_rtr") if rounds[name]]
        best = max(ik) if ik else float("nan")
        cells += [f"{mine:.0f}", f"{llama:.0f}", f"{best:.0f}", f"{mine / best:.2f}"]
    bandwidth = statistics.median(
        0.5 * (row["read_before"] + row["read_after"]) for row in ours)
    share = statistics.median(
        row["answer_per_s"] * row["token_bytes"] / (0.5 * (row["read_before"] + row["read_after"]))
        for row in ours)
    cells += [f"{bandwidth / 1e9:.0f} GB/s", f"{100 * share:.0f}%",
              f"{100 * median(ours, 'fma_share'):.0f}%"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--glass", default="build/glass")
    parser.add_argument("--llama", help="llama.cpp's llama-bench")
    parser.add_argument("--ik", help="ik_llama.cpp's llama-bench")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--predict", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prefix", default="", help="put before every command, as in 'taskset -c 0,1'")
    options = parser.parse_args()
    options.prefix = options.prefix.split()
    print("| file | prompt: Glass | llama.cpp | ik_llama.cpp | Glass / ik | answer: Glass | "
          "llama.cpp | ik_llama.cpp | Glass / ik | bandwidth | answer's share of it | "
          "prompt's share of the f32 FMA peak |")
    print("|---" * 12 + "|")
    for model in options.models:
        report(model, measure(options, model))


if __name__ == "__main__":
    sys.exit(main())
