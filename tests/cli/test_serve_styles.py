"""limn serve: A1111's styles, and the second pass's prompts, over its interface."""

import json

from helpers import draw, fails, read, write
from test_serve import SIZE, png_of, serve

RED = {**SIZE, "prompt": "a red potion", "seed": 7}
TABLE = '''\ufeffname,prompt,negative_prompt
pixel,"pixel art of {prompt}, sharp",blur
"of ""gold"""," of gold ","grey, {prompt}"
lines,"{prompt},
on two lines",
-----,,
pixel,"icon of {prompt}",low
'''.encode()


def info_of(s, body, code=200):
    r = s.post("/sdapi/v1/txt2img", {**RED, **body}, code=code)
    return json.loads(r["info"]) if code == 200 else r["detail"]


def test_styles_lie_around_prompts():
    write("styles.csv", TABLE)
    with serve("--styles-file", "styles.csv") as s:
        assert s.get("/sdapi/v1/prompt-styles") == [
            {"name": 'of "gold"', "prompt": " of gold ", "negative_prompt": "grey, {prompt}"}, {"name": "lines", "prompt": "{prompt},\non two lines", "negative_prompt": ""},
            {"name": "-----", "prompt": "", "negative_prompt": ""}, {"name": "pixel", "prompt": "icon of {prompt}", "negative_prompt": "low"}]
        for styles, prompt, negative in [(["pixel"], "icon of a red potion", "flat, low"), (['of "gold"', "pixel"], "icon of a red potion, of gold", "grey, flat, low"),
                                         (["pixel", 'of "gold"'], "icon of a red potion, of gold", "grey, flat, low"), ([], "a red potion", "flat"), (["-----"], "a red potion", "flat")]:
            i = info_of(s, {"negative_prompt": "flat", "styles": styles})
            assert (i["prompt"], i["negative_prompt"], i["styles"], i["passed_over"]) == (prompt, negative, styles, []), i
        (path,) = draw("icon of a red potion", "-n", "low", "--compat", "a1111", "--seed", "7", "-s", "1", "-o", "x.png")
        assert png_of(s.post("/sdapi/v1/txt2img", {**RED, "styles": ["pixel"]})["images"][0]) == read(path)
        i = info_of(s, {"styles": ["nothing", "pixel"]})
        assert i["passed_over"] == ["styles.nothing"] and i["prompt"] == "icon of a red potion"
        for wrong in ([1], [None], ["pixel"] * 101, "pixel", {"a": "b"}, 7):
            assert "styles" in info_of(s, {"styles": wrong}, code=422), wrong
    write("double.csv", b"name,prompt,negative_prompt\ntwice,{prompt}{prompt},\n")
    with serve("--styles-file", "double.csv") as s:
        assert "prompt" in info_of(s, {"styles": ["twice"] * 100}, code=422)
    write("old.csv", b"name,text\nold,old {prompt}\n")
    with serve("--styles-file", "old.csv") as s:
        assert info_of(s, {"styles": ["old"]})["prompt"] == "old a red potion"


def test_styles_that_cannot_be():
    fails(2, "serve", "--port", "0", "--styles-file", "nowhere.csv", says=["--styles-file", "nowhere.csv"])
    for text, says in (b"prompt,negative_prompt\nx,y\n", "name"), (b'name,prompt\na,"b\n', "quote"), (b"name,prompt\na,b,c,d\n", "cells"):
        write("bad.csv", text)
        fails(2, "serve", "--port", "0", "--styles-file", "bad.csv", says=["--styles-file", "bad.csv", says])


def test_second_passes_of_their_own():
    more = ["--compat", "a1111", "--seed", "7", "--hires", "2", "--hires-strength", "0.5", "-s", "2"]
    hires = {**RED, "steps": 2, "enable_hr": True, "denoising_strength": 0.5}
    write("styles.csv", TABLE)
    with serve("--styles-file", "styles.csv") as s:
        drawn = lambda body: png_of(s.post("/sdapi/v1/txt2img", {**hires, **body})["images"][0])
        (path,) = draw("a red potion", *more, "--hires-prompt", "a blue sword", "--hires-negative-prompt", "green", "-o", "a.png")
        assert drawn({"hr_prompt": "a blue sword", "hr_negative_prompt": "green"}) == read(path)
        (path,) = draw("a red potion", *more, "-o", "b.png")
        assert drawn({"hr_prompt": "", "hr_negative_prompt": "", "hr_scheduler": None, "hr_sampler_name": None}) == drawn({"hr_scheduler": "Use same scheduler"}) == read(path)
        (path,) = draw("icon of a red potion", "-n", "low", *more, "--hires-prompt", "icon of a sword", "-o", "c.png")
        assert drawn({"hr_prompt": "a sword", "styles": ["pixel"]}) == read(path)
        (path,) = draw("a red potion", *more, "--sampler", "dpmpp_2m", "--schedule", "exponential", "--hires-schedule", "karras", "-o", "d.png")
        karras = {"sampler_name": "DPM++ 2M", "scheduler": "Exponential"}
        assert drawn({**karras, "hr_scheduler": "Karras"}) == drawn({**karras, "hr_scheduler": "Automatic"}) == read(path)
        for wrong, says in ({"hr_prompt": ["a"]}, "hr_prompt"), ({"hr_scheduler": "none of them"}, "schedule"), ({"hr_prompt": "x" * 20000}, "hires_prompt"):
            assert says in s.post("/sdapi/v1/txt2img", {**hires, **wrong}, code=422)["detail"], wrong
        assert json.loads(s.post("/sdapi/v1/txt2img", {**RED, "hr_prompt": "unused"})["info"])["passed_over"] == []
        assert "same LoRAs" in s.post("/sdapi/v1/txt2img", {**hires, "hr_prompt": "x <lora:a:1>"}, code=(400, 422))["detail"]
