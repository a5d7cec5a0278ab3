"""Other guidance than plain: each method from the command line, written into the picture, drawn again; what cannot be is refused."""

from helpers import *

TINY = ["-m", os.path.join(REPO, "tests", "golden", "pipeline", "sd1"), "-W", "64", "-H", "48", "-s", "3", "--seed", "1", "-q"]
METHODS = ["--pag", "--pag=2", "--pag 3 --pag-adaptive 0.001 --pag-layers up_blocks.1", "--pag 3 --cfg-scale 1", "--seg", "--seg 2 --seg-sigma 0.5",
           "--seg 3 --seg-layers up,down", "--sag", "--sag 0.75 --cfg-scale 1", "--apg", "--apg 0.5 --apg-threshold 2.5", "--apg-momentum 0.5",
           "--cfg-zero-star", "--perp-neg", "--perp-neg 0.5", "--mimic-scale --cfg-scale 15", "--mimic-scale 7 --mimic-percentile 0.9 --cfg-scale 15",
           "--freeu v1", "--freeu v2", "--freeu v2 --compat comfyui", "--freeu v1 --freeu-b1 1.1 --freeu-s2 0.5", "--deepcache", "--deepcache 2",
           "--tome", "--tome 0.3", "--hypertile 64 -W 256 -H 128", "--hypertile 64 --hypertile-depth 2 -W 256 -H 128", "--ngms 5", "--ngms 20 --ngms-all", "--skip-early 0.4", "--reuse-negative 2", "--pag 3 --sag 0.75 --seg 2 --cfg-rescale 0.7"]


def drawn(name, *more, **options):
    limn("generate", "a cat", "-n", "dog", *TINY, *more, "-o", name, **options)
    return read(name)


def test_guides():
    plain, made = pixels_of(drawn("plain.png")), set()
    for words in METHODS:
        drawn("a.png", *words.split())
        made.add(pixels_of(read("a.png")))
        assert plain not in made, words
        option = words.split("=")[0].split()[0][2:].replace("-", "_")
        assert option in json.loads(texts("a.png")["limn"])["options"], words
        limn("again", "a.png", "-q", "-o", "b.png")
        assert pixels_of(read("a.png")) == pixels_of(read("b.png")), words
    assert len(made) == len(METHODS) and plain not in made


def pixels_of(png):
    return b"".join(data for kind, data in chunks(png) if kind == b"IDAT")


def test_guides_off():
    """At their neutral values: the plain picture's bytes."""
    plain = pixels_of(drawn("plain.png"))
    for words in ["--pag 0", "--seg 0", "--sag 0", "--apg 0", "--perp-neg 0", "--mimic-scale 0", "--ngms 0", "--skip-early 0",
                  "--reuse-negative 1", "--pag 0 --pag-layers mid", "--deepcache 1", "--tome 0", "--hypertile 512",
                  "--freeu v1 --freeu-b1 1 --freeu-b2 1 --freeu-s1 1 --freeu-s2 1"]:
        assert pixels_of(drawn("a.png", *words.split())) == plain, words


def test_guides_refused():
    bad = lambda words, says: fails(2, "generate", "a cat", *TINY, *words.split(), says=says)
    bad("--pag 3 --pag-layers nowhere", ["pag-layers", "mid_block", "up_blocks.1"])
    bad("--pag 3 --pag-layers down_blocks.2", ["pag-layers", "down_blocks.2"])
    bad("--pag 3 --pag-layers (", "brackets")
    bad("--pag 3 --pag-layers a{1,9}", "letters, digits")
    bad("--pag-layers mid", "--pag 3")
    bad("--pag-adaptive 0.1", "--pag 3")
    bad("--seg-sigma 3", "--seg 3")
    bad("--mimic-percentile 0.9", "--mimic-scale")
    bad("--mimic-percentile 0.1 --mimic-scale 7", "0.5 to 1")
    bad("--ngms-all", "--ngms")
    bad("--pag=-1", "0 to 100")
    bad("--apg 2", "0 to 1")
    bad("--pag=nan", "0 to 100")
    bad("--apg 1 --perp-neg 1", ["perp-neg", "--apg"])
    bad("--cfg-zero-star --mimic-scale 7", ["mimic-scale", "--cfg-zero-star"])
    bad("--sag 1 --reuse-negative 2", ["sag", "--reuse-negative"])
    bad("--sag 1 -W 32 -H 32", ["sag", "40 pixels"])
    bad("--sag 1 -W 128 -H 128 --diffusion-tile 64", ["sag", "--diffusion-tile"])
    bad("--freeu v3", "v1|v2")
    bad("--freeu-b1 1.2", "--freeu v1")
    bad("--deepcache 0", "1 to 100")
    bad("--deepcache=x", "1 to 100")
    bad("--deepcache 2 --sampler dpm_adaptive", ["deepcache", "dpm_adaptive"])
    bad("--deepcache 2 -W 128 -H 128 --diffusion-tile 64", ["deepcache", "--diffusion-tile"])
    bad("--tome 1.5", "0 to 1")
    bad("--tome 0.5 --hypertile 64", ["tome", "--hypertile"])
    bad("--hypertile-depth 2", "--hypertile 256")
    fails(2, "a", *SMALL, "-q", "--tome", "0.5", says="no self-attention at its largest level")
    fails(2, "a", *SMALL, "-q", "--hypertile", "64", says="no self-attention at its largest level")
    bad("--reuse-negative 2 --sampler dpm_adaptive", ["reuse-negative", "dpm_adaptive"])


def test_guides_idle():
    """Without guidance what acts on it has no effect, and that is said."""
    for words in ["--apg", "--perp-neg", "--mimic-scale", "--ngms 1", "--skip-early 0.2", "--reuse-negative 2", "--cfg-zero-star"]:
        r = limn("generate", "a cat", *[w for w in TINY if w != "-q"], "--cfg-scale", "1", *words.split(), "-o", "a.png")
        assert f"{words.split()[0]} has no effect" in r.err, r.err


def test_guides_of_other_tools():
    """A1111's and diffusers' names, and the lists."""
    drawn("a.png", "--pag_scale", "3", "--s_min_uncond", "2")
    options = json.loads(texts("a.png")["limn"])["options"]
    assert options["pag"] == 3 and options["ngms"] == 2 and options["pag_layers"] == "mid"
    assert "PAG scale: 3" in texts("a.png")["parameters"] and "NGMS: 2" in texts("a.png")["parameters"]
    names = [g["name"] for g in json.loads(limn("list", "guides", "--json").out)]
    for name in ["pag", "seg", "sag", "apg", "cfg-zero-star", "perp-neg", "dynamic-thresholding", "ngms", "skip-early", "reuse-negative"]:
        assert name in names, name


def test_guides_in_batch_and_compare():
    write("jobs.jsonl", b'{"prompt": "a", "pag": 3, "steps": 2}\n{"prompt": "a", "reuse_negative": 2, "steps": 2}\n')
    limn("batch", "jobs.jsonl", *TINY[:6], "-q", "-o", "out")
    assert len([n for n in files("out") if n.endswith(".png")]) == 2
    limn("compare", "a cat", *TINY[:2], "-W", "48", "-H", "48", "--steps", "2", "--axis", "pag=0,2", "--seeds", "1", "-q", "-o", "c")
    assert "report.json" in files("c") or "report.html" in files("c"), files("c")


def test_guides_of_several_at_once():
    """A picture has the same bytes in whatever company."""
    for words in ["--pag 3", "--sag 1", "--apg 1 --apg-momentum 0.5", "--perp-neg 1", "--reuse-negative 2", "--freeu v2", "--deepcache 2",
                  "--tome 0.5"]:
        write("jobs.jsonl", "".join(json.dumps({"prompt": p, "seed": s}) + "\n" for p, s in [("a cat", 1), ("a dog", 2)]).encode())
        limn("batch", "jobs.jsonl", *TINY[:8], "-n", "dog", "-q", "-o", "both", "--batch-size", "2", *words.split(), "--changed", "render")
        drawn("a.png", *words.split())
        both = sorted(n for n in files("both") if n.endswith(".png"))
        assert any(pixels_of(read("both/" + n)) == pixels_of(read("a.png")) for n in both), words


def test_guides_deepcache_with_others():
    """Where a step evaluates twice, where guidance comes and goes, and in a second pass: what is not there is computed."""
    for words in ["--sampler heun", "--sampler heunpp2 -s 5", "--sampler restart", "--guidance-interval 0.4:0.8 -s 5", "--sag 1", "--pag 2 --seg 2",
                  "--reuse-negative 2 -s 5", "--ngms 20 -s 6", "--hires 1.5", "--perp-neg 1", "--freeu v1", "--tome 0.5", "--sampler lcm",
                  "--cfg-scale 1", "--compat a1111 --sampler plms"]:
        drawn("a.png", "--deepcache", "2", *words.split())
        limn("again", "a.png", "-q", "-o", "b.png")
        assert pixels_of(read("a.png")) == pixels_of(read("b.png")), words


@on_tiny_model
def test_guides_in_models_of_another_kind():
    """The built-in one, which has no attention at its largest level; one without guidance; one that edits a picture."""
    for words in ["--pag 2", "--sag 0.5", "--seg 2", "--freeu v1", "--deepcache 2", "--perp-neg 1", "--reuse-negative 2"]:
        limn("a red potion", "-W", "64", "-H", "64", "-s", "3", "--seed", "1", "-q", *words.split(), "-o", "a.png")
    folder = os.path.join(REPO, "tests", "golden", "pipeline")
    for words in ["--pag 2", "--sag 0.5 -W 64 -H 64", "--deepcache 2"]:
        limn("a", "-m", os.path.join(folder, "lcm"), "-W", "48", "-H", "48", "-s", "3", "-q", *words.split(), "-o", "a.png")


def test_guides_of_the_api():
    """A1111's fields and settings of these names, and limn's own as fields."""
    from test_serve import serve
    size = {"width": 64, "height": 48, "steps": 3, "seed": 1, "prompt": "a cat"}
    with serve(*TINY[:2]) as s:
        info = lambda **more: json.loads(s.post("/sdapi/v1/txt2img", {**size, **more})["info"])["infotexts"][0]
        assert "NGMS" not in info(s_min_uncond=0)
        assert "NGMS: 3" in info(s_min_uncond=3)
        text = info(override_settings={"token_merging_ratio": 0.5, "s_min_uncond": 2, "s_min_uncond_all": True, "skip_early_cond": 0.2})
        for words in ["Token merging ratio: 0.5", "NGMS: 2", "NGMS all steps: True", "Skip Early CFG: 0.2"]:
            assert words in text, (words, text)
        s.post("/sdapi/v1/txt2img", {**size, "override_settings": {"token_merging_ratio": 7}}, code=422)
