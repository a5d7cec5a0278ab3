/* union.c - see union.h. */
#include "control/union.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weights/shapes.h"

enum { MAX_WIDTH = 16384 };

/* ---- binding ------------------------------------------------------------------------------------------------------------- */

static int dim_of(const Binder *b, int dim, const char *name)
{
    return shapes_dim(b->weights, dim, "%s%s", b->prefix, name);
}

/* name and bias as MultiheadAttention has them ("in_proj_weight"), or with a dot between. */
static int bind_pair(Binder *b, const float *out[2], const char *name, char between, int in, int rows)
{
    char weight[96], bias[96];
    snprintf(weight, sizeof weight, "%s%cweight", name, between);
    snprintf(bias, sizeof bias, "%s%cbias", name, between);
    int64_t shape[] = { rows, in };
    if (bind_tensor(b, &out[0], weight, in ? 2 : 1, shape)) return -1;
    return bind_tensor(b, &out[1], bias, 1, shape);
}

static int bind_layer(Binder *b, UnionLayer *l, int i, int width)
{
    size_t mark = bind_enter(b, "transformer_layes.%d", i);
    int failed = bind_pair(b, l->norm_1, "ln_1", '.', 0, width) || bind_pair(b, l->norm_2, "ln_2", '.', 0, width) ||
                 bind_pair(b, l->qkv, "attn.in_proj", '_', width, 3 * width) ||
                 bind_pair(b, l->out, "attn.out_proj", '.', width, width) ||
                 bind_pair(b, l->widen, "mlp.c_fc", '.', width, 4 * width) ||
                 bind_pair(b, l->narrow, "mlp.c_proj", '.', 4 * width, width);
    bind_leave(b, mark);
    return failed ? -1 : 0;
}

int union_bind(Binder *b, Union *u, int channels, int time_width, int heads)
{
    *u = (Union){ .types = dim_of(b, 0, "task_embedding"), .heads = heads, .time_width = time_width };
    if (u->types <= 0) return u->types = 0;
    u->width = dim_of(b, 1, "task_embedding");
    u->layers = shapes_count(b->weights, "transformer_layes.%d.ln_1.weight");
    int told = dim_of(b, 1, "control_add_embedding.linear_1.weight");
    u->type_width = told / u->types;
    if (u->types > 64 || u->width != channels || heads < 1 || u->width % heads || u->layers < 1 ||
        u->layers > UNION_MAX_LAYERS || told < u->types || told > MAX_WIDTH || told % u->types)
        return err_set(b->e,
                       "a ControlNet-Union of %d kinds, width %d (the net's is %d), %d layers of %d heads: tensors are "
                       "missing, or limn does not run it",
                       u->types, u->width, channels, u->layers, heads);
    if (bind_tensor(b, &u->task, "task_embedding", 2, (int64_t[]){ u->types, u->width }) ||
        bind_pair(b, u->spatial, "spatial_ch_projs", '.', u->width, u->width) ||
        bind_pair(b, u->add_1, "control_add_embedding.linear_1", '.', told, time_width) ||
        bind_pair(b, u->add_2, "control_add_embedding.linear_2", '.', time_width, time_width))
        return -1;
    for (int i = 0; i < u->layers; i++)
        if (bind_layer(b, &u->layer[i], i, u->width)) return -1;
    return 0;
}

/* ---- arithmetic: a handful of vectors, so without kernels ------------------------------------------------------------------ */

/* out [rows] = weight [rows, in] x + bias */
static void product(float *out, const float *const layer[2], const float *x, int in, int rows)
{
    for (int r = 0; r < rows; r++) {
        const float *w = layer[0] + (size_t)r * (size_t)in;
        double sum = 0;
        for (int i = 0; i < in; i++) sum += (double)w[i] * (double)x[i];
        out[r] = (float)(sum + (double)layer[1][r]);
    }
}

static void normalise(float *out, const float *const norm[2], const float *x, int n)
{
    double mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += (double)x[i] / n;
    for (int i = 0; i < n; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    double scale = 1 / sqrt(square + 1e-5);
    for (int i = 0; i < n; i++) out[i] = (float)(((double)x[i] - mean) * scale) * norm[0][i] + norm[1][i];
}

const float *union_embed(Nn *nn, const Union *u, int type, bool flip_sin_to_cos, float freq_shift)
{
    float kinds[64] = { 0 };
    Tensor out = tensor_new(nn->arena, 1, 1, 1, u->time_width);
    size_t mark = nn->arena->used;
    kinds[type] = 1;
    Tensor told = nn_timestep_embedding(nn, kinds, u->types, u->type_width, flip_sin_to_cos, freq_shift);
    Tensor h = tensor_new(nn->arena, 1, 1, 1, u->time_width);
    if (out.data) {
        product(h.data, u->add_1, told.data, u->types * u->type_width, u->time_width);
        nn_act(nn, ACT_SILU, h);
        product(out.data, u->add_2, h.data, u->time_width, u->time_width);
    }
    arena_reset(nn->arena, mark);
    return out.data;
}

/* The mean of each channel of one sample. */
static void mean_of(float *out, Tensor x)
{
    size_t c = (size_t)x.c, pixels = (size_t)x.h * (size_t)x.w;
    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++) sum += (double)x.data[i * c + k];
        out[k] = (float)(sum / (double)pixels);
    }
}

/*
 * token [width], in place. diffusers' attention takes the batch for the sequence, and the batch's rows of a map are all the same: so each
 * sees its own value, whatever the weights of query and key are. room: [6 width].
 */
static void run_layer(const UnionLayer *l, float *token, int width, float *room)
{
    size_t w = (size_t)width;
    const float *const value[2] = { l->qkv[0] + 2 * w * w, l->qkv[1] + 2 * w };
    float *one = room, *two = room + w, *wide = room + 2 * w;
    normalise(one, l->norm_1, token, width);
    product(two, value, one, width, width);
    product(one, l->out, two, width, width);
    for (size_t k = 0; k < w; k++) token[k] += one[k];
    normalise(one, l->norm_2, token, width);
    product(wide, l->widen, one, width, 4 * width);
    for (size_t k = 0; k < 4 * w; k++) wide[k] = wide[k] / (1 + expf(-1.702F * wide[k]));
    product(one, l->narrow, wide, 4 * width, width);
    for (size_t k = 0; k < w; k++) token[k] += one[k];
}

void union_fuse(Nn *nn, const Union *u, Tensor hint, int type)
{
    size_t mark = nn->arena->used, w = (size_t)u->width;
    Tensor token = tensor_new(nn->arena, 1, 1, 1, u->width), alpha = tensor_like(nn->arena, token);
    Tensor room = tensor_new(nn->arena, 1, 1, 6, u->width);
    if (hint.data) {
        mean_of(token.data, hint);
        for (size_t k = 0; k < w; k++) token.data[k] += u->task[(size_t)type * w + k];
        for (int i = 0; i < u->layers; i++) run_layer(&u->layer[i], token.data, u->width, room.data);
        product(alpha.data, u->spatial, token.data, u->width, u->width);
        for (size_t i = 0; i < tensor_len(hint); i++) hint.data[i] += alpha.data[i % w];
    }
    arena_reset(nn->arena, mark);
}
