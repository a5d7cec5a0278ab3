#!/usr/bin/env python3
"""Makes pipeline/sdxl_pix2pix and pipeline/sdxl_edit (the same, whose index says is_cosxl_edit: the picture's latent is scaled), tiny SDXLs of
8 channels, and a run of each. `python pix2pix_xl.py`; control_xl.py's files must be there."""
import json

import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionXLInstructPix2PixPipeline, UNet2DConditionModel
from PIL import Image

import control_xl
from make import HERE, JOB, SCHEDULER, generator, link, randomise, save_network, save_tensors, write_json

PIPELINE = HERE / "pipeline"
CASES = {"pix2pix": ("sdxl_pix2pix", "ddim", False), "edit": ("sdxl_edit", "euler", True)}


def make_model(name, edit):
    folder, base = PIPELINE / name, PIPELINE / "sdxl"
    for part in ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
        link(folder / part, f"../sdxl/{part}")
    index = json.loads((base / "model_index.json").read_text())
    write_json(folder / "model_index.json", {**index, "_class_name": "StableDiffusionXLInstructPix2PixPipeline", "is_cosxl_edit": edit})
    if edit:
        link(folder / "unet", "../sdxl_pix2pix/unet")
        return
    config = UNet2DConditionModel.load_config(HERE / "unet" / "sdxl")
    save_network(randomise(UNet2DConditionModel.from_config({**config, "in_channels": 8, "block_out_channels": (4, 4, 8)}), 86), folder / "unet")


def main():
    for case, (model, sampler, edit) in CASES.items():
        make_model(model, edit)
        control_xl.FOLDER = PIPELINE / model
        pipe = StableDiffusionXLInstructPix2PixPipeline(**control_xl.parts(), is_cosxl_edit=edit)
        pipe.scheduler = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[sampler].from_config(SCHEDULER)
        pipe.set_progress_bar_config(disable=True)
        job = {"_model": model, **JOB, "sampler": sampler, "image-cfg-scale": 1.4, "_limit": 2e-5}
        out = pipe(prompt=job["prompt"], negative_prompt=job["negative-prompt"], image=Image.open(PIPELINE / "from_init.png"), height=job["height"],
                   width=job["width"], num_inference_steps=job["steps"], guidance_scale=job["cfg-scale"], image_guidance_scale=1.4,
                   generator=generator(job["seed"]), output_type="latent").images
        job["init-image"] = "tests/golden/pipeline/from_init.png"
        save_tensors({"latents": out}, PIPELINE / f"from_xl_{case}.safetensors", {"job": "\n".join(f"{k}={v}" for k, v in job.items())})


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
