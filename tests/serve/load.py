"""load.py LIMN [REQUESTS] - limn serve under load on loopback, within bounds: what docs/serve.md's figures are from.

50 clients, bodies that are cut, invalid and too large, wrong keys, floods of headers, idle and slow connections, a health check all the
while; memory before and after; then what a picture over HTTP costs beside the command line."""

import concurrent.futures
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

LIMN = os.path.abspath(sys.argv[1])
REQUESTS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
CLIENTS = 50
KEY = "correct-horse"
os.chdir(tempfile.mkdtemp(prefix="limn-load-"))
with open("key", "w") as f:
    f.write(KEY + "\n")
os.chmod("key", 0o600)
p = subprocess.Popen([LIMN, "serve", "--port", "0", "--api-key-file", "key", "--queue", "64", "-q"], stdout=subprocess.PIPE)
PORT = int(p.stdout.readline().decode().rsplit(":", 1)[1])
AUTH = {"Authorization": "Bearer " + KEY}


def ask(method, path, body=None, headers=AUTH, timeout=120):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        c.request(method, path, body, {**headers, **({"Content-Type": "application/json"} if body is not None else {})})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def figure(name):
    return float(re.search(rf"^limn_{name} (\S+)", ask("GET", "/metrics")[1].decode(), re.M)[1])


PICTURE = json.dumps({"prompt": "a key", "size": "32x32", "steps": 1, "seed": 1}).encode()
GOOD = lambda: ask("POST", "/v1/images/generations", PICTURE)[0]
KINDS = {
    "a picture": (GOOD, {200, 429}),
    "not JSON": (lambda: ask("POST", "/v1/images/generations", b"{" * 100)[0], {400}),
    "not UTF-8": (lambda: ask("POST", "/sdapi/v1/txt2img", b'{"prompt": "\xff\xfe"}')[0], {422}),
    "not base64": (lambda: ask("POST", "/sdapi/v1/img2img", b'{"init_images": ["%%%"]}')[0], {422}),
    "a wrong key": (lambda: ask("POST", "/v1/images/generations", PICTURE, {"Authorization": "Bearer wrong"})[0], {401}),
    "another path": (lambda: ask("GET", "/pictures/..%2f..%2fetc%2fpasswd")[0], {404}),
    "a strange host": (lambda: ask("GET", "/health", headers={"Host": "evil.example"})[0], {421}),
}


def one(i):
    kind = random.Random(i).choices(list(KINDS), [4, 1, 1, 1, 1, 1, 1])[0]
    run, right = KINDS[kind]
    try:
        status = run()
    except (ConnectionError, http.client.HTTPException) as e:
        return kind, repr(e)
    return kind, status if status in right else f"{status}?"


def count(results):
    out = {}
    for kind, status in results:
        out.setdefault(kind, {}).setdefault(status, 0)
        out[kind][status] += 1
    return out


for _ in range(4):
    GOOD()
before = figure("resident_bytes")
start = time.monotonic()
with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
    results = count(pool.map(one, range(REQUESTS)))
took = time.monotonic() - start
print(f"{REQUESTS} requests by {CLIENTS} clients in {took:.1f} s")
for kind, statuses in sorted(results.items()):
    print(f"  {kind:16}", ", ".join(f"{k}: {v}" for k, v in sorted(statuses.items(), key=str)))
assert not [s for k in results.values() for s in k if isinstance(s, str)], "an answer that was not expected"
print(f"memory {before / 1e6:.0f} MB before, {figure('resident_bytes') / 1e6:.0f} MB after")

# ---- connections ----

def raw(data):
    s = socket.create_connection(("127.0.0.1", PORT), timeout=5)
    s.sendall(data)
    return s


idle = []
for _ in range(500):
    try:
        idle.append(socket.create_connection(("127.0.0.1", PORT), timeout=2))
    except OSError:
        break
time.sleep(0.5)
closed = 0
for s in idle:
    s.setblocking(False)
    try:
        closed += s.recv(1) == b""
    except BlockingIOError:
        pass
    except OSError:
        closed += 1
print(f"{len(idle)} idle connections from one address: {closed} closed at once")
for s in idle:
    s.close()
time.sleep(0.5)
assert ask("GET", "/health", headers={})[0] == 200

slow, start = raw(b"GET /health HTTP/1.1\r\n"), time.monotonic()
slow.settimeout(1)
try:
    while time.monotonic() - start < 20:
        try:
            slow.sendall(b"X")
            if slow.recv(100) == b"":
                break
        except socket.timeout:
            pass
except ConnectionError:
    pass
print(f"a header that comes a byte a second is closed after {time.monotonic() - start:.0f} s")
flood = raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n")
print("5000 headers:", (flood.recv(100).split(b"\r\n")[0] or b"closed").decode())
big = raw(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer correct-horse\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
print("a body of 1 GB:", big.recv(100).split(b"\r\n")[0].decode())
chunked = raw(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer correct-horse\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
sent = 0
try:
    while sent < 1000:
        chunked.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        sent += 1
except OSError:
    pass
print(f"a body of 1 GB in chunks: closed after {sent} MB")
assert GOOD() == 200

# ---- the cost of HTTP ----

WORK = ["-W", "128", "-H", "128", "-s", "20", "--seed", "1"]
body = json.dumps({"prompt": "a key", "size": "128x128", "steps": 20, "seed": 1}).encode()
http_times = []
for _ in range(7):
    start = time.monotonic()
    assert ask("POST", "/v1/images/generations", body)[0] == 200
    http_times.append(time.monotonic() - start)
lines = subprocess.run([LIMN, "a key", *WORK, "--count", "8", "--json", "-q", "-o", "x.png"], capture_output=True, check=True).stdout
cli_times = [json.loads(line)["seconds"] for line in lines.splitlines()][1:]
print(f"a picture of 128x128 in 20 steps: {1000 * min(http_times):.0f} ms over HTTP, {1000 * min(cli_times):.0f} ms for one more of limn generate --count: "
      f"{min(http_times) / min(cli_times):.3f}")
start = time.monotonic()
job = json.loads(ask("POST", "/jobs", json.dumps({"prompt": "a key"}).encode())[1])
c = http.client.HTTPConnection("127.0.0.1", PORT)
c.request("GET", f"/jobs/{job['id']}", headers={**AUTH, "Accept": "text/event-stream"})
c.getresponse().readline()
print(f"the first event after {1000 * (time.monotonic() - start):.0f} ms")
print(f"memory {figure('resident_bytes') / 1e6:.0f} MB at the end")
p.terminate()
assert p.wait(120) == 0
