/* kernels_avx512.c - the avx512 row of the kernel table; see kernels.inc. */
#define ROW      kernels_avx512
#define ROW_NAME "avx512"
#include "nn/kernels.inc"
