"""
lora.py - low-rank additions to a denoiser's layers (Hu et al. 2021, arXiv:2106.09685), kept under kohya's names.

A layer's output becomes W x + scale * up(down(x)). For a convolution, down has the kernel's size and up is 1x1.
"""
import json

import torch
from safetensors.torch import load_file, save_file
from torch import nn

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = ("conv1", "conv2", "downsamplers.0.conv", "upsamplers.0.conv")


class Lora(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base = base.requires_grad_(False)
        if isinstance(base, nn.Conv2d):
            self.down = nn.Conv2d(base.in_channels, rank, base.kernel_size, base.stride, base.padding, bias=False)
            self.up = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(base.in_features, rank, bias=False)
            self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=5 ** .5)
        nn.init.zeros_(self.up.weight)
        self.scale = 1.0

    def forward(self, x):
        return self.base(x) + self.scale * self.up(self.down(x))


def add_lora(network, rank, layers=ATTENTION + CONVOLUTIONS):
    """{name: Lora}: each layer whose name ends in one of `layers` is wrapped in place; all else is frozen."""
    network.requires_grad_(False)
    added = {}
    for name, layer in list(network.named_modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and name.endswith(tuple("." + end for end in layers)):
            parent, _, own = name.rpartition(".")
            added[name] = Lora(layer, rank)
            setattr(network.get_submodule(parent), own, added[name])
    return added


def lora_parameters(added):
    return [p for lora in added.values() for part in (lora.down, lora.up) for p in part.parameters()]


def load_kohya(added, path, prefix="lora_unet"):
    tensors = load_file(path)
    with torch.no_grad():
        for name, lora in added.items():
            key = f"{prefix}_{name.replace('.', '_')}"
            lora.down.weight.copy_(tensors[key + ".lora_down.weight"])
            lora.up.weight.copy_(tensors[key + ".lora_up.weight"])


def save_kohya(added, path, trigger=None, prefix="lora_unet"):
    """f16; alpha is the rank, so that weight 1 is what was trained. trigger: the word that captions had, as kohya's trainer tells it."""
    tensors = {}
    for name, lora in added.items():
        key = f"{prefix}_{name.replace('.', '_')}"
        tensors[key + ".lora_down.weight"] = lora.down.weight.detach().half().contiguous()
        tensors[key + ".lora_up.weight"] = lora.up.weight.detach().half().contiguous()
        tensors[key + ".alpha"] = torch.tensor(float(lora.down.weight.shape[0])).half()
    metadata = {"format": "pt", "ss_network_module": "networks.lora"}
    if trigger:
        metadata["ss_tag_frequency"] = json.dumps({"renders": {trigger: 1}})
    save_file(tensors, path, metadata)
