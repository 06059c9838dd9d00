"""corpus_session.py FOLDER - seeds for fuzz_session: files of 0, 3 and 16 tokens for the tests'
Llama (2 layers, 2 key/value heads of 8), caches in f32 and f16. The target fills in the
model's fingerprint and the checksum."""
import os
import struct
import sys


def session(n_tokens, dtype, n_bytes):
    header = b"GLASSSES" + struct.pack("<II", 1, dtype) + bytes(32)
    header += struct.pack("<qqqq", n_tokens, 2, 2, 8)
    tokens = struct.pack(f"<{n_tokens}i", *(7 * i % 61 for i in range(n_tokens)))
    return header + tokens + bytes(2 * 2 * n_tokens * 2 * 8 * n_bytes)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for dtype, n_bytes in ((0, 4), (1, 2)):
        for n_tokens in (0, 3, 16):
            with open(os.path.join(folder, f"{dtype}-{n_tokens}"), "wb") as f:
                f.write(bytes([dtype]) + session(n_tokens, dtype, n_bytes))


main(sys.argv[1])
