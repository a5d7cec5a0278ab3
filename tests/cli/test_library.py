"""liblimn: what `make install` puts where, the symbols it shows, the example in C, and the Python package compared with the program."""

import os
import re
import resource
import signal
import subprocess
import sys
import time

from helpers import ENV, LIMN, REPO, limn, read, write

BUILD = os.path.dirname(LIMN)
HEADER = os.path.join(REPO, "lib", "limn.h")
EXAMPLE = os.path.join(REPO, "lib", "example", "draw.c")
SIZE = ["width=32", "height=32", "steps=2", "seed=7"]
PKGS = "openblas libutf8proc nettle libjpeg libwebpdemux libwebp".split()


def sanitized():
    return b"__asan_init" in read(LIMN)


def run(*args, code=0, **more):
    p = subprocess.run(args, capture_output=True, text=True, timeout=300, **{"env": ENV, **more})
    assert p.returncode == code, f"{args}: {p.returncode}\n{p.stdout}{p.stderr}"
    return p


def functions():
    return set(re.findall(r"LIMN_API [^;(]*?(limn_\w+)\(", read(HEADER).decode()))


def test_library_shows_its_own_symbols_only():
    so = run("nm", "-D", "--defined-only", os.path.join(BUILD, "liblimn.so.1")).stdout
    shared = {line.split()[-1].split("@")[0] for line in so.splitlines() if " A " not in line}
    assert shared - {"__odr_asan"} == functions(), shared ^ functions()
    if not sanitized():
        a = run("nm", "-g", "--defined-only", os.path.join(BUILD, "liblimn.a")).stdout
        assert {line.split()[-1] for line in a.splitlines() if " T " in line or " D " in line} == functions()


def test_library_writes_and_ends_nothing():
    """What a library may not do stands in its objects as an undefined symbol: it prints nothing, catches no signal, ends no process."""
    if sanitized():
        return
    wants = run("nm", "-D", "--undefined-only", os.path.join(BUILD, "liblimn.so.1")).stdout
    names = {line.split()[-1].split("@")[0] for line in wants.splitlines()}
    assert not names & {"printf", "puts", "stdout", "exit", "signal", "sigaction", "setlocale", "socket", "connect", "fork", "execve", "system"}, names
    assert not any(name.startswith("fftwf") for name in names)


def compiled(name, *flags):
    san = ["-fsanitize=address,undefined"] if sanitized() else []
    run(os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", name, *san, *flags)
    return os.path.abspath(name)


def linked():
    """The example with the shared library, and with the static one."""
    os.makedirs("include", exist_ok=True)
    write("include/limn.h", read(HEADER))
    libs = run("pkg-config", "--libs", *PKGS).stdout.split()
    yield compiled("shared", "-Iinclude", "-L" + BUILD, "-llimn", "-Wl,-rpath," + BUILD)
    yield compiled("static", "-Iinclude", os.path.join(BUILD, "liblimn.a"), *libs, "-lgomp", "-lpthread", "-lm")


def test_library_example_draws_what_the_program_draws():
    limn("a red potion", "-q", "-W", "32", "-H", "32", "-s", "2", "--seed", "7", "-o", "limn.png")
    for program in linked():
        out = run(program, "a red potion", "x.png", *SIZE)
        assert out.stdout == "x.png: 32x32, seed 7\n"
        assert "picture 1, step 2 of 2" in out.stderr and "note: " in out.stderr
        assert read("x.png") == read("limn.png")
        os.remove("x.png")
        for words, code, says in [(["sampler=nope"], 2, "sampler: "), (["stepz=1"], 2, "stepz: there is no such option"), (["output=x.png"], 2, "the library has none"),
                                  (["model=/nowhere"], 1, "/nowhere"), (["width=31"], 2, "width")]:
            out = run(program, "x", "y.png", *SIZE, *words, code=code)
            assert says in out.stderr.splitlines()[-1], out.stderr
        assert not os.path.exists("y.png")


def test_library_says_what_memory_is_missing():
    if sanitized():
        return
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    out = run(next(linked()), "x", "y.png", "width=4096", "height=4096", "steps=1", code=1, preexec_fn=limit)
    assert re.search(r"needs \d+ MB", out.stderr.splitlines()[-1]), out.stderr


def test_library_is_cancelled():
    program = next(linked())
    p = subprocess.Popen([program, "x", "x.png", "steps=1000", "width=64", "height=64"], stderr=subprocess.PIPE, text=True, env=ENV)
    while "step 2 " not in p.stderr.readline():
        pass
    start = time.monotonic()
    p.send_signal(signal.SIGINT)
    assert p.stderr.read().splitlines()[-1] == "interrupted"
    assert p.wait() == 130 and time.monotonic() - start < 60 and not os.path.exists("x.png")


def test_library_is_installed():
    """By `make install`, found by pkg-config, and all of it gone after `make uninstall`."""
    if sanitized() or os.path.basename(BUILD) != "build":
        return
    where = ["PREFIX=/usr", "DESTDIR=" + os.path.abspath("root"), "B=" + os.path.relpath(BUILD, REPO)]
    make = {**ENV, "MAKEFLAGS": ""}
    run("make", "-C", REPO, "install", *where, env=make)
    env = {**ENV, "PKG_CONFIG_PATH": os.path.abspath("root/usr/lib/pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": os.path.abspath("root")}
    flags = run("pkg-config", "--cflags", "--libs", "limn", env=env).stdout.split()
    assert run("pkg-config", "--modversion", "limn", env=env).stdout.strip() == limn("--version").out.split()[1]
    program = compiled("installed", *flags)
    run(program, "a key", "x.png", *SIZE, env={**ENV, "LD_LIBRARY_PATH": os.path.abspath("root/usr/lib")})
    assert read("x.png")[:4] == b"\x89PNG"
    run("make", "-C", REPO, "uninstall", *where, env=make)
    left = [f for folder, _, files in os.walk("root") for f in files]
    assert not left, left


def test_library_header_is_c_and_cxx():
    write("x.c", f'#include "{HEADER}"\nint main(void) {{ return limn_abi() != LIMN_ABI; }}\n'.encode())
    for words in (["cc", "-std=c11", "-pedantic"], ["c++", "-x", "c++", "-std=c++11"]):
        run(*words, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "x.c")


def test_library_from_python():
    env = {**ENV, "LIMN": LIMN, "LIMN_LIBRARY": os.path.join(BUILD, "liblimn.so.1"), "PYTHONPATH": os.path.join(REPO, "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    if sanitized():
        env["LD_PRELOAD"] = run("cc", "-print-file-name=libasan.so").stdout.strip()
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # Python's own
    out = run(sys.executable, os.path.join(REPO, "python", "tests", "test_limn_c.py"), env=env)
    assert "OK" in out.stderr
    nothing = run(sys.executable, "-c", "import limn_c", code=1, env={**env, "LIMN_LIBRARY": "/nowhere.so"})
    assert "LIMN_LIBRARY names it elsewhere" in nothing.stderr
