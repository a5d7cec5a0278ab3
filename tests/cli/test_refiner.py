"""A second model that takes over before the end (--refiner): where, with what, and what is written of it."""

import json
import struct

import tiny_xl
from helpers import *
from tiny import CLIP

WITH = ["--tokenizer", CLIP, "--seed", "3", "-n", "blue"]
STEPS = ["-W", "32", "-H", "32", "-s", "5", "-q"]


def models():
    return tiny_xl.base().save("base.safetensors"), tiny_xl.refiner().save("refiner.safetensors")


def trace(*args):
    limn(*STEPS, "a red potion", *WITH, "-o", "t.png", "--trace", "t", *args)
    data = read("t")
    n = struct.unpack("<Q", data[:8])[0]
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in json.loads(data[8:8 + n]).items()
            if k != "__metadata__"}


def after(*args):
    """After which step the second one took over."""
    r = limn(*STEPS[:-1], "a red potion", *WITH, "-o", "v.png", "-v", *args)
    return int(re.search(r"refiner  .*, after step (\d+)", r.err).group(1))


def pixels(path):
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def test_refiner_takes_over():
    """Up to the hand-over the latents are the base's; then the refiner's own network goes on."""
    base, refiner = models()
    both, alone = trace("-m", base, "--refiner", refiner, "--refiner-at", "0.6"), trace("-m", base)
    same = [both[f"latents.{i}"] == alone[f"latents.{i}"] for i in range(5)]
    assert same == [True, True, True, False, False], same
    assert after("-m", base, "--refiner", refiner, "--refiner-at", "0.6") == 3
    assert after("-m", base, "--refiner", refiner) == 4, "0.8 where nothing is said"
    # none of the steps, and all of them
    last, first = trace("-m", base, "--refiner", refiner, "--refiner-at", "1"), trace("-m", base, "--refiner", refiner, "--refiner-at", "0")
    assert last["latents"] == alone["latents"]
    assert first["latents"] == trace("-m", refiner)["latents"]


def test_refiner_rules():
    """diffusers counts timesteps, ComfyUI steps; A1111 asks how far the noise is down."""
    base, refiner = models()
    args = ["-m", base, "--refiner", refiner, "--refiner-at"]
    # karras' timesteps fall faster than the steps
    k = ["--schedule", "karras", "--sampler", "euler", "-s", "10"]
    assert abs(after(*args, "0.5", *k) - after(*args, "0.5", "--compat", "a1111", *k)) <= 1
    assert after(*args, "0.5", "--compat", "comfyui", *k) == 5
    assert after(*args, "0.5", *k) != 5
    for compat in "diffusers", "a1111", "comfyui":
        for sampler in "dpmpp_2m", "dpmpp_2m_sde", "ddim":
            limn(*STEPS, "x", *WITH, *args, "0.6", "--compat", compat, "--sampler", sampler, "-o", "x.png")


def test_refiner_is_written():
    """Metadata, again, A1111's text, a job's field; another file in its place is refused."""
    base, refiner = models()
    limn(*STEPS, "a red potion", *WITH, "-m", base, "--refiner", refiner, "--refiner-at", "0.6", "--aesthetic-score", "7", "-o", "a.png")
    t = texts("a.png")
    options = json.loads(t["limn"])["options"]
    assert options["refiner"] == refiner and options["refiner_at"] == 0.6 and len(options["refiner_sha256"]) == 64
    assert f"Refiner: refiner [{options['refiner_sha256'][:10]}], Refiner switch at: 0.6" in t["parameters"], t["parameters"]
    limn("again", "a.png", "-o", "b.png", "-q")
    assert read("a.png") == read("b.png")
    os.rename("refiner.safetensors", "moved.safetensors")
    fails(1, "again", "a.png", "-o", "b.png", "-q", says=["--refiner", "refiner.safetensors"])
    limn("again", "a.png", "-o", "b.png", "-q", "--refiner", "moved.safetensors")
    assert pixels("a.png") == pixels("b.png")
    tiny_xl.refiner(9).save("refiner.safetensors")
    fails(1, "again", "a.png", "-o", "b.png", "-q", says="another model than the picture's")

    write("jobs.jsonl", b'{"prompt": "a red potion", "refiner_checkpoint": "moved.safetensors", "refiner_switch_at": 0.6}\n'
                        b'{"prompt": "a red potion", "refiner_checkpoint": "none"}\n')
    limn("batch", "jobs.jsonl", "-m", base, *WITH, *STEPS, "--aesthetic-score", "7", "-o", "out", code=1)  # the second has no score
    made = [f for f in files("out") if f.endswith(".png")]
    assert len(made) == 1 and pixels(os.path.join("out", made[0])) == pixels("a.png")


def test_refiner_many_at_once():
    """A picture has the same bytes in whatever company, with prompts of its own."""
    base, refiner = models()
    write("jobs.jsonl", b"".join(b'{"prompt": "a %s", "seed": %d}\n' % (w, i) for i, w in enumerate((b"cat", b"dog", b"potion"))))
    for size in "1", "3":
        limn("batch", "jobs.jsonl", "-m", base, "--refiner", refiner, "--refiner-at", "0.5", "--tokenizer", CLIP, *STEPS, "-o", "o" + size,
             "--batch-size", size)
    names = [f for f in files("o1") if f.endswith(".png")]
    assert len(names) == 3 and all(read("o1/" + n) == read("o3/" + n) for n in names)


def test_refiner_other_predictions():
    """An expert that predicts v goes on where one of epsilon was."""
    base, _ = models()
    expert = tiny_xl.refiner().plus(v_pred=1).save("expert.safetensors")
    for compat in "diffusers", "a1111":
        limn(*STEPS, "x", *WITH, "-m", base, "--refiner", expert, "--compat", compat, "-o", "x.png", "--refiner-at", "0.5")
    swapped = trace("-m", expert, "--refiner", base, "--refiner-at", "0")
    assert swapped["latents"] == trace("-m", base)["latents"]


def test_refiner_refused():
    base, refiner = models()
    args = [*STEPS, "a", *WITH, "-m", base]
    fails(2, *args, "--refiner-at", "0.5", says="give one with --refiner")
    fails(2, *args, "--refiner", refiner, "--refiner-at", "1.5", says="number from 0 to 1")
    fails(1, *args, "--refiner", "nothing.safetensors", says=["--refiner", "nothing.safetensors: neither a file"])
    fails(1, *args, "--refiner", "sprites", says=["sprites", "its latents have 8 channels, those of base 4"])
    fails(1, *args, "--refiner", tiny_xl.base(9).save("nine.safetensors"), says="it takes 9 channels")
    fails(2, *args, "--refiner", refiner, "--sampler", "dpm_adaptive", says="chooses its own steps")
    fails(2, *args, "--refiner", refiner, "--sampler", "pndm", says="cannot run the last 1 of the steps alone")
    fails(2, *args, "--denoising-end", "0.8", says="--refiner MODEL --refiner-at 0.8")
    assert not [f for f in files() if f.endswith(".png")]


def test_refiner_info():
    """limn info says the memory of the pair, which is the larger of both; a pair that cannot be is an error."""
    side = ["-W", "512", "-H", "512", "--tokenizer", CLIP, "--json"]
    base, refiner = models()
    one, other = (json.loads(limn("info", name, *side).out)["memory_choices_bytes"] for name in (base, refiner))
    both = json.loads(limn("info", base, "--refiner", refiner, *side).out)
    assert both["memory_choices_bytes"] == one
    pair = both["with_refiner"]
    assert pair["memory_choices_bytes"] == {k: max(v, other[k]) for k, v in one.items()} and pair["path"] == refiner, both
    assert pair["memory_bytes"] == pair["memory_choices_bytes"]["normal"]
    assert "with --refiner" in limn("info", base, "--refiner", refiner, *side[:-1]).out
    assert "with --refiner" not in limn("info", base, "--refiner", refiner).out, "nothing is known without a tokenizer"
    fails(1, "info", base, *side, "--refiner", "sprites", says=["--refiner", "do not belong together"])
    fails(1, "info", base, *side, "--refiner", "nix", says=["--refiner", "nix"])
