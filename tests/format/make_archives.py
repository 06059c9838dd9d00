#!/usr/bin/env python3
"""Makes the archives of tests/format/data with torch (2.15.0) and safetensors (0.8.0).

Other implementations' files: torch.save's zip archive by pickle protocols 2 and 4, its format of
before 1.6, safetensors alone and in shards with an index. Run it and compare with
data/archives.sha256 (sha256sum -c); test_torch.c and test_safetensors.c check the same digests."""
import hashlib
import json
import os
import re
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
made = []


def path(name):
    made.append(name)
    return os.path.join(here, name)


def state():
    """Every way in which a tensor can lie in its storage, and the types that models have."""
    ramp = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    half = torch.tensor([1, -2, 0.5], dtype=torch.float16)
    return OrderedDict([
        ("ramp", ramp),
        ("turned", ramp.t()),
        ("column", ramp[:, 1]),
        ("row", ramp[1]),
        ("repeated", torch.tensor([7], dtype=torch.int32).expand(2, 2)),
        ("half", torch.nn.Parameter(half)),
        ("brain", torch.tensor([[1.5, -3]], dtype=torch.bfloat16)),
        ("scalar", torch.tensor(2.5, dtype=torch.float64)),
        ("long", torch.tensor([1 << 40, -1])),
        ("mask", torch.tensor([True, False])),
        ("none", torch.zeros(0, 4)),
    ])


def checkpoint():
    model = state()
    model._metadata = OrderedDict([("", {"version": 1})])
    return {"model": model, "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "lr": 0.1},
            "list": [torch.tensor([9], dtype=torch.int8), (None, torch.tensor([8], dtype=torch.int16))],
            "config": {"size": torch.Size([2, 3]), "device": torch.device("cpu"), "big": 1 << 80,
                       "negative": -70000, "dtype": torch.float16, "name": "größe"}}


def legacy():
    """Storages are named by their addresses and lie in the order of those names; a run is taken in
    which that is the order of the tensors, and the names are replaced."""
    target = path("legacy.bin")
    for _ in range(100000):
        value = state()
        order = list(dict.fromkeys(str(t.untyped_storage()._cdata) for t in value.values()))
        if order == sorted(order) and all(len(key) == 14 for key in order):
            break
    else:
        sys.exit("no run with storages in order")
    torch.save(value, target, _use_new_zipfile_serialization=False)
    with open(target, "rb") as f:
        data = f.read()
    for i, key in enumerate(order):
        data = re.sub(key.encode(), b"%014d" % (i + 1), data)
    with open(target, "wb") as f:
        f.write(data)


def shards(tensors):
    names = [["a.weight", "b.weight"], ["c.weight"]]
    weight_map = {}
    for i, part in enumerate(names):
        file = f"shards-{i + 1:05d}-of-{len(names):05d}.safetensors"
        save_file({name: tensors[name] for name in part}, path(file), {"format": "pt"})
        weight_map.update({name: file for name in part})
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    with open(path("shards.safetensors.index.json"), "w", encoding="utf-8") as f:
        json.dump({"metadata": {"total_size": size}, "weight_map": weight_map}, f, indent=2)
        f.write("\n")


def main():
    os.makedirs(here, exist_ok=True)
    torch.save(checkpoint(), path("zip.bin"))
    torch.save(state(), path("zip4.bin"), pickle_protocol=4)
    legacy()
    single = {k: v.detach().clone().contiguous() for k, v in state().items()}
    save_file(single, path("single.safetensors"), {"title": "größe \"x\"\n"})  # one key: their order is random
    shards({"a.weight": torch.ones(2), "b.weight": torch.zeros(1, 2), "c.weight": torch.full((3,), 2.)})
    with open(os.path.join(here, "archives.sha256"), "w", encoding="ascii") as sums:
        for name in sorted(made):
            with open(os.path.join(here, name), "rb") as f:
                sums.write(f"{hashlib.sha256(f.read()).hexdigest()}  {name}\n")
    return 0


sys.exit(main())
