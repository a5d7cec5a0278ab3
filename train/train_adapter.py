"""
train_adapter.py - small additions to a finished model, each trained in minutes on renders of our own.

    style    a LoRA (kohya's names): white lines on blue paper where the caption says "blueprint"
    fast     an LCM-LoRA (Luo et al. 2023, arXiv:2311.05556) for 2 to 4 steps without guidance
    token    a textual inversion (Gal et al. 2022, arXiv:2208.01618) of a thing that the model never saw
    control  a ControlNet (Zhang et al. 2023, arXiv:2302.05543) that follows the lines of an edge map
    inpaint  the denoiser with the mask and the masked picture's latents as further inputs

Each ends with one file or folder in f16. The model itself stays as it is; only `inpaint` writes a denoiser of its own.
"""
import argparse
import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ControlNetModel, StableDiffusionPipeline
from safetensors.torch import save_file
from torch import nn

import render
from captions import caption
from common import DEVICE, autocast, to_tensor
from lora import add_lora, lora_parameters, save_kohya
from networks import LATENT, tokenize
from optim import Clock
from shapes import GOLD, INK, WHITE, WOOD
from train_model import EMPTY, noised

TIMESTEPS = 1000


class Base:
    """The finished model, frozen, and what every kind needs of it."""

    def __init__(self, folder):
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        self.unet, self.vae, self.text_encoder, self.tokenizer = pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer
        self.scheduler = pipe.scheduler
        for part in (self.unet, self.vae, self.text_encoder):
            part.float().to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False)

    @torch.no_grad()
    def latents(self, pictures):
        x = to_tensor(np.stack(pictures))
        with autocast():
            return torch.cat([self.vae.encode(part).latent_dist.mode().float() for part in x.split(4)])

    def words(self, texts):
        with autocast():
            return self.text_encoder(tokenize(self.tokenizer, texts).to(DEVICE)).last_hidden_state

    def predict(self, z, t, hidden, **more):
        with autocast():
            return self.unet(z, t, encoder_hidden_states=hidden, **more).sample.float()

    def loss(self, z, texts, unet_inputs=lambda noisy, t, hidden: dict(z=noisy)):
        """The training's own loss at evenly spread timesteps."""
        n = len(z)
        t = ((torch.randperm(n) + torch.rand(n)) * TIMESTEPS / n).long().clamp(max=TIMESTEPS - 1).to(DEVICE)
        noisy, v = noised(self.scheduler, z, t, torch.randn_like(z))
        hidden = self.words(texts)
        more = unet_inputs(noisy, t, hidden)
        return (self.predict(more.pop("z"), t, hidden, **more) - v).square().mean()


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


def fit(params, loss_of, minutes, lr):
    """AdamW on loss_of(rng) until the minutes are over."""
    optimizer, clock, step, mean = torch.optim.AdamW(params, lr=lr, weight_decay=0.0), Clock(minutes, 20), 0, None
    while not clock.done():
        loss = loss_of(random.Random(step))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(params, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr * clock.factor(step)
        optimizer.step()
        mean = loss.item() if mean is None else mean + (loss.item() - mean) / min(step + 1, 50)
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
    return (np.array([24, 62, 140]) * (1 - ink) + np.array([235, 242, 255]) * ink).round().astype(np.uint8)


def style(base, args):
    def make(rng):
        picture, scene = some_scene(rng)
        return blueprint(picture), scene

    added = add_lora(base.unet, args.rank)
    base.unet.to(DEVICE)
    pool = Pool(base, make, args.pictures, 3 * 10**6)

    def loss(rng):
        z, items = pool.batch(rng, args.batch)
        return base.loss(z, [some_caption(rng, scene) + ", blueprint" for _, scene in items])

    fit(lora_parameters(added), loss, args.minutes, 2e-3)
    save_kohya(added, args.output)


# -- few steps -----------------------------------------------------------------------------------------------------------

def boundary(t):
    """(c_skip, c_out) of a latent consistency model: at t = 0 the input itself."""
    scaled = 10.0 * t.float()[:, None, None, None]
    return .25 / (scaled ** 2 + .25), scaled / (scaled ** 2 + .25).sqrt()


def fast(base, args, jump=TIMESTEPS // 50):
    added = add_lora(base.unet, args.rank)
    base.unet.to(DEVICE)
    pool = Pool(base, some_scene, args.pictures, 4 * 10**6)
    alphas = base.scheduler.alphas_cumprod.to(DEVICE)

    def levels(t):
        a = alphas[t][:, None, None, None]
        return a.sqrt(), (1 - a).sqrt()

    def consistent(z, t, hidden):
        a, s = levels(t)
        skip, out = boundary(t)
        return skip * z + out * (a * z - s * base.predict(z, t, hidden))

    @torch.no_grad()
    def one_step(z, t, earlier, hidden, empty):
        """The plain model's DDIM step with guidance."""
        for lora in added.values():
            lora.scale = 0.0
        without, with_ = base.predict(torch.cat([z, z]), torch.cat([t, t]), torch.cat([empty, hidden])).chunk(2)
        for lora in added.values():
            lora.scale = 1.0
        v = without + args.guidance * (with_ - without)
        (a, s), (a2, s2) = levels(t), levels(earlier)
        return a2 * (a * z - s * v) + s2 * (a * v + s * z)

    def loss(rng):
        z, items = pool.batch(rng, args.batch)
        hidden, empty = base.words([caption(scene, rng) for _, scene in items]), base.words([""] * len(items))
        t = torch.tensor([jump * rng.randint(1, 50) - 1 for _ in items], device=DEVICE)
        earlier = (t - jump).clamp(min=0)
        noisy, _ = noised(base.scheduler, z, t, torch.randn_like(z))
        before = one_step(noisy, t, earlier, hidden, empty)
        with torch.no_grad():
            target = consistent(before, earlier, hidden)
        return F.huber_loss(consistent(noisy, t, hidden), target, delta=.1)

    fit(lora_parameters(added), loss, args.minutes, 5e-4)
    save_kohya(added, args.output)


# -- a new thing ---------------------------------------------------------------------------------------------------------

def snowman(pen, colour):
    """Nothing like it is in shapes.py. The colour is that of hat and scarf."""
    pen.circle(0, .48, pen.vary(.44, .48))
    pen.fill(WHITE)
    pen.circle(0, -.2, .34)
    pen.fill(WHITE)
    pen.box(-.34, .02, .68, .14, .06)
    pen.fill(colour)
    pen.box(-.26, -.92, .52, .38, .04)
    pen.fill(colour)
    pen.box(-.42, -.58, .84, .11, .05)
    pen.fill(colour)
    for x in (-.12, .12):
        pen.circle(x, -.28, .05)
        pen.mark(INK)
    pen.polygon((0, -.2), (.3, -.12), (0, -.1))
    pen.mark(GOLD)
    for side in (-1, 1):
        pen.line((side * .4, .3), (side * .9, pen.vary(-.1, .1)))
        pen.stroke(WOOD, .06)


def token(base, args, name="<snowman>", vectors=2):
    render.THINGS["snowman"] = snowman

    def make(rng):
        scene = render.random_scene(rng, kind="single")
        background = rng.choice(["light blue", "green", "dark blue", "gray", "pink", "black"])
        scene = render.Scene((("snowman", rng.choice(["red", "blue", "purple", "orange", "teal"])),), style=scene.style,
                             size=scene.size, background=background)
        return render.draw(scene, rng), scene

    pool = Pool(base, make, args.pictures, 5 * 10**6)
    stand_ins = [f"<new{i}>" for i in range(vectors)]
    base.tokenizer.add_tokens(stand_ins)
    base.text_encoder.resize_token_embeddings(len(base.tokenizer))
    table = base.text_encoder.get_input_embeddings()
    known = tokenize(base.tokenizer, ["ghost"])[0, 1]
    new = nn.Parameter(table.weight[known].detach().repeat(vectors, 1))
    first = base.tokenizer.convert_tokens_to_ids(stand_ins[0])
    table.register_forward_hook(lambda _, ids, out: torch.where(
        (ids[0] >= first)[..., None], new[(ids[0] - first).clamp(0, vectors - 1)], out))

    def loss(rng):
        z, items = pool.batch(rng, args.batch)
        return base.loss(z, [caption(scene, rng).replace("snowman", " ".join(stand_ins)) for _, scene in items])

    fit([new], loss, args.minutes, 5e-3)
    save_file({"emb_params": new.detach().half().contiguous()}, args.output, {"format": "pt", "name": name})


# -- control and inpainting ----------------------------------------------------------------------------------------------

def control(base, args):
    def make(rng):
        picture, scene = some_scene(rng)
        return picture, scene, (lines(picture) > .5).astype(np.uint8)

    net = ControlNetModel.from_unet(base.unet, conditioning_channels=3, load_weights_from_unet=True).to(DEVICE)
    net.requires_grad_(True).train()
    pool = Pool(base, make, args.pictures, 6 * 10**6)

    def loss(rng):
        z, items = pool.batch(rng, args.batch)
        image = torch.from_numpy(np.stack([edge for *_, edge in items])).float().to(DEVICE)[:, None].expand(-1, 3, -1, -1)

        def inputs(noisy, t, hidden):
            with autocast():
                down, mid = net(noisy, t, encoder_hidden_states=hidden, controlnet_cond=image, return_dict=False)
            return dict(z=noisy, down_block_additional_residuals=down, mid_block_additional_residual=mid)

        # Half of the captions say nothing: then only the edges tell what there is.
        return base.loss(z, [caption(scene, rng) if rng.random() < .5 else "" for _, scene, _ in items], inputs)

    fit(list(net.parameters()), loss, args.minutes, 3e-4)
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


def inpaint(base, args):
    def make(rng):
        return *some_scene(rng), random_mask(rng, render.SIZE)

    old = base.unet.conv_in
    wide = nn.Conv2d(2 * LATENT + 1, old.out_channels, old.kernel_size, padding=old.padding)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, :LATENT] = old.weight
        wide.bias.copy_(old.bias)
    base.unet.conv_in = wide.to(DEVICE)
    base.unet.register_to_config(in_channels=2 * LATENT + 1)
    base.unet.requires_grad_(True).train()
    pool = Pool(base, make, args.pictures, 7 * 10**6)
    grey = [(np.where(mask[..., None] > 0, 127.5, picture)).astype(np.uint8) for picture, _, mask in pool.items]
    masked = torch.cat([base.latents(grey[i:i + 16]) for i in range(0, len(grey), 16)])
    pool.items = [(*item, masked[i]) for i, item in enumerate(pool.items)]

    def loss(rng):
        z, items = pool.batch(rng, args.batch)
        mask = torch.from_numpy(np.stack([m for _, _, m, _ in items])).to(DEVICE)[:, None]
        mask = F.interpolate(mask, z.shape[-2:])
        kept = torch.stack([m for *_, m in items])
        return base.loss(z, [some_caption(rng, scene) for _, scene, *_ in items],
                         lambda noisy, t, hidden: dict(z=torch.cat([noisy, mask, kept], 1)))

    fit(list(base.unet.parameters()), loss, args.minutes, 3e-4)
    base.unet.half().save_pretrained(args.output)


KINDS = dict(style=style, fast=fast, token=token, control=control, inpaint=inpaint)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("output", help="a .safetensors file; for control and inpaint a folder")
    parser.add_argument("--model", required=True, help="the finished model's folder")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--pictures", type=int, default=512, help="rendered before the first step; a multiple of 16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rank", type=int, default=4, help="of a LoRA")
    parser.add_argument("--guidance", type=float, default=4.0, help="that an LCM-LoRA learns by heart")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    KINDS[args.kind](Base(args.model), args)


if __name__ == "__main__":
    main()
