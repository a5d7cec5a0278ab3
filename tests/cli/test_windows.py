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


def test_windows_with_what_steers():
    """Each part sees its own part of the map, of masks and of further input channels; an IP-Adapter's picture is seen by all."""
    from test_control import IP, NET, golden
    from test_from_pictures import pixels, png
    sd1 = ["a red potion", "-m", os.path.join(REPO, "tests/golden/pipeline/sd1"), "-W", "104", "-H", "88", "-s", "3", "--seed", "3", "-q"]
    wide = os.path.join(REPO, "tests/golden/control/hint_wide.png")
    tile = ["--diffusion-tile", "64"]
    made = {}
    for name, more in {"net": ["--control", f"model={NET},image={wide}"], "guess": ["--control", f"model={NET},image={wide},guess"],
                       "t2i": ["--adapter", f"model={golden('t2i_full')},image={wide},mode=control"], "ip": ["--ip-adapter", IP],
                       "mask": ["-i", wide, "--mask", png("m.png", 104, 88, lambda x, y: 255 if x > 50 else 0), "--control", f"model={NET},image=edges:{wide}"],
                       "larger": ["--control", f"model={NET},image={wide}", "--hires", "1.5"], "plain": []}.items():
        limn(*sd1, *tile, *more, "-o", "a.png")
        made[name] = pixels("a.png")
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png"), name
    assert len({str(p) for p in made.values()}) == len(made)
    limn(*sd1, "--diffusion-tile", "128", "--control", f"model={NET},image={wide}", "-o", "a.png")
    limn(*sd1, "--control", f"model={NET},image={wide}", "-o", "b.png")
    assert pixels("a.png") == pixels("b.png")
