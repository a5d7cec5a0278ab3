"""limn bench -m MODEL: a model's own pictures in f32, 16 and 8 bits; what it refuses."""

import json
import os

from helpers import fails, limn

SHORT = ["bench", "-m", "sprites", "--size", "32", "-s", "1"]


def eight_bits():
    """Whether this CPU's kernels have 8-bit products: the command says that they lack them otherwise."""
    try:
        return limn(*SHORT, "-q")
    except AssertionError as e:
        assert "no products of" in str(e), e
        return None


def test_bench_model_table():
    r = eight_bits()
    if r is None:
        return
    assert "sprites, 32x32, 1 step, 2 pictures" in r.out and "int8" in r.out and "dB" in r.out, r.out
    assert "auto takes f32: a network of this size" in r.out, r.out
    told = json.loads(limn(*SHORT, "-q", "--json", "a red potion").out)
    assert told["pictures"] == 1 and told["auto"] == "f32" and len(told["precisions"]) == 3, told
    exact, sixteen, eight = told["precisions"]
    assert exact["psnr"] is None and exact["flip"] == 0, told
    assert eight["psnr"] > 30 and 0 < eight["flip"] < 0.1 and sixteen["evaluation_seconds"] > 0, told


def test_bench_model_refusals():
    fails(2, "bench", "a red potion", says="limn bench -m MODEL")
    fails(2, *SHORT, "--layers", says="random weights")
    fails(2, *SHORT, "--type", "q8_0", says="random weights")
    fails(2, *SHORT, "--precision", "int8", says="is no choice here")
    fails(2, *SHORT, *["a potion"] * 9, says="too many")
    fails(1, "bench", "-m", "no-such-model", says="no-such-model")
    r = limn(*SHORT, env={"LIMN_CPU": "portable"}, code=2)
    assert "no products of 8-bit integers" in r.err, r.err
    assert not any(f.endswith(".png") for f in os.listdir("."))
