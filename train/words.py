"""
words.py - the words of captions.py's grammar as limn-words.json, which lies next to the model: limn tells which words of a prompt are
in none of these phrases. `python words.py ../models/sprites/limn-words.json`; export.py writes it too.
"""
import json
import sys

from captions import JOINS, NUMBERS, OPENINGS, SIZE_WORDS, STYLE_AFTER, STYLE_BEFORE, SYNONYMS, plural
from render import BACKGROUNDS, COLOURS, MATERIALS, OBJECTS, STYLES

# Words without which a prompt says the same: their neighbours are looked at.
SILENT = """the this that these those of with in at to by for from is are its it my your our some one very please picture drawing
 image icon made""".split()


def names(word):
    return [word] + SYNONYMS.get(word, [])


def forms(noun):
    return [noun] if plural(noun) == noun else [noun, plural(noun)]


def known():
    """What captions can hold: categories of things and how they are called, and the phrases between them."""
    return {
        "things": {o: [form for name in names(o) for form in forms(name)] for o in OBJECTS},
        "colours": {c: names(c) for c in COLOURS},
        "materials": {m: names(m) for m in MATERIALS},
        "backgrounds": {b: [f"{name} background" for name in names(b)] for b in BACKGROUNDS},
        "styles": {STYLE_BEFORE[s][0]: sorted(set(STYLE_AFTER[s] + STYLE_BEFORE[s]), key=(STYLE_AFTER[s] + STYLE_BEFORE[s]).index)
                   for s in STYLES},
        "sizes": {s: words for s, words in SIZE_WORDS.items() if words},
        "numbers": {n: [n] for n in NUMBERS.values()},
        "between": JOINS,
        "also": ["a", "an", "on"] + OPENINGS,
        "silent": SILENT,
    }


def write(path):
    with open(path, "w", encoding="utf-8") as f:
        members = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in known().items())
        f.write("{\n" + members + "\n}\n")


if __name__ == "__main__":
    write(sys.argv[1])
