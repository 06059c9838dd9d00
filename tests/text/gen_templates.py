#!/usr/bin/env python3
"""Writes what jinja2 3.1.6 makes of chat templates, for test_templates.py to compare with.

  gen_templates.py shared ARCHIVE > data/template_digests.json
      The published templates of a .tar.xz archive, which stay outside the project: per
      template a digest of its text, one of all its results, and 8 hexadecimal digits for each
      conversation (template_reference.py), "--------" where jinja2 raises.
  gen_templates.py cases > data/template_cases.json
      The project's own snippets (template_snippets.py) with their results in full.

Needs jinja2 (pip install jinja2==3.1.6)."""
import hashlib
import json
import sys
import tarfile

import template_reference

RAISES = "--------"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def archive_templates(path):
    """(name, text) of each .jinja file, in order."""
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            if member.name.endswith(".jinja"):
                yield (member.name.rsplit("/", 1)[-1],
                       archive.extractfile(member).read().decode())


def cell(text):
    return RAISES if text is None else digest(text)[:8]


def whole(texts):
    return digest("\0".join(RAISES if t is None else t for t in texts))


def shared(path):
    env = template_reference.environment()
    conversations = template_reference.conversations()
    out = {"conversations": list(conversations), "templates": {}}
    for name, template in archive_templates(path):
        texts = [template_reference.reference(env, template, v)
                 for v in conversations.values()]
        out["templates"][name] = {"template": digest(template), "all": whole(texts),
                                  "each": "".join(map(cell, texts))}
    return out


def cases():
    import template_snippets
    env = template_reference.environment()
    out = []
    for name, template, variables in template_snippets.snippets():
        text = template_reference.reference(env, template, variables)
        out.append({"name": name, "template": template, "variables": variables, "text": text})
        if text is None:
            out[-1]["raises"] = template_reference.reference.error
    return out


if __name__ == "__main__":
    result = shared(sys.argv[2]) if sys.argv[1] == "shared" else cases()
    json.dump(result, sys.stdout, indent=0, ensure_ascii=False)
    print()
