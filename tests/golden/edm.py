#!/usr/bin/env python3
"""Makes tests/golden/edm.safetensors: pipeline/sd1 with EDM's noise and a VAE with a mean and deviation for each channel, as in
Playground v2.5. As make.py, which it takes its ways from.

    V/bin/python edm.py
"""
import torch
from diffusers import EDMDPMSolverMultistepScheduler, EDMEulerScheduler

from make import HERE, JOB, generator, load_pipeline, save_tensors

MEAN, STD = [-0.2, 0.1, 0.4, -0.3], [0.8, 1.2, 0.9, 1.1]


def main():
    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    pixels = lambda z: pipe.vae.decode(z * torch.tensor(STD).view(1, -1, 1, 1) / pipe.vae.config.scaling_factor
                                       + torch.tensor(MEAN).view(1, -1, 1, 1)).sample
    embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0]
    texts = dict(prompt_embeds=embed(JOB["prompt"]), negative_prompt_embeds=embed(JOB["negative-prompt"]),
                 num_inference_steps=JOB["steps"], guidance_scale=JOB["cfg-scale"], output_type="latent")
    io = {}
    for name, scheduler in ("euler", EDMEulerScheduler()), ("dpm", EDMDPMSolverMultistepScheduler()):
        pipe.scheduler = scheduler
        io[name + ".latents"] = pipe(width=JOB["width"], height=JOB["height"], generator=generator(JOB["seed"]), **texts).images
        io[name + ".image"] = pixels(io[name + ".latents"])
    save_tensors(io, HERE / "edm.safetensors")


if __name__ == "__main__":
    main()
