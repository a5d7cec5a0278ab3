/*
 * union.h - ControlNet-Union: one ControlNet for several kinds of maps, which takes the kind as input and fuses map and latent
 * before its encoder. Source: diffusers' ControlNetUnionModel, for one map at a time. Internal to control/.
 */
#ifndef LIMN_CONTROL_UNION_H
#define LIMN_CONTROL_UNION_H

#include "nn/bind.h"
#include "nn/nn.h"

enum { UNION_MAX_LAYERS = 8 };

typedef struct {
    const float *norm_1[2], *norm_2[2];                  /* ln_1, ln_2: weight, bias */
    const float *qkv[2], *out[2], *widen[2], *narrow[2]; /* attn.in_proj, attn.out_proj, mlp.c_fc, mlp.c_proj */
} UnionLayer;

typedef struct {
    int types, width, heads, layers;  /* types 0: not a union */
    int type_width, time_width;       /* of the sinusoid of a type; of the time embedding */
    const float *task;                /* task_embedding [types, width] */
    const float *spatial[2];          /* spatial_ch_projs */
    const float *add_1[2], *add_2[2]; /* control_add_embedding */
    UnionLayer layer[UNION_MAX_LAYERS];
} Union;

/*
 * Returns whether the weights are a union's: then its shapes are read and bound, for a net of so many channels. 0, or
 * -1 with b->e set.
 */
int union_bind(Binder *b, Union *u, int channels, int time_width, int heads);

/* What the type adds to the time embedding: a vector of time_width in nn->arena. */
const float *union_embed(Nn *nn, const Union *u, int type, bool flip_sin_to_cos, float freq_shift);

/* hint [1, h, w, width], the map's embedding, += the transformer's output for the map and its type. */
void union_fuse(Nn *nn, const Union *u, Tensor hint, int type);

#endif
