/*
 * generate.h - from a prompt to pixels, in numbered steps. A Generator holds what pictures of one job share: embeddings,
 * sigmas, the memory.
 */
#ifndef LIMN_PIPELINE_GENERATE_H
#define LIMN_PIPELINE_GENERATE_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/model.h"

/* What the run tells while it works; any member may be NULL. */
typedef struct {
    void *ctx;
    void (*warn)(void *ctx, const char *text);    /* one line for a person */
    void (*step)(void *ctx, int done, int steps); /* after each step; done == 0 before the first */
    bool (*cancelled)(void *ctx);                 /* asked before each evaluation of the UNet, and before the VAE */
} Watch;

typedef struct {
    double load, text, sample, decode; /* seconds */
    size_t memory;                     /* bytes reserved for activations */
    int evals;                         /* network evaluations */
} Timing;

typedef struct Generator Generator;

/*
 * Fills the job's open fields from the model's defaults (steps, size, sampler, ...), checks everything, computes the
 * embeddings, reserves all memory. Error: a wrong size, unknown sampler, not enough memory (the text has the figure).
 * The job and the model stay the caller's and must live as long as the generator.
 */
Generator *generator_new(Model *m, Job *j, const Watch *w, Err *e);
void generator_free(Generator *g);

/* One picture of the seed (j->seed + index). *out is image_release()'s. Error: cancelled (ERR_INTERRUPTED), NaN. */
int generator_run(Generator *g, uint64_t seed, Image *out, Err *e);

const Timing *generator_timing(const Generator *g);

/* Whether the model can draw that size. Error (ERR_USAGE): the nearest ones. */
int generator_check_size(const Model *m, int width, int height, Err *e);

/* Bytes that a job of this model and size will need in all (weights, activations), from a dry pass. */
size_t generator_memory(const Model *m, const Job *j);

#endif
