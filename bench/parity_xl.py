"""bench/parity sdxl: limn compared with diffusers on the full networks of Stable Diffusion XL (base), with random weights.

Both read the same float16 folder of 6.9 GB and compute in float32: 512x512, two steps with guidance. The weights are written tensor
by tensor, and diffusers has one network in memory at a time (text encoders, UNet, VAE), so that 14 GB suffice. Then limn draws from
the single file that `limn convert` makes of the folder; it is removed again. 14 GB of disk in $LIMN_CACHE, half of them for good.
"""
import gc
import json
import struct
import time

import torch
from safetensors.torch import load_file, save_file

import parity

UNET = dict(sample_size=128, block_out_channels=(320, 640, 1280), layers_per_block=2, cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20), transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"))
VAE = dict(parity.VAE, sample_size=1024, scaling_factor=0.13025)
TEXT = dict(parity.TEXT, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
            hidden_act="quick_gelu", projection_dim=768)
TEXT_2 = dict(parity.TEXT, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
              hidden_act="gelu", projection_dim=1280)
SCHEDULER = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
                 timestep_spacing="leading")


def write_random(path, model, seed):
    """model is on no device: its names and shapes. Numbers as parity's other models have them, one tensor in memory at a time."""
    g = parity.golden.generator(seed)
    header, at = {}, 0
    for name, p in model.named_parameters():
        header[name] = {"dtype": "F16", "shape": list(p.shape), "data_offsets": [at, at + 2 * p.numel()]}
        at += 2 * p.numel()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            if p.ndim >= 2:
                r /= p[0].numel() ** 0.5
            elif "norm" in name and name.endswith("weight"):
                r = 1 + 0.2 * r
            else:
                r *= 0.1
            r.half().numpy().tofile(f)


def write_folder(folder, clip):
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
    networks = {}
    with torch.device("meta"):
        networks["text_encoder"] = CLIPTextModel(CLIPTextConfig(**TEXT))
        networks["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_2))
        networks["unet"] = UNet2DConditionModel(**UNET)
        networks["vae"] = AutoencoderKL(**VAE)
    for seed, (name, model) in enumerate(networks.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = name.startswith("text")
        model.config.save_pretrained(folder / name) if text else model.save_config(folder / name)
        write_random(folder / name / ("model.safetensors" if text else parity.golden.WEIGHTS), model, 10 + seed)
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    parity.write_tokenizer(folder / "tokenizer", "<|endoftext|>", clip)
    parity.write_tokenizer(folder / "tokenizer_2", "!", clip)
    parts = {name: ["transformers" if name.startswith("text") else "diffusers", type(m).__name__] for name, m in networks.items()}
    tokenizers = {name: ["transformers", "CLIPTokenizer"] for name in ("tokenizer", "tokenizer_2")}
    parity.golden.write_json(folder / "model_index.json", {
        "_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True, **parts, **tokenizers,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"]})  # the last to be written: it makes the folder one


# --- the reference, in a process of its own -----------------------------------------------------------------------------

def encode(folder):
    """Hidden states and pooled text of the prompt and of the negative one."""
    from diffusers import StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    pipe = StableDiffusionXLPipeline(
        vae=None, unet=None, scheduler=None, tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval(),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32).eval())
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    return dict(zip(names, pipe.encode_prompt(parity.PROMPT, device="cpu", negative_prompt=parity.NEGATIVE)))


def sample(folder, texts, size):
    """The latent after each step, and the seconds of the sampling."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    pipe = StableDiffusionXLPipeline(
        vae=None, text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None,
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval(),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder / "scheduler"))
    pipe.set_progress_bar_config(disable=True)
    latents = []
    keep = lambda pipe, i, t, values: latents.append(values["latents"].clone()) or {}
    start = time.monotonic()
    pipe(**texts, num_inference_steps=parity.STEPS, guidance_scale=parity.GUIDANCE, width=size, height=size, output_type="latent",
         generator=parity.golden.generator(parity.SEED), callback_on_step_end=keep)
    return latents, time.monotonic() - start


def reference(folder, out, size):
    from diffusers import AutoencoderKL
    texts = encode(folder)
    gc.collect()
    latents, sampling = sample(folder, texts, size)
    gc.collect()
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    start = time.monotonic()
    image = vae.decode(latents[-1] / vae.config.scaling_factor).sample
    decoding = time.monotonic() - start
    io = {**texts, **{f"latents.{i}": x for i, x in enumerate(latents)}, "image": image}
    save_file({k: v.contiguous() for k, v in io.items()}, out / "picture-diffusers.safetensors")
    return {"sampling": sampling, "decoding": decoding}


# --- running and comparing ----------------------------------------------------------------------------------------------

def compare(args, cache):
    folder, single, out = cache / "sdxl", cache / "sdxl-converted.safetensors", cache / "out" / "sdxl"
    out.mkdir(parents=True, exist_ok=True)
    if not (folder / "model_index.json").exists():
        print(f"making random weights in {folder}")
        write_folder(folder, args.clip)
    size = args.unet_size
    print(f"\nsdxl, {size}x{size}, {parity.STEPS} steps with guidance, float32, {args.threads} threads{'limn':>8}{'diffusers':>14}")
    ours = parity.limn(args, folder, out / "picture-limn.safetensors", size, parity.STEPS, parity.GUIDANCE)
    theirs = parity.reference(args, "picture-xl", folder, out, size)
    io = load_file(out / "picture-diffusers.safetensors")
    parity.row("sampling", ours["sampling"], theirs["sampling"], "s")
    parity.row("decoding", ours["decoding"], theirs["decoding"], "s")
    parity.row("all in all", ours["wall"], theirs["wall"], "s")
    parity.row("processor time of all threads", ours["cpu"], theirs["cpu"], "s")
    parity.row("peak memory", ours["peak"] / 2**30, theirs["peak"] / 2**30, "GB")
    print("  errors:", *(f"{k} {parity.error(ours[k].reshape(v.shape), v):.1e}," for k, v in io.items()),
          f"picture {parity.psnr(ours['image'], io['image']):.0f} dB")
    try:
        parity.run([args.limn, "convert", folder, single, "-q"])
        alone = parity.limn(args, single, out / "single-limn.safetensors", size, parity.STEPS, parity.GUIDANCE, "--tokenizer",
                            folder / "tokenizer")
    finally:
        single.unlink(missing_ok=True)
    same = all(torch.equal(alone[k], ours[k]) for k in io)
    print(f"  from the single file: {'the same bits' if same else 'DIFFERENT: image error %.1e' % parity.error(alone['image'], ours['image'])}")
