/*
 * conv.c - convolutions: 1x1 as matrix products, large 3x3 by Winograd's way (winograd.c), the others as products whose rows
 * are gathered from the pixels under the kernel.
 */
#include <assert.h>
#include <string.h>

#include "nn/conv_internal.h"
#include "nn/gemm.h"
#include "nn/group_norm.h"
#include "nn/low_rank.h"

enum { MAX_TAPS = 9 };

/* -1: beyond the edge */
static int inside(int at, int size, bool wrap)
{
    if (wrap) return (at % size + size) % size;
    return at < 0 || at >= size ? -1 : at;
}

const float *conv_pixel(const Convolution *c, size_t n, int y, int x)
{
    y = inside(y, c->h, c->wrap_y);
    x = inside(x, c->w, c->wrap_x);
    if (y < 0 || x < 0) return c->zeros;
    size_t row = n * (size_t)c->x.h + (size_t)(y / c->up);
    return c->x.data + (row * (size_t)c->x.w + (size_t)(x / c->up)) * (size_t)c->x.c;
}

/* One output pixel's neighbourhood in the order of the weights: [in, k * k]. */
static void gather(const void *ctx, float *dst, size_t row)
{
    const Convolution *c = ctx;
    size_t pixels = (size_t)c->y.h * (size_t)c->y.w, p = row % pixels, in = (size_t)c->conv->in;
    int y = (int)(p / (size_t)c->y.w) * c->stride - c->pad, x = (int)(p % (size_t)c->y.w) * c->stride - c->pad;
    int k = c->conv->k, taps = k * k;
    const float *pixel[MAX_TAPS];
    for (int t = 0; t < taps; t++) pixel[t] = conv_pixel(c, row / pixels, y + t / k, x + t % k);
    for (size_t i = 0; i < in; i++)
        for (int t = 0; t < taps; t++) *dst++ = pixel[t][i];
}

/* As a product of gathered rows. */
static Product product_of(const Convolution *c)
{
    const Conv *cv = c->conv;
    Product p = { .rows = tensor_rows(c->y),
                  .samples = (size_t)c->y.n,
                  .w = &cv->w,
                  .y = c->y.data,
                  .ldy = (size_t)cv->out,
                  .bias = cv->b,
                  .residual = c->residual };
    if (cv->k == 1 && c->stride == 1 && c->up == 1) {
        p.x = c->x.data;
        p.ldx = (size_t)cv->in;
    } else {
        p.row = gather;
        p.gathered = true;
        p.ctx = c;
    }
    return p;
}

static void convolve_fast(const Nn *nn, const Convolution *c)
{
    if (direct_suits(nn, c)) direct_convolve(nn, c);
    else winograd_convolve(nn, c);
}

/* The file's weights by the fast algorithm, and their patches as separate products. */
static void low_rank_beside(Nn *nn, const Convolution *c)
{
    Product p = product_of(c);
    Convolution bare = *c;
    Conv conv = *c->conv;
    conv.w.patch = NULL;
    bare.conv = &conv;
    convolve_fast(nn, &bare);
    gemm_low_rank(nn, &p);
}

static Tensor convolve(Nn *nn, Convolution c, int oh, int ow, const With *with)
{
    const Conv *cv = c.conv;
    LayerKind kind = c.stride == 2 ? LAYER_CONV_DOWN : c.up == 2 ? LAYER_CONV_UP : LAYER_CONV;
    assert(c.x.c == cv->in);
    c.y = with->into.c ? with->into : tensor_new(nn->arena, c.x.n, oh, ow, cv->out);
    assert(c.y.n == c.x.n && c.y.h == oh && c.y.w == ow && c.y.c == cv->out);
    assert(!with->residual.c || tensor_len(with->residual) == tensor_len(c.y));
    c.residual = with->residual.data;
    c.relu = with->relu;
    c.act = with->act;
    c.wrap_x = nn->wrap_x;
    c.wrap_y = nn->wrap_y;

    size_t mark = nn->arena->used, in = (size_t)cv->in;
    float *zeros = arena_alloc(nn->arena, in * sizeof *zeros);
    if (zeros) memset(zeros, 0, in * sizeof *zeros);
    c.zeros = zeros;
    bool direct = direct_suits(nn, &c), fast = direct || winograd_suits(&c);
    bool beside = fast && !c.relu && low_rank_pays(&cv->w, (size_t)oh * (size_t)ow);
    if (with->norm && fast && !beside) {
        c.with_norm = true;
        c.ab = group_norm_affine(nn, with->norm, c.x);
    } else if (with->norm) {
        c.x = nn_group_norm(nn, with->norm, c.x, with->act);
    }
    {
        PROFILE(nn, kind, c.x.n, oh, ow, cv->in, cv->out, cv->k);
        if (beside) low_rank_beside(nn, &c);
        else if (fast) convolve_fast(nn, &c);
        else {
            Product p = product_of(&c);
            gemm(nn, &p);
        }
        if (c.relu && (direct || !fast)) nn_act(nn, ACT_RELU, c.y);
        evict_weights(nn, &cv->w, tensor_rows(c.y));
    }
    arena_reset(nn->arena, mark);
    return c.y;
}

Tensor nn_conv2d_with(Nn *nn, const Conv *c, Tensor x, const With *with)
{
    return convolve(nn, (Convolution){ .conv = c, .x = x, .h = x.h, .w = x.w, .stride = 1, .pad = c->k / 2, .up = 1 },
                    x.h, x.w, with);
}

Tensor nn_conv2d(Nn *nn, const Conv *c, Tensor x) { return nn_conv2d_with(nn, c, x, &(With){ 0 }); }

Tensor nn_conv2d_down(Nn *nn, const Conv *c, Tensor x, int pad_before)
{
    int oh = (x.h + pad_before + 1 - c->k) / 2 + 1, ow = (x.w + pad_before + 1 - c->k) / 2 + 1;
    return convolve(nn, (Convolution){ .conv = c, .x = x, .h = x.h, .w = x.w, .stride = 2, .pad = pad_before, .up = 1 },
                    oh, ow, &(With){ 0 });
}

Tensor nn_conv2d_up(Nn *nn, const Conv *c, Tensor x, int h, int w)
{
    assert(h <= 2 * x.h && w <= 2 * x.w && h > 2 * (x.h - 1) && w > 2 * (x.w - 1));
    return convolve(nn, (Convolution){ .conv = c, .x = x, .h = h, .w = w, .stride = 1, .pad = c->k / 2, .up = 2 }, h, w,
                    &(With){ 0 });
}
