#!/usr/bin/env python3
"""Makes golden/png: a PNG of each format that there is, with every filter, and the pixels that it must give.

NAME.png and NAME.rgba ([height, width, 4], 8 bits). The pixels follow from the PNG specification (2.6, 4.2.9 tRNS; 16 bits: the
upper byte, as libpng's png_set_strip_16 takes it); where Pillow reads a format to 8 bits its pixels are compared with them.
"""
import io
import os
import random
import struct
import sys
import zlib

from PIL import Image

W, H = 9, 11  # no multiple of 8, and all seven passes have pixels
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples, depth):
    """The numbers of a row as bytes, the first in the upper bits."""
    if depth == 16:
        return b"".join(struct.pack(">H", s) for s in samples)
    bits = "".join(format(s, f"0{depth}b") for s in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def paeth(a, b, c):
    p = a + b - c
    return min((a, b, c), key=lambda v: abs(p - v))


def filtered(row, above, back, kind):
    out = bytearray([kind])
    for i, v in enumerate(row):
        a = row[i - back] if i >= back else 0
        b = above[i]
        c = above[i - back] if i >= back else 0
        out.append((v - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
    return bytes(out)


def encode(pixels, kind, depth, interlaced, extra, parts):
    """pixels[y][x]: the numbers of a pixel."""
    back = max(1, CHANNELS[kind] * depth // 8)
    raw, row_number = b"", 0
    for x0, y0, dx, dy in ADAM7 if interlaced else ((0, 0, 1, 1),):
        above = None
        for y in range(y0, H, dy):
            samples = [s for x in range(x0, W, dx) for s in pixels[y][x]]
            if not samples:
                continue
            row = packed(samples, depth)
            raw += filtered(row, above or bytes(len(row)), back, row_number % 5)
            above, row_number = row, row_number + 1
    data = zlib.compress(raw, 9)
    step = -(-len(data) // parts)
    idat = b"".join(chunk(b"IDAT", data[i:i + step]) for i in range(0, len(data), step))
    if parts > 1:
        idat = chunk(b"IDAT", b"") + idat + chunk(b"IDAT", b"")
    head = struct.pack(">IIBBBBB", W, H, depth, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + idat + chunk(b"IEND", b"")


def to8(v, depth):
    return v >> 8 if depth == 16 else v * 255 // ((1 << depth) - 1)


def rgba(pixel, kind, depth, palette, alphas, clear):
    if kind == 3:
        return (*palette[pixel[0]], alphas[pixel[0]] if pixel[0] < len(alphas) else 255)
    colour = pixel[:3] if kind & 2 else pixel[:1] * 3
    alpha = to8(pixel[-1], depth) if kind & 4 else 0 if clear == pixel else 255
    return (*(to8(v, depth) for v in colour), alpha)


def make(folder, rng):
    for kind, depths in DEPTHS.items():
        for depth in depths:
            for interlaced in (0, 1):
                for transparent in (0, 1) if kind < 4 else (0,):
                    colours = [tuple(rng.randrange(256) for _ in range(3)) for _ in range(1 << depth)] if kind == 3 else []
                    pixels = [[tuple(rng.randrange(1 << depth) for _ in range(CHANNELS[kind])) for _ in range(W)] for _ in range(H)]
                    extra, alphas, clear = b"", b"", None
                    if kind == 3:
                        extra += chunk(b"PLTE", bytes(v for c in colours for v in c))
                    if transparent and kind == 3:
                        alphas = bytes(rng.randrange(256) for _ in range(max(1, len(colours) // 2)))
                        extra += chunk(b"tRNS", alphas)
                    elif transparent:
                        clear = pixels[3][4]
                        extra += chunk(b"tRNS", b"".join(struct.pack(">H", v) for v in clear))
                    name = f"{('grey', '', 'rgb', 'palette', 'grey-alpha', '', 'rgba')[kind]}{depth}{'-clear' * transparent}{'-adam7' * interlaced}"
                    png = encode(pixels, kind, depth, interlaced, extra, 1 + 2 * interlaced)
                    out = bytes(v for row in pixels for p in row for v in rgba(p, kind, depth, colours, alphas, clear))
                    if depth <= 8 and not (clear and depth < 8):
                        assert Image.open(io.BytesIO(png)).convert("RGBA").tobytes() == out, name
                    for ending, data in (".png", png), (".rgba", out):
                        with open(os.path.join(folder, name + ending), "wb") as f:
                            f.write(data)


if __name__ == "__main__":
    target = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "png")
    os.makedirs(target, exist_ok=True)
    make(target, random.Random(1))
