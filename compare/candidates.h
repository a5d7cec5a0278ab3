/*
 * candidates.h - the choices of sampler, schedule and steps that a verdict is between: how near each comes to the converged picture,
 * and how sure that is of prompts and seeds that were not tried.
 *
 * Pictures of one prompt are alike, so where there are several prompts each counts as one observation, the mean over its seeds: an
 * interval is then over prompts. With one prompt each picture is an observation.
 */
#ifndef LIMN_COMPARE_CANDIDATES_H
#define LIMN_COMPARE_CANDIDATES_H

#include "compare/compare.h"
#include "compare/interval.h"

/* What --target may name. Texts are as a sentence has them. */
typedef struct {
    const char *name, *words, *unit;
    int digits;
    double (*of)(const Measures *m);
    bool more;        /* more is nearer */
    double most;      /* there is no more; 0: there is */
    double invisible; /* from there on a picture looks like the other; 0: it cannot tell */
} TargetMeasure;

/* The measure of a --target, whose text was checked when it was parsed, and its value. */
const TargetMeasure *target_measure(const char *target, double *value);

/* A measure as text: "38.2 dB", "infinite (the same pixels)". */
void target_add_value(Str *out, const TargetMeasure *t, double v);

typedef struct {
    const Cell *cell;         /* the first of its pictures */
    int count, reached;       /* pictures; of them that are within the target */
    int units, units_reached; /* observations: prompts, or pictures; of them all of whose pictures are within it */
    double *unit;             /* [units] of the target's measure, the mean over the observation's pictures; heap */
    Interval measure;         /* of the mean over observations */
    double worst;             /* picture */
    double evaluations, seconds, psnr, ssim, flip, flip_worst; /* means over pictures */
    double known; /* the target's measure of what the references know of themselves, the worst of them */
} Candidate;

/* What is measured in full, rows first. count 0: nothing is. */
typedef struct {
    Candidate *all;
    int count;
    bool prompts;             /* observations are prompts, else pictures */
    int tried;                /* choices that draw no fresh noise, measured or not */
    const Candidate *best;    /* the cheapest that is within the target on each picture; NULL: none is */
    const Candidate *nearest; /* the nearest to it */
    const Candidate *mostly;  /* cheaper than the best, and within it on nine in ten of 10 observations or more; NULL */
    const Candidate *dflt;    /* the model's default; NULL */
} Candidates;

void candidates_find(Candidates *k, const Comparison *c);
void candidates_release(Candidates *k);

/* Returns whether a cell is of the choice. */
bool candidate_has(const Candidate *x, const Comparison *c, const Cell *cell);

/* a - b of the target's measure, observation by observation (Student's t on the differences). n 0: they have not the same ones. */
Interval candidates_difference(const Candidate *a, const Candidate *b);

#endif
