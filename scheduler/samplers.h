/*
 * samplers.h - the samplers, from noise to a latent: a table with one row each. A sampler knows only D(x; sigma).
 *
 *     const Sampler *s = sampler_find("dpmpp_2m");
 *     timeline_init(&tl, schedule_find("karras"), noise, s->family, 20, e);
 *     x = tl.scale * unit noise;
 *     sampler_run(s, &(Sampling){ .d = &d, .x = x, .tl = &tl, .rng = rngs, .eta = s->eta, .arena = &arena }, e);
 */
#ifndef LIMN_SCHEDULER_SAMPLERS_H
#define LIMN_SCHEDULER_SAMPLERS_H

#include "scheduler/compat.h"
#include "scheduler/config.h"
#include "scheduler/denoiser.h"
#include "scheduler/rng.h"
#include "scheduler/schedules.h"

/*
 * Rarely used settings. Zeros are the defaults.
 *
 * churn: Karras et al. 2022, arXiv:2206.00364, algorithm 2: before a step whose sigma lies in tmin .. tmax, sigma is raised by
 * the share min(churn / steps, sqrt(2) - 1) with noise (euler, heun, dpm_2, heunpp2).
 */
typedef struct {
    Compat compat; /* where the tools' versions of a sampler differ */
    Solver solver; /* the settings of diffusers' classes; order: of multistep and singlestep samplers, 1 .. 4 */
    double churn, tmin, tmax; /* tmax 0: no end */
    double noise_less;        /* 1 - s_noise: how much weaker all fresh noise is */
    bool cut, first_twice;    /* plms from a picture, as diffusers' pipelines run it (pndm.c) */
} Tuning;

/* One run. */
typedef struct {
    Denoiser *d;
    Tensor x;              /* [n, h, w, c]: in tl->scale * unit noise, out the clean latent */
    const Timeline *tl;    /* made for the sampler's family */
    Rng *rng;              /* [n] a generator for each picture; see fresh_noise() */
    const uint64_t *seeds; /* [n] of the Brownian trees; NULL: those of rng */
    double eta;            /* share of fresh noise, 0 .. 1 */
    Tuning tuning;
    Arena *arena;
    /* After step i (0-based) x is the latent at tl->sigma[i + 1]; x0 the denoised estimate. Error: stops the run. May be NULL. */
    int (*after_step)(void *ctx, int i, Tensor x, Tensor x0, Err *e);
    void *ctx;
} Sampling;

/* The source of randomness apart from the first noise. */
typedef enum {
    SAMPLER_ODE,       /* none: it solves the probability-flow ODE, and converges as the number of steps grows */
    SAMPLER_ANCESTRAL, /* fresh noise each step, the generator's next draws */
    SAMPLER_SDE, /* it solves the reverse SDE; with a Brownian tree the noise depends on the sigmas, not on the steps */
} SamplerKind;

typedef struct {
    const char *name;    /* "dpmpp_2m" */
    const char *a1111;   /* its name in A1111's `parameters`: "DPM++ 2M"; made up if A1111 lacks it */
    const char *aliases; /* names in other tools, separated by commas */
    const char *paper;   /* "Lu et al. 2022, arXiv:2211.01095" */
    const char *help;    /* one line: what it does */
    const char *when;    /* one line: when to use it */
    int (*run)(const Sampling *s, Err *e);
    Family family; /* how diffusers lays out its timesteps */
    SamplerKind kind;
    int order;             /* of convergence on an ODE, with eta 0; 0: not an ODE solver */
    double eta;            /* the default eta; > 0: it draws fresh noise */
    bool takes_eta;        /* the user may set eta */
    bool multistep;        /* remembers earlier steps */
    bool adaptive;         /* chooses its own steps: the timeline gives only the two ends */
    bool cfg_pp;           /* CFG++: needs the estimate without the prompt, whatever the guidance */
    const char *automatic; /* A1111's schedule for "Automatic": "karras"; NULL: "normal" */
    bool drops[3];         /* by Compat: compute one sigma more, and leave out the last but one */
    bool ensd;             /* A1111's ENSD applies to it */
    NetworkKind
        only; /* the kind of network that it is for, which has no other sampler; 0: those with timesteps, and EDM's */
    SchedulerRun
        as; /* its class in diffusers, or the one whose timesteps it uses; no name: k-diffusion's, which has none */
} Sampler;

extern const Sampler samplers[]; /* ends with name NULL */

/*
 * NULL when there is none; knows A1111's, k-diffusion's, ComfyUI's, InvokeAI's and diffusers' names. A schedule at the end of the
 * name ("DPM++ 2M Karras") is split off with sampler_split().
 */
const Sampler *sampler_find(const char *name);

/* The default share of fresh noise: diffusers' pipelines give TCD their own eta, 0. */
double sampler_eta(const Sampler *s, Compat compat);

/* "DPM++ 2M Karras", "dpmpp_2m_k": the sampler, and in *schedule the schedule's row name, or NULL if the name has none. */
const Sampler *sampler_split(const char *name, const char **schedule);

/* Returns whether the first noise alone determines the picture: an ODE solver, or eta 0. */
bool sampler_deterministic(const Sampler *s, double eta);

/* Evaluations of the network for the timeline, from a dry run. 0: the sampler chooses its own steps. */
int sampler_evals(const Sampler *s, const Timeline *tl);

/*
 * Calls s->run() and frees its temporaries. In a dry arena it only counts the allocations of a run, with the network.
 * Error: that of the denoiser or after_step, with the step in front.
 */
int sampler_run(const Sampler *sampler, const Sampling *s, Err *e);

/*
 * out [n, h, w, c] = unit noise, picture k from rng[k]: one draw of [c, h, w] each, as torch draws a latent. The initial noise
 * is drawn this way, and then each step's. The temporary is in the arena.
 */
void fresh_noise(Tensor out, Rng *rng, Arena *arena);

#endif
