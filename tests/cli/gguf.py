"""GGUF files by hand, for the tests: blocks with random bits, and what they are as numbers. Standard library only."""

import os
import random
import struct

from helpers import write

F32, F16, Q8_0, Q4_0, Q4_K = 0, 1, 8, 2, 12
BLOCK = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), Q4_0: (32, 18), Q4_K: (256, 144)}


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def half(data, at):
    return struct.unpack_from("<e", data, at)[0]


def of_q8_0(b):
    return [f32(half(b, 0) * q) for q in struct.unpack_from("<32b", b, 2)]


def of_q4_0(b):
    return [f32(half(b, 0) * ((q & 15) - 8)) for q in b[2:18]] + [f32(half(b, 0) * ((q >> 4) - 8)) for q in b[2:18]]


def of_q4_k(b):
    d, least, s, out = half(b, 0), half(b, 2), b[4:16], []
    for g in range(8):
        scale = s[g] & 63 if g < 4 else (s[g + 4] & 15) | (s[g - 4] >> 6) << 4
        m = s[g + 4] & 63 if g < 4 else (s[g + 4] >> 4) | (s[g] >> 6) << 4
        a, c = f32(d * scale), f32(least * m)
        out += [f32(f32(a * (q >> 4 * (g % 2) & 15)) - c) for q in b[16 + 32 * (g // 2):48 + 32 * (g // 2)]]
    return out


OF = {Q8_0: of_q8_0, Q4_0: of_q4_0, Q4_K: of_q4_k}
SCALES = {Q8_0: [(0, 0.001)], Q4_0: [(0, 0.02)], Q4_K: [(0, 0.0003), (2, 0.0003)]}


def random_blocks(kind, count, seed):
    """Bytes of so many values, and the values."""
    rng, (block, size) = random.Random(seed), BLOCK[kind]
    data, values = b"", []
    for _ in range(count // block):
        b = bytearray(rng.randbytes(size))
        for at, scale in SCALES[kind]:
            b[at:at + 2] = struct.pack("<e", scale * (0.5 + rng.random()))
        data += b
        values += OF[kind](bytes(b))
    return data, values


def save(path, tensors, keys=(), align=32):
    """tensors: name -> (type, torch's shape, bytes); keys: (name, text), (name, number) or (name, [numbers])."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()

    head, data = b"", b""
    for name, value in keys:
        head += text(name)
        if isinstance(value, str):
            head += struct.pack("<I", 8) + text(value)
        elif isinstance(value, list):
            head += struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
        else:
            head += struct.pack("<II", 4, value)
    for name, (kind, shape, values) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, len(data))
        data += values + bytes(-len(values) % align)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + head
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    write(path, head + bytes(-len(head) % align) + data)
    return path
