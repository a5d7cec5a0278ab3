"""
captions.py - a scene in words. The grammar, parts in brackets being left out now and then:

    [a drawing of] [STYLE] a|two|...|five [SIZE] PAINT OBJECT [RELATION a PAINT OBJECT] [on a BACKGROUND background] [, STYLE]

A paint is a colour or a material ("golden"); a relation is "next to", "left of", "above" or the like.
caption(full=True) leaves nothing out and uses the first word of each list; parse() reads such a caption back.
"""
import re

from render import BACKGROUNDS, OBJECTS, PAINTS, RELATIONS, STYLES, Scene

SYNONYMS = {"gem": ["jewel"], "potion": ["potion bottle"], "chest": ["treasure chest"], "flame": ["fire"], "mug": ["cup"],
            "lantern": ["lamp"], "book": ["spell book"], "moon": ["crescent moon"], "slime": ["blob"], "axe": ["battle axe"],
            "boat": ["sailboat", "ship"], "lock": ["padlock"], "hat": ["wizard hat"], "donut": ["doughnut"], "turtle": ["tortoise"],
            "ice cream": ["ice cream cone"], "tent": ["camping tent"], "golden": ["gold"], "wooden": ["wood"],
            "purple": ["violet"], "gray": ["grey"], "teal": ["cyan", "turquoise"],
            "light blue": ["sky blue"], "dark blue": ["navy", "navy blue"]}
PLURALS = {"fish": "fish", "leaf": "leaves", "cactus": "cacti", "butterfly": "butterflies"}
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
SIZE_WORDS = {"small": ["small", "tiny", "little"], "medium": [], "large": ["large", "big", "huge"]}
STYLE_AFTER = {"flat": ["flat style", "flat icon"], "outlined": ["outlined", "cartoon style", "with an outline"],
               "glossy": ["glossy", "shiny"], "pixel": ["pixel art", "pixel art sprite", "8-bit"]}
STYLE_BEFORE = {"flat": ["flat"], "outlined": ["outlined", "cartoon"], "glossy": ["glossy", "shiny"], "pixel": ["pixel art"]}
JOINS = {"next to": ["next to", "and", "beside"], "left of": ["left of", "to the left of"], "right of": ["right of", "to the right of"],
         "above": ["above", "over"], "below": ["below", "under"]}
OPENINGS = ["a picture of", "a drawing of", "an icon of"]


def plural(noun):
    return PLURALS.get(noun, noun + "s")


def with_article(words):
    return ("an " if words[0] in "aeiou8" else "a ") + words


class Writer:
    """Chooses words by rng; without one, always the first and fullest."""

    def __init__(self, rng):
        self.rng = rng

    def often(self, chance):
        return self.rng is None or self.rng.random() < chance

    def seldom(self, chance):
        return self.rng is not None and self.rng.random() < chance

    def pick(self, words):
        return self.rng.choice(words) if self.rng else words[0]

    def name(self, word, chance=.12):
        return self.pick(SYNONYMS[word]) if word in SYNONYMS and self.seldom(chance) else word

    def thing(self, thing, colour, count, adjectives):
        noun = self.name(thing)
        words = adjectives + [self.name(colour), plural(noun) if count > 1 else noun]
        text = " ".join(words)
        return f"{NUMBERS[count]} {text}" if count > 1 else with_article(text)


def caption(scene, rng=None, full=False):
    write = Writer(None if full else rng)
    before = after = None
    if write.often(.85):
        if write.seldom(.35):
            before = write.pick(STYLE_BEFORE[scene.style])
        else:
            after = write.pick(STYLE_AFTER[scene.style])
    adjectives = [before] if before else []
    if scene.kind == "single" and scene.size != "medium" and write.often(.85):
        adjectives.append(write.pick(SIZE_WORDS[scene.size]))
    text = write.thing(*scene.things[0], scene.count, adjectives)
    if scene.kind == "pair":
        text += f" {write.pick(JOINS[scene.relation])} {write.thing(*scene.things[1], 1, [])}"
    if write.seldom(.06):
        text = f"{write.pick(OPENINGS)} {text}"
    if write.often(.35 if scene.background == "white" else .94):
        background = write.name(scene.background)
        text += f", {background} background" if write.seldom(.2) else f" on {with_article(background)} background"
    if after:
        text += f" {after}" if after.startswith("with") else f", {after}"
    return text


def parse(text):
    """The scene of a full caption; ValueError for any other text."""
    paints, objects = "|".join(PAINTS), {plural(o): o for o in OBJECTS} | {o: o for o in OBJECTS}
    noun = "|".join(sorted(objects, key=len, reverse=True))
    found = re.fullmatch(
        rf"(?P<count>an?|two|three|four|five) (?:(?P<size>small|large) )?(?P<c1>{paints}) (?P<o1>{noun})"
        rf"(?: (?P<relation>{'|'.join(RELATIONS)}) an? (?P<c2>{paints}) (?P<o2>{noun}))? on an? (?P<background>{'|'.join(BACKGROUNDS)}) background"
        rf", (?P<style>{'|'.join(STYLE_AFTER[s][0] for s in STYLES)})", text)
    if not found:
        raise ValueError(f"not a full caption: {text!r}")
    part = found.groupdict()
    things = [(objects[part["o1"]], part["c1"])] + ([(objects[part["o2"]], part["c2"])] if part["o2"] else [])
    return Scene(tuple(things), count={word: n for n, word in NUMBERS.items()}.get(part["count"], 1),
                 relation=part["relation"] or "next to", background=part["background"],
                 style=next(s for s in STYLES if STYLE_AFTER[s][0] == part["style"]), size=part["size"] or "medium")
