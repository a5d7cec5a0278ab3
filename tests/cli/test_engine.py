"""--memory, --precision and --threads mean the same in every command that draws: all open models in one place."""

import json
import os
import re
import subprocess
import sys
import time

from helpers import ENV, LIMN, limn, read, texts, write, on_tiny_model

SIZE = ["-W", "32", "-H", "32", "-s", "2", "--seed", "1"]


def commands(*options):
    """The same small picture by each command, and the file in which it is."""
    write("jobs.jsonl", json.dumps({"prompt": "a red potion"}).encode() + b"\n")
    yield ["generate", "a red potion", *SIZE, "-q", "-o", "g/x.png", *options], "g"
    yield ["batch", "jobs.jsonl", *SIZE, "-q", "-o", "b", *options], "b"
    yield ["compare", "a red potion", *SIZE[:4], "--samplers", "euler", "--steps", "1,2", "--against", "steps=2", "--seed", "1", "-q",
           "-o", "c", *options], "c"


def pictures_in(folder):
    return sorted(os.path.join(at, n) for at, _, names in os.walk(folder) for n in names if n.endswith(".png"))


def peak_mb(args):
    """The most memory that the process had in use, files' pages not counted apart."""
    code = ("import resource, subprocess, sys\n"
            "r = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
            "print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, r.stderr.decode()[:300])\n")
    r = subprocess.run([sys.executable, "-c", code, LIMN, *args], env=ENV, capture_output=True, text=True)
    status, peak, *words = r.stdout.split(maxsplit=2)
    assert status == "0", (args, words)
    return int(peak) / 1024


def test_memory_in_every_command():
    if b"__asan_init" in read(LIMN):  # what it keeps in addition is more than what is measured
        return
    os.makedirs("g")
    low = {folder: peak_mb(args) for args, folder in commands("--memory", "low")}
    for folder in "g", "b", "c":
        subprocess.run(["rm", "-r", folder], check=True)
    os.makedirs("g")
    high = {folder: peak_mb(args) for args, folder in commands("--memory", "high")}
    for folder in "b", "c":
        # compare holds its report, too
        assert low[folder] < 1.10 * low["g"] + 3, low
        assert high[folder] > 1.3 * low[folder], (low, high)


@on_tiny_model
def test_precision_in_every_command():
    wanted = "bf16" if "bf16" in limn("--version").out else "f32"
    os.makedirs("g")
    for precision in {wanted, "f32"}:
        for args, folder in commands("--precision", precision):
            limn(*args)
            made = [json.loads(texts(p)["limn"])["options"]["precision"] for p in pictures_in(folder) if "limn" in texts(p)]
            assert made and set(made) == {precision}, (args, made)
            subprocess.run(["rm", "-r", folder], check=True)
        os.makedirs("g")


def most_threads(args):
    p = subprocess.Popen([LIMN, *args], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while p.poll() is None:
        try:
            with open(f"/proc/{p.pid}/status") as f:
                most = max(most, int(re.search(r"Threads:\s+(\d+)", f.read())[1]))
        except (OSError, TypeError):
            pass
        time.sleep(0.002)
    assert p.returncode == 0, args
    return most


@on_tiny_model
def test_threads_in_every_command():
    os.makedirs("g")
    for few, many in zip(commands("-t", "1"), commands("-t", "4")):
        one = most_threads(few[0])
        subprocess.run(["rm", "-r", few[1]], check=True)
        os.makedirs("g", exist_ok=True)
        four = most_threads(many[0])
        subprocess.run(["rm", "-r", many[1]], check=True)
        os.makedirs("g", exist_ok=True)
        assert four >= 4 > one, (few[0][0], one, four)  # in addition to those that draw: one that hashes, one that reads the vocabulary
