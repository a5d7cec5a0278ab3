"""limn upscale: files in, larger files out, and what cannot be."""

from helpers import *
from test_from_pictures import pixels, png

NETS = os.path.join(REPO, "tests", "golden", "upscale")
X4, X2 = (["--with", os.path.join(NETS, f)] for f in ("x4.safetensors", "compact-x2.safetensors"))


def source(name="a.png", w=20, h=12):
    return png(name, w, h, lambda x, y: (x * 12, y * 20, 99))


def test_upscale_files():
    source()
    source("b.png", 7, 5)
    r = limn("upscale", "a.png", "b.png", *X4, "-q")
    assert r.out.split() == ["a-x4.png", "b-x4.png"] and r.err == ""
    assert size_of("a-x4.png") == (80, 48) and size_of("b-x4.png") == (28, 20)
    assert limn("upscale", "a.png", *X4, "-q").out == "a-x4-2.png\n"
    assert read("a-x4.png") == read("a-x4-2.png")
    assert limn("upscale", "a.png", *X4, "-q", "-o", "new/").out == "new/a-x4.png\n"
    assert limn("upscale", "a.png", *X4, "-q", "--factor", "2.5", "-o", "c.png").out == "c.png\n"
    assert size_of("c.png") == (50, 30)
    limn("upscale", "a.png", *X2, "-q", "--factor", "6", "-o", "c.png")
    assert size_of("c.png") == (120, 72)
    p = subprocess.run([LIMN, "upscale", "a.png", *X2, "-q", "-o", "-"], capture_output=True, env=ENV)
    assert p.stdout[:8] == b"\x89PNG\r\n\x1a\n"
    line = json.loads(limn("upscale", "b.png", *X2, "--json", "-o", "d.png").out)
    assert (line["path"], line["source"], line["width"], line["height"]) == ("d.png", "b.png", 14, 10)
    for threads in "1", "2":
        limn("upscale", "a.png", *X4, "-q", "-t", threads, "-o", f"t{threads}.png")
    assert read("t1.png") == read("t2.png")


def test_upscale_again_and_metadata():
    draw("x", "--seed", "1", "-o", "a.png")
    limn("upscale", "a.png", *X4, "-q", "-o", "b.png")
    told = texts("b.png")
    assert "limn" not in told and told["parameters"].endswith("Postprocess upscale by: 4, Postprocess upscaler: x4")
    record = json.loads(told["limn-upscale"])
    assert record["source"]["path"] == "a.png" and (record["width"], record["height"]) == (128, 128)
    limn("again", "b.png", "-q", "-o", "c.png")
    assert read("b.png") == read("c.png")
    os.rename("a.png", "moved.png")
    fails(1, "again", "b.png", "-q", "-o", "d.png", says="a.png")
    limn("again", "b.png", "-i", "moved.png", "-q", "-o", "d.png")
    assert pixels("b.png") == pixels("d.png")
    source("a.png")
    fails(1, "again", "b.png", "-q", "-o", "d.png", says=["SHA-256", "-i"])
    fails(1, "again", "b.png", "-i", "moved.png", "-m", os.path.join(NETS, "x1.safetensors"), "-q", "-o", "nowhere/d.png")


def test_upscale_what_cannot_be():
    source()
    write("broken.png", read("a.png")[:60])
    r = limn("upscale", "broken.png", "a.png", "nowhere.png", *X2, "-q", "-o", "out/", code=1)
    assert r.out == "out/a-x2.png\n"
    assert r.err.count("\n") == 3 and "2 of 3" in r.err
    fails(1, "upscale", "broken.png", *X2, says="broken.png")
    fails(2, "upscale", "a.png", says="--with")
    fails(2, "upscale", *X2, says="a picture is expected")
    fails(2, "upscale", "a.png", "a.png", *X2, "-o", "x.png", says="folder/")
    fails(2, "upscale", "a.png", *X2, "-o", "x.jpg", says="x.jpg")
    fails(2, "upscale", "a.png", "a.png", *X2, "-o", "-", says="stdout")
    fails(2, "upscale", "a.png", *X2, "--steps", "3", says="--steps")
    fails(2, "upscale", "a.png", *X2, "--factor", "0", says="--factor")
    fails(1, "upscale", "a.png", "--with", "a.png", says=["--with", "a PNG picture"])
    fails(1, "upscale", "a.png", "--with", os.path.join(SPRITES, UNET), says=["--with", "diffusion model"])
    fails(1, "upscale", "a.png", "--with", os.path.join(NETS, "x4-io.safetensors"), says="no upscaler's")
    write("x.pth", b"PK\3\4" + bytes(26) + b"archive/data.pkl")
    fails(1, "upscale", "a.png", "--with", "x.pth", says=["pickle", "params_ema"])
    big = png("big.png", 16000, 2, lambda x, y: 0)
    fails(1, "upscale", big, *X2, says=["32000x4", "16384"])
    limn("upscale", "a.png", *X2, "--sandbox", "-q", "-o", "s.png", env={"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"})
