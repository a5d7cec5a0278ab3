"""What diffusers makes of single-file checkpoints: tests/golden/ldm/*.tsv, read by tests/test_parts.c.

A line: the tensor's name in the file, its shape there, the component and its name in diffusers (both "-" when it is not
used), its shape there, and the row of the first dimension at which it begins. The names and shapes of the files are those of
the real releases, walked here as latent-diffusion and open_clip build them; that the conversion of all of them is exactly
what diffusers' models hold is checked before anything is written.

    python3 tests/golden/ldm.py        (the packages of requirements.txt)
"""
import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as sfu
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = os.path.dirname(os.path.abspath(__file__))


def conv(out, name, i, o, k):
    out[name + ".weight"] = (o, i, k, k)
    out[name + ".bias"] = (o,)


def linear(out, name, i, o, bias=True):
    out[name + ".weight"] = (o, i)
    if bias:
        out[name + ".bias"] = (o,)


def norm(out, name, c):
    out[name + ".weight"] = out[name + ".bias"] = (c,)


def ldm_unet(ch, mult, layers, attention, context, in_channels, linear_proj, middle=1, added=0):
    """attention: transformer layers of each level; added: inputs in addition to the timestep (SD XL)"""
    out, p = {}, "model.diffusion_model."

    def res(name, i, o):
        norm(out, name + ".in_layers.0", i)
        conv(out, name + ".in_layers.2", i, o, 3)
        linear(out, name + ".emb_layers.1", 4 * ch, o)
        norm(out, name + ".out_layers.0", o)
        conv(out, name + ".out_layers.3", o, o, 3)
        if i != o:
            conv(out, name + ".skip_connection", i, o, 1)

    def attn(name, c, depth):
        norm(out, name + ".norm", c)
        for proj in ("proj_in", "proj_out"):
            linear(out, f"{name}.{proj}", c, c) if linear_proj else conv(out, f"{name}.{proj}", c, c, 1)
        for b in (f"{name}.transformer_blocks.{i}" for i in range(depth)):
            for a, width in (("attn1", c), ("attn2", context)):
                linear(out, f"{b}.{a}.to_q", c, c, False)
                linear(out, f"{b}.{a}.to_k", width, c, False)
                linear(out, f"{b}.{a}.to_v", width, c, False)
                linear(out, f"{b}.{a}.to_out.0", c, c)
            linear(out, b + ".ff.net.0.proj", c, 8 * c)
            linear(out, b + ".ff.net.2", 4 * c, c)
            for n in ("norm1", "norm2", "norm3"):
                norm(out, f"{b}.{n}", c)

    linear(out, p + "time_embed.0", ch, 4 * ch)
    linear(out, p + "time_embed.2", 4 * ch, 4 * ch)
    if added:
        linear(out, p + "label_emb.0.0", added, 4 * ch)
        linear(out, p + "label_emb.0.2", 4 * ch, 4 * ch)
    conv(out, p + "input_blocks.0.0", in_channels, ch, 3)
    c, skips, n = ch, [ch], 1
    for level, m in enumerate(mult):
        for _ in range(layers):
            res(f"{p}input_blocks.{n}.0", c, ch * m)
            c = ch * m
            if attention[level]:
                attn(f"{p}input_blocks.{n}.1", c, attention[level])
            skips.append(c)
            n += 1
        if level != len(mult) - 1:
            conv(out, f"{p}input_blocks.{n}.0.op", c, c, 3)
            skips.append(c)
            n += 1
    res(p + "middle_block.0", c, c)
    attn(p + "middle_block.1", c, middle)
    res(p + "middle_block.2", c, c)
    n = 0
    for level in reversed(range(len(mult))):
        for i in range(layers + 1):
            res(f"{p}output_blocks.{n}.0", c + skips.pop(), ch * mult[level])
            c = ch * mult[level]
            if attention[level]:
                attn(f"{p}output_blocks.{n}.1", c, attention[level])
            if level and i == layers:
                conv(out, f"{p}output_blocks.{n}.{2 if attention[level] else 1}.conv", c, c, 3)
            n += 1
    norm(out, p + "out.0", c)
    conv(out, p + "out.2", c, 4, 3)
    return out


def ldm_vae(ch, mult, layers, z):
    out, p = {}, "first_stage_model."

    def res(name, i, o):
        norm(out, name + ".norm1", i)
        conv(out, name + ".conv1", i, o, 3)
        norm(out, name + ".norm2", o)
        conv(out, name + ".conv2", o, o, 3)
        if i != o:
            conv(out, name + ".nin_shortcut", i, o, 1)

    def mid(name, c):
        res(name + ".block_1", c, c)
        norm(out, name + ".attn_1.norm", c)
        for x in ("q", "k", "v", "proj_out"):
            conv(out, f"{name}.attn_1.{x}", c, c, 1)
        res(name + ".block_2", c, c)

    conv(out, p + "encoder.conv_in", 3, ch, 3)
    c = ch
    for level, m in enumerate(mult):
        for i in range(layers):
            res(f"{p}encoder.down.{level}.block.{i}", c, ch * m)
            c = ch * m
        if level != len(mult) - 1:
            conv(out, f"{p}encoder.down.{level}.downsample.conv", c, c, 3)
    mid(p + "encoder.mid", c)
    norm(out, p + "encoder.norm_out", c)
    conv(out, p + "encoder.conv_out", c, 2 * z, 3)
    conv(out, p + "quant_conv", 2 * z, 2 * z, 1)
    conv(out, p + "post_quant_conv", z, z, 1)
    conv(out, p + "decoder.conv_in", z, c, 3)
    mid(p + "decoder.mid", c)
    for level in reversed(range(len(mult))):
        for i in range(layers + 1):
            res(f"{p}decoder.up.{level}.block.{i}", c, ch * mult[level])
            c = ch * mult[level]
        if level:
            conv(out, f"{p}decoder.up.{level}.upsample.conv", c, c, 3)
    norm(out, p + "decoder.norm_out", c)
    conv(out, p + "decoder.conv_out", c, 3, 3)
    return out


def clip(width, layers, prefix="cond_stage_model."):
    out, p = {}, prefix + "transformer.text_model."
    out[p + "embeddings.position_ids"] = (1, 77)
    out[p + "embeddings.token_embedding.weight"] = (49408, width)
    out[p + "embeddings.position_embedding.weight"] = (77, width)
    for i in range(layers):
        b = f"{p}encoder.layers.{i}"
        for x in ("q", "k", "v", "out"):
            linear(out, f"{b}.self_attn.{x}_proj", width, width)
        norm(out, b + ".layer_norm1", width)
        norm(out, b + ".layer_norm2", width)
        linear(out, b + ".mlp.fc1", width, 4 * width)
        linear(out, b + ".mlp.fc2", 4 * width, width)
    norm(out, p + "final_layer_norm", width)
    return out


def openclip(width, layers, prefix="cond_stage_model."):
    out, p = {}, prefix + "model."
    out[p + "positional_embedding"] = (77, width)
    out[p + "text_projection"] = (width, width)
    out[p + "logit_scale"] = ()
    out[p + "token_embedding.weight"] = (49408, width)
    for i in range(layers):
        b = f"{p}transformer.resblocks.{i}"
        norm(out, b + ".ln_1", width)
        out[b + ".attn.in_proj_weight"] = (3 * width, width)
        out[b + ".attn.in_proj_bias"] = (3 * width,)
        linear(out, b + ".attn.out_proj", width, width)
        norm(out, b + ".ln_2", width)
        linear(out, b + ".mlp.c_fc", width, 4 * width)
        linear(out, b + ".mlp.c_proj", 4 * width, width)
    norm(out, p + "ln_final", width)
    return out


def schedule():
    names = "betas alphas_cumprod alphas_cumprod_prev sqrt_alphas_cumprod sqrt_one_minus_alphas_cumprod " \
            "log_one_minus_alphas_cumprod sqrt_recip_alphas_cumprod sqrt_recipm1_alphas_cumprod posterior_variance " \
            "posterior_log_variance_clipped posterior_mean_coef1 posterior_mean_coef2"
    return {n: (1000,) for n in names.split()} | {"model_ema.decay": (), "model_ema.num_updates": ()}


def convert(shapes, unet_config, vae_config, texts):
    """[(component, name, shape, source, row)] by diffusers' converters; a tensor's value is its number. texts: by component, the
    model and None, or the prefix of OpenCLIP's names."""
    names = list(shapes)
    whole = {n: torch.tensor(float(i)).expand(shapes[n]) for i, n in enumerate(names)}
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**unet_config), AutoencoderKL(**vae_config)
    strip = lambda d: {k.removeprefix("text_model."): v for k, v in d.items()}
    parts = {
        "unet": (unet, sfu.convert_ldm_unet_checkpoint(whole, unet.config)),
        "vae": (vae, sfu.convert_ldm_vae_checkpoint(whole, vae.config)),
    }
    for part, (model, openclip) in texts.items():
        made = sfu.convert_open_clip_checkpoint(model, whole, openclip) if openclip else sfu.convert_ldm_clip_checkpoint(whole)
        made = strip(made)
        made.pop("embeddings.position_ids", None)
        parts[part] = model, made
    rows = []
    for part, (model, made) in parts.items():
        want = strip({k: tuple(v.shape) for k, v in model.state_dict().items()})
        got = {k: tuple(v.shape) for k, v in made.items()}
        assert want == got, (part, {k: (want.get(k), got.get(k)) for k in want.keys() ^ got.keys()},
                             [k for k in want if k in got and want[k] != got[k]])
        for name, tensor in made.items():
            source = names[int(tensor.flatten()[0])]
            third = next((i for i, x in enumerate("qkv") if "in_proj" in source and f".{x}_proj." in name), 0)
            full = "text_model." + name if part.startswith("text_encoder") and name != "text_projection.weight" else name
            rows.append((part, full, tuple(tensor.shape), source, third * tensor.shape[0] if third else 0))
    return rows


def write(path, shapes, rows):
    show = lambda s: "x".join(map(str, s)) if s else "scalar"
    by_source = {}
    for part, name, shape, source, row in rows:
        by_source.setdefault(source, []).append(f"{part}\t{name}\t{show(shape)}\t{row}")
    with open(path, "w") as f:
        for name, shape in shapes.items():
            for line in by_source.get(name, ["-\t-\t-\t0"]):
                f.write(f"{name}\t{show(shape)}\t{line}\n")


def main():
    down, up = "DownBlock2D", "UpBlock2D"
    unet = dict(block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
                down_block_types=("CrossAttn" + down,) * 3 + (down,), up_block_types=(up,) + ("CrossAttn" + up,) * 3)
    vae = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
               down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    walk = dict(ch=320, mult=(1, 2, 4, 4), layers=2, attention=(1, 1, 1, 0))
    text1 = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
    text2 = CLIPTextConfig(vocab_size=49408, hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)

    def text(config, model=CLIPTextModel):
        with torch.device("meta"):
            return model(config)

    sd1 = schedule() | ldm_unet(**walk, context=768, in_channels=4, linear_proj=False) | ldm_vae(128, (1, 2, 4, 4), 2, 4) | clip(768, 12)
    rows = convert(sd1, dict(unet, cross_attention_dim=768, attention_head_dim=8), vae, {"text_encoder": (text(text1), None)})
    write(f"{HERE}/ldm/sd15.tsv", sd1, rows)

    sd2 = ldm_unet(**walk, context=1024, in_channels=4, linear_proj=True) | ldm_vae(128, (1, 2, 4, 4), 2, 4) | openclip(1024, 24)
    rows = convert(sd2, dict(unet, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True), vae,
                   {"text_encoder": (text(text2), "cond_stage_model.model.")})
    write(f"{HERE}/ldm/sd21.tsv", sd2, rows)

    text_g = CLIPTextConfig(vocab_size=49408, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
                            projection_dim=1280)
    pooled = dict(addition_embed_type="text_time", addition_time_embed_dim=256, use_linear_projection=True)
    base = dict(pooled, block_out_channels=(320, 640, 1280), layers_per_block=2, attention_head_dim=(5, 10, 20), cross_attention_dim=2048,
                transformer_layers_per_block=(1, 2, 10), projection_class_embeddings_input_dim=2816,
                down_block_types=(down,) + ("CrossAttn" + down,) * 2, up_block_types=("CrossAttn" + up,) * 2 + (up,))
    at = "conditioner.embedders."
    xl = ldm_unet(320, (1, 2, 4), 2, (0, 2, 10), 2048, 4, True, 10, 2816) | ldm_vae(128, (1, 2, 4, 4), 2, 4) | \
        clip(768, 12, at + "0.") | openclip(1280, 32, at + "1.")
    rows = convert(xl, base, vae, {"text_encoder": (text(text1), None),
                                   "text_encoder_2": (text(text_g, CLIPTextModelWithProjection), at + "1.model.")})
    write(f"{HERE}/ldm/sdxl.tsv", xl, rows)

    refiner = dict(pooled, block_out_channels=(384, 768, 1536, 1536), layers_per_block=2, attention_head_dim=(6, 12, 24, 24),
                   cross_attention_dim=1280, transformer_layers_per_block=4, projection_class_embeddings_input_dim=2560,
                   down_block_types=(down,) + ("CrossAttn" + down,) * 2 + (down,),
                   up_block_types=(up,) + ("CrossAttn" + up,) * 2 + (up,))
    xlr = ldm_unet(384, (1, 2, 4, 4), 2, (0, 4, 4, 0), 1280, 4, True, 4, 2560) | ldm_vae(128, (1, 2, 4, 4), 2, 4) | \
        openclip(1280, 32, at + "0.")
    rows = convert(xlr, refiner, vae, {"text_encoder_2": (text(text_g, CLIPTextModelWithProjection), at + "0.model.")})
    write(f"{HERE}/ldm/sdxl-refiner.tsv", xlr, rows)


if __name__ == "__main__":
    main()
