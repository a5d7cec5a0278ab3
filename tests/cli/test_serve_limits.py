"""limn serve: what a request costs after it has ended. Small requests that become much, journals that grow, jobs that are remembered."""

import json
import os
import signal
import time

from test_serve import SIZE, Server, serve, wait_for

LONG = {"prompt": "a key", "steps": 150, "width": 256, "height": 256}


def memory(s):
    return int(open(f"/proc/{s.p.pid}/statm").read().split()[1]) * 4096


def test_serve_words_of_many_pictures():
    with serve() as s:
        # ten thousand bytes are a prompt; a thousand such prompts are not a request
        said = s.post("/jobs", {"prompt": "a" * 9999, "seed": "1-1000"}, code=400)["error"]["message"]
        assert "the words of all its pictures" in said, said
        assert "blend_prompt: 10001 bytes" in s.post("/jobs", {"prompt": "x", "blend_prompt": "b" * 10001}, code=400)["error"]["message"]
        assert "blend_prompt" in s.post("/v1/images/generations", {"prompt": "x", "blend_prompt": "b" * 10001}, code=400)["error"]["message"]
        s.ask("DELETE", f"/jobs/{s.post('/jobs', {**LONG, 'prompt': 'a' * 500, 'seed': '1-1000'}, code=202)['id']}")


def test_serve_jobs_that_ended_weigh_little():
    with serve() as s:
        first = s.post("/jobs", LONG, code=202)
        give_up = lambda: s.ask("DELETE", f"/jobs/{s.post('/jobs', {**LONG, 'prompt': 'a' * 500, 'seed': '1-500'}, code=202)['id']}")
        while s.get(f"/jobs/{first['id']}")["step"] < 2:
            time.sleep(0.02)
        for _ in range(6):  # what is kept of them is bounded, and that much is had by now
            give_up()
        before = memory(s)
        for _ in range(18):  # 9,000 jobs: 500 bytes left of each would be 4.5 MB
            give_up()
        assert memory(s) - before < 4e6 or b"asan" in open(f"/proc/{s.p.pid}/maps", "rb").read(), (before, memory(s))
        s.ask("DELETE", f"/jobs/{first['id']}")
        wait_for(s, first, "cancelled")
        until = time.monotonic() + 20
        while os.path.getsize("limn-pictures/serve.jsonl"):  # begins anew when nothing is left
            assert time.monotonic() < until
            time.sleep(0.05)


def test_serve_journal_is_tidied():
    """It grows by what is accepted, and is written anew with what has not ended: nothing of that is lost, be the server killed before or after."""
    jobs = [{**SIZE, "prompt": f"a key {i}", "seed": "1-3"} for i in range(2)]
    s = Server("-o", "out")
    first = s.post("/jobs", LONG, code=202)
    ids = [s.post("/jobs", j, code=202)["id"] for j in jobs]
    largest = 0
    for _ in range(14):
        s.ask("DELETE", f"/jobs/{s.post('/jobs', {**LONG, 'prompt': 'a' * 500, 'seed': '1-500'}, code=202)['id']}")
        largest = max(largest, os.path.getsize("out/serve.jsonl"))
    assert 1e6 < largest < 8e6 and os.path.getsize("out/serve.jsonl") < largest or largest > 4e6, largest
    with open("out/serve.jsonl") as f:
        assert {json.loads(line)["id"] for line in f} >= {first["id"], *ids}
    s.p.send_signal(signal.SIGKILL)
    s.p.communicate()
    with serve("-o", "out", "--resume") as s:
        assert os.path.getsize("out/serve.jsonl") < 20000, "only what is left"
        s.ask("DELETE", f"/jobs/{first['id']}")
        for i in ids:
            assert wait_for(s, {"id": i})["pictures"] == 3
    assert len([f for f in os.listdir("out") if f.endswith(".png")]) == 6


def test_serve_resumes_in_the_middle_of_a_job():
    """Killed twice: the second time it goes on from a journal that was written anew in the middle of a job."""
    s = Server("-o", "out")
    job = s.post("/jobs", {**SIZE, "prompt": "a key", "width": 64, "height": 64, "steps": 4, "seed": "1-9"}, code=202)
    for enough in (2, 5):
        until = time.monotonic() + 60
        while len([f for f in os.listdir("out") if f.endswith(".png")]) < enough:
            assert time.monotonic() < until
            time.sleep(0.01)
        s.p.send_signal(signal.SIGKILL)
        s.p.communicate()
        s = Server("-o", "out", "--resume")
    wait_for(s, job)
    s.end()
    assert 9 <= len([f for f in os.listdir("out") if f.endswith(".png")]) <= 11
