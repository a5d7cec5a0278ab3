"""SD XL as single files: base, refiner, the names that tools give them, what is refused."""

import json
import struct

import tiny_xl
from helpers import *
from tiny import CLIP, VAE
from tiny_xl import FIRST, SECOND

WITH = ["--tokenizer", CLIP]


def pixels(path):
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def drawn(model, *more):
    return pixels(draw("a red potion", "-m", model, "--seed", "1", "-o", "x.png", *WITH, *more)[0])


def trace(path):
    data = read(path)
    n = struct.unpack("<Q", data[:8])[0]
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in json.loads(data[8:8 + n]).items()
            if k != "__metadata__"}


def test_xl_file():
    """Both encoders, zeros where no negative prompt is given, XL's scheduler."""
    model = tiny_xl.base().save("xl.safetensors")
    r = limn("info", model, *WITH)
    assert "text_encoder_2" in r.out and "note" not in r.out and r.err == "", r.out + r.err
    limn(*SMALL, "-q", "a red potion", "-m", model, "--seed", "1", *WITH, "--trace", "t")
    t = trace("t")
    assert not any(t["negative_prompt_embeds"]) and not any(t["negative_pooled_prompt_embeds"]) and any(t["pooled_prompt_embeds"])
    limn(*SMALL, "-q", "a red potion", "-n", "", "-m", model, "--seed", "1", *WITH, "--trace", "t")
    assert any(trace("t")["negative_prompt_embeds"])
    info = json.loads(texts(draw("x", "-m", model, "--seed", "1", *WITH)[0])["limn"])["options"]
    assert info["sampler"] == "euler" and info["cfg_scale"] == 5


def test_xl_refiner_file():
    model = tiny_xl.refiner().save("refiner.safetensors")
    r = json.loads(limn("info", model, "--json", *WITH).out)
    assert set(r["parts"]) == {"text_encoder_2", "unet", "vae"}, r
    limn(*SMALL, "-q", "a red potion", "-m", model, "--seed", "1", *WITH, "--trace", "t")
    assert any(trace("t")["negative_prompt_embeds"]), "the refiner's negative prompt is encoded"
    a, b = drawn(model), drawn(model, "--aesthetic-score", "2")
    assert a != b


def test_xl_names():
    """The same weights by other names draw the same bytes; what is not needed is passed over without a word."""
    t = tiny_xl.base()
    want = drawn(t.save("xl.safetensors"))
    half = t.without(SECOND + "model.text_projection")
    half[SECOND + "model.text_projection.weight"] = tiny_xl.turned(t[SECOND + "model.text_projection"])
    extra = t.plus(**{(FIRST + "logit_scale").replace(".", "__"): 1})
    extra[FIRST + "transformer.text_model.embeddings.position_ids"] = ("I64", [1, 77], struct.pack("<77q", *range(77)))
    extra[FIRST + "transformer.text_projection.weight"] = ("F16", [64, 64], bytes(2 * 64 * 64))
    for name, other in ("half", half), ("hub", tiny_xl.with_hub_names(t)), ("extra", extra), \
            ("unet", t.renamed("model.diffusion_model.", "unet.").renamed(VAE, "vae.")):
        path = other.save(name + ".safetensors")
        assert drawn(path) == want, name
        assert limn("info", path, *WITH).err == "" and "note" not in limn("info", path, *WITH).out, name


def test_xl_vae():
    """A VAE of its own file takes XL's scaling factor."""
    t = tiny_xl.base()
    model = t.save("xl.safetensors")
    vae = t.without("conditioner.", "model.").save("vae.safetensors")
    assert drawn(model) == drawn(model, "--vae", vae) == drawn(t.without(VAE).save("no-vae.safetensors"), "--vae", vae)


def test_xl_prediction():
    t = tiny_xl.base()
    for name, more, want in ("a", {}, "epsilon"), ("a-vpred", {}, "v_prediction"), ("b", {"v_pred": 1}, "v_prediction"), \
            ("c", {"v_pred": 1, "ztsnr": 1}, "v_prediction"):
        path = t.plus(**more).save(name + ".safetensors")
        assert json.loads(limn("info", path, "--json", *WITH).out)["prediction"] == want, name
    limn(*SMALL, "-q", "-s", "2", "a", "-m", "c.safetensors", "--seed", "1", *WITH, "--trace", "t")
    assert struct.unpack("<2f", trace("t")["timesteps"])[0] == 999 and struct.unpack("<3f", trace("t")["sigmas"])[0] > 4000


def test_xl_refused():
    t = tiny_xl.base()
    for name, model, says in (
            ("one", t.without(SECOND), "takes pooled text, and no text encoder that gives it"),
            ("none", t.without(FIRST, SECOND), "no text encoder that gives it"),
            ("playground", t.plus(edm_mean=1, edm_std=1), "Playground v2.5"),
            ("film", t.renamed(FIRST, "conditioner.embedders.0.open_clip."), "Stable Video Diffusion"),
            ("unclip", t.plus(noise_augmentor__data_mean=1), "unCLIP"),
            ("projection", t.without(SECOND + "model.text_projection"), "text_projection.weight is missing"),
            ("no-vae", t.without(VAE), "no VAE in it")):
        fails(1, *SMALL, "a", "-m", model.save(name + ".safetensors"), *WITH, says=says)


def test_xl_inpainting_file():
    """Nine channels in a file of XL's."""
    model = tiny_xl.base(9).save("inpaint.safetensors")
    assert json.loads(limn("info", model, "--json", *WITH).out)["task"] == "inpainting"
    start, mask = draw("a", "--seed", "2", "-o", "start.png")[0], draw("b", "--seed", "3", "-o", "mask.png")[0]
    assert drawn(model, "-i", start, "--mask", mask)
    fails(1, *SMALL, "a", "-m", model, *WITH, says="give --init-image and --mask")
