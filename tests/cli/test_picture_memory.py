"""What a larger picture takes of memory: no more than limn info said, however it becomes larger."""

from helpers import *

# A process of its own asks: ru_maxrss of children is the largest of all that there were.
ASK = ("import resource, subprocess, sys\n"
       "r = subprocess.run(sys.argv[1:], capture_output=True)\n"
       "print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, r.stderr.decode()[:300])\n")


def peak(*args):
    """Bytes at most of a run."""
    r = subprocess.run([sys.executable, "-c", ASK, LIMN, *args], capture_output=True, env=ENV, timeout=TIMEOUT)
    code, kb, said = r.stdout.decode().split(" ", 2)
    assert code == "0", said
    return 1024 * int(kb)


@slow
def test_picture_memory_as_it_was_said():
    if b"__asan_init" in read(LIMN):  # what it keeps in addition is more than what is measured
        return
    nothing = peak("--version")
    memory = json.loads(limn("info", "sprites", "--json", "-W", "320", "-H", "320").out)["memory_bytes"]
    source = ["a red potion", "-s", "1", "--seed", "1", "-q", "-t", "1", "-o", "a.png"]
    for args in ["-W", "320", "-H", "320"], ["-W", "160", "-H", "160", "--hires", "2"], ["-W", "160", "-H", "160", "--hires", "2", "--hires-with", "lanczos"], \
            ["-W", "320", "-H", "320", "--diffusion-tile", "128"], ["-W", "160", "-H", "160", "--hires", "2", "--diffusion-tile", "128"]:
        took = peak(*source, *args)
        assert took < 1.1 * memory + nothing, (args, took / 1e6, memory / 1e6, nothing / 1e6)


@slow
def test_picture_memory_of_upscaling():
    """It goes by tiles: 4096 x 4096 pixels take less than 1 GB."""
    if b"__asan_init" in read(LIMN):
        return
    from test_from_pictures import png
    net = os.path.join(REPO, "tests", "golden", "upscale", "compact-x2.safetensors")
    source = png("a.png", 2048, 2048, lambda x, y: 90)
    took = peak("upscale", source, "--with", net, "-q", "-t", "1", "-o", "u.png")
    assert size_of("u.png") == (4096, 4096) and took < 1e9, took / 1e6
