#!/usr/bin/env python3
"""Makes tests/golden/kinds.safetensors: pipeline/sd1's networks taken for a consistency model and for one trained by flow matching. As
make.py, which it takes its ways from.

    V/bin/python kinds.py
"""
from diffusers import CMStochasticIterativeScheduler, FlowMatchEulerDiscreteScheduler

from make import HERE, JOB, generator, load_pipeline, save_tensors


class Flow(FlowMatchEulerDiscreteScheduler):
    """With what StableDiffusionPipeline asks of a scheduler: the network sees the latent itself, which begins as noise."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample, timestep):
        return sample


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
    save_tensors(io, HERE / "kinds.safetensors")


if __name__ == "__main__":
    main()
