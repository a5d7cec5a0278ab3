"""mode= and resize= of a control: whose part counts more, and how the map gets its size. The numbers are tests/golden/control/cases'."""

from helpers import *
from test_control import HINT, LINE, NET, SD1, drawn, golden, options_of
from test_from_pictures import pixels, png
from test_serve import pixels_of, png_of, serve


def test_control_modes():
    made = {}
    for mode in "balanced", "prompt", "control":
        drawn("--control", f"{LINE},mode={mode}", "-o", "a.png")
        made[mode] = pixels("a.png")
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png")
    drawn("--control", LINE, "-o", "a.png")
    assert made["balanced"] == pixels("a.png")
    drawn("--control", LINE + ",guess", "-o", "a.png")
    assert len({str(p) for p in [*made.values(), pixels("a.png")]}) == 4
    a1111 = {}
    for more in ",guess", ",mode=control", ",mode=prompt", "":
        drawn("--compat", "a1111", "--control", LINE + more, "-o", "a.png")
        a1111[more] = pixels("a.png")
        text = texts("a.png")["parameters"]
        assert {"": "Control Mode: Balanced", ",mode=prompt": "My prompt is more important"}.get(more, "ControlNet is more important") in text
    assert a1111[",guess"] == a1111[",mode=control"] and len({str(p) for p in a1111.values()}) == 3
    t2i = f"model={golden('t2i_full')},image={HINT}"
    adapters = []
    for more in "", ",mode=prompt", ",mode=control":
        drawn("--adapter", t2i + more, "-o", "a.png")
        adapters.append(str(pixels("a.png")))
    assert len(set(adapters)) == 3


def test_control_modes_that_cannot_be():
    for line, says in ((LINE + ",mode=both", "balanced|prompt|control"), (LINE + ",guess,mode=prompt", "one of them"),
                       (LINE + ",resize=none", "stretch|crop|fit"), (LINE + ",mode=", "no value")):
        fails(2, "x", *SD1, "--control", line, "-o", "x.png", says=says)
    fails(2, "x", *SD1, "--ip-adapter", f"model={golden('ip_plain.safetensors')},image={HINT},mode=prompt", says="mode")


def test_control_maps_of_another_shape():
    wide = png("wide.png", 96, 32, lambda x, y: (x * 2, y * 8, 9))
    made = {}
    for mode in "stretch", "crop", "fit":
        drawn("--control", f"model={NET},image={wide},resize={mode}", "-o", f"{mode}.png")
        drawn("--control", f"model={NET},image={wide}", "--resize-mode", mode, "-o", "b.png")
        assert pixels(f"{mode}.png") == pixels("b.png")
        assert f"resize={mode}" in options_of(f"{mode}.png")["control"]
        assert {"stretch": "Just Resize", "crop": "Crop and Resize", "fit": "Resize and Fill"}[mode] in texts(f"{mode}.png")["parameters"]
    assert len({read(f"{m}.png") for m in ("stretch", "crop", "fit")}) == 3


def test_control_modes_of_the_api():
    """control_mode and resize_mode by number, by word and left out, as the extension's clients send them."""
    import base64
    wide = png("wide.png", 96, 32, lambda x, y: (x * 2, y * 8, 9))
    sent = base64.b64encode(read(wide)).decode()
    os.mkdir("nets")
    os.symlink(f"{NET}/diffusion_pytorch_model.safetensors", "nets/canny.safetensors")
    common = [*SD1, "--compat", "a1111", "-o", "x.png"]
    with serve("-m", SD1[1], "--control-dir", "nets") as s:
        def ask(code=200, **unit):
            args = {"prompt": "a red potion", "seed": 3, "steps": 2, "width": 64, "height": 48,
                    "alwayson_scripts": {"controlnet": {"args": [{"model": "canny", "image": sent, **unit}]}}}
            r = s.post("/sdapi/v1/txt2img", args, code=code)
            return pixels_of(png_of(r["images"][0])) if code == 200 else r["detail"]
        for unit, line in (({}, "resize=crop"), ({"resize_mode": 0}, "resize=stretch"), ({"resize_mode": "Resize and Fill"}, "resize=fit"),
                           ({"resize_mode": "Envelope (Outer Fit)", "control_mode": 1}, "resize=fit,mode=prompt"),
                           ({"control_mode": "ControlNet is more important"}, "resize=crop,mode=control"), ({"control_mode": 2}, "resize=crop,mode=control"),
                           ({"guess_mode": True}, "resize=crop,mode=control"), ({"control_mode": "Balanced"}, "resize=crop")):
            limn("a red potion", *common, "--control", f"model=nets/canny.safetensors,image={wide},{line}")
            assert ask(**unit) == pixels_of(read("x.png")), (unit, line)
        assert "control_mode" in str(ask(422, control_mode=3)) and "resize_mode" in str(ask(422, resize_mode="Squash"))
