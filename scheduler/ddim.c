/* ddim.c - samplers that go to the estimate and back up: DDIM, DDPM, and those of distilled models. */
#include <math.h>

#include "scheduler/step.h"

/*
 * diffusers' DDIM and DDPM take the variance of a step from float32 alphas, 1 - a / a': where two timesteps are neighbours few
 * digits are left of it, and over hundreds of steps they show. So it is taken here with the same digits.
 */
typedef struct {
    float alpha, next; /* alphas_cumprod */
    float beta;        /* 1 - alpha / next */
} Digits;

static Digits digits_of(double sigma, double to)
{
    Digits d = { .alpha = (float)(1 / (1 + sigma * sigma)), .next = (float)(1 / (1 + to * to)) };
    d.beta = 1 - d.alpha / d.next;
    return d;
}

/* split_noise() with those. */
static void split_digits(const Sampling *s, int i, double eta, double *down, double *up)
{
    double sigma = s->tl->sigma[i], to = sigma_to(s, i);
    if (s->tuning.compat != COMPAT_DIFFUSERS || s->tl->family == FAMILY_SIGMA || eta == 0) {
        split_noise(sigma, to, eta, down, up);
        return;
    }
    Digits d = digits_of(sigma, to);
    float variance = (1 - d.next) / (1 - d.alpha) * d.beta, deviation = (float)eta * sqrtf(variance);
    *up = deviation / sqrtf(d.next);
    *down = sqrt(fmax(1 - (double)d.next - (double)deviation * (double)deviation, 0) / (double)d.next);
}

/* eta: share of fresh noise. up: where the noise comes from that is put back, NULL: the estimate's own. */
static int implicit(const Sampling *s, double eta, const Tensor *from, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        if (denoised(s, x0, x, i, e)) return -1;
        split_digits(s, i, eta, &down, &up);
        slope_of(noise, x, from ? *from : x0, sigma); /* the noise in x */
        clip(s, x0);
        mix(x, 1, x0, down, noise);
        add_noise(s, up, noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * DDIM. Song et al. 2020, arXiv:2010.02502, eq. 12: an Euler step, with its share of fresh noise. diffusers' steps may end off
 * the next sigma (tl->to): then x counts as at that one, in the scale where its variance is 1.
 */
int ddim(const Sampling *s, Err *e) { return implicit(s, s->eta, NULL, e); }

/* DDIM with CFG++, A1111's: Chung et al. 2024, arXiv:2406.08070. The guidance scale counts as a 12.5th of itself. */
int ddim_cfg_pp(const Sampling *s, Err *e)
{
    float scale = s->d->guidance.scale;
    s->d->unguided = tensor_like(s->arena, s->x);
    s->d->guidance.scale = scale / 12.5f;
    int failed = implicit(s, s->eta, &s->d->unguided, e);
    s->d->guidance.scale = scale;
    return failed;
}

/*
 * DDPM. Ho et al. 2020, arXiv:2006.11239, algorithm 2: with the variance "fixed small" DDIM's eq. 16 with eta 1, with "fixed
 * large" beta, also in the step to the clean latent.
 */
int ddpm(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    bool large = s->tuning.solver.large_variance;
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), keep = to * to / (sigma * sigma), take = 1 - keep, down,
               up;
        if (denoised(s, x0, x, i, e)) return -1;
        split_digits(s, i, 1, &down, &up);
        clip(s, x0);
        Digits d = digits_of(sigma, to);
        if (s->tuning.compat == COMPAT_DIFFUSERS && s->tl->family == FAMILY_DDPM) {
            take = d.beta / (1 - d.alpha);
            keep = d.alpha / d.next * ((1 - d.next) / (1 - d.alpha));
        }
        if (large) up = s->tl->t[i] > 0 ? sqrtf(d.beta) / sqrtf(d.next) : 0;
        mix(x, keep, x, take, x0); /* the posterior's mean */
        add_noise(s, up, noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * LCM. Luo et al. 2023, arXiv:2310.04378, algorithm 3: to the estimate, and fresh noise up to the next sigma. eq. 9: near t = 0
 * the model's estimate gives way to x itself (in unit variance), sigma_data = 0.5; ComfyUI leaves that out.
 */
int lcm(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    bool boundary = s->tuning.compat != COMPAT_COMFYUI;
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        double t = s->tl->t[i] * s->d->noise->lcm_scaling, sigma = s->tl->sigma[i];
        double skip = boundary ? 0.25 / (t * t + 0.25) / sqrt(sigma * sigma + 1) : 0;
        double out = boundary ? t / sqrt(t * t + 0.25) : 1;
        mix(x, out, x0, skip, x);
        add_noise(s, sigma_to(s, i), noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * TCD. Zheng et al. 2024, arXiv:2402.19159, algorithm 4: down to the share 1 - gamma (eta) of the next timestep along the
 * estimate, and fresh noise up to it. The last step ends at timestep 0, whose little noise stays.
 */
int tcd(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    const Noise *n = s->d->noise;
    for (int i = 0; i < s->tl->steps; i++) {
        bool last = i + 1 == s->tl->steps;
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), down = to;
        if (denoised(s, x0, x, i, e)) return -1;
        if (!last)
            down = n->sigmas ? n->sigmas[(int)floorf((float)(1 - s->eta) * (float)s->tl->t[i + 1])] : to * (1 - s->eta);
        slope_of(noise, x, x0, sigma);
        mix(x, 1, x0, down, noise);
        if (!last && s->eta > 0) add_noise(s, sqrt(fmax(to * to - down * down, 0)), noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}
