"""--sandbox: the same pictures, and what a job file or a picture names beyond the command line cannot be opened."""

import ctypes
import json
import os
import shutil

from helpers import SMALL, SPRITES, draw, limn, read, write, on_tiny_model
from tiny import checkpoint

# looking for leaks is done by ptrace, which is among what the sandbox refuses
ENV = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}
LANDLOCK = ctypes.CDLL(None).syscall(444, 0, 0, 1) >= 1  # landlock_create_ruleset: its version


@on_tiny_model
def test_sandbox_draws_the_same():
    (plain,) = draw("a red potion", "--seed", "1", "-o", "plain.png")
    os.mkdir("out")
    for i, more in enumerate(([], ["-m", SPRITES], ["--trace", "out/t.safetensors"], ["-t", "2"])):
        (made,) = draw("a red potion", "--seed", "1", "--sandbox", "-o", f"out/{i}.png", *more, env=ENV)
        if "-m" not in more:
            assert read(made) == read(plain)
    assert limn("again", "out/0.png", "--sandbox", "-q", "-o", "out/again.png", env=ENV).code == 0
    assert read("out/again.png") == read(plain)
    assert "a red potion" in limn("info", "out/0.png", "--sandbox", env=ENV).out
    limn("info", SPRITES, "--sandbox", env=ENV)
    write("j.jsonl", b'{"prompt": "a key", "seed": [1, 2]}')
    limn("batch", "j.jsonl", *SMALL, "--sandbox", "--sheet", "-q", "-o", "batch", env=ENV)
    assert len([n for n in os.listdir("batch") if n.endswith(".png")]) == 3
    limn("compare", "a key", "-W", "32", "-H", "32", "--samplers", "euler", "--steps", "1,2", "--against", "steps=2", "--sandbox", "-q", "-o", "cmp", env=ENV)
    assert "report.html" in os.listdir("cmp")


def test_sandbox_keeps_what_is_not_named():
    if not LANDLOCK:
        return
    shutil.copytree(SPRITES, "elsewhere/model")
    shutil.copytree(SPRITES, "elsewhere/other")
    os.mkdir("work")
    os.chdir("work")
    write("j.jsonl", "\n".join(json.dumps({"prompt": "a key", "model": f"../elsewhere/{m}"}) for m in ("model", "other")).encode())
    limn("batch", "j.jsonl", *SMALL, "-q", "-o", "open")
    assert len([n for n in os.listdir("open") if n.endswith(".png")]) == 2
    r = limn("batch", "j.jsonl", "-m", "../elsewhere/model", *SMALL, "--sandbox", "-q", "-o", "shut", code=1, env=ENV)
    assert "ermission denied" in r.err, r.err
    assert len([n for n in os.listdir("shut") if n.endswith(".png")]) == 1


def test_sandbox_keeps_the_rest_of_a_models_folder():
    """A checkpoint in a home folder: what belongs to it can be read, the rest of the home not."""
    if not LANDLOCK:
        return
    checkpoint().save("home/model.safetensors")
    shutil.copytree(f"{SPRITES}/tokenizer", "home/tokenizer")
    shutil.copytree(SPRITES, "home/private")
    os.mkdir("out")  # else it is made in this folder, which is then open
    write("j.jsonl", b'{"prompt": "a key"}\n{"prompt": "a key", "model": "home/private"}')
    r = limn("batch", "j.jsonl", "-m", "home/model.safetensors", *SMALL, "--sandbox", "-q", "-o", "out", code=1, env=ENV)
    assert "ermission denied" in r.err, r.err
    assert len([n for n in os.listdir("out") if n.endswith(".png")]) == 1
