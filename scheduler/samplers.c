/*
 * samplers.c - see samplers.h. Each sampler is one function, named after its paper, over x0 = D(x; sigma).
 *
 * x = x0 + sigma * noise throughout (variance exploding), also where the paper or diffusers has alpha * x0 + sigma * noise:
 * the two differ by a factor that the denoiser knows. Scalars are double, latents float32.
 */
#include "scheduler/samplers.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "scheduler/names.h"

/* Elements to compute: none in a dry pass. */
static size_t len(Tensor x) { return x.data ? tensor_len(x) : 0; }

/* x0 = D(x; sigma_i). */
static int denoised(const Sampling *s, Tensor x0, Tensor x, int i, Err *e)
{
    if (denoise(s->d, x0, x, s->tl->sigma[i], s->tl->t[i], e) == 0) return 0;
    char where[64];
    snprintf(where, sizeof where, "step %d of %d", i + 1, s->tl->steps);
    return e->code == ERR_INTERRUPTED ? -1 : err_in(e, where);
}

static int step_done(const Sampling *s, int i, Tensor x0, Err *e)
{
    return s->after_step && !arena_dry(s->arena) ? s->after_step(s->ctx, i, s->x, x0, e) : 0;
}

void fresh_noise(Tensor out, Rng *rng, Arena *arena)
{
    size_t mark = arena->used, count = tensor_len(out) / (size_t)out.n;
    float *nchw = arena_alloc(arena, count * sizeof *nchw);
    for (int k = 0; k < out.n && out.data; k++) {
        rng_randn(&rng[k], nchw, count);
        tensor_from_nchw(tensor_slice(out, k, 1), nchw);
    }
    arena_reset(arena, mark);
}

/*
 * The step from sigma to `to` with the share eta of fresh noise: go down to sigma `down`, then add noise of `up`, so that
 * down^2 + up^2 = to^2. eta 1 is as random as DDPM. Song et al. 2020, arXiv:2010.02502, eq. 16, in this scale.
 */
static void split_noise(double sigma, double to, double eta, double *down, double *up)
{
    *up = fmin(to, eta * sqrt(to * to * (sigma * sigma - to * to) / (sigma * sigma)));
    *down = sqrt(to * to - *up * *up);
}

/* x += amount * fresh noise; noise is a place for it. Draws nothing for amount 0. */
static void add_noise(const Sampling *s, double amount, Tensor noise)
{
    if (amount == 0) return;
    fresh_noise(noise, s->rng, s->arena);
    for (size_t k = 0; k < len(s->x); k++) s->x.data[k] += (float)amount * noise.data[k];
}

/* The clipped estimate that some of diffusers' schedulers take (clip_sample). */
static void clip(const Sampling *s, Tensor x0)
{
    float most = (float)s->d->noise->clip_sample;
    if (most == 0) return;
    for (size_t k = 0; k < len(x0); k++) x0.data[k] = fminf(fmaxf(x0.data[k], -most), most);
}

/* Euler. Karras et al. 2022, arXiv:2206.00364, algorithm 1 with Euler steps: dx/dsigma = (x - x0) / sigma. */
static int euler(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        float sigma = (float)s->tl->sigma[i], h = (float)s->tl->sigma[i + 1] - sigma;
        for (size_t k = 0; k < len(x); k++) x.data[k] += (x.data[k] - x0.data[k]) / sigma * h;
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* Euler ancestral. Crowson, k-diffusion: an Euler step below the goal, and fresh noise up to it. */
static int euler_ancestral(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        double down, up;
        split_noise(s->tl->sigma[i], s->tl->sigma[i + 1], s->eta, &down, &up);
        float sigma = (float)s->tl->sigma[i], h = (float)(down - s->tl->sigma[i]);
        for (size_t k = 0; k < len(x); k++) x.data[k] += (x.data[k] - x0.data[k]) / sigma * h;
        add_noise(s, up, noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* Heun. Karras et al. 2022, arXiv:2206.00364, algorithm 1: the slope is the mean of those at both ends. */
static int heun(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), end = tensor_like(s->arena, x), slope = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        float sigma = (float)s->tl->sigma[i], next = (float)s->tl->sigma[i + 1], h = next - sigma;
        for (size_t k = 0; k < len(x); k++) {
            slope.data[k] = (x.data[k] - x0.data[k]) / sigma;
            end.data[k] = x.data[k] + slope.data[k] * h;
        }
        if (next > 0) {
            if (denoised(s, x0, end, i + 1, e)) return -1;
            clip(s, x0);
            for (size_t k = 0; k < len(x); k++) {
                float slope_end = (end.data[k] - x0.data[k]) / next;
                end.data[k] = x.data[k] + (slope.data[k] + slope_end) / 2 * h;
            }
        }
        if (x.data) tensor_copy(x, end);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* DPM-Solver++(2M). Lu et al. 2022, arXiv:2211.01095, algorithm 2; lambda = -log(sigma). */
static int dpmpp_2m(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), previous = tensor_like(s->arena, x);
    double h_previous = 0;
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        double a = s->tl->sigma[i + 1] / s->tl->sigma[i], h = -log(a); /* a = e^-h */
        bool first_order = i == 0 || a == 0;
        float c = first_order ? 0 : (float)(h / (2 * h_previous)); /* 1 / 2r */
        for (size_t k = 0; k < len(x); k++) {
            float blend = first_order ? x0.data[k] : (1 + c) * x0.data[k] - c * previous.data[k];
            x.data[k] = (float)a * x.data[k] + (float)(1 - a) * blend;
        }
        if (step_done(s, i, x0, e)) return -1;
        Tensor swap = previous;
        previous = x0;
        x0 = swap;
        h_previous = h;
    }
    return 0;
}

/*
 * DDIM. Song et al. 2020, arXiv:2010.02502, eq. 12: an Euler step, with its share of fresh noise. diffusers' steps may end
 * beside the next sigma (tl->to): then x counts as at that one, in the scale where its variance is 1.
 */
static int ddim(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        double sigma = s->tl->sigma[i], to = s->tl->to[i], next = s->tl->sigma[i + 1], down, up;
        split_noise(sigma, to, s->eta, &down, &up);
        for (size_t k = 0; k < len(x); k++) x.data[k] = (x.data[k] - x0.data[k]) / (float)sigma; /* the noise in x */
        clip(s, x0);
        for (size_t k = 0; k < len(x); k++) x.data[k] = x0.data[k] + (float)down * x.data[k];
        add_noise(s, up, noise);
        float relabel = (float)sqrt((next * next + 1) / (to * to + 1));
        for (size_t k = 0; k < len(x) && relabel != 1; k++) x.data[k] *= relabel;
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * LCM. Luo et al. 2023, arXiv:2310.04378, algorithm 3: to the estimate, and fresh noise up to the next sigma. eq. 9: near t = 0
 * the model's estimate gives way to x itself (in unit variance), sigma_data = 0.5.
 */
static int lcm(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        double t = s->tl->t[i] * s->d->noise->lcm_scaling, sigma = s->tl->sigma[i];
        float c_skip = (float)(0.25 / (t * t + 0.25) / sqrt(sigma * sigma + 1)),
              c_out = (float)(t / sqrt(t * t + 0.25));
        for (size_t k = 0; k < len(x); k++) x.data[k] = c_out * x0.data[k] + c_skip * x.data[k];
        add_noise(s, s->tl->sigma[i + 1], noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

const Sampler samplers[] = {
    { "euler", "one evaluation a step, first order; Karras et al. 2022", "Euler",
      "sample_euler, k_euler, euler_k, EulerDiscreteScheduler", euler, FAMILY_SIGMA, 1, 0, false, 1, SAMPLER_ODE },
    { "euler_ancestral", "Euler with fresh noise each step; Crowson", "Euler a",
      "sample_euler_ancestral, k_euler_a, EulerAncestralDiscreteScheduler", euler_ancestral, FAMILY_SIGMA, 1, 1, true,
      1, SAMPLER_ANCESTRAL },
    { "heun", "two evaluations a step, second order; Karras et al. 2022", "Heun",
      "sample_heun, k_heun, heun_k, HeunDiscreteScheduler", heun, FAMILY_SIGMA, 2, 0, false, 2, SAMPLER_ODE },
    { "dpmpp_2m", "DPM-Solver++(2M), multistep, second order; Lu et al. 2022", "DPM++ 2M",
      "sample_dpmpp_2m, k_dpmpp_2m, dpmpp_2m_k, DPMSolverMultistepScheduler", dpmpp_2m, FAMILY_DPM, 2, 0, false, 1,
      SAMPLER_ODE },
    { "ddim", "deterministic, or with eta as random as DDPM; Song et al. 2020", "DDIM", "DDIMScheduler", ddim,
      FAMILY_DDIM, 1, 0, true, 1, SAMPLER_ODE },
    { "lcm", "for latent consistency models: 1 to 8 steps, fresh noise between; Luo et al. 2023", "LCM",
      "sample_lcm, LCMScheduler", lcm, FAMILY_LCM, 0, 1, false, 1, SAMPLER_ANCESTRAL },
    { 0 },
};

const Sampler *sampler_find(const char *name)
{
    for (const Sampler *s = samplers; s->name; s++)
        if (names_have(s->name, name) || names_have(s->a1111, name) || names_have(s->aliases, name)) return s;
    return NULL;
}

/* For a dry run, which never calls it. */
static int no_network(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx, (void)x0, (void)x, (void)sigma, (void)e;
    return -1;
}

bool sampler_deterministic(const Sampler *s, double eta)
{
    return s->kind == SAMPLER_ODE && !(s->takes_eta && eta > 0);
}

int sampler_evals(const Sampler *s, const Timeline *tl)
{
    Noise noise;
    Arena dry;
    Err e;
    noise_defaults(&noise);
    arena_init_dry(&dry);
    Denoiser d = { .noise = &noise, .exact = no_network, .cfg_scale = 1, .arena = &dry };
    Tensor x = tensor_new(&dry, 1, 1, 1, 1);
    return sampler_run(s, &(Sampling){ .d = &d, .x = x, .tl = tl, .eta = s->eta, .arena = &dry }, &e) ? 0 : d.evals;
}

int sampler_run(const Sampler *sampler, const Sampling *s, Err *e)
{
    size_t mark = s->arena->used;
    int rc = sampler->run(s, e);
    arena_reset(s->arena, mark);
    return rc;
}
