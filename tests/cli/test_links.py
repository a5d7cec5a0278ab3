"""Nothing of others is touched: links under every name that limn may use in an output folder, other people's files, hostile manifests."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time

from helpers import *  # noqa: F403

JOBS = '{"prompt":"a red potion","id":"a"}\n{"prompt":"a {blue|green} potion","id":"sub/b","count":2}\n'

# What limn makes in the folder "o": the command, and whether the folder must be there before.
COMMANDS = {
    "generate": (["generate", "x", "--seed", "1", "-o", "o/x.png", "--sizes", "16,8", "--save-steps", "--atlas", "o/atlas",
                  "--trace", "o/t.safetensors", *SMALL], True),
    "numbered": (["generate", "x", "--seed", "1", "-o", "o/", "--count", "2", *SMALL], True),
    "batch": (["batch", "j.jsonl", "-o", "o", "--sheet", "--atlas", "o/atlas", "--sizes", "16", "--seed", "1",
               "--changed", "render", *SMALL], True),
    "shard": (["batch", "j.jsonl", "-o", "o", "--shard", "1/2", "--seed", "1", *SMALL], False),
    "merge": (["batch", "j.jsonl", "-o", "o", "--merge", "--sheet", "--seed", "1", *SMALL], False),
    "cells": (["compare", "x", "--samplers", "euler", "--steps", "1,2", "--against", "steps=1", *TINY_MODEL, "-W", "32", "-H", "32", "-o", "o"], False),
    "pictures": (["compare", "p1.png", "p2.png", "-o", "o"], False),
}
STAGING = {"batch": ".limn-batch", "shard": ".limn-batch-1-of-2", "merge": ".limn-batch"}
VICTIM = b"one\nthe last line has no end"


def start(command):
    """Everything that the command needs, in an empty folder."""
    shutil.rmtree("o", ignore_errors=True)
    write("j.jsonl", JOBS.encode())
    if command == "pictures" and not os.path.exists("p2.png"):
        draw("x", "--seed", "1", "-o", "p1.png")
        draw("x", "--seed", "2", "-o", "p2.png")
    if COMMANDS[command][1]:
        os.mkdir("o")
    if command == "merge":
        for i in "12" if not os.path.isdir("ready") else "":
            limn("batch", "j.jsonl", "-o", "ready", "--shard", i + "/2", "--seed", "1", "-q", *SMALL)
        shutil.copytree("ready", "o")


def names(command):
    """What the command leaves in its folder."""
    start(command)
    limn(*COMMANDS[command][0])
    found = []
    for at, folders, others in os.walk("o"):
        found += [os.path.relpath(os.path.join(at, n), "o") for n in folders + others]
    return sorted(found)


def victims():
    """A file and a folder that nobody may touch."""
    shutil.rmtree("v", ignore_errors=True)
    os.makedirs("v/folder/latents")
    write("v/file", VICTIM)
    for name in ["picture", "manifest", "a.png", "b_1.png", "sheet.png", "document", "latents/record"]:
        write("v/folder/" + name, VICTIM)


def look(folder):
    found = {}
    for at, folders, others in os.walk(folder):
        for n in folders + others:
            path = os.path.join(at, n)
            st = os.lstat(path)
            found[path] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_mode, None if n in folders else read(path))
    return found


def plant(name, target):
    """The link o/name, where limn will come by."""
    os.makedirs(os.path.dirname("o/" + name), exist_ok=True)
    if os.path.isdir("o/" + name) and not os.path.islink("o/" + name):
        shutil.rmtree("o/" + name)
    elif os.path.lexists("o/" + name):
        os.unlink("o/" + name)
    if target == "hard":
        os.link("v/file", "o/" + name)
    else:
        os.symlink(os.path.abspath(target), "o/" + name)


def attack(command, planted, target):
    """The command with links under these names."""
    start(command)
    victims()
    for name in planted:
        plant(name, target)
    before = look("v")
    p = subprocess.run([LIMN, *COMMANDS[command][0]], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, env=ENV)
    where = f"{command}: {planted} -> {target}: exit {p.returncode}, {p.stderr!r}"
    assert look("v") == before, f"{where}: touched"
    assert p.returncode in (0, 1, 2), where
    last = p.stderr.decode().splitlines()[-1] if p.returncode else "limn: "
    assert last.startswith("limn: "), where
    for name in planted:
        there = os.path.lexists("o/" + name) and command != "numbered"  # which takes the next number
        if p.returncode == 0 and there:
            assert not os.path.islink("o/" + name) and os.stat("o/" + name).st_nlink == 1, where
    return p


def everywhere(command):
    """Links to a folder under each name of a folder; to a file, by a second name, and to nowhere under all others."""
    found = names(command)
    folders = [n for n in found if os.path.isdir("o/" + n)]
    if command in STAGING:
        folders.append(STAGING[command])
    for name in folders:
        p = attack(command, [name], "v/folder")
        assert p.returncode == 1 and (b"symbolic link" in p.stderr or b"damaged" in p.stderr), (name, p.stderr)
    if command == "merge":
        found += ["manifest-1-of-2.jsonl", "manifest-2-of-2.jsonl"]
    manifests = [n for n in found if n.startswith("manifest")]
    rest = [n for n in found if n not in folders + manifests]
    for target in ["v/file", "hard", "v/none"]:
        for name in manifests:
            attack(command, [name], target)
        if attack(command, rest, target).returncode:
            for name in rest:  # one was refused: each by itself
                attack(command, [name], target)


@on_tiny_model
def test_links_generate():
    everywhere("generate")


@on_tiny_model
def test_links_numbered():
    everywhere("numbered")


@on_tiny_model
def test_links_batch():
    everywhere("batch")


@on_tiny_model
def test_links_shard():
    everywhere("shard")


@on_tiny_model
def test_links_merge():
    everywhere("merge")


def test_links_compare():
    everywhere("cells")


def test_links_compare_pictures():
    everywhere("pictures")


@on_tiny_model
def test_links_in_staging():
    """The names that limn uses in its own folder of half-written files, planted before it comes."""
    for command in STAGING:
        for name in ["picture", "manifest", "document"]:
            for target in ["v/file", "hard"]:
                start(command)
                victims()
                plant(f"{STAGING[command]}/{name}", target)
                before = look("v")
                limn(*COMMANDS[command][0])
                there = os.path.lexists(f"o/{STAGING[command]}/{name}")
                if target == "hard" and not there:  # its second name is gone, and the file is as it was
                    assert read("v/file") == VICTIM and os.stat("v/file").st_nlink == 1
                else:
                    assert look("v") == before
                assert there == (name == "document"), "only limn's names go"


@on_tiny_model
def test_links_read():
    """A link is no picture: what it names does not appear in a sheet, an atlas, a report."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    secret = draw("x", "--seed", "9", "-o", "secret.png")[0]
    batch = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", *SMALL]
    limn(*batch)
    whole = read("o/a.png")
    os.unlink("o/a.png")
    os.symlink(os.path.abspath(secret), "o/a.png")
    assert "damaged" in limn(*batch, "--merge", "--sheet", code=1).out
    assert "sheet.png" not in files("o")
    limn(*batch)  # drawn anew, in place of the link
    assert not os.path.islink("o/a.png") and read("o/a.png") == whole

    compare = ["compare", "x", "--samplers", "euler", "--steps", "1,2", "--against", "steps=1", *TINY_MODEL, "-W", "32", "-H", "32", "-o", "c", "-q"]
    limn(*compare)
    cell = [n for n in files("c/cells") if n.endswith(".png") and "converged" not in n][0]
    whole = read("c/cells/" + cell)
    os.unlink("c/cells/" + cell)
    os.symlink(os.path.abspath(secret), "c/cells/" + cell)
    limn(*compare)
    assert read("c/cells/" + cell) == whole and not os.path.islink("c/cells/" + cell)


@on_tiny_model
def test_links_above():
    """A link that the user names is followed; one that leads to no folder is told."""
    os.mkdir("real")
    os.symlink("real", "o")
    write("j.jsonl", JOBS.encode())
    limn("batch", "j.jsonl", "-o", "o", "-q", *SMALL)
    assert "manifest.jsonl" in files("real") and os.path.islink("o")
    draw("x", "-o", "o/x.png")
    limn("compare", "x", "--samplers", "euler", "--steps", "1,2", "--against", "steps=1", *TINY_MODEL, "-W", "32", "-H", "32", "-o", "o", "-q")
    assert {"x.png", "cells", "report.html"} <= set(files("real"))
    os.symlink("nowhere", "l")
    fails(1, "batch", "j.jsonl", "-o", "l", "-q", *SMALL, says="l: ")


@on_tiny_model
def test_others_files():
    """What belongs to another user is not replaced, emptied, extended or removed."""
    if os.geteuid() != 0:
        return
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    batch = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", "--sheet", *SMALL]
    for name in ["manifest.jsonl", "a.png", "sheet.png", "index.html", ".limn-batch"]:
        shutil.rmtree("o", ignore_errors=True)
        limn(*batch)
        path = "o/" + name
        if name == ".limn-batch":
            os.mkdir(path)
            write(path + "/picture", VICTIM)
        if name == "a.png":
            write(path, VICTIM)
        os.chown(path, 12345, 12345)
        before = os.stat(path)
        if name == "a.png":
            limn(*batch, code=1)
        else:
            assert "another user" in limn(*batch, code=1).err, name
        now = os.stat(path)
        assert (now.st_ino, now.st_mtime_ns, now.st_uid) == (before.st_ino, before.st_mtime_ns, 12345), name
    write("x.png", VICTIM)
    os.chown("x.png", 12345, 12345)
    fails(1, "x", "-o", "x.png", *SMALL, says="another user")
    assert read("x.png") == VICTIM


@on_tiny_model
def test_others_manifest():
    """manifest.jsonl is a common name: one that tells of no picture stays as it is."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    os.mkdir("o")
    for text in [b'{"audio_filepath":"a.wav","text":"x"}\n', b"one\ntwo", b"{}\n{\"file\":", b"\0\0\0"]:
        write("o/manifest.jsonl", text)
        fails(1, "batch", "j.jsonl", "-o", "o", *SMALL, says="another program's")
        assert read("o/manifest.jsonl") == text and files("o") == ["manifest.jsonl"]
    for text in [b"", b'{"fi', b'{"file":"a.png","stat', b'not json\n{"file":"z.png"}\n']:
        write("o/manifest.jsonl", text)
        limn("batch", "j.jsonl", "-o", "o", "-q", *SMALL)
        shutil.rmtree("o")
        os.mkdir("o")


@on_tiny_model
def test_others_pages():
    """sheet.png, index.html, report.html and the tables are common names: what limn did not make is neither replaced nor removed."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    draw("x", "--seed", "1", "-o", "p1.png")
    draw("x", "--seed", "2", "-o", "p2.png")
    cells = ["compare", "x", "--samplers", "euler", "--steps", "1,2", "--against", "steps=1", *TINY_MODEL, "-W", "32", "-H", "32", "-q", "-o", "o"]
    table = {
        ("batch", "j.jsonl", "-o", "o", "--sheet", "-q", *SMALL): ["sheet.png", "index.html"],
        tuple(cells): ["sheet.png", "report.html", "compare.csv", "compare.json"],
        ("compare", "p1.png", "p2.png", "-o", "o"): ["sheet.png", "report.html", "compare.csv", "compare.json"],
    }
    for args, others in table.items():
        for name in others:
            shutil.rmtree("o", ignore_errors=True)
            os.mkdir("o")
            own = read("p1.png") if name.endswith(".png") else b"<html>my own page, made with limn</html>\n"
            write("o/" + name, own)
            fails(1, *args, says=[name, "did not make it"])
            assert read("o/" + name) == own and files("o") == [name]
            os.unlink("o/" + name)
            limn(*args)
            limn(*args)  # its own it replaces


@on_tiny_model
def test_manifest_hostile():
    """Lines that somebody has edited lead nowhere: names outside, copies outside, dates that are none, numbers that overflow."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    write("secret.png", VICTIM)
    batch = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", "--sheet", *SMALL]
    limn(*batch)
    good = json.loads(read("o/manifest.jsonl"))
    pixels = read("o/a.png")
    edits = [{"file": "../secret.png"}, {"file": "/etc/passwd"}, {"file": "a.png/../../secret.png"}, {"seq": 1e308}, {"seq": -1},
             {"seq": "x"}, {"seq": 2 ** 62}, {"date": "../../x"}, {"date": "2026-01-01/../../../x"}, {"time": "9999-99-99"},
             {"copies": [{"file": "../secret.png", "bytes": len(VICTIM), "sha256": "0" * 64}]},
             {"copies": [{"file": "/dev/zero", "bytes": 1e300, "sha256": "x"}]}, {"copies": 7}, {"bytes": -1}, {"bytes": 1e300},
             {"sha256": "x" * 500}, {"key": None}, {"status": 3}, {"model": "x"}, {"job": []}, {"error": {"a": 1}}]
    before = look(".")
    for edit in edits:
        line = json.dumps({**good, **edit}, separators=(",", ":"))
        write("o/manifest.jsonl", (json.dumps(good, separators=(",", ":")) + "\n" + line + "\n").encode())
        for args in [batch, [*batch, "--merge"], [*batch, "--changed", "keep"], [*batch, "--dry-run"]]:
            p = subprocess.run([LIMN, *args], capture_output=True, timeout=TIMEOUT, env=ENV)
            assert p.returncode in (0, 1, 2) and len(p.stderr.splitlines()) <= 1, (edit, p.stderr)
        assert read("secret.png") == VICTIM and read("o/a.png") == pixels, edit
        assert set(files(".")) == {"j.jsonl", "o", "secret.png"} and "x" not in files("o"), edit
    assert set(look(".")) == set(before)


@on_tiny_model
def test_manifest_order():
    """The later line counts, whatever its clock says: a year ahead, then back."""
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    batch = ["batch", "j.jsonl", "-o", "o", "--seed", "1", "-q", *SMALL]
    limn(*batch)
    ahead = json.loads(read("o/manifest.jsonl"))
    ahead["time"] = "2999-01-01T00:00:00.000Z"
    write("o/manifest.jsonl", (json.dumps(ahead, separators=(",", ":")) + "\n").encode())
    write("j.jsonl", b'{"prompt":"y","id":"a"}\n')
    limn(*batch, code=2)
    for _ in range(3):
        limn(*batch, "--changed", "render")
        assert len(read("o/manifest.jsonl").splitlines()) == 2, "drawn again"
    limn(*batch)
    limn(*batch, "--merge")
    assert len(read("o/manifest.jsonl").splitlines()) == 1
    # between files: a shard after the whole, then the whole after the shard, with clocks that went back each time
    for i, args in enumerate([["--shard", "1/1"], ["--shard", "1/3"], [], ["--shard", "1/2"]]):
        write("j.jsonl", b'{"prompt":"z%d","id":"a"}\n' % i)
        limn(*batch, *args, "--changed", "render")
        for name in files("o"):
            if name.startswith("manifest"):
                lines = [json.loads(line) for line in read("o/" + name).splitlines()]
                for line in lines:
                    line["time"] = f"{2900 - i}-01-01T00:00:00.000Z"
                if i % 2:
                    write("o/" + name, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())
        limn(*batch)  # nothing has changed
    limn(*batch, "--merge")
    assert [n for n in files("o") if n.startswith("manifest")] == ["manifest.jsonl"]


def test_temporaries_of_killed_runs():
    """They go with the next run in the folder; those that are written now, or are not limn's, stay."""
    with open("/proc/sys/kernel/random/boot_id") as f:
        boot = f.read()[:8]
    os.mkdir("o")
    write("j.jsonl", b'{"prompt":"x","id":"a"}\n')
    mine, held = f".limn-{boot}-01234567.tmp", f".limn-{boot}-89abcdef.tmp"
    elsewhere, old = ".limn-00000001-01234567.tmp", ".limn-00000001-00000000.tmp"
    others = [held, elsewhere, ".limn-x.tmp", f".limn-{boot}-0123456.tmp", ".sheet.png.abcdef", "limn-x.tmp", ".limn-notes"]
    write("v", VICTIM)
    for command in [["x", "-o", "o/x.png", *SMALL], ["x", "-o", "o/", *SMALL], ["batch", "j.jsonl", "-o", "o", "-q", *SMALL],
                    ["compare", "x", "--samplers", "euler", "--steps", "1,2", "--against", "steps=1", *TINY_MODEL, "-W", "32", "-H", "32", "-o", "o"]]:
        for name in [mine, old, *others]:
            write("o/" + name, b"half")
        os.utime("o/" + old, (1, 1))
        link = f".limn-{boot}-11111111.tmp"
        if not os.path.lexists("o/" + link):
            os.symlink(os.path.abspath("v"), "o/" + link)
        with open("o/" + held) as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            limn(*command)
        there = files("o")
        assert mine not in there and old not in there, (command, there)
        assert set(others) <= set(there) and read("v") == VICTIM, (command, there)


def test_killed_leaves_nothing_for_long():
    """kill -9 at many moments; the next run leaves no file but its own."""
    os.mkdir("o")
    write("j.jsonl", "".join(f'{{"prompt":"x{i}","id":"{i}"}}\n' for i in range(6)).encode())
    args = ["batch", "j.jsonl", "-o", "o", "-q", "--sheet", "--atlas", "o/atlas", *SMALL]
    begin = time.monotonic()
    limn(*args)
    took = time.monotonic() - begin
    expected = files("o")
    for i in range(6):
        shutil.rmtree("o")
        os.mkdir("o")
        p = subprocess.Popen([LIMN, *args], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(took * (i + 1) / 7)
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
        limn(*args)
        assert files("o") == expected, set(files("o")) ^ set(expected)


def test_swapped_folder():
    """A folder that is swapped for a link while limn draws leads it nowhere else."""
    write("j.jsonl", "".join(f'{{"prompt":"x{i}","id":"sub/{i}"}}\n' for i in range(60)).encode())
    os.mkdir("v")
    before = look("v")
    p = subprocess.Popen([LIMN, "batch", "j.jsonl", "-o", "o", "-q", "--sheet", *SMALL], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not os.path.exists("o/sub/3.png"):
        assert p.poll() is None, p.stderr.read()
        time.sleep(0.005)
    os.rename("o", "moved")
    os.symlink(os.path.abspath("v"), "o")
    p.communicate(timeout=TIMEOUT)
    assert p.returncode == 0 and look("v") == before
    assert len(files("moved/sub")) == 60 and "sheet.png" in files("moved")
