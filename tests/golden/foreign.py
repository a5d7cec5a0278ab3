"""Texts as other tools write them into pictures, thirty of each kind, with what they mean in limn: foreign/*.json.

    python tests/golden/foreign.py tests/golden/foreign        (needs sd-parsers 0.6 for the tools that it reads)

The texts are made from seeds; none is anybody's. What a text means is what this script put into it; for A1111, Forge, ComfyUI,
InvokeAI, Fooocus and NovelAI it is checked against what sd-parsers reads, where sd-parsers reads that field.
"""

import json
import os
import random
import sys

from sd_parsers.parsers import AUTOMATIC1111Parser, ComfyUIParser, FooocusParser, InvokeAIParser, NovelAIParser

N = 30
WORDS = ("a red potion|an old castle on a hill|portrait of a woman, (freckles:1.3)|((masterpiece)), best quality, 1girl|"
         "macro photo of a dragonfly, f/2.8: sharp|café au lait, naïve art|猫と花火, 夜|two lines\nof a prompt|"
         "\"quoted\" words, Steps: 3 of a stair|emoji 🦊 in the snow|[muted] colours, AND a BREAK|a sword \\(weapon\\)").split("|")
NEGATIVES = "|blurry|lowres, bad anatomy, (worst quality:1.4)|text, watermark: yes|ugly\ntwo lines|низкое качество".split("|")
# as A1111 writes it; limn's
SAMPLERS = [("Euler a", "euler_ancestral"), ("Euler", "euler"), ("DPM++ 2M", "dpmpp_2m"), ("DPM++ SDE", "dpmpp_sde"),
            ("DPM++ 2M SDE", "dpmpp_2m_sde"), ("DPM++ 3M SDE", "dpmpp_3m_sde"), ("DPM++ 2S a", "dpmpp_2s_ancestral"),
            ("Heun", "heun"), ("LMS", "lms"), ("DPM2", "dpm_2"), ("DPM2 a", "dpm_2_ancestral"), ("DDIM", "ddim"),
            ("UniPC", "unipc"), ("LCM", "lcm"), ("PLMS", "plms"), ("Restart", "restart"),
            ("DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun"), ("DPM fast", "dpm_fast")]
SCHEDULES = [("Automatic", None), ("Karras", "karras"), ("Exponential", "exponential"), ("SGM Uniform", "sgm_uniform"),
             ("Uniform", "normal"), ("Simple", "simple"), ("Beta", "beta"), ("Normal", "normal")]
COMFY = [("euler", "euler"), ("euler_ancestral", "euler_ancestral"), ("dpmpp_2m", "dpmpp_2m"), ("dpmpp_sde", "dpmpp_sde"),
         ("dpmpp_2m_sde_gpu", "dpmpp_2m_sde"), ("heun", "heun"), ("dpm_2", "dpm_2"), ("lms", "lms"), ("ddim", "ddim"),
         ("uni_pc", "unipc"), ("uni_pc_bh2", "unipc_bh2"), ("lcm", "lcm"), ("res_multistep", "res_multistep")]
COMFY_SCHEDULES = [(s, s) for s in "normal karras exponential sgm_uniform simple ddim_uniform".split()] + [("beta", "beta")]
INVOKE = [("euler", "euler", None), ("euler_a", "euler_ancestral", None), ("dpmpp_2m", "dpmpp_2m", None),
          ("dpmpp_2m_k", "dpmpp_2m", "karras"), ("dpmpp_2m_sde_k", "dpmpp_2m_sde", "karras"), ("ddim", "ddim", None),
          ("unipc", "unipc", None), ("lms_k", "lms", "karras"), ("heun", "heun", None), ("kdpm_2_a", "dpm_2_ancestral", None),
          ("lcm", "lcm", None), ("tcd", "tcd", None), ("deis", "deis", None), ("ddpm", "ddpm", None)]
SIZES = [(512, 512), (512, 768), (768, 512), (640, 448), (1024, 1024), (832, 1216)]
HEX = "0123456789abcdef"


def digits(r, n):
    return "".join(r.choice(HEX) for _ in range(n))


def base(r):
    """What every tool has."""
    w, h = r.choice(SIZES)
    return {"prompt": r.choice(WORDS), "negative-prompt": r.choice(NEGATIVES), "steps": r.randint(4, 60),
            "cfg-scale": r.choice([1, 1.5, 3, 4.5, 5, 7, 7.5, 12]), "seed": r.choice([r.randint(0, 2**32 - 1), r.randint(0, 9999), 0]),
            "width": w, "height": h}


def number(x):
    return str(int(x)) if float(x) == int(x) else repr(x)


def quote(v):
    v = str(v)
    return json.dumps(v, ensure_ascii=False) if any(c in v for c in ",\n:") else v


def infotext(e, pairs):
    text = e["prompt"] + "\n"
    if e["negative-prompt"]:
        text += f"Negative prompt: {e['negative-prompt']}\n"
    return text + ", ".join(f"{k}: {quote(v)}" for k, v in pairs)


# those for which "Automatic" is Karras or exponential since A1111 1.9; before, their name alone was the plain schedule
AUTOMATIC = {"dpmpp_2m", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_2s_ancestral", "dpm_2", "dpm_2_ancestral",
             "dpmpp_2m_sde_heun", "dpmpp_2m_v2"}


# ---- one function a tool: (texts, expected, node) ----

def a1111(r, forge=False):
    e = base(r)
    e["compat"] = "a1111"
    name, e["sampler"] = r.choice(SAMPLERS)
    label, schedule = r.choice(SCHEDULES)
    pairs = [("Steps", e["steps"])]
    old = not forge and r.random() < .3 and schedule in (None, "karras", "exponential")
    if old:
        pairs.append(("Sampler", name + (f" {label}" if schedule else "")))
    else:
        pairs += [("Sampler", name), ("Schedule type", label)]
    if schedule:
        e["schedule"] = schedule
    elif old and e["sampler"] in AUTOMATIC:
        e["schedule"] = "normal"
    pairs += [("CFG scale", number(e["cfg-scale"])), ("Seed", e["seed"]), ("Size", f"{e['width']}x{e['height']}")]
    e["@model"], e["@model_hash"] = r.choice(["v1-5-pruned-emaonly", "some, model: v2", "dreamshaper_8"]), digits(r, r.choice([10, 8]))
    pairs += [("Model hash", e["@model_hash"]), ("Model", e["@model"])]
    if r.random() < .2:
        e["@vae"] = "vae-ft-mse-840000-ema-pruned.safetensors"
        pairs += [("VAE hash", digits(r, 10)), ("VAE", e["@vae"])]
    if r.random() < .3:
        e["clip-skip"] = r.choice([2, 3])
        pairs.append(("Clip skip", e["clip-skip"]))
    if r.random() < .3:
        e["ensd"] = 31337
        pairs.append(("ENSD", 31337))
    if r.random() < .2:
        e["variation-seed"], e["variation-strength"] = r.randint(1, 10**6), .25
        pairs += [("Variation seed", e["variation-seed"]), ("Variation seed strength", .25)]
    rng = r.choice([None, None, "CPU", "NV"])
    if rng:
        e["rng"] = {"CPU": "torch", "NV": "philox"}[rng]
        pairs.append(("RNG", rng))
    if r.random() < .3:
        e["hires"], e["hires-strength"], e["hires-steps"] = 2, .55, 12
        e["hires-with"] = "latent-nearest"
        pairs += [("Denoising strength", .55), ("Hires upscale", 2), ("Hires steps", 12), ("Hires upscaler", "Latent (nearest)")]
    if r.random() < .4:
        e["@loras"] = [["ink", digits(r, 12)], ["style pen", digits(r, 12)]]
        pairs.append(("Lora hashes", ", ".join(f"{n}: {h}" for n, h in e["@loras"])))
    if r.random() < .2:
        e["tile"] = "both"
        pairs.append(("Tiling", "True"))
    if r.random() < .2:
        pairs.append(("Hashes", json.dumps({"model": e["@model_hash"], "embed:word": digits(r, 10)})))
        e["@oracle"] = False  # it splits such a line at its commas
    pairs.append(("Version", r.choice(["f2.0.1v1.10.1-previous-659-gc055f2d4", "f0.0.17v1.8.0rc", "neo"]) if forge
                  else r.choice(["v1.10.1", "v1.6.0", "v1.9.4-169-ga30b19dd"])))
    e["@tool"] = "A1111" if not forge else "Forge Neo" if pairs[-1][1] == "neo" else "Forge"
    return {r.choice(["parameters", "UserComment"]): infotext(e, pairs)}, e, None


def forge(r):
    return a1111(r, True)


def sdcpp(r):
    e = base(r)
    e["compat"], e["@tool"] = "a1111", "stable-diffusion.cpp"
    name, e["sampler"] = r.choice([("euler", "euler"), ("euler_a", "euler_ancestral"), ("heun", "heun"), ("dpm2", "dpm_2"),
                                   ("dpm++2s_a", "dpmpp_2s_ancestral"), ("dpm++2m", "dpmpp_2m"), ("dpm++2mv2", "dpmpp_2m_v2"),
                                   ("ipndm", "ipndm"), ("ipndm_v", "ipndm_v"), ("lcm", "lcm"), ("tcd", "tcd")])
    label, schedule = r.choice([("", None), ("karras", "karras"), ("discrete", "normal"), ("exponential", "exponential"),
                                ("sgm_uniform", "sgm_uniform"), ("simple", "simple"), ("ays", "ays")])
    if schedule:
        e["schedule"] = schedule
    elif e["sampler"] in AUTOMATIC:
        e["schedule"] = "normal"
    rng = r.choice(["cuda", "cpu"])
    e["rng"] = {"cuda": "philox", "cpu": "torch"}[rng]
    e["@model"] = r.choice(["sd-v1-4.ckpt", "v1-5-pruned-emaonly-Q8_0.gguf"])
    pairs = [("Steps", e["steps"]), ("CFG scale", f"{e['cfg-scale']:.6f}"), ("Guidance", "3.500000"), ("Eta", "0.000000"),
             ("Seed", e["seed"]), ("Size", f"{e['width']}x{e['height']}"), ("Model", e["@model"]), ("RNG", rng),
             ("Sampler", f"{name} {label}".strip())]
    if r.random() < .4:
        e["clip-skip"] = 2
        pairs.append(("Clip skip", 2))
    pairs.append(("Version", "stable-diffusion.cpp"))
    return {"parameters": infotext(e, pairs)}, e, None


def comfyui(r):
    e = base(r)
    e["compat"], e["@tool"] = "comfyui", "ComfyUI"
    name, e["sampler"] = r.choice(COMFY)
    scheduler, e["schedule"] = r.choice(COMFY_SCHEDULES)
    e["seed"] = r.choice([e["seed"], 2**53 + r.randint(1, 10**6), 2**64 - 1 - r.randint(0, 99)])
    e["@model"] = r.choice(["v1-5-pruned-emaonly.safetensors", "SD1.5\\dreamshaper_8.safetensors"])
    g = {"4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": e["@model"]}, "_meta": {"title": "Load"}},
         "5": {"class_type": "EmptyLatentImage", "inputs": {"width": e["width"], "height": e["height"], "batch_size": 1}}}
    e["@model"] = e["@model"].split("\\")[-1]
    model, clip = ["4", 0], ["4", 1]
    if r.random() < .5:
        strength, text = r.choice([.5, .8, 1.2]), r.choice([.5, 1])
        g["10"] = {"class_type": "LoraLoader", "inputs": {"lora_name": "style/ink.safetensors", "strength_model": strength,
                                                          "strength_clip": text, "model": model, "clip": clip}}
        model, clip = ["10", 0], ["10", 1]
        e["@loras"] = [["ink", None, strength, text]]
        if r.random() < .5:
            g["11"] = {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "pen.safetensors", "strength_model": .7, "model": model}}
            model = ["11", 0]
            e["@loras"].append(["pen", None, .7, 0])
    if r.random() < .3:
        e["clip-skip"] = 2
        g["12"] = {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": clip}}
        clip = ["12", 0]
    if r.random() < .2:
        e["cfg-rescale"] = .7
        g["13"] = {"class_type": "RescaleCFG", "inputs": {"multiplier": .7, "model": model}}
        model = ["13", 0]
    g["6"] = {"class_type": "CLIPTextEncode", "inputs": {"text": e["prompt"], "clip": clip}, "is_changed": ["NAN"]}
    g["7"] = {"class_type": "CLIPTextEncode", "inputs": {"text": e["negative-prompt"], "clip": clip}}
    if r.random() < .2:  # a text of a node of its own
        g["20"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": e["prompt"]}}
        g["6"]["inputs"]["text"] = ["20", 0]
        e["@oracle"] = False
    positive = ["6", 0]
    if r.random() < .2:
        g["21"] = {"class_type": "Reroute", "inputs": {"": positive}}
        positive = ["21", 0]
        e["@oracle"] = False
    common = {"model": model, "positive": positive, "negative": ["7", 0], "latent_image": ["5", 0]}
    kind = r.choice(["KSampler", "KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"])
    if kind == "KSampler":
        g["3"] = {"class_type": kind, "inputs": {"seed": e["seed"], "steps": e["steps"], "cfg": e["cfg-scale"], "sampler_name": name,
                                                 "scheduler": scheduler, "denoise": 1.0, **common}}
    elif kind == "KSamplerAdvanced":
        g["3"] = {"class_type": kind, "inputs": {"add_noise": "enable", "noise_seed": e["seed"], "steps": e["steps"],
                                                 "cfg": e["cfg-scale"], "sampler_name": name, "scheduler": scheduler,
                                                 "start_at_step": 0, "end_at_step": 10000, "return_with_leftover_noise": "disable", **common}}
    else:
        g["30"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": name}}
        g["31"] = {"class_type": "BasicScheduler", "inputs": {"scheduler": scheduler, "steps": e["steps"], "denoise": 1.0, "model": model}}
        e["@oracle"] = False
        if kind == "SamplerCustom":
            g["3"] = {"class_type": kind, "inputs": {"add_noise": True, "noise_seed": e["seed"], "cfg": e["cfg-scale"],
                                                     "sampler": ["30", 0], "sigmas": ["31", 0], **common}}
        else:
            g["32"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": e["seed"]}}
            g["33"] = {"class_type": "CFGGuider", "inputs": {"model": model, "positive": positive, "negative": ["7", 0], "cfg": e["cfg-scale"]}}
            g["3"] = {"class_type": kind, "inputs": {"noise": ["32", 0], "guider": ["33", 0], "sampler": ["30", 0],
                                                     "sigmas": ["31", 0], "latent_image": ["5", 0]}}
    g["8"] = {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}}
    if r.random() < .2:
        e["@vae"] = "vae-ft-mse.safetensors"
        g["14"] = {"class_type": "VAELoader", "inputs": {"vae_name": e["@vae"]}}
        g["8"]["inputs"]["vae"] = ["14", 0]
    g["9"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}}
    node = None
    if r.random() < .2:  # another sampler next to it
        g["40"] = {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 5, "cfg": 2, "sampler_name": "euler", "scheduler": "simple",
                                                        "denoise": 1, **common}}
        node = "3"
    links, i = [], 0
    types = {"model": "MODEL", "clip": "CLIP", "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT"}
    for to, n in g.items():
        for k, v in n["inputs"].items():
            if isinstance(v, list):
                i += 1
                links.append([i, int(v[0]), v[1], int(to), 0, types.get(k, "*")])
    text = json.dumps(g, ensure_ascii=r.random() < .5).replace('["NAN"]', "[NaN]")
    return {"prompt": text, "workflow": json.dumps({"nodes": [], "links": links, "version": .4})}, e, node


def invokeai(r):
    e = base(r)
    e["compat"], e["@tool"] = "diffusers", "InvokeAI"
    name, e["sampler"], schedule = r.choice(INVOKE)
    if schedule:
        e["schedule"] = schedule
    kind = r.choice(["new", "new", "new", "middle", "old"])
    if kind == "old":
        e["prompt"], e["negative-prompt"] = "a fox in the snow", "blurry, dark"
        name, e["sampler"] = r.choice([("k_lms", "lms"), ("k_euler_a", "euler_ancestral"), ("ddim", "ddim")])
        e.pop("schedule", None)
        e["@model"] = "stable-diffusion-1.5"
        image = {"prompt": [{"prompt": "a fox in the snow [blurry, dark]", "weight": 1}], "steps": e["steps"],
                 "cfg_scale": e["cfg-scale"], "threshold": 0, "perlin": 0, "width": e["width"], "height": e["height"],
                 "seed": e["seed"], "seamless": False, "hires_fix": False, "type": "txt2img", "postprocessing": None,
                 "sampler": name, "variations": []}
        m = {"model": "stable diffusion", "model_weights": e["@model"], "model_hash": digits(r, 64), "app_id": "invoke-ai/InvokeAI",
             "app_version": "2.2.5", "image": image}
        return {"sd-metadata": json.dumps(m)}, e, None
    m = {"app_version": r.choice(["5.6.0", "4.2.9", "3.4.0"]), "generation_mode": "txt2img", "positive_prompt": e["prompt"],
         "negative_prompt": e["negative-prompt"], "width": e["width"], "height": e["height"], "seed": e["seed"],
         "cfg_scale": e["cfg-scale"], "steps": e["steps"], "scheduler": name, "controlnets": [], "ipAdapters": []}
    device = r.choice(["cpu", "cuda"])
    m["rand_device"], e["rng"] = device, {"cpu": "torch", "cuda": "philox"}[device]
    e["@model"] = "Dreamshaper 8"
    if kind == "middle":
        m["model"] = {"model_name": e["@model"], "base_model": "sd-1", "model_type": "main"}
        m["loras"] = []
    else:
        m["model"] = {"key": "8a0f", "hash": "blake3:" + digits(r, 64), "name": e["@model"], "base": "sd-1", "type": "main"}
        e["@oracle_model"] = False  # it knows model_name only
        m["loras"] = []
        if r.random() < .4:
            m["loras"] = [{"model": {"key": "x", "hash": "blake3:0", "name": "ink", "base": "sd-1", "type": "lora"}, "weight": .75}]
            e["@loras"] = [["ink", None, .75, .75]]
    if r.random() < .4:
        m["clip_skip"], e["clip-skip"] = 1, 2
    if r.random() < .3:
        m["cfg_rescale_multiplier"], e["cfg-rescale"] = .7, .7
    if r.random() < .3:
        m["seamless_x"], m["seamless_y"], e["tile"] = True, True, "both"
    return {"invokeai_metadata": json.dumps(m), "invokeai_graph": "{}"}, e, None


def fastsdcpu(r):
    e = base(r)
    e["compat"], e["@tool"], e["sampler"] = "diffusers", "fastsdcpu", "lcm"
    e["@model"] = r.choice(["stabilityai/sd-turbo", "rupeshs/hypersd-sd1-5-1-step-lora"])
    m = {"lcm_model_id": e["@model"], "openvino_lcm_model_id": "rupeshs/sd-turbo-openvino", "use_offline_model": False,
         "use_lcm_lora": False, "lcm_lora": {"base_model_id": "Lykon/dreamshaper-8", "lcm_lora_id": "latent-consistency/lcm-lora-sdv1-5"},
         "use_tiny_auto_encoder": False, "use_openvino": False, "prompt": e["prompt"], "negative_prompt": e["negative-prompt"],
         "strength": .6, "image_height": e["height"], "image_width": e["width"], "inference_steps": e["steps"],
         "guidance_scale": e["cfg-scale"], "number_of_images": 1, "seed": e["seed"], "use_seed": True, "use_safety_checker": False,
         "diffusion_task": "text_to_image", "lora": {"weight": .5, "fuse": True, "enabled": False}, "controlnet": None,
         "rebuild_pipeline": False}
    if r.random() < .4:
        m["use_lcm_lora"] = True
        e["@model"] = "Lykon/dreamshaper-8"
        e["@loras"] = [["lcm-lora-sdv1-5", None, 1, 1]]
    return {"text": json.dumps(m, indent=4)}, e, None


def escape(s):
    return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("\n", "&#10;")


def draw_things(r):
    e = base(r)
    e["compat"], e["@tool"] = "a1111", "Draw Things"
    name, e["sampler"], schedule = r.choice([("Euler a", "euler_ancestral", None), ("DPM++ 2M Karras", "dpmpp_2m", "karras"), ("DDIM", "ddim", None),
                                             ("DPM++ SDE Karras", "dpmpp_sde", "karras"), ("UniPC", "unipc", None), ("LCM", "lcm", None),
                                             ("PLMS", "plms", None), ("DPM++ 2M AYS", "dpmpp_2m", "ays"),
                                             ("Euler A Trailing", "euler_ancestral", "trailing"), ("DDIM Trailing", "ddim", "trailing")])
    if schedule:
        e["schedule"] = schedule
    mode = r.choice(["Torch CPU Compatible", "NVIDIA GPU Compatible", "Scale Alike"])
    if mode != "Scale Alike":
        e["rng"] = "torch" if mode.startswith("Torch") else "philox"
    e["@wholly"] = mode == "Scale Alike"
    e["@model"] = "dreamshaper_v8_f16.ckpt"
    m = {"c": e["prompt"], "uc": e["negative-prompt"], "model": e["@model"], "sampler": name, "scale": e["cfg-scale"], "seed": e["seed"],
         "seed_mode": mode, "size": f"{e['width']}x{e['height']}", "steps": e["steps"], "strength": 1, "mask_blur": 1.5, "lora": [],
         "profile": {"duration": 3.5, "timings": []}, "v2": {"clipSkip": 1, "width": e["width"], "hiresFix": False}}
    if r.random() < .4:
        m["lora"] = [{"model": "ink_lora_f16.ckpt", "weight": .6}]
        e["@loras"] = [["ink_lora_f16", None, .6, .6]]
    if r.random() < .4:
        m["v2"]["clipSkip"] = e["clip-skip"] = 2
    xmp = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
           'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreatorTool>Draw Things</xmp:CreatorTool>'
           f'<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{escape(json.dumps(m, ensure_ascii=False))}</rdf:li></rdf:Alt></exif:UserComment>'
           '</rdf:Description></rdf:RDF></x:xmpmeta>')
    return {"XML:com.adobe.xmp": xmp}, e, None


def fooocus(r):
    e = base(r)
    e["compat"], e["@tool"] = "comfyui", "Fooocus"
    name, e["sampler"] = r.choice(COMFY)
    scheduler, e["schedule"] = r.choice(COMFY_SCHEDULES)
    e["@model"], e["@model_hash"] = "juggernautXL_v8Rundiffusion", digits(r, 10)
    m = {"adaptive_cfg": 7, "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": e["@model"], "base_model_hash": e["@model_hash"], "clip_skip": 2,
         "full_negative_prompt": [e["negative-prompt"]], "full_prompt": [e["prompt"]], "guidance_scale": e["cfg-scale"],
         "loras": [["sd_xl_offset_example-lora_1.0", .1, "4852686128"]], "metadata_scheme": "fooocus", "negative_prompt": e["negative-prompt"],
         "performance": "Speed", "prompt": e["prompt"], "prompt_expansion": "", "refiner_model": "None", "refiner_switch": .5,
         "resolution": f"({e['width']}, {e['height']})" if r.random() < .5 else [e["width"], e["height"]], "sampler": name,
         "scheduler": scheduler, "seed": str(e["seed"]), "sharpness": 2, "steps": e["steps"], "styles": "[]", "vae": "Default (model)",
         "version": "Fooocus v2.5.5"}
    e["@loras"] = [["sd_xl_offset_example-lora_1.0", "4852686128", .1, .1]]
    return {"parameters": json.dumps(m), "fooocus_scheme": "fooocus"}, e, None


def novelai(r):
    e = base(r)
    e["compat"], e["@tool"], e["@wholly"] = "a1111", "NovelAI", True
    name, e["sampler"] = r.choice([("k_euler_ancestral", "euler_ancestral"), ("k_euler", "euler"), ("k_dpmpp_2m", "dpmpp_2m"),
                                   ("k_dpmpp_2s_ancestral", "dpmpp_2s_ancestral"), ("k_dpmpp_sde", "dpmpp_sde")])
    e["schedule"] = "karras"
    m = {"prompt": e["prompt"], "steps": e["steps"], "height": e["height"], "width": e["width"], "scale": e["cfg-scale"], "uncond_scale": 1.0,
         "cfg_rescale": 0.0, "seed": e["seed"], "n_samples": 1, "noise_schedule": "karras", "sampler": name, "sm": False, "sm_dyn": False,
         "uc": e["negative-prompt"], "request_type": "PromptGenerateRequest"}
    return {"Title": "AI generated image", "Description": e["prompt"], "Software": "NovelAI", "Source": "Stable Diffusion XL C1E1DE52",
            "Comment": json.dumps(m)}, e, None


def swarmui(r):
    e = base(r)
    e["compat"], e["@tool"] = "comfyui", "SwarmUI"
    name, e["sampler"] = r.choice(COMFY)
    scheduler, e["schedule"] = r.choice(COMFY_SCHEDULES)
    e["@model"], e["@model_hash"] = "dreamshaper_8.safetensors", digits(r, 64)
    m = {"prompt": e["prompt"], "negativeprompt": e["negative-prompt"], "model": "SD15/dreamshaper_8", "seed": e["seed"], "steps": e["steps"],
         "cfgscale": e["cfg-scale"], "aspectratio": "Custom", "width": e["width"], "height": e["height"], "sampler": name,
         "scheduler": scheduler, "automaticvae": True, "swarm_version": "0.9.5.0"}
    e["@model"] = "dreamshaper_8"
    models = [{"name": "SD15/dreamshaper_8.safetensors", "param": "model", "hash": "0x" + e["@model_hash"]}]
    if r.random() < .4:
        h = digits(r, 64)
        m["loras"], m["loraweights"] = ["style/ink"], ["0.8"]
        e["@loras"] = [["ink", h, .8, .8]]
        models.append({"name": "style/ink.safetensors", "param": "loras", "hash": "0x" + h})
    if r.random() < .4:
        m["clipstopatlayer"], e["clip-skip"] = -2, 2
    return {r.choice(["parameters", "UserComment"]): json.dumps({"sui_image_params": m, "sui_extra_data": {"date": "2025-01-01"},
                                                                 "sui_models": models}, indent=2)}, e, None


def easy_diffusion(r):
    e = base(r)
    e["compat"], e["@tool"] = "diffusers", "Easy Diffusion"
    name, e["sampler"] = r.choice([("euler_a", "euler_ancestral"), ("euler", "euler"), ("plms", "plms"), ("ddim", "ddim"),
                                   ("dpmpp_2m", "dpmpp_2m"), ("dpm2", "dpm_2"), ("lms", "lms")])
    e["@model"] = "sd-v1-5"
    m = {"prompt": e["prompt"], "seed": e["seed"], "used_random_seed": True, "negative_prompt": e["negative-prompt"], "num_outputs": 1,
         "num_inference_steps": e["steps"], "guidance_scale": e["cfg-scale"], "width": e["width"], "height": e["height"],
         "vram_usage_level": "balanced", "sampler_name": name, "use_stable_diffusion_model": e["@model"], "clip_skip": False,
         "use_vae_model": "", "output_format": "png", "metadata_output_format": "embed"}
    if r.random() < .4:
        m["clip_skip"], e["clip-skip"] = True, 2
    if r.random() < .4:
        m["use_lora_model"], m["lora_alpha"] = ["ink", "pen"], [.5, .7]
        e["@loras"] = [["ink", None, .5, .5], ["pen", None, .7, .7]]
    if r.random() < .4:
        return {k: v if isinstance(v, str) else json.dumps(v) for k, v in m.items() if not isinstance(v, list)}, {
            k: v for k, v in e.items() if k != "@loras"}, None
    return {"text": json.dumps(m)}, e, None


# ---- what sd-parsers reads of it ----

ORACLES = {"a1111": AUTOMATIC1111Parser, "forge": AUTOMATIC1111Parser, "sdcpp": AUTOMATIC1111Parser, "comfyui": ComfyUIParser,
           "invokeai": InvokeAIParser, "fooocus": FooocusParser, "novelai": NovelAIParser}


def check(kind, texts, e):
    """Fails where sd-parsers reads another value than the one that is expected. Returns how many fields were compared."""
    if kind not in ORACLES or not e.get("@oracle", True):
        return 0
    texts = dict(texts)
    if "UserComment" in texts:
        texts["parameters"] = texts.pop("UserComment")
    if "\nSteps: " in e["prompt"] or "Negative prompt:" in e["prompt"]:
        return 0
    info = ORACLES[kind]().parse(texts)
    s = next(s for s in info.samplers if s.sampler_id in (None, "3"))
    p, n = {**info.metadata, **s.parameters}, 0

    def same(ours, theirs):
        nonlocal n
        n += 1
        assert str(ours) == str(theirs) or float(ours) == float(theirs), (kind, ours, theirs, texts)
    prompts = [x.value for x in s.prompts]
    if kind in ("a1111", "forge", "sdcpp"):
        same(" ".join(e["prompt"].split()), " ".join(prompts[0].split()))
    else:
        same(e["prompt"], prompts[0])
    if e["negative-prompt"]:
        same(" ".join(e["negative-prompt"].split()), " ".join(s.negative_prompts[0].value.split()))
    for ours, theirs in (("seed", "seed"), ("steps", "steps"), ("cfg-scale", "cfg_scale"), ("width", "width"), ("height", "height")):
        keys = [k for k in p if k.lower().replace(" ", "_") == theirs]
        if keys:
            same(e[ours], p[keys[0]])
    if "Size" in p:
        same(f"{e['width']}x{e['height']}", p["Size"])
    if s.model and isinstance(s.model.name, str) and "@model" in e and kind != "novelai" and ":" not in e["@model"]:
        same(e["@model"], s.model.name.split("\\")[-1])
    return n


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for tool in (a1111, forge, sdcpp, comfyui, invokeai, fastsdcpu, draw_things, fooocus, novelai, swarmui, easy_diffusion):
        kind, rows, compared = tool.__name__, [], 0
        for i in range(N):
            texts, e, node = tool(random.Random(f"{kind} {i}"))
            compared += check(kind, texts, e)
            e = {k: v for k, v in e.items() if not k.startswith("@oracle")}
            rows.append({"texts": texts, "node": node, "expect": e})
        with open(os.path.join(out, kind + ".json"), "w", encoding="utf-8") as f:
            f.write('{"rows":[\n' + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "\n]}\n")
        print(f"{kind}: {len(rows)} texts, {compared} fields as sd-parsers reads them")


if __name__ == "__main__":
    main()
