#!/usr/bin/env python3
"""Makes golden/upscale: tiny random upscalers in every release's names, and what they make of a picture.

NAME.safetensors: weights in float16 (exact). NAME-io.safetensors: in, out [1, 3, h, w], not clamped; x4's three are one. The networks are
written here after BasicSR's rrdbnet_arch.py and Real-ESRGAN's srvgg_arch.py.
"""
import os
import re

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "upscale")
WIDE, GROWTH, BLOCKS = 8, 4, 2


def weights(shapes, seed):
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, (o, i) in shapes.items():
        out[name + ".weight"] = (torch.randn(o, i, 3, 3, generator=g) * (1.2 / (9 * i)) ** 0.5).half()
        out[name + ".bias"] = (torch.randn(o, generator=g) * 0.1).half()
    return out


def conv(w, name, x):
    return F.conv2d(x, w[name + ".weight"].float(), w[name + ".bias"].float(), padding=1)


def lrelu(x):
    return F.leaky_relu(x, 0.2)


def rrdb_shapes(fold, ups):
    s = {"conv_first": (WIDE, 3 * fold * fold)}
    for b in range(BLOCKS):
        for r in 1, 2, 3:
            for c in range(1, 6):
                s[f"body.{b}.rdb{r}.conv{c}"] = (GROWTH if c < 5 else WIDE, WIDE + (c - 1) * GROWTH)
    s["conv_body"] = (WIDE, WIDE)
    for u in range(ups):
        s[f"conv_up{u + 1}"] = (WIDE, WIDE)
    return {**s, "conv_hr": (WIDE, WIDE), "conv_last": (3, WIDE)}


def rrdb(w, x, fold, ups):
    x = F.pixel_unshuffle(x, fold) if fold > 1 else x
    first = f = conv(w, "conv_first", x)
    for b in range(BLOCKS):
        block = f
        for r in 1, 2, 3:
            seen, dense = [f], f
            for c in range(1, 5):
                seen.append(lrelu(conv(w, f"body.{b}.rdb{r}.conv{c}", torch.cat(seen, 1))))
            f = dense + 0.2 * conv(w, f"body.{b}.rdb{r}.conv5", torch.cat(seen, 1))
        f = block + 0.2 * f
    f = first + conv(w, "conv_body", f)
    for u in range(ups):
        f = lrelu(conv(w, f"conv_up{u + 1}", F.interpolate(f, scale_factor=2, mode="nearest")))
    return conv(w, "conv_last", lrelu(conv(w, "conv_hr", f)))


def first_release(name, ups):
    m = re.match(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(.*)", name)
    if m:
        return "model.1.sub.%s.RDB%s.conv%s.0.%s" % m.groups()
    head, end = name.rsplit(".", 1)
    tail = {0: (2, 4), 1: (3, 5, 7), 2: (3, 6, 8, 10), 3: (3, 6, 9, 11, 13)}[ups]
    names = {"conv_first": "model.0", "conv_body": f"model.1.sub.{BLOCKS}"}
    for n, h in zip(tail, [f"conv_up{u + 1}" for u in range(ups)] + ["conv_hr", "conv_last"]):
        names[h] = f"model.{n}"
    return f"{names[head]}.{end}"


def second_release(name, ups):
    m = re.match(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(.*)", name)
    if m:
        return "RRDB_trunk.%s.RDB%s.conv%s.%s" % m.groups()
    for new, old in ("conv_body", "trunk_conv"), ("conv_up", "upconv"), ("conv_hr", "HRconv"):
        name = name.replace(new, old)
    return name


def compact(x, seed, scale, layers=2):
    g = torch.Generator().manual_seed(seed)
    w, y = {}, x
    for i in range(layers + 1):
        out, into = 3 * scale * scale if i == layers else WIDE, WIDE if i else 3
        name = f"body.{2 * i}"
        w.update(weights({name: (out, into)}, seed + i))
        y = conv(w, name, y)
        if i < layers:
            w[f"body.{2 * i + 1}.weight"] = torch.randn(WIDE, generator=g).half()
            y = F.prelu(y, w[f"body.{2 * i + 1}.weight"].float())
    return w, F.pixel_shuffle(y, scale) + F.interpolate(x, scale_factor=scale, mode="nearest")


def save(name, w, x, y):
    save_file({k: v.contiguous() for k, v in w.items()}, os.path.join(HERE, name + ".safetensors"))
    save_file({"in": x.contiguous(), "out": y.contiguous()}, os.path.join(HERE, name + "-io.safetensors"))


def main():
    os.makedirs(HERE, exist_ok=True)
    x = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1)).mul(255).round() / 255
    same = lambda name, ups: name
    for name, fold, ups, rename, prefix in (("x4", 1, 2, same, "params_ema."), ("x4-first", 1, 2, first_release, ""),
                                            ("x4-second", 1, 2, second_release, ""), ("x2", 2, 2, same, ""), ("x1", 4, 2, same, "params."),
                                            ("x2-first", 1, 1, first_release, ""), ("x1-first", 1, 0, first_release, ""),
                                            ("x8-first", 1, 3, first_release, "")):
        w, part = weights(rrdb_shapes(fold, ups), 7), x[:, :, :4, :6] if ups == 3 else x
        save(name, {prefix + rename(k, ups): v for k, v in w.items()}, part, rrdb(w, part, fold, ups))
    for scale in 4, 2, 1:
        w, y = compact(x, 30 + scale, scale)
        save(f"compact-x{scale}", w, x, y)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        main()
