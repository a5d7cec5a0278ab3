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
 * negative prompt, the second on the prompt. x and out [n, h, w, c], both the denoiser's. Error: cancelled.
 */
typedef int (*NetworkFn)(void *ctx, Tensor out, Tensor x, float t, Err *e);

typedef struct Denoiser Denoiser;
struct Denoiser {
    const Noise *noise;
    NetworkFn network;
    void *ctx;
    float cfg_scale; /* <= 1: no guidance, only the prompt's half is computed (as diffusers: 0 is for Turbo models) */
    bool round_timestep; /* a timestep that is looked up goes to the nearest integer, as in ComfyUI; else fractional */
    Arena *arena;        /* for temporaries */

    /* The exact D for tests, used instead of the network when set. */
    int (*exact)(void *ctx, Tensor x0, Tensor x, double sigma, Err *e);

    int evals; /* counts the calls of the network */
};

static inline bool denoiser_guided(const Denoiser *d) { return d->cfg_scale > 1; }

/*
 * x0 = D(x; sigma), [n, h, w, c]; t NAN: looked up from sigma. Guidance joins the network's raw outputs:
 * F = F_negative + cfg_scale * (F_prompt - F_negative). Error: cancelled, or NaN / infinity in the result (the text says at
 * which sigma).
 */
int denoise(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e);

#endif
