"""
judge.py - a classifier that names object, colour (or material) and number, trained on renders only, to judge what a model drew.

It sees 64x64 pixels: a picture with one or several of one thing at a quarter of its size, or, of two different things, the
place where each was asked for at half size. In training, noise and
blur are added to some of the renders, so that it judges what is shown and not how sharp it is. It knows every
colour-object combination, also those that the model under test has never seen, and the things of shapes.py that no model was shown.
"""
import argparse
import random
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import render
from common import DEVICE, autocast, save_checkpoint, to_tensor
from optim import Clock, make_optimizer
from shapes import NEVER_SHOWN

OBJECTS, PAINTS, VIEW, MOST = render.OBJECTS + list(NEVER_SHOWN), list(render.PAINTS), 64, 5


def views(x, scene):
    """[(64-pixel view of x [3, 256, 256], (object, colour, number))]: one of the whole, or of two things one at each one's place."""
    if scene.kind != "pair":
        return [(F.avg_pool2d(x, render.SIZE // VIEW), (*scene.things[0], scene.count))]
    half, seen = render.SIZE // 2, []
    for thing, (right, down) in zip(scene.things, render.PLACES[scene.relation][0]):
        left, top = (half * (1 + step) // 2 for step in (signum(right), signum(down)))
        seen.append((F.avg_pool2d(x[:, top:top + half, left:left + half], half // VIEW), (*thing, 1)))
    return seen


def signum(x):
    return (x > 0) - (x < 0)


class Judge(nn.Module):
    def __init__(self):
        super().__init__()

        def block(inputs, outputs):
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
                                 nn.MaxPool2d(2))

        self.body = nn.Sequential(block(3, 24), block(24, 48), block(48, 96), block(96, 128), nn.Flatten(),
                                  nn.Linear(128 * 16, 256), nn.ReLU())
        self.object, self.colour, self.number = (nn.Linear(256, n) for n in (len(OBJECTS), len(PAINTS), MOST))

    def forward(self, x):
        h = self.body(x)
        return self.object(h).float(), self.colour(h).float(), self.number(h).float()

    @torch.no_grad()
    def right(self, seen):
        """seen: [(view, (object, colour, number))] -> bool [n, 3]: which are right."""
        self.eval()
        answers = self(torch.stack([view for view, _ in seen]).to(DEVICE))
        wanted = labels([thing for _, thing in seen])
        return torch.stack([a.argmax(1) == wanted[:, i] for i, a in enumerate(answers)], 1).cpu()


def labels(things):
    return torch.tensor([(OBJECTS.index(o), PAINTS.index(c), n - 1) for o, c, n in things], device=DEVICE)


def rendered_views(seed, count):
    seen = []
    while len(seen) < count:
        rng = random.Random(seed * 100_003 + len(seen))
        scene = render.random_scene(rng, held=rng.random() < .1, kind=rng.choice(("single", "single", "pair", "count")))
        if scene.kind == "single" and rng.random() < .06:
            scene = replace(scene, things=((rng.choice(list(NEVER_SHOWN)), scene.things[0][1]),))
        seen += views(to_tensor(render.draw(scene, rng)[None])[0], scene)
    return seen


def roughen(x):
    """Noise and blur on half of the pictures each."""
    def some():
        return torch.rand(len(x), 1, 1, 1, device=x.device) < .5

    x = torch.where(some(), F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear"), x)
    x = torch.where(some(), x + .12 * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x), x)
    return x + .02 * torch.randn(len(x), 3, 1, 1, device=x.device)


def accuracy(judge, count=3000):
    """Share of clean held-out renders whose object, whose colour, whose number is named rightly."""
    return torch.cat([judge.right(rendered_views(10**6 + i, 500)) for i in range(count // 500)]).float().mean(0).tolist()


def load(path):
    judge = Judge().to(DEVICE)
    judge.load_state_dict(torch.load(path, map_location=DEVICE))
    return judge.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("output", help="file for the weights")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()
    torch.manual_seed(0)
    judge = Judge().to(DEVICE, memory_format=torch.channels_last)
    optimizer = make_optimizer([(judge, 1.0)], 2e-3, plain=("body.0.0", "object", "colour", "number"))
    clock, step, mean = Clock(args.minutes, 30), 0, np.zeros(3)
    while not clock.done():
        seen = rendered_views(step, args.batch)
        x = roughen(torch.stack([view for view, _ in seen]).contiguous(memory_format=torch.channels_last))
        wanted = labels([thing for _, thing in seen])
        judge.train()
        with autocast():
            answers = judge(x)
        loss = sum(F.cross_entropy(a, wanted[:, i]) for i, a in enumerate(answers))
        optimizer.zero_grad()
        loss.backward()
        clock.apply(optimizer, 2e-3, step)
        optimizer.step()
        right = [(a.argmax(1) == wanted[:, i]).float().mean().item() for i, a in enumerate(answers)]
        mean += (np.array(right) - mean) / min(step + 1, 50)
        step += 1
        if step % 50 == 0:
            print(f"step {step} {clock.trained_s():.0f} s loss {loss.item():.3f} right {mean.round(4)}", flush=True)
    save_checkpoint(args.output, judge.state_dict())
    print("clean held-out renders: object %.4f, colour %.4f, number %.4f" % tuple(accuracy(judge)))


if __name__ == "__main__":
    main()
