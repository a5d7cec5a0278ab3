"""limn merge: weighted sums, differences, LoRAs baked in, other types; whole or not at all."""

import math
import os
import signal
import struct
import subprocess
import sys
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from helpers import *  # noqa: E402,F403
from tiny import CLIP, TEXT, UNET_PREFIX, VAE, Tensors, checkpoint  # noqa: E402

SEED = ["--seed", "1", "--precision", "f32", "--tokenizer", CLIP]
MATRIX = UNET_PREFIX + "middle_block.1.transformer_blocks.0.attn1.to_q.weight"


def load(path):
    """(tensors: name -> (dtype, shape, bytes), metadata)"""
    data = read(path)
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    meta = head.pop("__metadata__", {})
    return {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in head.items()}, meta


def numbers(tensor):
    dtype, _, data = tensor
    letter, size = {"F16": ("e", 2), "F32": ("f", 4)}[dtype]
    return struct.unpack(f"<{len(data) // size}{letter}", data)


def other(seed, like):
    t = Tensors(seed)
    for name, (_, shape, data) in like.items():
        values = [v * 0.5 + t.random.gauss(0, 0.02) for v in struct.unpack(f"<{len(data) // 2}e", data)]
        t[name] = ("F16", shape, struct.pack(f"<{len(values)}e", *values))
    return t


def pixels(*args):
    limn("a red potion", *SMALL, *SEED, "-q", "-o", "drawn.png", *args)
    return decode("drawn.png")


def decode(path):
    """A PNG's bytes of all rows, its filters undone."""
    width, height = size_of(path)
    raw = zlib.decompress(b"".join(data for kind, data in chunks(read(path)) if kind == b"IDAT"))
    out, line, step = bytearray(), bytearray(3 * width), 3
    for y in range(height):
        kind, now = raw[y * (3 * width + 1)], bytearray(raw[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        for i in range(len(now)):
            a, b, c = (now[i - step] if i >= step else 0), line[i], (line[i - step] if i >= step else 0)
            p = a + b - c
            paeth = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(p - c) else c
            now[i] = (now[i] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        out += now
        line = now
    return bytes(out)


def psnr(a, b):
    error = sum((x - y) ** 2 for x, y in zip(a, b)) / len(a)
    return 200 if error == 0 else 10 * math.log10(255 ** 2 / error)


def test_merge_sums():
    a = checkpoint()
    b, c = other(2, a), other(3, a)
    a.save("a.safetensors", {"format": "pt", "title": "A's", "modelspec.hash_sha256": "x"})
    b.save("b.safetensors"), c.save("c.safetensors")
    for args, weights in ((("a.safetensors", "b.safetensors", "--weights", "0.7,0.3"), (0.7, 0.3, 0)),
                          (("a.safetensors", "b.safetensors"), (0.5, 0.5, 0)),
                          (("a.safetensors", "b.safetensors", "c.safetensors", "--difference", "0.5"), (1, 0.5, -0.5))):
        assert limn("merge", *args, "-o", "m.safetensors").out == "m.safetensors\n"
        got, meta = load("m.safetensors")
        assert list(got) == list(a)
        for name in a:
            assert got[name][:2] == a[name][:2]
            for x, y, z, m in zip(numbers(a[name]), numbers(b[name]), numbers(c[name]), numbers(got[name])):
                want = weights[0] * x + weights[1] * y + weights[2] * z
                assert abs(m - want) <= abs(want) * 2 ** -11 + 1e-6, (name, m, want)
        assert meta["format"] == "pt" and meta["title"] == "A's" and "modelspec.hash_sha256" not in meta
        assert [x["weight"] for x in json.loads(meta["limn.merge"])["models"]] == [w for w in weights if w]
    pixels("-m", "m.safetensors")
    limn("merge", "a.safetensors", "--type", "f32", "-o", "same.safetensors")
    assert pixels("-m", "a.safetensors") == pixels("-m", "same.safetensors")
    assert not [x for x in files() if x.startswith(".limn")]


def lora(path):
    rng = Tensors(9).random
    t = Tensors()
    for key, rows, columns in (("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", 32, 32),
                               ("lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj", 256, 32),
                               ("lora_te_text_model_encoder_layers_0_mlp_fc1", 128, 64)):
        for end, shape in (("lora_down", (4, columns)), ("lora_up", (rows, 4))):
            values = [rng.gauss(0, 0.3) for _ in range(shape[0] * shape[1])]
            t[f"{key}.{end}.weight"] = ("F32", list(shape), struct.pack(f"<{len(values)}f", *values))
        t[key + ".alpha"] = ("F32", [], struct.pack("<f", 4))
    return t.save(path)


def test_merge_lora():
    """A LoRA baked in draws the picture that it draws when it is laid over the model."""
    a = checkpoint()
    a.save("a.safetensors"), lora("ink.safetensors")
    limn("merge", "a.safetensors", "--lora", "ink.safetensors:0.8", "--type", "f32", "-o", "inked.safetensors")
    laid = pixels("-m", "a.safetensors", "--lora", "ink.safetensors:0.8")
    assert psnr(pixels("-m", "inked.safetensors"), laid) >= 100
    assert psnr(pixels("-m", "a.safetensors"), laid) < 60
    got, meta = load("inked.safetensors")
    changed = [k for k in a if numbers(got[k]) != numbers(a[k])]
    assert sorted(changed) == sorted([MATRIX, MATRIX.replace("attn1.to_q", "ff.net.0.proj"),
                                      TEXT + "text_model.encoder.layers.0.mlp.fc1.weight"]), changed
    assert "ink.safetensors:0.8" in json.loads(meta["limn.merge"])["lora"]
    b = other(2, a)
    b.save("b.safetensors")
    limn("merge", "a.safetensors", "b.safetensors", "--lora", "ink.safetensors", "--type", "f32", "-o", "both.safetensors")
    limn("merge", "a.safetensors", "b.safetensors", "--type", "f32", "-o", "plain.safetensors")
    both, plain, inked = (dict(load(x)[0]) for x in ("both.safetensors", "plain.safetensors", "inked.safetensors"))
    for x, y, z, base in zip(*(numbers(t[MATRIX]) for t in (both, plain, inked, a))):
        assert abs((x - y) * 0.8 - (z - base)) < 1e-5


def test_merge_types():
    a = checkpoint()
    a.save("a.safetensors")
    plain = pixels("-m", "a.safetensors")
    for name, least in (("q8_0", 30), ("q5_k", 20), ("q4_0", 15), ("f16", 60), ("bf16", 30)):
        limn("merge", "a.safetensors", "--type", name, "-o", f"{name}.gguf")
        assert psnr(pixels("-m", f"{name}.gguf"), plain) >= least, (name, psnr(pixels("-m", f"{name}.gguf"), plain))
    limn("merge", "a.safetensors", "--type", "f8", "-o", "f8.safetensors")
    got, meta = load("f8.safetensors")
    assert got[MATRIX][0] == "F8_E4M3" and got[MATRIX.replace(".weight", ".weight_scale")][0] == "F32" and "_quantization_metadata" in meta
    assert psnr(pixels("-m", "f8.safetensors"), plain) >= 18
    assert os.path.getsize("q8_0.gguf") < os.path.getsize("f16.gguf")
    limn("merge", "q8_0.gguf", "a.safetensors", "-o", "mixed.gguf")
    pixels("-m", "mixed.gguf")
    limn("merge", "f8.safetensors", "a.safetensors", "-o", "back.safetensors")
    assert load("back.safetensors")[0][MATRIX][0] == "F16"


def test_convert_types():
    """A folder or a file as GGUF and as scaled 8-bit floats draws nearly what it drew."""
    checkpoint().save("a.safetensors", {"modelspec.title": "mine"})
    plain = pixels("-m", "a.safetensors")
    limn("convert", "a.safetensors", "folder", "--tokenizer", CLIP, "-q")
    for source in ("a.safetensors", "folder"):
        for kind, name, least in (("q8_0", "q.gguf", 30), ("q4_k", "k.gguf", 12), ("f8", "f.safetensors", 18)):
            made = json.loads(limn("convert", source, name, "--type", kind, "--tokenizer", CLIP, "--json").out)
            assert made["bytes"] < os.path.getsize("a.safetensors") and len(made["sha256"]) == 64
            assert psnr(pixels("-m", name), plain) >= least, (source, kind, psnr(pixels("-m", name), plain))
            os.remove(name)
    limn("convert", "folder", "q.gguf", "--type", "q8_0", "-q")
    limn("convert", "q.gguf", "back.safetensors", "--precision", "f16", "--tokenizer", CLIP, "-q")
    assert pixels("-m", "back.safetensors") != plain and psnr(pixels("-m", "back.safetensors"), plain) >= 30
    fails(2, "convert", "a.safetensors", "x.gguf", "--tokenizer", CLIP, says="--type")
    fails(2, "convert", "a.safetensors", "x", "--type", "q8_0", "--tokenizer", CLIP, says="--type")
    fails(2, "convert", "a.safetensors", "x.gguf", "--type", "q8_0", "--precision", "f16", "--tokenizer", CLIP, says="one of them")
    fails(1, "convert", "a.safetensors", "x.safetensors", "--type", "q8_0", "--tokenizer", CLIP, says="safetensors has no Q8_0")
    assert not os.path.exists("x.gguf") and not os.path.exists("x.safetensors") and not os.path.exists("x")


def test_merge_inpainting():
    """A model for inpainting takes another's four inputs, and keeps its other five."""
    a, b = checkpoint(inputs=9), checkpoint()
    a.save("a.safetensors"), b.save("b.safetensors")
    limn("merge", "a.safetensors", "b.safetensors", "--weights", "0,1", "-o", "m.safetensors")
    name = UNET_PREFIX + "input_blocks.0.0.weight"
    got, mine, theirs = numbers(load("m.safetensors")[0][name]), numbers(a[name]), numbers(b[name])
    for i, v in enumerate(got):
        row, at = divmod(i, 81)
        assert v == (theirs[row * 36 + at] if at < 36 else mine[i])


def test_merge_refused():
    a = checkpoint()
    a.save("a.safetensors")
    a.without(VAE).save("novae.safetensors")
    r = limn("merge", "a.safetensors", "novae.safetensors", "-o", "m.safetensors")
    assert "not in every file" in r.err
    Tensors().plus(x=1).save("x.safetensors")
    small = Tensors()
    small.update(a)
    small[MATRIX] = ("F16", [32, 16], bytes(1024))
    small.save("small.safetensors")
    for args, code, says in (((), 2, "which models"), (("a.safetensors",), 2, "which models"), (("a.safetensors", "a.safetensors"), 2, "-o FILE"),
                             (("a.safetensors", "a.safetensors", "-o", "x.png"), 2, "-o FILE"),
                             (("a.safetensors", "a.safetensors", "--weights", "1", "-o", "m.gguf"), 2, "1 numbers for 2 models"),
                             (("a.safetensors", "a.safetensors", "--weights", "1,x", "-o", "m.gguf"), 2, "expected a number"),
                             (("a.safetensors", "a.safetensors", "--difference", "1", "-o", "m.gguf"), 2, "three models"),
                             (("a.safetensors", "none.safetensors", "-o", "n.gguf"), 1, "none.safetensors"),
                             (("a.safetensors", "x.safetensors", "-o", "n.gguf"), 1, "no tensor of the same name"),
                             (("a.safetensors", "small.safetensors", "-o", "n.gguf"), 1, ["to_q.weight", "[32, 32]", "[32, 16]"]),
                             (("a.safetensors", "sprites", "-o", "n.gguf"), 1, "single files"),
                             (("a.safetensors", "novae.safetensors", "-o", "a.safetensors"), 2, "is one of the models"),
                             (("a.safetensors", "--type", "q4_k", "-o", "n.safetensors"), 1, "safetensors has no Q4_K"),
                             (("a.safetensors", "--type", "f8", "-o", "n.gguf"), 1, "GGUF has no"),
                             (("a.safetensors", "--type", "q9", "-o", "n.gguf"), 2, "q9"),
                             (("a.safetensors", "--lora", "none.safetensors", "-o", "n.gguf"), 1, "none.safetensors"),
                             (("a.safetensors", "a.safetensors", "-o", "no/where.gguf"), 1, "no")):
        fails(code, "merge", *args, says=says)
        assert not os.path.exists("n.gguf") and not os.path.exists("n.safetensors"), args
    before = read("a.safetensors")
    p = subprocess.Popen([LIMN, "merge", "a.safetensors", "novae.safetensors", "--type", "q2_k", "-q", "-o", "k.gguf"], env=ENV, stderr=subprocess.PIPE)
    time.sleep(0.15)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=30)
    assert p.returncode in (0, 130) and os.path.exists("k.gguf") == (p.returncode == 0) and read("a.safetensors") == before


if __name__ == "__main__":
    main(globals())
