"""--tokenizer on models with two encoders: each keeps the padding that it was trained with."""

import json

import tiny_xl
from helpers import *
from tiny import CLIP

SEED = ["--seed", "1", "-m"]


def pixels(model, *more):
    return [d for k, d in chunks(read(draw("a red potion", *SEED, model, "-o", "x.png", *more)[0])) if k == b"IDAT"]


def change_pad(folder, pad):
    path = folder + "/tokenizer_config.json"
    config = json.loads(read(path))
    config["pad_token"] = pad
    write(path, json.dumps(config).encode())


def xl_folder():
    limn("convert", tiny_xl.base().save("xl.safetensors"), "xl", "-q", "--tokenizer", CLIP)
    paddings = [json.loads(read(f"xl/{name}/tokenizer_config.json"))["pad_token"] for name in ("tokenizer", "tokenizer_2")]
    assert paddings == ["<|endoftext|>", "!"]
    return pixels("xl")


def test_tokenizer_option_padding():
    """A vocabulary alone serves both; the second's padding is the model's own, or OpenCLIP's where the model has no tokenizer_2."""
    want = xl_folder()
    shutil.copytree("xl/tokenizer", "plain")
    assert pixels("xl", "--tokenizer", "plain") == want == pixels("xl.safetensors", "--tokenizer", "plain")
    shutil.copytree("xl", "without")
    shutil.rmtree("without/tokenizer_2")
    fails(1, "x", "-m", "without", says="tokenizer_2")
    assert pixels("without", "--tokenizer", "plain") == want
    change_pad("xl/tokenizer_2", "a")
    other = pixels("xl")
    assert other != want and pixels("xl", "--tokenizer", "plain") == other
    change_pad("plain", "a")
    assert pixels("xl", "--tokenizer", "plain") not in (want, other), "the first encoder's padding is that folder's, as in diffusers"


def test_tokenizer_option_of_a_model():
    """A model's folder: its second tokenizer where it has one; else its first one's vocabulary."""
    want = xl_folder()
    shutil.copytree("xl", "other")
    assert pixels("xl", "--tokenizer", "other") == want
    change_pad("other/tokenizer_2", "a")
    assert pixels("xl", "--tokenizer", "other") != want
    assert pixels("xl.safetensors", "--tokenizer", "other") == want, "a single file's paddings are known"
    shutil.rmtree("other/tokenizer_2")
    assert pixels("xl", "--tokenizer", "other") == want


def test_tokenizer_option_refiner():
    """Its only encoder is a second one."""
    limn("convert", tiny_xl.refiner().save("r.safetensors"), "r", "-q", "--tokenizer", CLIP)
    want = pixels("r")
    shutil.copytree(CLIP, "plain", dirs_exist_ok=True)
    assert pixels("r", "--tokenizer", "plain") == want == pixels("r.safetensors", "--tokenizer", "plain")
    os.remove("r/tokenizer_2/merges.txt")
    assert pixels("r", "--tokenizer", "plain") == want, "of its own files only the padding is asked"
    write("r/tokenizer_2/tokenizer_config.json", b'{"pad_token": 3}')
    fails(1, "x", "-m", "r", "--tokenizer", "plain", says=["tokenizer_2: tokenizer_config.json", "pad_token"])
