"""corpus_unpack.py FOLDER - seeds for fuzz_unpack: small archives of each kind, one inside another;
the first byte says which name it has (fuzz_unpack.c)."""
import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import zipfile


def tar(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        t.addfile(link)
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files:
            z.writestr(name, data)
    return out.getvalue()


def ar(files):
    out = b"!<arch>\n"
    for name, data in files:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


FILES = [("a.txt", b"text\n" * 20), ("../out.txt", b"no"), ("/abs", b"no"), ("d/b.md", b"# b\n"),
         ("so!/../no", b"no"), ("so!/x", b"yes"), ("!../x", b"yes")]
inner = tar(FILES)
SEEDS = [(0, inner), (1, zipped(FILES)), (2, ar([("debian-binary", b"2.0\n"), ("data.tar", inner)])),
         (3, gzip.compress(b"text " * 99, mtime=0)), (4, lzma.compress(b"text " * 99)),
         (6, bz2.compress(b"text " * 99)), (7, tar(FILES, "w:gz")), (1, zipped([("in.tar", inner)])),
         (0, tar([("x.zip", zipped(FILES)), ("y.gz", gzip.compress(b"z" * 5000, mtime=0))]))]
os.makedirs(sys.argv[1], exist_ok=True)
for i, (kind, seed) in enumerate(SEEDS):
    with open(os.path.join(sys.argv[1], f"seed-{i}"), "wb") as f:
        f.write(bytes([kind]) + seed)
