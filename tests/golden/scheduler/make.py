"""More runs of diffusers' schedulers, in the form of schedulers.json: python3 make.py > diffusers.json

What schedulers.json leaves open: DDIM with eta, step counts that do not divide the timesteps, karras and exponential sigmas
over leading spacing, sample prediction, zero terminal SNR and clipping in each sampler, other betas. Versions in
../requirements.txt.
"""

import inspect
import json
import warnings

import diffusers
import torch

SD = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
LEADING = dict(SD, timestep_spacing="leading", steps_offset=1)
TRAILING = dict(SD, timestep_spacing="trailing")
LINSPACE = dict(SD, timestep_spacing="linspace")
ALPHA = dict(clip_sample=False, set_alpha_to_one=False)
V = dict(prediction_type="v_prediction")
X0 = dict(prediction_type="sample")
ZERO_SNR = dict(TRAILING, rescale_betas_zero_snr=True, **V)
COSINE = dict(beta_schedule="squaredcos_cap_v2", timestep_spacing="trailing")

CASES = [
    ("DDIM", 10, dict(LEADING, **ALPHA), 1.0),
    ("DDIM", 10, dict(LEADING, **ALPHA), 0.5),
    ("DDIM", 7, dict(LINSPACE, **ALPHA, **V), 0.3),
    ("DDIM", 30, dict(LEADING, **ALPHA), None),
    ("DDIM", 30, dict(TRAILING, **ALPHA), None),
    ("DDIM", 30, dict(LINSPACE, **ALPHA, **V), None),
    ("DDIM", 50, dict(LEADING, **ALPHA, **X0), None),
    ("DDIM", 10, dict(LEADING, clip_sample=True, clip_sample_range=0.7), None),
    ("DDIM", 10, dict(ZERO_SNR, **ALPHA), 0.5),
    ("DDIM", 20, dict(ZERO_SNR, clip_sample=False), None),
    ("DDIM", 10, dict(COSINE, clip_sample=False), None),
    ("DDIM", 1, dict(LEADING, **ALPHA), None),
    ("DDIM", 5, dict(num_train_timesteps=20, trained_betas=[0.01 * (i + 1) for i in range(20)], clip_sample=False), None),
    ("EulerDiscrete", 10, dict(LEADING, use_karras_sigmas=True), None),
    ("EulerDiscrete", 20, dict(LEADING, use_exponential_sigmas=True, **V), None),
    ("EulerDiscrete", 25, dict(TRAILING, use_karras_sigmas=True), None),
    ("EulerDiscrete", 30, LEADING, None),
    ("EulerDiscrete", 30, TRAILING, None),
    ("EulerDiscrete", 7, LINSPACE, None),
    ("EulerDiscrete", 10, dict(LEADING, **X0), None),
    ("EulerDiscrete", 1, TRAILING, None),
    ("EulerDiscrete", 10, COSINE, None),
    ("EulerAncestralDiscrete", 7, LINSPACE, None),
    ("EulerAncestralDiscrete", 30, dict(LEADING, **V), None),
    ("EulerAncestralDiscrete", 10, ZERO_SNR, None),
    ("HeunDiscrete", 10, dict(LEADING, use_karras_sigmas=True), None),
    ("HeunDiscrete", 7, dict(LINSPACE, **V), None),
    ("HeunDiscrete", 10, dict(LEADING, clip_sample=True, clip_sample_range=0.7), None),
    ("HeunDiscrete", 1, TRAILING, None),
    ("DPMSolverMultistep", 20, dict(LEADING, use_karras_sigmas=True), None),
    ("DPMSolverMultistep", 30, LEADING, None),
    ("DPMSolverMultistep", 30, dict(LINSPACE, **V), None),
    ("DPMSolverMultistep", 30, TRAILING, None),
    ("DPMSolverMultistep", 10, dict(LEADING, **X0), None),
    ("DPMSolverMultistep", 10, ZERO_SNR, None),
    ("DPMSolverMultistep", 1, LEADING, None),
    ("LCM", 3, SD, None),
    ("LCM", 50, dict(SD, **V), None),
    ("LCM", 4, dict(SD, **X0), None),
    ("LCM", 4, dict(SD, original_inference_steps=100, timestep_scaling=1.0), None),
    ("LCM", 4, dict(SD, clip_sample=True, clip_sample_range=0.7), None),
    ("LCM", 4, dict(SD, rescale_betas_zero_snr=True, **V), None),
]


def run(name, steps, config, eta):
    scheduler = getattr(diffusers, name + "Scheduler")(**config)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if "generator" in takes else {}
    if eta is not None:
        extra["eta"] = eta
    x = (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2) * scheduler.init_noise_sigma
    sums = []
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        x = scheduler.step(scaled * t / (t + 1), t, x, **extra).prev_sample
        sums.append([x.double().sum().item(), x.double().abs().sum().item()])
    sigmas = getattr(scheduler, "sigmas", None)
    row = dict(name=f"{name}/{steps}/" + ",".join(f"{k}={v}" for k, v in config.items() if k not in SD and k != "trained_betas"))
    row.update(cls=name + "Scheduler", steps=steps, config=config, init_noise_sigma=float(scheduler.init_noise_sigma))
    row.update(timesteps=[float(t) for t in scheduler.timesteps], sigmas=None if sigmas is None else sigmas.tolist())
    row.update(per_step_sum_abssum=sums, final_first16=x.flatten()[:16].tolist())
    if eta is not None:
        row.update(eta=eta)
    return row


warnings.filterwarnings("ignore")
diffusers.logging.set_verbosity_error()
print(json.dumps([run(*case) for case in CASES], separators=(",", ":")))
