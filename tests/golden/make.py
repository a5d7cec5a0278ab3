#!/usr/bin/env python3
"""Makes the golden data: tiny random networks run by diffusers and transformers, in float32 on one CPU thread.

    python3 -m venv V && V/bin/pip install -r requirements.txt && V/bin/python make.py [unet] [vae]

Weights are random, well scaled, never zero, and rounded to float16, so that the files are half as large and the same
numbers stand in both programs. The tests list the folders that are here: a new case is a new row below.
"""
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
WEIGHTS = "diffusion_pytorch_model.safetensors"


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


def randomise(model, seed):
    """Normal weights of variance 1/fan_in, norms around 1, biases around 0; every value one that float16 holds."""
    g = generator(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            if p.ndim >= 2:
                r /= p[0].numel() ** 0.5
            elif "norm" in name and name.endswith("weight"):
                r = 1 + 0.2 * r
            else:
                r *= 0.1
            p.copy_(r.half().float())
    return model.eval().requires_grad_(False)


def save_network(model, folder, rename=lambda name: name):
    """config.json as this diffusers writes it, and the weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_config(folder)
    save_tensors({rename(k): v.half() for k, v in model.state_dict().items()}, folder / WEIGHTS)


def save_tensors(tensors, path, metadata=None):
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, path, metadata)


# --- UNets ---------------------------------------------------------------------------------------------------------

DOWN, DOWN_X = "DownBlock2D", "CrossAttnDownBlock2D"
UP, UP_X = "UpBlock2D", "CrossAttnUpBlock2D"

UNET = dict(
    sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, norm_num_groups=2, cross_attention_dim=8,
    attention_head_dim=2, block_out_channels=(4, 8), down_block_types=(DOWN_X, DOWN), up_block_types=(UP, UP_X),
)

# name: (what differs from UNET, latent height and width)
UNETS = {
    # levels with attention and a plain last one; 10 x 14 halves to 5 x 7 and 3 x 4: the way up must round too
    "sd1": (dict(layers_per_block=2, block_out_channels=(4, 4, 8), attention_head_dim=4,
                 down_block_types=(DOWN_X, DOWN_X, DOWN), up_block_types=(UP, UP_X, UP_X)), (10, 14)),
    # linear projections, a number of heads for each level, attention scores in float32
    "sd2": (dict(block_out_channels=(4, 6, 8), attention_head_dim=(1, 3, 4), use_linear_projection=True,
                 upcast_attention=True, cross_attention_dim=12, down_block_types=(DOWN_X, DOWN_X, DOWN),
                 up_block_types=(UP, UP_X, UP_X)), (8, 12)),
    # a plain first level, several transformer layers a block, size and pooled text added to the time embedding
    "sdxl": (dict(block_out_channels=(2, 4, 4), attention_head_dim=(1, 2, 4), use_linear_projection=True,
                  transformer_layers_per_block=(1, 1, 2), addition_embed_type="text_time", addition_time_embed_dim=6,
                  projection_class_embeddings_input_dim=6 * 6 + 10, down_block_types=(DOWN, DOWN_X, DOWN_X),
                  up_block_types=(UP_X, UP_X, UP)), (12, 6)),
    "inpaint9": (dict(in_channels=9, block_out_channels=(4, 4)), (9, 8)),
    "pix2pix8": (dict(in_channels=8, block_out_channels=(4, 4)), (8, 7)),
    # the guidance scale, embedded, added to the time embedding; an odd embedding width
    "lcm": (dict(time_cond_proj_dim=9, block_out_channels=(4, 4)), (6, 10)),
    # self-attention replaced by cross-attention in one level; the x4 upscaler's shape without its class labels
    "only_cross": (dict(block_out_channels=(4, 4), only_cross_attention=(True, False), down_block_types=(DOWN_X, DOWN_X),
                        up_block_types=(UP_X, UP_X)), (8, 8)),
    # the embedding's other conventions, an eps, group and layer counts of its own
    "options": (dict(flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-4, norm_num_groups=4, block_out_channels=(4, 8),
                     attention_head_dim=(2, 1), layers_per_block=(1, 2)), (5, 3)),
    # pruned models (tiny-sd): no mid block
    "no_mid": (dict(mid_block_type=None), (8, 6)),
    # one level: nothing goes down or up
    "one_level": (dict(block_out_channels=(4,), down_block_types=(DOWN_X,), up_block_types=(UP_X,)), (4, 5)),
}

TIMESTEPS = (0, 421.5, 999)


def unet_inputs(config, size, seed):
    """A batch of two for any UNet; seven tokens of context."""
    g = generator(seed)
    inputs = {
        "sample": torch.randn(2, config.in_channels, *size, generator=g),
        "encoder_hidden_states": torch.randn(2, 7, config.cross_attention_dim, generator=g),
    }
    if config.addition_embed_type == "text_time":
        width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        inputs["text_embeds"] = torch.randn(2, width, generator=g)
        inputs["time_ids"] = torch.tensor([[96.0, 48.0, 0.0, 0.0, 96.0, 48.0], [1024.0, 768.0, 5.0, 9.0, 512.0, 640.0]])
    if config.time_cond_proj_dim:
        inputs["timestep_cond"] = torch.randn(2, config.time_cond_proj_dim, generator=g)
    return inputs


def unet_run(model, inputs, t):
    added = {k: inputs[k] for k in ("text_embeds", "time_ids") if k in inputs}
    return model(inputs["sample"], torch.tensor(t), inputs["encoder_hidden_states"],
                 timestep_cond=inputs.get("timestep_cond"), added_cond_kwargs=added or None).sample


def make_unets():
    for seed, (name, (options, size)) in enumerate(UNETS.items()):
        model = randomise(UNet2DConditionModel(**{**UNET, **options}), 100 + seed)
        io = unet_inputs(model.config, size, 200 + seed)
        for t in TIMESTEPS:
            io[f"out_t{t:g}"] = unet_run(model, io, t)
        save_network(model, HERE / "unet" / name)
        save_tensors(io, HERE / "unet" / name / "io.safetensors")


# --- VAEs ----------------------------------------------------------------------------------------------------------

VAE = dict(latent_channels=4, layers_per_block=1, norm_num_groups=2, sample_size=32)

# name: (what differs from VAE, number of levels is that of block_out_channels, image height and width)
VAES = {
    "sd": (dict(block_out_channels=(4, 4, 8, 8)), (16, 24)),
    # no attention in the middle, an odd number of latent channels
    "no_attention": (dict(block_out_channels=(4, 8), latent_channels=5, mid_block_add_attention=False), (10, 14)),
    # neither convolution around the latent, many latent channels
    "no_quant": (dict(block_out_channels=(4, 8), latent_channels=16, use_quant_conv=False, use_post_quant_conv=False),
                 (6, 10)),
    "three_levels": (dict(block_out_channels=(4, 8, 12), norm_num_groups=4, latent_channels=3),
                     (12, 20)),
}

# The names of the middle attention in the files of SD 1.x and 2.x, from before diffusers 0.17.
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_attention_names(name):
    for new, old in OLD_ATTENTION.items():
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def make_vaes():
    for seed, (name, (options, size)) in enumerate(VAES.items()):
        levels = len(options["block_out_channels"])
        blocks = dict(down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels)
        model = randomise(AutoencoderKL(**{**VAE, **blocks, **options}), 300 + seed)
        if name == "three_levels":  # two log-variances that must be clamped
            model.quant_conv.bias[3:5] = torch.tensor([-60.0, 50.0])
        g = generator(400 + seed)
        factor = 2 ** (levels - 1)
        image = torch.rand(2, 3, *size, generator=g) * 2 - 1
        latent = torch.randn(2, model.config.latent_channels, size[0] // factor, size[1] // factor, generator=g)
        moments = model.encode(image).latent_dist
        save_network(model, HERE / "vae" / name, old_attention_names if name == "sd" else lambda n: n)
        save_tensors({"image": image, "latent": latent, "enc_mean": moments.mean, "enc_logvar": moments.logvar,
                      "dec": model.decode(latent).sample}, HERE / "vae" / name / "io.safetensors")


PARTS = {"unet": make_unets, "vae": make_vaes}

if __name__ == "__main__":
    torch.set_num_threads(1)
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        sys.exit(f"make.py: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with torch.no_grad():
        for part in sys.argv[1:] or PARTS:
            PARTS[part]()
