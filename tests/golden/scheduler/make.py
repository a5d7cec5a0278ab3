"""More runs of diffusers' schedulers, in the form of schedulers.json: python3 make.py | gzip -9n > diffusers.json.gz

What schedulers.json leaves open: DDIM with eta, step counts that do not divide the timesteps, karras and exponential sigmas
over leading spacing, sample prediction, zero terminal SNR and clipping in each sampler, other betas. Versions in
../requirements.txt.
"""

import inspect
import json
import random
import re
import sys
import warnings

import diffusers
import numpy as np
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

# Random networks, few steps, many steps, every class and key.
SIGMAS = [{}, dict(use_karras_sigmas=True), dict(use_exponential_sigmas=True), dict(use_beta_sigmas=True)]
SPACED = [LEADING, TRAILING, LINSPACE]
DPM = [dict(solver_order=o, algorithm_type=a, solver_type=t) for o in (1, 2, 3) for a in ("dpmsolver++", "sde-dpmsolver++")
       for t in ("midpoint", "heun")]
UNIPC = [dict(solver_order=o, solver_type=t) for o in (1, 2, 3) for t in ("bh1", "bh2")]
OWN_KEYS = {
    "DPMSolverMultistep": DPM + [dict(final_sigmas_type="sigma_min"), dict(lower_order_final=False, final_sigmas_type="sigma_min"),
                                 dict(use_lu_lambdas=True), dict(final_sigmas_type="sigma_min", solver_order=3)],
    "DPMSolverSinglestep": [dict(solver_order=o, solver_type=t) for o in (1, 2, 3) for t in ("midpoint", "heun")],
    "DEISMultistep": [dict(solver_order=o) for o in (1, 2, 3)] + [dict(lower_order_final=False)],
    "UniPCMultistep": UNIPC + [dict(final_sigmas_type="sigma_min")],
    "EulerDiscrete": [{}, dict(final_sigmas_type="sigma_min")],
    "PNDM": [dict(skip_prk_steps=True), dict(skip_prk_steps=False), dict(skip_prk_steps=True, set_alpha_to_one=True)],
    "DDIM": [ALPHA, dict(clip_sample=False)],
    "DDPM": [dict(clip_sample=False), dict(clip_sample=True, clip_sample_range=2.0)],
    "DPMSolverSDE": [dict(noise_sampler_seed=s) for s in (0, 5, 2**40 + 3)],
    "TCD": [{}], "LCM": [{}], "HeunDiscrete": [{}], "KDPM2Discrete": [{}], "KDPM2AncestralDiscrete": [{}],
    "LMSDiscrete": [{}], "EulerAncestralDiscrete": [{}],
}
ZERO_SNR_CLASSES = ("EulerDiscrete", "EulerAncestralDiscrete", "DDIM", "DPMSolverMultistep", "UniPCMultistep", "LCM", "TCD")
NO_SIGMAS = ("DDIM", "DDPM", "PNDM", "TCD", "LCM", "EulerAncestralDiscrete")


EDM_NET = [0.4, 0.6, 1.1, 0.5]
EDM_CASES = [
    ("EDMEuler", 10, {}, None, EDM_NET),
    ("EDMEuler", 7, dict(sigma_schedule="exponential", sigma_min=0.02, sigma_max=20.0, sigma_data=1.0, **V), None, EDM_NET),
    ("EDMEuler", 1, {}, None, EDM_NET),
    ("EDMEuler", 5, dict(final_sigmas_type="sigma_min", rho=5.0), None, EDM_NET),
    ("EDMDPMSolverMultistep", 10, {}, None, EDM_NET),
    ("EDMDPMSolverMultistep", 20, dict(solver_order=2), None, EDM_NET),
    ("EDMDPMSolverMultistep", 16, dict(solver_order=3, sigma_schedule="exponential"), None, EDM_NET),
    ("EDMDPMSolverMultistep", 8, dict(solver_type="heun", sigma_data=0.7, **V), None, EDM_NET),
    ("EDMDPMSolverMultistep", 9, dict(final_sigmas_type="sigma_min", lower_order_final=False), None, EDM_NET),
    ("EDMDPMSolverMultistep", 12, dict(euler_at_final=True, solver_order=1), None, EDM_NET),
    ("EDMDPMSolverMultistep", 10, dict(algorithm_type="sde-dpmsolver++"), None, EDM_NET, 11),
]

# Networks of another kind.
CM, FLOW = "CMStochasticIterative", "FlowMatchEulerDiscrete"
KIND_CASES = [
    (CM, 1, {}, None, EDM_NET, 3),
    (CM, 2, dict(clip_denoised=False), None, EDM_NET, 4),
    (CM, 7, dict(num_train_timesteps=151, clip_denoised=False, sigma_data=0.7, s_noise=1.01), None, EDM_NET, 5),
    (CM, 40, dict(sigma_min=0.02, sigma_max=20.0, rho=5.0), None, EDM_NET, 6),
    (FLOW, 1, {}, None, EDM_NET),
    (FLOW, 10, {}, None, EDM_NET),
    (FLOW, 4, dict(shift=3.0), None, EDM_NET),
    (FLOW, 28, dict(shift=2.5, num_train_timesteps=500), None, EDM_NET),
    (FLOW, 12, dict(shift=1.5, shift_terminal=0.1), None, EDM_NET),
    (FLOW, 9, dict(shift=3.0, use_karras_sigmas=True), None, EDM_NET),
    (FLOW, 8, dict(shift=0.7, use_exponential_sigmas=True), None, EDM_NET),
    (FLOW, 11, dict(use_beta_sigmas=True), None, EDM_NET),
    (FLOW, 6, dict(shift=3.0, stochastic_sampling=True), None, EDM_NET, 7),
]


def random_cases(count):
    """(class, steps, config, eta, network, seed)"""
    r = random.Random(2026)
    for i in range(count):
        name = list(OWN_KEYS)[i % len(OWN_KEYS)]
        config = dict(r.choice(SPACED), **r.choice(OWN_KEYS[name]))
        if name not in NO_SIGMAS and "use_lu_lambdas" not in config:
            config.update(r.choice(SIGMAS))
        config.update(r.choice([{}, {}, V]))
        if name in ZERO_SNR_CLASSES and r.random() < 0.2:
            config = {**config, **ZERO_SNR}
        if name in ("DPMSolverSinglestep", "LCM", "TCD", "PNDM", "KDPM2Discrete", "KDPM2AncestralDiscrete", "DPMSolverSDE", "HeunDiscrete"):
            config.pop("rescale_betas_zero_snr", None)
        if name in ("DPMSolverSinglestep", "LCM", "TCD"):
            config.pop("timestep_spacing"), config.pop("steps_offset", None)
        steps = r.choice([1, 2, 3, 4, 5, 8, 11, 14, 15, 16, 23, 30])
        if name in ("LCM", "TCD"):
            steps = min(steps, 11)
        if name == "PNDM" and not config["skip_prk_steps"]:
            steps = max(steps, 4)
        eta = r.choice([None, 0.2, 0.65, 1.0]) if name in ("DDIM", "TCD") else None
        net = [round(r.uniform(0.2, 0.9), 3), round(r.uniform(0.1, 0.9), 3), round(r.uniform(0.3, 2), 3), round(r.uniform(-1, 2), 3)]
        yield name, steps, config, eta, net, r.randrange(2**32)
    for name in ("DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep", "PNDM"):
        config = dict(TRAILING if name != "PNDM" else LEADING, **OWN_KEYS[name][0])
        if name == "PNDM":
            config["steps_offset"] = 0
        if "algorithm_type" in config:
            config.update(solver_order=2)
        yield name, 999, config, 0.5 if name == "DDIM" else None, [0.5, 0.4, 0.8, 0.3], 7


def in_float32(convert):
    """_sigma_to_t() as NumPy 1 computes it and as schedulers.json has it: there the first timestep is 999, with NumPy 2 it is
    998.99999, which some classes cut off to 998."""
    return lambda sigma, log_sigmas: convert(np.float32(sigma), log_sigmas)


def run(name, steps, config, eta, net=None, seed=0):
    scheduler = getattr(diffusers, name + "Scheduler")(**config)
    if name in ("DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep", "UniPCMultistep"):
        scheduler._sigma_to_t = in_float32(scheduler._sigma_to_t)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(seed)
    takes = inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if "generator" in takes else {}
    if eta is not None:
        extra["eta"] = eta
    flow = not hasattr(scheduler, "scale_model_input")  # the network sees x itself there, which begins as noise
    first = 1.0 if flow else scheduler.init_noise_sigma
    x = (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2) * first
    sums = []
    for t in scheduler.timesteps:
        scaled = x if flow else scheduler.scale_model_input(x, t)
        if net:
            out = net[0] * scaled + net[1] * torch.tanh(net[2] * scaled + net[3] * float(t) / 1000)
        else:
            out = scaled * t / (t + 1)
        x = scheduler.step(out, t, x, **extra).prev_sample
        sums.append([x.double().sum().item(), x.double().abs().sum().item()])
    sigmas = getattr(scheduler, "sigmas", None)
    row = dict(name=f"{name}/{steps}/" + ",".join(f"{k}={v}" for k, v in config.items() if k not in SD and k != "trained_betas"))
    row.update(cls=name + "Scheduler", steps=steps, config=config, init_noise_sigma=float(first))
    row.update(timesteps=[float(t) for t in scheduler.timesteps], sigmas=None if sigmas is None else sigmas.tolist())
    row.update(per_step_sum_abssum=sums, final_first16=x.flatten()[:16].tolist())
    if eta is not None:
        row.update(eta=eta)
    if net:
        row.update(network=net, seed=seed, limit=LIMIT.get(steps, 2e-5))
    return row


LIMIT = {999: 2e-4}  # float32 rounds 999 times there


warnings.filterwarnings("ignore")
diffusers.logging.set_verbosity_error()
rows = [run(*case) for case in CASES]
for case in random_cases(208):
    try:
        row = run(*case)
    except (IndexError, ValueError, UnboundLocalError, AssertionError) as e:  # a case that diffusers refuses
        print(case[0], case[1], case[2], e, file=sys.stderr)
        continue
    row["name"] = f"{case[0]}/{case[1]}/case {len(rows)}"
    row["per_step_sum_abssum"] = [[float(f"{v:.7g}") for v in pair] for pair in row["per_step_sum_abssum"]]
    if row["steps"] > 8:
        row["sigmas"] = None
    if row["steps"] > 30:  # only some of the steps are kept
        row["per_step_sum_abssum"] = row["per_step_sum_abssum"][-1:]
        row["timesteps"] = row["sigmas"] = None
    rows.append(row)
for case in EDM_CASES + KIND_CASES:  # after all others, whose names are numbers
    rows.append(run(*case))
text = json.dumps(rows, separators=(",", ":"))
print(re.sub(r"-?\d+\.\d{9,}(e-?\d+)?", lambda m: f"{float(m[0]):.9g}", text).replace("NaN", "null"))
