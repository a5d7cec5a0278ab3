"""Files of other families of models, and of other tools' habits: called what they are, or drawn as what they are."""

import json
import os
import shutil
import struct

import gguf
import tiny_xl
from helpers import *
from test_lora import drawn, drawing, f32, kohya, make, peft, save, tensors
from tiny import CLIP, Tensors

WITH = ["--tokenizer", CLIP]
FOREIGN = {
    "Flux": ["transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
             "diffusion_model.single_blocks.0.linear1.lora_A.weight", "double_blocks.0.processor.qkv_lora1.down.weight",
             "double_blocks.0.img_attn.proj.lora_A.weight"],
    "SD 3": ["transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight", "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight"],
    "Qwen-Image": ["transformer.transformer_blocks.0.img_mod.1.lora_A.weight"],
    "Wan": ["diffusion_model.blocks.0.cross_attn.k.lora_A.weight", "lora_unet_blocks_0_cross_attn_k.lora_down.weight"],
    "Lumina or Z-Image": ["diffusion_model.layers.0.attention.qkv.lora_A.weight"],
    "Stable Cascade": ["lora_prior_unet_down_blocks_0_attention_attn_to_q.lora_down.weight"],
    "T5": ["lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight"],
    "diffusion transformer": ["transformer.transformer_blocks.0.attn1.to_q.lora_A.weight"],
    "AnimateDiff": ["down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.to_q.lora_A.weight"],
    "LLLite": ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight"],
}


def test_loras_of_other_families():
    """Refused by the family's name, also with --lora-partial; limn info says that it does not run it."""
    for family, names in FOREIGN.items():
        for name in names:
            up = name.replace("lora_A", "lora_B").replace("down.weight", "up.weight")
            save("x.safetensors", {name: f32([2, 8], [0.1] * 16), up: f32([8, 2], [0.1] * 16)})
            for more in ([], ["--lora-partial"]) if name == names[0] else [[]]:
                fails(1, "x", *SMALL, "--lora", "x.safetensors", *more, says=["it is for ", family, "limn runs SD 1.x, 2.x and XL"])
            out = limn("info", "x.safetensors").out
            assert family in out and "does not run" in out, out
            assert family in limn("info", "x.safetensors", "--json").out
    save("x.safetensors", {"lora_unet_x": f32([2, 8], [0.1] * 16)})
    fails(1, "x", *SMALL, "--lora", "x.safetensors", says='"lora_unet_x" is none of a LoRA\'s')


def test_lora_with_an_adapters_name():
    """PEFT's own state has the adapter's name in its keys; the same name twice is a file of two adapters."""
    factors = make(1, 2.0)
    save("plain.safetensors", peft(factors))
    want = drawn("--lora", "plain.safetensors")[1]
    want = drawing("x.png")
    named = {k.replace(".weight", ".my_style.weight"): v for k, v in peft(factors).items()}
    save("named.safetensors", named)
    drawn("--lora", "named.safetensors")
    assert drawing("x.png") == want
    save("two.safetensors", {**named, **{k.replace("my_style", "other"): v for k, v in named.items()}})
    fails(1, "x", *SMALL, "--lora", "two.safetensors", says="say the same of one module")


def test_lora_with_words():
    """LyCORIS' bundles: the change is laid, and a line says that the words in it are not."""
    good = kohya(make(1, 2.0), 2.0)
    save("good.safetensors", good)
    drawn("--lora", "good.safetensors")
    want = drawing("x.png")
    words = {"bundle_emb.ink.string_to_param.*": f32([2, 64], [0.1] * 128), "bundle_emb.cat.emb_params": f32([1, 64], [0.1] * 64)}
    save("words.safetensors", {**good, **words})
    r = limn("a red potion", "-W", "32", "-H", "32", "-s", "2", "--seed", "1", "--precision", "f32", "--lora", "words.safetensors", "-o",
             "y.png")
    assert drawing("y.png") == want and "words that lie in it too (ink, cat) are passed over" in r.err, r.err


def test_no_textual_inversion():
    """A file of one tensor is a word only if its name is no network's."""
    for name, what in ("double_blocks.0.img_attn.proj.weight", "Flux"), ("down_blocks.0.resnets.0.conv1.weight", "UNet"), ("lora_unet_x", "a LoRA"):
        save("x.safetensors", {name: f32([2, 64], [0.1] * 128)})
        fails(1, "x", *SMALL, "--embedding", "x.safetensors", says=[what, "and no textual inversion"])


def test_models_of_other_families():
    """Safetensors and GGUF; what lacks a UNet's first convolution is none, whatever it is called."""
    for name, what in (("blk.0.attn_q.weight", "a language model"), ("enc.blk.0.attn_q.weight", "a T5 text encoder"),
                       ("blocks.0.cross_attn.k.weight", "a diffusion transformer"), ("double_blocks.0.img_attn.proj.weight", "a Flux checkpoint"),
                       ("joint_blocks.0.x_block.attn.qkv.weight", "a Stable Diffusion 3 checkpoint"),
                       ("layers.0.attention.qkv.weight", "a diffusion transformer")):
        gguf.save("x.gguf", {name: (gguf.F16, [4, 4], bytes(32))}, [("general.architecture", "x")])
        fails(1, "x", *SMALL, "-m", "x.gguf", says=["x.gguf", what])
        for n in [name] if name.startswith(("blk", "enc")) else [name, "model.diffusion_model." + name]:
            save("x.safetensors", {n: f32([4, 4], [0.0] * 16)})
            fails(1, "x", *SMALL, "-m", "x.safetensors", says=["x.safetensors", what])
    save("c.safetensors", {"clip_txt_mapper.weight": f32([1], [0.0]), "down_blocks.0.0.channelwise.0.weight": f32([1], [0.0])})
    fails(1, "x", *SMALL, "-m", "c.safetensors", says="Stable Cascade")
    save("l.safetensors", {"lllite_unet_input_blocks_4_1.down.0.weight": f32([1], [0.0])})
    fails(1, "x", *SMALL, "-m", "l.safetensors", says="LLLite")


def edit(path, **changes):
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config.update(changes)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)


def test_xl_parts_that_do_not_belong():
    """A folder of SDXL whose parts are missing, or of unlike widths: one line each."""
    limn("convert", tiny_xl.base().save("xl.safetensors"), "xl", "-q", *WITH)
    draw("a", "-m", "xl", "-o", "x.png")

    def without(part, listed=True):
        def change():
            shutil.rmtree("m/" + part)
            if not listed:
                edit("m/model_index.json", **{part: [None, None]})
        return change

    for change, says in (
            (without("tokenizer"), "tokenizer"), (without("tokenizer_2"), "tokenizer_2"),
            (without("text_encoder"), "text_encoder/config.json"), (without("text_encoder_2"), "text_encoder_2/config.json"),
            (without("text_encoder_2", False), "gives embeddings of 64, the UNet takes 128"),
            (without("text_encoder", False), "do not belong together"),
            (lambda: edit("m/unet/config.json", cross_attention_dim=100), "does not belong to this config"),
            (lambda: edit("m/unet/config.json", addition_embed_type=None), "add_embedding"),
            (lambda: edit("m/unet/config.json", projection_class_embeddings_input_dim=7), "projection_class_embeddings_input_dim"),
            (lambda: edit("m/text_encoder/config.json", max_position_embeddings=64), "text_encoder/model.safetensors"),
            (lambda: edit("m/text_encoder_2/config.json", projection_dim=32), "text_projection"),
            (lambda: edit("m/vae/config.json", latent_channels=8), "vae/")):
        shutil.rmtree("m", ignore_errors=True)
        shutil.copytree("xl", "m")
        change()
        fails(1, "x", *SMALL, "-m", "m", says=says)


def test_names_of_diffusers_folders_in_one_file():
    """stable-diffusion.cpp's of a diffusers folder: unet., vae., te., te.1. before diffusers' own names; SDXL in GGUF draws its own picture."""
    limn("convert", tiny_xl.base().save("xl.safetensors"), "xl", "-q", *WITH)
    draw("a red potion", "-m", "xl", "--seed", "1", "-o", "want.png")
    t = Tensors()
    for part, prefix in ("unet", "unet."), ("vae", "vae."), ("text_encoder", "te."), ("text_encoder_2", "te.1."):
        (file,) = [f for f in os.listdir("xl/" + part) if f.endswith(".safetensors")]
        t.update({prefix + k: v for k, v in tensors(f"xl/{part}/{file}").items()})
    t.save("sd.safetensors")
    gguf.save("sd.gguf", {k: ({"F16": gguf.F16, "F32": gguf.F32}[d], shape or [1], data) for k, (d, shape, data) in t.items()})
    for path in "sd.safetensors", "sd.gguf":
        draw("a red potion", "-m", path, "--seed", "1", "-o", "x.png", *WITH)
        assert drawing("x.png") == drawing("want.png"), path
