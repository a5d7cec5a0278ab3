"""limn again of pictures that other tools made: limn's own pictures, with their texts in those tools' form, come back with the same
pixels; a setting that is wrong in the text is found; what cannot be honoured is told."""

import json
import os
import re
import shutil
import struct
import subprocess
import zlib

from helpers import ENV, LIMN, REPO, SPRITES, UNET, chunks, fails, files, limn, model_copy, read, texts, write, on_tiny_model

PROMPT, NEGATIVE = "a red potion, (sword:1.3)", "a blue shield"
DRAWN = ["-n", NEGATIVE, "-s", "4", "--cfg-scale", "5", "--seed", "77", "-W", "64", "-H", "64", "-q"]
LESS = ["-s", "3", "-W", "32", "-H", "32"]  # where it is drawn with many settings


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def retold(source, target, **said):
    """The picture with these texts in place of its own."""
    out, told = b"\x89PNG\r\n\x1a\n", False
    for kind, data in chunks(read(source)):
        if kind == b"IDAT" and not told:
            told = True
            for key, text in said.items():
                key = key.replace("__", ":")
                out += chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + text.encode())
        if kind not in (b"tEXt", b"iTXt", b"zTXt"):
            out += chunk(kind, data)
    write(target, out)


def drawn(name, *args):
    limn(PROMPT, *DRAWN, *args, "-o", name)
    return name


def pixels(path):
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def same_again(source, *args, **said):
    """Told in another tool's form and drawn again it has the same pixels. Returns what was said."""
    retold(source, "told.png", **said)
    r = limn("again", "told.png", "-o", "new.png", *args)
    assert pixels("new.png") == pixels(source), r.err
    assert "the same pixels" in r.err, r.err
    return r


def parameters(path):
    return texts(path)["parameters"]


def infotext(path, *drop, **more):
    """A1111's text of a picture of limn's, without what only limn writes."""
    head, line = parameters(path).rsplit("\n", 1)
    pairs = [p.split(": ", 1) for p in line.split(", ")]
    pairs = [p for p in pairs if p[0] not in ("Compat", "Version", *drop)]
    pairs += [(k.replace("_", " "), v) for k, v in more.items()]
    return head + "\n" + ", ".join(": ".join(p) for p in pairs)


# ---- the same pixels ----

def test_again_a1111():
    drawn("a.png", "--compat", "a1111", "--sampler", "DPM++ 2M", "--schedule", "karras", "--clip-skip", "2")
    r = same_again("a.png", parameters=infotext("a.png", "RNG", Version="v1.10.1"))
    assert "made by A1111, with the model sprites" in r.err
    drawn("b.png", "--compat", "a1111", "--sampler", "Euler a", "--rng", "torch", "--ensd", "31337")
    same_again("b.png", parameters=infotext("b.png", Version="f2.0.1v1.10.1"))  # Forge
    text = infotext("b.png", "Schedule type", Version="v1.6.0").replace("Euler a", "Euler a")
    same_again("b.png", parameters=text)
    # a schedule in the sampler's name, as A1111 wrote it before 1.9; hires fix; a variation
    text = infotext("a.png", "Schedule type").replace("Sampler: DPM++ 2M", "Sampler: DPM++ 2M Karras")
    same_again("a.png", parameters=text)
    drawn("c.png", "--compat", "a1111", "--sampler", "Euler", "--hires", "2", "--hires-steps", "2", "--hires-strength", "0.5",
          "--hires-with", "latent-nearest", "--variation-strength", "0.3", "--variation-seed", "5")
    same_again("c.png", parameters=infotext("c.png"))


def test_again_own_text():
    """limn's JSON was lost, its A1111 text is there."""
    drawn("a.png", "--sampler", "heun", "--schedule", "karras", "--cfg-rescale", "0.7")
    same_again("a.png", parameters=parameters("a.png"))
    for options in (["--pag", "3", "--pag-layers", "mid", "--freeu", "v2", "--freeu-b1", "1.3"],
                    ["--cfg-zero-star", "--sampler", "euler", "--s-churn", "3", "--s-noise", "1.01", "--guidance-interval", "0.2:0.8"],
                    ["--apg", "1", "--apg-threshold", "5", "--sampler", "ddim", "--eta", "0.5", "--tile", "both"],
                    ["--prompt-syntax", "plain", "--sampler", "dpmpp_2m", "--solver-order", "3", "--deepcache", "2"],
                    ["--mimic-scale", "4", "--ngms", "2", "--ngms-all"], ["--compat", "a1111", "--skip-early", "0.3", "--seg", "2"],
                    ["--perp-neg", "1", "--reuse-negative", "2"]):
        drawn("b.png", "--schedule", "karras", *options)
        r = same_again("b.png", parameters=parameters("b.png"))
        assert "passed over" not in r.err and "not honoured" not in r.err, r.err
    # A1111's text has one name for two of limn's schedules
    drawn("c.png", "--schedule", "trailing")
    retold("c.png", "told.png", parameters=parameters("c.png"))
    assert "--schedule trailing" in limn("again", "told.png", "--dry-run").err
    limn("again", "told.png", "--schedule", "trailing", "-q", "-o", "new.png")
    assert pixels("new.png") == pixels("c.png")


def test_again_sdcpp():
    drawn("a.png", "--compat", "a1111", "--sampler", "euler_ancestral", "--schedule", "karras", "--rng", "philox")
    text = (f"{PROMPT}\nNegative prompt: {NEGATIVE}\nSteps: 4, CFG scale: 5.000000, Guidance: 3.500000, Eta: 0.000000, Seed: 77, "
            "Size: 64x64, Model: sprites, RNG: cuda, Sampler: euler_a karras, Version: stable-diffusion.cpp")
    same_again("a.png", parameters=text)


def graph(**sampler):
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sprites"}},
        "2": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2, "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": PROMPT, "clip": ["2", 0]}, "is_changed": [float("nan")]},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": NEGATIVE, "clip": ["2", 0]}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "KSampler", "inputs": {"seed": 77, "steps": 4, "cfg": 5, "sampler_name": "dpmpp_2m", "scheduler": "karras",
                                                   "denoise": 1, "model": ["1", 0], "positive": ["3", 0], "negative": ["4", 0],
                                                   "latent_image": ["5", 0], **sampler}},
        "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}},
    }


def workflow(g):
    """The editor's form of the graph, whose values have no names."""
    nodes, links = [], []
    for key, n in g.items():
        inputs, values = [], []
        for name, v in n["inputs"].items():
            if isinstance(v, list):
                links.append([len(links) + 1, int(v[0]), v[1], int(key), len(inputs), "*"])
                inputs.append({"name": name, "type": "*", "link": len(links)})
            else:
                values.append(v)
                if name == "seed":
                    values.append("randomize")
        nodes.append({"id": int(key), "type": n["class_type"], "mode": 0, "inputs": inputs, "widgets_values": values})
    return {"nodes": nodes, "links": links, "version": 0.4}


def test_again_comfyui():
    drawn("a.png", "--compat", "comfyui", "--sampler", "dpmpp_2m", "--schedule", "karras", "--clip-skip", "2")
    g = graph()
    same_again("a.png", prompt=json.dumps(g), workflow=json.dumps(workflow(g)))
    r = same_again("a.png", workflow=json.dumps(workflow(g)))
    assert "read by their places" in r.err
    # several samplers: which is meant?
    g["9"] = {**g["6"], "inputs": {**g["6"]["inputs"], "seed": 1, "steps": 2}}
    retold("a.png", "two.png", prompt=json.dumps(g))
    fails(2, "again", "two.png", says=["2 samplers", "--node", "6 (KSampler, 4 steps)", "9 (KSampler, 2 steps)"])
    fails(2, "again", "two.png", "--node", "77", says=["--node 77", "no such sampler"])
    limn("again", "two.png", "--node", "6", "-q", "-o", "six.png")
    assert pixels("six.png") == pixels("a.png")
    # a second pass over latents made larger is one picture
    drawn("h.png", "--compat", "comfyui", "--sampler", "dpmpp_2m", "--schedule", "karras", "--clip-skip", "2", "--hires", "2",
          "--hires-with", "latent-nearest-exact", "--hires-steps", "3", "--hires-strength", "0.5", "--hires-sampler", "euler")
    g = graph()
    g["30"] = {"class_type": "LatentUpscaleBy", "inputs": {"upscale_method": "nearest-exact", "scale_by": 2, "samples": ["6", 0]}}
    g["31"] = {"class_type": "KSampler", "inputs": {**g["6"]["inputs"], "steps": 3, "denoise": 0.5, "sampler_name": "euler",
                                                    "latent_image": ["30", 0]}}
    g["7"]["inputs"]["samples"] = ["31", 0]
    same_again("h.png", prompt=json.dumps(g))
    # prompts that nodes join
    plain = ["--compat", "comfyui", "--sampler", "dpmpp_2m", "--schedule", "karras", "--clip-skip", "2"]
    encode = lambda text: {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["2", 0]}}
    joins = {
        "ConditioningConcat": ({"conditioning_to": ["3", 0], "conditioning_from": ["40", 0]}, f"{PROMPT} CONCAT a gem", []),
        "ConditioningAverage": ({"conditioning_to": ["3", 0], "conditioning_from": ["40", 0], "conditioning_to_strength": 0.7},
                                f"{PROMPT} AVERAGE(0.7) a gem", []),
        "ConditioningCombine": ({"conditioning_1": ["3", 0], "conditioning_2": ["40", 0]}, PROMPT, ["--region", "0,0,1,1,soft=0,strength=1,over=a gem"]),
    }
    for kind, (inputs, prompt, more) in joins.items():
        limn(prompt, *DRAWN, *plain, *more, "-o", "j.png")
        g = {**graph(positive=["41", 0]), "40": encode("a gem"), "41": {"class_type": kind, "inputs": inputs}}
        assert "of several prompts" not in same_again("j.png", prompt=json.dumps(g)).err
    limn(PROMPT, *DRAWN, *plain, "--region", "0,0,1,1,soft=0,over=a gem", "--region", "0,32,32,32,strength=2,area=a star", "-o", "j.png")
    g = {**graph(positive=["43", 0]), "40": encode("a gem"), "41": {"class_type": "ConditioningCombine", "inputs": joins["ConditioningCombine"][0]},
         "42": {"class_type": "ConditioningSetArea", "inputs": {"width": 32, "height": 32, "x": 0, "y": 32, "strength": 2, "conditioning": ["44", 0]}},
         "43": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["41", 0], "conditioning_2": ["42", 0]}}, "44": encode("a star")}
    assert "not honoured" not in same_again("j.png", prompt=json.dumps(g)).err
    limn(PROMPT, *DRAWN, *plain, "--region", "0,0,1,1,soft=0,over=a gem", "--region", "0.5,0,0.5,0.7,strength=1,area=a star", "-o", "j.png")
    g["42"] = {"class_type": "ConditioningSetAreaPercentage", "inputs": {"width": 0.5, "height": 0.7, "x": 0.5, "y": 0, "strength": 1, "conditioning": ["44", 0]}}
    assert "not honoured" not in same_again("j.png", prompt=json.dumps(g)).err
    # a loader of all at once; a node that makes a text, next to a number
    g = {"1": {"class_type": "Efficient Loader", "inputs": {"ckpt_name": "sprites", "vae_name": "Baked VAE", "clip_skip": -2, "lora_name": "None",
               "lora_model_strength": 1, "positive": PROMPT, "negative": NEGATIVE, "empty_latent_width": 64, "empty_latent_height": 64}},
         "6": {"class_type": "KSampler (Efficient)", "inputs": {**graph()["6"]["inputs"], "positive": ["1", 1], "negative": ["1", 2], "latent_image": ["1", 3]}}}
    assert "not honoured" not in same_again("a.png", prompt=json.dumps(g)).err
    g = graph()
    g["3"]["inputs"]["text"] = ["50", 0]
    g["50"] = {"class_type": "ImpactWildcardProcessor", "inputs": {"wildcard_text": "{a|b}", "populated_text": PROMPT, "seed": 3}}
    same_again("a.png", prompt=json.dumps(g))
    g["50"] = {"class_type": "Of Its Own", "inputs": {"words": PROMPT, "seed": 3, "int": 4}}
    retold("a.png", "told.png", prompt=json.dumps(g))
    assert "text of node 3 (CLIPTextEncode) is made by a node that limn does not know" in limn("again", "told.png", "--dry-run").err
    # samplers in parts
    g = graph()
    drawn("c.png", "--compat", "comfyui", "--sampler", "euler_ancestral", "--schedule", "simple", "--clip-skip", "2")
    shared = {k: g["6"]["inputs"][k] for k in ("model", "positive", "negative")}
    g["6"] = {"class_type": "SamplerCustomAdvanced", "inputs": {"noise": ["10", 0], "guider": ["11", 0], "sampler": ["12", 0],
                                                                "sigmas": ["13", 0], "latent_image": ["5", 0]}}
    g["10"] = {"class_type": "RandomNoise", "inputs": {"noise_seed": 77}}
    g["11"] = {"class_type": "CFGGuider", "inputs": {"cfg": 5, **shared}}
    g["12"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler_ancestral"}}
    g["13"] = {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 4, "denoise": 1, "model": ["1", 0]}}
    same_again("c.png", prompt=json.dumps(g))


def test_again_settings():
    """Tools that write one object of settings."""
    drawn("i.png", "--compat", "diffusers", "--sampler", "dpmpp_2m", "--schedule", "karras", "--clip-skip", "2")
    m = {"generation_mode": "txt2img", "positive_prompt": PROMPT, "negative_prompt": NEGATIVE, "width": 64, "height": 64, "seed": 77,
         "rand_device": "cpu", "cfg_scale": 5, "steps": 4, "scheduler": "dpmpp_2m_k", "clip_skip": 1, "model": {"name": "sprites"}}
    same_again("i.png", invokeai_metadata=json.dumps(m))
    drawn("f.png", "--compat", "diffusers", "--sampler", "lcm")
    m = {"lcm_model_id": "sprites", "use_seed": True, "seed": 77, "prompt": PROMPT, "negative_prompt": NEGATIVE, "image_width": 64,
         "image_height": 64, "inference_steps": 4, "guidance_scale": 5, "diffusion_task": "text_to_image", "strength": 0.6}
    retold("f.png", "0b1c-2.png")  # fastsdcpu writes next to the picture
    write("0b1c.json", json.dumps(m).encode())
    r = limn("again", "0b1c-2.png", "-o", "new.png")
    assert pixels("new.png") == pixels("f.png") and "made by fastsdcpu" in r.err and "the same pixels" in r.err
    drawn("d.png", "--compat", "a1111", "--sampler", "euler_ancestral", "--rng", "philox")
    m = {"c": PROMPT, "uc": NEGATIVE, "sampler": "Euler a", "scale": 5, "seed": 77, "seed_mode": "NVIDIA GPU Compatible", "size": "64x64",
         "steps": 4, "strength": 1, "model": "sprites", "v2": {"clipSkip": 1}}
    xmp = json.dumps(m).replace('"', "&quot;")
    retold("d.png", "told.png", **{"XML__com.adobe.xmp": f"<exif:UserComment><rdf:Alt><rdf:li>{xmp}</rdf:li></rdf:Alt></exif:UserComment>"})
    r = limn("again", "told.png", "-o", "new.png")
    assert pixels("new.png") == pixels("d.png") and "made by Draw Things" in r.err
    drawn("s.png", "--compat", "comfyui", "--sampler", "euler", "--schedule", "normal")
    m = {"prompt": PROMPT, "negativeprompt": NEGATIVE, "model": "sprites", "seed": 77, "steps": 4, "cfgscale": 5, "aspectratio": "1:1",
         "width": 64, "height": 64, "sampler": "euler", "scheduler": "normal"}
    same_again("s.png", parameters=json.dumps({"sui_image_params": m}))


# ---- what is wrong is found ----

def change_bias(path, name):
    """Makes the pictures of a VAE redder."""
    data = bytearray(read(path))
    size = struct.unpack("<Q", data[:8])[0]
    t = json.loads(data[8:8 + size])[name]
    form = {"F32": "<f", "F16": "<e"}[t["dtype"]]
    struct.pack_into(form, data, 8 + size + t["data_offsets"][0], 0.3)
    write(path, bytes(data))


def test_again_find():
    drawn("a.png", *LESS, "--compat", "a1111", "--sampler", "DPM++ 2M", "--schedule", "karras", "--clip-skip", "2")
    wrong = {
        "--clip-skip 2": infotext("a.png", "Clip skip"),
        "--rng philox": infotext("a.png", "RNG", RNG="CPU"),
        "--schedule karras": infotext("a.png").replace("Schedule type: Karras", "Schedule type: Uniform"),
    }
    for found, text in wrong.items():
        retold("a.png", "told.png", parameters=text)
        r = limn("again", "told.png", "-o", "new.png", "--find")
        assert "far from it" in r.err and f"the nearest is with one setting changed: limn again told.png -o new.png {found}\n" in r.err, r.err
        command = re.search(r"changed: (limn again .*)", r.err).group(1)
        limn(*command.split()[1:], "-q")
        assert pixels("new.png") == pixels("a.png")
    r = limn("again", "told.png", "-o", "new.png")
    assert "--find draws it with other settings" in r.err and "with --" not in r.err
    # for a program
    r = limn("again", "told.png", "-o", "new.png", "--find", "--json", "-q")
    said = json.loads(r.out.splitlines()[-1])
    assert r.err == "" and said["near"]["psnr"] < 40 and said["nearer"].endswith("--schedule karras")
    assert [t["option"] for t in said["tried"] if t["best"]] == ["schedule"]
    # nothing does: the prompt and the seed are others
    retold("a.png", "told.png", parameters=infotext("a.png").replace("red potion", "yellow star on a black background").replace("Seed: 77", "Seed: 1"))
    assert "none of" in limn("again", "told.png", "-o", "new.png", "--find").err


def test_again_find_more():
    """How brackets are read, noise of its own, another VAE."""
    limn("a (red:3) potion, [[[glowing]]]", *DRAWN, *LESS, "--compat", "a1111", "--sampler", "Euler a", "--rng", "torch", "--ensd", "31337",
         "--emphasis", "no-norm", "-o", "e.png")
    assert "Emphasis: No norm" in parameters("e.png")
    same_again("e.png", parameters=infotext("e.png"))
    for found, text in (("--ensd 31337", infotext("e.png", "ENSD")), ("--emphasis no-norm", infotext("e.png", "Emphasis"))):
        retold("e.png", "told.png", parameters=text)
        r = limn("again", "told.png", "-o", "new.png", "--find")
        assert f"with one setting changed: limn again told.png -o new.png {found}\n" in r.err, r.err
    drawn("p.png", *LESS, "--prompt-syntax", "plain")
    retold("p.png", "told.png", parameters=infotext("p.png", "Prompt syntax"))
    r = limn("again", "told.png", "-o", "new.png", "--find", "--schedule", "model", "--compat", "diffusers", "--prompt-syntax", "a1111")
    assert "with one setting changed" in r.err and "--prompt-syntax" in r.err.split("with one setting changed")[1].split("a1111", 1)[1], r.err
    folder = os.path.join(ENV["HOME"], ".local/share/limn/vae")
    os.makedirs(folder, exist_ok=True)
    vae = os.path.join(folder, "own")
    shutil.copytree(os.path.join(SPRITES, "vae"), vae)
    change_bias(os.path.join(vae, "diffusion_pytorch_model.safetensors"), "decoder.conv_out.bias")
    drawn("v.png", *LESS, "--compat", "a1111", "--sampler", "Euler", "--vae", vae)
    retold("v.png", "told.png", parameters=infotext("v.png", "VAE", "VAE hash"))
    r = limn("again", "told.png", "-o", "new.png", "--find")
    assert "changed: limn again told.png -o new.png --vae " in r.err, r.err


# ---- what is said ----

def test_again_dry_run():
    drawn("a.png", "--compat", "a1111", "--sampler", "Euler a")
    for prompt in PROMPT, "it's $HOME `x` \\ \"quoted\"", "-v\n--two lines", "c1 \x9b and esc \x1b[2J bell\a", "\u202eright to left":
        retold("a.png", "told.png", parameters=infotext("a.png", Version="v1.10.1").replace(PROMPT, prompt))
        r = limn("again", "told.png", "--dry-run", "-q")
        assert files() == ["a.png", "told.png"] and r.out.count("\n") == 1 + prompt.count("\n") * 0, r.out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", r.out), r.out
        p = subprocess.run(["sh", "-c", r.out.replace("limn ", LIMN + " ", 1).rstrip() + " -q -o b.png"], env=ENV, capture_output=True)
        assert p.returncode == 0, p.stderr
        assert json.loads(texts("b.png")["limn"])["options"]["prompt"] == prompt.strip(), prompt
        os.unlink("b.png")
    r = limn("again", "a.png", "--dry-run")  # limn's own, too
    assert r.out.startswith(f"limn generate '{PROMPT}'") and "--seed 77" in r.out


def test_again_told():
    """What is not honoured is told with how much it matters; what is not known by name."""
    drawn("a.png", "--compat", "a1111", "--sampler", "Euler a")
    retold("a.png", "told.png", parameters=infotext("a.png", Face_restoration="CodeFormer", Seed_resize_from="256x256", Strange_thing="4"))
    err = limn("again", "told.png", "--dry-run").err
    assert "not honoured (another picture): Seed resize from 256x256" in err and "not honoured (seen): Face restoration CodeFormer" in err
    assert err.index("another picture") < err.index("(seen)") and "passed over, since limn does not know it: Strange thing" in err
    assert limn("again", "told.png", "--dry-run", "-q").err == ""
    # it started from a picture, which is not in it
    retold("a.png", "told.png", parameters=infotext("a.png", Denoising_strength="0.6"))
    fails(1, "again", "told.png", says=["started from a picture", "--init-image"])
    assert "--init-image FILE" in limn("again", "told.png", "--dry-run").err
    limn("again", "told.png", "--init-image", "a.png", "-q", "-o", "new.png")
    assert json.loads(texts("new.png")["limn"])["options"]["strength"] == 0.6
    # nor does it say its seed
    retold("a.png", "told.png", parameters=infotext("a.png", "Seed"))
    assert "not honoured (another picture): it does not say its seed" in limn("again", "told.png", "--dry-run").err
    # of another size, made larger afterwards
    retold("a.png", "told.png", parameters=infotext("a.png", "Size", Size="72x64"))
    assert "not measured against the original: it has 64x64" in limn("again", "told.png", "-o", "new.png").err


@on_tiny_model
def test_again_refused():
    write("empty.png", b"")
    write("x.bin", b"\0\1\2")
    write("words.txt", b"only words, no settings\n")
    drawn("own.png")
    retold("own.png", "bare.png")
    retold("own.png", "cut.png", parameters="{\"sui_image_params\": {")
    deep = {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 2, "cfg": 3, "sampler_name": "euler", "latent_image": ["1", 0],
                                                 "positive": ["1", 0], "model": ["1", 0]}}
    retold("own.png", "circle.png", prompt=json.dumps({"1": deep}))
    fails(1, "again", "empty.png", says="an empty file")
    fails(1, "again", "x.bin", says="a picture is expected")
    fails(1, "again", "words.txt", says="nothing in it is a tool's settings")
    fails(1, "again", "bare.png", says="nothing is written in it")
    fails(1, "again", "cut.png", says="nothing in it is a tool's settings")
    fails(1, "again", "circle.png", "-m", "sprites", "-q", "-o", "/nowhere/x.png")
    fails(2, "again", "own.png", "--clip-skip", "2", says="--clip-skip: limn's own pictures come back as they are")
    fails(2, "again", "own.png", "--node", "3", says="--node")
    fails(2, "again", "own.png", "--find", says="--find")
    retold("own.png", "told.png", parameters=infotext("own.png", "Model hash", "Model"))
    fails(1, "again", "told.png", says=["which model", "-m MODEL"])
    retold("own.png", "told.png", parameters=infotext("own.png", "Model hash", "Model", Model_hash="0123456789", Model="nowhere"))
    fails(1, "again", "told.png", says=["nowhere (0123456789)", "-m MODEL", "--model-dir"])
    fails(2, "again", "told.png", "--node", "3", "-m", "sprites", says="--node: that is for ComfyUI's graphs")
    assert "-m MODEL" in limn("again", "told.png", "--dry-run").err
    assert files() == sorted(["empty.png", "x.bin", "words.txt", "own.png", "bare.png", "cut.png", "circle.png", "told.png"])


# ---- found by hash ----

def test_again_model_by_hash():
    drawn("a.png", "--compat", "a1111", "--sampler", "Euler")
    home = os.path.join(ENV["HOME"], ".local/share/limn/models")
    os.makedirs(home, exist_ok=True)
    model_copy(os.path.join(home, "renamed"), UNET)
    retold("a.png", "told.png", parameters=infotext("a.png", "Model", Model="what-it-was-called"))
    r = limn("again", "told.png", "-o", "new.png")
    assert pixels("new.png") == pixels("a.png")
    assert json.loads(texts("new.png")["limn"])["model"]["name"] == "renamed", r.err
    retold("a.png", "told.png", parameters=infotext("a.png", "Model hash", Model_hash="0123456789"))
    r = limn("again", "told.png", "-m", os.path.join(home, "renamed", UNET), "--dry-run")
    assert "not honoured (another picture): the model was sprites (0123456789)" in r.err


def test_again_lora_by_hash():
    from test_lora import LINEAR, f32, save  # a LoRA of the built-in model's
    from test_lora import tensors as all_tensors
    shape = all_tensors(os.path.join(SPRITES, UNET))[LINEAR[0] + ".weight"][1]
    name = "lora_unet_" + LINEAR[0].replace(".", "_")
    loras = os.path.join(ENV["HOME"], ".local/share/limn/loras")
    os.makedirs(loras, exist_ok=True)
    save(os.path.join(loras, "pen.safetensors"), {
        name + ".lora_down.weight": f32([1, shape[1]], [.1] * shape[1]), name + ".lora_up.weight": f32([shape[0], 1], [.5] * shape[0]),
        name + ".alpha": f32([], [1])})
    limn(PROMPT + " <lora:pen:0.8>", *DRAWN, "--compat", "a1111", "--sampler", "Euler", "-o", "a.png")
    hashes = re.search(r"pen: (\w{12})", parameters("a.png")).group(1)
    text = parameters("a.png").replace("<lora:pen:", "<lora:ink:").replace("pen: ", "ink: ")
    retold("a.png", "told.png", parameters=text)
    limn("again", "told.png", "-o", "new.png", "-q")
    assert pixels("new.png") == pixels("a.png")
    # its hash is nobody's
    retold("a.png", "told.png", parameters=text.replace(hashes, "0" * 12))
    err = limn("again", "told.png", "--dry-run").err
    assert "not honoured (another picture): LoRA ink (000000000000): it is not here" in err
    assert "<lora" not in limn("again", "told.png", "--dry-run", "-q").out
    # in addition to the prompt
    g = graph(model=["20", 0], sampler_name="euler", scheduler="normal")
    g["20"] = {"class_type": "LoraLoader", "inputs": {"lora_name": "style/pen.safetensors", "strength_model": 0.8, "strength_clip": 1,
                                                      "model": ["1", 0], "clip": ["1", 1]}}
    limn(PROMPT, *DRAWN, "--compat", "comfyui", "--sampler", "euler", "--schedule", "normal", "--clip-skip", "2",
         "--lora", os.path.join(loras, "pen.safetensors:0.8:0"), "-o", "c.png")
    same_again("c.png", prompt=json.dumps(g))


# ---- JPEG and WebP ----

def exif(text, little=False, order=">"):
    """Exif with a UserComment, as A1111's piexif writes it."""
    comment = b"UNICODE\0" + text.encode("utf-16-be" if order == ">" else "utf-16-le")
    o = "<" if little else ">"
    head = (b"II*\0" if little else b"MM\0*") + struct.pack(o + "I", 8)
    first = struct.pack(o + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
    own = struct.pack(o + "HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    return head + first + own + comment


def test_again_exif():
    """JPEG and WebP: Exif's UserComment, in either order of its bytes."""
    pictures = os.path.join(REPO, "tests/golden/pictures")
    text = "a red potion, café 猫 🦊\nSteps: 3, Sampler: Euler, CFG scale: 5, Seed: 1, Size: 64x64, Model: sprites"
    jpeg = read(os.path.join(pictures, "grey.jpg"))
    for name, e in ("be.jpg", exif(text)), ("le.jpg", exif(text, True)), ("mixed.jpg", exif(text, False, "<")):
        body = b"Exif\0\0" + e
        write(name, jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:])
    webp = read(os.path.join(pictures, "lossless.webp"))
    e = exif(text) + b"\0" * (len(exif(text)) % 2)
    body = webp[12:] + b"EXIF" + struct.pack("<I", len(e)) + e
    write("x.webp", b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)
    for name in "be.jpg", "le.jpg", "mixed.jpg", "x.webp":
        r = limn("again", name, "--dry-run")
        assert r.out.startswith("limn generate 'a red potion, café 猫 🦊' --negative-prompt '' --steps 3"), (name, r.out)
        limn("again", name, "-o", "new.png")
