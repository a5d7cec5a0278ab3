#!/usr/bin/env python3
"""make.py - adapters of every kind as LyCORIS 4.1 and peft 0.21 write them, and the weights that their own forward passes have.

Run in this folder, with torch, lycoris-lora, peft and safetensors installed. base.safetensors has the weights before; NAME.safetensors is the
adapter; NAME_S.safetensors what the weights are at strength S. Weights are read off a layer by what it makes of single ones, so they are
what the libraries compute, whatever their functions for merging say (LyCORIS' of LoHa and LoKr apply alpha twice)."""
import json

import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

torch.manual_seed(7)
LAYERS = {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": torch.nn.Linear(24, 40, bias=False),
          "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj": torch.nn.Linear(8, 48),
          "down_blocks.0.attentions.0.proj_in": torch.nn.Conv2d(12, 36, 1),
          "down_blocks.0.resnets.0.conv1": torch.nn.Conv2d(6, 12, 3, padding=1)}
LINEAR, GEGLU, POINT, CONV = LAYERS
for layer in LAYERS.values():
    for p in layer.parameters():
        p.data = (torch.randn_like(p) * 0.3).half().float()
save_file({f"{k}.{n}": p.data.contiguous() for k, l in LAYERS.items() for n, p in l.named_parameters()}, "base.safetensors")


def weight_of(forward, layer):
    """[out, in(, kh, kw)] of a layer, by its answers to single ones."""
    with torch.no_grad():
        if isinstance(layer, torch.nn.Linear):
            return (forward(torch.eye(layer.in_features)) - forward(torch.zeros(1, layer.in_features))).T.contiguous()
        k = layer.kernel_size[0]
        x = torch.zeros(layer.in_channels, layer.in_channels, k, k)
        for i in range(layer.in_channels):
            x[i, i, k // 2, k // 2] = 1
        y = forward(x) - forward(torch.zeros_like(x[:1]))
        return y.transpose(0, 1).flip(2, 3).contiguous()  # [out, in, k, k]


def lycoris(name, strengths, *modules):
    """modules: (layer's name, class, its arguments)."""
    file, expected = {}, {s: {} for s in strengths}
    for path, cls, more in modules:
        layer = LAYERS[path]
        for s in strengths:
            torch.manual_seed(sum(map(ord, name + path)))
            m = cls("lora_unet_" + path.replace(".", "_"), layer, multiplier=s, **more)
            for n, p in m.named_parameters():
                if "org" not in n and n != "dora_scale":
                    p.data = (torch.randn_like(p) * 0.3 + (1 if n == "rescale" else 0)).half().float()
                if n == "dora_scale":
                    p.data = (p.data * (1 + 0.2 * torch.randn_like(p))).float()
            expected[s][path + ".weight"] = weight_of(m.forward, layer)
        for n, t in m.custom_state_dict().items() if hasattr(m, "custom_state_dict") and m.custom_state_dict() else m.state_dict().items():
            if "org" not in n:
                file[f"lora_unet_{path.replace('.', '_')}.{n}"] = t.detach().clone().contiguous()
    save_file(file, name + ".safetensors")
    for s in strengths:
        save_file(expected[s], f"{name}_{s}.safetensors")


BOTH = (1.0, 0.6)
lycoris("locon", BOTH, (LINEAR, LoConModule, dict(lora_dim=4, alpha=2)), (GEGLU, LoConModule, dict(lora_dim=3, alpha=3)),
        (POINT, LoConModule, dict(lora_dim=4, alpha=1)), (CONV, LoConModule, dict(lora_dim=4, alpha=2, use_tucker=True)))
lycoris("loha", BOTH, (LINEAR, LohaModule, dict(lora_dim=4, alpha=2)), (GEGLU, LohaModule, dict(lora_dim=3, alpha=1)),
        (CONV, LohaModule, dict(lora_dim=2, alpha=2, use_tucker=True)), (POINT, LohaModule, dict(lora_dim=2, alpha=2)))
lycoris("lokr", BOTH, (LINEAR, LokrModule, dict(lora_dim=2, alpha=1, factor=4)), (GEGLU, LokrModule, dict(lora_dim=1, alpha=2, factor=4, decompose_both=True)),
        (POINT, LokrModule, dict(lora_dim=10000, alpha=1, factor=6)), (CONV, LokrModule, dict(lora_dim=1, alpha=1, factor=2, use_tucker=True)))
lycoris("glora", BOTH, (LINEAR, GLoRAModule, dict(lora_dim=3, alpha=2)), (POINT, GLoRAModule, dict(lora_dim=2, alpha=1)),
        (GEGLU, GLoRAModule, dict(lora_dim=2, alpha=2)))
lycoris("ia3", BOTH, (LINEAR, IA3Module, {}), (GEGLU, IA3Module, dict(train_on_input=True)), (CONV, IA3Module, dict(train_on_input=True)))
lycoris("oft", BOTH, (LINEAR, DiagOFTModule, dict(lora_dim=8, constraint=0.01, rescaled=True)), (GEGLU, DiagOFTModule, dict(lora_dim=6)),
        (CONV, DiagOFTModule, dict(lora_dim=4)))
lycoris("boft", BOTH, (CONV, ButterflyOFTModule, dict(lora_dim=8, constraint=0.02, rescaled=True)))
lycoris("dora_out", (1.0,), (LINEAR, LoConModule, dict(lora_dim=4, alpha=2, weight_decompose=True)), (GEGLU, LohaModule, dict(lora_dim=2, alpha=1, weight_decompose=True)),
        (CONV, LokrModule, dict(lora_dim=10000, alpha=1, factor=2, weight_decompose=True)))
lycoris("dora_in", (1.0,), (LINEAR, LoConModule, dict(lora_dim=4, alpha=2, weight_decompose=True, wd_on_out=False)),
        (CONV, LoConModule, dict(lora_dim=2, alpha=2, weight_decompose=True, wd_on_out=False)),
        (GEGLU, LohaModule, dict(lora_dim=2, alpha=1, weight_decompose=True, wd_on_out=False)))


class Network(torch.nn.Module):
    """A tree of modules in which the layers have their names."""

    def __init__(self, layers):
        super().__init__()
        for path, layer in layers.items():
            at, parts = self, path.split(".")
            for part in parts[:-1]:
                if not hasattr(at, part):
                    at.add_module(part, torch.nn.Module())
                at = getattr(at, part)
            copy = type(layer)(**({"in_features": layer.in_features, "out_features": layer.out_features, "bias": layer.bias is not None}
                                  if isinstance(layer, torch.nn.Linear) else
                                  {"in_channels": layer.in_channels, "out_channels": layer.out_channels, "kernel_size": layer.kernel_size,
                                   "padding": layer.padding}))
            copy.load_state_dict(layer.state_dict())
            at.add_module(parts[-1], copy)


def peft(name, **more):
    torch.manual_seed(sum(map(ord, name)))
    config = LoraConfig(r=4, lora_alpha=3, target_modules=[k for k in LAYERS if not (more.get("lora_bias") and LAYERS[k].bias is None)], **more)
    model = get_peft_model(Network(LAYERS), config)
    for n, p in model.named_parameters():
        if "lora_A" in n or "lora_B" in n:
            p.data = (torch.randn_like(p) * 0.3).half().float()
        if "magnitude" in n:
            p.data = p.data * (1 + 0.2 * torch.randn_like(p))
    tensors = {k.replace("base_model.model.", "unet."): v.contiguous() for k, v in get_peft_model_state_dict(model).items()}
    settings = {"unet.r": config.r, "unet.lora_alpha": config.lora_alpha, "unet.use_rslora": config.use_rslora,
                "unet.alpha_pattern": config.alpha_pattern, "unet.rank_pattern": config.rank_pattern}
    save_file(tensors, name + ".safetensors", metadata={"lora_adapter_metadata": json.dumps(settings)})
    merged = dict(model.merge_and_unload().named_parameters())
    save_file({k: v.data.contiguous() for k, v in merged.items()}, name + "_1.0.safetensors")


peft("peft", alpha_pattern={"attn1.to_q": 7, "conv1": 1}, rank_pattern={"proj_in": 2})
peft("peft_rslora", use_rslora=True, alpha_pattern={"resnets.0.conv1": 5})
peft("peft_dora", use_dora=True)
peft("peft_bias", lora_bias=True)
