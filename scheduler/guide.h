/*
 * guide.h - guidance: which evaluations of the network a step needs, and how it combines them. A table with one row per method;
 * those that are on act one after the other, in the table's order.
 *
 * To add a method: a file guide_NAME.c with its functions, a row in guide.c, and rows of options for its numbers.
 */
#ifndef LIMN_SCHEDULER_GUIDE_H
#define LIMN_SCHEDULER_GUIDE_H

#include <stdbool.h>

#include "nn/tensor.h"
#include "scheduler/noise.h"

enum {
    GUIDES_MAX = 16,   /* rows of guides[] */
    GUIDE_VALUES = 4,  /* numbers that a method takes */
    BRANCHES_MAX = 32, /* evaluations of a step for each picture */
};

/* The inputs of the network in an evaluation, and how it is perturbed. */
typedef enum {
    BRANCH_NEGATIVE,
    BRANCH_PROMPT,
    BRANCH_BLIND,           /* the negative prompt, without the picture that is concatenated to the latent */
    BRANCH_EMPTY,           /* the empty prompt */
    BRANCH_IDENTITY,        /* the prompt; in chosen self-attentions each place attends only to itself (PAG) */
    BRANCH_SMOOTHED,        /* the prompt; in chosen self-attentions the queries are blurred (SEG) */
    BRANCH_DEGRADED,        /* the negative prompt, of another latent (SAG) */
    BRANCH_DEGRADED_PROMPT, /* the prompt, of another latent: SAG without guidance */
    BRANCH_KINDS
} BranchKind;

/* Returns whether that branch uses the prompt, not the negative or the empty one. */
bool branch_prompted(BranchKind kind);

/* One evaluation of a step for each picture. */
typedef struct {
    BranchKind of;
    int part; /* of a prompt of several parts */
} Branch;

/* The weights of the parts of each picture's prompt (guide_compose.c). */
typedef struct {
    int parts, pictures;
    const double *weight; /* [pictures, parts] */
    const float *mask;    /* [parts, h * w of the latent]: where each counts, times its weight; NULL: everywhere */
} Composed;

/* The guidance of a run. */
typedef struct {
    float scale;  /* <= 1: no guidance, only the prompt is evaluated (as diffusers: 0 is for Turbo models) */
    bool both;    /* evaluate the negative prompt whatever the scale: CFG++ */
    bool limited; /* guidance only in steps from <= step < end, arXiv:2404.07724 */
    int from, end;
    int evaluations;          /* of a run, as A1111 counts them: its steps, or a multiple of them; 0: unknown */
    bool comfyui;             /* follow ComfyUI where the tools differ */
    int parts;                /* of a prompt; 0: one */
    const Composed *composed; /* NULL: one part that weighs 1 */
    double value[GUIDES_MAX][GUIDE_VALUES]; /* of each row, in the order of its options; 0: not given */
} Guidance;

/* A tensor that a row keeps from one evaluation of a run to the next. */
typedef struct {
    Tensor x;   /* n 0: it keeps nothing */
    bool there; /* x was written to */
    int step;   /* when */
} GuideMemory;

/* A step, as passed to the guides. Tensors are [n, h, w, c]; a guide may write only to its own. */
typedef struct {
    const Guidance *guidance;
    GuideMemory *memory;  /* [GUIDES_MAX], a row's at its index; NULL: there is none */
    int step, evaluation; /* of the run, from 0 */
    double sigma, t;      /* t: the network's timestep */
    Prediction prediction;
    double c_skip, c_out; /* the clean latent's estimate is c_skip x + c_out raw */
    Tensor x;             /* the latents */
    bool no_negative;     /* no active row needs the negative prompt's evaluation */
    bool reused;          /* the negative prompt is not evaluated: an earlier evaluation replaces it */
    bool wants_map;       /* map must be filled in round 0 */
    Tensor map;   /* [branches of round 0 * n, h, w, 1]: how much the middle's self-attention attends to each place */
    Tensor other; /* the latents of the next round, if they differ from x; n 0: x */
    Tensor in;    /* the network's input, of unit variance */
    Branch branch[BRANCHES_MAX]; /* of all rounds so far */
    Tensor raw[BRANCHES_MAX];    /* the network's output for each */
    int branches;
    Tensor out;   /* the combined output; for the first guide, the prompt's */
    Arena *arena; /* for temporaries, and for a new out */
} GuideStep;

typedef struct {
    const char *name, *paper;
    const char *help;                  /* one line */
    const char *options[GUIDE_VALUES]; /* the command line options of its values; the rest NULL */
    bool negative;                     /* needs the negative prompt's evaluation */
    bool remembers;                    /* has a GuideMemory */

    /* Returns whether it is active in a run. value: its numbers. */
    bool (*on)(const Guidance *g, const double *value);
    /*
     * Requests evaluations with guide_want(). round: 0 first; the next follows when those of this one are done, as long as a
     * guide requests more. NULL: it needs no further evaluations.
     */
    void (*branches)(GuideStep *s, const double *value, int round);
    /* Computes s->out from s->raw. In a dry arena tensors have no data. NULL: it acts elsewhere. */
    void (*join)(GuideStep *s, const double *value);
} Guide;

extern const Guide guides[]; /* ends with name NULL */

/* The numbers of a row, by its name, to be filled. */
double *guide_values(Guidance *g, const char *name);

/* Returns whether any step of a run evaluates that kind. */
bool guidance_wants(const Guidance *g, BranchKind kind);

/* Number of prompts for each picture: 1 the prompt; 2 also the negative one, before it; 3 also the empty one, between them. */
int guidance_prompts(const Guidance *g);

/* Allocates memory [GUIDES_MAX] for a run of latents like x, in the arena, filled with zeros. */
void guides_begin(const Guidance *g, Tensor x, Arena *a, GuideMemory *memory);
/* A row's, by its name. */
GuideMemory *guide_memory(const GuideStep *s, const char *name);

/* Returns whether the step is guided: guidance is on, and the step lies in the interval. */
bool guidance_in(const Guidance *g, int step);

/* Requests an evaluation; repeated requests count once. */
void guide_want(GuideStep *s, Branch branch);

/* The network's output for the first branch of that kind; n 0: it was not requested. */
Tensor guide_raw(const GuideStep *s, BranchKind kind);

/* Collects the requests of all active guides for a round. Round 0 always has the prompt. */
void guides_branches(GuideStep *s, int round);
void guides_join(GuideStep *s);

#endif
