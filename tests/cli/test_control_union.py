"""A ControlNet-Union: it is told which kind of map it gets. The numbers are compared with diffusers' in tests/test_pipeline.c."""

import shutil

from helpers import *
from test_control import HINT, golden, options_of
from test_from_pictures import pixels

XL = ["a red potion", "-m", os.path.join(REPO, "tests", "golden", "pipeline", "sdxl"), "-W", "64", "-H", "48", "-s", "2", "--seed", "3", "-q"]
UNION = f"model={golden('xl_union')},image={HINT}"


def drawn(*args):
    limn(*XL, *args, "-o", "a.png")
    return pixels("a.png")


def test_union_types():
    made = {}
    for kind in "openpose", "depth", "softedge", "canny", "normal", "segment", "tile", "inpaint":
        made[kind] = drawn("--control", f"{UNION},type={kind}")
        assert f"type={kind}" in options_of("a.png")["control"]
    limn("again", "a.png", "-q", "-o", "b.png")
    assert read("a.png") == read("b.png")
    assert len({str(p) for p in made.values()}) == 8
    for name, kind in ("3", "canny"), ("lineart", "canny"), ("hed", "softedge"), ("pose", "openpose"), ("7", "inpaint"):
        assert drawn("--control", f"{UNION},type={name}") == made[kind]
    edges = f"model={golden('xl_union')},image=edges:{HINT}"
    assert drawn("--control", edges) == drawn("--control", edges + ",type=canny") != drawn("--control", edges + ",type=depth")
    both = drawn("--control", f"{UNION},type=depth", "--control", f"{UNION},type=canny")
    assert both not in made.values()
    drawn("--control", f"{UNION},type=depth,guess,start=0.2,end=0.9", "--diffusion-tile", "64", "-W", "96")


def test_union_types_that_cannot_be():
    fails(2, *XL, "--control", UNION, says=["xl_union", "type=depth"])
    for wrong in "8", "pose2", "-1", "99999999999":
        fails(2, *XL, "--control", f"{UNION},type={wrong}", says=["8 kinds", "tile"])
    fails(2, *XL, "--control", f"model={golden('xl')},image={HINT},type=depth", says="one kind of map")
    fails(2, *XL, "--adapter", f"model={golden('t2i_xl')},image={HINT},type=depth", says="type")
    fails(1, "x", "-m", os.path.join(REPO, "tests", "golden", "pipeline", "sd1"), "-s", "1", "-q", "--control", f"{UNION},type=depth", says="another family")
    assert "ControlNet" in limn("info", golden("xl_union")).out
    shutil.copytree(golden("xl_union"), "broken")
    data = read("broken/diffusion_pytorch_model.safetensors")
    write("broken/diffusion_pytorch_model.safetensors", data.replace(b"transformer_layes.1.ln_1.weight", b"transformer_layes.1.ln_9.weight"))
    fails(1, *XL, "--control", f"model=broken,image={HINT},type=depth", says="transformer_layes.1")
