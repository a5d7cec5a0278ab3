/* kernels_avx2vnni.c - the avx2vnni row of the kernel table: avx2's and products of 16- and 8-bit integers; see kernels.inc. */
#include <immintrin.h>

#ifndef ROW /* the tests make another row of it */
#define ROW       kernels_avx2vnni
#define ROW_NAME  "avx2vnni"
#define VNNI_FORM "%{vex%} "
#endif
#define ROW_UNPACK       blocks_avx2
#define VEC_BYTES        32
#define VEC_FROM_HALF(p) ((vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define WITH_VNNI
#include "nn/kernels.inc"
