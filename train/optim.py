"""
optim.py - the optimizer, the learning-rate clock and the moving average shared by all trainings.

Muon (K. Jordan 2024; scaled as in Liu et al. 2025, arXiv:2502.16982) for the matrices and kernels inside a
network, AdamW for everything else (embeddings, norms, biases, first and last layers). In runs of a few
thousand steps it needs clearly fewer of them than AdamW alone.
"""
import copy
import math
import time

import torch


def orthogonalize(g, steps=5):
    """
    Newton-Schulz iteration: roughly the nearest (semi-)orthogonal matrix to g [rows, cols].

    Each step multiplies x by a polynomial p of x x^T. All these commute, so the iteration runs on the small square
    matrix x x^T alone, and their product is applied to x once: a third of the arithmetic for a 3x3 kernel. It wants
    float32: in bfloat16 a gradient of low rank comes out thousands of times too large.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[0] > g.shape[1]
    x = g.T if tall else g
    x = x / (x.norm() + 1e-7)
    gram, product = x @ x.T, None
    for step in range(steps):
        p = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal().add_(a)
        product = p if product is None else p @ product
        if step < steps - 1:
            gram = p @ gram @ p
    x = product @ x
    return x.T if tall else x


class MuonAdamW(torch.optim.Optimizer):
    """One optimizer, two rules: a group with muon=True holds kernels of two or more dimensions."""

    def __init__(self, groups, lr):
        super().__init__(groups, dict(lr=lr, muon=False, momentum=0.95, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0))

    def step(self, apply=map):
        """apply: map, or the map of a thread pool."""
        todo = [(p, self.state[p], group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for _ in apply(self._update, todo):
            pass

    @torch.no_grad()
    def _update(self, item):
        p, state, group = item
        p.mul_(1 - group["lr"] * group["weight_decay"])
        (self._muon if group["muon"] else self._adamw)(p, state, group)

    @staticmethod
    def _muon(p, state, group):
        if not state:
            state["momentum"] = torch.zeros_like(p)
        m = state["momentum"]
        m.lerp_(p.grad, 1 - group["momentum"])
        nesterov = p.grad.lerp(m, group["momentum"]).flatten(1)
        update = orthogonalize(nesterov)
        p.add_(update.view_as(p).to(p.dtype), alpha=-group["lr"] * 0.2 * math.sqrt(max(nesterov.shape)))

    @staticmethod
    def _adamw(p, state, group):
        if not state:
            state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
        state["step"] += 1
        b1, b2 = group["betas"]
        state["m"].lerp_(p.grad, 1 - b1)
        state["v"].lerp_(p.grad.square(), 1 - b2)
        m = state["m"] / (1 - b1 ** state["step"])
        v = state["v"] / (1 - b2 ** state["step"])
        p.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-group["lr"])


def make_optimizer(modules, lr, weight_decay=0.01, plain=("conv_in", "conv_out", "embedding", "time_emb")):
    """modules: [(module, factor of the learning rate)]. Names holding a word of `plain` are AdamW's."""
    groups = []
    for module, factor in modules:
        muon, adam = [], []
        for name, p in module.named_parameters():
            if p.requires_grad:
                inner = p.ndim >= 2 and not any(word in name for word in plain)
                (muon if inner else adam).append(p)
        groups.append(dict(params=muon, muon=True, factor=factor, weight_decay=weight_decay))
        groups.append(dict(params=adam, muon=False, factor=0.5 * factor))
    return MuonAdamW([g for g in groups if g["params"]], lr)


class Clock:
    """Learning rate by time: linear warm-up over steps, then a cosine down to zero at the end of `minutes` trained."""

    def __init__(self, minutes, warmup_steps, trained_s=0.0):
        self.total_s, self.warmup_steps = minutes * 60, warmup_steps
        self.before_s, self.start = trained_s, time.time()

    def trained_s(self):
        return self.before_s + time.time() - self.start

    def done(self):
        return self.trained_s() >= self.total_s

    def factor(self, step):
        progress = min(1.0, self.trained_s() / self.total_s)
        return min(1.0, (step + 1) / self.warmup_steps) * 0.5 * (1 + math.cos(math.pi * progress)) + 1e-3

    def apply(self, optimizer, lr, step):
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("factor", 1.0) * self.factor(step)


class Ema:
    """Moving average of the weights; its memory grows with the steps until `decay`."""

    def __init__(self, module, decay=0.999):
        self.module, self.decay, self.steps = copy.deepcopy(module).eval().requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, module):
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, p in zip(self.module.parameters(), module.parameters()):
            average.lerp_(p, 1 - keep)
        for average, b in zip(self.module.buffers(), module.buffers()):
            average.copy_(b)

    def state_dict(self):
        return dict(module=self.module.state_dict(), steps=self.steps)

    def load_state_dict(self, state):
        self.module.load_state_dict(state["module"])
        self.steps = state["steps"]
