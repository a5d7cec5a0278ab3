"""Pictures as people name and keep them: fields of a CSV, spaces in paths, masks as JPEG, folders, axes of a comparison."""

import shutil

from helpers import *
from test_from_pictures import pixels, png

GIVEN = os.path.join(REPO, "tests", "golden", "pictures")


def options_of(path):
    return json.loads(texts(path)["limn"])["options"]


@on_tiny_model
def test_users_jobs_in_a_table():
    """A CSV's columns are the options' names, as other tools call them too; what is empty is not said."""
    os.makedirs("my pictures")
    png("my pictures/a cat, é.png", 32, 32, lambda x, y: (x * 8, y * 8, 99))
    png("m.png", 32, 32, lambda x, y: 255 if x < 16 else 0)
    shutil.copy(os.path.join(GIVEN, "grey.jpg"), "grey.jpg")
    write("jobs.csv", ('prompt,init_image,mask,denoising_strength,fill,seed\n"a red potion","my pictures/a cat, é.png",m.png,0.9,noise,1\n'
                       '"a gem","my pictures/a cat, é.png",,0.5,,2\n"a gem",grey.jpg,,,,3\n').encode())
    limn("batch", "jobs.csv", "-q", "-s", "2", "-W", "32", "-H", "32", "-o", "out/{seed}.png")
    assert files("out") == ["1.png", "2.png", "3.png", "manifest.jsonl"]
    one, two, three = (options_of(f"out/{i}.png") for i in (1, 2, 3))
    assert (one["mask"], one["strength"], one["fill"]) == ("m.png", 0.9, "noise")
    assert "mask" not in two and two["strength"] == 0.5 and three["strength"] == 0.8 and "init_image_sha256" in three
    assert [r[48:] for r in pixels("out/1.png")] == [r[48:] for r in pixels("my pictures/a cat, é.png")]
    limn("again", "out/1.png", "-q", "-o", "again.png")
    assert read("again.png") == read("out/1.png")


@on_tiny_model
def test_users_masks_of_other_formats():
    """A JPEG's grey around its edges is below the middle or above it, and counts as black or white."""
    source = os.path.join(GIVEN, "plain.jpg")
    for mask in "plain.jpg", "grey.jpg", "lossless.webp", "exif1.jpg", "exif3.jpg", "lossy.webp":
        args = ["x", "-i", source, "--mask", os.path.join(GIVEN, mask), "-W", "32", "-H", "32", "-s", "2", "-q"]
        limn(*args, "-o", "a.png")
        assert size_of("a.png") == (32, 32)
    # a mask that was turned by the camera stands upright, as the picture does; one that is not of its size is refused
    for name in "exif6.jpg", "exif6.webp":
        turned = os.path.join(GIVEN, name)
        fails(2, "x", "-i", source, "--mask", turned, "-W", "32", "-H", "32", "-s", "2", "-q", says=["7 x 11", "11 x 7"])
        limn("x", "-i", turned, "--mask", turned, "-W", "32", "-H", "32", "-s", "2", "-q", "-o", "a.png")


@on_tiny_model
def test_users_axes_of_pictures():
    png("in.png", 32, 32, lambda x, y: (x * 8, y * 8, 99))
    png("other.png", 32, 32, lambda x, y: (9, x * 8, y * 8))
    png("m.png", 32, 32, lambda x, y: 255 if x < 16 else 0)
    side = ["-W", "32", "-H", "32", "-s", "2", "--seeds", "1", "-q"]
    for i, axes in enumerate((["strength=0.5,1"], ["init-image=in.png,other.png"], ["fill=original,noise", "mask-blur=0,2"], ["hires-strength=0.4,0.7"])):
        more = ["--mask", "m.png"] if "fill" in axes[0] else ["--hires", "1.5"] if "hires" in axes[0] else []
        given = [] if "init-image" in axes[0] else ["-i", "in.png"]
        limn("compare", "x", *side, *given, *more, *sum((["--axis", a] for a in axes), []), "-o", f"c{i}")
        made = [f for f in files(f"c{i}/cells") if f.endswith(".png")]
        assert len(made) == (4 if "fill" in axes[0] else 2), (axes, made)
        assert len({read(f"c{i}/cells/{f}") for f in made}) == len(made)
