#!/usr/bin/env python3
"""Makes tests/golden/kinds.safetensors: pipeline/sd1's networks taken for a consistency model, for one trained by flow matching, and for
InstaFlow, whose pipeline (pipeline_rf.py) goes by even steps along the network's output. As make.py, which it takes its ways from.

    V/bin/python kinds.py
"""
import torch
from diffusers import CMStochasticIterativeScheduler, FlowMatchEulerDiscreteScheduler

from make import HERE, JOB, generator, load_pipeline, save_tensors


class Flow(FlowMatchEulerDiscreteScheduler):
    """With what StableDiffusionPipeline asks of a scheduler: the network sees the latent itself, which begins as noise."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample, timestep):
        return sample


def rectified(pipe, steps, texts):
    """Its loop, with guidance: x += (u + g (c - u)) / steps at the timesteps 1000, 1000 - 1000 / steps, ..."""
    x = torch.randn(1, 4, texts["height"] // 8, texts["width"] // 8, generator=generator(JOB["seed"]))
    embeds = torch.cat([texts["negative_prompt_embeds"], texts["prompt_embeds"]])
    for i in range(steps):
        t = torch.ones(2) * (1 - i / steps) * 1000
        with torch.no_grad():
            u, c = pipe.unet(torch.cat([x] * 2), t, encoder_hidden_states=embeds).sample.chunk(2)
        x = x + (u + texts["guidance_scale"] * (c - u)) / steps
    return x


def main():
    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0]
    texts = dict(prompt_embeds=embed(JOB["prompt"]), negative_prompt_embeds=embed(JOB["negative-prompt"]), guidance_scale=JOB["cfg-scale"],
                 output_type="latent", width=JOB["width"], height=JOB["height"])
    io = {}
    for name, steps, scheduler in (("cm", 4, CMStochasticIterativeScheduler()),
                                   ("cm_free", 2, CMStochasticIterativeScheduler(num_train_timesteps=18, clip_denoised=False)),
                                   ("flow", 6, Flow(shift=3.0)), ("flow_fresh", 5, Flow(stochastic_sampling=True))):
        pipe.scheduler = scheduler
        io[name] = pipe(num_inference_steps=steps, generator=generator(JOB["seed"]), **texts).images
    for steps in 1, 5:
        io[f"rectified_{steps}"] = rectified(pipe, steps, texts)
    save_tensors(io, HERE / "kinds.safetensors")


if __name__ == "__main__":
    main()
