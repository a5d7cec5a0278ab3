"""Models and adapters for few steps: what limn says of them, and the settings that it takes."""

import json
import os
import shutil

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
    assert "timestep 399" in limn("info", "dmd2_sdxl_1step").out
    assert "few_steps" not in json.loads(limn("info", "--json", "sprites").out)
