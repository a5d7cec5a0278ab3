"""
golden.py - one picture through an exported model by diffusers and transformers, in f32, with all that lies between.

DDIM, eta 0, with the model's own timesteps. The tests compare limn with it step by step.
"""
import argparse

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from networks import tokenize


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("model", help="a diffusers folder")
    parser.add_argument("output", help="a .safetensors file; a PNG is written beside it")
    parser.add_argument("--prompt", default="a red potion on a black background")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg-scale", type=float, default=3.5)
    args = parser.parse_args()

    pipeline = StableDiffusionPipeline.from_pretrained(args.model, dtype=torch.float32)
    unet, vae, scheduler = pipeline.unet, pipeline.vae, pipeline.scheduler
    out = {"prompt_ids": tokenize(pipeline.tokenizer, [args.prompt]), "negative_ids": tokenize(pipeline.tokenizer, [""])}
    cond = out["text_embeds_cond"] = pipeline.text_encoder(out["prompt_ids"]).last_hidden_state
    uncond = out["text_embeds_uncond"] = pipeline.text_encoder(out["negative_ids"]).last_hidden_state

    scheduler.set_timesteps(args.steps)
    out["timesteps"] = scheduler.timesteps
    z = torch.randn(1, unet.config.in_channels, unet.config.sample_size, unet.config.sample_size,
                    generator=torch.Generator("cpu").manual_seed(args.seed))
    out["latents_init"] = z
    latents = []
    for i, t in enumerate(scheduler.timesteps):
        with_, without = (unet(z, t, encoder_hidden_states=text).sample for text in (cond, uncond))
        if i == 0:
            out["unet_out_step0_cond"], out["unet_out_step0_uncond"] = with_, without
        z = scheduler.step(without + args.cfg_scale * (with_ - without), t, z).prev_sample
        latents.append(z)
    out["latents_per_step"], out["latents_final"] = torch.cat(latents), z
    out["image"] = vae.decode(z / vae.config.scaling_factor).sample
    posterior = vae.encode(out["image"].clamp(-1, 1)).latent_dist
    out["vae_encode_mean_of_clamped_image"], out["vae_encode_logvar"] = posterior.mean, posterior.logvar

    save_file({name: tensor.contiguous() for name, tensor in out.items()}, args.output, {
        "prompt": args.prompt, "negative_prompt": "", "seed": str(args.seed),
        "sampler": f"DDIM eta 0, {args.steps} steps, cfg {args.cfg_scale}, {scheduler.config.timestep_spacing} spacing, "
                   f"steps_offset {scheduler.config.steps_offset}, set_alpha_to_one {str(scheduler.config.set_alpha_to_one).lower()}",
        "scaling_factor": str(vae.config.scaling_factor), "prediction_type": scheduler.config.prediction_type,
        "weights": "f16 file read to f32, all arithmetic f32",
        "image": "NCHW, vae.decode(latents_final/scaling_factor), not clamped"})
    pipeline.image_processor.postprocess(out["image"])[0].save(args.output.removesuffix(".safetensors") + ".png")


if __name__ == "__main__":
    main()
