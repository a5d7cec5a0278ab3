"""Calls that fail, one after the other: memory that runs out, disks that do, threads that are refused (shim.c).

What holds for every command and every call: the program ends by itself, with status 0, or 1 and one line that says what was wrong;
with 0 all that it was to write is there and is what it always is; whatever happened, no file is half written, nothing of its
own is left behind, and the same command makes all of it afterwards.
"""

import errno
import json
import os
import re
import shutil
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = ["-W", "32", "-H", "32", "-s", "1", "-t", "2", "-q"]
TIMEOUT = 120

# what a failed call says: ENOMEM is malloc's own
KINDS = {
    "malloc": [errno.ENOMEM], "open": [errno.EMFILE, errno.EACCES], "read": [errno.EIO], "write": [errno.EIO, errno.ENOSPC],
    "close": [errno.EIO], "fsync": [errno.EIO], "rename": [errno.ENOSPC], "link": [errno.EIO, errno.EPERM], "unlink": [errno.EACCES],
    "mkdir": [errno.ENOSPC], "ftruncate": [errno.EIO], "mmap": [errno.ENOMEM], "fstat": [errno.EIO], "thread": [errno.EAGAIN],
}

COMMANDS = {
    "generate": ["generate", "a red potion", *SMALL, "--count", "2", "--seed", "5", "--sizes", "16", "-o", "g-{index}.png", "--trace", "t"],
    "atlas": ["generate", "a red potion", *SMALL, "--count", "2", "--seed", "5", "--transparent", "--atlas", "a", "--json", "-o", "g-{index}.png"],
    "batch": ["batch", "../j.jsonl", *SMALL, "--seed", "1", "-o", "out", "--sheet", "--json"],
    "merge": ["batch", "../j.jsonl", *SMALL, "--seed", "1", "-o", "out", "--merge"],
    "plan": ["batch", "../j.jsonl", *SMALL, "--seed", "1", "-o", "out", "--dry-run"],
    "compare": ["compare", "a red potion", "-m", "../tiny", *SMALL[:4], "--samplers", "euler", "-s", "1,2", "--seeds", "1", "-t", "2", "-q", "-o", "c"],
    "pictures": ["compare", "../made/g-1.png", "../made/g-2.png", "-o", "p"],
    "again": ["again", "../made/g-1.png", "-q", "-o", "again.png"],
    "png": ["info", "--json", "../made/g-1.png"],
    "model": ["info", "../m"],
    "list": ["list", "samplers", "--json"],
}
del COMMANDS["generate"][-2:]  # a trace is of one picture
COMMANDS["trace"] = ["generate", "a red potion", *SMALL, "--seed", "5", "-o", "t.png", "--trace", "t.safetensors"]

# what has words that change with the run: seconds, dates
UNSTABLE = re.compile(r"(.*/)?(manifest[^/]*|[^/]*\.(html|json|csv)|cells/latents/[^/]*|measures/[^/]*)")
# whose stdout has none of that
STEADY = {"generate", "trace", "again", "png", "model", "list"}
# what a command keeps between runs, and may keep after a failed one
KEPT = re.compile(r"(.*/)?(\.limn-batch(/.*)?|\.limn-.*\.lock|.*\.lock|manifest\.jsonl|cells(/.*)?|cache/.*)")

TEMPORARY = re.compile(r"(.*/)?\.limn-[0-9a-f]+-[0-9a-f]+\.tmp")


def tiny_model(repo, to):
    """The golden tests' model with a network that says little: what all else is compared with converges in 60 evaluations, not 1200."""
    shutil.copytree(os.path.join(repo, "tests", "golden", "pipeline", "sd1"), to)
    path = os.path.join(to, "unet", "diffusion_pytorch_model.safetensors")
    with open(path, "rb") as f:
        data = bytearray(f.read())
    size, = struct.unpack("<Q", data[:8])
    for name, tensor in json.loads(data[8:8 + size]).items():
        if name.startswith("conv_out."):
            start, end = (8 + size + at for at in tensor["data_offsets"])
            half = f"<{(end - start) // 2}e"
            data[start:end] = struct.pack(half, *(0.05 * x for x in struct.unpack(half, data[start:end])))
    with open(path, "wb") as f:
        f.write(data)


class Faults:
    """A folder with the shim, two models in files, jobs and pictures; and the program."""

    def __init__(self, limn, folder, repo):
        self.limn, self.folder, self.count = limn, folder, 0
        with open(limn, "rb") as f:
            self.sanitized = b"__asan_init" in f.read()
        self.shim = os.path.join(folder, "shim.so")
        subprocess.run([os.environ.get("CC", "cc").split()[-1], "-std=gnu17", "-O1", "-w", "-shared", "-fPIC", "-o", self.shim,
                        os.path.join(HERE, "shim.c"), "-ldl", *(["-DNO_MALLOC"] if self.sanitized else [])], check=True)
        self.log = os.path.join(folder, "log")
        shutil.copytree(os.path.join(repo, "models", "sprites"), os.path.join(folder, "m"), ignore=shutil.ignore_patterns("*.md"))
        tiny_model(repo, os.path.join(folder, "tiny"))
        with open(os.path.join(folder, "j.jsonl"), "w") as f:
            f.write('{"prompt": "a {red|blue} potion", "id": "a", "negative_prompt": "dark"}\n{"prompt": "(a:1.2) key", "id": "b"}\n')
        self.base = {}
        made = self.run("generate", "made")
        assert made.returncode == 0, made

    def kinds(self):
        """Built with sanitizers, libgomp is a shared library and keeps its own words."""
        return [k for k in KINDS if k not in ("malloc", "thread") or not self.sanitized]

    def run(self, name, where, fault=None):
        at = os.path.join(self.folder, where)
        os.makedirs(at, exist_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LIMN_", "XDG_"))}
        env.update(HOME=self.folder, XDG_CACHE_HOME=os.path.join(self.folder, "cache"), OMP_WAIT_POLICY="passive",
                   ASAN_OPTIONS="verify_asan_link_order=0:exitcode=99:detect_leaks=0", UBSAN_OPTIONS="exitcode=99")
        if fault:
            env.update(LD_PRELOAD=self.shim, LIMN_FAULT=fault, LIMN_FAULT_LOG=self.log)
            if os.path.exists(self.log):
                os.remove(self.log)
        return subprocess.run([self.limn, *COMMANDS[name]], cwd=at, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)

    def hit(self):
        return os.path.exists(self.log) and os.path.getsize(self.log) > 0

    def prepare(self, name):
        """A fresh folder; what a command goes on from is there."""
        self.count += 1
        where = f"run{self.count}"
        shutil.rmtree(os.path.join(self.folder, "cache"), ignore_errors=True)
        os.makedirs(os.path.join(self.folder, where))
        if name == "merge":
            assert self.run("batch", where).returncode == 0
        return where

    def files(self, where):
        at, found = os.path.join(self.folder, where), {}
        for folder, _, names in os.walk(at):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, at)] = f.read()
        return found

    def baseline(self, name):
        if name not in self.base:
            where = self.prepare(name)
            r = self.run(name, where)
            assert r.returncode == 0, (name, r)
            self.base[name] = (self.files(where), r.stdout)
            shutil.rmtree(os.path.join(self.folder, where))
        return self.base[name]

    def places(self, name, kind):
        """The calls of a kind by the place in the program that they come from: {(place, its innermost frames): numbers of the first and
        the last}. Commands have places in common where the innermost frames are."""
        where = self.prepare(name)
        assert self.run(name, where, f"{kind}:count").returncode == 0
        places = {}
        with open(self.log) as f:
            for line in f:
                words = line.split()
                if words[0] != "calls":
                    places[words[2], words[3]] = {int(words[0]), int(words[1])}
        shutil.rmtree(os.path.join(self.folder, where))
        return places

    def same(self, name, now):
        """What a run has left, other than what it always leaves."""
        then, _ = self.baseline(name)
        assert set(now) == set(then), f"files {sorted(set(now) ^ set(then))}"
        for path in then:
            if not UNSTABLE.fullmatch(path):
                assert now[path] == then[path], f"{path} differs"

    def whole(self, name, now):
        """No half file, and none that the command does not make."""
        then, _ = self.baseline(name)
        for path, data in now.items():
            assert path in then or KEPT.fullmatch(path), f"{path} is left"
            if path.endswith(".png"):
                assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:] == b"IEND\xaeB`\x82", f"half of {path}"
                assert path not in then or UNSTABLE.fullmatch(path) or data == then[path] or "sheet" in path, path
            if path.endswith(".json"):
                json.loads(data)
            if path.endswith(".jsonl"):
                [json.loads(line) for line in data.split(b"\n")[:-1]]
            if path.endswith(".html"):
                assert data.rstrip().endswith(b"</html>"), f"half of {path}"

    def try_one(self, name, kind, n, error, on):
        """Returns whether the call was made at all. AssertionError: what is promised does not hold."""
        where = self.prepare(name)
        self.baseline(name)
        fault = f"{kind}:{n}:{error}{':on' if on else ''}"
        r = self.run(name, where, fault)
        hit = self.hit()
        lines = r.stderr.decode("utf-8", "replace").splitlines()
        try:
            unread = error == errno.EACCES and r.returncode == 2 and b"j.jsonl: Permission denied" in r.stderr  # wrong use
            assert r.returncode in (0, 1) or unread, f"status {r.returncode}"
            now = self.files(where)
            if kind in ("unlink", "fstat"):  # what cannot be removed, or told to be limn's own, stays
                now = {path: data for path, data in now.items() if not TEMPORARY.fullmatch(path)}
            if r.returncode == 0:
                self.same(name, now)
                if name in STEADY:
                    assert r.stdout == self.baseline(name)[1], "another stdout"
                assert all(line.startswith("limn: warning: ") for line in lines) or kind != "malloc", "words"
            else:
                assert hit and lines and lines[-1].startswith("limn: "), "no word of limn's"
                assert kind != "malloc" or re.search("out of memory|[Cc]annot allocate|no memory|cannot (get|reserve|start a thread)", lines[-1]), "not about memory"
                self.whole(name, now)
            after = self.run(name, where)
            assert after.returncode == 0, f"afterwards: {after.stderr.decode()}"
            self.same(name, self.files(where))
        except AssertionError as e:
            raise AssertionError(f"{name} LIMN_FAULT={fault}: {e}; stderr: {lines}") from None
        finally:
            shutil.rmtree(os.path.join(self.folder, where), ignore_errors=True)
        return hit
