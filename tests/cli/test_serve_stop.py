"""limn serve: how it ends. The picture at hand is finished and sent, who asks meanwhile hears 503, a second signal ends it at once."""

import concurrent.futures
import json
import os
import signal
import time

from test_serve import SIZE, Server, png_of, serve, wait_for

LONG = {"prompt": "a key", "steps": 60, "width": 128, "height": 128}


def until_drawing(s):
    until = time.monotonic() + 60
    while not s.get("/sdapi/v1/progress")["state"]["sampling_step"]:
        assert time.monotonic() < until
        time.sleep(0.01)


def stopped(s):
    s.p.communicate(timeout=60)
    assert s.p.returncode == 0, s.p.returncode


def test_serve_says_503_while_it_stops():
    s = Server()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        drawn = pool.submit(s.post, "/sdapi/v1/txt2img", {**LONG, "steps": 150})
        until_drawing(s)
        s.p.send_signal(signal.SIGTERM)
        until = time.monotonic() + 5
        while json.loads(s.ask("GET", "/health", code=(200, 503), raw=True))["status"] == "ok":
            assert time.monotonic() < until
            time.sleep(0.02)
        for path, body in [("/sdapi/v1/txt2img", {"prompt": "x", **SIZE}), ("/v1/images/generations", {"prompt": "x", "size": "32x32"}), ("/jobs", {"prompt": "x", **SIZE})]:
            s.post(path, body, code=503)
            assert s.headers["retry-after"] == "5", path
        # what looks on goes on
        p = s.get("/sdapi/v1/progress")
        assert p["state"]["stopping_generation"] and p["state"]["job_count"] == 1
        s.get("/pictures"), s.get("/jobs"), s.get("/v1/models")
        assert not drawn.done(), "the picture was too short for this test"
        png_of(drawn.result(60)["images"][0])
    stopped(s)


def test_serve_sends_what_was_drawn_when_it_stops():
    s = Server()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        a1111 = pool.submit(s.post, "/sdapi/v1/txt2img", {**LONG, "n_iter": 8})
        until_drawing(s)
        s.p.send_signal(signal.SIGTERM)
        r = a1111.result(60)
    info = json.loads(r["info"])
    assert 1 <= len(r["images"]) < 8 and len(info["all_seeds"]) == len(r["images"])
    assert f"the server stopped when {len(r['images'])} of 8 pictures were drawn" in info["comments"], info["comments"]
    stopped(s)
    s = Server()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stream = pool.submit(s.post, "/v1/images/generations", {"prompt": "a key", "size": "128x128", "steps": 60, "stream": True}, raw=True)
        until_drawing(s)
        s.p.send_signal(signal.SIGTERM)
        assert b"event: image_generation.completed" in stream.result(60)
    stopped(s)


def test_serve_goes_on_after_it_was_stopped():
    s = Server("-o", "out")
    job = s.post("/jobs", {**LONG, "width": 64, "height": 64, "seed": "1-4"}, code=202)
    until_drawing(s)
    assert "Sanitizer" not in s.end()
    first = [f for f in os.listdir("out") if f.endswith(".png")]
    assert 1 <= len(first) < 4
    with serve("-o", "out", "--resume") as s:
        got = wait_for(s, job)
        assert got["pictures"] == 4
    assert sorted(f for f in os.listdir("out") if f.endswith(".png")) == [f"limn-{i:05}.png" for i in range(1, 5)]


def test_serve_ends_at_once_by_a_second_signal():
    s = Server("-o", "out")
    s.post("/jobs", {**LONG, "steps": 150, "width": 512, "height": 512}, code=202)
    until_drawing(s)
    s.p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert s.p.poll() is None
    start = time.monotonic()
    s.p.send_signal(signal.SIGTERM)
    s.p.communicate(timeout=20)
    assert time.monotonic() - start < 5 and s.p.returncode == 130, s.p.returncode
    assert sorted(os.listdir("out")) == ["serve.jsonl"]
    s = Server("-o", "out", "--resume")
    assert [j["state"] for j in s.get("/jobs")] == ["drawing"] or s.get("/jobs")
    s.ask("DELETE", "/jobs/1")
    s.end()
