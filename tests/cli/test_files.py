"""Files at odd moments: models that are replaced while they are read, names that two options want, limits of the system."""

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import time

from helpers import *  # noqa: F403

BATCH = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", *SMALL]


def limited(limit, value, *args, says="", code=1):
    """A run under a limit of the system: one line, and that status."""
    p = subprocess.run([LIMN, *args], capture_output=True, timeout=TIMEOUT, env=ENV,
                       preexec_fn=lambda: resource.setrlimit(limit, (value, value)))
    assert p.returncode == code, (args, p.returncode, p.stderr)
    assert re.fullmatch(rb"limn: [^\n]+\n", p.stderr) and says.encode() in p.stderr, p.stderr
    return p


@on_tiny_model
def test_atlas_in_the_folder_that_is_made():
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    for i, atlas in enumerate(["o/atlas", "./o/atlas.json", "o//atlas.png"]):
        shutil.rmtree("o", ignore_errors=True)
        limn(*BATCH, "--atlas", atlas)
        assert files("o") == ["a.png", "atlas.json", "atlas.png", "manifest.jsonl"], atlas
    shutil.rmtree("o")
    fails(1, *BATCH, "--atlas", "no/atlas", says="no/atlas")
    assert not os.path.exists("o")


@on_tiny_model
def test_names_that_two_want():
    """A picture and the atlas made of it do not have one name."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n{"prompt":"x","id":"b"}\n')
    for atlas in ["o/a", "o/b.json", "./o/a.png"]:
        fails(2, *BATCH, "--atlas", atlas, says="--atlas")
    fails(2, *BATCH, "--sizes", "16", "--atlas", "o/a_16", says="a_16.png")
    assert not os.path.exists("o")
    for atlas in ["x", "x.png", "./x.json"]:
        fails(2, "x", "-o", "x.png", "--atlas", atlas, *SMALL, says="picture's name")
    assert files() == ["j.jsonl"]
    limn(*BATCH, "--atlas", "o/ab")


@on_tiny_model
def test_limits_of_the_system():
    write("j.jsonl", b'{"prompt":"x"}\n')
    for n in range(4, 9):  # from too few to open the job file to enough for it and not for the rest
        p = subprocess.run([LIMN, *BATCH], capture_output=True, timeout=TIMEOUT, env=ENV,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
        assert p.returncode in (0, 1, 127), (n, p.returncode, p.stderr)
        shutil.rmtree("o", ignore_errors=True)
    mapped = os.path.getsize(LIMN) + (200 << 20)
    p = subprocess.run([LIMN, "x", "-o", "x.png", *SMALL, "-t", "1"], capture_output=True, timeout=TIMEOUT, env=ENV,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mapped, mapped)))
    if p.returncode == 1 and b"MB" in p.stderr:
        assert b"ulimit -v" in p.stderr and b" 0 MB" not in p.stderr, p.stderr
    if os.path.exists("x.png"):  # that was enough
        os.remove("x.png")
    limited(resource.RLIMIT_FSIZE, 100, "x", "-o", "x.png", *SMALL, "-q", says="x.png")
    assert "x.png" not in files()


@on_tiny_model
def test_a_picture_alone_and_in_company():
    """A picture that is drawn again alone has the bytes that it had among others."""
    jobs = [{"prompt": "a red potion", "id": "a", "negative_prompt": "dark"}, {"prompt": "(a:1.2) key", "id": "b"},
            {"prompt": "key", "id": "c", "negative_prompt": ""}, {"prompt": "a potion", "id": "d", "long_prompt": "chunk"}]
    write("j.jsonl", "".join(json.dumps(j) + "\n" for j in jobs).encode())
    limn(*BATCH)
    whole = {n: read("o/" + n) for n in files("o") if n.endswith(".png")}
    assert len(whole) == 4
    for name in whole:
        os.unlink("o/" + name)
        limn(*BATCH)
        assert read("o/" + name) == whole[name], name


def test_model_names_of_odd_bytes():
    """255 bytes that are no UTF-8: what limn writes it reads."""
    name = b"\xff\xfe" * 127
    model = model_copy("m", "unet/config.json")
    os.rename(model, name)
    draw("x", "--seed", "1", "-m", name, "-o", "a.png")
    limn("again", "a.png", "-m", name, "-o", "b.png", "-q")
    assert read("a.png") == read("b.png")
    assert "model" in limn("info", "a.png").out


def test_model_replaced_in_a_long_path():
    """Pictures of a batch that were drawn with what the path held before are told, however long it is."""
    deep = "/".join(["d" * 100] * 4)
    os.makedirs(deep)
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    model_copy(deep + "/m", UNET)
    args = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", "-m", deep + "/m", *SMALL]
    limn(*args)
    data = bytearray(read(deep + "/m/" + UNET))
    data[-1] ^= 1
    write(deep + "/m/" + UNET, bytes(data))
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n{"prompt":"x","id":"b"}\n')
    fails(2, *args, says="were drawn with another")


def test_model_changes_and_its_hash():
    """A file that is changed in place, with its size and time as before, is another model."""
    model_copy("m", UNET)
    path = "m/" + UNET
    first = texts(draw("x", "--seed", "1", "-m", "m", "-o", "a.png")[0])["limn"]
    for wait in [0, 2.2]:  # too young to be remembered, and remembered
        time.sleep(wait)
        draw("x", "--seed", "1", "-m", "m", "-o", "a.png")
        st = os.stat(path)
        data = bytearray(read(path))
        data[-1] ^= 1
        with open(path, "r+b") as f:
            f.write(data)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
        assert os.stat(path).st_mtime_ns == st.st_mtime_ns
        now = texts(draw("x", "--seed", "1", "-m", "m", "-o", "a.png")[0])["limn"]
        assert json.loads(now)["model"]["sha256"] == hashlib.sha256(data).hexdigest() != json.loads(first)["model"]["sha256"]
        first = now


def test_model_replaced_while_loading():
    """Replaced: the old one's hash, and a word. Written into: an error. At many moments; what is written is always true."""
    model_copy("m", UNET)
    path = "m/" + UNET
    one = read(path)
    other = one[:-1] + bytes([one[-1] ^ 1])
    names = {hashlib.sha256(one).hexdigest(), hashlib.sha256(other).hexdigest()}
    begin = time.monotonic()
    draw("x", "--seed", "1", "-m", "m", "-o", "a.png")
    took = time.monotonic() - begin
    pictures = {}
    for data in [other, one]:
        write(path, data)
        draw("x", "--seed", "1", "-m", "m", "-o", "a.png")
        pictures[hashlib.sha256(data).hexdigest()] = read("a.png")
    for i in range(8):
        write("next", one if i % 2 else other)
        p = subprocess.Popen([LIMN, "x", "--seed", "1", "-m", "m", "-o", "a.png", *SMALL], env=ENV, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        time.sleep(took * i / 10)
        os.rename("next", path)
        out, err = p.communicate(timeout=TIMEOUT)
        assert p.returncode == 0, err
        made = json.loads(texts("a.png")["limn"])["model"]["sha256"]
        assert made in names and read("a.png") == pictures[made], "a picture of one model with the hash of another"
        if b"replaced" in err:
            assert made == hashlib.sha256(other if i % 2 else one).hexdigest()
