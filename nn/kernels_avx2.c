/* kernels_avx2.c - the avx2 row of the kernel table; see kernels.inc. */
#define ROW      kernels_avx2
#define ROW_NAME "avx2"
#include "nn/kernels.inc"
