"""Pictures as a start: --init-image, --strength, --mask. The numbers themselves are compared with diffusers' elsewhere."""

import os
import struct
import zlib

from helpers import SMALL, chunks, draw, fails, limn, read, size_of, write, on_tiny_model

SIDE = ["-W", "64", "-H", "64", "-s", "4"]


def png(path, w, h, pixel):
    """pixel(x, y): three or one samples."""
    grey = isinstance(pixel(0, 0), int)
    rows = b"".join(b"\0" + b"".join(bytes([pixel(x, y)]) if grey else bytes(pixel(x, y)) for x in range(w)) for y in range(h))
    head = struct.pack(">IIBBBBB", w, h, 8, 0 if grey else 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    write(path, data)
    return path


def pixels(path):
    """Rows of RGB triples of an 8-bit RGB PNG."""
    w, h = size_of(path)
    raw = zlib.decompress(b"".join(data for kind, data in chunks(read(path)) if kind == b"IDAT"))
    rows, above, stride = [], bytes(3 * w), 3 * w
    for y in range(h):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = (line[i - 3] if i >= 3 else 0), above[i], (above[i - 3] if i >= 3 else 0)
            p = a + b - c
            paeth = min((abs(p - v), k, v) for k, v in enumerate((a, b, c)))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        rows.append(bytes(line))
        above = bytes(line)
    return rows


def test_img2img():
    source = png("in.png", 64, 64, lambda x, y: (x * 4, y * 4, 128))
    (a,) = draw("a red potion", "-i", source, "--strength", "0.5", *SIDE, "--seed", "1", "-o", "a.png")
    (b,) = draw("a red potion", "-i", source, "--strength", "0.9", *SIDE, "--seed", "1", "-o", "b.png")
    assert read(a) != read(b)
    near = lambda p: sum(abs(u - v) for r, s in zip(pixels(p), pixels(source)) for u, v in zip(r, s))
    assert near(a) < near(b)
    limn("again", a, "-o", "c.png", "-q")
    assert read("c.png") == read(a)


def test_its_size_is_the_default():
    source = png("in.png", 75, 50, lambda x, y: (x * 3, y * 4, 9))
    (a,) = draw("x", "-i", source, "--strength", "0.9", "-s", "2", "-o", "a.png", "-W", "64", "-H", "32")
    assert size_of(a) == (64, 32)
    for mode in "stretch", "crop", "fit":
        draw("x", "-i", source, "-s", "2", "--resize-mode", mode, "-o", mode + ".png", "-W", "64", "-H", "32", "--seed", "1")
    assert len({read(m + ".png") for m in ("stretch", "crop", "fit")}) == 3
    (b,) = limn("x", "-i", source, "-s", "2", "-q", "-o", "b.png").out.split()
    assert size_of(b) == (72, 48)


@on_tiny_model
def test_outside_the_mask_every_byte_stays():
    source = png("in.png", 64, 64, lambda x, y: (x * 4, y * 4, (x * y) & 255))
    mask = png("mask.png", 64, 64, lambda x, y: 255 if 16 <= x < 48 and 16 <= y < 48 else 0)
    before = pixels(source)
    for extra in [], ["--compat", "a1111"], ["--compat", "comfyui"], ["--strength", "0.5"], ["--fill", "noise"], ["--fill", "nothing"]:
        (a,) = draw("a red potion", "-i", source, "--mask", mask, *SIDE, "--seed", "3", "-o", "a.png", *extra)
        after = pixels(a)
        inside = 0
        for y in range(64):
            for x in range(64):
                same = before[y][3 * x:3 * x + 3] == after[y][3 * x:3 * x + 3]
                if 16 <= x < 48 and 16 <= y < 48:
                    inside += not same
                else:
                    assert same, (extra, x, y)
        assert inside > 900, (extra, inside)
    black = png("black.png", 64, 64, lambda x, y: 0)
    (a,) = draw("x", "-i", source, "--mask", black, *SIDE, "-o", "a.png")
    assert pixels(a) == before
    (a,) = draw("x", "-i", source, "--mask", black, "--mask-invert", *SIDE, "-o", "a.png")
    assert pixels(a) != before


@on_tiny_model
def test_what_cannot_be():
    source = png("in.png", 64, 64, lambda x, y: (0, 0, 0))
    small = png("small.png", 32, 64, lambda x, y: 255)
    write("text.png", b"no picture")
    fails(2, *SMALL, "x", "--mask", small, says="--init-image")
    fails(2, *SMALL, "x", "--strength", "0.5", says="--init-image")
    fails(2, *SMALL, "x", "-i", source, "--mask", small, says=["32 x 64", "64 x 64"])
    fails(2, *SMALL, "x", "-i", source, "--mask-blur", "4", says="no --mask")
    fails(2, "x", "-s", "4", "-i", source, "--strength", "0.1", "-W", "32", "-H", "32", says=["strength 0.1", "0.25"])
    fails(1, *SIDE, "x", "-i", "text.png", says=["--init-image", "text.png"])
    fails(1, *SIDE, "x", "-i", "nowhere.png", says=["--init-image", "nowhere.png"])
    os.mkdir("folder")
    fails(1, *SIDE, "x", "-i", "folder", says="folder")
