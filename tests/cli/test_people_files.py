"""Models as they lie on people's disks: shards and variants, links of the hub's cache, what a stopped or failed download leaves."""

import hashlib
import json
import struct

import tiny
import tiny_xl
from helpers import *
from tiny import CLIP, Tensors

WITH = ["--tokenizer", CLIP]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 492265168\n"
UNET_STEM = "m/unet/diffusion_pytorch_model"
PICTURE = os.path.join(REPO, "tests", "golden", "pipeline", "from_init.png")


def pixels(model, *more, **env):
    if "--sandbox" in more:
        env["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"  # which is done by ptrace
    path = draw("a red potion", "-m", model, "--seed", "1", "-o", "x.png", *more, env=env)[0]
    return b"".join(d for k, d in chunks(read(path)) if k == b"IDAT")


def tensors(path):
    data, out = read(path), Tensors()
    n = struct.unpack("<Q", data[:8])[0]
    for name, t in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            at, end = t["data_offsets"]
            out[name] = (t["dtype"], t["shape"], data[8 + n + at:8 + n + end])
    return out


def folder():
    """A tiny model in m, and what it draws."""
    limn("convert", tiny.checkpoint().save("sd.safetensors"), "m", "-q", *WITH)
    return pixels("m")


def copied():
    shutil.rmtree("m", ignore_errors=True)
    shutil.copytree("good", "m")


def test_people_number_types():
    """F32, F64 and BF16 of the same numbers draw the same."""
    drawn = []
    for kind in "BF16", "F32", "F64":
        out = Tensors()
        for name, (_, shape, data) in tiny.checkpoint().items():
            count = len(data) // 2
            wide = bytearray(struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", data)))
            wide[0::4] = wide[1::4] = bytes(count)
            short = bytearray(2 * count)
            short[0::2], short[1::2] = wide[2::4], wide[3::4]
            longer = struct.pack(f"<{count}d", *struct.unpack(f"<{count}f", wide)) if kind == "F64" else b""
            out[name] = (kind, shape, {"BF16": bytes(short), "F32": bytes(wide), "F64": longer}[kind])
        drawn.append(pixels(out.save(kind + ".safetensors"), *WITH))
    assert drawn[0] == drawn[1] == drawn[2]


def test_people_shards():
    """Every name that diffusers, transformers and their older versions give to shards of a variant; --sandbox reads them too."""
    want = folder()
    os.rename("m", "good")
    all_ = tensors("good/unet/diffusion_pytorch_model.safetensors")
    names = list(all_)
    for index, shard in (("{}.safetensors.index.json", "{}-0000{}-of-00002.safetensors"),
                         ("{}.safetensors.index.fp16.json", "{}.fp16-0000{}-of-00002.safetensors"),
                         ("{}.safetensors.fp16.index.json", "{}-0000{}-of-00002.fp16.safetensors"),
                         ("{}.bf16.safetensors.index.json", "{}.bf16-0000{}-of-00002.safetensors")):
        copied()
        os.remove(UNET_STEM + ".safetensors")
        where = {}
        for part in 1, 2:
            one = Tensors()
            one.update({n: all_[n] for n in names[part - 1::2]})
            where.update(dict.fromkeys(one, os.path.basename(one.save(shard.format(UNET_STEM, part)))))
        write(index.format(UNET_STEM), json.dumps({"metadata": {"total_size": 1}, "weight_map": where}).encode())
        assert pixels("m") == want == pixels("m", "--sandbox") == pixels("good", "--unet", "m/unet"), index


def into_cache(source, repo):
    """As huggingface_hub lays it: blobs by hash, names as links."""
    root, commit = "hub/models--" + repo.replace("/", "--"), "0123456789" * 4
    os.makedirs(root + "/blobs")
    os.makedirs(root + "/refs")
    write(root + "/refs/main", commit.encode())
    for at, _, names in os.walk(source):
        for path in (os.path.join(at, name) for name in names):
            data, name = read(path), os.path.relpath(path, source)
            digest, link = hashlib.sha256(data).hexdigest(), f"{root}/snapshots/{commit}/{name}"
            write(f"{root}/blobs/{digest}", data)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink("../" * (name.count("/") + 2) + "blobs/" + digest, link)
    return f"{root}/snapshots/{commit}"


def test_people_links_of_the_cache():
    """A snapshot draws by its path and by its name, in the sandbox too; a blob that was deleted is named as what it is."""
    limn("convert", tiny_xl.base().save("xl.safetensors"), "xl", "-q", *WITH)
    want, snapshot = pixels("xl"), into_cache("xl", "org/tiny")
    env = {"HF_HUB_CACHE": os.path.abspath("hub")}
    assert pixels(snapshot) == want == pixels("org/tiny", **env) == pixels("org/tiny", "--sandbox", **env) == pixels(snapshot, "--sandbox")
    for name in "unet/diffusion_pytorch_model.safetensors", "text_encoder_2/config.json", "model_index.json":
        blob = os.path.realpath(f"{snapshot}/{name}")
        os.rename(blob, "blob")
        for command in ["x", *SMALL, "-m", snapshot], ["x", *SMALL, "-m", "org/tiny"], ["info", snapshot]:
            fails(1, *command, env=env, says=[f"{name}: a link to ", os.path.basename(blob), "which is not there"])
        os.rename("blob", blob)
    os.symlink("nowhere", "gone.safetensors")
    for command in ["-m", "gone.safetensors"], ["-m", "./gone.safetensors"], ["--vae", "gone.safetensors"], ["--lora", "gone.safetensors"], \
            ["--embedding", "gone.safetensors"], ["-i", "gone.safetensors", "--strength", "1"], ["--control", "model=gone.safetensors,image=" + PICTURE]:
        fails(1, "x", *SMALL, *command, says="gone.safetensors: a link to nowhere, which is not there")


def test_people_halves_of_a_download():
    """Without its index, with a pointer or a page in place of a file: what it is, and what to do."""
    folder()
    os.rename("m", "good")
    copied()
    os.remove("m/model_index.json")
    fails(1, "x", "-m", "m", says=["m: ", "without its model_index.json", "limn pull"])
    for name in "unet/config.json", "tokenizer/vocab.json", "model_index.json", "scheduler/scheduler_config.json":
        for data, what in (LFS, "a Git LFS pointer"), (b"<!DOCTYPE html><html>404</html>", "a web page"):
            copied()
            write("m/" + name, data)
            fails(1, "x", "-m", "m", says=[name.split("/")[-1], what + ", not JSON"])
    for name in "m.safetensors", "m.gguf":
        write(name, LFS)
        for option in "-m", "--unet", "--vae", "--lora", "--embedding":
            fails(1, "x", *SMALL, option, name, says=[name, "a Git LFS pointer"])


def test_people_vae_without_encoder():
    """A VAE without encoder draws, and has none for a picture to start from."""
    want = folder()
    os.rename("m", "good")
    for vae in (tensors("good/vae/diffusion_pytorch_model.safetensors").without(*p) for p in (["encoder."], ["encoder.", "quant_conv."])):
        copied()
        vae.save("m/vae/diffusion_pytorch_model.safetensors")
        assert pixels("m") == want
        fails(1, "x", *SMALL, "-m", "m", "-i", PICTURE, says=["vae/", "has no encoder", "--vae"])
        assert pixels("m", "-i", PICTURE, "--strength", "1", "--vae", "good/vae")
