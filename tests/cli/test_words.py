"""What people type: other tools' options and commands, words that the model does not know, options without effect, pipes."""
import signal

from helpers import *  # noqa: F403


def settings(path):
    return json.loads(texts(path)["limn"])["options"]


# ---- other tools' options ----

# The same thing by another name: what the picture's settings hold then.
SAME = [
    ("--num-inference-steps 2", {"steps": 2}), ("--num_inference_steps 2", {"steps": 2}), ("--sampling-steps 2", {"steps": 2}),
    ("--ddim_steps 2", {"steps": 2}), ("--inference_steps=2", {"steps": 2}), ("--guidance-scale 3", {"cfg_scale": 3}),
    ("--guidance_scale=3", {"cfg_scale": 3}), ("--cfg 3", {"cfg_scale": 3}), ("--guidance 3", {"cfg_scale": 3}),
    ("--scale 3", {"cfg_scale": 3}), ("-C 3", {"cfg_scale": 3}), ("-C3", {"cfg_scale": 3}), ("-S 5", {"seed": 5}),
    ("--noise_seed 5", {"seed": 5}), ("--negative blurry", {"negative_prompt": "blurry"}), ("--neg blurry", {"negative_prompt": "blurry"}),
    ("--sampling-method euler_a", {"sampler": "euler_ancestral"}), ("--sampler_name Euler", {"sampler": "euler"}),
    ("-A k_euler_a", {"sampler": "euler_ancestral"}), ("--scheduler EulerDiscreteScheduler", {"sampler": "euler"}),
    ("--scheduler discrete", {"schedule": "normal"}), ("--scheduler karras", {"schedule": "karras"}),
    ("--timestep-spacing trailing", {"schedule": "trailing"}), ("--use_karras_sigmas", {"schedule": "karras"}),
    ("--plms", {"sampler": "plms"}), ("--size 32x64", {"width": 32, "height": 64}), ("--image_width 64", {"width": 64}),
    ("--H 64", {"height": 64}), ("--W=64", {"width": 64}), ("--image_height 64", {"height": 64}),
    ("--rng cuda", {"rng": "philox"}), ("--rng cpu", {"rng": "torch"}), ("--randn-source NV", {"rng": "philox"}),
    ("--prediction v", {"prediction": "v_prediction"}), ("--prediction_type v_prediction", {"prediction": "v_prediction"}),
    ("--tiling", {"tile": "both"}), ("--seamless", {"tile": "both"}), ("--circularx", {"tile": "x"}),
    ("--no-half", {"precision": "f32"}), ("--full_precision", {"precision": "f32"}), ("--dtype float32", {"precision": "f32"}),
    ("--guidance-rescale 0.5", {"cfg_rescale": 0.5}), ("--compat comfy", {"compat": "comfyui"}), ("--compat auto1111", {"compat": "a1111"}),
    ("--schedule Automatic", {}), ("--device cpu", {}), ("--cpu", {}), ("--skip_grid", {}), ("--denoise 1.0", {}),
    ("--low-ram", {}), ("--num-threads 1", {}), ("--f 8", {}), ("--seed -1", {}),
]


def test_options_of_other_tools():
    for words, expected in SAME:
        path, = draw("a red potion", *words.split(), "-o", "x.png")
        found = settings(path)
        assert {k: found[k] for k in expected} == expected, f"{words}: {found}"
    for words, count in [("--n_iter 2", 2), ("-b 3", 3), ("--n_samples 2", 2), ("--n_iter 2 --n_samples 2", 4),
                         ("--batch-size 2 --batch-count 2", 4), ("--num-images 2", 2), ("--num_images_per_prompt 2", 2),
                         ("--number_of_images 2", 2), ("--iterations 2", 2)]:
        assert len(draw("a red potion", *words.split())) == count, words


# What is only near, and what limn lacks: refused, with what limn has instead.
REFUSED = [
    ("--lora x.safetensors", "limn cannot do LoRA yet"), ("--lora-model-dir d", "limn cannot do LoRA yet"), 
    ("--strength 0.5", "--init-image"), ("--denoise 0.5", "--init-image"), ("--mask m.png", "--init-image"),
    ("--control-net c.safetensors", "ControlNet yet"), ("--upscale-model u", "upscaling"), ("--hires", "hires fix"), ("--enable_hr", "hires fix"),
    ("--taesd t", "TAESD"), ("--listen", "no server"), ("--port 7860", "no server"), ("--embd-dir d", "textual inversion"),
    ("--subseed-strength 0.1", "variations"), ("--refiner r", "refiner"), ("--type q8_0", "quantised"), ("--preview proj", "--save-steps"),
    ("--restore-faces", "faces"), ("--prompt-file p.txt", "limn batch"), ("--from-file p.txt", "limn batch"), ("--auto-seeds 3", "--count"),
    ("--seed 1 2 3", "--count"), ("--vae-tiling", "--vae-tile"), ("--stepwise-image-output-dir d", "--save-steps"), ("--metadata", "limn info"),
    ("--config-from-metadata x.json", "limn again"), ("--no-progress", "--quiet"), ("--fp16", "--precision"), ("--use-cpu", "leave it out"),
    ("--device cuda", "CPU"), ("--xformers", "leave it out"), ("--medvram", "--memory low"), ("--diffusion-model m", "-m"),
    ("--scheduler ddim", "--sampler"), ("--rng std_default", "torch|philox"), ("--compat forge", "a1111"), ("--sampler dpm++2mv2", "dpmpp_2m"),
    ("--precision fp16", "auto|f32|bf16"), ("--size big", "-W"), ("--aspect-ratio 16:9", "-W"), ("--filename-prefix x", "-o"),
    ("--image-format jpeg", "PNG"), ("--samplers euler,heun", "limn compare"), ("--seeds 4", "limn compare"), ("--sheet", "limn batch"),
    ("--n-sampels 2", "--count"), ("--num-inferense-steps 2", "--steps"), ("-g", "limn compare"), ("--C 8", "latent channels"),
]


def test_options_that_are_refused():
    for words, says in REFUSED:
        fails(2, "a red potion", *words.split(), says=says)
    assert files() == []


def test_no_misleading_names():
    for option in ["--n_samples", "--n-sample", "--tae", "--use_tiny_auto_encoder"]:
        r = fails(2, "x", option, "two", says=option)
        assert "mean --sampler" not in r.err and "mean --vae" not in r.err, r.err


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
    for field, value, says in [("enable_hr", True, "hires fix"), ("lora", "x", "LoRA"), ("denoising_strength", 0.5, "init-image"),
                               ("guidance", 3, "--cfg-scale"), ("restore_faces", True, "faces")]:
        write("j.jsonl", json.dumps({"prompt": "x", field: value}).encode())
        fails(2, "batch", "j.jsonl", says=[field, says])
    # a field of the user's own may have a name that only the command line understands
    write("j.jsonl", json.dumps({"prompt": "a {style} {scale}", "style": "red", "scale": "potion"}).encode())
    assert "a red potion" in limn("batch", "j.jsonl", "--dry-run").out


# ---- commands ----

def test_commands_of_other_tools():
    for word in ["lsit", "batc", "comapre", "genrate", "inof"]:
        fails(2, word, says=["did you mean limn ", f"limn generate {word}"])
    for word, says in [("serve", "server"), ("models", "limn list models"), ("version", "limn --version"), ("samplers", "limn list samplers"),
                       ("txt2img", "limn generate"), ("img2img", "limn generate"), ("convert", "yet"), ("upscale", "yet"), ("pull", "yet"),
                       ("webui", "yet"), ("Serve", "server")]:
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
    without_reader("batch", "j.jsonl", *SMALL, "-o", "more", "--dry-run")
