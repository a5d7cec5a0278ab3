"""Runs of samplers on random denoisers and sigmas, for test_kdiffusion.c: python3 samplers.py | gzip -9n > samplers.json.gz

k-diffusion's own functions where it has the sampler; the formulas of ComfyUI, diff-sampler and A1111 written out below where it
has not. x0 = randn(1, 4, 8, 8; seed) * sigma[0], fresh noise goes on from there, a Brownian tree has the same seed.
Versions in ../requirements.txt.
"""

import importlib.util
import json
import math
import random
import sys
import types

import numpy as np
import torch

# k_diffusion/__init__.py wants all of what its training needs; the samplers want none of it.
package = types.ModuleType("k_diffusion")
package.__path__ = list(importlib.util.find_spec("k_diffusion").submodule_search_locations)
package.utils = types.SimpleNamespace(append_dims=lambda x, n: x[(...,) + (None,) * (n - x.ndim)])
sys.modules["k_diffusion"] = package
sys.modules.setdefault("torchdiffeq", types.SimpleNamespace(odeint=None))
import k_diffusion.sampling as k  # noqa: E402


def denoiser(net):
    a, b, c, d = net

    def D(x, sigma, **_):
        sigma = sigma.view(-1, 1, 1, 1)
        D.calls += 1
        return a * x / (1 + sigma**2) + b * torch.tanh(c * x / (1 + sigma) + d)

    D.calls = 0
    return D


def steps_of(sigmas):
    return list(zip(range(len(sigmas) - 1), sigmas[:-1], sigmas[1:]))


def fresh(x):
    return torch.randn_like(x)


# --- Adams and Bashforth's family: slopes d = (x - x0) / sigma ---------------------------------------------------------------

AB = {1: [1], 2: [1.5, -0.5], 3: [23 / 12, -16 / 12, 5 / 12], 4: [55 / 24, -59 / 24, 37 / 24, -9 / 24]}


def ipndm(D, x, sigmas, order=4):
    ds = []
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        ds = [(x - x0) / s] + ds[: order - 1]
        x = x0 if t == 0 else x + (t - s) * sum(c * d for c, d in zip(AB[len(ds)], ds))
    return x


def ipndm_v(D, x, sigmas, order=4):
    ds = []
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        ds = [(x - x0) / s] + ds[: order - 1]
        h = [t - s] + [sigmas[i - j] - sigmas[i - j - 1] for j in range(len(ds) - 1)]
        if len(ds) == 1:
            c = [1]
        else:
            r = h[0] / h[1]
            c = [(2 + r) / 2, -r / 2]
        if len(ds) >= 3:
            u = (1 - h[0] / (3 * (h[0] + h[1])) * (h[0] * (h[0] + h[1])) / (h[1] * (h[1] + h[2]))) / 2
            c = [c[0] + u, c[1] - (1 + h[1] / h[2]) * u, u * h[1] / h[2]]
        if len(ds) == 4:
            v = ((1 - h[0] / (3 * (h[0] + h[1]))) / 2 + (1 - h[0] / (2 * (h[0] + h[1]))) * h[0] / (6 * (h[0] + h[1] + h[2])))
            v *= (h[0] * (h[0] + h[1]) * (h[0] + h[1] + h[2])) / (h[1] * (h[1] + h[2]) * (h[1] + h[2] + h[3]))
            p = h[1] * (h[1] + h[2]) / (h[2] * (h[2] + h[3]))
            c = [c[0] + v, c[1] - (1 + h[1] / h[2] + p) * v, c[2] + (h[1] / h[2] + p * (1 + h[2] / h[3])) * v,
                 -v * p * h[1] / h[2]]
        x = x0 if t == 0 else x + (t - s) * sum(a * d for a, d in zip(c, ds))
    return x


def deis(D, x, sigmas, order=3):
    """tAB of diff-sampler: beta(t) of a VP-SDE whose sigmas are 0.002 .. 80, a sum over 10,000 points."""
    low, high, eps = math.log(0.002**2 + 1), math.log(80.0**2 + 1), 1e-3
    slope = 2 * (low / eps - high) / (eps - 1)
    base = high - 0.5 * slope
    time = (torch.sqrt(base**2 + 2 * slope * torch.log(sigmas.double() ** 2 + 1)) - base) / slope
    ds = []
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        ds = [(x - x0) / s] + ds[: order - 1]
        if t == 0 or len(ds) == 1:
            x = x + (t - s) * ds[0]
            continue
        tau = torch.linspace(time[i], time[i + 1], 10000, dtype=torch.float64)
        alpha = torch.exp(-0.5 * tau**2 * slope - tau * base)
        density = 0.5 * (base + slope * tau) / torch.sqrt(alpha * (1 - alpha)) * (time[i + 1] - time[i]) / 10000
        for j, d in enumerate(ds):
            poly = 1
            for m in range(len(ds)):
                if m != j:
                    poly = poly * (tau - time[i - m]) / (time[i - j] - time[i - m])
            x = x + (density * poly).sum().float() * d
    return x


def heunpp2(D, x, sigmas):
    for i, s, t in steps_of(sigmas):
        d = (x - D(x, s)) / s
        at = x + d * (t - s)
        ahead = [v for v in sigmas[i + 1 : i + 3] if v > 0]
        total = (len(ahead) + 1) * sigmas[0]
        slope = d * (1 - sum(ahead) / total) if ahead else d
        for j, v in enumerate(ahead):
            e = (at - D(at, v)) / v
            slope = slope + e * v / total
            if j + 1 < len(ahead):
                at = at + e * (ahead[j + 1] - v)
        x = x + slope * (t - s)
    return x


def gradient_estimation(D, x, sigmas):
    last = None
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        d = (x - x0) / s
        x = x0 if t == 0 else x + d * (t - s) + (0 if last is None else (d - last) * (t - s))
        last = d
    return x


# --- the estimate's family: lambda = -log sigma -----------------------------------------------------------------------------


def res_multistep(D, x, sigmas, eta=0.0):
    last = None
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        down, up = k.get_ancestral_step(s, t, eta)
        if down == 0 or last is None:
            x = x + (x - x0) / s * (down - s)
        else:
            h = math.log(s / down)
            c2 = math.log(came / sigmas[i - 1]) / h
            phi1 = math.expm1(-h) / -h
            phi2 = (phi1 - 1) / -h
            b1, b2 = phi1 - phi2 / c2, phi2 / c2
            x = math.exp(-h) * x + h * (b1 * x0 + b2 * last)
        if t > 0:
            x = x + fresh(x) * up
        last, came = x0, down
    return x


def res_multistep_ancestral(D, x, sigmas, eta=1.0):
    return res_multistep(D, x, sigmas, eta)


def er_sde(D, x, sigmas):
    scale = lambda v: v * (math.exp(v**0.3) + 10)
    x0s, ds = [], []
    for i, s, t in steps_of(sigmas.double().tolist()):
        x0 = D(x, torch.tensor(s, dtype=torch.float32))
        if t == 0:
            return x0
        r = scale(t) / scale(s)
        x_next = r * x + (1 - r) * x0
        step = (s - t) / 200
        points = [t + j * step for j in range(200)]
        if x0s:
            d = (x0 - x0s[-1]) / (s - sigmas[i - 1].item())
            x_next = x_next + (t - s + scale(t) * step * sum(1 / scale(p) for p in points)) * d
            if ds:
                u = (d - ds[-1]) / ((s - sigmas[i - 2].item()) / 2)
                x_next = x_next + ((t - s) ** 2 / 2 + scale(t) * step * sum((p - s) / scale(p) for p in points)) * u
            ds.append(d)
        x0s.append(x0)
        x = x_next + fresh(x) * math.sqrt(max(t * t - s * s * r * r, 0))
    return x


def seeds(D, x, sigmas, eta, nodes, weights, draws=True):
    """Stages at the nodes' shares of the step; weights(phi1, phi2, k) of the estimates for stage k."""
    for i, s, t in steps_of(sigmas.double().tolist()):
        at = lambda v: torch.tensor(v, dtype=torch.float32)
        est = [D(x, at(s))]
        if t == 0:
            return est[0]
        h = math.log(s / t)
        noise, gone = 0, 0
        for stage, r in enumerate(nodes + [1.0]):
            w = r * h * (1 + eta)
            sigma = s * math.exp(-r * h)
            y = math.exp(-w) * x + sum(c * e for c, e in zip(weights(-math.expm1(-w), (math.expm1(-w) + w) / w, stage), est))
            if eta > 0:
                g = (r - gone) * h * eta
                noise = noise * math.exp(-g) + math.sqrt(-math.expm1(-2 * g)) * fresh(x)
                gone = r
                y = y + noise * sigma
            if stage < len(nodes):
                est.append(D(y, at(sigma)))
        x = y
    return x


def seeds_2(D, x, sigmas, eta=1.0):
    return seeds(D, x, sigmas, eta, [0.5], lambda p1, p2, stage: [p1] if stage == 0 else [0, p1])


def exp_heun_2_x0(D, x, sigmas):
    return exp_heun_2_x0_sde(D, x, sigmas, 0.0)


def exp_heun_2_x0_sde(D, x, sigmas, eta=1.0):
    return seeds(D, x, sigmas, eta, [1.0], lambda p1, p2, stage: [p1] if stage == 0 else [p1 - p2, p2])


def seeds_3(D, x, sigmas, eta=1.0):
    def weights(p1, p2, stage):
        return [[p1], [p1 - 2 * p2, 2 * p2], [p1 - 1.5 * p2, 0, 1.5 * p2]][stage]

    return seeds(D, x, sigmas, eta, [1 / 3, 2 / 3], weights)


# --- others -----------------------------------------------------------------------------------------------------------------


def lms_comfyui(D, x, sigmas):
    y = k.sample_lms(D, x, sigmas[:-1], disable=True) if len(sigmas) > 2 else x
    return D(y, sigmas[-2].expand(1))


def dpmpp_2m_v2(D, x, sigmas):
    """stable-diffusion.cpp's, from A1111's discussion 8457."""
    last = None
    for i, s, t in steps_of(sigmas):
        x0, h = D(x, s), float(torch.log(s / t)) if t > 0 else math.inf
        if last is None or t == 0:
            x = t / s * x + (1 - math.exp(-h)) * x0
        else:
            r, mean = max(h, came) / min(h, came), (h + came) / 2
            x = t / s * x + (1 - math.exp(-mean)) * ((1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * last)
        last, came = x0, h
    return x


def ddpm(D, x, sigmas):
    """DDPM's posterior, in the scale of unit variance."""
    for i, s, t in steps_of(sigmas):
        x0 = D(x, s)
        bar, bar_next = 1 / (s**2 + 1), 1 / (t**2 + 1)
        alpha = bar / bar_next
        noise = (x - x0) / s
        y = (1 / alpha).sqrt() * (x / torch.sqrt(1 + s**2) - (1 - alpha) * noise / (1 - bar).sqrt())
        if t > 0:
            y = (y + ((1 - alpha) * (1 - bar_next) / (1 - bar)).sqrt() * fresh(x)) * torch.sqrt(1 + t**2)
        x = y
    return x


def lcm(D, x, sigmas):
    for i, s, t in steps_of(sigmas):
        x = D(x, s)
        if t > 0:
            x = x + t * fresh(x)
    return x


def sa_solver(D, x, sigmas):
    """ComfyUI's: orders 3 and 4, noise where a step goes to between a fifth and four fifths of the timesteps, the last step is D itself.
    The integrals of e^((1 + tau^2) l) times the estimates' polynomial by Gauss and Legendre's rule."""
    sd = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0).double()
    logs = ((1 - sd) / sd).log() / 2
    high, low = ((logs[int(t)] + (t % 1) * (logs[int(t) + 1] - logs[int(t)])).exp().item() for t in (0.8 * 999, 0.2 * 999))
    points, rule = map(torch.tensor, np.polynomial.legendre.leggauss(24))
    lam = -sigmas.double().log()

    def step(x, i, nodes, tau):
        """From sigma i - 1 to i."""
        a, h = 1 + tau**2, lam[i] - lam[i - 1]
        u = lam[i] - h / 2 + points * h / 2
        out = sigmas[i] / sigmas[i - 1] * math.exp(-(tau**2) * h) * x
        for j in nodes:
            basis = math.prod([(u - lam[m]) / (lam[j] - lam[m]) for m in nodes if m != j], start=torch.ones_like(u))
            out = out + (a * h / 2 * (rule * basis * torch.exp(a * (u - lam[i]))).sum()).item() * ests[j]
        return out

    ests, n, y, noise, tau = [], len(sigmas) - 1, x, 0, 0.0
    for i, s, t in steps_of(sigmas):
        ests.append(D(y, s))
        order = 0 if i == 0 or t == 0 else min(4, i + 1, n - i)
        x = step(x, i, range(i - order + 1, i + 1), tau) + noise if order else y
        if t == 0:
            y = ests[-1]
            continue
        tau = 1.0 if high >= t >= low else 0.0
        noise = fresh(x) * t * math.sqrt(-math.expm1(-2 * tau**2 * (lam[i + 1] - lam[i]))) if tau else 0
        order = min(3, i + 1, n - 1 - i)
        y = step(x, i + 1, range(i - order + 1, i + 1), tau) + noise
    return y


def restart(D, x, sigmas):
    """A1111's: 9 steps again from 20 on, a quarter twice from 36 on."""
    n = len(sigmas) - 1
    times = 0 if n < 20 else 1 if n < 36 else 2
    extra = n // 4 if times == 2 else 9
    path = list(zip(sigmas[:-1], sigmas[1:]))
    if times:
        sigmas = k.get_sigmas_karras(n - extra * times, sigmas[-2].item(), sigmas[0].item())
        low, high = (abs(sigmas - 0.1)).argmin().item(), (abs(sigmas - 2)).argmin().item()
        again = k.get_sigmas_karras(extra + 1, sigmas[low].item(), sigmas[high].item())[:-1]
        path = []
        for i in range(len(sigmas) - 1):
            path.append((sigmas[i], sigmas[i + 1]))
            if i + 1 == low and high < low:
                path += list(zip(again[:-1], again[1:])) * times
    last = path[0][0]
    for s, t in path:
        if last < s:
            x = x + fresh(x) * (s**2 - last**2) ** 0.5
        d = (x - D(x, s)) / s
        if t > 0:
            y = x + d * (t - s)
            d = (d + (y - D(y, t)) / t) / 2
        x, last = x + d * (t - s), t
    return x


# --- the runs ---------------------------------------------------------------------------------------------------------------

random.seed(2026)
SDE = ("dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde")
ETA = ("euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "seeds_2", "seeds_3", "exp_heun_2_x0_sde",
       "res_multistep_ancestral") + SDE
CHURN = ("euler", "heun", "dpm_2")
OWN = (ipndm, ipndm_v, deis, heunpp2, gradient_estimation, res_multistep, res_multistep_ancestral, er_sde, seeds_2, seeds_3,
       exp_heun_2_x0, exp_heun_2_x0_sde, ddpm, lcm, restart)
FURTHER = (sa_solver,)
LAST = (dpmpp_2m_v2,)  # whatever comes later: the rows before keep their numbers
THEIRS = ("euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive",
          "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde")
COMFYUI = {"deis", "lcm"}


def random_sigmas(steps):
    high, low = random.uniform(2, 30), random.choice([0.01, 0.03, 0.1])
    places = sorted((random.random() for _ in range(steps - 2)), reverse=True) if steps > 2 else []
    places = [1.0] + places + ([0.0] if steps > 1 else [])
    if steps > 40 or random.random() < 0.4:
        return k.get_sigmas_karras(steps, low, high)
    gap = 0.5 / steps  # not nearer than that
    places = [((1 - gap) * p + gap * (steps - 1 - i) / max(steps - 1, 1)) for i, p in enumerate(places)]
    return torch.tensor([low * (high / low) ** p for p in places] + [0.0])


def run(name, steps, kw, **extra):
    net = [round(random.uniform(0.3, 1.2), 3), round(random.uniform(0.1, 1.5), 3), round(random.uniform(0.3, 2), 3),
           round(random.uniform(-1, 1), 3)]
    seed, sigmas, D = random.randrange(2**32), random_sigmas(steps), denoiser(net)
    torch.manual_seed(seed)
    x = torch.randn(1, 4, 8, 8) * sigmas[0]
    row = dict(name=name, steps=steps, kw=kw, seed=seed, denoiser=net, **extra)
    own = {f.__name__: f for f in OWN + FURTHER + LAST}
    if extra.get("compat") == "comfyui" and name == "lms":
        x = lms_comfyui(D, x, sigmas)
    elif name in own:
        x = own[name](D, x, sigmas, **kw)
    elif name in ("dpm_fast", "dpm_adaptive"):
        ends = sigmas[-2].item(), sigmas[0].item()
        if name == "dpm_fast":
            x = k.sample_dpm_fast(D, x, *ends, steps, disable=True, **kw)
        else:
            x = k.sample_dpm_adaptive(D, x, *ends, disable=True, **kw)
    else:
        if name in SDE:
            kw = dict(kw, noise_sampler=k.BrownianTreeNoiseSampler(x, sigmas[sigmas > 0].min(), sigmas.max(), seed=seed))
        x = getattr(k, "sample_" + name)(D, x, sigmas, disable=True, **kw)
    digits = lambda v: float(f"{v:.9g}")
    row.update(sigmas=[digits(v) for v in sigmas.tolist()], nfe=D.calls, final_sum=x.double().sum().item(),
               final_abssum=x.double().abs().sum().item(), final_first16=[digits(v) for v in x.flatten()[:16].tolist()])
    return row


def cases():
    for name in THEIRS + tuple(f.__name__ for f in OWN):
        comfyui = {"compat": "comfyui"} if name in COMFYUI else {}
        for steps in (1, 2, 3, 4, 7, 13, 16, 24) + ((40,) if name == "restart" else ()):
            if steps == 1 and name in ("dpm_fast", "dpm_adaptive", "dpmpp_2m_sde", "dpmpp_3m_sde"):
                continue
            kw = {}
            if name in ETA and steps != 4:
                kw["eta"] = random.choice([0.0, 0.25, 0.6, 1.0, 0.87])
            if name in CHURN and steps in (3, 7, 16):
                kw = {"s_churn": random.choice([0.4, 2.0, 9.0]), "s_noise": random.choice([1.0, 1.007]),
                      "s_tmin": random.choice([0.0, 0.2]), "s_tmax": random.choice([5.0, 50.0])}
            if name in ETA and steps == 16 and name in THEIRS:
                kw["s_noise"] = 0.97
            if name == "dpmpp_2m_sde" and steps in (3, 7, 24):
                kw["solver_type"] = "heun"
            if name in ("lms", "ipndm", "ipndm_v") and steps in (7, 16):
                kw["order"] = random.choice([1, 2, 3])
            yield run(name, steps, kw, **comfyui)
    for steps in (1, 2, 5, 20):
        yield run("lms", steps, {}, compat="comfyui")
    for name in ("dpm_fast", "dpm_adaptive"):
        yield run(name, 12, {"eta": 0.5})
    for name in ("euler", "dpmpp_2m", "dpmpp_2s_ancestral", "dpmpp_3m_sde"):
        row = run(name, 999, {}, limit=2e-4)  # their float32 rounds 999 times
        yield row
    for name in (f.__name__ for f in FURTHER):
        for steps in (1, 2, 3, 4, 5, 9, 16, 24):
            yield run(name, steps, {}, compat="comfyui", noise="sd")
    for name in (f.__name__ for f in LAST):
        for steps in (1, 2, 3, 7, 16, 24):
            yield run(name, steps, {})


rows = list(cases())
print(json.dumps({"note": __doc__.split("\n\n")[1], "schedules": {}, "samplers": rows}, separators=(",", ":")))
