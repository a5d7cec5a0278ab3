/* kernels_avx512.c - the avx512 row of the kernel table; see kernels.inc. */
#include <immintrin.h>

#define ROW              kernels_avx512
#define ROW_NAME         "avx512"
#define ROW_UNPACK       blocks_avx512
#define VEC_BYTES        64
#define VEC_FROM_HALF(p) ((vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p))))
#include "nn/kernels.inc"
