"""Tiny random checkpoints in LDM's names, for the tests that need a file of its own shape. Standard library only."""

import json
import os
import random
import statistics
import struct

from helpers import SPRITES, write

CHANNELS, CONTEXT = 32, 64
UNET_PREFIX, TEXT, VAE = "model.diffusion_model.", "cond_stage_model.transformer.", "first_stage_model."


# The middle of each 256th of a normal distribution, as f16: low bytes, high bytes.
LOW, HIGH = zip(*(struct.pack("<e", statistics.NormalDist(0, 0.05).inv_cdf((i + 0.5) / 256)) for i in range(256)))
LOW, HIGH = bytes(LOW), bytes(HIGH)


def normal(rng, count):
    """count numbers of deviation 0.05 as f16, a thousand times faster than by rng.gauss()."""
    drawn, out = rng.randbytes(count), bytearray(2 * count)
    out[0::2], out[1::2] = drawn.translate(LOW), drawn.translate(HIGH)
    return bytes(out)


class Tensors(dict):
    """name -> (dtype, shape, bytes)"""

    def __init__(self, seed=1):
        super().__init__()
        self.random = random.Random(seed)

    def put(self, name, *shape, value=None):
        count = 1
        for side in shape:
            count *= side
        self[name] = ("F16", list(shape), normal(self.random, count) if value is None else struct.pack("<e", value) * count)

    def layer(self, name, *shape, bias=True):
        self.put(name + ".weight", *shape)
        if bias:
            self.put(name + ".bias", shape[0])

    def norm(self, name, channels=CHANNELS):
        self.put(name + ".weight", channels, value=1.0)
        self.put(name + ".bias", channels, value=0.0)

    def renamed(self, old, new):
        """The same with another beginning of names."""
        out = Tensors()
        out.update({new + k[len(old):] if k.startswith(old) else k: v for k, v in self.items()})
        return out

    def without(self, *prefixes):
        out = Tensors()
        out.update({k: v for k, v in self.items() if not k.startswith(prefixes)})
        return out

    def plus(self, **more):
        """One number under each name; dots are written as two underscores."""
        out = Tensors()
        out.update(self)
        out.update({k.replace("__", "."): ("F16", [1], bytes(2)) for k in more})
        out.update({k.replace("__", "."): v for k, v in more.items() if isinstance(v, tuple)})
        return out

    def save(self, path, metadata=None):
        header, at = {"__metadata__": metadata} if metadata else {}, 0
        for name, (dtype, shape, values) in self.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(values)]}
            at += len(values)
        text = json.dumps(header).encode()
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        write(path, struct.pack("<Q", len(text)) + text + b"".join(values for _, _, values in self.values()))
        return path


def unet(t, inputs=4):
    c = CHANNELS

    def resnet(name, takes):
        name = UNET_PREFIX + name
        t.norm(name + ".in_layers.0", takes)
        t.layer(name + ".in_layers.2", c, takes, 3, 3)
        t.layer(name + ".emb_layers.1", c, 4 * c)
        t.norm(name + ".out_layers.0")
        t.layer(name + ".out_layers.3", c, c, 3, 3)
        if takes != c:
            t.layer(name + ".skip_connection", c, takes, 1, 1)

    def transformer(name):
        name = UNET_PREFIX + name
        t.norm(name + ".norm")
        t.layer(name + ".proj_in", c, c, 1, 1)
        block = name + ".transformer_blocks.0"
        for number, width in ((1, c), (2, CONTEXT)):
            t.norm(f"{block}.norm{number}")
            t.layer(f"{block}.attn{number}.to_q", c, c, bias=False)
            t.layer(f"{block}.attn{number}.to_k", c, width, bias=False)
            t.layer(f"{block}.attn{number}.to_v", c, width, bias=False)
            t.layer(f"{block}.attn{number}.to_out.0", c, c)
        t.norm(block + ".norm3")
        t.layer(block + ".ff.net.0.proj", 8 * c, c)
        t.layer(block + ".ff.net.2", c, 4 * c)
        t.layer(name + ".proj_out", c, c, 1, 1)

    t.layer(UNET_PREFIX + "time_embed.0", 4 * c, c)
    t.layer(UNET_PREFIX + "time_embed.2", 4 * c, 4 * c)
    t.layer(UNET_PREFIX + "input_blocks.0.0", c, inputs, 3, 3)
    for name, takes in (("input_blocks.1", c), ("output_blocks.0", 2 * c), ("output_blocks.1", 2 * c)):
        resnet(name + ".0", takes)
        transformer(name + ".1")
    resnet("middle_block.0", c)
    transformer("middle_block.1")
    resnet("middle_block.2", c)
    t.norm(UNET_PREFIX + "out.0")
    t.layer(UNET_PREFIX + "out.2", 4, c, 3, 3)


def vae(t):
    c = CHANNELS

    def resnet(name):
        for number in (1, 2):
            t.norm(f"{VAE}{name}.norm{number}")
            t.layer(f"{VAE}{name}.conv{number}", c, c, 3, 3)

    for half, takes, gives, blocks in (("encoder", 3, 8, "down"), ("decoder", 4, 3, "up")):
        t.layer(f"{VAE}{half}.conv_in", c, takes, 3, 3)
        for level in (0, 1):
            for block in range(1 if half == "encoder" else 2):
                resnet(f"{half}.{blocks}.{level}.block.{block}")
        t.layer(f"{VAE}{half}.{blocks}.{0 if half == 'encoder' else 1}.{blocks}sample.conv", c, c, 3, 3)
        resnet(half + ".mid.block_1")
        t.norm(f"{VAE}{half}.mid.attn_1.norm")
        for name in ("q", "k", "v", "proj_out"):
            t.layer(f"{VAE}{half}.mid.attn_1.{name}", c, c, 1, 1)
        resnet(half + ".mid.block_2")
        t.norm(f"{VAE}{half}.norm_out")
        t.layer(f"{VAE}{half}.conv_out", gives, c, 3, 3)
    t.layer(VAE + "quant_conv", 8, 8, 1, 1)
    t.layer(VAE + "post_quant_conv", 4, 4, 1, 1)


def text(t, vocabulary):
    t.put(TEXT + "text_model.embeddings.token_embedding.weight", vocabulary, CONTEXT)
    t.put(TEXT + "text_model.embeddings.position_embedding.weight", 77, CONTEXT)
    layer = TEXT + "text_model.encoder.layers.0."
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        t.layer(layer + "self_attn." + name, CONTEXT, CONTEXT)
    for name in ("layer_norm1", "layer_norm2"):
        t.norm(layer + name, CONTEXT)
    t.layer(layer + "mlp.fc1", 2 * CONTEXT, CONTEXT)
    t.layer(layer + "mlp.fc2", CONTEXT, 2 * CONTEXT)
    t.norm(TEXT + "text_model.final_layer_norm", CONTEXT)


CLIP = os.path.join(SPRITES, "tokenizer")


def vocabulary():
    with open(os.path.join(CLIP, "vocab.json"), encoding="utf-8") as f:
        return json.load(f)


def checkpoint(more_rows=0, inputs=4):
    """A whole one: it draws with --tokenizer CLIP."""
    t = Tensors()
    unet(t, inputs)
    text(t, len(vocabulary()) + more_rows)
    vae(t)
    return t
