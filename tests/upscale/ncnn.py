#!/usr/bin/env python3
"""ncnn.py MODEL.param OUT.safetensors - Real-ESRGAN's weights out of an ncnn model, under the names of the original release.

MODEL.bin lies next to the .param and has each layer's data in the .param's order. A convolution: a tag of 4 bytes (0x01306B47: float16
follows, filled up to 4 bytes; 0: float32), weights [out, in, 3, 3], float32 biases. A PReLU: float32 slopes without a tag.
"""
import json
import struct
import sys

HALF = 0x01306B47


def layers(param, data):
    """(kind, dtype, shape, weights, biases) of each layer that has any."""
    at = 0

    def take(n):
        nonlocal at
        at += n
        if at > len(data):
            sys.exit("the .bin is too short")
        return data[at - n:at]

    for line in param.split("\n")[2:]:
        words = line.split()
        if not words or words[0] not in ("Convolution", "PReLU"):
            continue
        fields = dict(w.split("=") for w in words[4 + int(words[2]) + int(words[3]):])
        out = int(fields["0"])
        if words[0] == "PReLU":
            yield "slopes", "F32", [out], take(4 * out), None
            continue
        count, (tag,) = int(fields["6"]), struct.unpack("<I", take(4))
        if tag not in (HALF, 0):
            sys.exit(f"{words[1]}: tag {tag:#x}")
        size = 2 if tag else 4
        weights = take((count * size + 3) // 4 * 4)[:count * size]
        yield "conv", "F16" if tag else "F32", [out, count // out // 9, 3, 3], weights, take(4 * out)
    if at != len(data):
        sys.exit(f"{len(data) - at} bytes are left over")


def names(kinds):
    if "slopes" in kinds:
        return [f"body.{i}" for i in range(len(kinds))]
    blocks = (len(kinds) - 6) // 15
    inner = [f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in range(1, 6)]
    return ["conv_first", *inner, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]


def main(param, out):
    found = list(layers(open(param).read(), open(param[:-len("param")] + "bin", "rb").read()))
    header, body = {}, b""
    for name, (_, dtype, shape, weights, biases) in zip(names([f[0] for f in found]), found):
        for end, kind, dims, part in ((".weight", dtype, shape, weights), (".bias", "F32", shape[:1], biases)):
            if part is not None:
                header[name + end] = {"dtype": kind, "shape": dims, "data_offsets": [len(body), len(body) + len(part)]}
                body += part
    text = json.dumps(header).encode()
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


if __name__ == "__main__":
    main(*sys.argv[1:])
