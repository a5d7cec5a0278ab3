"""Given pictures and sheets: alpha, formats, words on sheets."""

from helpers import *


def png(path, w, h, pixel, alpha=True):
    """pixel(x, y): RGBA, or RGB."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(w)) for y in range(h))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", w, h, 8, 6 if alpha else 2, 0, 0, 0)
    write(path, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pixels(path):
    """Rows of RGB or RGBA tuples of an 8-bit PNG."""
    data, depth = b"", None
    for kind, part in chunks(read(path)):
        if kind == b"IHDR":
            w, h, bits, colour = struct.unpack(">IIBB", part[:10])
            assert bits == 8
            depth = {2: 3, 6: 4}[colour]
        data += part if kind == b"IDAT" else b""
    raw, out, before = zlib.decompress(data), [], bytes(w * depth)
    for y in range(h):
        at = y * (w * depth + 1)
        filter_, row = raw[at], bytearray(raw[at + 1:at + 1 + w * depth])
        for i in range(len(row)):
            a = row[i - depth] if i >= depth else 0
            b, c = before[i], before[i - depth] if i >= depth else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[filter_]) % 256
        out.append([tuple(row[i:i + depth]) for i in range(0, len(row), depth)])
        before = bytes(row)
    return out


def measured(*paths):
    return json.loads(limn("compare", *paths, "--json").out)["cells"]


def test_alpha_counts():
    colour = lambda x, y: (x * 7 % 256, y * 5 % 256, (x + y) * 3 % 256)
    png("opaque.png", 40, 40, colour, alpha=False)
    png("full.png", 40, 40, lambda x, y: (*colour(x, y), 255))
    png("cleared.png", 40, 40, lambda x, y: (*colour(x, y), 0))
    png("hidden.png", 40, 40, lambda x, y: (9, 200, 31, 0))
    png("half.png", 40, 40, lambda x, y: (*colour(x, y), 128))
    _, full, cleared, half = measured("opaque.png", "full.png", "cleared.png", "half.png")
    assert full["identical"] and full["ssim"] == 1 and full["spectrum"] == 0 and full["flip"] == 0
    assert not cleared["identical"] and not half["identical"]
    assert cleared["psnr"] < half["psnr"] < 15 and cleared["ssim"] < half["ssim"] < 1, (cleared, half)
    assert 1 > cleared["flip"] > half["flip"] > 0.1
    # a colour that nobody sees does not count
    _, hidden = measured("cleared.png", "hidden.png")
    assert hidden["identical"] and hidden["ssim"] == 1 and hidden["spectrum"] == 0
    assert "same" not in limn("compare", "opaque.png", "cleared.png").out


def test_other_formats_are_named():
    png("a.png", 8, 8, lambda x, y: (1, 2, 3), alpha=False)
    for name, start, what in [("b.jpg", b"\xff\xd8\xff\xe0", "a JPEG picture"), ("c.gif", b"GIF89a", "a GIF picture"),
                              ("d.webp", b"RIFF\x28\0\0\0WEBPVP8 ", "a WebP picture"), ("e.png", b"GIF89a", "a GIF picture")]:
        write(name, start + bytes(40))
        fails(1, "compare", name, "a.png", says=[name, what, "PNG"])
        assert "not measured" in limn("compare", "a.png", name, code=1).out
        fails(2, "compare", name, says=[name, "A.png B.png"])  # no prompt, and nothing to compare it with


def on_checks(path):
    """Whether the sheet shows the checkerboard, and nothing of black where the background was."""
    seen = [p for row in pixels(path) for p in row]
    assert all(len(p) == 3 for p in seen[:1])
    assert seen.count((255, 255, 255)) > 1000 and seen.count((224, 224, 224)) > 1000, path
    assert seen.count((0, 0, 0)) < 100, path


def test_sheets_of_transparent_pictures():
    write("jobs.jsonl", b'{"prompt": "a red potion", "seed": "1-2"}\n')
    small = ["-s", "4", "-W", "64", "-H", "64"]
    limn("batch", "jobs.jsonl", "--transparent", "--sheet", *small, "-q", "-o", "out/{seed}.png")
    on_checks("out/sheet.png")
    limn("compare", "a red potion", "--samplers", "euler", "--steps", "4", "--axis", "cfg-scale=3,4", "--transparent",
         "-q", "-o", "c", code=2)
    limn("compare", "a red potion", *small, "--axis", "cfg-scale=3,4", "--transparent", "-q", "-o", "c")
    on_checks("c/sheet.png")
    half = lambda x, y: (0, 0, 0, 0 if x < 100 else 255)
    png("a.png", 200, 200, half)
    png("b.png", 200, 200, half)
    limn("compare", "a.png", "b.png", "-o", "given")
    seen = pixels("given/sheet.png")
    assert sum(row.count((0, 0, 0)) for row in seen) in range(2 * 100 * 200, 2 * 100 * 200 + 300)


def test_converged_picture_of_transparent_ones():
    r = limn("compare", "a red potion", "--samplers", "dpmpp_2m", "--steps", "8", "--transparent", "--seeds", "1", "--cfg-scale", "1",
             "-o", "c", "-W", "64", "-H", "64")
    assert "NOT CONVERGED" not in r.out and "dB" in r.out, r.out
    reference = json.loads(read("c/compare.json"))["references"][0]["file"]
    assert len(pixels("c/" + reference)[0][0]) == 4  # it is cut out as the cells are


def test_words_of_all_scripts():
    """Every script gives another sheet; none is an empty box."""
    sheets = {}
    words = ["hevn", "heun", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u03b3\u03b5\u03b9\u03b1", "\u7d20\u6575", "\u7d20\u654c", "\U0001f389",
             "\u05d7\u05e8\u05d1", "e\u0301", "\u1ebf", "a\u200db"]
    for i, word in enumerate(words):
        png(word + ".png", 8, 8, lambda x, y: (255, 255, 255), alpha=False)
        limn("compare", word + ".png", word + ".png", "-o", f"c{i}")
        ink = tuple(tuple(p[0] < 120 for p in row[:150]) for row in pixels(f"c{i}/sheet.png")[20:60])
        assert sum(map(sum, ink)) > 8, word
        assert ink not in sheets.values(), word
        sheets[word] = ink


if __name__ == "__main__":
    sys.exit(main(globals()))
