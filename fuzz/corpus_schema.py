"""corpus_schema.py FOLDER - seeds for fuzz_schema: the schemas of tests/text/data/schemas.json."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(HERE, "../tests/text/data/schemas.json"), encoding="utf-8") as f:
        cases = json.load(f)
    for i, case in enumerate(cases):
        with open(os.path.join(folder, f"seed-{i}"), "wb") as f:
            f.write(bytes([i & 3]) + json.dumps(case["schema"], ensure_ascii=False).encode())


main(sys.argv[1])
