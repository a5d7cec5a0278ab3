"""LoRAs that are called by name: <lora:name:weight> in prompts, --lora-dir, block weights; and what is written into pictures."""

import hashlib
import json
import os
import struct

from helpers import draw, fails, limn, read, texts, write
from test_lora import SIZE, drawing, floats, kohya, make, save, tensors

TAG = "<lora:ink:0.8> a key"


made = {}


def factors(alpha):
    """The LoRA's bytes; made once."""
    if alpha not in made:
        save("made", kohya(make(1, alpha), alpha), {"ss_output_name": "other_name"})
        made[alpha] = read("made")
    return made[alpha]


def setup(folder="loras", name="ink"):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".safetensors")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, factors(1.0))
    return path


def picture(prompt, *options, **more):
    draw(prompt, *SIZE, "-o", "x.png", *options, **more)
    return drawing("x.png")


def test_lora_tags():
    path = setup()
    want, bare = picture("a key", "--lora", path + ":0.8"), picture("a key")
    here = ["--lora-dir", "loras"]
    assert picture(TAG, *here) == want != bare
    assert picture("a <lora:ink:0.8>key", *here) == want
    assert picture("<lora:other_name:0.8> a key", *here) == want
    # A1111: the first number is the text encoder's, alone it is both; named ones count
    apart = picture("a key", "--lora", path + ":0.8:0.5")
    assert apart not in (want, bare)
    for tag in "<lora:ink:0.5:0.8>", "<lora:ink:1:te=0.5:unet=0.8>", "<lora:ink:0.5:unet=0.8>":
        assert picture(tag + " a key", *here) == apart, tag
    assert picture("<lora:ink:0.5><lora:ink:0.3> a key", *here) == picture("a key", "--lora", path + ":0.5", "--lora", path + ":0.3")
    assert picture(TAG, *here, "--compat", "a1111") == picture("a key", "--lora", path + ":0.8", "--compat", "a1111")
    # the default folder
    data = os.path.abspath("data")
    setup(os.path.join(data, "limn", "loras"))
    assert picture(TAG, env={"XDG_DATA_HOME": data}) == want
    # no folder: a line, and no word of the prompt
    r = limn(TAG, *SIZE, "-o", "y.png")
    assert "--lora-dir" in r.err and "left out" in r.err, r.err
    assert drawing("y.png") == bare


def test_lora_names_that_are_not_there():
    setup()
    setup(name="a/pen")
    setup(name="b/pen")
    write("loras/old.pt", b"x")
    here = ["--lora-dir", "loras"]
    fails(1, "<lora:inc:1> a key", *SIZE, *here, says=['<lora:inc:1>', 'did you mean "ink"'])
    fails(1, "<lora:pen:1> a key", *SIZE, *here, says=["two files", "a/pen", "b/pen"])
    fails(1, "<lora:old:1> a key", *SIZE, *here, says=["old.pt", "pickle"])
    fails(1, "<lora:../loras/ink:1> a key", *SIZE, *here, says="no file called")
    fails(2, "<lora:ink:strong> a key", *SIZE, *here, says="no weight")
    fails(2, "<lora:ink:1:dyn=4> a key", *SIZE, *here, says="dyn")
    fails(2, "<lora:ink:1e9> a key", *SIZE, *here, says="-100 to 100")
    fails(1, "a key", *SIZE, "--lora-dir", "nowhere", "--prompt-2", "<lora:ink>", says="no such folder")
    fails(1, TAG, *SIZE, "--compat", "a1111", says=["limn/loras", "--lora-dir"])
    assert picture("<lora:a/pen:1> a key", *here) == picture("a key", "--lora", "loras/a/pen.safetensors")


def test_block_weights():
    path = setup()
    whole, bare = picture("a key", "--lora", path), picture("a key")
    ones, zeros = ",".join(["1"] * 26), ",".join(["0"] * 26)
    assert picture("a key", "--lora", f"{path}:1:1:lbw={ones}") == whole
    assert picture("a key", "--lora", f"{path}:blocks=ALL") not in (whole, bare)  # a list of 17 leaves out OUT00
    none = picture("a key", "--lora", f"{path}:lbw={zeros}")
    assert none == bare
    text = picture("a key", "--lora", f"{path}:lbw=1{zeros[1:]}")
    assert text == picture("a key", "--lora", f"{path}:0:1")
    mid = picture("a key", "--lora", f"{path}:lbw={','.join('1' if i == 13 else '0' for i in range(26))}")
    assert mid not in (bare, whole, text)
    assert picture(f"<lora:ink:1:lbw={ones}> a key", "--lora-dir", "loras") == whole
    fails(2, "a key", *SIZE, "--lora", path + ":lbw=1,2,3", says=["3 block weights", "17 or 26"])
    fails(2, "a key", *SIZE, "--lora", path + ":lbw=OUTSIDE", says="no list of block weights")


def test_lora_in_metadata():
    path = setup()
    data = read(path)
    sha, body = hashlib.sha256(data).hexdigest(), data[8 + struct.unpack("<Q", data[:8])[0]:]
    draw(TAG, *SIZE, "-o", "x.png", "--lora-dir", "loras")
    t = texts("x.png")
    short = hashlib.sha256(body).hexdigest()[:12]
    assert f'Lora hashes: "ink: {short}"' in t["parameters"], t["parameters"]
    assert t["parameters"].startswith(TAG)
    options = json.loads(t["limn"])["options"]
    assert options["lora_sha256"] == f"{sha}:{short}:ink" and options["lora_dir"] == "loras", options
    limn("again", "x.png", "-q", "-o", "y.png")
    assert read("x.png") == read("y.png")
    write(path, factors(2.0))
    fails(1, "again", "x.png", "-o", "z.png", says=["ink", sha[:10], "another file"])
    assert not os.path.exists("z.png")


def test_batch_with_tags():
    setup()
    jobs = [{"prompt": TAG}, {"prompt": "a key"}, {"prompt": "<lora:ink:0.2> a key"}, {"prompt": "<lora:nobody> a key"}]
    write("j.jsonl", "\n".join(json.dumps(j) for j in jobs).encode())
    r = limn("batch", "j.jsonl", *SIZE, "--lora-dir", "loras", "-o", "b", code=1)
    assert "nobody" in r.err, r.err
    made = sorted(n for n in os.listdir("b") if n.endswith(".png"))
    assert len(made) == 3, made
    want = [picture(p, "--lora-dir", "loras") for p in (TAG, "a key", "<lora:ink:0.2> a key")]
    assert [drawing(os.path.join("b", n)) for n in made] == want and want[0] != want[1] != want[2]
    limn("compare", TAG, *SIZE, "--lora-dir", "loras", "--axis", "lora=loras/ink.safetensors:0.2,loras/ink.safetensors:1", "-q", "-o", "c")


def test_info_and_list():
    path = setup()
    setup(name="a/pen")
    write("loras/old.pt", b"x")
    write("loras/bad.safetensors", b"x")
    tags = {"10_ink": {"ink drawing": 12, "a key": 3}, "5_more": {" a key": 2, "a key": 20}}
    save("loras/tagged.safetensors", tensors(path), {"ss_tag_frequency": json.dumps(tags), "ss_base_model_version": "sd_v1", "ss_output_name": "x\x1b[31m"})
    r = limn("list", "loras", "--lora-dir", "loras")
    rows = dict(zip(r.out.splitlines()[::2], r.out.splitlines()[1::2]))
    assert set(rows) == {"a/pen", "bad", "ink", "old", "tagged"}, rows
    assert "rank 2" in rows["ink"] and "pickle" in rows["old"] and "not usable" in rows["bad"] and "a key, ink drawing" in rows["tagged"], rows
    assert limn("list", "loras").out == "" and json.loads(limn("list", "loras", "--json").out) == []
    fails(1, "list", "loras", "--lora-dir", "nowhere", says="no such folder")
    out = limn("info", "loras/tagged.safetensors").out
    assert "LoRA for SD 1.x" in out and "a key (25), ink drawing (12)" in out and "\x1b" not in out, out
    i = json.loads(limn("info", "loras/tagged.safetensors", "--json").out)
    assert i["rank"] == [2, 2] and i["scale"] == [0.5, 0.5] and i["modules"] == {"unet": 6, "text_encoder": 2} and i["tags"]["a key"] == 25, i
    # the size of one module's change, from its factors
    t = tensors(path)
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k."
    down, up = floats(t[stem + "lora_down.weight"]), floats(t[stem + "lora_up.weight"])
    save("one.safetensors", {k: v for k, v in t.items() if k.startswith(stem)})
    n = len(down) // 2
    square = sum((0.5 * (up[2 * r] * down[k] + up[2 * r + 1] * down[n + k])) ** 2 for r in range(len(up) // 2) for k in range(n))
    norm = json.loads(limn("info", "one.safetensors", "--json").out)["norms"]
    assert abs(norm["M00"] - square ** 0.5) < 1e-6 * norm["M00"], norm
    save("half.safetensors", {k: v for k, v in t.items() if not k.endswith("to_q.lora_up.weight")})
    fails(1, "info", "half.safetensors", says="not complete")
