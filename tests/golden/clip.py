#!/usr/bin/env python3
"""Makes tests/golden/clip: token ids of awkward texts and tiny random text encoders, run by transformers in float32.

    python3 -m venv V && V/bin/pip install -r requirements.txt && V/bin/python clip.py

tokenizer/      a small vocabulary in CLIP's format, trained below; no byte symbol for 0xF1, so that some text is unknown
tokenizer-pad/  the same with SD 2.x's special tokens: "!" is the padding, and "<|STARTOFTEXT|>" counts
tokens.json     [{"text" or "hex": what is encoded, "ids": with tokenizer/, "ids_pad": with tokenizer-pad/}, ...]
added.json      [{"files": {name of a tokenizer's file: what is in it}, "cases": [{"text", "ids"}, ...]}, ...]: tokens that they
                add to tokenizer/'s vocabulary; of tokenizer.json only "added_tokens" is kept here
rows.json       [{"text", "ids": a row as transformers truncates and pads it}, ...], model_max_length 32
encoders/NAME/  config.json, model.safetensors, io.safetensors: ids [n, t]; hidden.K: the output of the K-th layer from the
                end after the final norm (K = 1: last_hidden_state); raw.2: the same of K = 2 without the norm; pooled
"""
import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch
from safetensors.torch import save_file
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
                          CLIPTokenizer)

HERE = Path(__file__).resolve().parent / "clip"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"

# --- tokenizer -----------------------------------------------------------------------------------------------------

CORPUS = """
a photo of a cat sitting on the table, a photo of the red dog, a painting of a castle on the hill at sunset
the potion in the glass bottle, a red potion, a blue potion, a green potion with a golden label, a small bottle
portrait of an old man with a beard, highly detailed, oil on canvas, in the style of a dutch master, soft light
an astronaut riding a horse on the moon, digital art, highly detailed, sharp focus, trending, masterpiece
don't stop; it's the best: we're there, they've seen, I'm here, she'll come, he'd go, can't, won't, isn't, that's
the quick brown fox jumps over the lazy dog and the other things that there are in the world, there, then, this
Ein schönes Mädchen über den Straßen der großen Stadt, ein Schloß, die Blüten, schöne Häuser, Äpfel, Öl, Übung
un café noir près de la fenêtre, été, où êtes-vous, garçon, à côté, déjà vu, château, forêt, être, même, après
кот на столе, красная площадь, старый дом, кот и собака, зелёный лес, на столе стол, красный кот
猫がいる、赤い猫、日本の猫、東京の夜、夜の東京、美しい日本 中国的猫 红色的猫 한국의 고양이 고양이 한국
قطة حمراء على الطاولة قطة קטה אדומה على 😀 😀😀 ❤️ ❤️ 👍 👍🏽 ... ... !!! !! ?! -- , . , . 4k 8k 1234 2024
"""

MERGES = 420


def train(words, count):
    """Sennrich et al. 2016, algorithm 1: words is {tuple of symbols: how often}."""
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        merged = {}
        for word, n in words.items():
            out = []
            for symbol in word:
                if out and (out[-1], symbol) == best:
                    out[-1] += symbol
                else:
                    out.append(symbol)
            merged[tuple(out)] = merged.get(tuple(out), 0) + n
        words = merged
    return merges


def byte_symbols():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    table = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [s for b, s in table.items() if b != 0xF1]


def make_tokenizers():
    empty = CLIPTokenizer().backend_tokenizer
    pieces = empty.pre_tokenizer.pre_tokenize_str(empty.normalizer.normalize_str(CORPUS))
    words = Counter((*word[:-1], word[-1] + "</w>") for word, _ in pieces)
    merges = train(dict(words), MERGES)
    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + [BOS, EOS]
    tokens = list(dict.fromkeys(tokens))

    plain, pad = HERE / "tokenizer", HERE / "tokenizer-pad"
    for folder in (plain, pad):
        folder.mkdir(parents=True, exist_ok=True)
    write(plain / "vocab.json", {t: i for i, t in enumerate(tokens)})
    (plain / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), "utf-8")
    config = {"add_prefix_space": False, "bos_token": BOS, "do_lower_case": True, "eos_token": EOS, "errors": "replace",
              "model_max_length": 32, "pad_token": EOS, "tokenizer_class": "CLIPTokenizer", "unk_token": EOS}
    write(plain / "tokenizer_config.json", config)

    def normalized(content):
        return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}

    tagged = {k: {"__type": "AddedToken", **normalized(config[k])} for k in ("bos_token", "eos_token", "unk_token")}
    write(pad / "tokenizer_config.json", config | tagged | {"model_max_length": 1e30})
    write(pad / "special_tokens_map.json", {k: normalized(config[k]) for k in tagged} | {"pad_token": "!"})

    both = HERE / "both"  # transformers wants all files of a tokenizer in one folder
    shutil.copytree(plain, both)
    for f in pad.iterdir():
        shutil.copy(f, both)
    result = CLIPTokenizer.from_pretrained(plain), CLIPTokenizer.from_pretrained(both)
    shutil.rmtree(both)
    return result


TEXTS = [
    "", " ", "\t\n ", "a", "A", "a photo of a cat", "A PHOTO OF A CAT", "a red potion", "  a   photo\tof\n\na cat  ",
    "don't", "DON'T", "it's we're they've I'm she'll he'd", "'s", "''s", "!'s", "'S'T'RE", "’s don’t", "rock'n'roll", "'",
    "1", "12", "1234567890", "4k 8K", "3.14", "1,000", "a1b2c3", "½ ² Ⅷ ٣ ४ 〇", "x²", "①②", "𝟙𝟚",
    ",", ", ", "a,b", "a , b", "...", "....", "!!!", "?!?!", "a!b?c", "--", "(((cat)))", "[cat]", "{a|b}", "<lora:x:1>",
    "http://example.org/?q=1&r=2#x", "a@b.c", "#1", "$100", "50%", "C++", "@@@@", "***", "_a_b_", "\\o/", "\"quoted\"",
    BOS, EOS, BOS + "a cat" + EOS, "a" + EOS + "b", EOS + EOS, "<|STARTOFTEXT|>", "<|EndOfText|>!!", "!!<|EndOfText|>",
    "x<|ENDOFTEXT|>y", "<|startoftext", "startoftext|>", "<|endoftext|>s", "<| endoftext |>", "!" + EOS + "!", "hello!", "wow!!!",
    "café", "cafe\u0301", "CAFÉ", "CAFE\u0301", "e\u0301\u0323", "e\u0323\u0301", "\u0301", "\u0301\u0301a", EOS + "\u0301a",
    "a\u0334\u0301", "a\u035c\u0301", "q\u0307\u0323", "Å \u212b A\u030a", "\u2126 Ω", "K \u212a", "\u0344", "\u0958", "\u09c7\u09be",
    "straße STRASSE ẞ", "ſ", "ﬁ ﬀ", "Ǆ ǅ ǆ", "İstanbul", "I\u0307", "ISTANBUL ı", "ΑΣ ΑΣΒ Σ", "ΟΔΥΣΣΕΥΣ", "ὈΔΥΣΣΕΎΣ", "ᾼ ᾳ",
    "Ꭰ ꭰ", "Ა ა", "Ⰰ ⰰ", "𐐀 𐐨", "𞤀 𞤢", "Ꟍ \u1c89", "Ⓐ ⓐ", "Ａ ａ", "ª º", "ʰ",
    "кот на столе", "КРАСНЫЙ КОТ", "ёлка е\u0308лка", "й и\u0306",
    "猫", "赤い猫がいる", "日本、東京。", "中国的猫", "ﾊﾝｶｸ", "が か\u3099", "㍿ ㌔", "豈 \uf900", "𠀀𠀁", "々〆",
    "고양이", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "\u1100\u1161", "\uac00\u11a8", "\uac00\u11a7", "\u1100\u0301\u1161",
    "قطة", "קטה", "\u200fقطة\u200e", "ﷺ", "ไทย", "กำ", "नमस्ते", "தமிழ்", "བོད", "ខ្មែរ", "မြန်မာ", "ქართული",
    "😀", "😀😀", "a😀b", "👍🏽", "❤️", "❤", "👨\u200d👩\u200d👧", "🇩🇪", "🏴\U000e0067\U000e0062\U000e007f", "1️⃣", "☃", "♥︎", "\ufe0f", "\u200d",
    "a\u00a0b", "a\u2003b", "a\u3000b", "a\u1680b", "a\u2028b\u2029c", "a\u202fb", "a\u205fb", "a\u200bb", "a\u180eb", "a\u2060b",
    "\ufeffa", "a\u0085b", "a\u001cb", "a\u001fb", "a\u000bb\u000cc", "a\u0001b", "\u007f", "\u00ad", "a\rb\r\nc", "\u00a0",
    "\ufffd", "\uffff", "\ufdd0", "\ue000", "\U000f0000", "\U0010ffff", "\U00040000", "a\U00040000b", "\U0001fae8", "\u0378",
    "\u07fd\u0301", "a\u0898\u0301", "\U00011935\U00011930", "\U000105d2\u0307", "\U00010d40\U00010d4a", "\U00031350", "\U0002ebf0",
    "a" * 100, "ab" * 40, "!" * 50, "thethethe", "potionpotion", "masterpiece masterpiece", "schönes Mädchen über", "déjà vu",
    "no\u0308el", "zalgo: h\u0353\u030de\u0337\u0321l\u0335\u0321l\u0334\u031bo\u0338\u0321", "über-schön", "être ou ne pas être", "x" * 7 + "'ll",
]

BROKEN = [  # bytes that are not UTF-8
    "80", "ff", "61ff62", "c3", "c328", "e282", "e28261", "f09f98", "f09f9861", "c080", "c1bf", "e08080", "e09fbf", "eda080",
    "edbfbf", "eda0bdedb880", "f0808080", "f08fbfbf", "f4908080", "f5808080", "f888808080", "fc8480808080", "fe", "c3a9c3",
    "61e280", "20c2", "c2a0c2", "cc81ff65cc81", "65ffcc81", "efbfbde2", "3c7c656e646f66746578747c3eff", "f0908080f0", "bfbfbf",
]


def make_tokens(plain, pad):
    g = random.Random(7)
    pools = ["abcdefghijklmnopqrstuvwxyz ,.'!", "éèüößÄÖÜ\u0301\u0308\u0323 ea", "猫日本赤い が\u3099か", "кот КОТ\u0306и", "😀👍🏽\u200d❤️ a1"]
    texts = TEXTS + ["".join(g.choices(g.choice(pools), k=g.randint(5, 40))) for _ in range(12)]
    cases = [{"text": t} for t in texts] + [{"hex": h} for h in BROKEN]
    for case in cases:
        text = case["text"] if "text" in case else bytes.fromhex(case["hex"]).decode("utf-8", "replace")
        case["ids"] = plain(text, add_special_tokens=False).input_ids
        case["ids_pad"] = pad(text, add_special_tokens=False).input_ids
    (HERE / "tokens.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")

    rows = ["", "a red potion", "a cat, " * 20, "猫" * 30, "a photo of " + EOS + " a cat"]
    rows = [{"text": t, "ids": plain(t, padding="max_length", truncation=True).input_ids} for t in rows]
    (HERE / "rows.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


# --- tokens that a tokenizer's files add ----------------------------------------------------------------------------

CONTENTS = ["<cat-toy>", "<a b>", "sks", "café", "猫", "!", "  ", EOS, BOS, "a", "_", "<x", "<x>>", "É", "don't", "’s", "\u0301",
            "İ", "ß", " lead", "trail ", "two  words", "😀", "1", "a1", "ⓐ"]  # no two of which are the same when normalised
AROUND = [" ", "  ", "\t", "a", "b", "cat", "<CAT-toy>", "_", "1", ",", "!", "SKS", "cafe\u0301", "\u0301", "x", "<", "ⓑ", "\u200d",
          "²", "two", "words", "½", "-"]
ROLES = {"bos_token": BOS, "eos_token": EOS, "unk_token": EOS, "pad_token": EOS}


def token(g, content, **more):
    flags = {k: g.random() < 0.3 for k in ("lstrip", "rstrip", "single_word")} | {"normalized": g.random() < 0.5}
    return {"content": content} | {k: v for k, v in flags.items() if g.random() < 0.8} | more


def added_files(g, vocab):
    """Files as people have them, and as nobody has: every place that adds tokens, alone and together."""
    numbered, config, files = {}, {}, {}
    for content in g.sample(CONTENTS, g.randint(1, 6)):
        numbered[content] = vocab.get(content, len(vocab) + sum(c not in vocab for c in numbered))
    place = g.choice(["decoder", "added_tokens.json", "tokenizer.json", "names"])
    if place == "decoder":
        config["added_tokens_decoder"] = {str(i): token(g, c, special=g.random() < 0.4) for c, i in numbered.items()}
    elif place == "added_tokens.json":
        files[place] = numbered
    elif place == "tokenizer.json":
        files[place] = [token(g, c, id=i, special=g.random() < 0.5) for c, i in numbered.items()]
    special_map = {}
    for role, content in ROLES.items():
        for into, tag in ((config, {"__type": "AddedToken"}), (special_map, {})):
            if g.random() < 0.3:
                into[role] = g.choice([content, token(g, content, **tag)])
    for into, key in ((config, "additional_special_tokens"), (config, "extra_special_tokens"), (special_map, "extra_special_tokens"),
                      (special_map, "additional_special_tokens")):
        if g.random() < 0.3:
            into[key] = g.sample(CONTENTS, 2)
    for into in (config, special_map):
        if g.random() < 0.2:
            into["image_token"] = g.choice(CONTENTS)
    if special_map:
        files["special_tokens_map.json"] = special_map
    return {"tokenizer_config.json": config} | files


def make_added():
    g, folder, out = random.Random(5), HERE / "added", []
    vocab = json.loads((HERE / "tokenizer" / "vocab.json").read_text())
    merges = (HERE / "tokenizer" / "merges.txt").read_text("utf-8").splitlines()[1:]
    for _ in range(40):
        files = added_files(g, vocab)
        shutil.copytree(HERE / "tokenizer", folder)
        for name, value in files.items():
            if name == "tokenizer.json":
                model = {"type": "BPE", "unk_token": EOS, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
                         "vocab": vocab, "merges": merges}
                value = {"version": "1.0", "added_tokens": value, "model": model}
                value |= dict.fromkeys(["truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"])
            write(folder / name, value)
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        shutil.rmtree(folder)
        texts = ["".join(g.choice(CONTENTS if g.random() < 0.6 else AROUND) for _ in range(g.randint(2, 10))) for _ in range(8)]
        out.append({"files": files, "cases": [{"text": t, "ids": tokenizer(t, add_special_tokens=False).input_ids} for t in texts]})
    (HERE / "added.json").write_text("[\n" + ",\n".join(map(json.dumps, out)) + "\n]\n")


# --- text encoders -------------------------------------------------------------------------------------------------

SMALL = dict(vocab_size=60, hidden_size=24, intermediate_size=40, num_hidden_layers=4, num_attention_heads=3,
             max_position_embeddings=12, bos_token_id=58, pad_token_id=59)
H_LIKE = SMALL | dict(hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_attention_heads=2, hidden_act="gelu")

ENCODERS = {  # name: (class, config, tensors are named as before transformers 5, dtype of the file)
    "vit-l": (CLIPTextModel, SMALL | dict(eos_token_id=2, projection_dim=32), True, torch.float16),
    "vit-l-new-eos": (CLIPTextModel, SMALL | dict(eos_token_id=57, layer_norm_eps=1e-3), False, torch.float32),
    "vit-h": (CLIPTextModel, H_LIKE | dict(eos_token_id=2, pad_token_id=1), True, torch.float16),
    "big-g": (CLIPTextModelWithProjection, H_LIKE | dict(eos_token_id=2, projection_dim=20), True, torch.float16),
    "projection-new-eos": (CLIPTextModelWithProjection, SMALL | dict(eos_token_id=57, projection_dim=40), True, torch.float16),
}

VISION = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=4, patch_size=2)


def randomise(model, seed):
    """Normal weights of variance 1/fan_in, norms around 1, biases around 0; every value one that float16 holds."""
    g = torch.Generator("cpu").manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            if "embedding" in name:
                pass
            elif p.ndim == 2:
                r /= p.shape[1] ** 0.5
            elif "norm" in name and name.endswith("weight"):
                r = 1 + 0.2 * r
            else:
                r *= 0.1
            p.copy_(r.half().float())
    return model.eval().requires_grad_(False)


def ids_for(config):
    """Rows with the eos once, early and again, and not at all; the largest id twice in one."""
    g = torch.Generator("cpu").manual_seed(1)
    ids = torch.randint(3, 55, (4, config.max_position_embeddings), generator=g)
    ids[0, 7:] = 59
    ids[0, 6] = 57
    ids[1, 3] = ids[1, 9] = 57
    ids[2, 4] = ids[2, 8] = 58
    return ids


def make_encoder(name, seed, model, config, prefix, dtype, text_model, projection=None):
    folder = HERE / "encoders" / name
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tensors = {prefix + k: v.to(dtype).clone().contiguous() for k, v in model.state_dict().items()}
    save_file({k: v for k, v in tensors.items() if "position_ids" not in k}, folder / "model.safetensors")

    ids = ids_for(config)
    out = text_model(ids, output_hidden_states=True)
    io = {"ids": ids, "raw.2": out.hidden_states[-2]}
    for k in (1, 2, 3):
        io[f"hidden.{k}"] = text_model.final_layer_norm(out.hidden_states[-k])
    assert torch.equal(io["hidden.1"], out.last_hidden_state)
    io["pooled"] = projection(out.pooler_output) if projection else out.pooler_output
    save_file({k: v.clone().contiguous() for k, v in io.items()}, folder / "io.safetensors")


def make_encoders():
    for seed, (name, (kind, fields, old_names, dtype)) in enumerate(ENCODERS.items()):
        config = CLIPTextConfig(**fields)
        model = randomise(kind(config), 100 + seed)
        projected = kind is CLIPTextModelWithProjection
        make_encoder(name, seed, model, config, "text_model." if old_names and not projected else "", dtype,
                     model.text_model if projected else model, model.text_projection if projected else None)

    text = SMALL | dict(num_hidden_layers=3, eos_token_id=57)
    model = randomise(CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)), 99)
    make_encoder("whole-clip", 99, model, model.config.text_config, "", torch.float16, model.text_model, model.text_projection)


def write(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    shutil.rmtree(HERE, ignore_errors=True)
    make_tokens(*make_tokenizers())
    make_added()
    make_encoders()
