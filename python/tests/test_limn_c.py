"""limn_c compared with the program: LIMN names that, LIMN_LIBRARY the library. Without numpy and PIL what needs them is passed over."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
import threading
import unittest
from typing import Any

import limn_c

SMALL: dict[str, Any] = {"width": 32, "height": 32, "steps": 2, "seed": 7}
IMAGES = importlib.util.find_spec("numpy") and importlib.util.find_spec("PIL")


def program(*words: str) -> bytes:
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "x.png")
        subprocess.run([os.environ["LIMN"], "a red potion", "-q", "-W", "32", "-H", "32", "-s", "2", "--seed", "7", *words, "-o", path], check=True)
        with open(path, "rb") as f:
            return f.read()


class Test(unittest.TestCase):
    def setUp(self) -> None:
        self.steps: list[tuple[int, int, int]] = []
        self.words: list[tuple[str, bool]] = []
        self.limn = limn_c.Limn(step=lambda *a: self.steps.append(a), word=lambda *a: self.words.append(a))

    def tearDown(self) -> None:
        self.limn.close()

    def test_is_what_the_program_draws(self) -> None:
        picture = self.limn.draw("a red potion", **SMALL)
        self.assertEqual(picture.png, program())
        self.assertEqual((picture.width, picture.height, picture.channels, picture.seed), (32, 32, 3, 7))
        self.assertEqual(len(picture.pixels), 32 * 32 * 3)
        self.assertEqual(picture.settings["options"]["prompt"], "a red potion")
        self.assertIn("Seed: 7", picture.infotext)
        self.assertEqual(self.steps, [(1, 0, 2), (1, 1, 2), (1, 2, 2)])
        self.assertTrue(any(not warning and "256x256" in text for text, warning in self.words))

    def test_alpha_and_smaller(self) -> None:
        picture = self.limn.draw("a red potion", **SMALL, transparent=True, resize=16)
        self.assertEqual((picture.width, picture.channels, len(picture.pixels)), (16, 4, 16 * 16 * 4))
        self.assertEqual(picture.png, program("--transparent", "--resize", "16"))

    def test_count_and_random_seed(self) -> None:
        self.assertEqual([p.seed for p in self.limn.pictures("a key", **SMALL, count=3)], [7, 8, 9])
        without = {**SMALL, "seed": None}
        a, b = self.limn.draw("a key", **without), self.limn.draw("a key", **without)
        self.assertNotEqual(a.seed, b.seed)
        self.assertEqual(self.limn.draw("a key", **{**SMALL, "seed": a.seed}).png, a.png)

    def test_one_inside_the_other(self) -> None:
        outer = self.limn.pictures("a key", **SMALL, count=3)
        next(outer)
        self.limn.draw("a potion", **SMALL)
        with self.assertRaises(limn_c.LimnError):
            next(outer)

    def test_errors(self) -> None:
        wrongs: list[dict[str, Any]] = [{"sampler": "nope"}, {"stepz": 3}, {"width": 33}, {"steps": "many"}, {"output": "x.png"}, {"init_image": object()}, {"prompt_2": "a\0b"}]
        for wrong in wrongs:
            with self.subTest(wrong), self.assertRaises(limn_c.UsageError) as e:
                self.limn.draw("x", **{**SMALL, **wrong})
            self.assertTrue(str(e.exception))
        with self.assertRaises(limn_c.LimnError):
            self.limn.draw("x", **SMALL, model="/nowhere/at/all.safetensors")
        with self.assertRaises(limn_c.LimnError):
            self.limn.draw("x", **SMALL, init_image=b"no picture")
        self.assertEqual(len(self.limn.draw("x", **SMALL).pixels), 32 * 32 * 3)
        self.limn.close()
        with self.assertRaises(ValueError):
            self.limn.draw("x")

    def test_cancelled_and_raised(self) -> None:
        asked: list[int] = []
        with limn_c.Limn(cancelled=lambda: len(asked) > 2, step=lambda *a: asked.append(1)) as limn:
            with self.assertRaises(limn_c.Cancelled):
                limn.draw("x", **{**SMALL, "steps": 50})
            self.assertLess(len(asked), 5)
        with limn_c.Limn(step=lambda *a: 1 // 0) as limn, self.assertRaises(ZeroDivisionError):
            limn.draw("x", **SMALL)

    def test_preview(self) -> None:
        seen: list[limn_c.Picture] = []
        with limn_c.Limn(preview=lambda step, steps, picture: seen.append(picture)) as limn:
            limn.draw("a key", **{**SMALL, "steps": 4}, preview=1)
        self.assertTrue(seen and seen[0].channels == 3 and not seen[0].png and not seen[0].settings)

    def test_threads(self) -> None:
        """Two handles draw at once, each on a thread of its own."""
        want = program()
        got: list[bytes] = []

        def work() -> None:
            with limn_c.Limn() as limn:
                got.extend(limn.draw("a red potion", **SMALL, threads=1).png for _ in range(3))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, [want] * 9)

    def test_from_bytes_of_a_file(self) -> None:
        png = program()
        picture = self.limn.draw("a key", **SMALL, init_image=png, strength=0.5)
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "from.png")
            with open(path, "wb") as f:
                f.write(png)
            other = self.limn.draw("a key", **SMALL, init_image=path, strength=0.5)
        self.assertEqual(picture.pixels, other.pixels)
        self.assertEqual(picture.settings["options"]["init_image_sha256"], other.settings["options"]["init_image_sha256"])

    @unittest.skipUnless(IMAGES, "numpy and PIL are not installed")
    def test_images(self) -> None:
        import numpy as np
        from PIL import Image

        picture = self.limn.draw("a red potion", **SMALL)
        array, image = picture.array(), picture.image()
        self.assertEqual((array.shape, array.dtype), ((32, 32, 3), np.uint8))
        self.assertTrue((np.asarray(image) == array).all())
        a = self.limn.draw("a key", **SMALL, init_image=image, strength=0.5)
        b = self.limn.draw("a key", **SMALL, init_image=array, strength=0.5, mask=np.full((32, 32), 255, np.uint8))
        c = self.limn.draw("a key", **SMALL, init_image=picture.png, strength=0.5)
        self.assertEqual(a.pixels, c.pixels)
        self.assertEqual(b.width, 32)
        with self.assertRaises(limn_c.UsageError):
            self.limn.draw("a key", **SMALL, init_image=array.astype(np.float32))
        self.assertEqual(self.limn.draw("a key", **SMALL, init_image=Image.new("P", (32, 32)), strength=0.5).width, 32)

    def test_lists(self) -> None:
        self.assertIn("init-image", limn_c.options())
        self.assertNotIn("output", limn_c.options())
        self.assertIn("euler", limn_c.samplers())
        self.assertIn("karras", limn_c.schedules())
        self.assertRegex(limn_c.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
