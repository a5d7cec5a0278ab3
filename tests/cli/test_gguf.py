"""Quantised weights: a picture from GGUF is the picture of the same numbers as F32; a UNet alone with --unet; fp8 with scales."""

import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gguf  # noqa: E402
import tiny_xl  # noqa: E402
from helpers import *  # noqa: E402,F403
from tiny import CLIP, TEXT, UNET_PREFIX, VAE, Tensors, checkpoint  # noqa: E402

SEED = ["--seed", "1", "--precision", "f32", "--tokenizer", CLIP]


def pixels(*args):
    limn("a red potion", *SMALL, *SEED, "-q", "-o", "drawn.png", *args)
    return b"".join(data for kind, data in chunks(read("drawn.png")) if kind == b"IDAT")


def count(shape):
    n = 1
    for side in shape:
        n *= side
    return n


def quantised(plain, linear=gguf.Q8_0, flat=gguf.Q4_K):
    """The checkpoint's matrices in blocks: (tensors for gguf.save, its keys, the same numbers as a checkpoint of F32)."""
    blocks, keys, same = {}, [], Tensors()
    for seed, (name, (dtype, shape, data)) in enumerate(plain.items()):
        matrix = len(shape) >= 2 and "embedding" not in name
        kind = linear if matrix and shape[-1] % 32 == 0 else flat if matrix and count(shape) % 256 == 0 else None
        if kind is None:
            blocks[name] = (gguf.F16, shape, data)
            same[name] = (dtype, shape, data)
            continue
        packed, values = gguf.random_blocks(kind, count(shape), seed)
        blocks[name] = (kind, shape if kind == linear else [count(shape) // 256, 256], packed)
        if kind != linear:
            keys.append(("comfy.gguf.orig_shape." + name, shape))
        same[name] = ("F32", shape, struct.pack(f"<{len(values)}f", *values))
    return blocks, keys, same


def test_whole_checkpoint():
    """stable-diffusion.cpp's: LDM names, no architecture; convolutions in rows of 256 as ComfyUI-GGUF lays them."""
    blocks, keys, same = quantised(checkpoint())
    gguf.save("tiny-Q8_0.gguf", blocks, keys)
    same.save("same.safetensors")
    expected = pixels("-m", "same.safetensors")
    assert pixels("-m", "tiny-Q8_0.gguf") == expected
    assert pixels("-m", "tiny-Q8_0.gguf", "--memory", "low") == expected
    assert pixels("-m", "tiny-Q8_0.gguf", "-t", "1") == expected
    record = texts("drawn.png")["parameters"]
    assert "Model: tiny-Q8_0," in record, record
    info = limn("info", "tiny-Q8_0.gguf", "--tokenizer", CLIP).out
    assert "Q8_0" in info and "Q4_K" in info, info
    again = limn("again", "drawn.png", "-o", "again.png").out
    assert again.strip() == "again.png" and read("again.png")[-200:] == read("drawn.png")[-200:]


def test_unet_alone():
    """ComfyUI-GGUF's: a UNet without its prefix, with the text encoder and the VAE of a model."""
    plain = checkpoint()
    blocks, keys, same = quantised(plain, gguf.Q4_0)
    comfy = {k[len(UNET_PREFIX):]: v for k, v in blocks.items() if k.startswith(UNET_PREFIX)}
    named = [(k.replace(UNET_PREFIX, ""), v) for k, v in keys if UNET_PREFIX in k]
    gguf.save("unet.gguf", comfy, [("general.architecture", "sd1"), *named])
    base, whole = plain.save("base.safetensors"), Tensors()
    whole.update(plain)
    whole.update({k: v for k, v in same.items() if k.startswith(UNET_PREFIX)})
    expected = pixels("-m", whole.save("whole.safetensors"))
    assert pixels("-m", base, "--unet", "unet.gguf") == expected != pixels("-m", base)
    without = plain.without(UNET_PREFIX).save("without.safetensors")
    assert pixels("-m", without, "--unet", "unet.gguf") == expected

    limn("a red potion", *SMALL, *SEED, "-q", "-o", "a.png", "-m", base, "--unet", "unet.gguf")
    limn("again", "a.png", "-o", "b.png")
    assert read("a.png") == read("b.png")
    assert '"unet":' in texts("a.png")["limn"]

    fails(1, "x", "-m", "unet.gguf", says=["a UNet alone", "--unet"])
    fails(1, "x", "-m", base, "--unet", "none.gguf", says=["--unet", "none.gguf"])
    fails(1, "x", "-m", base, "--unet", without, says=["--unet wants", "UNet"])
    other = {k: v for k, v in comfy.items() if "middle_block.1.proj_in.weight" not in k}
    fails(1, "x", "-m", base, "--tokenizer", CLIP, "--unet", gguf.save("cut.gguf", other, named), says=["cut.gguf", "proj_in"])
    # a folder's config and scheduler, and a UNet that does not belong to it
    fails(1, "x", "--unet", "unet.gguf", says="unet.gguf")


def test_fp8():
    """e4m3fn as torch casts, plain and with ComfyUI's scales in both namings, equals the same numbers as F32."""
    plain = checkpoint()
    code, values = bytes(range(0x20, 0x58)), {}
    for b in code:
        e, m = b >> 3, b & 7
        values[b] = (1 + m / 8) * 2.0 ** (e - 7) / 16
    names = [k for k, (_, shape, _) in plain.items() if k.startswith(UNET_PREFIX) and len(shape) >= 2]
    cases = {"plain": (None, 1.0), "old": (".scale_weight", 0.0125), "new": (".weight_scale", 0.0125)}
    for case, (end, scale) in cases.items():
        packed, same = Tensors(), Tensors()
        packed.update(plain), same.update(plain)
        for name in names:
            shape = plain[name][1]
            data = bytes(code[(7 * i + len(name)) % len(code)] | (128 if i % 3 else 0) for i in range(count(shape)))
            packed[name] = ("F8_E4M3", shape, data)
            s = gguf.f32(scale)
            numbers = [gguf.f32(s * 16 * (-1 if b & 128 else 1) * values[b & 127]) for b in data]
            same[name] = ("F32", shape, struct.pack(f"<{len(numbers)}f", *numbers))
            if end:
                packed[name.replace(".weight", end)] = ("F32", [], struct.pack("<f", s))
        if case == "old":
            packed[UNET_PREFIX + "scaled_fp8"] = ("F8_E4M3", [0], b"")
        packed.save(f"{case}.safetensors"), same.save(f"{case}-same.safetensors")
        assert pixels("-m", f"{case}.safetensors") == pixels("-m", f"{case}-same.safetensors"), case


def test_refused():
    base = checkpoint()
    tensors = {k: (gguf.F16, shape, data) for k, (_, shape, data) in base.items()}
    first = next(iter(tensors))
    strange = {**tensors, first: (16, tensors[first][1], tensors[first][2])}
    fails(1, "x", "-m", gguf.save("iq2.gguf", strange), says=["iq2.gguf", first, "IQ2_XXS", "Q8_0"])
    whole = read(gguf.save("whole.gguf", tensors))
    write("cut.gguf", whole[:len(whole) // 2])
    fails(1, "x", "-m", "cut.gguf", says=["cut.gguf", "truncated"])
    write("big.gguf", whole[:8] + struct.pack("<Q", 1 << 63) + whole[16:])
    fails(1, "x", "-m", "big.gguf", says="9223372036854775808 tensors")
    fails(1, "info", "big.gguf", says="big.gguf")
    os.mkdir("folder")
    os.rename("whole.gguf", "folder/whole.gguf")
    assert pixels("-m", "folder") == pixels("-m", base.save("same.safetensors"))


if __name__ == "__main__":
    main(globals())


def with_sdcpp_names(t):
    """SDXL as stable-diffusion.cpp names its encoders: transformers' names, query, key and value in one, OpenCLIP's projection."""
    first, second, out = tiny_xl.FIRST + "transformer.", tiny_xl.SECOND + "model.", {}
    leaves = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
              "attn.in_proj_weight": "self_attn.in_proj.weight", "attn.in_proj_bias": "self_attn.in_proj.bias"}
    whole = {"token_embedding.weight": "embeddings.token_embedding.weight", "positional_embedding": "embeddings.position_embedding.weight",
             "ln_final.weight": "final_layer_norm.weight", "ln_final.bias": "final_layer_norm.bias", "text_projection": "text_projection"}
    to = "cond_stage_model.1.transformer.text_model."
    for name, value in t.items():
        end = name[len(second):]
        if name.startswith(first):
            out["cond_stage_model.transformer." + name[len(first):]] = value
        elif not name.startswith(second):
            out[name] = value
        elif end in whole:
            out[to + whole[end]] = value
        elif end != "logit_scale":
            _, _, layer, leaf = end.split(".", 3)
            stem = next(k for k in leaves if leaf.startswith(k))
            out[f"{to}encoder.layers.{layer}.{leaves[stem]}{leaf[len(stem):]}"] = value
    return out


def test_xl_in_gguf():
    """SDXL: the whole checkpoint in LDM's names and in stable-diffusion.cpp's; the UNet alone as ComfyUI-GGUF has it."""
    blocks, keys, same = quantised(tiny_xl.base())
    same.save("same.safetensors")
    expected = pixels("-m", "same.safetensors")
    gguf.save("xl-Q8_0.gguf", blocks, keys)
    assert pixels("-m", "xl-Q8_0.gguf") == expected
    named = with_sdcpp_names(blocks)
    gguf.save("sd.gguf", named, [(k, v) for k, v in keys if "conditioner" not in k])
    assert pixels("-m", "sd.gguf") == expected
    unet = {k[len(UNET_PREFIX):]: v for k, v in blocks.items() if k.startswith(UNET_PREFIX)}
    keys = [(k.replace(UNET_PREFIX, ""), v) for k, v in keys if UNET_PREFIX in k]
    gguf.save("unet.gguf", unet, [("general.architecture", "sdxl"), *keys])
    whole = Tensors()
    whole.update({k: v for k, v in same.items() if not k.startswith(UNET_PREFIX)})
    whole.update({k: v for k, v in tiny_xl.base(seed=9).items() if k.startswith(UNET_PREFIX)})
    assert pixels("-m", whole.save("other.safetensors"), "--unet", "unet.gguf") == expected
    info = limn("info", "xl-Q8_0.gguf", "--tokenizer", CLIP).out
    assert "text_encoder_2" in info and "Q8_0" in info, info
