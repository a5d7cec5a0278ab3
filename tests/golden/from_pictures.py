#!/usr/bin/env python3
"""Makes pipeline/from_*.safetensors: runs of diffusers that begin with a picture, on make.py's tiny models (test_pipeline reads them).

from_init.png and from_mask.png are the picture and the mask (grey in places). `soft` is differential diffusion as its authors publish it
(github.com/exx8/differential-diffusion: before step i a place is the noised picture while what keeps it is above i / steps);
`fill` starts from A1111's masked content of that name (masks.py).
"""
import shutil

import numpy as np
import torch
from diffusers import (DDIMScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler, KDPM2DiscreteScheduler, PNDMScheduler,
                       StableDiffusionDepth2ImgPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline,
                       StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel)
from PIL import Image

from make import HERE, JOB, MODELS, UNET, generator, load_pipeline, make_model, randomise, save_network, save_tensors
from masks import fill

W, H = JOB["width"], JOB["height"]
FOLDER = HERE / "pipeline"
CLASSES = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler, "heun": HeunDiscreteScheduler, "plms": PNDMScheduler,
           "dpm_2": KDPM2DiscreteScheduler}
CASES = {
    "img2img_euler": {"sampler": "euler", "strength": 0.6},
    "inpaint_ddim": {"sampler": "ddim", "strength": 0.8, "mask": True},
    "fill_euler": {"sampler": "euler", "strength": 0.8, "mask": True, "fill": "fill"},
    "soft_euler": {"sampler": "euler", "strength": 0.8, "mask": True, "soft-mask": "true"},
    "depth_euler": {"sampler": "euler", "strength": 0.7, "depth": "tests/golden/pipeline/from_mask.png", "_model": "depth", "_limit": 2e-5},
    "pix2pix_ddim": {"sampler": "ddim", "image-cfg-scale": 1.4, "_model": "pix2pix"},
    "inpaint_heun": {"sampler": "heun", "strength": 0.8, "mask": True, "_limit": 3e-5},
    "inpaint_dpm_2": {"sampler": "dpm_2", "strength": 0.8, "mask": True, "_limit": 3e-5},
    "img2img_plms": {"sampler": "plms", "strength": 0.6},
    "img2img_plms_1": {"sampler": "plms", "strength": 0.8},
    "inpaint_plms": {"sampler": "plms", "strength": 0.6, "mask": True, "_limit": 3e-5},
    "inpaint_plms_full": {"sampler": "plms", "strength": 1, "mask": True, "_limit": 3e-5},
    "soft_ddim": {"sampler": "ddim", "strength": 1, "mask": True, "soft-mask": "true"},
}


def pictures():
    r = np.random.RandomState(3)
    small = Image.fromarray(r.randint(0, 256, (H // 8, W // 8, 3), np.uint8))
    small.resize((W, H), Image.BICUBIC).save(FOLDER / "from_init.png")
    m = np.zeros((H, W), np.uint8)
    m[8:40, 12:44] = 255
    m[20:48, 30:58] = 128 + (np.arange(28) * 4)[None, :] % 128
    m[0:16, 40:64] = 90
    Image.fromarray(m).save(FOLDER / "from_mask.png")


def soft_mask():
    """[1, 1, h, w] as the authors bring their map to the latent: torchvision's Resize without antialias."""
    m = torch.from_numpy(np.array(Image.open(FOLDER / "from_mask.png"), np.float32) / 255)[None, None]
    return torch.nn.functional.interpolate(m, (H // 8, W // 8), mode="bilinear", align_corners=False)


def edited(base, job):
    """Models that take the picture, or its depths, in addition to the latent."""
    init, depth = Image.open(FOLDER / "from_init.png"), "depth" in job
    parts = {k: v for k, v in base.components.items() if k in ("vae", "text_encoder", "tokenizer", "unet")}
    parts["scheduler"] = CLASSES[job["sampler"]].from_config(base.scheduler_config)
    if depth:
        pipe = StableDiffusionDepth2ImgPipeline(**parts, depth_estimator=None, feature_extractor=None)
    else:
        pipe = StableDiffusionInstructPix2PixPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    embed = lambda text: base.encode_prompt(text, "cpu", 1, False)[0]
    map_ = torch.from_numpy(np.array(Image.open(FOLDER / "from_mask.png"), np.float32) / 255)[None] if depth else None
    more = {"depth_map": map_, "strength": job["strength"]} if depth else {"image_guidance_scale": job["image-cfg-scale"]}
    out = pipe(image=init, prompt_embeds=embed(job["prompt"]), negative_prompt_embeds=embed(job["negative-prompt"]),
               num_inference_steps=job["steps"], guidance_scale=job["cfg-scale"], output_type="latent", generator=generator(job["seed"]),
               **more).images
    return {"latents": out}


def make_models():
    """Of make.py's sd1, with UNets of 5 and of 8 channels."""
    shutil.rmtree(FOLDER / "depth" / "unet", ignore_errors=True)
    for seed, (name, unet) in enumerate((("depth", "../../unet/sd1"), ("pix2pix", "pix2pix8"))):
        make_model(name, {"like": "sd1", "unet": unet, "scheduler": MODELS["sd1"]["scheduler"]}, 900 + seed)
    folder = FOLDER / "depth" / "unet"
    folder.unlink()
    unet = UNet2DConditionModel(**{**UNET, "in_channels": 5, "block_out_channels": (4, 4)})
    save_network(randomise(unet, 77), folder)


def run(base, job):
    if job["_model"] != "sd1":
        return edited(base, job)
    init, mask = Image.open(FOLDER / "from_init.png"), Image.open(FOLDER / "from_mask.png")
    scheduler = CLASSES[job["sampler"]].from_config(base.scheduler_config)
    if job["sampler"] == "plms":
        scheduler = PNDMScheduler.from_config(base.scheduler_config, skip_prk_steps=True)
    soft, inpaint = "soft-mask" in job, "mask" in job and "soft-mask" not in job
    cls = StableDiffusionInpaintPipeline if inpaint else StableDiffusionImg2ImgPipeline
    parts = {k: v for k, v in base.components.items() if k not in ("scheduler", "image_encoder")}
    pipe = cls(**parts, scheduler=scheduler, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    if job.get("fill") == "fill":
        init = fill(init, mask)
    state, steps = {}, int(job["steps"] * job["strength"])

    def after(pipe, i, t, values):
        x = values["latents"]
        if soft and i + 1 < steps:
            keep = 1 - soft_mask()
            old = pipe.scheduler.add_noise(state["source"], state["noise"], pipe.scheduler.timesteps[-steps:][i + 1:i + 2])
            x = torch.where(keep > (i + 1) / steps, old, x)
        return {"latents": x}

    if soft:
        g = generator(job["seed"])
        pixels = pipe.image_processor.preprocess(init)
        state["source"] = pipe.vae.encode(pixels).latent_dist.sample(g) * pipe.vae.config.scaling_factor
        state["noise"] = torch.randn(state["source"].shape, generator=g)
    embed = lambda text: base.encode_prompt(text, "cpu", 1, False)[0]
    more = {"mask_image": mask, "width": W, "height": H} if inpaint else {}
    out = pipe(image=init, strength=job["strength"], prompt_embeds=embed(job["prompt"]), num_inference_steps=job["steps"],
               negative_prompt_embeds=embed(job["negative-prompt"]), guidance_scale=job["cfg-scale"], output_type="latent",
               generator=generator(job["seed"]), callback_on_step_end=after, **more).images
    return {"latents": out}


def main():
    pictures()
    make_models()
    for name, options in CASES.items():
        job = {"_model": "sd1", **JOB, **options, "init-image": "tests/golden/pipeline/from_init.png"}
        base = load_pipeline(FOLDER / job["_model"])
        base.scheduler_config = DDIMScheduler.load_config(FOLDER / "sd1" / "scheduler")
        io = run(base, job)
        if "mask" in job:
            job["mask"] = "tests/golden/pipeline/from_mask.png"
        save_tensors(io, FOLDER / f"from_{name}.safetensors", {"job": "\n".join(f"{k}={v}" for k, v in job.items())})


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
