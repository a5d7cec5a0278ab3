#!/usr/bin/env python3
"""apart.py A.png B.png N - whether two 8-bit RGB PNGs are at most N levels apart in every sample."""
import struct
import sys
import zlib


def samples(path):
    data, at, idat = open(path, "rb").read(), 8, b""
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            w, h, depth, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
            assert (depth, colour) == (8, 2), f"{path}: no 8-bit RGB"
        idat += data[at + 8:at + 8 + n] if kind == b"IDAT" else b""
        at += 12 + n
    raw, stride, above, out = zlib.decompress(idat), 3 * w, bytes(3 * w), bytearray()
    for y in range(h):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            a, b, c = line[i - 3] if i >= 3 else 0, above[i], above[i - 3] if i >= 3 else 0
            p = a + b - c
            paeth = min((abs(p - v), k, v) for k, v in enumerate((a, b, c)))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        out += line
        above = bytes(line)
    return w, h, out


a, b = samples(sys.argv[1]), samples(sys.argv[2])
assert a[:2] == b[:2], f"{a[:2]} and {b[:2]}: other sizes"
most = max(abs(x - y) for x, y in zip(a[2], b[2]))
if most > int(sys.argv[3]):
    sys.exit(f"{most} levels apart")
