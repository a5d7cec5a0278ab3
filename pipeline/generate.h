/*
 * generate.h - from a prompt to pixels, in numbered steps. A Generator holds the state that pictures of one recipe share:
 * embeddings, sigmas, memory. It draws one picture or several at once; a picture's bytes do not depend on the others.
 *
 * 1. recipe.c   the job, all choices made  4. passes.c   noise to latent
 * 2. encode.c   prompts to embeddings      5. picture.c  latent to pixels
 * 3. network.c  calls of the UNet          6. memory.c   how much memory all takes
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

/* What a run shares with others, and what it is to return. All of it may be 0. */
typedef struct {
    int batch;            /* the most pictures that generator_run() draws at once; 0: 1 */
    bool shrink;          /* if memory is too small for that many: fewer (see generator_batch()) instead of an error */
    bool latents;         /* return Picture.latent */
    bool steps;           /* return Picture.steps */
    Cache *texts;         /* embeddings from other generators of the model; NULL: not shared */
    Cache *firsts;        /* first evaluations of the UNet from other generators of the model; NULL: not shared */
    Model *refiner;       /* the model that the job's --refiner names; NULL: it names none */
    Cache *refiner_texts; /* as texts, of that model */
    const Timeline *timeline; /* replaces that of the job's schedule and steps; NULL: none */
} Share;

/* One picture of a run; prompts NULL: the job's own. generator_takes() checks whether it fits. */
typedef struct {
    uint64_t seed;
    const char *prompt, *negative_prompt;
    bool no_negative; /* the negative prompt was not given, which for SDXL is not the same as "" */
    bool varied;      /* the next two replace the job's */
    uint64_t variation_seed;
    double variation_strength;
    bool blended; /* the next one replaces the job's --blend */
    double blend;
} Request;

typedef struct {
    Image image;
    float *latent; /* [h, w, c], the last one, before the VAE's scaling is undone; heap; NULL: not requested */
    Image *steps;  /* [step_count] each step's prediction of the clean picture; heap; NULL: not requested */
    int step_count;
} Picture;

void picture_release(Picture *p);

typedef struct Generator Generator;

/*
 * Makes the choices that the job leaves open (recipe.h), checks everything, computes the embeddings, reserves all memory. Error:
 * a wrong size, unknown sampler, not enough memory (the text has the size). The job may be freed afterwards; the model and what
 * is shared (share may be NULL) stay the caller's and must live as long as the generator.
 */
Generator *generator_new(Model *m, const Job *j, const Share *share, const Watch *w, Err *e);
void generator_free(Generator *g);

/* The job with its open options filled in, and the VAE's tile that fits into memory: for metadata. */
const Job *generator_job(const Generator *g);

/*
 * Returns whether a picture of a similar job, with other prompts, can be drawn in a run of this generator: the prompts have
 * as many rows, texts and parts.
 */
bool generator_takes(Generator *g, const Job *j);

/* How many pictures fit into memory at once. */
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
