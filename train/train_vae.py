"""
train_vae.py - pictures to latents and back: diffusers' AutoencoderKL, eight pixels to a cell, eight channels.

The first three channels are taught to be a thumbnail: the mean colour of each 8x8 block, rotated and scaled to
unit variance (PCA). So colour and silhouette are plain to see in the latents, and the decoder has the right colours
from the first step. The other five carry detail; they are normalised over the batch, and noise is added to all of
them before decoding: that bounds what a channel can carry and keeps the latents smooth.

With --decoder the decoder alone is trained on, at any time later: what a denoiser learnt of the latents stays true. With
--denoiser as well it learns to decode what that denoiser draws, whose latents are never quite those of a picture.
"""
import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

import captions
import render
import sharpness
from base import Base
from common import DEVICE, Workers, autocast, load_checkpoint, save_checkpoint, save_grid, to_pictures, to_tensor
from fast_norm import use_fast_norm
from optim import Clock, Ema, make_optimizer

THUMB, DETAIL = 3, 5
LATENT = THUMB + DETAIL
CELL = 8
NOISE = 0.4        # the most noise (standard deviation) added to the detail channels in training
POLISH_NOISE = 0.15   # the same, of all channels, while the decoder alone is trained


def new_autoencoder():
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENT, sample_size=render.SIZE, layers_per_block=1,
        block_out_channels=(16, 32, 64, 128), norm_num_groups=8, scaling_factor=1.0,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def pictures(seed, count, size=render.SIZE):
    """Renders of random scenes. size below the whole: crops that begin at a cell's corner, most near the middle."""
    out = []
    for i in range(count):
        rng = random.Random(seed * 100_003 + i)
        picture = render.draw(render.random_scene(rng), rng)
        if size < render.SIZE:
            cells = (render.SIZE - size) // CELL
            x, y = (CELL * round(cells * rng.triangular(0, 1, 0.5)) for _ in range(2))
            picture = picture[y:y + size, x:x + size]
        out.append(picture)
    return np.stack(out)


class Thumbnail(nn.Module):
    """Block means of the colour, decorrelated: x [n, 3, h, w] -> [n, 3, h/8, w/8], about N(0, 1) a channel."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("rotate", torch.eye(3))

    def fit(self, x):
        colours = F.avg_pool2d(x, CELL).permute(1, 0, 2, 3).flatten(1)
        self.mean = colours.mean(1)
        values, vectors = torch.linalg.eigh(torch.cov(colours))
        self.rotate = (vectors / values.sqrt()).T.flip(0).contiguous()

    def fit_to(self, x, z):
        """Take the rotation that another autoencoder's first channels z have already, so that what was learnt on them stays."""
        colours = F.avg_pool2d(x, CELL).permute(1, 0, 2, 3).flatten(1)
        wanted = z[:, :THUMB].permute(1, 0, 2, 3).flatten(1)
        a = torch.cat([colours, torch.ones_like(colours[:1])])
        solved = torch.linalg.lstsq(a.T, wanted.T).solution.T
        self.rotate, offset = solved[:, :3].contiguous(), solved[:, 3]
        self.mean = -torch.linalg.solve(self.rotate, offset)

    def forward(self, x):
        blocks = F.avg_pool2d(x, CELL) - self.mean[:, None, None]
        return torch.einsum("ij,njhw->nihw", self.rotate, blocks)


class Trainee(nn.Module):
    """The autoencoder with what only its training needs."""

    def __init__(self):
        super().__init__()
        self.vae = new_autoencoder()
        self.thumbnail = Thumbnail()
        self.norm = nn.BatchNorm2d(DETAIL, affine=False, momentum=0.02)

    def encode(self, x):
        mean = self.vae.quant_conv(self.vae.encoder(x))[:, :LATENT].float()
        return torch.cat([mean[:, :THUMB], self.norm(mean[:, THUMB:])], 1)

    def decode(self, z):
        return self.vae.decoder(self.vae.post_quant_conv(z)).float()

    def loss(self, x):
        z, target = self.encode(x), self.thumbnail(x)
        thumb = F.mse_loss(z[:, :THUMB], target)
        exact = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
        z = torch.cat([torch.where(exact, target, z[:, :THUMB]), z[:, THUMB:]], 1)
        level = NOISE * torch.rand(len(x), 1, 1, 1, device=x.device)
        share = torch.tensor([0.5] * THUMB + [1.0] * DETAIL, device=x.device)[:, None, None]
        y = self.decode(z + level * share * torch.randn_like(z))
        return reconstruction_loss(x, y) + thumb


class Redrawn:
    """Renders, and their latents as a finished denoiser draws them: what the decoder will have to decode."""

    def __init__(self, folder, count, part=16):
        base, self.pictures, latents = Base(folder), [], []
        for i in range(0, count, part):
            scenes = [render.random_scene(random.Random(8 * 10**6 + j)) for j in range(i, i + part)]
            some = [render.draw(scene, random.Random(j)) for j, scene in enumerate(scenes, i)]
            texts = [captions.caption(scene, full=True) for scene in scenes]
            start = 100 + 300 * (i // part) / max(1, count // part - 1)
            latents.append(base.drawn_again(base.latents(some), texts, start, 4))
            self.pictures += some
        self.latents = torch.cat(latents)

    def crops(self, seed, count, size):
        """(pictures [count, size, size, 3], their latents): the same place of both, most near the middle."""
        cells, room, pictures, latents = size // CELL, (render.SIZE - size) // CELL, [], []
        for i in range(count):
            rng = random.Random(seed * 100_003 + i)
            k = rng.randrange(len(self.pictures))
            x, y = (round(room * rng.triangular(0, 1, 0.5)) for _ in range(2))
            pictures.append(self.pictures[k][CELL * y:CELL * y + size, CELL * x:CELL * x + size])
            latents.append(self.latents[k, :, y:y + cells, x:x + cells])
        return np.stack(pictures), torch.stack(latents)


class Polish(nn.Module):
    """A finished autoencoder whose decoder alone is trained on: the latents stay what a denoiser has learnt them to be."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)

    @torch.no_grad()
    def encode(self, x):
        return self.vae.encode(x).latent_dist.mode().float()

    def decode(self, z):
        return self.vae.decode(z).sample.float()

    def loss(self, x, z=None):
        """z: latents that a denoiser made; without them the encoder's own, with noise."""
        if z is None:
            z = self.encode(x)
            z = z + POLISH_NOISE * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(z)
        return reconstruction_loss(x, self.decode(z))


def reconstruction_loss(x, y):
    """Absolute and squared error, the same at half and quarter size, colour differences, edges."""
    difference = y - x
    loss = difference.abs().mean() + 2 * difference.square().mean()
    loss = loss + 0.5 * (F.avg_pool2d(difference, 2).abs().mean() + F.avg_pool2d(difference, 4).abs().mean())
    red, green, blue = difference.unbind(1)
    loss = loss + 0.5 * ((red - green).abs().mean() + (blue - green).abs().mean())
    for axis in (2, 3):
        loss = loss + 2 * difference.diff(dim=axis).abs().mean()
    return loss


@torch.no_grad()
def warm_start(model, folder):
    """Begin from another finished autoencoder of this shape: its weights, what its first channels mean, its latents' statistics."""
    model.vae.load_state_dict(AutoencoderKL.from_pretrained(folder).state_dict())
    x = to_tensor(pictures(10**6 + 1, 96))
    z = torch.cat([model.vae.encode(part).latent_dist.mode() for part in x.split(8)])
    model.thumbnail.fit_to(x, z)
    detail = z[:, THUMB:]
    model.norm.running_mean.copy_(detail.mean((0, 2, 3)))
    model.norm.running_var.copy_(detail.var((0, 2, 3)))
    # The decoder reads normalised detail: what it had before, it has again.
    post, scale = model.vae.post_quant_conv, detail.std((0, 2, 3))
    post.bias += post.weight[:, THUMB:, 0, 0] @ detail.mean((0, 2, 3))
    post.weight[:, THUMB:] *= scale[:, None, None]


@torch.no_grad()
def validate(model, held, path):
    model.eval()
    with autocast():
        z, y = (torch.cat(both) for both in zip(*((z, model.decode(z)) for z in map(model.encode, held.split(8)))))
    shown = y.clamp(-1, 1) / 2 - held / 2
    mse = shown.square().mean((1, 2, 3))
    per_picture = -10 * mse.log10()
    save_grid(path, np.concatenate([np.stack([a, b]) for a, b in zip(to_pictures(held[:16]), to_pictures(y[:16]))]), 8)
    return f"psnr of the mean {-10 * mse.mean().log10():.2f} dB, mean psnr {per_picture.mean():.2f} dB, latents' std {z.std():.3f}"


@torch.no_grad()
def finished(model, x):
    """A plain AutoencoderKL whose latents have zero mean, unit variance and, among the detail channels, no correlation.

    quant_conv and post_quant_conv, both 1x1, take up what training kept outside: z = W (detail - mean), exactly undone.
    """
    vae, norm = model.vae.float().eval(), model.norm
    scale = (norm.running_var + norm.eps).rsqrt()
    mean = torch.cat([vae.quant_conv(vae.encoder(part))[:, :LATENT] for part in x.split(8)])
    print("correlations before:", torch.corrcoef(mean.permute(1, 0, 2, 3).flatten(1)).round(decimals=2).tolist(), flush=True)
    detail = mean[:, THUMB:].permute(1, 0, 2, 3).flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(detail))
    white = vectors @ torch.diag(values.rsqrt()) @ vectors.T

    w, b = (p.clone() for p in (vae.quant_conv.weight[:, :, 0, 0], vae.quant_conv.bias))
    w[THUMB:LATENT] = white @ w[THUMB:LATENT]
    b[THUMB:LATENT] = white @ (b[THUMB:LATENT] - detail.mean(1))
    w[LATENT:], b[LATENT:] = 0, 2 * math.log(NOISE / 4)           # the posterior's log variance: a constant
    vae.quant_conv.weight.copy_(w[:, :, None, None])
    vae.quant_conv.bias.copy_(b)

    # The decoder was trained on scale (detail - running_mean); detail = white^-1 z + mean.
    w, b = (p.clone() for p in (vae.post_quant_conv.weight[:, :, 0, 0], vae.post_quant_conv.bias))
    b += w[:, THUMB:] @ (scale * (detail.mean(1) - norm.running_mean))
    w[:, THUMB:] = w[:, THUMB:] @ torch.diag(scale) @ torch.linalg.inv(white)
    vae.post_quant_conv.weight.copy_(w[:, :, None, None])
    vae.post_quant_conv.bias.copy_(b)
    return vae


@torch.no_grad()
def measure(vae, seed, count):
    """What the autoencoder makes of fresh renders, through the encoder's mean, in words. See sharpness.py."""
    scenes = [render.random_scene(random.Random(seed * 100_003 + i)) for i in range(count)]
    renders = [render.draw(scene, random.Random(i)) for i, scene in enumerate(scenes)]
    x = to_tensor(np.stack(renders))
    y = torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in x.split(8)])
    mse = (y.clamp(-1, 1) / 2 - x / 2).square().mean((1, 2, 3))
    own, other = sharpness.reconstruction_widths(renders, to_pictures(y))
    plain = [i for i, scene in enumerate(scenes) if scene.style in ("flat", "pixel")]
    shares = [np.mean([sharpness.in_between(pictures[i]) for i in plain]) for pictures in (renders, to_pictures(y))]
    return (f"psnr of the mean {-10 * mse.mean().log10():.2f} dB, mean psnr {(-10 * mse.log10()).mean():.2f} dB; edges "
            f"{other.mean() / own.mean():.2f} times as wide as rendered (median {np.median(other) / np.median(own):.2f}); in-between "
            f"colours of flat pictures and pixel art {shares[1]:.4f}, rendered {shares[0]:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--state", required=True, help="folder for the checkpoint, the log's pictures")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--whole", type=float, default=0.3, help="share of the time, at the end, on whole pictures")
    parser.add_argument("--batch", type=int, default=8, help="of crops half as wide as the picture; a quarter of it of whole pictures")
    parser.add_argument("--threads", type=int, default=1 if DEVICE == "cuda" else os.cpu_count())
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decoder", action="store_true", help="train the decoder of the finished autoencoder on, the latents staying")
    parser.add_argument("--denoiser", help="with --decoder: a finished model's folder; half of the latents are then as it draws them")
    parser.add_argument("--redrawn", type=int, default=480, help="pictures that the denoiser draws again")
    parser.add_argument("--init", help="the folder of an autoencoder of the same shape to begin from")
    args = parser.parse_args()
    os.makedirs(args.state, exist_ok=True)
    path, folder = os.path.join(args.state, "decoder.pt" if args.decoder else "vae.pt"), os.path.join(args.state, "vae")

    torch.manual_seed(0)
    model = Polish(AutoencoderKL.from_pretrained(folder)) if args.decoder else Trainee()
    model.to(DEVICE, memory_format=torch.channels_last)
    if DEVICE == "cpu":
        use_fast_norm(model.vae)
    held = to_tensor(pictures(10**6, 48))
    saved = load_checkpoint(path)
    if not saved and not args.decoder:
        if args.init:
            warm_start(model, args.init)
        else:
            model.thumbnail.fit(to_tensor(pictures(10**6 + 1, 400)))
    optimizer = make_optimizer([(model, 1.0)], args.lr)
    ema = Ema(model)
    step, trained_s = 0, 0.0
    if saved:
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        ema.load_state_dict(saved["ema"])
        step, trained_s = saved["step"], saved["trained_s"]
    last_save = last_look = time.time()
    mean_loss = 0.0
    workers, params = Workers(args.threads, 2), [p for p in model.parameters() if p.requires_grad]
    redrawn = Redrawn(args.denoiser, args.redrawn) if args.denoiser else None
    clock = Clock(args.minutes, 50, trained_s)

    def loss_of(*part):
        with autocast():
            return model.loss(*part)

    while not clock.done():
        whole = clock.trained_s() > (1 - args.whole) * clock.total_s
        count, size = (args.batch // 4, render.SIZE) if whole else (args.batch, render.SIZE // 2)
        if redrawn and step % 2:
            x, z = redrawn.crops(step, count, size)
            batch = to_tensor(x), z
        else:
            batch = to_tensor(pictures(step, count, size)),
        model.train()
        loss = workers.backward(params, loss_of, *batch)
        nn.utils.clip_grad_norm_(params, 1.0)
        clock.apply(optimizer, args.lr, step)
        optimizer.step(workers.map)
        ema.update(model)
        mean_loss += (loss - mean_loss) / min(step + 1, 50)
        step += 1
        if step % 50 == 0:
            print(f"step {step} {clock.trained_s():.0f} s loss {mean_loss:.4f}", flush=True)
        now = time.time()
        over = clock.done()
        if now - last_look > 180 or over:
            last_look = now
            print(validate(ema.module, held, os.path.join(args.state, "vae.png")), flush=True)
        if now - last_save > 150 or over:
            last_save = now
            save_checkpoint(path, dict(model=model.state_dict(), optimizer=optimizer.state_dict(),
                                       ema=ema.state_dict(), step=step, trained_s=clock.trained_s()))

    vae = ema.module.vae if args.decoder else finished(ema.module, to_tensor(pictures(10**6 + 2, 250)))
    vae.save_pretrained(folder)
    print(f"finished: {measure(vae, 10**6 + 3, 128)}, on 128 fresh renders", flush=True)


if __name__ == "__main__":
    main()
