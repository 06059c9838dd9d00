#!/usr/bin/env python3
"""Chat templates render as Python's jinja2 does: the project's snippets against committed
texts, the published templates (shared data) against committed digests."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import gen_templates  # noqa: E402
import template_reference  # noqa: E402

TOOL = os.path.join(os.environ.get("GLASS_BUILD", "build"), "tests/tools/template_render")
ARCHIVE = os.path.join(os.environ.get("GLASS_SHARED", "../shared/data"),
                       "tokenizers/chat-templates.tar.xz")
count = failures = 0


def verdict(good, name, why=""):
    global count, failures
    count += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good and why:
        print("# " + why.replace("\n", "\n# "))


def skip(name, why):
    global count
    count += 1
    print(f"ok {count} - {name} # SKIP {why}")


def render(jobs):
    """[(template, variables)] -> [text or None, …], and the answers in full."""
    lines = [json.dumps({"template": t, "variables": v, "now": template_reference.NOW})
             for t, v in jobs]
    done = subprocess.run([TOOL], input="\n".join(lines).encode(), stdout=subprocess.PIPE,
                          check=True)
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def data(name):
    with open(os.path.join(HERE, "data", name), encoding="utf-8") as file:
        return json.load(file)


def check_cases():
    cases = data("template_cases.json")
    answers = render([(c["template"], c["variables"]) for c in cases])
    verdict(len(answers) == len(cases), "every snippet is answered")
    groups = {}
    for case, answer in zip(cases, answers):
        group = groups.setdefault(case["name"].split(":")[0], [0, []])
        group[0] += 1
        got = answer.get("text")
        spans = answer.get("plain", [])
        size = len(got.encode()) if got is not None else 0
        if got != case["text"]:
            group[1].append(f"{case['template']!r}: expected "
                            f"{case['text'] if case['text'] is not None else case['raises']!r}"
                            f", got {answer}")
        elif any(not a < b for a, b in spans) or any(
                a[1] >= b[0] for a, b in zip(spans, spans[1:])) or (
                spans and spans[-1][1] > size):
            group[1].append(f"{case['template']!r}: spans {spans}")
    for name, (n, wrong) in groups.items():
        verdict(not wrong, f"{name}: {n} snippets", "\n".join(wrong[:5]))


def check_shared():
    expected = data("template_digests.json")
    if not os.path.exists(ARCHIVE):
        skip("published templates", "no shared data")
        return
    conversations = template_reference.conversations()
    verdict(list(conversations) == expected["conversations"], "the conversations are known")
    templates = list(gen_templates.archive_templates(ARCHIVE))
    jobs = [(text, v) for _, text in templates for v in conversations.values()]
    answers = render(jobs)
    verdict(len(answers) == len(jobs), "every rendering is answered")
    for i, (name, text) in enumerate(templates):
        want = expected["templates"].get(name)
        if want is None or want["template"] != gen_templates.digest(text):
            skip(name, "another version of the template")
            continue
        mine = answers[i * len(conversations):(i + 1) * len(conversations)]
        texts = [a.get("text") for a in mine]
        wrong = [f"{c}: {a}" for k, (c, a) in enumerate(zip(conversations, mine))
                 if gen_templates.cell(a.get("text")) != want["each"][8 * k:8 * k + 8]]
        verdict(not wrong and gen_templates.whole(texts) == want["all"], name,
                "\n".join(w[:300] for w in wrong[:3]))


check_cases()
check_shared()
sys.exit(failures > 0)
