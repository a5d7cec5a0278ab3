"""Pictures that cannot be, wherever limn takes one: one line that says what is wrong, quickly, and nothing is written."""

from helpers import *
from test_from_pictures import pixels, png

GOLDEN = os.path.join(REPO, "tests", "golden")
GIVEN = os.path.join(GOLDEN, "pictures")
SIDE = ["-W", "32", "-H", "32", "-s", "2"]
NET = os.path.join(GOLDEN, "control", "net_a")
SD1 = ["-m", os.path.join(GOLDEN, "pipeline", "sd1"), "-s", "1", "-W", "32", "-H", "32", "-q"]


def raw_png(path, w, h, data, depth=8, colour=2, before=b""):
    """A PNG of any header; data: what is in IDAT, compressed."""
    out = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)), *before, (b"IDAT", data), (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    write(path, out)
    return path


def everywhere(path, *says, only=None):
    """Each place that takes a picture refuses it in one line, and soon."""
    good = png("good.png", 32, 32, lambda x, y: (x * 8, y * 8, 9))
    up = os.path.join(GOLDEN, "upscale", "compact-x2.safetensors")
    places = {"init": ["x", *SIDE, "-q", "-i", path], "mask": ["x", *SIDE, "-q", "-i", good, "--mask", path],
              "control": ["x", *SD1, "--control", f"model={NET},image={path}"], "hint": ["hint", "edges:" + path, "-o", "h.png"],
              "upscale": ["upscale", path, "--with", up, "-q"],
              "ip": ["x", *SD1, "--ip-adapter", f"model={os.path.join(GOLDEN, 'control', 'ip_plain.safetensors')},image={path}"]}
    before = files()
    for name, args in places.items():
        if only and name not in only:
            continue
        start = time.monotonic()
        r = fails(1, *args, says=path)
        assert any(s in r.err for s in says), (name, r.err)
        assert time.monotonic() - start < 20, name
    assert files() == before


def test_broken_sides():
    """0 pixels, 100,000 pixels, more than there is memory for."""
    row = zlib.compress(b"\0" + bytes(3))
    everywhere(raw_png("zero.png", 0, 0, row), "0x0 pixels cannot be")
    everywhere(raw_png("flat.png", 32, 0, row), "32x0 pixels cannot be")
    everywhere(raw_png("wide.png", 100000, 1, zlib.compress(b"\0" + bytes(300000))), "100000x1 is too large")
    everywhere(raw_png("tall.png", 1, 100000, zlib.compress(bytes(400000))), "1x100000 is too large")
    everywhere(raw_png("most.png", 0x7FFFFFFF, 0x7FFFFFFF, row), "too large")
    everywhere(raw_png("over.png", 0xFFFFFFFF, 0xFFFFFFFF, row), "too large", "cannot be", "broken")


def test_broken_bombs():
    """Little that says it is much: the pixels are not there, or are all zeros by the thousand."""
    everywhere(raw_png("claims.png", 16000, 16000, zlib.compress(bytes(100))), "hold", "broken", "truncated", "fewer", "less")
    more = raw_png("more.png", 4, 4, zlib.compress(bytes(50 << 20), 9))  # 50 MB in 50 KB, where 52 bytes are expected
    r = subprocess.run([LIMN, "x", *SIDE, "-q", "-i", more, "-o", "a.png"], capture_output=True, env=ENV, timeout=20)
    assert r.returncode in (0, 1) and r.stderr.count(b"\n") <= 1
    text = zlib.compress(bytes(60 << 20), 9)
    bomb = raw_png("words.png", 32, 32, zlib.compress(bytes(32 * 97)), before=[(b"zTXt", b"parameters\0\0" + text)])
    limn("x", *SIDE, "-q", "-i", bomb, "-o", "b.png")  # as a source its words do not count
    fails(1, "again", bomb, "-q", "-o", "c.png", says="words.png")


def test_broken_ends():
    """Cut off anywhere."""
    for name in "plain.jpg", "progressive.jpg", "cmyk.jpg", "lossy.webp", "lossless.webp", "exif8.png":
        data = read(os.path.join(GIVEN, name))
        for part in 3, len(data) // 2, len(data) - 20:
            cut = "cut." + name.rsplit(".", 1)[1]
            write(cut, data[:part])
            everywhere(cut, "broken", "truncated", "no picture", "cut off", "ends", "damaged", only={"init"})


def test_broken_kinds_of_files():
    os.mkdir("folder")
    os.mkfifo("pipe")
    write("empty.png", b"")
    write("text.png", b"no picture")
    write("a.gif", b"GIF89a" + bytes(50))
    write("a.bmp", b"BM" + bytes(60))
    write("a.tif", b"II*\0" + bytes(60))
    write("a.avif", b"\0\0\0\x1cftypavif" + bytes(60))
    write("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    everywhere("folder", "folder", only={"init", "control", "hint", "upscale", "ip"})  # as a mask: masks by name
    everywhere("pipe", "not a regular file")
    everywhere("empty.png", "an empty file")
    everywhere("text.png", "no picture")
    for name, what in (("a.gif", "GIF"), ("a.bmp", "PNG, JPEG or WebP"), ("a.tif", "PNG, JPEG or WebP"), ("a.avif", "PNG, JPEG or WebP"), ("a.svg", "PNG, JPEG or WebP")):
        everywhere(name, what)
    everywhere("nowhere.png", "No such file")
    if os.getuid():
        write("secret.png", b"x")
        os.chmod("secret.png", 0)
        everywhere("secret.png", "Permission denied")


@on_tiny_model
def test_strange_but_good():
    """16 bits a sample, one pixel, palettes, grey with alpha, two bits: they are read, and a size that no model draws is said."""
    grey16 = raw_png("grey16.png", 32, 32, zlib.compress(b"".join(b"\0" + b"".join(struct.pack(">H", x * 2000 + 5) for x in range(32)) for _ in range(32))), 16, 0)
    plain = png("plain.png", 32, 32, lambda x, y: x * 2000 // 256)
    black = png("black.png", 32, 32, lambda x, y: 0)
    for source in grey16, plain:
        limn("x", *SIDE, "-q", "-i", source, "--mask", black, "-o", source + ".out.png")
    assert pixels("grey16.png.out.png") == pixels("plain.png.out.png")
    two = raw_png("two.png", 32, 32, zlib.compress(b"".join(b"\0" + bytes([0b00011011] * 8) for _ in range(32))), 2, 0)
    limn("x", *SIDE, "-q", "-i", two, "--mask", black, "-o", "two.out.png")
    assert pixels("two.out.png")[0][:12] == bytes([0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255])
    palette = raw_png("palette.png", 32, 32, zlib.compress(b"".join(b"\0" + bytes([x & 1 for x in range(32)]) for _ in range(32))), 8, 3,
                      before=[(b"PLTE", bytes([9, 8, 7, 60, 50, 40])), (b"tRNS", bytes([255, 0]))])
    limn("x", *SIDE, "-q", "-i", palette, "--mask", black, "-o", "palette.out.png")
    assert pixels("palette.out.png")[0][:6] == bytes([9, 8, 7, 255, 255, 255])  # what is clear lies over white
    limn("x", *SIDE, "-q", "-i", palette, "--mask", "alpha", "-o", "palette.out.png")
    assert pixels("palette.out.png")[0][:3] == bytes([9, 8, 7])
    bad = raw_png("index.png", 32, 32, zlib.compress(b"".join(b"\0" + bytes([200] * 32) for _ in range(32))), 8, 3, before=[(b"PLTE", bytes(6))])
    r = subprocess.run([LIMN, "x", *SIDE, "-q", "-i", bad, "-o", "a.png"], capture_output=True, env=ENV)
    assert r.returncode in (0, 1)


def test_sizes_that_no_model_draws():
    """The picture's size is the size drawn: one that cannot be is not taken for the model's usual one."""
    for w, h in (1, 1), (1, 300), (7, 64), (9000, 16):
        source = png("in.png", w, h, lambda x, y: 9)
        fails(2, "x", "-s", "2", "-q", "-i", source, says=["in.png", f"{w} x {h}", "-W and -H"])
        limn("x", "-s", "2", "-q", "-i", source, "-W", "32", "-H", "32", "-o", "a.png")
        assert size_of("a.png") == (32, 32)
    r = fails(2, "x", "-s", "2", "-q", "-i", png("in.png", 8000, 16, lambda x, y: 9), "--extend", "left=800", says=["8800 x 16"])
    fails(2, "x", *SD1[:4], "-q", "--control", f"model={NET},image={png('dot.png', 1, 1, lambda x, y: 9)}", says=["dot.png", "1 x 1"])
