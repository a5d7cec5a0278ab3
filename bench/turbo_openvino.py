"""SD-Turbo by OpenVINO from the start of the program to the PNG: bench/turbo starts it in the virtual environment.

    turbo_openvino.py convert FOLDER            random weights of the three networks' shapes to OpenVINO's files, f16
    turbo_openvino.py int8 FOLDER               the UNet's linear layers and convolutions to integers of 8 bits, by NNCF
    turbo_openvino.py draw FOLDER KIND PNG      f32, bf16, int8 or int8-weights; the last line tells seconds in JSON

Drawn is with the least that it takes: numpy and OpenVINO alone, static shapes, latency hint, each network compiled beforehand (CACHE_DIR),
ids of the prompt given, the PNG by zlib. FastSD CPU itself starts torch, diffusers and optimum, and compiles each time.
"""
import json
import os
import struct
import sys
import time
import zlib
from pathlib import Path

START = time.monotonic()
UNET = dict(sample_size=64, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True)
TEXT = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16, hidden_act="gelu")
TOKENS, SIDE = 77, 64
KINDS = {"f32": ("unet", "f32"), "bf16": ("unet", "bf16"), "int8": ("unet-int8", "bf16"), "int8-weights": ("unet-int8-weights", "bf16")}


def convert(folder):
    import openvino
    import torch
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    class Call(torch.nn.Module):
        def __init__(self, module, call):
            super().__init__()
            self.module, self.call = module, call

        def forward(self, *inputs):
            return self.call(self.module, *inputs)

    torch.manual_seed(1)
    sample = torch.randn(1, 4, SIDE, SIDE)
    networks = {
        "text": (lambda: CLIPTextModel(CLIPTextConfig(**TEXT)), lambda m, ids: m(ids).last_hidden_state,
                 (torch.randint(0, 49000, (1, TOKENS)),)),
        "unet": (lambda: UNet2DConditionModel(**UNET), lambda m, *x: m(*x, return_dict=False)[0],
                 (sample, torch.tensor(999), torch.randn(1, TOKENS, 1024))),
        "vae": (lambda: AutoencoderTiny(), lambda m, z: m.decode(z, return_dict=False)[0], (sample,)),
    }
    for name, (make, call, inputs) in networks.items():
        if (folder / f"{name}.xml").exists():
            continue
        with torch.no_grad():
            model = openvino.convert_model(Call(make().eval(), call), example_input=inputs)
        for port, x in zip(model.inputs, inputs):
            port.get_node().set_partial_shape(openvino.PartialShape(list(x.shape)))
        model.validate_nodes_and_infer_types()
        openvino.save_model(model, folder / f"{name}.xml", compress_to_fp16=True)


def to_int8(folder):
    import nncf
    import numpy
    import openvino
    core, r = openvino.Core(), numpy.random.default_rng(1)
    inputs = [r.standard_normal((1, 4, SIDE, SIDE), "f4"), numpy.array(999), r.standard_normal((1, TOKENS, 1024), "f4")]
    if not (folder / "unet-int8-weights.xml").exists():
        openvino.save_model(nncf.compress_weights(core.read_model(folder / "unet.xml")), folder / "unet-int8-weights.xml")
    if not (folder / "unet-int8.xml").exists():
        model = nncf.quantize(core.read_model(folder / "unet.xml"), nncf.Dataset([inputs]), subset_size=1,
                              model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(model, folder / "unet-int8.xml")


def png(path, pixels):
    """pixels [h, w, 3] of 8 bits."""
    h, w = pixels.shape[:2]
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw(folder, kind, path):
    import numpy
    import openvino
    took, at = {}, START

    def lap(name):
        nonlocal at
        now = time.monotonic()
        took[name], at = now - at, now
    core, (unet, precision) = openvino.Core(), KINDS[kind]
    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(folder / f"cache-{kind}"),
                "INFERENCE_NUM_THREADS": os.cpu_count()}
    text, unet, vae = (core.compile_model(folder / f"{n}.xml", "CPU", settings) for n in ("text", unet, "vae"))
    lap("load")
    context = text([numpy.arange(TOKENS, dtype="i8")[None]])[0]
    lap("text")
    noise = numpy.random.default_rng(1).standard_normal((1, 4, SIDE, SIDE), "f4")
    sigma = 14.6146  # at timestep 999: one step of Euler goes to what the network predicts
    x = noise * sigma
    latent = x - sigma * unet([x / (sigma * sigma + 1) ** 0.5, numpy.array(999), context])[0]
    lap("unet")
    image = vae([latent])[0]
    lap("vae")
    png(path, (numpy.clip((image[0].transpose(1, 2, 0) + 1) / 2, 0, 1) * 255).round().astype("u1"))
    lap("png")
    print(json.dumps(took), flush=True)
    os._exit(0)  # nothing is left to do; taking the networks apart would only cost it time


def main():
    work, folder, rest = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    {"convert": convert, "int8": to_int8, "draw": draw}[work](folder, *rest)


main()
