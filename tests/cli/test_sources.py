"""Pictures as people have them, as a start: formats, what is clear in them, what they are known by afterwards."""

from helpers import *
from test_from_pictures import pixels, png

GIVEN = os.path.join(REPO, "tests", "golden", "pictures")


def given(name):
    return os.path.join(GIVEN, name)


def rgba(path, w, h, pixel):
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(w)) for y in range(h))
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 6, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    write(path, data)
    return path


@on_tiny_model
def test_sources_of_each_format():
    for name in "plain.jpg", "cmyk.jpg", "progressive.jpg", "lossy.webp", "lossless.webp", "exif8.png":
        (a,) = draw("x", "-i", given(name), "-s", "2", "--strength", "0.5", "-o", "a.png")
        assert size_of(a) == (32, 32)
    r = limn(*SMALL, "-s", "2", "x", "-i", given("animated.webp"), "-o", "b.png")
    assert "--init-image: " in r.err and "animation" in r.err
    write("half.jpg", read(given("plain.jpg"))[:500])
    fails(1, *SMALL, "x", "-s", "2", "-i", "half.jpg", says=["--init-image", "half.jpg", "broken JPEG"])
    write("x.gif", b"GIF89a" + bytes(20))
    fails(1, *SMALL, "x", "-s", "2", "-i", "x.gif", says=["a GIF picture", "PNG, JPEG or WebP"])
    os.mkfifo("pipe")
    fails(1, *SMALL, "x", "-s", "2", "-i", "pipe", says="not a regular file")


def test_sources_that_are_upright():
    """A camera's picture on its side has the size that is seen."""
    side = png("side.png", 64, 32, lambda x, y: (x * 4, y * 8, 9))
    tiff = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
    data = read(side)
    exif = struct.pack(">I", len(tiff)) + b"eXIf" + tiff + struct.pack(">I", zlib.crc32(b"eXIf" + tiff))
    write("turned.png", data[:33] + exif + data[33:])
    limn("x", "-i", "turned.png", "-s", "2", "--strength", "0.5", "-q", "-o", "a.png")
    assert size_of("a.png") == (32, 64)


@on_tiny_model
def test_sources_that_are_clear():
    clear = rgba("clear.png", 64, 64, lambda x, y: (200, 30, 40, 255 if x < 32 else 0))
    made = []
    for extra in [], ["--init-background", "white"], ["--init-background", "black"], ["--init-background", "#c81e28"]:
        (a,) = draw("x", "-i", clear, "-W", "64", "-H", "64", "-s", "4", "--strength", "0.5", "--seed", "1", "-o", "a.png", *extra)
        made.append(pixels(a))
    assert made[0] == made[1] and made[1] != made[2] and made[2] != made[3]
    fails(2, *SMALL, "x", "-i", clear, "--init-background", "blue-ish", says=["--init-background", "#rrggbb"])
    # the clear half is drawn anew, the other one stays
    (a,) = draw("x", "-i", clear, "--mask", "alpha", "-W", "64", "-H", "64", "-s", "4", "--seed", "1", "-o", "b.png")
    rows = pixels(a)
    assert all(rows[y][:96] == bytes((200, 30, 40)) * 32 for y in range(64))
    assert any(rows[y][96:] != b"\xff" * 96 for y in range(64))
    limn("again", "b.png", "-q", "-o", "c.png")
    assert read("c.png") == read("b.png")
    plain = png("plain.png", 64, 64, lambda x, y: (1, 2, 3))
    fails(2, *SMALL, "x", "-i", plain, "--mask", "alpha", says=["--mask alpha", "has none"])


@on_tiny_model
def test_sources_are_known_by_their_bytes():
    source = png("in.png", 32, 32, lambda x, y: (x * 8, y * 8, 128))
    draw("x", "-i", source, "-s", "2", "--strength", "0.5", "--seed", "1", "-o", "a.png")
    kept = json.loads(texts("a.png")["limn"])["options"]["init_image_sha256"]
    import hashlib
    assert kept == hashlib.sha256(read(source)).hexdigest()
    os.rename("in.png", "moved.png")
    fails(1, "again", "a.png", "-q", "-o", "b.png", says=["--init-image", "in.png"])
    limn("again", "a.png", "-i", "moved.png", "-q", "-o", "b.png")
    assert pixels("b.png") == pixels("a.png")
    png("in.png", 32, 32, lambda x, y: (1, 2, 3))
    fails(1, "again", "a.png", "-q", "-o", "b.png", says=["SHA-256", kept[:10], "--init-image"])
    fails(2, *SMALL, "x", "-i", "in.png", "--init-image-sha256", "abc", says="64 digits")


@on_tiny_model
def test_sources_of_a_folder():
    """A batch takes each picture of a folder, and its mask from another one."""
    os.makedirs("in")
    os.makedirs("masks")
    for i, name in enumerate(("b.png", "a.png", "c.png")):
        png(os.path.join("in", name), 32, 32, lambda x, y: (40 * i, x * 8, y * 8))
        png(os.path.join("masks", name), 32, 32, lambda x, y: 255 if x < 16 else 0)
    write(os.path.join("in", "notes.txt"), b"no picture")
    write("jobs.jsonl", b'{"prompt": "x", "init_image": "in", "seed": 1, "steps": 2}\n')
    limn("batch", "jobs.jsonl", "-q", "-o", "out")
    made = [f for f in files("out") if f.endswith(".png")]
    assert len(made) == 3
    sources = [json.loads(texts(os.path.join("out", f))["limn"])["options"]["init_image"] for f in made]
    assert sources == ["in/a.png", "in/b.png", "in/c.png"]
    write("p.txt", b"x\ny\n")
    limn("batch", "p.txt", "-i", "in/", "--mask", "masks", "-s", "2", "-q", "-o", "out2")
    made = [f for f in files("out2") if f.endswith(".png")]
    assert len(made) == 6
    for f in made:
        source = json.loads(texts(os.path.join("out2", f))["limn"])["options"]["init_image"]
        assert [r[48:] for r in pixels(os.path.join("out2", f))] == [r[48:] for r in pixels(source)]
    os.makedirs("empty")
    limn("batch", "p.txt", "-i", "empty", "-q", "-o", "out3", code=1)
    os.remove("masks/b.png")
    r = limn("batch", "p.txt", "-i", "in/", "--mask", "masks", "-s", "2", "-q", "-o", "out4", code=1)
    assert "b.png" in r.err
