"""common.py - what every script here needs: the device, checkpoints that are whole or absent, picture grids."""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def autocast():
    # Without the cache of cast weights: each is used once a forward, and threads must not share it.
    return torch.autocast(DEVICE, dtype=torch.bfloat16, cache_enabled=False)


class Workers:
    """
    Gradients of a batch, its parts spread over threads that each run single-threaded.

    Where other programs share the processor this is several times faster than threads inside each operation, which wait
    for the slowest of them hundreds of times a step. On a GPU: one part, no thread.
    """

    def __init__(self, threads, parts):
        self.parts = parts if threads > 1 else 1
        self.map = ThreadPoolExecutor(threads).map if threads > 1 else map
        if threads > 1:
            torch.set_num_threads(1)

    def backward(self, params, loss_of, *batch):
        """Sets p.grad of the mean of loss_of(*part) over equal parts of the batch; returns that mean."""
        def work(part):
            loss = loss_of(*part)
            return loss.item(), torch.autograd.grad(loss, params, allow_unused=True)

        losses, gradients = zip(*self.map(work, zip(*(b.chunk(self.parts) for b in batch))))
        for _ in self.map(self._mean, zip(params, *gradients)):
            pass
        return sum(losses) / self.parts

    @staticmethod
    def _mean(item):
        p, first, *others = item
        if first is not None:
            for other in others:
                first = first + other
            first = first / (1 + len(others))
        p.grad = first


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
    """Row by row; the last row is filled up with black."""
    pictures = list(pictures) + [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    rows = [np.concatenate(pictures[i:i + columns], 1) for i in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows, 0)).save(path)
