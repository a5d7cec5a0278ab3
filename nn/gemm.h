/*
 * gemm.h - the matrix product that every layer but attention comes down to: y = x W^T + bias + residual.
 *
 * The left side is prepared for a block of rows (gathered, normalised, rounded to bfloat16 as the layer wishes), then each
 * panel of W is converted once and multiplied with all these rows while it lies in the cache. Blocks depend on the shape alone,
 * and each result is one sum in the order of k: the same bits whatever the number of threads or of rows.
 */
#ifndef LIMN_NN_GEMM_H
#define LIMN_NN_GEMM_H

#include "nn/nn.h"

/*
 * Address space that OpenBLAS takes for its buffer on each thread that calls it. It must be there: where it cannot be had,
 * OpenBLAS tries again for ever.
 */
#define GEMM_MAPPED ((size_t)130 << 20)

typedef struct {
    size_t rows, samples; /* rows of all samples; samples 0: one */
    const Panels *w;
    bool gathered; /* a convolution's: not in 8 bits */

    /* The left side: rows of w->k floats in memory, ldx apart, or made by a function. */
    const float *x;
    size_t ldx;
    void (*row)(const void *ctx, float *dst, size_t row);
    const void *ctx;
    size_t first; /* the function's number of the first row */

    /* The result, ldy apart. With paired panels: values * gelu(gates), half as wide. */
    float *y;
    size_t ldy;
    const float *bias;     /* [panels_of(w) * PANEL] in the panels' order, or NULL */
    const float *residual; /* rows as y's, or NULL; may be y. Not with paired panels */
} Product;

/* In a dry arena it only counts its memory. */
void gemm(const Nn *nn, const Product *p);

/* y += what low-rank patches add to the product, of the same left side (low_rank.h); bias and residual are not read. */
void gemm_low_rank(const Nn *nn, const Product *p);

/* After a layer of so many rows: its weights' pages are evicted, if nn says so. */
void evict_weights(const Nn *nn, const Panels *w, size_t rows);

#endif
