"""Second passes and variations: what they draw, what is written of them, what cannot be."""

from helpers import *
from test_from_pictures import pixels, png

NETS = os.path.join(REPO, "tests", "golden", "upscale")
SIDE = ["-W", "32", "-H", "32", "-s", "4", "--seed", "3"]


@on_tiny_model
def test_hires():
    made = set()
    for extra in [], ["--hires-with", "Latent (bicubic)"], ["--hires-with", "lanczos"], ["--hires-with", os.path.join(NETS, "compact-x2.safetensors")], \
            ["--hires-steps", "2"], ["--hires-strength", "0.4"], ["--hires-cfg-scale", "9"], ["--hires-sampler", "euler"], \
            ["--compat", "a1111"], ["--compat", "comfyui"]:
        (a,) = draw(*SIDE, "x", "--hires", "2", *extra, "-o", "a.png")
        assert size_of(a) == (64, 64)
        made.add(read(a))
        limn("again", a, "-q", "-o", "b.png")
        assert read(a) == read("b.png"), extra
    assert len(made) == 10
    told = texts("a.png")["parameters"]
    for word in "Size: 32x32", "Hires upscale: 2", "Hires upscaler: Latent", "Denoising strength: 0.7":
        assert word in told
    draw(*SIDE, "x", "--hires", "1.9", "-o", "c.png")
    assert size_of("c.png") == (56, 56)
    limn(*SIDE, "x", "--hires", "1", "-q", "-o", "d.png")
    assert size_of("d.png") == (32, 32)
    r = limn(*SIDE, "x", "--enable_hr", "-o", "e.png")
    assert size_of("e.png") == (64, 64)
    write("jobs.jsonl", b'{"prompt": "x", "hires": 2, "seed": "1-3", "width": 32, "height": 32, "steps": 2}\n')
    limn("batch", "jobs.jsonl", "-q", "-o", "out")
    assert [size_of(os.path.join("out", f)) for f in files("out") if f.endswith(".png")] == [(64, 64)] * 3


@on_tiny_model
def test_hires_that_cannot_be():
    source = png("in.png", 32, 32, lambda x, y: 9)
    fails(2, *SIDE, "x", "--hires-steps", "3", says="--hires")
    fails(2, *SIDE, "x", "--hires", "2", "-i", source, "--mask", source, says=["hires", "--mask", "limn upscale"])
    fails(2, *SIDE, "x", "--hires", "2", "-i", source, "--extend", "left=8", "-W", "40", says=["hires", "--extend"])
    fails(2, *SIDE, "x", "-m", os.path.join(REPO, "tests/golden/pipeline/pix2pix"), "--hires", "2", "-i", source, says=["hires", "8 channels"])
    fails(2, *SIDE, "x", "--hires", "2", "--hires-with", "lanczoz", says=["--hires-with", "lanczos"])
    fails(1, *SIDE, "x", "--hires", "2", "--hires-with", "nowhere.safetensors", says=["--hires-with", "nowhere.safetensors"])
    fails(2, *SIDE, "x", "--hires", "9", says="--hires")
    fails(2, *SIDE, "x", "--hires", "2", "--hires-sampler", "nope", says="--hires-sampler")


@on_tiny_model
def test_variations_of_a_seed():
    draw(*SIDE, "x", "-o", "plain.png")
    draw(*SIDE, "x", "--variation-strength", "0", "-o", "zero.png")
    assert pixels("plain.png") == pixels("zero.png")
    draw(*SIDE, "x", "--variation-strength", "0.2", "--variation-seed", "7", "-c", "2", "-o", "v.png")
    draw(*SIDE, "x", "--variation-strength", "0.2", "--variation-seed", "8", "-o", "w.png")
    assert pixels("v-2.png") == pixels("w.png") != pixels("v-1.png")
    limn("again", "v-2.png", "-q", "-o", "u.png")
    assert read("u.png") == read("v-2.png")
    assert "Variation seed: 8, Variation seed strength: 0.2" in texts("v-2.png")["parameters"]
    draw(*SIDE, "x", "--interpolate", "9", "-c", "3", "-o", "i.png")
    draw("-W", "32", "-H", "32", "-s", "4", "x", "--seed", "9", "-o", "nine.png")
    assert pixels("i-1.png") == pixels("plain.png") and pixels("i-3.png") == pixels("nine.png")
    limn("again", "i-2.png", "-q", "-o", "u.png")
    assert read("u.png") == read("i-2.png")
    limn(*SIDE, "x", "--variation-strength", "0.2", "-q", "-o", "r.png")
    assert "variation_seed" in texts("r.png")["limn"]
    assert "--variation-strength" in limn(*SIDE, "x", "--variation-seed", "7", "-o", "s.png").err
    assert pixels("s.png") == pixels("plain.png")
    fails(2, *SIDE, "x", "--interpolate", "9", says="--count")
    fails(2, *SIDE, "x", "--interpolate", "9", "-c", "3", "--variation-seed", "3", says="--interpolate")


@on_tiny_model
def test_variants():
    draw(*SIDE, "x", "-o", "a.png")
    out = limn("variants", "a.png", "3", "-q", "-o", "n/").out.split()
    assert out == ["n/limn-00001.png", "n/limn-00002.png", "n/limn-00003.png", "n/limn-00001-sheet.png"]
    assert len({read(f) for f in out}) == 4
    limn("again", "n/limn-00002.png", "-q", "-o", "b.png")
    assert read("b.png") == read("n/limn-00002.png")
    fails(1, "variants", "n/limn-00002.png", says="variant itself")
    fails(2, "variants", "a.png", "0", says="1 to 64")
    fails(2, "variants", says="a picture is expected")
    fails(1, "variants", png("plain.png", 8, 8, lambda x, y: 0), says="limn did not make it")


def trace_of(path):
    data = read(path)
    n = struct.unpack("<Q", data[:8])[0]
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}


@on_tiny_model
def test_hires_from_a_picture():
    """The first pass is what -i draws; the second one goes on from its result."""
    source = png("in.png", 32, 32, lambda x, y: (x * 8, y * 8, 99))
    other = png("other.png", 32, 32, lambda x, y: (y * 8, 9, x * 8))
    draw(*SIDE, "x", "-i", source, "--strength", "0.5", "--hires", "2", "--trace", "t", "-o", "a.png")
    draw(*SIDE, "x", "-i", source, "--strength", "0.5", "--trace", "u", "-o", "b.png")
    draw(*SIDE, "x", "-i", other, "--strength", "0.5", "--hires", "2", "-o", "c.png")
    assert size_of("a.png") == (64, 64) and read("a.png") != read("c.png")
    assert trace_of("t")["latents.1"] == trace_of("u")["latents.1"]
    limn("again", "a.png", "-q", "-o", "d.png")
    assert read("a.png") == read("d.png")
    png("in.png", 32, 32, lambda x, y: (1, 2, 3))
    fails(1, "again", "a.png", "-q", "-o", "e.png", says="SHA-256")
    for with_ in "lanczos", os.path.join(NETS, "compact-x2.safetensors"):
        draw(*SIDE, "x", "-i", other, "--hires", "2", "--hires-with", with_, "--compat", "a1111", "-o", "f.png")
        assert size_of("f.png") == (64, 64)


@on_tiny_model
def test_hires_in_a_trace():
    """Both passes' numbers, the second one's behind "hires."; the first one's are those of a run without it."""
    draw(*SIDE, "x", "--hires", "2", "--hires-steps", "3", "--trace", "t", "-o", "a.png")
    draw(*SIDE, "x", "--trace", "u", "-o", "b.png")
    both, one = trace_of("t"), trace_of("u")
    for name, data in one.items():
        if name not in ("image", "latents"):
            assert both[name] == data, name
    assert {k for k in both if k.startswith("hires.latents.")} == {"hires.latents.0", "hires.latents.1", "hires.latents.2"}
    assert len(both["hires.noise"]) == 4 * len(both["noise"]) and len(both["hires.image"]) == 64 * 64 * 3 * 4 and "image" not in both


@on_tiny_model
def test_hires_with_a_refiner():
    """It takes over in the second pass only, as A1111 has it."""
    import tiny_xl
    from tiny import CLIP
    base, refiner = tiny_xl.base().save("base.safetensors"), tiny_xl.refiner().save("refiner.safetensors")
    side = ["-m", base, "--tokenizer", CLIP, "-W", "32", "-H", "32", "-s", "5", "--seed", "3", "-q", "a red potion", "-n", "blue", "--hires", "1.5"]
    for compat in "diffusers", "a1111", "comfyui":
        more = [*side, "--compat", compat]
        limn(*more, "--refiner", refiner, "--refiner-at", "0.8", "--trace", "t", "-o", "a.png")
        limn(*more, "--trace", "u", "-o", "b.png")
        with_, without = trace_of("t"), trace_of("u")
        assert with_["latents.4"] == without["latents.4"], compat
        same = [with_[f"hires.latents.{i}"] == without[f"hires.latents.{i}"] for i in range(5)]
        assert same[0] and not same[4] and same == sorted(same, reverse=True), (compat, same)
        limn("again", "a.png", "-q", "-o", "c.png", "--tokenizer", CLIP)
        assert read("a.png") == read("c.png")
        assert json.loads(texts("a.png")["limn"])["options"]["refiner_at"] == 0.8
    os.rename("refiner.safetensors", "moved.safetensors")
    fails(1, "again", "a.png", "-q", "-o", "d.png", "--tokenizer", CLIP, says="refiner.safetensors")


@on_tiny_model
def test_blends_of_two_prompts():
    """A row of pictures from one prompt to another; its ends are what each draws alone, and each is drawn again by what it carries."""
    common = [*SIDE, "-n", "grey"]
    draw(*common, "a red potion", "--blend-prompt", "a blue sword", "-c", "3", "-o", "b.png")
    draw(*common, "a red potion", "-o", "first.png")
    draw(*common, "a blue sword", "-o", "last.png")
    assert pixels("b-1.png") == pixels("first.png") and pixels("b-3.png") == pixels("last.png")
    assert len({read(f"b-{i}.png") for i in (1, 2, 3)}) == 3
    for i in 1, 2, 3:
        options = json.loads(texts(f"b-{i}.png")["limn"])["options"]
        assert options["blend"] == (i - 1) / 2 and options["seed"] == 3, options
        limn("again", f"b-{i}.png", "-q", "-o", "again.png")
        assert read("again.png") == read(f"b-{i}.png")
    draw(*common, "a red potion", "--blend-prompt", "a blue sword", "--blend", "0.5", "-o", "half.png")
    assert pixels("half.png") == pixels("b-2.png")
    assert 'Blend prompt: a blue sword, Blend: 0.5' in texts("half.png")["parameters"]
    draw(*common, "a red potion", "--blend-prompt", "a blue sword", "--interpolate", "9", "-c", "3", "-o", "both.png")
    draw("-W", "32", "-H", "32", "-s", "4", "-n", "grey", "a blue sword", "--seed", "9", "-o", "nine.png")
    assert pixels("both-1.png") == pixels("first.png") and pixels("both-3.png") == pixels("nine.png")
    write("jobs.jsonl", json.dumps({"prompt": ["a red potion", "a gem"], "blend_prompt": "a blue sword", "blend": [0, 0.5], "negative_prompt": "grey",
                                    "seed": 3, "steps": 4, "width": 32, "height": 32}).encode())
    limn("batch", "jobs.jsonl", "-q", "-o", "out")
    made = [pixels(os.path.join("out", f)) for f in files("out") if f.endswith(".png")]
    assert len(made) == 4 and pixels("half.png") in made and pixels("first.png") in made
    limn("compare", "a red potion", "--blend-prompt", "a blue sword", "--axis", "blend=0,0.5,1", "-s", "2", "--seeds", "1", "-q", "-o", "cmp")
    assert len(files("cmp/cells")) >= 3
    fails(2, *common, "x", "--blend", "0.5", says="no --blend-prompt")
    fails(2, *common, "x", "--blend-prompt", "y", says=["how far", "--count"])
    fails(2, *common, "x", "--blend-prompt", "y", "--blend", "1.5", says="--blend")
    fails(2, *common, "x", "--blend-prompt", "<lora:a:1> y", "--blend", "0.5", says="LoRA")
    fails(2, *common, "-q", "x", "--blend-prompt", "word " * 100, "--blend", "0.5", "--long-prompt", "chunk", says=["rows of tokens", "--blend-prompt"])
