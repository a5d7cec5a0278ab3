"""Textual inversion: a word whose vectors are those of other words draws what they draw, in every layout, syntax and tool's way."""

import hashlib
import json
import os
import random

from helpers import SPRITES, draw, fails, limn, read, texts, write
from test_lora import SIZE, drawing, f32, floats, save, tensors

FOLDER = "embeddings"


def rows(*words):
    """The vectors of words of the built-in model's vocabulary."""
    vocab = json.loads(read(os.path.join(SPRITES, "tokenizer", "vocab.json")))
    table = next(t for k, t in tensors(os.path.join(SPRITES, "text_encoder", "model.safetensors")).items() if "token_embedding" in k)
    width, all_rows = table[1][1], floats(table)
    return width, [v for w in words for v in all_rows[width * vocab[w + "</w>"]:width * (vocab[w + "</w>"] + 1)]]


def setup():
    os.makedirs(FOLDER, exist_ok=True)
    width, two = rows("red", "potion")
    save(FOLDER + "/gulp.safetensors", {"emb_params": f32([2, width], two)})
    save("own.safetensors", {"<drink>": f32([2, width], two)})
    save("one.safetensors", {"*": f32([width], two[:width])})
    return width, two


def picture(prompt, *options, **more):
    draw(prompt, *SIZE, "-o", "x.png", *options, **more)
    return drawing("x.png")


def test_embeddings():
    width, two = setup()
    want, folder = picture("a red potion, shiny"), ["--embedding-dir", FOLDER]
    assert picture("a gulp, shiny") != want
    for prompt, options in [
            ("a gulp, shiny", ["--embedding", FOLDER + "/gulp.safetensors"]),
            ("a Gulp, shiny", ["--embedding", FOLDER + "/gulp.safetensors"]),
            ("a <drink>, shiny", ["--embedding", "own.safetensors"]),
            ("a zap, shiny", ["--embedding", "own.safetensors=zap"]),
            ("a zap potion, shiny", ["--embedding", "one.safetensors=zap"]),
            ("a embedding:gulp, shiny", folder),
            ("a embedding:gulp.pt, shiny", folder)]:
        assert picture(prompt, *options) == want, prompt
    for compat in "a1111", "comfyui":
        same = picture("a (red potion:1.2), shiny", "--compat", compat)
        given = picture("a (zap:1.2), shiny", "--compat", compat, "--embedding", "own.safetensors=zap")
        named = picture("a (%s:1.2), shiny" % ("gulp" if compat == "a1111" else "embedding:gulp"), "--compat", compat, *folder)
        assert same == given == named != want, compat
    negative = picture("a key", "-n", "embedding:gulp", *folder)
    assert negative == picture("a key", "-n", "red potion") != picture("a key")
    data = os.path.abspath("data")
    os.makedirs(data + "/limn")
    os.rename(FOLDER, data + "/limn/" + FOLDER)
    assert picture("a embedding:gulp, shiny", env={"XDG_DATA_HOME": data}) == want
    assert picture("a gulp, shiny", env={"XDG_DATA_HOME": data}) != want  # a name alone counts in A1111 only


def test_embeddings_that_do_not_fit():
    width, two = setup()
    write(FOLDER + "/old.pt", b"PK\3\4")
    write("old.bin", b"\x80\2")
    folder = ["--embedding-dir", FOLDER]
    bad = {"wide": {"emb_params": f32([1, 768], [0.0] * 768)}, "xl": {"clip_l": f32([1, 768], [0.0] * 768), "clip_g": f32([1, 1280], [0.0] * 1280)},
           "uneven": {"clip_l": f32([1, width], [0.0] * width), "clip_g": f32([2, width], [0.0] * 2 * width)},
           "many": {"emb_params": f32([2000, 1], [0.0] * 2000)}, "nan": {"emb_params": f32([width], [float("nan")] * width)},
           "deep": {"emb_params": f32([1, 1, width], [0.0] * width)}, "empty": {}, "none": {"emb_params": f32([0, width], [])},
           "lora": {"a.lora_down.weight": f32([1, width], [0.0] * width), "a.lora_up.weight": f32([width, 1], [0.0] * width)},
           "whole": {"emb_params": ("I64", [1], bytes(8))}}
    says = {"wide": "made for SD 1.x", "xl": "made for SD XL", "uneven": "for the other", "many": "1024 vectors", "nan": "NaN", "deep": "[1, 1,",
            "empty": "nothing in it", "none": "[0,", "lora": "no textual inversion", "whole": ""}
    for name, items in bad.items():
        save(name + ".safetensors", items)
        fails(1, "a zap", *SIZE, "--embedding", name + ".safetensors=zap", says=["--embedding", name, says[name]])
    fails(1, "a zap", *SIZE, "--embedding", "old.bin=zap", says=["pickle", "safetensors"])
    fails(1, "a embedding:old", *SIZE, *folder, says=["old.pt", "pickle"])
    fails(1, "a embedding:gulb", *SIZE, *folder, says=["embedding:gulb", 'did you mean "gulp"'])
    fails(1, "a embedding:gulp", *SIZE, "--compat", "comfyui", says=["limn/embeddings", "--embedding-dir"])
    fails(1, "a key", *SIZE, "--embedding", "missing.safetensors", says="missing.safetensors")
    fails(1, "a embedding:x", *SIZE, "--embedding-dir", "nowhere", says="no such folder")
    fails(2, "a key", *SIZE, "--embedding", "own.safetensors=", says="FILE=TOKEN")
    # A1111 passes over what it cannot use of a folder: a name that is in the prompt is told, and stays words
    r = limn("old gulp", *SIZE, *folder, "--compat", "a1111", "-o", "y.png")
    assert '"old" in the prompt is taken as words' in r.err and "pickle" in r.err, r.err
    r = limn("a embedding:gulp", *SIZE, "-o", "z.png")
    assert "--embedding-dir" in r.err, r.err


def test_embeddings_in_metadata_and_batch():
    setup()
    folder = ["--embedding-dir", FOLDER]
    sha = hashlib.sha256(read(FOLDER + "/gulp.safetensors")).hexdigest()
    draw("a embedding:gulp", *SIZE, "-o", "kept.png", *folder)
    t = texts("kept.png")
    assert f'TI hashes: "gulp: {sha[:12]}"' in t["parameters"], t["parameters"]
    assert json.loads(t["limn"])["options"]["embedding_sha256"] == f"{sha}:{sha[:12]}:gulp"
    limn("again", "kept.png", "-q", "-o", "y.png")
    assert read("kept.png") == read("y.png")
    jobs = [{"prompt": "a embedding:gulp"}, {"prompt": "a key"}, {"prompt": "a zap", "embedding": "one.safetensors=zap"}, {"prompt": "a embedding:nobody"}]
    write("j.jsonl", "\n".join(json.dumps(j) for j in jobs).encode())
    r = limn("batch", "j.jsonl", *SIZE, *folder, "-o", "b", code=1)
    assert "nobody" in r.err, r.err
    made = sorted(n for n in os.listdir("b") if n.endswith(".png"))
    assert [drawing(os.path.join("b", n)) for n in made] == [picture(p) for p in ("a red potion", "a key", "a red")]
    for compat in [], ["--compat", "a1111"]:  # names in the prompts, drawn at once or not
        write("j.txt", b"a gulp\na key\n")
        limn("batch", "j.txt", *SIZE, *folder, *compat, "-q", "-o", "c" + str(len(compat)))
    width, two = rows("key", "key")
    save(FOLDER + "/gulp.safetensors", {"emb_params": f32([2, width], two)})
    fails(1, "again", "kept.png", "-o", "z.png", says=["gulp", sha[:10]])
    rows_of = {r["name"]: r["help"] for r in json.loads(limn("list", "embeddings", *folder, "--json").out)}
    assert rows_of == {"gulp": f"2 vectors for a text encoder of width {width}"}, rows_of
    assert "1 vector for" in limn("info", "one.safetensors").out
    assert json.loads(limn("info", "own.safetensors", "--json").out)["token"] == "<drink>"


def test_embedding_over_two_chunks():
    """A1111 never parts a word's vectors: those that do not fit open the next chunk."""
    setup()
    tokenizer = json.loads(read(os.path.join(SPRITES, "tokenizer", "tokenizer_config.json")))
    room = tokenizer["model_max_length"] - 2
    r = random.Random(1)
    words = [r.choice(["red", "blue", "key", "gem"]) for _ in range(room - 1)]
    a = picture(" ".join(words) + " zap gem", "--compat", "a1111", "--embedding", "own.safetensors=zap")
    assert a == picture(" ".join(words) + " BREAK red potion gem", "--compat", "a1111")
