"""The language of prompts: which marks are read, what limn tokens shows of them, and that older pictures stay what they are."""
from helpers import *  # noqa: F403


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
    return [[(t["piece"], t["weight"]) for t in chunk["tokens"]] for chunk in prompt["encoders"][0]["chunks"]]


def test_tokens():
    found = tokens("a (red:1.3) potion BREAK [x]", "-n", "blurry")
    assert found["prompt_syntax"] == "limn" and found["room"] == 30 and found["long_prompt"] == "chunk"
    prompt, negative = found["prompts"]
    assert prompt["text"] == "a (red:1.3) potion BREAK [x]" and negative["name"] == "negative_prompt"
    assert rows(prompt) == [[("a</w>", 1), ("red</w>", 1.3), ("potion</w>", 1)], [("x</w>", 0.9090909)]]
    assert [c["padding"] for c in prompt["encoders"][0]["chunks"]] == [27, 29]
    cut = tokens("a " * 40, "--compat", "diffusers")["prompts"][0]
    assert len(rows(cut)) == 1 and len(rows(cut)[0]) == 30 and cut["encoders"][0]["left_out"] == 10
    assert [len(r) for r in rows(tokens("a " * 40)["prompts"][0])] == [30, 10]
    assert rows(tokens("")["prompts"][0]) == [[]]
    assert rows(tokens("(a) [b]", "--prompt-syntax", "comfyui")["prompts"][0])[0][0] == ("a</w>", 1.1)
    assert json.loads(limn("tokens", "-", "--json", "-q", stdin=b"red").out)["prompts"][0]["encoders"][0]["chunks"][0]["tokens"][0]["piece"] == "red</w>"
    # the vocabulary's own spelling, and its ids
    vocab = json.loads(read(os.path.join(SPRITES, "tokenizer", "vocab.json")))
    for text in ["a red potion, 12 swords!", "wörld 水", "potoin"]:
        for token in tokens(text)["prompts"][0]["encoders"][0]["chunks"][0]["tokens"]:
            assert vocab[token["piece"]] == token["id"], token


def test_tokens_for_people():
    r = limn("tokens", "a (rde:1.3) potion " + "a " * 30, "--long-prompt", "truncate")
    assert "  x 1.3\n" in r.out and "left out: 5 more" in r.out and "chunk 1: 30 of 30" in r.out, r.out
    assert "does not know \"rde\"" in r.err and "red?" in r.err, r.err
    assert limn("tokens", "a rde potion", "-q").err == ""
    assert "prompt editing" in limn("tokens", "[a:b:0.5]").err
    fails(2, "tokens", says="a prompt is expected")
    fails(1, "tokens", "x", "-m", "nosuch", says="nosuch")
    fails(2, "tokens", "x", "--seed", "1", says="--seed")
    fails(2, "tokenize", says="limn tokens")
    fails(2, "tokens", "(x:1.2.3)", says="1.2.3")


def test_syntax_in_every_command():
    write("j.jsonl", b'{"id": "a", "prompt": "a (red:1.3) potion", "seed": 5}\n{"id": "b", "prompt": "a (red:1.3) potion", "seed": 5, "prompt_syntax": "plain"}\n')
    limn("batch", "j.jsonl", "-q", *SMALL)
    draw("a (red:1.3) potion", "--seed", "5", "-o", "a.png")
    draw("a (red:1.3) potion", "--seed", "5", "--prompt-syntax", "plain", "-o", "b.png")
    assert pixels("j/a.png") == pixels("a.png") != pixels("b.png") == pixels("j/b.png")
    limn("compare", "a (red:1.3) potion", "-q", *SMALL, "--axis", "prompt-syntax=limn,plain", "--seeds", "1", "-o", "c")
    assert len([f for f in files("c/cells") if f.endswith(".png")]) == 2
