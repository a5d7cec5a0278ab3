"""
tokenizer.py - trains a byte-level BPE in CLIP's format (Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2021).

The vocabulary is ours: all bytes, merges learnt from our captions and a list of everyday words, so that it carries no
one else's data. What it writes loads as transformers' CLIPTokenizer.
"""
import argparse
import collections
import json
import os
import random

import regex

from captions import caption
from render import random_scene

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
EVERYDAY = """a an the of with without and or on in at by for from to is no not very one two three four five six
 next beside above below under behind front left right top bottom corner centre center middle
 small medium large big huge tiny little bright dark light pale deep simple cute old new magic magical fantasy
 red orange yellow green teal cyan turquoise blue purple violet pink brown white gray grey black gold golden silver navy beige
 game asset sprite icon item rpg pixel art style cartoon flat outlined glossy shiny picture drawing image photo background
 sky sun water fire wood stone metal glass animal food weapon armor""".split()


def byte_symbols():
    """CLIP's printable stand-in for each byte, in the order that its vocabularies have."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


def learn_merges(word_counts, limit):
    """Most frequent pair first, until `limit` or until every word is one token."""
    symbols = byte_symbols()
    pieces = {}
    for word in word_counts:
        letters = [symbols[b] for b in word.encode()]
        pieces[word] = letters[:-1] + [letters[-1] + "</w>"]
    merges = []
    while len(merges) < limit:
        pairs = collections.Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += word_counts[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for parts in pieces.values():
            i = 0
            while i < len(parts) - 1:
                if (parts[i], parts[i + 1]) == best:
                    parts[i:i + 2] = ["".join(best)]
                i += 1
    return merges


def save(merges, folder):
    os.makedirs(folder, exist_ok=True)

    def write(name, text):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    symbols = list(byte_symbols().values())
    vocabulary = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + [START, END]
    write("vocab.json", json.dumps({token: i for i, token in enumerate(vocabulary)}, ensure_ascii=False))
    write("merges.txt", "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    write("special_tokens_map.json", json.dumps(special, indent=2) + "\n")
    write("tokenizer_config.json", json.dumps(
        {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "do_lower_case": True, "errors": "replace",
         "add_prefix_space": False, **special}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("output", help="folder for vocab.json, merges.txt and their configuration")
    parser.add_argument("--captions", type=int, default=40000)
    parser.add_argument("--merges", type=int, default=1500)
    args = parser.parse_args()
    counts = collections.Counter(EVERYDAY * 20)
    for i in range(args.captions):
        rng = random.Random(i)
        counts.update(PATTERN.findall(caption(random_scene(rng, held=i % 10 == 0), rng).lower()))
    merges = learn_merges(counts, args.merges)
    save(merges, args.output)
    print(f"{len(counts)} words, {len(merges)} merges, {2 * 256 + len(merges) + 2} tokens in {args.output}")


if __name__ == "__main__":
    main()
