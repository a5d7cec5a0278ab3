"""Networks of other kinds: consistency models and those trained by flow matching, each with the one sampler that is for it."""

import json
import os

from helpers import fails, limn, read, texts, write
from test_edm import GOLDEN, JOB, model
from test_lora import tensors
from test_taesd import apart

CM, FLOW = "CMStochasticIterativeScheduler", "FlowMatchEulerDiscreteScheduler"
PLAIN = {"latents_mean": None, "latents_std": None}


def drawn(steps, *more):
    limn(*JOB, "-s", str(steps), "-o", "x.png", "--precision", "f32", "--trace", "x.safetensors", *more)
    return tensors("x.safetensors")["latents"]


def test_kinds_as_diffusers():
    golden = tensors(os.path.join(GOLDEN, "kinds.safetensors"))
    for name, scheduler, steps, keys, more in (
            ("cm", CM, 4, {}, []), ("cm", CM, 4, {}, ["--sampler", "cm"]), ("cm", CM, 4, {}, ["--sampler", CM]),
            ("cm_free", CM, 2, {"num_train_timesteps": 18, "clip_denoised": False}, []),
            ("cm_free", CM, 2, {"num_train_timesteps": 18, "clip_denoised": False}, ["--timesteps", "9,0"]),
            ("flow", FLOW, 6, {"shift": 3.0}, []), ("flow", FLOW, 6, {"shift": 3.0, "base_shift": 0.5}, ["--sampler", "flow_euler"]),
            ("flow_fresh", FLOW, 5, {"stochastic_sampling": True}, []), ("flow_fresh", FLOW, 5, {}, ["--eta", "1"])):
        model(scheduler, vae=PLAIN, **keys)
        far = apart(drawn(steps, *more), golden[name])
        limit = 3e-5 if name in ("cm", "flow_fresh") else 1e-5  # each step begins anew: errors of its own are not drawn out of it
        assert far < limit, (name, more, far)
        limn("again", "x.png", "-o", "y.png", "-q")
        assert read("x.png") == read("y.png")


def test_instaflow():
    """Its pipeline's loop, whatever scheduler its folder names."""
    golden = tensors(os.path.join(GOLDEN, "kinds.safetensors"))
    model("PNDMScheduler", vae=PLAIN, prediction_type="epsilon", skip_prk_steps=True)
    index = json.loads(read("model/model_index.json"))
    index["_class_name"] = "RectifiedFlowPipeline"
    write("model/model_index.json", json.dumps(index).encode())
    for steps in 1, 5:
        far = apart(drawn(steps), golden[f"rectified_{steps}"])
        assert far < 1e-5, (steps, far)
    limn("again", "x.png", "-o", "y.png", "-q")
    assert read("x.png") == read("y.png")
    assert "prediction     flow" in limn("info", "model").out
    fails(2, *JOB, "--sampler", "euler", says=["flow matching", "flow_euler"])
    fails(2, *JOB, "--flow-shift", "3", says=["flow-shift", "equal distances"])


def test_prediction_flow():
    """A network of which nothing says it: --prediction flow is the folder whose scheduler says so."""
    model(FLOW, vae=PLAIN, shift=3.0)
    want = drawn(6)
    assert drawn(6, "--flow-shift", "3") == drawn(6, "--prediction", "flow") == want != drawn(6, "--flow-shift", "2")
    fails(2, *JOB, "--prediction", "epsilon", says=["prediction epsilon", "flow matching"])
    model("PNDMScheduler", vae=PLAIN, skip_prk_steps=True)
    assert drawn(6, "--prediction", "flow", "--flow-shift", "3") == want != drawn(6)
    options = json.loads(texts("x.png")["limn"])["options"]
    drawn(6, "--prediction", "flow", "--flow-shift", "3")
    limn("again", "x.png", "-o", "y.png", "-q")
    assert read("x.png") == read("y.png")
    assert json.loads(texts("x.png")["limn"])["options"]["sampler"] == "flow_euler" != options["sampler"]
    limn(*JOB, "--prediction", "rectified-flow", "-o", "b.png", "-i", "x.png", "--strength", "0.6")
    fails(2, *JOB, "--prediction", "flow", "--sampler", "dpmpp_2m", says=["flow matching", "flow_euler"])
    fails(2, *JOB, "--prediction", "flow", "--compat", "a1111", says="a1111")
    fails(2, *JOB, "--flow-shift", "3", says=["flow-shift", "--prediction flow"])
    fails(2, *JOB, "--prediction", "sd3_flow", says="flow for a UNet")
    model("EDMEulerScheduler", vae=PLAIN)
    fails(2, *JOB, "--prediction", "flow", says=["prediction flow", "EDMEulerScheduler"])


def test_kinds_go_with_the_rest():
    model(FLOW, vae=PLAIN, shift=2)
    limn(*JOB, "-o", "a.png", "--pag", "2", "--preview", "1")
    for more in (["-i", "a.png", "--strength", "0.6"], ["--schedule", "karras"], ["--schedule", "beta"], ["--cfg-rescale", "0.5"], ["--hires", "2"],
                 ["-i", "a.png", "--mask", "a.png"]):
        limn(*JOB, "-o", "b.png", *more)
    model(CM, vae=PLAIN)
    limn(*JOB, "-o", "b.png", "-i", "a.png", "--strength", "0.6")
    told = json.loads(limn("compare", "a cat", "-m", "model", "-W", "64", "-H", "48", "--samplers", "cm", "--steps", "1,2", "-o", "c", "--json").out)
    assert told


def test_kinds_refused():
    model(FLOW, vae=PLAIN)
    fails(2, *JOB, "--sampler", "euler", says=["flow matching", "flow_euler"])
    fails(2, *JOB, "--sampler", "dpmpp_2m", says=["flow matching", "flow_euler"])
    fails(2, *JOB, "--sampler", "cm", says=["flow matching", "flow_euler"])
    fails(2, *JOB, "--schedule", "ays", says=["ays", "flow matching"])
    fails(2, *JOB, "--timesteps", "999,500", "-s", "2", says="flow matching")
    fails(2, *JOB, "--compat", "a1111", says=[FLOW, "diffusers"])
    model(CM, vae=PLAIN, sigma_min=90)
    fails(1, *JOB, says="sigma_max 80 is not above sigma_min 90")
    model(CM, vae=PLAIN)
    fails(2, *JOB, "--sampler", "lcm", says=["consistency model", "cm"])
    fails(2, *JOB, "-s", "41", says="40")
    fails(2, *JOB, "--timesteps", "40,0", "-s", "2", says="39")
    plain = [a for a in JOB if a not in ("-m", "model")]
    fails(2, *plain, "--sampler", "flow_euler", says=["flow_euler", "flow matching", "euler"])
    fails(2, *plain, "--sampler", FLOW, says=["flow_euler", "euler"])
    fails(2, *plain, "--sampler", "cm", says=["cm", "consistency", "lcm"])
