#!/usr/bin/env python3
"""Makes golden/larger: what belongs to a second, larger pass and to variations of a seed.

ways.safetensors: a latent and what torch's interpolate makes of it, as A1111's latent upscalers call it. between.safetensors: the noise of
two seeds and what lies between them by A1111's rule (modules/rng.py, slerp; written anew). hires.safetensors: a run of diffusers on
make.py's tiny model, its latent made larger, and the second pass: noise of the same seed, the last 5 of int(5 / 0.7) steps.
windows.safetensors: a run whose UNet sees overlapping windows.
"""
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline
from torch.nn.functional import interpolate

from make import HERE, JOB, generator, load_pipeline, save_tensors

FOLDER = HERE / "larger"
SIZES = (12, 9), (16, 12), (11, 13)  # w, h


def ways():
    z = torch.randn(1, 4, 6, 8, generator=generator(1))
    out = {"in": z}
    for w, h in SIZES:
        for name, kind, aa in (("latent", "bilinear", False), ("latent-antialiased", "bilinear", True), ("latent-bicubic", "bicubic", False),
                               ("latent-bicubic-antialiased", "bicubic", True), ("latent-nearest", "nearest", False),
                               ("latent-nearest-exact", "nearest-exact", False)):
            out[f"{name}.{w}x{h}"] = interpolate(z, (h, w), mode=kind, antialias=aa)
    save_tensors(out, FOLDER / "ways.safetensors")


def slerp(t, a, b):
    """[c, h, w], each column of each channel."""
    na, nb = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    dot = (na * nb).sum(1)
    if dot.mean() > 0.9995:
        return a * t + b * (1 - t)
    w = torch.acos(dot)
    return (torch.sin((1 - t) * w) / torch.sin(w)).unsqueeze(1) * a + (torch.sin(t * w) / torch.sin(w)).unsqueeze(1) * b


def between():
    a, b = (torch.randn(4, 6, 8, generator=generator(s)) for s in (3, 4))
    near = a + 0.001 * b
    out = {f"far.{t}": slerp(t, a, b)[None] for t in (0.1, 0.5, 0.9)}
    save_tensors({"a": a[None], "b": b[None], "near": near[None], "near.0.3": slerp(0.3, a, near)[None], **out}, FOLDER / "between.safetensors")


def hires():
    base = load_pipeline(HERE / "pipeline" / "sd1")
    base.scheduler = EulerDiscreteScheduler.from_config(DDIMScheduler.load_config(HERE / "pipeline" / "sd1" / "scheduler"))
    embed = lambda text: base.encode_prompt(text, "cpu", 1, False)[0]
    common = dict(prompt_embeds=embed(JOB["prompt"]), negative_prompt_embeds=embed(JOB["negative-prompt"]), guidance_scale=JOB["cfg-scale"],
                  output_type="latent")
    first = base(width=JOB["width"], height=JOB["height"], num_inference_steps=5, generator=generator(JOB["seed"]), **common).images
    parts = {k: v for k, v in base.components.items() if k != "image_encoder"}
    pipe = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    steps = int(5 / 0.7)
    out = {}
    for kind in "bilinear", "nearest":
        larger = interpolate(first, scale_factor=1.5, mode=kind)
        out[kind] = pipe(image=larger, strength=5.5 / steps, num_inference_steps=steps, generator=generator(JOB["seed"]), **common).images
    save_tensors(out, FOLDER / "hires.safetensors")


def windows():
    """MultiDiffusion: the UNet's output is the mean over overlapping windows (16 x 24 latents in windows of 8 that share 3; 13 high)."""
    base = load_pipeline(HERE / "pipeline" / "sd1")
    base.scheduler = EulerDiscreteScheduler.from_config(DDIMScheduler.load_config(HERE / "pipeline" / "sd1" / "scheduler"))
    embed = lambda text: base.encode_prompt(text, "cpu", 1, False)[0]
    whole, size, stride = base.unet.forward, 8, 5

    def starts(n):
        return [min(i, n - size) for i in range(0, n - size + stride, stride)]

    def forward(x, *args, **more):
        total, count = torch.zeros_like(x), torch.zeros_like(x)
        for y in starts(x.shape[2]):
            for z in starts(x.shape[3]):
                part = (..., slice(y, y + size), slice(z, z + size))
                total[part] += whole(x[part].contiguous(), *args, **{**more, "return_dict": True}).sample
                count[part] += 1
        return (total / count,)

    base.unet.forward = forward
    out = base(width=24 * 8, height=13 * 8, num_inference_steps=5, generator=generator(JOB["seed"]), prompt_embeds=embed(JOB["prompt"]),
               negative_prompt_embeds=embed(JOB["negative-prompt"]), guidance_scale=JOB["cfg-scale"], output_type="latent").images
    save_tensors({"latents": out}, FOLDER / "windows.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    with torch.no_grad():
        ways()
        between()
        hires()
        windows()
