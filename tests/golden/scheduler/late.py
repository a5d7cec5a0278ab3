"""Runs of diffusers' schedulers that begin later (img2img, a refiner) or at timesteps that are given: python3 late.py > late.json

The form of schedulers.json, with "begin" (the steps that are left out) or "given" (the timesteps). Versions in ../requirements.txt.
"""
import inspect
import json
import warnings

import diffusers
import torch

SD = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
LEADING = dict(SD, timestep_spacing="leading", steps_offset=1)
TRAILING = dict(SD, timestep_spacing="trailing")
ALPHA = dict(clip_sample=False, set_alpha_to_one=False)
NET = [0.5, 0.4, 0.8, 0.3]
BEGIN = [("LMSDiscrete", 10, LEADING, 1), ("LMSDiscrete", 10, LEADING, 2), ("LMSDiscrete", 12, dict(TRAILING, prediction_type="v_prediction"), 5),
         ("LMSDiscrete", 10, dict(LEADING, use_karras_sigmas=True), 6), ("EulerDiscrete", 10, LEADING, 4), ("DDIM", 10, dict(LEADING, **ALPHA), 3),
         ("DPMSolverMultistep", 20, LEADING, 9), ("DPMSolverMultistep", 12, LEADING, 4), ("UniPCMultistep", 10, LEADING, 3),
         ("DEISMultistep", 10, LEADING, 5)]
GIVEN = [("LCM", [800], SD), ("LCM", [399], SD), ("LCM", [999, 749, 499, 249], SD), ("TCD", [999, 759, 499, 259], SD),
         ("EulerDiscrete", [999, 800, 500, 100], LEADING), ("EulerDiscrete", [999, 800, 500, 100], TRAILING), ("EulerDiscrete", [700, 30], TRAILING),
         ("HeunDiscrete", [999, 600, 300], TRAILING), ("DPMSolverMultistep", [999, 845, 730, 587, 443, 310, 193, 116, 53, 13], LEADING),
         ("DDPM", [999, 700, 400, 100], dict(SD, clip_sample=False, timestep_spacing="trailing"))]


def run(name, config, begin=0, steps=None, given=None):
    scheduler = getattr(diffusers, name + "Scheduler")(**config)
    scheduler.set_timesteps(timesteps=given) if given else scheduler.set_timesteps(steps)
    if begin and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    extra = {"generator": torch.Generator().manual_seed(3)} if "generator" in inspect.signature(scheduler.step).parameters else {}
    x = (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2) * scheduler.init_noise_sigma
    sums = []
    for t in scheduler.timesteps[begin:]:
        scaled = scheduler.scale_model_input(x, t)
        out = NET[0] * scaled + NET[1] * torch.tanh(NET[2] * scaled + NET[3] * float(t) / 1000)
        x = scheduler.step(out, t, x, **extra).prev_sample
        sums.append([x.double().sum().item(), x.double().abs().sum().item()])
    row = dict(name=f"{name}/{steps or given}/{begin}", cls=name + "Scheduler", steps=steps or len(given), config=config, network=NET, seed=3, begin=begin,
               init_noise_sigma=float(scheduler.init_noise_sigma), timesteps=[float(t) for t in scheduler.timesteps[begin:]],
               per_step_sum_abssum=sums, final_first16=x.flatten()[:16].tolist())
    if name == "TCD":
        row["eta"] = 0.3
    return {**row, "given": ",".join(map(str, given))} if given else row


warnings.filterwarnings("ignore")
diffusers.logging.set_verbosity_error()
rows = [run(name, config, begin, steps) for name, steps, config, begin in BEGIN] + [run(name, config, given=t) for name, t, config in GIVEN]
print(json.dumps(rows, separators=(",", ":")))
