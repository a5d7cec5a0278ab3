#!/usr/bin/env python3
"""Makes golden/pictures: JPEG, WebP and PNG files as cameras, editors and scripts write them, and the pixels that Pillow reads.

NAME.EXT and NAME-EXT.rgba: [height, width, 4] of ImageOps.exif_transpose(Image.open(...)).convert("RGBA"), which is what diffusers'
load_image starts from.
"""
import os
import sys

from PIL import Image, ImageOps

W, H = 11, 7
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")


def picture(mode):
    im = Image.new("RGBA", (W, H))
    im.putdata([((x * 23) % 256, (y * 36) % 256, (x * y * 5) % 256, 255 - (x * 19 + y * 7) % 200) for y in range(H) for x in range(W)])
    return im.convert(mode) if mode != "CMYK" else im.convert("RGB").convert("CMYK")


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


def main():
    os.makedirs(HERE, exist_ok=True)
    os.chdir(HERE)
    picture("RGB").save("plain.jpg", quality=90)
    picture("RGB").save("progressive.jpg", quality=80, progressive=True, subsampling=0)
    picture("L").save("grey.jpg", quality=90)
    picture("CMYK").save("cmyk.jpg", quality=90)
    for i in range(1, 9):
        picture("RGB").save(f"exif{i}.jpg", quality=70, exif=exif(i))
    picture("RGB").save("lossy.webp", quality=80)
    picture("RGBA").save("lossy-alpha.webp", quality=80)
    picture("RGBA").save("lossless.webp", lossless=True, exact=True)
    picture("RGB").save("exif6.webp", lossless=True, exif=exif(6))
    picture("RGBA").save("exif8.png", exif=exif(8))
    frames = [picture("RGBA"), Image.new("RGBA", (W, H), (9, 8, 7, 255))]
    frames[0].save("animated.webp", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    frames[0].save("animated.png", save_all=True, append_images=frames[1:])
    for name in sorted(os.listdir(".")):
        if not name.endswith(".rgba"):
            with open(name.replace(".", "-") + ".rgba", "wb") as f:
                f.write(ImageOps.exif_transpose(Image.open(name)).convert("RGBA").tobytes())


sys.exit(main())
