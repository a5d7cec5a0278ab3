#!/usr/bin/env python3
"""Makes golden/masks: what Pillow makes of blurs, bars and filled masks. masks.safetensors: in a mask and a picture, out of each step.

fill follows A1111's modules/masking.py (its rule, written anew); blur.N is Pillow's Gaussian blur, opencv.N what A1111 does to a mask.
"""
import os
import cv2
import numpy as np
from PIL import Image, ImageFilter, ImageOps
from safetensors.numpy import save_file

W, H = 41, 30


def fill(image, mask):
    out = Image.new("RGBA", image.size)
    cut = Image.new("RGBa", image.size)
    cut.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    for radius, times in (256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1):
        layer = cut.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            out.alpha_composite(layer)
    return out.convert("RGB")


def fit(image, w, h):
    """diffusers' VaeImageProcessor._resize_and_fill."""
    ratio, own = w / h, image.width / image.height
    sw = w if ratio < own else image.width * h // image.height
    sh = h if ratio >= own else image.height * w // image.width
    small = image.resize((sw, sh), Image.LANCZOS)
    out = Image.new(image.mode, (w, h))
    out.paste(small, (w // 2 - sw // 2, h // 2 - sh // 2))
    bar_h, bar_w = h // 2 - sh // 2, w // 2 - sw // 2
    if ratio < own and bar_h > 0:
        out.paste(small.resize((w, bar_h), box=(0, 0, w, 0)), (0, 0))
        out.paste(small.resize((w, bar_h), box=(0, sh, w, sh)), (0, bar_h + sh))
    if ratio > own and bar_w > 0:
        out.paste(small.resize((bar_w, h), box=(0, 0, 0, h)), (0, 0))
        out.paste(small.resize((bar_w, h), box=(sw, 0, sw, h)), (bar_w + sw, 0))
    return out


def main():
    r = np.random.RandomState(5)
    picture = Image.fromarray(r.randint(0, 256, (H // 3 + 1, W // 3 + 1, 3), np.uint8)).resize((W, H), Image.BICUBIC)
    m = np.zeros((H, W), np.uint8)
    m[8:21, 12:30] = 255
    m[8:21, 24:30] = 130
    m[2, 3] = 255
    mask = Image.fromarray(m)
    out = {"picture": np.array(picture), "mask": m, "fill": np.array(fill(picture, mask))}
    for radius in 1, 3, 4, 10, 40:
        out[f"blur.{radius}"] = np.array(mask.filter(ImageFilter.GaussianBlur(radius)))
        out[f"blur3.{radius}"] = np.array(picture.filter(ImageFilter.GaussianBlur(radius)))
    for w, h in (64, 33), (24, 64), (50, 50), (41, 60):
        out[f"fit.{w}x{h}"] = np.array(fit(picture, w, h))
        out[f"fit1.{w}x{h}"] = np.array(fit(mask, w, h))
    for blur in 1, 4, 8, 20:
        n = 2 * int(2.5 * blur + 0.5) + 1
        x = cv2.GaussianBlur(m, (n, 1), blur)
        out[f"opencv.{blur}"] = cv2.GaussianBlur(x, (1, n), blur)
    out["latent"] = np.around(np.array(mask.convert("RGB").resize((5, 4)), np.float32)[:, :, 0] / 255)  # A1111's
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "masks")
    os.makedirs(here, exist_ok=True)
    # float16 holds these numbers exactly
    save_file({k: np.ascontiguousarray(v.astype(np.float16)) for k, v in out.items()}, os.path.join(here, "masks.safetensors"))


if __name__ == "__main__":
    main()
