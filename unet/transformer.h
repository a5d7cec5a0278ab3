/*
 * transformer.h - self-attention, cross-attention and feed-forward over the pixels of a level.
 * Source: Rombach et al. 2022 (arXiv:2112.10752), appendix E.2.1; names as in diffusers' Transformer2DModel.
 */
#ifndef LIMN_UNET_TRANSFORMER_H
#define LIMN_UNET_TRANSFORMER_H

#include "nn/bind.h"
#include "nn/nn.h"
#include "unet/unet.h"

/* Over the pixels: q, k and v are one product. Over the prompt: k and v are computed once, see transformer_context(). */
typedef struct {
    Linear to_qkv, to_q, to_kv, to_out; /* to_qkv, or to_q and to_kv; only to_out has a bias */
    int heads, kv_at; /* kv_at: its columns begin there in what transformer_context() fills; -1: no prompt */
    int self_at;      /* its number among the network's self-attentions; -1: it is none */
    bool pictures;    /* it attends to what Prompted says of pictures, too: attn2 */
} Attention;

typedef struct {
    Norm norm1, norm2, norm3; /* layer norms */
    Attention attn1, attn2;   /* over the pixels (only_cross: over the prompt too); over the prompt */
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
/* columns: of the keys and values of the transformers before this one. Returns those with its own. */
int transformer_place(Transformer *t, int columns);
void transformer_release(Transformer *t);
/* Numbers the self-attentions, the first of which is `first`; after transformer_place(). Returns the next number. */
int transformer_number(Transformer *t, int first);

/*
 * The keys and values of this transformer's cross-attentions, which depend on the prompt alone. context [n, tokens, 1, context];
 * kv [n, tokens, 1, columns of all transformers]: an attention's k and v stand at kv_at.
 */
void transformer_context(Nn *nn, const Transformer *t, Tensor context, Tensor kv);

/* What cross-attentions attend to, of as many samples as x. */
typedef struct {
    Tensor kv; /* of the prompt: what transformer_context() has filled */
    const Tensor *
        pictures; /* [picture_count] of pictures (IP-Adapter): the same columns, of other tokens; what each gives is added */
    int picture_count;
    const struct SelfPlace *self; /* what is done in self-attentions (self.h); NULL: nothing */
} Prompted;

/* x [n, h, w, channels]. Returns [n, h, w, channels]; all temporaries are given back. */
Tensor transformer_forward(Nn *nn, const Transformer *t, Tensor x, const Prompted *p);

#endif
