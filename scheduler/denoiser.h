/*
 * denoiser.h - D(x; sigma): the network as an estimate of the clean latent (Karras et al. 2022, arXiv:2206.00364, eq. 7).
 *
 * Prediction types and the timestep of a sigma are handled here, guidance in guide.h, so that samplers know only x0 = D(x;
 * sigma). x is in the variance-exploding scale: x = x0 + sigma * noise.
 */
#ifndef LIMN_SCHEDULER_DENOISER_H
#define LIMN_SCHEDULER_DENOISER_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/tensor.h"
#include "scheduler/guide.h"
#include "scheduler/noise.h"

/* A call of the network: one batch, branch after branch, each of as many samples as there are pictures. */
typedef struct {
    Tensor
        x; /* [branches * n, h, w, c], the latents scaled to unit variance (x / sqrt(sigma^2 + 1)), the same for each branch */
    const Branch *branch;
    int branches;
    int step; /* of the run, from 0 */
    int call; /* evaluations of the run before it */
    double sigma;
    float t;     /* one timestep for all */
    Tensor *map; /* output: how much the middle block's self-attention attends to each place; NULL: not wanted */
} Evaluation;

/* The raw network: out = F(x, t), of x's shape. Error: cancelled. */
typedef int (*NetworkFn)(void *ctx, Tensor out, const Evaluation *ev, Err *e);

/*
 * The kept part of a picture (inpainting): where mask is 0 the latent is the source's, noised. [n, h, w, c], mask [1, h, w, 1].
 * A1111 puts the source into every estimate, ComfyUI into the network's input as well; diffusers after every step (the caller's
 * after_step does that).
 */
typedef struct {
    Tensor source, noise, mask; /* source.n 0: everything may change */
    bool in_estimate, in_input;
    bool soft; /* differential diffusion (arXiv:2306.00950): a place may change once its mask reaches a threshold */
    double t_from, t_to; /* soft, in the estimate: the timesteps between which the threshold falls from 1 to 0 */
} Kept;

/* x = mask * x + (1 - mask) * (source + sigma * noise) */
void kept_put(const Kept *k, Tensor x, double sigma);

/* x = source + sigma * noise where the mask is below the threshold; the rest of x stays. */
void kept_put_below(const Kept *k, Tensor x, double sigma, double threshold);

typedef struct Denoiser Denoiser;
struct Denoiser {
    const Noise *noise;
    NetworkFn network;
    void *ctx;
    Guidance guidance;
    GuideMemory *memory; /* guides_begin()'s; NULL: no guide has a memory */
    Kept kept;
    bool round_timestep; /* round a looked-up timestep to the nearest integer, as ComfyUI; else fractional */
    Arena *arena;        /* for temporaries */

    /* The exact D for tests, used instead of the network when set. */
    int (*exact)(void *ctx, Tensor x0, Tensor x, double sigma, Err *e);

    /* Set by the samplers. */
    int step;        /* the current step */
    Tensor unguided; /* if n > 0: receives the estimate without the prompt (without guidance: the estimate) */
    int before;      /* evaluations of the run that another denoiser made */
    int evals;       /* counts its calls of the network */
};

/*
 * x0 = D(x; sigma), [n, h, w, c]; t NAN: looked up from sigma. The active guides combine the network's raw
 * outputs. Error: cancelled, or NaN / infinity in the result (the text says at
 * which sigma).
 */
int denoise(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e);

#endif
