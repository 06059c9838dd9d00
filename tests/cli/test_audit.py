#!/usr/bin/env python3
"""glass audit: licences recognised whatever their form, changes shown at their bytes, sixty and more
questions of "may I" answered by sections."""
import html
import json
import os
import re
import shutil
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tiny_model  # noqa: E402
from kit import ROOT, Home, done, equal, has, ok, skip  # noqa: E402

SHARED = os.environ.get("GLASS_SHARED", os.path.join(ROOT, "../shared/data"))
OPEN = os.path.join(SHARED, "openness")
APACHE = os.path.join(ROOT, "LICENSE")
COMMON = "/usr/share/common-licenses/"


def text_of(name):
    """A published text of the shared data, or None."""
    for folder in ("licences", "schemas/spdx-licence-list/text"):
        path = os.path.join(OPEN, folder, name)
        if os.path.isfile(path):
            return path
    return None


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(home, name, text):
    path = os.path.join(home.path, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def licence(home, path):
    """The licences that glass finds in a file."""
    return home.json("audit", "--license", path, "--json").get("licences", [])


def page(text, width=72):
    """A text as a program gets it out of a page: words broken at line ends, ligatures, page numbers."""
    lines, pages = [], []
    for p in re.split(r"\n\s*\n", text):
        line = ""
        for w in re.sub(r"\s+", " ", p).strip().split(" "):
            room = width - len(line) - 2
            if len(line) + 1 + len(w) <= width:
                line = (line + " " + w).strip()
            elif room >= 3 and len(w) >= 7 and w.isalpha() and w.islower() and len(lines) % 40 != 39:
                cut = min(room, len(w) - 3)
                lines.append(line + " " + w[:cut] + "-")
                line = w[cut:]
            else:
                lines.append(line)
                line = w
        lines += [line, ""]
    for i in range(0, len(lines), 40):
        number = str(i // 40 + 1)
        pages.append("\n".join(lines[i:i + 40]) + ("\n\n%s\n\f" if i % 80 else "\n\nPage %s of 99\n\n") % number)
    text = "\n".join(pages)
    for letters, one in (("ffi", "\ufb03"), ("ffl", "\ufb04"), ("ff", "\ufb00"), ("fi", "\ufb01"), ("fl", "\ufb02")):
        text = text.replace(letters, one)
    return text


def forms(text):
    """The same words in other clothes."""
    lines = text.split("\n")
    paragraphs = re.split(r"\n\s*\n", text)
    flat = [re.sub(r"\s+", " ", p).strip() for p in paragraphs]
    yield "wrapped at 40", "\n\n".join(textwrap.fill(p, 40, break_long_words=False) for p in flat)
    yield "on long lines", "\n".join(flat)
    yield "with DOS line ends", text.replace("\n", "\r\n")
    yield "in a comment of C", "/*\n" + "\n".join(" * " + x for x in lines) + "\n */\n"
    yield "in comments of a shell", "\n".join("# " + x for x in lines)
    yield "in capitals", text.upper()
    yield "with typographic quotes", re.sub(r'"([^"]*)"', "\u201c\\1\u201d", text).replace("'", "\u2019")
    yield "in HTML", ("<!DOCTYPE html><html><head><style>p {color: red}</style></head><body>" + "".join(
        "<p class='x'>%s</p>\n" % html.escape(p) for p in flat) + "</body></html>")
    yield "in Markdown", "\n\n".join("**%s** %s" % tuple((p + " ").split(" ", 1)) for p in flat if p)
    yield "out of a page", page(text)
    yield "in a quotation", "\n".join("> " + x for x in lines)


def test_forms(home):
    texts = {"apache-2.0": APACHE}
    for key, name in (("llama-2", "llama/llama-2.txt"), ("gemma-2024-04-01", "gemma/gemma-terms-2024-04-01.txt"),
                      ("bigscience-bloom-rail-1.0", "rail/bigscience-bloom-rail-1.0.txt"),
                      ("llama-3.1", "llama/llama-3.1.txt"), ("qwen-2024", "qwen/qwen-2024-09-19.txt"),
                      ("cc-by-4.0", "CC-BY-4.0.txt"), ("mrl-0.1", "mistral/mrl-0.1.md")):
        if text_of(name):
            texts[key] = text_of(name)
    for key, path in texts.items():
        for form, text in forms(read(path)):
            found = licence(home, write(home, "form.txt", text))
            what = [(x["key"], x["verdict"], x["changed_words"]) for x in found]
            good = len(found) == 1 and found[0]["key"] == key and found[0]["changed_words"] == 0 and \
                found[0]["verdict"] in ("same words", "filled in", "same bytes")
            ok(good, f"{key} {form} is itself", what)


def test_changes(home):
    text = read(APACHE)
    found = licence(home, APACHE)
    equal([(x["key"], x["changed_words"]) for x in found], [("apache-2.0", 0)], "Glass' own licence")

    def change(old, new, name):
        at = text.index(old)
        path = write(home, "changed.txt", text[:at] + new + text[at + len(old):])
        x = licence(home, path)[0]
        changes = [c for c in x["changes"] if c["kind"] == "substance"]
        end = at + len(os.path.commonprefix([old, new]))
        begin = len(text[:at].rstrip(" ,\n"))
        good = x["key"] == "apache-2.0" and x["verdict"] == "changed" and len(changes) == 1 and \
            begin <= changes[0]["begin"] <= end + 1
        ok(good, name, (x["verdict"], x["changes"], at))
        return x, changes[0] if changes else {}

    _, c = change("no-charge, royalty-free,", "royalty-bearing,", "words replaced are shown at their byte")
    equal((c.get("text"), c.get("known_words")), ("royalty-bearing", 4), "all of them")
    _, c = change("a perpetual,", "a perpetual, non-commercial,", "words put in are shown")
    equal((c.get("text"), c.get("known_words")), ("non-commercial", 0), "with their text")
    _, c = change(" worldwide, non-exclusive,", " non-exclusive,", "a word left out is shown")
    equal((c.get("text"), c.get("known_words"), c.get("section")), ("", 1, "2"), "with its section")
    x, _ = change("You may reproduce and distribute copies", "You may never distribute copies",
                  "a changed grant is shown")
    row = [r for r in x["rows"] if r["topic"] == "redistribute"][0]
    equal((row["changed"], row["at_hand"]), (True, False), "and its row says that its words differ")
    notice = text.replace("   1. Definitions.", "   Copyright 2031 Somebody Else\n\n   1. Definitions.", 1)
    x = licence(home, write(home, "notice.txt", notice))[0]
    equal((x["changed_words"], [c["kind"] for c in x["changes"] if c["kind"] == "notice"]), (0, ["notice"]),
          "a copyright line more is no change of substance")
    x = licence(home, write(home, "cut.txt", text[:text.index("   APPENDIX")]))[0]
    equal((x["verdict"], x["changed_words"]), ("filled in", 0), "the appendix may be missing")
    cut = licence(home, write(home, "part.txt", text[:len(text) * 6 // 10]))
    equal([(x["key"], x["verdict"]) for x in cut], [("apache-2.0", "a part")], "a part is called a part")


def fnv(word):
    h = 2166136261
    for b in word.encode():
        h = (h ^ b) * 16777619 & 0xffffffff
    return h


def shingle(words):
    """licence_text.h's hash of three words, 12 bits."""
    h = 0
    for k, (w, m) in enumerate(zip(words, (0x9e3779b1, 0x85ebca6b, 0xc2b2ae35))):
        h = ((h << 13 | h >> 19) & 0xffffffff if k else 0) ^ fnv(w)
        h = h * m & 0xffffffff
    return ((h ^ h >> 15) * 0x27d4eb2f & 0xffffffff) >> 20


def test_collision(home):
    """A word whose shingle is that of another one by chance does not pass for it."""
    text, row = read(APACHE), ["you", "a", "perpetual", "worldwide", "non"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    first = re.search(r"^s (..)", read(os.path.join(ROOT, "src/open/licences/apache-2.0.licence")), re.M).group(1)
    equal(shingle(["apache", "license", "version"]), letters.index(first[0]) << 6 | letters.index(first[1]),
          "the hash here is that of the table")
    made = {}
    for i in range(100000):
        word = f"royalty{i}"
        other = row[:2] + [word] + row[3:]
        for k in range(3):
            if shingle(other[k:k + 3]) == shingle(row[k:k + 3]):
                made.setdefault(k, word)
        if len(made) == 3:
            break
    for k, word in sorted(made.items()):
        x = licence(home, write(home, "chance.txt", text.replace("a perpetual", "a " + word, 1)))[0]
        said = [c["text"] for c in x["changes"] if c["kind"] == "substance"]
        ok(x["verdict"] == "changed" and any(word in s for s in said), f"a word that shares shingle {k} with a known one is shown", x["changes"])
    x = licence(home, write(home, "number.txt", text.replace("royalty-free", "royalty-free 12", 1)))[0]
    equal(x["changed_words"], 1, "a number within a sentence is no page's")


def test_quotes(home):
    """Bytes that are named hold the words that are quoted."""
    path = text_of("llama/llama-2.txt") or APACHE
    raw = open(path, "rb").read()
    for x in licence(home, path):
        good = all(raw[r["begin"]:r["end"]].decode() == r["quote"] for r in x["rows"] if r["at_hand"])
        ok(good and any(r["at_hand"] for r in x["rows"]), "quotes are the file's bytes")


def test_many(home):
    two = read(APACHE) + "\n\n----\n\n" + read(COMMON + "GPL-3")
    found = licence(home, write(home, "two.txt", two))
    equal([x["key"] for x in found], ["apache-2.0", "gpl-3.0"], "two licences in one file")
    found = licence(home, write(home, "twice.txt", read(APACHE) + "\n\n" + read(APACHE)))
    equal([x["key"] for x in found], ["apache-2.0", "apache-2.0"], "one licence twice")
    p = home.run("audit", "--license", write(home, "none.txt", "Nothing here is a licence.\n"))
    equal(p.returncode, 1, "no licence is exit code 1")
    has(p.out, "no licence of the table", "and says so")
    link = write(home, "link.txt", "Please refer to license: https://github.com/facebookresearch/llama/blob/main/LICENSE")
    found = licence(home, link)
    equal([(x["key"], x["verdict"]) for x in found], [("llama-2", "named by its address")], "an address alone")
    ok(not any(r["at_hand"] for r in found[0]["rows"]), "of which nothing can be quoted")
    for name, data in (("empty", b""), ("zeros", b"\0" * 5000), ("noise", os.urandom(200000)),
                       ("tags", b"<" * 100000), ("links", b"](" * 60000), ("entities", b"&" * 100000),
                       ("scripts", b"<!doctype html>" + b"<script>" * 500000), ("styles", b"<style>" * 500000),
                       ("targets", b"](" * 2000000), ("continuations", b"\x80" * 4000000),
                       ("same", b"the the the " * 40000)):
        p = home.run("audit", "--license", write(home, name, data))
        equal(p.returncode, 1, f"{name}: no licence, no harm")
    p = home.run("audit", "--license", write(home, "large", b"x " * (3 << 20)))
    equal(p.returncode, 3, "a file over 4 MiB is refused")
    p = home.run("audit", "--license", os.path.join(home.path, "missing"))
    equal(p.returncode, 4, "a missing file is an error of the system")


def test_known(home):
    """Each text of the shared data is recognised as what it is."""
    if not os.path.isdir(OPEN):
        skip("published texts are recognised", "no shared data")
        return
    wrong = []
    for name, key in (("llama/variants/llama-2.first.txt", "llama-2"),
                      ("llama/variants/llama-2.llama-models.txt", "llama-2"),
                      ("llama/llama-3.2.txt", "llama-3.2"), ("llama/llama-3.3.txt", "llama-3.3"),
                      ("llama/llama-4.txt", "llama-4"), ("gemma/gemma-terms-2024-02-21.txt", "gemma-2024-02-21"),
                      ("gemma/gemma-terms-2025-03-24.txt", "gemma-2025-03-24"),
                      ("rail/creativeml-openrail++-m-2022-11-24.txt", "creativeml-openrail-plusplus-m-2022"),
                      ("rail/creativeml-openrail++-m-2023-07-26.txt", "creativeml-openrail-plusplus-m-2023"),
                      ("yi/yi-2.0.txt", "yi-2.0"), ("yi/variants/yi-2.1-first.txt", "yi-2.1"),
                      ("yi/yi-2024-05-30.txt", "apache-2.0"), ("opt/variants/opt-175b.2022-05-02.md", "opt-175b"),
                      ("qwen/variants/tongyi-qianwen.ba2d85a.txt", "tongyi-qianwen-2023"),
                      ("data/CC-BY-NC-SA-4.0.txt", "cc-by-nc-sa-4.0"), ("data/CC-BY-SA-3.0.txt", "cc-by-sa-3.0")):
        # without its last byte it is no known copy, and only its words tell
        path = write(home, "copy.txt", open(text_of(name), "rb").read() + b" \n")
        found = [x["key"] for x in licence(home, path)]
        if found != [key]:
            wrong.append((name, found))
    equal(wrong, [], "states of licences that differ in a few words are told apart")
    x = licence(home, write(home, "first.txt", read(text_of("llama/variants/llama-2.first.txt")) + "\n"))[0]
    equal((x["verdict"], x["changed_words"], [(c["begin"], c["known_words"], c["section"]) for c in x["changes"]]),
          ("changed", 1, [(5732, 1, "5.c")]), "the one word in which the first Llama 2 text differs")
    found = licence(home, os.path.join(OPEN, "models/gpt-neox/LICENSE"))
    equal([x["key"] for x in found], ["apache-2.0", "bsd-3-clause", "apache-2.0", "mit"],
          "GPT-NeoX's file of four licences")
    x = licence(home, text_of("other/stable-beluga-non-commercial-community-license-agreement.txt"))[0]
    equal((x["key"], x["second"]), ("stable-beluga-nc", "llama-2"), "a licence made from Llama 2's is another one")
    text = read(text_of("llama/llama-2.txt"))
    x = licence(home, write(home, "part.txt", text[:6 * len(text) // 10]))[0]
    equal((x["key"], x["verdict"]), ("llama-2", "a part"), "half of Llama 2's is a part")


def questions():
    with open(os.path.join(ROOT, "tests/open/may.tsv"), encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


def decides(answer, section):
    """Whether a section is among the reasons that give the verdict."""
    if section == "-":
        return all(r["section"] == "-" or r["verdict"] == "yes" for r in answer["reasons"])
    return any(r["section"] == section and (r["verdict"] == answer["verdict"]) for r in answer["reasons"])


def test_may(home):
    wrong, n, n_text, unquoted = [], 0, 0, []
    for key, action, verdict, section, text, _why in questions():
        n += 1
        subjects = ["licence:" + key] + ([text_of(text)] if text_of(text) else [])
        for subject in subjects:
            p = home.run("audit", subject, "--may", action, "--json")
            answer = json.loads(p.out)["answers"][0]
            code = 1 if verdict in ("no", "unknown") else 0
            if answer["verdict"] != verdict or not decides(answer, section) or p.returncode != code:
                wrong.append((subject, action, verdict, section, p.returncode, answer["verdict"],
                              [(r["verdict"], r["section"]) for r in answer["reasons"]]))
            if subject != subjects[0]:
                n_text += 1
                raw = open(subject, "rb").read()
                for r in answer["reasons"]:
                    e = r["evidence"]
                    if r["at_hand"] and raw[e["begin"]:e["end"]][:400].decode("utf-8", "ignore") != \
                            e["quote"].rstrip("\ufffd"):
                        wrong.append((subject, action, "quote", e))
                if section != "-" and not any(r["at_hand"] for r in answer["reasons"] if r["section"] == section):
                    unquoted.append((key, action, section))
    ok(n >= 60, f"{n} questions")
    equal(wrong, [], f"{n} questions by name, {n_text} of texts: answer, section, exit code, quotes")
    expected = {("falcon-2-11b-tii-1.0", "train-other-models", "1"), ("stable-beluga-nc", "field:spam", "3")}
    equal([x for x in unquoted if x not in expected], [], "each deciding section is quoted from the text")
    equal(home.run("audit", "licence:mit", "--may", "fly").returncode, 2, "an unknown action is a question wrongly put")
    p = home.run("audit", "licence:mit", "--may", "field:astrology")
    equal(p.returncode, 2, "so is an unknown field")
    has(p.err, "medical-advice", "which says what fields there are")
    equal(home.run("audit", "licence:mit", "--may", "serve:many").returncode, 2, "and no number")
    equal(home.run("audit", "licence:none").returncode, 2, "and an unknown licence")


CARD = "---\nlicense: %s\n%s---\n# A model\n"
HEAD = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
WEIGHTS = len(HEAD).to_bytes(8, "little") + HEAD + b"\0\0\0\0"


def test_folder(home):
    def folder(name, **files):
        for path, text in files.items():
            write(home, os.path.join(name, path.replace("__", "/")), text)
        return os.path.join(home.path, name)

    def may(path, action, *words):
        p = home.run("audit", path, "--may", action, "--json", *words)
        return json.loads(p.out)["answers"][0] if p.out else {"verdict": p.err}

    plain = folder("plain", **{"README.md": CARD % ("apache-2.0", ""), "model.safetensors": WEIGHTS, "LICENSE": read(APACHE)})
    equal(may(plain, "commercial")["verdict"], "yes", "Apache-2.0 by card and text")
    equal(home.json("audit", plain, "--json")["findings"], [], "no contradiction in it")

    lying = folder("lying", **{"README.md": CARD % ("apache-2.0", ""), "model.safetensors": WEIGHTS,
                               "LICENSE": read(COMMON + "GPL-3")})
    kinds = [f["kind"] for f in home.json("audit", lying, "--json")["findings"]]
    equal(kinds, ["gap", "contradiction"], "a card against a licence's text; and its own is missing")
    equal(may(lying, "relicense")["verdict"], "no", "the stricter one decides")

    made = folder("made", **{"README.md": CARD % ("mit", "base_model: meta-llama/Llama-2-7b-hf\n"),
                             "model.safetensors": WEIGHTS})
    a = may(made, "train-other-models")
    equal(a["verdict"], "no", "a base model's licence holds for what is made of it")
    equal([(r["part"], r["grade"], r["evidence"]["quote"]) for r in a["reasons"] if r["verdict"] == "no"],
          [("base model", "inherited", "meta-llama/Llama-2-7b-hf")], "by the bytes that name it")

    strange = folder("strange", **{"README.md": CARD % ("other", "base_model: nobody/nothing\n"), "model.safetensors": WEIGHTS})
    equal(may(strange, "commercial")["verdict"], "unknown", "nothing known is no permission")
    adapter = folder("adapter", **{"adapter_config.json": '{"base_model_name_or_path": "google/gemma-2b"}',
                                   "README.md": CARD % ("mit", "")})
    equal(may(plain, "field:spam", "--adapter", adapter)["verdict"], "no", "an adapter's base model, and its policy")
    data = folder("data", **{"README.md": "---\nlicense: cc-by-nc-4.0\ndataset_info: 1\n---\n"})
    a = may(plain, "commercial", "--data", data)
    equal(a["verdict"], "yes, if", "what data is under is a condition")
    equal([r["part"] for r in a["reasons"] if r["verdict"] == "yes, if"], ["data"], "and called data")
    nothing = folder("nothing", **{"model.safetensors": WEIGHTS})
    equal(may(nothing, "use")["verdict"], "unknown", "no licence is no permission")

    tiny_model.write(os.path.join(home.models, "Named-Model.gguf"), "abc")
    p = home.run("audit", "named", "--json")
    equal((p.returncode, json.loads(p.out)["files"]), (0, 1), "a model by its name")
    p = home.run("audit", "nobody")
    ok(p.returncode == 3 and "There are: Named-Model" in p.err, "what there is, where nothing fits", p.err)
    equal(home.run("audit", "--licence", os.path.join(plain, "LICENSE")).returncode, 0,
          "--licence is --license")
    p = home.run("audit", plain, "--emit", "mof", "--output", os.path.join(home.path, "m.yml"))
    equal((p.returncode, p.err), (0, ""), "--output is --out")
    mask = os.umask(0)
    os.umask(mask)
    equal(os.stat(os.path.join(home.path, "m.yml")).st_mode & 0o777, 0o666 & ~mask,
          "what is written may be read as the umask has it")

    bad = folder("bad", **{"README.md": "---\nlicense: [mit\nx: {\n---\n", "model.safetensors": WEIGHTS})
    out = home.json("audit", bad, "--json")
    has(str(out["findings"]), "cannot be read", "front matter that is no YAML is told")
    bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\nlicense: mit\n---\n"
    out = home.json("audit", folder("bomb", **{"README.md": bomb, "model.safetensors": WEIGHTS}), "--json")
    equal([c["licence"] for c in out["claims"] if c["part"] == "weights"], ["mit"], "aliases are not followed")


def test_hostile(home):
    secret = write(home, "secret/LICENSE", read(COMMON + "GPL-3"))
    root = os.path.join(home.path, "linked")
    os.makedirs(os.path.join(root, "deep"))
    write(home, "linked/README.md", CARD % ("mit", ""))
    write(home, "linked/model.safetensors", WEIGHTS)
    os.symlink(secret, os.path.join(root, "LICENSE"))
    os.symlink(os.path.join(home.path, "secret"), os.path.join(root, "folder"))
    os.symlink("..", os.path.join(root, "deep", "up"))
    os.symlink("missing", os.path.join(root, "COPYING"))
    os.mkfifo(os.path.join(root, "LICENSE.md"))
    write(home, "linked/NOTICE.txt", "x")
    out = home.json("audit", root, "--json")
    equal([c["licence"] for c in out["claims"]], ["mit"], "links out of the folder, loops and pipes are not read")
    equal(out["links_outside"], 2, "and are counted")
    has(str(out["findings"]), "lead out of the folder", "and told")
    os.truncate(write(home, "huge/LICENSE", read(APACHE)), 3 << 30)
    p = home.run("audit", os.path.join(home.path, "huge"), "--json")
    equal([c["licence"] for c in json.loads(p.out)["claims"] if c["licence"]], ["apache-2.0"],
          "of a huge file only its start is read")
    shutil.rmtree(os.path.join(home.path, "huge"))
    many = os.path.join(home.path, "many")
    os.makedirs(many)
    for i in range(600):
        write(home, f"many/{i}/LICENSE", "nothing\n")
    out = home.json("audit", many, "--json")
    has(str(out["findings"]), "the rest was not read", "six hundred licence files end somewhere")


def main():
    with Home() as home:
        test_forms(home)
        test_changes(home)
        test_collision(home)
        test_quotes(home)
        test_many(home)
        test_known(home)
        test_may(home)
        test_folder(home)
        test_hostile(home)
    done()


main()
