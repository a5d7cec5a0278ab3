"""Adapters and embeddings as nobody should have made them: what does nothing is told, what says two things is refused."""

from helpers import *
from test_lora import SIZE, drawing, f32, kohya, make, save

PROMPT = "a key"
LARGER = ["-W", "64", "-H", "64", *SIZE[4:]]  # so that the coarsest level has more than one cell: a query means nothing to one alone


def picture(*args):
    draw(PROMPT, *LARGER, "-o", "x.png", *args)
    return drawing("x.png")


def warned(*args):
    """The picture, and its warnings."""
    r = limn(PROMPT, *LARGER, "-o", "x.png", *args)
    return drawing("x.png"), [line for line in r.err.splitlines() if "warning" in line]


def test_lora_oddities():
    good = kohya(make(1, 1.0), 1.0)
    save("good.safetensors", good)
    bare, want = picture(), picture("--lora", "good.safetensors")
    stem = next(k for k in good if "attn1_to_q.lora_down" in k)[:-len(".lora_down.weight")]
    # an alpha of 0 is laid and does nothing, which is told
    for count, change in (1, {stem + ".alpha": f32([], [0.0])}), (8, {k: f32([1], [0.0]) for k in good if k.endswith("alpha")}):
        save("x.safetensors", {**good, **change})
        got, lines = warned("--lora", "x.safetensors")
        assert len(lines) == 1 and f"{count} of its 8 modules have the alpha 0" in lines[0], lines
        assert (got == bare) == (count == 8)
    # a tensor of nobody's: an error, or passed over with --lora-partial; of such alone nothing can be taken
    odd = {"hello": f32([2], [1.0, 2.0]), "x.y": f32([1], [1.0])}
    save("x.safetensors", {**good, **odd})
    fails(1, PROMPT, *SIZE, "--lora", "x.safetensors", says='"hello" is none of')
    got, lines = warned("--lora", "x.safetensors", "--lora-partial")
    assert got == want and "2 of its tensors are passed over" in lines[0] and '"hello"' in lines[0], lines
    save("x.safetensors", odd)
    fails(1, PROMPT, *SIZE, "--lora", "x.safetensors", "--lora-partial", says='"hello" is none of')
    # a side of a LoKr that is there twice
    lokr = {"lokr_w1": f32([8, 8], [0.1 * (i % 5 - 2) for i in range(64)]), "lokr_w2": f32([16, 16], [0.1 * (i % 7 - 3) for i in range(256)])}
    save("x.safetensors", {f"{stem}.{k}": v for k, v in lokr.items()})
    assert picture("--lora", "x.safetensors") != bare
    for more in {"lokr_w1_a": f32([8, 2], [0.1] * 16), "lokr_w1_b": f32([2, 8], [0.1] * 16)}, {"lokr_w2_b": f32([2, 16], [0.1] * 32)}:
        save("x.safetensors", {f"{stem}.{k}": v for k, v in {**lokr, **more}.items()})
        fails(1, PROMPT, *SIZE, "--lora", "x.safetensors", says=["both whole and in factors", "attn1_to_q"])
    # what stands behind a file's name, and names that are told once
    for text, odd in ("strong", "strong"), ("nan", "nan"), ("1:1:1", "1"), ("0.5:x", "0.5:x"):
        fails(2, PROMPT, *SIZE, "--lora", "good.safetensors:" + text, says=f'"{odd}" behind the file\'s name is no weight')
    assert fails(1, PROMPT, *SIZE, "--lora", "nowhere.safetensors:1").err.count("nowhere") == 1


def test_embeddings_of_one_word():
    for name, value in ("a/ink", 0.1), ("b/ink", 0.2):
        os.makedirs(name[0], exist_ok=True)
        save(name + ".safetensors", {"emb_params": f32([2, 128], [value] * 256)})
    one, other = ["--embedding", "a/ink.safetensors"], ["--embedding", "b/ink.safetensors"]
    says = ["a/ink.safetensors and b/ink.safetensors are both called", '"ink"', "FILE=TOKEN"]
    fails(2, "an ink key", *SIZE, *one, *other, says=says)
    fails(2, "an ink key", *SIZE, "--compat", "a1111", *one, *other, says=says)
    draw("an ink key", *SIZE, *one, *one, "-o", "x.png")
    draw("an ink pen key", *SIZE, *one, other[0], other[1] + "=pen", "-o", "x.png")
