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
 * The raw network: out = F(x, t) for n samples in one batch; with guidance n is 2 * pictures, the negative half first.
 * x and out [n, h, w, c]; t one timestep for all. Error: cancelled.
 */
typedef int (*NetworkFn)(void *ctx, Tensor out, Tensor x, float t, Err *e);

typedef struct Denoiser Denoiser;
struct Denoiser {
    const Noise *noise;
    NetworkFn network;
    void *ctx;
    float cfg_scale;     /* 1: only the positive half is computed, batch of n instead of 2n */
    bool round_timestep; /* nearest integer, as ComfyUI and diffusers' DPM++ do; else fractional (k-diffusion, diffusers Euler) */
    Arena *arena;        /* for temporaries */

    /* The exact D for tests, used instead of the network when set. */
    int (*exact)(void *ctx, Tensor x0, Tensor x, float sigma, Err *e);

    /* Called after every evaluation; evals counts them. */
    int evals;
};

/*
 * x0 = D(x; sigma), [n, h, w, c]; t NAN: looked up from sigma. Error: cancelled, or NaN / infinity in the network's output
 * (the text says at which sigma and what to try).
 */
int denoise(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e);

#endif
