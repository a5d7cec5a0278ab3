/* kernels_avx2.c - the avx2 row of the kernel table; see kernels.inc. */
#include <immintrin.h>

#define ROW              kernels_avx2
#define ROW_NAME         "avx2"
#define ROW_UNPACK       blocks_avx2
#define VEC_BYTES        32
#define VEC_FROM_HALF(p) ((vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#include "nn/kernels.inc"
