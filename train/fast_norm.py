"""
fast_norm.py - group normalisation, and SiLU behind it, for a CPU and channels_last: PyTorch's own takes half of the training's time.

For bfloat16 there is C (norm.c), compiled when it is first wanted, which does both in one pass there and one back. Without a
compiler, and for other types, y = scale * x + shift with one scale and one shift a channel, whose sums are taken by PyTorch.
use_fast_norm() swaps it in; parameters and results stay the same.
"""
import ctypes
import os
import subprocess
import tempfile

import torch
import torch.nn.functional as F
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "norm.c")


def _compiled():
    """norm.c as a library, or None. OpenMP's functions are PyTorch's own: two sets of threads would wait for each other."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "norm.o")
            subprocess.run(["gcc", "-Ofast", "-march=native", "-mprefer-vector-width=512", "-fPIC", "-fopenmp", "-c", SOURCE, "-o", out],
                           check=True, capture_output=True)
            library = os.path.join(folder, "norm.so")
            subprocess.run(["gcc", "-shared", out, "-o", library, "-lmvec", "-lm"], check=True, capture_output=True)
            return ctypes.CDLL(library)
    except (OSError, subprocess.CalledProcessError):
        return None


LIBRARY = _compiled()


def _pointer(x):
    return ctypes.c_void_p(x.data_ptr())


class _InC(torch.autograd.Function):
    """x [n, channels, h, w] of bfloat16."""

    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps, silu):
        x, weight, bias = x.contiguous(memory_format=torch.channels_last), weight.float(), bias.float()
        n, channels, h, w = x.shape
        y, mean, rstd = torch.empty_like(x), torch.empty(n, channels), torch.empty(n, channels)
        ctx.sizes = [ctypes.c_size_t(size) for size in (n, h * w, channels, groups)]
        LIBRARY.norm_forward(*map(_pointer, (x, weight, bias, y, mean, rstd)), *ctx.sizes, ctypes.c_float(eps), silu)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.silu = silu
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, bias, mean, rstd = ctx.saved_tensors
        dy = dy.to(x.dtype).contiguous(memory_format=torch.channels_last)
        dx, dweight, dbias = torch.empty_like(x), torch.empty_like(mean), torch.empty_like(mean)
        LIBRARY.norm_backward(*map(_pointer, (x, dy, weight, bias, mean, rstd, dx, dweight, dbias)), *ctx.sizes, ctx.silu)
        return dx, dweight.sum(0), dbias.sum(0), None, None, None


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps):
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)                          # [n, pixels, channels], a view
        wide = rows.float()
        n, pixels, channels = rows.shape
        count = pixels * channels // groups

        def over_group(sums):                                               # [n, channels] -> the same, summed in its group
            return sums.view(n, groups, -1).sum(2, keepdim=True).expand(n, groups, channels // groups).reshape(n, channels)

        mean = over_group(wide.sum(1)) / count
        variance = over_group((wide * wide).sum(1)) / count - mean.square()
        rstd = (variance.clamp(min=0) + eps).rsqrt()
        scale = rstd * weight
        y = torch.addcmul((bias - mean * scale)[:, None], wide, scale[:, None]).to(x.dtype)
        ctx.save_for_backward(rows, mean, rstd, weight)
        ctx.over_group, ctx.count = over_group, count
        return y.view(n, x.shape[2], x.shape[3], channels).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, dy):
        rows, mean, rstd, weight = ctx.saved_tensors
        wide, slope = rows.float(), dy.permute(0, 2, 3, 1).flatten(1, 2).float()
        a = slope.sum(1)
        d = ((slope * wide).sum(1) - mean * a) * rstd                       # sum of dy * normalised x, a channel
        pull = rstd * ctx.over_group(d * weight) / ctx.count
        push = rstd * ctx.over_group(a * weight) / ctx.count
        dx = torch.addcmul((rstd * mean * pull - push)[:, None], slope, (rstd * weight)[:, None])
        dx = dx.addcmul_(wide, (-rstd * pull)[:, None]).to(rows.dtype)
        dx = dx.view(dy.shape[0], dy.shape[2], dy.shape[3], -1).permute(0, 3, 1, 2)
        return dx, d.sum(0), a.sum(0), None, None


class FastGroupNorm(nn.GroupNorm):
    silu = False   # behind it

    def forward(self, x):
        if x.ndim != 4 or not torch.is_grad_enabled():
            y = super().forward(x)
        elif LIBRARY and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            return _InC.apply(x, self.weight, self.bias, self.num_groups, self.eps, self.silu)
        else:
            y = _Normalise.apply(x, self.weight, self.bias, self.num_groups, self.eps)
        return F.silu(y) if self.silu else y


class _ForVectors(nn.SiLU):
    """In a residual block: the pictures have been through it in their normalisation, the timestep's vector has not."""

    def forward(self, x):
        return x if x.ndim == 4 else super().forward(x)


def use_fast_norm(module):
    for part in list(module.modules()):
        if type(part) is nn.GroupNorm:
            part.__class__ = FastGroupNorm
    for part in list(module.modules()):
        if isinstance(part, ResnetBlock2D) and isinstance(part.nonlinearity, nn.SiLU):
            part.norm1.silu = part.norm2.silu = True
            part.nonlinearity = _ForVectors()
    return module
