"""Bits of torch's CPU randn for tests/test_rng.c: python3 randn_bits.py > randn_bits.inc (torch 2.13.0, x86-64 with AVX2)."""

import numpy
import torch

print("/* Made by randn_bits.py with torch", torch.__version__ + ". */")
for seed in (0, 1, 42, 2147483647, 4294967303, 123456789012345):
    for n in (7, 16, 20, 4 * 64 * 64, 100003):
        g = torch.Generator("cpu").manual_seed(seed)
        words = numpy.concatenate([torch.randn(n, generator=g).numpy().view(numpy.uint32) for _ in range(2)])
        h = 2166136261
        for w in words.tolist():
            h = (h ^ w) * 16777619 & 0xFFFFFFFF
        first = ", ".join(f"{w:#010x}" for w in words[:4].tolist())
        print(f"{{ {seed}ull, {n}, {h:#010x}, {{ {first} }} }},")
