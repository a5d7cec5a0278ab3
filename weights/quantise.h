/*
 * quantise.h - f32 numbers to what files store: the other way of blocks.h. For F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 the bytes are
 * those of the reference (PyPI's gguf, quants.py), for 8-bit floats torch's; the K types and IQ4_NL, which it does not write, take
 * the scales that err least in each group, by least squares over some roundings.
 */
#ifndef LIMN_WEIGHTS_QUANTISE_H
#define LIMN_WEIGHTS_QUANTISE_H

#include "weights/weights.h"

/* Returns whether quantise() knows it. */
bool quantise_knows(DType t);

/* count numbers, whole blocks of at most BLOCK_MOST each, all finite. What is too large for a type becomes its largest number. */
void quantise(DType t, const float *from, size_t count, unsigned char *to);

/* "q8_0", "f8", "f16", ... as --type has them; false: none. f8: e4m3fn. */
bool quantise_type(const char *name, DType *out);
#define QUANTISE_TYPES                                                                                                 \
    "f32|f16|bf16|f8|f8_e5m2|q8_0|q6_k|q5_k|q4_k|q3_k|q2_k|q5_1|q5_0|q4_1|q4_0|iq4_nl" /* those names */

/* The nearest half of a number, ties to even. */
uint16_t half_of(double v);

/*
 * What a tensor of a model becomes where `want` is asked for: `want` for matrices and convolutions of attention and residual blocks,
 * F16 for what is small or decides much (embeddings, the first and last convolutions, the VAE), F32 for vectors. Names in LDM's,
 * diffusers' or transformers' way.
 */
DType quantise_choice(const Weight *t, DType want);

#endif
