/* kernels_avx512bf16.c - the avx512bf16 row of the kernel table: avx512's and products of bfloat16; see kernels.inc. */
#define ROW      kernels_avx512bf16
#define ROW_NAME "avx512bf16"
#include "nn/kernels.inc"
