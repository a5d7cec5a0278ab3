"""A second pass with prompts and a schedule of its own, as A1111's hires fix has them: drawn, written down, read back, refused."""

import json
import os

from helpers import draw, fails, files, limn, read, texts, write, on_tiny_model
from test_from_pictures import pixels
from test_larger import SIDE, trace_of

TWICE = [*SIDE, "--hires", "2", "--hires-steps", "3"]


def options_of(path):
    return json.loads(texts(path)["limn"])["options"]


@on_tiny_model
def test_the_second_pass_reads_its_own_prompts():
    draw(*TWICE, "a red potion", "-n", "grey", "--hires-prompt", "a blue sword", "--hires-negative-prompt", "green", "--trace", "t", "-o", "a.png")
    draw(*SIDE, "a red potion", "-n", "grey", "--trace", "u", "-o", "b.png")
    draw(*SIDE, "a blue sword", "-n", "green", "--trace", "v", "-o", "c.png")
    both, first, second = trace_of("t"), trace_of("u"), trace_of("v")
    for name in "tokens", "negative_tokens", "prompt_embeds", "negative_prompt_embeds":
        assert both[name] == first[name] and both["hires." + name] == second[name] != first[name], name
    assert both["latents.3"] == first["latents.3"], "the first pass is what it is without"
    draw(*TWICE, "a red potion", "--hires-prompt", "a red potion", "-o", "d.png")
    draw(*TWICE, "a red potion", "-o", "e.png")
    assert pixels("d.png") == pixels("e.png") != pixels("a.png")
    told = texts("a.png")["parameters"]
    assert "Hires prompt: a blue sword, Hires negative prompt: green" in told and "Hires prompt" not in texts("e.png")["parameters"]
    limn("again", "a.png", "-q", "-o", "again.png")
    assert read("again.png") == read("a.png")


@on_tiny_model
def test_a_second_schedule():
    for compat, schedule in ("a1111", "normal"), ("comfyui", None), ("diffusers", None):
        draw(*TWICE, "x", "--compat", compat, "--sampler", "dpmpp_2m", "--hires-sampler", "euler", "-o", "a.png")
        assert options_of("a.png").get("hires_schedule") == schedule, "what A1111 calls Automatic is each sampler's own"
        limn("again", "a.png", "-q", "-o", "b.png")
        assert read("a.png") == read("b.png"), compat
    draw(*TWICE, "x", "--schedule", "karras", "--hires-sampler", "euler", "--compat", "a1111", "-o", "k.png")
    assert "hires_schedule" not in options_of("k.png"), "one that is asked for is both passes'"
    draw(*TWICE, "x", "--schedule", "karras", "--hires-schedule", "exponential", "--trace", "t", "-o", "c.png")
    draw(*TWICE, "x", "--schedule", "exponential", "--trace", "u", "-o", "d.png")
    one, other = trace_of("t"), trace_of("u")
    assert one["sigmas"] != other["sigmas"] and one["hires.sigmas"] == other["hires.sigmas"]
    assert "Schedule type: Karras" in texts("c.png")["parameters"] and "Hires schedule type: Exponential" in texts("c.png")["parameters"]


@on_tiny_model
def test_second_prompts_in_a_batch():
    """Pictures with other second prompts are drawn apart, those with the same one together, each as it is alone."""
    write("jobs.jsonl", b'{"prompt": "a {red|blue} potion", "hires_prompt": "a {key|sword} of {metal}", "hires_negative_prompt": "", "metal": ["gold", "iron"], "hires": 2, "seed": 3, "width": 32, "height": 32, "steps": 2}\n')
    limn("batch", "jobs.jsonl", "--expand", "all", "-q", "-o", "out")
    made = ["out/" + f for f in files("out") if f.endswith(".png")]
    assert len(made) == 8
    words = {(options_of(f)["prompt"], options_of(f)["hires_prompt"]) for f in made}
    assert words == {(f"a {c} potion", f"a {t} of {m}") for c in ("red", "blue") for t in ("key", "sword") for m in ("gold", "iron")}
    for f in made:
        limn("again", f, "-q", "-o", "one.png")
        assert read("one.png") == read(f)
    # prompts of other lengths, where the second pass has one of its own for all
    long = "a red potion, " * 40
    write("more.json", json.dumps([{"prompt": p, "negative_prompt": n, "hires_prompt": "a key", "hires": 2, "seed": 3, "width": 32, "height": 32, "steps": 2}
                                   for p, n in [(long, ""), (long, long), ("x", long), ("x", "y")]]).encode())
    limn("batch", "more.json", "-q", "-o", "more")
    for f in files("more"):
        if f.endswith(".png"):
            limn("again", "more/" + f, "-q", "-o", "one.png")
            assert read("one.png") == read("more/" + f)


def test_second_prompts_of_a1111s_text():
    """What A1111 writes is read, and what it leaves out stays open."""
    text = """a red potion
Negative prompt: grey
Steps: 4, Sampler: DPM++ 2M, Schedule type: %s, CFG scale: 4, Seed: 3, Size: 32x32, Denoising strength: 0.5, Hires prompt: "a blue sword, \\"x\\"", Hires negative prompt: green, %sHires upscale: 2, Hires steps: 3, Hires upscaler: Latent, Version: v1.10.1"""
    for schedule, hires, want in [("Automatic", "Hires sampler: Euler, ", "normal"), ("Automatic", "", None), ("Karras", "Hires schedule type: Exponential, ", "exponential"),
                                  ("Karras", "Hires schedule type: Automatic, Hires sampler: Euler, ", "normal"), ("Karras", "Hires schedule type: Use same scheduler, ", None)]:
        write("a.txt", (text % (schedule, hires)).encode())
        limn("again", "a.txt", "-q", "-m", "sprites", "-o", "a.png")
        o = options_of("a.png")
        assert (o["hires_prompt"], o["hires_negative_prompt"]) == ('a blue sword, "x"', "green")
        assert o.get("hires_schedule") == want, (schedule, hires, o)


@on_tiny_model
def test_second_prompts_that_cannot_be():
    for option in "--hires-prompt", "--hires-negative-prompt", "--hr-prompt":
        fails(2, *SIDE, "x", option, "y", says="there is no --hires")
    fails(2, *SIDE, "x", "--hires-schedule", "karras", says="there is no --hires")
    fails(2, *TWICE, "x", "--hires-schedule", "nope", says="--hires-schedule")
    fails(2, *TWICE, "x", "--hires-prompt", "y", "--blend-prompt", "z", "--blend", "0.5", says=["hires-prompt", "--blend-prompt"])
    os.mkdir("loras"), write("loras/ink.safetensors", b"x")
    fails(2, *TWICE, "x", "--lora-dir", "loras", "--hires-prompt", "y <lora:ink:1>", says=["hires-prompt", "same LoRAs"])


def test_second_prompts_of_comfyui():
    """The second sampler of a graph with texts and a scheduler of its own."""
    from test_again import drawn, graph, retold, same_again
    drawn("h.png", "--compat", "comfyui", "--sampler", "dpmpp_2m", "--schedule", "karras", "--clip-skip", "2", "--hires", "2", "--hires-with", "latent-nearest-exact", "--hires-steps", "3",
          "--hires-strength", "0.5", "--hires-prompt", "a gem", "--hires-negative-prompt", "low", "--hires-schedule", "exponential")
    g = graph()
    encode = lambda text: {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["2", 0]}}
    g["30"] = {"class_type": "LatentUpscaleBy", "inputs": {"upscale_method": "nearest-exact", "scale_by": 2, "samples": ["6", 0]}}
    g["31"] = {"class_type": "KSampler", "inputs": {**g["6"]["inputs"], "steps": 3, "denoise": 0.5, "scheduler": "exponential", "latent_image": ["30", 0], "positive": ["40", 0], "negative": ["41", 0]}}
    g["40"], g["41"] = encode("a gem"), encode("low")
    g["7"]["inputs"]["samples"] = ["31", 0]
    assert "second pass has" not in same_again("h.png", prompt=json.dumps(g)).err
    g["40"] = {"class_type": "ConditioningConcat", "inputs": {"conditioning_to": ["3", 0], "conditioning_from": ["41", 0]}}
    retold("h.png", "told.png", prompt=json.dumps(g))
    assert "second pass has the first one's positive prompt" in limn("again", "told.png", "--dry-run").err
