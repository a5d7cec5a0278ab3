"""test_train.py - the recipe's own checks, in seconds: python test_train.py"""
import random
import tempfile
import unittest

import numpy as np
from transformers import CLIPTokenizer

import render
import tokenizer
from captions import caption, parse


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

    def test_held_out_combinations_stay_out(self):
        rng = random.Random(3)
        for held in (False, True):
            for _ in range(300):
                for thing, colour in render.random_scene(rng, held=held).things:
                    self.assertEqual(held, render.held_out(thing, colour))


class Captions(unittest.TestCase):
    def test_full_caption_parses_back(self):
        for seed in range(500):
            scene = render.random_scene(random.Random(seed), held=seed % 5 == 0)
            self.assertEqual(scene, parse(caption(scene, full=True)))

    def test_other_text_is_refused(self):
        with self.assertRaises(ValueError):
            parse("a dragon on a castle")


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


if __name__ == "__main__":
    unittest.main()
