"""Names of pictures from templates: one language in generate, again and batch."""
from helpers import *

SMALL = ["-s", "1", "-W", "32", "-H", "32", "--seed", "7"]


def names(*args):
    return [os.path.basename(line) for line in limn(*args).out.splitlines()]


def test_one_language():
    assert names("A Red potion!", *SMALL, "-o", "{prompt_slug}_{seed:05}_{index:02}.png", "--count", "2") == \
        ["a-red-potion_00007_01.png", "a-red-potion_00008_02.png"]
    assert names("A Red potion!", *SMALL, "-o", "{prompt}_{steps:3}_{{x}}.png") == ["A-Red-potion_001_{x}.png"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-sprites\.png", names("a gem", *SMALL, "-o", "{date}-{model}.png")[0])
    write("j.jsonl", b'{"prompt": "A Red potion!", "seed": 7, "steps": 1, "width": 32, "height": 32}')
    limn("batch", "j.jsonl", "-o", "out/{prompt_slug}_{seed:05}_{index:02}.png")
    assert os.path.exists("out/a-red-potion_00007_01.png")


def test_templates_that_are_wrong():
    for template, words in [("{sed}.png", "did you mean {seed}?"), ("{prompt-slug}.png", "did you mean {prompt_slug}?"), ("{qwertz}.png", "{qwertz} is neither"),
                            ("{seed.png", "has a { without a }"), ("{seed:x}.png", "{seed:x}: a width from 1 to 32 is expected"),
                            ("{seed:}.png", "a width"), ("{seed:99}.png", "a width"), ("{vae}.png", "{vae} is neither"), ("{seed}.jpg", "ends in .png")]:
        fails(2, "a gem", *SMALL, "-o", template, says=words)
        if "vae" not in template:
            write("j.jsonl", b'{"prompt": "a gem", "seed": 7, "steps": 1, "width": 32, "height": 32}')
            fails(2, "batch", "j.jsonl", "-o", template, says=words.replace("ends in", "must end in"))
    assert not os.path.exists("j") and not [f for f in os.listdir(".") if f.endswith(".png")]
