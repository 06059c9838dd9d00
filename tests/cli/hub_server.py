"""A hub on this machine: the part of the Hugging Face hub's API that `glass pull` uses, with
every misbehaviour that the tests ask for. Standard library only."""
import hashlib
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class File:
    """A file of a model, and how the server treats it."""

    def __init__(self, data, **behaviour):
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size = len(data)
        self.lfs = True           # the list has its SHA-256
        self.linked = True        # the answer has X-Linked-Etag
        self.ranges = True        # Range is understood
        self.cut = []             # bytes after which the next answers break off
        self.status = []          # statuses of the next answers
        self.slow = 0             # seconds before the second half
        self.etag = '"%s"' % self.sha256[:16]
        self.redirect = None      # where /resolve/ leads; None: the other host
        self.serve = None         # bytes sent instead of data
        self.retry_after = None
        self.after_cut = None     # the status of every answer after a cut one
        self.__dict__.update(behaviour)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, words):
        self.reply(status, json.dumps({"error": words}, separators=(",", ":")).encode(),
                   X_Error_Message=words)

    def do_GET(self):
        hub = self.server.hub
        url = urllib.parse.urlsplit(self.path)
        with hub.lock:
            hub.log.append((self.server.role, self.path, dict(self.headers.items())))
        path = urllib.parse.unquote(url.path)
        if self.server.role == "cdn":
            self.bytes_of(path)
            return
        m = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(tree|revision)/([^/]+)/?", path)
        if m:
            self.listing(*m.groups(), urllib.parse.parse_qs(url.query))
            return
        m = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if m and m.group(1) in hub.models:
            self.resolve(*m.groups())
        else:
            self.error(404, "Repository not found")

    def listing(self, model, kind, revision, query):
        hub = self.server.hub
        if model in hub.gated and self.headers.get("Authorization") != "Bearer " + hub.token:
            self.error(401, "Access to model %s is restricted" % model)
            return
        if model not in hub.models or revision not in ("main", "v2"):
            self.error(404, "Repository not found")
            return
        if hub.raw_listing is not None:
            self.reply(200, hub.raw_listing)
            return
        files = sorted(hub.models[model].items())
        if kind == "tree" and not hub.has_tree:
            self.error(404, "no tree here")
            return
        if kind == "revision":
            siblings = [{"rfilename": n, "size": f.size, "lfs": {"sha256": f.sha256}}
                        for n, f in files]
            self.reply(200, json.dumps({"siblings": siblings}).encode())
            return
        at, step, more = int(query.get("at", ["0"])[0]), hub.page, {}
        entries = [{"type": "directory", "path": "folder", "size": 0}]
        for name, f in files[at:at + step]:
            entry = {"type": "file", "path": name, "size": f.size, "oid": "0" * 40}
            if f.lfs:
                entry["lfs"] = {"oid": f.sha256, "size": f.size, "pointerSize": 130}
            entries.append(entry)
        if at + step < len(files):
            link = "%s%s?recursive=true&at=%d" % (hub.url, urllib.parse.urlsplit(self.path).path,
                                                  at + step)
            more["Link"] = '<%s>; rel="next"' % link
        self.reply(200, json.dumps(entries).encode(), **more)

    def resolve(self, model, revision, name):
        f = self.server.hub.models[model].get(name)
        if f is None:
            self.error(404, "Entry not found")
            return
        target = f.redirect or "%s/%s/%s" % (self.server.hub.cdn_url, model,
                                             urllib.parse.quote(name))
        headers = {"Location": target, "X_Linked_Size": str(f.size)}
        if f.linked:
            headers["X_Linked_Etag"] = '"%s"' % f.sha256
        if f.redirect == "none":
            self.send_file(f, headers)
        else:
            self.reply(302, b"Found", **headers)

    def bytes_of(self, path):
        model, _, name = path[1:].partition("/")
        more, _, name = name.partition("/")
        f = self.server.hub.models.get(model + "/" + more, {}).get(name)
        if f is None:
            self.error(404, "Not found")
        else:
            self.send_file(f, {})

    def send_file(self, f, extra):
        if f.status:
            status = f.status.pop(0)
            headers = {"Retry_After": f.retry_after} if f.retry_after else {}
            self.reply(status, b"busy", **headers)
            return
        data = f.data if f.serve is None else f.serve
        begin = 0
        m = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        valid = self.headers.get("If-Range") in (None, f.etag)
        if m and f.ranges and valid:
            begin = int(m.group(1))
            if begin >= len(data):
                self.reply(416, b"", Content_Range="bytes */%d" % len(data))
                return
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(data) - 1, len(data)))
        else:
            self.send_response(200)
        for k, v in extra.items():
            if k != "Location":
                self.send_header(k.replace("_", "-"), v)
        if f.etag:
            self.send_header("ETag", f.etag)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        stop = f.cut.pop(0) if f.cut else None
        part = data[begin:] if stop is None else data[begin:begin + stop]
        try:
            if f.slow:
                for i in range(20):
                    self.wfile.write(part[len(part) * i // 20:len(part) * (i + 1) // 20])
                    self.wfile.flush()
                    if self.server.hub.closing.wait(f.slow / 20):
                        return
            else:
                self.wfile.write(part)
        except OSError:
            pass
        if stop is not None:
            f.status += [f.after_cut] * (f.after_cut is not None)
            self.close_connection = True


class Hub:
    """Two servers: the hub, and the other host that its files lie on."""

    def __init__(self):
        self.models, self.gated, self.token = {}, set(), "hf_secret"
        self.log, self.page, self.has_tree, self.raw_listing = [], 1000, True, None
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.servers = []
        for role in ("hub", "cdn"):
            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            server.handle_error = lambda *_: None  # clients leave as they like
            server.hub, server.role = self, role
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.servers.append(server)
        self.url, self.cdn_url = ("http://127.0.0.1:%d" % s.server_port for s in self.servers)

    def add(self, model, name, data, **behaviour):
        self.models.setdefault(model, {})[name] = f = File(data, **behaviour)
        return f

    def requests(self, role=None):
        with self.lock:
            return [r for r in self.log if role in (None, r[0])]

    def close(self):
        self.closing.set()
        for s in self.servers:
            s.shutdown()
            s.server_close()
