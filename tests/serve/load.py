"""load.py LIMN [REQUESTS] - limn serve under load on loopback, within bounds: what docs/serve.md's figures are from.

50 clients, of whom some send or read a byte a second; bodies that are cut, invalid and too large, wrong keys, floods of headers; 10,000 idle
connections; a health check all the while; memory before and after; and a server that is killed in the middle of its queue. Everything
that is not as it should be ends it with an error, so the same run of a program built with sanitizers is a test.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

LIMN = os.path.abspath(sys.argv[1])
REQUESTS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
CLIENTS = 50
IDLE = 10000
KEY = "correct-horse"
with open(LIMN, "rb") as f:
    SANITIZED = b"__asan_init" in f.read()
# looking for leaks is done by ptrace, which is among what the sandbox refuses; freed memory that is kept would count as growth
ENV = {**os.environ, "OMP_WAIT_POLICY": "passive", "ASAN_OPTIONS": "detect_leaks=0:exitcode=99:quarantine_size_mb=16"}


class Server:
    def __init__(self, *args):
        self.p = subprocess.Popen([LIMN, "serve", "--port", "0", "--api-key-file", "key", "--queue", "64", "-q", *args], stdout=subprocess.PIPE, env=ENV)
        self.port = int(self.p.stdout.readline().decode().rsplit(":", 1)[1])

    def ask(self, method, path, body=None, headers=None, timeout=300):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Authorization": "Bearer " + KEY} if headers is None else headers
        try:
            c.request(method, path, body, {**headers, **({"Content-Type": "application/json"} if body is not None else {})})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def figure(self, name):
        return float(re.search(rf"^limn_{name} (\S+)", self.ask("GET", "/metrics")[1].decode(), re.M)[1])

    def raw(self, data=b"", source="127.0.0.1"):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        s.sendall(data)
        return s

    def end(self):
        self.p.terminate()
        assert self.p.wait(300) == 0


PICTURE = json.dumps({"prompt": "a key", "size": "32x32", "steps": 1, "seed": 1}).encode()
POST = "POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer correct-horse\r\nContent-Type: application/json\r\n"


def drip(s, text):
    """A byte a second until the server has had enough: seconds."""
    start = time.monotonic()
    sock = s.raw()
    sock.settimeout(1)
    with contextlib.suppress(ConnectionError):
        for byte in text + b"x" * 60:
            sock.sendall(bytes([byte]))
            with contextlib.suppress(socket.timeout):
                if not sock.recv(4096):
                    break
    sock.close()
    return time.monotonic() - start


def closed_in_time(seconds):
    return "closed in time" if 8 < seconds < 25 else f"closed after {seconds:.0f} s"


def kinds(s):
    """What a client may be up to, and what is right for it."""
    picture = lambda headers=None: s.ask("POST", "/v1/images/generations", PICTURE, headers)[0]
    return {
        "a picture": (picture, {200, 429, 503}, 400),
        "not JSON": (lambda: s.ask("POST", "/v1/images/generations", b"{" * 100)[0], {400, 503}, 95),
        "not UTF-8": (lambda: s.ask("POST", "/sdapi/v1/txt2img", b'{"prompt": "\xff\xfe"}')[0], {422, 503}, 95),
        "not base64": (lambda: s.ask("POST", "/sdapi/v1/img2img", b'{"init_images": ["%%%"]}')[0], {422, 503}, 95),
        "a wrong key": (lambda: picture({"Authorization": "Bearer wrong"}), {401, 503}, 95),
        "another path": (lambda: s.ask("GET", "/pictures/..%2f..%2fetc%2fpasswd")[0], {404, 503}, 95),
        "a strange host": (lambda: s.ask("GET", "/health", headers={"Host": "evil.example"})[0], {421, 503}, 95),
        "a slow header": (lambda: closed_in_time(drip(s, b"GET /health HTTP/1.1\r\n")), {"closed in time"}, 10),
        "a slow body": (lambda: closed_in_time(drip(s, (POST + "Content-Length: 60\r\n\r\n").encode())), {"closed in time"}, 10),
        "gone at once": (lambda: s.raw((POST + f"Content-Length: {len(PICTURE)}\r\n\r\n").encode() + PICTURE).close() or "gone", {"gone"}, 10),
    }


def one(s, i):
    table = kinds(s)
    kind = random.Random(i).choices(list(table), [k[2] for k in table.values()])[0]
    run, right, _ = table[kind]
    try:
        status = run()
    except (ConnectionError, http.client.HTTPException, socket.timeout) as e:
        return kind, f"{e!r}?"
    return kind, status if status in right else f"{status}?"


def count(results):
    out = {}
    for kind, status in results:
        out.setdefault(kind, {}).setdefault(status, 0)
        out[kind][status] += 1
    return out


def many_requests(s):
    healthy, stop = [], threading.Event()

    def watch():
        while not stop.wait(0.25):
            start = time.monotonic()
            with s.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "127.0.0.9") as c:
                assert b" 200 " in c.recv(100)
            healthy.append(time.monotonic() - start)

    before = s.figure("resident_bytes")
    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        results = count(pool.map(lambda i: one(s, i), range(REQUESTS)))
    took = time.monotonic() - start
    stop.set()
    watcher.join()
    print(f"{REQUESTS} requests by {CLIENTS} clients in {took:.1f} s")
    for kind, statuses in sorted(results.items()):
        print(f"  {kind:16}", ", ".join(f"{k}: {v}" for k, v in sorted(statuses.items(), key=str)))
    wrong = [status for k in results.values() for status in k if str(status).endswith("?")]
    assert not wrong, wrong
    assert results["a picture"][200] > 0
    after = s.figure("resident_bytes")
    print(f"/health was answered {len(healthy)} times, after {1000 * max(healthy):.0f} ms at most")
    print(f"memory {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after")
    assert SANITIZED or after - before < 64e6


def idle_connections(s, name, source, most):
    """Most are closed, the newest stay, and whoever asks for something meanwhile is answered, from elsewhere and from the same address."""
    idle, closed, slowest, start = [], 0, 0, time.monotonic()
    for i in range(IDLE):
        idle.append(s.raw(source=source(i)))
        if i % 1000 == 999:
            for here in ("127.0.0.1", source(i)):
                asked = time.monotonic()
                with s.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", here) as c:
                    assert b" 200 " in c.recv(100)
                slowest = max(slowest, time.monotonic() - asked)
    took = time.monotonic() - start
    time.sleep(0.5)
    for c in idle:
        c.setblocking(False)
        try:
            c.recv(100)
            closed += 1
        except BlockingIOError:
            pass
        except ConnectionError:
            closed += 1
        c.close()
    print(f"{IDLE} idle connections of {name} in {took:.1f} s: {IDLE - closed} kept, {closed} closed; /health meanwhile after {1000 * slowest:.0f} ms at most")
    assert 0 < IDLE - closed <= most
    assert s.ask("POST", "/v1/images/generations", PICTURE)[0] == 200


def floods(s):
    flood = s.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n")
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = flood.recv(100).split(b"\r\n")[0]
    print("5000 headers:", (answer or b"closed").decode())
    big = s.raw((POST + "Content-Length: 1000000000\r\n\r\n").encode())
    answer = big.recv(100).split(b"\r\n")[0].decode()
    print("a body of 1 GB:", answer)
    assert " 413 " in answer
    chunked = s.raw((POST + "Transfer-Encoding: chunked\r\n\r\n").encode())
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 1000:
            chunked.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            sent += 1
    print(f"a body of 1 GB in chunks: closed after {sent} MB")
    assert sent < 100
    assert s.ask("POST", "/v1/images/generations", PICTURE)[0] == 200


def killed():
    """kill -9 in the middle of a queue, three times: what was accepted is all there in the end, each picture once and whole."""
    accepted, pictures, at = {}, 0, ["-o", "killed", "--resume"]
    s = Server(*at)
    for i in range(20):
        status, answer = s.ask("POST", "/jobs", json.dumps({"prompt": f"a key {i}", "width": 32, "height": 32, "steps": 2, "seed": f"{10 * i}-{10 * i + 3}"}).encode())
        assert status == 202, answer
        accepted[json.loads(answer)["id"]] = i
    for enough in (5, 25, 50):
        while pictures < enough:
            time.sleep(0.02)
            pictures = len([f for f in os.listdir("killed") if f.endswith(".png")])
        s.p.send_signal(signal.SIGKILL)
        s.p.wait()
        s = Server(*at)
    while any(j["state"] in ("queued", "drawing") for j in json.loads(s.ask("GET", "/jobs")[1])):
        time.sleep(0.1)
    s.end()
    files = sorted(f for f in os.listdir("killed") if f.endswith(".png"))
    made = {}
    for name in files:
        settings = json.loads(subprocess.run([LIMN, "info", "--json", "killed/" + name], capture_output=True, check=True, env=ENV).stdout)["settings"]
        made.setdefault((settings["options"]["prompt"], settings["options"]["seed"]), []).append(name)
    want = {(f"a key {i}", seed) for i in accepted.values() for seed in range(10 * i, 10 * i + 4)}
    twice = [names for names in made.values() if len(names) > 1]
    left = [f for f in os.listdir("killed") if f.endswith(".tmp")]
    print(f"killed three times in the middle of {len(accepted)} jobs: {len(made)} of {len(want)} pictures, {len(twice)} of them twice, {len(left)} half files")
    assert set(made) == want and not left and len(twice) <= 3


def main():
    os.chdir(tempfile.mkdtemp(prefix="limn-load-"))
    with open("key", "w") as f:
        f.write(KEY + "\n")
    os.chmod("key", 0o600)
    s = Server()
    for _ in range(4):
        assert s.ask("POST", "/v1/images/generations", PICTURE)[0] == 200
    many_requests(s)
    many_requests(s)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(IDLE + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    idle_connections(s, "one address", lambda i: "127.0.1.1", 64)
    idle_connections(s, f"{IDLE} addresses", lambda i: f"127.{1 + i // 50000}.{i // 250 % 200}.{1 + i % 250}", 1152)
    floods(s)
    print(f"memory {s.figure('resident_bytes') / 1e6:.0f} MB at the end")
    s.end()
    killed()


if __name__ == "__main__":
    main()
