/*
 * freeu.h - FreeU: on the way up, what comes from below counts for more and the coarsest waves of the skips for less. Internal to unet/.
 * Si et al. 2023, arXiv:2309.11497; diffusers' apply_freeu and, for the second version, the authors' program.
 */
#ifndef LIMN_UNET_FREEU_H
#define LIMN_UNET_FREEU_H

#include "nn/nn.h"
#include "unet/shape.h"

/*
 * x and skip [n, h, w, ..] before they are joined in the up block i: new tensors in their place where the block is one of those that it
 * acts in, else they stay.
 */
void freeu_apply(Nn *nn, const UNetFreeU *f, const UNetShape *s, int i, Tensor *x, Tensor *skip);

/* The two parts: the first half of x's channels stronger; the lowest waves of x times s. New tensors. */
Tensor freeu_backbone(Nn *nn, Tensor x, double b, bool by_place);
Tensor freeu_filter(Nn *nn, Tensor x, double s);

#endif
