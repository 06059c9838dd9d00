#!/usr/bin/env python3
"""first_token.py [--rounds N] -- COMMAND... - from a program's start to its first byte of output.

Runs the command N times (default 9) and prints the median and the largest time until the first
byte of standard output, until its end, and the most memory that it held. The file should be in
the page cache: the first run is not counted.

  bench/first_token.py -- build/glass complete model.gguf -p Hi -n 1 --temp 0 -t 2
"""
import argparse
import os
import statistics
import subprocess
import sys
import time


def once(command):
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    first = child.stdout.read(1)
    at_first = time.monotonic() - start
    child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or not first:
        sys.exit(f"{command[0]} ended with status {child.returncode} and "
                 f"{'some' if first else 'no'} output")
    return at_first, time.monotonic() - start, usage.ru_maxrss / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    runs = [once(options.command) for _ in range(options.rounds + 1)][1:]
    first, end, memory = zip(*runs)
    print(f"first byte {statistics.median(first):.3f} s (at most {max(first):.3f}), end "
          f"{statistics.median(end):.3f} s, {max(memory):.0f} MB held")


if __name__ == "__main__":
    main()
