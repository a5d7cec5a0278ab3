#!/usr/bin/env python3
"""Makes the golden data: tiny random networks run by diffusers and transformers, in float32 on one CPU thread.

    python3 -m venv V && V/bin/pip install -r requirements.txt && V/bin/python make.py [unet] [vae] [pipeline] [sprites]

Weights are random, well scaled, never zero, and rounded to float16, so that the files are half as large and the same
numbers stand in both programs. The tests list the folders that are here: a new case is a new row below.
"""
import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, HeunDiscreteScheduler, LCMScheduler, StableDiffusionPipeline,
                       UNet2DConditionModel)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

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
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path, metadata)


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
    "sd2": (dict(block_out_channels=(8, 8, 8), attention_head_dim=(1, 2, 4), use_linear_projection=True,
                 upcast_attention=True, cross_attention_dim=12, down_block_types=(DOWN_X, DOWN_X, DOWN),
                 up_block_types=(UP, UP_X, UP_X)), (8, 12)),
    # a plain first level, several transformer layers a block, size and pooled text added to the time embedding
    "sdxl": (dict(block_out_channels=(4, 8, 8), attention_head_dim=(1, 2, 4), use_linear_projection=True,
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
    # distilled XL models (SSD-1B): each attention of its own depth, otherwise on the way up; one residual block in the middle
    "uneven": (dict(layers_per_block=2, block_out_channels=(4, 8), attention_head_dim=(1, 2), use_linear_projection=True,
                    transformer_layers_per_block=(1, (2, 1)), reverse_transformer_layers_per_block=((1, 2, 3), 1),
                    mid_block_type="UNetMidBlock2D", down_block_types=(DOWN, DOWN_X), up_block_types=(UP_X, UP)), (6, 8)),
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


# --- Pipelines -----------------------------------------------------------------------------------------------------

# A tiny diffusers folder each. UNet and VAE are links to those above; the vocabulary is one for all. old_names: the text
# encoder's names begin with "text_model.", as in all published files; transformers 5 writes them without.
TEXT = dict(vocab_size=897, max_position_embeddings=77, num_hidden_layers=3, num_attention_heads=2, bos_token_id=895,
            eos_token_id=896, projection_dim=8)

SCHEDULER = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 steps_offset=1, timestep_spacing="leading", clip_sample=False, set_alpha_to_one=False)

V = dict(prediction_type="v_prediction")
TRAILING = dict(timestep_spacing="trailing", set_alpha_to_one=True)

MODELS = {
    "sd1": dict(unet="sd1", pad="<|endoftext|>", old_names=True,
                text=dict(hidden_size=8, intermediate_size=16, hidden_act="quick_gelu"),
                scheduler=(DDIMScheduler, {})),
    "sd2": dict(unet="sd2", pad="!", old_names=False,
                text=dict(hidden_size=12, intermediate_size=20, hidden_act="gelu"),
                scheduler=(DDIMScheduler, V)),
    "sd1_linspace": dict(like="sd1", scheduler=(EulerDiscreteScheduler, dict(timestep_spacing="linspace"))),
    "lcm": dict(like="sd1", unet="lcm", scheduler=(LCMScheduler, {})),
    "sd1_trailing": dict(like="sd1", scheduler=(DDIMScheduler, TRAILING)),
    "sd2_trailing": dict(like="sd2", scheduler=(DDIMScheduler, {**V, **TRAILING})),
    "sd2_zero_snr": dict(like="sd2", scheduler=(EulerDiscreteScheduler, {**V, **TRAILING, "rescale_betas_zero_snr": True})),
}

SAMPLERS = {
    "euler": EulerDiscreteScheduler,
    "euler_ancestral": EulerAncestralDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "ddim": DDIMScheduler,
    "lcm": LCMScheduler,
}

JOB = {"prompt": "a red potion, glowing!", "negative-prompt": "a blue sword on grass", "cfg-scale": 5, "steps": 5,
       "seed": 7, "width": 64, "height": 48, "schedule": "model"}

# name: (model, what differs from JOB). The keys are limn's options, those with _ this script's and the test's.
CASES = {
    "sd1_euler": ("sd1", {"sampler": "euler", "_text": True, "_image": True}),
    "sd1_euler_ancestral": ("sd1", {"sampler": "euler_ancestral", "seed": 2**33 + 5}),
    "sd1_heun": ("sd1", {"sampler": "heun", "steps": 4}),
    "sd1_karras": ("sd1", {"sampler": "dpmpp_2m", "schedule": "karras"}),
    "sd1_dpmpp_2m": ("sd1", {"sampler": "dpmpp_2m", "steps": 6}),
    "sd1_trailing": ("sd1_trailing", {"sampler": "heun", "steps": 2}),
    "sd1_ddim": ("sd1", {"sampler": "ddim"}),
    "sd1_ddim_eta": ("sd1", {"sampler": "ddim", "eta": 0.7}),
    "sd1_lcm": ("sd1", {"sampler": "lcm", "steps": 4, "cfg-scale": 1}),
    "lcm": ("lcm", {"sampler": "lcm", "steps": 3, "cfg-scale": 8.5}),  # the UNet is told the scale
    "sd1_no_guidance": ("sd1", {"sampler": "euler", "cfg-scale": 1, "negative-prompt": "", "steps": 3}),
    "sd1_clip_skip": ("sd1", {"sampler": "euler", "clip-skip": 2, "steps": 2, "_text": True}),
    "sd1_second_of_two": ("sd1", {"sampler": "euler_ancestral", "steps": 3, "_index": 1}),
    "sd1_linspace": ("sd1_linspace", {"sampler": "euler"}),
    "sd2_euler": ("sd2", {"sampler": "euler"}),
    "sd2_dpmpp_2m": ("sd2_trailing", {"sampler": "dpmpp_2m"}),
    "sd2_ddim": ("sd2", {"sampler": "ddim", "_text": True, "_image": True}),
    "sd2_ddim_trailing": ("sd2_trailing", {"sampler": "ddim"}),
    "sd2_zero_snr": ("sd2_zero_snr", {"sampler": "ddim"}),
    # from sigma 4096 float32 drops 12 bits in the first step, in both programs
    "sd2_zero_snr_euler": ("sd2_zero_snr", {"sampler": "euler", "_limit": 3e-4}),
    "sd2_uneven": ("sd2", {"sampler": "ddim", "steps": 6}),  # 6 does not divide 1000
}


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def make_model(name, model, seed):
    """model_index.json and the parts' folders; those that another folder has already are links."""
    folder = HERE / "pipeline" / name
    cls, options = model["scheduler"]
    cls.from_config({**SCHEDULER, **options}).save_config(folder / "scheduler")
    write_json(folder / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", "feature_extractor": [None, None],
        "requires_safety_checker": False, "safety_checker": [None, None], "scheduler": ["diffusers", cls.__name__],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]})
    if "like" in model:
        for part in ("unet", "vae", "text_encoder", "tokenizer"):
            link(folder / part, f"../{model['like']}/{part}")
        if "unet" in model:
            link(folder / "unet", f"../../unet/{model['unet']}")
        return
    link(folder / "unet", f"../../unet/{model['unet']}")
    link(folder / "vae", "../../vae/sd")
    text = randomise(CLIPTextModel(CLIPTextConfig(**TEXT, **model["text"])), seed)
    text.half().save_pretrained(folder / "text_encoder")
    if model["old_names"]:
        weights = folder / "text_encoder" / "model.safetensors"
        save_tensors({f"text_model.{k}": v for k, v in load_file(weights).items()}, weights, {"format": "pt"})
    for file in ("vocab.json", "merges.txt"):
        link(folder / "tokenizer" / file, f"../../../vocabulary/{file}")
    write_json(folder / "tokenizer" / "tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": "<|startoftext|>", "do_lower_case": True, "eos_token": "<|endoftext|>",
        "errors": "replace", "model_max_length": 77, "pad_token": model["pad"], "tokenizer_class": "CLIPTokenizer",
        "unk_token": "<|endoftext|>"})


def load_pipeline(folder):
    """In float32, without a scheduler."""
    part = lambda cls, name: cls.from_pretrained(folder / name, torch_dtype=torch.float32).eval()
    pipe = StableDiffusionPipeline(
        vae=part(AutoencoderKL, "vae"), text_encoder=part(CLIPTextModel, "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"), unet=part(UNet2DConditionModel, "unet"),
        scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)  # where this diffusers looks for the last norm
    pipe.set_progress_bar_config(disable=True)
    return pipe


def run_case(pipe, job):
    """Every stage of one picture, under the names of limn's --trace; latents.K as the scheduler holds them after step K."""
    seed, steps = job["seed"] + job.get("_index", 0), job["steps"]
    skip = job["clip-skip"] - 1 if "clip-skip" in job else None
    latents = []
    keep = lambda pipe, i, t, values: latents.append(values["latents"].clone()) or {}

    # A1111 and ComfyUI skip layers for both prompts, diffusers by itself only for the positive one.
    embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False, clip_skip=skip)[0]
    prompt, negative = embed(job["prompt"]), embed(job["negative-prompt"])
    image = pipe(prompt_embeds=prompt, negative_prompt_embeds=negative, num_inference_steps=steps,
                 guidance_scale=job["cfg-scale"], width=job["width"], height=job["height"], eta=job.get("eta", 0.0),
                 generator=generator(seed), output_type="pt", callback_on_step_end=keep).images

    if isinstance(pipe.scheduler, HeunDiscreteScheduler):
        latents = latents[1::2] + latents[-1:]  # a step is two evaluations, the last one
    assert len(latents) == steps
    io = {f"latents.{i}": x for i, x in enumerate(latents)}

    if "_text" in job:
        ids = lambda text: pipe.tokenizer(text, padding="max_length", truncation=True, return_tensors="pt").input_ids
        io["tokens"], io["negative_tokens"] = ids(job["prompt"]), ids(job["negative-prompt"])
        io["prompt_embeds"], io["negative_prompt_embeds"] = prompt, negative
    if "_image" in job:
        io["noise"] = torch.randn(latents[-1].shape, generator=generator(seed))
        io["image"] = pipe.vae.decode(latents[-1] / pipe.vae.config.scaling_factor).sample
        assert torch.equal((io["image"] / 2 + 0.5).clamp(0, 1), image)
    return io


def make_pipelines():
    for seed, (name, model) in enumerate(MODELS.items()):
        make_model(name, model, 500 + seed)
    for name, (model, options) in CASES.items():
        job = {**JOB, **options}
        pipe = load_pipeline(HERE / "pipeline" / model)
        config = json.loads((HERE / "pipeline" / model / "scheduler" / "scheduler_config.json").read_text())
        pipe.scheduler = SAMPLERS[job["sampler"]].from_config(config, use_karras_sigmas=job["schedule"] == "karras")
        io = run_case(pipe, job)
        lines = [f"{k}={v}" for k, v in {"_model": model, **job}.items() if k not in ("_text", "_image")]
        save_tensors(io, HERE / "pipeline" / f"{name}.safetensors", {"job": "\n".join(lines)})


# --- The default model -----------------------------------------------------------------------------------------------


def make_sprites():
    """One picture of models/sprites at every stage: to be made again when that model changes."""
    pipe = load_pipeline(HERE.parent.parent / "models" / "sprites")
    pipe.scheduler = DDIMScheduler.from_pretrained(HERE.parent.parent / "models" / "sprites" / "scheduler")
    prompt, negative, seed, steps, guidance = "a red potion on a black background", "", 42, 20, 4.0
    size = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1) // 2   # half of its own: a quarter of the bytes
    job = {"prompt": prompt, "negative-prompt": negative, "seed": seed, "steps": steps, "cfg-scale": guidance, "width": size,
           "height": size, "_text": True, "_image": True}
    io = run_case(pipe, job)
    call = lambda context: pipe.unet(io["noise"], pipe.scheduler.timesteps[0], context).sample
    moments = pipe.vae.encode(io["image"].clamp(-1, 1)).latent_dist
    save_tensors({
        "prompt_ids": io["tokens"], "negative_ids": io["negative_tokens"], "timesteps": pipe.scheduler.timesteps,
        "text_embeds_cond": io["prompt_embeds"], "text_embeds_uncond": io["negative_prompt_embeds"],
        "latents_init": io["noise"], "latents_per_step": torch.cat([io[f"latents.{i}"] for i in range(steps)]),
        "latents_final": io[f"latents.{steps - 1}"], "image": io["image"],
        "unet_out_step0_cond": call(io["prompt_embeds"]), "unet_out_step0_uncond": call(io["negative_prompt_embeds"]),
        "vae_encode_mean_of_clamped_image": moments.mean, "vae_encode_logvar": moments.logvar,
    }, HERE / "sprites" / "red-potion.safetensors", {"prompt": prompt, "seed": str(seed)})


PARTS = {"unet": make_unets, "vae": make_vaes, "pipeline": make_pipelines, "sprites": make_sprites}

if __name__ == "__main__":
    torch.set_num_threads(1)
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        sys.exit(f"make.py: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with torch.no_grad():
        for part in sys.argv[1:] or PARTS:
            PARTS[part]()
