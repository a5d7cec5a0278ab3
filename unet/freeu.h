/*
 * freeu.h - FreeU: in the decoder, strengthens the backbone's features and weakens the lowest frequencies of the skips. Internal
 * to unet/. Si et al. 2023, arXiv:2309.11497; diffusers' apply_freeu and, for the second version, the authors' program.
 */
#ifndef LIMN_UNET_FREEU_H
#define LIMN_UNET_FREEU_H

#include "nn/nn.h"
#include "unet/shape.h"

/*
 * x and skip [n, h, w, ..] before they are concatenated in the up block i: replaced by new tensors if FreeU acts in that block,
 * else unchanged.
 */
void freeu_apply(Nn *nn, const UNetFreeU *f, const UNetShape *s, int i, Tensor *x, Tensor *skip);

/* The two parts: the first half of x's channels times b; the lowest frequencies of x times s. New tensors. */
Tensor freeu_backbone(Nn *nn, Tensor x, double b, bool by_place);
Tensor freeu_filter(Nn *nn, Tensor x, double s);

#endif
