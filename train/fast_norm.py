"""
fast_norm.py - group normalisation for a CPU and channels_last, where PyTorch's own takes a third of the training's time.

Both passes need only sums over the pixels of each channel; what remains is y = scale * x + shift with one scale and one
shift a channel. use_fast_norm() swaps it in; parameters and results stay the same.
"""
import torch
from torch import nn


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
    def forward(self, x):
        if x.ndim != 4 or not torch.is_grad_enabled():
            return super().forward(x)
        return _Normalise.apply(x, self.weight, self.bias, self.num_groups, self.eps)


def use_fast_norm(module):
    for part in module.modules():
        if type(part) is nn.GroupNorm:
            part.__class__ = FastGroupNorm
    return module
