#!/usr/bin/env python3
"""test_adapter.py - LoRA adapters compute what PEFT computes, in every form of adapter and model
the same bits; what is no plain LoRA, or does not fit, is refused by its name.

The adapters and PEFT's logits are made by gen_adapters.py; the limit of 1e-5 is the relative L2
distance of docs/models.md."""
import array
import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../cli"))
import adapter_file as af  # noqa: E402
import hf_folder as hf  # noqa: E402
from kit import BUILD, GLASS, Home, done, equal, has, ok  # noqa: E402

LOGITS = os.path.join(BUILD, "tests/tools/logits")
V, T = 61, 40
MODELS = {"llama": "llama", "llama-b": "llama", "qwen2": "qwen2", "gpt2": "gpt2",
          "gptneox": "gptneox"}
CASES = {name: [(name, 1)] for name in MODELS}
CASES["llama-both"] = [("llama", 1), ("llama-b", 1)]
CASES["llama-scaled"] = [("llama", 0.5), ("llama-b", -1.5)]


def logits(model, uses=(), *more, env=None):
    """The logits of all positions as bytes, or the error as text."""
    with tempfile.TemporaryDirectory() as t:
        ids, out = os.path.join(t, "ids"), os.path.join(t, "out")
        with open(ids, "w", encoding="utf-8") as f:
            f.write(" ".join(str((7 * i + 3) % V) for i in range(T)))
        words = [w for path, scale in uses for w in ("--adapter", path, "--scale", str(scale))]
        p = subprocess.run([LOGITS, model, ids, out, *words, *more], stderr=subprocess.PIPE,
                           check=False, env=dict(os.environ, **(env or {})))
        if p.returncode:
            return p.stderr.decode()
        with open(out, "rb") as f:
            return f.read()


def gguf(name):
    return os.path.join(hf.FAMILIES, name + ".gguf")


def peft(name):
    return os.path.join(af.ADAPTERS, name)


def distance(a, b):
    a, b = array.array("f", a), array.array("f", b)
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b))


def cases(top):
    for case, uses in CASES.items():
        model = MODELS[uses[0][0]]
        uses = [(peft(name), scale) for name, scale in uses]
        ours = logits(gguf(model), uses)
        if not ok(isinstance(ours, bytes), f"{case}: runs", ours):
            continue
        with open(os.path.join(af.ADAPTERS, case + ".logits"), "rb") as f:
            theirs = f.read()
        d = distance(ours, theirs)
        ok(d <= 1e-5, f"{case}: PEFT's logits", d)
        d = distance(logits(gguf(model)), theirs)
        ok(d > 0.01, f"{case}: they are not the base's", d)
        for how in (("--chunk", "1"), ("--chunk", "3", "--threads", "3"), ("--threads", "8"),
                    ("--chunk", "7", "--threads", "1")):
            ok(logits(gguf(model), uses, *how) == ours, f"{case}: bits with {' '.join(how)}")
        for isa in ("c", "avx2"):
            got = logits(gguf(model), uses, "--chunk", "11", env={"GLASS_ISA": isa})
            if isinstance(got, bytes) or isa == "c":
                ok(got == ours, f"{case}: bits of {isa}", got)
        folder = os.path.join(top, "model-" + model)
        if not os.path.exists(folder):
            hf.folder(folder, model)
        ok(logits(folder, uses) == ours, f"{case}: bits on the model's Hugging Face folder")


def forms(top):
    for name, model in MODELS.items():
        wanted = logits(gguf(model), [(peft(name), 1)])
        if name != "llama-b": # whose scales differ by layer
            path = os.path.join(top, name + ".gguf")
            af.to_gguf(peft(name), model, path)
            got = logits(gguf(model), [(path, 1)])
            ok(got == wanted, f"{name}: the GGUF adapter's bits are PEFT's", got)
            got = logits(os.path.join(top, "model-" + model), [(path, 1)])
            ok(got == wanted, f"{name}: the GGUF adapter on the Hugging Face folder", got)
        if af.read(peft(name))[1] == "F32":
            path = os.path.join(top, name + "-bin")
            af.to_bin(peft(name), path)
            got = logits(gguf(model), [(path, 1)])
            ok(got == wanted, f"{name}: adapter_model.bin", got)
    path = os.path.join(peft("llama"), "adapter_model.safetensors")
    wanted = logits(gguf("llama"), [(peft("llama"), 1)])
    ok(logits(gguf("llama"), [(path, 1)]) == wanted, "named by the file in the folder")
    base = logits(gguf("llama"))
    ok(logits(gguf("llama"), [(peft("llama"), 0)]) == base, "a scale of 0 is the base")
    a, b = (peft("llama"), 1), (peft("llama-b"), 1)
    ok(logits(gguf("llama"), [a, b]) != wanted, "the second one counts")
    tied = logits(gguf("llama-tied"), [a])
    ok(isinstance(tied, bytes) and tied != logits(gguf("llama-tied")),
       "the head of a tied model", tied)


def peft_refusals(top):
    tensors, _ = af.read(peft("llama"))
    config = af.settings(peft("llama"))
    path = os.path.join(top, "refused")
    q = af.PREFIX + "model.layers.0.self_attn.q_proj.lora_"

    def case(title, wanted, settings=None, more=None, drop=None, model="llama"):
        t = {**tensors, **(more or {})}
        if drop:
            del t[drop]
        c = settings if isinstance(settings, str) else {**config, **(settings or {})}
        af.save(path, t, c)
        got = logits(gguf(model), [(path, 1)])
        if ok(isinstance(got, str), f"refused: {title}"):
            for part in wanted:
                has(got, part, f"… with {part!r}")

    for key, value in (("use_dora", True), ("modules_to_save", ["lm_head"]),
                       ("layer_replication", [[0, 1]]), ("lora_bias", True),
                       ("trainable_token_indices", [3]), ("target_parameters", ["x"]),
                       ("alora_invocation_tokens", [1, 2]), ("use_qalora", True),
                       ("a_setting_of_tomorrow", "on")):
        case(key, [key, "plain LoRA"], {key: value})
    case("bias", ["bias", '"all"'], {"bias": "all"})
    case("init_lora_weights", ["init_lora_weights", "pissa"], {"init_lora_weights": "pissa"})
    case("another method", ["peft_type", "IA3"], {"peft_type": "IA3"})
    case("no rank", ["r is missing"], {"r": None})
    case("a rank of 0", ["r is 0"], {"r": 0})
    case("a huge rank", ["r is 1000000000"], {"r": 10 ** 9})
    case("another rank", ["lora_A", "4 rows", "rank of 5"], {"r": 5})
    case("no alpha", ["lora_alpha"], {"lora_alpha": None})
    case("an alpha of words", ["lora_alpha", '"8"'], {"lora_alpha": "8"})
    case("an alpha that is no number", ["adapter_config.json", "NaN"],
         '{"peft_type": "LORA", "r": 4, "lora_alpha": NaN}')
    case("an alpha too large", ["scale"], {"lora_alpha": 1e40})
    case("a pattern of more than a name", ["rank_pattern", "^q"], {"rank_pattern": {"^q": 4}})
    case("a pattern of words", ["alpha_pattern"], {"alpha_pattern": {"q_proj": "x"}})
    case("no settings", ["not a JSON object"], "[]")
    case("B missing", [q + "B.weight", "missing"], drop=q + "B.weight")
    case("A missing", [q + "A.weight", "missing"], drop=q + "A.weight")
    a, b = tensors[q + "A.weight"], tensors[q + "B.weight"]
    case("a row too many", [q + "B.weight", "33 x 4", "32 outputs"],
         more={q + "B.weight": ([33, 4], b[1] + b[1][:16])})
    case("a column too many", [q + "A.weight", "4 x 33", "32 inputs"],
         more={q + "A.weight": ([4, 33], a[1] + a[1][:16])})
    case("turned", ["rank"], more={q + "B.weight": ([4, 32], b[1])})
    case("a vector", ["q_proj.lora_B", "no matrix"], more={q + "B.weight": ([128], b[1])})
    for name, what in (("model.embed_tokens.lora_embedding_A", "embeddings"),
                       ("model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA"),
                       ("model.layers.0.self_attn.q_proj.lora_B.bias", "biases"),
                       ("lm_head.modules_to_save.weight", "modules"),
                       ("score.weight", "lora_A")):
        case(name, [name, what], more={af.PREFIX + name: a})
    case("a name without the prefix", ["model.norm.weight"], more={"model.norm.weight": a})

    def pair(layer):
        return {af.PREFIX + layer + ".lora_A.weight": a, af.PREFIX + layer + ".lora_B.weight": b}

    case("a layer too many", ["layers.2.", "no linear layer"],
         more=pair("model.layers.2.self_attn.q_proj"))
    case("no layer", ["experts", "no layer"], more=pair("model.layers.0.mlp.experts.0.w1"))
    case("a norm", ["input_layernorm", "no linear layer"],
         more=pair("model.layers.0.input_layernorm"))
    case("embeddings", ["embed_tokens", "no linear layer"], more=pair("model.embed_tokens"))
    case("the same layer twice", ["another pair"], more=pair("layers.0.self_attn.q_proj"))
    case("another model", ["gpt2"], model="gpt2")
    os.remove(os.path.join(path, "adapter_model.safetensors"))
    has(logits(gguf("llama"), [(path, 1)]), "adapter_model.bin", "no weights in the folder")
    for scale in ("nan", "inf", "3e38"):
        has(logits(gguf("llama"), [(peft("llama"), scale)]), "scale", f"a scale of {scale}")
    has(logits(gguf("llama"), [(os.path.join(top, "nothing"), 1)]), "nothing", "no file")
    af.save(path, {}, config)
    has(logits(gguf("llama"), [(path, 1)]), "no adapter in it", "an empty adapter")


def gguf_refusals(top):
    tensors, dtype, arch = af.gguf_tensors(peft("llama"), "llama")
    path = os.path.join(top, "refused.gguf")
    q = "blk.0.attn_q.weight.lora_"

    def case(title, wanted, more=None, drop=None, alpha=8.0, values=None):
        t = {**tensors, **(more or {})}
        if drop:
            del t[drop]
        af.write_gguf(path, t, dtype, arch, alpha, values)
        got = logits(gguf("llama"), [(path, 1)])
        if ok(isinstance(got, str), f"refused: {title}"):
            for part in wanted:
                has(got, part, f"… with {part!r}")

    a, b = tensors[q + "a"], tensors[q + "b"]
    case("a model", ["general.type", "model"], values={"general.type": "model"})
    case("no type", ["general.type"], values={"general.type": None})
    case("another kind", ["adapter.type", "ia3"], values={"adapter.type": "ia3"})
    case("another family", ["qwen2", "llama"], values={"general.architecture": "qwen2"})
    case("lora_b missing", [q + "b", "missing"], drop=q + "b")
    case("lora_a missing", [q + "a", "missing"], drop=q + "a")
    case("alpha NaN", ["scale"], alpha=float("nan"))
    case("alpha infinite", ["scale"], alpha=float("inf"))
    case("a norm's weight", ["attn_norm.weight", "lora_a"],
         more={"blk.0.attn_norm.weight": ([32], b"\0" * 128)})
    case("a bad shape", ["33 x 4"], more={q + "b": ([33, 4], b[1] + b[1][:16])})
    case("an embedding", ["token_embd", "no linear layer"],
         more={"token_embd.weight.lora_a": a, "token_embd.weight.lora_b": b})
    case("no such layer", ["blk.7.", "no linear layer"],
         more={"blk.7.attn_q.weight.lora_a": a, "blk.7.attn_q.weight.lora_b": b})
    case("no name", ["no linear layer"], more={"x.lora_a": a, "x.lora_b": b})
    with open(gguf("llama"), "rb") as f:
        data = f.read()
    with open(path, "wb") as f:
        f.write(data)
    has(logits(gguf("llama"), [(path, 1)]), "general.type", "refused: a model as an adapter")


def floats(data):
    return array.array("f", data)


def fused(top):
    """Phi-3 has one tensor for q, k and v, and one for gate and up: against weights to which B A is
    added here."""
    values, tensors = hf.read_gguf(gguf("phi3"))
    with open(gguf("phi3"), "rb") as f:
        model = f.read()
    pairs, seed = {}, 1
    for name in ("blk.0.attn_qkv", "blk.1.attn_qkv", "blk.0.ffn_up", "blk.1.ffn_down"):
        (n, k), old = tensors[name + ".weight"]
        numbers = []
        for _ in range(2 * (n + k)):
            seed = (1103515245 * seed + 12345) % 2 ** 31
            numbers.append(seed / 2 ** 31 - 0.5)
        a, b = floats(numbers[:2 * k]), floats(numbers[2 * k:])
        w = floats(old)
        for i in range(n):
            for j in range(k):
                w[i * k + j] += 1.5 * sum(b[2 * i + r] * a[r * k + j] for r in range(2))
        equal(model.count(old), 1, f"phi3: {name} stands in one place")
        model = model.replace(old, w.tobytes())
        pairs[name + ".weight.lora_a"] = ([2, k], a.tobytes())
        pairs[name + ".weight.lora_b"] = ([n, 2], b.tobytes())
    path, patched = os.path.join(top, "phi3-lora.gguf"), os.path.join(top, "phi3.gguf")
    with open(patched, "wb") as f:
        f.write(model)
    af.write_gguf(path, pairs, "F32", values["general.architecture"], 3.0)
    ours, wanted = logits(gguf("phi3"), [(path, 1)]), logits(patched)
    d = distance(ours, wanted) if isinstance(ours, bytes) else ours
    ok(d is not ours and d <= 1e-5, "phi3: joined tensors", d)
    ok(distance(logits(gguf("phi3")), wanted) > 0.01, "phi3: that is not the base")
    ok(logits(gguf("phi3"), [(path, 1)], "--chunk", "1") == ours, "phi3: bits of single tokens")


def glass(home, *words):
    """Exit code, standard output, standard error."""
    p = subprocess.run([GLASS, *words], env=home.env, capture_output=True, text=True,
                       check=False)
    return p.returncode, p.stdout, p.stderr


def merged(top, home):
    """Weights with the adapters in them compute what the adapters compute beside them."""
    for case, uses in CASES.items():
        model = MODELS[uses[0][0]]
        wanted = logits(gguf(model), [(peft(name), scale) for name, scale in uses])
        words = [w for name, scale in uses for w in ("--adapter", f"{peft(name)}={scale}")]
        files = {}
        for start in (gguf(model), os.path.join(top, "model-" + model)):
            for end in (".gguf", "-hf"):
                out = os.path.join(top, "merged" + end)
                code, _, why = glass(home, "convert", start, out, "--force", *words)
                got = logits(out) if code == 0 else why
                d = distance(got, wanted) if isinstance(got, bytes) else got
                ok(d is not got and d <= 1e-5, f"{case}: merged from {os.path.basename(start)} "
                   f"into {end}", d)
                files[got] = 1
        equal(len(files), 1, f"{case}: every way to merge gives the same bits")
    quantised, out = os.path.join(top, "q8_0.gguf"), os.path.join(top, "out.gguf")
    code, _, why = glass(home, "quantize", gguf("llama"), quantised, "--type", "q8_0")
    ok(code == 0, "a quantised model", why)
    adapter = ("--adapter", peft("llama-b"))
    code, _, why = glass(home, "convert", quantised, out, *adapter)
    equal(code, 2, "blocks take no adapter")
    has(why, "Q8_0", "… says which")
    ok(not os.path.exists(out), "… and leaves no file")
    code, _, why = glass(home, "convert", quantised, out, "--type", "bf16", *adapter)
    ok(code == 0 and isinstance(logits(out), bytes), "but widened ones do", why)
    code, _, why = glass(home, "convert", gguf("llama-tied"), out, "--force", "--adapter",
                         peft("llama"))
    equal(code, 3, "a tied head cannot be merged")
    has(why, "embedding", "… says why")
    uses = [(peft("llama"), 1), (peft("llama-b"), -1)]
    wanted = logits(quantised, uses)
    ok(isinstance(wanted, bytes) and wanted != logits(quantised), "adapters on a quantised model", wanted)
    for how in (("--chunk", "1"), ("--chunk", "3", "--threads", "3"), ("--threads", "8")):
        ok(logits(quantised, uses, *how) == wanted, f"its bits with {' '.join(how)}")
    ok(logits(quantised, uses, env={"GLASS_ISA": "c"}) == wanted, "its bits of c")


def commands(top, home):
    """Adapters on the command line."""
    code, text, _ = glass(home, "show", peft("llama-b"))
    equal(code, 0, "show tells of an adapter")
    for part in ("LoRA adapter (PEFT)", "tiny/llama", "6:", "3 to 5", "q_proj"):
        has(text, part, f"… with {part!r}")
    code, text, _ = glass(home, "show", os.path.join(top, "gpt2.gguf"), "--json")
    told = json.loads(text)
    equal((told["kind"], told["format"], told["layers"], told["rank"], told["scale"]),
          ("adapter", "GGUF", 8, [2, 2], [2, 2]), "… and as JSON")
    code, text, _ = glass(home, "show", gguf("llama"), "--json", "--adapter", peft("llama"),
                          "--adapter", peft("llama-b") + "=0.5")
    told = json.loads(text)["adapters"]
    weights = sum(len(data) for name in ("llama", "llama-b")
                  for _, data in af.read(peft(name))[0].values())
    equal(told["weight_bytes"], weights, "a model with adapters: their weights are counted")
    ok(told["session_bytes"] > 10_000, "… and what a session takes for them", told)
    has(glass(home, "show", gguf("llama"), "--adapter", peft("llama"))[1], "with adapters of ",
        "… is said")
    equal(glass(home, "show", gguf("gpt2"), "--adapter", peft("llama"))[0], 3,
          "an adapter of another model")
    code, _, why = glass(home, "bench", gguf("llama"), "-p", "4", "-n", "4", "-r", "1", "-t",
                         "1", "--adapter", peft("llama") + "=0.5")
    ok(code == 0, "bench with an adapter", why)
    code, _, why = glass(home, "bench", gguf("llama"), "-p", "4", "-n", "4", "-r", "1", "-t",
                         "1", "--adapter", peft("llama") + "=nan")
    equal(code, 2, "a scale that is no number")
    has(why, "finite", "… says so")
    odd = os.path.join(top, "a=b")
    os.symlink(peft("llama"), odd)
    for words in ((odd,), (odd + "=2",)):
        code, _, why = glass(home, "bench", gguf("llama"), "-p", "4", "-n", "4", "-r", "1",
                             "-t", "1", "--adapter", *words)
        ok(code == 0, f"a path with '=' in it: {os.path.basename(words[0])}", why)
    code, _, why = glass(home, "bench", gguf("gpt2"), "--adapter", peft("llama"))
    equal(code, 3, "an adapter of another family")
    has(why, "gpt2", "… says of which model")


with tempfile.TemporaryDirectory(prefix="glass-test-") as folder, Home() as home:
    cases(folder)
    forms(folder)
    fused(folder)
    merged(folder, home)
    commands(folder, home)
    peft_refusals(folder)
    gguf_refusals(folder)
done()
