#!/usr/bin/env python3
"""Makes control/: tiny random ControlNets, T2I-Adapters and IP-Adapters for pipeline/sd1 and the UNet unet/sdxl, and what diffusers draws
with them. `python control.py`, with requirements.txt; make.py's files must be there."""
import json
import os
import sys

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import numpy as np
import torch
from diffusers import (ControlNetModel, MultiAdapter, StableDiffusionAdapterPipeline, StableDiffusionControlNetPipeline, T2IAdapter,
                       UNet2DConditionModel)
from PIL import Image
from safetensors.torch import load_file

from make import HERE, JOB, SAMPLERS, generator, load_pipeline, randomise, save_network, save_tensors

OUT = HERE / "control"
SIZE = dict(conditioning_embedding_out_channels=(2, 4, 4, 6))


def picture(name, w, h, seed):
    """A ramp with discs."""
    y, x = np.mgrid[0:h, 0:w]
    im = np.stack([(x * 4 + seed * 30) & 255, (y * 5) & 255, ((x + y) * 3) & 255], -1).astype(np.uint8)
    im[(x - w // 2) ** 2 + (y - h // 3) ** 2 < (9 + seed) ** 2] = (250, 20 * seed, 60)
    Image.fromarray(im).save(OUT / name)


def control(unet, seed, **more):
    net = ControlNetModel.from_unet(unet, load_weights_from_unet=False, **SIZE)
    if more:
        net = ControlNetModel.from_config({**net.config, **more})
    return randomise(net, seed)


LDM = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
       "conv_shortcut": "skip_connection"}


def ldm_name(name, layers):
    """As lllyasviel's ControlNet has it."""
    p = name.split(".")
    if p[0] in ("time_embedding", "add_embedding"):
        return ".".join([{"time_embedding": "time_embed", "add_embedding": "label_emb.0"}[p[0]], {"linear_1": "0", "linear_2": "2"}[p[1]], p[2]])
    if p[0] == "conv_in":
        return "input_blocks.0.0." + p[1]
    if p[0] == "controlnet_cond_embedding":
        at = {"conv_in": 0, "conv_out": 14}.get(p[1])
        return f"input_hint_block.{at if at is not None else 2 + 2 * int(p[2])}.{p[-1]}"
    if p[0] == "controlnet_down_blocks":
        return f"zero_convs.{p[1]}.0.{p[2]}"
    if p[0] == "controlnet_mid_block":
        return "middle_block_out.0." + p[1]
    inner = lambda rest: ".".join([LDM.get(rest[0], rest[0]), *rest[1:]])
    if p[0] == "mid_block":
        return f"middle_block.{'0' if p[1:3] == ['resnets', '0'] else '1' if p[1] == 'attentions' else '2'}." + (
            inner(p[3:]) if p[1] == "resnets" else ".".join(p[3:]))
    n = 1 + int(p[1]) * (layers + 1)
    if p[2] == "downsamplers":
        return f"input_blocks.{n + layers}.0.op.{p[-1]}"
    n += int(p[3])
    return f"input_blocks.{n}.0.{inner(p[4:])}" if p[2] == "resnets" else f"input_blocks.{n}.1." + ".".join(p[4:])


def nets(pipe):
    """Folders net_a, net_b (BGR), net_pool (pooled results), and net_a in LDM's names."""
    made = {}
    for i, (name, more) in enumerate({"net_a": {}, "net_b": dict(controlnet_conditioning_channel_order="bgr"),
                                      "net_pool": dict(global_pool_conditions=True)}.items()):
        made[name] = control(pipe.unet, 900 + i, **more)
        save_network(made[name], OUT / name)
    layers = made["net_a"].config.layers_per_block
    save_tensors({"control_model." + ldm_name(k, layers): v.half() for k, v in made["net_a"].state_dict().items()},
                 OUT / "net_a_ldm.safetensors")
    return made


def run(pipe, job, model, **arguments):
    """Latents after each step, as limn's --trace has them."""
    config = json.loads((HERE / "pipeline" / model / "scheduler" / "scheduler_config.json").read_text())
    pipe.scheduler = SAMPLERS[job["sampler"]].from_config(config)
    latents = []
    keep = lambda i, t, x: latents.append(x.clone())
    pipe.set_progress_bar_config(disable=True)
    more = {"callback_on_step_end": lambda p, i, t, v: keep(i, t, v["latents"]) or {}}
    if isinstance(pipe, StableDiffusionAdapterPipeline):
        more = {"callback": keep, "callback_steps": 1}
    embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0]
    pipe(prompt_embeds=embed(job["prompt"]), negative_prompt_embeds=embed(job["negative-prompt"]), num_inference_steps=job["steps"],
         guidance_scale=job["cfg-scale"], width=job["width"], height=job["height"], generator=generator(job["seed"]), output_type="latent",
         **arguments, **more)
    return {"latents": latents[-1]}


def save_case(name, job, lines, io):
    text = "\n".join(f"{k}={v}" for k, v in {"_model": "sd1", **job}.items())
    save_tensors(io, OUT / "cases" / f"{name}.safetensors", {"job": text + "".join(f"\n{k}={v}" for k, v in lines)})


def at(name):
    return f"tests/golden/control/{name}"


def make_controlnets(pipe, pictures):
    made = nets(pipe)
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
    cases = {  # name: what differs from JOB, then (net, picture, field: value) for each; the fields are the option's
        "net": ({"sampler": "euler"}, [("net_a", 0, dict(strength=0.8))]),
        "net_ldm": ({"sampler": "euler"}, [("net_a_ldm.safetensors", 0, dict(strength=0.8))]),
        "net_guess": ({"sampler": "ddim"}, [("net_a", 0, dict(strength=0.9, guess=True))]),
        "net_no_guidance_guess": ({"sampler": "ddim", "cfg-scale": 1}, [("net_a", 0, dict(guess=True))]),
        "net_part": ({"sampler": "ddim"}, [("net_a", 0, dict(start=0.2, end=0.7))]),
        "net_part_heun": ({"sampler": "heun", "steps": 4}, [("net_a", 0, dict(start=0.25, end=0.8))]),
        "net_pool": ({"sampler": "ddim"}, [("net_pool", 0, {})]),
        "net_two": ({"sampler": "dpmpp_2m"}, [("net_a", 0, dict(strength=0.6)), ("net_b", 1, dict(strength=0.9, start=0.3))]),
        "net_other_size": ({"sampler": "euler", "steps": 2, "width": 40, "height": 56}, [("net_a", 2, {})]),
    }
    for name, (options, units) in cases.items():
        job = {**JOB, **options}
        nets_ = [made[u[0].removesuffix("_ldm.safetensors")] for u in units]
        get = lambda key, usual: [u[2].get(key, usual) for u in units]
        one = lambda v: v if len(v) > 1 else v[0]
        p = StableDiffusionControlNetPipeline(**parts, controlnet=nets_ if len(nets_) > 1 else nets_[0], scheduler=None, safety_checker=None,
                                              feature_extractor=None, requires_safety_checker=False)
        io = run(p, job, "sd1", image=one([pictures[u[1]] for u in units]), controlnet_conditioning_scale=one(get("strength", 1.0)),
                 control_guidance_start=one(get("start", 0.0)), control_guidance_end=one(get("end", 1.0)), guess_mode=any(get("guess", False)))
        line = lambda u: f"model={at(u[0])},image={at(f'hint{u[1]}.png')}" + "".join(
            ",guess" if k == "guess" else f",{k}={v}" for k, v in u[2].items())
        save_case(name, job, [("control", line(u)) for u in units], io)


def make_xl():
    """A ControlNet of the UNet unet/sdxl alone: each of its results."""
    unet = UNet2DConditionModel.from_pretrained(HERE / "unet" / "sdxl", torch_dtype=torch.float32)
    net = control(unet, 950)
    save_network(net, OUT / "xl")
    io = load_file(HERE / "unet" / "sdxl" / "io.safetensors")
    n = io["sample"].shape
    io = {k: io[k] for k in ("sample", "encoder_hidden_states", "text_embeds", "time_ids")}
    io["hint"] = torch.rand(1, 3, 8 * n[2], 8 * n[3], generator=generator(3))
    down, mid = net(io["sample"], 421.5, io["encoder_hidden_states"], io["hint"].expand(n[0], -1, -1, -1), 0.7,
                    added_cond_kwargs={"text_embeds": io["text_embeds"], "time_ids": io["time_ids"]}, return_dict=False)
    save_tensors({**io, **{f"out.{i}": x for i, x in enumerate([*down, mid])}}, OUT / "xl" / "io.safetensors")


def make_xl_steered():
    """What unet/sdxl makes of a T2I-Adapter's maps, and of an IP-Adapter's tokens (of no picture: numbers)."""
    unet = UNet2DConditionModel.from_pretrained(HERE / "unet" / "sdxl", torch_dtype=torch.float32)
    io = load_file(HERE / "unet" / "sdxl" / "io.safetensors")
    n = len(io["sample"])
    adapter = randomise(T2IAdapter(channels=[4, 8, 8, 8], num_res_blocks=1, downscale_factor=16, adapter_type="full_adapter_xl"), 960)
    save_network(adapter, OUT / "t2i_xl")
    out = {k: io[k] for k in ("sample", "encoder_hidden_states", "text_embeds", "time_ids")}
    side = 6  # 3 squares of 16 pixels, which halve unevenly
    out["sample"] = torch.randn(n, 4, side, side, generator=generator(5))
    out["hint"] = torch.rand(1, 3, 8 * side, 8 * side, generator=generator(4))
    maps = adapter(out["hint"])
    out.update({f"map.{i}": m for i, m in enumerate(maps)})
    added = {"text_embeds": out["text_embeds"], "time_ids": out["time_ids"]}
    call = lambda **more: unet(out["sample"], 421.5, out["encoder_hidden_states"], added_cond_kwargs={**added, **more.pop("added", {})}, **more).sample
    out["with_maps"] = call(down_intrablock_additional_residuals=[m.clone().expand(n, -1, -1, -1) for m in maps])
    tensors = ip_file(unet, "plain", 6, 985)
    save_tensors({f"{part}.{k}": v.half() for part in tensors for k, v in tensors[part].items()}, OUT / "ip_xl.safetensors")
    unet._load_ip_adapter_weights([tensors])
    for p in unet.attn_processors.values():
        if hasattr(p, "scale"):
            p.scale = [0.8]
    out["vectors"] = torch.randn(n, 1, 6, generator=generator(6))
    out["with_tokens"] = call(added={"image_embeds": [out["vectors"]]})
    save_tensors(out, OUT / "t2i_xl" / "io.safetensors")


def make_adapters(pipe, pictures):
    parts = {k: getattr(pipe, k) for k in ("vae", "text_encoder", "tokenizer", "unet")}
    width = pipe.unet.config.block_out_channels
    kinds = {"t2i_full": dict(channels=list(width), num_res_blocks=2, downscale_factor=8, adapter_type="full_adapter"),
             "t2i_light": dict(channels=list(width), num_res_blocks=2, downscale_factor=8, adapter_type="light_adapter"),
             "t2i_grey": dict(in_channels=1, channels=list(width), num_res_blocks=1, downscale_factor=8, adapter_type="full_adapter")}
    made = {}
    for i, (name, config) in enumerate(kinds.items()):
        made[name] = randomise(T2IAdapter(**config), 970 + i)
        save_network(made[name], OUT / name)
    for name in "t2i_full", "t2i_light":  # as TencentARC names them
        light = name.endswith("light")
        def original(k):
            p = k.removeprefix("adapter.").split(".")
            if p[0] != "body":
                return ".".join(p)
            if light:
                return ".".join([*p[:2], "body", *p[3:]]) if p[2] == "resnets" else ".".join(p)
            return f"body.{2 * int(p[1]) + int(p[3])}." + ".".join(p[4:]) if p[2] == "resnets" else f"body.{2 * int(p[1])}." + ".".join(p[2:])
        save_tensors({original(k): v.half() for k, v in made[name].state_dict().items()}, OUT / f"{name}_original.safetensors")
    cases = {
        "t2i_full": ({"sampler": "euler"}, [("t2i_full", 0, 0.8)]),
        "t2i_full_original": ({"sampler": "euler"}, [("t2i_full_original.safetensors", 0, 0.8)]),
        "t2i_light": ({"sampler": "euler"}, [("t2i_light", 0, 1)]),
        "t2i_light_original": ({"sampler": "euler"}, [("t2i_light_original.safetensors", 0, 1)]),
        "t2i_grey": ({"sampler": "ddim"}, [("t2i_grey", 1, 0.5)]),
        "t2i_two": ({"sampler": "dpmpp_2m"}, [("t2i_full", 0, 0.6), ("t2i_full", 1, 0.7)]),
    }
    for name, (options, units) in cases.items():
        job = {**JOB, **options}
        nets_ = [made[u[0].split("_original")[0]] for u in units]
        images = [pictures[u[1]].convert("L" if n.config.in_channels == 1 else "RGB") for u, n in zip(units, nets_)]
        several = len(units) > 1
        p = StableDiffusionAdapterPipeline(**parts, adapter=MultiAdapter(nets_) if several else nets_[0], scheduler=None, safety_checker=None,
                                           feature_extractor=None, requires_safety_checker=False)
        io = run(p, job, "sd1", image=images if several else images[0],
                 adapter_conditioning_scale=[u[2] for u in units] if several else units[0][2])
        save_case(name, job, [("adapter", f"model={at(u[0])},image={at(f'hint{u[1]}.png')},strength={u[2]}") for u in units], io)


def random_tensors(shapes, seed):
    g = generator(seed)
    out = {}
    for name, shape in shapes.items():
        r = torch.randn(shape, generator=g)
        if name.endswith("norm") or ".norm" in name and name.endswith("weight") or name.endswith((".1.0.weight", "proj.3.weight")):
            r = 1 + 0.2 * r
        elif len(shape) >= 2:
            r /= shape[-1] ** 0.5
        else:
            r *= 0.1
        out[name] = r.half().float()
    return out


def ip_file(unet, kind, features, seed):
    """As tencent-ailab releases it: image_proj.*, ip_adapter.N.*."""
    width, inner = unet.config.cross_attention_dim, 16
    if kind == "plain":
        shapes = {"proj.weight": (4 * width, features), "proj.bias": (4 * width,), "norm.weight": (width,), "norm.bias": (width,)}
    elif kind == "full":
        shapes = {"proj.0.weight": (features, features), "proj.0.bias": (features,), "proj.2.weight": (width, features), "proj.2.bias": (width,),
                  "proj.3.weight": (width,), "proj.3.bias": (width,)}
    else:
        shapes = {"latents": (1, 3, inner), "proj_in.weight": (inner, features), "proj_in.bias": (inner,), "proj_out.weight": (width, inner),
                  "proj_out.bias": (width,), "norm_out.weight": (width,), "norm_out.bias": (width,)}
        for i in range(4):
            shapes.update({f"layers.{i}.0.{n}.{x}": (inner,) for n in ("norm1", "norm2") for x in ("weight", "bias")})
            shapes.update({f"layers.{i}.0.to_q.weight": (64, inner), f"layers.{i}.0.to_kv.weight": (128, inner),
                           f"layers.{i}.0.to_out.weight": (inner, 64), f"layers.{i}.1.0.weight": (inner,), f"layers.{i}.1.0.bias": (inner,),
                           f"layers.{i}.1.1.weight": (4 * inner, inner), f"layers.{i}.1.3.weight": (inner, 4 * inner)})
    crosses = [p.replace(".processor", "") for p in unet.attn_processors if p.endswith("attn2.processor")]
    attention = {}
    for i, name in enumerate(crosses):
        channels = unet.get_submodule(name).to_k.weight.shape[0]
        attention.update({f"{2 * i + 1}.to_k_ip.weight": (channels, width), f"{2 * i + 1}.to_v_ip.weight": (channels, width)})
    return {"image_proj": random_tensors(shapes, seed), "ip_adapter": random_tensors(attention, seed + 1)}


def openclip_names(state, layers):
    """As OpenCLIP has CLIP's half for pictures."""
    inner = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}
    top = {"vision_model.embeddings.class_embedding": "class_embedding", "vision_model.embeddings.patch_embedding.weight": "conv1.weight",
           "vision_model.embeddings.position_embedding.weight": "positional_embedding", "vision_model.pre_layrnorm": "ln_pre",
           "vision_model.post_layernorm": "ln_post"}
    out = {"logit_scale": torch.ones(())}
    for k, v in state.items():
        for old, new in top.items():
            if k.startswith(old):
                out["visual." + new + k[len(old):]] = v
    out["visual.proj"] = state["visual_projection.weight"].T
    for i in range(layers):
        at = f"vision_model.encoder.layers.{i}."
        for x in "weight", "bias":
            out[f"visual.transformer.resblocks.{i}.attn.in_proj_{x}"] = torch.cat([state[f"{at}self_attn.{q}_proj.{x}"] for q in "qkv"])
            for old, new in inner.items():
                out[f"visual.transformer.resblocks.{i}.{new}.{x}"] = state[f"{at}{old}.{x}"]
    return out


def make_ip(pipe, pictures):
    from transformers import CLIPImageProcessorPil as CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection
    config = CLIPVisionConfig(hidden_size=16, intermediate_size=24, projection_dim=12, num_hidden_layers=3, num_attention_heads=1, image_size=32,
                              patch_size=8, hidden_act="gelu")
    encoder = randomise(CLIPVisionModelWithProjection(config), 990)
    folder = OUT / "image_encoder"
    folder.mkdir(exist_ok=True)
    encoder.half().save_pretrained(folder)
    encoder.float()
    state = {k: v.half() for k, v in load_file(folder / "model.safetensors").items()}
    state = {k if k.startswith(("vision_model.", "visual_projection.")) else "vision_model." + k: v for k, v in state.items()}
    save_tensors(openclip_names(state, 3), OUT / "openclip.safetensors")
    process = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    made = {kind: ip_file(pipe.unet, kind, 12 if kind == "plain" else 16, 995 + 2 * i) for i, kind in enumerate(("plain", "plus", "full"))}
    for kind, tensors in made.items():
        save_tensors({f"{part}.{k}": v.half() for part in tensors for k, v in tensors[part].items()}, OUT / f"ip_{kind}.safetensors")
    cases = {  # (kind, pictures, scale) for each; the encoder of the line
        "ip_plain": ({"sampler": "ddim"}, [("plain", [0], 0.7)], None),
        "ip_plain_openclip": ({"sampler": "ddim"}, [("plain", [0], 0.7)], "openclip.safetensors"),
        "ip_plus": ({"sampler": "euler"}, [("plus", [2], 0.5)], "image_encoder"),
        "ip_full": ({"sampler": "euler"}, [("full", [0], 0.5)], None),
        "ip_several": ({"sampler": "ddim"}, [("plain", [0, 1, 2], 0.6)], None),
        "ip_two": ({"sampler": "dpmpp_2m"}, [("plain", [1], 0.4), ("plus", [0], 0.3)], None),
        "ip_no_guidance": ({"sampler": "ddim", "cfg-scale": 1}, [("plus", [0], 1)], None),
    }
    for name, (options, units, said) in cases.items():
        job = {**JOB, **options}
        p = load_pipeline(HERE / "pipeline" / "sd1")
        p.register_modules(image_encoder=encoder, feature_extractor=process)
        p.load_ip_adapter([made[u[0]] for u in units], subfolder=[""] * len(units), weight_name=[""] * len(units), image_encoder_folder=None)
        p.set_ip_adapter_scale([u[2] for u in units])
        io = run(p, job, "sd1", ip_adapter_image=[[pictures[i] for i in u[1]] for u in units])
        line = lambda u: f"model={at(f'ip_{u[0]}.safetensors')}" + "".join(f",image={at(f'hint{i}.png')}" for i in u[1]) + (
            f",scale={u[2]}" + (f",encoder={at(said)}" if said else ""))
        save_case(name, job, [("ip-adapter", line(u)) for u in units], io)


if __name__ == "__main__":
    torch.set_num_threads(1)
    (OUT / "cases").mkdir(parents=True, exist_ok=True)
    picture("hint0.png", 64, 48, 1)
    picture("hint1.png", 64, 48, 3)
    picture("hint2.png", 75, 61, 2)
    pictures = [Image.open(OUT / f"hint{i}.png").convert("RGB") for i in range(3)]
    pipe = load_pipeline(HERE / "pipeline" / "sd1")
    with torch.no_grad():
        make_controlnets(pipe, pictures)
        make_xl()
        make_xl_steered()
        make_adapters(pipe, pictures)
        make_ip(pipe, pictures)
