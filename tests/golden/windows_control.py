#!/usr/bin/env python3
"""Adds to control/cases runs whose networks see overlapping windows (MultiDiffusion), each with its part of the map: control.py's ControlNet
and T2I-Adapter of a 104 x 88 picture in windows of 64 that share 24. `python windows_control.py`; control.py's files must be there."""
import torch
from diffusers import ControlNetModel, StableDiffusionAdapterPipeline, StableDiffusionControlNetPipeline, T2IAdapter
from PIL import Image

from control import HERE, JOB, OUT, at, load_pipeline, picture, run, save_case

SIZE, STRIDE = 8, 5


def starts(n):
    return [min(i, n - SIZE) for i in range(0, n - SIZE + STRIDE, STRIDE)]


def windows(x):
    for top in starts(x.shape[2]):
        for left in starts(x.shape[3]):
            yield (..., slice(top, top + SIZE), slice(left, left + SIZE)), (..., slice(8 * top, 8 * (top + SIZE)), slice(8 * left, 8 * (left + SIZE)))


def in_windows(unet, steer):
    """steer(x, t, text, part of the picture): the further inputs of the UNet."""
    whole = unet.forward

    def forward(x, t, encoder_hidden_states=None, **more):
        total, count = torch.zeros_like(x), torch.zeros_like(x)
        for part, pixels in windows(x):
            z = x[part].contiguous()
            total[part] += whole(z, t, encoder_hidden_states=encoder_hidden_states, **steer(z, t, encoder_hidden_states, pixels)).sample
            count[part] += 1
        return (total / count,)
    unet.forward = forward


def main():
    picture("hint_wide.png", 104, 88, 4)
    image = Image.open(OUT / "hint_wide.png").convert("RGB")
    rest = dict(scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    job = {**JOB, "sampler": "euler", "width": 104, "height": 88, "diffusion-tile": 64, "diffusion-overlap": 24}

    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
    net = ControlNetModel.from_pretrained(OUT / "net_a", torch_dtype=torch.float32)
    control, kept = net.forward, {}

    def keep(x, t, encoder_hidden_states=None, controlnet_cond=None, conditioning_scale=1.0, **more):
        kept["cond"] = controlnet_cond
        return [torch.zeros(1)], torch.zeros(1)
    net.forward = keep

    def by_net(x, t, text, pixels):
        down, mid = control(x, t, text, kept["cond"][pixels].contiguous(), 0.8, return_dict=False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
    in_windows(pipe.unet, by_net)
    io = run(StableDiffusionControlNetPipeline(**parts, controlnet=net, **rest), job, "sd1", image=image, controlnet_conditioning_scale=0.8)
    save_case("net_windows", job, [("control", f"model={at('net_a')},image={at('hint_wide.png')},strength=0.8")], io)

    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
    adapter = T2IAdapter.from_pretrained(OUT / "t2i_full", torch_dtype=torch.float32)
    maps = adapter.forward

    def keep_picture(x):
        kept["cond"] = x
        return [torch.zeros(1, 1, 1, 1)]
    adapter.forward = keep_picture
    in_windows(pipe.unet, lambda x, t, text, pixels: {"down_intrablock_additional_residuals": [
        (0.8 * m).expand(len(x), -1, -1, -1).clone() for m in maps(kept["cond"][pixels].contiguous())]})
    io = run(StableDiffusionAdapterPipeline(**parts, adapter=adapter, **rest), job, "sd1", image=image, adapter_conditioning_scale=0.8)
    save_case("t2i_windows", job, [("adapter", f"model={at('t2i_full')},image={at('hint_wide.png')},strength=0.8")], io)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
