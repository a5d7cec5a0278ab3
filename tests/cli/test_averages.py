"""Checkpoints that have their UNet only as the averages of its training (model_ema.*, names without dots)."""

import tiny
import tiny_xl
from helpers import *
from tiny import CLIP, UNET_PREFIX

WITH = ["--tokenizer", CLIP]


def averaged(t):
    out = t.without(UNET_PREFIX).plus(model_ema__decay=1, model_ema__num_updates=1)
    for name, value in t.items():
        if name.startswith(UNET_PREFIX):
            out["model_ema." + name[len("model."):].replace(".", "")] = value
    return out


def pixels(model):
    path = draw("a red potion", "-m", model, "--seed", "1", "-o", "x.png", *WITH)[0]
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def test_averages_alone():
    for name, t in ("sd", tiny.checkpoint()), ("xl", tiny_xl.base()):
        plain, only = t.save(name + ".safetensors"), averaged(t).save(name + "-ema.safetensors")
        assert pixels(plain) == pixels(only), name
        r = limn("info", only, *WITH)
        assert "the averages of its training (model_ema.*) are taken" in r.out, r.out
        both = dict(t)
        other = averaged(tiny.checkpoint() if name == "sd" else tiny_xl.base(seed=9))
        t.update({k: v for k, v in other.items() if k.startswith("model_ema.")})
        assert pixels(t.save("both.safetensors")) == pixels(plain), "the weights themselves come first"
        t.clear()
        t.update(both)
        limn("convert", only, name + "-2.safetensors", "--prune", "-q")
        assert pixels(name + "-2.safetensors") == pixels(plain)
        assert "note" not in limn("info", name + "-2.safetensors", *WITH).out


def test_averages_broken():
    t = averaged(tiny.checkpoint())
    t["model_ema.diffusion_modelinput_blocks10unheard"] = t.pop("model_ema.diffusion_modelinput_blocks10in_layers0weight")
    fails(1, *SMALL, "a", "-m", t.save("a.safetensors"), *WITH, says="a.safetensors")
