"""corpus_proof.py FOLDER - seeds for fuzz_proof: proofs of presence and absence in corpora of one and
three documents, computed here."""
import hashlib
import json
import os
import sys


def sha(data):
    return hashlib.sha256(data).digest()


def tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha(b"\1" + tree(leaves[:k]) + tree(leaves[k:]))


def path(leaves, i):
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return path(leaves[:k], i) + [tree(leaves[k:])] if i < k else \
        path(leaves[k:], i - k) + [tree(leaves[:k])]


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for n in (1, 3):
        docs = sorted((sha(bytes([i])), json.dumps({"content": sha(bytes([i])).hex()},
                                                   separators=(",", ":"))) for i in range(n))
        leaves = [sha(b"\0" + c + sha(r.encode())) for c, r in docs]
        root = sha(b"glass corpus 1\n" + n.to_bytes(8, "little") + tree(leaves)).hex()
        for i, (content, record) in enumerate(docs):
            for present in (True, False):
                leaf = {"at": i, "path": [p.hex() for p in path(leaves, i)]}
                proof = {"format": "glass proof 1", "root": root, "documents": n,
                         "content": content.hex() if present else "f" * 64, "present": present}
                if present:
                    proof["document"] = dict(leaf, record=record)
                else:
                    proof["before"] = dict(leaf, content=content.hex(),
                                           record_hash=sha(record.encode()).hex())
                with open(os.path.join(folder, f"seed-{n}-{i}-{present}"), "w", encoding="utf-8") as f:
                    json.dump(proof, f)


main(sys.argv[1])
