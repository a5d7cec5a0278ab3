/*
 * rrdb.c - RRDBNet: residual dense blocks within residual blocks, and nearest upsampling. Wang et al. 2018, arXiv:1809.00219 (ESRGAN);
 * BasicSR's rrdbnet_arch.py, whose names these are. Networks of x2 and x1 first fold the picture's pixels into channels.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "upscale/upscale_internal.h"
#include "weights/shapes.h"

enum { DENSE = 5, INNER = 3, MAX_UPS = 3, MAX_BLOCKS = 256, MAX_CHANNELS = 1024, HALO = 16 };

static const float SLOPE = 0.2F, SHARE = 0.2F;

typedef struct {
    Conv conv[DENSE];
} Dense;

typedef struct {
    Upscaler base;
    int blocks, ups, fold; /* fold: pixels on a side that become channels */
    Dense (*block)[INNER];
    Conv first, body, up[MAX_UPS], hr, last;
} Rrdb;

static bool is_rrdb(const Weights *w) { return weights_find(w, "body.0.rdb1.conv1.weight") != NULL; }

/* ---- binding ------------------------------------------------------------------------------------------------------- */

static int bind_blocks(Binder *b, Rrdb *r, int wide, int growth)
{
    for (int i = 0; i < r->blocks; i++)
        for (int k = 0; k < INNER; k++) {
            size_t mark = bind_enter(b, "body.%d.rdb%d", i, k + 1);
            for (int c = 0; c < DENSE; c++) {
                char name[16];
                snprintf(name, sizeof name, "conv%d", c + 1);
                int out = c + 1 < DENSE ? growth : wide;
                if (bind_conv(b, &r->block[i][k].conv[c], name, wide + c * growth, out, 3)) return -1;
            }
            bind_leave(b, mark);
        }
    return 0;
}

static int bind_ends(Binder *b, Rrdb *r, int wide)
{
    if (bind_conv(b, &r->first, "conv_first", 3 * r->fold * r->fold, wide, 3)) return -1;
    if (bind_conv(b, &r->body, "conv_body", wide, wide, 3)) return -1;
    for (int i = 0; i < r->ups; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv_up%d", i + 1);
        if (bind_conv(b, &r->up[i], name, wide, wide, 3)) return -1;
    }
    if (bind_conv(b, &r->hr, "conv_hr", wide, wide, 3)) return -1;
    return bind_conv(b, &r->last, "conv_last", wide, 3, 3);
}

/* All from the shapes. */
static int read_shape(Rrdb *r, const Weights *w, Err *e)
{
    int in = shapes_dim(w, 1, "conv_first.weight"), out = shapes_dim(w, 0, "conv_last.weight");
    for (r->fold = 1; r->fold < 4 && 3 * r->fold * r->fold < in; r->fold *= 2) continue;
    if (3 * r->fold * r->fold != in || out != 3)
        return err_set(e, "an RRDBNet of %d channels in and %d out: networks of RGB pictures are read only", in, out);
    for (r->ups = 0; r->ups < MAX_UPS && shapes_dim(w, 0, "conv_up%d.weight", r->ups + 1); r->ups++) continue;
    if ((1 << r->ups) < r->fold) return err_set(e, "an RRDBNet that makes pictures smaller is not known");
    for (r->blocks = 0; shapes_dim(w, 0, "body.%d.rdb1.conv1.weight", r->blocks); r->blocks++)
        if (r->blocks == MAX_BLOCKS) return err_set(e, "more than %d blocks", MAX_BLOCKS);
    return 0;
}

static Upscaler *open_rrdb(Binder *b)
{
    Rrdb *r = mem_alloc(sizeof *r);
    Upscaler *u = &r->base;
    if (read_shape(r, b->weights, b->e)) goto fail;
    int wide = shapes_dim(b->weights, 0, "conv_first.weight");
    int growth = shapes_dim(b->weights, 0, "body.0.rdb1.conv1.weight");
    if (wide > MAX_CHANNELS || growth > MAX_CHANNELS) {
        err_set(b->e, "an RRDBNet of %d and %d channels: at most %d are expected", wide, growth, MAX_CHANNELS);
        goto fail;
    }
    r->block = mem_array((size_t)r->blocks, sizeof *r->block);
    if (bind_ends(b, r, wide) || bind_blocks(b, r, wide, growth)) goto fail;
    u->class = &upscaler_rrdb;
    u->factor = (1 << r->ups) / r->fold;
    u->multiple = r->fold;
    u->halo = HALO * r->fold;
    snprintf(u->what, sizeof u->what, "RRDBNet, %d blocks of %d channels, x%d", r->blocks, wide, u->factor);
    return u;
fail:
    free(r->block);
    free(r);
    return NULL;
}

static void free_rrdb(Upscaler *u)
{
    free(((Rrdb *)u)->block);
    free(u);
}

/* ---- forward ------------------------------------------------------------------------------------------------------- */

static Tensor dense_forward(Nn *nn, const Dense *d, Tensor x)
{
    size_t mark = nn->arena->used;
    Tensor all = x;
    for (int i = 0; i + 1 < DENSE; i++) {
        Tensor y = nn_conv2d(nn, &d->conv[i], all);
        leaky(nn, y, SLOPE);
        all = nn_concat(nn, all, y);
    }
    Tensor y = nn_conv2d(nn, &d->conv[DENSE - 1], all);
    for (size_t i = 0; y.data && i < tensor_len(y); i++) y.data[i] = x.data[i] + SHARE * y.data[i];
    return tensor_keep(nn->arena, mark, y);
}

/* x += its share of three dense blocks. */
static void block_forward(Nn *nn, const Dense *d, Tensor x)
{
    size_t mark = nn->arena->used;
    Tensor y = x;
    for (int k = 0; k < INNER; k++) y = dense_forward(nn, &d[k], y);
    add_share(nn, x, SHARE, y);
    arena_reset(nn->arena, mark);
}

static Tensor body_forward(Nn *nn, const Rrdb *r, Tensor first)
{
    size_t mark = nn->arena->used;
    Tensor x = tensor_like(nn->arena, first);
    tensor_copy(x, first);
    for (int i = 0; i < r->blocks; i++) block_forward(nn, r->block[i], x);
    x = nn_conv2d(nn, &r->body, x);
    nn_add(nn, x, first);
    return tensor_keep(nn->arena, mark, x);
}

static Tensor forward(Nn *nn, const Upscaler *u, Tensor x)
{
    const Rrdb *r = (const Rrdb *)u;
    size_t mark = nn->arena->used;
    if (r->fold > 1) x = unshuffle(nn, x, r->fold);
    x = body_forward(nn, r, nn_conv2d(nn, &r->first, x));
    for (int i = 0; i < r->ups; i++) {
        x = nn_conv2d_up(nn, &r->up[i], x, 2 * x.h, 2 * x.w);
        leaky(nn, x, SLOPE);
        x = tensor_keep(nn->arena, mark, x);
    }
    x = nn_conv2d(nn, &r->hr, x);
    leaky(nn, x, SLOPE);
    x = tensor_keep(nn->arena, mark, x);
    return tensor_keep(nn->arena, mark, nn_conv2d(nn, &r->last, x));
}

const UpscalerClass upscaler_rrdb = {
    .name = "RRDBNet", .is = is_rrdb, .open = open_rrdb, .free = free_rrdb, .forward = forward
};
