#!/usr/bin/env python3
"""Adds to control/cases what A1111's control modes make of control.py's networks. `python control_modes.py`; control.py's files must be there.

diffusers has no such modes: each result of a network is multiplied here as Mikubill/sd-webui-controlnet does it (scripts/hook.py): soft
weights of 0.825 to the power of 12 - i, a T2I-Adapter's of 0.25, 0.62, 0.825, 1; "ControlNet is more important" only for the prompt."""
import torch
from diffusers import ControlNetModel, StableDiffusionAdapterPipeline, StableDiffusionControlNetPipeline, T2IAdapter
from PIL import Image

from control import HERE, JOB, OUT, at, load_pipeline, run, save_case

SOFT, SOFT_MAPS = [0.825 ** (12 - i) for i in range(13)], [0.25, 0.62, 0.825, 1.0]


def soft_net(net, mode):
    forward = net.forward

    def call(x, *args, **more):
        down, mid = forward(x, *args, **more)
        scaled = [r * w for r, w in zip([*down, mid], SOFT)]
        for r in scaled:
            if mode == "control":
                r[:len(r) // 2] = 0
        return scaled[:-1], scaled[-1]
    net.forward = call
    return net


def soft_maps(unet, mode):
    forward = unet.forward

    def call(*args, down_intrablock_additional_residuals=None, **more):
        maps = [m * w for m, w in zip(down_intrablock_additional_residuals, SOFT_MAPS)]
        for m in maps:
            if mode == "control":
                m[:len(m) // 2] = 0
        return forward(*args, down_intrablock_additional_residuals=maps, **more)
    unet.forward = call


def main():
    picture = Image.open(OUT / "hint0.png").convert("RGB")
    for mode in "prompt", "control":
        pipe = load_pipeline(HERE / "pipeline" / "sd1")
        parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
        rest = dict(scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        net = soft_net(ControlNetModel.from_pretrained(OUT / "net_a", torch_dtype=torch.float32), mode)
        job = {**JOB, "sampler": "euler"}
        p = StableDiffusionControlNetPipeline(**parts, controlnet=net, **rest)
        io = run(p, job, "sd1", image=picture, controlnet_conditioning_scale=0.8)
        save_case(f"net_mode_{mode}", job, [("control", f"model={at('net_a')},image={at('hint0.png')},strength=0.8,mode={mode}")], io)
        adapter = T2IAdapter.from_pretrained(OUT / "t2i_full", torch_dtype=torch.float32)
        soft_maps(pipe.unet, mode)
        p = StableDiffusionAdapterPipeline(**parts, adapter=adapter, **rest)
        io = run(p, job, "sd1", image=picture, adapter_conditioning_scale=0.8)
        save_case(f"t2i_mode_{mode}", job, [("adapter", f"model={at('t2i_full')},image={at('hint0.png')},strength=0.8,mode={mode}")], io)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
