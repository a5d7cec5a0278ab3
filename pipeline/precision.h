/*
 * precision.h - in what precision the networks multiply. Sums, norms, softmax, the residual stream and the sampler are f32 always.
 */
#ifndef LIMN_PIPELINE_PRECISION_H
#define LIMN_PIPELINE_PRECISION_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/kernels.h"

/* From so many bytes of UNet weights on, products of 16-bit factors save two fifths of the time; below, little. */
enum { PRECISION_LARGE = 256 << 20 };

/*
 * asked: "auto", "f32" or "bf16"; weights: the UNet's bytes. *bf16: whether products round their factors to 16 bits (bfloat16, in
 * 3x3 convolutions integers). auto does where the CPU can and the network is large: the final picture then stays 40 dB and more
 * from f32's (docs/performance.md).
 * Error (ERR_USAGE): bf16 is asked for and this kernel set has no such products.
 */
int precision_choose(bool *bf16, const char *asked, const Kernels *k, size_t weights, Err *e);

static inline const char *precision_name(bool bf16) { return bf16 ? "bf16" : "f32"; }

#endif
