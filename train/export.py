"""export.py - a checkpoint as a complete diffusers folder in f16, with limn.json, the defaults that limn reads for a model."""
import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

import words
from common import load_checkpoint
from networks import load_tokenizer, new_scheduler, new_text_encoder, new_unet

DEFAULTS = dict(width=256, height=256, steps=12, sampler="dpmpp_2m", schedule="trailing", cfg_scale=4.0)


def averaged_weights(checkpoint, part):
    prefix = part + "."
    return {k.removeprefix(prefix): v for k, v in checkpoint["ema"]["module"].items() if k.startswith(prefix)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", help="model.pt of train_model.py")
    parser.add_argument("output")
    parser.add_argument("--vae", required=True)
    parser.add_argument("--tokenizer", required=True)
    args = parser.parse_args()

    checkpoint, tokenizer = load_checkpoint(args.checkpoint), load_tokenizer(args.tokenizer)
    unet, text_encoder = new_unet(), new_text_encoder(tokenizer)
    unet.load_state_dict(averaged_weights(checkpoint, "unet"))
    text_encoder.load_state_dict(averaged_weights(checkpoint, "text_encoder"))
    pipeline = StableDiffusionPipeline(
        unet=unet, text_encoder=text_encoder, vae=AutoencoderKL.from_pretrained(args.vae), tokenizer=tokenizer,
        scheduler=new_scheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipeline.to(dtype=torch.float16).save_pretrained(args.output)

    # The names that every reader of such folders knows: recent transformers leave the first word out.
    path = os.path.join(args.output, "text_encoder", "model.safetensors")
    save_file({"text_model." + k.removeprefix("text_model."): v for k, v in load_file(path).items()}, path, {"format": "pt"})
    # The tokenizer's own files; how others are derived from them differs from release to release.
    shutil.rmtree(os.path.join(args.output, "tokenizer"))
    shutil.copytree(args.tokenizer, os.path.join(args.output, "tokenizer"))
    for folder, _, names in os.walk(args.output):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
            if name.endswith(".json"):
                drop_paths(os.path.join(folder, name))
    with open(os.path.join(args.output, "limn.json"), "w", encoding="utf-8") as f:
        json.dump(DEFAULTS, f, indent=2)
        f.write("\n")
    words.write(os.path.join(args.output, "limn-words.json"))


def drop_paths(path):
    """Where the parts were loaded from is no one's business."""
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    if config.pop("_name_or_path", None) is not None:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
