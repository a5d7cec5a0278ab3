/* group_norm.h - group norms for layers that normalise what they read as they read it. Private to nn/. */
#ifndef LIMN_NN_GROUP_NORM_H
#define LIMN_NN_GROUP_NORM_H

#include "nn/nn.h"

/* The norm as x a + b: [n, 2, c] in nn->arena, a then b of each sample. NULL in a dry pass. */
const float *group_norm_affine(Nn *nn, const Norm *g, Tensor x);

#endif
