/* kernels_amx.c - the amx row of the kernel table: avx512bf16's, and products of bfloat16 in tile registers; see kernels.inc. */
#include <immintrin.h>

#ifndef ROW
#define ROW      kernels_amx
#define ROW_NAME "amx"
#endif
#define ROW_UNPACK       blocks_avx512
#define VEC_BYTES        64
#define VEC_FROM_HALF(p) ((vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p))))
#define WITH_BF16
#define WITH_VNNI
#define WITH_TILES
#include "nn/kernels.inc"
