/*
 * samplers.h - the ways from noise to a latent: a table, one row a sampler. A sampler knows only D(x; sigma).
 *
 *     const Sampler *s = sampler_find("dpmpp_2m");
 *     timeline_init(&tl, schedule_find("karras"), noise, s->family, 20, e);
 *     x = tl.scale * unit noise;
 *     sampler_run(s, &(Sampling){ .d = &d, .x = x, .tl = &tl, .rng = rngs, .eta = s->eta, .arena = &arena }, e);
 */
#ifndef LIMN_SCHEDULER_SAMPLERS_H
#define LIMN_SCHEDULER_SAMPLERS_H

#include "scheduler/denoiser.h"
#include "scheduler/rng.h"
#include "scheduler/schedules.h"

/* One run. */
typedef struct {
    Denoiser *d;
    Tensor x;           /* [n, h, w, c]: in tl->scale * unit noise, out the clean latent */
    const Timeline *tl; /* made for the sampler's family: diffusers' picture */
    Rng *rng;           /* [n] a generator for each picture; see fresh_noise() */
    double eta;         /* ddim, ancestral: share of fresh noise, 0 .. 1 */
    Arena *arena;
    /* After step i (0-based) x is the latent at tl->sigma[i + 1]; x0 the denoised estimate. Error: stops the run. May be NULL. */
    int (*after_step)(void *ctx, int i, Tensor x, Tensor x0, Err *e);
    void *ctx;
} Sampling;

/* Where the randomness of a picture comes from, beside the first noise. */
typedef enum {
    SAMPLER_ODE,       /* nowhere: it solves the probability-flow ODE, and converges as steps grow */
    SAMPLER_ANCESTRAL, /* fresh noise each step, the generator's next draws */
    SAMPLER_SDE,       /* it solves the reverse SDE: noise that belongs to the sigmas, whatever the steps */
} SamplerKind;

typedef struct {
    const char *name;    /* "dpmpp_2m" */
    const char *help;    /* one line */
    const char *a1111;   /* its name in A1111's `parameters`: "DPM++ 2M" */
    const char *aliases; /* what other tools call it, parted by commas */
    int (*run)(const Sampling *s, Err *e);
    Family family;      /* how diffusers lays out its timesteps */
    int order;          /* of convergence on an ODE, with eta 0; 0: not an ODE solver */
    double eta;         /* the default eta; > 0: it draws fresh noise */
    bool takes_eta;     /* eta is the user's to choose */
    int evals_per_step; /* 2: the last step takes 1 (2N - 1) */
    SamplerKind kind;
} Sampler;

extern const Sampler samplers[]; /* ends with name NULL */

const Sampler *
sampler_find(const char *name); /* NULL when there is none; knows A1111's, k-diffusion's and diffusers' names */

/* Whether the same first noise gives the same picture whatever is drawn later: an ODE solver, or eta 0. */
bool sampler_deterministic(const Sampler *s, double eta);

/* Evaluations of the network that the timeline takes, from a dry run. 0: the sampler chooses its own steps. */
int sampler_evals(const Sampler *s, const Timeline *tl);

/*
 * s->run() with its temporaries given back. In a dry arena it only walks through the allocations of a run, with the network.
 * Error: what the denoiser or after_step says, with the step before it.
 */
int sampler_run(const Sampler *sampler, const Sampling *s, Err *e);

/*
 * out [n, h, w, c] = unit noise, picture k from rng[k]: one draw of [c, h, w] each, as torch draws a latent. The initial noise
 * is drawn so, and then each step's. The temporary is in arena.
 */
void fresh_noise(Tensor out, Rng *rng, Arena *arena);

#endif
