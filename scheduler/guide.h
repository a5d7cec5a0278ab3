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
    GUIDES_MAX = 16,  /* rows of guides[] */
    GUIDE_VALUES = 4, /* numbers that a method takes */
    BRANCHES_MAX = 8, /* evaluations of a step for each picture */
};

/* What the network is told in an evaluation. */
/* BRANCH_BLIND: the negative prompt, and nothing of the picture that stands beside the latent. */
typedef enum { BRANCH_NEGATIVE, BRANCH_PROMPT, BRANCH_BLIND, BRANCH_KINDS } BranchKind;

/* One evaluation of a step for each picture. */
typedef struct {
    BranchKind of;
} Branch;

/* What a run asks of guidance. */
typedef struct {
    float scale;  /* <= 1: no guidance, only the prompt is evaluated (as diffusers: 0 is for Turbo models) */
    bool both;    /* the negative prompt is evaluated whatever the scale: CFG++ */
    bool limited; /* guidance only in steps from <= step < end, arXiv:2404.07724 */
    int from, end;
    bool comfyui;                           /* as ComfyUI does it, where the tools differ */
    double value[GUIDES_MAX][GUIDE_VALUES]; /* of each row, in the order of its options; 0: not given */
} Guidance;

/* A step as the guides see it. Tensors [n, h, w, c]; none of another's may be written to. */
typedef struct {
    const Guidance *guidance;
    int step;
    double sigma;
    Prediction prediction;
    Tensor in;                   /* the network's input, of unit variance */
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

    /* Whether it acts in a run. value: its numbers. */
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

/* Whether any step of a run evaluates that kind. */
bool guidance_wants(const Guidance *g, BranchKind kind);

/* Whether step asks for guidance: it is on, and the step lies in the interval. */
bool guidance_in(const Guidance *g, int step);

/* Asks for an evaluation, once however often it is asked for. */
void guide_want(GuideStep *s, Branch branch);

/* What the network made of the first branch of that kind; n 0: nothing asked for it. */
Tensor guide_raw(const GuideStep *s, BranchKind kind);

/* What all guides that are on in this step ask for in a round. Round 0 always has the prompt. */
void guides_branches(GuideStep *s, int round);
void guides_join(GuideStep *s);

#endif
