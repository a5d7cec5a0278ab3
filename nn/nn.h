/*
 * nn.h - the layers' arithmetic. Activations are [n, h, w, c] in nn->arena; weights are bound once (bind.h) and borrowed.
 *
 * No function here can fail or allocate outside the arena. A dry pass (arena_dry) only computes shapes and counts
 * memory. The same input gives the same bits with any number of threads: work is divided by shape,
 * never by thread count, and no reduction is split between threads.
 */
#ifndef LIMN_NN_NN_H
#define LIMN_NN_NN_H

#include <stdbool.h>

#include "nn/arena.h"
#include "nn/kernels.h"
#include "nn/profile.h"
#include "nn/panels.h"
#include "nn/tensor.h"

/*
 * The group norms of an image that is processed in tiles: one pass collects sums over all tiles and gives them to the next, so
 * that every tile is normalised by the statistics of the whole image. Only a tile's core counts, so no pixel counts twice.
 */
typedef struct {
    int tile_h, tile_w;           /* at the resolution where the tiles begin */
    int top, left, bottom, right; /* the core, in the same units; bottom and right are past its end */
    int layer;                    /* the next group norm; the caller sets 0 before each tile */
    int layers, groups;           /* room in the arrays */
    double *collect;     /* [layers, groups, 3]: elements, their sum and sum of squares; NULL: do not collect */
    const double *given; /* the same from an earlier pass, to normalise by; NULL: the core's own */
} GroupStats;

/*
 * The type that products round their factors to. If a kernel set lacks such a product, or a layer is too small to gain, it stays
 * f32.
 */
typedef enum {
    FACTORS_F32,
    FACTORS_BF16,
    FACTORS_I16, /* integers of 16 bits, a scale for each tile and each output channel (winograd.c) */
    FACTORS_I8,  /* integers of 8 bits, a scale for each block of a row's and of a column's terms (kernels.h) */
} Factors;

/*
 * By kind of layer: 3x3 convolutions (F32, I16); linear layers and 1x1 convolutions (F32, BF16, I8); attention (F32, BF16). If
 * linear is I8, layers with few rows, and convolutions computed as products, use attention's.
 */
typedef struct {
    Factors conv, linear, attention;
} Precision;

typedef struct {
    Arena *arena;
    const Kernels *k;    /* kernels_select() */
    int threads;         /* >= 1 */
    Precision precision; /* zeros: f32 */
    GroupStats *stats;   /* set only for tiles, and then n is 1; else NULL */
    Profile *profile;    /* where the cost of each layer is recorded; NULL: not at all */
    size_t evict_rows;   /* layers with at least so many rows evict their weights (panels.h); 0: none does */
    bool wrap_x, wrap_y; /* convolutions pad with the opposite edge, not with zeros: seamless pictures */
} Nn;

/* y = x W^T + b */
typedef struct {
    Panels w;       /* depth in */
    const float *b; /* [panels, PANEL] in the panels' order; NULL without bias */
    int in, out;
} Linear;

/* Cross-correlation, zero padding. */
typedef struct {
    Panels w;           /* depth in * k * k, in the files' order: [out, in, k, k] */
    const float *b;     /* as Linear's */
    int in, out, k;     /* k 1 or 3 */
    const float *u;     /* weights transformed in advance (winograd.h); NULL: transformed when needed */
    const int16_t *u16; /* the same rounded, and their scales */
    const float *u_scale;
} Conv;

/* Group norm and layer norm, with a scale and a shift for each channel. */
typedef struct {
    const float *w, *b; /* [c] */
    int c, groups;      /* groups 0: a layer norm */
    float eps;
} Norm;

typedef enum { ACT_NONE, ACT_SILU, ACT_GELU, ACT_QUICK_GELU, ACT_RELU } Act;

/* False for a layer that the config leaves out: it has no weights. */
static inline bool conv_present(const Conv *c) { return c->w.data[0] != NULL; }
static inline bool linear_present(const Linear *l) { return l->w.data[0] != NULL; }

/*
 * Operations fused into a layer; zero fields mean none. With a norm the layer normalises its input as it reads it, so that the
 * normalised input is never written.
 */
typedef struct {
    const Norm *norm; /* applied to the input: a convolution's has groups, a linear layer's may */
    Act act;          /* applied to the normalised input; convolutions only */
    Tensor residual;  /* added to the result */
    bool relu;        /* negative results become 0 after that; convolutions only */
    Tensor into;      /* the output, which may be the residual; unset: a new tensor */
} With;

/*
 * [n, h, w, in] -> [n, h, w, out]; if bind_linear_geglu() bound it, values * gelu(gates) with the exact erf, half as wide.
 */
Tensor nn_linear(Nn *nn, const Linear *l, Tensor x);
Tensor nn_linear_with(Nn *nn, const Linear *l, Tensor x, const With *with);
/* The same plus a residual r of the output's shape. */
Tensor nn_linear_add(Nn *nn, const Linear *l, Tensor x, Tensor r);

/* 'same' padding, stride 1 (k/2 zeros on each side, after the norm). */
Tensor nn_conv2d(Nn *nn, const Conv *c, Tensor x);
Tensor nn_conv2d_with(Nn *nn, const Conv *c, Tensor x, const With *with);
/* Stride 2, 3x3: pad_before zeros above and left (1: UNet, 0: VAE encoder), 1 below and right. Odd sizes round as in torch. */
Tensor nn_conv2d_down(Nn *nn, const Conv *c, Tensor x, int pad_before);
/* 2x nearest upsampling to h x w (2h or 2h - 1, as the skip connection needs), then 3x3 'same'. */
Tensor nn_conv2d_up(Nn *nn, const Conv *c, Tensor x, int h, int w);

Tensor nn_group_norm(Nn *nn, const Norm *norm, Tensor x, Act act); /* act applied after it; new tensor */
Tensor nn_layer_norm(Nn *nn, const Norm *norm, Tensor x);

void nn_act(Nn *nn, Act act, Tensor x);           /* in place */
void nn_add(Nn *nn, Tensor x, Tensor y);          /* x += y, of the same shape */
void nn_add_channels(Nn *nn, Tensor x, Tensor v); /* x[n, h, w, c] += v[n, c] */
Tensor nn_concat(Nn *nn, Tensor a, Tensor b);     /* along channels */

/*
 * Multi-head attention, softmax(q k^T / sqrt d) v per head; never holds the whole score matrix.
 * q [n, tq, heads*d], k and v [n, tk, heads*d]; causal: query i sees keys 0..i. -> [n, tq, heads*d]
 */
Tensor nn_attention(Nn *nn, Tensor q, Tensor k, Tensor v, int heads, bool causal);
/* The same with q, k and v joined along the channels: qkv [n, h, w, 3 heads*d] -> [n, h, w, heads*d]. */
Tensor nn_attention_joined(Nn *nn, Tensor qkv, int heads, bool causal);
/*
 * The same with k and v joined in wider rows: kv [n, tk, 1, ..], from column `first` on; every query attends to
 * every key.
 */
Tensor nn_attention_cross(Nn *nn, Tensor q, Tensor kv, int first, int heads);

/*
 * Sinusoidal embedding of n timesteps -> [n, 1, 1, dim]. diffusers' get_timestep_embedding with max_period 10000:
 * freq = exp(-ln(10000) i / (half - shift)); cos first when flip (flip_sin_to_cos).
 */
Tensor nn_timestep_embedding(Nn *nn, const float *t, int n, int dim, bool flip, float shift);

#endif
