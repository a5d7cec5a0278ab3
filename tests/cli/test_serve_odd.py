"""limn serve and clients that send odd things: values that are nearly right, parts of forms, half a protocol. Each is answered as it is meant, or refused by name."""

import base64
import json
import os
import socket

from helpers import draw, read, write
from test_from_pictures import pixels
from test_serve import SIZE, form, png_of, serve

ASK = {"prompt": "a key", "size": "32x32", "steps": 1, "seed": 1}


def test_serve_openai_odd_values():
    with serve("--transparent") as s:
        ask = lambda body, code=200, **more: s.post("/v1/images/generations", {**ASK, **body}, code=code, **more)
        refused = lambda body: ask(body, 400)["error"]
        for stream, is_stream in (True, 1), ("true", 1), (1, 1), ("1", 1), (False, 0), (0, 0), ("false", 0), (None, 0):
            assert ask({"stream": stream}, raw=True).startswith(b"{") != is_stream, stream
        channels = lambda body: png_of(ask(body)["data"][0]["b64_json"])[25]
        assert (channels({}), channels({"background": "auto"}), channels({"background": "opaque"}), channels({"background": "transparent"})) == (6, 6, 2, 6)
        for wrong, field in ({"stream": "maybe"}, "stream"), ({"background": "blue"}, "background"), ({"n": 17}, "n"), ({"n": 0}, "n"), ({"size": "4096x4096"}, "size"), ({"seed": 2**53 + 1}, "seed"):
            assert refused(wrong)["param"] == field, wrong
        assert "as text" in refused({"seed": 2**53})["message"]
        made = ask({"seed": str(2**53 + 1)})["data"][0]["limn"]["options"]["seed"]
        assert made in (2**53 + 1, str(2**53 + 1)), made
        assert ask({"region": "0,0,0.5,1=a red potion"})["data"][0]["limn"]["options"]["region"], "words for a part are no file"
        assert "region" in refused({"region": "0,0,1,1=" + "x" * 20000})["message"]
        job = s.post("/jobs", {"prompt": "a key", "region": "0,0,0.5,1=a red potion", **SIZE}, code=202)
        assert job["id"]


def test_serve_forms_that_are_odd():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    (other,) = draw("a red potion", "--seed", "7", "-W", "64", "-H", "64", "--transparent", "-o", "y.png")
    picture, mask = read(path), read(other)
    with serve() as s:
        def ask(parts, code=200):
            body, headers = form(*parts)
            return s.post("/v1/images/edits", body, headers=headers, code=code)
        parts = [("image", "x.png", picture), ("prompt", None, b"a key"), ("steps", None, b"2")]
        assert len(ask([*parts, ("n", None, b"2")])["data"]) == 2
        for more, field in [((("prompt", None, b"caf\xe9"),), "prompt"), ((("n", None, b"1"), ("n", None, b"2")), "n"), ((("mask", "m.png", mask),), None), ((("image", "z.png", picture),), "image")]:
            sent = [p for p in parts if not (field == "prompt" and p[0] == "prompt")]
            error = ask([*sent, *more], 400)["error"]
            assert error["param"] == field, error
            assert "inputs" not in error["message"] and "passing" not in error["message"], error
        assert "the picture that was sent" in ask([*parts, ("mask", "m.png", mask)], 400)["error"]["message"]
        # what was to be kept with pictures goes where there are none
        assert ask([*parts, ("mask", "m.png", mask), ("response_format", None, b"url")], 400)
        data = "data:image/png;base64," + base64.b64encode(picture).decode()
        job = s.post("/jobs", {"prompt": "x", "init_image": data, "strength": 0.1, "steps": 2}, code=202)
        while s.get(f"/jobs/{job['id']}")["state"] in ("queued", "drawing"):
            pass
        assert s.get(f"/jobs/{job['id']}")["state"] == "failed" and os.listdir("limn-pictures/inputs") == []
        ask([*parts, ("response_format", None, b"url")])
        assert len(os.listdir("limn-pictures/inputs")) == 1


def test_serve_a1111_odd_values():
    (path,) = draw("a red potion", "--seed", "7", "-W", "32", "-H", "64", "-o", "x.png")
    data = base64.b64encode(read(path)).decode()
    with serve() as s:
        unit = lambda u, code: s.post("/sdapi/v1/txt2img", {"prompt": "x", "seed": 1, **SIZE, "alwayson_scripts": {"controlnet": {"args": u}}}, code=code)
        for off in [{"enabled": 0, "model": "nothing"}], [{"enabled": "false", "model": "nothing"}], [None], [], None:
            assert unit(off, 200)["images"], off
        for wrong in ["x"], {"model": "x"}, [True], "x", [{"enabled": "maybe"}], [{"model": "x", "weight": "much"}]:
            assert "controlnet" in unit(wrong, 422)["detail"], wrong
        for wrong in 5, [], True, "nothing":
            assert "model" in s.post("/sdapi/v1/options", {"sd_model_checkpoint": wrong}, code=(404, 422))["detail"], wrong

        def size(body, code=200):
            r = s.post("/sdapi/v1/extra-single-image", {"image": data, **body}, code=code)
            return r["detail"] if code != 200 else (lambda png: (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")))(png_of(r["image"]))
        assert size({}) == size({"upscaler_1": "None", "upscaling_resize": 4}) == size({"upscaler_1": None}) == (32, 64), "None changes nothing, as in A1111"
        assert size({"upscaler_1": "Lanczos", "upscaling_resize": "3"}) == (96, 192)
        box = {"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 64}
        assert size(box) == size({**box, "upscaling_crop": True}) == (64, 64) and size({**box, "upscaling_crop": False}) == (64, 128)
        write("same.png", png_of(s.post("/sdapi/v1/extra-single-image", {"image": data})["image"]))
        assert pixels("same.png") == pixels(path)
        for wrong in {"upscaling_resize": "x"}, {"upscaler_1": []}, {"resize_mode": 2}, {"upscaling_crop": "maybe"}, {"image": 5}:
            assert size(wrong, 422), wrong


def test_serve_half_a_protocol():
    with serve() as s:
        assert b" 200 " in s.raw(b"GET /health HTTP/1.0\r\n\r\n"), "a balancer's health check has no Host"
        assert b" 421 " in s.raw(b"GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n")
        assert b" 400 " in s.raw(b"GET /health HTTP/1.1\r\n\r\n")
        assert s.raw(bytes.fromhex("1603010200010001fc0303") + bytes(500), wait=3).startswith(b"HTTP/1.1 400"), "TLS is told at once that it is none here"
        with socket.create_connection(("127.0.0.1", int(s.port)), timeout=60) as c:
            body = json.dumps({**ASK, "stream": False}).encode()
            head = f"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            c.sendall(3 * (head + body))
            got = b""
            while got.count(b'"created"') < 3:
                got += c.recv(65536)
        assert got.count(b"HTTP/1.1 200") == 3, "requests that are sent ahead are answered in their order"
