#!/usr/bin/env python3
"""Makes pipeline/sd1_blend.safetensors: a run of diffusers on make.py's sd1 whose embedding is three tenths of the way to another prompt's
(torch.lerp, as the community pipeline interpolate_stable_diffusion has it)."""
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from make import HERE, JOB, generator, load_pipeline, save_tensors

OTHER, SHARE = "two small cats in the snow", 0.3

if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        pipe = load_pipeline(HERE / "pipeline" / "sd1")
        pipe.scheduler = EulerDiscreteScheduler.from_config(DDIMScheduler.load_config(HERE / "pipeline" / "sd1" / "scheduler"))
        pipe.set_progress_bar_config(disable=True)
        embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0]
        both = torch.lerp(embed(JOB["prompt"]), embed(OTHER), SHARE)
        latents = pipe(prompt_embeds=both, negative_prompt_embeds=embed(JOB["negative-prompt"]), guidance_scale=JOB["cfg-scale"],
                       num_inference_steps=JOB["steps"], width=JOB["width"], height=JOB["height"], generator=generator(JOB["seed"]),
                       output_type="latent").images
        job = {"_model": "sd1", **JOB, "sampler": "euler", "blend-prompt": OTHER, "blend": SHARE}
        save_tensors({"prompt_embeds": both, "latents": latents}, HERE / "pipeline" / "sd1_blend.safetensors",
                     {"job": "\n".join(f"{k}={v}" for k, v in job.items())})
