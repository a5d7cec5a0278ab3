/*
 * conclude.h - what the measures mean, in words: the cheapest cell within the target, from where on a sampler changes nothing
 * that can be seen, the order of convergence that was observed, the spread of those that draw fresh noise.
 */
#ifndef LIMN_COMPARE_CONCLUDE_H
#define LIMN_COMPARE_CONCLUDE_H

#include "compare/compare.h"

/*
 * Two pictures differ visibly when their PSNR is under VISIBLE_PSNR or their SSIM under VISIBLE_SSIM: flickering from one to
 * the other shows nothing then, on plain areas a difference of about one 8-bit level in each value.
 */
#define VISIBLE_PSNR 38.0
#define VISIBLE_SSIM 0.98

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
    char *title;  /* "Cheapest within psnr:35" */
    char **lines; /* one finding each */
    int count;
} Section;

typedef struct {
    RowFinding *rows; /* [row_count] */
    int row_count;
    int best[2];    /* row and column of the cheapest within the target; -1: none */
    int nearest[2]; /* then the nearest to it; -1: nothing was measured */
    Section *sections;
    int section_count;
} Conclusions;

/* Reads pictures again, so it can fail. conclusions_release() also then. */
int conclude(Conclusions *k, const Comparison *c, Err *e);
void conclusions_release(Conclusions *k);

#endif
