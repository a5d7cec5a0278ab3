#!/usr/bin/env python3
"""Adds a tiny ControlNet-Union of unet/sdxl to control/ and runs of it to control/cases. `python control_union.py`; control_xl.py's files must be
there."""
import json

import torch
from diffusers import ControlNetUnionModel, StableDiffusionXLControlNetUnionPipeline
from PIL import Image

from control import OUT, SIZE, at
from control_xl import run
from make import HERE, JOB, randomise, save_network

CASES = {"xl_union_canny": (3, "canny", 0.7, {"sampler": "euler"}), "xl_union_tile": (6, "6", 1.0, {"sampler": "ddim"})}


def main():
    unet = json.loads((HERE / "unet" / "sdxl" / "config.json").read_text())
    kept = ("flip_sin_to_cos", "freq_shift", "down_block_types", "block_out_channels", "layers_per_block", "norm_num_groups", "cross_attention_dim",
            "transformer_layers_per_block", "attention_head_dim", "use_linear_projection", "addition_embed_type", "addition_time_embed_dim",
            "projection_class_embeddings_input_dim")
    net = ControlNetUnionModel(**{k: unet[k] for k in kept}, **SIZE, num_control_type=8, num_trans_channel=4, num_trans_head=2, num_trans_layer=2,
                               num_proj_channel=4)
    save_network(randomise(net, 955), OUT / "xl_union")
    net = ControlNetUnionModel.from_pretrained(OUT / "xl_union", torch_dtype=torch.float32)
    picture = Image.open(OUT / "hint0.png").convert("RGB")
    for name, (kind, said, strength, options) in CASES.items():
        run(StableDiffusionXLControlNetUnionPipeline, {**JOB, **options},
            [("control", f"model={at('xl_union')},image={at('hint0.png')},strength={strength},type={said}")], name, {"controlnet": net},
            control_image=[picture], control_mode=[kind], controlnet_conditioning_scale=strength)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
