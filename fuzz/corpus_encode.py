"""corpus_encode.py FOLDER - texts for fuzz_encode: each kind of vocabulary with words, numbers,
white space, many scripts, broken UTF-8, control tokens and long runs."""
import os
import sys

TEXTS = [
    b"The cat theory of HTTPServer: it's 2024, they've said. \"abab!!\" (the)\n\n  \n\tend ",
    "thé théâtre, 你好 мир \u2003\u00a0\u0085\u1680\u3000x ß ǅ ʰ Ⅷ ½ ٣ 🦙🦙 e\u0301 \ufffd "
    "I'LL 'ſ don’t".encode(),
    b"\xff\xfe\xc3(\xe2\x82 \xf0\x9f\xa6 \xed\xa0\x80 \xc0\xaf \x80abc\x00\x01\x7f",
    b"<|a|b|><|a|> [U]the[U] <s></s><unk><0x41><| |>",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa        \r\n\r\n\t\t77777777777",
    "▁▁the▁ ▁cat ▁".encode(),
]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for kind in range(20):
        for i, text in enumerate(TEXTS):
            with open(os.path.join(folder, f"{kind}-{i}"), "wb") as f:
                f.write(bytes([kind, 0x57 + i]) + text)


main(sys.argv[1])
