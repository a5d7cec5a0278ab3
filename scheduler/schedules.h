/*
 * schedules.h - which sigmas a run of N steps visits: a table of rules, one row for each schedule, and the timeline that a rule
 * gives for a model and a family of samplers.
 */
#ifndef LIMN_SCHEDULER_SCHEDULES_H
#define LIMN_SCHEDULER_SCHEDULES_H

#include "base/err.h"
#include "scheduler/compat.h"
#include "scheduler/noise.h"

/*
 * diffusers lays out the same scheduler_config.json differently for its scheduler classes; k-diffusion, A1111 and ComfyUI
 * do as FAMILY_SIGMA. What differs is all here and in timeline_init().
 */
typedef enum {
    FAMILY_SIGMA, /* Euler, Heun, ...: fractional timesteps; noise starts at sigma, or sqrt(sigma^2 + 1) with leading spacing */
    FAMILY_KDPM,   /* DPM2: the same, but whole timesteps with karras */
    FAMILY_DPM,    /* DPM-Solver: whole timesteps; leading and linspace part the range in N + 1 and drop the last */
    FAMILY_SINGLE, /* its singlestep form: linspace whatever the model's spacing */
    FAMILY_UNIPC,  /* UniPC: as DPM-Solver, except with cosine betas */
    FAMILY_DEIS,   /* DEIS, SA-Solver: the same, but the last step ends at timestep 0's sigma */
    FAMILY_DDIM, /* DDIM, PNDM: whole timesteps; a step goes down by timesteps / N, whatever the next one's timestep is */
    FAMILY_DDPM, /* DDPM: the same, but a step goes to the next timestep, the last to 0 */
    FAMILY_LCM,  /* LCM: every k-th of the timesteps that the model was distilled on */
    FAMILY_TCD,  /* TCD: the same, but the last step ends at timestep 0's sigma */
    FAMILY_FLOW, /* flow matching: shares of noise instead of timesteps (flow.c) */
} Family;

enum { TIMELINE_BEFORE = 3 };

typedef struct {
    int steps;   /* as requested, except for ddim_uniform (see there) */
    int skipped; /* steps before them that timeline_skip() left out; diffusers' solvers count these too */
    double before
        [TIMELINE_BEFORE]; /* sigmas of the last of those, [0] the step just before the first; 0: there was none */
    double *sigma;         /* [steps + 1], falling, the last 0 */
    double *t;             /* [steps + 1] the network's timestep at each sigma */
    double *
        to; /* [steps] where step i ends, usually sigma[i + 1]; if not, x still counts as at sigma[i + 1] (step_done()) */
    double scale;       /* the first latent is scale * unit noise: sigma[0], or sqrt(sigma[0]^2 + 1) */
    bool unit_variance; /* the latter: diffusers but for FAMILY_SIGMA with trailing and linspace spacing */
    Family family;      /* FAMILY_SIGMA if the tool does not compute with unit variance */
    Compat compat;
} Timeline;

typedef struct {
    const char *name;    /* "karras" */
    const char *aliases; /* names in other tools, separated by commas */
    const char *a1111;   /* A1111's name for it, or for the closest one there; "": it has nothing like it */
    const char *help;    /* one line: what it is, source */
    const char *when;    /* one line: when to use it */
    /* Fills tl->sigma[0 .. steps - 1], and tl->t where it is made of timesteps; t NAN is looked up from sigma. */
    int (*fill)(const Noise *n, Timeline *tl, Err *e);
} Schedule;

extern const Schedule schedules[]; /* ends with name NULL */

const Schedule *
schedule_find(const char *name); /* NULL when there is none; ComfyUI, A1111 and diffusers spellings too */

/* ComfyUI's rule of the same name, if it differs: beta, kl_optimal, ays. */
const Schedule *schedule_for(const Schedule *s, Compat compat);

/* The inputs of a timeline. */
typedef struct {
    const Schedule *schedule;
    Family family; /* the sampler's */
    int steps;
    Compat compat;
    bool drop;               /* compute one sigma more, and leave out the last but one: Sampler.drops[compat] */
    const double *timesteps; /* [steps] falling; instead of the schedule's. NULL: the schedule's */
} TimelinePlan;

/*
 * The timeline of a run; timeline_release() frees it. Error: fewer than 1 step, or more than the
 * schedule has different sigmas for; zero terminal SNR with epsilon prediction where sigma would be infinite.
 */
int timeline_plan(Timeline *tl, const TimelinePlan *p, const Noise *n, Err *e);

/* The same with diffusers' layout. */
int timeline_init(Timeline *tl, const Schedule *s, const Noise *n, Family family, int steps, Err *e);
void timeline_release(Timeline *tl);

/* Given sigmas [steps + 1], falling to 0, of FAMILY_SIGMA: timesteps are looked up, the first latent is scale * unit noise. */
void timeline_from(Timeline *tl, const double *sigma, int steps, double scale, const Noise *n);
void timeline_copy(Timeline *dst, const Timeline *src); /* dst uninitialised */

/* Leaves out the first steps: a run from a picture starts at sigma[first]. */
void timeline_skip(Timeline *tl, int first);

/*
 * diffusers' latent before step i (i == steps: the result) is x times this: 1, or 1 / sqrt(sigma^2 + 1)
 * for the families that diffusers computes in the variance-preserving scale.
 */
double timeline_shown(const Timeline *tl, int i);

#endif
