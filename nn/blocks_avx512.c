/* blocks_avx512.c - blocks of a file to f32 for CPUs with AVX512. */
#define UNPACKERS blocks_avx512
#include "weights/blocks.inc"
