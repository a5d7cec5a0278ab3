"""What other tools call their ways of making a map, and their soft inpainting: done, or named with what to do."""

import json

from helpers import *

PICTURE = os.path.join(REPO, "tests", "golden", "pipeline", "from_init.png")


def test_control_names_of_other_tools():
    for name, says in (("openpose_full", "only a network"), ("dw_openpose_full", "only a network"), ("depth_anything_v2", "only a network"),
                       ("normal_bae", "only a network"), ("softedge_hedsafe", "only a network"), ("lineart_anime_denoise", "only a network"),
                       ("t2ia_sketch_pidi", "only a network"), ("seg_ofade20k", "only a network"), ("scribble_hed", "only a network"),
                       ("scribble_xdog", "make it elsewhere"), ("lineart_standard", "make it elsewhere"), ("shuffle", "make it elsewhere"),
                       ("tile_colorfix+sharp", "make it elsewhere"), ("recolor_intensity", "make it elsewhere"),
                       ("ip-adapter_clip_sd15", "--ip-adapter"), ("inpaint_only+lama", "--mask"), ("reference_adain+attn", "nothing of the kind"),
                       ("edgs", "did you mean edges"), ("nosuch2", "there are: edges")):
        fails(2, "hint", f"{name}:{PICTURE}", "-o", "m.png", says=[name, says])
    for name, same in (("canny:100:200", "edges"), ("tile_resample", "tile"), ("blur_gaussian", "blur"), ("recolor_luminance", "luminance"),
                       ("scribble_threshold", "lines")):
        limn("hint", f"{name}:{PICTURE}", "-q", "-o", "a.png")
        limn("hint", f"{same}:{PICTURE}", "-q", "-o", "b.png")
        assert [d for k, d in chunks(read("a.png")) if k == b"IDAT"] == [d for k, d in chunks(read("b.png")) if k == b"IDAT"], name


def test_control_lines_that_say_it_twice():
    net = os.path.join(REPO, "tests", "golden", "control", "net_a")
    line = f"model={net},image={PICTURE}"
    for more, says in (("strength=0.5,strength=0.7", "strength= is there twice"), ("strength=0.5,weight=0.7", "weight= is there twice, as strength"),
                       (f"model={net}", "model= is there twice"), ("guess,guess", "guess= is there twice"), ("end=0.5,start=0,end=1", "end= is there")):
        fails(2, "x", *TINY_MODEL, *SMALL, "--control", f"{line},{more}", says=says)
    fails(1, "x", *TINY_MODEL, *SMALL, "--control", f"model={TINY_MODEL[1]},image={PICTURE}", says=["no config.json in it", "controlnet/"])


@on_tiny_model
def test_again_soft_inpainting_is_told():
    """A1111's extension, by its name; where it was off nothing is said."""
    from test_again import drawn, infotext, retold
    drawn("a.png", "--compat", "a1111", "--sampler", "Euler a")
    soft = {"Soft_inpainting_" + k: v for k, v in (("schedule_bias", "1"), ("preservation_strength", "0.5"), ("transition_contrast_boost", "4"),
                                                   ("mask_influence", "0"), ("difference_threshold", "0.5"), ("difference_contrast", "2"))}
    retold("a.png", "told.png", parameters=infotext("a.png", Soft_inpainting_enabled="True", **soft))
    err = limn("again", "told.png", "--dry-run").err
    assert "not honoured (seen): Soft inpainting enabled True" in err and "--soft-mask" in err and "does not know" not in err, err
    retold("a.png", "told.png", parameters=infotext("a.png", Soft_inpainting_enabled="False"))
    assert "Soft" not in limn("again", "told.png", "--dry-run").err


def test_control_modules_of_the_api():
    """A unit's numbers are those that its module takes; A1111's clients send both for all of them."""
    import base64
    from test_serve import pixels_of, png_of, serve
    control = os.path.join(REPO, "tests", "golden", "control")
    os.mkdir("nets")
    for name, target in (("canny.safetensors", "diffusion_pytorch_model.safetensors"), ("config.json", "config.json")):
        os.symlink(f"{control}/net_a/{target}", "nets/" + name)
    hint = base64.b64encode(read(f"{control}/hint0.png")).decode()
    size = {"prompt": "a red potion", "seed": 3, "steps": 2, "width": 64, "height": 48}
    with serve(*TINY_MODEL, "--control-dir", "nets") as s:
        def asked(code=200, **unit):
            unit = {"model": "canny", "image": hint, "resize_mode": 1, **unit}
            return s.post("/sdapi/v1/txt2img", {**size, "alwayson_scripts": {"controlnet": {"args": [unit]}}}, code=code)

        def post(**unit):
            return pixels_of(png_of(asked(**unit)["images"][0]))

        plain = post(module="Canny")
        assert plain == post(module="canny", threshold_a=100) == post(module="canny", threshold_a=100, threshold_b=200)
        assert plain == post(module="canny", threshold_a=-1, threshold_b=-1) != post(module="canny", threshold_a=20, threshold_b=40)
        assert post(module="invert (from white bg & black line)", threshold_a=64, threshold_b=64) == post(module="invert")
        assert post(module="recolor_luminance", threshold_a=1) == post(module="luminance")
        for unit, says in (({"module": "recolor_luminance", "threshold_a": 2}, "gamma"), ({"module": "depth_anything_v2"}, "only a network"),
                           ({"module": "scribble_xdog"}, "make it elsewhere"), ({"module": "nosuch"}, "no way")):
            assert says in json.dumps(asked(code=422, **unit)), unit
