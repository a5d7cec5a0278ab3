/* blocks_avx2.c - blocks of a file to f32 for CPUs with AVX2. */
#define UNPACKERS blocks_avx2
#include "weights/blocks.inc"
