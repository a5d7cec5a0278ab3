#!/usr/bin/env python3
"""limn compared with diffusers on the full Stable Diffusion 1.5, 2.1 and XL networks, with random weights.

    make parity                       SD 1.5 and 2.1
    bench/parity sdxl                 SD XL (see parity_xl.py): 14 GB of memory and of disk
    bench/parity sd15 --clip DIR      one; CLIP's vocab.json and merges.txt in DIR (without it a made-up vocabulary)

Both programs read the same float16 files and compute in float32. One UNet call at 512x512; one picture of 256x256 in two
steps with guidance, from the diffusers folder and from the single file in LDM naming. Every stage is compared by limn's
--trace; each program runs alone, so that time and peak memory are its own.
"""
import argparse
import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "golden"))
import make as golden  # the same random weights as the small goldens

X, D, UX, U = "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"
UNET = dict(sample_size=64, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2, down_block_types=(X, X, X, D),
            up_block_types=(U, UX, UX, UX))
VAE = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
           down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
TEXT = dict(vocab_size=49408, max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407)

MODELS = {
    "sd15": dict(
        unet=dict(cross_attention_dim=768, attention_head_dim=8), prediction="epsilon", pad="<|endoftext|>",
        text=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                  hidden_act="quick_gelu", projection_dim=768)),
    "sd21": dict(
        unet=dict(cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True),
        prediction="v_prediction", pad="!",
        text=dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
                  hidden_act="gelu", projection_dim=512)),
}
PROMPT, NEGATIVE, SEED, GUIDANCE, STEPS = "a lighthouse at night, oil on canvas", "blurry", 1234, 7.5, 2


# --- weights, made once -----------------------------------------------------------------------------------------------

def vocabulary():
    """A vocabulary in CLIP's format and of its size: bytes, then runs of two, three and four letters."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    letters = "abcdefghijklmnopqrstuvwxyz"
    merges, runs = [], list(letters)
    while len(merges) < 48894:
        pairs = [(run, letter + end) for run in runs for letter in letters for end in ("", "</w>")]
        merges += pairs
        runs = [a + b for a, b in pairs if not b.endswith("</w>")]
    merges = merges[:48894]
    tokens = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {t: i for i, t in enumerate(tokens)}, merges


def write_tokenizer(folder, pad, clip):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        if clip:
            (folder / name).write_bytes((clip / name).read_bytes())
    if not clip:
        vocab, merges = vocabulary()
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    golden.write_json(folder / "tokenizer_config.json", {
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad,
        "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})


def write_folder(name, folder, clip):
    """A diffusers folder in float16."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel
    spec = MODELS[name]
    golden.save_network(golden.randomise(UNet2DConditionModel(**UNET, **spec["unet"]), 1), folder / "unet")
    golden.save_network(golden.randomise(AutoencoderKL(**VAE), 2), folder / "vae")
    golden.randomise(CLIPTextModel(CLIPTextConfig(**TEXT, **spec["text"])), 3).half().save_pretrained(folder / "text_encoder")
    DDIMScheduler(**golden.SCHEDULER, prediction_type=spec["prediction"]).save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer", spec["pad"], clip)
    golden.write_json(folder / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]})


def write_single_file(name, folder, path):
    """The same weights under the names of the published checkpoints, by the table that tests/golden/ldm.py made."""
    parts = {
        "unet": load_file(folder / "unet" / golden.WEIGHTS),
        "vae": load_file(folder / "vae" / golden.WEIGHTS),
        "text_encoder": {f"text_model.{k.removeprefix('text_model.')}": v
                         for k, v in load_file(folder / "text_encoder" / "model.safetensors").items()},
    }
    out = {}
    with open(ROOT / "tests" / "golden" / "ldm" / f"{name}.tsv", encoding="utf-8") as table:
        for ldm, shape, part, theirs, _, row in csv.reader(table, delimiter="\t"):
            shape = [] if shape == "scalar" else [int(n) for n in shape.split("x")]
            if ldm not in out:  # what diffusers does not use is zero, in int64 where the releases have it so
                out[ldm] = torch.zeros(shape, dtype=torch.int64 if ldm.endswith("position_ids") else torch.float16)
            if part != "-":
                value, row = parts[part][theirs], int(row)
                rows = value.shape[0]
                out[ldm][row:row + rows] = value.reshape(rows, *shape[1:])
    save_file(out, path)


def make_weights(name, cache, clip):
    folder, single = cache / name, cache / f"{name}.safetensors"
    if not (folder / "model_index.json").exists():
        print(f"making random weights in {folder}", file=sys.stderr)
        write_folder(name, folder, clip)
    if not single.exists():
        write_single_file(name, folder, single)
    return folder, single


# --- the reference, in a process of its own -----------------------------------------------------------------------------

def reference_unet(folder, out, size):
    """One call on unit noise as the network sees it at the first timestep of a one-step run, with limn's own embedding; then
    limn's latent through the VAE."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    io = load_file(out / "unet-limn.safetensors")
    sample, t = io["noise"], io["timesteps"][0]  # leading spacing: the scaled input is unit noise itself
    seconds = []
    for _ in range(2):  # the first call also makes oneDNN's kernels
        start = time.monotonic()
        result = unet(sample, t, io["prompt_embeds"]).sample
        seconds.append(time.monotonic() - start)
    del unet
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    start = time.monotonic()
    image = vae.decode(io["latents"] / vae.config.scaling_factor).sample
    decoding = time.monotonic() - start
    save_file({"out": result.contiguous(), "image": image.contiguous()}, out / "unet-diffusers.safetensors")
    return {"sampling": min(seconds), "decoding": decoding}


def reference_picture(folder, out, size):
    from diffusers import EulerDiscreteScheduler
    start = time.monotonic()
    pipe = golden.load_pipeline(folder)
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    pipe.scheduler = EulerDiscreteScheduler.from_config(config)
    loaded = time.monotonic()
    job = {"prompt": PROMPT, "negative-prompt": NEGATIVE, "cfg-scale": GUIDANCE, "steps": STEPS, "seed": SEED, "width": size,
           "height": size, "schedule": "model", "_text": True, "_image": True}
    io = golden.run_case(pipe, job)
    save_file({k: v.clone().contiguous() for k, v in io.items()}, out / "picture-diffusers.safetensors")
    return {"load": loaded - start, "run": time.monotonic() - loaded}


REFERENCES = {"unet": reference_unet, "picture": reference_picture}


# --- running and comparing ----------------------------------------------------------------------------------------------

def run(command):
    """Standard output and error, wall seconds, peak memory in bytes and processor seconds of a process."""
    start = time.monotonic()
    p = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = p.communicate()
    measured = re.search(r"PEAK (\d+) CPU ([\d.]+)", err)
    peak, cpu = (int(measured[1]) * 1024, float(measured[2])) if measured else (0, 0.0)
    if p.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{err}")
    return out, err, time.monotonic() - start, peak, cpu


MEASURED = ("import resource, subprocess, sys; rc = subprocess.call(sys.argv[1:]); "
            "r = resource.getrusage(resource.RUSAGE_CHILDREN); "
            "print('PEAK', r.ru_maxrss, 'CPU', r.ru_utime + r.ru_stime, file=sys.stderr); sys.exit(rc)")


def limn(args, model, trace, size, steps, cfg, *more):
    _, err, wall, peak, cpu = run([sys.executable, "-c", MEASURED, args.limn, "generate", "-m", model, "-v", PROMPT, "-n", NEGATIVE,
                              "-W", size, "-H", size, "-s", steps, "--cfg-scale", cfg, "--seed", SEED, "--sampler", "euler",
                              "--schedule", "model", "--precision", "f32", "-t", args.threads, "--trace", trace,
                              "-o", trace.with_suffix(".png"), *more])
    seconds = {what: float(re.search(what + r" ([\d.]+)", err).group(1)) for what in ("sampling", "decoding")}
    return {"wall": wall, "peak": peak, "cpu": cpu, **seconds, **load_file(trace)}


def reference(args, stage, folder, out, size):
    text, _, wall, peak, cpu = run([sys.executable, "-c", MEASURED, sys.executable, __file__, "--reference", stage, folder, out,
                               "--size", size, "--threads", args.threads])
    return {"wall": wall, "peak": peak, "cpu": cpu, **json.loads(text)}


def error(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm())


def psnr(a, b):
    """dB, of pictures in -1..1 clamped to it, as they are seen."""
    mse = float((a.clamp(-1, 1).double() - b.clamp(-1, 1).double()).square().mean())
    return float("inf") if mse == 0 else 10 * torch.log10(torch.tensor(4 / mse)).item()


def network_output(trace, prediction):
    """What the UNet said in a one-step Euler run that ends at sigma 0: the latent is then the estimate x0."""
    sigma = trace["sigmas"][0].double()
    x = trace["noise"].double() * (sigma**2 + 1) ** 0.5
    x0 = trace["latents"].double()
    if prediction == "epsilon":
        return (x - x0) / sigma
    return (x0 - x / (sigma**2 + 1)) * -((sigma**2 + 1) ** 0.5) / sigma


def row(label, ours, theirs, unit, note=""):
    print(f"  {label:<34}{ours:>9.2f} {unit:<3}{theirs:>9.2f} {unit:<3} x{ours / theirs:.2f}  {note}")


def compare(name, args, cache):
    folder, single = make_weights(name, cache, args.clip)
    out = cache / "out" / name
    out.mkdir(parents=True, exist_ok=True)
    print(f"\n{name}, float32, {args.threads} threads{'limn':>21}{'diffusers':>14}")

    side = args.unet_size // 8
    save_file({"noise": torch.randn(1, 4, side, side, generator=golden.generator(5))}, out / "start.safetensors")
    ours, theirs = [], []
    for _ in range(args.rounds):  # by turns, the fastest counts: other work on the machine disturbs both
        ours.append(limn(args, folder, out / "unet-limn.safetensors", args.unet_size, 1, 1, "--latents", out / "start.safetensors"))
        theirs.append(reference(args, "unet", folder, out, args.unet_size))
    said = network_output(ours[-1], MODELS[name]["prediction"])
    expected = load_file(out / "unet-diffusers.safetensors")
    fastest = lambda what: (min(r[what] for r in ours), min(r[what] for r in theirs), "s")
    size = f"{args.unet_size}x{args.unet_size}"
    row(f"UNet call, {size}", *fastest("sampling"), f"error {error(said, expected['out']):.1e}")
    row(f"VAE decoding, {size}", *fastest("decoding"), f"error {error(ours[-1]['image'], expected['image']):.1e}")

    ours = limn(args, folder, out / "picture-limn.safetensors", args.size, STEPS, GUIDANCE)
    theirs = reference(args, "picture", folder, out, args.size)
    io = load_file(out / "picture-diffusers.safetensors")
    row(f"picture {args.size}x{args.size}, {STEPS} steps, all in all", ours["wall"], theirs["wall"], "s")
    row("peak memory", ours["peak"] / 2**30, theirs["peak"] / 2**30, "GB")
    equal = torch.equal(ours["tokens"], io["tokens"]) and torch.equal(ours["negative_tokens"], io["negative_tokens"])
    print(f"  ids {'equal' if equal else 'DIFFER'}, noise {'equal' if torch.equal(ours['noise'], io['noise']) else 'DIFFERS'}; errors:",
          *(f"{k} {error(ours[k], io[k]):.1e}," for k in ("prompt_embeds", "negative_prompt_embeds", "latents.0", "latents.1", "image")),
          f"picture {psnr(ours['image'], io['image']):.0f} dB")

    alone = limn(args, single, out / "single-limn.safetensors", args.size, STEPS, GUIDANCE, "--tokenizer", folder / "tokenizer")
    same = all(torch.equal(alone[k], ours[k]) for k in io)
    print(f"  from the single file: {'the same bits' if same else 'DIFFERENT: image error %.1e' % error(alone['image'], ours['image'])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}, sdxl; default all but sdxl")
    parser.add_argument("--clip", type=Path, metavar="DIR", help="a folder with CLIP's vocab.json and merges.txt")
    parser.add_argument("--limn", type=Path, default=ROOT / "build" / "limn", metavar="FILE")
    parser.add_argument("--size", type=int, default=256, help="of the picture")
    parser.add_argument("--unet-size", type=int, default=512, help="of the picture whose UNet call is timed")
    parser.add_argument("--rounds", type=int, default=1, help="how often the UNet call is timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--reference", choices=[*REFERENCES, "picture-xl"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    import parity_xl  # which imports this file
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    if args.reference:
        folder, out = map(Path, args.models)
        print(json.dumps(REFERENCES.get(args.reference, parity_xl.reference)(folder, out, args.size)))
        return
    cache = Path(os.environ.get("LIMN_CACHE") or Path.home() / ".cache" / "limn" / "parity")
    for name in args.models or MODELS:
        if name == "sdxl":
            parity_xl.compare(args, cache)
        elif name in MODELS:
            compare(name, args, cache)
        else:
            parser.error(f"{name}: there are {', '.join(MODELS)}, sdxl")


if __name__ == "__main__":
    main()
