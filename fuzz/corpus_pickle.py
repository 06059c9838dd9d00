#!/usr/bin/env python3
"""Writes seeds for fuzz_pickle into a folder: corpus_pickle.py FOLDER. Only the standard library:
pickles whose names are torch's, made by classes that pretend to be those."""
import collections
import io
import os
import pickle
import sys
import types


def fake(module, name):
    """Something that pickles as module.name."""
    space = sys.modules.setdefault(module, types.ModuleType(module))

    def function(*args):
        return args
    function.__module__, function.__qualname__, function.__name__ = module, name, name
    setattr(space, name, function)
    return function


V2, V3 = fake("torch._utils", "_rebuild_tensor_v2"), fake("torch._utils", "_rebuild_tensor_v3")
PARAMETER = fake("torch._utils", "_rebuild_parameter")
FLOAT, HALF = fake("torch", "FloatStorage"), fake("torch", "HalfStorage")
UNTYPED, BFLOAT16 = fake("torch.storage", "UntypedStorage"), fake("torch", "bfloat16")
SIZE, DEVICE = fake("torch", "Size"), fake("torch", "device")


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Storage:
    def __init__(self, kind, key, numel):
        self.id = kind, key, numel


def dump(value, protocol, legacy):
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if not isinstance(obj, Storage):
                return None
            kind, key, numel = obj.id
            return ("storage", kind, key, "cpu", numel) + ((None,) if legacy else ())
    out = io.BytesIO()
    Pickler(out, protocol=protocol).dump(value)
    return out.getvalue()


def tensor(offset, size, stride):
    return Call(V2, Storage(FLOAT, "0", 64), offset, size, stride, False,
                collections.OrderedDict())


def values():
    yield "flat", {"a": tensor(0, (2, 3), (3, 1)), "b": tensor(1, (3, 2), (1, 3))}
    yield "scalar", tensor(5, (), ())
    yield "expanded", {"a": tensor(0, (4, 4), (0, 0))}
    yield "parameter", collections.OrderedDict(
        a=Call(PARAMETER, tensor(0, (2,), (1,)), True, collections.OrderedDict()))
    yield "v3", {"a": Call(V3, Storage(UNTYPED, "1", 8), 1, (3,), (1,), False,
                           collections.OrderedDict(), BFLOAT16)}
    yield "nested", {"model": {"x.y": tensor(0, (1,), (1,))}, 3: [tensor(0, (0,), (1,)), (None,)],
                     "other": {"lr": 0.1, "n": 1 << 80, "m": -70000, "s": Call(SIZE, (2, 3)),
                               "d": Call(DEVICE, "cpu"), "t": True, "b": b"xy", "w": "x" * 300}}
    shared = [1]
    yield "shared", {"a": shared, "b": shared, "c": ()}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, value in values():
        for protocol in (2, 4):
            for legacy in (False, True):
                if legacy and name == "v3":
                    continue
                path = os.path.join(folder, f"{name}{protocol}{'l' if legacy else 'z'}")
                with open(path, "wb") as f:
                    f.write(dump(value, protocol, legacy))
    return 0


sys.exit(main(sys.argv[1]))
