"""limn compare from outside: cells, references, verdicts, what a run leaves behind."""

import math

from helpers import *
from test_pictures import png

sys.path.insert(0, os.path.join(REPO, "tests", "faults"))
from faults import tiny_model  # noqa: E402


# ---- compare ----

TINY = [*TINY_MODEL, "-W", "32", "-H", "32"]
SPRITE = ["-W", "64", "-H", "64"]  # of the default model, where what it shows counts
PLAIN = [*SPRITE, "--cfg-scale", "1"]


def calm(*defaults):
    """A tiny model that converges in 60 evaluations, not in 1200; defaults: the file of the default model's, or none."""
    folder = os.path.join(ENV["HOME"], "calm" + "-too" * len(defaults))
    if not os.path.isdir(folder):
        tiny_model(REPO, folder)
        for file in defaults:
            shutil.copy(file, folder)
    return ["-m", folder, "-W", "32", "-H", "32"]


CSV = "sampler,schedule,steps,seed,evaluations,latent_rmse,psnr,ssim,flip,flip_worst,spectrum,own_rmse,own_flip_worst,seconds,peak_mb,file"


def table(folder):
    """compare.csv as a list of dicts."""
    with open(os.path.join(folder, "compare.csv"), newline="") as f:
        return list(csv.DictReader(f))


def test_compare():
    out = limn("compare", "a red potion", *PLAIN, "--samplers", "euler,heun", "--schedules", "trailing,karras", "--steps", "2,4",
               "--seeds", "1", "-o", "out").out
    for words in ["Measured against", "converged", "What to use", "No longer changes visibly", "order", "report.html"]:
        assert words in out, (words, out)
    assert files("out") == ["cells", "compare.csv", "compare.json", "report.html", "sheet.png"]
    assert read("out/compare.csv").decode().splitlines()[0] == CSV
    rows = table("out")
    assert [(r["sampler"], r["schedule"], r["steps"], r["evaluations"]) for r in rows] == [
        (s, c, n, e) for s, evals in [("euler", "24"), ("heun", "37")] for c in ["trailing", "karras"] for n, e in zip("24", evals)
    ] + [("dpmpp_2m", "trailing", "12", "12")]  # the model's default
    for r in rows:
        assert r["seed"] == "1" and float(r["seconds"]) > 0 and float(r["peak_mb"]) > 1
        assert 0 < float(r["own_rmse"]) < 0.02 and 0 < float(r["own_flip_worst"]) <= 0.0175
        assert 0 < float(r["latent_rmse"]) < 3 and 0 < float(r["psnr"]) < 100 and -1 <= float(r["ssim"]) <= 1
        made = json.loads(texts("out/" + r["file"])["limn"])["options"]
        assert made["sampler"] == r["sampler"] and made["steps"] == int(r["steps"]) and made["prompt"] == "a red potion"
        assert "Sampler: " in texts("out/" + r["file"])["parameters"]
    assert float(rows[-1]["latent_rmse"]) < float(rows[0]["latent_rmse"]), "twelve steps are nearer than two"
    # a cell is the very picture that generate draws
    limn("again", "out/" + rows[3]["file"], "-o", "again.png")
    assert read("again.png") == read("out/" + rows[3]["file"])
    limn("a red potion", "-q", *PLAIN, "--sampler", "heun", "--schedule", "karras", "-s", "4", "--seed", "1", "-o", "plain.png")
    assert read("plain.png") == read("out/" + rows[7]["file"])
    doc = json.loads(read("out/compare.json"))
    assert len(doc["cells"]) == 9 and doc["references"][0]["converged"] and doc["references"][0]["own_error"]["psnr"] > 45
    assert doc["command"].startswith("limn compare 'a red potion' -W 64") and doc["options"]["prompt"] == "a red potion"
    assert len(doc["cells"][0]["spectrum_db"]) == 32 and doc["cells"][0]["key"] in doc["cells"][0]["file"]
    page = read("out/report.html").decode()
    assert not re.search(r"(src|href)=.?https?:|@import|url\(|@data@|@style@", page)
    assert page.count("data:image/png;base64,") == 10  # 9 cells and the reference, each once


@on_tiny_model
def test_compare_goes_on():
    """What is drawn is not drawn again, nor is it when the run was stopped; another prompt is another picture."""
    args = ["compare", "a gem", *calm(), "--samplers", "euler,heun", "--steps", "2,3", "--seeds", "1", "-o", "out"]
    limn(*args)
    def times():
        return {f: os.stat(f"out/cells/{f}").st_mtime_ns for f in files("out/cells") if f.endswith(".png")}
    before = times()
    assert len(before) == 6  # with the default's and the converged one
    rows = table("out")
    assert "5 from an earlier run" in limn(*args).out
    assert times() == before
    assert table("out") == rows, "also the seconds are those of the first run"
    write("out/" + rows[0]["file"], b"cut")
    assert "4 from an earlier run" in limn(*args).out
    assert "earlier" not in limn("compare", "a key", *args[2:]).out
    p = subprocess.Popen([LIMN, "compare", "a castle", "--samplers", "euler", "--steps", "2,900", "-o", "stopped", "--seeds", "2"], env=ENV,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: os.path.isdir("stopped/cells") and any(f.startswith("euler") for f in files("stopped/cells")))
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=TIMEOUT)
    assert p.returncode == 130 and out == b"" and b"goes on" in err, (p.returncode, err)
    assert not [f for f in files("stopped/cells") + files("stopped/cells/latents") if f.startswith(".")]


def test_compare_shards():
    """Parts drawn apart, even by another kernel set, and put together: the same cells, the same measures."""
    args = ["compare", "a gem", *TINY_MODEL, "-W", "16", "-H", "16", "--samplers", "euler,euler_ancestral", "--steps", "2,4", "--seeds", "1", "-q"]
    limn(*args, "-o", "whole")
    shards = [json.loads(limn(*args, "-o", "parts", "--shard", f"{i}/3", "--json").out) for i in (1, 2, 3)]
    assert sum(s["cells"] for s in shards) == 5 and sum(s["converged_pictures"] for s in shards) == 1, shards
    assert min(s["cells"] + s["converged_pictures"] for s in shards) > 0 and files("parts") == ["cells"]
    assert json.loads(limn(*args, "-o", "parts", "--shard", "1/3", "--json").out)["from_an_earlier_run"] == shards[0]["cells"]
    assert "5 pictures, of shards" in limn(*args, "-o", "parts", "--merge").out
    costs = {"seconds", "peak_mb"}
    for a, b in zip(table("whole"), table("parts"), strict=True):
        assert {k: v for k, v in a.items() if k not in costs} == {k: v for k, v in b.items() if k not in costs}
        assert read("whole/" + a["file"]) == read("parts/" + b["file"])
    lost = [f for f in files("parts/cells") if f.startswith("euler-4")][0]
    os.unlink("parts/cells/" + lost)
    r = limn(*args, "-o", "parts", "--merge", code=1)
    assert "no shard has drawn it" in r.out and "1 of 5 cells failed" in r.err
    shutil.rmtree("parts")
    for i in (1, 2, 3):
        limn(*args, "-o", "parts", "--shard", f"{i}/3", env={"LIMN_CPU": "portable"} if i == 3 else {})
    out = limn(*args, "-o", "parts", "--merge").out
    assert "Drawn on several machines" in out and "portable" in out, out
    assert len({c["machine"] for c in json.loads(read("parts/compare.json"))["cells"]}) == 2
    fails(2, *args, "--shard", "1/2", says="-o DIR")
    fails(2, *args, "--merge", says="-o DIR")
    fails(2, *args, "-o", "x", "--shard", "3/2", says="3 is not one of the shards 1 to 2")
    fails(2, *args, "-o", "x", "--shard", "1/2", "--merge", says="--merge joins all shards")
    fails(2, "compare", "a.png", "b.png", "--shard", "1/2", says="given pictures")


def wait_for(what):
    end = time.monotonic() + TIMEOUT
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_compare_by_evaluations():
    out = limn("compare", "a gem", *PLAIN, "--samplers", "euler,heun", "--steps", "1,6,31", "--by", "evaluations", "--seeds", "1",
               "-o", "out").out
    assert [(r["steps"], r["evaluations"]) for r in table("out")] == [
        ("1", "1"), ("6", "6"), ("31", "31"), ("1", "1"), ("3", "5"), ("16", "31"), ("12", "12")]
    assert "evaluations (16 steps)" in out
    assert json.loads(read("out/compare.json"))["by"] == "evaluations"


def test_compare_fresh_noise():
    """No reference for samplers that draw noise; their spread instead."""
    out = limn("compare", "a gem", *PLAIN, "--samplers", "euler_ancestral,ddim", "--steps", "2,3", "--seeds", "2", "-o", "out").out
    rows = table("out")
    assert [r["seed"] for r in rows] == ["1", "2"] * 5
    for r in rows:
        for measure in ["latent_rmse", "psnr", "ssim", "flip", "spectrum"]:
            assert bool(r[measure]) == (r["sampler"] != "euler_ancestral"), r
    assert "Samplers that add fresh noise" in out and re.search(r"euler_ancestral, 3 steps: latent RMSE \d\.\d+, .*between seeds; the same seed", out)
    rows = json.loads(read("out/compare.json"))["rows"]
    assert [r["deterministic"] for r in rows] == [False, True, True] and rows[0]["spread"][0]["psnr"] > 0
    limn("compare", "a gem", *TINY, "--samplers", "ddim", "--steps", "2", "--axis", "eta=0,1", "-o", "x", code=2)
    limn("compare", "a gem", *TINY, "--sampler", "ddim", "--steps", "2", "--axis", "eta=0,1", "--seeds", "1", "-o", "eta")
    assert {r["steps"] for r in table("eta")} == {"2"}
    assert [bool(r["psnr"]) for r in table("eta")] == [True, False]


def test_compare_every_sampler():
    """Each is drawn and said for what it is: measured, of fresh noise, or of another equation (CFG++)."""
    rows = [row for row in json.loads(limn("list", "samplers", "--json").out) if "only" not in row]  # for other networks
    names = [row["name"] for row in rows]
    limn("compare", "a gem", *calm(), "--samplers", ",".join(names), "--steps", "4", "--seeds", "1", "-o", "out")
    doc = json.loads(read("out/compare.json"))
    for row, name in zip(doc["rows"], names):
        cells = [c for c in doc["cells"] if c["sampler"] == name]
        assert len(cells) == (2 if name == "ddim" else 1), name  # of the default too
        for c in cells:
            assert c["file"] and (c["psnr"] is not None) == (row["deterministic"] and "cfg_pp" not in name), c
            assert ("CFG++" in (c["note"] or "")) == (row["deterministic"] and "cfg_pp" in name), c


def test_compare_axes():
    limn("compare", "a gem", *TINY, "--axis", "cfg-scale=1,3,5", "--axis", "steps=1,2", "--against", "steps=2,cfg-scale=3", "-o", "out")
    rows = table("out")
    assert list(rows[0]) == CSV.split(",") + ["cfg_scale"]
    assert [(r["steps"], r["cfg_scale"]) for r in rows] == [(s, c) for s in "12" for c in "135"]
    assert rows[4]["psnr"] == "inf" and rows[4]["ssim"] == "1.000000" and float(rows[3]["psnr"]) < 100
    limn("compare", "--axis", 'prompt=a key,"a gem, ""blue"""', "-s", "1", *TINY, "-o", "words", "--seeds", "2")
    assert [(r["prompt"], r["seed"], r["steps"]) for r in table("words")] == [
        (p, s, "1") for p in ["a key", 'a gem, "blue"'] for s in "12"]
    limn("compare", "a gem", "--axis", "width=32,64", "-H", "32", "--axis", "steps=1", "-o", "wide")
    assert [bool(r["psnr"]) for r in table("wide")] == [True, False]
    assert json.loads(read("wide/compare.json"))["cells"][1]["note"]


# An axis, what else is asked for, and the same of a cell's value by limn generate.
ANYTHING = [
    ("lora-strength", ["0", "0.5", "1"], ["--lora", "style.safetensors"]),
    ("lora", ["style.safetensors:-1", "style.safetensors:0.25"], []),
    ("precision", ["f32", "bf16"], []),
    ("hires", ["1.5"], []),
    ("hires-strength", ["0.4", "1"], ["--hires", "1.5"]),
    ("strength", ["0.5", "1"], ["-i", "from.png"]),
    ("guidance-interval", ["0:1", "0:0.5"], []),
    ("tile", ["x", "both"], []),
    ("mask-invert", ["true", "false"], ["-i", "from.png", "--mask", "from.png", "--strength", "1"]),
    ("clip-skip", ["1", "2"], []),
    ("rng", ["torch", "philox"], []),
]


def test_compare_axes_over_anything():
    """Each cell is what limn generate draws with that option, whatever option it is."""
    from tiny import Tensors
    t = Tensors()
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    t.put(name + ".lora_down.weight", 1, 4, value=3.0)
    t.put(name + ".lora_up.weight", 4, 1, value=3.0)
    t.put(name + ".alpha", 1, value=1.0)
    t.save("style.safetensors")
    limn("x", *TINY, "-s", "2", "--seed", "9", "-q", "-o", "from.png")
    for axis, values, more in ANYTHING:
        if axis == "precision" and b"bf16" not in limn("--version").out.encode():
            continue
        limn("compare", "a gem", *TINY, "-s", "2", "--axis", f"{axis}={','.join(values)}", *more, "-q", "-o", axis)
        rows = table(axis)
        assert len(rows) == len(values), axis
        for row, value in zip(rows, values):
            option = [] if value == "false" else [f"--{axis}"] if value == "true" else [f"--{axis}", value]
            limn("a gem", *TINY, "-s", "2", "--seed", "1", *more, *option, "-q", "-o", "plain.png")
            a, b = ([d for k, d in chunks(read(f)) if k == b"IDAT"] for f in ("plain.png", f"{axis}/{row['file']}"))
            assert a == b, (axis, value)
        assert len({read(f"{axis}/{r['file']}") for r in rows}) == len(values), axis
    fails(2, "compare", "a gem", *TINY, "--axis", "threads=1,2", says=["threads", "does not change the picture"])
    fails(2, "x", *TINY, "-s", "1", "--lora-strength", "0.5", says="no --lora")


def test_compare_from_a_picture():
    """The converged picture sets out where the cells do, with the noise that --strength leaves: more steps come nearer."""
    limn("a gem", *PLAIN, "-s", "6", "--seed", "5", "-q", "-o", "from.png")
    limn("compare", "a gem", *PLAIN, "--axis", "steps=4,16,48", "--sampler", "heun", "--schedule", "karras", "-i", "from.png", "--strength", "0.5",
         "--seeds", "1", "-q", "-o", "c")
    errors = [float(r["latent_rmse"]) for r in table("c")]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2] and errors[2] < 0.1, errors
    out = limn("compare", "a gem", *TINY, "--hires", "1.5", "--samplers", "euler", "--steps", "2", "--seeds", "1", "-q", "-o", "h").out
    assert "the second pass of --hires" in out and "Use " not in out, out


def test_compare_bad_use():
    fails(2, "compare", "a gem", "--samplers", "eulr", says=['"eulr"', '"euler"', "list samplers"])
    fails(2, "compare", "a gem", "--samplers", "euler", "--schedules", "karas", says=["--schedules", '"karras"'])
    fails(2, "compare", "a gem", "--samplers", "euler,,heun", says="missing")
    fails(2, "compare", "a gem", "--steps", "5,0", says="1 to 1000")
    fails(2, "compare", "a gem", "--target", "psnr", says="psnr:35")
    fails(2, "compare", "a gem", "--axis", "cfg-sclae=3", says="cfg-scale")
    fails(2, "compare", "a gem", "--axis", "cfg-scale=3,x", says=["cfg-scale", '"x"'])
    fails(2, "compare", "a gem", "--axis", "output=a,b", says="output")
    fails(2, "compare", "a gem", "--axis", "steps=1,2", "--axis", "steps=3", says="already")
    fails(2, "compare", "a gem", "--axis", "steps=1,2", "--steps", "3", says="one of them")
    fails(2, "compare", "a gem", "--axis", "cfg-scale=1,2", "--steps", "3,4", says="--axis steps=")
    fails(2, "compare", "a gem", "--axis", "steps=1,2", "--against", "cfg-scale=3", says="not an axis")
    fails(2, "compare", "a gem", "--axis", "steps=1,2", "--against", "steps=3", says="no cell")
    fails(2, "compare", "a gem", "--count", "2", says="--count")
    fails(2, "compare", "a", "gem", says="quotes")
    fails(2, "compare", says="prompt")
    fails(1, "compare", "a gem", "-m", "nomodel", "-o", "x", says="nomodel")
    write("file", b"")
    fails(1, "compare", "a gem", "-o", "file", says="file")
    assert [f for f in files() if "limn-compare" in f] == []


def test_compare_with_a_cell_that_fails():
    """It is reported in its place, and the rest goes on."""
    r = limn("compare", "a gem", *TINY, "--schedule", "model", "--axis", "steps=2,60", "--axis", "sampler=lcm,euler", "-o", "out", "--seeds", "1", code=1)
    assert "1 of 4 cells failed" in r.err and "take 1 to 50" in r.out
    rows = table("out")
    assert [bool(row["file"]) for row in rows] == [True, False, True, True] and rows[1]["steps"] == "60"
    assert "take 1 to 50" in json.loads(read("out/compare.json"))["cells"][1]["error"]
    assert size_of("out/sheet.png")[0] > 200
    r = limn("compare", "a gem", *TINY, "--axis", "model=sprites,nomodel", "--axis", "steps=1", "-o", "models", code=1)
    assert [bool(row["file"]) for row in table("models")] == [True, False] and "nomodel" in r.out
    # none of those that would have been measured against it: the converged picture is not drawn either, and the sheet says so
    r = limn("compare", "a gem", *TINY_MODEL, "-W", "2048", "-H", "2048", "--memory-limit", "30M", "--samplers", "euler", "--steps", "1,2", "--seeds", "1",
             "-q", "-o", "none", code=1)
    assert "3 of 3 cells failed" in r.err and "--memory-limit are left" in r.err, r.err
    assert size_of("none/sheet.png")[0] > 200 and json.loads(read("none/compare.json"))["references"][0]["file"] is None


def test_compare_pictures():
    for seed in "12":
        limn("a gem", "-q", *SMALL, "--seed", seed, "-o", f"{seed}.png")
    limn("a gem", "-q", "-W", "64", "-H", "32", "-s", "1", "-o", "wide.png")
    write("copy.png", read("1.png"))
    out = limn("compare", "1.png", "2.png", "copy.png").out
    assert "measured against" in out.splitlines()[1] and "same" in out.splitlines()[3]
    doc = json.loads(limn("compare", "1.png", "2.png", "copy.png", "--json", "-o", "out").out)
    assert doc["cells"][2]["identical"] and doc["cells"][2]["ssim"] == 1 and 0 < doc["cells"][1]["psnr"] < 60
    assert files("out") == ["compare.csv", "compare.json", "report.html", "sheet.png"]
    assert read("out/compare.csv").decode().splitlines()[0] == "file,psnr,ssim,flip,spectrum"
    assert read("out/report.html").count(b"data:image/png;base64,") == 3
    r = limn("compare", "1.png", "wide.png", "2.png", code=1)
    assert "64x32" in r.err and "2.png" in r.out.splitlines()[-1] and "dB" in r.out
    limn("compare", "1.png", "missing.png", code=1)
    fails(1, "compare", "missing.png", "1.png", says="missing.png")
    fails(2, "compare", "1.png", says="A.png B.png")


def test_compare_splits_a_sheet():
    """A side of more than 16,000 pixels: several sheets, said so."""
    out = limn("compare", "a gem", *TINY_MODEL, "-W", "8", "-H", "8", "-s", "1", "--axis", "seed=" + ",".join(map(str, range(130))), "--against", "seed=0",
               "-o", "out").out
    assert "sheet-1.png to sheet-2.png" in out and "sheet.png" not in files("out")
    for page in "12":
        width, height = size_of(f"out/sheet-{page}.png")
        assert 4000 < width <= 16000 and height < 16000


def test_save_steps():
    """Every step's prediction as a file and in a strip; the picture itself is the same as without."""
    limn("a gem", "-q", *TINY, "-s", "3", "--seed", "1", "--sampler", "euler", "-o", "plain.png")
    out = limn("a gem", "-q", *TINY, "-s", "3", "--seed", "1", "--sampler", "euler", "--save-steps", "-o", "x.png").out
    assert out.split() == ["x.png", "x_step-1.png", "x_step-2.png", "x_step-3.png", "x_steps.png"]
    assert read("x.png") == read("plain.png")
    assert "step 2 of 3" in texts("x_step-2.png")["Comment"] and size_of("x_step-2.png") == (32, 32)
    row = json.loads(limn("a gem", "-q", *TINY, "-s", "12", "--save-steps", "--json", "-o", "y.png").out)
    assert row["steps"][0] == "y_step-01.png" and len(row["steps"]) == 13 and all(os.path.exists(f) for f in row["steps"])


def test_verdict():
    """One sentence that says what to use, over which pictures it holds, compared with the model's default."""
    own = [*calm(os.path.join(SPRITES, "limn.json")), "--cfg-scale", "1"]
    out = limn("compare", "a red potion", *own, "--samplers", "euler,dpmpp_2m", "--steps", "4-8:4,30", "--target", "psnr:25", "--seeds", "2", "-o", "c").out
    assert re.match(r"What to use:\n  Use (euler|dpmpp_2m) with \d+ steps\.\n", out), out
    assert "PSNR 25 dB or more" in out and "each of 2 pictures (seeds 1 to 2)" in out and "95 % interval of the mean" in out
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
    out = limn("compare", "a red potion", *own, "--samplers", "euler", "--steps", "1,2", "--target", "psnr:90", "--seeds", "1", "-o", "c").out  # what is drawn is used again
    assert "None comes near enough to the converged picture (PSNR 90 dB or more)" in out and "Use " not in out
    out = limn("compare", "a red potion", *own, "--samplers", "dpmpp_2m", "--steps", "12", "--target", "psnr:5", "--seeds", "1", "-o", "c").out
    assert "That is the model's default." in out and "comes near enough" in out


def test_no_verdict_for_fresh_noise():
    """What has no picture to converge to is not recommended, however few evaluations it takes."""
    limn("compare", "a gem", *PLAIN, "--samplers", "euler_ancestral,euler", "--steps", "2,12", "--target", "psnr:20", "--seeds", "1", "-o", "c")
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
    out = limn("compare", *PLAIN, "--axis", "prompt=a red potion,a blue key", "--axis", "sampler=euler,dpmpp_2m", "-s", "12",
               "--target", "psnr:15", "--seeds", "1", "-o", "c").out
    assert re.search(r"Use (euler|dpmpp_2m)\.", out) and "each of 2 pictures (2 values of prompt, seed 1)" in out, out
    assert len(json.loads(read("c/compare.json"))["references"]) == 2


def test_verdict_over_prompts():
    write("p.txt", "a red potion\n\n \u00e4 \r\na red potion\n".encode())
    out = limn("compare", "--prompts", "p.txt", *PLAIN, "--samplers", "euler", "--steps", "2,12", "--seeds", "2", "--target", "psnr:2", "-o", "c").out
    assert "Use euler with" in out and "each of 4 pictures (2 prompts, seeds 1 to 2)" in out, out
    assert "n = 2 prompts, means over their seeds" in out and "2 prompts say little of others" in out, out
    assert out.count("the converged picture of seed") == 4
    rows = list(csv.DictReader(read("c/compare.csv").decode().splitlines()))
    assert [(r["prompt"], r["seed"]) for r in rows[:4]] == [(p, s) for p in ("a red potion", "\u00e4") for s in "12"]
    for r in rows:
        assert json.loads(texts("c/" + r["file"])["limn"])["options"]["prompt"] == r["prompt"]
    doc = json.loads(read("c/compare.json"))
    assert doc["prompts"] == 2 and doc["verdict"]["use"]["pictures"] == 4 and doc["verdict"]["use"]["n"] == 2 and doc["cells"][3]["number"] == 3
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
    args = ["compare", "a gem", *calm(), "--samplers", "euler,euler_ancestral", "--steps", "2,3", "--seeds", "2", "-o", "c"]
    limn(*args)
    records = sorted(f for f in files("c/cells/latents") if f.startswith("euler-2"))
    path = "c/cells/latents/" + records[0]
    raw = read(path)
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    drawn = len(json.loads(read("c/compare.json"))["cells"])
    for key, value in [("seconds", "nan"), ("seconds", "inf"), ("seconds", "-1"), ("evaluations", "1e99"), ("evaluations", "nan"), ("evaluations", "0"),
                       ("evaluations", ""), ("evaluations", None), ("peak_mb", "1e999"), ("psnr", "nan"), ("ssim", "x1"), ("seconds", "3 apples")]:
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
    limn("compare", "x", *calm(), "--samplers", "all", "--steps", "4", "--seeds", "1", "-q", "-o", "all")
    rows = list(csv.DictReader(read("all/compare.csv").decode().splitlines()))
    names = {r["name"] for r in json.loads(limn("list", "samplers", "--json").out)}
    drawn = {r["sampler"] for r in rows}
    assert drawn < names and len(drawn) > 25 and all(r["file"] for r in rows), names - drawn
    limn("compare", "x", *calm(), "--axis", "steps=2-4", "-q", "--seeds", "1", "-o", "all")
    assert [r["steps"] for r in csv.DictReader(read("all/compare.csv").decode().splitlines())] == ["2", "3", "4"]


if __name__ == "__main__":
    sys.exit(main(globals()))
