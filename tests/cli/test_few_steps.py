"""Models and adapters for few steps: what limn says of them, and the settings that it takes."""

import json
import os
import shutil
import struct

from helpers import REPO, fails, limn, read, texts
from test_lora import kohya, make, save

PIPELINES = os.path.join(REPO, "tests", "golden", "pipeline")
SIZE = ["-W", "64", "-H", "64"]


def settings(path):
    return json.loads(texts(path)["limn"])["options"]


def drawn(*args):
    r = limn("a red potion", *SIZE, "-o", "x.png", *args)
    return settings("x.png"), [line for line in r.err.splitlines() if "steps," in line or "step," in line or "was made" in line]


def model(name, like="sd1"):
    shutil.copytree(os.path.join(PIPELINES, like), name, symlinks=False)
    return name


def test_few_steps_are_the_defaults():
    s, said = drawn("-m", model("sdxl_lightning_4step"))
    assert (s["sampler"], s["schedule"], s["steps"], s["cfg_scale"]) == ("euler", "trailing", 4, 1), s
    assert len(said) == 1 and "SDXL-Lightning, by its name: euler, trailing, 4 steps, no guidance" in said[0], said
    limn("again", "x.png", "-m", "sdxl_lightning_4step", "-o", "y.png", "-q")
    assert read("x.png") == read("y.png")
    s, said = drawn("-m", "sdxl_lightning_4step", "--compat", "comfyui")
    assert s["schedule"] == "sgm_uniform" and s["steps"] == 4
    s, said = drawn("-m", model("an_lcm", "lcm"))
    assert (s["sampler"], s["steps"], s["cfg_scale"]) == ("lcm", 4, 8), s
    s, said = drawn("-m", model("plain", "lcm"))
    assert (s["sampler"], s["steps"], s["cfg_scale"]) == ("lcm", 4, 8) and "told the guidance" in said[0], s
    s, said = drawn("-m", "plain", "-q")
    assert said == []


def test_what_is_given_comes_first():
    model("sd-turbo")
    s, said = drawn("-m", "sd-turbo", "-s", "3", "--sampler", "heun")
    assert (s["sampler"], s["schedule"], s["steps"], s["cfg_scale"]) == ("heun", "trailing", 3, 1)
    model("hyper-sd15-8steps")
    s, said = drawn("-m", "hyper-sd15-8steps", "-s", "20", "--cfg-scale", "7", "--sampler", "euler", "--schedule", "karras")
    assert (s["sampler"], s["schedule"], s["steps"], s["cfg_scale"]) == ("euler", "karras", 20, 7)
    assert len(said) == 1 and "was made for 8 steps, and --steps is 20" in said[0], said
    with open("sd-turbo/limn.json", "w") as f:
        json.dump({"steps": 2, "cfg_scale": 1.5}, f)
    s, said = drawn("-m", "sd-turbo")
    assert (s["steps"], s["cfg_scale"], s["sampler"]) == (2, 1.5, "euler")


def test_few_steps_from_a_picture():
    model("sd-turbo")
    drawn("-m", "sd-turbo")
    s, _ = drawn("-m", "sd-turbo", "-i", "x.png", "--strength", "0.5")
    assert s["steps"] == 2
    s, _ = drawn("-m", "sd-turbo", "-i", "x.png", "--strength", "0.3")
    assert s["steps"] == 4
    fails(2, "x", "-m", "sd-turbo", "-i", "x.png", "--strength", "0.3", "-s", "1", "-q", says="strength")


def test_an_adapter_for_few_steps():
    save("lcm-lora-sdv1-5.safetensors", kohya(make(1, 1), 1))
    s, said = drawn("--lora", "lcm-lora-sdv1-5.safetensors:0.5")
    assert (s["sampler"], s["steps"], s["cfg_scale"]) == ("lcm", 4, 1), s
    assert "LCM, by its name" in said[0]
    out = limn("info", "lcm-lora-sdv1-5.safetensors").out
    assert "few steps      LCM, by its name: lcm, 4 steps, no guidance" in out, out
    assert json.loads(limn("info", "lcm-lora-sdv1-5.safetensors", "--json").out)["few_steps"]["sampler"] == "lcm"


def test_info_says_what_suits():
    model("sdxl_lightning_4step")
    assert "few steps      SDXL-Lightning, by its name: euler, trailing, 4 steps, no guidance" in limn("info", "sdxl_lightning_4step").out
    told = json.loads(limn("info", "sdxl_lightning_4step", "--json").out)
    assert told["few_steps"]["steps"] == told["defaults"]["steps"] == 4 and told["defaults"]["schedule"] == "trailing"
    model("dmd2_sdxl_1step")
    assert "lcm, 1 step at timestep 399, no guidance" in limn("info", "dmd2_sdxl_1step").out
    assert "few_steps" not in json.loads(limn("info", "--json", "sprites").out)


def trace_of(*args):
    limn("a red potion", *SIZE, "-o", "x.png", "--trace", "t", *args)
    data = read("t")
    n = struct.unpack("<Q", data[:8])[0]
    at = json.loads(data[8:8 + n])
    return {k: struct.unpack(f"<{(at[k]['data_offsets'][1] - at[k]['data_offsets'][0]) // 4}f",
                             data[8 + n + at[k]["data_offsets"][0]:8 + n + at[k]["data_offsets"][1]]) for k in ("timesteps", "sigmas")}


def test_one_step_at_a_timestep_of_its_own():
    """Hyper-SD's one-step UNet (800) and DMD2's (399); again draws the same; what is given comes first."""
    for name, t in ("Hyper-SDXL-1step-Unet", "800"), ("dmd2_sdxl_1step_unet", "399"):
        model(name)
        assert trace_of("-m", name)["timesteps"] == (float(t),)
        s = settings("x.png")
        assert (s["timesteps"], s["steps"], s["schedule"], s["cfg_scale"]) == (t, 1, "model", 1), s
        limn("again", "x.png", "-m", name, "-o", "y.png", "-q")
        assert read("x.png") == read("y.png")
        assert trace_of("-m", name, "--timesteps", "999,500")["timesteps"] == (999, 500)
        assert trace_of("-m", name, "--schedule", "trailing")["timesteps"] == (999,)
    unet = shutil.copy("dmd2_sdxl_1step_unet/unet/diffusion_pytorch_model.safetensors", "dmd2_sdxl_1step_unet.safetensors")
    model("sdxl_lightning_4step")
    assert trace_of("-m", "sdxl_lightning_4step", "--unet", unet)["timesteps"] == (399,), "the network that draws says what it is"


def test_timesteps():
    """--timesteps in a schedule's place, and what does not go with it."""
    args = ["-m", model("plain", "sd1"), "--sampler", "euler"]
    t = trace_of(*args, "--timesteps", "999, 700,50.5")
    assert t["timesteps"] == (999, 700, 50.5) and len(t["sigmas"]) == 4 and t["sigmas"][3] == 0, t
    limn("again", "x.png", "-q", "-o", "y.png")
    assert read("x.png") == read("y.png")
    limn("x", *SIZE, *args, "-q", "-o", "z.png", "--timesteps", "999,500", "-i", "x.png", "--strength", "0.5")
    for more, says in ((["-s", "5"], "they are 2, and steps is 5"), (["--schedule", "karras"], "in the place of a schedule"),
                       (["-i", "x.png", "--strength", "0.5", "--compat", "comfyui"], "ComfyUI's strength"),
                       (["--sampler", "ddim", "--compat", "a1111"], "of their own")):
        fails(2, "x", *SIZE, *args, "--timesteps", "999,500", *more, says=["timesteps", says])
    for wrong in "5,5", "1,2", "x", "1200,3":
        fails(2, "x", *SIZE, *args, "--timesteps", wrong, says="timestep")
    with open("jobs.jsonl", "w") as f:
        f.write('{"prompt": "a", "timesteps": "999,500", "seed": 1}\n')
    limn("batch", "jobs.jsonl", *SIZE, *args, "-q", "-o", "out")
    assert settings(os.path.join("out", sorted(p for p in os.listdir("out") if p.endswith(".png"))[0]))["timesteps"] == "999,500"


def test_an_adapters_folder_tells():
    """The hub's LoRAs are called pytorch_lora_weights: their folder says what they are; or the trainer's name in the metadata."""
    lora = kohya(make(1, 1), 1)
    os.makedirs("lcm-lora-sdv1-5")
    save("lcm-lora-sdv1-5/pytorch_lora_weights.safetensors", lora)
    s, said = drawn("--lora", "lcm-lora-sdv1-5/pytorch_lora_weights.safetensors")
    assert s["sampler"] == "lcm" and "LCM, by its folder's name" in said[0], said
    save("x.safetensors", lora, {"ss_output_name": "Hyper-SD15-8steps-lora"})
    s, said = drawn("--lora", "x.safetensors")
    assert (s["sampler"], s["steps"]) == ("ddim", 8) and "Hyper-SD, by its trainer's name for it" in said[0], said
    assert "Hyper-SD" in limn("info", "x.safetensors").out
