/*
 * generate.h - from a prompt to pixels, in numbered steps. A Generator holds what pictures of one recipe share: embeddings, sigmas,
 * the memory. It draws one picture or several at once; a picture has the same bytes in whatever company.
 *
 * 1. recipe.c   the job, decided           4. passes.c   noise to latent
 * 2. encode.c   prompts to embeddings      5. picture.c  latent to pixels
 * 3. network.c  the UNet, as it is called  6. memory.c   how much of it all takes
 */
#ifndef LIMN_PIPELINE_GENERATE_H
#define LIMN_PIPELINE_GENERATE_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/cache.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/watch.h"
#include "scheduler/schedules.h"

typedef struct {
    double load, text, sample, decode; /* seconds */
    double first;                      /* when the first step began, by CLOCK_MONOTONIC */
    size_t memory;                     /* bytes reserved for activations */
    int evals;                         /* network evaluations */
    bool shared;                       /* the first of them was in the cache */
    int before;                        /* steps of the last run before the refiner's; -1: there was no refiner */
} Timing;

/* What a run shares with others, and how large it may be. All of it may be 0. */
typedef struct {
    int batch;      /* pictures that generator_run() draws at once at most; 0: 1 */
    bool shrink;    /* where memory is too small for that many: fewer (generator_batch() tells) rather than an error */
    bool latents;   /* Picture's latent is wanted */
    bool steps;     /* Picture's steps are wanted */
    Cache *texts;   /* embeddings that other generators of the model made; NULL: none are shared */
    Cache *firsts;  /* first evaluations of the UNet of other generators of the model; NULL: none are shared */
    Model *refiner; /* the model that the job's --refiner names; NULL: it names none */
    Cache *refiner_texts;     /* as texts, of that model */
    const Timeline *timeline; /* visited in place of what the job's schedule and steps give; NULL: none */
} Share;

/* One picture of a run; NULL: the job's own prompt. generator_takes() tells whether it fits. */
typedef struct {
    uint64_t seed;
    const char *prompt, *negative_prompt;
    bool no_negative; /* the negative prompt was not given, which for SDXL is not the same as "" */
    bool varied;      /* what follows counts in place of what the job says */
    uint64_t variation_seed;
    double variation_strength;
    bool blended; /* what follows counts in place of the job's --blend */
    double blend;
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
 * Decides what the job leaves open (recipe.h), checks everything, computes the embeddings, reserves all memory. Error: a wrong
 * size, unknown sampler, not enough memory (the text has the figure). The job may be freed afterwards; the model and what is
 * shared (share may be NULL) stay the caller's and must live as long as the generator.
 */
Generator *generator_new(Model *m, const Job *j, const Share *share, const Watch *w, Err *e);
void generator_free(Generator *g);

/* The job with what the model chose for its open options, and the VAE's tile that fits into memory: for metadata. */
const Job *generator_job(const Generator *g);

/*
 * Returns whether a picture of a job of the same kind, with prompts of its own, can be drawn in a run of it: they have
 * as many rows, texts and parts.
 */
bool generator_takes(Generator *g, const Job *j);

/* Pictures that there is room for. */
int generator_batch(const Generator *g);

/*
 * n pictures, 1 .. generator_batch(), in one batch through the UNet; out[i] is picture_release()'s. --trace: n is 1.
 * Error: cancelled (ERR_INTERRUPTED), NaN; then out holds nothing.
 */
int generator_run(Generator *g, const Request *requests, int n, Picture *out, Err *e);

const Timing *generator_timing(const Generator *g);

/*
 * Bytes that a job of this model and size will need in all (weights, activations of a batch), from a dry pass. A large model's
 * matrices, which stay in the system's page cache, do not count.
 */
size_t generator_memory(const Model *m, const Job *j, int batch);

#endif
