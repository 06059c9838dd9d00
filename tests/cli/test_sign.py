#!/usr/bin/env python3
"""glass sign and glass verify --signature: OpenSSF Model Signing 1.0, read and checked here without Glass
and by openssl; its published vectors; hostile signatures, properly signed; the official tool where
GLASS_PEER_PYTHON names a Python that has it."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kit import ROOT, Home, done, equal, has, ok, skip  # noqa: E402

SHARED = os.environ.get("GLASS_SHARED", os.path.join(ROOT, "../shared/data"))
VECTORS = os.path.join(SHARED, "openness/signing")
PEERS = os.environ.get("GLASS_PEER_PYTHON", "")
TOOL = os.path.join(os.path.dirname(PEERS), "model_signing") if PEERS else None
CURVES = {"prime256v1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}
DEFAULTS = [".git", ".gitattributes", ".github", ".gitignore"]


def openssl(*words, data=None):
    p = subprocess.run(["openssl", *words], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False)
    if p.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(words)}: {p.stderr.decode()}")
    return p.stdout


class Place:
    """A folder with keys and a model."""

    def __init__(self, home):
        self.home, self.path = home, home.path
        for curve in CURVES:
            openssl("ecparam", "-name", curve, "-genkey", "-noout", "-out", self.at(curve + ".key"))
            openssl("pkey", "-in", self.at(curve + ".key"), "-pubout", "-out", self.at(curve + ".pub"))
        self.key, self.pub = self.at("prime256v1.key"), self.at("prime256v1.pub")
        self.model, self.sig = self.at("model"), self.at("model.sig")
        for name, text in {"weights.bin": "w" * 5000, "config.json": "{}", "a-b": "1", "a/b": "2",
                           "a/\u00e9": "3", "empty": "", ".git/config": "secret", ".gitignore": "x",
                           "sub/.git/kept": "k"}.items():
            self.write(name, text)

    def at(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        path = os.path.join(self.model, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())

    def sign(self, *more, model=None, key=None, out=None):
        return self.home.run("sign", model or self.model, "--key", key or self.key, "-o", out or self.sig,
                             *more)

    def verify(self, *more, model=None, key=None, sig=None):
        who = () if any(w in ("--certificate", "--any-signer") for w in more) else ("--key", key or self.pub)
        return self.home.run("verify", model or self.model, "--signature", sig or self.sig, *who, *more)


def bundle_of(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def payload_of(path):
    return json.loads(base64.b64decode(bundle_of(path)["dsseEnvelope"]["payload"]))


def encode(payload):
    return b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload


def sign_here(place, statement, to, material=None, edit=None):
    """A signature of any statement that does hold, made by openssl."""
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    sig = openssl("dgst", "-sha256", "-sign", place.key, data=encode(payload))
    pub = openssl("pkey", "-in", place.key, "-pubout")
    bundle = {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
              "verificationMaterial": material or {"publicKey": {"hint": hashlib.sha256(pub).hexdigest()}},
              "dsseEnvelope": {"payload": base64.b64encode(payload).decode(),
                               "payloadType": "application/vnd.in-toto+json",
                               "signatures": [{"sig": base64.b64encode(sig).decode()}]}}
    if edit:
        edit(bundle)
    with open(to, "w", encoding="utf-8") as f:
        json.dump(bundle, f)


def files_of(model):
    for folder, _, names in os.walk(model):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), model)


def statement_of(place, shard=None, algorithm="sha256"):
    """The statement that the specification asks for, of the model as it is."""
    skip_ = tuple(d + "/" for d in DEFAULTS)
    items = []
    digest = {"sha256": hashlib.sha256, "blake2b": hashlib.blake2b, "blake3": hashlib.sha256}[algorithm]
    for name in files_of(place.model):
        if name in DEFAULTS or name.startswith(skip_):
            continue
        with open(os.path.join(place.model, name), "rb") as f:
            data = f.read()
        if shard is None:
            items.append((name, digest(data).hexdigest()))
        else:
            items += [(f"{name}:{i}:{min(i + shard, len(data))}", digest(data[i:i + shard]).hexdigest())
                      for i in range(0, len(data), shard)]
    items.sort(key=lambda x: x[0].encode())
    how = {"method": "files" if shard is None else "shards", "hash_type": algorithm,
           "allow_symlinks": False, "ignore_paths": DEFAULTS}
    if shard is not None:
        how["shard_size"] = shard
    root = hashlib.sha256(b"".join(bytes.fromhex(d) for _, d in items)).hexdigest()
    return {"_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "model", "digest": {"sha256": root}}],
            "predicateType": "https://model_signing/signature/v1.0",
            "predicate": {"resources": [{"name": n, "digest": d, "algorithm": algorithm}
                                        for n, d in items], "serialization": how}}


def test_form(place):
    """What is written is what the specification asks for, by hand."""
    for curve, md in CURVES.items():
        p = place.sign(key=place.at(curve + ".key"))
        if not equal(p.returncode, 0, f"signs with {curve}"):
            print("# " + p.err)
            continue
        bundle = bundle_of(place.sig)
        raw = base64.b64decode(bundle["dsseEnvelope"]["payload"])
        with open(place.at("raw.sig"), "wb") as f:
            f.write(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
        good = openssl("dgst", "-" + md, "-verify", place.at(curve + ".pub"), "-signature",
                       place.at("raw.sig"), data=encode(raw))
        has(good.decode(), "Verified OK", f"openssl verifies {curve} over {md}")
        with open(place.at(curve + ".pub"), "rb") as f:
            hint = hashlib.sha256(f.read()).hexdigest()
        equal(bundle["verificationMaterial"]["publicKey"]["hint"], hint, f"the hint of {curve}")
        equal(place.verify(key=place.at(curve + ".pub")).returncode, 0, f"verifies with {curve}")
    wanted = statement_of(place)
    equal(payload_of(place.sig), wanted, "the statement is the one that the specification asks for")
    equal(set(bundle), {"mediaType", "verificationMaterial", "dsseEnvelope"}, "members of the bundle")
    equal(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json", "its media type")
    equal(bundle["dsseEnvelope"]["payloadType"], "application/vnd.in-toto+json", "the payload's type")
    p = place.verify(key=place.at("prime256v1.pub"))
    equal(p.returncode, 1, "another key: exit code 1")
    has(p.err, "signed by another key", "another key is named")
    j = place.home.json("sign", place.model, "--key", place.key, "-o", place.sig, "--json")
    equal((j["files"], j["bytes"], j["root"]), (7, 5006, wanted["subject"][0]["digest"]["sha256"]),
          "sign --json")


def test_differences(place):
    place.sign()
    j = json.loads(place.verify("--json").out)
    equal((j["same"], j["files"], j["signer_checked"], j["method"], j["differences"]),
          (True, 7, True, "key", []), "verify --json of the same files")
    place.write("weights.bin", "w" * 4999 + "v")
    place.write("sub/new", "n")
    os.remove(os.path.join(place.model, "a/b"))
    p = place.verify()
    equal(p.returncode, 1, "other files: exit code 1")
    has(p.err, "changed: weights.bin; missing: a/b; not signed: sub/new", "the files are named")
    j = json.loads(place.verify("--json").out)
    equal([(d["kind"], d["file"], d["signed"] != "", d["found"] != "") for d in j["differences"]],
          [("changed", "weights.bin", True, True), ("missing", "a/b", True, False),
           ("added", "sub/new", False, False)], "and in JSON")
    place.write("weights.bin", "w" * 5000)
    place.write("a/b", "2")
    equal(place.verify().returncode, 1, "an added file alone is one too many")
    equal(place.verify("--ignore-unsigned").returncode, 0, "--ignore-unsigned")
    equal(place.verify("--ignore", "sub/new").returncode, 0, "--ignore at verifying")
    equal(place.verify("--ignore", "sub").returncode, 1, "what is left out then is missing")
    os.remove(os.path.join(place.model, "sub/new"))
    place.write(".git/more", "m")
    equal(place.verify().returncode, 0, ".git at the top does not count")
    place.write("sub/.git/more", "m")
    has(place.verify().err, "not signed: sub/.git/more", ".git deeper does")
    os.remove(os.path.join(place.model, "sub/.git/more"))
    p = place.sign("--ignore", "sub/", "--ignore", "./empty", out=os.path.join(place.model, "in.sig"))
    names = [r["name"] for r in payload_of(os.path.join(place.model, "in.sig"))["predicate"]["resources"]]
    equal(names, ["a-b", "a/b", "a/\u00e9", "config.json", "weights.bin"], "--ignore, and the signature inside")
    place.write("sub/whatever", "x")
    equal(place.verify(sig=os.path.join(place.model, "in.sig")).returncode, 0, "what is ignored may change")
    shutil.copy(os.path.join(place.model, "in.sig"), place.at("out.sig"))
    has(place.verify(sig=place.at("out.sig")).returncode.__str__(), "0", "the signature's own name is ignored")
    os.remove(os.path.join(place.model, "in.sig"))
    os.remove(os.path.join(place.model, "sub/whatever"))
    for bad in ("*.bin", "/etc", "../up", "", "."):
        ok(place.sign("--ignore", bad, out=place.at("no.sig")).returncode in (2, 3), f"--ignore {bad!r} is refused")
    ok(not os.path.exists(place.at("no.sig")), "and nothing was written")


def test_one_file(place):
    one = os.path.join(place.model, "weights.bin")
    place.sign(model=one)
    equal(payload_of(place.sig)["predicate"]["resources"][0]["name"], ".", "one file is \".\"")
    equal(place.verify(model=one).returncode, 0, "and verifies")
    shutil.copy(one, place.at("renamed"))
    equal(place.verify(model=place.at("renamed")).returncode, 0, "under another name, too")
    place.sign("--file-name", model=one)
    equal(payload_of(place.sig)["predicate"]["resources"][0]["name"], "weights.bin", "--file-name")
    equal(place.verify(model=one).returncode, 0, "which verifies")
    has(place.verify(model=place.at("renamed")).err, "missing: weights.bin", "under its name only")
    has(place.verify(model=os.path.join(place.model, "config.json")).err, "missing", "not another file")


def test_links(place):
    link = os.path.join(place.model, "link")
    os.symlink("weights.bin", link)
    p = place.sign()
    equal(p.returncode, 3, "a link is an error")
    has(p.err, "model/link: a symbolic link", "that names it")
    equal(place.sign("--ignore", "link").returncode, 0, "--ignore LINK")
    equal(place.sign("--allow-symlinks").returncode, 0, "--allow-symlinks")
    equal(place.verify().returncode, 0, "verifying follows what signing followed")
    os.remove(link)
    os.symlink(place.key, link)
    has(place.verify().err, "changed: link", "a link that leads elsewhere is a change")
    p = place.sign("--allow-symlinks")
    has(p.err, "1 of the links lead out of the folder", "a link out of the folder is warned of")
    os.remove(link)
    for target, what in (("sub", "a link to a folder"), (".", "a link to a folder"),
                         ("nowhere", "leads nowhere"), ("/dev/null", "no file")):
        os.symlink(target, link)
        p = place.sign("--allow-symlinks")
        equal((p.returncode != 0, what in p.err), (True, True), f"a link to {target}: {what}")
        os.remove(link)
    os.mkfifo(link)
    has(place.sign().err, "a pipe, a device or a socket", "a pipe is an error")
    os.remove(link)
    with open(os.path.join(place.model.encode(), b"b\xffd"), "wb") as f:
        f.write(b"1")
    has(place.sign().err, "is not UTF-8", "a name that is not UTF-8 is an error")
    os.remove(os.path.join(place.model.encode(), b"b\xffd"))
    os.makedirs(place.at("bare/.git"))
    has(place.sign(model=place.at("bare")).err, "no file in it", "an empty folder is an error")
    has(place.sign(model=place.at("gone")).err, "gone", "a folder that is not there, too")


def test_keys(place):
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", place.at("rsa.key"))
    openssl("ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", place.at("k1.key"))
    openssl("genpkey", "-algorithm", "ED25519", "-out", place.at("ed.key"))
    for name in ("rsa.key", "k1.key", "ed.key"):
        p = place.sign(key=place.at(name))
        equal((p.returncode, "P-256, P-384 or P-521" in p.err), (3, True), f"{name} is refused")
    openssl("ec", "-in", place.key, "-aes256", "-passout", "pass:open sesame", "-out", place.at("locked.key"))
    with open(place.at("password"), "w", encoding="utf-8") as f:
        f.write("open sesame\n")
    has(place.sign(key=place.at("locked.key")).err, "without a password", "a locked key asks nobody")
    equal(place.sign("--password-file", place.at("password"), key=place.at("locked.key")).returncode, 0,
          "--password-file")
    with open(place.at("password"), "w", encoding="utf-8") as f:
        f.write("close sesame\n")
    equal(place.sign("--password-file", place.at("password"), key=place.at("locked.key")).returncode, 3,
          "a wrong password")
    has(place.sign(key=place.pub).err, "no private key", "a public key signs nothing")
    has(place.verify(key=place.key).err, "pubout", "a private key verifies nothing")
    has(place.sign(key=os.path.join(place.model, "config.json")).err, "no private key", "JSON is no key")
    for words in (("--signature", place.sig), ("--signature", place.sig, "--key", place.pub, "--any-signer"),
                  ("--key", place.pub), ("--signature", place.sig, "--key", place.pub, "--full")):
        equal(place.home.run("verify", place.model, *words).returncode, 2, f"usage: {' '.join(words[::2])}")


def make_chain(place, name, leaf, days="30"):
    """A root, a certificate between, and a leaf for the P-384 key."""
    def at(x):
        return place.at(f"{name}-{x}")
    for who in ("root", "mid"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at(who + ".key"))
    openssl("req", "-x509", "-new", "-key", at("root.key"), "-subj", f"/CN={name} root", "-days", "30",
            "-out", at("root.pem"))
    for who, by, key, extensions, valid in (
            ("mid", "root", at("mid.key"), "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign", "30"),
            ("leaf", "mid", place.at("secp384r1.key"), leaf, days)):
        with open(at("ext"), "w", encoding="utf-8") as f:
            f.write(extensions + "\n")
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name} {who}", "-out", at("csr"))
        openssl("x509", "-req", "-in", at("csr"), "-CA", at(by + ".pem"), "-CAkey", at(by + ".key"),
                "-CAcreateserial", "-days", valid, "-extfile", at("ext"), "-out", at(who + ".pem"))
    return at("leaf.pem"), at("mid.pem"), at("root.pem")


def test_certificates(place):
    usage = "keyUsage=digitalSignature"
    leaf, mid, root = make_chain(place, "good", usage)
    other = make_chain(place, "other", usage)[2]
    key = place.at("secp384r1.key")
    p = place.sign("--certificate", leaf, "--chain", mid, key=key)
    equal((p.returncode, p.err), (0, ""), "signs with a certificate")
    chain = bundle_of(place.sig)["verificationMaterial"]["x509CertificateChain"]["certificates"]
    equal([base64.b64decode(c["rawBytes"]) for c in chain],
          [openssl("x509", "-in", x, "-outform", "DER") for x in (leaf, mid)], "the chain is in it")
    p = place.verify("--certificate", root)
    equal(p.returncode, 0, "a chain to the root")
    has(p.out, "signed by CN=good leaf, issued by CN=good mid", "and who signed")
    p = place.verify("--certificate", other)
    equal(p.returncode, 1, "no chain to another root")
    has(p.err, "do not lead to one that is trusted", "and why")
    equal(place.verify("--certificate", other, "--certificate", mid).returncode, 0, "one of several")
    equal(place.verify(key=place.at("secp384r1.pub")).returncode, 0, "by its key, too")
    p = place.verify("--any-signer")
    equal(p.returncode, 0, "--any-signer")
    has(p.out, "signer not checked", "says so")
    place.sign("--certificate", leaf, key=key)
    equal(place.verify("--certificate", root).returncode, 1, "a link of the chain is missing")
    has(place.sign("--certificate", leaf).err, "certificate of another key", "another key's certificate")
    equal(place.sign("--chain", mid, key=key).returncode, 2, "a chain without a certificate")
    has(place.sign("--certificate", key, key=key).err, "no certificates in PEM", "a key is no certificate")
    stale, mid, root = make_chain(place, "stale", usage, days="-1") if old_days() else (None, None, None)
    if stale:
        place.sign("--certificate", stale, "--chain", mid, key=key)
        has(place.verify("--certificate", root).err, "expired", "an expired certificate")
    else:
        skip("an expired certificate", "this openssl makes none")
    leaf, mid, root = make_chain(place, "tls", "keyUsage=keyAgreement\nextendedKeyUsage=serverAuth")
    place.sign("--certificate", leaf, "--chain", mid, key=key)
    has(place.verify("--certificate", root).err, "neither digital signatures nor code signing",
        "a certificate for something else")


def old_days():
    """Whether openssl x509 takes a negative number of days."""
    p = subprocess.run(["openssl", "version"], stdout=subprocess.PIPE, check=False)
    return p.stdout.startswith(b"OpenSSL 3.0")


def change(**members):
    """An edit of a statement: dots in names are underscores doubled."""
    def edit(s):
        for path, value in members.items():
            *way, last = path.split("__")
            at = s
            for step in way:
                at = at[int(step) if step.isdigit() else step]
            if value is None:
                del at[last]
            else:
                at[int(last) if last.isdigit() else last] = value
    return edit


def test_statements(place):
    """Statements that are properly signed, and wrong."""
    to = place.at("made.sig")
    sign_here(place, statement_of(place), to)
    equal(place.verify(sig=to).returncode, 0, "a signature by openssl holds")
    sign_here(place, statement_of(place, shard=1000), to)
    equal(place.verify(sig=to).returncode, 0, "in parts of 1000 bytes, too")
    place.write("weights.bin", "w" * 1999 + "v" + "w" * 3000)
    has(place.verify(sig=to).err, "changed: weights.bin:1000:2000\n", "a part is named")
    place.write("weights.bin", "w" * 5001)
    equal(place.verify(sig=to).returncode, 1, "more than the parts")
    place.write("weights.bin", "w" * 4999)
    equal(place.verify(sig=to).returncode, 1, "less than the parts")
    place.write("weights.bin", "w" * 5000)
    sign_here(place, statement_of(place, algorithm="blake2b"), to)
    equal(place.verify(sig=to).returncode, 0, "BLAKE2b")
    first = "predicate__resources__0"
    how = "predicate__serialization"
    bad = (
        ("another predicate", change(predicateType="https://slsa.dev/provenance/v1"), "of another kind"),
        ("another type", change(_type="https://in-toto.io/Statement/v0.1"), "no in-toto statement"),
        ("two subjects", lambda s: s["subject"].append(s["subject"][0]), "2 subjects"),
        ("another root", change(subject__0__digest__sha256="0" * 64), "contradicts itself"),
        ("no predicate", change(predicate=None), "predicate: is missing"),
        ("a predicate that is a list", change(predicate=[]), "another type"),
        ("no files", lambda s: (change(predicate__resources=[])(s), change(
            subject__0__digest__sha256=hashlib.sha256(b"").hexdigest())(s)), "names no file"),
        ("an absolute path", change(**{first + "__name": "/etc/passwd"}), "no path below"),
        ("a path that leads up", change(**{first + "__name": "a/../../b"}), "no path below"),
        ("an empty part", change(**{first + "__name": "a//b"}), "no path below"),
        ("a name that is a number", change(**{first + "__name": 7}), "another type"),
        ("a digest too short", change(**{first + "__digest": "abcd"}), "is no SHA-256"),
        ("a digest of capitals", change(**{first + "__digest": "A" * 64}), "is no SHA-256"),
        ("another algorithm", change(**{first + "__algorithm": "blake2b"}), "is hashed by"),
        ("BLAKE3", change(**{how + "__hash_type": "blake3"}), "blake3"),
        ("another order", change(**{how + "__method": "tree"}), "\"tree\""),
        ("parts without a size", change(**{how + "__method": "shards"}), "shard_size"),
        ("links as a word", change(**{how + "__allow_symlinks": "no"}), "true or false"),
        ("all is ignored", change(**{how + "__ignore_paths": ["."]}), "cannot be left out"),
        ("ignoring upwards", change(**{how + "__ignore_paths": ["a/../.."]}), "cannot be left out"),
        ("ignoring a number", change(**{how + "__ignore_paths": [1]}), "is no text"),
    )
    for name, edit, words in bad:
        s = statement_of(place)
        edit(s)
        sign_here(place, s, to)
        p = place.verify(sig=to)
        equal((p.returncode, words in p.err), (3, True), f"{name} is refused")
        if words not in p.err:
            print("# " + p.err)
    s = statement_of(place)
    s["predicate"]["resources"].append(s["predicate"]["resources"][-1])
    digests = b"".join(bytes.fromhex(r["digest"]) for r in s["predicate"]["resources"])
    s["subject"][0]["digest"]["sha256"] = hashlib.sha256(digests).hexdigest()
    sign_here(place, s, to)
    has(place.verify(sig=to).err, "twice", "a file named twice is refused")
    for name, payload, words in (("JSON cut short", b"{\"_type\":", "statement: byte"), ("a list", b"[]", "is missing"),
                                 ("no JSON", b"\x80\x81", "statement: byte"),
                                 ("100,000 lists in one another", b"[" * 100000, "statement: byte"),
                                 ("a member twice", b'{"_type":"a","_type":"b"}', "duplicate")):
        sign_here(place, payload, to)
        p = place.verify(sig=to)
        equal((p.returncode, words in p.err), (3, True), f"{name} as a statement is refused")


def test_bundles(place):
    to = place.at("made.sig")
    good = statement_of(place)
    raw = {"rawBytes": "AAAA"}
    e = "dsseEnvelope"
    bad = (
        ("another media type", change(mediaType="text/plain"), "mediaType"),
        ("version 9", change(mediaType="application/vnd.dev.sigstore.bundle.v9+json"), "mediaType"),
        ("a further member", change(extra=1), "does not belong here"),
        ("one in the envelope", change(**{e + "__extra": 1}), "does not belong here"),
        ("no signature", change(**{e + "__signatures": []}), "0 signatures"),
        ("two signatures", lambda b: b[e]["signatures"].append(b[e]["signatures"][0]), "2 signatures"),
        ("another payload type", change(**{e + "__payloadType": "text/plain"}), "no in-toto"),
        ("base64 with a blank", lambda b: change(**{e + "__payload": " " + b[e]["payload"][1:]})(b), "no base64"),
        ("base64 of a bad length", lambda b: change(**{e + "__payload": b[e]["payload"] + "A"})(b), "no base64"),
        ("an empty payload", change(**{e + "__payload": ""}), "is empty"),
        ("a payload that is a number", change(**{e + "__payload": 1}), "another type"),
        ("no base64 as signature", change(**{e + "__signatures__0__sig": "!!!!"}), "no base64"),
        ("a number as key's name", change(**{e + "__signatures__0__keyid": 1}), "keyid"),
        ("neither key nor certificate", change(verificationMaterial={}), "must have one of"),
        ("key and certificate", change(verificationMaterial={"publicKey": {"hint": "x"}, "certificate": raw}),
         "must have one of"),
        ("a key without hint", change(verificationMaterial={"publicKey": {}}), "neither hint nor"),
        ("no certificates", change(verificationMaterial={"x509CertificateChain": {"certificates": []}}),
         "0 certificates"),
        ("1,000 certificates", change(verificationMaterial={"x509CertificateChain": {"certificates": [raw] * 1000}}),
         "1000 certificates"),
        ("keyless without a log", change(verificationMaterial={"certificate": raw, "tlogEntries": []}),
         "transparency log"),
    )
    for name, edit, words in bad:
        sign_here(place, good, to, edit=edit)
        p = place.verify(sig=to)
        equal((p.returncode, words in p.err), (3, True), f"a bundle with {name} is refused")
        if words not in p.err:
            print("# " + p.err)
    sign_here(place, good, to, material={"x509CertificateChain": {"certificates": [raw]}})
    has(place.verify("--any-signer", sig=to).err, "certificate 1 cannot be read", "a broken certificate")
    sign_here(place, good, to, edit=change(**{e + "__signatures__0__sig": "AAAA"}))
    equal(place.verify(sig=to).returncode, 1, "another signature: exit code 1")
    for name, data in (("empty", b""), ("no JSON", b"hello"), ("a list", b"[]"), ("null", b"null"),
                       ("deep", b'{"a":' * 50000), ("binary", bytes(range(256)))):
        with open(to, "wb") as f:
            f.write(data)
        p = place.verify(sig=to)
        equal((p.returncode, "no signature of a model" in p.err), (3, True), f"a file that is {name} is refused")
    with open(to, "wb") as f:
        f.truncate(1 << 40)
    p = place.verify(sig=to)
    equal((p.returncode, "larger than" in p.err), (3, True), "a terabyte is refused")
    os.remove(to)
    os.mkdir(to)
    ok(place.verify(sig=to).returncode in (3, 4), "a folder is no signature")
    os.rmdir(to)
    equal(place.verify(sig=to).returncode, 4, "no file is no signature")


def test_vectors(home):
    if not os.path.isdir(VECTORS):
        skip("the published vectors", "no shared data")
        return
    keys = os.path.join(VECTORS, "keys")
    by_key = ("--key", os.path.join(keys, "signing-key-pub.pem"))
    trust = {"key": by_key, "certificate": ("--certificate", os.path.join(keys, "ca-cert.pem")),
             "sigstore": ("--any-signer",), "-": by_key}
    with open(os.path.join(VECTORS, "expected.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    for file, method, wanted, *_ in rows:
        path = os.path.join(VECTORS, file)
        model = os.path.dirname(path)
        if file.startswith("spec/"):
            model = os.path.join(VECTORS, "models/v1.1.0-" + ("sigstore" if method == "sigstore" else "elliptic-key"))
            if "certificate" in file:
                model = os.path.join(VECTORS, "models/v1.1.0-elliptic-key")
        elif file in ("models/v0.3.1-elliptic-key/model.sig", "models/v1.0.0-elliptic-key/model.sig"):
            model = os.path.join(model, "signme-1")
        ignore = [w for n in ("ignore-me", "model.sig") if os.path.exists(os.path.join(model, n))
                  for w in ("--ignore", n)]
        p = home.run("verify", model, "--signature", path, *trust[method], *ignore)
        good = p.returncode == 0 if wanted == "valid" else p.returncode in (1, 3) and p.err != ""
        ok(good, f"{file}: {wanted}", f"{p.returncode}: {p.out}{p.err}")
        if method == "certificate" and wanted == "valid":
            equal(home.run("verify", model, "--signature", path, "--certificate",
                           os.path.join(keys, "int-ca-cert.pem"), *ignore).returncode, 0,
                  f"{file}: by the certificate between")
    p = home.run("verify", os.path.join(VECTORS, "models/v1.1.0-sigstore"), "--signature",
                 os.path.join(VECTORS, "models/v1.1.0-sigstore/model.sig"), *trust["certificate"])
    equal((p.returncode, "public log" in p.err), (3, True), "keyless: who signed is not pretended to be checked")


def test_tool(place):
    """Both ways with model-signing."""
    if not TOOL or not os.path.exists(TOOL):
        skip("the model-signing tool", "GLASS_PEER_PYTHON names no Python that has it")
        return

    def tool(*words):
        return subprocess.run([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    leaf, mid, root = make_chain(place, "tool", "keyUsage=digitalSignature")
    one = os.path.join(place.model, "weights.bin")
    for curve in CURVES:
        key, pub = place.at(curve + ".key"), place.at(curve + ".pub")
        for model in (place.model, one):
            what = f"{curve}, {'a file' if model == one else 'a folder'}"
            place.sign(model=model, key=key)
            p = tool("verify", "key", "--public_key", pub, "--signature", place.sig, model)
            equal((p.returncode, b"succeeded" in p.stdout), (0, True), f"{what}: signed here, verified there")
            os.remove(place.sig)
            p = tool("sign", "key", "--private_key", key, "--signature", place.sig, model)
            equal((p.returncode, place.verify(model=model, key=pub).returncode), (0, 0),
                  f"{what}: signed there, verified here")
    key = place.at("secp384r1.key")
    place.sign("--certificate", leaf, "--chain", mid, key=key)
    p = tool("verify", "certificate", "--certificate_chain", root, "--signature", place.sig, place.model)
    equal((p.returncode, b"succeeded" in p.stdout), (0, True), "certificate: signed here, verified there")
    print("# " + p.stdout.decode().replace("\n", " ")[-300:])
    os.remove(place.sig)
    p = tool("sign", "certificate", "--private_key", key, "--signing_certificate", leaf, "--certificate_chain", mid,
             "--signature", place.sig, place.model)
    equal((p.returncode, place.verify("--certificate", root).returncode), (0, 0),
          "certificate: signed there, verified here")
    os.symlink("weights.bin", os.path.join(place.model, "link"))
    place.sign("--allow-symlinks")
    p = tool("verify", "key", "--public_key", place.pub, "--allow_symlinks", "--signature", place.sig, place.model)
    equal(p.returncode, 0, "a link: signed here, verified there")
    tool("sign", "key", "--private_key", place.key, "--allow_symlinks", "--ignore-paths",
         os.path.join(place.model, "empty"), "--signature", os.path.join(place.model, "model.sig"), place.model)
    equal(place.verify(sig=os.path.join(place.model, "model.sig")).returncode, 0,
          "a link and an ignored path: signed there, verified here")
    os.remove(os.path.join(place.model, "link"))
    os.remove(os.path.join(place.model, "model.sig"))
    place.sign()
    place.write("weights.bin", "v" * 5000)
    ok(tool("verify", "key", "--public_key", place.pub, "--signature", place.sig, place.model).returncode != 0,
       "a changed file: refused there")


def main():
    with Home() as home:
        place = Place(home)
        test_form(place)
        test_differences(place)
        test_one_file(place)
        test_links(place)
        test_keys(place)
        test_certificates(place)
        test_statements(place)
        test_bundles(place)
        test_vectors(home)
        test_tool(place)
    done()


main()
