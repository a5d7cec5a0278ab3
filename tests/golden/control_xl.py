#!/usr/bin/env python3
"""Makes pipeline/sdxl, a whole tiny SDXL of make.py's unet/sdxl, and adds whole runs of it to control/cases: plain, and steered by control.py's
ControlNet xl, T2I-Adapter t2i_xl and an IP-Adapter. `python control_xl.py`; make.py's and control.py's files must be there."""
import json

import torch
from diffusers import (ControlNetModel, DDIMScheduler, EulerDiscreteScheduler, StableDiffusionXLAdapterPipeline,
                       StableDiffusionXLControlNetImg2ImgPipeline, StableDiffusionXLControlNetPipeline, StableDiffusionXLPipeline, T2IAdapter)
from PIL import Image
from transformers import (CLIPImageProcessorPil as CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer,
                          CLIPVisionModelWithProjection)
from diffusers import AutoencoderKL, UNet2DConditionModel

from control import OUT, at, ip_file, save_case
from make import HERE, JOB, SCHEDULER, TEXT, generator, link, randomise, save_tensors, write_json

FOLDER = HERE / "pipeline" / "sdxl"
POOLED = 10


def make_model():
    DDIMScheduler.from_config(SCHEDULER).save_config(FOLDER / "scheduler")
    write_json(FOLDER / "model_index.json", {
        "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", "force_zeros_for_empty_prompt": True,
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]})
    link(FOLDER / "unet", "../../unet/sdxl")
    link(FOLDER / "vae", "../../vae/sd")
    for i, name in enumerate(("text_encoder", "text_encoder_2")):
        cls = CLIPTextModelWithProjection if i else CLIPTextModel
        config = CLIPTextConfig(**{**TEXT, "projection_dim": POOLED, "num_hidden_layers": 2, "num_attention_heads": 1}, hidden_size=4, intermediate_size=8,
                                hidden_act="gelu" if i else "quick_gelu")
        randomise(cls(config), 70 + i).half().save_pretrained(FOLDER / name)
        link(FOLDER / name.replace("text_encoder", "tokenizer"), "../sd1/tokenizer" if not i else "../sd2/tokenizer")


def parts():
    load = lambda cls, name: cls.from_pretrained(FOLDER / name, torch_dtype=torch.float32).eval()
    return dict(vae=load(AutoencoderKL, "vae"), text_encoder=load(CLIPTextModel, "text_encoder"), text_encoder_2=load(CLIPTextModelWithProjection, "text_encoder_2"),
                tokenizer=CLIPTokenizer.from_pretrained(FOLDER / "tokenizer"), tokenizer_2=CLIPTokenizer.from_pretrained(FOLDER / "tokenizer_2"),
                unet=load(UNet2DConditionModel, "unet"), scheduler=DDIMScheduler.from_pretrained(FOLDER / "scheduler"))


def run(cls, job, lines, name, own=None, prepare=None, **arguments):
    pipe = cls(**parts(), **(own or {}))
    pipe.scheduler = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[job["sampler"]].from_config(SCHEDULER)
    pipe.set_progress_bar_config(disable=True)
    if prepare:
        prepare(pipe)
    if "init-image" not in job:
        arguments.update(width=job["width"], height=job["height"])
    out = pipe(prompt=job["prompt"], negative_prompt=job["negative-prompt"], num_inference_steps=job["steps"], guidance_scale=job["cfg-scale"],
               generator=generator(job["seed"]), output_type="latent", **arguments).images
    save_case(name, {**job, "_model": "sdxl"}, lines, {"latents": out})


def main():
    make_model()
    picture = Image.open(OUT / "hint0.png").convert("RGB")
    hint = f"image={at('hint0.png')}"
    net = ControlNetModel.from_pretrained(OUT / "xl", torch_dtype=torch.float32)
    adapter = T2IAdapter.from_pretrained(OUT / "t2i_xl", torch_dtype=torch.float32)
    job = {**JOB, "sampler": "euler"}
    run(StableDiffusionXLPipeline, job, [], "xl_plain")
    run(StableDiffusionXLControlNetPipeline, job, [("control", f"model={at('xl')},{hint},strength=0.7")], "xl_net", {"controlnet": net}, image=picture,
        controlnet_conditioning_scale=0.7)
    run(StableDiffusionXLControlNetPipeline, {**job, "sampler": "ddim"}, [("control", f"model={at('xl')},{hint},strength=0.9,start=0.2,end=0.8,guess")],
        "xl_net_guess", {"controlnet": net}, image=picture, controlnet_conditioning_scale=0.9, control_guidance_start=0.2, control_guidance_end=0.8, guess_mode=True)
    init = Image.open(HERE / "pipeline" / "from_init.png")
    run(StableDiffusionXLControlNetImg2ImgPipeline, {**job, "init-image": "tests/golden/pipeline/from_init.png", "strength": 0.6, "_limit": 2e-5},
        [("control", f"model={at('xl')},{hint},strength=0.7")], "xl_net_from_picture", {"controlnet": net}, image=init, control_image=picture, strength=0.6,
        controlnet_conditioning_scale=0.7)
    run(StableDiffusionXLAdapterPipeline, {**job, "width": 64, "height": 64}, [("adapter", f"model={at('t2i_xl')},{hint},strength=0.8")], "xl_t2i", {"adapter": adapter},
        image=picture, adapter_conditioning_scale=0.8)
    encoder = CLIPVisionModelWithProjection.from_pretrained(OUT / "image_encoder", torch_dtype=torch.float32)
    process = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    for kind, features in ("plain", 12), ("plus", 16):
        tensors = ip_file(parts()["unet"], kind, features, 987 + features)
        file = f"ip_xl_{kind}.safetensors"
        save_tensors({f"{part}.{k}": v.half() for part in tensors for k, v in tensors[part].items()}, OUT / file)

        def prepare(pipe):
            pipe.register_modules(image_encoder=encoder, feature_extractor=process)
            pipe.load_ip_adapter(tensors, subfolder="", weight_name="", image_encoder_folder=None)
            pipe.set_ip_adapter_scale(0.7)
        run(StableDiffusionXLPipeline, job, [("ip-adapter", f"model={at(file)},{hint},scale=0.7")], f"xl_ip_{kind}", prepare=prepare, ip_adapter_image=picture)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
