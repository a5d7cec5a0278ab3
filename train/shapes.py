"""
shapes.py - the 35 things that can be drawn, each by one function of a Pen and a main colour.

A thing fills about the square -1..1 (y downwards). Only the main colour changes with the caption; wood, steel, gold
and the like stay what they are. Widths vary a little, so that no two are the same.
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
    """A cairo context that knows the style. pixel: the size of a device pixel in the thing's own units."""

    def __init__(self, context, style, pixel, rng):
        self.context, self.style, self.pixel, self.rng = context, style, pixel, rng
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
        if outline and self.outlined:
            c.fill_preserve()
            self._outline(colour, 3.2 if self.style == "outlined" else 1.0)
            c.stroke()
        else:
            c.fill()

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


THINGS = {f.__name__: f for f in (
    potion, sword, shield, gem, heart, star, key, coin, apple, mushroom, tree, house, crown, ring, scroll, chest, bomb, fish,
    flower, moon, cloud, flame, mug, book, arrow, hammer, axe, lantern, egg, leaf, cactus, rocket, ghost, slime, cat)}
