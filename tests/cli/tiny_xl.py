"""Tiny random SD XL checkpoints, base and refiner, in the names of their release. Standard library only."""

import struct

import tiny
from tiny import CONTEXT, Tensors, UNET_PREFIX, vae, vocabulary

FIRST, SECOND = "conditioner.embedders.0.", "conditioner.embedders.1."
POOLED, ID, LAYERS = 64, 256, 3
CHANNELS = 64  # of the level with attention; the first has half of it


def unet(t, context, ids, inputs=4, depths=(2, 2, 2, 2)):
    """depths: transformer layers of the attention on the way down, in the middle (None: one residual block alone), and of the two on the
    way up."""
    c, low, wide = CHANNELS, CHANNELS // 2, 2 * CHANNELS

    def resnet(name, takes, gives):
        name = UNET_PREFIX + name
        t.norm(name + ".in_layers.0", takes)
        t.layer(name + ".in_layers.2", gives, takes, 3, 3)
        t.layer(name + ".emb_layers.1", gives, wide)
        t.norm(name + ".out_layers.0", gives)
        t.layer(name + ".out_layers.3", gives, gives, 3, 3)
        if takes != gives:
            t.layer(name + ".skip_connection", gives, takes, 1, 1)

    def transformer(name, depth):
        name = UNET_PREFIX + name
        t.norm(name + ".norm", c)
        t.layer(name + ".proj_in", c, c)
        for block in (f"{name}.transformer_blocks.{i}" for i in range(depth)):
            for number, width in ((1, c), (2, context)):
                t.norm(f"{block}.norm{number}", c)
                t.layer(f"{block}.attn{number}.to_q", c, c, bias=False)
                t.layer(f"{block}.attn{number}.to_k", c, width, bias=False)
                t.layer(f"{block}.attn{number}.to_v", c, width, bias=False)
                t.layer(f"{block}.attn{number}.to_out.0", c, c)
            t.norm(block + ".norm3", c)
            t.layer(block + ".ff.net.0.proj", 8 * c, c)
            t.layer(block + ".ff.net.2", c, 4 * c)
        t.layer(name + ".proj_out", c, c)

    for name, takes in (("time_embed", low), ("label_emb.0", POOLED + ids * ID)):
        t.layer(f"{UNET_PREFIX}{name}.0", wide, takes)
        t.layer(f"{UNET_PREFIX}{name}.2", wide, wide)
    t.layer(UNET_PREFIX + "input_blocks.0.0", low, inputs, 3, 3)
    resnet("input_blocks.1.0", low, low)
    t.layer(UNET_PREFIX + "input_blocks.2.0.op", low, low, 3, 3)
    resnet("input_blocks.3.0", low, c)
    transformer("input_blocks.3.1", depths[0])
    resnet("middle_block.0", c, c)
    if depths[1]:
        transformer("middle_block.1", depths[1])
        resnet("middle_block.2", c, c)
    for n, (takes, gives) in enumerate(((2 * c, c), (c + low, c), (c + low, low), (2 * low, low))):
        resnet(f"output_blocks.{n}.0", takes, gives)
        if n < 2:
            transformer(f"output_blocks.{n}.1", depths[2 + n])
    t.layer(UNET_PREFIX + "output_blocks.1.2.conv", c, c, 3, 3)
    t.norm(UNET_PREFIX + "out.0", low)
    t.layer(UNET_PREFIX + "out.2", 4, low, 3, 3)


def first_encoder(t):
    """ViT-L's names, as in SD 1.x; three layers."""
    at = FIRST + "transformer."
    for layer in range(LAYERS):
        one = Tensors(2 + layer)
        tiny.text(one, len(vocabulary()))
        t.update(one.renamed(tiny.TEXT, at).renamed(at + "text_model.encoder.layers.0", f"{at}text_model.encoder.layers.{layer}"))


def second_encoder(t, prefix=SECOND):
    """OpenCLIP's names; three layers."""
    p, w = prefix + "model.", CONTEXT
    t.put(p + "token_embedding.weight", len(vocabulary()), w)
    t.put(p + "positional_embedding", 77, w)
    t.put(p + "text_projection", w, POOLED)
    t.put(p + "logit_scale", 1)
    for block in (f"{p}transformer.resblocks.{i}" for i in range(LAYERS)):
        t.norm(block + ".ln_1", w)
        t.norm(block + ".ln_2", w)
        t.put(block + ".attn.in_proj_weight", 3 * w, w)
        t.put(block + ".attn.in_proj_bias", 3 * w)
        t.layer(block + ".attn.out_proj", w, w)
        t.layer(block + ".mlp.c_fc", 2 * w, w)
        t.layer(block + ".mlp.c_proj", w, 2 * w)
    t.norm(p + "ln_final", w)


def base(inputs=4, seed=3, **more):
    t = Tensors(seed)
    unet(t, 2 * CONTEXT, 6, inputs, **more)
    first_encoder(t)
    second_encoder(t)
    vae(t)
    return t


def refiner(seed=4):
    t = Tensors(seed)
    unet(t, CONTEXT, 5)
    second_encoder(t, FIRST)
    vae(t)
    return t


def turned(tensor):
    """The matrix with rows for columns."""
    kind, (rows, columns), data = tensor
    v = struct.unpack(f"<{rows * columns}e", data)
    return kind, [columns, rows], struct.pack(f"<{rows * columns}e", *(v[r * columns + c] for c in range(columns) for r in range(rows)))


def with_hub_names(t):
    """The second encoder in transformers' names, as ComfyUI's CLIPSave writes it."""
    to, out = "text_encoders.clip_g.transformer.", Tensors()
    leaves = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1",
              "mlp.c_proj": "mlp.fc2"}
    for name, (kind, shape, data) in t.items():
        p = SECOND + "model."
        end = name[len(p):]
        if not name.startswith(p):
            out[name.replace(FIRST, "text_encoders.clip_l.")] = kind, shape, data
        elif end == "text_projection":
            out[to + "text_projection.weight"] = turned((kind, shape, data))
        elif "in_proj" in end:
            block = end.split(".")[2]
            for i, x in enumerate("qkv"):
                third = len(data) // 3
                out[f"{to}text_model.encoder.layers.{block}.self_attn.{x}_proj.{end.rsplit('_', 1)[1]}"] = (
                    kind, [shape[0] // 3, *shape[1:]], data[i * third:(i + 1) * third])
        elif end.startswith("transformer.resblocks."):
            _, _, block, leaf = end.split(".", 3)
            leaf, kind_of = leaf.rsplit(".", 1)
            out[f"{to}text_model.encoder.layers.{block}.{leaves[leaf]}.{kind_of}"] = kind, shape, data
        elif end.startswith("ln_final"):
            out[to + "text_model.final_layer_norm" + end[8:]] = kind, shape, data
        elif end == "token_embedding.weight":
            out[to + "text_model.embeddings.token_embedding.weight"] = kind, shape, data
        elif end == "positional_embedding":
            out[to + "text_model.embeddings.position_embedding.weight"] = kind, shape, data
    return out
