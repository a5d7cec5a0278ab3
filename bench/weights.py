"""Networks of full size with random weights in float16, as single files, for what is timed: standard library only."""

import array
import json
import math
import os
import random
import struct

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VOCABULARY = os.path.join(REPO, "tests/golden/vocabulary")
BLOCK = 1 << 20  # values that repeat


def shapes(family, without=()):
    """Names and shapes of a published checkpoint (tests/golden/ldm), but for those that begin so, and what is no weight."""
    with open(os.path.join(REPO, f"tests/golden/ldm/{family}.tsv"), encoding="utf-8") as f:
        for line in f:
            name, shape = line.split("\t")[:2]
            if shape != "scalar" and "." in name and "position_ids" not in name and not name.startswith(tuple(without)):
                yield name, [int(n) for n in shape.split("x")]


def packed(values):
    return struct.pack(f"<{len(values)}e", *values)


class Alike:
    """The same small numbers everywhere: for a network whose pictures do not count."""

    def __init__(self, deviation=0.02):
        r = random.Random(1)
        self.block = packed([r.gauss(0, deviation) for _ in range(BLOCK)])

    def __call__(self, name, shape):
        del name, shape
        return self.block, 0


class Scaled:
    """Variance 1 / inputs, norms around 1, biases around 0, each tensor from another place of the block: numbers keep their size."""

    def __init__(self):
        self.random, self.made = random.Random(1), {}
        self.values = array.array("d", (self.random.gauss(0, 1) for _ in range(BLOCK)))

    def __call__(self, name, shape):
        norm = len(shape) == 1 and name.endswith("weight")
        scale = math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.2 if norm else 0.1
        key = scale, 1.0 if norm else 0.0
        if key not in self.made:
            self.made[key] = packed([key[1] + scale * v for v in self.values])
        return self.made[key], 2 * self.random.randrange(BLOCK)


def write(path, tensors, values):
    """values(name, shape): bytes that repeat, and where they begin."""
    tensors, header, at = list(tensors), {}, 0
    for name, shape in tensors:
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + 2 * math.prod(shape)]}
        at += 2 * math.prod(shape)
    text = json.dumps(header).encode()
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            block, start = values(name, shape)
            left = 2 * math.prod(shape)
            while left:
                left -= f.write(memoryview(block)[start:start + left])
                start = 0
    os.rename(path + ".part", path)
