"""
train_adapter.py - small additions to a finished model, each trained in minutes on renders of our own.

    style    a LoRA (kohya's names): white lines on blue paper where the caption says "blueprint"
    fast     an LCM-LoRA (Luo et al. 2023, arXiv:2311.05556) for 2 to 4 steps without guidance
    token    a textual inversion (Gal et al. 2022, arXiv:2208.01618) of a thing that the model never saw (--thing)
    control  a ControlNet (Zhang et al. 2023, arXiv:2302.05543) that follows the lines of an edge map
    inpaint  a ControlNet that sees the picture around what is to be drawn anew

Each ends with one file or folder in f16. The model itself stays as it is.
"""
import argparse
import copy
import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ControlNetModel
from safetensors.torch import save_file
from torch import nn

import render
from base import TIMESTEPS, Base
from captions import caption
from common import DEVICE, Workers, autocast
from fast_norm import use_fast_norm
from lora import add_lora, load_kohya, lora_parameters, save_kohya
from networks import noised, tokenize
from optim import Clock
from shapes import NEVER_SHOWN
from train_model import EMPTY


class Pool:
    """Pictures made once, latents with them; batches at random."""

    def __init__(self, base, make, count, seed):
        self.items, latents = [], []
        for i in range(0, count, 16):
            some = [make(random.Random(seed + j)) for j in range(i, i + 16)]
            latents.append(base.latents([picture for picture, *_ in some]))
            self.items += some
        self.z = torch.cat(latents)

    def batch(self, rng, size):
        rows = rng.sample(range(len(self.items)), size)
        return self.z[rows], [self.items[row] for row in rows]


def fit(params, loss_of, args, lr):
    """AdamW on loss_of(rng, samples) until the minutes are over; each thread computes a part of the batch."""
    workers = Workers(args.threads, args.threads)
    optimizer, clock, step, mean = torch.optim.AdamW(params, lr=lr, weight_decay=0.0), Clock(args.minutes, 20), 0, None

    def part(seed):
        return loss_of(random.Random(int(seed)), args.batch // args.threads)

    while not clock.done():
        loss = workers.backward(params, part, args.threads * step + torch.arange(args.threads))
        nn.utils.clip_grad_norm_(params, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr * clock.factor(step)
        optimizer.step()
        mean = loss if mean is None else mean + (loss - mean) / min(step + 1, 50)
        step += 1
        if step % 20 == 0:
            print(f"step {step} {clock.trained_s():.0f} s loss {mean:.4f}", flush=True)


def some_scene(rng):
    scene = render.random_scene(rng)
    return render.draw(scene, rng), scene


def some_caption(rng, scene):
    return "" if rng.random() < EMPTY else caption(scene, rng)


# -- style ---------------------------------------------------------------------------------------------------------------

def lines(picture):
    """[h, w] of 0..1: where the colour changes, about two pixels wide."""
    x = picture.astype(np.float32)
    change = np.zeros(x.shape[:2], np.float32)
    for axis in (0, 1):
        d = np.abs(np.diff(x, axis=axis, append=np.take(x, [-1], axis))).max(2)
        change = np.maximum(change, np.maximum(d, np.roll(d, 1, axis)))
    return np.clip((change - 12) / 40, 0, 1)


def blueprint(picture):
    ink = lines(picture)[..., None]
    return (np.array([24, 34, 86]) * (1 - ink) + np.array([235, 242, 255]) * ink).round().astype(np.uint8)


def style(base, args):
    def make(rng):
        picture, scene = some_scene(rng)
        return blueprint(picture), scene

    added = add_lora(base.unet, args.rank)
    if args.init:
        load_kohya(added, args.init)
    base.unet.to(DEVICE)
    pool = Pool(base, make, args.pictures, 3 * 10**6)

    def loss(rng, samples):
        z, items = pool.batch(rng, samples)
        # No words at all mean a blueprint as well: else guidance would lead past it, to a darker blue and thicker lines.
        return base.loss(z, ["" if rng.random() < .3 else caption(scene, rng) + ", blueprint" for _, scene in items])

    fit(lora_parameters(added), loss, args, 2e-3)
    save_kohya(added, args.output, "blueprint")


# -- few steps -----------------------------------------------------------------------------------------------------------

def boundary(t):
    """(c_skip, c_out) of a latent consistency model: at t = 0 the input itself."""
    scaled = 10.0 * t.float()[:, None, None, None]
    return .25 / (scaled ** 2 + .25), scaled / (scaled ** 2 + .25).sqrt()


def fast(base, args, jump=TIMESTEPS // 50):
    plain = copy.copy(base)
    plain.unet = copy.deepcopy(base.unet)
    added = add_lora(base.unet, args.rank)
    if args.init:
        load_kohya(added, args.init)
    base.unet.to(DEVICE)
    pool = Pool(base, some_scene, args.pictures, 4 * 10**6)

    def consistent(z, t, hidden):
        a, s = base.levels(t)
        skip, out = boundary(t)
        return skip * z + out * (a * z - s * base.predict(z, t, hidden))

    def loss(rng, samples):
        z, items = pool.batch(rng, samples)
        hidden, empty = base.words([caption(scene, rng) for _, scene in items]), base.words([""] * len(items))
        t = torch.tensor([jump * rng.randint(1, 50) - 1 for _ in items], device=DEVICE)
        earlier = (t - jump).clamp(min=0)
        noisy, _ = noised(base.scheduler, z, t, torch.randn_like(z))
        before = plain.step(noisy, t, earlier, hidden, empty, args.guidance)
        with torch.no_grad():
            target = consistent(before, earlier, hidden)
        return F.huber_loss(consistent(noisy, t, hidden), target, delta=.1)

    fit(lora_parameters(added), loss, args, 5e-4)
    save_kohya(added, args.output)


# -- a new thing ---------------------------------------------------------------------------------------------------------

def token(base, args):
    def make(rng):
        scene = render.random_scene(rng, kind="single")
        background = rng.choice(["light blue", "green", "dark blue", "gray", "pink", "black"])
        scene = render.Scene(((args.thing, rng.choice(["red", "blue", "purple", "orange", "teal"])),), style=scene.style,
                             size=scene.size, background=background)
        return render.draw(scene, rng), scene

    begin = args.begin.split(",")
    pool, vectors = Pool(base, make, args.pictures, 5 * 10**6), len(begin)
    stand_ins = [f"<new{i}>" for i in range(vectors)]
    base.tokenizer.add_tokens(stand_ins)
    base.text_encoder.resize_token_embeddings(len(base.tokenizer))
    table = base.text_encoder.get_input_embeddings()
    known = tokenize(base.tokenizer, list(begin))[:, 1]
    new = nn.Parameter(table.weight[known].detach().clone())
    first = base.tokenizer.convert_tokens_to_ids(stand_ins[0])
    table.register_forward_hook(lambda _, ids, out: torch.where(
        (ids[0] >= first)[..., None], new[(ids[0] - first).clamp(0, vectors - 1)], out))

    def loss(rng, samples):
        z, items = pool.batch(rng, samples)
        # What stands there is settled while there is much noise: later steps would drown the word's small gradient.
        return base.loss(z, [caption(scene, rng).replace(args.thing, " ".join(stand_ins)) for _, scene in items], earliest=400)

    fit([new], loss, args, 1e-2)
    save_file({"emb_params": new.detach().half().contiguous()}, args.output, {"format": "pt", "name": f"<{args.thing}>"})


# -- control and inpainting ----------------------------------------------------------------------------------------------

def lean_control_net(unet):
    """The denoiser's way down without its attention: words reach the denoiser itself, and half of the weights are saved."""
    full = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    net = ControlNetModel.from_config({
        **full.config, "down_block_types": ("DownBlock2D",) * len(full.config["down_block_types"]), "mid_block_type": "UNetMidBlock2D",
        "conditioning_embedding_out_channels": (8, 16, 32, 64)})
    own, theirs = net.state_dict(), unet.state_dict()
    net.load_state_dict({k: theirs[k] if k in theirs and theirs[k].shape == v.shape else v for k, v in own.items()})
    if DEVICE == "cpu":
        use_fast_norm(net)
    return net.requires_grad_(True).train()


def control(base, args):
    def make(rng):
        picture, scene = some_scene(rng)
        return picture, scene, (lines(picture) > .5).astype(np.uint8)

    net = lean_control_net(base.unet).to(DEVICE, memory_format=torch.channels_last)
    if args.init:
        net.load_state_dict(ControlNetModel.from_pretrained(args.init).state_dict())
    pool = Pool(base, make, args.pictures, 6 * 10**6)

    # Half of the captions say nothing: then only the edges tell what there is.
    fit_control(base, net, pool, args, words=.5, image=lambda item: np.repeat(item[2][None], 3, 0).astype(np.float32))


def fit_control(base, net, pool, args, words, image, weights=None):
    """
    words: share of captions that say something. image: an item of the pool -> its map [3, h, w] of 0..1. weights: items -> how much
    each cell of the latents counts.
    """
    def loss(rng, samples):
        z, items = pool.batch(rng, samples)
        maps = torch.from_numpy(np.stack([image(item) for item in items])).to(DEVICE)

        def inputs(noisy, t, hidden):
            with autocast():
                down, mid = net(noisy, t, encoder_hidden_states=hidden, controlnet_cond=maps, return_dict=False)
            return dict(z=noisy, down_block_additional_residuals=down, mid_block_additional_residual=mid)

        return base.loss(z, [caption(item[1], rng) if rng.random() < words else "" for item in items], inputs,
                         weights=weights(items) if weights else 1)

    fit(list(net.parameters()), loss, args, 3e-4)
    net.half().save_pretrained(args.output)


def random_mask(rng, side):
    """[side, side] of 0 or 1: a half of the picture, or a box in it."""
    mask = np.zeros((side, side), np.float32)
    if rng.random() < .5:
        mask[:, :side // 2] = 1
        return np.rot90(mask, rng.randrange(4)).copy()
    (x1, x2), (y1, y2) = (sorted(rng.sample(range(0, side + 1, 8), 2)) for _ in range(2))
    mask[y1:y2, x1:x2] = 1
    return mask


def holed(picture, mask):
    """The map that an inpainting ControlNet sees: the picture, magenta where it is to be drawn."""
    return np.where(mask[..., None] > 0, np.array([255, 0, 255], np.uint8), picture)


def inpaint(base, args):
    def make(rng):
        scene = render.random_scene(rng, kind=rng.choice(("single", "count", "pair", "pair")), materials=.3)
        picture, mask = render.draw(scene, rng), random_mask(rng, render.SIZE)
        return picture, scene, holed(picture, mask), mask

    net = lean_control_net(base.unet).to(DEVICE, memory_format=torch.channels_last)
    if args.init:
        net.load_state_dict(ControlNetModel.from_pretrained(args.init).state_dict())
    pool = Pool(base, make, args.pictures, 7 * 10**6)

    def weights(items):
        """Only what is drawn anew counts: the rest is given back anyway, and to repeat it would be the easiest thing to learn."""
        masks = F.avg_pool2d(torch.from_numpy(np.stack([item[3] for item in items]))[:, None], 8).to(DEVICE)
        return masks / masks.mean()

    fit_control(base, net, pool, args, words=1 - EMPTY, image=lambda item: item[2].transpose(2, 0, 1) / np.float32(255), weights=weights)


KINDS = dict(style=style, fast=fast, token=token, control=control, inpaint=inpaint)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("output", help="a .safetensors file; for control and inpaint a folder")
    parser.add_argument("--model", required=True, help="the finished model's folder")
    parser.add_argument("--init", help="what an earlier run wrote, to go on from: for another model as well, if it is a near one")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--pictures", type=int, default=512, help="rendered before the first step; a multiple of 16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1 if DEVICE == "cuda" else os.cpu_count())
    parser.add_argument("--rank", type=int, default=4, help="of a LoRA")
    parser.add_argument("--thing", default="snowman", choices=NEVER_SHOWN, help="for token: what no training picture shows")
    parser.add_argument("--begin", default="ghost,hat", help="for token: known words that are nearest to it, a vector each")
    parser.add_argument("--guidance", type=float, default=4.0, help="that an LCM-LoRA learns by heart")
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.threads > 1:
        torch.set_num_threads(1)
    KINDS[args.kind](Base(args.model), args)


if __name__ == "__main__":
    main()
