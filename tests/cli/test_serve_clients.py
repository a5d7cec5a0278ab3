"""limn serve and clients that behave badly, or as nobody thinks of: forms in odd shapes, watchers that vanish, many at one job, what a killed server leaves."""

import base64
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import threading
import time

from helpers import draw, limn, read, write
from test_serve import SIZE, Server, form, png_of, serve, wait_for

LONG = {"prompt": "a key", "steps": 150, "width": 256, "height": 256}


def threads_of(s):
    return len(os.listdir(f"/proc/{s.p.pid}/task"))


def test_serve_forms_in_odd_shapes():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    png, kind = read(path), "multipart/form-data; boundary="
    part = lambda disposition, data, *lines: b"Content-Disposition: form-data; " + disposition + b"\r\n" + b"".join(x + b"\r\n" for x in lines) + b"\r\n" + data + b"\r\n"
    whole = lambda *parts, mark=b"xyz": b"".join(b"--" + mark + b"\r\n" + p for p in parts) + b"--" + mark + b"--\r\n"
    image, prompt, steps = part(b'name="image"; filename="x.png"', png, b"Content-Type: image/png"), part(b'name="prompt"', b"a key"), part(b'name="steps"', b"2")
    with serve() as s:
        ask = lambda body, boundary="xyz", code=200, path="/v1/images/edits", **more: s.ask("POST", path, body, {"Content-Type": kind + boundary}, code=code, **more)
        for name in ("Übung.png", "../../etc/passwd", "a\\..\\b.png", "x" * 500 + ".png", "\u202egnp.x", "", "con", "a;b=c.png", "%00.png"):
            odd = part(b'name="image"; filename="' + name.encode() + b'"', png)
            png_of(ask(whole(odd, prompt, steps))["data"][0]["b64_json"])
        ask(b"a preamble\r\n" + whole(image, prompt, steps) + b"an epilogue", code=(200, 400), raw=True)  # no client sends them; the library does not skip them
        png_of(ask(whole(image, prompt, steps, mark=b"-" * 30 + b"x"), '"' + "-" * 30 + 'x"')["data"][0]["b64_json"])
        png_of(ask(whole(part(b'name="image"', png), part(b'name="prompt"; filename="p.txt"', b"a key"), steps))["data"][0]["b64_json"])
        png_of(ask(whole(image, prompt, steps, part(b'name="seed"', b"")))["data"][0]["b64_json"])
        text = lambda name, data: part(b'name="%s"' % name, data)
        for parts, param in [((image, image, prompt), "image"), ((image, text(b"prompt", b"a\0b")), "prompt"), ((image, prompt, text(b"steps", b"2\0")), "steps"), ((image, text(b"steps", b"-2"), prompt), "steps"), ((image, prompt, text(b"steps", b"1"), steps), "steps"),
                             ((image, prompt, text(b"mask", b"x")), "mask"), ((image, prompt, part(b'name="mask"; filename="m.png"', png)), "mask"), ((part(b'name="image"; filename="x.png"', b""), prompt), "image"),
                             ((part(b'name="image"; filename="x.png"', png[:100]), prompt), "image"), ((image, prompt, text(b"init_image", b"/etc/passwd")), "init_image"),
                             ((image, prompt, text(b"output", b"/tmp/x")), "output"), ((image, text(b"prompt", b"a" * 20000)), "prompt"), ((image, prompt, text(b"n", b"11111111111111111111")), None)]:
            e = ask(whole(*parts), code=400)["error"]
            assert param is None or e["param"] == param, (parts[-1][:80], e)
        big = image[:image.index(b"\r\n\r\n") + 4] + b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x75\x30\0\0\x75\x30\x08\x02\0\0\0" + b"\0" * 50 + b"\r\n"
        assert "30000x30000" in ask(whole(big, prompt), code=400)["error"]["message"]
        for body, boundary in [(b"", "xyz"), (b"--xyz", "xyz"), (b"--xyz--\r\n", "xyz"), (whole(image, prompt)[:-9], "xyz"), (whole(image, prompt), "other"), (whole(image, prompt), ""),
                               (whole(*[prompt] * 100), "xyz"), (whole(part(b"", b"x")), "xyz"), (whole(part(b"name=image; filename=x.png", png), prompt), "xyz"),
                               (whole(part(b'name="image"', base64.b64encode(png), b"Content-Transfer-Encoding: base64")), "xyz"), (b"\0" * 1000, "xyz"),
                               (whole(part(b'name="a"', b"x", b"Content-Type: multipart/mixed; boundary=inner")), "xyz")]:
            ask(body, boundary, code=400)
        ask(whole(image), path="/v1/images/edits", code=400)
        png_of(ask(whole(image, steps), path="/v1/images/variations")["data"][0]["b64_json"])
        assert os.listdir("limn-pictures/inputs") == []


def test_serve_watchers_that_vanish():
    with serve() as s:
        job = s.post("/jobs?preview=1", LONG, code=202)
        ask = f"GET /jobs/{job['id']} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        watchers = []
        for _ in range(40):
            c = socket.create_connection(("127.0.0.1", int(s.port)))
            c.sendall(ask)
            watchers.append(c)
        for i, c in enumerate(watchers):
            if i % 2:
                c.recv(10)
            if i % 3 == 0:
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed by a reset
        most = threads_of(s)
        for c in watchers:
            c.close()
        until = time.monotonic() + 30
        while threads_of(s) > most - 35:
            assert time.monotonic() < until, (most, threads_of(s))
            time.sleep(0.05)
        assert s.get(f"/jobs/{job['id']}")["state"] == "drawing", "who only watched ends nothing"
        s.ask("DELETE", f"/jobs/{job['id']}")
        # who waits for the picture itself does
        body = json.dumps({"prompt": "a key", "size": "256x256", "steps": 150, "stream": True, "partial_images": 3}).encode()
        c = socket.create_connection(("127.0.0.1", int(s.port)))
        c.sendall(b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert b"200" in c.recv(100)
        c.close()
        until = time.monotonic() + 30
        while b"limn_drawing 0" not in s.get("/metrics", raw=True):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_serve_many_at_one_job():
    with serve() as s, concurrent.futures.ThreadPoolExecutor(24) as pool:
        for _ in range(3):
            first, second = s.post("/jobs?preview=1", LONG, code=202), s.post("/jobs", {**LONG, "seed": "1-9"}, code=202)

            def one(i):
                t = Server.__new__(Server)
                t.port = s.port
                job = (first, second)[i % 2]["id"]
                method, path = [("DELETE", ""), ("POST", "/cancel"), ("GET", ""), ("GET", "/preview"), ("GET", "?made=5")][i % 5]
                t.ask(method, f"/jobs/{job}{path}", b"" if method == "POST" else None, code=(200, 204, 409), raw=True)
            list(pool.map(one, range(80)))
            for job in (first, second):
                until = time.monotonic() + 30
                while (state := s.get(f"/jobs/{job['id']}")["state"]) == "drawing" and time.monotonic() < until:
                    time.sleep(0.02)
                assert state == "cancelled", state


def test_serve_jobs_tell_what_is_new():
    with serve() as s:
        job = s.post("/jobs", {**SIZE, "prompt": "a key", "seed": "1-40", "width": 64, "height": 64}, code=202)
        events = s.ask("GET", f"/jobs/{job['id']}", headers={"Accept": "text/event-stream"}, raw=True).decode()
        told = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
        assert [m["settings"]["options"]["seed"] for e in told for m in e["made"]] == list(range(1, 41)), "each picture once"
        assert len(s.get(f"/jobs/{job['id']}")["made"]) == 40 and [m["file"] for m in s.get(f"/jobs/{job['id']}?made=38")["made"]] == ["limn-00039.png", "limn-00040.png"]
        assert s.get(f"/jobs/{job['id']}?made=99999999999999999999999")["made"] == [] == s.get(f"/jobs/{job['id']}?made=-1")["made"]
        assert "made" not in s.get("/jobs")[0] and s.get("/jobs")[0]["finished"] == 40


def test_serve_leaves_nothing_of_others():
    """Pictures that requests send are gone after kill -9 too, but for those that kept ones were made from; files that are not limn's stay as they are."""
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    start = base64.b64encode(read(path)).decode()
    s = Server("-o", "out")
    wait_for(s, s.post("/jobs", {"prompt": "a key", "init_image": "data:image/png;base64," + start, "steps": 4, "seed": 1}, code=202))
    body = json.dumps({"prompt": "a key", "init_images": [start], "steps": 150, "width": 256, "height": 256, "denoising_strength": 1}).encode()
    with socket.create_connection(("127.0.0.1", int(s.port))) as c:
        c.sendall(b"POST /sdapi/v1/img2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        until = time.monotonic() + 30
        while len(os.listdir("out/inputs")) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        s.p.send_signal(signal.SIGKILL)
        s.p.communicate()
    assert len(os.listdir("out/inputs")) == 2
    write("out/holiday.png", read(path)), write("out/limn-00001.png.bak", b"x"), write("out/inputs/mine.png", b"x")
    with serve("-o", "out") as s:
        assert len(os.listdir("out/inputs")) == 2 and not [f for f in os.listdir("out/inputs") if f.startswith("passing")], os.listdir("out/inputs")
        for name in ("holiday.png", "limn-00001.png.bak", "inputs/mine.png", "serve.jsonl"):
            s.get("/pictures/" + name, code=404)
            s.ask("DELETE", "/pictures/" + name, code=404)
        assert [p["file"] for p in s.get("/pictures")["pictures"]] == ["limn-00001.png"]
        os.symlink("../x.png", "out/limn-00009.png")
        s.get("/pictures/limn-00009.png", code=404)
    limn("again", "out/limn-00001.png", "-q", "-o", "again.png")
    assert read("again.png") == read("out/limn-00001.png")
    assert read("out/holiday.png") == read(path) and os.path.exists("x.png")


def test_serve_a_client_does_not_fill_the_queue():
    with serve("--queue", "2") as s:
        post = lambda agent, code=202: s.post("/jobs", LONG, headers={"User-Agent": agent}, code=code)
        first = post("a")
        until = time.monotonic() + 30
        while s.get(f"/jobs/{first['id']}")["state"] != "drawing":
            assert time.monotonic() < until
            time.sleep(0.02)
        mine = [first, post("a"), post("a")]
        post("a", 429)
        other = post("b")
        post("b", 429)
        assert [j["state"] for j in s.get("/jobs")] == ["drawing", "queued", "queued", "queued"]
        s.ask("DELETE", f"/jobs/{first['id']}")
        until = time.monotonic() + 30
        while s.get(f"/jobs/{other['id']}")["state"] != "drawing":
            assert time.monotonic() < until, "whose turn it is"
            time.sleep(0.02)
        for j in [*mine[1:], other]:
            s.ask("DELETE", f"/jobs/{j['id']}")
