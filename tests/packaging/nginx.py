"""nginx.py LIMN NGINX FOLDER - packaging/nginx.conf before limn serve: TLS, the key, a name of its own, a picture, and events as they come."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time

LIMN, NGINX, WORK = sys.argv[1:]
os.makedirs(WORK + "/run", exist_ok=True)
with open(WORK + "/key", "w") as f:
    f.write("correct-horse\n")
os.chmod(WORK + "/key", 0o600)
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=limn.example", "-addext", "subjectAltName=DNS:limn.example",
                "-keyout", WORK + "/limn.key", "-out", WORK + "/limn.pem"], check=True, capture_output=True)
limn = subprocess.Popen([LIMN, "serve", "--port", "0", "-q", "--allow-host", "limn.example", "--api-key-file", WORK + "/key", "-o", WORK + "/pictures"], stdout=subprocess.PIPE)
behind = int(limn.stdout.readline().decode().rsplit(":", 1)[1])
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
with open("packaging/nginx.conf") as f:
    server = f.read()
for wanted, here in [("443 ssl", f"127.0.0.1:{port} ssl"), ("/etc/ssl/", WORK + "/"), ("127.0.0.1:7860", f"127.0.0.1:{behind}")]:
    assert wanted in server
    server = server.replace(wanted, here)
paths = "".join(f"{name}_temp_path {WORK}/run/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
with open(WORK + "/nginx.conf", "w") as f:
    f.write(f"pid {WORK}/run/pid;\nerror_log {WORK}/run/error;\ndaemon off;\nmaster_process off;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n")
nginx = subprocess.Popen([NGINX, "-e", WORK + "/run/error", "-p", WORK, "-c", WORK + "/nginx.conf"])
try:
    trust = ssl.create_default_context(cafile=WORK + "/limn.pem")

    def connect():
        s = trust.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60), server_hostname="limn.example")
        c = http.client.HTTPConnection("limn.example")
        c.sock = s
        return c

    def ask(method, path, body=None, **headers):
        c = connect()
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json", **headers})
        return c.getresponse()

    for _ in range(100):
        try:
            assert ask("GET", "/health").status == 200
            break
        except OSError:
            time.sleep(0.1)
    key = {"Authorization": "Bearer correct-horse"}
    assert ask("GET", "/v1/models").status == 401
    assert ask("GET", "/v1/models", **key).status == 200
    assert ask("GET", "/health", Host="evil.example").status == 421
    assert ask("POST", "/v1/images/generations", {"prompt": "x"}, Origin="https://evil.example", **key).status == 403
    r = ask("POST", "/v1/images/generations", {"prompt": "a key", "size": "32x32", "steps": 1}, Origin="https://limn.example", **key)
    assert r.status == 200 and json.load(r)["data"]
    job = json.load(ask("POST", "/jobs", {"prompt": "a key", "width": 64, "height": 64, "steps": 100}, **key))
    r = ask("GET", f"/jobs/{job['id']}", Accept="text/event-stream", **key)
    steps = []
    for line in r:
        if line.startswith(b"data:"):
            steps.append(json.loads(line[5:])["step"])
    assert len(steps) > 2 and steps[0] < 100, steps
    big = connect()
    big.putrequest("POST", "/sdapi/v1/txt2img")
    for k, v in {**key, "Content-Type": "application/json", "Content-Length": "100000000"}.items():
        big.putheader(k, v)
    big.endheaders()
    assert big.getresponse().status == 413
    print("ok   nginx.conf: TLS, key, names, a picture, events as they come, 413")
finally:
    nginx.terminate()
    limn.terminate()
    nginx.wait(20)
    assert limn.wait(60) == 0
