"""--lora: a picture through an adapter is the picture of the merged model, whatever the names in the file."""

import json
import math
import os
import random
import re
import shutil
import struct

from helpers import SPRITES, UNET, chunks, draw, fails, limn, read, texts, write

SIZE = ["-W", "32", "-H", "32", "-s", "2", "--seed", "1", "--precision", "f32"]
TEXT = "text_encoder/model.safetensors"
LINEAR = ["down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q", "down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_out.0",
          "mid_block.attentions.0.transformer_blocks.0.attn2.to_k", "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
          "down_blocks.2.attentions.0.proj_in"]
CONV = "up_blocks.0.resnets.0.conv1"


def tensors(path):
    """name -> (dtype, shape, bytes)"""
    data = read(path)
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    return {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in head.items() if k != "__metadata__"}


def save(path, items, metadata=None):
    head, at = ({"__metadata__": metadata} if metadata else {}), 0
    for k, (dtype, shape, data) in items.items():
        head[k] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(head).encode()
    write(path, struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in items.values()))


def floats(t):
    size, letter = {"F16": (2, "e"), "F32": (4, "f")}[t[0]]
    return list(struct.unpack(f"<{len(t[2]) // size}{letter}", t[2]))


def f32(shape, values):
    return "F32", shape, struct.pack(f"<{len(values)}f", *values)


def drawn_at_random(r, count):
    return list(struct.unpack(f"<{count}f", struct.pack(f"<{count}f", *(r.gauss(0, 0.1) for _ in range(count)))))


def make(weight, alpha, merged=None):
    """A LoRA of rank 2 for some modules: [(network, module, down, up)]. merged: also a model folder of this name with it merged in."""
    r = random.Random(5)
    if merged:
        shutil.copytree(SPRITES, merged)
    factors = []
    for network, file, modules in ("unet", UNET, [*LINEAR, CONV]), ("text_encoder", TEXT, None):
        all_tensors = tensors(os.path.join(SPRITES, file))
        if modules is None:
            modules = [k[:-7] for k in all_tensors if k.endswith("layers.1.self_attn.q_proj.weight") or k.endswith("layers.0.mlp.fc1.weight")]
        for m in modules:
            old = all_tensors[m + ".weight"]
            out, inner = old[1][0], math.prod(old[1][1:])
            down, up = drawn_at_random(r, 2 * inner), drawn_at_random(r, 2 * out)
            if merged:
                w, scale = floats(old), weight * alpha / 2
                for i in range(out):
                    a, b = scale * up[2 * i], scale * up[2 * i + 1]
                    row = zip(w[i * inner:(i + 1) * inner], down, down[inner:])
                    w[i * inner:(i + 1) * inner] = [x + a * y + b * z for x, y, z in row]
                all_tensors[m + ".weight"] = f32(old[1], w)
            shape = [2, *old[1][1:]]
            factors.append((network, m, f32(shape, down), f32([out, 2, *([1] * (len(shape) - 2))], up)))
        if merged:
            save(os.path.join(merged, file), all_tensors)
    return factors


def kohya(factors, alpha):
    out = {}
    for network, m, down, up in factors:
        stem = ("lora_unet_" if network == "unet" else "lora_te_") + m.replace(".", "_")
        out.update({stem + ".lora_down.weight": down, stem + ".lora_up.weight": up, stem + ".alpha": f32([], [alpha])})
    return out


def peft(factors):
    out = {}
    for network, m, down, up in factors:
        out.update({f"{network}.{m}.lora_A.weight": down, f"{network}.{m}.lora_B.weight": up})
    return out


def latents(path):
    return floats(tensors(path)["latents"])


def apart(a, b):
    return (sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b)) ** 0.5


def drawing(path):
    """A picture's packed pixels, without its metadata."""
    return [c for c in chunks(read(path)) if c[0] in (b"IDAT", "IDAT")]


def pixels():
    """The picture of the last drawn(), before it is 8 bits."""
    return floats(tensors("x.safetensors")["image"])


def drawn(*options):
    draw("a red potion", *SIZE, "-o", "x.png", "--trace", "x.safetensors", *options)
    return latents("x.safetensors"), read("x.png")


def test_lora_is_the_merged_model():
    factors = make(0.8, 1.0, "merged")
    save("kohya.safetensors", kohya(factors, 1.0))
    save("peft.safetensors", peft(factors), {"lora_adapter_metadata": json.dumps(
        {f"{n}.{k}": v for n in ("unet", "text_encoder") for k, v in (("r", 2), ("lora_alpha", 1))})})
    merged, _ = drawn("-m", "merged")
    want = pixels()
    bare, bare_png = drawn()
    through, _ = drawn("--lora", "kohya.safetensors:0.8")
    got = pixels()
    error = (sum((a - b) ** 2 for a, b in zip(got, want)) / len(want)) ** 0.5
    assert 20 * math.log10(2 / max(error, 1e-12)) > 100, error  # dB, of -1 .. 1; 131 measured
    assert apart(through, merged) < 1e-5 < 1e-3 < apart(bare, merged)
    assert drawn("--lora", "peft.safetensors:0.8")[0] == through
    assert drawn("--lora", "kohya.safetensors:0")[0] == bare
    twice = drawn("--lora", "kohya.safetensors:0.5", "--lora", "kohya.safetensors:0.3")[0]
    assert apart(twice, merged) < 1e-5
    unet_only = drawn("--lora", "kohya.safetensors:0.8:0")[0]
    assert apart(unet_only, merged) > 1e-4 and unet_only != bare


def test_lora_in_batch_and_again():
    save("k.safetensors", kohya(make(1, 2.0), 2.0))
    jobs = [{"prompt": "a key", "lora": "k.safetensors"}, {"prompt": "a key"}, {"prompt": "a key", "lora": "k.safetensors:0.5"}]
    write("j.jsonl", "\n".join(json.dumps(j) for j in jobs).encode())
    limn("batch", "j.jsonl", *SIZE, "-q", "-o", "b")
    made = sorted(os.path.join("b", n) for n in os.listdir("b") if n.endswith(".png"))
    alone = []
    for extra in ["--lora", "k.safetensors"], [], ["--lora", "k.safetensors:0.5"]:
        draw("a key", *SIZE, "-o", "x.png", *extra)
        alone.append(read("x.png"))
    assert len(set(alone)) == 3 and [read(p) for p in made] == alone
    assert json.loads(texts(made[0])["limn"])["options"]["lora"] == "k.safetensors"
    limn("again", made[0], "-q", "-o", "same.png")
    assert read("same.png") == alone[0]
    # a job's own are in place of the command line's; several are a line each, and a list draws with one after the other
    write("j.jsonl", b'{"prompt": "a", "lora": "k.safetensors:0.5\\nk.safetensors"}\n{"prompt": "a", "lora": ["k.safetensors", "k.safetensors:2"]}\n'
                     b'{"prompt": "a"}\n')
    shown = limn("batch", "j.jsonl", *SIZE, "-o", "c", "--lora", "k.safetensors:3", "--dry-run").out.splitlines()[:-1]
    assert [re.findall("--lora (\\S+)", line) for line in shown] == [["k.safetensors:0.5", "k.safetensors"], ["k.safetensors"],
                                                                    ["k.safetensors:2"], ["k.safetensors:3"]]


def test_loras_that_do_not_fit():
    factors = make(1, 1.0)
    good = kohya(factors, 1.0)
    stem = next(k for k in good if "attn1_to_q.lora_down" in k)[:-len(".lora_down.weight")]
    save("good.safetensors", good)
    cases = [
        ({"lora_unet_nowhere.lora_down.weight": good[stem + ".lora_down.weight"], "lora_unet_nowhere.lora_up.weight": good[stem + ".lora_up.weight"]},
         ["1 of its", "nowhere", "--lora-partial"]),
        ({"lora_te2_text_model_x.lora_down.weight": good[stem + ".lora_down.weight"]}, ["fit nothing", "te2: x"]),
        ({stem + ".lora_up.weight": f32([4, 2], [0.0] * 8)}, ["[4, 2]", "another kind of model"]),
        ({stem + ".hada_w1_a": f32([1], [0.0])}, ["a factor besides those of its LoRA"]),
        ({stem + ".dora_scale": f32([1], [0.0])}, ["shapes [1]"]),
        ({stem + ".lora_mid.weight": f32([1], [0.0])}, ["factors of shapes"]),
        ({stem + ".oft_R.weight": f32([1], [0.0])}, ["PEFT's OFT"]),
        ({stem + ".reshape_weight": f32([1], [0.0])}, ["grows"]),
        ({stem.replace("to_q", "to_k") + ".oft_blocks": f32([1, 3, 3], [0.0] * 9)}, ["[1, 3, 3]"]),
        ({stem.replace("to_q", "to_k") + ".weight": f32([1], [0.0])}, ["is this a model"]),
        ({stem.replace("to_q", "to_k") + ".lokr_w1": f32([7, 7], [0.0] * 49)}, ["LoKr"]),
        ({stem.replace("to_q", "to_k") + ".alpha": f32([], [1.0])}, ["nothing that is scaled"]),
        ({stem.replace("to_q", "to_k") + ".on_input": ("I64", [], bytes(8))}, ["lacks the weight"]),
        ({stem.replace("to_q", "to_k") + ".diff": f32([1], [0.0])}, ["shapes [1]"]),
        ({stem.replace("to_q", "to_out_0") + ".diff_b": f32([1], [0.0])}, ["a vector of"]),
        ({stem + ".alpha": f32([2], [1.0, 1.0])}, ["alpha"]),
        ({stem + ".lora_down.weight": f32([0, 128], [])}, ["factors"]),
        ({stem + ".lora_down.weight": ("I64", [1], bytes(8))}, ["shapes"]),
        ({"anything.else": f32([1], [0.0])}, ["anything.else"]),
    ]
    for change, says in cases:
        save("bad.safetensors", {**good, **change})
        fails(1, "x", *SIZE, "--lora", "bad.safetensors", says=["--lora", "bad.safetensors", *says])
    fails(2, "x", *SIZE, "--lora", "bad.safetensors:1:1:lbw=1,2", says="17 or 26")
    without = {k: v for k, v in good.items() if k != stem + ".lora_up.weight"}
    save("half.safetensors", without)
    fails(1, "x", *SIZE, "--lora", "half.safetensors", says="not complete")
    limn("x", *SIZE, "-q", "-o", "p.png", "--lora", "bad.safetensors", code=1)
    save("some.safetensors", {**good, "lora_unet_nowhere.lora_up.weight": f32([4, 2], [0.0] * 8)})
    r = limn("a key", *SIZE, "-o", "part.png", "--lora", "some.safetensors", "--lora-partial")
    assert "1 of its" in r.err and "nowhere" in r.err, r.err
    draw("a key", *SIZE, "-o", "whole.png", "--lora", "good.safetensors")
    assert drawing("part.png") == drawing("whole.png")
    limn("again", "part.png", "-q", "-o", "part2.png")
    os.remove("part.png"), os.remove("part2.png"), os.remove("whole.png")
    save("empty.safetensors", {})
    fails(1, "x", *SIZE, "--lora", "empty.safetensors", says="nothing in it")
    fails(1, "x", *SIZE, "--lora", "missing.safetensors", says="missing.safetensors")
    save("good.safetensors", good)
    fails(2, "x", *SIZE, "--lora", "good.safetensors:1000", says="-100 to 100")
    assert not any(n.endswith(".png") for n in os.listdir("."))
