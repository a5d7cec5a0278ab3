"""What diffusers makes of a scheduler's file for each class that may be run: python3 pairs.py | gzip -9n > pairs.json.gz

The files are those of the hub (and some that use keys which few have), as their authors wrote them: most leave out what was the
default of their day. A StableDiffusionPipeline, or the file's own, is made of the file; then pipe.scheduler = X.from_config(
pipe.scheduler.config) for every class X but the file's own, which stays as the pipeline's constructor left it. The network is F(x, t) =
0.5 x + 0.4 tanh(0.8 x + 0.3 t / 1000) on one latent. With an argument N, as many random files instead. Versions in ../requirements.txt.
"""

import inspect
import json
import random
import re
import sys
import types
import warnings

import diffusers
import numpy as np
import torch

SD = dict(beta_end=0.012, beta_schedule="scaled_linear", beta_start=0.00085, num_train_timesteps=1000)
SD15 = dict(SD, clip_sample=False, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1, trained_betas=None)
EULER = dict(SD15, interpolation_type="linear", prediction_type="epsilon", sample_max_value=1.0)
DPM = dict(SD15, algorithm_type="dpmsolver++", dynamic_thresholding_ratio=0.995, lower_order_final=True, prediction_type="epsilon",
           sample_max_value=1.0, solver_order=2, solver_type="midpoint", thresholding=False)


def file(name, pipeline, **keys):
    return dict(pipeline=pipeline, config=dict(_class_name=name + "Scheduler", **keys))


SDP, XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
FILES = {
    # the hub's
    "sd-1.5": file("PNDM", SDP, **SD15),
    "sd-2.1": file("DDIM", SDP, **SD15, prediction_type="v_prediction"),
    "sd-2.1-base": file("PNDM", SDP, **SD15, prediction_type="epsilon"),
    "sd-1.5-inpainting": file("DDIM", "StableDiffusionInpaintPipeline", **{k: v for k, v in SD15.items() if k != "skip_prk_steps"}),
    "image-variations": file("PNDM", SDP, **SD, skip_prk_steps=True, trained_betas=None),
    "waifu-diffusion-1.3": file("LMSDiscrete", SDP, **SD, trained_betas=None, timestep_values=None),
    "realistic-vision-5.1": file("PNDM", SDP, **SD15, prediction_type="epsilon", timestep_spacing="leading"),
    "owl-characters": file("DDPM", SDP, **SD, clip_sample=False, clip_sample_range=1.0, prediction_type="epsilon", set_alpha_to_one=False,
                           steps_offset=1, trained_betas=None, variance_type="fixed_small"),
    "sdxl-base": file("EulerDiscrete", XL, **EULER, timestep_spacing="leading", use_karras_sigmas=False),
    "sdxl-turbo": file("EulerAncestralDiscrete", XL, **EULER, timestep_spacing="trailing"),
    "sd-turbo": file("EulerDiscrete", SDP, **EULER, timestep_spacing="trailing", use_karras_sigmas=False),
    "lcm-dreamshaper-7": file("LCM", "LatentConsistencyModelPipeline", **SD, clip_sample=False, clip_sample_range=1.0,
                              dynamic_thresholding_ratio=0.995, original_inference_steps=50, prediction_type="epsilon",
                              rescale_betas_zero_snr=False, sample_max_value=1.0, set_alpha_to_one=True, steps_offset=1,
                              thresholding=False, timestep_spacing="leading", trained_betas=None),
    "dreamshaper-8": file("DEISMultistep", SDP, **dict(DPM, algorithm_type="deis", solver_type="logrho"), timestep_spacing="leading",
                          use_karras_sigmas=False),
    "dreamlike-photoreal-2": file("DPMSolverMultistep", SDP, **DPM),
    "zero-snr": file("DDIM", SDP, **SD, clip_sample=False, prediction_type="v_prediction", rescale_betas_zero_snr=True,
                     set_alpha_to_one=False, steps_offset=1, timestep_spacing="trailing"),
    # what a key that is left out, or of another class, becomes
    "empty": file("DDIM", SDP),
    "empty-xl": file("PNDM", XL),
    "old": file("DDIM", SDP, **SD, clip_sample=True, steps_offset=0, timestep_spacing="leading", tensor_format="pt", predict_epsilon=True),
    "unipc": file("UniPCMultistep", SDP, **SD, solver_order=3, solver_type="bh1", disable_corrector=[0, 2], timestep_spacing="trailing",
                  final_sigmas_type="sigma_min", lower_order_final=False),
    "unipc-5": file("UniPCMultistep", SDP, **SD, solver_order=5, prediction_type="v_prediction"),
    "unipc-noise": file("UniPCMultistep", XL, **SD, predict_x0=False, final_sigmas_type="sigma_min", use_karras_sigmas=True),
    "dpm-heun": file("DPMSolverMultistep", XL, **SD, solver_order=3, solver_type="heun", euler_at_final=True, use_lu_lambdas=True,
                     final_sigmas_type="sigma_min", lower_order_final=False),
    "dpm-clipped": file("DPMSolverMultistep", XL, **dict(SD, beta_schedule="squaredcos_cap_v2"), lambda_min_clipped=-5.1, variance_type=None,
                        algorithm_type="sde-dpmsolver++", timestep_spacing="trailing"),
    "dpm-1": file("DPMSolverMultistep", XL, **SD, algorithm_type="dpmsolver", final_sigmas_type="sigma_min", solver_order=3),
    "dpm-1-second": file("DPMSolverMultistep", XL, **SD, algorithm_type="dpmsolver", final_sigmas_type="sigma_min", solver_type="heun"),
    "dpm-1-sde": file("DPMSolverMultistep", XL, **SD, algorithm_type="sde-dpmsolver", final_sigmas_type="sigma_min", solver_type="heun",
                      prediction_type="v_prediction"),
    "dpm-1-zero": file("DPMSolverMultistep", XL, **SD, algorithm_type="dpmsolver"),
    "single-sde-second": file("DPMSolverSinglestep", XL, **SD, algorithm_type="sde-dpmsolver++"),
    "single-sde": file("DPMSolverSinglestep", XL, **SD, algorithm_type="sde-dpmsolver++", solver_order=3, solver_type="heun",
                       use_exponential_sigmas=True, lower_order_final=True, final_sigmas_type="sigma_min"),
    "euler-range": file("EulerDiscrete", XL, **SD, sigma_min=0.05, sigma_max=10.0, use_karras_sigmas=True, final_sigmas_type="sigma_min"),
    "euler-log": file("EulerDiscrete", XL, **SD, interpolation_type="log_linear", timestep_spacing="leading", steps_offset=3),
    "euler-edm": file("EulerDiscrete", XL, **SD, timestep_type="continuous", prediction_type="v_prediction", use_beta_sigmas=True,
                      sigma_max=12.0),
    "deis-foreign": file("DEISMultistep", XL, **SD, algorithm_type="dpmsolver", solver_type="heun", use_beta_sigmas=True),
    "ddpm-large": file("DDPM", XL, **SD, variance_type="fixed_large", clip_sample=True, clip_sample_range=1.3, prediction_type="sample"),
    "threshold": file("DDIM", XL, **SD, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=1.2),
    "sa": file("SASolver", XL, **SD, predictor_order=3, corrector_order=4, timestep_spacing="leading", steps_offset=2),
    "sa-noise": file("SASolver", XL, **SD, algorithm_type="noise_prediction", lower_order_final=False, use_karras_sigmas=True),
}
CLASSES = ["DDIM", "DDPM", "PNDM", "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete", "KDPM2Discrete",
           "KDPM2AncestralDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep", "DPMSolverSDE", "DEISMultistep", "UniPCMultistep",
           "SASolver", "LCM", "TCD"]
STEPS = (6, 17)
SEED = 3


def pipeline_of(f):
    """The pipeline with nothing but its scheduler: its constructor is what counts."""
    cls = getattr(diffusers, f["config"]["_class_name"])
    parts = {k: None for k in inspect.signature(getattr(diffusers, f["pipeline"]).__init__).parameters if k != "self"}
    parts.update(scheduler=cls.from_config(f["config"]))
    if "requires_safety_checker" in parts:
        parts.update(requires_safety_checker=False)
    for k in ("force_zeros_for_empty_prompt", "add_watermarker"):
        if k in parts:
            parts[k] = False
    parts.pop("kwargs", None)
    return getattr(diffusers, f["pipeline"])(**parts)


def in_float32(convert):
    """As NumPy 1 computes it; see make.py."""
    return lambda sigma, log_sigmas: convert(np.float32(sigma), log_sigmas)


DPM_WORDS, SA_WORDS = ["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"], ["data_prediction", "noise_prediction"]
FOREIGN = {
    "DPMSolverMultistep": {w: "dpmsolver++" for w in SA_WORDS + ["deis"]},
    "DPMSolverSinglestep": {w: "dpmsolver++" for w in SA_WORDS + ["deis"]},
    "DEISMultistep": {w: "deis" for w in SA_WORDS + DPM_WORDS},
    "SASolver": {w: "data_prediction" for w in DPM_WORDS + ["deis"]},
}


def scheduler_of(f, name):
    cls = getattr(diffusers, name + "Scheduler")
    try:
        scheduler = pipeline_of(f).scheduler
    except (ValueError, NotImplementedError):  # the file's own class refuses it; then another is made of the file itself
        if f["config"]["_class_name"] == name + "Scheduler":
            raise
        scheduler = types.SimpleNamespace(config=f["config"])
    foreign = FOREIGN.get(name, {}).get(scheduler.config.get("algorithm_type"))
    if type(scheduler) is not cls:
        # the word of another family of solvers stands for the class' own, where diffusers would raise an error
        scheduler = cls.from_config(scheduler.config, **(dict(algorithm_type=foreign) if foreign else {}))
    if name == "DPMSolverSDE":
        scheduler.noise_sampler_seed = SEED
    if name in ("DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep", "UniPCMultistep", "SASolver"):
        scheduler._sigma_to_t = in_float32(scheduler._sigma_to_t)
    return scheduler


def run(f, name, steps):
    scheduler = scheduler_of(f, name)
    scheduler.set_timesteps(steps)
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": torch.Generator().manual_seed(SEED)} if "generator" in takes else {}
    if "eta" in takes:
        extra["eta"] = 0.0  # what the pipelines pass
    x = (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2).reshape(1, 12, 8, 8) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        out = 0.5 * scaled + 0.4 * torch.tanh(0.8 * scaled + 0.3 * float(t) / 1000)
        x = scheduler.step(out, t, x, **extra).prev_sample
    if not torch.isfinite(x).all():
        raise ValueError("not finite")
    sigmas = getattr(scheduler, "sigmas", None)
    return dict(scale=float(scheduler.init_noise_sigma), t=[float(t) for t in scheduler.timesteps],
                sigmas=None if sigmas is None else sigmas.tolist(),
                sums=[x.double().sum().item(), x.double().abs().sum().item()], first=x.flatten()[:6].tolist())


def row(f, name, steps):
    try:
        return run(f, name, steps)
    except (ValueError, NotImplementedError, IndexError, TypeError, UnboundLocalError, AssertionError, RuntimeError) as e:
        return dict(refused=str(e).split("\n")[0][:60] or type(e).__name__)


def signatures():
    """Each class' keys with their defaults, for the table of classes."""
    found = {}
    for name in CLASSES + ["EDMEuler", "EDMDPMSolverMultistep", "CMStochasticIterative", "FlowMatchEulerDiscrete"]:  # for networks of one kind
        parameters = inspect.signature(getattr(diffusers, name + "Scheduler").__init__).parameters
        found[name + "Scheduler"] = {k: repr(p.default) for k, p in parameters.items() if k != "self"}
    return found


KEYS = dict(
    timestep_spacing=["leading", "trailing", "linspace"], prediction_type=["epsilon", "v_prediction", "sample"], steps_offset=[0, 1, 3],
    clip_sample=[True, False], clip_sample_range=[0.8, 1.5], set_alpha_to_one=[True, False], skip_prk_steps=[True, False],
    rescale_betas_zero_snr=[True, False, False], thresholding=[True, False, False], dynamic_thresholding_ratio=[0.7, 0.995],
    sample_max_value=[1.0, 1.4], variance_type=["fixed_small", "fixed_small_log", "fixed_large", None], use_karras_sigmas=[True, False],
    use_exponential_sigmas=[True, False, False], use_beta_sigmas=[True, False, False], use_lu_lambdas=[True, False, False],
    interpolation_type=["linear", "log_linear"], timestep_type=["discrete", "continuous"], sigma_min=[0.05, None], sigma_max=[11.0, None],
    final_sigmas_type=["zero", "sigma_min", "sigma_min"], lambda_min_clipped=[-5.1, -4.0, -1.5], solver_order=[1, 2, 3, 4],
    solver_type=["midpoint", "heun", "bh1", "bh2", "logrho"], lower_order_final=[True, False], euler_at_final=[True, False],
    algorithm_type=["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver", "deis", "data_prediction", "noise_prediction"],
    predict_x0=[True, False], disable_corrector=[[], [0], [1, 3]], predictor_order=[1, 2, 3, 4], corrector_order=[1, 2, 3, 4],
    original_inference_steps=[50, 100, 40], timestep_scaling=[1.0, 10.0], num_train_timesteps=[1000, 1000, 500],
    beta_schedule=["scaled_linear", "linear", "squaredcos_cap_v2", "exp", "laplace", "sigmoid"], beta_start=[0.00085, 0.0001], beta_end=[0.012, 0.02],
)


def random_files(count):
    r = random.Random(2026)
    for i in range(count):
        keys = dict(SD) if r.random() < 0.8 else {}
        keys.update({k: r.choice(KEYS[k]) for k in r.sample(list(KEYS), r.randint(1, 9))})
        yield f"random-{i}", file(r.choice(CLASSES), r.choice([SDP, XL, "StableDiffusionInpaintPipeline"]), **keys)


warnings.filterwarnings("ignore")
diffusers.logging.set_verbosity_error()
random_count = int(sys.argv[1]) if len(sys.argv) > 1 else 0
files = dict(random_files(random_count)) if random_count else FILES
rows = []
rng = random.Random(7)
for key, f in files.items():
    for name in rng.sample(CLASSES, 4) if random_count else CLASSES:
        if key == "dpm-clipped" and name == "KDPM2AncestralDiscrete":
            continue  # sigma_next^2 - sigma_up^2 is all rounding there
        for steps in [rng.choice([1, 2, 3, 5, 8, 14, 15, 22])] if random_count else STEPS:
            rows.append(dict(file=key, run=name + "Scheduler", steps=steps, **row(f, name, steps)))
text = json.dumps(dict(classes=signatures(), files=files, rows=rows), separators=(",", ":"))
print(re.sub(r"-?\d+\.\d{6,}(e-?\d+)?", lambda m: f"{float(m[0]):.8g}", text).replace('{"file"', '\n{"file"'))
