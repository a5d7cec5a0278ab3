"""--region with area: ComfyUI's ConditioningSetArea, against its formula put together from runs of the network on the cut-out latents."""

from helpers import *
from test_lora import f32, floats, save, tensors

W, H = 12, 10  # latents
SIZE = ["-W", "96", "-H", "80", "-s", "1", "--sampler", "euler", "--precision", "f32", "--seed", "5"]


def drawn(prompt, *args):
    draw(prompt, *args, "--trace", "t.safetensors", "-o", "t.png")
    return floats(tensors("t.safetensors")["latents"])


def noise_of():
    return floats(tensors("t.safetensors")["noise"])


def cut(values, at):
    x, y, w, h = at
    return [values[(c * H + row) * W + col] for c in range(len(values) // (W * H)) for row in range(y, y + h) for col in range(x, x + w)]


def alone(prompt, noise, at):
    """The clean latent that the network makes of a part of the noise: one step of Euler to sigma 0."""
    x, y, w, h = at
    part = cut(noise, at)
    save("n.safetensors", {"noise": f32([1, len(noise) // (W * H), h, w], part)})
    made = drawn(prompt, "-W", str(8 * w), "-H", str(8 * h), *SIZE[4:], "--cfg-scale", "1", "--latents", "n.safetensors", *TINY_MODEL)
    return made


def weight(at, strength, col, row):
    x, y, w, h = at
    if not (x <= col < x + w and y <= row < y + h):
        return 0.0
    out = strength
    for from_, length, size, place in ((x, w, W, col), (y, h, H, row)):
        rr = min(8, length // 4)
        t, u = place - from_, from_ + length - 1 - place
        if from_ and t < rr:
            out *= (t + 1) / rr
        if from_ + length < size and u < rr:
            out *= (u + 1) / rr
    return out


def mixed(whole, parts, areas):
    """(whole + sum w part) / (1 + sum w) at each place."""
    out = []
    for i, v in enumerate(whole):
        col, row, channel = i % W, i // W % H, i // (W * H)
        top, under = v, 1.0
        for part, (at, strength) in zip(parts, areas):
            m = weight(at, strength, col, row)
            if m:
                x, y, w, h = at
                top += m * part[(channel * h + row - y) * w + col - x]
                under += m
        out.append(top / under)
    return out


def check(regions, areas, g):
    whole = drawn("a potion", *SIZE, "--cfg-scale", "1", *TINY_MODEL)
    noise = noise_of()
    blue = drawn("blue", *SIZE, "--cfg-scale", "1", *TINY_MODEL)
    wanted = [alone(text, noise, at) for text, at, _ in areas]
    opposite = [alone("blue", noise, at) for _, at, _ in areas]
    places = [(at, s) for _, at, s in areas]
    c, u = mixed(whole, wanted, places), mixed(blue, opposite, places)
    want = [b + g * (a - b) for a, b in zip(c, u)]
    got = drawn("a potion", "-n", "blue", *SIZE, "--cfg-scale", str(g), *TINY_MODEL, *(x for r in regions for x in ("--region", r)))
    scale = max(abs(v) for v in want)
    assert max(abs(a - b) for a, b in zip(got, want)) <= 1e-4 * scale, max(abs(a - b) for a, b in zip(got, want)) / scale
    bare = drawn("a potion", "-n", "blue", *SIZE, "--cfg-scale", str(g), *TINY_MODEL)
    assert max(abs(a - b) for a, b in zip(got, bare)) > 1e-2 * scale


def test_areas_are_comfyuis():
    check(["16,0,64,80,strength=1.5,area=a red gem"], [("a red gem", (2, 0, 8, 10), 1.5)], 4)
    # two that overlap, one in shares; an area of the whole latent; cfg 1, where the negative prompt does not count
    check(["0,0,64,80,area=a red gem", "0.5,0.3,0.5,0.7,strength=0.7,area=a star"], [("a red gem", (0, 0, 8, 10), 1), ("a star", (6, 3, 6, 7), 0.7)], 4)
    check(["0,0,1,1,strength=2,area=a star"], [("a star", (0, 0, W, H), 2)], 3)
    check(["48,0,64,800,area=a star"], [("a star", (6, 0, 6, 10), 1)], 1)


def test_areas_together():
    """With what else acts on the network; again, batches, threads and a second pass draw the same."""
    area = ["--region", "0,0,0.5,1,area=a red gem", "--region", "0.25,0.25,0.5,0.5,over=a star"]
    base = [*TINY_MODEL, "-W", "64", "-H", "64", "-s", "2", "-n", "blue", "--seed", "5"]
    for more in ([], ["--hires", "2"], ["--freeu", "v1"], ["--apg", "1"], ["--compat", "comfyui"], ["--reuse-negative", "2"], ["--cfg-scale", "1"],
                 ["--sampler", "euler_cfg_pp", "--cfg-scale", "1"], ["--memory", "low"], ["--perp-neg", "1"], ["--sampler", "heun"]):
        draw("a potion", *base, *area, *more, "-o", "a.png")
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png"), more
        draw("a potion", *base, *area, *more, "-t", "1", "-o", "c.png")
        assert [x for x in chunks(read("a.png")) if x[0] == b"IDAT"] == [x for x in chunks(read("c.png")) if x[0] == b"IDAT"], more
    made = draw("a potion", *base[:-1], "4", *area, "--count", "2", "-o", "n-{seed}.png")
    draw("a potion", *base, *area, "-o", "a.png")
    assert len(made) == 2 and [x for x in chunks(read("n-5.png")) if x[0] == b"IDAT"] == [x for x in chunks(read("a.png")) if x[0] == b"IDAT"]
    fails(2, "x", *base, "--region", "0,0,1,1,area,soft=4=a", says=["soft", "area"])
    fails(2, "x", *TINY_MODEL, "-W", "512", "-H", "512", "-s", "1", "--diffusion-tile", "256", *area, says=["area", "--diffusion-tile"])
    draw("a potion", *base, "--region", "64,0,8,8,area=a red gem", "-o", "o.png")  # outside: nothing of it counts
    draw("a potion", *base, "--region", "64,0,8,8,over=a red gem", "-o", "p.png")
