/*
 * denoiser.h - D(x; sigma): the network as an estimate of the clean latent (Karras et al. 2022, arXiv:2206.00364, eq. 7).
 *
 * Prediction type, guidance and the timestep a sigma stands for live here, so that samplers know only x0 = D(x; sigma).
 * x is in the variance-exploding scale: x = x0 + sigma * noise.
 */
#ifndef LIMN_SCHEDULER_DENOISER_H
#define LIMN_SCHEDULER_DENOISER_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/tensor.h"
#include "scheduler/noise.h"

/*
 * The raw network: out = F(x, t) for x.n samples in one batch; t is one timestep for all. x is scaled to unit variance
 * (x / sqrt(sigma^2 + 1)). With guidance x.n is 2 * pictures: the same latents twice, the first half to be conditioned on the
 * negative prompt, the second on the prompt; outside of the guidance's steps only the prompt's half is asked for. x and out
 * [n, h, w, c], both the denoiser's. Error: cancelled.
 */
typedef int (*NetworkFn)(void *ctx, Tensor out, Tensor x, float t, Err *e);

/* What a step makes of the network's outputs with the prompt and with the negative prompt. */
typedef struct {
    float scale; /* <= 1: no guidance, only the prompt's half is computed (as diffusers: 0 is for Turbo models) */
    bool both;   /* both halves are computed whatever the scale: CFG++ */
    float
        rescale; /* 0 .. 1: how much the guided output is brought back to the deviation of the prompt's, arXiv:2305.08891 */
    bool rescale_v; /* measured on v whatever the network predicts, as ComfyUI does */
    bool limited;   /* guidance only in steps from <= step < end, arXiv:2404.07724 */
    int from, end;
} Guidance;

/* Whether any step of a run asks for the negative prompt's half. */
static inline bool guidance_on(const Guidance *g) { return g->scale > 1 || g->both; }

/*
 * What of a picture stays: where mask is 0 the latent is the source's, noised. [n, h, w, c], mask [1, h, w, 1]. A1111 puts the source
 * into every estimate, ComfyUI into what the network sees as well; diffusers after every step (the caller's after_step does).
 */
typedef struct {
    Tensor source, noise, mask; /* source.n 0: everything may change */
    bool in_estimate, in_input;
} Kept;

/* x = mask * x + (1 - mask) * (source + sigma * noise) */
void kept_put(const Kept *k, Tensor x, double sigma);

typedef struct Denoiser Denoiser;
struct Denoiser {
    const Noise *noise;
    NetworkFn network;
    void *ctx;
    Guidance guidance;
    Kept kept;
    bool round_timestep; /* a timestep that is looked up goes to the nearest integer, as in ComfyUI; else fractional */
    Arena *arena;        /* for temporaries */

    /* The exact D for tests, used instead of the network when set. */
    int (*exact)(void *ctx, Tensor x0, Tensor x, double sigma, Err *e);

    /* The samplers' */
    int step;        /* the step that asks */
    Tensor unguided; /* if n > 0: where the estimate without the prompt goes (without guidance: the estimate) */
    int evals;       /* counts the calls of the network */
};

static inline bool denoiser_guided(const Denoiser *d)
{
    const Guidance *g = &d->guidance;
    return guidance_on(g) && (!g->limited || (g->from <= d->step && d->step < g->end));
}

/*
 * x0 = D(x; sigma), [n, h, w, c]; t NAN: looked up from sigma. Guidance joins the network's raw outputs:
 * F = F_negative + scale * (F_prompt - F_negative), and rescales. Error: cancelled, or NaN / infinity in the result (the text says at
 * which sigma).
 */
int denoise(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e);

#endif
