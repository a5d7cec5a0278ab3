/*
 * generate.h - from a prompt to pixels, in numbered steps. A Generator holds what pictures of one job share: embeddings,
 * sigmas, the memory. It draws one picture or several at once; a picture has the same bytes in whatever company.
 */
#ifndef LIMN_PIPELINE_GENERATE_H
#define LIMN_PIPELINE_GENERATE_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/job.h"
#include "pipeline/memo.h"
#include "pipeline/model.h"
#include "pipeline/text_cache.h"
#include "scheduler/schedules.h"

/* What the run tells while it works; any member may be NULL. */
typedef struct {
    void *ctx;
    void (*warn)(void *ctx, const char *text);    /* one line for a person */
    void (*step)(void *ctx, int done, int steps); /* after each step; done == 0 before the first */
    bool (*cancelled)(void *ctx);                 /* asked before each evaluation of the UNet, and before the VAE */
} Watch;

typedef struct {
    double load, text, sample, decode; /* seconds */
    double first;                      /* when the first step began, by CLOCK_MONOTONIC */
    size_t memory;                     /* bytes reserved for activations */
    int evals;                         /* network evaluations */
} Timing;

/* What a run shares with others, and how large it may be. All of it may be 0. */
typedef struct {
    int batch;    /* pictures that generator_run() draws at once at most; 0: 1 */
    bool shrink;  /* where memory is too small for that many: fewer (generator_batch() tells) rather than an error */
    bool latents; /* Picture's latent is wanted */
    bool steps;   /* Picture's steps are wanted */
    TextCache *texts; /* embeddings that other generators of the model made; NULL: none are shared */
    Memo *memo;       /* first evaluations of the UNet of other generators of the model; NULL: none are shared */
    const Timeline *timeline; /* visited in place of what the job's schedule and steps give; NULL: none */
} Share;

/* One picture of a run; NULL: the job's own prompt. Of as many rows as the job's, generator_rows(), where that is not always 1. */
typedef struct {
    uint64_t seed;
    const char *prompt, *negative_prompt;
} Request;

typedef struct {
    Image image;
    float *latent; /* [h, w, c], the last one, before the VAE's scaling is undone; heap; NULL: was not wanted */
    Image *steps;  /* [step_count] what each step predicts that the clean picture is; heap; NULL: were not wanted */
    int step_count;
} Picture;

void picture_release(Picture *p);

typedef struct Generator Generator;

/*
 * Fills the job's open fields from the model's defaults (steps, size, sampler, ...), checks everything, computes the
 * embeddings, reserves all memory. Error: a wrong size, unknown sampler, not enough memory (the text has the figure).
 * The job, the model and what is shared (share may be NULL) stay the caller's and must live as long as the generator.
 */
Generator *generator_new(Model *m, Job *j, const Share *share, const Watch *w, Err *e);
void generator_free(Generator *g);

/* Pictures that there is room for. */
int generator_batch(const Generator *g);

/*
 * n pictures, 1 .. generator_batch(), in one batch through the UNet; out[i] is picture_release()'s. --trace: n is 1.
 * Error: cancelled (ERR_INTERRUPTED), NaN; then out holds nothing.
 */
int generator_run(Generator *g, const Request *requests, int n, Picture *out, Err *e);

/* Rows of tokens of the job's prompts: more than 1 only with --long-prompt chunk or --compat. 0: a prompt has an error. */
int generator_rows(const Model *m, const Job *j);

const Timing *generator_timing(const Generator *g);

/* Whether the model can draw that size. Error (ERR_USAGE): the nearest ones. */
int generator_check_size(const Model *m, int width, int height, Err *e);

/* Evaluations of the network that a picture of the job takes; 0: the sampler chooses its steps. Error: what generator_new() says. */
int generator_evals(const Model *m, const Job *j, int *evals, Err *e);

/* Where a picture of the job goes: timeline_release() it. Error: what generator_new() says. */
int generator_timeline(const Model *m, const Job *j, Timeline *out, Err *e);

/*
 * Bytes that a job of this model and size will need in all (weights, activations of a batch), from a dry pass. A large model's
 * matrices, which stay in the system's page cache, do not count.
 */
size_t generator_memory(const Model *m, const Job *j, int batch);

#endif
