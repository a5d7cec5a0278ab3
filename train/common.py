"""common.py - what every script here needs: the device, checkpoints that are whole or absent, picture grids."""
import os

import numpy as np
import torch
from PIL import Image

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def autocast():
    return torch.autocast(DEVICE, dtype=torch.bfloat16)


def save_checkpoint(path, state):
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def load_checkpoint(path):
    return torch.load(path, map_location=DEVICE, weights_only=False) if os.path.exists(path) else None


def to_tensor(pictures):
    """[n, h, w, 3] of 0..255 to [n, 3, h, w] of -1..1."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(DEVICE).permute(0, 3, 1, 2)
    return (x.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pictures(x):
    """[n, 3, h, w] of -1..1 to [n, h, w, 3] of 0..255."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def save_grid(path, pictures, columns):
    rows = [np.concatenate(list(pictures[i:i + columns]), 1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows, 0)).save(path)
