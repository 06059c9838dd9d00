#!/usr/bin/env python3
"""gen_mixes.py LLAMA_QUANTIZE > data/mixes.json - which type llama.cpp's llama-quantize gives
to each matrix of the shapes in shape_model.py, for every mix, without and with importance. Made
with the llama.cpp that llama-cpp-python 0.3.36 carries. Not part of the test run."""
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shape_model  # noqa: E402

MIXES = ["Q2_K", "Q2_K_S", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M",
         "Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", "IQ4_NL", "IQ4_XS", "F16", "BF16",
         "F32"]
LINE = re.compile(r"\] +(\S+) +- \[.*?\], type = +(\S+), size = .*?(?:\((\S+)\))?$")


def choices(program, model, mix, importance):
    p = subprocess.run([program, "--dry-run", *(["--imatrix", importance] if importance else []),
                        model, mix], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       check=False)
    types = {}
    for line in p.stdout.splitlines():
        m = LINE.search(line)
        if m and m[1].endswith(".weight"):
            types[m[1]] = m[3] or m[2]
    if p.returncode or not types:
        sys.exit(f"{model} {mix}: {p.stdout[-2000:]}")
    return types


def main():
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        for shape in shape_model.SHAPES:
            model = shape_model.write(os.path.join(folder, shape + ".gguf"), shape)
            im = shape_model.write_importance(os.path.join(folder, shape + ".im"), shape)
            matrices = {n for n, rows, _ in shape_model.tensors(shape) if rows}
            for mix in MIXES:
                for important in (None, im):
                    if mix == "Q2_K_S" and not important:
                        continue
                    types = choices(sys.argv[1], model, mix, important)
                    spelt = shape_model.spell({n: t for n, t in types.items()
                                               if n in matrices})
                    if not important:
                        out[f"{shape} {mix}"] = spelt
                    elif spelt != out.get(f"{shape} {mix}"):
                        out[f"{shape} {mix} important"] = spelt
    print("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "}")


main()
