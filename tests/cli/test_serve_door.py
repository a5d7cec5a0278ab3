"""limn serve: connections. Whoever says nothing keeps nobody out, whoever is slow is closed, and what HTTP allows and few send."""

import contextlib
import json
import socket
import time

from test_serve import SIZE, serve

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(s, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", int(s.port)), timeout=20, source_address=(source, 0))


def is_open(c):
    """Whether it was neither closed nor told anything."""
    c.setblocking(False)
    try:
        c.recv(4096)
        return False
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        c.setblocking(True)


def healthy(c):
    c.sendall(HEALTH)
    return c.recv(4096).startswith(b"HTTP/1.1 200 ")


def settled(idle, most):
    """How many are open, once there are so few, or after some seconds."""
    until = time.monotonic() + 5
    while (n := sum(map(is_open, idle))) > most and time.monotonic() < until:
        time.sleep(0.05)
    return n


def test_serve_idle_connections_of_one_address():
    with serve() as s, contextlib.ExitStack() as all_of:
        idle = [all_of.enter_context(connect(s, "127.0.1.1")) for _ in range(200)]
        assert settled(idle, 64) == 64, "as many as an address may have"
        assert not is_open(idle[0]) and is_open(idle[-1]), "the one that waited longest gives way"
        start = time.monotonic()
        for source in ("127.0.0.1", "127.0.1.1"):
            assert healthy(all_of.enter_context(connect(s, source))), source
        assert time.monotonic() - start < 2
        assert healthy(idle[-1]), "one that was idle speaks"
        # so do those that were kept after a reply
        kept = [all_of.enter_context(connect(s, "127.0.2.1")) for _ in range(64)]
        assert all(map(healthy, kept))
        more = [all_of.enter_context(connect(s, "127.0.2.1")) for _ in range(10)]
        assert all(map(healthy, more)) and settled(kept, 54) == 54


def test_serve_idle_connections_of_many_addresses():
    with serve() as s, contextlib.ExitStack() as all_of:
        idle = []
        slowest = 0
        for i in range(2000):
            idle.append(all_of.enter_context(connect(s, f"127.1.{i // 250}.{1 + i % 250}")))
            if i % 500 == 499:
                idle[-1].sendall(b"GET /health HT")  # some begin and go no further
                start = time.monotonic()
                assert healthy(all_of.enter_context(connect(s)))
                slowest = max(slowest, time.monotonic() - start)
        assert slowest < 2, slowest
        assert 1000 < settled(idle, 1152) <= 1152
        # those that are kept after a reply take threads, and give them to others
        kept = [all_of.enter_context(connect(s, f"127.2.{i // 50}.1")) for i in range(180)]
        assert all(map(healthy, kept))
        assert healthy(all_of.enter_context(connect(s)))


def test_serve_takes_no_work_without_a_reader():
    """A body at less than 10 kB a second, and a reply that is not read, hold a thread for some time only: here, that both do no harm meanwhile."""
    with serve() as s, contextlib.ExitStack() as all_of:
        head = b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n"
        for i in range(40):
            all_of.enter_context(connect(s, "127.3.0.1")).sendall(head)
        assert healthy(all_of.enter_context(connect(s)))
        assert s.post("/v1/images/generations", {"prompt": "a key", "size": "32x32", "steps": 1})["data"]


def test_serve_pipelined_and_pieces():
    with serve() as s:
        with connect(s) as c:
            c.sendall(HEALTH * 20)
            got = b""
            while got.count(b'{"status":"ok"}') < 20:
                piece = c.recv(65536)
                assert piece, got
                got += piece
        with connect(s) as c:  # empty lines before the request, and a request in pieces
            for piece in (b"\r\n\r\n", b"GET /hea", b"lth HTTP/1.1\r\nHost: local", b"host\r\n\r", b"\n"):
                c.sendall(piece)
                time.sleep(0.05)
            assert c.recv(4096).startswith(b"HTTP/1.1 200 ")
        body = json.dumps({"prompt": "a key", **SIZE}).encode()
        with connect(s) as c:  # a body in chunks, byte by byte
            c.sendall(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for byte in body:
                c.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
            c.sendall(b"0\r\n\r\n")
            assert c.recv(65536).startswith(b"HTTP/1.1 200 ")
        with connect(s) as c:
            c.sendall(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            assert c.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            c.sendall(body)
            assert c.recv(65536).startswith(b"HTTP/1.1 200 ")


# ---- what HTTP allows, and few send ----

GETS = ["/", "/about", "/health", "/metrics", "/pictures", "/jobs", "/v1/models", "/controlnet/model_list", "/controlnet/module_list", "/controlnet/version"] + [
    "/sdapi/v1/" + x for x in ("progress", "options", "sd-models", "sd-vae", "sd-modules", "samplers", "schedulers", "upscalers", "latent-upscale-modes", "loras", "embeddings",
                               "hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles", "scripts", "cmd-flags", "memory")]
POSTS = ["/v1/images/generations", "/v1/images/edits", "/v1/images/variations", "/jobs"] + [
    "/sdapi/v1/" + x for x in ("txt2img", "img2img", "extra-single-image", "png-info", "options", "interrupt", "skip", "refresh-checkpoints", "refresh-loras", "unload-checkpoint",
                               "reload-checkpoint")]


def test_serve_methods():
    with serve() as s:
        for path in GETS:
            whole, headers = s.get(path, raw=True), s.headers
            assert headers["x-content-type-options"] == "nosniff" and headers["content-security-policy"].startswith("default-src 'none'"), path
            assert s.ask("HEAD", path, raw=True) == b"" and s.headers["content-type"] == headers["content-type"], path
            if path not in ("/metrics", "/sdapi/v1/memory"):
                assert s.headers["content-length"] == headers["content-length"] == str(len(whole)), path
            s.ask("PUT", path, code=405)
            assert s.headers["allow"].startswith("GET, HEAD") or s.headers["allow"].startswith("POST, GET, HEAD"), s.headers["allow"]
            assert s.ask("OPTIONS", path, code=204, raw=True) == b"" and "GET" in s.headers["allow"]
        for path in POSTS:
            assert s.ask("OPTIONS", path, code=204, raw=True) == b"" and "POST" in s.headers["allow"], path
            s.ask("DELETE", path, code=405)
            s.ask("POST", path, b"x" * 10, {"Content-Type": "text/plain"}, code=415)
            for body in (b"", b"{", b"[" * 50000, b'{"prompt": "\xff"}', b'"', b"null", b'{"image": 5, "init_images": 5, "prompt": {}, "sd_model_checkpoint": []}'):
                if not path.endswith(("interrupt", "skip", "-checkpoints", "-loras", "-checkpoint", "options", "edits", "variations")):
                    s.ask("POST", path, body, {"Content-Type": "application/json"}, code=(400, 422))
        for method in ("TRACE", "CONNECT", "PATCH", "PROPFIND", "get", "X" * 100):
            s.ask(method, "/health", code=405)
            s.ask(method, "/nowhere", code=404)
        s.ask("OPTIONS", "/nowhere", code=404)
        s.ask("OPTIONS", "*", code=404)


def test_serve_odd_requests():
    with serve("--allow-host", "limn.example") as s:
        first = lambda data: s.raw(data, wait=3).split(b"\r\n")[0]
        get = lambda target, *lines, version=b"1.1": first(b"\r\n".join([b"GET %s HTTP/%s" % (target, version), *lines, b"", b""]))
        host = b"Host: localhost"
        assert b" 200 " in get(b"http://localhost/health", host) and b" 200 " in get(b"HTTP://limn.example:80/health", host)
        assert b" 421 " in get(b"http://evil.example/health", host) and b" 421 " in get(b"http://limn.example/health", b"Host: evil.example")
        assert b" 200 " in get(b"http://localhost", host)
        assert b" 404 " in get(b"https://localhost/health", host) and b" 404 " in get(b"//localhost/health", host)
        assert b" 200 " in get(b"/health", host, b"Range: bytes=0-1") and b" 200 " in get(b"/health?a=b&%ff=%00&&=", host)
        assert b" 200 " in get(b"/health", host, b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: eA==", b"Sec-WebSocket-Version: 13")
        assert b" 200 " in get(b"/health", host, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
        assert b" 200 " in get(b"/health", host, b"Accept-Encoding: gzip", b"Cookie: a=b", b"X-Forwarded-For: 127.0.0.1", b"Host2: evil")
        assert b" 200 " in get(b"/health", version=b"1.0") and b" 200 " in get(b"/health", host, version=b"1.0")
        assert b" 400 " in get(b"/health") and b" 421 " in get(b"/health", b"Host:")
        assert b" 404 " in get(b"/" + b"a" * 8000, host)
        for long in (b"/" + b"a" * 60000, b"/?" + b"a&" * 30000):
            assert get(long, host).split()[1:2] in ([b"414"], [b"431"]), long[:5]
        for odd in (b"GET /health\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\n\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n"):
            assert b" 200 " not in first(odd), odd
        for path in (b"/jobs/18446744073709551616", b"/jobs/-1", b"/jobs/1x", b"/jobs/%31%00", b"/jobs/0", b"/jobs/", b"/pictures/", b"/pictures/%2e%2e", b"/pictures/limn-1.png%00.png",
                     b"/pictures/limn-.png", b"/pictures/limn-00001.PNG", "/pictures/limn-\u0661.png".encode(), b"/%", b"/%zz", b"/\xff\xfe"):
            assert b" 404 " in get(path, host), path
        body = b'{"prompt": "x"}'
        post = lambda *lines: first(b"\r\n".join([b"POST /v1/images/generations HTTP/1.1", host, b"Content-Type: application/json", *lines, b"", body]))
        assert b" 415 " in post(b"Content-Encoding: gzip", b"Content-Length: 15") and b" 415 " in post(b"Content-Encoding: br", b"Transfer-Encoding: chunked")
        for wrong in (b"Content-Length: -1", b"Content-Length: +15", b"Content-Length: 0x0f", b"Content-Length: 99999999999999999999999", b"Content-Length: 15, 15",
                      b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked"):
            assert post(wrong).split()[1:2] in ([b"400"], [b"413"], [b"501"]), (wrong, post(wrong))
        s.get("/health")
