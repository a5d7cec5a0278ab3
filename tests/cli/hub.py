"""A hub of Hugging Face's kind and its storage on two ports of this machine, with faults to order. Standard library only."""

import gzip
import hashlib
import http.server
import json
import sys
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Fault:
    """What goes wrong, for how many requests of a file's body."""

    def __init__(self, times=1, cut=None, status=None, headers=(), lie=0, html=False, wrong=False, location=None, slow=0,
                 ignore_range=False, endless=False, then=None, packed=False, chunked=False, range_lie=0):
        self.times, self.cut, self.status, self.headers, self.lie, self.html = times, cut, status, dict(headers), lie, html
        self.wrong, self.location, self.slow, self.ignore_range, self.endless = wrong, location, slow, ignore_range, endless
        self.then = then
        self.packed, self.chunked, self.range_lie = packed, chunked, range_lie


class Hub:
    """files: path -> bytes; those longer than `large` are kept in the storage, behind a redirect."""

    def __init__(self, files, repo="org/tiny", large=2000, token=None, blobs=True):
        self.files, self.repo, self.large, self.token, self.blobs = files, repo, large, token, blobs
        self.faults, self.api_fault, self.log, self.sent = {}, None, [], 0
        self.hashes = {}  # of all that was asked for
        self.extra = []  # further names in the list
        self.routes = {}  # other paths: (status, headers, body)
        self.front, self.back = self.serve(self.hub_request), self.serve(self.storage_request)
        self.url = f"http://127.0.0.1:{self.front.server_address[1]}"
        self.storage = f"http://127.0.0.1:{self.back.server_address[1]}"
        self.env = {"HF_ENDPOINT": self.url, "HF_TOKEN": "", "no_proxy": "*"}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for server in (self.front, self.back):
            server.shutdown()
            server.server_close()

    def serve(self, answer):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.log.append((self.command, self.path, dict(self.headers.items()), self.server.server_address[1]))
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_HEAD = do_GET

            def log_message(self, *unused):
                pass

            def say(self, status, body=b"", **headers):
                self.send_response(status)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that is ended in between
                    super().handle_error(request, client_address)

        server = Server(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def is_large(self, path):
        return len(self.files[path]) > self.large

    def hash(self, path):
        data = self.files[path]
        if data not in self.hashes:
            self.hashes[data] = hashlib.sha256(data).hexdigest() if self.is_large(path) else git_sha1(data)
        return self.hashes[data]

    def listing(self):
        siblings = []
        for path, data in self.files.items():
            one = {"rfilename": path}
            if self.blobs:
                one |= {"size": len(data), "blobId": git_sha1(data)}
                if self.is_large(path):
                    one["lfs"] = {"sha256": self.hash(path), "size": len(data)}
            siblings.append(one)
        return {"sha": COMMIT, "siblings": siblings + [{"rfilename": x} for x in self.extra]}

    def hub_request(self, h):
        path = urllib.parse.unquote(h.path.split("?")[0])
        if path in self.routes:
            status, headers, body = self.routes[path]
            return h.say(status, body, **headers)
        if self.token and h.headers.get("Authorization") != "Bearer " + self.token:
            return h.say(401, X_Error_Code="RepoNotFound")
        if path.startswith("/api/"):
            if self.api_fault and self.api_fault.times:
                self.api_fault.times -= 1
                return h.say(self.api_fault.status, **self.api_fault.headers)
            name = path.split("/revision/")[0].removeprefix("/api/models/")
            if name != self.repo:
                return h.say(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            if path.split("/revision/")[1] not in ("main", COMMIT, "refs/pr/1"):
                return h.say(404, X_Error_Code="RevisionNotFound")
            return h.say(200, json.dumps(self.listing()).encode(), Content_Type="application/json")
        file = path.removeprefix(f"/{self.repo}/resolve/{COMMIT}/").removeprefix(f"/{self.repo}/resolve/main/")
        if file not in self.files:
            return h.say(404, X_Error_Code="EntryNotFound")
        fault = self.faults.get(file)
        if fault and fault.location and fault.times:
            fault.times -= 1
            return h.say(302, Location=fault.location)
        if not self.is_large(file):
            return self.body(h, file, ETag=f'"{self.hash(file)}"', X_Repo_Commit=COMMIT)
        return h.say(302, Location=f"{self.storage}/{urllib.parse.quote(file)}?signature=x", X_Repo_Commit=COMMIT,
                     X_Linked_Etag=f'"{self.hash(file)}"', X_Linked_Size=str(len(self.files[file])))

    def storage_request(self, h):
        file = urllib.parse.unquote(h.path.split("?")[0]).lstrip("/")
        self.body(h, file, ETag='"storage"')

    def body(self, h, file, **headers):
        data, status, begin = self.files[file], 200, 0
        fault = self.faults.get(file)
        if fault and (not fault.times or h.command == "HEAD"):
            fault = None
        if fault:
            fault.times -= 1
            if not fault.times and fault.then:
                self.faults[file] = fault.then
        if fault and fault.status:
            return h.say(fault.status, **fault.headers)
        if fault and fault.html:
            return h.say(200, b"<!DOCTYPE html><html>log in</html>", Content_Type="text/html; charset=utf-8")
        if fault and fault.wrong:
            data = bytes(len(data))
        wanted = h.headers.get("Range")
        if wanted and not (fault and fault.ignore_range):
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(data):
                return h.say(416, Content_Range=f"bytes */{len(data)}")
            said = begin + (fault.range_lie if fault else 0)
            status, headers = 206, {**headers, "Content_Range": f"bytes {said}-{len(data) - 1}/{len(data)}"}
        body = data[begin:]
        if fault and fault.packed:
            body, headers = gzip.compress(body), {**headers, "Content_Encoding": "gzip"}
        length = len(body) + (fault.lie if fault else 0)
        h.send_response(status)
        for key, value in headers.items():
            h.send_header(key.replace("_", "-"), value)
        if fault and fault.endless:
            h.close_connection = True
        elif fault and fault.chunked:
            h.send_header("Transfer-Encoding", "chunked")
        else:
            h.send_header("Content-Length", str(length))
        h.end_headers()
        if h.command == "HEAD":
            return None
        if fault and fault.endless:
            while True:
                h.wfile.write(bytes(1 << 16))
        if fault and fault.chunked:
            for at in range(0, len(body), 1000):
                piece = body[at:at + 1000]
                h.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            h.wfile.write(b"0\r\n\r\n" if fault.cut is None else b"")
            h.close_connection = fault.cut is not None
            return None
        if fault and fault.cut is not None:
            body, h.close_connection = body[:fault.cut], True
        for at in range(0, len(body), 1 << 14):
            h.wfile.write(body[at:at + (1 << 14)])
            self.sent += min(1 << 14, len(body) - at)
            if fault and fault.slow:
                time.sleep(fault.slow)
        if length != len(data[begin:]):
            h.close_connection = True
        return None
