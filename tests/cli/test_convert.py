"""limn convert: folder to single file and back, precision, what is kept and left out, what is refused."""

import json
import struct

import tiny
import tiny_xl
from helpers import *
from tiny import CLIP, Tensors

WITH = ["--tokenizer", CLIP]


def tensors(path):
    data = read(path)
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    meta = head.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in head.items()}, meta


def pixels(model, *more):
    path = draw("a red potion", "-m", model, "--seed", "1", "-o", "x.png", *more)[0]
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def convert(*args, **more):
    return limn("convert", *args, **more)


def test_convert_there_and_back():
    """The same tensors by the same names, and the same picture all the way."""
    for name, model, lost in (("sd", tiny.checkpoint(), set()), ("xl", tiny_xl.base(), {tiny_xl.SECOND + "model.logit_scale"}),
                              ("refiner", tiny_xl.refiner(), {tiny_xl.FIRST + "model.logit_scale"})):
        first = model.save(name + ".safetensors", {"modelspec.title": "mine", "modelspec.hash_sha256": "0x12"})
        r = convert(first, name, *WITH)
        assert r.out == name + "\n" and re.fullmatch(r"sha256 [0-9a-f]{64}, \d+ tensors, 0\.00 GB\n", r.err), r.err
        convert(name, name + "-2.safetensors", "-q")
        was, _ = tensors(first)
        now, meta = tensors(name + "-2.safetensors")
        assert set(was) - set(now) == lost and set(now) <= set(was) and all(now[k] == was[k] for k in now), name
        assert meta == {"format": "pt", "modelspec.title": "mine", "modelspec.prediction_type": "epsilon"}, meta
        want = pixels(first, *WITH)
        assert pixels(name) == want and pixels(name + "-2.safetensors", *WITH) == want, name
        index = json.loads(read(name + "/model_index.json"))
        assert index["_class_name"] == {"sd": "StableDiffusionPipeline", "xl": "StableDiffusionXLPipeline",
                                        "refiner": "StableDiffusionXLImg2ImgPipeline"}[name]
        info = json.loads(limn("info", name, "--json").out)
        assert info["sha256"] == r.err.split()[1].rstrip(",")
    assert not [f for f in files() if "limn" in f]


def test_convert_predictions():
    """What a file says of v and of zero terminal SNR goes into the folder's scheduler and comes back."""
    tiny_xl.base().plus(v_pred=1, ztsnr=1).save("v.safetensors")
    convert("v.safetensors", "v", *WITH)
    scheduler = json.loads(read("v/scheduler/scheduler_config.json"))
    assert scheduler["prediction_type"] == "v_prediction" and scheduler["rescale_betas_zero_snr"] is True
    convert("v", "again.safetensors")
    names, meta = tensors("again.safetensors")
    assert {"v_pred", "ztsnr"} <= set(names) and meta["modelspec.prediction_type"] == "v"
    assert pixels("v") == pixels("v.safetensors", *WITH) == pixels("again.safetensors", *WITH)
    # a name that would mean v does not: the file's own word comes first
    tiny_xl.base().save("e.safetensors")
    convert("e.safetensors", "e", *WITH)
    convert("e", "e-vpred.safetensors")
    assert json.loads(limn("info", "e-vpred.safetensors", "--json", *WITH).out)["prediction"] == "epsilon"


def test_convert_precision():
    t = tiny.checkpoint()
    t.save("a.safetensors")
    size = os.path.getsize("a.safetensors")
    for precision, dtype, times in ("f32", "F32", 2), ("bf16", "BF16", 1), ("f16", "F16", 1):
        convert("a.safetensors", precision + ".safetensors", "--precision", precision)
        now, _ = tensors(precision + ".safetensors")
        assert {v[0] for v in now.values()} == {dtype} and abs(os.path.getsize(precision + ".safetensors") - times * size) < size / 10
    # f16 -> f32 is exact, and so is the way back
    convert("f32.safetensors", "back.safetensors", "--precision", "f16")
    assert {k: v[2] for k, v in tensors("back.safetensors")[0].items()} == {k: v[2] for k, v in t.items()}
    assert pixels("f32.safetensors", *WITH) == pixels("a.safetensors", *WITH)
    name = tiny.VAE + "decoder.conv_in.bias"
    for value, says in (70000.0, ["decoder.conv_in.bias holds 70000", "--precision bf16"]), (float("nan"), ["NaN or infinity"]):
        big = Tensors()
        big.update(t)
        big[name] = ("F32", [32], struct.pack("<32f", *[value] * 32))
        big.save("big.safetensors")
        fails(1, "convert", "big.safetensors", "out.safetensors", "--precision", "f16", says=says)
    values = [1.0, 65504.0, 65519.0, 2.0 ** -24, 2.0 ** -25, 3.0 * 2 ** -25, 1.0 + 2.0 ** -11, 1.0 + 3 * 2.0 ** -11] * 4
    big[name] = ("F32", [32], struct.pack("<32f", *values))
    big.save("round.safetensors")
    convert("round.safetensors", "rounded.safetensors", "--precision", "f16")
    got = struct.unpack("<8e", tensors("rounded.safetensors")[0][name][2][:16])
    assert got == (1.0, 65504.0, 65504.0, 2.0 ** -24, 0.0, 2.0 ** -23, 1.0, 1.0 + 2.0 ** -9), got
    assert not [f for f in files() if f.startswith((".limn", "out"))]


def test_convert_prune():
    """EMA and leftovers stay without --prune, and go with it; a line tells how much."""
    t = tiny.checkpoint().plus(model_ema__decay=1, model_ema__diffusion_modelx=1, alphas_cumprod=1, lora_unet_x__alpha=1)
    t.save("a.safetensors", {"trained": "by hand"})
    convert("a.safetensors", "all.safetensors", "-q")
    assert set(tensors("all.safetensors")[0]) == set(t)
    r = convert("a.safetensors", "pruned.safetensors", "--prune")
    names, meta = tensors("pruned.safetensors")
    assert set(names) == set(tiny.checkpoint()) and meta == {"format": "pt", "trained": "by hand"}
    assert "left out: no network has them" in r.err
    assert pixels("a.safetensors", *WITH) == pixels("pruned.safetensors", *WITH) == pixels("all.safetensors", *WITH)
    r = json.loads(convert("a.safetensors", "b.safetensors", "--json").out)
    assert r["path"] == "b.safetensors" and r["bytes"] == os.path.getsize("b.safetensors") and len(r["sha256"]) == 64


def test_convert_refused():
    tiny.checkpoint().save("a.safetensors")
    write("there.safetensors", b"mine")
    os.mkdir("folder")
    for out in "there.safetensors", "folder", "a.safetensors":
        fails(1, "convert", "a.safetensors", out, *WITH, says=[out, "is there already"])
    assert read("there.safetensors") == b"mine"
    fails(2, "convert", "a.safetensors", says="limn convert IN OUT")
    fails(2, "convert", "a.safetensors", "b", "--layout", "file", says="NAME.safetensors")
    fails(2, "convert", "a.safetensors", "b.safetensors", "--layout", "diffusers", says="the name of a file")
    fails(2, "convert", "a.safetensors", "b", "--precision", "q8", says="f16|bf16|f32")
    fails(1, "convert", "a.safetensors", "b", says=["no tokenizer was found", "--tokenizer"])
    fails(1, "convert", "nothing", "b.safetensors", says="nothing")
    fails(1, "convert", "a.safetensors", "no/such/b.safetensors", says="no/such")
    write("x.ckpt", b"PK\x03\x04" + bytes(100))
    fails(1, "convert", "x.ckpt", "b.safetensors", says="pickle")
    Tensors().plus(**{f"lora_unet_a{i}__lora_down__weight": 1 for i in range(9)}).save("lora.safetensors")
    fails(1, "convert", "lora.safetensors", "b.safetensors", says="a LoRA")
    fails(1, "convert", "sprites", "b.safetensors", says="cannot be kept in that layout")
    assert files() == ["a.safetensors", "folder", "lora.safetensors", "there.safetensors", "x.ckpt"], files()
    index = model_copy("copy", "model_index.json", "scheduler/scheduler_config.json")
    assert convert("sprites", "own", "-q").out == "own\n" and index
    assert pixels("own") == pixels("sprites")


def test_convert_is_told():
    """What a single file does not keep of a folder."""
    tiny_xl.base().save("a.safetensors")
    convert("a.safetensors", "m", *WITH)
    path = "m/scheduler/scheduler_config.json"
    scheduler = json.loads(read(path))
    write(path, json.dumps(dict(scheduler, _class_name="EulerAncestralDiscreteScheduler", timestep_spacing="trailing")).encode())
    index = json.loads(read("m/model_index.json"))
    write("m/model_index.json", json.dumps(dict(index, scheduler=["diffusers", "EulerAncestralDiscreteScheduler"])).encode())
    r = convert("m", "b.safetensors")
    assert "does not keep the scheduler's settings" in r.err and "euler_ancestral" in r.err, r.err
    write(path, json.dumps(dict(scheduler, beta_end=0.02)).encode())
    fails(1, "convert", "m", "c.safetensors", says=["cannot be kept in that layout", "noise schedule is its own"])
    assert "c.safetensors" not in files()
