/*
 * winograd.h - weights of 3x3 convolutions kept in their transformed form. It takes 16 bytes for each of the 9 weights of 4
 * or 2, so it is done where memory allows; the results have the same bits.
 */
#ifndef LIMN_NN_WINOGRAD_H
#define LIMN_NN_WINOGRAD_H

#include "nn/bind.h"

/* Bytes of the transformed weights; 0 where the convolution is never computed so. */
size_t winograd_bytes(const Conv *c);

/* Transforms them on all cores into memory that m owns. Error: out of memory. */
int winograd_keep(Conv *c, const Kernels *k, BoundMemory *m, Err *e);

#endif
