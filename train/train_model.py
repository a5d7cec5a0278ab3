"""
train_model.py - the text encoder and the denoiser.

The text encoder first learns, in two minutes, to name what a caption says (object, colour, background, ...) from every
position after its last word; the heads for that are thrown away. So the denoiser reads meaning from its first step.
Then both learn together: v-prediction (Salimans & Ho 2022) at evenly spread timesteps, one caption in ten empty.

With --init it begins from an exported model of this shape, or from a smaller one of ours, for pictures half as wide: see
grow() and take_words() in networks.py.

Latents are computed once and kept on disk; while training goes on the oldest are replaced by new ones.
"""
import argparse
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

import render
from captions import caption
from common import DEVICE, Workers, autocast, load_checkpoint, save_checkpoint, save_grid, to_pictures, to_tensor
from fast_norm import use_fast_norm
from networks import (CELLS, LATENT, WIDTH, grow, load_tokenizer, new_scheduler, new_text_encoder, new_unet, noised, take_words,
                      tokenize)
from optim import Clock, Ema, make_optimizer

CHANNEL_WEIGHTS = [1.2] * 3 + [0.9] * 5   # in the training's loss: the thumbnail, which shows what it is, before the detail
MATERIALS = .40  # share of things made of one: they are harder to learn than colours, and were right least often at a tenth and at a quarter
KINDS = {"single": .44, "count": .18, "pair": .38}   # more pairs than render.KINDS has: they are right less often
EMPTY = 0.1    # share of samples whose caption is left out, for classifier-free guidance
GRID = [       # what every look at the model draws
    "a red potion", "a blue sword", "a green shield on a white background, outlined", "a yellow star on a black background",
    "a pink heart, glossy", "a purple gem on a light blue background", "a large orange cat", "a small brown chest",
    "a teal fish, pixel art", "a gray ghost on a dark blue background", "a red mushroom", "a white cloud on a light blue background",
    "a yellow key", "a blue rocket on a black background", "a green cactus", "a black bomb, flat style",
    "a yellow crown, pixel art", "a purple ring", "a brown hammer", "an orange flame on a black background",
    "two red apples", "three yellow coins on a dark blue background", "a red heart next to a blue gem",
    "four blue fish", "five orange balloons on a black background", "a golden crown", "a wooden shield, outlined",
    "a red car above a green boat", "a pink umbrella left of a black bell", "a silver robot, glossy", "a stone castle on a black background",
    "a green tree next to a red house", "a purple slime beside a yellow cat", "a blue book and a red scroll",
    "a teal lantern on a beige background", "a large green leaf",
    "a pink egg on a green background", "a blue mug, outlined"]


def scene_and_picture(seed, held=False):
    rng = random.Random(seed)
    scene = render.random_scene(rng, held=held, kind=rng.choices(list(KINDS), KINDS.values())[0], materials=MATERIALS)
    return scene, render.draw(scene, rng)


def encoder(vae, workers):
    """pictures -> latents [n, 8, 32, 32], a few at a time on each thread."""
    @torch.no_grad()
    def encode(part):
        with autocast():
            return vae.encode(part).latent_dist.mode().float()

    return lambda pictures: torch.cat(list(workers.map(encode, to_tensor(np.stack(pictures)).split(4))))


class LatentStore:
    """Latents of random scenes in a file [capacity, 8, 32, 32] (f16); a row's seed gives its scene again."""

    def __init__(self, folder, encode, capacity):
        self.encode, self.capacity = encode, capacity
        path = os.path.join(folder, "latents.npy")
        shape = (capacity, LATENT, CELLS, CELLS)
        exists = os.path.exists(path)
        self.rows = np.lib.format.open_memmap(path, "r+" if exists else "w+", np.float16, None if exists else shape)
        self.seeds = np.lib.format.open_memmap(os.path.join(folder, "seeds.npy"), "r+" if exists else "w+", np.int64,
                                               None if exists else (capacity,))
        if not exists:
            self.seeds[:] = -1
        self.next_seed = int(self.seeds.max()) + 1
        self.scenes = [scene_and_picture(int(s))[0] if s >= 0 else None for s in self.seeds]
        self.size = int((self.seeds >= 0).sum())

    def add(self, count):
        seeds = range(self.next_seed, self.next_seed + count)
        scenes, pictures = zip(*(scene_and_picture(s) for s in seeds))
        z = self.encode(pictures).cpu().numpy()
        for seed, scene, latent in zip(seeds, scenes, z):
            row = seed % self.capacity
            self.rows[row], self.scenes[row], self.seeds[row] = latent, scene, seed
        self.next_seed += count
        self.size = min(self.capacity, self.next_seed)

    def sample(self, rng, count):
        rows = rng.sample(range(self.size), count)
        z = torch.from_numpy(self.rows[rows]).to(DEVICE).float().contiguous(memory_format=torch.channels_last)
        return z, [self.scenes[row] for row in rows]


# -- the text encoder's first lesson -------------------------------------------------------------------------------------

class Attributes(nn.Module):
    """What a caption says, by linear heads on the text encoder's output."""

    def __init__(self):
        super().__init__()
        objects, paints = len(render.OBJECTS), len(render.PAINTS)
        self.sizes = [objects, paints, objects + 1, paints + 1, len(render.BACKGROUNDS), len(render.STYLES), len(render.SIZES), 5,
                      len(render.RELATIONS)]
        self.heads = nn.Linear(WIDTH, sum(self.sizes))

    @staticmethod
    def labels(scene):
        objects, paints = render.OBJECTS, list(render.PAINTS)
        first = scene.things[0]
        second = scene.things[1] if scene.kind == "pair" else None
        return [objects.index(first[0]), paints.index(first[1]),
                objects.index(second[0]) if second else len(objects), paints.index(second[1]) if second else len(paints),
                list(render.BACKGROUNDS).index(scene.background), render.STYLES.index(scene.style),
                list(render.SIZES).index(scene.size), scene.count - 1, list(render.RELATIONS).index(scene.relation)]

    def forward(self, hidden, ids, end, scenes):
        """(loss, share of right answers on the first object), over all positions from the end token on."""
        where = (ids == end).nonzero(as_tuple=True)
        labels = torch.tensor([self.labels(s) for s in scenes], device=ids.device)[where[0]]
        outputs = self.heads(hidden[where]).float().split(self.sizes, 1)
        loss = sum(F.cross_entropy(o, labels[:, i]) for i, o in enumerate(outputs))
        return loss, (outputs[0].argmax(1) == labels[:, 0]).float().mean()


def teach_words(text_encoder, tokenizer, minutes, batch=128):
    heads = Attributes().to(DEVICE)
    optimizer = make_optimizer([(text_encoder, 1.0), (heads, 1.0)], 1e-3)
    clock, step = Clock(minutes, 20), 0
    while not clock.done():
        rng = random.Random(10**9 + step)
        scenes = [render.random_scene(rng) for _ in range(batch)]
        ids = tokenize(tokenizer, [caption(s, rng) for s in scenes]).to(DEVICE)
        with autocast():
            hidden = text_encoder(ids).last_hidden_state
            loss, right = heads(hidden, ids, tokenizer.eos_token_id, scenes)
        optimizer.zero_grad()
        loss.backward()
        clock.apply(optimizer, 1e-3, step)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"words: step {step} {clock.trained_s():.0f} s loss {loss.item():.3f} object right {right.item():.3f}", flush=True)


# -- the denoiser ----------------------------------------------------------------------------------------------------------

def v_loss(model, scheduler, z, ids, t, noise, weights=1.0):
    noisy, v = noised(scheduler, z, t, noise)
    with autocast():
        hidden = model["text_encoder"](ids).last_hidden_state
        out = model["unet"](noisy, t, encoder_hidden_states=hidden).sample
    return (weights * (out.float() - v).square()).mean()


@torch.no_grad()
def sample(model, vae, tokenizer, prompts, steps=16, guidance=4.0, seed=1):
    """[n, 256, 256, 3]: DDIM, all prompts from the same noise generator."""
    scheduler = new_scheduler()
    scheduler.set_timesteps(steps)
    generator = torch.Generator("cpu").manual_seed(seed)
    z = torch.randn(len(prompts), LATENT, CELLS, CELLS, generator=generator).to(DEVICE)
    with autocast():
        hidden = model["text_encoder"](tokenize(tokenizer, [""] * len(prompts) + list(prompts)).to(DEVICE)).last_hidden_state
        for t in scheduler.timesteps:
            without, with_ = model["unet"](torch.cat([z, z]), t, encoder_hidden_states=hidden).sample.float().chunk(2)
            z = scheduler.step(without + guidance * (with_ - without), t, z).prev_sample
        return to_pictures(torch.cat([vae.decode(part).sample for part in z.split(4)]))


def validation_set(encode, tokenizer, count, held):
    scenes, pictures = zip(*(scene_and_picture(2 * 10**6 + i, held) for i in range(count)))
    generator = torch.Generator("cpu").manual_seed(0)
    z = encode(pictures)
    return dict(z=z, ids=tokenize(tokenizer, [caption(s, random.Random(i)) for i, s in enumerate(scenes)]).to(DEVICE),
                t=((torch.arange(count) + .5) * 1000 / count).long().to(DEVICE),
                noise=torch.randn(z.shape, generator=generator).to(DEVICE))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--state", required=True, help="folder for the checkpoint, the latents, the log's pictures")
    parser.add_argument("--vae", required=True, help="the finished autoencoder's folder")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--init", help="a finished model's folder to begin from: of this shape, or of three levels for pictures half as wide")
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--words-minutes", type=float, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1 if DEVICE == "cuda" else os.cpu_count())
    parser.add_argument("--parts", type=int, default=2, help="of a batch, handed to the threads")
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--latents", type=int, default=32768, help="kept at a time")
    parser.add_argument("--first", type=int, default=2048, help="computed before the first step")
    parser.add_argument("--refresh", type=int, default=8, help="a batch of new latents every so many steps")
    parser.add_argument("--look", type=float, default=30, help="minutes between validations")
    args = parser.parse_args()
    os.makedirs(args.state, exist_ok=True)
    path = os.path.join(args.state, "model.pt")

    torch.manual_seed(0)
    tokenizer, scheduler = load_tokenizer(args.tokenizer), new_scheduler()
    vae = AutoencoderKL.from_pretrained(args.vae).to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False)
    model = nn.ModuleDict(dict(unet=new_unet(), text_encoder=new_text_encoder(tokenizer))).to(DEVICE, memory_format=torch.channels_last)
    if DEVICE == "cpu":
        use_fast_norm(model["unet"])
    saved = load_checkpoint(path)
    if not saved and args.init:
        words = os.path.join(args.init, "text_encoder"), os.path.join(args.init, "tokenizer")
        unet = UNet2DConditionModel.from_pretrained(os.path.join(args.init, "unet"))
        if len(unet.down_blocks) == len(model["unet"].down_blocks):
            model["unet"].load_state_dict(unet.state_dict())
        else:
            grow(model["unet"], unet)
        take_words(model["text_encoder"], tokenizer, CLIPTextModel.from_pretrained(words[0]), load_tokenizer(words[1]))
    if not saved:
        teach_words(model["text_encoder"], tokenizer, args.words_minutes)
    optimizer = make_optimizer([(model["unet"], 1.0), (model["text_encoder"], 0.25)], args.lr)
    ema = Ema(model)
    step, trained_s = 0, 0.0
    if saved:
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        ema.load_state_dict(saved["ema"])
        step, trained_s = saved["step"], saved["trained_s"]

    def save():
        save_checkpoint(path, dict(model=model.state_dict(), optimizer=optimizer.state_dict(), ema=ema.state_dict(),
                                   step=step, trained_s=clock.trained_s()))

    workers, params = Workers(args.threads, args.parts), list(model.parameters())
    encode = encoder(vae, workers)
    validation = {name: validation_set(encode, tokenizer, 64, held) for name, held in (("seen", False), ("unseen", True))}
    store = LatentStore(args.state, encode, args.latents)
    while store.size < args.first:
        store.add(32)
    print(f"{store.size} latents, {sum(p.numel() for p in model['unet'].parameters()) / 1e6:.1f} M parameters", flush=True)
    weights = torch.tensor(CHANNEL_WEIGHTS, device=DEVICE)[:, None, None]
    clock = Clock(args.minutes, 100, trained_s)
    last_save = last_look = time.time()
    mean_loss = None

    while not clock.done():
        rng = random.Random(step)
        if step % args.refresh == 0:
            store.add(args.batch)
        z, scenes = store.sample(rng, args.batch)
        ids = tokenize(tokenizer, ["" if rng.random() < EMPTY else caption(s, rng) for s in scenes]).to(DEVICE)
        t = ((torch.randperm(args.batch) + torch.rand(args.batch)) * 1000 / args.batch).long().clamp(max=999).to(DEVICE)
        model.train()
        loss = workers.backward(params, lambda *part: v_loss(model, scheduler, *part, weights), z, ids, t, torch.randn_like(z))
        if not torch.isfinite(nn.utils.clip_grad_norm_(params, 1.0)):
            raise FloatingPointError(f"step {step}: the gradients are not finite; the last checkpoint, {path}, is from before")
        clock.apply(optimizer, args.lr, step)
        optimizer.step(workers.map)
        ema.update(model)
        mean_loss = loss if mean_loss is None else mean_loss + (loss - mean_loss) / 50
        step += 1
        if step % 100 == 0:
            print(f"step {step} {clock.trained_s():.0f} s loss {mean_loss:.4f}", flush=True)
        now, finished = time.time(), clock.done()
        if now - last_look > args.look * 60 or finished:
            last_look = now
            with torch.no_grad():
                losses = [f"{name} {v_loss(ema.module, scheduler, **data).item():.4f}" for name, data in validation.items()]
            print(f"validation at {step * args.batch // 1000} k samples: v-loss " + ", ".join(losses), flush=True)
            save_grid(os.path.join(args.state, "grid.png"), sample(ema.module, vae, tokenizer, GRID), 8)
        if now - last_save > 150 or finished:
            last_save = now
            save()


if __name__ == "__main__":
    main()
