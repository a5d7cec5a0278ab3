"""The adapters of the default model in models/adapters: each is what it says, and does something."""
from helpers import *

ADAPTERS = os.path.join(REPO, "models", "adapters")
BLUEPRINT, LCM, EDGES = (os.path.join(ADAPTERS, name) for name in ("blueprint.safetensors", "lcm.safetensors", "edges"))


def test_own_adapters_tell_what_they_are():
    told = json.loads(limn("info", BLUEPRINT, "--json").out)
    assert told["kind"] == "LoRA" and told["tags"] == {"blueprint": 1}
    assert "LCM, by its name: lcm, 4 steps, no guidance" in limn("info", LCM).out
    assert "ControlNet" in limn("info", EDGES).out
    assert sum(os.path.getsize(os.path.join(at, n)) for at, _, names in os.walk(ADAPTERS) for n in names) <= 12 << 20


def test_own_adapters_draw():
    """Also together; the LCM-LoRA brings its steps and sampler."""
    plain, = draw("a red potion, blueprint", "--seed", "1", "-o", "plain.png")
    made = {read(plain)}
    for i, words in enumerate((["--lora", BLUEPRINT], ["--lora", BLUEPRINT + ":0.5"], ["--control", f"model={EDGES},image=edges:{plain}"],
                               ["--lora", BLUEPRINT, "--control", f"model={EDGES},image=edges:{plain}"])):
        path, = draw("a red potion, blueprint", "--seed", "1", *words, "-o", f"{i}.png")
        made.add(read(path))
        assert limn("again", path, "-q", "-o", "again.png").out and read("again.png") == read(path), words
    assert len(made) == 5
    r = limn("a red potion", "-W", "32", "-H", "32", "--lora", LCM, "--seed", "1", "-o", "fast.png")
    assert "LCM, by its name: lcm, 4 steps, no guidance" in r.err, r.err
    assert "Steps: 4, Sampler: LCM" in texts("fast.png")["parameters"] and "CFG scale: 1" in texts("fast.png")["parameters"]
