/*
 * conclude.h - conclusions from the measures, as text: what to use, from which step count on a sampler changes nothing
 * that can be seen, the order of convergence that was observed, the spread of those that draw fresh noise.
 */
#ifndef LIMN_COMPARE_CONCLUDE_H
#define LIMN_COMPARE_CONCLUDE_H

#include "compare/candidates.h"

typedef struct {
    bool deterministic;
    double order;   /* observed; NAN: not observed */
    int from, to;   /* columns between which it was observed */
    int claimed;    /* by the sampler's row; 0: nothing */
    int settled;    /* column from which on nothing changes visibly; -1: none */
    double *spread; /* [columns][3]: mean latent RMSE, PSNR, SSIM between seeds; NAN: one seed. heap */
    double *change; /* [columns]: PSNR from the column before, mean over seeds; NAN in the first. heap */
} RowFinding;

typedef struct {
    char *title;
    char **lines; /* one finding each */
    int count;
    bool verdict; /* it says what to use */
} Section;

typedef struct {
    RowFinding *rows; /* [row_count] */
    int row_count;
    Candidates candidates; /* count 0: there is nothing to choose */
    Section *sections;
    int section_count;
} Conclusions;

/* Reads pictures again, so it can fail. conclusions_release() also then. */
int conclude(Conclusions *k, const Comparison *c, Err *e);
void conclusions_release(Conclusions *k);

/* Returns whether the cell is of the choice that is recommended. */
bool conclusions_recommend(const Conclusions *k, const Comparison *c, const Cell *cell);

/* A section, and lines of it. */
Section *conclusions_add(Conclusions *k, const char *title);
__attribute__((format(printf, 2, 3))) void section_add(Section *s, const char *fmt, ...);

#endif
