"""Adapters over quantised weights: the numbers are those of the same adapter over the same weights unpacked, and baked in by `limn merge`."""

import math
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gguf  # noqa: E402
from helpers import *  # noqa: E402,F403
from test_gguf import quantised  # noqa: E402
from test_lora import floats, tensors  # noqa: E402
from tiny import CLIP, UNET_PREFIX, Tensors, checkpoint  # noqa: E402

SEED = ["-W", "32", "-H", "32", "-s", "2", "--seed", "1", "-n", "blurry", "--tokenizer", CLIP]
QUERY, WIDE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj"
KEYS, CONV = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", "lora_unet_mid_block_resnets_0_conv1"
WORDS = "lora_te_text_model_encoder_layers_0_mlp_fc1"
SIDES = {QUERY: (32, 32, 1), WIDE: (256, 32, 1), KEYS: (32, 64, 1), CONV: (32, 32, 9), WORDS: (128, 64, 1)}  # rows, inputs, taps


class Adapter(Tensors):
    """An adapter's file: each factor at random; a convolution's inner ones with its taps."""

    def factor(self, module, end, *shape, scale=0.5, middle=0.0):
        shape = [s for s in shape if s]
        values = [middle + self.random.gauss(0, scale) for _ in range(math.prod(shape))]
        self[f"{module}.{end}"] = ("F32", shape, struct.pack(f"<{len(values)}f", *values))

    def pair(self, module, up, down, rank=4):
        rows, inputs, taps = SIDES[module]
        kernel = (3, 3) if taps == 9 else (0, 0)
        self.factor(module, down, rank, inputs, *kernel)
        self.factor(module, up, rows, rank, *((1, 1) if taps == 9 else (0, 0)))


def lora(t, module):
    t.pair(module, "lora_up.weight", "lora_down.weight")
    t.factor(module, "alpha", scale=0, middle=2.0)


def loha(t, module):
    rows, inputs, taps = SIDES[module]
    for side in "12":
        t.factor(module, f"hada_w{side}_a", rows, 4)
        t.factor(module, f"hada_w{side}_b", 4, inputs * taps)


def dora(t, module):
    lora(t, module)
    rows, _, taps = SIDES[module]
    t.factor(module, "dora_scale", rows, 1, *((1, 1) if taps == 9 else (0, 0)), scale=0.05, middle=0.4)


def lokr(t, module):
    rows, inputs, taps = SIDES[module]
    t.factor(module, "lokr_w1", 4, 4)
    t.factor(module, "lokr_w2", rows // 4, inputs // 4, *((3, 3) if taps == 9 else (0, 0)), scale=0.3)


def ia3(t, module):
    t.factor(module, "weight", SIDES[module][0], 1, scale=0.3)
    t[module + ".on_input"] = ("BOOL", [], b"\0")


def oft(t, module):
    rows = SIDES[module][0]
    t.factor(module, "oft_blocks", rows // 8, 8, 8, scale=0.3)


def difference(t, module):
    rows, inputs, taps = SIDES[module]
    t.factor(module, "diff", rows, inputs, *((3, 3) if taps == 9 else (0, 0)), scale=0.3)


KINDS = {f.__name__: f for f in (lora, loha, dora, lokr, ia3, oft, difference)}


def adapter(kind):
    t = Adapter(len(kind))
    for module in SIDES:
        if kind != "ia3" or module not in (WIDE, CONV):
            KINDS[kind](t, module)
    return t.save(kind + ".safetensors")


def numbers(*args):
    """The latents, and the picture before it is 8 bits."""
    draw("a red potion", *SEED, "-o", "x.png", "--trace", "x.safetensors", *args)
    return [floats(tensors("x.safetensors")[name]) for name in ("latents", "image")]


def fp8(plain, scale):
    """The UNet's matrices as e4m3fn, with a scale each or without; and the same numbers as F32."""
    code = bytes(range(0x20, 0x58))
    value = {b: (1 + (b & 7) / 8) * 2.0 ** ((b >> 3) - 7) for b in code}
    packed, same = Tensors(), Tensors()
    packed.update(plain), same.update(plain)
    for name, (_, shape, _) in plain.items():
        if not name.startswith(UNET_PREFIX) or len(shape) < 2:
            continue
        data = bytes(code[(7 * i + len(name)) % len(code)] | (128 if i % 3 else 0) for i in range(math.prod(shape)))
        s = gguf.f32(scale or 1)
        values = [gguf.f32(s * (-1 if b & 128 else 1) * value[b & 127]) for b in data]
        packed[name], same[name] = ("F8_E4M3", shape, data), ("F32", shape, struct.pack(f"<{len(values)}f", *values))
        if scale:
            packed[name.replace(".weight", ".weight_scale")] = ("F32", [], struct.pack("<f", s))
    return packed, same


def packed_in_blocks(matrices):
    blocks, keys, same = quantised(checkpoint(), matrices)  # what has no rows of 32 numbers becomes Q4_K
    return gguf.save("packed.gguf", blocks, keys), same.save("same.safetensors")


def packed_in_bytes(scale):
    packed, same = fp8(checkpoint(), scale)
    return packed.save("packed.safetensors"), same.save("same.safetensors")


def check(packed, same, kinds):
    """The very bits, in f32 and in 16-bit factors; and what `limn merge` bakes into the packed file is what is laid over it."""
    exact = ["--precision", "f32"]
    bare = numbers("-m", packed, *exact)
    assert bare == numbers("-m", same, *exact)
    for kind in kinds:
        over = ["--lora", adapter(kind) + ":0.7"]
        laid = numbers("-m", packed, *over, *exact)
        assert laid == numbers("-m", same, *over, *exact), kind
        assert math.dist(laid[0], bare[0]) > 5e-5 * math.hypot(*bare[0]), kind
        limn("merge", packed, *over, "--type", "f32", "-q", "-o", "baked.safetensors")
        assert numbers("-m", "baked.safetensors", *exact) == laid, kind
    rounded = [*over, "--precision", "bf16"]
    assert numbers("-m", packed, *rounded) == numbers("-m", same, *rounded)


def test_adapters_over_blocks():
    """Q8_0, Q4_K; every kind."""
    check(*packed_in_blocks(gguf.Q8_0), KINDS)


def test_adapters_over_blocks_of_4_bits():
    check(*packed_in_blocks(gguf.Q4_0), ["lora", "dora"])


def test_adapters_over_bytes():
    """8-bit floats, without scales and with one a tensor."""
    for scale in None, 0.0125:
        check(*packed_in_bytes(scale), ["lora", "loha", "dora"])
