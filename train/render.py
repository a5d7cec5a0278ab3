"""
render.py - what is on a training picture (a Scene), chosen at random, and the picture itself, drawn by cairo.

A scene and a random generator's state give the same bytes each time. The colour-object combinations for which
held_out() is true never appear in training; evaluation draws them to see whether the model has learnt what a
colour is, rather than each coloured object by heart.
"""
import argparse
import colorsys
import math
import random
from dataclasses import dataclass

import cairo
import numpy as np
from PIL import Image

from shapes import NEVER_SHOWN, THINGS, Pen

SIZE = 256
OBJECTS = list(THINGS)
COLOURS = {   # hue, saturation, value
    "red": (.000, .86, .87), "orange": (.075, .92, .97), "yellow": (.145, .85, .97), "green": (.360, .75, .66),
    "teal": (.490, .80, .78), "blue": (.610, .80, .88), "purple": (.765, .66, .70), "pink": (.920, .45, .98),
    "brown": (.065, .66, .47), "white": (.100, .02, .96), "gray": (.000, .00, .56), "black": (.650, .12, .14)}
MATERIALS = {"golden": (.125, .88, .88), "silver": (.600, .06, .74), "wooden": (.080, .58, .66), "stone": (.600, .10, .60)}
PAINTS = COLOURS | MATERIALS
BACKGROUNDS = {   # red, green, blue
    "white": (.99, .99, .99), "black": (.04, .04, .05), "gray": (.72, .72, .74), "light blue": (.70, .87, .98),
    "green": (.35, .62, .36), "dark blue": (.10, .12, .30), "beige": (.95, .88, .72), "pink": (.98, .78, .84)}
STYLES = ("flat", "outlined", "glossy", "pixel")
SIZES = {"small": .50, "medium": .70, "large": .92}   # of half the picture
INVISIBLE = {("white", "white"), ("white", "beige"), ("black", "black"), ("black", "dark blue"), ("gray", "gray"),
             ("pink", "pink"), ("green", "green"), ("blue", "dark blue"), ("silver", "gray"), ("stone", "gray"), ("silver", "white")}   # colour, background
SIDE_BY_SIDE = [(-.49, 0), (.49, 0)]
PLACES = {   # by relation of two things or number of one: [(x, y)] and scale, in halves of the picture; x to the right, y downwards
    "next to": (SIDE_BY_SIDE, .45), "left of": (SIDE_BY_SIDE, .45), "right of": (SIDE_BY_SIDE[::-1], .45),
    "above": ([(0, -.49), (0, .49)], .45), "below": ([(0, .49), (0, -.49)], .45),
    2: (SIDE_BY_SIDE, .45), 3: ([(-.5, .46), (.5, .46), (0, -.48)], .42),
    4: ([(-.48, -.48), (.48, -.48), (-.48, .48), (.48, .48)], .41),
    5: ([(-.60, -.58), (.60, -.58), (0, 0), (-.60, .58), (.60, .58)], .33)}
TILTED = {"sword", "arrow", "axe", "hammer", "key"}
UPRIGHT = {"house", "tree", "chest", "lantern", "cactus", "ghost", "slime", "cat", "mushroom", "scroll", "mug", "crown", "cloud",
           "boat", "car", "umbrella", "bell", "candle", "hat", "skull", "tent", "drum", "flag", "lock", "robot", "castle", "turtle", "ice cream"}
THIN = {"key", "anchor"}    # lines only: no room for a material to show
KINDS = {"single": .60, "count": .17, "pair": .23}
RELATIONS = {"next to": .36, "left of": .16, "right of": .16, "above": .16, "below": .16}


@dataclass
class Scene:
    things: tuple        # of (object, colour or material): one or two
    count: int = 1       # how many of a single thing: 1 to 5
    relation: str = "next to"   # where the first of two things stands; "next to": on the left as well
    background: str = "white"
    style: str = "flat"
    size: str = "medium"   # of a single thing alone

    @property
    def kind(self):
        return "pair" if len(self.things) == 2 else "count" if self.count > 1 else "single"


def held_out(thing, colour):
    """One combination in eleven, spread so that every object and every colour has some."""
    return (OBJECTS.index(thing) * 5 + list(PAINTS).index(colour) * 7) % 11 == 3


def random_scene(rng, held=False, kind=None, materials=.1):
    """held: every colour-object combination is one that training never sees; otherwise none is. materials: their share among paints."""
    kind = kind or rng.choices(list(KINDS), KINDS.values())[0]
    things = []
    while len(things) < (2 if kind == "pair" else 1):
        thing = rng.choice(OBJECTS)
        colour = rng.choice(list(COLOURS if thing in THIN or rng.random() < 1 - materials else MATERIALS))
        if held_out(thing, colour) == held and thing not in (t for t, _ in things):
            things.append((thing, colour))
    style = rng.choice(STYLES)
    while True:
        pick = rng.random()
        background = "white" if pick < .45 else "black" if pick < .62 else rng.choice(list(BACKGROUNDS)[2:])
        if not any((colour, background) in INVISIBLE for _, colour in things):
            break
    return Scene(things=tuple(things), count=rng.choice((2, 3, 4, 5)) if kind == "count" else 1, background=background, style=style,
                 relation=rng.choices(list(RELATIONS), RELATIONS.values())[0] if kind == "pair" else "next to",
                 size=rng.choice(("small", "medium", "medium", "large")) if kind == "single" else "medium")


def shade(colour, rng):
    """The named colour, a little different each time."""
    h, s, v = PAINTS[colour]
    h += rng.uniform(-.01, .01)
    s = min(1, s * rng.uniform(.94, 1.05))
    v = min(.99, v * rng.uniform(.95, 1.04))
    return colorsys.hsv_to_rgb(h % 1, s, v)


def places(scene, rng):
    """[(x, y, scale)] in units of half the picture, from its middle."""
    if scene.kind == "single":
        jitter = {"small": .10, "medium": .05, "large": .01}[scene.size]
        return [(rng.uniform(-jitter, jitter), rng.uniform(-jitter, jitter), SIZES[scene.size] * rng.uniform(.95, 1.05))]
    shift, scale = rng.uniform(-.04, .04), rng.uniform(.96, 1.04)
    spots, fit = PLACES[scene.relation if scene.kind == "pair" else scene.count]
    if len(spots) > 2:
        return [(x, y, fit * scale) for x, y in spots]
    return [(x, y + shift, fit * scale) if x else (x + shift, y, fit * scale) for x, y in spots]


def draw(scene, rng):
    """[SIZE, SIZE, 3] of 0..255. Pixel art is drawn without smoothing at a quarter or an eighth of the size."""
    grid = SIZE
    if scene.style == "pixel":
        grid = SIZE // 8 if scene.kind == "single" and scene.size != "small" else SIZE // 4
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, grid, grid)
    context = cairo.Context(surface)
    if scene.style == "pixel":
        context.set_antialias(cairo.ANTIALIAS_NONE)
    context.set_source_rgb(*(min(1, max(0, c + rng.uniform(-.01, .01))) for c in BACKGROUNDS[scene.background]))
    context.paint()

    half, lean, form = grid / 2, rng.uniform(-1, 1), rng.random()
    line = 1 if scene.style == "pixel" else SIZE / 160    # what widths of outlines are counted in
    colours = [shade(colour, rng) for _, colour in scene.things]
    for i, (x, y, scale) in enumerate(places(scene, rng)):
        k = i if scene.kind == "pair" else 0
        thing = scene.things[k][0]
        degrees = 45 + 5 * lean if thing in TILTED else 2 * lean if thing in UPRIGHT else 6 * lean
        context.save()
        context.translate(half + x * half, half + y * half)
        context.scale(scale * half, scale * half)
        context.rotate(math.radians(degrees))
        pen = Pen(context, scene.style, line / (scale * half), random.Random(form + k))
        if scene.things[k][1] in MATERIALS:
            pen.material, pen.main = scene.things[k][1], colours[k]
        (THINGS | NEVER_SHOWN)[thing](pen, colours[k])
        context.restore()
    picture = np.ndarray((grid, grid, 4), np.uint8, surface.get_data())[:, :, 2::-1]
    return picture.repeat(SIZE // grid, 0).repeat(SIZE // grid, 1)


def main():
    parser = argparse.ArgumentParser(description="Draw a sheet with every object, or one of random scenes.")
    parser.add_argument("output", help="a PNG")
    parser.add_argument("--random", action="store_true")
    args = parser.parse_args()
    pictures = []
    for i in range(4 * len(OBJECTS)):
        rng = random.Random(i)
        thing, colour = OBJECTS[i // 4], list(PAINTS)[(i // 4 * 3 + i * 5) % len(PAINTS)]
        scene = random_scene(rng) if args.random else Scene(((thing, colour),), style=STYLES[i % 4],
                                                            background="light blue" if colour == "white" else "white")
        pictures.append(draw(scene, rng))
    rows = [np.concatenate(pictures[i:i + 12], 1) for i in range(0, len(pictures) - 11, 12)]
    Image.fromarray(np.concatenate(rows, 0)).save(args.output)


if __name__ == "__main__":
    main()
