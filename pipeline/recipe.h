/*
 * recipe.h - a job with every open choice made: rows of tables, enums and numbers instead of text. The user's job
 * is never written to, and a recipe does not change once it is made.
 */
#ifndef LIMN_PIPELINE_RECIPE_H
#define LIMN_PIPELINE_RECIPE_H

#include "base/err.h"
#include "clip/language.h"
#include "nn/kernels.h"
#include "pipeline/job.h"
#include "pipeline/model.h"
#include "pipeline/prompts.h"
#include "pipeline/watch.h"
#include "scheduler/samplers.h"
#include "scheduler/schedules.h"

/* How much memory may be spent on speed (--memory). */
typedef enum { MEMORY_LOW, MEMORY_NORMAL, MEMORY_HIGH } MemoryUse;

enum { IDS_MAX = 6 };

/* Further input channels of a UNet in addition to the latent, by their number. */
typedef enum {
    BESIDE_NOTHING,
    BESIDE_DEPTH,   /* 1: a map of depths */
    BESIDE_SMALL,   /* 3: a picture of the latent's size, with noise, to be upscaled */
    BESIDE_PICTURE, /* as many as the latent: the picture to edit */
    BESIDE_MASKED,  /* one more: a mask, and the picture without the masked part */
    BESIDE_UNKNOWN,
} BesideKind;

BesideKind recipe_beside(const Model *m);

typedef struct {
    Job said; /* the job with its open options filled: what metadata writes and `limn again` reads */

    FewSteps few; /* the model's, or an adapter's: what its defaults are from; what NULL: neither is for few steps */
    const Sampler *sampler;
    Noise noise;       /* the model's, as the sampler's class has it, with the job's prediction type */
    Timeline timeline; /* the sigmas that the run visits */
    Guidance guidance;
    bool *self_at[SELF_KINDS]; /* the self-attentions that guides perturb, [unet_selfs()]; heap, or NULL */
    UNetFreeU freeu;           /* version 0: none */
    Compat compat;
    Tuning tuning;
    double eta;
    RngKind rng;

    int layer[TEXTS_MAX];  /* of each text encoder, from the end, whose output is the embedding */
    bool normed;           /* after the final norm: networks without pooled text (SD 1.x, 2.x) */
    float ids[2][IDS_MAX]; /* text_time's numbers for the negative prompt and the prompt */

    bool shown;        /* the UNet has a picture's embedding as input (unCLIP, seen.h) */
    BesideKind beside; /* the UNet's further input channels */
    bool
        from_picture; /* --init-image is what the first latent is made of; its file's shape decides the size where none is given */
    bool masked;        /* only a part of it may change: --mask, --extend */
    bool pure_noise;    /* nothing of the picture is in the first latent (diffusers: inpainting with strength 1) */
    double first_sigma; /* of the noise that the picture's latent begins with */

    int w, h;                 /* of the latent */
    int window, overlap;      /* latents that the UNet evaluates at once, and that two windows share; 0: all */
    Precision precision;      /* what products round their factors to */
    bool wrap_x, wrap_y;      /* seamless */
    bool chunk;               /* a long prompt takes as many rows of tokens as it needs */
    const Language *language; /* of the prompts */
    Weighing weighing;        /* of A1111's weights in them */
    MemoryUse memory;
    int threads;
} Recipe;

/*
 * j: not changed; it may be freed afterwards. given: sigmas to visit instead of those of the job's schedule and steps; NULL:
 * none. The model must live as long as the recipe. Error: a wrong size, an unknown name, what the model cannot do.
 * recipe_release() also then.
 */
int recipe_make(Recipe *r, const Model *m, const Job *j, const Timeline *given, Err *e);
void recipe_release(Recipe *r);

/* Evaluations of the network that a picture takes; 0: the sampler chooses its steps. */
int recipe_evals(const Recipe *r);

/* The reader for the recipe's prompts, which reports dropped text to w; and the job's texts. */
PromptReader recipe_reader(const Recipe *r, const Model *m, const Watch *w);
PromptTexts recipe_texts(const Job *j);

/* The same without a recipe: for a job that is not drawn. */
PromptReader recipe_job_reader(const Job *j, const Model *m, const Watch *w);

/* Returns whether the job needs the VAE's encoder. */
bool recipe_encodes(const Job *j);

/* Returns whether a job's prompts can be read. */
bool recipe_can_read(const Model *m, const Job *j);

/* Steps as prompt editing counts them: with samplers that evaluate twice a step, evaluations, as in A1111. */
int recipe_counted_steps(const Sampler *s, int steps);

/* 0 if the model can draw that size. Error (ERR_USAGE): the text has the nearest sizes. */
int recipe_check_size(const Model *m, int width, int height, Err *e);

#endif
