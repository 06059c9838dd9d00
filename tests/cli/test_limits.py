#!/usr/bin/env python3
"""glass audit --may: words beside a licence - in its file, a card, terms, a configuration - leave no plain yes; and
words that limit nothing do."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from audit_kit import folder, read, tensors  # noqa: E402
from kit import ROOT, Home, done, equal, has  # noqa: E402

APACHE = read(os.path.join(ROOT, "LICENSE")).decode()
MIT = read(os.path.join(ROOT, "tests/cli/data/mit.txt")).decode()
CARD = "---\nlicense: %s\n%s---\n# A model\n\n%s\n"
ONLY = "# Terms\n\nThe model may be used for non-commercial research only. No other use is allowed.\n"


def answer(home, files, action="commercial"):
    files = dict({"model.safetensors": tensors()}, **files)
    p = home.run("audit", folder(home, "limits", files), "--may", action, "--json")
    return json.loads(p.out)["answers"][0] if p.out else {"verdict": p.err, "reasons": []}


def ask(home, cases, wanted, name, action="commercial"):
    """All cases, told in one line: those whose answer is not among the wanted ones."""
    wrong = []
    for what, files in cases:
        a = answer(home, files, action)
        if a["verdict"] not in wanted:
            wrong.append((what, a["verdict"]))
    equal(wrong, [], f"{name} ({len(cases)})")


def put(text, old, new):
    assert old in text, old
    return text.replace(old, new, 1)


def test_licence_files(home):
    card, apache = CARD % ("mit", "", ""), CARD % ("apache-2.0", "", "")
    clause = ('"Commons Clause" License Condition v1.0\n\nThe grant of rights under the License will not include, and '
              "the License does not grant to you, the right to Sell the Software.\n\n")
    no = "The model may not be used for commercial purposes.\n"
    texts = [("behind it", MIT + "\n" + no), ("before it", no + "\n" + MIT),
             ("as a holder's name", put(MIT, "2024 Somebody", "2024 Somebody. Non-commercial use only.")),
             ("as a holder's purpose", put(MIT, "2024 Somebody", "2024 Somebody, for academic purposes exclusively")),
             ("between angle brackets", put(MIT, "to deal in", "to deal <for research only> in")),
             ("in a comment of HTML", put(MIT, "to deal in", "to deal <!-- for research only --> in")),
             ("in a style of a text", put(MIT, "to deal in", "to deal <style> for research only </style> in")),
             ("as an element without attributes", put(MIT, "to deal in", "to deal <b for research only> in")),
             ("as an attribute", put(MIT, "to deal in", "to deal <p title=\"not for commercial use\"> in")),
             ("as a link's target", put(MIT, "to deal in", "[to](only-for-research) deal in")),
             ("in entities", put(MIT, "to deal in", "&#110;&#111;&#116; to deal in")),
             ("in zero width", put(MIT, "to deal in", "no\u200bt to deal in"))]
    ask(home, [(n, {"README.md": card, "LICENSE": t}) for n, t in texts], ["unknown"], "words put into MIT")
    mark = "   1. Definitions."
    texts = [("Commons Clause", clause + APACHE), ("behind the appendix", APACHE + "\n" + no),
             ("as a copyright line", put(APACHE, mark, "   Copyright 2031 Somebody. For research use only.\n\n" + mark))]
    ask(home, [(n, {"README.md": apache, "LICENSE": t}) for n, t in texts], ["unknown"], "words put to Apache-2.0")
    names = ("TERMS.md", "TERMS_OF_USE.txt", "EULA.txt", "AGREEMENT.md", "RESTRICTIONS.md", "AUP.md", "NOTICE", "NOTICE.txt",
             "MODEL LICENSE.txt", "ADDITIONAL_TERMS.md", "USAGE.md", "legal/terms.md", "COPYRIGHT", "USE_RESTRICTIONS.txt",
             "RAIL.md", "Responsible_Use_Guide.md", "DISCLAIMER.md", "LICENSES/model.txt")
    ask(home, [(n, {"README.md": card, n: ONLY}) for n in names], ["unknown"], "a file of terms")
    wide = ("\ufeff" + ONLY).encode("utf-16-le")
    ask(home, [("UTF-16", {"README.md": card, "LICENSE": wide})], ["unknown"], "a licence that is no UTF-8")
    ask(home, [("UTF-16", {"README.md": wide, "LICENSE": MIT})], ["yes, if"], "and a card")
    ask(home, [("PDF", {"README.md": card, "LICENSE.pdf": b"%PDF-1.4\n\0\1\2"})], ["unknown"], "or in a form that cannot be read")
    policy = {"README.md": card, "USE_POLICY.md": "You may not use this commercially."}
    ask(home, [("own", policy)], ["unknown"], "a policy that nobody knows")
    a = answer(home, {"README.md": card, "LICENSE": MIT + "\n" + no})
    said = [r["evidence"] for r in a["reasons"] if r["how"] == "words"]
    equal([(e["file"], e["quote"], e["begin"]) for e in said], [("LICENSE", no.strip(), len(MIT) + 1)],
          "the words are quoted, at their bytes")


def test_cards(home):
    words = ("This model is for non-commercial use only.", "The model is intended for research purposes only.",
             "You may not use this model for commercial purposes.", "Commercial use is prohibited.",
             "Usage is restricted to academic research.", "Not for commercial use.", "Research only!", "NON-COMMERCIAL",
             "For commercial licensing contact sales@example.com.", "Released for non profit use.",
             "The MIT license of this model does not cover commercial use.", "Do not use for profit.",
             "By downloading you agree not to use it \u201ccommercially\u201d.", "Use is for \u201cresearch purposes\u201d only.",
             "\u4ec5\u4f9b\u5b66\u672f\u7814\u7a76\u4f7f\u7528\uff0c\u7981\u6b62\u5546\u7528\u3002",
             "Can I use it commercially? No.", "Q: Is commercial use allowed?\nA: No, it is not.", "Released under CC BY-NC.",
             "non-commerical use only", "<p>It is <b>not</b> for <i>commercial</i> use</p>", "| Use | non-commercial |\n|---|---|",
             "Nur f\u00fcr nichtkommerzielle Zwecke.", "Usage non commercial uniquement.", "non-\ncommercial use")
    ask(home, [(w, {"README.md": CARD % ("mit", "", w)}) for w in words], ["unknown"], "a card that keeps commerce out")
    words = ("This model may only be used by members of the club.", "Any use by companies requires a licence.",
             "Users must not deploy this in products.", "By using this model you agree to the Gemma Terms of Use.",
             "You must obtain permission from the authors before using this.", "Outputs cannot be used to train other models.",
             "You can't share it.", "No military use.", "Not available in the European Union.", "Built on Llama 2 13B.",
             "Subject to the Terms of Use of the data generated by OpenAI.", "Free for companies with less than $1M in revenue.",
             "Companies with more than 1 million monthly users must ask.", "This license expires on 2025-01-01.",
             'Derivatives must include "Foo" in their name.', "Please do not redistribute.")
    ask(home, [(w, {"README.md": CARD % ("mit", "", w)}) for w in words], ["yes, if"], "a card that asks for something", "use")
    words = ("The weights are released under CC-BY-NC-4.0.", "The model weights are licensed under the CC BY-NC 4.0 license.",
             "License: cc-by-nc-4.0", "# License\n\nCC-BY-NC-4.0", "Licence\n=======\n\nCC-BY-NC-4.0", "| License | CC-BY-NC-4.0 |", "Model weights: CC-BY-NC-4.0",
             "The checkpoints are distributed under the terms of\nthe CC-BY-NC-4.0 license")
    ask(home, [(w, {"README.md": CARD % ("mit", "", w)}) for w in words], ["no"], "a card that names another licence")
    words = ("This model is licensed under the\nLLAMA 2 Community License.", "Weights: Llama 2 Community License",
             "This is a fine-tuned version of [meta-llama/Llama-2-7b-hf](https://huggingface.co/meta-llama/Llama-2-7b-hf).",
             "It was quantized from https://huggingface.co/meta-llama/Llama-2-7b-hf .")
    ask(home, [(w, {"README.md": CARD % ("mit", "", w)}) for w in words], ["no"], "a card that names Llama 2", "train-other-models")
    page = "# X\n\nThe code is licensed under Apache-2.0.\n\nThe model weights are released under CC-BY-NC 4.0.\n"
    ask(home, [("page", {"README.md": page, "LICENSE": APACHE})], ["no"], "a page with one licence for code, one for weights")
    for words, wanted in (("Free for commercial use.", "yes"), ("Trained only on research papers that are publicly available.", "yes"),
                          ("The primary intended use is research.", "yes"), ("It must not be confused with another.", "yes"),
                          ("See our evaluation, used in many papers.", "yes"), ("It is not perfect.", "yes")):
        equal(answer(home, {"README.md": CARD % ("mit", "", words)})["verdict"], wanted, f"no limit: {words}")


def test_front(home):
    lines = ("license: cc-by-nc-4.0", "License: cc-by-nc-4.0", "licence: cc-by-nc-4.0", "tags:\n- license:cc-by-nc-4.0",
             "weights_license: cc-by-nc-4.0", "model-index:\n- name: x\n  license: cc-by-nc-4.0")
    ask(home, [(x, {"README.md": CARD % ("mit", x + "\n", "")}) for x in lines], ["no"], "a second licence in the front matter")
    ask(home, [(x, {"README.md": CARD % ("mit", x + "\n", "")}) for x in ("license_name: llama2", "license_link: https://ai.meta.com/llama/license/")],
        ["no"], "a name or link beside a tag", "train-other-models")
    lines = ("license_name: my-restricted", "license_details: non-commercial only",
             "extra_gated_prompt: You agree to use it for non-commercial research only.",
             "extra_gated_fields:\n  I agree to use this model for non-commercial use ONLY: checkbox")
    ask(home, [(x, {"README.md": CARD % ("mit", x + "\n", "")}) for x in lines], ["unknown"], "other terms in the front matter")
    lines = ("license_link: LICENSE-MODEL", "extra_gated_prompt: Tell us who you are.", "datasets:\n- nobody/knows")
    ask(home, [(x, {"README.md": CARD % ("mit", x + "\n", "")}) for x in lines], ["yes, if"], "what has to be looked at")
    tags = ("mit (non-commercial)", "CC BY 4.0 (non commercial)", "MIT with restrictions", "apache-2.0 AND cc-by-nc-4.0", "mit-nc")
    ask(home, [(x, {"README.md": CARD % ('"' + x + '"', "", "")}) for x in tags], ["unknown", "no"], "tags that only begin like a licence")


def test_others(home):
    card = CARD % ("mit", "", "")
    config = {"README.md": card, "config.json": '{"_name_or_path": "meta-llama/Llama-2-7b-hf"}'}
    ask(home, [("config", config)], ["no"], "a configuration that says what was loaded", "train-other-models")
    config["config.json"] = '{"license": "cc-by-nc-4.0"}'
    ask(home, [("config", config)], ["no"], "and under what")
    for name in ("generation_config.json", "model_index.json"):
        ask(home, [(name, {"README.md": card, name: config["config.json"]})], ["no"], f"so does {name}")
    head = b'{"__metadata__":{"modelspec.license":"cc-by-nc-4.0"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(head).to_bytes(8, "little") + head + b"\0" * 4
    ask(home, [("header", {"README.md": card, "model.safetensors": weights})], ["no"], "the header of weights that tells a licence")
    many = {f"a{i}/README.md": "x" for i in range(310)}
    ask(home, [("many", dict(many, **{"README.md": card, "z/LICENSE": ONLY}))], ["yes, if"], "files that were not read")
    ask(home, [("deep", {"README.md": card, "/".join(["d"] * 40) + "/LICENSE": ONLY})], ["yes, if"], "folders too deep")
    bases = ("Qwen/Qwen2-72B-Instruct", "Qwen/Qwen2.5-Math-72B", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B")
    ask(home, [(x, {"README.md": CARD % ("mit", f"base_model: {x}\n", "")}) for x in bases], ["no"], "base models by size", "serve:800M")
    bases = ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-Coder-3B")
    ask(home, [(x, {"README.md": CARD % ("mit", f"base_model: {x}\n", "")}) for x in bases], ["no"], "and what research alone may use")
    good = {"README.md": card, "LICENSE": "The MIT License\n\nCopyright (c) 2023 Somebody Else Limited\n" + MIT}
    ask(home, [("holders", good)], ["yes"], "two holders and a title are no terms")
    out = home.run("audit", folder(home, "limits", {"README.md": CARD % ("mit", "", "Not for commercial use."), "model.safetensors": tensors()}))
    has(out.out, "may limit what a licence allows", "the report warns, too")
    for place, wanted in (("DE", "yes, if"), ("deutschland", "yes, if"), ("DEU", "yes, if"), ("EL", "yes, if"), ("European Union", "yes, if"),
                          ("the netherlands", "yes, if"), ("Czech Republic", "yes, if"), ("Bavaria", "yes, if"), ("CH", "yes"), ("US", "yes")):
        p = home.run("audit", "licence:llama-3.2", "--may", "territory:" + place, "--json")
        equal(json.loads(p.out)["answers"][0]["verdict"], wanted, f"territory:{place}")


def main():
    with Home() as home:
        test_licence_files(home)
        test_cards(home)
        test_front(home)
        test_others(home)
    done()


main()
