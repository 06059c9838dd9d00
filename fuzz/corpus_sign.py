"""corpus_sign.py FOLDER - seeds for fuzz_sign: signatures' files of the three kinds (they parse; they do
not hold), and the statements in them."""
import base64
import hashlib
import json
import os
import sys


def statement(shards):
    names = ["a:0:4", "a:4:8", "b/c:0:1"] if shards else ["a", "b/c"]
    items = [{"name": n, "digest": hashlib.sha256(n.encode()).hexdigest(), "algorithm": "sha256"}
             for n in names]
    root = hashlib.sha256(b"".join(bytes.fromhex(i["digest"]) for i in items)).hexdigest()
    how = {"method": "shards" if shards else "files", "hash_type": "sha256", "allow_symlinks": False,
           "ignore_paths": [".git", "model.sig"]}
    if shards:
        how["shard_size"] = 4
    return {"_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "model", "digest": {"sha256": root}}],
            "predicateType": "https://model_signing/signature/v1.0",
            "predicate": {"resources": items, "serialization": how}}


def old():
    return {"_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
            "predicateType": "https://model_signing/Digests/v0.1", "predicate": {}}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    raw = {"rawBytes": base64.b64encode(b"no certificate").decode()}
    material = {"key": {"publicKey": {"hint": "0" * 64}}, "old": {"publicKey": raw},
                "chain": {"x509CertificateChain": {"certificates": [raw, raw]}},
                "one": {"certificate": raw, "tlogEntries": [{"logIndex": "1"}]}}
    payloads = {"files": statement(False), "shards": statement(True), "old": old()}
    for p, payload in payloads.items():
        text = json.dumps(payload).encode()
        with open(os.path.join(folder, f"statement-{p}"), "wb") as f:
            f.write(text)
        for m, one in material.items():
            bundle = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                      "verificationMaterial": one,
                      "dsseEnvelope": {"payload": base64.b64encode(text).decode(),
                                       "payloadType": "application/vnd.in-toto+json",
                                       "signatures": [{"sig": "AAAA", "keyid": ""}]}}
            with open(os.path.join(folder, f"bundle-{p}-{m}"), "w", encoding="utf-8") as f:
                json.dump(bundle, f)


main(sys.argv[1])
