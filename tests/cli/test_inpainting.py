"""What a mask lets change: only what it shows, larger than it is, by degrees, and beyond the picture's edges."""

from helpers import *
from test_from_pictures import pixels, png

SIDE = ["-W", "64", "-H", "64", "-s", "4", "--seed", "3"]


def source(w=64, h=64):
    return png("in.png", w, h, lambda x, y: (x * 255 // w, y * 255 // h, (x * y) & 255))


def same_where(a, b, where, w=64, h=64):
    """How many pixels differ inside, and whether none does outside."""
    inside = 0
    for y in range(h):
        for x in range(w):
            same = a[y][3 * x:3 * x + 3] == b[y][3 * x:3 * x + 3]
            if where(x, y):
                inside += not same
            else:
                assert same, (x, y)
    return inside


@on_tiny_model
def test_inpainting_only_what_is_masked():
    before = pixels(source(96, 72))
    hole = lambda x, y: 40 <= x < 52 and 30 <= y < 40
    mask = png("mask.png", 96, 72, lambda x, y: 255 if hole(x, y) else 0)
    for extra in ["--only-masked"], ["--only-masked", "0"], ["--only-masked=8"], ["--only-masked", "--compat", "a1111"], \
            ["--only-masked", "4", "--compat", "comfyui"], ["--inpaint-full-res"]:
        (a,) = draw(*SIDE, "-q", *extra, "-o", "a.png", "x", "-i", "in.png", "--mask", mask)
        assert size_of(a) == (96, 72)
        assert same_where(before, pixels(a), hole, 96, 72) > 60, extra
    limn("again", "a.png", "-q", "-o", "b.png")
    assert read("a.png") == read("b.png")
    fails(2, *SMALL, "x", "-i", "in.png", "--only-masked", says=["only-masked", "no --mask"])
    fails(2, *SMALL, "x", "-i", "in.png", "--mask", mask, "--only-masked=4.5", says="whole number")
    write("jobs.jsonl", json.dumps({"prompt": "x", "init_image": "in.png", "mask": "mask.png", "only_masked": True, "steps": 2,
                                    "width": 32, "height": 32, "seed": 1}).encode())
    limn("batch", "jobs.jsonl", "-o", "out", "-q")
    assert [size_of(os.path.join("out", f)) for f in files("out") if f.endswith(".png")] == [(96, 72)]


@on_tiny_model
def test_inpainting_masks_at_the_ends():
    before = pixels(source())
    one = png("one.png", 64, 64, lambda x, y: 255 if (x, y) == (33, 33) else 0)
    black = png("black.png", 64, 64, lambda x, y: 0)
    white = png("white.png", 64, 64, lambda x, y: 255)
    for mask, extra, says in (one, [], "smaller than the model sees"), (black, [], "nothing of it"), (black, ["--only-masked"], "nothing of it"), \
            (white, [], ""), (white, ["--only-masked"], ""), (one, ["--only-masked", "2"], ""):
        r = limn(*SIDE, "x", "-i", "in.png", "--mask", mask, "-o", "a.png", *extra)
        assert says in r.err and ("warning" in r.err) == bool(says), r.err
        after = pixels("a.png")
        changed = same_where(before, after, lambda x, y: mask == white or (mask == one and (x, y) == (33, 33)))
        assert changed > (4000 if mask == white else 0 if extra and mask == one else -1)


def test_inpainting_by_degrees():
    """Half grey lies between black and white."""
    before = pixels(source())
    away = []
    for grey in 0, 128, 255:
        mask = png("mask.png", 64, 64, lambda x, y: grey)
        (a,) = draw(*SIDE, "-s", "8", "x", "-i", "in.png", "--mask", mask, "--soft-mask", "-o", "a.png")
        away.append(sum(abs(u - v) for r, s in zip(pixels(a), before) for u, v in zip(r, s)))
    assert away[0] == 0 and 0.05 * away[2] < away[1] < 0.9 * away[2], away
    draw(*SIDE, "x", "-i", "in.png", "--mask", mask, "--soft-mask", "--compat", "comfyui", "-o", "a.png")
    fails(2, *SIDE, "x", "-i", "in.png", "--mask", mask, "--soft-mask", "--compat", "a1111", says="soft-mask")
    fails(2, *SIDE, "x", "-i", "in.png", "--soft-mask", says="no --mask")


@on_tiny_model
def test_inpainting_fills():
    source()
    mask = png("mask.png", 64, 64, lambda x, y: 255 if 16 <= x < 48 and 16 <= y < 48 else 0)
    made = {}
    for fill in "original", "fill", "noise", "nothing":
        for compat in "diffusers", "a1111", "comfyui":
            draw(*SIDE, "x", "-i", "in.png", "--mask", mask, "--strength", "0.5", "--fill", fill, "--compat", compat, "-o", "a.png")
            made.setdefault(compat, set()).add(read("a.png"))
    assert all(len(v) == 4 for v in made.values())


@on_tiny_model
def test_inpainting_beyond_the_edges():
    before = pixels(source(48, 40))
    (a,) = limn("x", "-q", "-s", "4", "--seed", "1", "-i", "in.png", "--extend", "left=16,bottom=24", "-o", "a.png").out.split()
    assert size_of(a) == (64, 64)
    rows = pixels(a)
    assert [r[48:] for r in rows[:40]] == before
    assert len({bytes(r) for r in rows[40:]}) > 12
    (b,) = limn("x", "-q", "-s", "4", "-i", "in.png", "--extend", "all=16", "--mask-blur", "3", "-o", "b.png").out.split()
    assert size_of(b) == (80, 72)
    inner = pixels(b)[16 + 20][48 + 54:48 + 60]
    assert inner == before[20][54:60]
    limn("again", "a.png", "-q", "-o", "c.png")
    assert read("a.png") == read("c.png")
    fails(2, "x", "-s", "2", "--extend", "left=8", says=["extend", "--init-image"])
    for wrong in "8", "left", "left=", "left=x", "lft=8", "left=8,", "left=0", "left=9999999", "left=-8", "":
        fails(2, "x", "-s", "2", "-i", "in.png", "--extend", wrong, says="--extend")
    fails(2, "x", "-s", "2", "-i", "in.png", "--extend", "left=9", says="57")
