/*
 * gemm.h - the matrix product that every layer comes down to, on OpenBLAS.
 *
 * OpenBLAS runs single-threaded; the tiles are spread over OpenMP threads. Tiles depend on the shape alone, so the result
 * has the same bits whatever the number of threads.
 */
#ifndef LIMN_NN_GEMM_H
#define LIMN_NN_GEMM_H

#include "nn/nn.h"

/*
 * Address space that OpenBLAS takes for its buffer on each thread that calls it. It must be there: where it cannot be had,
 * OpenBLAS tries again for ever.
 */
#define GEMM_MAPPED ((size_t)130 << 20)

/*
 * y [m, n] = x [m, k] w^T + bias + residual, w [n, k]. ldx: floats from one row of x to the next (>= k). bias [n] and
 * residual [m, n] may be NULL; residual may be y.
 */
void gemm_bias(const Nn *nn, float *y, const float *x, size_t ldx, const float *w, const float *bias,
               const float *residual, size_t m, size_t n, size_t k);

#endif
