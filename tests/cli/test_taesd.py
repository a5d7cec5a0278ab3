"""TAESD in the place of the VAE: its files in every naming, folders with it, its encoder, and what it refuses."""

import json
import os
import shutil

from helpers import REPO, draw, fails, limn, read, write
from test_lora import f32, floats, save, tensors

TINY = os.path.join(REPO, "tests", "golden", "tiny")
MODEL = os.path.join(REPO, "tests", "golden", "pipeline", "sd1")
WEIGHTS = os.path.join(TINY, "diffusion_pytorch_model.safetensors")
JOB = ["a red potion, glowing!", "-n", "a blue sword on grass", "--cfg-scale", "5", "-s", "5", "--seed", "7", "-W", "64", "-H", "48",
       "-m", MODEL, "--sampler", "euler", "-q"]


def halves():
    """madebyollin's names: (encoder, decoder)"""
    out = {}, {}
    for k, v in tensors(WEIGHTS).items():
        half, _, number, rest = k.split(".", 3)
        decoder = half == "decoder"
        out[decoder][f"{int(number) + decoder}.{rest}"] = v
    return out


def under(prefix, items):
    return {prefix + k: v for k, v in items.items()}


def apart(a, b):
    a, b = floats(a), floats(b)
    assert len(a) == len(b)
    return (sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b)) ** 0.5


def traced(*args):
    limn(*JOB, "-o", "x.png", "--precision", "f32", "--trace", "x.safetensors", *args)
    return tensors("x.safetensors")


def test_taesd_as_diffusers():
    golden = tensors(os.path.join(TINY, "runs.safetensors"))
    t = traced("--vae", TINY)
    assert apart(t["latents"], golden["text.latents"]) < 1e-5
    assert apart(t["image"], golden["text.image"]) < 1e-5
    t = traced("--vae", TINY, "-i", os.path.join(TINY, "picture.png"), "--strength", "0.6")
    assert apart(t["latents"], golden["picture.latents"]) < 1e-5
    assert apart(t["image"], golden["picture.image"]) < 1e-5
    t = traced("--vae", TINY, "-i", os.path.join(TINY, "picture.png"), "--mask", os.path.join(TINY, "mask.png"), "--strength", "0.6",
               "--sampler", "euler_ancestral")
    assert apart(t["latents"], golden["mask.latents"]) < 1e-5


def test_taesd_in_every_naming():
    encoder, decoder = halves()
    same = {}
    os.mkdir("two")
    save("two/taesd_decoder.safetensors", decoder)
    save("two/taesd_encoder.safetensors", encoder)
    number = f32([], [0.18215])
    save("comfy.safetensors", {**under("taesd_encoder.", encoder), **under("taesd_decoder.", decoder), "vae_scale": number,
                               "vae_shift": f32([], [0])})
    save("whole.safetensors", {**under("encoder.", encoder), **under("decoder.", decoder)})
    save("xl.safetensors", {**under("taesd_encoder.", encoder), **under("taesd_decoder.", decoder), "vae_scale": f32([1], [0.13025])})
    shutil.copytree(MODEL, "model", symlinks=False)
    shutil.rmtree("model/vae")
    shutil.copytree(TINY, "model/vae")
    index = read("model/model_index.json").replace(b"AutoencoderKL", b"AutoencoderTiny")
    os.remove("model/model_index.json")
    write("model/model_index.json", index)
    picture = ["-i", os.path.join(TINY, "picture.png"), "--strength", "0.5"]
    for vae in (TINY, WEIGHTS, "two/taesd_decoder.safetensors", "two/taesd_encoder.safetensors", "comfy.safetensors", "whole.safetensors",
                "xl.safetensors", "model"):
        for more in [], picture:
            r = limn(*JOB, "-s", "2", "-o", "x.png", "--trace", "x.safetensors", "--vae", vae, *more)
            assert r.err == "", r.err
            image = tensors("x.safetensors")["image"][2]
            assert same.setdefault(len(more), image) == image, vae
    limn(*JOB, "-s", "2", "-o", "y.png", "--trace", "y.safetensors", "-m", "model", *picture)
    assert tensors("y.safetensors")["image"][2] == same[len(picture)]
    limn("again", "y.png", "-o", "z.png", "-q", "-m", "model")
    assert read("y.png") == read("z.png")


def test_taesd_is_described():
    encoder, decoder = halves()
    save("taesd_decoder.safetensors", decoder)
    save("taesd_encoder.safetensors", encoder)
    for path in WEIGHTS, "taesd_decoder.safetensors", "taesd_encoder.safetensors":
        out = limn("info", path).out
        assert "a tiny autoencoder (TAESD)" in out and "--vae" in out, out
    out = limn("info", MODEL, "--vae", "taesd_decoder.safetensors").out
    assert "taesd_decoder.safetensors" in out
    fails(1, "x", "-m", "taesd_decoder.safetensors", says=["tiny autoencoder", "--vae"])


def test_taesd_what_is_refused():
    encoder, decoder = halves()
    picture = ["-i", os.path.join(TINY, "picture.png"), "--strength", "0.5"]
    save("lone.safetensors", decoder)
    draw("x", "-m", MODEL, "--vae", "lone.safetensors", "-o", "a.png")
    fails(1, *JOB, "--vae", "lone.safetensors", *picture, says=["lone.safetensors", "no encoder", "taesd_encoder"])
    save("half.safetensors", encoder)
    fails(1, *JOB, "--vae", "half.safetensors", says=["half.safetensors", "without a decoder"])
    save("scaled.safetensors", {**under("taesd_decoder.", decoder), "vae_scale": f32([1], [0.5])})
    fails(1, *JOB, "--vae", "scaled.safetensors", says=["vae_scale", "0.5", "0.18215"])
    save("short.safetensors", {k: v for k, v in decoder.items() if not k.startswith("9.conv.2")})
    fails(1, *JOB, "--vae", "short.safetensors", says=["short.safetensors", "decoder.layers.8.conv.2"])
    save("norm.safetensors", {**decoder, "3.pool.0.weight": f32([16], [1] * 16)})
    fails(1, *JOB, "--vae", "norm.safetensors", says=["norm.safetensors", "pool"])
    wide = dict(decoder)
    wide["1.weight"] = ("F16", [16, 16, 3, 3], decoder["1.weight"][2] * 4)
    save("sixteen.safetensors", wide)
    fails(1, *JOB, "--vae", "sixteen.safetensors", says="16")
    for key, value, word in [("upsample_fn", '"bilinear"', "upsample_fn"), ("act_fn", '"silu"', "act_fn"), ("shift_factor", "0.1", "shift_factor"),
                             ("num_decoder_blocks", "[3, 3]", "decoder"), ("decoder_block_out_channels", "[16, 16, 16, 32]", "width")]:
        os.makedirs("t", exist_ok=True)
        text = read(os.path.join(TINY, "config.json")).decode()

        config = json.loads(text)
        config[key] = json.loads(value)
        write("t/config.json", json.dumps(config).encode())
        shutil.copy(WEIGHTS, "t")
        fails(1, *JOB, "--vae", "t", says=["t/config.json", word])


def test_taesd_in_tiles_and_sandbox():
    a = limn(*JOB, "-s", "1", "-W", "512", "-H", "472", "--vae", TINY, "--vae-tile", "off", "-o", "a.png", "--trace", "a.safetensors")
    b = limn(*JOB, "-s", "1", "-W", "512", "-H", "472", "--vae", TINY, "--memory", "low", "-o", "b.png", "--trace", "b.safetensors")
    assert a.err == b.err == ""
    assert apart(tensors("a.safetensors")["image"], tensors("b.safetensors")["image"]) < 1e-5
    encoder, decoder = halves()
    os.mkdir("in")
    save("in/taesd_decoder.safetensors", decoder)
    save("in/taesd_encoder.safetensors", encoder)
    shutil.copy(os.path.join(TINY, "picture.png"), "picture.png")
    shutil.copytree(MODEL, "model", symlinks=False)
    limn(*JOB, "--sandbox", "-m", "model", "-s", "2", "--vae", "in/taesd_decoder.safetensors", "-i", "picture.png", "-o", "c.png",
         env={"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"})  # leaks are looked for by ptrace, which the sandbox refuses
