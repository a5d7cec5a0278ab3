"""Networks with EDM's noise (Playground v2.5): the scheduler's classes, VAEs with a mean and deviation for each channel."""

import json
import os
import shutil
import struct

import tiny_xl
from helpers import REPO, SMALL, chunks, fails, limn, read, write
from test_lora import tensors
from test_taesd import apart
from tiny import CLIP, VAE

GOLDEN = os.path.join(REPO, "tests", "golden")
MEAN, STD = [-0.2, 0.1, 0.4, -0.3], [0.8, 1.2, 0.9, 1.1]
JOB = ["a red potion, glowing!", "-n", "a blue sword on grass", "--cfg-scale", "5", "-s", "5", "--seed", "7", "-W", "64", "-H", "48",
       "-m", "model", "-q"]


def model(scheduler, **keys):
    shutil.rmtree("model", ignore_errors=True)
    shutil.copytree(os.path.join(GOLDEN, "pipeline", "sd1"), "model", symlinks=False)
    index = json.loads(read("model/model_index.json"))
    index["scheduler"] = ["diffusers", scheduler]
    vae = json.loads(read("model/vae/config.json"))
    vae.update(latents_mean=MEAN, latents_std=STD)
    vae.update(keys.pop("vae", {}))
    for path, value in (("model_index.json", index), ("vae/config.json", vae), ("scheduler/scheduler_config.json", {"_class_name": scheduler, **keys})):
        os.remove("model/" + path)
        write("model/" + path, json.dumps(value).encode())


def test_edm_as_diffusers():
    golden = tensors(os.path.join(GOLDEN, "edm.safetensors"))
    # the DPM class computes its sigmas in float32: the first is 79.99998, and the last steps magnify that
    for scheduler, name, sampler, limit in (("EDMEulerScheduler", "euler", "euler", 1e-5),
                                            ("EDMDPMSolverMultistepScheduler", "dpm", "dpmpp_2m", 1e-4)):
        model(scheduler)
        for more in [], ["--sampler", sampler], ["--sampler", scheduler]:
            limn(*JOB, "-o", "x.png", "--precision", "f32", "--trace", "x.safetensors", *more)
            t = tensors("x.safetensors")
            assert apart(t["latents"], golden[name + ".latents"]) < limit, (scheduler, more)
            assert apart(t["image"], golden[name + ".image"]) < limit, (scheduler, more)
        limn("again", "x.png", "-o", "y.png", "-q")
        assert read("x.png") == read("y.png")
    limn(*JOB, "-i", "x.png", "--strength", "0.5", "-o", "z.png")
    limn(*JOB, "--sampler", "heun", "--preview", "1", "-o", "z.png")
    limn(*JOB, "--sampler", "dpm_2", "--schedule", "normal", "-o", "z.png")


def test_edm_what_is_refused():
    model("EDMEulerScheduler")
    fails(2, *JOB, "--compat", "comfyui", says=["EDM", "diffusers"])
    for keys, says in (({"sigma_schedule": "linear"}, "sigma_schedule"), ({"prediction_type": "sample"}, "sample"),
                       ({"sigma_min": 90}, "sigma_max 80 is not above sigma_min 90"), ({"vae": {"latents_std": [1, 2]}}, "latents_std"),
                       ({"vae": {"latents_std": [1, 1, 0, 1]}}, "latents_std")):
        model("EDMEulerScheduler", **keys)
        fails(1, *JOB, says=says)
    for scheduler, says in (("FlowMatchHeunDiscreteScheduler", "flow matching"), ("ScoreSdeVeScheduler", "ScoreSdeVe"), ("NovelScheduler", "does not know")):
        model(scheduler)
        fails(1, *JOB, says=[scheduler, says])


def f32(*values):
    return "F32", [len(values)] if len(values) > 1 else [], struct.pack(f"<{len(values)}f", *values)


def pixels(*args):
    limn("a red potion", *SMALL, "-s", "3", "--seed", "1", "-q", "-o", "p.png", *args)
    return [data for kind, data in chunks(read("p.png")) if kind == b"IDAT"]


def test_edm_as_single_files():
    """Playground v2.5's marks and CosXL's: the configurations that diffusers has for them; the folder draws the same."""
    t = tiny_xl.base()
    playground = t.plus(edm_mean=f32(*MEAN), edm_std=f32(*STD))
    cosxl = t.plus(edm_vpred__sigma_max=f32(100.0), edm_vpred__sigma_min=f32(0.01))
    for name, model, prediction, scheduler, vae in (
            ("playground", playground, "epsilon", {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_max": 80.0, "sigma_data": 0.5},
             {"scaling_factor": 0.5, "latents_mean": MEAN, "latents_std": STD}),
            ("cosxl", cosxl, "v_prediction", {"_class_name": "EDMEulerScheduler", "sigma_max": 100.0, "sigma_data": 1.0, "sigma_schedule": "exponential"},
             {"scaling_factor": 0.13025})):
        path = model.save(name + ".safetensors")
        told = limn("info", path, "--json", "--tokenizer", CLIP)
        assert told.err == "" and json.loads(told.out)["prediction"] == prediction and "note" not in told.out, told.out + told.err
        limn("convert", path, name, "-q", "--tokenizer", CLIP)
        for file, want in ("scheduler/scheduler_config", scheduler), ("vae/config", vae):
            got = json.loads(read(f"{name}/{file}.json"))
            for key, value in want.items():
                near = [abs(a - b) < 1e-6 for a, b in zip(got[key], value)] if isinstance(value, list) else [got[key] == value]
                assert all(near), (name, key, got[key])
        drawn = pixels("-m", path, "--tokenizer", CLIP)
        assert drawn == pixels("-m", name)
        alone = t.without("conditioner.", "model.").save("vae.safetensors")
        assert drawn == pixels("-m", path, "--tokenizer", CLIP, "--vae", alone) == pixels("-m", model.without(VAE).save("x.safetensors"), "--vae",
                                                                                         alone, "--tokenizer", CLIP)
        fails(2, "a", *SMALL, "-m", path, "--tokenizer", CLIP, "--compat", "a1111", says="EDM")
        fails(1, "convert", name, "back.safetensors", says="single file")


def test_edm_files_that_are_wrong():
    t = tiny_xl.base()
    for more, says in (({"edm_mean": f32(*MEAN)}, "edm_mean has 4 numbers and edm_std 0"), ({"edm_mean": f32(1, 2), "edm_std": f32(1, 2)}, "latents_mean"),
                       ({"edm_mean": f32(*MEAN), "edm_std": f32(1, 1, 0, 1)}, "latents_std"),
                       ({"edm_mean": f32(*MEAN), "edm_std": f32(1, 1, float("nan"), 1)}, "edm_std"),
                       ({"edm_vpred__sigma_max": f32(1, 2)}, "sigma_max"), ({"edm_vpred__sigma_max": f32(0.001)}, "edm_vpred"),
                       ({"edm_mean": f32(*([1] * 20)), "edm_std": f32(1)}, "edm_mean: 20 numbers")):
        path = t.plus(**more).save("x.safetensors")
        fails(1, "a", *SMALL, "-m", path, "--tokenizer", CLIP, says=["x.safetensors", says])


def test_cosxl_edit():
    """CosXL's eight-channel network is told the picture's latent as it is scaled elsewhere; the folder says so (is_cosxl_edit)."""
    t = tiny_xl.base(8)
    path = t.plus(edm_vpred__sigma_max=f32(120.0), edm_vpred__sigma_min=f32(0.002)).save("edit.safetensors")
    limn("a potion", *SMALL, "--seed", "3", "-q", "-o", "start.png")
    args = ["-i", "start.png", "--cfg-scale", "4", "--image-cfg-scale", "1.5"]
    drawn = pixels("-m", path, "--tokenizer", CLIP, *args)
    limn("convert", path, "edit", "-q", "--tokenizer", CLIP)
    index = json.loads(read("edit/model_index.json"))
    assert index["is_cosxl_edit"] is True
    assert pixels("-m", "edit", *args) == drawn
    index["is_cosxl_edit"] = False
    write("edit/model_index.json", json.dumps(index).encode())
    assert pixels("-m", "edit", *args) != drawn
