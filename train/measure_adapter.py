"""
measure_adapter.py - what the adapters of train_adapter.py are worth: drawn by limn, judged as evaluate.py judges.

    style    share of pictures that a classifier of renders calls blueprints, with the LoRA and without
    fast     object, colour and number right: 4 steps with the LCM-LoRA, the model's own defaults without
    token    share of pictures in which the judge sees the new thing, with the embedding and without
    control  overlap (intersection over union) of the drawn and the asked silhouettes, with the edges and without
    inpaint  one of two things replaced: is the new one right, and is the rest of the picture equal to the byte?
"""
import argparse
import os
import random
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import nn

import evaluate
import judge as judging
import render
from captions import caption
from common import DEVICE, to_tensor
from train_adapter import blueprint, holed, lines

BACKGROUNDS = ["light blue", "green", "dark blue", "gray", "pink", "black"]


class Drawn:
    """Pictures that limn draws into one folder, each once."""

    def __init__(self, args):
        self.args, self.judge = args, judging.load(args.judge)

    def draw(self, name, prompts, options=lambda i: ()):
        """[n, 256, 256, 3]; options(i): what limn is told besides, for the picture i."""
        folder = os.path.join(self.args.pictures, name)
        os.makedirs(folder, exist_ok=True)
        paths = [os.path.join(folder, f"{i:04d}.png") for i in range(len(prompts))]
        evaluate.draw(self.args.limn, self.args.model, [(prompt, i + 1, path, options(i)) for i, (prompt, path) in enumerate(zip(prompts, paths))
                                                        if not os.path.exists(path)])
        return np.stack([np.array(Image.open(path).convert("RGB")) for path in paths])

    def right(self, pictures, scenes):
        """Shares of the pictures whose objects, whose colours, whose numbers are right, and in which all is."""
        rows = np.array([self.judge.right(judging.views(x, scene)).all(0).numpy() for x, scene in zip(to_tensor(pictures), scenes)])
        return *rows.mean(0), rows.all(1).mean()

    def put(self, name, pictures):
        """The paths of these pictures, written for limn to read."""
        folder = os.path.join(self.args.pictures, name)
        os.makedirs(folder, exist_ok=True)
        paths = [os.path.join(folder, f"{i:04d}.png") for i in range(len(pictures))]
        for path, picture in zip(paths, pictures):
            Image.fromarray(picture).save(path)
        return paths


def some_scenes(count, **more):
    return [render.random_scene(random.Random(f"adapter {i}"), **more) for i in range(count)]


def renders(scenes):
    return np.stack([render.draw(scene, random.Random(i)) for i, scene in enumerate(scenes)])


def shares(values):
    return "object %.3f, colour %.3f, number %.3f, all %.3f" % tuple(values)


# -- style ---------------------------------------------------------------------------------------------------------------

def learnt_style():
    """A classifier, [n, 3, 256, 256] -> probability of a blueprint, from renders and their blueprints."""
    plain = renders(some_scenes(480))
    x = F.avg_pool2d(to_tensor(np.concatenate([plain, np.stack([blueprint(p) for p in plain])])), 4)
    wanted = torch.arange(len(x), device=DEVICE) // len(plain)
    net = nn.Sequential(nn.Conv2d(3, 16, 5, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(32, 2)).to(DEVICE)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(150):
        rows = torch.randint(len(x), [64])
        loss = F.cross_entropy(net(x[rows] + .05 * torch.randn_like(x[rows])), wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return lambda pictures: net(F.avg_pool2d(to_tensor(pictures), 4)).argmax(1).float().mean().item()


def style(drawn, adapter, count):
    scenes = some_scenes(count)
    share = learnt_style()
    prompts = [caption(scene, random.Random(i)) + ", blueprint" for i, scene in enumerate(scenes)]
    with_ = drawn.draw("style", prompts, lambda i: ["--lora", adapter])
    print(f"blueprints: {share(with_):.3f} with the LoRA, {share(drawn.draw('style-without', prompts)):.3f} without")
    held = some_scenes(count + 100)[count:]
    print(f"  the classifier on fresh renders: {share(renders(held)):.3f}, on their blueprints {share(np.stack([blueprint(p) for p in renders(held)])):.3f}")


# -- few steps, a new thing ------------------------------------------------------------------------------------------------

def fast(drawn, adapter, count):
    scenes = some_scenes(count)
    prompts = [caption(scene, random.Random(i)) for i, scene in enumerate(scenes)]
    for name, options in (("default", ()), ("fast-4", ["--lora", adapter, "--sampler", "lcm", "--steps", "4", "--cfg-scale", "1"]),
                          ("fast-2", ["--lora", adapter, "--sampler", "lcm", "--steps", "2", "--cfg-scale", "1"]),
                          ("default-4", ["--steps", "4"])):
        print(f"{name}: {shares(drawn.right(drawn.draw(name, prompts, lambda _: options), scenes))}", flush=True)


def token(drawn, adapter, count):
    with safe_open(adapter, "pt") as file:
        thing = file.metadata()["name"].strip("<>")
    scenes = []
    for i, scene in enumerate(some_scenes(count, kind="single")):
        rng = random.Random(i)
        scenes.append(replace(scene, things=((thing, rng.choice(["red", "blue", "purple", "orange", "teal"])),),
                              background=rng.choice(BACKGROUNDS)))
    prompts = [caption(scene, random.Random(i)).replace(thing, f"<{thing}>") for i, scene in enumerate(scenes)]
    print(f"{thing}:", shares(drawn.right(drawn.draw("token", prompts, lambda _: ["--embedding", adapter]), scenes)))
    without = drawn.draw("token-without", [p.replace(f"<{thing}>", thing) for p in prompts])
    print("without the embedding:", shares(drawn.right(without, scenes)))


# -- control and inpainting ------------------------------------------------------------------------------------------------

def silhouette(picture):
    """bool [h, w]: what differs from the background, which is the corners' colour."""
    ground = np.median(np.concatenate([picture[:8, :8].reshape(-1, 3), picture[-8:, -8:].reshape(-1, 3)]), 0)
    return np.abs(picture - ground).max(-1) > 40


def overlap(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def control(drawn, adapter, count):
    scenes = some_scenes(count, kind="single")
    asked = renders(scenes)
    maps = drawn.put("maps", [np.repeat((lines(p) > .5)[..., None] * np.uint8(255), 3, 2) for p in asked])
    prompts = [caption(scene, random.Random(i)) for i, scene in enumerate(scenes)]
    for name, options in (("control", lambda i: ["--control", f"model={adapter},image={maps[i]}"]), ("control-without", lambda i: ())):
        pictures = drawn.draw(name, prompts, options)
        ious = [overlap(silhouette(a), silhouette(b)) for a, b in zip(pictures, asked)]
        print(f"{name}: IoU {np.mean(ious):.3f}, median {np.median(ious):.3f}; {shares(drawn.right(pictures, scenes))}", flush=True)


def inpaint(drawn, adapter, count):
    """The right one of two things becomes another, which only the prompt tells."""
    scenes = [replace(scene, relation="next to") for scene in some_scenes(count, kind="pair")]
    before = renders(scenes)
    after = [replace(scene, things=(scene.things[0], other.things[1])) for scene, other in zip(scenes, scenes[1:] + scenes[:1])]
    hole = np.zeros((render.SIZE, render.SIZE, 3), np.uint8)
    hole[:, render.SIZE // 2:] = 255
    starts, (mask,) = drawn.put("starts", before), drawn.put("mask", [hole])
    prompts = [caption(scene, random.Random(i)) for i, scene in enumerate(after)]
    holes = drawn.put("holes", [holed(picture, hole[..., 0]) for picture in before])
    for name, more in (("inpaint", lambda i: ["--control", f"model={adapter},image={holes[i]}"]), ("inpaint-without", lambda i: [])):
        pictures = drawn.draw(name, prompts, lambda i: ["-i", starts[i], "--mask", mask, "--strength", "1", *more(i)])
        halves = [judging.views(x, scene)[1] for x, scene in zip(to_tensor(pictures), after)]
        right = drawn.judge.right(halves).float().numpy()
        same = np.mean([np.array_equal(a[:, :render.SIZE // 2], b[:, :render.SIZE // 2]) for a, b in zip(pictures, before)])
        print(f"{name}: in the mask {shares((*right.mean(0), right.all(1).mean()))}; the rest equal in {same:.3f}", flush=True)


KINDS = dict(style=style, fast=fast, token=token, control=control, inpaint=inpaint)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("adapter")
    parser.add_argument("--limn", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--judge", required=True, help="the weights that judge.py wrote")
    parser.add_argument("--pictures", required=True, help="folder for what is drawn")
    parser.add_argument("--count", type=int, default=200)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    KINDS[args.kind](Drawn(args), args.adapter, args.count)


if __name__ == "__main__":
    main()
