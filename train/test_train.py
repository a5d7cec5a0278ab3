"""test_train.py - the recipe's own checks, in seconds: python test_train.py"""
import copy
import random
import re
import tempfile
import unittest

import numpy as np
import torch
from PIL import Image
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

import common
import fast_norm
import lora
import measure_adapter
import networks
import render
import sharpness
import tokenizer
import train_adapter
import train_vae
import words
from captions import caption, parse
from optim import orthogonalize


class Renderer(unittest.TestCase):
    def test_same_seed_same_picture(self):
        for seed in range(20):
            scene = render.random_scene(random.Random(seed))
            a, b = (render.draw(scene, random.Random(seed)) for _ in range(2))
            self.assertEqual((render.SIZE, render.SIZE, 3), a.shape)
            np.testing.assert_array_equal(a, b)

    def test_every_object_shows_in_every_style(self):
        for thing in render.OBJECTS:
            for style in render.STYLES:
                picture = render.draw(render.Scene(((thing, "red"),), style=style), random.Random(1)).astype(int)
                self.assertGreater((abs(picture - picture[0, 0]).sum(2) > 60).mean(), .02, (thing, style))

    def test_things_stand_where_the_relation_says(self):
        for relation, ahead in (("left of", (1, -1)), ("right of", (1, 1)), ("above", (0, -1)), ("below", (0, 1))):
            picture = render.draw(render.Scene((("coin", "red"), ("coin", "blue")), relation=relation), random.Random(1)).astype(int)
            red, blue = (np.argwhere(picture[..., c] - picture[..., 2 - c] > 60).mean(0) for c in (0, 2))
            axis, sign = ahead
            self.assertGreater((red - blue)[axis] * sign, render.SIZE / 4, relation)
            self.assertLess(abs((red - blue)[1 - axis]), render.SIZE / 16, relation)

    def test_as_many_as_asked(self):
        for count in range(1, 6):
            picture = render.draw(render.Scene((("coin", "red"),), count=count), random.Random(1)).astype(int)
            self.assertEqual(count, blobs(picture[..., 0] - picture[..., 2] > 60))

    def test_a_material_shows(self):
        for paint in render.PAINTS:
            inside = render.draw(render.Scene((("heart", paint),)), random.Random(1))[104:152, 104:152].reshape(-1, 3).astype(int)
            other = (abs(inside - np.median(inside, 0)).sum(1) > 40).mean()
            (self.assertGreater if paint in render.MATERIALS else self.assertEqual)(other, .05 if paint in render.MATERIALS else 0, paint)

    def test_held_out_combinations_stay_out(self):
        rng = random.Random(3)
        for held in (False, True):
            for _ in range(300):
                for thing, colour in render.random_scene(rng, held=held).things:
                    self.assertEqual(held, render.held_out(thing, colour))


def blobs(mask):
    """How many connected parts; looked at in steps of 4 pixels."""
    left, count = set(map(tuple, np.argwhere(mask[::4, ::4]))), 0
    while left:
        count, border = count + 1, [left.pop()]
        while border:
            y, x = border.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            border += near
    return count


class Captions(unittest.TestCase):
    def test_full_caption_parses_back(self):
        for seed in range(500):
            scene = render.random_scene(random.Random(seed), held=seed % 5 == 0)
            self.assertEqual(scene, parse(caption(scene, full=True)))

    def test_other_text_is_refused(self):
        with self.assertRaises(ValueError):
            parse("a dragon on a castle")


class Words(unittest.TestCase):
    def test_every_caption_is_known(self):
        split = re.compile(r"[^\W\d_]+|\d+").findall
        phrases = {tuple(split(p)) for value in words.known().values()
                   for p in (value if isinstance(value, list) else [p for group in value.values() for p in group])}
        longest = max(map(len, phrases))
        for seed in range(2000):
            rng = random.Random(seed)
            said = split(caption(render.random_scene(rng), rng))
            while said:
                n = next((n for n in range(longest, 0, -1) if tuple(said[:n]) in phrases), 0)
                self.assertTrue(n, f"{said[0]!r} of {seed} is in no phrase")
                said = said[n:]


class Tokenizer(unittest.TestCase):
    def test_round_trip_and_length(self):
        texts = [caption(render.random_scene(random.Random(i)), random.Random(i)) for i in range(200)]
        counts = tokenizer.collections.Counter(w for t in texts for w in tokenizer.PATTERN.findall(t))
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(tokenizer.learn_merges(counts, 1500), folder)
            clip = CLIPTokenizer.from_pretrained(folder)
            for text in texts + ["zebra & 42 quartz!"]:
                ids = clip(text)["input_ids"]
                self.assertLessEqual(len(ids), tokenizer.LENGTH)
                back = clip.decode(ids, skip_special_tokens=True)
                self.assertEqual(text.replace(" ", ""), back.replace(" ", ""))


class Sharpness(unittest.TestCase):
    def setUp(self):
        self.step = np.zeros((64, 64, 3), np.uint8)
        self.step[:, 32:] = 200
        self.ramp = np.zeros((64, 64, 3), np.uint8)
        self.ramp[:] = (200 * np.clip((np.arange(64) - 29.5) / 5, 0, 1))[None, :, None]

    def test_width_of_a_step_and_of_a_ramp(self):
        self.assertAlmostEqual(.8, np.mean(sharpness.edge_widths([self.step])), places=3)
        self.assertAlmostEqual(4.0, np.mean(sharpness.edge_widths([self.ramp])), delta=.1)

    def test_widths_at_the_renders_edges(self):
        own, other = sharpness.reconstruction_widths([self.step], [self.ramp])
        self.assertEqual(len(own), len(other))
        self.assertAlmostEqual(.8, own.mean(), places=3)
        self.assertGreater(other.mean(), 3)

    def test_share_of_in_between_colours(self):
        self.assertEqual(0, sharpness.in_between(self.step))
        self.step[:, 32] = 100, 100, 0
        self.step[:16, 32] = 0
        self.assertAlmostEqual(48 / 64 / 64, sharpness.in_between(self.step, least=.02))


class Grids(unittest.TestCase):
    def test_last_row_is_filled_up(self):
        with tempfile.TemporaryDirectory() as folder:
            common.save_grid(folder + "/x.png", np.full((5, 8, 8, 3), 255, np.uint8), 3)
            grid = np.array(Image.open(folder + "/x.png"))
        self.assertEqual((16, 24, 3), grid.shape)
        self.assertEqual((255, 0), (grid[8:, :16].min(), grid[8:, 16:].max()))


class Optimizer(unittest.TestCase):
    def test_no_update_is_larger_than_orthogonal(self):
        torch.manual_seed(0)
        for rows, columns in ((24, 24), (16, 144), (96, 24)):
            for rank in (1, 3, 16):
                update = orthogonalize(torch.randn(rows, rank) @ torch.randn(rank, columns))
                self.assertLess(torch.linalg.svdvals(update).max(), 1.3)
        self.assertEqual(0, orthogonalize(torch.zeros(8, 8)).abs().max())


class Norm(unittest.TestCase):
    def test_as_pytorchs(self):
        torch.manual_seed(0)
        for dtype, near in ((torch.bfloat16, 5e-3), (torch.float32, 1e-5)):   # in C where there is a compiler; by PyTorch
            for silu in (False, True):
                plain = nn.GroupNorm(4, 16)
                for p in plain.parameters():
                    nn.init.normal_(p)
                fast = copy.deepcopy(plain)
                fast.__class__, fast.silu = fast_norm.FastGroupNorm, silu
                x, dy = ((2 * torch.randn(3, 16, 6, 10) + .5).to(dtype) for _ in range(2))
                results = []
                for norm, type_, act in ((plain, torch.float32, nn.SiLU() if silu else nn.Identity()), (fast, dtype, nn.Identity())):
                    own = x.to(type_).requires_grad_()
                    y = act(norm(own))
                    y.backward(dy.to(type_))
                    results.append((y.detach(), own.grad, norm.weight.grad, norm.bias.grad))
                for a, b in zip(*results):
                    self.assertLess((a - b.float()).norm() / a.norm(), near)


class Networks(unittest.TestCase):
    def test_a_smaller_denoiser_has_a_place_in_the_larger(self):
        larger = networks.new_unet()
        three = {k: larger.config[k][1:] for k in ("block_out_channels", "attention_head_dim", "down_block_types")}
        smaller = UNet2DConditionModel.from_config(
            {**larger.config, **three, "up_block_types": larger.config["up_block_types"][:-1], "sample_size": networks.CELLS // 2})
        networks.grow(larger, smaller)
        for own, old in (("down_blocks.1", "down_blocks.0"), ("mid_block", "mid_block"), ("up_blocks.0", "up_blocks.0")):
            for a, b in zip(larger.get_submodule(own).parameters(), smaller.get_submodule(old).parameters()):
                self.assertTrue(torch.equal(a, b), own)

    def test_a_lora_begins_as_nothing_and_is_kept_under_kohyas_names(self):
        network = nn.ModuleDict({"block": nn.ModuleDict({"to_q": nn.Linear(8, 6), "conv1": nn.Conv2d(4, 4, 3, padding=1)})})
        x, y = torch.randn(2, 8), network["block"]["to_q"]
        before = y(x)
        added = lora.add_lora(network, 2)
        self.assertTrue(torch.equal(before, network["block"]["to_q"](x)))
        with tempfile.TemporaryDirectory() as folder:
            lora.save_kohya(added, folder + "/x.safetensors")
            shapes = {k: list(v.shape) for k, v in load_file(folder + "/x.safetensors").items()}
        self.assertEqual({
            "lora_unet_block_to_q.lora_down.weight": [2, 8], "lora_unet_block_to_q.lora_up.weight": [6, 2],
            "lora_unet_block_to_q.alpha": [], "lora_unet_block_conv1.lora_down.weight": [2, 4, 3, 3],
            "lora_unet_block_conv1.lora_up.weight": [4, 2, 1, 1], "lora_unet_block_conv1.alpha": []}, shapes)


class Adapters(unittest.TestCase):
    def test_lines_are_where_the_colour_changes(self):
        picture = np.zeros((32, 32, 3), np.uint8)
        picture[:, 16:] = 90, 0, 0
        ink = train_adapter.lines(picture)
        self.assertEqual([1, 1], ink[:, 15:17].min(0).tolist())
        self.assertEqual(0, np.delete(ink, (15, 16), 1).max())
        self.assertEqual([[235, 242, 255]], np.unique(train_adapter.blueprint(picture)[:, 15:17].reshape(-1, 3), axis=0).tolist())

    def test_a_mask_is_of_zeros_and_ones_and_never_empty(self):
        for seed in range(50):
            mask = train_adapter.random_mask(random.Random(seed), 64)
            self.assertEqual((64, 64), mask.shape)
            self.assertEqual({0, 1} | set(np.unique(mask)), {0, 1})
            self.assertGreater(mask.sum(), 0)

    def test_silhouettes_overlap(self):
        a, b = (np.full((32, 32, 3), 200, np.uint8) for _ in range(2))
        a[12:20, 12:20] = 90, 0, 0
        b[12:20, 16:24] = 0, 90, 0
        self.assertEqual(64, measure_adapter.silhouette(a).sum())
        self.assertEqual(1 / 3, measure_adapter.overlap(measure_adapter.silhouette(a), measure_adapter.silhouette(b)))

    def test_crops_of_pictures_and_latents_are_of_the_same_place(self):
        redrawn = train_vae.Redrawn.__new__(train_vae.Redrawn)
        cells = np.arange(1024, dtype=np.uint16).reshape(32, 32)
        redrawn.pictures = [np.stack([cells % 256, cells // 256, cells * 0], 2).astype(np.uint8).repeat(8, 0).repeat(8, 1)]
        redrawn.latents = torch.from_numpy(cells.astype(np.float32))[None, None]
        pictures, latents = redrawn.crops(1, 4, 128)
        there = pictures[:, ::8, ::8].astype(int)
        self.assertTrue((there[..., 0] + 256 * there[..., 1] == latents[:, 0].numpy()).all())

    def test_a_consistency_model_leaves_a_clean_picture_as_it_is(self):
        skip, out = train_adapter.boundary(torch.tensor([0, 999]))
        self.assertEqual([1, 0], [skip[0].item(), out[0].item()])
        self.assertLess(skip[1].item(), 1e-6)
        self.assertAlmostEqual(1, out[1].item(), places=5)


if __name__ == "__main__":
    unittest.main()
