/*
 * winograd.h - weights of 3x3 convolutions kept in their transformed form, as floats or, for products that round (Nn.precision),
 * as 16-bit integers. This takes 16 or 8 bytes for each weight of 4 or 2, so it is done only if memory allows; the results have
 * the same bits. A convolution that needs the other form computes it as if none was kept.
 */
#ifndef LIMN_NN_WINOGRAD_H
#define LIMN_NN_WINOGRAD_H

#include "nn/bind.h"

/* Bytes of the transformed weights; 0 if the convolution never uses Winograd. */
size_t winograd_bytes(const Conv *c, bool rounded);

/* Transforms them on all cores into memory that m owns. rounded: k has gemm_i16. Error: out of memory. */
int winograd_keep(Conv *c, const Kernels *k, bool rounded, BoundMemory *m, Err *e);

#endif
