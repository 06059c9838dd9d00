"""corpus_template.py FOLDER - seeds for fuzz_template: the snippets that the tests compare with
jinja2, and the published templates where the shared data is."""
import json
import os
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "../tests/text/data/template_cases.json")
ARCHIVE = os.path.join(os.environ.get("GLASS_SHARED", os.path.join(HERE, "../../shared/data")),
                       "tokenizers/chat-templates.tar.xz")


def seeds():
    with open(CASES, encoding="utf-8") as f:
        for i, case in enumerate(json.load(f)):
            variables = json.dumps(case["variables"]) if case["variables"] else "{}"
            yield f"case-{i}", case["template"].encode() + b"\0" + variables.encode()
    if os.path.exists(ARCHIVE):
        with tarfile.open(ARCHIVE) as archive:
            for i, member in enumerate(archive.getmembers()):
                if member.name.endswith(".jinja"):
                    yield f"published-{i}", archive.extractfile(member).read()


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


main(sys.argv[1])
