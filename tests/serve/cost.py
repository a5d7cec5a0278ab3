"""cost.py LIMN - what a picture over HTTP costs compared with the same picture of `limn generate --count`, once the model is open, and how long
it takes until a client hears of its progress. On a quiet machine: the best of several of each, taken in turn."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

LIMN = os.path.abspath(sys.argv[1])
TURNS, PICTURES = 4, 4
SIZE = {"width": 128, "height": 128, "steps": 20}
os.chdir(tempfile.mkdtemp(prefix="limn-cost-"))
p = subprocess.Popen([LIMN, "serve", "--port", "0", "-q"], stdout=subprocess.PIPE)
port = int(p.stdout.readline().decode().rsplit(":", 1)[1])
c = http.client.HTTPConnection("127.0.0.1", port)


def ask(method, path, body=None, **headers):
    c.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json", **headers})
    return c.getresponse()


def over_http(route, body):
    start = time.monotonic()
    r = ask("POST", route, body)
    assert r.status == 200 and r.read()
    return time.monotonic() - start


def by_program(*compat):
    args = [x for k, v in SIZE.items() for x in ("--" + k, str(v))]
    out = subprocess.run([LIMN, "a key", *args, *compat, "--seed", "1", "--count", str(PICTURES + 1), "--json", "-q", "-o", "x.png"], capture_output=True, check=True).stdout
    return [json.loads(line)["seconds"] for line in out.splitlines()][1:]


openai = {"prompt": "a key", "size": "128x128", "steps": 20}
over_http("/v1/images/generations", openai)
http_times, a1111_times, program_times, a1111_program_times = [], [], [], []
for turn in range(TURNS):
    for i in range(PICTURES):
        http_times.append(over_http("/v1/images/generations", {**openai, "seed": 100 * turn + i}))
        a1111_times.append(over_http("/sdapi/v1/txt2img", {"prompt": "a key", **SIZE, "seed": 100 * turn + i}))
    program_times += by_program()
    a1111_program_times += by_program("--compat", "a1111")
ratios = []
for name, times, program in [("OpenAI's", http_times, program_times), ("A1111's", a1111_times, a1111_program_times)]:
    best = min(program)
    ratios.append(min(times) / best)
    print(f"a picture of 128x128 in 20 steps by {name} interface: {1000 * min(times):.1f} ms, by limn generate --count: {1000 * best:.1f} ms; {ratios[-1]:.3f}")

firsts = []
for _ in range(10):
    start = time.monotonic()
    job = json.loads(ask("POST", "/jobs", {"prompt": "a key", **SIZE}).read())
    r = ask("GET", f"/jobs/{job['id']}", Accept="text/event-stream")
    line = b""
    while not line.startswith(b"data:") or json.loads(line[5:])["step"] < 1:
        line = r.readline()
    firsts.append(time.monotonic() - start)
    r.read()
print(f"the first step of a job is heard of after {1000 * min(firsts):.0f} to {1000 * max(firsts):.0f} ms")
p.terminate()
assert p.wait(60) == 0
sys.exit(0 if max(ratios) <= 1.03 and max(firsts) <= 0.2 else f"more than 1.03 of the program's time ({max(ratios):.3f}), or 200 ms")
