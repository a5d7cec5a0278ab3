"""
shapes.py - the 57 things that can be drawn, each by one function of a Pen and a main colour.

A thing fills about the square -1..1 (y downwards). Only the main colour changes with the caption, or its material: what is
painted in exactly that colour shows grain, masonry or a sheen. Wood, steel, gold and the like stay what they are. Widths vary
a little, so that no two are the same.
"""
import math

import cairo

INK, WHITE = (.08, .07, .09), (1, 1, 1)
WOOD, STEEL, GOLD, CORK = (.55, .36, .18), (.74, .77, .82), (.95, .76, .22), (.72, .52, .32)
GLASS, PAPER, PLASTER = (.86, .93, .97), (.96, .89, .70), (.93, .85, .70)
LEAF_GREEN, STEM_GREEN, EAR_PINK, SKY, CLAY = (.36, .66, .25), (.28, .58, .24), (.95, .65, .70), (.55, .80, .95), (.78, .42, .25)
FIRE, GLOW = (1, .62, .12), (1, .93, .60)


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def light(colour, t=.45):
    return mix(colour, WHITE, t)


def dark(colour, factor=.68):
    """Darker; a colour that is nearly black becomes a little lighter instead, so that details show."""
    if max(colour) > .25:
        return tuple(c * factor for c in colour)
    return mix(colour, WHITE, .16)


def eye_colour(colour):
    return INK if sum(colour) > .9 else WHITE


class Pen:
    """A cairo context that knows the style. pixel: the unit of outlines' widths (in pixel art: a pixel) in the thing's own units."""

    def __init__(self, context, style, pixel, rng):
        self.context, self.style, self.pixel, self.rng = context, style, pixel, rng
        self.material = self.main = None
        self.outlined = style in ("outlined", "pixel")
        context.set_line_join(cairo.LINE_JOIN_ROUND)
        context.set_line_cap(cairo.LINE_CAP_ROUND)

    def vary(self, low, high):
        return self.rng.uniform(low, high)

    # -- paths ------------------------------------------------------------------------------------------------
    def polygon(self, *points):
        self.context.move_to(*points[0])
        for point in points[1:]:
            self.context.line_to(*point)
        self.context.close_path()

    def line(self, *points):
        self.context.move_to(*points[0])
        for point in points[1:]:
            self.context.line_to(*point)

    def circle(self, x, y, r):
        self.context.new_sub_path()
        self.context.arc(x, y, r, 0, 2 * math.pi)

    def ellipse(self, x, y, rx, ry):
        self.context.save()
        self.context.translate(x, y)
        self.context.scale(rx, ry)
        self.circle(0, 0, 1)
        self.context.restore()

    def box(self, x, y, w, h, r=0.0):
        if not r:
            self.context.rectangle(x, y, w, h)
            return
        c, right = self.context, math.pi / 2
        c.new_sub_path()
        c.arc(x + w - r, y + r, r, -right, 0)
        c.arc(x + w - r, y + h - r, r, 0, right)
        c.arc(x + r, y + h - r, r, right, 2 * right)
        c.arc(x + r, y + r, r, 2 * right, 3 * right)
        c.close_path()

    def curve(self, start, *beziers):
        self.context.move_to(*start)
        for bezier in beziers:
            self.context.curve_to(*bezier)
        self.context.close_path()

    # -- paint ------------------------------------------------------------------------------------------------
    def fill(self, colour, outline=True, shade=True):
        c = self.context
        if self.style == "glossy" and shade:
            x1, y1, x2, y2 = c.path_extents()
            w = max(x2 - x1, y2 - y1, .05)
            gradient = cairo.RadialGradient(x1 + (x2 - x1) * .33, y1 + (y2 - y1) * .28, w * .03,
                                            x1 + (x2 - x1) * .42, y1 + (y2 - y1) * .40, w * .78)
            for stop, tone in ((0, light(colour, .7)), (.28, light(colour, .18)), (.6, colour), (1, mix(colour, INK, .45))):
                gradient.add_color_stop_rgb(stop, *tone)
            c.set_source(gradient)
        else:
            c.set_source_rgb(*colour)
        c.fill_preserve()
        if self.material and colour == self.main:
            self._texture()
        if outline and self.outlined:
            self._outline(colour, 3.2 if self.style == "outlined" else 1.0)
            c.stroke()
        else:
            c.new_path()

    def mark(self, colour):
        """A part inside another: neither outline nor shade."""
        self.fill(colour, outline=False, shade=False)

    def stroke(self, colour, width):
        c = self.context
        if self.outlined:
            c.save()
            self._outline(colour, 0)
            c.set_line_width(width + self.pixel * (3.2 if self.style == "outlined" else 2.0))
            c.stroke_preserve()
            c.restore()
        self.scratch(colour, width)

    def scratch(self, colour, width):
        """A line without outline."""
        self.context.set_source_rgb(*colour)
        self.context.set_line_width(max(width, self.pixel * .9))
        self.context.stroke()

    def shine(self, x, y, rx, ry):
        if self.style != "flat":
            self.ellipse(x, y, rx, ry)
            self.context.set_source_rgba(1, 1, 1, .75)
            self.context.fill()

    def _texture(self):
        """What the material looks like, inside the path. The path stays."""
        c = self.context
        path = c.copy_path()
        c.save()
        c.clip()
        if self.material in ("golden", "silver"):
            for at, width in ((-.55, .26), (-.12, .10), (.75, .18)):
                self.polygon((at - 1.5, 1.5), (at + 1.5, -1.5), (at + width + 1.5, -1.5), (at + width - 1.5, 1.5))
            c.set_source_rgba(1, 1, 1, .62)
            c.fill()
        else:
            rows = [-.9 + .3 * i for i in range(7)]
            for i, y in enumerate(rows):
                self.line((-1.2, y), (1.2, y))
                for x in range(-2, 3) if self.material == "stone" else ():
                    self.line((x * .5 + .25 * (i % 2), y), (x * .5 + .25 * (i % 2), y + .3))
            self.scratch(dark(self.main, .62), .06)
        c.restore()
        c.new_path()
        c.append_path(path)

    def _outline(self, colour, pixels):
        self.context.set_source_rgb(*(mix((0, 0, 0), colour, .28) if self.style == "outlined" else INK))
        self.context.set_line_width(self.pixel * pixels)


def potion(pen, colour):
    w, neck = pen.vary(.60, .68), pen.vary(.19, .23)
    pen.circle(0, .28, w)
    pen.fill(mix(GLASS, colour, .15))
    pen.box(-neck, -.72, 2 * neck, .55, .05)
    pen.fill(GLASS)
    pen.context.save()
    pen.circle(0, .28, w * .84)
    pen.context.clip()
    pen.box(-1, pen.vary(-.06, .06), 2, 2)
    pen.mark(colour)
    pen.context.restore()
    pen.box(-neck, -.95, 2 * neck, .26, .05)
    pen.fill(CORK)
    pen.shine(-w * .45, .05, .09, .16)
    for x, y, r in ((.15, .5, .08), (-.12, .62, .05)):
        pen.circle(x, y, r)
        pen.mark(light(colour, .5))


def sword(pen, colour):
    b, guard = pen.vary(.14, .18), pen.vary(.38, .44)
    pen.polygon((-b, .35), (-b, -.75), (0, -1), (b, -.75), (b, .35))
    pen.fill(colour)
    pen.polygon((0, .35), (0, -1), (b, -.75), (b, .35))
    pen.mark(dark(colour, .78))
    pen.box(-guard, .32, 2 * guard, .14, .06)
    pen.fill(GOLD)
    pen.box(-.08, .46, .16, .36, .04)
    pen.fill(WOOD)
    pen.circle(0, .88, .12)
    pen.fill(GOLD)


def shield(pen, colour):
    w = pen.vary(.72, .80)

    def plate(k):
        pen.curve((-w * k, -.75 * k), (-w * .4 * k, -.66 * k, -.1 * k, -.78 * k, 0, -.88 * k),
                  (.1 * k, -.78 * k, w * .4 * k, -.66 * k, w * k, -.75 * k),
                  (w * k, .1 * k, w * .7 * k, .65 * k, 0, .95 * k),
                  (-w * .7 * k, .65 * k, -w * k, .1 * k, -w * k, -.75 * k))

    plate(1)
    pen.fill(STEEL)
    plate(.8)
    pen.fill(colour)
    pen.box(-.08, -.52, .16, 1.0)
    pen.box(-.42, -.2, .84, .16)
    pen.mark(light(colour, .65))


def gem(pen, colour):
    w, top = pen.vary(.75, .85), -.55
    k = w * .58
    pen.polygon((-k, top), (k, top), (w, -.15), (0, .8), (-w, -.15))
    pen.fill(colour)
    for facet, tone in ((((-k, top), (-.25, -.15), (-w, -.15)), light(colour, .35)),
                        (((-k, top), (0, top), (-.25, -.15)), light(colour, .6)),
                        (((0, top), (k, top), (.25, -.15)), light(colour, .25)),
                        (((-.25, -.15), (.25, -.15), (0, .8)), light(colour, .18)),
                        (((.25, -.15), (w, -.15), (0, .8)), dark(colour, .75))):
        pen.polygon(*facet)
        pen.mark(tone)


def heart(pen, colour):
    w = pen.vary(.92, 1.04)
    pen.curve((0, .8), (-.35, .45, -w, .1, -w * .92, -.32), (-w * .85, -.85, -.2, -.9, 0, -.38),
              (.2, -.9, w * .85, -.85, w * .92, -.32), (w, .1, .35, .45, 0, .8))
    pen.fill(colour)
    pen.shine(-.48, -.38, .14, .11)


def star(pen, colour):
    inner = pen.vary(.44, .50)
    corners = []
    for i in range(10):
        angle, r = (i / 5 - .5) * math.pi, .95 * (inner if i % 2 else 1)
        corners.append((r * math.cos(angle), r * math.sin(angle) + .06))
    pen.polygon(*corners)
    pen.fill(colour)
    pen.shine(-.2, -.2, .1, .1)


def key(pen, colour):
    r = pen.vary(.27, .33)
    pen.circle(0, -.55, r)
    pen.stroke(colour, .19)
    pen.line((0, -.55 + r), (0, .85))
    pen.stroke(colour, .18)
    for y in (.55, .8):
        pen.line((.02, y), (.34, y))
        pen.stroke(colour, .15)
    pen.line((0, -.50 + r), (0, .85))
    pen.scratch(colour, .18)


def coin(pen, colour):
    k = pen.vary(.86, 1)
    for x, r, tone in ((0, .85, None), (0, .64, dark(colour, .82)), (.03, .6, light(colour, .22))):
        pen.ellipse(x, x, r * k, r)
        pen.mark(tone) if tone else pen.fill(colour)
    pen.box(-.1 * k, -.36, .2 * k, .72, .05)
    pen.mark(dark(colour, .62))


def apple(pen, colour):
    w = pen.vary(.80, .90)
    pen.curve((0, -.42), (-.3, -.72, -w, -.55, -w, .08), (-w, .6, -.4, .98, 0, .82),
              (.4, .98, w, .6, w, .08), (w, -.55, .3, -.72, 0, -.42))
    pen.fill(colour)
    pen.context.move_to(0, -.42)
    pen.context.curve_to(0, -.6, .05, -.75, .14, -.9)
    pen.stroke(WOOD, .09)
    pen.curve((.1, -.62), (.2, -.95, .5, -.95, .62, -.85), (.55, -.6, .3, -.5, .1, -.62))
    pen.fill(LEAF_GREEN)
    pen.shine(-.42, -.1, .12, .18)


def mushroom(pen, colour):
    w = pen.vary(.84, .95)
    pen.curve((-.3, 0), (-.2, .4, -.36, .75, -.36, .88), (-.1, .97, .1, .97, .36, .88), (.36, .75, .2, .4, .3, 0))
    pen.fill((.96, .90, .78))
    pen.curve((-w, .12), (-w, -.55, -.45, -.92, 0, -.92), (.45, -.92, w, -.55, w, .12), (.4, .32, -.4, .32, -w, .12))
    pen.fill(colour)
    for x, y, r in ((-.42, -.3, .15), (.1, -.55, .17), (.5, -.15, .13), (0, -.05, .11)):
        pen.ellipse(x, y, r, r * .85)
        pen.mark(light(colour, .85) if sum(colour) < 2.4 else (.8, .3, .3))


def tree(pen, colour):
    pen.box(-.14, .3, .28, .65)
    pen.fill(WOOD)
    puffs = ((-.4, .1, .38), (.4, .1, .38), (0, -.4, pen.vary(.45, .50)), (0, .12, .42))
    puffy(pen, colour, puffs)
    pen.ellipse(-.15, -.5, .2, .15)
    pen.mark(light(colour, .25))


def puffy(pen, colour, puffs):
    """Circles that melt into one: outlined as a whole, then painted once more without their inner outlines."""
    for x, y, r in puffs:
        pen.circle(x, y, r)
    pen.fill(colour)
    if pen.outlined:
        for x, y, r in puffs:
            pen.circle(x, y, r - pen.pixel * 1.2)
        pen.fill(colour, outline=False)


def house(pen, colour):
    w = pen.vary(.60, .68)
    pen.box(-w, -.1, 2 * w, .95)
    pen.fill(PLASTER)
    pen.polygon((-w - .2, -.02), (0, -.95), (w + .2, -.02))
    pen.fill(colour)
    pen.box(-.16, .3, .32, .55, .04)
    pen.fill(WOOD)
    for x in (-.5, .26):
        pen.box(x, .15, .24, .24)
        pen.fill(SKY)


def crown(pen, colour):
    w, top = pen.vary(.78, .88), pen.vary(-.60, -.52)
    pen.polygon((-w, .55), (-w, top), (-w * .45, 0), (0, top - .2), (w * .45, 0), (w, top), (w, .55))
    pen.fill(colour)
    pen.box(-w, .36, 2 * w, .24)
    pen.fill(dark(colour, .78), shade=False)
    for x, y in ((-w, top), (0, top - .2), (w, top)):
        pen.circle(x, y, .1)
        pen.fill(light(colour, .3))
    pen.circle(0, .48, .1)
    pen.mark(light(colour, .6))


def ring(pen, colour):
    pen.circle(0, .32, .52)
    pen.stroke(GOLD, .17)
    g = pen.vary(.36, .42)
    pen.polygon((-g, -.58), (-g * .5, -.95), (g * .5, -.95), (g, -.58), (0, -.05))
    pen.fill(colour)
    pen.polygon((-g * .5, -.58), (-g * .3, -.9), (g * .3, -.9), (g * .5, -.58))
    pen.mark(light(colour, .5))


def scroll(pen, colour):
    h = pen.vary(.56, .62)
    pen.box(-.55, -h, 1.1, 2 * h)
    pen.fill(PAPER)
    for i in range(4):
        y = -.3 + .2 * i
        pen.line((-.34, y), (.34 - (.25 if i == 3 else 0), y))
        pen.scratch((.6, .47, .3), .05)
    for y in (-h - .17, h - .15):
        pen.box(-.8, y, 1.6, .32, .15)
        pen.fill(colour)


def chest(pen, colour):
    w = pen.vary(.82, .92)
    pen.box(-w, -.05, 2 * w, .75)
    pen.fill(colour)
    pen.curve((-w, -.05), (-w, -.75, -.6 * w, -.75, 0, -.75), (.6 * w, -.75, w, -.75, w, -.05))
    pen.fill(light(colour, .1))
    for x in (-w * .72, w * .52):
        pen.box(x, -.68, .16, 1.36)
        pen.mark(GOLD)
    pen.box(-w, -.1, 2 * w, .12)
    pen.fill(GOLD, shade=False)
    pen.box(-.14, -.14, .28, .32, .04)
    pen.fill(GOLD)
    pen.circle(0, .02, .06)
    pen.mark(INK)


def bomb(pen, colour):
    pen.circle(-.05, .22, pen.vary(.64, .70))
    pen.fill(colour)
    pen.context.save()
    pen.context.translate(.36, -.36)
    pen.context.rotate(.75)
    pen.box(-.16, -.14, .32, .22)
    pen.fill(dark(colour, .8))
    pen.context.restore()
    pen.context.move_to(.44, -.46)
    pen.context.curve_to(.55, -.7, .7, -.55, .76, -.78)
    pen.stroke(CORK, .07)
    for r, tone in ((.16, (1, .65, .1)), (.08, (1, .95, .5))):
        pen.circle(.78, -.82, r)
        pen.mark(tone)
    pen.shine(-.3, 0, .14, .1)


def fish(pen, colour):
    h = pen.vary(.44, .52)
    pen.polygon((.45, 0), (.95, -.42), (.85, 0), (.95, .42))
    pen.fill(dark(colour, .82))
    pen.polygon((-.2, -h * .7), (.1, -h - .28), (.35, -h * .4))
    pen.fill(dark(colour, .82))
    pen.curve((-.9, 0), (-.6, -h * 1.3, .2, -h * 1.3, .62, 0), (.2, h * 1.3, -.6, h * 1.3, -.9, 0))
    pen.fill(colour)
    pen.circle(-.52, -.1, .13)
    pen.fill(WHITE, shade=False)
    pen.circle(-.54, -.1, .065)
    pen.mark(INK)
    for x, r in ((-.2, .3), (.08, .26)):
        pen.context.new_sub_path()
        pen.context.arc(x, 0, r, -1, 1)
        pen.scratch(dark(colour, .62), .06)


def flower(pen, colour):
    pen.context.move_to(0, 0)
    pen.context.curve_to(.05, .4, -.05, .7, 0, .95)
    pen.stroke(STEM_GREEN, .1)
    pen.curve((0, .72), (.2, .4, .5, .4, .56, .45), (.5, .72, .2, .8, 0, .72))
    pen.fill(LEAF_GREEN)
    turn = pen.vary(0, .6)
    for i in range(5):
        angle = turn + i * .4 * math.pi
        pen.circle(.36 * math.cos(angle), -.34 + .36 * math.sin(angle), .28)
        pen.fill(colour)
    pen.circle(0, -.34, .22)
    yellow = colour[0] > .85 and colour[1] > .7 and colour[2] < .5
    pen.fill((.5, .3, .15) if yellow else (.98, .82, .25))


def moon(pen, colour):
    bite, r, tip = pen.vary(.68, .76), .9, math.radians(62)
    x, y = r * math.cos(tip), r * math.sin(tip)
    pen.context.new_sub_path()
    pen.context.arc(0, 0, r, tip, 2 * math.pi - tip)
    pen.context.curve_to(x - bite, -y * .75, x - bite, y * .75, x, y)
    pen.context.close_path()
    pen.fill(colour)
    for x, y, r in ((-.55, .15, .09), (-.42, -.35, .07)):
        pen.circle(x, y, r)
        pen.mark(dark(colour, .85))


def cloud(pen, colour):
    puffy(pen, colour, ((-.55, .15, .36), (.55, .15, .36), (-.2, -.16, .42), (.26, -.1, pen.vary(.38, .44)), (0, .2, .31)))
    pen.ellipse(-.28, -.25, .16, .1)
    pen.mark(light(colour, .5))


def flame(pen, colour):
    k = pen.vary(-.08, .08)
    pen.curve((0, .9), (-.75, .9, -.85, .25, -.5, -.2), (-.4, 0, -.3, .05, -.22, 0), (-.3, -.4, -.1, -.75, .1 + k, -.98),
              (.1, -.6, .7, -.3, .66, .3), (.62, .7, .35, .9, 0, .9))
    pen.fill(colour)
    pen.curve((0, .85), (-.4, .85, -.42, .45, -.2, .2), (-.1, .35, 0, .1, .05, -.15), (.2, .15, .42, .35, .36, .6),
              (.3, .8, .15, .85, 0, .85))
    pen.mark(light(colour, .55))


def mug(pen, colour):
    w = pen.vary(.52, .60)
    pen.circle(w + .02, .02, .24)
    pen.stroke(colour, .13)
    pen.curve((-w, -.55), (-w, .4, -w * .8, .7, -w * .5, .78), (0, .86, 0, .86, w * .5, .78), (w * .8, .7, w, .4, w, -.55))
    pen.fill(colour)
    pen.ellipse(0, -.55, w, .15)
    pen.fill((.35, .22, .13), shade=False)
    pen.box(-w * .62, -.2, .1, .6)
    pen.mark(light(colour, .5))


def book(pen, colour):
    w = pen.vary(.62, .70)
    pen.box(-w, -.82, 2 * w, 1.64, .06)
    pen.fill(dark(colour, .75))
    pen.box(-w + .1, .62, 2 * w - .12, .16)
    pen.fill((.96, .94, .86), shade=False)
    pen.box(-w + .12, -.82, 2 * w - .12, 1.42, .05)
    pen.fill(colour)
    pen.box(-w + .4, -.5, 2 * w - .7, .36, .03)
    pen.mark(GOLD)


def arrow(pen, colour):
    h = pen.vary(.30, .36)
    pen.line((0, -.5), (0, .85))
    pen.stroke(WOOD, .11)
    pen.polygon((0, -1), (h, -.4), (0, -.54), (-h, -.4))
    pen.fill(colour)
    for i in range(3):
        y = .42 + .18 * i
        pen.polygon((0, y), (.28, y + .16), (.28, y + .30), (0, y + .14), (-.28, y + .30), (-.28, y + .16))
        pen.fill(light(colour, .1))


def hammer(pen, colour):
    w = pen.vary(.58, .66)
    pen.box(-.1, -.4, .2, 1.35, .06)
    pen.fill(WOOD)
    pen.box(-w, -.85, 2 * w, .55, .07)
    pen.fill(colour)
    for x in (-w, w - .18):
        pen.box(x, -.85, .18, .55)
        pen.mark(dark(colour, .75))


def axe(pen, colour):
    k = pen.vary(.64, .76)
    pen.box(-.09, -.92, .18, 1.86, .06)
    pen.fill(WOOD)
    pen.curve((.02, -.62), (.25, -.62, .35, -.8, .45, -.95), (k + .15, -.6, k + .15, -.1, .45, .2),
              (.35, .02, .25, -.15, .02, -.18))
    pen.fill(colour)
    pen.curve((.47, -.95), (k + .17, -.6, k + .17, -.1, .47, .2), (k - .06, -.1, k - .06, -.6, .47, -.95))
    pen.mark(light(colour, .5))


def lantern(pen, colour):
    pen.context.new_sub_path()
    pen.context.arc(0, -.68, .24, math.pi, 2 * math.pi)
    pen.stroke(colour, .08)
    pen.polygon((-.55, -.4), (-.25, -.72), (.25, -.72), (.55, -.4))
    pen.fill(colour)
    pen.box(-.4, -.42, .8, 1.0)
    pen.fill(GLOW)
    pen.ellipse(0, .15, .17, .27)
    pen.mark(FIRE)
    pen.box(-.55, .52, 1.1, .3, .05)
    pen.fill(colour)
    for x in (-.42, .31):
        pen.box(x, -.42, .11, 1.0)
        pen.mark(colour)


def egg(pen, colour):
    w = pen.vary(.62, .70)
    pen.curve((0, -.92), (w * .75, -.92, w * 1.1, -.1, w * 1.08, .3), (w * 1.05, .7, .5, .92, 0, .92),
              (-.5, .92, -w * 1.05, .7, -w * 1.08, .3), (-w * 1.1, -.1, -w * .75, -.92, 0, -.92))
    pen.fill(colour)
    for x, y, r in ((-.25, .35, .15), (.28, .05, .13), (.12, .6, .1), (-.12, -.35, .1)):
        pen.circle(x, y, r)
        pen.mark(dark(colour, .78))


def leaf(pen, colour):
    w = pen.vary(.60, .70)
    pen.line((0, .5), (0, .98))
    pen.stroke(dark(colour, .7), .08)
    pen.curve((0, .75), (-w * 1.3, .45, -w, -.4, 0, -.95), (w, -.4, w * 1.3, .45, 0, .75))
    pen.fill(colour)
    pen.line((0, .7), (0, -.6))
    for y in (.4, .05, -.25):
        pen.line((-.32, y - .25), (0, y), (.32, y - .25))
    pen.scratch(dark(colour, .66), .06)


def cactus(pen, colour):
    top = pen.vary(-.85, -.75)
    for arm in (((-.3, .1), (-.55, .1), (-.55, -.3)), ((.3, .3), (.55, .3), (.55, -.1))):
        pen.line(*arm)
        pen.stroke(colour, .26)
    pen.box(-.26, top, .52, .7 - top, .25)
    pen.fill(colour)
    for x in (-.1, .1):
        pen.line((x, top + .25), (x, .45))
    pen.scratch(dark(colour, .7), .05)
    pen.polygon((-.48, .45), (.48, .45), (.36, .95), (-.36, .95))
    pen.fill(CLAY)


def rocket(pen, colour):
    w = pen.vary(.36, .42)
    pen.polygon((-.22, .6), (0, 1.0), (.22, .6))
    pen.fill((1, .6, .1))
    for side in (-1, 1):
        pen.polygon((side * w, .1), (side * (w + .32), .68), (side * w * .6, .55))
        pen.fill(dark(colour, .8))
    pen.curve((0, -1), (w * 1.3, -.6, w * 1.3, .2, w * .7, .62), (0, .66, 0, .66, -w * .7, .62),
              (-w * 1.3, .2, -w * 1.3, -.6, 0, -1))
    pen.fill(colour)
    pen.circle(0, -.2, .19)
    pen.fill((.7, .88, .98))


def ghost(pen, colour):
    w = pen.vary(.64, .70)
    fold = 2 * w / 3
    c = pen.context
    c.move_to(-w, .85)
    c.line_to(-w, -.2)
    c.curve_to(-w, -1.1, w, -1.1, w, -.2)
    c.line_to(w, .85)
    for i in range(3):
        x = w - i * fold
        c.curve_to(x - fold * .25, .55, x - fold * .75, .55, x - fold, .85)
    c.close_path()
    pen.fill(colour)
    for x, y, rx, ry in ((-.24, -.22, .11, .17), (.24, -.22, .11, .17), (0, .16, .1, .08)):
        pen.ellipse(x, y, rx, ry)
        pen.mark(eye_colour(colour))


def slime(pen, colour):
    top = pen.vary(-.58, -.46)
    pen.curve((-.9, .62), (-.95, .1, -.5, top, 0, top), (.5, top, .95, .1, .9, .62), (.7, .8, -.7, .8, -.9, .62))
    pen.fill(colour)
    for x in (-.3, .3):
        pen.circle(x, .1, .11)
        pen.mark(eye_colour(colour))
    pen.context.new_sub_path()
    pen.context.arc(0, .25, .2, .3, math.pi - .3)
    pen.scratch(eye_colour(colour), .06)
    pen.shine(-.4, -.18, .15, .09)


def cat(pen, colour):
    for side in (-1, 1):
        pen.polygon((side * .72, -.1), (side * .66, -.9), (side * .12, -.5))
        pen.fill(colour)
        pen.polygon((side * .58, -.35), (side * .57, -.7), (side * .3, -.5))
        pen.mark(EAR_PINK)
    pen.ellipse(0, .12, pen.vary(.80, .86), .66)
    pen.fill(colour)
    eyes = INK if sum(colour) > .9 else (1, .9, .3)
    for x in (-.32, .32):
        pen.ellipse(x, 0, .11, .16)
        pen.mark(eyes)
    pen.polygon((-.09, .25), (.09, .25), (0, .35))
    pen.mark((.95, .5, .55))
    for side in (-1, 1):
        for y in (.3, .44):
            pen.line((side * .35, y), (side * .7, y + (y - .37) * .8))
    pen.scratch(dark(colour, .35) if sum(colour) > .9 else eyes, .04)


def boat(pen, colour):
    k = pen.vary(.72, .80)
    pen.box(-.05, -.95, .1, 1.3)
    pen.fill(WOOD)
    pen.polygon((.1, -.88), (k, .2), (.1, .2))
    pen.fill(WHITE, shade=False)
    pen.polygon((-.1, -.7), (-k * .85, .2), (-.1, .2))
    pen.fill((.93, .93, .88), shade=False)
    pen.curve((-.95, .32), (-.8, .7, -.65, .85, -.5, .85), (-.2, .86, .2, .86, .5, .85), (.65, .85, .8, .7, .95, .32))
    pen.fill(colour)


def car(pen, colour):
    w = pen.vary(.90, .98)
    pen.curve((-.55, .02), (-.45, -.5, -.35, -.55, -.15, -.55), (.05, -.55, .1, -.55, .25, -.55), (.45, -.5, .5, -.2, .62, .02))
    pen.fill(colour)
    for points in (((-.42, 0), (-.3, -.4), (-.02, -.4), (-.02, 0)), ((.08, 0), (.08, -.4), (.27, -.4), (.45, 0))):
        pen.polygon(*points)
        pen.mark(SKY)
    pen.box(-w, -.02, 2 * w, .52, .16)
    pen.fill(colour)
    for x in (-.5, .5):
        pen.circle(x, .5, .24)
        pen.fill((.15, .15, .17), shade=False)
        pen.circle(x, .5, .1)
        pen.mark(STEEL)
    pen.circle(w - .08, .16, .08)
    pen.mark(GLOW)


def bird(pen, colour):
    pen.polygon((.45, .2), (.98, -.15), (.9, .4))
    pen.fill(dark(colour, .8))
    pen.polygon((-.72, -.42), (-1.0, -.28), (-.7, -.18))
    pen.fill((1, .65, .15), shade=False)
    pen.curve((-.78, -.35), (-.75, -.75, -.2, -.75, -.1, -.35), (.2, -.3, .75, 0, .7, .25), (.5, .75, -.3, .85, -.55, .4),
              (-.75, .1, -.8, -.1, -.78, -.35))
    pen.fill(colour)
    w = pen.vary(.30, .38)
    pen.curve((-.2, .1), (0, -.1, .4, -.05, .55, .2), (.4, .2 + w, -.05, .2 + w, -.2, .1))
    pen.fill(dark(colour, .75))
    pen.circle(-.5, -.36, .09)
    pen.mark(eye_colour(colour))
    for x in (-.1, .15):
        pen.line((x, .66), (x, .92))
    pen.scratch((.9, .55, .15), .07)


def butterfly(pen, colour):
    w = pen.vary(.86, .96)
    for side in (-1, 1):
        pen.curve((side * .05, 0), (side * .2, -.7, side * .75, -.95, side * w, -.7), (side * w, -.2, side * .6, .1, side * .05, .05))
        pen.fill(colour)
        pen.curve((side * .05, .05), (side * .5, .05, side * .85, .3, side * .7, .65), (side * .5, .95, side * .1, .6, side * .05, .05))
        pen.fill(dark(colour, .82))
        pen.circle(side * .58, -.46, .15)
        pen.mark(light(colour, .6))
        pen.context.move_to(0, -.45)
        pen.context.curve_to(side * .05, -.7, side * .15, -.8, side * .25, -.85)
        pen.scratch((.25, .2, .2), .05)
    pen.ellipse(0, .05, .09, .5)
    pen.fill((.25, .2, .2), shade=False)


def umbrella(pen, colour):
    w = pen.vary(.88, .96)
    pen.context.move_to(0, -.1)
    pen.context.line_to(0, .7)
    pen.context.curve_to(0, .95, .3, .95, .3, .7)
    pen.stroke(WOOD, .09)
    pen.curve((-w, .05), (-w, -1.05, w, -1.05, w, .05), (w * .75, -.15, w * .5, -.15, w * .34, .05),
              (w * .2, -.15, -w * .2, -.15, -w * .34, .05), (-w * .5, -.15, -w * .75, -.15, -w, .05))
    pen.fill(colour)
    pen.curve((-w * .34, .05), (-w * .3, -.4, -.1, -.7, 0, -.77), (.1, -.7, w * .3, -.4, w * .34, .05),
              (w * .2, -.15, -w * .2, -.15, -w * .34, .05))
    pen.mark(light(colour, .4))


def bell(pen, colour):
    w = pen.vary(.70, .78)
    pen.circle(0, .68, .18)
    pen.fill(dark(GOLD, .75))
    pen.circle(0, -.82, .13)
    pen.stroke(dark(GOLD, .75), .09)
    pen.curve((-w, .55), (-.5, .3, -.55, -.7, 0, -.7), (.55, -.7, .5, .3, w, .55), (w * .5, .66, -w * .5, .66, -w, .55))
    pen.fill(colour)
    pen.box(-w * .82, .3, w * 1.64, .1)
    pen.mark(dark(colour, .72))
    pen.shine(-.22, -.25, .08, .2)


def candle(pen, colour):
    w = pen.vary(.24, .30)
    pen.curve((0, -.98), (.28, -.6, .2, -.42, 0, -.42), (-.2, -.42, -.28, -.6, 0, -.98))
    pen.fill(FIRE)
    pen.ellipse(0, -.56, .08, .11)
    pen.mark(GLOW)
    pen.line((0, -.42), (0, -.25))
    pen.scratch(INK, .05)
    pen.box(-w, -.28, 2 * w, 1.0, .05)
    pen.fill(colour)
    pen.box(-w, -.2, w * .5, .4, .1)
    pen.mark(light(colour, .5))
    pen.ellipse(0, .76, .66, .16)
    pen.fill(GOLD)


def balloon(pen, colour):
    w = pen.vary(.58, .66)
    pen.context.move_to(0, .5)
    pen.context.curve_to(.15, .65, -.15, .8, 0, .98)
    pen.scratch((.5, .45, .42), .04)
    pen.polygon((0, .36), (.13, .54), (-.13, .54))
    pen.fill(dark(colour, .8))
    pen.curve((0, .42), (-.4, .3, -w, -.05, -w, -.36), (-w, -1.12, w, -1.12, w, -.36), (w, -.05, .4, .3, 0, .42))
    pen.fill(colour)
    pen.shine(-w * .45, -.55, .1, .17)


def pear(pen, colour):
    w = pen.vary(.60, .68)
    pen.line((0, -.6), (.08, -.95))
    pen.stroke(WOOD, .09)
    pen.curve((0, -.72), (-.4, -.72, -.28, -.25, -.45, -.02), (-w * 1.25, .3, -w, .92, 0, .92), (w, .92, w * 1.25, .3, .45, -.02),
              (.28, -.25, .4, -.72, 0, -.72))
    pen.fill(colour)
    pen.curve((.06, -.8), (.2, -1.0, .45, -.98, .55, -.85), (.45, -.68, .2, -.68, .06, -.8))
    pen.fill(LEAF_GREEN)
    pen.shine(-.3, .25, .1, .16)


def hat(pen, colour):
    k = pen.vary(-.06, .12)
    pen.curve((-.5, .55), (-.4, 0, -.25, -.5, .15 + k, -.95), (.1, -.55, .4, 0, .5, .55), (.2, .68, -.2, .68, -.5, .55))
    pen.fill(colour)
    pen.ellipse(0, .6, .95, .24)
    pen.fill(colour)
    pen.curve((-.48, .48), (-.2, .64, .2, .64, .48, .48), (.46, .4, .45, .32, .42, .24), (.2, .38, -.2, .38, -.42, .24),
              (-.45, .32, -.46, .4, -.48, .48))
    pen.mark(dark(colour, .6))
    pen.box(-.12, .33, .24, .22, .03)
    pen.mark(GOLD)


def skull(pen, colour):
    w = pen.vary(.72, .80)
    pen.box(-.4, .2, .8, .66, .14)
    pen.fill(colour)
    pen.ellipse(0, -.2, w, .7)
    pen.fill(colour)
    hole = eye_colour(colour)
    for side in (-1, 1):
        pen.ellipse(side * .32, -.12, .2, .23)
        pen.mark(hole)
    pen.polygon((0, .14), (.1, .34), (-.1, .34))
    pen.mark(hole)
    for x in (-.2, 0, .2):
        pen.line((x, .58), (x, .82))
    pen.scratch(hole, .06)


def tent(pen, colour):
    w = pen.vary(.86, .94)
    pen.polygon((0, -.8), (w, .75), (-w, .75))
    pen.fill(colour)
    pen.polygon((0, -.8), (.36, .75), (-.36, .75))
    pen.fill(dark(colour, .55), shade=False)
    pen.polygon((0, -.8), (.05, .3), (-.36, .75), (-.44, .75))
    pen.mark(light(colour, .45))
    pen.line((0, -.8), (0, -.98))
    pen.stroke(WOOD, .08)


def drum(pen, colour):
    w, top = pen.vary(.68, .76), -.35
    pen.curve((-w, top), (-w, 0, -w, .3, -w, .55), (-w * .6, .85, w * .6, .85, w, .55), (w, .3, w, 0, w, top))
    pen.fill(colour)
    for i in range(4):
        x = -w + i * w / 2
        pen.line((x, -.15), (x + w / 4, .62), (x + w / 2, -.15))
    pen.scratch(light(colour, .65), .06)
    pen.ellipse(0, top, w, .24)
    pen.fill(PAPER, shade=False)
    for side in (-1, 1):
        pen.line((side * .1, -.38), (side * .75, -.9))
        pen.stroke(WOOD, .09)


def flag(pen, colour):
    k = pen.vary(.10, .20)
    pen.box(-.72, -.92, .13, 1.86, .06)
    pen.fill(WOOD)
    pen.curve((-.58, -.82), (-.2, -.82 - k, .1, -.82 + 2 * k, .85, -.72), (.75, -.4, .75, -.3, .85, .12),
              (.1, .12 + 2 * k, -.2, .12 - k, -.58, .12))
    pen.fill(colour)
    pen.circle(.08, -.33, .19)
    pen.mark(light(colour, .7))


def lock(pen, colour):
    w = pen.vary(.60, .68)
    pen.context.move_to(-.36, 0)
    pen.context.line_to(-.36, -.42)
    pen.context.curve_to(-.36, -.98, .36, -.98, .36, -.42)
    pen.context.line_to(.36, 0)
    pen.stroke(STEEL, .17)
    pen.box(-w, -.1, 2 * w, 1.0, .14)
    pen.fill(colour)
    hole = dark(colour, .35)
    pen.circle(0, .28, .14)
    pen.mark(hole)
    pen.polygon((-.06, .3), (.06, .3), (.11, .64), (-.11, .64))
    pen.mark(hole)


def donut(pen, colour):
    r = pen.vary(.84, .92)
    pen.circle(0, 0, r)
    pen.fill((.82, .58, .32))
    points = [((r - (.10 if i % 2 else .17)) * math.cos(i * math.pi / 8), (r - (.10 if i % 2 else .17)) * math.sin(i * math.pi / 8))
              for i in range(16)]
    pen.polygon(*points)
    pen.fill(colour)
    for i in range(9):
        a, d = i * .7 + .2, .44 + .16 * (i % 2)
        x, y = d * math.cos(a), d * math.sin(a)
        pen.line((x - .05, y - .04 * (-1) ** i), (x + .05, y + .04 * (-1) ** i))
    pen.scratch(light(colour, .75), .07)
    pen.circle(0, 0, .25)
    pen.fill((.55, .36, .18), shade=False)
    pen.circle(0, .02, .18)
    pen.mark((.40, .25, .12))


def planet(pen, colour):
    r = pen.vary(.54, .60)
    pen.context.save()
    pen.context.rotate(-.35)
    pen.ellipse(0, 0, .98, .30)
    pen.stroke(GOLD, .12)
    pen.context.new_sub_path()
    pen.context.arc(0, 0, r, math.pi, 2 * math.pi)
    pen.context.curve_to(r * .99, .22, r * .8, .26, 0, .29)
    pen.context.curve_to(-r * .8, .26, -r * .99, .22, -r, 0)
    pen.context.close_path()
    pen.fill(colour)
    pen.context.new_sub_path()
    pen.context.arc(0, .06, r, .55, math.pi - .55)
    pen.context.curve_to(-.3, .42, .3, .42, r * .85, .06 + r * .52)
    pen.context.close_path()
    pen.fill(dark(colour, .8))
    pen.ellipse(-.12, -.28, .2, .08)
    pen.mark(light(colour, .4))
    pen.context.restore()


def robot(pen, colour):
    w = pen.vary(.58, .66)
    pen.line((0, -.5), (0, -.82))
    pen.stroke(STEEL, .08)
    pen.circle(0, -.86, .11)
    pen.fill((.9, .25, .2))
    for side in (-1, 1):
        pen.box(side * (w + .1) - .1, -.2, .2, .4, .05)
        pen.fill(STEEL)
    pen.box(-w, -.55, 2 * w, 1.1, .16)
    pen.fill(colour)
    for x in (-.27, .27):
        pen.circle(x, -.15, .17)
        pen.fill(GLOW, shade=False)
        pen.circle(x, -.15, .08)
        pen.mark(INK)
    pen.box(-.32, .2, .64, .2, .04)
    pen.mark(dark(colour, .45))
    pen.box(-.3, .55, .6, .35, .06)
    pen.fill(STEEL)


def castle(pen, colour):
    w = pen.vary(.70, .78)
    pen.box(-.42, -.1, .84, 1.0)
    pen.fill(light(colour, .18))
    for side in (-1, 1):
        x = side * w - .26
        pen.polygon((x, .9), (x, -.62), (x - .06, -.62), (x - .06, -.9), (x + .12, -.9), (x + .12, -.76), (x + .2, -.76), (x + .2, -.9),
                    (x + .32, -.9), (x + .32, -.76), (x + .4, -.76), (x + .4, -.9), (x + .58, -.9), (x + .58, -.62), (x + .52, -.62),
                    (x + .52, .9))
        pen.fill(colour)
        pen.box(side * w - .08, -.4, .16, .3, .07)
        pen.mark(dark(colour, .4))
    pen.context.move_to(-.24, .9)
    pen.context.line_to(-.24, .4)
    pen.context.curve_to(-.24, .1, .24, .1, .24, .4)
    pen.context.line_to(.24, .9)
    pen.context.close_path()
    pen.mark(dark(WOOD, .7))


def turtle(pen, colour):
    w = pen.vary(.66, .72)
    skin = (.48, .68, .36)
    for x in (-.45, .3):
        pen.box(x, .3, .26, .4, .1)
        pen.fill(skin)
    pen.ellipse(.78, .12, .22, .2)
    pen.fill(skin)
    pen.circle(.84, .06, .045)
    pen.mark(INK)
    pen.curve((-w - .02, .4), (-w, -.75, w, -.75, w + .02, .4))
    pen.fill(colour)
    for x, y, r in ((-.32, .08, .14), (.3, .08, .14), (0, -.2, .15)):
        pen.circle(x, y, r)
        pen.mark(dark(colour, .75))
    pen.box(-w - .06, .3, 2 * w + .12, .14, .06)
    pen.fill(light(colour, .35), shade=False)


def anchor(pen, colour):
    k = pen.vary(.72, .80)
    pen.circle(0, -.75, .17)
    pen.stroke(colour, .12)
    pen.line((0, -.56), (0, .8))
    pen.stroke(colour, .17)
    pen.line((-.4, -.35), (.4, -.35))
    pen.stroke(colour, .14)
    pen.context.move_to(-k, .2)
    pen.context.curve_to(-k * .8, .95, k * .8, .95, k, .2)
    pen.stroke(colour, .17)
    for side in (-1, 1):
        pen.polygon((side * k, -.06), (side * (k + .2), .36), (side * (k - .26), .32))
        pen.fill(colour)
    pen.line((0, -.5), (0, .72))
    pen.scratch(colour, .17)


def ice_cream(pen, colour):
    r = pen.vary(.46, .52)
    pen.polygon((-.42, .05), (.42, .05), (0, .98))
    pen.fill((.87, .65, .36))
    for a, b in (((-.28, .1), (.12, .66)), ((0, .1), (.24, .4)), ((.28, .1), (-.12, .66)), ((0, .1), (-.24, .4))):
        pen.line(a, b)
    pen.scratch((.66, .44, .2), .04)
    pen.curve((-r - .05, .08), (-r - .1, -.85, r + .1, -.85, r + .05, .08), (r * .7, .26, r * .4, .0, .1, .14), (-.1, .28, -r * .6, .0, -r - .05, .08))
    pen.fill(colour)
    pen.circle(.05, -.7, .14)
    pen.fill((.86, .15, .2))
    pen.shine(-.24, -.3, .08, .12)


def snowman(pen, colour):
    """The colour is that of hat and scarf."""
    pen.circle(0, .48, pen.vary(.44, .48))
    pen.fill(WHITE)
    pen.circle(0, -.2, .34)
    pen.fill(WHITE)
    pen.box(-.34, .02, .68, .14, .06)
    pen.fill(colour)
    pen.box(-.26, -.92, .52, .38, .04)
    pen.fill(colour)
    pen.box(-.42, -.58, .84, .11, .05)
    pen.fill(colour)
    for x in (-.12, .12):
        pen.circle(x, -.28, .05)
        pen.mark(INK)
    pen.polygon((0, -.2), (.3, -.12), (0, -.1))
    pen.mark(GOLD)
    for side in (-1, 1):
        pen.line((side * .4, .3), (side * .9, pen.vary(-.1, .1)))
        pen.stroke(WOOD, .06)


def lollipop(pen, colour):
    r = pen.vary(.54, .60)
    pen.box(-.06, 0, .12, .98, .05)
    pen.fill(WHITE)
    pen.circle(0, -.36, r)
    pen.fill(colour)
    for turn in range(3):
        a = turn * 2 * math.pi / 3
        pen.context.arc(.28 * math.cos(a), -.36 + .28 * math.sin(a), .26, a, a + math.pi)
        pen.scratch(light(colour, .8), .09)


def target(pen, colour):
    for i in range(4):
        pen.circle(0, 0, (.90 - .23 * i) * pen.vary(.99, 1.01))
        (pen.mark if i else pen.fill)(WHITE if i % 2 else colour)


def named(functions):
    return {f.__name__.replace("_", " "): f for f in functions}


THINGS = named((
    potion, sword, shield, gem, heart, star, key, coin, apple, mushroom, tree, house, crown, ring, scroll, chest, bomb, fish,
    flower, moon, cloud, flame, mug, book, arrow, hammer, axe, lantern, egg, leaf, cactus, rocket, ghost, slime, cat,
    boat, car, bird, butterfly, umbrella, bell, candle, balloon, pear, hat, skull, tent, drum, flag, lock, donut, planet, robot,
    castle, turtle, anchor, ice_cream))
NEVER_SHOWN = named((snowman, lollipop, target))    # in no training picture: what a textual inversion has to learn
