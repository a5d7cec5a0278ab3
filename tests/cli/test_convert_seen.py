"""limn convert of models that are shown a picture: into folders with all of their parts; single files are refused with what to do."""

import tiny
from helpers import *
from test_from_pictures import pixels, png
from tiny import CLIP, UNET_PREFIX

PIPELINE = os.path.join(REPO, "tests", "golden", "pipeline")
SIDE = ["-s", "2", "--seed", "1", "-q", "-i", "in.png", "--precision", "f32"]


def test_convert_seen_folders():
    png("in.png", 40, 32, lambda x, y: (x * 6, y * 8, 99))
    for name, parts in ("x4", {"low_res_scheduler"}), ("unclip", {"image_encoder", "image_normalizer", "image_noising_scheduler"}):
        source = os.path.join(PIPELINE, name)
        limn("a cat", "-m", source, *SIDE, "-o", "want.png")
        assert limn("convert", source, name, "-q").out == name + "\n"
        assert parts < set(files(name))
        mine, theirs = (json.loads(read(f + "/model_index.json")) for f in (name, source))
        assert all(mine[p] == theirs[p] for p in parts) and mine["_class_name"] == theirs["_class_name"]
        limn("a cat", "-m", name, *SIDE, "-o", "x.png")
        assert pixels("x.png") == pixels("want.png"), name
        limn("convert", name, name + "-wide", "--precision", "f32", "-q")
        limn("a cat", "-m", name + "-wide", *SIDE, "-o", "x.png")
        assert pixels("x.png") == pixels("want.png"), name
        for out in [name + ".safetensors"], [name + ".gguf", "--type", "q8_0"]:
            fails(1, "convert", source, *out, says=["a single file does not keep", "folder"])
            assert not os.path.exists(out[0])
        for part in parts:
            shutil.rmtree(f"{name}-wide/{part}")
            fails(1, "convert", name + "-wide", "x", says=part)
            assert not os.path.exists("x")
            shutil.copytree(f"{name}/{part}", f"{name}-wide/{part}")


def test_seen_single_files():
    """In the names of their releases: called what they are, with the command that gets the folder."""
    x4, unclip = tiny.checkpoint(inputs=7), tiny.checkpoint()
    x4.put(UNET_PREFIX + "label_emb.weight", 1000, 128)
    for i, takes in (0, 96), (2, 128):
        unclip.layer(f"{UNET_PREFIX}label_emb.0.{i}", 128, takes)
    unclip.put("noise_augmentor.betas", 1000)
    for tensors, what in (x4, "stable-diffusion-x4-upscaler"), (unclip, "stable-diffusion-2-1-unclip"):
        path = tensors.save("x.safetensors")
        fails(1, "x", "-m", path, "--tokenizer", CLIP, says="limn pull stabilityai/" + what)
        assert "limn pull stabilityai/" + what in limn("info", path).out
