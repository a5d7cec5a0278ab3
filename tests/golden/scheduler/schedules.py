"""Sigmas by the rules of A1111 (modules/sd_schedulers.py) and ComfyUI (comfy/samplers.py and its nodes), written anew with NumPy
and SciPy, for test_schedules.c: python3 schedules.py > schedules.json"""

import json

import numpy as np
import torch
from scipy import stats

betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
bar = torch.cumprod(1 - betas, 0)
SIGMAS = ((1 - bar) / bar) ** 0.5
LOW, HIGH = SIGMAS[0].item(), SIGMAS[-1].item()
LOG = SIGMAS.log().double().numpy()
SD = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
AYS_32 = [14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609, 3.13490466, 2.79228788, 2.48773628,
          2.21663865, 1.97508351, 1.7793172, 1.61475335, 1.46540953, 1.314849, 1.16642497, 1.03475547, 0.91573744, 0.80748169, 0.71202361,
          0.621739, 0.53065202, 0.4529096, 0.37491455, 0.27461819, 0.2011529, 0.14105873, 0.06682881, 0.03166121, 0.015]
GITS = {2: [0.803307], 3: [1.56271636, 0.52423614], 7: [5.85520077, 2.45070267, 1.24153244, 0.64427125, 0.29807833, 0.09824532],
        10: [5.85520077, 2.84484982, 1.67050016, 1.08895338, 0.74807048, 0.50118381, 0.32104823, 0.19894916, 0.09824532],
        20: [7.49001646, 4.65472794, 3.07277966, 2.19988537, 1.61558151, 1.24153244, 0.95350921, 0.74807048, 0.59516323, 0.50118381,
             0.41087446, 0.34370604, 0.29807833, 0.25053367, 0.22545385, 0.19894916, 0.17026083, 0.13792117, 0.09824532]}
SD_COMFYUI = [14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904, 0.6523686016,
              0.3977456272, 0.1515232662, 0.0291671582]


def at(t):
    return float(np.exp(np.interp(t, np.arange(1000), LOG)))


def table(values, n):
    return list(np.exp(np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(values)), np.log(values[::-1])))[::-1])


def karras(n, low=LOW, high=HIGH):
    return list((high ** (1 / 7) + np.linspace(0, 1, n) * (low ** (1 / 7) - high ** (1 / 7))) ** 7) + [0.0]


def beta_comfyui(n):
    out, last = [], -1
    for t in np.rint(stats.beta.ppf(1 - np.linspace(0, 1, n, endpoint=False), 0.6, 0.6) * 999):
        if t != last:
            out.append(SIGMAS[int(t)].item())
        last = t
    return out + [0.0]


def linear_quadratic(n, threshold=0.025):
    if n == 1:
        return [HIGH, 0.0]
    even = n // 2
    diff, rest = even - threshold * n, n - even
    square, linear = diff / (even * rest**2), threshold / even - 2 * diff / rest**2
    gone = [i * threshold / even for i in range(even)]
    gone += [square * i * i + linear * i + square * even**2 for i in range(even, n)]
    return [(1 - v) * HIGH for v in gone + [1.0]]


def gits(n):
    values = [14.61464119] + GITS[min(n, 20)] + [0.02916753]
    return (values if n <= 20 else table(values, n + 1))[:-1] + [0.0]


def laplace(n):
    x = torch.linspace(0, 1, n)
    lmb = -0.5 * torch.sign(0.5 - x) * torch.log(1 - 2 * torch.abs(0.5 - x) + 1e-5)
    return torch.clamp(torch.exp(lmb), min=LOW, max=HIGH).tolist()


def every(n):
    return list(range(1, 1000, max(1000 // n, 1)))[::-1]


A1111 = {
    "normal": lambda n: [at(t) for t in np.linspace(999, 0, n)] + [0.0],
    "karras": karras,
    "karras_old": lambda n: karras(n, 0.1, 10.0),
    "exponential": lambda n: list(np.exp(np.linspace(np.log(HIGH), np.log(LOW), n))) + [0.0],
    "sgm_uniform": lambda n: [at(t) for t in np.linspace(999, 0, n + 1)[:-1]] + [0.0],
    "simple": lambda n: [SIGMAS[-(1 + int(i * 1000 / n))].item() for i in range(n)] + [0.0],
    "ddim_uniform": lambda n: [SIGMAS[t].item() for t in every(n)] + [0.0],
    "beta": lambda n: [LOW + v * (HIGH - LOW) for v in stats.beta.ppf(1 - np.linspace(0, 1, n), 0.6, 0.6)] + [0.0],
    "kl_optimal": lambda n: [float(np.tan(i / n * np.arctan(LOW) + (1 - i / n) * np.arctan(HIGH))) for i in range(n + 1)],
    "ays": lambda n: table(SD, n) + [0.0],
    "ays_32": lambda n: table(AYS_32, n) + [0.0],
    "laplace": lambda n: laplace(n) + [0.0],
    "turbo": lambda n: [SIGMAS[int(round(i * 1000 / n)) - 1].item() for i in range(n, 0, -1)] + [0.0],
}
COMFYUI = {
    "beta": beta_comfyui,
    "kl_optimal": lambda n: [float(v) for v in np.tan(np.linspace(1, 0, n) * np.arctan(HIGH) + np.linspace(0, 1, n) * np.arctan(LOW))] + [0.0],
    "ays": lambda n: table(SD_COMFYUI, n + 1)[:-1] + [0.0],
    "linear_quadratic": linear_quadratic,
    "gits": gits,
    "laplace": laplace,
    "sd_turbo": lambda n: [SIGMAS[999 - 100 * i].item() for i in range(n)] + [0.0],
}

rows = []
for compat, rules in (("a1111", A1111), ("comfyui", COMFYUI)):
    for name, rule in rules.items():
        for n in (1, 2, 3, 7, 10, 20, 33):
            if (name == "sd_turbo" and n > 10) or (n == 1 and name in ("kl_optimal", "turbo") and compat == "comfyui"):
                continue
            if name in ("gits", "laplace") and n == 1 and compat == "comfyui":
                continue
            rows.append(dict(compat=compat, schedule=name, steps=n, sigmas=[float(f"{v:.9g}") for v in rule(n)]))
for name in ("karras", "kl_optimal"):  # A1111's DPM2: one more, the last but one left out
    sigmas = A1111[name](11)
    rows.append(dict(compat="a1111", schedule=name, steps=10, drop=1, sigmas=[float(f"{v:.9g}") for v in sigmas[:-2] + sigmas[-1:]]))


def nearest(n):
    """The timesteps that ComfyUI's networks are told with the schedule normal: of the nearest log sigma, in float32."""
    logs, t = SIGMAS.log(), torch.linspace(999, 0, n)
    low, w = t.floor().long(), t.frac()
    sigma = ((1 - w) * logs[low] + w * logs[t.ceil().long()]).exp()
    return (sigma.log() - logs[:, None]).abs().argmin(dim=0).tolist()


print(json.dumps({"rows": rows, "nearest": {n: nearest(n) for n in (2, 3, 4, 7, 10, 19, 28, 38, 55, 75, 112, 223, 334)}}, separators=(",", ":")))
