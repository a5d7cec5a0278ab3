"""limn serve, A1111's interface: settings, fields that take more than a row, what is listed as passed over, progress, skip, and the model that is open."""

import base64
import concurrent.futures
import json
import os
import time

from helpers import REPO, draw, fails, read
from test_serve import SIZE, png_of, serve

RED = {**SIZE, "prompt": "a red potion", "seed": 7}


def info_of(s, body, path="txt2img", code=200):
    r = s.post("/sdapi/v1/" + path, body, code=code)
    return json.loads(r["info"]) if code == 200 else r["detail"]


def until(what):
    end = time.monotonic() + 60
    while not (got := what()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return got


def test_serve_a1111_settings_stay():
    (with_ensd,) = draw("a red potion", "--compat", "a1111", "--seed", "7", "--ensd", "31337", "--sampler", "euler_a", "-s", "2", "-o", "x.png")
    (without,) = draw("a red potion", "--compat", "a1111", "--seed", "7", "--sampler", "euler_a", "-s", "2", "-o", "y.png")
    ask = {**RED, "steps": 2, "sampler_name": "Euler a"}
    with serve() as s:
        drawn = lambda **more: png_of(s.post("/sdapi/v1/txt2img", {**ask, **more})["images"][0])
        assert drawn() == read(without)
        assert drawn(override_settings={"eta_noise_seed_delta": 31337}) == read(with_ensd)
        assert drawn() == read(without), "an override ends with its request"
        assert s.post("/sdapi/v1/options", {"eta_noise_seed_delta": 31337, "samples_format": "png", "sd_vae": "Automatic", "grid_save": True, "a b\r\nc: d": 1, "unset": None}) is None
        assert s.headers["x-limn-passed-over"] == "grid_save, a?b?"
        o = s.get("/sdapi/v1/options")
        assert o["eta_noise_seed_delta"] == 31337 and o["CLIP_stop_at_last_layers"] == 1 and o["sd_model_checkpoint"] == "sprites"
        assert drawn() == read(with_ensd)
        assert drawn(override_settings={"eta_noise_seed_delta": 0}) == read(without), "0 is a value"
        assert s.post("/sdapi/v1/options", o) is None and "x-limn-passed-over" not in s.headers, "what was got can be sent back"
        assert drawn() == read(with_ensd)
        drawn(override_settings={"eta_noise_seed_delta": 0}, override_settings_restore_afterwards=False)
        assert drawn() == read(without)
        assert info_of(s, {**ask, "override_settings": {"grid_save": True, "nothing": ""}})["passed_over"] == ["override_settings.grid_save"]
        for wrong, says in [({"CLIP_stop_at_last_layers": "x"}, "CLIP_stop_at_last_layers"), ({"samples_format": "jpg"}, "png"), ({"sd_vae": "../x"}, "sd_vae"),
                            ({"randn_source": "TPU"}, "randn_source"), ({"eta_noise_seed_delta": 1e300}, "eta_noise_seed_delta"), ([], "object")]:
            assert says in s.post("/sdapi/v1/options", wrong, code=422)["detail"], wrong
        assert s.get("/sdapi/v1/options") == {**o, "eta_noise_seed_delta": 0}, "nothing of what is refused is kept"


def test_serve_a1111_live_preview_and_skip():
    with serve() as s, concurrent.futures.ThreadPoolExecutor() as pool:
        s.post("/sdapi/v1/options", {"show_progress_every_n_steps": 1})
        r = pool.submit(s.post, "/sdapi/v1/txt2img", {"prompt": "a key", "steps": 150, "width": 256, "height": 256, "n_iter": 3, "seed": 5})
        p = until(lambda: (p := s.get("/sdapi/v1/progress"))["current_image"] and p)
        assert png_of(p["current_image"])[16:20] == (256).to_bytes(4, "big")
        assert s.get("/sdapi/v1/progress?skip_current_image=true")["current_image"] is None
        assert p["state"]["job_count"] == 3 and p["state"]["job_no"] == 0 and 0 < p["progress"] < 0.4 and p["eta_relative"] > 0
        for n in (1, 2):
            s.post("/sdapi/v1/skip")
            until(lambda: (p := s.get("/sdapi/v1/progress"))["state"]["job_no"] == n and p["state"]["sampling_step"])
        s.post("/sdapi/v1/interrupt")
        got = r.result(60)
        assert got["images"] == [] and json.loads(got["info"])["all_seeds"] == []
        # nobody else's work is interrupted
        job = s.post("/jobs", {"prompt": "a key", "steps": 20, "width": 64, "height": 64}, code=202)
        s.post("/sdapi/v1/interrupt"), s.post("/sdapi/v1/skip")
        until(lambda: s.get(f"/jobs/{job['id']}")["state"] == "done")


def test_serve_a1111_model_is_closed_and_opened():
    with serve() as s:
        loaded = lambda: b"limn_model_loaded 1" in s.get("/metrics", raw=True)
        assert not loaded()
        s.post("/sdapi/v1/reload-checkpoint")
        assert loaded()
        s.post("/sdapi/v1/unload-checkpoint")
        assert not loaded()
        png_of(s.post("/sdapi/v1/txt2img", RED)["images"][0])
        assert loaded()


def test_serve_a1111_hires_sizes():
    (path,) = draw("a red potion", "--compat", "a1111", "--seed", "7", "--hires", "1.5", "--hires-strength", "0.5", "--hires-cfg-scale", "3", "-s", "2", "-o", "x.png")
    hires = {**RED, "steps": 2, "enable_hr": True, "denoising_strength": 0.5, "hr_cfg": 3}
    with serve() as s:
        for size in ({"hr_resize_x": 48, "hr_resize_y": 48}, {"hr_resize_x": 48}, {"hr_resize_y": 48}, {"hr_scale": 1.5}, {"hr_scale": 1.5, "hr_resize_x": 0, "hr_resize_y": 0}):
            assert png_of(s.post("/sdapi/v1/txt2img", {**hires, **size})["images"][0]) == read(path), size
        assert "another shape" in info_of(s, {**hires, "hr_resize_x": 48, "hr_resize_y": 64}, code=422)
        assert "width" in info_of(s, {**hires, "hr_resize_x": 48, "width": None}, code=422)
        assert "hires" in info_of(s, {**hires, "hr_scale": 100}, code=422)
        off = info_of(s, {**RED, "enable_hr": False, "hr_scale": 99, "hr_resize_x": 9, "hr_upscaler": "nothing"})
        assert off["width"] == 32 and off["passed_over"] == []


def test_serve_a1111_info():
    (path,) = draw("a red potion", "--seed", "7", "-o", "x.png")
    start = base64.b64encode(read(path)).decode()
    with serve() as s:
        i = info_of(s, {**RED, "batch_size": 2, "n_iter": 2, "subseed": 5, "subseed_strength": 0.25, "negative_prompt": "blur"})
        assert (i["seed"], i["subseed"], i["subseed_strength"], i["batch_size"]) == (7, 5, 0.25, 2)
        assert i["all_subseeds"] == [5, 6, 7, 8] and i["all_seeds"] == [7] * 4 and len(i["infotexts"]) == len(i["all_prompts"]) == 4
        assert i["all_negative_prompts"] == ["blur"] * 4 and i["index_of_first_image"] == 0 and "Variation seed: 5" in i["infotexts"][0]
        i = info_of(s, {**RED, "styles": ["x"], "restore_faces": True, "hr_prompt": "other", "script_name": "x/y/z plot", "infotext": "x", "distilled_cfg_scale": 3.5, "unknown_a": 1,
                        "unknown_b": None, "alwayson_scripts": {"ADetailer": {"args": [True]}, "empty": {"args": []}}})
        assert sorted(i["passed_over"]) == ["ADetailer", "infotext", "restore_faces", "script_name", "styles.x", "unknown_a", "unknown_b"], i["passed_over"]
        both = {**RED, "steps": 4, "init_images": [start], "mask": start, "inpaint_full_res": False}
        r = s.post("/sdapi/v1/img2img", {**both, "include_init_images": True, "mask_blur_x": 4, "mask_blur_y": 4, "mask_round": True, "image_cfg_scale": 1.5, "initial_noise_multiplier": 1})
        assert r["parameters"]["init_images"] == [start] and r["parameters"]["mask"] == start and json.loads(r["info"])["passed_over"] == []
        i = info_of(s, {**both, "mask_blur_x": 4, "mask_blur_y": 8, "mask_round": False, "image_cfg_scale": 2, "initial_noise_multiplier": 0.9}, "img2img")
        assert sorted(i["passed_over"]) == ["image_cfg_scale", "initial_noise_multiplier", "mask_blur_y", "mask_round"]
        r = s.post("/sdapi/v1/txt2img", {**RED, "send_images": False})
        assert r["images"] == [] and len(json.loads(r["info"])["infotexts"]) == 1


def test_serve_a1111_control_says_what_it_passes_over():
    golden = os.path.join(REPO, "tests", "golden")
    model, control = os.path.join(golden, "pipeline", "sd1"), os.path.join(golden, "control")
    hint = base64.b64encode(read(os.path.join(control, "hint0.png"))).decode()
    os.mkdir("nets")
    os.symlink(f"{control}/net_a/diffusion_pytorch_model.safetensors", "nets/canny.safetensors")
    os.symlink(f"{control}/net_a/config.json", "nets/config.json")
    body = {"prompt": "x", "seed": 3, "steps": 2, "width": 64, "height": 48}
    with serve("-m", model, "--control-dir", "nets") as s:
        unit = {"model": "canny", "image": hint, "module": "none", "resize_mode": "Crop and Resize", "low_vram": False, "processor_res": 512, "threshold_a": 64, "pixel_perfect": False,
                "hr_option": "Both", "mask": None, "save_detected_map": True, "control_mode": 0}
        with_unit = lambda u, code=200: info_of(s, {**body, "alwayson_scripts": {"controlnet": {"args": [u, {"enabled": False, "model": "nothing"}]}}}, code=code)
        assert with_unit(unit)["passed_over"] == []
        assert with_unit({**unit, "module": "invert (from white bg & black line)", "threshold_b": 64, "pixel_perfect": True})["passed_over"] == []
        got = with_unit({**unit, "module": "canny", "mask": hint, "hr_option": "Low res only", "advanced_weighting": [1, 2]})["passed_over"]
        assert sorted(got) == ["controlnet.advanced_weighting", "controlnet.hr_option", "controlnet.mask", "controlnet.processor_res"]
        for wrong, says in [({"module": "canny,image=/etc/passwd"}, "module"), ({"module": "x\nmodel=/etc/passwd,image=y"}, "module"), ({"union_control_type": "canny,image=/etc/passwd"}, "union_control_type"),
                            ({"model": "../net_a"}, "controlnet"), ({"image": "/etc/passwd"}, "controlnet"), ({"image": {"image": "http://x/y"}}, "fetches none"),
                            ({"module": "openpose"}, "openpose"), ({"control_mode": 7}, "control_mode"), ({"weight": "much"}, "weight"), ({"weight": 1e300}, "weight"), ({"guidance_end": 7}, "end")]:
            assert says in with_unit({**unit, **wrong}, code=422), wrong
        assert os.listdir("limn-pictures/inputs") == []


def test_serve_a1111_lists_of_folders():
    os.mkdir("embeddings"), os.mkdir("loras")
    for name in ("embeddings/style.safetensors", "embeddings/old.pt", "loras/ink.safetensors"):
        with open(name, "wb") as f:
            f.write(b"x")
    with serve("--embedding-dir", "embeddings", "--lora-dir", "loras") as s:
        e = s.get("/sdapi/v1/embeddings")
        assert list(e["loaded"]) == ["style"] and list(e["skipped"]) == ["old"]
        assert [x["name"] for x in s.get("/sdapi/v1/loras")] == ["ink"]
        assert "Latent (bicubic)" in [x["name"] for x in s.get("/sdapi/v1/latent-upscale-modes")]
        assert s.get("/v1/models/sprites")["id"] == "sprites"
        assert s.get("/v1/models/nothing", code=404)["error"]["param"] == "model"
        assert s.get("/sdapi/v1/scripts") == {"txt2img": [], "img2img": []} and s.get("/sdapi/v1/script-info") == []
        flags, memory = s.get("/sdapi/v1/cmd-flags"), s.get("/sdapi/v1/memory")
        assert flags["api"] is True and flags["listen"] is False and 0 < memory["ram"]["free"] < memory["ram"]["total"]
