"""base.py - a finished model, frozen: other trainings ask it for latents, for words' meaning and for predictions."""
import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor

from common import DEVICE, autocast, to_tensor
from fast_norm import use_fast_norm
from networks import noised, tokenize

TIMESTEPS = 1000


class Base:
    def __init__(self, folder):
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        self.unet, self.vae, self.text_encoder, self.tokenizer = pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer
        self.scheduler = pipe.scheduler
        for part in (self.unet, self.vae, self.text_encoder):
            part.float().to(DEVICE, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.unet.set_attn_processor(AttnProcessor())   # see new_unet()
        if DEVICE == "cpu":
            use_fast_norm(self.unet)

    @torch.no_grad()
    def latents(self, pictures):
        x = to_tensor(np.stack(pictures))
        with autocast():
            return torch.cat([self.vae.encode(part).latent_dist.mode().float() for part in x.split(4)])

    def words(self, texts):
        with autocast():
            return self.text_encoder(tokenize(self.tokenizer, texts).to(DEVICE)).last_hidden_state

    def predict(self, z, t, hidden, **more):
        with autocast():
            return self.unet(z, t, encoder_hidden_states=hidden, **more).sample.float()

    def levels(self, t):
        """(share of the picture, share of the noise) at timesteps t [n]."""
        a = self.scheduler.alphas_cumprod.to(DEVICE)[t][:, None, None, None]
        return a.sqrt(), (1 - a).sqrt()

    @torch.no_grad()
    def step(self, z, t, earlier, hidden, empty, guidance):
        """DDIM with guidance from timesteps t to earlier ones."""
        without, with_ = self.predict(torch.cat([z, z]), torch.cat([t, t]), torch.cat([empty, hidden])).chunk(2)
        v = without + guidance * (with_ - without)
        (a, s), (a2, s2) = self.levels(t), self.levels(earlier)
        return a2 * (a * z - s * v) + s2 * (a * v + s * z)

    @torch.no_grad()
    def drawn_again(self, z, texts, start, steps, guidance=4.0):
        """Latents z noised as at timestep `start` and brought back by a few steps: nearly the same picture, as this model draws it."""
        hidden, empty = self.words(texts), self.words([""] * len(texts))
        times = [torch.full([len(z)], round(start * (1 - i / steps)), device=DEVICE) for i in range(steps + 1)]
        z, _ = noised(self.scheduler, z, times[0], torch.randn_like(z))
        for t, earlier in zip(times, times[1:]):
            z = self.step(z, t, earlier, hidden, empty, guidance)
        return z

    def loss(self, z, texts, unet_inputs=lambda noisy, t, hidden: dict(z=noisy), earliest=0, weights=1):
        """The training's own loss at timesteps evenly spread from `earliest` on. weights: of the cells, [n, 1, cells, cells], or 1."""
        n = len(z)
        t = (earliest + (torch.randperm(n) + torch.rand(n)) * (TIMESTEPS - earliest) / n).long().clamp(max=TIMESTEPS - 1).to(DEVICE)
        noisy, v = noised(self.scheduler, z, t, torch.randn_like(z))
        hidden = self.words(texts)
        more = unet_inputs(noisy, t, hidden)
        return (weights * (self.predict(more.pop("z"), t, hidden, **more) - v).square()).mean()
