#!/usr/bin/env python3
"""Goldens of the language of prompts, in prompts/: latents of the tiny SD 1 model (pipeline/sd1) by diffusers' UNet, text encoder and Euler scheduler,
put together in torch by the published formulas. `python prompts.py [CASE ...]`; build/tests/test_pipeline reads them.

  AND         F = u + g sum_i w_i (F_i - u)                       A1111's combine_denoised
  in time     evaluation i, from 0, has the first text whose end is >= i   A1111's reconstruct_cond_batch; ends as its documentation's
  blend       sum_k w_k z_k / sum_k w_k, shorter ones continued by the empty prompt's z                 compel
  and         [z_empty + w_k (z_k - z_empty)] side by side                                               compel
  AVERAGE     w z_to + (1 - w) z_from, z_from cut or continued by zeros                                  ComfyUI's ConditioningAverage
  CONCAT      side by side                                                                               ComfyUI's ConditioningConcat
  weights     z w, then the mean restored                                                                A1111's "Original"
"""
import sys
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler

from control import HERE, generator, load_pipeline, save_tensors

OUT = HERE / "prompts"
JOB = {"prompt": "", "negative-prompt": "blue", "seed": 11, "steps": 5, "cfg-scale": 5, "width": 64, "height": 48, "sampler": "euler"}
TOKENS = 77


class Model:
    def __init__(self):
        self.pipe = load_pipeline(HERE / "pipeline" / "sd1")
        config = __import__("json").loads((HERE / "pipeline" / "sd1" / "scheduler" / "scheduler_config.json").read_text())
        self.scheduler = EulerDiscreteScheduler.from_config(config)

    def ids(self, text):
        t = self.pipe.tokenizer
        found = t(text, add_special_tokens=False).input_ids
        rows = [found[i:i + TOKENS - 2] for i in range(0, len(found), TOKENS - 2)] or [[]]
        return [[t.bos_token_id, *r, t.eos_token_id] + [t.pad_token_id] * (TOKENS - 2 - len(r)) for r in rows]

    def embed(self, text, weights=None):
        """[1, 77 rows, width]; weights: of each of the first row's ids behind bos."""
        z = [self.pipe.text_encoder(torch.tensor([r])).last_hidden_state for r in self.ids(text)]
        if weights:
            w = torch.ones(1, TOKENS, 1)
            w[0, 1:1 + len(weights), 0] = torch.tensor(weights)
            mean = z[0].mean()
            z[0] = z[0] * w
            z[0] = z[0] * (mean / z[0].mean())
        return torch.cat(z, 1)

    def longer(self, z, rows):
        while z.shape[1] < TOKENS * rows:
            z = torch.cat([z, self.embed("")], 1)
        return z

    def draw(self, job, predict):
        """predict(i, x, t, F): what counts as the network's output; F(z) evaluates it."""
        self.scheduler.set_timesteps(job["steps"])
        x = torch.randn((1, 4, job["height"] // 8, job["width"] // 8), generator=generator(job["seed"])) * self.scheduler.init_noise_sigma
        out = []
        for i, t in enumerate(self.scheduler.timesteps):
            scaled = self.scheduler.scale_model_input(x, t)
            f = predict(i, lambda z: self.pipe.unet(scaled, t, encoder_hidden_states=z, return_dict=False)[0])
            x = self.scheduler.step(f, t, x).prev_sample
            out.append(x.clone())
        return {"latents.0": out[0], "latents": out[-1]}


def guided(g, u, parts):
    """parts: (weight, F) with weights that may be pictures."""
    return u + g * sum(w * (f - u) for w, f in parts)


def same_rows(m, *zs):
    rows = max(z.shape[1] for z in zs) // TOKENS
    return [m.longer(z, rows) for z in zs]


def single(m, job, texts):
    """texts(i): the prompt's embedding in step i."""
    u = m.embed(job["negative-prompt"])

    def predict(i, F):
        z, n = same_rows(m, texts(i), u)
        return guided(job["cfg-scale"], F(n), [(1, F(z))])
    return m.draw(job, predict)


def parts(m, job, weighted):
    """weighted(i): [(weight, embedding), ...]"""
    def predict(i, F):
        n, *zs = same_rows(m, m.embed(job["negative-prompt"]), *[z for _, z in weighted(i)])
        return guided(job["cfg-scale"], F(n), [(w, F(z)) for (w, _), z in zip(weighted(i), zs)])
    return m.draw(job, predict)


def entry(ends, i):
    return next((k for k, end in enumerate(ends) if i <= end), 0)


def average(a, b, w):
    b = b[:, :a.shape[1]]
    b = torch.cat([b, torch.zeros(1, a.shape[1] - b.shape[1], a.shape[2])], 1)
    return w * a + (1 - w) * b


LONG = "red " * 80 + "sword"


def cases(m):
    e = m.embed
    empty = e("")
    yield "weights", "a (red:1.4) potion", {}, lambda job: single(m, job, lambda i: e("a red potion", [1, 1.4, 1]))
    yield "long", LONG, {}, lambda job: single(m, job, lambda i: e(LONG))
    yield "edit", "a [red:blue:0.4] potion", {}, lambda job: single(m, job, lambda i: e(["a red potion", "a blue potion"][entry([2, 5], i)]))
    yield "edit_step", "[a::1] [:big:3] potion", {}, lambda job: single(
        m, job, lambda i: e(["a  potion", "  potion", " big potion"][entry([1, 3, 5], i)]))
    yield "alternate", "a [red|blue] potion", {}, lambda job: single(m, job, lambda i: e(["a red potion", "a blue potion"][(max(i, 1) - 1) % 2]))
    yield "and", "a red potion AND a sword :0.5", {}, lambda job: parts(m, job, lambda i: [(1, e("a red potion")), (0.5, e(" a sword"))])
    yield "and_edit", "[red:blue:2] potion:1.2 AND a sword :-0.3 AND a gem", {}, lambda job: parts(
        m, job, lambda i: [(1.2, e(["red potion", "blue potion"][entry([2, 5], i)])), (-0.3, e("a sword")), (1, e("a gem"))])
    yield "and_unguided", "a red potion AND a sword", {"cfg-scale": 1}, lambda job: parts(m, job, lambda i: [(1, e("a red potion")), (1, e("a sword"))])
    yield "blend", '("a red potion", "a sword").blend(0.7, 0.3)', {}, lambda job: single(m, job, lambda i: 0.7 * e("a red potion") + 0.3 * e("a sword"))
    yield "blend_long", f'("a sword", "{LONG}").blend(2, -1, no_normalize)', {}, lambda job: single(
        m, job, lambda i: 2 * m.longer(e("a sword"), 2) - e(LONG))
    yield "blend_edit", '[("a [red:blue:2] potion", "a sword").blend(1, 1):a gem:4]'.replace("[(", "(").replace(":a gem:4]", ""), {}, lambda job: single(
        m, job, lambda i: (e(["a red potion", "a blue potion"][entry([2, 5], i)]) + e("a sword")) / 2)
    yield "join", '("a red potion", "a sword").and(1, 0.5)', {}, lambda job: single(
        m, job, lambda i: torch.cat([e("a red potion"), empty + 0.5 * (e("a sword") - empty)], 1))
    yield "average", "a red potion AVERAGE(0.75) a sword", {}, lambda job: single(m, job, lambda i: average(e("a red potion"), e("a sword"), 0.75))
    yield "average_long", f"a red potion AVG(0.6) {LONG}", {}, lambda job: single(m, job, lambda i: average(e("a red potion"), e(LONG), 0.6))
    yield "average_of_long", f"{LONG} AVERAGE(0.6) a potion", {}, lambda job: single(m, job, lambda i: average(e(LONG), e("a potion"), 0.6))
    yield "concat", "a red potion CONCAT a sword", {}, lambda job: single(m, job, lambda i: torch.cat([e("a red potion"), e("a sword")], 1))


def main(wanted):
    OUT.mkdir(exist_ok=True)
    m = Model()
    with torch.no_grad():
        for name, prompt, more, make in cases(m):
            if wanted and name not in wanted:
                continue
            job = {**JOB, **more, "prompt": prompt}
            text = "\n".join(f"{k}={v}" for k, v in {"_model": "sd1", **job}.items())
            save_tensors(make(job), OUT / f"{name}.safetensors", {"job": text})
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
