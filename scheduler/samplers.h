/*
 * samplers.h - the ways from noise to a latent: a table, one row a sampler. A sampler knows only D(x; sigma).
 */
#ifndef LIMN_SCHEDULER_SAMPLERS_H
#define LIMN_SCHEDULER_SAMPLERS_H

#include "scheduler/denoiser.h"
#include "scheduler/rng.h"

/* One run. */
typedef struct {
    Denoiser *d;
    Tensor x;            /* [n, h, w, c]: in sigma[0] * noise, out the clean latent */
    const double *sigma; /* [steps + 1], falling, the last 0 */
    const double *t;     /* [steps] as in schedules.h */
    int steps;
    Rng *rng;            /* [n] a generator for each picture; fresh noise is one draw of [c, h, w] from each */
    double eta;          /* ddim, ancestral: share of fresh noise */
    Arena *arena;
    /* After step i (0-based) x is the latent at sigma[i + 1]; x0 the denoised estimate. Error: stops the run. May be NULL. */
    int (*after_step)(void *ctx, int i, Tensor x, Tensor x0, Err *e);
    void *ctx;
} Sampling;

typedef struct {
    const char *name; /* "dpmpp_2m" */
    const char *help; /* one line */
    const char *a1111; /* its name in A1111's `parameters`: "DPM++ 2M" */
    int (*run)(const Sampling *s, Err *e);
    int order;          /* of convergence on an ODE; 0: stochastic */
    double eta;         /* the default eta */
    const char *schedule; /* the schedule users expect with it */
    int evals_per_step; /* 2: the last step takes 1 (2N - 1) */
    bool round_timestep;
} Sampler;

extern const Sampler samplers[]; /* ends with name NULL */

const Sampler *sampler_find(const char *name); /* NULL when there is none; knows A1111's, k-diffusion's and diffusers' names */

#endif
