/*
 * compact.c - SRVGGNetCompact: a row of convolutions at the picture's own size, whose last one makes all sub-pixels at once. Real-ESRGAN's
 * srvgg_arch.py (Wang et al. 2021, arXiv:2107.10833, and its animevideo models).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "upscale/upscale_internal.h"
#include "weights/shapes.h"

enum { MAX_LAYERS = 256, MAX_CHANNELS = 1024, MAX_FACTOR = 8 };

typedef struct {
    Upscaler base;
    int layers; /* convolutions with slopes behind them */
    Conv *conv; /* [layers + 1] */
    const float **slope;
} Compact;

static bool is_compact(const Weights *w)
{
    const Weight *slope = weights_find(w, "body.1.weight");
    return shapes_dim(w, 1, "body.0.weight") == 3 && slope && slope->ndim == 1;
}

/* The factor that so many channels make; 0: none. */
static int factor_of(int channels)
{
    for (int s = 1; s <= MAX_FACTOR; s++)
        if (3 * s * s == channels) return s;
    return 0;
}

static int bind_layers(Binder *b, Compact *c, int wide, int out)
{
    for (int i = 0; i <= c->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "body.%d", 2 * i);
        if (bind_conv(b, &c->conv[i], name, i ? wide : 3, i < c->layers ? wide : out, 3)) return -1;
        if (i == c->layers) break;
        snprintf(name, sizeof name, "body.%d.weight", 2 * i + 1);
        if (bind_tensor(b, &c->slope[i], name, 1, &(int64_t){ wide })) return -1;
    }
    return 0;
}

static void free_compact(Upscaler *u)
{
    Compact *c = (Compact *)u;
    free(c->conv);
    free((void *)c->slope);
    free(c);
}

static Upscaler *open_compact(Binder *b)
{
    Compact *c = mem_alloc(sizeof *c);
    Upscaler *u = &c->base;
    const Weights *w = b->weights;
    while (c->layers < MAX_LAYERS && shapes_dim(w, 0, "body.%d.weight", 2 * c->layers + 1)) c->layers++;
    int wide = shapes_dim(w, 0, "body.0.weight"), out = shapes_dim(w, 0, "body.%d.weight", 2 * c->layers);
    c->conv = mem_array((size_t)c->layers + 1, sizeof *c->conv);
    c->slope = mem_array((size_t)c->layers, sizeof *c->slope);
    *u = (Upscaler){ .class = &upscaler_compact, .factor = factor_of(out), .multiple = 1, .halo = c->layers + 1 };
    if (wide > MAX_CHANNELS || !u->factor)
        err_set(b->e, "an SRVGGNetCompact of %d channels that ends in %d: 3 s^2 are expected", wide, out);
    else if (bind_layers(b, c, wide, out) == 0) {
        snprintf(u->what, sizeof u->what, "SRVGGNetCompact, %d layers of %d channels, x%d", c->layers, wide, u->factor);
        return u;
    }
    free_compact(u);
    return NULL;
}

static Tensor forward(Nn *nn, const Upscaler *u, Tensor x)
{
    const Compact *c = (const Compact *)u;
    size_t mark = nn->arena->used, s = (size_t)u->factor;
    Tensor y = x;
    for (int i = 0; i <= c->layers; i++) {
        y = nn_conv2d(nn, &c->conv[i], y);
        if (i < c->layers) prelu(nn, y, c->slope[i]);
        y = tensor_keep(nn->arena, mark, y);
    }
    y = tensor_keep(nn->arena, mark, shuffle(nn, y, u->factor));
    for (size_t i = 0; y.data && i < tensor_rows(y); i++) {
        const float *p = x.data + (i / (size_t)y.w / s * (size_t)x.w + i % (size_t)y.w / s) * 3;
        for (size_t k = 0; k < 3; k++) y.data[3 * i + k] += p[k]; /* the network adds to the nearest pixel */
    }
    return y;
}

const UpscalerClass upscaler_compact = {
    .name = "SRVGGNetCompact", .is = is_compact, .open = open_compact, .free = free_compact, .forward = forward
};
