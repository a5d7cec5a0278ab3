"""hint.json: what OpenCV makes of 20 pictures by a formula (tests/test_hint.c has the same one), as SHA-256 of its bytes.
Needs opencv-python-headless 4.11 and numpy: python tests/golden/hint.py"""
import hashlib
import json
import os

import cv2
import numpy as np


def picture(seed):
    """Ramps, discs, bars and noise; all in 32-bit unsigned arithmetic."""
    w, h = 20 + seed * 37 % 101, 17 + seed * 53 % 83
    out, state = np.zeros((h, w, 3), np.uint8), seed * 2654435761 + 1 & 0xFFFFFFFF
    for y in range(h):
        for x in range(w):
            for c in range(3):
                state = state * 1664525 + 1013904223 & 0xFFFFFFFF
                v = (x * (seed + c) + y * (7 - seed % 7)) >> (seed % 3)
                if (x - w // 2) ** 2 + (y - h // 3) ** 2 < (5 + seed) ** 2:
                    v += 90 + 40 * c
                if (x + y * (seed % 4)) % (9 + seed) < 4:
                    v = 255 - v
                if seed % 5 == 0:
                    v += state >> 27
                out[y, x, c] = v & 255
    return out


def hash_of(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


CANNY = [(100, 200, 3, False), (50, 150, 3, False), (0, 0, 3, False), (200, 100, 3, True), (30.5, 90.25, 3, False), (1000, 3000, 5, False)]
cases = []
for seed in range(20):
    im = picture(seed)
    case = {"seed": seed, "picture": hash_of(im), "canny": [hash_of(cv2.Canny(im, a, b, apertureSize=k, L2gradient=l)) for a, b, k, l in CANNY]}
    case["blur"] = [hash_of(cv2.GaussianBlur(im, (0, 0), s)) for s in (1, 2.5, 9)]
    case["tile"] = [hash_of(cv2.resize(im, (int(im.shape[1] / f), int(im.shape[0] / f)), interpolation=cv2.INTER_AREA)) for f in (1.5, 2, 3, 4)]
    cases.append(case)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hint.json"), "w") as f:
    json.dump({"cases": cases}, f, indent=0)
    f.write("\n")
