/*
 * block.h - what a UNet and a ControlNet share: the embeddings of time and sizes, the encoder (down blocks) and the middle.
 * Internal to unet/ and control/. Source: Rombach et al. 2022 (arXiv:2112.10752); names as in diffusers' UNet2DConditionModel.
 */
#ifndef LIMN_UNET_BLOCK_H
#define LIMN_UNET_BLOCK_H

#include "nn/bind.h"
#include "nn/resblock.h"
#include "unet/shape.h"
#include "unet/transformer.h"
#include "unet/unet.h"

typedef struct {
    ResBlock *resnets;          /* [count] */
    Transformer *attentions;    /* [attention_count] */
    int count, attention_count; /* as many of both, in a plain block no transformers, in a middle one less */
    Conv sampler;               /* downsamplers.0.conv or upsamplers.0.conv; absent in the last block */
} Block;

void block_alloc(Block *k, int count, int attentions);
void block_release(Block *k);
/* The j-th residual block; the j-th transformer, where the block has them. 0, or -1 with b->e set. */
int block_bind_resnet(Binder *b, const UNetShape *s, Block *k, int j, int in, int out);
int block_bind_attention(Binder *b, const UNetShape *s, Block *k, int j, int level, int layers, bool only_cross);

/* transformer_place() and transformer_context() of all of them. */
int block_place(Block *k, int columns);
void block_context(Nn *nn, const Block *k, Tensor context, Tensor kv);

typedef struct {
    UNetShape s;
    Linear time_in, time_out, time_cond; /* time_embedding.{linear_1, linear_2, cond_proj} */
    Linear added_in, added_out;          /* add_embedding.{linear_1, linear_2} */
    Linear label_in, label_out;          /* class_embedding.{linear_1, linear_2}, or instead */
    const float *labels;                 /* class_embedding: [labels, time_width] */
    Conv conv_in;
    Block blocks[UNET_MAX_LEVELS], mid;
} Down;

/* conv_in, time_embedding, add_embedding, down_blocks, mid_block; down->s is there. */
int down_bind(Binder *b, Down *down);
void down_release(Down *down);

/* block_place() and block_context() of the levels and the middle. */
int down_place(Down *down, int columns);
void down_context(Nn *nn, const Down *down, Tensor context, Tensor kv);

/* Shapes alone, of the skips and then of the middle: what residuals are added to. Returns unet_shape_skips() + 1. */
int down_residual_shapes(const Down *down, int n, int h, int w, Tensor *shapes);

/* The time embedding, silu applied (every residual block begins with it): [n, 1, 1, time_width]. */
Tensor down_embed(Nn *nn, const Down *down, int n, float t, const UNetInputs *in);

/* The inputs of every block. */
typedef struct {
    Tensor temb;            /* down_embed()'s */
    const Prompted *prompt; /* transformer.h */
    const Tensor *features; /* [feature_count] T2I-Adapter's, one a level, the last perhaps for the middle; NULL */
    int feature_count;
} DownInputs;

/*
 * x [n, h, w, channels[0]], conv_in's result. skips: room for unet_shape_skips(), filled; they stay in the arena. Returns the
 * last.
 */
Tensor down_forward(Nn *nn, const Down *down, Tensor x, const DownInputs *in, Tensor *skips);
/* A new tensor where the model has a middle, else x. */
Tensor down_middle(Nn *nn, const Down *down, Tensor x, const DownInputs *in);

/* 3x3 convolutions of stride 1 of a block (visit's errors are passed on). */
typedef int (*ConvVisit)(void *ctx, Conv *c, Err *e);
int block_each_conv(Block *k, ConvVisit visit, void *ctx, Err *e);
/* The same for the whole encoder, including conv_in. */
int down_each_conv(Down *down, ConvVisit visit, void *ctx, Err *e);

#endif
