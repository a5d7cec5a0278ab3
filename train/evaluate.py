"""
evaluate.py - does limn draw what the prompt says? Object, colour and number are judged by a classifier trained on renders only.

Lists of prompts from the training's grammar: single things whose colour-object combination was in training ("seen"),
single things whose combination never was ("unseen"), two things side by side ("pair"), two of which one stands left of,
right of, above or below the other ("position": each is judged at its place), and two to five of one thing ("count").
Each prompt has its own seed. Pictures that already exist are not drawn again, so an interrupted run goes on where it was.
Sharpness is measured by sharpness.py, relative to renders of the same scenes.
"""
import argparse
import collections
import json
import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

import judge as judging
import render
import sharpness
from captions import caption
from common import to_tensor

LISTS = {   # combinations held out of training?, kind, the relations that it may have
    "seen": (False, "single", ["next to"]), "unseen": (True, "single", ["next to"]), "pair": (False, "pair", ["next to"]),
    "position": (False, "pair", ["left of", "right of", "above", "below"]), "count": (False, "count", ["next to"])}


def prompts(name, count):
    """[(scene, prompt)]: the same each time."""
    held, kind, relations = LISTS[name]
    out = []
    for i in range(count):
        rng = random.Random(f"{name} {i}")
        scene = render.random_scene(rng, held=held, kind=kind)
        scene.relation = rng.choice(relations)
        out.append((scene, caption(scene, rng)))
    return out


def draw(limn, model, jobs):
    """jobs: [(prompt, seed, path, further options)], each by one call of limn with the model's own defaults; one call a core at a time."""
    def one(job):
        prompt, seed, path, options = job
        subprocess.run([limn, "generate", "-q", "-t", "1", "-m", model, "--seed", str(seed), "-o", path, prompt, *options], check=True,
                       stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, _ in enumerate(pool.map(one, jobs)):
            if i % 250 == 249:
                print(f"{i + 1} of {len(jobs)} drawn", flush=True)


def judge_pictures(judge, scenes, paths):
    """bool [n, 3]: object, colour, number right; of two things, both."""
    rows = []
    for scene, path in zip(scenes, paths):
        x = to_tensor(np.array(Image.open(path).convert("RGB"))[None])[0]
        rows.append(judge.right(judging.views(x, scene)).all(0).numpy())
    return np.array(rows)


def measure_sharpness(scenes, paths):
    """How soft the drawn pictures are compared with renders of the same scenes: ratios, see sharpness.py."""
    drawn = [np.array(Image.open(path).convert("RGB")) for path in paths]
    rendered = [render.draw(scene, random.Random(i)) for i, scene in enumerate(scenes)]
    plain = [i for i, scene in enumerate(scenes) if scene.style in ("flat", "pixel")]
    widths = [float(np.median(sharpness.edge_widths(pictures))) for pictures in (drawn, rendered)]
    between = [float(np.mean([sharpness.in_between(pictures[i]) for i in plain])) for pictures in (drawn, rendered)]
    return dict(edge_width=widths, in_between=between)


def worst(right, keys, how_many=8):
    """The keys with the lowest share of right answers: "cactus 0.80, ..."."""
    groups = collections.defaultdict(list)
    for key, r in zip(keys, right):
        groups[key].append(r)
    shares = sorted((float(np.mean(v)), k) for k, v in groups.items())
    return ", ".join(f"{k} {share:.2f}" for share, k in shares[:how_many])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--limn", required=True, help="the program")
    parser.add_argument("--model", required=True, help="a folder, or a name that limn knows")
    parser.add_argument("--judge", required=True, help="the weights that judge.py wrote")
    parser.add_argument("--pictures", required=True, help="folder for what is drawn")
    parser.add_argument("--count", type=int, default=1000, help="pictures of each list")
    parser.add_argument("--lists", default=",".join(LISTS), help="some of " + ",".join(LISTS))
    args = parser.parse_args()

    judge, report = judging.load(args.judge), {}
    clean = judging.accuracy(judge)
    print("judge on clean held-out renders: object %.4f, colour %.4f, number %.4f" % tuple(clean))
    report["judge"] = clean
    for name in args.lists.split(","):
        os.makedirs(os.path.join(args.pictures, name), exist_ok=True)
        wanted = prompts(name, args.count)
        paths = [os.path.join(args.pictures, name, f"{i:04d}.png") for i in range(args.count)]
        draw(args.limn, args.model, [(prompt, i + 1, path, ()) for i, ((_, prompt), path) in enumerate(zip(wanted, paths))
                                     if not os.path.exists(path)])
        scenes = [scene for scene, _ in wanted]
        right = judge_pictures(judge, scenes, paths)
        report[name] = right.mean(0).tolist() + [right.all(1).mean()]
        print("%s: %d pictures, object %.3f, colour %.3f, number %.3f, all %.3f" % (name, args.count, *report[name]))
        if LISTS[name][1] != "pair":
            print("  objects, worst first:", worst(right[:, 0], [s.things[0][0] for s in scenes]))
            print("  colours, worst first:", worst(right[:, 1], [s.things[0][1] for s in scenes], len(render.PAINTS)))
            print("  by number:", worst(right[:, 2], [str(s.count) for s in scenes]))
        else:
            print("  by relation:", worst(right.all(1), [s.relation for s in scenes]))
        print("  by style:", worst(right.all(1), [s.style for s in scenes]), "| by size:", worst(right.all(1), [s.size for s in scenes]),
              "| by background:", worst(right.all(1), [s.background for s in scenes]), flush=True)
        if name == "seen":
            report["sharpness"] = measure_sharpness(scenes, paths)
            for what, (drawn, rendered) in report["sharpness"].items():
                print(f"  {what}: drawn {drawn:.4f}, rendered {rendered:.4f}: {drawn / rendered:.2f} times", flush=True)
    with open(os.path.join(args.pictures, "report.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=2)


if __name__ == "__main__":
    main()
