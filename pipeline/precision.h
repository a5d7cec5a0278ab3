/*
 * precision.h - in what precision the UNet's linear layers and attention multiply. Convolutions, sums, norms, softmax, the
 * residual stream and the sampler are f32 always.
 */
#ifndef LIMN_PIPELINE_PRECISION_H
#define LIMN_PIPELINE_PRECISION_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/kernels.h"

/*
 * asked: "auto", "f32" or "bf16". *bf16: whether products round their factors to bfloat16. Error (ERR_USAGE): bf16 is asked
 * for and this row of kernels has no such products.
 */
int precision_choose(bool *bf16, const char *asked, const Kernels *k, Err *e);

static inline const char *precision_name(bool bf16) { return bf16 ? "bf16" : "f32"; }

#endif
