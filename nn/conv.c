/*
 * conv.c - convolutions as matrix products: the pixels under the kernel are laid side by side (im2col) for a band of output
 * rows that stays in the cache, then multiplied with the weights [out, k*k*in].
 */
#include <assert.h>
#include <string.h>

#include "nn/gemm.h"
#include "nn/nn.h"

/* Where a convolution reads: `up` 2 reads the input as if each pixel stood twice (nearest upsampling). */
typedef struct {
    int stride, pad, up;
} Window;

enum { BAND_BYTES = 8 << 20 }; /* of im2col at once: a share of L3 */

/* One output pixel's neighbourhood: k*k*in floats. */
static void gather(float *dst, const float *src, Tensor x, int oy, int ox, int k, int h, int w, Window win)
{
    size_t c = (size_t)x.c;
    for (int ky = 0; ky < k; ky++) {
        int y = oy * win.stride + ky - win.pad;
        for (int kx = 0; kx < k; kx++, dst += c) {
            int xx = ox * win.stride + kx - win.pad;
            if (y < 0 || y >= h || xx < 0 || xx >= w) memset(dst, 0, c * sizeof *dst);
            else memcpy(dst, src + ((size_t)(y / win.up) * (size_t)x.w + (size_t)(xx / win.up)) * c, c * sizeof *dst);
        }
    }
}

/* h, w: the input's size as the window sees it (after upsampling). */
static Tensor conv(Nn *nn, const Conv *cv, Tensor x, const float *residual, int h, int w, int oh, int ow, Window win)
{
    assert(x.c == cv->in);
    LayerKind kind = win.stride == 2 ? LAYER_CONV_DOWN : win.up == 2 ? LAYER_CONV_UP : LAYER_CONV;
    PROFILE(nn, kind, x.n, oh, ow, cv->in, cv->out, cv->k);
    Tensor y = tensor_new(nn->arena, x.n, oh, ow, cv->out);
    size_t out = (size_t)cv->out, depth = (size_t)(cv->k * cv->k) * (size_t)cv->in, rows = tensor_rows(y);
    if (cv->k == 1 && win.stride == 1 && win.up == 1) {
        if (y.data) gemm_bias(nn, y.data, x.data, depth, cv->w, cv->b, residual, rows, out, depth);
        return y;
    }

    size_t band = BAND_BYTES / (depth * sizeof(float)) / 256 * 256, pixels = (size_t)oh * (size_t)ow;
    if (band < 256) band = 256;
    if (band > rows) band = rows;
    size_t mark = nn->arena->used;
    float *cols = arena_alloc(nn->arena, band * depth * sizeof *cols);
    arena_reset(nn->arena, mark);
    if (!y.data) return y;

    for (size_t first = 0; first < rows; first += band) {
        size_t count = rows - first < band ? rows - first : band;
#pragma omp parallel for schedule(static) num_threads(nn->threads) if (count * depth > 16384)
        for (size_t r = 0; r < count; r++) {
            size_t at = first + r, p = at % pixels;
            const float *src = x.data + at / pixels * (size_t)x.h * (size_t)x.w * (size_t)x.c;
            gather(cols + r * depth, src, x, (int)(p / (size_t)ow), (int)(p % (size_t)ow), cv->k, h, w, win);
        }
        gemm_bias(nn, y.data + first * out, cols, depth, cv->w, cv->b, residual ? residual + first * out : NULL, count,
                  out, depth);
    }
    return y;
}

Tensor nn_conv2d(Nn *nn, const Conv *c, Tensor x)
{
    return conv(nn, c, x, NULL, x.h, x.w, x.h, x.w, (Window){ .stride = 1, .pad = c->k / 2, .up = 1 });
}

Tensor nn_conv2d_add(Nn *nn, const Conv *c, Tensor x, Tensor r)
{
    assert(r.c == c->out && tensor_rows(r) == tensor_rows(x));
    return conv(nn, c, x, r.data, x.h, x.w, x.h, x.w, (Window){ .stride = 1, .pad = c->k / 2, .up = 1 });
}

Tensor nn_conv2d_down(Nn *nn, const Conv *c, Tensor x, int pad_before)
{
    int oh = (x.h + pad_before + 1 - c->k) / 2 + 1, ow = (x.w + pad_before + 1 - c->k) / 2 + 1;
    return conv(nn, c, x, NULL, x.h, x.w, oh, ow, (Window){ .stride = 2, .pad = pad_before, .up = 1 });
}

Tensor nn_conv2d_up(Nn *nn, const Conv *c, Tensor x, int h, int w)
{
    assert(h <= 2 * x.h && w <= 2 * x.w && h > 2 * (x.h - 1) && w > 2 * (x.w - 1));
    return conv(nn, c, x, NULL, h, w, h, w, (Window){ .stride = 1, .pad = c->k / 2, .up = 2 });
}
