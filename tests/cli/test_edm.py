"""Networks with EDM's noise (Playground v2.5): the scheduler's classes, VAEs with a mean and deviation for each channel."""

import json
import os
import shutil

from helpers import REPO, fails, limn, read, write
from test_lora import tensors
from test_taesd import apart

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
    for scheduler, says in (("FlowMatchEulerDiscreteScheduler", "flow matching"), ("CMStochasticIterativeScheduler", "consistency model"),
                            ("ScoreSdeVeScheduler", "ScoreSdeVe"), ("NovelScheduler", "does not know")):
        model(scheduler)
        fails(1, *JOB, says=[scheduler, says])
