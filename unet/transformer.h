/*
 * transformer.h - self-attention, cross-attention and feed-forward over the pixels of a level.
 * Source: Rombach et al. 2022 (arXiv:2112.10752), appendix E.2.1; names as in diffusers' Transformer2DModel.
 */
#ifndef LIMN_UNET_TRANSFORMER_H
#define LIMN_UNET_TRANSFORMER_H

#include "nn/bind.h"
#include "nn/nn.h"

typedef struct {
    Linear to_q, to_k, to_v, to_out; /* only to_out has a bias */
    int heads;
} Attention;

typedef struct {
    Norm norm1, norm2, norm3; /* layer norms */
    Attention attn1, attn2;   /* over the pixels (or the prompt, see below); over the prompt */
    bool only_cross;          /* attn1 looks at the prompt too */
    Linear ff_in, ff_out;     /* GEGLU: c -> 2 * 4c, 4c -> c */
} TransformerBlock;

typedef struct {
    Norm norm;                /* 32 groups, eps 1e-6 */
    Linear proj_in, proj_out; /* stored as 1x1 convolutions in SD 1.x: the same product */
    TransformerBlock *blocks; /* heap */
    int count;
} Transformer;

typedef struct {
    int channels, heads, layers, context; /* context: width of the prompt's embedding */
    int groups;
    bool only_cross;
} TransformerShape;

int transformer_bind(Binder *b, Transformer *t, const TransformerShape *s);
void transformer_release(Transformer *t);

/*
 * x [n, h, w, channels]; context [n, tokens, 1, context]. Returns [n, h, w, channels]; all temporaries are given back.
 */
Tensor transformer_forward(Nn *nn, const Transformer *t, Tensor x, Tensor context);

#endif
