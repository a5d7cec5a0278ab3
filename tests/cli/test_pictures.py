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
    limn("batch", "jobs.jsonl", "--transparent", "--sheet", "-s", "4", "-q", "-o", "out/{seed}.png")
    on_checks("out/sheet.png")
    limn("compare", "a red potion", "--samplers", "euler", "--steps", "4", "--axis", "cfg-scale=3,4", "--transparent",
         "-q", "-o", "c", code=2)
    limn("compare", "a red potion", "-s", "4", "--axis", "cfg-scale=3,4", "--transparent", "-q", "-o", "c")
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


# ---- what compare concludes ----

TINY = ["-W", "32", "-H", "32", "--cfg-scale", "1"]


def test_verdict():
    """One sentence that says what to use, over which pictures it holds, beside the model's default."""
    out = limn("compare", "a red potion", *TINY, "--samplers", "euler,dpmpp_2m", "--steps", "4-8:4,30", "--target", "psnr:25", "--seeds", "2", "-o", "c").out
    assert re.match(r"What to use:\n  Use (euler|dpmpp_2m) with \d+ steps\.\n", out), out
    assert "PSNR 25 dB or more" in out and "each of 2 pictures (seeds 1 to 2)" in out and "95 % interval" in out
    assert "psnr:25" not in out
    doc = json.loads(read("c/compare.json"))
    assert doc["conclusions"][0]["verdict"] and doc["verdict"]["use"]["reached"] == doc["verdict"]["use"]["pictures"] == 2
    default = [c for c in doc["cells"] if c["default"]]
    assert [(c["sampler"], c["schedule"], c["steps"]) for c in default] == [("dpmpp_2m", "trailing", 12)] * 2
    assert doc["verdict"]["default"]["steps"] == 12 and "The model's default, dpmpp_2m with 12 steps: 12 evaluations" in out
    best = doc["verdict"]["use"]
    for c in doc["cells"]:  # nothing that costs less is within on each seed
        if c["evaluations"] < best["evaluations"]:
            same = [x["psnr"] for x in doc["cells"] if (x["sampler"], x["steps"]) == (c["sampler"], c["steps"])]
            assert min(same) < 25, c
    out = limn("compare", "a red potion", *TINY, "--samplers", "euler", "--steps", "1,2", "--target", "psnr:90", "--seeds", "1", "-o", "c").out  # what is drawn is used again
    assert "None looks like the converged picture (PSNR 90 dB or more)" in out and "Use " not in out
    out = limn("compare", "a red potion", *TINY, "--samplers", "dpmpp_2m", "--steps", "12", "--target", "psnr:5", "--seeds", "1", "-o", "c").out
    assert "That is the model's default." in out and "comes near enough" in out


def test_no_verdict_for_fresh_noise():
    """What has no picture to converge to is not recommended, however few evaluations it takes."""
    limn("compare", "a gem", *TINY, "--samplers", "euler_ancestral,euler", "--steps", "2,12", "--target", "psnr:20", "--seeds", "1", "-o", "c")
    doc = json.loads(read("c/compare.json"))
    assert doc["verdict"]["use"]["sampler"] != "euler_ancestral" and doc["verdict"]["use"]["reached"] == 1
    assert not [c for c in doc["cells"] if c["best"] and c["sampler"] == "euler_ancestral"]


def test_no_verdict_against_a_cell():
    for axes in [["clip-skip=1,2", "steps=2,3"], ["prompt=a red potion,a blue key"], ["cfg-scale=3,5"]]:
        out = limn("compare", *([] if "prompt" in axes[0] else ["x"]), *TINY, *sum((["--axis", a] for a in axes), []), "-o", axes[0][:3]).out
        assert "Use " not in out and "heapest" not in out and "How far the others are from it" in out, out
        doc = json.loads(read(axes[0][:3] + "/compare.json"))
        assert doc["verdict"] == {"use": None, "nearest": None, "default": None} and not any(c["best"] for c in doc["cells"])
    # which sampler for these prompts is a question that has an answer: each against its own converged picture
    out = limn("compare", *TINY, "--axis", "prompt=a red potion,a blue key", "--axis", "sampler=euler,dpmpp_2m", "-s", "12",
               "--target", "psnr:20", "--seeds", "2", "-o", "c").out
    assert re.search(r"Use (euler|dpmpp_2m)\.", out) and "each of 4 pictures (2 values of prompt, seeds 1 to 2)" in out, out
    assert len(json.loads(read("c/compare.json"))["references"]) == 4


def test_verdict_over_prompts():
    write("p.txt", "a red potion\n\n a blue key \r\na red potion\n\u00e4\n".encode())
    out = limn("compare", "--prompts", "p.txt", *TINY, "--samplers", "euler", "--steps", "2,12", "--seeds", "2", "--target", "psnr:5", "-o", "c").out
    assert "Use euler with" in out and "each of 6 pictures (3 prompts, seeds 1 to 2)" in out, out
    assert "With 95 % confidence at least 61 % of pictures like these" in out  # 0.05 ^ (1 / 6)
    assert "6 converged pictures" in out
    rows = list(csv.DictReader(read("c/compare.csv").decode().splitlines()))
    assert [(r["prompt"], r["seed"]) for r in rows[:6]] == [(p, s) for p in ("a red potion", "a blue key", "\u00e4") for s in "12"]
    for r in rows:
        assert json.loads(texts("c/" + r["file"])["limn"])["options"]["prompt"] == r["prompt"]
    doc = json.loads(read("c/compare.json"))
    assert doc["prompts"] == 3 and doc["verdict"]["use"]["pictures"] == 6 and doc["cells"][5]["number"] == 5
    assert doc["verdict"]["use"]["low"] < doc["verdict"]["use"]["mean"] < doc["verdict"]["use"]["high"]
    fails(2, "compare", "x", "--prompts", "p.txt", says="leave out")
    write("empty.txt", b"\n \n")
    fails(2, "compare", "--prompts", "empty.txt", says=["empty.txt", "no prompt"])
    write("latin.txt", b"caf\xe9\n")
    fails(2, "compare", "--prompts", "latin.txt", says=["latin.txt:1", "UTF-8"])
    fails(1, "compare", "--prompts", "nofile", says="nofile")
    write("many.txt", "".join(f"prompt {i}\n" for i in range(2000)).encode())
    fails(2, "compare", "--prompts", "many.txt", says="2000 prompts")
    assert files() == ["c", "empty.txt", "latin.txt", "many.txt", "p.txt"]


def test_strange_records():
    """What an earlier run left is believed only where it is whole: no NaN, no infinity, no picture of another size."""
    args = ["compare", "a gem", *TINY, "--samplers", "euler,euler_ancestral", "--steps", "2,3", "--seeds", "2", "-o", "c"]
    limn(*args)
    records = sorted(f for f in files("c/cells/latents") if f.startswith("euler-2"))
    path = "c/cells/latents/" + records[0]
    raw = read(path)
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    drawn = len(json.loads(read("c/compare.json"))["cells"])
    for key, value in [("seconds", "nan"), ("seconds", "inf"), ("seconds", "-1"), ("evaluations", "1e99"), ("evaluations", "nan"), ("evaluations", "0"),
                       ("evaluations", ""), ("evaluations", None), ("peak_mb", "1e999"), ("change1", "nan"), ("change2", "x1"), ("seconds", "3 apples")]:
        changed = json.loads(json.dumps(header))
        if value is None:
            del changed["__metadata__"][key]
        else:
            changed["__metadata__"][key] = value
        safetensors(path, changed, raw[8 + n:])
        out = limn(*args).out
        assert f"{drawn - 1} from an earlier run" in out, (key, value)
        assert "nan" not in out and "inf" not in out, out
    picture = sorted(f for f in files("c/cells") if f.startswith("euler_ancestral-3"))[0]
    png("c/cells/" + picture, 9, 9, lambda x, y: (1, 2, 3), alpha=False)
    limn(*args)
    latent = json.loads(json.dumps(header))
    safetensors(path, latent, struct.pack("<f", float("nan")) * (len(raw[8 + n:]) // 4))
    limn(*args)
    assert "NaN" not in read("c/compare.json").decode() and "nan" not in read("c/compare.csv").decode()


def test_compare_names():
    fails(2, "compare", "x", "--sampler", "euler,heun", says="--samplers")
    fails(2, "compare", "x", "--steps", "20-5", says="5-20:5")
    fails(2, "compare", "x", "--steps", "0-5", says="1 to 1000")
    fails(2, "compare", "x", "--axis", "cfg-scale=3,5", "--steps", "5-9", says="--axis steps=")
    limn("compare", "x", *TINY, "--samplers", "all", "--steps", "4", "--seeds", "1", "-q", "-o", "all")
    rows = list(csv.DictReader(read("all/compare.csv").decode().splitlines()))
    names = {r["name"] for r in json.loads(limn("list", "samplers", "--json").out)}
    drawn = {r["sampler"] for r in rows}
    assert drawn < names and len(drawn) > 25 and all(r["file"] for r in rows), names - drawn
    limn("compare", "x", *TINY, "--axis", "steps=2-4", "-q", "--seeds", "1", "-o", "all")
    assert [r["steps"] for r in csv.DictReader(read("all/compare.csv").decode().splitlines())] == ["2", "3", "4"]


if __name__ == "__main__":
    sys.exit(main(globals()))
