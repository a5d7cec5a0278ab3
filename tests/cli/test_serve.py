"""limn serve: A1111's interface, OpenAI's and limn's own, who is let in, what is refused, and how it ends. With Python's own http.client."""

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from helpers import ENV, LIMN, REPO, SMALL, chunks, draw, fails, limn, read, texts, write
from test_from_pictures import pixels, png

# looking for leaks is done by ptrace, which is among what the sandbox refuses
ENV = {**ENV, "ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}
SIZE = {"width": 32, "height": 32, "steps": 1}


class Server:
    def __init__(self, *args):
        self.p = subprocess.Popen([LIMN, "serve", "--port", "0", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV)
        self.url = self.p.stdout.readline().decode().strip()
        assert self.url, self.p.stderr.read().decode()
        self.host, self.port = re.fullmatch(r"http://(.*):(\d+)", self.url).groups()

    def ask(self, method, path, body=None, headers=None, code=200, raw=False):
        c = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=100)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        c.request(method, path, body, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        self.headers = {k.lower(): v for k, v in r.getheaders()}
        assert r.status in (code if isinstance(code, tuple) else (code,)), f"{method} {path}: {r.status}, expected {code}: {data[:500]!r}"
        return data if raw else json.loads(data or b"null")

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def raw(self, data, wait=5):
        """What a socket says to these bytes until it is closed."""
        with socket.create_connection(("127.0.0.1", int(self.port)), timeout=wait) as s:
            s.sendall(data)
            got = b""
            with contextlib.suppress(socket.timeout, ConnectionError):
                while piece := s.recv(65536):
                    got += piece
                    if b"\r\n\r\n" in got and b"onnection: close" not in got:
                        break
            return got

    def end(self, sig=signal.SIGTERM, code=0):
        self.p.send_signal(sig)
        out, err = self.p.communicate(timeout=60)
        assert self.p.returncode == code, (self.p.returncode, err.decode())
        return err.decode()


@contextlib.contextmanager
def serve(*args):
    s = Server(*args)
    try:
        yield s
        assert s.p.poll() is None, s.p.stderr.read().decode()
        assert "Sanitizer" not in s.end()
    finally:
        if s.p.poll() is None:
            s.p.kill()
            s.p.wait()


def png_of(text):
    data = base64.b64decode(text, validate=True)
    list(chunks(data))
    return data


def pixels_of(data):
    write("pixels.png", data)
    return pixels("pixels.png")


# ---- A1111 ----

def test_serve_a1111_draws_what_the_program_draws():
    (path,) = draw("a red potion", "--compat", "a1111", "--seed", "7", "--sampler", "euler_a", "-o", "x.png")
    with serve() as s:
        r = s.post("/sdapi/v1/txt2img", {**SIZE, "prompt": "a red potion", "seed": 7, "sampler_name": "Euler a", "n_iter": 2, "whatever": 1,
                                         "styles": [], "alwayson_scripts": {}, "restore_faces": False, "subseed": -1, "eta": None})
        assert png_of(r["images"][0]) == read(path)
        assert len(r["images"]) == 2
        info = json.loads(r["info"])
        assert info["all_seeds"] == [7, 8] and info["sampler_name"] == "Euler a" and info["width"] == 32
        assert info["passed_over"] == ["whatever"]
        assert info["infotexts"][0].startswith("a red potion\nSteps: 1")
        assert r["parameters"]["prompt"] == "a red potion"
        assert not [f for f in os.listdir("limn-pictures") if f.endswith(".png")], "kept without save_images"
        s.post("/sdapi/v1/txt2img", {**SIZE, "prompt": "a red potion", "save_images": True})
        assert len([f for f in os.listdir("limn-pictures") if f.endswith(".png")]) == 1


def test_serve_a1111_from_a_picture():
    (path,) = draw("a red potion", "--seed", "1", "-o", "start.png")
    start = base64.b64encode(read(path)).decode()
    with serve() as s:
        r = s.post("/sdapi/v1/img2img", {**SIZE, "steps": 4, "prompt": "a key", "init_images": ["data:image/png;base64," + start], "seed": 1})
        assert png_of(r["images"][0]) != read(path)
        assert r["parameters"]["init_images"] is None
        assert json.loads(r["info"])["denoising_strength"] == 0.75
        r = s.post("/sdapi/v1/img2img", {**SIZE, "steps": 4, "prompt": "a key", "init_images": [start], "mask": start, "mask_blur": 0,
                                         "inpainting_fill": 1, "inpaint_full_res": False, "denoising_strength": 0.5})
        png_of(r["images"][0])
        assert os.listdir("limn-pictures/inputs") == [], "pictures of requests stay"
        assert s.post("/sdapi/v1/img2img", {"prompt": "x"}, code=404)["detail"] == "Init image not found"
        assert "fetches none" in s.post("/sdapi/v1/img2img", {"init_images": ["http://127.0.0.1/x.png"]}, code=422)["detail"]
        for bad in ("????", "AAAA", start[:80], ""):
            s.post("/sdapi/v1/img2img", {"init_images": [bad]}, code=422)
        info = s.post("/sdapi/v1/png-info", {"image": start})
        assert info["info"].startswith("a red potion\n") and "limn" in info["items"]
        s.post("/sdapi/v1/png-info", {"image": "x"}, code=422)


def test_serve_a1111_lists():
    os.mkdir("models")
    write("models/a.safetensors", b"no model")
    with serve("--model-dir", "models") as s:
        assert "Euler a" in [x["name"] for x in s.get("/sdapi/v1/samplers")]
        assert "karras" in [x["name"] for x in s.get("/sdapi/v1/schedulers")]
        assert [x["title"] for x in s.get("/sdapi/v1/sd-models")] == ["sprites", "a.safetensors"]
        assert [x["name"] for x in s.get("/sdapi/v1/upscalers")][0] == "None"
        for path in ("sd-vae", "loras", "prompt-styles", "scripts", "cmd-flags", "memory", "embeddings", "latent-upscale-modes"):
            s.get("/sdapi/v1/" + path)
        assert s.get("/sdapi/v1/options")["sd_model_checkpoint"] == "sprites"
        assert s.post("/sdapi/v1/options", {"sd_model_checkpoint": "sprites"}) is None
        s.post("/sdapi/v1/options", {"sd_model_checkpoint": "../../etc/passwd"}, code=404)
        assert "a.safetensors" in s.post("/sdapi/v1/options", {"sd_model_checkpoint": "a.safetensors"}, code=404)["detail"]
        assert s.get("/sdapi/v1/options")["sd_model_checkpoint"] == "sprites"
        p = s.get("/sdapi/v1/progress")
        assert p["progress"] == 0 and p["state"]["job_count"] == 0 and p["current_image"] is None


def test_serve_a1111_control():
    golden = os.path.join(REPO, "tests", "golden")
    model = os.path.join(golden, "pipeline", "sd1")
    control = os.path.join(golden, "control")
    hint = base64.b64encode(read(os.path.join(control, "hint0.png"))).decode()
    line = f"model={control}/net_a,image=canny:{control}/hint0.png,strength=0.5,start=0,end=1"
    common = ["-m", model, "-W", "64", "-H", "48", "-s", "2", "--seed", "3", "-q", "--compat", "a1111"]
    (path,) = limn("a red potion", *common, "--control", line, "-o", "x.png").out.split()
    os.mkdir("nets")
    os.symlink(f"{control}/net_a/diffusion_pytorch_model.safetensors", "nets/canny.safetensors")
    os.symlink(f"{control}/net_a/config.json", "nets/config.json")
    with serve("-m", model, "--control-dir", "nets", "-v") as s:
        assert s.get("/controlnet/model_list") == {"model_list": ["canny"]}
        assert "edges" in s.get("/controlnet/module_list")["module_list"]
        unit = {"enabled": True, "model": "canny [d14c016b]", "module": "canny", "image": hint, "weight": 0.5, "guidance_start": 0, "guidance_end": 1,
                "control_mode": "Balanced", "pixel_perfect": False, "resize_mode": 1}
        r = s.post("/sdapi/v1/txt2img", {"prompt": "a red potion", "seed": 3, "steps": 2, "width": 64, "height": 48, "alwayson_scripts": {"controlnet": {"args": [unit]}}})
        assert pixels_of(png_of(r["images"][0])) == pixels_of(read(path))
        assert os.listdir("limn-pictures/inputs") == []


def test_serve_a1111_hires():
    (path,) = draw("a red potion", "--compat", "a1111", "--seed", "7", "--hires", "2", "--hires-strength", "0.5", "-s", "2", "-o", "x.png")
    with serve() as s:
        r = s.post("/sdapi/v1/txt2img", {**SIZE, "steps": 2, "prompt": "a red potion", "seed": 7, "enable_hr": True, "hr_scale": 2, "denoising_strength": 0.5,
                                         "hr_upscaler": "Latent"})
        assert png_of(r["images"][0]) == read(path)
        r = s.post("/sdapi/v1/txt2img", {**SIZE, "prompt": "a red potion", "seed": 7, "subseed": 5, "subseed_strength": 0.5})
        assert json.loads(r["info"])["passed_over"] == []


def test_serve_a1111_extras():
    png("a.png", 20, 12, lambda x, y: (x * 12, y * 20, 99))
    nets = os.path.join(REPO, "tests", "golden", "upscale")
    limn("upscale", "a.png", "--with", os.path.join(nets, "x4.safetensors"), "-q", "-o", "b.png")
    data = base64.b64encode(read("a.png")).decode()
    with serve("--upscaler-dir", nets) as s:
        assert [u["name"] for u in s.get("/sdapi/v1/upscalers")][:2] == ["None", "Lanczos"]
        assert "x4" in [u["name"] for u in s.get("/sdapi/v1/upscalers")]
        r = s.post("/sdapi/v1/extra-single-image", {"image": data, "upscaling_resize": 4, "upscaler_1": "x4", "gfpgan_visibility": 0})
        assert pixels_of(png_of(r["image"])) == pixels_of(read("b.png"))
        r = s.post("/sdapi/v1/extra-single-image", {"image": data, "upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 50, "upscaling_resize_h": 50})
        assert png_of(r["image"])[16:24] == (50).to_bytes(4, "big") * 2
        for wrong, says in [({"upscaler_1": "nothing"}, "nothing"), ({"upscaler_1": "/etc/passwd"}, "upscaler_1"), ({"image": "x"}, "init-image"), ({"gfpgan_visibility": 1}, "gfpgan")]:
            assert says in s.post("/sdapi/v1/extra-single-image", {"image": data, **wrong}, code=422)["detail"], wrong
        assert "factor" in s.post("/sdapi/v1/extra-single-image", {"image": data, "upscaler_1": "Lanczos", "upscaling_resize": 1000}, code=422)["detail"]
        assert os.listdir("limn-pictures/inputs") == []


def test_serve_a1111_refuses_by_name():
    with serve() as s:
        for body, code, says in [
            ({"sampler_name": "Eulerian"}, 404, "sampler"), ({"steps": "many"}, 422, "steps"), ({"width": 4096}, 422, "width"),
            ({"steps": 1000}, 422, "steps"), ({"n_iter": 100}, 422, "count"), ({"width": 33}, 400, "33"), ({"scheduler": "x"}, 422, "schedule"),
({"override_settings": {"sd_model_checkpoint": "/etc/passwd"}}, 422, "no model"),
            ({"alwayson_scripts": {"controlnet": {"args": [{"enabled": True}]}}}, 422, "ControlNet"),
            ({"alwayson_scripts": {"controlnet": {"args": [{"model": "/etc/passwd", "image": "AAAA"}]}}}, 422, "controlnet"),
            ({"hr_scale": 2, "enable_hr": True, "hr_upscaler": "/etc/passwd"}, 422, "hr_upscaler"),
        ]:
            r = s.post("/sdapi/v1/txt2img", {"prompt": "x", **SIZE, **body}, code=code)
            assert says in r["detail"], (body, r)
        for body in (b"", b"{", b"[]", b'{"prompt": "\xff"}', b"null", b'{"a":' * 200, b'{"prompt": 1e999}'):
            s.post("/sdapi/v1/txt2img", body, headers={"Content-Type": "application/json"}, code=422)


def test_serve_interrupt_and_gone():
    with serve() as s:
        got = []
        t = threading.Thread(target=lambda: got.append(s_2.post("/sdapi/v1/txt2img", {"prompt": "a key", "steps": 150, "width": 256, "height": 256})))
        s_2 = s
        t.start()
        for _ in range(200):
            p = s.get("/sdapi/v1/progress")
            if p["state"]["sampling_step"]:
                break
            time.sleep(0.02)
        assert 0 < p["progress"] < 1 and p["state"]["job_count"] == 1 and p["state"]["sampling_steps"] == 150, p
        s.post("/sdapi/v1/interrupt", b"")
        t.join(30)
        assert got and got[0]["images"] == []
        # whoever closes the connection ends the work
        c = socket.create_connection(("127.0.0.1", int(s.port)))
        body = json.dumps({"prompt": "a key", "steps": 150, "width": 256, "height": 256}).encode()
        c.sendall(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        while not s.get("/sdapi/v1/progress")["state"]["sampling_step"]:
            time.sleep(0.02)
        c.close()
        until = time.monotonic() + 20
        while s.get("/sdapi/v1/progress")["state"]["job_count"]:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert b"limn_cancelled_total 2" in s.get("/metrics", raw=True)


# ---- OpenAI ----

def form(*parts):
    out = b""
    for name, file, data in parts:
        out += b'--xyz\r\nContent-Disposition: form-data; name="%s"' % name.encode()
        out += b'; filename="x.png"\r\nContent-Type: image/png' if file else b""
        out += b"\r\n\r\n" + data + b"\r\n"
    return out + b"--xyz--\r\n", {"Content-Type": "multipart/form-data; boundary=xyz"}


def test_serve_openai():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    with serve() as s:
        body = {"prompt": "a red potion", "size": "32x32", "steps": 1, "seed": 7, "quality": "high", "user": "me", "background": "auto"}
        r = s.post("/v1/images/generations", body)
        assert png_of(r["data"][0]["b64_json"]) == read(path) and r["created"] > 1e9
        r = s.post("/v1/images/generations", {**body, "response_format": "url", "n": 2})
        assert len(r["data"]) == 2
        url = r["data"][0]["url"]
        assert s.get(url[len(s.url):].replace("localhost", ""), raw=True)[:4] == b"\x89PNG", url
        assert [m["id"] for m in s.get("/v1/models")["data"]] == ["sprites"]
        for more, code, param in [({"size": "5"}, 400, "size"), ({"n": 0}, 400, "n"), ({"n": 99}, 400, "n"), ({"model": "dall-e-3"}, 404, "model"),
                                  ({"output_format": "webp"}, 400, "output_format"), ({"prompt": 5}, 400, "prompt"), ({"sampler": "x"}, 400, "sampler"),
                                  ({"lora": "/etc/passwd"}, 400, "lora"), ({"vae": "x"}, 400, "vae"), ({"threads": 5}, 400, "threads"),
                                  ({"init_image": "/etc/passwd"}, 400, "init_image"), ({"output": "/tmp/x"}, 400, "output")]:
            e = s.post("/v1/images/generations", {**body, **more}, code=code)["error"]
            assert e["param"] == param and e["type"] == "invalid_request_error", (more, e)
        stream = s.post("/v1/images/generations", {**body, "stream": True}, raw=True).decode()
        assert s.headers["content-type"] == "text/event-stream"
        data = json.loads(re.search(r"event: image_generation.completed\ndata: (.*)\n\n", stream)[1])
        assert png_of(data["b64_json"]) == read(path)


def test_serve_openai_edits():
    (path,) = draw("a red potion", "--transparent", "--seed", "7", "-o", "x.png")
    with serve() as s:
        body, kind = form(("image", True, read(path)), ("mask", True, read(path)), ("prompt", False, b"a key"), ("steps", False, b"4"), ("n", False, b"1"))
        r = s.ask("POST", "/v1/images/edits", body, kind)
        png_of(r["data"][0]["b64_json"])
        body, kind = form(("image[]", True, read(path)), ("strength", False, b"0.5"), ("steps", False, b"4"))
        png_of(s.ask("POST", "/v1/images/variations", body, kind)["data"][0]["b64_json"])
        for parts, param in [([("prompt", False, b"x")], "image"), ([("image", True, read(path))], "prompt"), ([("image", True, b"x"), ("prompt", False, b"x")], "image")]:
            body, kind = form(*parts)
            assert s.ask("POST", "/v1/images/edits", body, kind, code=400)["error"]["param"] == param
        s.ask("POST", "/v1/images/edits", body[:-20], kind, code=400)
        assert os.listdir("limn-pictures/inputs") == []


# ---- jobs ----

def wait_for(s, job, state="done"):
    until = time.monotonic() + 60
    while (got := s.get(f"/jobs/{job['id']}"))["state"] in ("queued", "drawing"):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert got["state"] == state, got
    return got


def test_serve_jobs():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    with serve("-o", "out") as s:
        job = s.post("/jobs", {**SIZE, "prompt": ["a red potion", "a key"], "seed": "7-8"}, code=202)
        got = wait_for(s, job)
        assert job["pictures"] == got["finished"] == 4 and [m["file"] for m in got["made"]] == [f"limn-{i:05}.png" for i in range(1, 5)]
        assert read("out/limn-00001.png") == read(path) == s.get(got["made"][0]["url"], raw=True)
        assert got["made"][1]["settings"]["options"]["seed"] == 8
        lines = '{"prompt": "a {red|red} potion", "seed": 7, "width": 32, "height": 32, "steps": 1}\n{"prompt": "a key", "width": 32, "height": 32, "steps": 1}\n'
        job = s.ask("POST", "/jobs", lines, {"Content-Type": "application/x-ndjson"}, code=202)
        assert read("out/" + wait_for(s, job)["made"][0]["file"]) == read(path)
        job = s.ask("POST", "/jobs", "prompt,seed,width,height,steps\na key,1,32,32,1\n", {"Content-Type": "text/csv"}, code=202)
        wait_for(s, job)
        # a picture to start from is kept, so that the result can be drawn again
        url = "data:image/png;base64," + base64.b64encode(read(path)).decode()
        got = wait_for(s, s.post("/jobs", {"prompt": "a key", "init_image": url, "steps": 4, "seed": 1}, code=202))
        limn("again", "out/" + got["made"][0]["file"], "-q", "-o", "again.png")
        assert read("again.png") == read("out/" + got["made"][0]["file"])
        assert len(os.listdir("out/inputs")) == 1
        listed = s.get("/pictures?limit=3")
        assert listed["more"] and [p["file"] for p in listed["pictures"]] == ["limn-00008.png", "limn-00007.png", "limn-00006.png"]
        assert s.get("/pictures?before=limn-00002.png")["pictures"][0]["settings"]["options"]["prompt"] == "a red potion"
        s.ask("DELETE", "/pictures/limn-00001.png")
        s.get("/pictures/limn-00001.png", code=404)
        s.ask("DELETE", "/pictures/limn-00001.png", code=404)
        for body in ({"prompt": "x", "vae": "/etc/passwd"}, {"prompt": "x", "init_image": "/etc/passwd"}, {"prompt": "x", "model": "/etc/passwd"},
                     {"prompt": "x", "lora": "/etc/passwd"}, {"prompt": "x", "steps": 5000}, {"prompt": "x", "width": 4096}, {"prompt": "x", "seed": "1-5000"},
                     {"prompt": "x", "output": "/tmp/x.png", "sizes": "32"}, {"prompt": "__../../etc/passwd__"}, [], [5], {"prompt": "x", "control": "model=/etc/passwd,image=x"},
                     {"prompt": "x", "init_image": "data:image/png;base64,AAAA"}):
            assert "message" in s.post("/jobs", body, code=400)["error"], body
        s.get("/jobs/999", code=404)
        s.get("/jobs/x", code=404)
        s.get("/about")


def test_serve_jobs_events_and_cancel():
    with serve() as s:
        long = {"prompt": "a key", "steps": 150, "width": 256, "height": 256}
        job, second = s.post("/jobs?preview=1", long, code=202), s.post("/jobs", {"prompt": "a gem", **SIZE}, code=202)
        assert second["ahead"] == 1
        c = http.client.HTTPConnection("127.0.0.1", int(s.port), timeout=60)
        start = time.monotonic()
        c.request("GET", f"/jobs/{job['id']}", headers={"Accept": "text/event-stream"})
        r = c.getresponse()
        assert r.readline().startswith(b"event: progress") and time.monotonic() - start < 2
        seen = []
        while not seen or seen[-1]["step"] < 2:
            line = r.readline()
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
        assert s.get(f"/jobs/{job['id']}/preview", raw=True)[:4] == b"\x89PNG"
        s.post(f"/jobs/{second['id']}/cancel", {})
        assert s.get(f"/jobs/{second['id']}")["state"] == "cancelled"
        s.ask("DELETE", f"/jobs/{job['id']}")
        rest = r.read()
        assert b"event: end" in rest and b'"state":"cancelled"' in rest, rest
        s.ask("DELETE", f"/jobs/{job['id']}", code=409)
        assert [j["state"] for j in s.get("/jobs")] == ["cancelled", "cancelled"]


def test_serve_resumes_what_was_killed():
    jobs = [{"prompt": f"a key {i}", "steps": 8, "width": 96, "height": 96, "seed": [i, i + 100]} for i in range(6)]
    s = Server("-o", "out")
    ids = [s.post("/jobs", j, code=202)["id"] for j in jobs]
    while b"limn_pictures_total 3" not in s.get("/metrics", raw=True):
        time.sleep(0.01)
    s.p.kill()
    s.p.communicate()
    with open("out/serve.jsonl", "ab") as f:
        f.write(b'{"id": 3, "ma')  # half a line
    s = Server("-o", "out", "--resume", "--queue", "1")
    for i in ids[2:]:
        wait_for(s, {"id": i})
    assert s.post("/jobs", {"prompt": "a gem", **SIZE}, code=202)["id"] == 7
    wait_for(s, {"id": 7})
    s.end()
    made = [json.loads(texts("out/" + f)["limn"])["options"] for f in sorted(os.listdir("out")) if f.endswith(".png")]
    assert sorted({(o["prompt"], o["seed"]) for o in made if o["prompt"] != "a gem"}) == sorted((j["prompt"], x) for j in jobs for x in j["seed"])
    assert len(made) <= 14, "drawn twice"
    s = Server("-o", "out", "--resume")
    assert "go on" not in s.end()


# ---- who is let in ----

def test_serve_guards():
    with serve("--cors", "https://good.example", "--allow-host", "limn.example") as s:
        post = lambda code, **h: s.ask("POST", "/v1/images/generations", {"prompt": "x", "size": "32x32", "steps": 1}, {k.replace("_", "-"): v for k, v in h.items()}, code=code)
        s.get("/health", headers={"Host": "evil.example"}, code=421)
        s.get("/health", headers={"Host": "limn.example"})
        s.get("/health", headers={"Host": f"localhost:{s.port}"})
        s.get("/health", headers={"Host": "127.0.0.1.evil.example"}, code=421)
        post(403, Origin="https://evil.example")
        post(403, Origin="null")
        post(403, Sec_Fetch_Site="cross-site")
        assert "access-control-allow-origin" not in s.headers
        post(200, Origin=f"http://127.0.0.1:{s.port}", Sec_Fetch_Site="same-origin")
        post(200, Origin="https://good.example", Sec_Fetch_Site="cross-site")
        assert s.headers["access-control-allow-origin"] == "https://good.example"
        assert s.headers["x-content-type-options"] == "nosniff" and "default-src 'none'" in s.headers["content-security-policy"]
        s.ask("OPTIONS", "/v1/images/generations", headers={"Origin": "https://good.example"}, code=204, raw=True)
        s.ask("OPTIONS", "/v1/images/generations", headers={"Origin": "https://evil.example"}, code=403)
        s.ask("POST", "/v1/images/generations", "prompt=x", {"Content-Type": "application/x-www-form-urlencoded"}, code=415)
        s.ask("POST", "/v1/images/generations", '{"prompt": "x"}', {"Content-Type": "text/plain"}, code=415)
        s.get("/v1/images/generations", code=405)
        s.get("/nowhere", code=404)
        s.post("/sdapi/v1/txt2img", {"prompt": "x", **SIZE}, headers={"Authorization": ""})


def test_serve_key():
    write("key", b"correct-horse\n")
    os.chmod("key", 0o600)
    basic = lambda text: {"Authorization": "Basic " + base64.b64encode(text).decode()}
    with serve("--api-key-file", "key") as s:
        s.get("/health")
        s.get("/v1/models", code=401)
        assert s.headers["www-authenticate"].startswith("Basic")
        for wrong in ({"Authorization": "Bearer correct-hors"}, {"Authorization": "Bearer correct-horse2"}, {"Authorization": "correct-horse"},
                      basic(b"correct-horse"), basic(b"x:y"), {"Authorization": "Basic ????"}, {"Authorization": "Bearer " + "x" * 5000}):
            s.get("/v1/models", headers=wrong, code=401)
        s.get("/v1/models", headers={"Authorization": "Bearer correct-horse"})
        s.get("/sdapi/v1/options", headers=basic(b"me:correct-horse"))
    os.chmod("key", 0o644)
    fails(1, "serve", "--port", "0", "--api-key-file", "key", env=ENV, says="chmod 600")
    os.chmod("key", 0o600)
    write("key", b"short")
    fails(1, "serve", "--port", "0", "--api-key-file", "key", env=ENV, says="8 to 512")
    fails(2, "serve", "--port", "0", "--host", "0.0.0.0", env=ENV, says="--api-key-file")
    fails(2, "serve", "--port", "0", "--host", "example.org", env=ENV, says="no address")
    fails(2, "serve", "--sandbox", env=ENV, says="--sandbox")
    fails(2, "serve", "a red potion", env=ENV, says="one word too many")
    fails(1, "serve", "--port", "0", "--model-dir", "nowhere", env=ENV, says="nowhere")


def test_serve_smuggling():
    with serve() as s:
        ask = lambda *lines: s.raw(b"\r\n".join([b"GET /health HTTP/1.1", *lines, b"", b""])).split(b"\r\n")[0]
        assert b"200" in ask(b"Host: localhost")
        assert b"400" in ask(b"Host: localhost", b"Host: localhost")
        assert b"400" in ask(b"Host: localhost", b"Content-Length: 5", b"Content-Length: 6")
        assert b"400" in ask(b"Host: localhost", b"Content-Length: 5", b"Transfer-Encoding: chunked")
        assert b"400" in ask(b"Host: localhost", b"Transfer-Encoding: xchunked")
        assert b"400" in ask(b"Host: localhost", b"X-Y : 1")
        assert b"431" in ask(b"Host: localhost", b"X: " + b"x" * 60000)
        big = s.raw(b"POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
        assert b" 413 " in big.split(b"\r\n")[0], big
        for path in ("/pictures/../serve.jsonl", "/pictures/..%2fserve.jsonl", "/pictures/%00.png", "/pictures/.png", "/pictures/serve.jsonl",
                     "/pictures//etc/passwd", "/pictures/inputs/x.png", "/%2e%2e/%2e%2e/etc/passwd"):
            got = s.raw(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
            assert b" 404 " in got.split(b"\r\n")[0], (path, got)
        s.get("/health")


def test_serve_many_at_once():
    with serve("--queue", "4") as s:
        codes = []

        def one(i):
            c = http.client.HTTPConnection("127.0.0.1", int(s.port), timeout=100)
            c.request("POST", "/v1/images/generations", json.dumps({"prompt": f"a key {i}", "size": "32x32", "steps": 1}), {"Content-Type": "application/json"})
            r = c.getresponse()
            body = json.loads(r.read())
            codes.append((r.status, r.getheader("Retry-After"), "data" in body))
        threads = [threading.Thread(target=one, args=(i,)) for i in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(codes) == 40 and set(codes) <= {(200, None, True), (429, "5", False)}, codes
        assert sum(c[0] == 200 for c in codes) >= 5
        assert b"limn_queue_length 0" in s.get("/metrics", raw=True)


# ---- how it ends ----

def test_serve_stops_after_the_picture():
    s = Server()
    got = []
    work = lambda body: got.append(s.post("/sdapi/v1/txt2img", body, code=body.pop("_code")))
    long = {"prompt": "a key", "steps": 60, "width": 128, "height": 128, "_code": 200}
    t = threading.Thread(target=work, args=(long,))
    t.start()
    while not s.get("/sdapi/v1/progress")["state"]["sampling_step"]:
        time.sleep(0.01)
    later = threading.Thread(target=work, args=({"prompt": "a gem", **SIZE, "_code": 503},))
    later.start()
    time.sleep(0.2)
    s.p.send_signal(signal.SIGTERM)
    t.join(60)
    later.join(60)
    s.p.communicate(timeout=60)
    assert s.p.returncode == 0
    assert len(got) == 2 and {"images" in g for g in got} == {True, False}, got


def test_serve_port_and_folder_are_taken():
    with serve("-o", "x") as s:
        fails(1, "serve", "--port", s.port, env=ENV, says="another program")
        fails(1, "serve", "--port", "0", "-o", "x", env=ENV, says="another limn serve")


def test_serve_openai_partial_images():
    with serve() as s:
        body = {"prompt": "a key", "size": "32x32", "steps": 8, "stream": True, "partial_images": 3}
        events = [json.loads(line[6:]) for line in s.post("/v1/images/generations", body, raw=True).decode().splitlines() if line.startswith("data: ")]
        partial = [e for e in events if e["type"] == "image_generation.partial_image"]
        assert events[-1]["type"] == "image_generation.completed" and 1 <= len(partial) <= 3
        assert [e["partial_image_index"] for e in partial] == list(range(len(partial)))
        assert all(base64.b64decode(e["b64_json"])[:4] == b"\x89PNG" and e["size"] == "32x32" for e in partial)
        assert s.post("/v1/images/generations", {**body, "partial_images": 4}, code=400)["error"]["param"] == "partial_images"


def test_serve_memory_limit():
    fails(2, "serve", "--memory-limit", "8Q", says="no number of bytes")
    with serve("--memory-limit", "150M") as s:
        said = s.post("/v1/images/generations", {"prompt": "x", "size": "2048x2048", "steps": 1}, code=500)["error"]["message"]
        assert "of --memory-limit are left" in said and s.headers["x-should-retry"] == "false", said
        if b"__asan_init" not in read(LIMN):
            assert s.post("/v1/images/generations", {"prompt": "x", "size": "32x32", "steps": 1})["data"]


def test_serve_bombs():
    """Small bodies that would cost much: refused before the work, with what is wrong."""
    with serve() as s:
        said = s.post("/sdapi/v1/txt2img", {"prompt": "a " * 10000}, code=422)["detail"]
        assert said == "prompt: 20000 bytes, at most 10000 are expected", said
        assert "negative_prompt: 10001 bytes" in s.post("/jobs", {"prompt": "x", "negative_prompt": "b" * 10001}, code=400)["error"]["message"]
        head = {"Content-Type": "application/json"}
        for bomb, says in [(b'{"a":[' + b"0," * 2000000 + b"0]}", "values"), (b"[" * 100000, "deep"), (b'{"prompt":"{{{{' + b"{" * 5000 + b'"}', "")]:
            assert says in s.post("/jobs", bomb, code=400, headers=head)["error"]["message"]
        for prompt in ("__../../../etc/passwd__", "__/etc/passwd__"):
            s.post("/jobs", {"prompt": prompt}, code=400)
        for prompt in ("a <lora:../../../etc/passwd:1>",):
            s.post("/sdapi/v1/txt2img", {"prompt": prompt, **SIZE}, code=422)
