"""limn serve, A1111's interface: values of another type are taken as pydantic takes them there, or refused by name; never left out in silence."""

import base64
import json

from helpers import draw, read, write
from test_from_pictures import pixels
from test_serve import png_of, serve

RED = {"prompt": "a red potion", "steps": 2, "width": 32, "height": 32, "seed": 7}


def test_serve_a1111_types():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    start = base64.b64encode(read(path)).decode()
    with serve() as s:
        info = lambda body, where="txt2img": json.loads(s.post("/sdapi/v1/" + where, {**RED, **body})["info"])
        plain = png_of(s.post("/sdapi/v1/txt2img", RED)["images"][0])
        same = {"seed": "7", "steps": "2", "width": "32", "batch_size": "1", "n_iter": True, "subseed": "-1", "subseed_strength": "0", "tiling": "false", "enable_hr": 0,
                "override_settings": [], "alwayson_scripts": [], "styles": None, "denoising_strength": "0.5", "sampler_index": 0, "sampler_name": "DPM++ 2M", "hr_upscaler": None}
        assert png_of(s.post("/sdapi/v1/txt2img", {**RED, **same})["images"][0]) == plain
        assert len(info({"batch_size": "2", "n_iter": "2"})["all_seeds"]) == 4
        for open_seed in -1, "-1", None:
            assert info({"seed": open_seed})["seed"] not in (7, -1)
        for yes in True, 1, "true", "True", "yes":
            assert info({"enable_hr": yes, "hr_scale": "2"})["width"] == 64, yes
        hires = info({"enable_hr": True, "hr_scale": "1.5", "hr_second_pass_steps": "3", "denoising_strength": "0.25"})
        assert "Denoising strength: 0.25, Hires upscale: 1.5, Hires steps: 3" in hires["infotexts"][0]
        both = {"init_images": [start], "mask": start, "inpainting_mask_invert": True, "inpaint_full_res": "0", "mask_blur_x": "0", "inpainting_fill": "1", "resize_mode": "0", "denoising_strength": "1"}
        other = {**both, "inpainting_mask_invert": 1, "inpaint_full_res": False, "mask_blur_x": 0, "inpainting_fill": 1, "resize_mode": 0, "denoising_strength": 1}

        def drawn(body):
            write("drawn.png", png_of(s.post("/sdapi/v1/img2img", {**RED, **body})["images"][0]))
            return pixels("drawn.png")

        assert drawn(both) == drawn(other) != drawn({**other, "inpainting_mask_invert": 0})
        for wrong in ({"batch_size": "two"}, {"batch_size": [2]}, {"enable_hr": "maybe"}, {"enable_hr": 2}, {"tiling": {}}, {"sampler_name": ["Euler"]}, {"scheduler": True}, {"styles": "x"},
                      {"override_settings": "x"}, {"alwayson_scripts": [1]}, {"denoising_strength": "much"}, {"denoising_strength": ""}, {"n_iter": "1e"}, {"hr_prompt": ["a"]},
                      {"subseed_strength": "1x"}, {"save_images": "perhaps"}, {"refiner_checkpoint": {}}, {"subseed": "nan"}, {"hr_scale": "0x2"}):
            assert next(iter(wrong)) in s.post("/sdapi/v1/txt2img", {**RED, **wrong}, code=422)["detail"], wrong
        for wrong in {"init_images": start}, {"init_images": [start], "mask": 5}, {"init_images": [start], "resize_mode": "9"}:
            assert s.post("/sdapi/v1/img2img", {**RED, **wrong}, code=422)["detail"], wrong
