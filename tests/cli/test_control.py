"""--control, --adapter, --ip-adapter and limn hint, from outside. The numbers are compared with diffusers' in tests/test_pipeline.c."""

import json
import os
import shutil

from helpers import REPO, chunks, draw, fails, limn, read, size_of, write
from test_from_pictures import pixels, png

CONTROL = os.path.join(REPO, "tests", "golden", "control")
SD1 = ["-m", os.path.join(REPO, "tests", "golden", "pipeline", "sd1"), "-W", "64", "-H", "48", "-s", "2", "--seed", "3", "-q"]


def golden(name):
    return os.path.join(CONTROL, name)


NET, HINT = golden("net_a"), golden("hint0.png")
LINE = f"model={NET},image={HINT}"


def drawn(*args, **more):
    (path,) = limn("a red potion", *SD1, *args, **more).out.split()
    return read(path)


def options_of(path):
    text = next(d for k, d in chunks(read(path)) if d.startswith(b"limn\0"))
    return json.loads(text.split(b"\0", 1)[1].lstrip(b"\0"))["options"]


def test_strength_and_again():
    plain = drawn("-o", "plain.png")
    one = drawn("--control", LINE, "-o", "one.png")
    half = drawn("--control", LINE + ",strength=0.5", "-o", "half.png")
    assert len({plain, one, half}) == 3
    limn("again", "half.png", "-o", "twice.png", "-q")
    assert read("twice.png") == half
    said = options_of("half.png")["control"]
    assert f"model={NET},image={HINT},strength=0.5" in said and "model-sha256=" in said and "image-sha256=" in said
    same = [pixels(p) for p in ("plain.png", "none.png") if drawn("--control", LINE + ",strength=0", "-o", "none.png")]
    assert same[0] == same[1], "strength 0 is no control"
    drawn("--control", LINE, "--control-strength", "0.5", "-o", "common.png")
    assert pixels("common.png") == pixels("half.png")


def test_several_in_any_order():
    other = f"model={golden('net_b')},image={golden('hint1.png')}"
    drawn("--control", LINE, "--control", other, "-o", "two.png")
    drawn("--control", LINE, "-o", "one.png")
    assert pixels("two.png") != pixels("one.png")
    drawn("--control", LINE, "--adapter", f"model={golden('t2i_full')},image={HINT}", "-o", "both.png")
    assert pixels("both.png") != pixels("one.png")


def test_its_picture_must_be_the_same():
    png("hint.png", 64, 48, lambda x, y: (x * 4, y * 5, 9))
    drawn("--control", f"model={NET},image=hint.png", "-o", "a.png")
    png("hint.png", 64, 48, lambda x, y: (9, y * 5, x * 4))
    fails(1, "again", "a.png", "-o", "b.png", "-q", says=("hint.png", "SHA-256"))
    os.remove("hint.png")
    fails(1, "again", "a.png", "-o", "b.png", "-q", says="hint.png")


def test_the_first_map_says_the_size():
    png("wide.png", 83, 45, lambda x, y: (x * 3, y * 5, 9))
    (path,) = limn("x", "-m", SD1[1], "-s", "1", "-q", "--control", f"model={NET},image=wide.png", "-o", "w.png").out.split()
    assert size_of(path) == (80, 40)


def test_maps_made_here():
    png("photo.png", 64, 48, lambda x, y: (200, 200, 200) if 20 < x < 40 and 10 < y < 30 else (20, 30, 40))
    limn("hint", "edges:photo.png", "-o", "edges.png", "-q")
    edges = pixels("edges.png")
    assert {v for row in edges for v in row} == {0, 255}
    drawn("--control", f"model={NET},image=edges:photo.png", "-o", "a.png")
    drawn("--control", f"model={NET},image=edges.png", "-o", "b.png")
    assert pixels("a.png") == pixels("b.png")
    assert "image=edges:photo.png" in options_of("a.png")["control"]
    limn("hint", "edges:0:1:photo.png", "-o", "more.png")
    assert sum(map(sum, pixels("more.png"))) >= sum(map(sum, edges))
    (path,) = limn("hint", "blur:2:photo.png", "-W", "32", "-H", "32").out.split()
    assert size_of(path) == (32, 32)
    assert limn("hint", "invert:photo.png", "-o", "-").out.encode("utf-8", "surrogateescape")[:4] == b"\x89PNG"


def test_a_name_with_commas():
    png("a, b,c.png", 64, 48, lambda x, y: (x * 4, y * 5, 9))
    drawn("--control", f"image=a, b,c.png,model={NET},end=0.9", "-o", "a.png")
    limn("again", "a.png", "-o", "b.png", "-q")
    assert read("a.png") == read("b.png")


def test_control_wrong_use():
    for line, says in [(f"model={NET}", "image=FILE is missing"), (f"image={HINT}", "model=FILE is missing"),
                       ("hello", "not FIELD=VALUE"), (LINE + ",strenght=1", "did you mean strength"), (LINE + ",strength=11", "from 0 to 10"),
                       (LINE + ",strength=nan", "from 0 to 10"), (LINE + ",start=0.9,end=0.1", "behind"), (LINE + ",guess=2", "true or false"),
                       (f"model={NET},image=pose:{HINT}", "bring the map"), (f"model={NET},image=edgse:{HINT}", "did you mean edges"),
                       (LINE + f",image={HINT}", "twice"), (LINE + ",model-sha256=12", "64 hexadecimal")]:
        fails(2, "x", *SD1, "-o", "x.png", "--control", line, says=says)
    fails(2, "x", *SD1, "--control-strength", "0.5", says="no --control")
    fails(2, "x", *SD1, "--control", LINE + ",start=0.5", "--sampler", "dpm_adaptive", says="chooses its steps")
    fails(2, "x", *SD1, "--control-net", NET, says="--control model=FILE")
    fails(2, "hint", says="edges")
    fails(2, "hint", f"depth:{HINT}", says="bring the map")
    fails(2, "hint", "edges:", says="no file")
    assert not os.path.exists("x.png")


def test_control_wrong_files():
    write("empty.safetensors", b"")
    write("notes.txt", b"hello")
    for line, says in [(f"model=none,image={HINT}", "no such file"), (f"model={NET},image=none.png", "none.png"),
                       (f"model=empty.safetensors,image={HINT}", "empty.safetensors"), (f"model=notes.txt,image={HINT}", "notes.txt"),
                       (f"model={HINT},image={HINT}", "PNG"), (f"model={NET},image=notes.txt", "notes.txt"),
                       (f"model={golden('xl')},image={HINT}", "another family"), (f"model={golden('t2i_full')},image={HINT}", "T2I-Adapter"),
                       (f"model={SD1[1]}/unet,image={HINT}", "UNet"), (f"model={NET}/config.json,image={HINT}", "config.json"),
                       (f"model={NET},image={NET}", "net_a")]:
        fails(1, "x", *SD1, "-o", "x.png", "--control", line, says=says)
    fails(1, "x", *SD1, "-o", "x.png", "--adapter", LINE, says="ControlNet")
    fails(1, "x", "-m", "sprites", "-s", "1", "-q", "--control", LINE, says="another family")
    assert not os.path.exists("x.png")


def test_relatives_are_called_by_name():
    from tiny import Tensors
    for tensor, says in [("lllite_unet_input_blocks_4_1.depth", "LLLite"), ("lora_controlnet", "Control-LoRA"),
                         ("controlnet_blocks.0.weight", "transformer"), ("difference", "difference")]:
        t = Tensors()
        t.put(tensor, 2)
        t.save("net.safetensors")
        fails(1, "x", *SD1, "--control", f"model=net.safetensors,image={HINT}", says=says)


def test_control_batch_and_compare():
    jobs = [{"prompt": "a red potion", "name": "a", "control": LINE}, {"prompt": "a red potion", "name": "b"},
            {"prompt": "a red potion", "name": "c", "control": LINE + ",strength=0.5"}]
    write("jobs.jsonl", "".join(json.dumps(j) + "\n" for j in jobs).encode())
    limn("batch", "jobs.jsonl", *SD1, "-o", "out/{name}.png")
    drawn("--control", LINE, "-o", "a.png")
    drawn("--control", LINE + ",strength=0.5", "-o", "c.png")
    drawn("-o", "b.png")
    for name in "abc":
        assert pixels(f"out/{name}.png") == pixels(f"{name}.png"), name
    limn("compare", "x", *SD1, "--control", LINE, "--axis", "control-strength=0,0.5,1", "--axis", "cfg-scale=3,5", "--seeds", "1", "-o", "cmp")
    assert len([f for f in os.listdir("cmp/cells") if f.endswith(".png")]) == 6


def test_guidance_left_out_is_no_guidance():
    """Outside of its interval a step sees the prompt alone, as without guidance."""
    drawn("--guidance-interval", "0:0", "-o", "a.png")
    drawn("--cfg-scale", "1", "-o", "b.png")
    assert pixels("a.png") == pixels("b.png")


def test_control_sandbox():
    png("photo.png", 64, 48, lambda x, y: (x * 4, y * 5, 9))
    shutil.copytree(SD1[1], "sd1")  # with files for its links
    for name, more in ("a.png", ["--sandbox"]), ("b.png", []):
        drawn("-m", "sd1", "--control", f"model={NET},image=edges:photo.png", *more, "-o", name, env={"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"})
    assert pixels("a.png") == pixels("b.png")


IP = f"model={golden('ip_plain.safetensors')},image={HINT}"


def test_ip_adapter():
    plain = drawn("-o", "plain.png")
    one = drawn("--ip-adapter", IP, "-o", "one.png")
    assert plain != one
    drawn("--ip-adapter", IP + ",scale=0.6", "-o", "same.png")
    assert pixels("one.png") == pixels("same.png"), "0.6 is the usual"
    limn("again", "one.png", "-o", "again.png", "-q")
    assert read("again.png") == one
    said = options_of("one.png")["ip_adapter"]
    assert "model-sha256=" in said and "encoder-sha256=" in said and "image-sha256=" in said
    drawn("--ip-adapter", IP + f",image={golden('hint1.png')},end=0.5", "--control", LINE, "-o", "more.png")
    limn("again", "more.png", "-o", "again.png", "-q")
    assert read("again.png") == read("more.png")


def test_ip_adapter_says_what_is_cut_off():
    r = limn("x", *[a for a in SD1 if a != "-q"], "--ip-adapter", IP, "-o", "x.png")
    assert "only the square in its middle is seen" in r.err


def test_ip_adapter_without_its_encoder():
    shutil.copy(golden("ip_plain.safetensors"), "ip.safetensors")
    fails(1, "x", *SD1, "--ip-adapter", f"model=ip.safetensors,image={HINT}", says=("image encoder", "encoder="))
    fails(1, "x", *SD1, "--ip-adapter", f"model=ip.safetensors,image={HINT},encoder=none", says="none")
    fails(1, "x", *SD1, "--ip-adapter", f"model=ip.safetensors,image={HINT},encoder={NET}", says="image encoder")
    fails(1, "x", *SD1, "--ip-adapter", f"model={NET},image={HINT}", says="wants an IP-Adapter")
    fails(1, "x", "-m", "sprites", "-s", "1", "-q", "--ip-adapter", IP, says="another family")
    drawn("--ip-adapter", f"model=ip.safetensors,image={HINT},encoder={golden('openclip.safetensors')}", "-o", "a.png")
    drawn("--ip-adapter", IP, "-o", "b.png")
    assert pixels("a.png") == pixels("b.png")
    os.mkdir("models")
    os.rename("ip.safetensors", "models/ip.safetensors")
    shutil.copytree(golden("image_encoder"), "image_encoder")
    drawn("--ip-adapter", f"model=models/ip.safetensors,image={HINT}", "-o", "c.png")
    assert pixels("c.png") == pixels("a.png")


def test_ip_adapters_for_faces_are_called_so():
    from tiny import Tensors
    t = Tensors()
    for name in "image_proj.proj.0.weight", "image_proj.norm.weight", "ip_adapter.1.to_k_ip.weight":
        t.put(name, 2, 2)
    t.save("face.safetensors")
    fails(1, "x", *SD1, "--ip-adapter", f"model=face.safetensors,image={HINT}", says="FaceID")


def test_info_of_what_steers():
    for name, says in [("net_a", ("a ControlNet", "diffusers' names", "--control")), ("net_a_ldm.safetensors", ("a ControlNet", "LDM names")),
                       ("t2i_light", ("a T2I-Adapter (light_adapter)", "--adapter")), ("t2i_grey", ("a map in grey",)),
                       ("t2i_full_original.safetensors", ("a T2I-Adapter (full_adapter)", "TencentARC's names")),
                       ("ip_plus.safetensors", ("an IP-Adapter (plus)", "tokens of 16", "--ip-adapter")),
                       ("ip_full.safetensors", ("full face",)), ("openclip.safetensors", ("image encoder", "encoder=FILE"))]:
        out = limn("info", golden(name)).out
        for word in says:
            assert word in out, (name, word, out)
        kind = json.loads(limn("info", golden(name), "--json").out)["kind"]
        assert kind in out
        if "." in name:
            fails(1, "x", "-m", golden(name), says=kind)


def test_again_with_a_map_that_has_moved():
    png("hint.png", 64, 48, lambda x, y: (x * 4, y * 5, 9))
    a = drawn("--control", f"model={NET},image=hint.png,strength=0.7", "-o", "a.png")
    os.rename("hint.png", "moved.png")
    fails(1, "again", "a.png", "-o", "b.png", "-q", says="hint.png")
    limn("again", "a.png", "--control", f"model={NET},image=moved.png,strength=0.7", "-o", "b.png", "-q")
    assert pixels("b.png") == pixels("a.png")
    assert options_of("b.png")["control"].count("model=") == 1


def test_units_in_a1111s_text():
    shutil.copy(golden("net_a_ldm.safetensors"), "canny.safetensors")
    png("photo.png", 64, 48, lambda x, y: (x * 4, y * 5, 9))
    drawn("--control", "model=canny.safetensors,image=edges:50:150:photo.png,strength=0.8,end=0.5", "--ip-adapter", IP, "-o", "a.png")
    text = next(d for k, d in chunks(read("a.png")) if d.startswith(b"parameters\0")).decode("latin-1")
    assert ('ControlNet 0: "Module: canny, Model: canny [' in text and "Weight: 0.8, Resize Mode: Just Resize" in text
            and "Threshold A: 50, Threshold B: 150" in text and "Guidance End: 0.5" in text and "ControlNet 1: " in text), text
