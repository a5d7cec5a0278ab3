"""What people type: other tools' options and commands, words that the model does not know, options without effect, pipes."""
import signal

from helpers import *  # noqa: F403


def settings(path):
    return json.loads(texts(path)["limn"])["options"]


# ---- other tools' options ----

# The same thing by another name, several in a run: what the picture's settings hold then.
SAME = [
    ("--num-inference-steps 2 --guidance-scale 3 --noise_seed 5 --negative blurry --sampling-method euler_a --image_width 64",
     {"steps": 2, "cfg_scale": 3, "seed": 5, "negative_prompt": "blurry", "sampler": "euler_ancestral", "width": 64}),
    ("--num_inference_steps 2 --cfg 3 -S 5 --neg blurry --sampler_name Euler --H 64",
     {"steps": 2, "cfg_scale": 3, "seed": 5, "negative_prompt": "blurry", "sampler": "euler", "height": 64}),
    ("--sampling-steps 2 --guidance_scale=3 -A k_euler_a --size 64x128 --rng cuda --prediction v --tiling",
     {"steps": 2, "cfg_scale": 3, "sampler": "euler_ancestral", "width": 64, "height": 128, "rng": "philox", "prediction": "v_prediction",
      "tile": "both"}),
    ("--ddim_steps 2 --scale 3 --scheduler EulerDiscreteScheduler --W=64 --rng cpu --prediction_type v_prediction --circularx --no-half",
     {"steps": 2, "cfg_scale": 3, "sampler": "euler", "width": 64, "rng": "torch", "prediction": "v_prediction", "tile": "x", "precision": "f32"}),
    ("--inference_steps=2 --guidance 3 --scheduler discrete --randn-source NV --seamless --size 64x64 --full_precision --guidance-rescale 0.5",
     {"steps": 2, "cfg_scale": 3, "schedule": "normal", "rng": "philox", "tile": "both", "precision": "f32", "cfg_rescale": 0.5}),
    ("-C 3 --scheduler karras --compat comfy --dtype float32", {"cfg_scale": 3, "schedule": "karras", "compat": "comfyui", "precision": "f32"}),
    ("-C3 --timestep-spacing trailing --compat auto1111 --plms -s 2", {"cfg_scale": 3, "schedule": "trailing", "compat": "a1111", "sampler": "plms"}),
    ("--use_karras_sigmas --device cpu --cpu --skip_grid --denoise 1.0 --low-ram --num-threads 1 --f 8 --seed -1", {"schedule": "karras"}),
    ("--schedule Automatic --image_height 64 --CFG-Scale 3", {"height": 64, "cfg_scale": 3}),
]


@on_tiny_model
def test_options_of_other_tools():
    for words, expected in SAME:
        path, = draw("a red potion", *words.split(), "-o", "x.png")
        found = settings(path)
        assert {k: found[k] for k in expected} == expected, f"{words}: {found}"
    r = limn("a red potion", *SMALL, "--ddim_steps", "2", "-C", "3", "--cfg_scale", "3", "--n_samples", "2", "--seed", "1")
    assert "limn: note: --ddim_steps is --steps, -C is --cfg-scale, --n_samples is --count\n" in r.err, r.err
    for words, count in [("-b 3", 3), ("--n_samples 2", 2), ("--n_samples 2 --n_iter 2", 4), ("--num_images_per_prompt 2", 2)]:
        assert len(draw("a red potion", *words.split())) == count, words


# What is only near, and what limn lacks: refused, with what limn has instead.
REFUSED = [
    ("--strength 0.5", "--init-image"), ("--denoise 0.5", "--init-image"), ("--mask m.png", "--init-image"),
    ("--control-net c.safetensors", "--control model=FILE"), ("--upscale-model u", "limn upscale"), ("--hires", "a value is expected"),
    ("--taesd t", "TAESD"), ("--listen", "limn serve"), ("--api", "limn serve"),
    ("--type q8_0", "does not take it"), ("--preview-method proj", "--preview-vae"),
    ("--restore-faces", "faces"), ("--prompt-file p.txt", "limn batch"), ("--from-file p.txt", "limn batch"), ("--auto-seeds 3", "--count"),
    ("--seed 1 2 3", "--count"), ("--vae-tiling", "--vae-tile"), ("--stepwise-image-output-dir d", "--save-steps"), ("--metadata", "limn info"),
    ("--config-from-metadata x.json", "limn again"), ("--no-progress", "--quiet"), ("--fp16", "--precision"), ("--use-cpu", "leave it out"),
    ("--device cuda", "CPU"), ("--xformers", "leave it out"), ("--medvram", "--memory low"),
    ("--scheduler ddim", "--sampler"), ("--rng std_default", "torch|philox"), ("--compat forge", "a1111"),
    ("--precision fp16", "auto|f32|bf16"), ("--size big", "-W"), ("--aspect-ratio 16:9", "-W"), ("--filename-prefix x", "-o"),
    ("--image-format jpeg", "PNG"), ("--samplers euler,heun", "limn compare"), ("--seeds 4", "limn compare"), ("--sheet", "limn batch"),
    ("--n-sampels 2", "--count"), ("--num-inferense-steps 2", "--steps"), ("-g", "limn compare"), ("--C 8", "latent channels"),
]


@on_tiny_model
def test_options_that_are_refused():
    for words, says in REFUSED:
        fails(2, "a red potion", *words.split(), says=says)
    assert files() == []


def test_no_misleading_names():
    for option in ["--n_samples", "--n-sample", "--tae", "--use_tiny_auto_encoder"]:
        r = fails(2, "x", option, "two", says=option)
        assert "mean --sampler" not in r.err and "mean --vae" not in r.err, r.err


@on_tiny_model
def test_other_tools_fields():
    """A1111's and ComfyUI's words in a job."""
    job = {"prompt": "a red potion", "sampler_name": "Euler a", "scheduler": "Karras", "cfg_scale": 3, "n_iter": 2, "batch_size": 2,
           "width": 32, "height": 32, "steps": 1, "tiling": False, "restore_faces": False, "enable_hr": False, "hr_scale": 2,
           "denoising_strength": 0, "subseed": -1, "subseed_strength": 0, "send_images": True, "styles": [], "seed": 7}
    write("j.jsonl", json.dumps(job).encode())
    limn("batch", "j.jsonl", "-q", "-o", "out")
    made = sorted(name for name in files("out") if name.endswith(".png"))
    assert len(made) == 4, made
    found = settings(os.path.join("out", made[0]))
    assert (found["sampler"], found["schedule"]) == ("euler_ancestral", "karras")
    for field, value, says in [
                               ("guidance", 3, "--cfg-scale"), ("restore_faces", True, "faces")]:
        write("j.jsonl", json.dumps({"prompt": "x", field: value}).encode())
        fails(2, "batch", "j.jsonl", says=[field, says])
    # a field of the user's own may have a name that only the command line understands
    write("j.jsonl", json.dumps({"prompt": "a {style} {scale}", "style": "red", "scale": "potion"}).encode())
    assert "a red potion" in limn("batch", "j.jsonl", "--dry-run").out


# ---- commands ----

@on_tiny_model
def test_commands_of_other_tools():
    for word in ["lsit", "batc", "comapre", "genrate", "inof"]:
        fails(2, word, says=["did you mean limn ", f"limn generate {word}"])
    for word, says in [("models", "limn list models"), ("version", "limn --version"), ("samplers", "limn list samplers"),
                       ("txt2img", "limn generate"), ("img2img", "limn generate"), 
                       ("webui", "limn serve"), ("api", "limn serve")]:
        fails(2, word, says=[says, f"limn generate {word}"])
        fails(2, word, "--seed", "1", says=says)
    assert files() == []
    draw("lsit a b")
    limn("generate", *SMALL, "-q", "lsit")


def test_version():
    version = limn("--version").out
    for words in [["-V"], ["x", "--version"], ["x", "-V"], ["generate", "--version"], ["batch", "j.jsonl", "-V"], ["x", "-qV"]]:
        assert limn(*words).out == version
    fails(2, "--version", env={"LIMN_CPU": "foo"}, says="LIMN_CPU")
    fails(2, "x", "--version", env={"LIMN_CPU": "foo"}, says="LIMN_CPU")
    assert files() == []


# ---- words that the model does not know ----

def notes(*args, **more):
    r = limn(*args, **more)
    return [line[len("limn: note: "):] for line in r.err.splitlines() if line.startswith("limn: note: ")]


def notes_of_a_small_one(*args):
    """The same without the note that the picture is small, which test_size_of_the_model is about."""
    return [line for line in notes(*args, *SMALL) if "trained at" not in line]


OWN = {k: json.load(open(os.path.join(SPRITES, "limn.json")))[k] for k in ("width", "height")}


def test_unknown_words():
    for prompt, said in [("a red potion", None), ("an astronaut with a saxophone", '"astronaut", "saxophone"'), ("a rde potion", '"rde" (red?)'),
                         ("A RED POTION, pixel art", None), ("a potion on a purple background", '"purple background"'), ("", None)]:
        found = [line for line in notes_of_a_small_one("generate", prompt, "--seed", "1") if "does not know" in line]
        expected = [] if said is None else [f"the model inside does not know {said}; limn list words"]
        assert found == expected, (prompt, found)
    assert notes_of_a_small_one("a red unicorn", "-q") == []
    assert notes_of_a_small_one("(a red:1.3) \\(potion\\) [gem] BREAK star", "--compat", "a1111") == []
    assert '"blurry"' in notes_of_a_small_one("a red potion", "-n", "blurry")[0]
    assert len(notes_of_a_small_one("a red unicorn", "--count", "3")) == 1
    path, = limn("a red unicorn", *SMALL, "--seed", "1").out.splitlines()
    assert notes("again", path) == []
    model_copy("own", "limn-words.json")
    write("own/limn-words.json", b'{"things": {"unicorn": ["unicorn"]}, "also": ["a"]}')
    assert notes_of_a_small_one("a unicorn", "-m", "own") == []
    assert notes_of_a_small_one("a red unicorn", "-m", "own") == ['the model own does not know "red"; limn list words -m own']
    os.remove("own/limn-words.json")
    assert notes_of_a_small_one("a red unicorn", "-m", "own") == []
    write("own/limn-words.json", b'{"things": []}')
    fails(1, "a red unicorn", "-m", "own", says=["limn-words.json", "things"])


def test_unknown_words_of_many():
    write("j.jsonl", b'{"prompt": "a {thing}", "thing": ["unicorn", "potion", "unicorn", "yeti"], "seed": 1}')
    for more in [["--dry-run"], ["-o", "out"]]:
        found = [line for line in notes_of_a_small_one("batch", "j.jsonl", *more) if "does not know" in line]
        assert len(found) == 2 and '"unicorn"' in found[0] and '"yeti"' in found[1], found
    found = [line for line in notes("compare", "a unicorn", *SMALL[:4], "--axis", "steps=1,2", "--axis", "cfg-scale=2,3", "-o", "cmp") if "does not know" in line]
    assert len(found) == 1 and '"unicorn"' in found[0], found


def test_list_words():
    rows = {row["name"]: row["words"] for row in json.loads(limn("list", "words", "--json").out)}
    assert "potion" in rows["things"] and "red" in rows["colours"] and "white background" in rows["backgrounds"]["white"]
    text, info = limn("list", "words").out, limn("info", "sprites").out
    assert all(len(line) <= 80 for line in text.splitlines() + info[info.index("  things"):].splitlines())
    for label in rows["things"]:
        assert label.split()[0] in text and label.split()[0] in info
    assert set(rows["things"]) == set(json.loads(limn("info", "sprites", "--json").out)["words"]["things"])
    assert limn("help", "words").out == text and limn("help", "samplers").out == limn("list", "samplers").out
    fails(2, "list", "samplers", "-m", "sprites", says="words")
    fails(1, "list", "words", "-m", "nowhere", says="nowhere")
    model_copy("silent")
    os.remove("silent/limn-words.json")
    fails(1, "list", "words", "-m", "silent", says="no list of its words")


def test_size_of_the_model():
    def far(*args):
        return [line for line in notes("a red potion", "-s", "1", *args) if "trained at" in line]

    def told(w, h, sizes, *model):
        assert far(*model) == [] and far("-W", str(w), *model) == []
        for wide, high in sizes:
            said, = far("-W", str(wide), "-H", str(high), *model)
            assert f"{w}x{h}" in said and f"{wide}x{high}" in said, said

    w, h = OWN["width"], OWN["height"]
    told(w, h, [(2 * w, 2 * h), (w // 4, h // 4)])
    shutil.copytree(TINY_MODEL[1], "own")
    write("own/limn.json", b'{"width": 64, "height": 64}')
    told(64, 64, [(128, 128), (256, 256), (16, 16), (64, 128)], "-m", "own")


# ---- prompts in another tool's syntax ----

@on_tiny_model_with_defaults
def test_syntax_that_is_not_read():
    def warned(prompt, *args):
        return [line for line in limn("generate", prompt, *SMALL, "--seed", "1", "-o", "x.png", *args).err.splitlines() if "warning" in line]

    for prompt, says, reads in [
            ("<lora:detail:0.8> a red potion", "--lora FILE", []), ("a <lyco:x> potion", "--lora FILE", []), ("a <hypernet:x:1> potion", "hypernetworks", []),
            ("a (red:1.3) potion", "--prompt-syntax plain", ["a1111", "comfyui"]),
            ("a [red:blue:0.5] potion", "prompt editing", ["a1111"]), ("a [red|blue] potion", "prompt editing", ["a1111"]), ("a {red|blue} potion", "limn batch", []),
            ("a __colour__ potion", "limn batch", []), ("a red potion BREAK a star", "BREAK", ["a1111"]), ("a red potion AND a star", "AND", ["a1111"]),
            ("a red++ potion", "InvokeAI", []), ("a red potion --ar 16:9", "quotes", [])]:
        for compat in ["diffusers", *(reads or ["comfyui"])]:
            found = warned(prompt, "--compat", compat)
            assert len(found) == (compat not in reads) and (not found or says in found[0]), (prompt, compat, found)
    assert warned("a red potion (small)") == []
    assert "--embedding-dir" in warned("a potion, embedding:bad")[0]
    fails(1, "a potion, embedding:bad", *SMALL, "--compat", "comfyui", says="--embedding-dir")
    assert len(warned("a potion", "-n", "<lora:x:1> (bad:1.2)", "--compat", "a1111")) == 1
    # A1111 takes tags out of the prompt
    draw("a red <hypernet:x:1>potion", "--seed", "1", "--compat", "a1111", "-o", "a.png", "--trace", "a.safetensors")
    draw("a red potion", "--seed", "1", "--compat", "a1111", "-o", "b.png", "--trace", "b.safetensors")
    assert read("a.safetensors") == read("b.safetensors")
    write("j.jsonl", b'{"prompt": "a {c} <lora:x:1> potion", "c": ["red", "blue", "green"], "seed": 1}')
    r = limn("batch", "j.jsonl", *SMALL, "-o", "out")
    assert r.err.count("LoRA") == 1, r.err


# ---- where the picture goes ----

@on_tiny_model
def test_picture_on_stdout():
    draw("a red potion", "--seed", "1", "-o", "x.png")
    for where in ["-", "/dev/stdout"]:
        p = subprocess.run([LIMN, *SMALL, "-q", "a red potion", "--seed", "1", "-o", where], capture_output=True, env=ENV, timeout=TIMEOUT)
        assert p.returncode == 0 and p.stderr == b"" and p.stdout == read("x.png")
    for words in [["--count", "2"], ["--json"], ["--sizes", "16"], ["--atlas", "a.json"], ["--save-steps"]]:
        fails(2, "x", "-o", "-", *words, says="stdout")
    write("j.jsonl", b'{"prompt": "x"}')
    fails(2, "batch", "j.jsonl", "-o", "-", says="stdout")
    fails(2, "compare", "x", "-o", "-", says="stdout")
    ours, theirs = pty.openpty()
    p = subprocess.run([LIMN, "x", "-o", "-"], stdout=theirs, stderr=subprocess.PIPE, env=ENV, timeout=TIMEOUT)
    os.close(ours), os.close(theirs)
    assert p.returncode == 2 and b"terminal" in p.stderr
    with open("/dev/full", "wb") as full:
        p = subprocess.run([LIMN, *SMALL, "-q", "x", "-o", "-"], stdout=full, stderr=subprocess.PIPE, env=ENV, timeout=TIMEOUT)
    assert p.returncode == 1 and b"stdout" in p.stderr
    assert files() == ["j.jsonl", "x.png"]


@on_tiny_model
def test_folder_is_made():
    assert draw("a red potion", "-o", "a/b/c/") == ["a/b/c/limn-00001.png"]
    assert draw("a red potion", "-o", "a/b/c") == ["a/b/c/limn-00002.png"]
    write("file", b"x")
    fails(1, "x", "-o", "file/", says="file")
    fails(1, "x", "-o", "file/x/", says="file")
    fails(1, "x", "-m", "nomodel", "-o", "new/", says="nomodel")
    assert not os.path.exists("new"), "made when there is something to put into it"


def test_environment_is_named():
    fails(1, "x", env={"LIMN_MODEL": "nosuch"}, says=["LIMN_MODEL", "nosuch"])
    os.mkdir("empty")
    fails(1, "x", env={"LIMN_MODEL": "empty"}, says=["LIMN_MODEL", "model_index.json"])
    fails(2, "x", env={"LIMN_CPU": "foo"}, says="LIMN_CPU")
    assert notes("a red potion", *SMALL, "-n4")[0].startswith('the negative prompt is "4"')
    assert not [line for line in notes("a red potion", *SMALL, "-n", "4 cats") if "negative prompt is" in line]


# ---- options without effect ----

@on_tiny_model_with_defaults
def test_options_without_effect():
    for words, option in [("-n blurry --cfg-scale 1", "negative-prompt"), ("-n blurry --cfg-scale 0.5", "negative-prompt"),
                          ("--cfg-rescale 0.7 --cfg-scale 1", "cfg-rescale"), ("--guidance-interval 0:0.5 --cfg-scale 1", "guidance-interval"),
                          ("-n blurry --guidance-interval 0:0", "negative-prompt"), ("--s-churn 3 --sampler dpmpp_2m", "s-churn"),
                          ("--s-tmin 1 --sampler euler", "s-tmin"), ("--s-tmax 5 --sampler euler", "s-tmax"), ("--s-noise 0.9 --sampler euler", "s-noise"),
                          ("--ensd 31337 --sampler euler_a", "ensd"), ("--ensd 31337 --compat a1111 --sampler heun", "ensd"),
                          ("--solver-order 1 --sampler euler", "solver-order"), ("-s 5 --sampler dpm_adaptive", "steps"),
                          ("--long-prompt chunk --compat a1111", "long-prompt"), ("--vae-tile 2048", "vae-tile"),
                          ("--atlas-pot", "atlas-pot"), ("--atlas-padding 4", "atlas-padding")]:
        found = [line for line in notes("a red potion", "-s", "3", "-W", "64", "-H", "64", "--seed", "1", *words.split()) if "no effect" in line]
        assert len(found) == 1 and found[0].startswith(f"--{option} has no effect: "), (words, found)
    for words in ["-n gem", "--cfg-rescale 0.7", "--s-churn 3 --sampler euler --s-tmin 0.1 --s-noise 0.9", "--s-noise 0.9 --sampler euler_a",
                  "--ensd 31337 --compat a1111 --sampler euler_a", "--solver-order 1", "--guidance-interval 0:0.5", "--vae-tile 128 -W 256",
                  "--eta 0.5 --sampler ddim --s-noise 0.9", "--atlas a.json --atlas-pot --count 2", "--s-noise 0.9 --sampler dpmpp_2m_sde"]:
        found = [line for line in notes("a red potion", "-s", "4", "-W", "64", "-H", "64", "--seed", "1", *words.split()) if "no effect" in line]
        assert found == [], (words, found)
    draw("a red potion", "--seed", "1", "--trace", "t.safetensors", "-o", "x.png")
    found = notes("a red potion", *SMALL, "--latents", "t.safetensors", "--seed", "5", "--count", "2", "-o", "{index}.png")
    assert {"--seed", "--count"} <= {line.split()[0] for line in found}
    write("j.jsonl", b'{"prompt": "a red potion", "seed": [1, 2], "cfg_scale": 1, "negative_prompt": "x"}')
    assert len([line for line in notes("batch", "j.jsonl", *SMALL, "-o", "out") if "negative-prompt has no effect" in line]) == 1


# ---- help ----

def test_help_of_generate():
    lines = limn("generate", "--help").out.splitlines()
    first = lines.index(next(line for line in lines if line.startswith("Everyday")))
    assert "--output" in lines[first + 1]
    everyday = "\n".join(lines[first:lines.index("", first)])
    for option in ["--model", "--count", "--seed", "--steps", "--cfg-scale", "--width", "--height", "--sampler", "--negative-prompt"]:
        assert option in everyday
    told = [m.group(1) for line in lines if (m := re.match(r"  (?:-., |    )--([a-z0-9-]+)", line))]
    assert len(told) == len(set(told))
    assert set(told) == {row["name"] for row in json.loads(limn("list", "options", "--json").out)}


# ---- a reader that went away ----

def without_reader(*args):
    there, here = os.pipe()
    os.close(there)
    p = subprocess.run([LIMN, *args], stdout=here, stderr=subprocess.PIPE, env=ENV, timeout=TIMEOUT)
    os.close(here)
    assert p.returncode == -signal.SIGPIPE and p.stderr == b"", (args, p.returncode, p.stderr)


def test_reader_that_went_away():
    for args in [["--help"], ["generate", "--help"], ["list", "samplers"], ["list", "samplers", "--json"], ["info", "sprites"], ["-V"]]:
        without_reader(*args)
    without_reader("a red potion", *SMALL, "-q", "--count", "3", "--atlas", "m.json", "-o", "p.png")
    assert {"m.json", "m.png", "p-1.png", "p-2.png", "p-3.png"} <= set(files())
    write("j.jsonl", b'{"prompt": "a red potion", "seed": "1-3"}')
    without_reader("batch", "j.jsonl", *SMALL, "-q", "-o", "out", "--json")
    assert len([name for name in files("out") if name.endswith(".png")]) == 3
    without_reader("batch", "j.jsonl", "-s", "1", "-o", "more", "--dry-run")
