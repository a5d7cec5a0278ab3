"""Models and other files as people bring them: named, read, or called what they are."""

import json
import os
import struct
import sys
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from helpers import *  # noqa: E402,F403
from tiny import CLIP, TEXT, UNET_PREFIX, VAE, Tensors, checkpoint, vocabulary  # noqa: E402

SEED = ["--seed", "1"]


def drawn(*args):
    """The picture's bytes, without its metadata, and what was said."""
    r = limn("a red potion", *SMALL, *SEED, "-o", "drawn.png", *args)
    return b"".join(data for kind, data in chunks(read("drawn.png")) if kind == b"IDAT"), r.err


def warned(err, *words):
    lines = [line for line in err.splitlines() if "warning:" in line]
    for word in words:
        assert sum(word in line for line in lines) == 1, f"{word!r} is not said once: {err!r}"
    return lines


# ---- single files ----

def test_checkpoint_names():
    """The same networks under every name that tools save them with: the same picture, and nothing to say."""
    plain = checkpoint()
    plain.save("plain.safetensors")
    expected, err = drawn("-m", "plain.safetensors", "--tokenizer", CLIP)
    assert warned(err) == []
    forms = {
        "comfyui-unet": plain.renamed(UNET_PREFIX, "diffusion_model."),
        "short": plain.renamed(UNET_PREFIX, "unet.").renamed(VAE, "vae.").renamed(TEXT, "text_encoder."),
        "clip-l": plain.renamed(TEXT, "cond_stage_model.clip_l.transformer."),
        "sgm": plain.renamed(TEXT, "conditioner.embedders.0.transformer."),
        "bare-clip": plain.renamed(TEXT + "text_model.", TEXT),
        "sd3-like": plain.renamed(TEXT, "text_encoders.clip_l.transformer."),
    }
    for name, tensors in forms.items():
        got, err = drawn("-m", tensors.save(f"{name}.safetensors"), "--tokenizer", CLIP)
        assert got == expected and warned(err) == [], (name, err)


def test_what_drawing_does_not_need():
    """In files besides the networks, known or not: the picture is the same; what is not known is told once, by name."""
    plain = checkpoint()
    expected, _ = drawn("-m", plain.save("plain.safetensors"), "--tokenizer", CLIP)
    ids = TEXT + "text_model.embeddings.position_ids"
    known = {
        "ids-i64": {ids: ("I64", [1, 77], struct.pack("<77q", *range(77)))},
        "ids-f32": {ids: ("F32", [1, 77], struct.pack("<77f", *range(77)))},
        "averages": {"model_ema.decay": ("F32", [], bytes(4)), "model_ema.num_updates": ("I64", [], bytes(8))},
        "schedule": {"alphas_cumprod": ("F32", [2], bytes(8)), "betas": ("F64", [1], bytes(8))},
        "checker": {"safety_checker.vision_model.x": ("F16", [1], bytes(2)), "image_encoder.y": ("F16", [1], bytes(2))},
        "comfyui": {"cond_stage_model.clip_l.logit_scale": ("F16", [], bytes(2))},
        "whole-clip": {TEXT + "vision_model.x": ("F16", [1], bytes(2)), TEXT + "logit_scale": ("F16", [], bytes(2))},
        "odd-types": {"posterior_a": ("U32", [1], bytes(4)), "posterior_b": ("F8_E4M3", [3], bytes(3))},
    }
    for name, tensors in known.items():
        got, err = drawn("-m", plain.plus(**tensors).save(f"{name}.safetensors"), "--tokenizer", CLIP)
        assert got == expected and warned(err) == [], (name, err)
    left = {"lora_unet_down_blocks_0_attentions_0_proj_in.alpha": "LoRA", "control_model.zero": "ControlNet", "something.else": ""}
    for name, what in left.items():
        got, err = drawn("-m", plain.plus(**{name: 1}).save("left.safetensors"), "--tokenizer", CLIP)
        assert got == expected
        assert what in warned(err, name)[0]
    got, err = drawn("-m", plain.plus(**{f"left.{i}": 1 for i in range(9)}).save("left.safetensors"), "--tokenizer", CLIP)
    assert got == expected
    warned(err, "and 6 more")


def pairs(up, down):
    """Nine low-rank pairs under such names."""
    t = Tensors()
    for i in range(9):
        t.put(up.format(i), 8, 4)
        t.put(down.format(i), 4, 8)
    return t


def test_what_most_of_a_file_is():
    plain = checkpoint()
    files = {
        "unet": (plain.without(TEXT, VAE), "a UNet alone"),
        "bare-unet": (plain.without(TEXT, VAE).renamed(UNET_PREFIX, ""), "a UNet alone"),
        "vae": (plain.without(TEXT, UNET_PREFIX), "a VAE alone"),
        "bare-vae": (plain.without(TEXT, UNET_PREFIX).renamed(VAE, ""), "a VAE alone"),
        "text": (plain.without(VAE, UNET_PREFIX), "a text encoder alone"),
        "no-unet": (plain.without(UNET_PREFIX), "without a UNet"),
        "lora": (pairs("lora_unet_{}.lora_up.weight", "lora_unet_{}.lora_down.weight"), "LoRA"),
        "peft": (pairs("unet.a.{}.lora_B.weight", "unet.a.{}.lora_A.weight"), "LoRA"),
        "embedding": (Tensors().plus(emb_params=1), "textual inversion"),
        "learned-embeds": (Tensors().plus(**{"<cat-toy>": 1}), "textual inversion"),
        "controlnet": (Tensors().plus(**{"down_blocks.0.resnets.0.x": 1, "mid_block.x": 1, "controlnet_mid_block.x": 1}),
                       "a ControlNet"),
        "sd3": (Tensors().plus(**{UNET_PREFIX + f"joint_blocks.0.x{i}": 1 for i in range(9)}), "Stable Diffusion 3"),
        "flux": (Tensors().plus(**{f"double_blocks.0.img_attn.x{i}": 1 for i in range(9)}), "Flux"),
        "t5": (Tensors().plus(**{"encoder.block.0.x": 1, "shared.weight": 1}), "T5"),
        "taesd": (Tensors().plus(**{"decoder.layers.1.weight": 1}), "TAESD"),
        "nothing": (Tensors().plus(**{"h.0.attn": 1}), "none of the kinds"),
    }
    for name, (tensors, what) in files.items():
        path = tensors.save(f"{name}.safetensors")
        fails(1, "x", "-m", path, "--tokenizer", CLIP, says=[path, what])
        if name == "controlnet":  # info looks into it, and it is not all there
            fails(1, "info", path, says=["a ControlNet", "missing"])
            continue
        assert what in limn("info", path).out, name
        assert what in json.loads(limn("info", path, "--json").out)["kind"], name
    fails(1, "x", "-m", checkpoint(inputs=9).save("inpaint.safetensors"), "--tokenizer", CLIP, says="mask")


def test_vae_without_encoder():
    plain = checkpoint()
    expected, _ = drawn("-m", plain.save("plain.safetensors"), "--tokenizer", CLIP)
    half = plain.without(VAE + "encoder", VAE + "quant_conv")
    got, err = drawn("-m", half.save("half.safetensors"), "--tokenizer", CLIP)
    assert got == expected and warned(err) == []
    got, _ = drawn("-m", plain.without(VAE + "encoder").save("quant.safetensors"), "--tokenizer", CLIP)
    assert got == expected
    alone = half.without(UNET_PREFIX, TEXT).renamed(VAE, "").save("vae.safetensors")
    got, err = drawn("-m", plain.without(VAE).save("no-vae.safetensors"), "--vae", alone, "--tokenizer", CLIP)
    assert got == expected and warned(err) == []
    fails(1, "x", "-m", "no-vae.safetensors", "--tokenizer", CLIP, says="--vae")
    fails(1, "x", "-m", plain.without(VAE + "decoder.norm_out").save("broken.safetensors"), "--tokenizer", CLIP, says="norm_out")


# ---- configurations next to a checkpoint ----

YAML = """model:
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    parameterization: "v"       # as in 768-v
    linear_start: 0.00085
    linear_end: 0.0120
    timesteps: 1000
    scale_factor: 0.18215
    scheduler_config: # of training
      params:
        warm_up_steps: [ 10000 ]
    unet_config:
      params:
        in_channels: 4
        model_channels: 32
        attention_resolutions: [ 4, 2, 1 ]
        num_res_blocks: 1
        channel_mult:
        - 1
        num_heads: 8
        context_dim: 64
        use_linear_in_transformer: False
    first_stage_config:
      params:
        ddconfig: {}
    cond_stage_config:
      target: ldm.modules.encoders.modules.FrozenCLIPEmbedder
"""


def test_yaml_beside():
    """NAME.yaml next to NAME.safetensors counts: what it says is as if the options said it, and it is told."""
    given = ["--tokenizer", CLIP]
    checkpoint().save("p.safetensors")
    checkpoint().save("v.safetensors")
    checkpoint().save("q.safetensors")
    plain, _ = drawn("-m", "p.safetensors", *given)
    v, _ = drawn("-m", "p.safetensors", *given, "--prediction", "v_prediction")
    assert plain != v

    write("p.yaml", YAML.encode())
    got, err = drawn("-m", "p.safetensors", *given)
    assert got == v
    warned(err, "p.yaml says v_prediction")
    shown = limn("info", "p.safetensors", *given).out
    assert "v_prediction" in shown and "configuration  p.yaml" in shown
    assert json.loads(limn("info", "p.safetensors", *given, "--json").out)["configuration"] == "p.yaml"
    assert drawn("-m", "p.safetensors", *given, "--prediction", "epsilon")[0] == plain

    for old, new, same in [
        ('parameterization: "v"', "parameterization: eps", True), ('    parameterization: "v"       # as in 768-v\n', "", True),
        ('"v"', "eps\n    beta_schedule: linear", True), ('"v"', "eps\n    beta_schedule: sqrt_linear", False),
        ('"v"', "eps\n    linear_end: 0.02", None), ("timesteps: 1000", "timesteps: 500", False),
        ("num_heads: 8", "num_heads: 4", False), ("num_heads: 8", "num_head_channels: 4", True), ("0.18215", "0.13025", False),
    ]:
        text = YAML.replace(old, new)
        if "parameterization" not in old:
            text = text.replace('"v"', "eps")
        write("p.yaml", text.encode())
        if same is None:  # a key that is there twice is no YAML that one can read
            assert warned(drawn("-m", "p.safetensors", *given)[1], "p.yaml", "line 8")
            continue
        got, err = drawn("-m", "p.safetensors", *given)
        assert (got == plain) == same and warned(err) == [], (new, err)

    for old, new, says in [
        ('"v"', "edm", "parameterization"), ("context_dim: 64", "context_dim: 768", ["context_dim", "768", "64"]),
        ("model_channels: 32", "model_channels: 320", "model_channels"), ("in_channels: 4", "in_channels: 9", "in_channels"),
        ("transformer: False", "transformer: True", "use_linear_in_transformer"), ("num_res_blocks: 1", "num_res_blocks: 2", "num_res_blocks"),
        ("        - 1\n", "        - 1\n        - 2\n", "channel_mult"), ("FrozenCLIPEmbedder", "BERTEmbedder", "BERTEmbedder"),
        ("num_heads: 8", "num_heads: many", "num_heads"), ("timesteps: 1000", "timesteps: -3", "timesteps"),
        ("context_dim: 64", "context_dim: 64\n        use_scale_shift_norm: True", "use_scale_shift_norm"),
        ("FrozenCLIPEmbedder", "FrozenCLIPEmbedder\n      params:\n        layer: hidden", "layer"),
    ]:
        write("p.yaml", YAML.replace(old, new).encode())
        fails(1, "x", "-m", "p.safetensors", *given, says=["p.yaml", *([says] if isinstance(says, str) else says)])

    for text, says in [(b"a: &b 1\n", "line 1"), (b"just words\n", "line 1"), (b"a: 1\n\tb: 2\n", "tab"), (b"\x00", "NUL"),
                       (b"name: x\n", "model.params"), (b"", "model.params")]:
        write("p.yaml", text)
        got, err = drawn("-m", "p.safetensors", *given)
        assert got == plain
        warned(err, "p.yaml", says)

    os.remove("p.yaml")
    write("v1-inference-v.yaml", YAML.encode())
    got, err = drawn("-m", "p.safetensors", *given)
    assert got == plain
    warned(err, "v1-inference-v.yaml", "call it p.yaml")
    os.rename("v1-inference-v.yaml", "v.yaml")
    assert warned(drawn("-m", "p.safetensors", *given)[1]) == []
    write("p.vae.safetensors", b"")
    warned(drawn("-m", "p.safetensors", *given)[1], "p.vae.safetensors")


# ---- names ----

def test_model_names():
    """What is no model here says why, and what to do."""
    model_copy("models/sprites-copy")
    checkpoint().save("models/painter.safetensors")
    checkpoint().save("one/only.safetensors")
    for name, says in {
        "org/name": ["downloads nothing", "limn pull org/name"],
        "stable-diffusion-v1-5/stable-diffusion-v1-5": "downloads nothing",
        "https://huggingface.co/org/name": "downloads nothing",
        "https://civitai.com/models/1/x?modelVersionId=2": "downloads nothing",
        "huggingface.co/org/name": "downloads nothing",
        "sprits": "did you mean sprites",
        "models/sprites-cpy": "did you mean models/sprites-copy",
        "models/painter": "did you mean models/painter.safetensors",
        "models/paintr.safetensors": "did you mean models/painter.safetensors",
        "models/painter.safetensors/": "without the last",
        "~/nothing": "~",
        "models": "models/sprites-copy in it is one",
        "models/sprites-copy/unet": "-m models/sprites-copy",
        "models/sprites-copy/tokenizer": "-m models/sprites-copy",
        "models/sprites-copy/unet/config.json": "-m models/sprites-copy",
        "models/sprites-copy/" + UNET: ["a UNet alone", "-m models/sprites-copy"],
        "./nothing": "./nothing: No such file",
    }.items():
        fails(1, "x", "-m", name, says=says)
    fails(1, "x", "-m", "models/painter.safetensors", "--tokenizer", CLIP, "--vae", "org/name", says="downloads nothing")
    fails(1, "x", says=["$LIMN_MODEL", "nosuch"], env={"LIMN_MODEL": "nosuch"})
    with_cache = {"HF_HUB_CACHE": os.path.abspath("hub")}
    commit = "0123456789" * 4
    os.makedirs(f"hub/models--org--name/snapshots/{commit}")
    os.makedirs("hub/models--org--name/refs")
    write("hub/models--org--name/refs/main", commit.encode())
    fails(1, "x", "-m", "org/name", says=f"hub/models--org--name/snapshots/{commit}", env=with_cache)
    fails(1, "x", "-m", "hub/models--org--name", says="snapshots")

    expected, _ = drawn("-m", "models/sprites-copy")
    for name in ["models/sprites-copy/", "models/sprites-copy/model_index.json"]:
        assert drawn("-m", name)[0] == expected
    assert drawn("-m", "one", "--tokenizer", CLIP)[0] == drawn("-m", "one/only.safetensors", "--tokenizer", CLIP)[0]
    checkpoint().save("one/second.safetensors")
    fails(1, "x", "-m", "one", says=["2 safetensors files", "one/only.safetensors", "one/second.safetensors"])


# ---- folders ----

def changed(path, **keys):
    """A copy of the default model in which a JSON file has other keys; None: without it."""
    shutil.rmtree("m", ignore_errors=True)
    model_copy("m", path)
    with open(os.path.join("m", path)) as f:
        value = json.load(f)
    value.update(keys)
    write(os.path.join("m", path), json.dumps({k: v for k, v in value.items() if v is not None}).encode())


def test_custom_pipelines():
    """A pipeline is its parts: one of its own kind draws with them, and what it has besides is told."""
    expected, err = drawn("-m", SPRITES)
    assert warned(err) == []
    for name in [["my_pipeline", "MyTextToImagePipeline"], "StableDiffusionPipelineSafe", "MyOwn"]:
        changed("model_index.json", _class_name=name)
        got, err = drawn("-m", "m")
        assert got == expected
        warned(err, name if isinstance(name, str) else name[1])
    changed("model_index.json", safety_concept="x", image_encoder=["transformers", "CLIPVisionModelWithProjection"],
            feature_extractor=["transformers", "CLIPImageProcessor"], watermark=[None, None])
    got, err = drawn("-m", "m")
    assert got == expected and warned(err) == []
    changed("model_index.json", my_part=["my_pipeline", "Part"])
    got, err = drawn("-m", "m")
    assert got == expected
    warned(err, "my_part")
    for keys, says in [
        ({"controlnet": ["diffusers", "ControlNetModel"]}, "controlnet"),
        ({"text_encoder_3": ["transformers", "T5EncoderModel"]}, "text_encoder_3"),
        ({"motion_adapter": ["diffusers", "MotionAdapter"]}, "motion_adapter"),
        ({"unet": ["my_pipeline", "MyUNet"]}, "MyUNet"),
        ({"vae": ["diffusers", "AutoencoderTiny"]}, "AutoencoderTiny"),
        ({"unet": None}, "unet"),
        ({"_class_name": "FluxPipeline", "unet": None, "transformer": ["diffusers", "FluxTransformer2DModel"]}, "FluxPipeline"),
        ({"_class_name": None}, "_class_name"),
    ]:
        changed("model_index.json", **keys)
        fails(1, "x", "-m", "m", says=["m", says])


def test_config_keys():
    """Keys of training and of other versions do no harm; what would change the picture is refused by name."""
    expected, _ = drawn("-m", SPRITES)
    ema = {"decay": 0.9999, "inv_gamma": 1.0, "min_decay": 0.0, "optimization_step": 12000, "power": 0.6667,
           "update_after_step": 0, "use_ema_warmup": True, "gradient_checkpointing": True}
    for path, keys in [("unet/config.json", ema), ("vae/config.json", {"force_upcast": True, "_name_or_path": "x"}),
                       ("unet/config.json", {"act_fn": "swish", "dropout": 0.1, "upcast_attention": True}),
                       ("text_encoder/config.json", {"attention_dropout": 0.1, "torch_dtype": "float16", "use_cache": True})]:
        changed(path, **keys)
        got, err = drawn("-m", "m")
        assert got == expected and warned(err) == [], (path, keys, err)
    for path in ["unet/config.json", "vae/config.json", "text_encoder/config.json"]:
        changed(path, of_another_tool=7, not_said=None, off=False)
        got, err = drawn("-m", "m")
        assert got == expected
        assert path in warned(err, "of_another_tool")[0]
        assert "of_another_tool" in limn("info", "m").out
        assert "of_another_tool" in json.loads(limn("info", "m", "--json").out)["notes"][0]
    for path, keys in [
        ("unet/config.json", {"class_embed_type": "timestep"}), ("unet/config.json", {"time_embedding_type": "fourier"}),
        ("unet/config.json", {"dual_cross_attention": True}), ("unet/config.json", {"resnet_time_scale_shift": "scale_shift"}),
        ("unet/config.json", {"encoder_hid_dim": 4}), ("unet/config.json", {"conv_in_kernel": 5}),
        ("unet/config.json", {"quantization_config": {"bits": 4}}), ("unet/config.json", {"mid_block_scale_factor": 2}),
        ("vae/config.json", {"shift_factor": 0.1}),
        ("vae/config.json", {"act_fn": "gelu"}), ("text_encoder/config.json", {"use_attention_mask": True}),
        ("text_encoder/config.json", {"hidden_act": "relu"}),
    ]:
        changed(path, **keys)
        fails(1, "x", "-m", "m", says=[path, *keys])


def test_classes_of_parts():
    """What a part's own file calls itself counts, whatever model_index.json says."""
    for path, keys, says in [
        ("unet/config.json", {"_class_name": "UNet3DConditionModel"}, "UNet3DConditionModel"),
        ("vae/config.json", {"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        ("vae/config.json", {"_class_name": "AsymmetricAutoencoderKL"}, "AsymmetricAutoencoderKL"),
        ("text_encoder/config.json", {"architectures": ["RobertaSeriesModelWithTransformation"]}, "RobertaSeries"),
        ("text_encoder/config.json", {"model_type": "t5"}, "t5"),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"}, "T5Tokenizer"),
    ]:
        changed(path, **keys)
        fails(1, "x", "-m", "m", says=[path.rsplit("/")[-1], says])
    shutil.rmtree("m")
    model_copy("m", "unet/config.json")
    shutil.copy(os.path.join(SPRITES, "vae", "config.json"), "m/unet/config.json")
    fails(1, "x", "-m", "m", says=["unet/config.json", "AutoencoderKL", "UNet2DConditionModel"])


def test_files_are_named_once():
    """Whatever breaks whichever file: its name stands in the line, and only once."""
    broken = [b"", b"{", b"[]", b"<html>"]
    for at, _, names in list(os.walk(SPRITES)):
        for name in names:
            path = os.path.relpath(os.path.join(at, name), SPRITES)
            if name.endswith((".md", ".json.txt")) or path == "README.md":
                continue
            for bytes_ in broken:
                shutil.rmtree("m", ignore_errors=True)
                model_copy("m")
                os.unlink(os.path.join("m", path))
                write(os.path.join("m", path), bytes_)
                p = subprocess.run([LIMN, "x", *SMALL, "-q", "-m", "m"], capture_output=True, timeout=TIMEOUT, env=ENV)
                err = p.stderr.decode()
                said = p.returncode == 1 and err.count(name) == 1 and err.count("\n") == 1
                assert p.returncode == 0 or said, (path, bytes_, err)


def test_weights_files():
    """Variants and shards; pickles alone are refused with what to do."""
    expected, _ = drawn("-m", SPRITES)
    plain = os.path.basename(UNET)
    for name in ["diffusion_pytorch_model.fp16.safetensors", "model.safetensors", "diffusion_pytorch_model.non_ema.safetensors"]:
        shutil.rmtree("m", ignore_errors=True)
        model_copy("m")
        os.rename(f"m/{UNET}", f"m/unet/{name}")
        got, err = drawn("-m", "m")
        assert got == expected
        warned(err, *(["non_ema"] if "non_ema" in name else []))
    os.unlink("m/unet/diffusion_pytorch_model.non_ema.safetensors")
    fails(1, "x", "-m", "m", says=["m/unet", plain])
    write("m/unet/diffusion_pytorch_model.bin", b"PK\3\4")
    fails(1, "x", "-m", "m", says=["m/unet/diffusion_pytorch_model.bin", "pickle", "save_pretrained"])


# ---- tokens that a tokenizer adds ----

def ids_of(path):
    raw = read(path)
    size = struct.unpack("<Q", raw[:8])[0]
    begin, end = json.loads(raw[8:8 + size])["tokens"]["data_offsets"]
    return struct.unpack(f"<{(end - begin) // 8}q", raw[8 + size + begin:8 + size + end])


def test_added_tokens():
    """A word of the tokenizer's files is one id, wherever they name it, where the text encoder has a row for it."""
    checkpoint(2).save("two-more.safetensors")
    checkpoint().save("plain.safetensors")
    vocab = vocabulary()
    size = len(vocab)
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": True, "special": False}
    merges = read(os.path.join(CLIP, "merges.txt")).decode().splitlines()[1:]
    places = {
        "added_tokens.json": {"<cat-toy>": size, "sks style": size + 1},
        "tokenizer.json": {"added_tokens": [{"id": size, "content": "<cat-toy>", **flags},
                                            {"id": size + 1, "content": "sks style", **flags}],
                           "model": {"type": "BPE", "vocab": vocab, "merges": merges}},
        "tokenizer_config.json": {"added_tokens_decoder": {str(size): {"content": "<cat-toy>", **flags},
                                                           str(size + 1): {"content": "sks style", **flags}}},
        "special_tokens_map.json": {"additional_special_tokens": ["<cat-toy>", "sks style"]},
    }
    for name, value in places.items():
        shutil.rmtree("t", ignore_errors=True)
        shutil.copytree(CLIP, "t")
        write(os.path.join("t", name), json.dumps(value).encode())
        for prompt in ["a <cat-toy> on grass", "sks style, <cat-toy>"]:
            r = limn(prompt, *SMALL, *SEED, "-m", "two-more.safetensors", "--tokenizer", "t", "--trace", "t.st", "-o", "x.png")
            assert size in ids_of("t.st") and warned(r.err) == [], (name, r.err)
        assert size + 1 in ids_of("t.st")
        r = limn("a <cat-toy>", *SMALL, *SEED, "-m", "plain.safetensors", "--tokenizer", "t", "--trace", "t.st", "-o", "x.png")
        assert size not in ids_of("t.st")
        warned(r.err, "<cat-toy>")
    fails(1, "x", "-m", "plain.safetensors", says=["--tokenizer", "vocab.json", "merges.txt"])
    shutil.rmtree("t")
    os.makedirs("t")
    fails(1, "x", "-m", "plain.safetensors", "--tokenizer", "t", says=["t: no vocab.json"])


# ---- files of other formats ----

def lookalikes():
    with zipfile.ZipFile("x.zip", "w") as z:
        z.writestr("notes.txt", "hello")
    with zipfile.ZipFile("x.ckpt", "w") as z:
        z.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
    return {
        "x.webp": (b"RIFF" + struct.pack("<I", 40) + b"WEBPVP8 " + bytes(32), "WebP"),
        "x.gif": (b"GIF89a" + bytes(20), "GIF"),
        "x.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20), "JPEG"),
        "x.avif": (b"\0\0\0\x1cftypavif" + bytes(20), "AVIF"),
        "x.heic": (b"\0\0\0\x1cftypheic" + bytes(20), "HEIC"),
        "x.tiff": (b"II*\0" + bytes(20), "TIFF"),
        "x.bmp": (b"BM" + struct.pack("<IHHII", 70, 0, 0, 54, 40) + bytes(52), "BMP"),
        "x.psd": (b"8BPS\0\1" + bytes(20), "PSD"),
        "x.jxl": (b"\xff\x0a" + bytes(20), "JPEG XL"),
        "x.qoi": (b"qoif" + bytes(20), "QOI"),
        "x.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        "x.zip": (read("x.zip"), "ZIP"),
        "x.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z"),
        "x.tar": (bytes(257) + b"ustar\0" + bytes(250), "tar"),
        "x.gz": (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        "x.gguf": (b"GGUF\3\0\0\0" + bytes(20), "GGUF"),
        "x.ckpt": (read("x.ckpt"), "pickle"),
        "x.pt": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + bytes(20), "pickle"),
        "x.onnx": (b"\x08\x08\x12\x07pytorch" + bytes(20), "ONNX"),
        "x.msgpack": (b"\x82\xa6params\x81" + bytes(20), "msgpack"),
        "x.h5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        "x.html": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        "x.lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        "x.txt": (b"Entry not found, whatever that may mean", "Entry not found"),
        "x.json": (b'{"error": "Repository not found"}', "Repository not found"),
        "x.empty": (b"", "empty"),
    }


def test_other_formats():
    """Called what they are, by whoever is given them."""
    checkpoint().save("plain.safetensors")
    draw("x", "-o", "real.png")
    for name, (data, what) in lookalikes().items():
        write(name, data)
        fails(1, "x", "-m", name, says=[name, what])
        fails(1, "info", name, says=[name, what])
        fails(1, "x", "-m", "plain.safetensors", "--tokenizer", CLIP, "--vae", name, says=["--vae", name, what])
        what = {"x.txt": "not a PNG", "x.json": "JSON", "x.lfs": "LFS"}.get(name, what)
        said = fails(1, "again", name, says=name).err
        assert any(w in said for w in (what, "nothing is written in it", "a tool's settings")), said  # of any picture, or the text next to it
        r = limn("compare", "real.png", name, code=1)
        assert what in r.err and name in r.err, r.err
    fails(1, "again", "plain.safetensors", says=["a safetensors file", "PNG"])
    fails(1, "x", "-m", "real.png", says="a PNG picture")


def test_info_of_a_trace():
    limn("x", *SMALL, *SEED, "-q", "--trace", "t.safetensors", "-o", "x.png")
    assert "--trace" in limn("info", "t.safetensors").out
    fails(1, "x", "-m", "t.safetensors", says=["--trace", "--latents"])
