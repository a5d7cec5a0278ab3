"""What the tests of the program from outside share: running it, reading what it wrote, and the runner itself."""

import contextlib
import csv
import fcntl
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import zlib

LIMN = os.path.abspath(sys.argv[1])
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPRITES = os.path.join(REPO, "models", "sprites")
UNET = "unet/diffusion_pytorch_model.safetensors"
TINY_MODEL = ["-m", os.path.join(REPO, "tests", "golden", "pipeline", "sd1")]  # random weights; a step takes a millisecond
SMALL = ["-W", "32", "-H", "32", "-s", "1"]  # the least work that still draws
TIMEOUT = 120

HOME = tempfile.mkdtemp(prefix="limn-home-")
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("LIMN_", "XDG_"))}
# threads that wait asleep: on a busy machine, spinning ones make each run ten times as long
ENV.update(HOME=HOME, TERM="xterm", OMP_WAIT_POLICY="passive", ASAN_OPTIONS=ENV.get("ASAN_OPTIONS", "") + ":exitcode=99",
           UBSAN_OPTIONS="print_stacktrace=1:exitcode=99", LSAN_OPTIONS="exitcode=99")


# ---- helpers ----

def on_tiny_model(test):
    """For a test that asks nothing of the default model: what names no model is drawn with the tiny one, in a fifth of the time."""
    def with_it():
        ENV["LIMN_MODEL"] = TINY_MODEL[1]  # of the test's own process
        test()
    return with_it


def on_tiny_model_with_defaults(test):
    """The same with the default model's sampler, schedule, steps and size."""
    def with_it():
        ENV["LIMN_MODEL"] = os.path.join(ENV["HOME"], "tiny")
        shutil.copytree(TINY_MODEL[1], ENV["LIMN_MODEL"])
        shutil.copy(os.path.join(SPRITES, "limn.json"), ENV["LIMN_MODEL"])
        test()
    return with_it


def slow(test):
    """For a test of what takes seconds by its nature: `make test-slow` ($LIMN_TEST_SLOW) runs these, and no other test."""
    test.slow = True
    return test


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def limn(*args, code=0, stdin=b"", env=None, **more):
    """Runs it to its end and checks the exit status."""
    p = subprocess.run([LIMN, *args], input=stdin, capture_output=True, timeout=TIMEOUT, env={**ENV, **(env or {})}, **more)
    r = Result(p.returncode, p.stdout.decode("utf-8", "surrogateescape"), p.stderr.decode("utf-8", "surrogateescape"))
    assert r.code == code, f"{args}: exit status {r.code}, expected {code}\n{r.out}{r.err}"
    return r


def draw(*args, **more):
    """A quiet run; returns the paths."""
    return limn(*SMALL, "-q", *args, **more).out.splitlines()


def fails(code, *args, says="", **more):
    """One line on stderr, nothing on stdout."""
    r = limn(*args, code=code, **more)
    assert r.out == "", f"{args}: stdout has {r.out!r}"
    assert re.fullmatch(r"limn: [^\n]+\n", r.err), f"{args}: not one line: {r.err!r}"
    for word in [says] if isinstance(says, str) else says:
        assert word in r.err, f"{args}: {r.err!r} does not say {word!r}"
    return r


def unadvised(err):
    """stderr without the notes on words, sizes and options."""
    return re.sub(r"(?m)^limn: note: .*\n", "", err)


def files(folder="."):
    return sorted(os.listdir(folder))


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def chunks(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(png):
        n, kind = struct.unpack(">I4s", png[at:at + 8])
        data = png[at + 8:at + 8 + n]
        assert struct.unpack(">I", png[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + data)
        yield kind, data
        at += 12 + n


def texts(path):
    found = {}
    for kind, data in chunks(read(path)):
        if kind == b"tEXt":
            key, text = data.split(b"\0", 1)
            found[key.decode("latin-1")] = text.decode("latin-1")
        if kind == b"iTXt":
            key, rest = data.split(b"\0", 1)
            assert rest[:4] == b"\0\0\0\0"
            found[key.decode("latin-1")] = rest[4:].decode("utf-8")
    return found


def size_of(path):
    return struct.unpack(">II", read(path)[16:24])


def model_copy(folder, *real):
    """A copy of the default model: links, but for the files named in `real`."""
    for at, _, names in os.walk(SPRITES):
        to = os.path.join(folder, os.path.relpath(at, SPRITES))
        os.makedirs(to, exist_ok=True)
        for name in names:
            source, target = os.path.join(at, name), os.path.join(to, name)
            if os.path.relpath(source, SPRITES) in real:
                shutil.copy(source, target)
            else:
                os.symlink(source, target)
    return folder


def safetensors(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    write(path, struct.pack("<Q", len(text) if length is None else length) + text + data)


# ---- the runner ----

def run_one(name, test, home):
    """In a process of its own, as are the other tests: an empty folder, a home, and what it prints."""
    ENV["HOME"] = home
    os.makedirs(home, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="limn-")
    os.chdir(folder)
    start = time.monotonic()
    try:
        test()
        cpu = sum(sum(resource.getrusage(of)[:2]) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(f"ok   {name[5:]:<40} {1000 * (time.monotonic() - start):5.0f} ms {1000 * cpu:7.0f} of CPU", flush=True)
        return 0
    except Exception:
        print(f"{traceback.format_exc(limit=-3)[:3000]}\nFAIL {name[5:]}", flush=True)
        return 1
    finally:
        os.chdir(REPO)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def start_one(name, test, slot, said):
    """The process's number; what it prints goes to the file `said`."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[slot % len(cores)]})  # so that limn takes one thread, and tests do not wait for each other
        with open(said, "w", encoding="utf-8", errors="surrogateescape") as out:
            os.dup2(out.fileno(), 1)
            code = run_one(name, test, os.path.join(HOME, str(slot)))
    finally:
        sys.stdout.flush()
        os._exit(code)


def main(tests):
    """
    Runs those of tests (names to functions) that the command line chooses, otherwise all that are not slow (or, with
    $LIMN_TEST_SLOW, all that are), $LIMN_TEST_JOBS at once: otherwise two a core, since
    many wait for servers, connections and clocks.
    """
    words = sys.argv[2:]
    if not os.access(LIMN, os.X_OK):
        sys.exit(f"{LIMN}: no such program")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a background job it is ignored, and limn keeps to that
    left = [(n, t) for n, t in tests.items() if n.startswith("test_") and (not words or any(w in n for w in words))]
    if not words:
        left = [(n, t) for n, t in left if hasattr(t, "slow") == bool(os.environ.get("LIMN_TEST_SLOW"))]
    slots = list(range(int(os.environ.get("LIMN_TEST_JOBS") or 2 * len(os.sched_getaffinity(0)))))
    running, passed, failed = {}, 0, 0
    try:
        while left or running:
            while left and slots:
                slot = slots.pop(0)
                said = os.path.join(HOME, f"said-{slot}")
                running[start_one(*left.pop(0), slot, said)] = slot, said
            pid, status = os.wait()
            slot, said = running.pop(pid)
            with open(said, encoding="utf-8", errors="surrogateescape") as f:
                sys.stdout.write(f.read())
                sys.stdout.flush()
            slots.append(slot)
            passed += status == 0
            failed += status != 0
    finally:
        for pid in running:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(HOME, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
