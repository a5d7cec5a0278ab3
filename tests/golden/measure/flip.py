"""What FLIP's authors' program says about twenty pairs of pictures: python3 flip.py > flip.json

The pictures are those of make.py, which test_measure.c makes too; the second one is noisy, inverted, or moved by a pixel.
"""
import json

import flip_evaluator
import numpy as np

from make import pictures

CASES = [(w, h, strength, "noise") for w, h, strength in
         [(1, 1, 60000), (5, 9, 30000), (7, 300, 9000), (64, 64, 300), (64, 65, 2000), (97, 33, 20000), (128, 128, 700), (130, 141, 5000),
          (200, 63, 60000), (256, 200, 1500), (40, 40, 100), (21, 20, 40000)]]
CASES += [(w, h, 0, "inverted") for w, h in [(3, 4), (66, 50), (128, 129), (300, 20)]]
CASES += [(w, h, 0, "moved") for w, h in [(9, 9), (64, 64), (150, 70), (33, 257)]]

rows = []
for w, h, strength, kind in CASES:
    a, b = pictures(w, h, strength)
    if kind == "inverted":
        b = 255 - a
    if kind == "moved":
        b = a[:, np.maximum(np.arange(w) - 1, 0)]
    as_float = [x.astype(np.float32) / 255 for x in (a, b)]
    mean = flip_evaluator.evaluate(*as_float, "LDR", applyMagma=False)[1]
    rows.append({"w": w, "h": h, "strength": strength, "kind": kind, "flip": float(f"{mean:.7g}")})
print("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")
