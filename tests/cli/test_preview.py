"""--preview: the picture so far, in a file next to the output and in terminals that can show pictures."""

import base64
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
import time

from helpers import ENV, LIMN, REPO, TIMEOUT, chunks, fails, limn, on_tiny_model, read, size_of, texts, write

GOLDEN = os.path.join(REPO, "tests", "golden")
SD1 = os.path.join(GOLDEN, "pipeline", "sd1")
JOB = ["a red potion", "--seed", "1", "-s", "12", "--preview", "2", "-W", "64", "-H", "64"]


def watched(path, *args):
    """Copies of the file that were seen while limn ran."""
    seen, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            try:
                with open(path, "rb") as f:
                    data = f.read()
                if not seen or seen[-1] != data:
                    seen.append(data)
            except FileNotFoundError:
                pass
            time.sleep(0.003)
    t = threading.Thread(target=look)
    t.start()
    try:
        r = limn(*args)
    finally:
        ended.set()
        t.join()
    return seen, r


def test_preview_file():
    limn(*JOB[:5], *JOB[7:], "-o", "plain.png", "-q")
    seen, r = watched("x-preview.png", *JOB, "-o", "x.png", "-W", "128", "-H", "128", "-s", "20")
    assert seen, "no preview was seen"
    for data in seen:
        write("copy.png", data)
        list(chunks(data))  # whole: every checksum is right
        assert size_of("copy.png") == (128, 128)
        assert re.fullmatch(r"limn: the picture so far, step \d+ of 20", texts("copy.png")["Comment"]), texts("copy.png")
    assert r.out == "x.png\n" and not os.path.exists("x-preview.png")
    limn(*JOB, "-o", "same.png", "-q")
    assert read("same.png") == read("plain.png"), "a preview changes nothing"
    assert "preview" not in texts("same.png")["limn"]
    r = limn("again", "same.png", "--preview", "3", "-o", "again.png")
    assert read("again.png") == read("plain.png")
    seen, r = watched("out/limn-preview.png", *JOB, "-o", "out/", "--json")
    assert r.out.startswith('{"path":"out/limn-00001.png"') and os.listdir("out") == ["limn-00001.png"]
    limn(*JOB, "--count", "2", "-o", "{seed}.png", "-q")
    assert sorted(n for n in os.listdir(".") if n[0] in "12") == ["1.png", "2.png"]


def test_preview_by_every_way():
    """SD's linear colours, a tiny autoencoder of the model's, one of another file."""
    tiny = os.path.join(GOLDEN, "tiny")
    shutil.copytree(SD1, "model", symlinks=False)
    more = ["-m", "model", "-W", "192", "-H", "128", "--seed", "1", "-s", "12", "--preview", "1", "-o", "x.png", "-q", "a red potion"]
    looks = []
    for way in [], ["--vae", tiny], ["--preview-vae", tiny]:
        seen, r = watched("x-preview.png", *more, *way)
        assert seen and r.err == ""
        write("copy.png", seen[-1])
        assert size_of("copy.png") == (192, 128)
        looks.append(seen[-1])
    assert looks[0] not in looks[1:]
    fails(1, *JOB, "--preview-vae", tiny, "-q", "-o", "y.png", says=["--preview-vae", "4 channels", "8 channels"])
    fails(1, *JOB, "--preview-vae", "nowhere", "-q", "-o", "y.png", says=["--preview-vae", "nowhere"])
    fails(1, *JOB, "--preview-vae", os.path.join(SD1, "unet", "diffusion_pytorch_model.safetensors"), "-q", "-o", "y.png",
          says=["--preview-vae", "a UNet"])


def test_preview_what_is_there():
    write("x-preview.png", b"mine")
    fails(1, *JOB, "-o", "x.png", "-q", says=["--preview", "x-preview.png", "no preview of limn's"])
    assert read("x-preview.png") == b"mine"
    os.remove("x-preview.png")
    os.symlink("elsewhere.png", "x-preview.png")
    fails(1, *JOB, "-o", "x.png", "-q", says="no preview of limn's")
    assert not os.path.exists("elsewhere.png")
    fails(2, "x", "--preview", "0", says="--preview")
    fails(2, "x", "--preview", "proj", says="--preview")
    fails(2, "batch", "j.txt", "--preview", "2", says="--preview")
    r = subprocess.run([LIMN, *JOB, "-o", "-"], capture_output=True, env=ENV, timeout=TIMEOUT)
    assert r.stdout.startswith(b"\x89PNG") and b"--preview has no effect" in r.stderr and r.returncode == 0
    r = limn("a red potion", "-s", "4", "--preview", "4", "-o", "y.png")
    assert "--preview has no effect" in r.err
    r = limn("a red potion", "-s", "2", "--preview-vae", "none", "-o", "y.png")
    assert "--preview-vae has no effect: there is no --preview" in r.err


def test_preview_stays_when_interrupted():
    p = subprocess.Popen([LIMN, "a red potion", "-s", "1000", "--preview", "1", "-o", "x.png", "-q"], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + TIMEOUT
    while not os.path.exists("x-preview.png") and time.monotonic() < end:
        time.sleep(0.005)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=TIMEOUT)
    assert p.returncode == 130
    assert [n for n in os.listdir(".")] == ["x-preview.png"] and "step" in texts("x-preview.png")["Comment"]
    limn(*JOB, "-o", "x.png", "-q")
    assert os.listdir(".") == ["x.png"]


def on_terminal(answer, *args, **env):
    """limn with a terminal of its own, which answers like that; returns what it was shown."""
    pid, ours = pty.fork()
    if pid == 0:
        os.execve(LIMN, [LIMN, *args], {**ENV, "TERM": "xterm-256color", **env})
    shown, asked, end = b"", False, time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 1)
        if not ready:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if not asked and b"\x1b[c" in shown:
            asked = True
            os.write(ours, answer)
    os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    return shown, asked


@on_tiny_model
def test_preview_in_terminals():
    kitty, asked = on_terminal(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", *JOB, "-o", "k.png")
    assert asked
    parts = re.findall(rb"\x1b_Ga=T,f=100,q=2,C=1,i=\d+,p=1,c=(\d+),r=(\d+),m=[01];", kitty)
    assert len(parts) == 6, len(parts)  # after 2, 4, 6, 8, 10, and the picture itself
    first = kitty[kitty.index(b"\x1b_Ga=T"):]
    data = b"".join(re.findall(rb"\x1b_G[^;]*m=[01];([^\x1b]*)\x1b\\", first[:first.index(b"\x1b8")]))
    assert base64.b64decode(data).startswith(b"\x89PNG")
    rows = parts[0][1].decode()
    assert kitty.count(f"\x1b[{rows}A".encode()) == 6 and kitty.count(f"\x1b[{rows}B".encode()) == 6
    sixel, _ = on_terminal(b"\x1b[?62;4;22c", *JOB, "-o", "s.png")
    assert sixel.count(b"\x1bPq") == 6 and b"\x1b_Ga=T" not in sixel
    iterm, asked = on_terminal(b"", *JOB, "-o", "i.png", TERM_PROGRAM="iTerm.app")
    assert iterm.count(b"\x1b]1337;File=inline=1;") == 6 and not asked
    none, asked = on_terminal(b"\x1b[?62;22c", *JOB, "-o", "n.png")
    assert asked and not re.search(rb"\x1bPq|\x1b_Ga=T|1337", none)
    for more in (["-q"], []):
        env = {} if more else {"TERM": "dumb"}
        quiet, asked = on_terminal(b"", *JOB, "-o", "q.png", *more, **env)
        assert not asked and not re.search(rb"\x1bPq|\x1b_G|1337|\x1b\[c", quiet), quiet
    assert read("k.png") == read("s.png") == read("i.png") == read("n.png") == read("q.png")
    # leaks are looked for by ptrace, which the sandbox refuses
    boxed, asked = on_terminal(b"\x1b[?62;4;22c", *JOB, "-o", "b.png", "--sandbox", ASAN_OPTIONS="detect_leaks=0:exitcode=99")
    assert read("b.png") == read("k.png")
