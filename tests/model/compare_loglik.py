#!/usr/bin/env python3
"""compare_loglik.py [MODEL.gguf] - `glass eval loglik` against transformers' network, driven
as lm-evaluation-harness drives it (its HFLM._encode_pair and _loglikelihood_tokens).

For a developer with torch, transformers, gguf and numpy (see compare_transformers.py, which
widens the weights). Takes sentences of LAMBADA from GLASS_SHARED and pairs of its own. Sums
must be within 1e-4, and as greedy. Prints TAP.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_transformers as peer  # noqa: E402
import torch  # noqa: E402

GLASS = os.environ.get("GLASS", "build/glass")
SHARED = os.environ.get("GLASS_SHARED", "../shared/data")
PAIRS = [("The capital of France is", " Paris"), ("The capital of France is ", "Paris"),
         ("The capital of France is", " a city of light, museums and bread."),
         ("Q: What is 2 + 2?\nA:", " 4"), ("Q: What is 2 + 2?\nA:", " 5"),
         ("", "Once upon a time there was a lighthouse."), ("for i in range(10):\n", "    print(i)"),
         ("Der Himmel ist", " blau"), ("1, 2, 3,", " 4"), ("A line\n\n ", "B")]
CTX = 64


def lambada(n):
    path = os.path.join(SHARED, "eval/lambada_test.jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        texts = [json.loads(next(f))["text"] for _ in range(n)]
    return [(t.rsplit(" ", 1)[0], " " + t.rsplit(" ", 1)[1]) for t in texts]


def ids_of(model, texts):
    # Newlines end a line of --lines: such texts go one by one.
    out = []
    for text in texts:
        p = subprocess.run([GLASS, "tokenizer", "encode", model.path, "--ids"],
                           input=text.encode(), stdout=subprocess.PIPE, check=True)
        out.append([int(i) for i in p.stdout.split()])
    return out


def theirs(model, context, continuation):
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        continuation = context[-spaces:] + continuation
        context = context[:-spaces]
    if context == "":
        before, new = [model.fields["tokenizer.ggml.bos_token_id"]], ids_of(
            model, [continuation])[0]
    else:
        whole, before = ids_of(model, [context + continuation, context])
        new = whole[len(before):]
    ids = (before + new)[-(CTX + 1):][:-1]
    with torch.inference_mode():
        rows = torch.log_softmax(model.net(torch.tensor([ids])).logits[0].double(), -1)
    rows = rows[len(ids) - len(new):]
    greedy = rows.argmax(-1).tolist() == new
    return float(sum(rows[i, t] for i, t in enumerate(new))), greedy, len(new)


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else peer.DEFAULT
    pairs = PAIRS + lambada(30)
    print("1..1")
    with tempfile.TemporaryDirectory() as folder:
        model = peer.Model(path, folder)
        lines = "".join(json.dumps({"id": i, "context": c, "continuation": d}) + "\n"
                        for i, (c, d) in enumerate(pairs))
        p = subprocess.run([GLASS, "eval", "loglik", model.path, "-c", str(CTX)],
                           input=lines.encode(), stdout=subprocess.PIPE, check=True)
        worst, wrong, n_greedy, n_cut = 0.0, [], 0, 0
        for i, line in enumerate(p.stdout.splitlines()):
            got = json.loads(line)
            want, greedy, n = theirs(model, *pairs[i])
            worst = max(worst, abs(got["logprob"] - want))
            n_greedy += greedy
            n_cut += got["cut_tokens"] > 0
            if (got["id"], got["is_greedy"], got["tokens"]) != (i, greedy, n):
                wrong.append((pairs[i], got, want, greedy, n))
    good = worst <= 1e-4 and not wrong and i == len(pairs) - 1
    print(f"{'ok' if good else 'not ok'} 1 - log-likelihoods of {len(pairs)} pairs")
    print(f"# largest difference {worst:.3g}; {n_greedy} greedy, {n_cut} cut; wrong: {wrong}")
    return not good


if __name__ == "__main__":
    sys.exit(main())
