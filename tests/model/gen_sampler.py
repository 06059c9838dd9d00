#!/usr/bin/env python3
"""gen_sampler.py OUT - what the sampler must choose, by an implementation in numpy.

Each step is written from its paper or definition (docs/sampling.md), in binary64 and with
whole sorts, so that nothing is shared with src/model/sampler*.c. Where a choice would hang on the
last bits of a number (a draw beside a boundary, a mass just reached), the case is made anew with
other logits, so that binary32 and binary64 must agree. Writes OUT/sampler.json, an array of cases,
and OUT/sampler.sha256.
"""
import hashlib
import json
import math
import os
import sys

import numpy as np

MASK = 0xFFFFFFFF
STREAM = 0x5A
DEFAULTS = dict(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, typical_p=1.0, repeat_penalty=1.0,
                presence_penalty=0.0, frequency_penalty=0.0, penalty_last_n=64, mirostat=0,
                mirostat_tau=5.0, mirostat_eta=0.1, dry_multiplier=0.0, dry_base=1.75,
                dry_allowed_length=2, dry_last_n=-1, xtc_probability=0.0, xtc_threshold=0.1,
                seed=0)


class Close(Exception):
    """A decision that rounding could turn."""


def apart(a, b, least=2e-5):
    if abs(a - b) < least * max(abs(a), abs(b), 1e-30) or math.isnan(a - b):
        raise Close
    return a


def philox(counter, key):
    """Salmon et al., 2011: Philox4x32-10."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & MASK, (p >> 32) ^ c[3] ^ k[1], p & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def uniform(seed, i):
    word = philox([i & MASK, i >> 32, STREAM, 0], [seed & MASK, seed >> 32])[0]
    return (word >> 8) / 2.0 ** 24


def make_logits(n, seed, spread):
    """Multiples of 1/64, many of them equal; test_sampler.c makes the same."""
    h = (np.arange(n, dtype=np.uint64) * 2654435761 + seed * 40503 + 12345) & MASK
    total = np.zeros(n, dtype=np.int64)
    for _ in range(3):
        h ^= h >> np.uint64(15)
        h = h * 0x2C1B3C6D & MASK
        h ^= h >> np.uint64(12)
        h = h * 0x297A2D39 & MASK
        h ^= h >> np.uint64(15)
        total += (h >> np.uint64(23)).astype(np.int64)
    return (total - 766) * spread / 64.0


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def in_order(ids, x):
    """Larger logit first, lower id on ties."""
    order = np.lexsort((ids, -x))
    gaps = -np.diff(x[order])
    if np.any((gaps > 0) & (gaps < 1e-5)):
        raise Close
    return order


def penalties(o, x, history):
    window = history[len(history) - o["penalty_last_n"]:] if 0 <= o["penalty_last_n"] < len(
        history) else history
    if o["penalty_last_n"] == 0:
        window = []
    for id in set(window):
        if id >= len(x):
            continue
        x[id] = x[id] / o["repeat_penalty"] if x[id] > 0 else x[id] * o["repeat_penalty"]
        x[id] -= o["presence_penalty"] + window.count(id) * o["frequency_penalty"]


def dry(o, x, history, breakers):
    """For every earlier position, how long a run before it equals the history's end."""
    if o["dry_multiplier"] == 0:
        return
    window = history if o["dry_last_n"] < 0 else history[max(0, len(history) - o["dry_last_n"]):]
    longest = {}
    for at in range(1, len(window)):
        length = 0
        while (length < at and window[at - 1 - length] == window[len(window) - 1 - length]
               and window[at - 1 - length] not in breakers):
            length += 1
        longest[window[at]] = max(longest.get(window[at], 0), length)
    for id, length in longest.items():
        if length >= o["dry_allowed_length"] and id not in breakers and id < len(x):
            x[id] -= o["dry_multiplier"] * o["dry_base"] ** (length - o["dry_allowed_length"])


def top_p(o, ids, x):
    order = in_order(ids, x)
    ids, x = ids[order], x[order]
    p = softmax(x)
    sums = np.cumsum(p)
    k = int(np.searchsorted(sums, o["top_p"])) + 1
    for edge in sums[max(0, k - 2):k]:
        apart(edge, o["top_p"])
    return ids[:k], x[:k]


def typical(o, ids, x):
    """Meister et al.: the smallest set, nearest to the entropy first, that has the mass."""
    p = softmax(x)
    surprise = -np.log(p)
    distance = np.abs(surprise - (p * surprise).sum())
    # Equal logits are equally far; the earlier in the list comes first.
    order = np.lexsort((np.arange(len(x)), np.round(distance, 9)))
    gaps = np.diff(distance[order])
    if np.any((np.abs(gaps) < 1e-4) & (x[order][1:] != x[order][:-1])):
        raise Close
    sums = np.cumsum(p[order])
    k = int(np.searchsorted(sums, o["typical_p"])) + 1
    for edge in sums[max(0, k - 2):k]:
        apart(edge, o["typical_p"])
    keep = np.sort(order[:k])
    return ids[keep], x[keep]


def min_p(o, ids, x):
    share = np.exp(x - x.max())
    if np.any((np.abs(share - o["min_p"]) < 1e-5 * o["min_p"]) & (share < 1)):
        raise Close
    keep = share >= o["min_p"]
    return ids[keep], x[keep]


def xtc(o, ids, x, u):
    if u >= o["xtc_probability"]:
        return ids, x
    p = softmax(x)
    if np.any(np.abs(p - o["xtc_threshold"]) < 1e-5 * o["xtc_threshold"]):
        raise Close
    above = np.flatnonzero(p >= o["xtc_threshold"])
    if len(above) < 2:
        return ids, x
    last = above[in_order(ids[above], x[above])[-1]]
    keep = np.array([i == last or p[i] < o["xtc_threshold"] for i in range(len(x))])
    return ids[keep], x[keep]


def draw(ids, x, u):
    sums = np.cumsum(softmax(x))
    i = int(np.searchsorted(sums, u, side="right"))
    for edge in sums[max(0, i - 1):i + 1]:
        if abs(edge - u) < 3e-6:
            raise Close
    return min(i, len(ids) - 1)


def mirostat(o, ids, x, mu, u):
    """Basu et al.: algorithms 1 (mirostat 1) and its later, simpler form (2), in bits."""
    p = softmax(x)
    order = in_order(ids, x)
    if o["mirostat"] == 1:
        best = p[order][:100]
        t = [math.log((i + 2) / (i + 1)) for i in range(len(best) - 1)]
        b = [math.log(best[i] / best[i + 1]) for i in range(len(best) - 1)]
        s = sum(ti * bi for ti, bi in zip(t, b)) / sum(ti * ti for ti in t)
        eps = s - 1
        if abs(eps) < 0.05:
            raise Close
        k = (eps * 2 ** mu / (1 - len(p) ** -eps)) ** (1 / s)
        if abs(k - round(k)) < 0.01 + 1e-4 * k:
            raise Close
        keep = order[:max(1, min(len(p), int(k)))]
    else:
        surprise = -np.log2(p)
        if np.any(np.abs(surprise - mu) < 1e-4):
            raise Close
        keep = np.flatnonzero((surprise <= mu) | (np.arange(len(p)) == order[0]))
        if surprise.min() > mu:
            keep = np.flatnonzero(x == x.max())
    i = draw(ids[keep], x[keep], u)
    mu -= o["mirostat_eta"] * (-math.log2(p[keep][i]) - o["mirostat_tau"])
    return int(ids[keep][i]), mu


def run(o, n, seed, spread, history, count, bias, breakers):
    history, ids_out, draws, mu = list(history), [], 0, 2 * o["mirostat_tau"]
    for step in range(count):
        x = make_logits(n, seed + step, spread)
        for id, value in bias:
            x[id] += value if value is not None else -math.inf
        penalties(o, x, history)
        dry(o, x, history, breakers)
        ids = np.flatnonzero(x > -math.inf)
        x = x[ids]
        if o["temperature"] == 0:
            id = int(ids[in_order(ids, x)[0]])
        elif o["mirostat"]:
            id, mu = mirostat(o, ids, x / o["temperature"], mu, uniform(o["seed"], draws))
            draws += 1
        else:
            if 0 < o["top_k"] < n:
                order = in_order(ids, x)[:o["top_k"]]
                ids, x = ids[order], x[order]
            if o["typical_p"] < 1:
                ids, x = typical(o, ids, x)
            if o["top_p"] < 1:
                ids, x = top_p(o, ids, x)
            if o["min_p"] > 0:
                ids, x = min_p(o, ids, x)
            if o["xtc_probability"] > 0:
                ids, x = xtc(o, ids, x, apart(uniform(o["seed"], draws), o["xtc_probability"]))
                draws += 1
            id = int(ids[draw(ids, x / o["temperature"], uniform(o["seed"], draws))])
            draws += 1
        history.append(id)
        ids_out.append(id)
    return ids_out


def cases():
    """(name, n, spread, count, options, more); spread 1 is flat, 16 is sharp."""
    loop = [5, 6, 7, 8, 9, 5, 6, 7, 8, 4, 3, 5, 6, 7]
    for n in (50, 700, 4096, 50257):
        few = 12 if n < 4096 else 6
        yield "greedy", n, 4, few, dict(temperature=0), {}
        yield "temperature", n, 1, few, dict(temperature=0.7, seed=11), {}
        yield "hot", n, 2, few, dict(temperature=3.5, seed=2 ** 62 + 5), {}
        for k in (1, 3, 40, 600):
            yield "top-k", n, 2, few, dict(top_k=k, seed=k), {}
        for p in (0.0, 0.3, 0.9, 0.99):
            yield "top-p", n, 2 if n < 4096 else 8, few, dict(top_p=p, seed=3), {}
        yield "top-k, top-p", n, 2, few, dict(top_k=30, top_p=0.8, seed=4), {}
        for p in (0.02, 0.3, 1.0):
            yield "min-p", n, 2, few, dict(min_p=p, seed=5), {}
        for p in (0.2, 0.9):
            yield "typical", min(n, 700), 2, few, dict(typical_p=p, seed=6), {}
            yield "typical of top-k", n, 3, few, dict(top_k=50, typical_p=p, seed=6), {}
        for q in (0.5, 1.0):
            yield "XTC", n, 8, 12, dict(xtc_probability=q, xtc_threshold=0.05, seed=7), {}
        yield "XTC after min-p", n, 8, 12, dict(min_p=0.01, xtc_probability=0.8,
                                                xtc_threshold=0.02, seed=8), {}
        yield "usual", n, 8, 12, dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05,
                                      seed=9), {}
        for m in (1, 2):
            yield "mirostat", n, 6, 12, dict(mirostat=m, mirostat_tau=3.0, seed=10), {}
            yield "mirostat, slow", n, 4, 8, dict(mirostat=m, mirostat_eta=0.02, temperature=0.8,
                                                  mirostat_tau=5.0, seed=12), {}
    for last in (0, 3, 64, -1):
        yield "repetition", 50, 3, 12, dict(repeat_penalty=1.3, penalty_last_n=last, seed=13), {
            "history": loop}
    yield "presence", 50, 3, 12, dict(presence_penalty=1.5, seed=14), {"history": loop}
    yield "frequency", 50, 3, 12, dict(frequency_penalty=0.75, penalty_last_n=-1, seed=15), {
        "history": loop * 3}
    yield "all penalties, greedy", 50, 3, 20, dict(
        temperature=0, repeat_penalty=1.25, presence_penalty=0.5, frequency_penalty=-0.25), {
            "history": loop + [70, 2000000]}
    for allowed in (0, 1, 2, 4):
        yield "DRY", 12, 2, 30, dict(dry_multiplier=0.8, dry_allowed_length=allowed, seed=16), {
            "history": loop * 2}
        yield "DRY, greedy", 12, 1, 30, dict(temperature=0, dry_multiplier=1.5, dry_base=1.25,
                                             dry_allowed_length=allowed), {"history": loop * 2}
    yield "DRY in a window", 12, 2, 30, dict(dry_multiplier=2.0, dry_last_n=9, seed=17), {
        "history": loop * 2}
    yield "DRY and breakers", 12, 2, 30, dict(dry_multiplier=2.0, dry_allowed_length=1, seed=18), {
        "history": loop * 2, "breakers": [7, 11]}
    yield "DRY, greedy, and breakers", 12, 1, 30, dict(
        temperature=0, dry_multiplier=4.0, dry_allowed_length=1), {
            "history": loop * 2, "breakers": [6]}
    yield "DRY spares breakers", 12, 1, 1, dict(
        temperature=0, dry_multiplier=90.0, dry_allowed_length=1), {
            "history": [1, 5, 6, 2, 5, 6, 3, 5], "breakers": [6], "bias": [[6, 60.0]]}
    yield "bias", 50, 2, 12, dict(seed=19), {"bias": [[3, 5.5], [4, None], [3, 2.0], [9, -100.0]]}
    yield "all but two banned", 50, 2, 12, dict(top_p=0.9, seed=20), {
        "bias": [[i, None] for i in range(50) if i not in (17, 31)]}


def main():
    out = sys.argv[1]
    done = []
    for i, (name, n, spread, count, options, more) in enumerate(cases()):
        o = dict(DEFAULTS, **options)
        for seed in range(1000 * i, 1000 * i + 1000):
            try:
                ids = run(o, n, seed, spread, more.get("history", []), count,
                          more.get("bias", []), set(more.get("breakers", [])))
                break
            except Close:
                continue
        else:
            sys.exit(f"{name}, {n}: no logits without a close decision")
        done.append(dict(name=name, n=n, spread=spread, logits=seed, options=options, ids=ids,
                         **more))
    text = "[\n" + ",\n".join(json.dumps(c) for c in done) + "\n]\n"
    with open(os.path.join(out, "sampler.json"), "w") as f:
        f.write(text)
    with open(os.path.join(out, "sampler.sha256"), "w") as f:
        f.write(hashlib.sha256(text.encode()).hexdigest() + "  sampler.json\n")
    print(len(done), "cases")


main()
