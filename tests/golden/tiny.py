#!/usr/bin/env python3
"""Makes tests/golden/tiny: a random AutoencoderTiny of 16 channels, what diffusers makes of a picture and a latent with it, and what its pipelines do with it in the place of the VAE of pipeline/sd1. As make.py, which it takes its ways from.

    V/bin/python tiny.py
"""
import torch
from diffusers import (AutoencoderTiny, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline,
                       StableDiffusionInpaintPipeline)
from PIL import Image

from make import HERE, JOB, generator, load_pipeline, randomise, run_case, save_network, save_tensors

FOLDER = HERE / "tiny"


def picture():
    g = generator(11)
    return (torch.rand(48, 64, 3, generator=g) * 255).round().to(torch.uint8)


def main():
    width = (16,) * 4
    model = randomise(AutoencoderTiny(encoder_block_out_channels=width, decoder_block_out_channels=width), 700)
    save_network(model, FOLDER)
    g = generator(701)
    image = torch.rand(2, 3, 48, 64, generator=g) * 2 - 1
    latent = torch.randn(2, 4, 6, 8, generator=g) * 4  # far enough for the clamp to count
    save_tensors({"image": image, "latent": latent, "encoded": model.encode(image).latents, "decoded": model.decode(latent).sample},
                 FOLDER / "io.safetensors")

    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    pipe.scheduler = EulerDiscreteScheduler.from_pretrained(HERE / "pipeline" / "sd1" / "scheduler")
    pipe.register_modules(vae=model)
    runs = {"text": run_case(pipe, {**JOB, "_image": True, "sampler": "euler"})}
    parts = {k: v for k, v in pipe.components.items()}
    other = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    pixels = picture()
    Image.fromarray(pixels.numpy()).save(FOLDER / "picture.png")
    embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0]
    kept = []
    keep = lambda p, i, t, values: kept.append(values["latents"].clone()) or {}
    other(prompt_embeds=embed(JOB["prompt"]), negative_prompt_embeds=embed(JOB["negative-prompt"]), image=Image.fromarray(pixels.numpy()),
          strength=0.6, num_inference_steps=JOB["steps"], guidance_scale=JOB["cfg-scale"], generator=generator(JOB["seed"]),
          output_type="latent", callback_on_step_end=keep)
    # ancestral noise tells which draws were made before it
    parts["scheduler"] = EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    third = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    third.set_progress_bar_config(disable=True)
    mask = Image.new("L", (64, 48))
    mask.paste(255, (0, 0, 32, 48))
    mask.save(FOLDER / "mask.png")
    kept_masked = []
    keep = lambda p, i, t, values: kept_masked.append(values["latents"].clone()) or {}
    third(prompt_embeds=embed(JOB["prompt"]), negative_prompt_embeds=embed(JOB["negative-prompt"]), image=Image.fromarray(pixels.numpy()),
          mask_image=mask, width=64, height=48, strength=0.6, num_inference_steps=JOB["steps"], guidance_scale=JOB["cfg-scale"],
          generator=generator(JOB["seed"]), output_type="latent", callback_on_step_end=keep)
    save_tensors({"mask.latents": kept_masked[-1], "text.latents": runs["text"]["latents.4"], "text.image": runs["text"]["image"], "picture.latents": kept[-1],
                  "picture.image": model.decode(kept[-1]).sample}, FOLDER / "runs.safetensors")


if __name__ == "__main__":
    main()
