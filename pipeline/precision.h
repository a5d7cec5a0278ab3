/*
 * precision.h - the precision of the networks' products. Sums, norms, softmax, the residual stream and the sampler are always
 * f32.
 *
 * As text: "f32"; "bf16": factors of 16 bits, integers in 3x3 convolutions; "int8": the same, but of 8 bits in linear layers and
 * 1x1 convolutions; or by kind of layer, f32 by default: "conv:i16+linear:int8+attention:f32".
 */
#ifndef LIMN_PIPELINE_PRECISION_H
#define LIMN_PIPELINE_PRECISION_H

#include <stdbool.h>

#include "base/err.h"
#include "nn/nn.h"

/* From so many bytes of UNet weights on, products of rounded factors save two fifths of the time; below that, little. */
enum { PRECISION_LARGE = 256 << 20, PRECISION_TEXT = 64 };

#define PRECISION_PLACEHOLDER "auto|f32|bf16|int8"

/* The choices for each kind of layer, with their names in texts: "conv", "f32". Each kind begins with f32. */
typedef struct {
    const char *kind, *name;
    Factors factors;
} PrecisionWay;
enum { PRECISION_WAYS = 8 };
extern const PrecisionWay precision_ways[PRECISION_WAYS];
Factors *precision_of_kind(Precision *p, const char *kind);
/* The first products that these kernels lack ("bfloat16"); NULL: they have all. */
const char *precision_lacks(const Kernels *k, Precision p);

/* Error (ERR_USAGE): the text is none of the above. */
int precision_parse(const char *text, Precision *p, Err *e);

/* Returns whether it is one, or "auto". */
int check_precision(const char *text, Err *e);

/*
 * Chooses the precision on these kernels. weights: the UNet's bytes. auto rounds to 16 bits if the network is large and this CPU
 * was found to gain by it (speeds.h), for each kind of layer: the final picture then keeps 40 dB or more against f32's
 * (docs/performance.md); 8 bits depend on the model: fidelity.h. With int8 attention stays exact if the CPU would not gain by
 * rounding it. Error (ERR_USAGE): this kernel set has no such products.
 */
int precision_choose(Precision *p, const char *asked, const Kernels *k, size_t weights, Err *e);

/* The text that gives the same precision again on this kind of kernels; buf: PRECISION_TEXT. */
const char *precision_text(Precision p, char *buf);

/* Returns whether convolutions' weights are rounded when they are transformed in advance (winograd.h). */
static inline bool precision_rounds_convs(Precision p) { return p.conv == FACTORS_I16; }
/* Returns whether products round matrices, so that patches on them may be rounded too. */
static inline bool precision_rounds_matrices(Precision p) { return p.linear != FACTORS_F32; }

/* For networks that run once per picture, other than the UNet and its control networks: linear layers with at least 16 bits. */
static inline Precision precision_beside(Precision p)
{
    if (p.linear == FACTORS_I8) p.linear = p.attention;
    return p;
}

#endif
