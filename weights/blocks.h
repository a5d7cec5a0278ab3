/*
 * blocks.h - the formats of numbers that files store in blocks, with a scale of their own: how many values a block has, in how many
 * bytes, and what it is as f32. The values are those of the reference (PyPI's gguf, quants.py), bit for bit.
 * Source: ggml's block layouts (ggml-common.h); OCP 8-bit floating point (OFP8) 1.0 for the two of 8 bits.
 */
#ifndef LIMN_WEIGHTS_BLOCKS_H
#define LIMN_WEIGHTS_BLOCKS_H

#include <stddef.h>

#include "weights/weights.h"

enum { BLOCK_MOST = 256 /* values of the longest block */ };

/* count blocks that begin at `from`, perhaps unaligned; without a look at NaN and infinity. */
typedef void UnpackBlocks(float *to, const unsigned char *from, size_t count);

/* By DType, NULL: not a format that has numbers to compute with. One table a CPU family: the same values, at different speeds. */
typedef UnpackBlocks *const Unpackers[DT_COUNT];
extern Unpackers blocks_plain, blocks_avx2, blocks_avx512; /* for any CPU; for some of x86-64 */

#endif
