"""What the tests of the audit share: folders, tensors, and whether quotes hold."""
import hashlib
import json
import os
import shutil
import struct


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(home, name, data):
    path = os.path.join(home.path, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def folder(home, name, files):
    shutil.rmtree(os.path.join(home.path, name), ignore_errors=True)
    for path, data in files.items():
        write(home, os.path.join(name, path), data)
    return os.path.join(home.path, name)


def tensors(n=8):
    """A safetensors file of one tensor."""
    head = json.dumps({"w": {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]}}).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + b"\0" * (4 * n)


def parts(out):
    return {c["name"]: c for c in out.get("components", [])}


def points(out):
    return {(p["measure"], p["name"]): p for p in out.get("points", [])}


def evidences(out):
    for c in out["components"]:
        yield c["evidence"]
        yield c["licence_evidence"]
    for c in out["claims"] + out["points"]:
        yield c["evidence"]
    for f in out["findings"]:
        yield f["one"]
        yield f["other"]


def quotes_hold(root, out):
    """What is quoted stands at the bytes that are named, in a file of that hash."""
    n, wrong = 0, []
    for e in evidences(out):
        if not e or not e["file"] or not (e["sha256"] or e["end"]):
            continue
        raw = read(os.path.join(root, e["file"]))
        n += 1
        if e["sha256"] and hashlib.sha256(raw).hexdigest() != e["sha256"]:
            wrong.append(("hash", e))
        here = raw[e["begin"]:e["end"]][:400].decode("utf-8", "replace").rstrip("\ufffd")
        if e["end"] > e["begin"] and e["quote"].rstrip("\ufffd") != here.split("\0")[0]:
            wrong.append((here, e))
    return n, wrong
