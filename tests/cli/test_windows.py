"""A picture larger than the network sees at once: --diffusion-tile."""

from helpers import *


def test_windows():
    side = ["x", "-W", "96", "-H", "64", "-s", "2", "--seed", "1"]
    made = set()
    for extra in [], ["--diffusion-tile", "64"], ["--diffusion-tile", "64", "--diffusion-overlap", "0"], ["--diffusion-tile", "64", "--diffusion-overlap", "32"]:
        limn(*side, *extra, "-q", "-o", "a.png")
        assert size_of("a.png") == (96, 64)
        made.add(read("a.png"))
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png")
    assert len(made) == 4
    limn(*side, "--diffusion-tile", "128", "-q", "-o", "c.png")  # larger than the picture: as if there was none
    limn(*side, "-q", "-o", "d.png")
    from test_from_pictures import pixels
    assert pixels("c.png") == pixels("d.png")
    fails(2, *side, "--diffusion-tile", "32", says="--diffusion-tile")
    fails(2, *side, "--diffusion-overlap", "8", says="no --diffusion-tile")
    fails(2, *side, "--diffusion-tile", "64", "--diffusion-overlap", "64", says="diffusion-overlap")
    fails(2, "x", "-W", "64", "-H", "64", "--tile", "x", "--diffusion-tile", "64", says=["diffusion-tile", "--tile"])
