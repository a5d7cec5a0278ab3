#!/usr/bin/env python3
"""Makes pipeline/guide_*.safetensors: runs with other guidance than plain, on make.py's tiny models (test_pipeline reads them).

PAG, SAG and FreeU (its first version) are diffusers' own; APG and CFG-Zero* diffusers' guiders in a loop of our own; SEG, perp-neg, dynamic thresholding,
DeepCache, token merging and HyperTile are written out here as their papers and authors' programs have them. `guidance.py NAME...`
makes those cases alone.
"""
import json
import math
import sys

import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPAGPipeline
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale
from diffusers.guiders.guider_utils import rescale_noise_cfg
from diffusers.pipelines.deprecated.stable_diffusion_sag.pipeline_stable_diffusion_sag import StableDiffusionSAGPipeline

from diffusers.models.unets import unet_2d_blocks
from diffusers.utils.torch_utils import fourier_filter

from make import HERE, JOB, SAMPLERS, generator, load_pipeline, save_tensors

FREEU_1 = unet_2d_blocks.apply_freeu
FOLDER = HERE / "pipeline"


# ---- attention ----

def blurred(q, h, w, sigma):
    """[n, h w, c]: the queries over the grid, a Gaussian along each axis, reflected at the ends; of infinite sigma: their mean."""
    if sigma > 9999:
        return q.mean(dim=1, keepdim=True).expand_as(q)
    x = q.transpose(1, 2).reshape(q.shape[0], q.shape[2], h, w)
    for side, size in ((3, w), (2, h)):
        taps = min(math.ceil(6 * sigma) + 1 - math.ceil(6 * sigma) % 2, size - (size % 2 - 1))
        k = torch.linspace(-(taps - 1) / 2, (taps - 1) / 2, steps=taps)
        k = torch.exp(-0.5 * (k / sigma).pow(2))
        k = (k / k.sum()).view(1, 1, 1, -1) if side == 3 else (k / k.sum()).view(1, 1, -1, 1)
        half = taps // 2
        x = F.pad(x, (half, half, 0, 0) if side == 3 else (0, 0, half, half), mode="reflect")
        x = F.conv2d(x, k.expand(x.shape[1], 1, *k.shape[2:]), groups=x.shape[1])
    return x.flatten(2).transpose(1, 2)


class Smoothed:
    """SEG's self-attention: the last third of the batch (without guidance half) has blurred queries. Plain where grid is None."""

    def __init__(self, sigma):
        self.sigma, self.on = sigma, False

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if self.on:
            h = int(math.sqrt(q.shape[1] * JOB["height"] / JOB["width"]) + 0.5)
            q = blurred(q, h, q.shape[1] // h, self.sigma)
        split = lambda x: x.view(x.shape[0], -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).reshape(hidden_states.shape)
        return attn.to_out[0](y)


def plain(attn, q, k, v):
    split = lambda x: x.view(x.shape[0], -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)
    return F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).reshape(q.shape)


class Merged:
    """tomesd's merge and unmerge around attn1, the metric being the block's input; a destination is the top left of each 2x2 cell."""

    def __init__(self, w, h, ratio):
        self.w, self.h, self.ratio, self.metric = w, h, ratio, None

    def watch(self, module, args, kwargs=None):
        self.metric = args[0]

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        x, n = hidden_states, self.w * self.h
        if x.shape[1] != n:
            return attn.to_out[0](plain(attn, attn.to_q(x), attn.to_k(x), attn.to_v(x)))
        grid = torch.zeros(self.h, self.w, dtype=torch.bool)
        grid[: self.h // 2 * 2 : 2, : self.w // 2 * 2 : 2] = True
        to, of = grid.flatten().nonzero()[:, 0], (~grid.flatten()).nonzero()[:, 0]
        out = []
        for m, t in zip(self.metric / self.metric.norm(dim=-1, keepdim=True), x):
            score, best = (m[of] @ m[to].T).max(dim=1)
            order = score.argsort(descending=True)
            gone = min(len(of), int(n * self.ratio))
            sum_, count = t[to].clone(), torch.ones(len(to), 1)
            sum_.index_add_(0, best[order[:gone]], t[of[order[:gone]]])
            count.index_add_(0, best[order[:gone]], torch.ones(gone, 1))
            merged = torch.cat([t[of[order[gone:]]], sum_ / count])[None]
            y = attn.to_out[0](plain(attn, attn.to_q(merged), attn.to_k(merged), attn.to_v(merged)))[0]
            back, kept = torch.empty_like(t), len(of) - gone
            back[to], back[of[order[gone:]]], back[of[order[:gone]]] = y[kept:], y[:kept], y[kept + best[order[:gone]]]
            out.append(back)
        return torch.stack(out)


class Tiled:
    """ComfyUI's HyperTile with swap_size 1: the smallest equal tiles of at least so many places, at the largest level."""

    def __init__(self, w, h, least):
        self.w, self.h = w, h
        cut = lambda size: size // next(d for d in range(min(least, size), size + 1) if size % d == 0)
        self.down, self.across = cut(h), cut(w)

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if q.shape[1] != self.w * self.h:
            return attn.to_out[0](plain(attn, q, k, v))
        n, c = q.shape[0], q.shape[2]
        cut = lambda x: x.view(n, self.down, self.h // self.down, self.across, self.w // self.across, c).permute(0, 1, 3, 2, 4, 5).reshape(
            n * self.down * self.across, -1, c)
        y = plain(attn, cut(q), cut(k), cut(v)).view(n, self.down, self.across, self.h // self.down, self.w // self.across, c)
        return attn.to_out[0](y.permute(0, 1, 3, 2, 4, 5).reshape(n, -1, c))


class Deep:
    """DeepCache, branch 0: in steps between, what comes to the last residual block from below is that of the last whole one."""

    def __init__(self, every):
        self.every, self.step, self.kept = every, 0, {}

    def __call__(self, module, args):
        x = args[0]
        c = module.in_channels - module.out_channels if module.in_channels > module.out_channels else module.out_channels
        below = x.shape[1] - c
        if self.step % self.every == 0:
            self.kept[x.shape[0]] = x[:, :below].clone()
        return (torch.cat([self.kept[x.shape[0]], x[:, below:]], dim=1), *args[1:])


def freeu_2(resolution_idx, hidden_states, res_hidden_states, **k):
    """FreeU's second version, in the place of diffusers' apply_freeu: the backbone counts by the mean of its channels at each place."""
    if resolution_idx > 1:
        return hidden_states, res_hidden_states
    b, s = k[f"b{resolution_idx + 1}"], k[f"s{resolution_idx + 1}"]
    mean = hidden_states.mean(dim=1, keepdim=True)
    least, most = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    half = torch.arange(hidden_states.shape[1]).view(1, -1, 1, 1) < hidden_states.shape[1] // 2
    factor = torch.where(half, (b - 1) * (mean - least) / (most - least) + 1, 1.0)
    return hidden_states * factor, fourier_filter(res_hidden_states, threshold=1, scale=s)


def shortened(pipe, job):
    """Sets up what takes less work, or FreeU. Returns what is told the number of each step."""
    unet, w, h, deep = pipe.unet, job["width"] // 8, job["height"] // 8, Deep(job.get("deepcache", 1))
    unet_2d_blocks.apply_freeu = freeu_2 if job.get("freeu") == "v2" else FREEU_1
    if "freeu" in job:
        unet.enable_freeu(s1=job["freeu-s1"], s2=job["freeu-s2"], b1=job["freeu-b1"], b2=job["freeu-b2"])
    if "deepcache" in job:
        unet.up_blocks[-1].resnets[-1].register_forward_pre_hook(deep)
    for block in (m for m in unet.modules() if type(m).__name__ == "BasicTransformerBlock"):
        if "tome" in job:
            merged = Merged(w, h, job["tome"])
            block.register_forward_pre_hook(merged.watch)
            block.attn1.set_processor(merged)
        if "hypertile" in job:
            block.attn1.set_processor(Tiled(w, h, job["hypertile"] // 8))
    return deep


# ---- guidance of one step: what the branches say to what counts ----

class Apg:
    branches = ("negative", "prompt")

    def __init__(self, job):
        self.eta, self.threshold = 1 - float(job.get("apg", 0)), float(job.get("apg-threshold", 0))
        self.momentum = MomentumBuffer(-float(job["apg-momentum"])) if "apg-momentum" in job else None

    def __call__(self, out, job, to_x0):
        return normalized_guidance(out["prompt"], out["negative"], job["cfg-scale"], self.momentum, self.eta, self.threshold)


class ZeroStar:
    branches = ("negative", "prompt")

    def __init__(self, job):
        pass

    def __call__(self, out, job, to_x0):
        u = out["negative"] * cfg_zero_star_scale(out["prompt"].flatten(1), out["negative"].flatten(1)).view(-1, 1, 1, 1)
        return u + job["cfg-scale"] * (out["prompt"] - u)


class PerpNeg(ZeroStar):
    branches = ("negative", "empty", "prompt")

    def __call__(self, out, job, to_x0):
        p, n = out["prompt"] - out["empty"], out["negative"] - out["empty"]
        upright = n - (n * p).sum() / (p * p).sum() * p
        return out["empty"] + job["cfg-scale"] * (p - job["perp-neg"] * upright)


class Mimic(ZeroStar):
    def __call__(self, out, job, to_x0):
        u, c = to_x0(out["negative"]), to_x0(out["prompt"])
        flat = lambda x: x.flatten(2)
        full, low = flat(u + job["cfg-scale"] * (c - u)), flat(u + job["mimic-scale"] * (c - u))
        mean = full.mean(dim=2, keepdim=True)
        centred = full - mean
        most = (low - low.mean(dim=2, keepdim=True)).abs().max(dim=2, keepdim=True).values
        reach = torch.quantile(centred.abs(), job["mimic-percentile"], dim=2, keepdim=True)
        reach = torch.maximum(reach, most)
        made = (torch.minimum(torch.maximum(centred, -reach), reach) / reach * most + mean).view_as(u)
        return to_x0(made, True)


class Seg(ZeroStar):
    branches = ("negative", "prompt", "smoothed")

    def __call__(self, out, job, to_x0):
        guided = out["negative"] + job["cfg-scale"] * (out["prompt"] - out["negative"]) + job["seg"] * (out["prompt"] - out["smoothed"])
        return rescale_noise_cfg(guided, out["prompt"], job["cfg-rescale"]) if "cfg-rescale" in job else guided


class Plain(ZeroStar):
    def __call__(self, out, job, to_x0):
        return out["negative"] + job["cfg-scale"] * (out["prompt"] - out["negative"])


# name: (how, what differs from JOB; model sd1 unless _model says another). The keys are limn's options.
CASES = {
    "pag": ("pag", {"sampler": "euler", "pag": 3}),
    "pag_layers": ("pag", {"sampler": "ddim", "pag": 2, "pag-adaptive": 0.002, "pag-layers": "up_blocks.1,down_blocks.(0|1)"}),
    "pag_alone": ("pag", {"sampler": "euler", "pag": 3, "cfg-scale": 1}),
    "pag_rescale": ("pag", {"sampler": "euler", "pag": 3, "cfg-rescale": 0.7}),
    "sag": ("sag", {"sampler": "ddim", "sag": 0.75}),
    "sag_alone": ("sag", {"sampler": "ddim", "sag": 0.75, "cfg-scale": 1}),
    "sag_v": ("sag", {"sampler": "ddim", "sag": 0.75, "_model": "sd2"}),
    "seg": (Seg, {"sampler": "euler", "seg": 3, "seg-sigma": 0.7, "seg-layers": "mid,up_blocks.2"}),
    "seg_mean": (Seg, {"sampler": "euler", "seg": 3, "seg-sigma": 10000, "seg-layers": "down_blocks.0", "cfg-rescale": 0.5}),
    "apg": (Apg, {"sampler": "euler", "apg": 1, "apg-threshold": 2.5, "apg-momentum": 0.5}),
    "apg_part": (Apg, {"sampler": "ddim", "apg": 0.6, "cfg-scale": 9}),
    "zero_star": (ZeroStar, {"sampler": "euler", "cfg-zero-star": "true"}),
    "perp_neg": (PerpNeg, {"sampler": "euler", "perp-neg": 0.8}),
    "mimic": (Mimic, {"sampler": "euler", "cfg-scale": 15, "mimic-scale": 7, "mimic-percentile": 0.95}),
    "freeu": (Plain, {"sampler": "euler", "freeu": "v1", "freeu-b1": 1.5, "freeu-b2": 1.6, "freeu-s1": 0.9, "freeu-s2": 0.2}),
    "freeu_uneven": (Plain, {"sampler": "ddim", "freeu": "v1", "freeu-b1": 1.3, "freeu-b2": 1.4, "freeu-s1": 0.9, "freeu-s2": 0.2,
                             "width": 72, "height": 40}),
    "freeu_2": (Plain, {"sampler": "euler", "freeu": "v2", "freeu-b1": 1.3, "freeu-b2": 1.4, "freeu-s1": 0.9, "freeu-s2": 0.2}),
    "freeu_2_uneven": (Plain, {"sampler": "euler", "freeu": "v2", "freeu-b1": 1.5, "freeu-b2": 0.8, "freeu-s1": 1.2, "freeu-s2": 0.5,
                               "width": 88, "height": 56}),
    "freeu_square": (Plain, {"sampler": "euler", "freeu": "v1", "freeu-b1": 1.2, "freeu-b2": 1.6, "freeu-s1": 0.5, "freeu-s2": 0.2,
                             "width": 128, "height": 128, "steps": 3}),
    "freeu_sd2": (Plain, {"sampler": "euler", "freeu": "v2", "freeu-b1": 1.4, "freeu-b2": 1.6, "freeu-s1": 0.9, "freeu-s2": 0.2, "_model": "sd2"}),
    "deepcache": (Plain, {"sampler": "euler", "deepcache": 2}),
    "deepcache_3": (Plain, {"sampler": "ddim", "deepcache": 3, "steps": 7}),
    "tome": (Plain, {"sampler": "euler", "tome": 0.5}),
    "tome_uneven": (Plain, {"sampler": "euler", "tome": 0.3, "width": 72, "height": 40}),
    "hypertile": (Plain, {"sampler": "euler", "hypertile": 64, "width": 192, "height": 128, "steps": 3}),
    "mimic_v": (Mimic, {"sampler": "euler", "cfg-scale": 15, "mimic-scale": 4, "mimic-percentile": 1, "_model": "sd2", "_limit": 3e-5}),
}


def embed(pipe, text):
    return pipe.encode_prompt(text, "cpu", 1, False)[0]


def by_pipeline(pipe, how, job):
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
    more = dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    latents, keep = [], {}
    if how == "pag":
        p = StableDiffusionPAGPipeline(**parts, **more, pag_applied_layers=job.get("pag-layers", "mid").split(","))
        keep = dict(callback_on_step_end=lambda p, i, t, v: latents.append(v["latents"].clone()) or {}, pag_scale=job["pag"],
                    pag_adaptive_scale=job.get("pag-adaptive", 0), guidance_rescale=job.get("cfg-rescale", 0))
    else:
        p = StableDiffusionSAGPipeline(**parts, **more)
        keep = dict(callback=lambda i, t, x: latents.append(x.clone()), callback_steps=1, sag_scale=job["sag"])
    p.set_progress_bar_config(disable=True)
    p(prompt_embeds=embed(pipe, job["prompt"]), negative_prompt_embeds=embed(pipe, job["negative-prompt"]), width=job["width"],
      height=job["height"], num_inference_steps=job["steps"], guidance_scale=job["cfg-scale"], generator=generator(job["seed"]),
      output_type="latent", **keep)
    return latents


def how_of(job):
    return any(k in job for k in ("freeu", "deepcache", "tome", "hypertile"))


def by_hand(pipe, guide, job):
    unet, scheduler, seg = pipe.unet, pipe.scheduler, Smoothed(job.get("seg-sigma", 0))
    if "seg-layers" in job:
        for name, module in unet.named_modules():
            if name.endswith("attn1") and any(w in name for w in job["seg-layers"].split(",")):
                module.set_processor(seg)
    deep = shortened(pipe, job)
    scheduler.set_timesteps(job["steps"])
    x = torch.randn((1, 4, job["height"] // 8, job["width"] // 8), generator=generator(job["seed"])) * scheduler.init_noise_sigma
    texts = {"negative": embed(pipe, job["negative-prompt"]), "empty": embed(pipe, ""), "prompt": embed(pipe, job["prompt"])}
    texts["smoothed"] = texts["prompt"]
    step, latents = guide(job), []
    for i, t in enumerate(scheduler.timesteps):
        scaled, out = scheduler.scale_model_input(x, t), {}
        deep.step = i
        if step.branches == Plain.branches and how_of(job):
            both = unet(scaled.repeat(2, 1, 1, 1), t, torch.cat([texts["negative"], texts["prompt"]])).sample
            out = dict(negative=both[:1], prompt=both[1:])
        for branch in () if out else step.branches:
            seg.on = branch == "smoothed"
            out[branch] = unet(scaled, t, texts[branch]).sample
        seg.on = False
        if "sigmas" in dir(scheduler):
            s = float(scheduler.sigmas[i])
        else:
            s = 1.0
        v = scheduler.config.prediction_type == "v_prediction"
        skip, factor = (1 / (s * s + 1), -s / math.sqrt(s * s + 1)) if v else (1, -s)
        to_x0 = lambda f, back=False: (f - skip * x) / factor if back else skip * x + factor * f
        x = scheduler.step(step(out, job, to_x0), t, x).prev_sample
        latents.append(x.clone())
    return latents


def main():
    for name, (how, options) in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        job = {**JOB, **options}
        model = job.pop("_model", "sd1")
        pipe = load_pipeline(FOLDER / model)
        config = json.loads((FOLDER / model / "scheduler" / "scheduler_config.json").read_text())
        pipe.scheduler = SAMPLERS[job["sampler"]].from_config(config)
        with torch.no_grad():
            latents = (by_pipeline if isinstance(how, str) else by_hand)(pipe, how, job)
        io = {f"latents.{i}": x for i, x in enumerate(latents)}
        text = "\n".join(f"{k}={v}" for k, v in {"_model": model, **job}.items())
        save_tensors({**io, "latents": latents[-1]}, FOLDER / f"guide_{name}.safetensors", {"job": text})


if __name__ == "__main__":
    main()
