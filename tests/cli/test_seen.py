"""Models that are shown a picture in a way of their own: the x4 upscaler and unCLIP. The numbers are compared with diffusers' in tests/test_pipeline.c."""

import shutil

from helpers import *
from test_from_pictures import pixels, png

PIPELINE = os.path.join(REPO, "tests", "golden", "pipeline")
X4, UNCLIP = ["-m", os.path.join(PIPELINE, "x4")], ["-m", os.path.join(PIPELINE, "unclip")]
SIDE = ["-s", "3", "--seed", "1", "-q"]


def test_seen_larger():
    """Four times as large as the picture, whose sides are cut down to multiples of 4."""
    png("in.png", 22, 17, lambda x, y: (x * 11, y * 14, 99))
    limn("a cat", *X4, "-i", "in.png", *SIDE, "-o", "a.png")
    assert size_of("a.png") == (80, 64)
    limn("again", "a.png", "-q", "-o", "b.png")
    assert read("a.png") == read("b.png")
    options = json.loads(texts("a.png")["limn"])["options"]
    assert options["noise_level"] == 20 and options["cfg_scale"] == 9 and "init_image_sha256" in options
    made = {read("a.png")}
    for extra in ["--noise-level", "0"], ["--noise-level", "350"], ["-W", "96", "-H", "96"], ["-W", "96", "-H", "96", "--resize-mode", "fit"], \
            ["-W", "160", "-H", "64", "--diffusion-tile", "64"], ["--cfg-scale", "1"]:
        limn("a cat", *X4, "-i", "in.png", *SIDE, *extra, "-o", "a.png")
        made.add(read("a.png"))
    assert len(made) == 7
    limn("a cat", *X4, "-i", "in.png", *SIDE, "-c", "2", "-o", "c.png")
    limn("a cat", *X4, "-i", "in.png", *SIDE[:2], "--seed", "2", "-q", "-o", "d.png")
    assert pixels("c-2.png") == pixels("d.png")
    fails(1, "a cat", *X4, *SIDE, says="--init-image")
    fails(2, "a cat", *X4, "-i", "in.png", *SIDE, "--noise-level", "351", says=["noise-level", "350"])
    fails(2, "a cat", *X4, "-i", "in.png", *SIDE, "--strength", "0.5", says=["strength", "--noise-level"])
    fails(2, "a cat", *X4, "-i", "in.png", "--mask", "in.png", *SIDE, says="mask")
    fails(2, "a cat", *X4, "-i", "in.png", "--hires", "2", *SIDE, says="hires")
    fails(2, "a cat", *X4, "-i", png("dot.png", 3, 9, lambda x, y: 0), *SIDE, says=["dot.png", "-W and -H"])
    out = limn("info", X4[1]).out
    assert "larger" in out and "--noise-level" in out


def test_seen_variations():
    png("in.png", 40, 30, lambda x, y: (x * 6, y * 8, 99))
    png("other.png", 40, 30, lambda x, y: (y * 8, 9, x * 6))
    made = set()
    for extra in ["-i", "in.png"], ["-i", "other.png"], ["-i", "in.png", "--noise-level", "400"], ["-i", "in.png", "-W", "64"], \
            ["-i", "in.png", "--cfg-scale", "1"], ["-i", "in.png", "--diffusion-tile", "64"]:
        limn("a cat", *UNCLIP, *SIDE, *extra, "-o", "a.png")
        made.add(read("a.png"))
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png")
    assert len(made) == 6 and size_of("a.png") == (128, 128)
    assert json.loads(texts("a.png")["limn"])["options"]["noise_level"] == 0
    limn("", *UNCLIP, *SIDE, "-i", "in.png", "-o", "c.png")
    fails(1, "a cat", *UNCLIP, *SIDE, says=["unCLIP", "--init-image"])
    fails(2, "a cat", *UNCLIP, "-i", "in.png", *SIDE, "--strength", "0.5", says="--noise-level")
    fails(2, "a cat", "-i", "in.png", *SMALL, "--noise-level", "5", says=["noise-level", "unCLIP"])
    fails(2, "a cat", *UNCLIP, "-i", "in.png", *SIDE, "--noise-level", "2.5", says="whole number")
    assert "unCLIP" in limn("info", UNCLIP[1]).out


def test_seen_parts_that_are_wrong():
    png("in.png", 32, 32, lambda x, y: (x * 6, y * 8, 99))
    for model, part, says in ((UNCLIP, "image_encoder", "image_encoder"), (UNCLIP, "image_normalizer", "image_normalizer"),
                              (UNCLIP, "image_noising_scheduler", "image_noising_scheduler"), (X4, "low_res_scheduler", "low_res_scheduler")):
        shutil.rmtree("m", ignore_errors=True)
        shutil.copytree(model[1], "m")
        shutil.rmtree(os.path.join("m", part))
        fails(1, "x", "-m", "m", "-i", "in.png", *SIDE, says=["m", says])
    shutil.rmtree("m")
    shutil.copytree(UNCLIP[1], "m")
    safetensors("m/image_normalizer/diffusion_pytorch_model.safetensors", {n: {"dtype": "F32", "shape": [1, 5], "data_offsets": [20 * i, 20 * i + 20]}
                                                                          for i, n in enumerate(("mean", "std"))}, bytes(40))
    fails(1, "x", "-m", "m", "-i", "in.png", *SIDE, says=["image_normalizer", "12 numbers"])
    shutil.copy(os.path.join(UNCLIP[1], "unet", "diffusion_pytorch_model.safetensors"), "alone.safetensors")
    r = limn("x", "-m", "alone.safetensors", "-i", "in.png", *SIDE, code=1)
    assert r.err.count("\n") == 1


def test_seen_in_the_sandbox():
    png("in.png", 32, 32, lambda x, y: (x * 6, y * 8, 99))
    for model in X4, UNCLIP:
        shutil.rmtree("m", ignore_errors=True)
        shutil.copytree(model[1], "m")
        limn("x", "-m", "m", "-i", "in.png", *SIDE, "-o", "a.png")
        limn("x", "-m", "m", "-i", "in.png", *SIDE, "--sandbox", "-o", "b.png", env={"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"})
        assert pixels("a.png") == pixels("b.png")
