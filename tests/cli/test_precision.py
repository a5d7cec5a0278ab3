"""--precision: its names, by kind of layer, what is written into the PNG and drawn again, what is refused."""

import json

from helpers import fails, limn, texts, on_tiny_model

SIZE = ["-W", "32", "-H", "32", "-s", "2", "--seed", "1"]
MIX = "conv:f32+linear:int8+attention:f32"


def written(path):
    return json.loads(texts(path)["limn"])["options"]["precision"]


def has(precision):
    """Whether this CPU's kernels have it: they say that they lack it otherwise."""
    try:
        limn("a red potion", *SIZE, "-q", "-o", "x.png", "--precision", precision)
    except AssertionError as e:
        assert "no products of" in str(e) and "--precision f32" in str(e), e
        return False
    return True


@on_tiny_model
def test_precision_names():
    limn("a red potion", *SIZE, "-q", "-o", "x.png")
    assert written("x.png") == "f32"  # the default model is small
    for text, says in ("int9", "auto|f32|bf16|int8"), ("fp16", "auto|f32|bf16|int8"), ("", "auto|f32|bf16|int8"), ("linear:i16", "linear:f32|bf16|int8"), \
            ("conv:i16+", "joined by +"), ("+conv:i16", "joined by +"), ("conv=i16", "conv:f32|i16|bf16"), ("conv:int8", "conv:f32|i16|bf16"):
        fails(2, "a red potion", *SIZE, "--precision", text, says=says)
    limn("a red potion", *SIZE, "-q", "-o", "x.png", "--precision", "conv:f32+attention:f32")
    assert written("x.png") == "f32"


def test_precision_of_eight_bits():
    if not has("int8"):
        return
    named = written("x.png")
    assert named in ("int8", "conv:i16+linear:int8+attention:f32", "conv:bf16+linear:int8+attention:bf16"), named
    limn("again", "x.png", "-q", "-o", "y.png")
    assert written("y.png") == named and open("y.png", "rb").read() == open("x.png", "rb").read()
    limn("a red potion", *SIZE, "-q", "-o", "z.png", "--precision", MIX)
    assert written("z.png") == MIX
    limn("again", "z.png", "-q", "-o", "w.png")
    assert open("z.png", "rb").read() == open("w.png", "rb").read()
    limn("a red potion", *SIZE, "-q", "-o", "t.png", "--precision", MIX, "-t", "1")
    assert open("z.png", "rb").read() == open("t.png", "rb").read()


def test_precision_of_tiles():
    """Convolutions in bfloat16, which only tile registers have: written down, drawn again, on any number of threads."""
    if not has("conv:bf16"):
        return
    tiles = "conv:bf16+linear:bf16+attention:bf16"
    limn("a red potion", *SIZE, "-q", "-o", "x.png", "--precision", tiles)
    assert written("x.png") == tiles
    limn("again", "x.png", "-q", "-o", "y.png", "-t", "1")
    assert open("x.png", "rb").read() == open("y.png", "rb").read()
    fails(2, "again", "x.png", "-o", "z.png", says="bfloat16 for convolutions", env={"LIMN_CPU": "avx512bf16"})


def test_precision_that_a_set_lacks():
    for name, precision in (("portable", "int8"), ("avx2", "int8"), ("avx512", "int8"), ("avx512vnni", "bf16"), ("portable", "conv:i16"), ("avx512bf16", "conv:bf16"),
                            ("avx2", "attention:bf16"), ("neon", "int8")):
        r = limn("a red potion", *SIZE, "--precision", precision, env={"LIMN_CPU": name}, code=2)
        assert f"kernels ({name}) have no products of" in r.err or "LIMN_CPU names" in r.err, r.err
