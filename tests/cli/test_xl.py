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


def test_xl_distilled():
    """SSD-1B and its kin: other depths on the way up, one residual block in the middle; the middle's own depth."""
    for name, depths, mid, up in (("ssd", (2, None, 3, 1), "UNetMidBlock2D", [[3, 1], [1, 1]]),
                                  ("koala", (1, 1, 1, 1), "UNetMidBlock2DCrossAttn", None)):
        model = tiny_xl.base(depths=depths).save(name + ".safetensors")
        limn("convert", model, name, "-q", *WITH)
        config = json.loads(read(name + "/unet/config.json"))
        assert config["mid_block_type"] == mid and config.get("reverse_transformer_layers_per_block") == up, config
        assert drawn(model) == pixels(draw("a red potion", "-m", name, "--seed", "1", "-o", "x.png")[0]), name
    fails(1, *SMALL, "a", "-m", tiny_xl.base(depths=(2, 1, 2, 2)).save("odd.safetensors"), *WITH, says="whose middle has 1 transformer layers")


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


def embedded(model, prompt, *more):
    """prompt_embeds as rows of the two encoders' columns, the pooled text; the same of the negative prompt."""
    limn(*SMALL, "-q", prompt, "-m", model, "--seed", "1", "--cfg-scale", "5", *WITH, "--trace", "t", "-o", "t.png", *more)
    t = trace("t")
    row = 4 * 2 * tiny_xl.CONTEXT
    parts = []
    for side in "", "negative_":
        data = t[side + "prompt_embeds"]
        rows = [data[i:i + row] for i in range(0, len(data), row)]
        parts += [[r[:row // 2] for r in rows], [r[row // 2:] for r in rows], t[side + "pooled_prompt_embeds"]]
    return parts


def test_xl_compat_negative():
    """diffusers zeroes what was not given, A1111 what is empty, in the refiner too; ComfyUI nothing."""
    model, refiner = tiny_xl.base().save("xl.safetensors"), tiny_xl.refiner().save("refiner.safetensors")
    for compat, given, zero, zero_refiner in (
            ("diffusers", [], True, False), ("diffusers", ["-n", ""], False, False), ("a1111", [], True, True),
            ("a1111", ["-n", ""], True, True), ("a1111", ["-n", "x"], False, False), ("comfyui", [], False, False)):
        for path, want in (model, zero), (refiner, zero_refiner):
            limn(*SMALL, "-q", "a", "-m", path, "--seed", "1", *WITH, "--trace", "t", "-o", "t.png", "--compat", compat, *given)
            t = trace("t")
            assert any(t["negative_prompt_embeds"]) != want and any(t["negative_pooled_prompt_embeds"]) != want, (compat, given, path)


def test_xl_compat_clip_skip():
    """1 and 2 are the trained layer to A1111 and ComfyUI; from 3 on A1111 goes deeper in the first encoder, ComfyUI in both."""
    model = tiny_xl.base().save("xl.safetensors")
    skipped = {(c, n): embedded(model, "a red potion", "--compat", c, "--clip-skip", str(n)) for c in ("a1111", "comfyui") for n in (1, 2, 3)}
    for c in "a1111", "comfyui":
        assert skipped[c, 1] == skipped[c, 2] and skipped[c, 3][0] != skipped[c, 2][0] and skipped[c, 3][2] == skipped[c, 2][2]
    assert skipped["a1111", 3][1] == skipped["a1111", 2][1] and skipped["comfyui", 3][1] != skipped["comfyui", 2][1]
    plain = embedded(model, "a red potion", "--clip-skip", "2")
    assert plain[:3] == skipped["comfyui", 3][:3], "diffusers counts from the trained layer"


def test_xl_compat_prompts():
    """Weights count in both encoders, and never in the pooled text, which is the first row's."""
    model = tiny_xl.base().save("xl.safetensors")
    for c in "a1111", "comfyui":
        plain, heavy = embedded(model, "a red potion", "--compat", c), embedded(model, "a (red:1.5) potion", "--compat", c)
        assert plain[0] != heavy[0] and plain[1] != heavy[1] and plain[2] == heavy[2], c
        long = embedded(model, "a red potion BREAK blue", "--compat", c) if c == "a1111" else embedded(model, "a red potion " * 40, "--compat", c)
        assert len(long[0]) == 2 * 77 and len(long[3]) == 2 * 77
    first = embedded(model, "a red potion BREAK blue", "--compat", "a1111")
    assert first[2] == embedded(model, "a red potion", "--compat", "a1111")[2]
    # two prompts of different lengths: the missing rows are the empty prompt's
    two = embedded(model, "a", "--prompt-2", "a red potion " * 40, "--compat", "comfyui")
    empty = embedded(model, "", "--compat", "comfyui")
    assert two[0][77:] == empty[0] and two[1][77:] != empty[1]


def scaled(tensor, factor):
    kind, shape, data = tensor
    values = [factor * v for v in struct.unpack(f"<{len(data) // 2}e", data)]
    return "F32", shape, struct.pack(f"<{len(values)}f", *values)


def test_xl_vae_beyond_f16():
    """A VAE whose activations leave the range of 16-bit floats (the released SDXL's does) is drawn in 16 bits as in 32."""
    t = tiny_xl.base()
    for end in "weight", "bias":
        t[VAE + "decoder.conv_in." + end] = scaled(t[VAE + "decoder.conv_in." + end], 1e6)
    model = t.save("wide.safetensors")
    got = {}
    for precision in "f32", "bf16":
        try:
            limn(*SMALL, "-q", "a red potion", "-m", model, "--seed", "1", *WITH, "--precision", precision, "--trace", "t", "-o", "x.png")
        except AssertionError as e:
            assert "bf16" in str(e) and "precision" in str(e), e  # kernels that have no 16 bits
            return
        data = trace("t")["image"]
        got[precision] = struct.unpack(f"<{len(data) // 4}f", data)
    f32, bf16 = got["f32"], got["bf16"]
    mean = sum(f32) / len(f32)
    spread = (sum((v - mean) ** 2 for v in f32) / len(f32)) ** 0.5
    error = (sum((a - b) ** 2 for a, b in zip(f32, bf16)) / len(f32)) ** 0.5
    assert spread > 0.01 and error < 0.05 * spread, (spread, error)
