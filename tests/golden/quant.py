#!/usr/bin/env python3
"""Blocks and 8-bit floats as files have them, and what the references make of them: quant/. Made with PyPI's gguf 0.19 and torch.

blocks.gguf: one tensor of each type that limn reads, values of every type, a tensor that was laid in rows of 256 (orig_shape), a
4-d tensor. Blocks hold random bits with scales of a sensible size. expected.safetensors: gguf.quants.dequantize of each.
fp8.safetensors: all 256 values of both 8-bit formats but NaN and infinity, plain and scaled in both of ComfyUI's namings.
quantised.gguf: what gguf.quants.quantize makes of its own tensor "source" (for the types that it knows)."""

import os

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "quant")
T = gguf.GGMLQuantizationType
TYPES = [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.IQ4_NL, T.IQ4_XS]
SCALES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2],
          T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
rng = np.random.default_rng(14)


def blocks(kind, rows, width):
    """Random bits, but for the scales: halves of both signs, a zero and a subnormal among them."""
    if kind == T.F32:
        return rng.standard_normal((rows, width)).astype(np.float32)
    if kind in (T.F16, T.BF16):
        half = rng.standard_normal((rows, width)).astype(np.float32)
        if kind == T.F16:
            return half.astype(np.float16)
        return (half.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (rows * width // block, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scale = (rng.standard_normal(len(data)) * 0.02).astype(np.float16)
        scale[0], scale[1] = 0, np.float16(3e-7)
        data[:, at : at + 2] = scale.view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, -1)


def add(writer, name, data, kind):
    writer.add_tensor(name, data, raw_dtype=kind)


def main():
    os.makedirs(OUT, exist_ok=True)
    writer = gguf.GGUFWriter(os.path.join(OUT, "blocks.gguf"), "sd1")
    writer.add_quantization_version(2)
    writer.add_name("tiny random blocks")
    writer.add_uint8("limn.u8", 200), writer.add_int8("limn.i8", -100), writer.add_uint16("limn.u16", 60000)
    writer.add_int16("limn.i16", -30000), writer.add_int32("limn.i32", -5), writer.add_uint64("limn.u64", 1 << 40)
    writer.add_int64("limn.i64", -(1 << 40)), writer.add_float32("limn.f32", 0.5), writer.add_float64("limn.f64", -0.25)
    writer.add_bool("limn.bool", True), writer.add_string("limn.string", "größe")
    writer.add_array("limn.strings", ["a", "", "ccc"]), writer.add_array("limn.ints", [1, 2, 3])
    expected = {}
    for kind in TYPES:
        width = 256 if gguf.GGML_QUANT_SIZES[kind][0] == 256 else 96 if kind not in TYPES[:3] else 24
        data, name = blocks(kind, 3, width), f"{kind.name.lower()}.weight"
        add(writer, name, data, kind)
        expected[name] = torch.from_numpy(np.array(gguf.quants.dequantize(data, kind), dtype=np.float32).reshape(3, width))
    flat = blocks(T.Q4_K, 9, 256)
    add(writer, "flat.weight", flat, T.Q4_K)
    writer.add_array("comfy.gguf.orig_shape.flat.weight", [8, 32, 3, 3])
    expected["flat.weight"] = torch.from_numpy(gguf.quants.dequantize(flat, T.Q4_K).reshape(8, 32, 3, 3).copy())
    conv = blocks(T.F16, 6, 36).reshape(6, 4, 3, 3)
    add(writer, "conv.weight", conv, T.F16)
    expected["conv.weight"] = torch.from_numpy(conv.astype(np.float32))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()

    codes = torch.arange(256, dtype=torch.uint8)
    e4m3 = codes[(codes & 0x7F) != 0x7F].view(torch.float8_e4m3fn)
    e5m2 = codes[(codes & 0x7C) != 0x7C].view(torch.float8_e5m2)
    one, rows = torch.tensor(0.0375), torch.tensor([0.5, 3.0])
    save_file({"e4m3.weight": e4m3.view(2, 127), "e5m2.weight": e5m2.view(8, 31), "old.weight": e4m3.view(2, 127).clone(),
               "old.scale_weight": one, "old.scale_input": torch.tensor(1.0), "scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn),
               "new.weight": e5m2.view(8, 31).clone(), "new.weight_scale": one.clone(), "new.input_scale": torch.tensor(2.0),
               "new.comfy_quant": torch.tensor(list(b'{"format": "float8_e5m2"}'), dtype=torch.uint8),
               "rows.weight": e4m3.view(2, 127).clone(), "rows.weight_scale": rows.view(2, 1)}, os.path.join(OUT, "fp8.safetensors"),
              {"_quantization_metadata": '{"format_version": "1.0", "layers": {"new": {"format": "float8_e5m2"}}}'})
    expected |= {"e4m3.weight": e4m3.float().view(2, 127), "e5m2.weight": e5m2.float().view(8, 31)}
    expected |= {"old.weight": expected["e4m3.weight"] * one, "new.weight": expected["e5m2.weight"] * one}
    expected["rows.weight"] = expected["e4m3.weight"] * rows.view(2, 1)
    save_file(expected, os.path.join(OUT, "expected.safetensors"))

    source = (rng.standard_normal((4, 512)) * np.array([[1], [0.02], [30], [1e-6]])).astype(np.float32)
    source[0, :32], source[3, 256:] = 0, 0.25
    writer = gguf.GGUFWriter(os.path.join(OUT, "quantised.gguf"), "sd1")
    add(writer, "source", source, T.F32)
    for kind in (T.BF16, T.F16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0):
        data = gguf.quants.quantize(source, kind)
        add(writer, kind.name.lower(), data, kind)
    for name, kind in (("f8_e4m3", torch.float8_e4m3fn), ("f8_e5m2", torch.float8_e5m2)):
        add(writer, name, torch.from_numpy(source).to(kind).view(torch.int8).numpy(), T.I8)
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()


main()
