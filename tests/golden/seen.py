#!/usr/bin/env python3
"""Makes pipeline/x4, pipeline/unclip and runs of them by diffusers (pipeline/seen_*.safetensors): models whose UNet has class labels, the
x4 upscaler and SD 2.1-unCLIP, tiny and random, on make.py's sd1. `python seen.py`; make.py's and control.py's files must be there."""
import json

import numpy as np
import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DDPMScheduler, EulerDiscreteScheduler, StableDiffusionUpscalePipeline,
                       StableUnCLIPImg2ImgPipeline, UNet2DConditionModel)
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from PIL import Image
from transformers import CLIPImageProcessorPil as CLIPImageProcessor, CLIPVisionModelWithProjection

from make import HERE, JOB, MODELS, SCHEDULER, UNET, VAE, generator, link, load_pipeline, make_model, randomise, save_network, save_tensors, write_json

FOLDER = HERE / "pipeline"
WIDTH = 12  # of image_encoder's vector
CASES = {  # name: (model, what differs from JOB)
    "x4_ddim": ("x4", {"sampler": "ddim", "width": 80, "height": 64, "init-image": "seen.png", "noise-level": 20}),
    "x4_euler": ("x4", {"sampler": "euler", "width": 80, "height": 64, "init-image": "seen.png", "noise-level": 130, "cfg-scale": 1}),
    "unclip_ddim": ("unclip", {"sampler": "ddim", "init-image": "from_init.png", "noise-level": 0}),
    "unclip_euler": ("unclip", {"sampler": "euler", "init-image": "seen.png", "noise-level": 300, "_limit": 2e-5}),
}


def change_index(folder, cls, **more):
    index = json.loads((folder / "model_index.json").read_text())
    write_json(folder / "model_index.json", {**index, "_class_name": cls, **more})


def make_x4():
    folder = FOLDER / "x4"
    make_model("x4", {"like": "sd1", "scheduler": MODELS["sd1"]["scheduler"]}, 0)
    for part in "unet", "vae":
        (folder / part).unlink()
    save_network(randomise(UNet2DConditionModel(**{**UNET, "in_channels": 7, "num_class_embeds": 400, "only_cross_attention": (True, False),
                                                   "use_linear_projection": True, "block_out_channels": (4, 4)}), 81), folder / "unet")
    levels = dict(block_out_channels=(4, 4, 8), down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3)
    save_network(randomise(AutoencoderKL(**{**VAE, **levels, "scaling_factor": 0.08333}), 82), folder / "vae")
    DDPMScheduler(num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.0001, beta_end=0.02).save_config(folder / "low_res_scheduler")
    change_index(folder, "StableDiffusionUpscalePipeline", low_res_scheduler=["diffusers", "DDPMScheduler"], max_noise_level=350)


def make_unclip():
    folder = FOLDER / "unclip"
    make_model("unclip", {"like": "sd1", "scheduler": MODELS["sd1"]["scheduler"]}, 0)
    (folder / "unet").unlink()
    save_network(randomise(UNet2DConditionModel(**{**UNET, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 2 * WIDTH,
                                                   "block_out_channels": (4, 4)}), 83), folder / "unet")
    link(folder / "image_encoder", "../../control/image_encoder")
    normaliser = randomise(StableUnCLIPImageNormalizer(WIDTH), 84)
    normaliser.std.copy_((normaliser.std.abs() + 0.5).half().float())
    save_network(normaliser, folder / "image_normalizer")
    DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2").save_config(folder / "image_noising_scheduler")
    change_index(folder, "StableUnCLIPImg2ImgPipeline", image_encoder=["transformers", "CLIPVisionModelWithProjection"],
                 image_normalizer=["diffusers", "StableUnCLIPImageNormalizer"], image_noising_scheduler=["diffusers", "DDPMScheduler"])


def pipeline(name, base):
    folder = FOLDER / name
    parts = {k: getattr(base, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
    if name == "x4":
        return StableDiffusionUpscalePipeline(**parts, low_res_scheduler=DDPMScheduler.from_pretrained(folder / "low_res_scheduler"), scheduler=None)
    encoder = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder", torch_dtype=torch.float32).eval()
    normaliser = StableUnCLIPImageNormalizer.from_pretrained(folder / "image_normalizer", torch_dtype=torch.float32)
    return StableUnCLIPImg2ImgPipeline(**parts, feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
                                       image_encoder=encoder, image_normalizer=normaliser,
                                       image_noising_scheduler=DDPMScheduler.from_pretrained(folder / "image_noising_scheduler"), scheduler=None)


def main():
    r = np.random.RandomState(5)
    Image.fromarray(r.randint(0, 256, (5, 6, 3), np.uint8)).resize((22, 17), Image.BICUBIC).save(FOLDER / "seen.png")
    make_x4()
    make_unclip()
    for name, (model, options) in CASES.items():
        job = {"_model": model, **JOB, **options}
        base = load_pipeline(FOLDER / model)
        pipe = pipeline(model, base)
        pipe.set_progress_bar_config(disable=True)
        cls = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[job["sampler"]]
        pipe.scheduler = cls.from_config({**SCHEDULER})
        embed = lambda text: base.encode_prompt(text, "cpu", 1, False)[0]
        more = {} if model == "x4" else {"width": job["width"], "height": job["height"]}
        out = pipe(image=Image.open(FOLDER / job["init-image"]), prompt_embeds=embed(job["prompt"]), negative_prompt_embeds=embed(job["negative-prompt"]),
                   num_inference_steps=job["steps"], guidance_scale=job["cfg-scale"], noise_level=job["noise-level"], output_type="latent",
                   generator=generator(job["seed"]), **more).images
        job["init-image"] = "tests/golden/pipeline/" + job["init-image"]
        save_tensors({"latents": out}, FOLDER / f"seen_{name}.safetensors", {"job": "\n".join(f"{k}={v}" for k, v in job.items())})


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
