"""Models that take a picture, or its depths, in addition to the latent."""

from helpers import *
from test_from_pictures import png

MODELS = os.path.join(REPO, "tests", "golden", "pipeline")
SIDE = ["-W", "32", "-H", "32", "-s", "3", "--seed", "1", "-q"]


def test_editing_by_instruction():
    source = png("in.png", 32, 32, lambda x, y: (x * 8, y * 8, 99))
    model = ["-m", os.path.join(MODELS, "pix2pix")]
    made = set()
    for extra in [], ["--image-cfg-scale", "1"], ["--image-cfg-scale", "3"], ["--cfg-scale", "1"], ["--compat", "a1111"], ["--compat", "comfyui"]:
        limn("make it red", *model, "-i", source, *SIDE, *extra, "-o", "a.png")
        made.add(read("a.png"))
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png")
    assert len(made) == 6
    fails(1, "make it red", *model, *SIDE, says=["8 channels", "--init-image"])
    fails(2, "make it red", *model, "-i", source, *SIDE, "--strength", "0.5", says=["strength", "--image-cfg-scale"])
    fails(2, "make it red", *model, "-i", source, "--mask", source, *SIDE, says="mask")
    fails(2, "x", "-i", source, *SIDE, "--image-cfg-scale", "2", says="InstructPix2Pix")
    assert "pix2pix" in limn("info", os.path.join(MODELS, "pix2pix")).out


def test_editing_by_depths():
    source = png("in.png", 32, 32, lambda x, y: (x * 8, y * 8, 99))
    near = png("depth.png", 16, 16, lambda x, y: x * 16)
    flat = png("flat.png", 8, 8, lambda x, y: 77)
    model = ["-m", os.path.join(MODELS, "depth")]
    limn("x", *model, "-i", source, "--depth", near, *SIDE, "-o", "a.png")
    limn("x", *model, "-i", source, "--depth", flat, *SIDE, "-o", "b.png")
    assert read("a.png") != read("b.png")
    limn("again", "a.png", "-q", "-o", "c.png")
    assert read("a.png") == read("c.png")
    png("depth.png", 16, 16, lambda x, y: y * 16)
    fails(1, "again", "a.png", "-q", "-o", "d.png", says=["--depth", "SHA-256"])
    fails(1, "x", *model, "-i", source, *SIDE, says=["5 channels", "--depth"])
    fails(2, "x", "-i", source, "--depth", near, *SIDE, says="no map of depths")
    fails(1, "x", *model, "-i", source, "--depth", "nowhere.png", *SIDE, says=["--depth", "nowhere.png"])
