"""The language of prompts: which marks are read, what limn tokens shows of them, and that older pictures stay what they are."""
from helpers import *  # noqa: F403
from test_again import retold


def options_of(path):
    return json.loads(texts(path)["limn"])["options"]


def bits(prompt, *args):
    """What a prompt is drawn as: every number of a run."""
    draw(prompt, "--seed", "5", "--trace", "t.safetensors", "-o", "t.png", *args)
    return read("t.safetensors")


def rewritten(path, change):
    """The picture with other settings in its text."""
    data, out, at = read(path), b"\x89PNG\r\n\x1a\n", 8
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        at += 12 + n
        if kind in (b"iTXt", b"tEXt") and body.split(b"\0")[0] == b"limn":
            head = body[:body.index(b"{")]
            settings = json.loads(body[len(head):])
            change(settings["options"])
            body = head + json.dumps(settings).encode()
        out += struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
    return out


@on_tiny_model
def test_one_prompt_language():
    """Weights are read without being asked for; as text with --prompt-syntax plain, which --compat diffusers implies."""
    plain = bits("a red potion")
    heavy = bits("a (red:1.3) potion")
    assert plain != heavy
    assert heavy == bits("a (red:1.3) potion", "--prompt-syntax", "limn") == bits("a (red:1.3) potion", "--prompt-syntax", "weights")
    assert bits("a (red:1) potion") == plain == bits("a red potion", "--compat", "diffusers")
    assert bits("a \\(red\\) potion") == bits("a (red) potion", "--prompt-syntax", "plain") == bits("a (red) potion", "--compat", "diffusers")
    assert bits("a ((red)) potion", "--compat", "diffusers", "--prompt-syntax", "limn") == bits("a ((red)) potion")
    assert bits("a [red] potion", "--prompt-syntax", "comfyui") == bits("a [red] potion", "--prompt-syntax", "plain")
    r = limn("a (red:1.3) potion", *SMALL, "--compat", "diffusers", "--seed", "1")
    assert re.fullmatch(r"limn: warning: the prompt has \"\(red:1\.3\)\": weights count but .*\n", unadvised(r.err)), r.err
    fails(2, "x", "--prompt-syntax", "compel", says="limn|a1111|comfyui")
    fails(2, "x (y:1.2.3)", *SMALL, says=["the prompt", "1.2.3"])


def test_syntax_is_kept():
    """The picture says how it was read, and is drawn again so."""
    for args, name in [([], "limn"), (["--compat", "a1111"], "a1111"), (["--compat", "comfyui"], "comfyui"), (["--compat", "diffusers"], "plain"),
                       (["--prompt-syntax", "plain"], "plain"), (["--compat", "a1111", "--prompt-syntax", "weights"], "weights"),
                       (["--prompt-syntax", "auto"], "limn")]:
        draw("a (red:1.3) [potion]", "--seed", "5", "-o", "a.png", *args)
        assert options_of("a.png")["prompt_syntax"] == name, args
        told = re.search("Prompt syntax: ([a-z0-9]*)", texts("a.png")["parameters"])
        assert (told and told.group(1)) == (name if "weights" in args or "plain" in args else None), args
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png")


def test_older_pictures():
    """Their settings have no prompt_syntax, and long_prompt is always said: plain text, with --compat weights alone."""
    for args, now in [([], ["--prompt-syntax", "plain"]), (["--compat", "a1111"], ["--prompt-syntax", "weights"]),
                      (["--compat", "comfyui"], ["--prompt-syntax", "weights"])]:
        prompt = "a (red:1.3) potion, [x|y] AND z " + "a " * 40
        draw(prompt, "--seed", "5", "-o", "now.png", "--long-prompt", "truncate", *args, *now)
        write("old.png", rewritten("now.png", lambda o: o.pop("prompt_syntax")))
        assert "prompt_syntax" not in options_of("old.png") and options_of("old.png")["long_prompt"] == "truncate"
        limn("again", "old.png", "-q", "-o", "again.png")
        assert pixels("again.png") == pixels("now.png"), args
        assert options_of("again.png")["prompt_syntax"] == now[1]


def pixels(path):
    data, at, idat = read(path), 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        idat += data[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += 12 + n
    return zlib.decompress(idat)


def test_long_prompts_count():
    """All of it without being asked; what is left out with --long-prompt truncate is told, with weights too."""
    long = "red " * 28 + "potion " * 10
    assert bits(long) == bits(long, "--long-prompt", "chunk") != bits(long, "--long-prompt", "truncate")
    assert bits(long, "--compat", "diffusers") == bits(long, "--prompt-syntax", "plain") == bits(long, "--long-prompt", "truncate")
    assert bits(long, "--compat", "a1111", "--long-prompt", "truncate") == bits(long, "--compat", "a1111")
    r = limn("(x:1.1) " + long, *SMALL, "--seed", "1", "--long-prompt", "truncate")
    assert "the last" in r.err and "left out" in r.err, r.err
    r = limn(long, *SMALL, "--seed", "1")
    assert "left out" not in r.err, r.err
    draw(long, "--seed", "5", "-o", "a.png")
    assert options_of("a.png")["long_prompt"] == "chunk"
    limn("again", "a.png", "-q", "-o", "b.png")
    assert read("a.png") == read("b.png")


def tokens(*args):
    return json.loads(limn("tokens", "--json", *args).out)


def rows(prompt):
    """[[(piece, weight), ...], ...] of the first text encoder's chunks."""
    return [[(t["piece"], t["weight"]) for t in chunk["tokens"]] for chunk in term(prompt)["chunks"]]


def term(prompt):
    """What the first text encoder sums up first."""
    return prompt["parts"][0]["texts"][0]["encoders"][0]["sum"][0]


def test_tokens():
    found = tokens("a (red:1.3) potion BREAK [x]", "-n", "blurry")
    assert found["prompt_syntax"] == "limn" and found["room"] == 30 and found["long_prompt"] == "chunk"
    prompt, negative = found["prompts"]
    assert prompt["text"] == "a (red:1.3) potion BREAK [x]" and negative["name"] == "negative_prompt"
    assert rows(prompt) == [[("a</w>", 1), ("red</w>", 1.3), ("potion</w>", 1)], [("x</w>", 0.9090909)]]
    assert [c["padding"] for c in term(prompt)["chunks"]] == [27, 29]
    cut = tokens("a " * 40, "--compat", "diffusers")["prompts"][0]
    assert len(rows(cut)) == 1 and len(rows(cut)[0]) == 30 and term(cut)["left_out"] == 10
    assert [len(r) for r in rows(tokens("a " * 40)["prompts"][0])] == [30, 10]
    assert rows(tokens("")["prompts"][0]) == [[]]
    assert rows(tokens("(a) [b]", "--prompt-syntax", "comfyui")["prompts"][0])[0][0] == ("a</w>", 1.1)
    assert rows(json.loads(limn("tokens", "-", "--json", "-q", stdin=b"red").out)["prompts"][0]) == [[("red</w>", 1)]]
    # the vocabulary's own spelling, and its ids
    vocab = json.loads(read(os.path.join(SPRITES, "tokenizer", "vocab.json")))
    for text in ["a red potion, 12 swords!", "wörld 水", "potoin"]:
        for token in term(tokens(text)["prompts"][0])["chunks"][0]["tokens"]:
            assert vocab[token["piece"]] == token["id"], token


def test_tokens_for_people():
    r = limn("tokens", "a (rde:1.3) potion " + "a " * 30, "--long-prompt", "truncate")
    assert "  x 1.3\n" in r.out and "left out: 5 more" in r.out and "chunk 1: 30 of 30" in r.out, r.out
    assert "does not know \"rde\"" in r.err and "red?" in r.err, r.err
    assert limn("tokens", "a rde potion", "-q").err == ""
    assert "prompt editing" in limn("tokens", "[a:b:0.5]", "--compat", "comfyui").err
    fails(2, "tokens", says="a prompt is expected")
    fails(1, "tokens", "x", "-m", "nosuch", says="nosuch")
    fails(2, "tokens", "x", "--seed", "1", says="--seed")
    fails(2, "tokenize", says="limn tokens")
    fails(2, "tokens", "(x:1.2.3)", says="1.2.3")


@on_tiny_model
def test_syntax_in_every_command():
    write("j.jsonl", b'{"id": "a", "prompt": "a (red:1.3) potion", "seed": 5}\n{"id": "b", "prompt": "a (red:1.3) potion", "seed": 5, "prompt_syntax": "plain"}\n')
    limn("batch", "j.jsonl", "-q", *SMALL)
    draw("a (red:1.3) potion", "--seed", "5", "-o", "a.png")
    draw("a (red:1.3) potion", "--seed", "5", "--prompt-syntax", "plain", "-o", "b.png")
    assert pixels("j/a.png") == pixels("a.png") != pixels("b.png") == pixels("j/b.png")
    limn("compare", "a (red:1.3) potion", "-q", *SMALL, "--axis", "prompt-syntax=limn,plain", "--seeds", "1", "-o", "c")
    assert len([f for f in files("c/cells") if f.endswith(".png")]) == 2


# ---- in time, in parts, in sums ----

def numbers(path, name):
    """A tensor of a trace, flat."""
    data = read(path)
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    start, end = header[name]["data_offsets"]
    return struct.unpack(f"<{(end - start) // 4}f", data[8 + n + start:8 + n + end])


def latents(prompt, *args, step=""):
    draw(prompt, "--seed", "5", "--sampler", "euler", "--precision", "f32", "--trace", "l.safetensors", "-o", "l.png", *args)
    return numbers("l.safetensors", "latents" + step)


def close(a, b, limit=2e-4):
    """f32 rounds what the network says to 1e-7 of a number that guidance and the first sigma make several hundred times as large."""
    scale = max(abs(x) for x in b)
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= limit * scale


@on_tiny_model
def test_edits_take_their_steps():
    """The first text has one evaluation more than its number, as in A1111; samplers of second order count evaluations."""
    def steps(prompt):
        latents(prompt, "-s", "6", step=".0")
        return [numbers("l.safetensors", f"latents.{i}") for i in range(6)]
    assert [a == b for a, b in zip(steps("a red potion"), steps("a [red:blue:2] potion"))] == [True] * 3 + [False] * 3
    assert latents("a [red:blue:0.5] potion", "-s", "6") == latents("a [red:blue:3] potion", "-s", "6")
    assert latents("a [red:blue:1.0] potion", "-s", "6") == latents("a red potion", "-s", "6") != latents("a [red:blue:1] potion", "-s", "6")
    assert latents("a [red|blue] potion", "-s", "2") == latents("a red potion", "-s", "2")  # a, a, b, a, ...
    heun = ["-s", "4", "--sampler", "heun"]
    assert latents("a [red:blue:0.5] potion", *heun) == latents("a [red:blue:4] potion", *heun)
    assert latents("a red potion", "-n", "[blue:gem:2]", "-s", "5") != latents("a red potion", "-n", "blue", "-s", "5")
    # without a mark of time it is the same text
    assert latents("a [red:blue:0] potion", "-s", "3") == latents("a blue potion", "-s", "3")
    # with --compat comfyui and plain it is words
    assert "prompt editing counts" in limn("a [red:blue:0.5] potion", *SMALL, "--compat", "comfyui", "--seed", "1").err
    fails(2, "[" * 300 + "a" + "]" * 300, *SMALL, says="256 deep")


@on_tiny_model
def test_edits_in_a_second_pass():
    """A1111: shares from 1 on and steps behind the first pass' are the second's."""
    hires = ["-s", "3", "--hires", "2", "--hires-steps", "4"]
    def drawn(prompt):
        draw(prompt, "--seed", "5", "-o", "h.png", *hires)
        return pixels("h.png")
    blue = drawn("a blue potion")
    assert drawn("a [red:blue:1.5] potion") == drawn("a [red:blue:5] potion") != drawn("a red potion")
    assert drawn("a [blue:red:2.0] potion") == blue == drawn("a [blue:red:7] potion")
    draw("a [red:blue:1.5] potion", "--seed", "5", "-o", "h.png", *hires)
    limn("again", "h.png", "-q", "-o", "again.png")
    assert read("h.png") == read("again.png")


@on_tiny_model
def test_parts():
    """One step of Euler ends at the estimate, which is linear in what the network says: D = u + g sum w (D_i - u)."""
    one = ["-s", "1"]
    a, b, u = (latents(p, *one, "--cfg-scale", "1") for p in ("a red potion", "a gem", "blue"))
    got = latents("a red potion AND a gem:0.5", "-n", "blue", *one, "--cfg-scale", "4")
    assert close(got, [z + 4 * ((x - z) + 0.5 * (y - z)) for x, y, z in zip(a, b, u)])
    got = latents("a red potion AND a gem", "-n", "blue", *one, "--cfg-scale", "1")
    assert close(got, [x + y - z for x, y, z in zip(a, b, u)])
    got = latents("a red potion:2", "-n", "blue", *one, "--cfg-scale", "3", "--compat", "a1111", "--rng", "torch", "--schedule", "normal")
    want = [latents(p, *one, "--cfg-scale", "1", "--compat", "a1111", "--rng", "torch", "--schedule", "normal") for p in ("a red potion", "blue")]
    assert close(got, [z + 6 * (x - z) for x, z in zip(*want)])
    assert latents("a potion 16:9", *one) == latents("a potion 16:9", *one, "--prompt-syntax", "weights")
    r = limn("a potion", "-n", "x AND y", *SMALL, "--seed", "1")
    assert "AND counts in the prompt alone" in r.err
    assert "AND counts" in limn("a potion AND a gem", *SMALL, "--compat", "comfyui", "--seed", "1").err
    assert "warning" not in limn("a potion AND a gem", *SMALL, "--seed", "1").err
    fails(2, "AND".join([" a "] * 20), *SMALL, says="16 parts")
    fails(2, "a AND b:99999999", *SMALL, says=["the prompt", "weight"])
    for more in (["--deepcache", "2"], ["--pag", "3"]):
        fails(2, "a AND b", *SMALL, "-s", "3", *more, says="AND")


def test_parts_go_with_guidance():
    """Two equal parts of half the weight are the one prompt, whatever makes the sum, and wherever the negative prompt is left out."""
    whole = lambda prompt, more: latents(prompt, "-n", "blue", "-s", "4", "--cfg-scale", "4", *TINY_MODEL, *more)
    for more in ([], ["--ngms", "3"], ["--ngms", "3", "--ngms-all"], ["--skip-early", "0.5"], ["--guidance-interval", "0.25:0.75"], ["--reuse-negative", "2"],
                 ["--cfg-rescale", "0.7"], ["--apg", "1", "--apg-threshold", "2.5"], ["--cfg-zero-star"], ["--perp-neg", "1"], ["--mimic-scale", "2"],
                 ["--sampler", "euler_cfg_pp", "--cfg-scale", "1"], ["--freeu", "v2"], ["--ngms", "3", "--reuse-negative", "2", "--cfg-rescale", "0.5"]):
        one, two = whole("a red potion", more), whole("a red potion:0.5 AND a red potion:0.5", more)
        assert close(two, one, 2e-4), more
        assert whole("a red potion AND a gem:0.5", more) != one, more
    for more in (["--seg", "2"], ["--sag", "0.5"], ["--pag", "2", "--cfg-scale", "1"]):
        fails(2, "a AND b", "-W", "64", "-H", "64", "-s", "3", *more, *TINY_MODEL, says=["AND", more[0]])


def test_sums_of_pooled_texts():
    """SDXL's pooled text is mixed as the rest is; of texts side by side it is the first one's."""
    def told(prompt):
        draw(prompt, "-m", os.path.join(REPO, "tests/golden/pipeline/sdxl"), "--cfg-scale", "1", "--precision", "f32", "--seed", "1", "--trace", "t.safetensors", "-o",
             "t.png")
        return numbers("t.safetensors", "pooled_prompt_embeds"), numbers("t.safetensors", "prompt_embeds")
    (a, rows_a), (b, rows_b) = told("a red potion"), told("a gem")
    assert a != b
    for prompt, w in (('("a red potion", "a gem").blend(0.7, 0.3)', (0.7, 0.3)), ('("a red potion", "a gem").blend(1, 3)', (0.25, 0.75)),
                      ('("a red potion", "a gem").blend(0.7, 0.5, no_normalize)', (0.7, 0.5)), ("a red potion AVERAGE(0.2) a gem", (0.2, 0.8))):
        pooled, rows = told(prompt)
        assert close(pooled, [w[0] * x + w[1] * y for x, y in zip(a, b)], 1e-6), prompt
        assert close(rows, [w[0] * x + w[1] * y for x, y in zip(rows_a, rows_b)], 1e-6), prompt
    assert told("a red potion CONCAT a gem")[0] == a


def test_sums_of_texts():
    embedded = lambda prompt, *args: (bits(prompt, "--cfg-scale", "1", *args), numbers("t.safetensors", "prompt_embeds"))[1]
    a, b = embedded("a red potion"), embedded("a gem")
    mix = [0.7 * x + 0.3 * y for x, y in zip(a, b)]
    assert close(embedded('("a red potion", "a gem").blend(0.7, 0.3)'), mix, 1e-6)
    assert close(embedded('("a red potion", "a gem").blend(7, 3)'), mix, 1e-6)
    assert close(embedded("a red potion AVERAGE(0.7) a gem"), mix, 1e-6) and close(embedded("a red potion AVG(0.7) a gem", "--compat", "comfyui"), mix, 1e-6)
    assert embedded("a red potion CONCAT a gem") == a + b == embedded('("a red potion", "a gem").and()')
    fails(2, '("a", "b").blend(1)', *SMALL, says=["the prompt", ".blend()", "2 texts and 1 weights"])
    fails(2, "a AVERAGE(2) b", *SMALL, says="0 to 1")
    for path in "x", "y":
        draw('("a [red:blue:1] potion", "a gem").blend(1, 1) AND a star:0.3', "-s", "3", "--seed", "5", "-o", path + ".png")
    assert read("x.png") == read("y.png")
    limn("again", "x.png", "-q", "-o", "z.png")
    assert read("x.png") == read("z.png")
    # A1111 has no such words
    assert bits("a red potion CONCAT a gem", "--compat", "a1111") == bits("a red potion CONCAT a gem", "--compat", "a1111", "--prompt-syntax", "weights")


@on_tiny_model
def test_prompts_that_change_in_a_batch():
    """Each has the picture that it has alone, whatever else is in the batch."""
    prompts = ["a red potion", "a [red:blue:0.5] potion", "a [gem:star:0.5]", "a gem AND a star", "a red AND a potion:2", "a [red|blue|gold] gem",
               '("a gem", "a star").blend(1, 2)', "a CONCAT b", "(a:1.2.3)", "a " * 40]
    write("j.jsonl", b"".join(json.dumps({"id": str(i), "prompt": p, "seed": 5}).encode() + b"\n" for i, p in enumerate(prompts)))
    for size in ("1", "4"):
        limn("batch", "j.jsonl", "-q", "-W", "32", "-H", "32", "-s", "3", "-o", "o" + size, "--batch-size", size, code=1)
    made = [f for f in files("o1") if f.endswith(".png")]
    assert len(made) == len(prompts) - 1 and made == [f for f in files("o4") if f.endswith(".png")]
    for name in made:
        assert read("o1/" + name) == read("o4/" + name), name
    for i in (1, 4):
        limn("generate", prompts[i], "-W", "32", "-H", "32", "-s", "3", "--seed", "5", "-q", "-o", "alone.png")
        assert pixels("alone.png") == pixels(f"o1/{i}.png")


def test_tokens_of_parts_and_times():
    found = tokens("a [red:blue:0.5] potion AND a gem:0.5", "-s", "6")["prompts"][0]["parts"]
    assert [p["weight"] for p in found] == [1, 0.5]
    assert [(t["until"], t["text"]) for t in found[0]["texts"]] == [(3, "a red potion"), (6, "a blue potion")]
    shown = limn("tokens", "a [red:blue:0.5] potion", "-s", "6", "-q").out
    assert 'steps 1 to 4: "a red potion"' in shown and 'from step 5: "a blue potion"' in shown, shown
    assert "0.25 of" in limn("tokens", '("a", "b").blend(1, 3)', "-q").out


# ---- in parts of the picture ----

def rise(at, low, high, size, soft):
    left = min(max((at - low) / soft + .5, 0), 1) if soft else float(at >= low)
    right = min(max((high - at) / soft + .5, 0), 1) if soft else float(at < high)
    return (1 if low <= 0 else left) * (1 if high >= size else right)


def test_regions():
    """One step of Euler, whose estimate is D = u + g sum m (D_i - u), m the shares of the prompt and of each region at a place."""
    size, factor = ["-W", "64", "-H", "48", "-s", "1"], 8
    w, h = 64 // factor, 48 // factor
    a, b, c, u = (latents(p, *size, "--cfg-scale", "1") for p in ("a potion", "a red gem", "a star", "blue"))
    channels = len(a) // (w * h)

    def expected(regions, g):
        out = []
        for i in range(len(a)):
            x, y = (i % w + .5) * factor, (i // w % h + .5) * factor
            shares = [s * rise(x, left, left + wide, 64, soft) * rise(y, top, top + high, 48, soft) for left, top, wide, high, soft, s, _ in regions]
            total = sum(shares)
            shares = [s / max(total, 1) for s in shares]
            parts = [(max(1 - total, 0), a)] + [(s, r[-1]) for s, r in zip(shares, regions)]
            out.append(u[i] + g * sum(s * (d[i] - u[i]) for s, d in parts))
        return out
    assert channels * w * h == len(a)
    got = latents("a potion", "-n", "blue", *size, "--cfg-scale", "4", "--region", "0,0,32,48=a red gem", "--region", "24,8,32,32,soft=0,strength=0.5=a star")
    assert close(got, expected([(0, 0, 32, 48, 16, 1, b), (24, 8, 32, 32, 0, 0.5, c)], 4))
    got = latents("a potion", "-n", "blue", *size, "--cfg-scale", "4", "--region", "0,0,0.5,1=a red gem")
    assert close(got, expected([(0, 0, 32, 48, 16, 1, b)], 4))
    got = latents("a potion", *size, "--cfg-scale", "1", "--region", "0,0,64,48=a red gem")
    assert close(got, b)
    got = latents("a potion", "-n", "blue", *size, "--cfg-scale", "4", "--region", "0,0,0.5,1,soft=0,over,strength=3=a red gem")
    left = [(i % w) < w // 2 for i in range(len(a))]  # ComfyUI's masks: the mean of all that count at a place
    assert close(got, [z + 4 * (((x + 3 * y) / 4 if here else x) - z) for x, y, z, here in zip(a, b, u, left)])
    # kept in the picture, and drawn again; with a second pass; in a job
    draw("a potion", "--seed", "5", "-W", "64", "-H", "48", "-s", "2", "--region", "0,0,32,48=a [red:blue:1] gem", "--hires", "2", "-o", "a.png")
    assert options_of("a.png")["region"] == "0,0,32,48=a [red:blue:1] gem"
    limn("again", "a.png", "-q", "-o", "b.png")
    assert read("a.png") == read("b.png")
    draw("a potion", "--seed", "5", "-W", "64", "-H", "48", "-s", "2", "--schedule", "karras", "--region", "0,0,32,48=a gem: red, 1", "--region", "0,0,8,8,over=b", "-o", "t.png")
    retold("t.png", "told.png", parameters=texts("t.png")["parameters"])  # A1111's text alone
    limn("again", "told.png", "-q", "-o", "new.png")
    assert options_of("new.png")["region"] == "0,0,32,48=a gem: red, 1\n0,0,8,8,over=b" and pixels("new.png") == pixels("t.png")
    write("j.jsonl", b'{"id": "a", "prompt": "a potion", "seed": 5, "region": "0,0,32,48=a [red:blue:1] gem", "hires": 2}')
    limn("batch", "j.jsonl", "-q", "-W", "64", "-H", "48", "-s", "2")
    assert pixels("j/a.png") == pixels("a.png")
    for wrong, says in [("0,0,32=x", "X,Y,W,H"), ("0,0,32,48", "X,Y,W,H"), ("0,0,32,48=", "X,Y,W,H"), ("0,0,0,48=x", "above 0"), ("0,0,8,8,hard=1=x", "soft"),
                        ("0,0,8,8,strength=2=x", "0 to 1"), ("-8,0,8,8=x", "X,Y,W,H"), ("nan,0,8,8=x", "X,Y,W,H")]:
        fails(2, "x", *SMALL, "--region=" + wrong, says=["region", says])
    fails(2, "x", *SMALL, *["--region", "0,0,8,8=x"] * 9, says="more than 8")
    fails(2, "x", *SMALL, "--region", "0,0,8,8=(x:1.2.3)", says=["--region", "1.2.3"])
