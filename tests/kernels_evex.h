/*
 * kernels_evex.h - the kernels of avx2vnni in the encoding that CPUs with AVX-512 have of the same instructions: the arithmetic is
 * tested to the bit where the CPU does not run the original.
 */
#ifndef LIMN_TESTS_KERNELS_EVEX_H
#define LIMN_TESTS_KERNELS_EVEX_H

#include "nn/kernels.h"

/* Kernel set number i with products of 8- and 16-bit integers that runs here, this one the last; NULL: there are no more. */
const Kernels *integer_set(int i);

#endif
