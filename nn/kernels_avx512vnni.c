/*
 * kernels_avx512vnni.c - the avx512vnni row of the kernel table: avx512's and products of 16- and 8-bit integers; see
 * kernels.inc.
 */
#include <immintrin.h>

#define ROW              kernels_avx512vnni
#define ROW_NAME         "avx512vnni"
#define ROW_UNPACK       blocks_avx512
#define VEC_BYTES        64
#define VEC_FROM_HALF(p) ((vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p))))
#define WITH_VNNI
#include "nn/kernels.inc"
