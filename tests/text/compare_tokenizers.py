#!/usr/bin/env python3
"""compare_tokenizers.py [--mb N] [--seed S] [--seconds T] FOLDER … - encodings of each FOLDER's
tokenizer.json, here and by the tokenizers library, of N MB of mixed text: one TAP line a folder,
with the first differences.

Run it with a Python that has the tokenizers library. The folders are a model's, or
make_tokenizers.py's. The text: English and code from the shared data and this system, messages
in many languages from its catalogues, words of every script from Unicode's tables, emoji, white
space, special tokens, bytes that are not UTF-8, long runs of one character. The library takes
no broken bytes, so both get U+FFFD in their place; the bytes as they were go through our encode
and decode alone and must come back."""
import argparse
import gettext
import glob
import itertools
import json
import os
import random
import re
import struct
import subprocess
import sys
import time
import unicodedata

SHARED = os.environ.get("GLASS_SHARED", "../shared/data")
TOOL = os.path.join(os.environ.get("GLASS_BUILD", "build"), "tests/tools/tokenize_texts")
ADD_SPECIAL, PARSE_SPECIAL, NO_CHECK = 1, 2, 256
BATCH = 4_000_000


# ---- texts: generators of pieces of some kilobytes, endless where they can be

def pieces(text, rng):
    at = 0
    while at < len(text):
        n = rng.choice((200, 1000, 3000, 12000))
        yield text[at:at + n]
        at += n


def english(rng):
    names = sorted(glob.glob(os.path.join(SHARED, "text/*.zst")))
    rng.shuffle(names)
    for name in names:
        with subprocess.Popen(["zstdcat", name], stdout=subprocess.PIPE) as source:
            for _ in range(12):
                chunk = source.stdout.read(1_000_000).decode(errors="replace")
                if chunk == "":
                    break
                yield from pieces(chunk, rng)
            source.kill()


def code(rng):
    names = [*glob.glob("/usr/include/**/*.h", recursive=True), *glob.glob("src/**/*.c"),
             *glob.glob("/usr/lib/python3*/**/*.py", recursive=True)]
    names.sort()
    rng.shuffle(names)
    for name in names:
        try:
            with open(name, encoding="utf-8", errors="replace", newline="") as f:
                yield from pieces(f.read(200_000), rng)
        except OSError:
            continue


def messages(rng):
    """Translations that the system's programs come with, and glibc's descriptions of locales."""
    names = [*glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo"),
             *glob.glob("/usr/share/vim/*/lang/*/LC_MESSAGES/*.mo")]
    names.sort()
    rng.shuffle(names)
    for name in names:
        try:
            with open(name, "rb") as f:
                catalogue = gettext.GNUTranslations(f)
        except (OSError, ValueError, UnicodeDecodeError):
            continue
        lines = [v for v in catalogue._catalog.values() if isinstance(v, str)]
        yield from pieces("\n".join(lines), rng)
    for name in sorted(glob.glob("/usr/share/i18n/locales/*")):
        with open(name, encoding="utf-8", errors="replace") as f:
            text = re.sub(r"<U([0-9A-Fa-f]{4,6})>", lambda m: chr(int(m[1], 16)), f.read(300_000))
        yield from pieces(re.sub("[\ud800-\udfff]", "\ufffd", text), rng)


def scripts(rng):
    """Words of the characters of one block. Only characters whose kind has not changed since
    Unicode 3.2: the tables of the libraries are of different ages."""
    blocks = {}
    for c in itertools.chain(range(0xD800), range(0xE000, 0x30000)):
        kind = unicodedata.ucd_3_2_0.category(chr(c))
        if kind not in ("Cn", "Co", "Cs") and kind == unicodedata.category(chr(c)):
            blocks.setdefault(c >> 7, []).append(chr(c))
    blocks = list(blocks.values())
    ends = ["", " ", " ", "  ", "\n", "\r\n\t", ", ", "'s", "'LL ", "12345", "\u00a0", "\u2003",
            "e\u0301", "!?", "\U0001f999", "\u2581", " \u2581"]
    while True:
        out = []
        for _ in range(rng.randint(1, 400)):
            block = rng.choice(blocks)
            out.append("".join(rng.choice(block) for _ in range(rng.randint(1, 9))))
            out.append(rng.choice(ends))
        yield "".join(out)


def emoji(rng):
    faces = [chr(c) for c in itertools.chain(range(0x1F300, 0x1F5FF), range(0x1F600, 0x1F64F),
                                             range(0x2600, 0x26FF))]
    flags = [chr(c) for c in range(0x1F1E6, 0x1F200)]
    skins = [chr(c) for c in range(0x1F3FB, 0x1F400)]
    while True:
        out = []
        for _ in range(rng.randint(1, 300)):
            kind = rng.random()
            if kind < .2:
                out.append(rng.choice(flags) + rng.choice(flags))
            elif kind < .4:
                out.append("\u200d".join(rng.choice(faces) for _ in range(rng.randint(2, 4))))
            elif kind < .6:
                out.append(rng.choice(faces) + rng.choice(skins + ["\ufe0f"]))
            else:
                out.append(rng.choice(faces) * rng.choice((1, 1, 2, 5)))
            out.append(rng.choice(["", "", " ", "\n", "ok ", "1"]))
        yield "".join(out)


def white(rng):
    spaces = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000", "\u2028", "\x85",
              "\x0b", "\x0c", "\u200b", "\u1680", " " * 7, " " * 30, "\n" * 5]
    words = ["x", "if", "Return", "{", "}", "1", "0x1F", "''", "'s", "--", "\u4f60", "\u00e9"]
    while True:
        out = []
        for _ in range(rng.randint(1, 500)):
            out += rng.choices(spaces, k=rng.randint(1, 4))
            out += rng.choices(words, k=rng.randint(0, 2))
        yield "".join(out)


def runs(rng):
    units = ["a", " ", "\n", "!", "7", "=", "-", "ab", "the", " the", "\t", "\u00e9", "\u4f60",
             "\U0001f999", "\u0301", "'", " \n", "a ", "0 ", "\r\n", "Aa", "\u2003", "\u2581",
             "e\u0301", "\u0928\u094d", "x" * 41, "\ufffd", ".", "_", "\u1100\u1161\u11a8"]
    while True:
        unit = rng.choice(units)
        n = rng.choice((1, 2, 3, 10, 100, 1000, rng.randint(1000, 20000)))
        yield rng.choice(["", "x", " "]) + unit * n + rng.choice(["", "y", " ", " z"])


def broken(rng):
    """As bytes: text with bytes changed, cut and put in, and bytes at random."""
    sources = [english(rng), scripts(rng), code(rng)]
    while True:
        if rng.random() < .3:
            yield rng.randbytes(rng.randint(1, 4000))
            continue
        source = rng.choice(sources)
        text = next(source, None)
        if text is None:
            sources.remove(source)
            continue
        data = bytearray(text.encode())
        for _ in range(1 + len(data) // 50):
            at = rng.randrange(len(data) + 1)
            data[at:at + rng.choice((0, 1, 1, 3))] = rng.randbytes(rng.choice((0, 1, 1, 2)))
        yield bytes(data)


def special(rng, names):
    """Special tokens, whole and cut, with white space beside them."""
    words = ["hello", " world", "Hi", "\n", " ", "  ", "\t", "1", "\u00e9", "<", "|>", "</s", ""]
    while True:
        out = []
        for _ in range(rng.randint(1, 60)):
            name = rng.choice(names)
            kind = rng.random()
            if kind < .2:
                name = name[:rng.randrange(len(name) + 1)]
            elif kind < .25:
                name = name.upper()
            out += [*rng.choices(words, k=rng.randint(0, 3)), name]
        yield "".join(out + rng.choices(words, k=2))


SHARES = [(english, 30), (code, 15), (messages, 15), (scripts, 12), (emoji, 4), (white, 4),
          (runs, 8), (broken, 8), (special, 4)]


def mixed(rng, n_bytes, names):
    """(text, raw bytes or None): all sources in turn, each its share, until there is enough.
    A source that ends gives its share to the others."""
    live = [[make(rng, names) if make is special else make(rng), share, 0]
            for make, share in SHARES if make is not special or names]
    made = 0
    while made < n_bytes and live:
        source = min(live, key=lambda s: s[2] / s[1])
        piece = next(source[0], None)
        if piece is None:
            live.remove(source)
            continue
        raw = piece if isinstance(piece, bytes) else None
        text = piece.decode(errors="replace") if raw is not None else piece
        n = len(text.encode())
        made += n
        source[2] += n
        yield text, raw


# ---- the comparison

def ours(folder, texts, flags):
    data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
    done = subprocess.run([TOOL, folder, str(flags)], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.decode())
    out, at = [], 0
    while at < len(done.stdout):
        n, = struct.unpack_from("<I", done.stdout, at)
        out.append(list(struct.unpack_from(f"<{n}i", done.stdout, at + 4)))
        at += 4 + 4 * n
    return out


def batches(source):
    batch, size = [], 0
    for item in source:
        batch.append(item)
        size += len(item[0])
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def difference(text, mine, theirs):
    k = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b),
             min(len(mine), len(theirs)))
    return (f"{text[:80]!r} ({len(text)}): token {k}: ours {mine[max(k - 2, 0):k + 4]}, "
            f"theirs {theirs[max(k - 2, 0):k + 4]}")


def comes_back(tokenizer):
    """Whether every text comes back from its ids: byte-level, all bytes, nothing normalised."""
    form = tokenizer.get("normalizer"), tokenizer["model"].get("byte_fallback")
    strips = any(t["lstrip"] or t["rstrip"] for t in tokenizer["added_tokens"])
    if form[0] is not None or form[1] or strips or "add_prefix_space\": true" in json.dumps(
            tokenizer["pre_tokenizer"]):
        return False
    plain = [b for b in range(256) if 33 <= b <= 126 or b >= 161 and b != 173]
    chars = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]
    return all(c in tokenizer["model"]["vocab"] for c in chars)


class Folder:
    """One folder's tokenizer.json, and what was found with it so far."""

    def __init__(self, path):
        import tokenizers
        self.path = path
        self.name = os.path.basename(os.path.normpath(path))
        file = os.path.join(path, "tokenizer.json")
        with open(file, encoding="utf-8") as f:
            described = json.load(f)
        self.peer = tokenizers.Tokenizer.from_file(file)
        self.specials = [t["content"] for t in described["added_tokens"]][:40]
        self.check = 0 if comes_back(described) else NO_CHECK
        self.wrong, self.n_texts, self.n_tokens, self.size = [], 0, 0, 0

    def compare(self, batch, special):
        flags = PARSE_SPECIAL | self.check | (ADD_SPECIAL if special else 0)
        texts = [t for t, _ in batch]
        # Decoding shows BOS, so that a text with one cannot be compared.
        mine = ours(self.path, [t.encode() for t in texts], flags | (NO_CHECK if special else 0))
        theirs = self.peer.encode_batch_fast(texts, add_special_tokens=special)
        for text, a, b in zip(texts, mine, theirs):
            if a != b.ids:
                self.wrong.append(difference(text, a, b.ids))
        ours(self.path, [raw for _, raw in batch if raw is not None], PARSE_SPECIAL | self.check)
        self.n_texts += len(texts)
        self.n_tokens += sum(map(len, mine))
        self.size += sum(len(t.encode()) for t in texts)
        if len(mine) != len(texts):
            self.wrong.append("texts are missing")

    def verdict(self, number):
        print(f"{'not ok' if self.wrong else 'ok'} {number} - {self.name}: {self.n_texts} texts, "
              f"{self.size / 1e6:.1f} MB, {self.n_tokens} tokens")
        for line in self.wrong[:8] + [f"{len(self.wrong)} differ"] * bool(self.wrong):
            print("# " + line.replace("\n", "\n# "))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after")
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    folders = [Folder(path) for path in args.folders]
    names = list(dict.fromkeys(name for folder in folders for name in folder.specials))
    start, size = time.time(), 0
    for number, batch in enumerate(batches(mixed(random.Random(args.seed), int(args.mb * 1e6),
                                                 names))):
        for folder in folders:
            try:
                if len(folder.wrong) < 1000:
                    folder.compare(batch, number % 2 == 1)
            except ValueError as error:
                folder.wrong.append(str(error))
        size += sum(len(t) for t, _ in batch)
        print(f"# {size / 1e6:.1f} million characters, {time.time() - start:.0f} s "
              f"({sum(os.times()[:4]):.0f} s of the processor), differing: "
              f"{[len(folder.wrong) for folder in folders]}", file=sys.stderr, flush=True)
        if time.time() - start > args.seconds:
            break
    for number, folder in enumerate(folders, 1):
        folder.verdict(number)
    print(f"1..{len(folders)}")
    failed = sum(bool(folder.wrong) for folder in folders)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
