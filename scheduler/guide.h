/*
 * guide.h - guidance: which evaluations of the network a step wants, and what it makes of them. A table, one row a method; those
 * that are on act one after the other, in the table's order.
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

/* What the network is told in an evaluation, and what is done to it. */
typedef enum {
    BRANCH_NEGATIVE,
    BRANCH_PROMPT,
    BRANCH_BLIND,           /* the negative prompt, and nothing of the picture that stands beside the latent */
    BRANCH_EMPTY,           /* the empty prompt */
    BRANCH_IDENTITY,        /* the prompt; in chosen self-attentions each place sees itself alone (PAG) */
    BRANCH_SMOOTHED,        /* the prompt; in chosen self-attentions the queries are blurred (SEG) */
    BRANCH_DEGRADED,        /* the negative prompt, of another latent (SAG) */
    BRANCH_DEGRADED_PROMPT, /* the prompt, of another latent: SAG without guidance */
    BRANCH_KINDS
} BranchKind;

/* Returns whether that is told the prompt, and not the negative or the empty one. */
bool branch_prompted(BranchKind kind);

/* One evaluation of a step for each picture. */
typedef struct {
    BranchKind of;
    int part; /* of a prompt of several parts */
} Branch;

/* What the parts of each picture's prompt weigh (guide_compose.c). */
typedef struct {
    int parts, pictures;
    const double *weight; /* [pictures, parts] */
    const float *mask;    /* [parts, h * w of the latent]: where each counts, times its weight; NULL: everywhere */
} Composed;

/* What a run asks of guidance. */
typedef struct {
    float scale;  /* <= 1: no guidance, only the prompt is evaluated (as diffusers: 0 is for Turbo models) */
    bool both;    /* the negative prompt is evaluated whatever the scale: CFG++ */
    bool limited; /* guidance only in steps from <= step < end, arXiv:2404.07724 */
    int from, end;
    int evaluations;          /* of a run, as A1111 counts them: its steps, or a multiple of them; 0: it is not known */
    bool comfyui;             /* as ComfyUI does it, where the tools differ */
    int parts;                /* of a prompt; 0: one */
    const Composed *composed; /* NULL: one part that weighs 1 */
    double value[GUIDES_MAX][GUIDE_VALUES]; /* of each row, in the order of its options; 0: not given */
} Guidance;

/* What a row keeps from one evaluation of a run to the next. */
typedef struct {
    Tensor x;   /* n 0: it keeps nothing */
    bool there; /* x was written to */
    int step;   /* when */
} GuideMemory;

/* A step as the guides see it. Tensors [n, h, w, c]; none of another's may be written to. */
typedef struct {
    const Guidance *guidance;
    GuideMemory *memory;  /* [GUIDES_MAX], a row's at its index; NULL: there is none */
    int step, evaluation; /* of the run, from 0 */
    double sigma, t;      /* t: the timestep that the network is told */
    Prediction prediction;
    double c_skip, c_out; /* the clean latent's estimate is c_skip x + c_out raw */
    Tensor x;             /* the latents */
    bool no_negative;     /* no row acts that needs the negative prompt's evaluation */
    bool reused;          /* the negative prompt's is not asked for: it will be made of an earlier one */
    bool wants_map;       /* map is to be filled in round 0 */
    Tensor map;   /* [branches of round 0 * n, h, w, 1]: how much the middle's self-attention looks at each place */
    Tensor other; /* the latents of the next round, where they are others; n 0: x */
    Tensor in;    /* the network's input, of unit variance */
    Branch branch[BRANCHES_MAX]; /* of all rounds so far */
    Tensor raw[BRANCHES_MAX];    /* what the network made of each */
    int branches;
    Tensor out;   /* what counts as the network's output: the first guide finds the prompt's */
    Arena *arena; /* for temporaries, and for a new out */
} GuideStep;

typedef struct {
    const char *name, *paper;
    const char *help;                  /* one line */
    const char *options[GUIDE_VALUES]; /* of the command line, whose numbers are its values; the rest NULL */
    bool negative;                     /* it needs the negative prompt's evaluation */
    bool remembers;                    /* it has a GuideMemory */

    /* Returns whether it acts in a run. value: its numbers. */
    bool (*on)(const Guidance *g, const double *value);
    /*
     * Asks for evaluations with guide_want(). round: 0 first; the next comes when those of this one are there, as long as a guide
     * asks for more. NULL: those that others ask for are enough.
     */
    void (*branches)(GuideStep *s, const double *value, int round);
    /* Makes s->out of s->raw. In a dry arena tensors have no data. NULL: it acts elsewhere. */
    void (*join)(GuideStep *s, const double *value);
} Guide;

extern const Guide guides[]; /* ends with name NULL */

/* The numbers of a row, by its name, to be filled. */
double *guide_values(Guidance *g, const char *name);

/* Returns whether any step of a run evaluates that kind. */
bool guidance_wants(const Guidance *g, BranchKind kind);

/* Prompts that a picture is told of: 1 the prompt; 2 the negative one before it; 3 the empty one between them. */
int guidance_prompts(const Guidance *g);

/* Memory [GUIDES_MAX] for a run of latents like x, in the arena; what a row keeps begins as zeros. */
void guides_begin(const Guidance *g, Tensor x, Arena *a, GuideMemory *memory);
/* A row's, by its name. */
GuideMemory *guide_memory(const GuideStep *s, const char *name);

/* Returns whether step asks for guidance: it is on, and the step lies in the interval. */
bool guidance_in(const Guidance *g, int step);

/* Asks for an evaluation, once however often it is asked for. */
void guide_want(GuideStep *s, Branch branch);

/* What the network made of the first branch of that kind; n 0: nothing asked for it. */
Tensor guide_raw(const GuideStep *s, BranchKind kind);

/* What all guides that are on in this step ask for in a round. Round 0 always has the prompt. */
void guides_branches(GuideStep *s, int round);
void guides_join(GuideStep *s);

#endif
