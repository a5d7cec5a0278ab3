/* layers.c - see upscale_internal.h. */
#include "upscale/upscale_internal.h"

#define FOR_ALL(nn, i, n)                                                                                              \
    _Pragma("omp parallel for schedule(static) num_threads((nn)->threads)") for (size_t i = 0; i < (n); i++)

void leaky(Nn *nn, Tensor x, float slope)
{
    if (!x.data) return;
    FOR_ALL(nn, i, tensor_len(x)) x.data[i] = x.data[i] > 0 ? x.data[i] : slope * x.data[i];
}

void prelu(Nn *nn, Tensor x, const float *slope)
{
    size_t c = (size_t)x.c;
    if (!x.data) return;
    FOR_ALL(nn, row, tensor_rows(x))
    {
        float *p = x.data + row * c;
        for (size_t k = 0; k < c; k++) p[k] = p[k] > 0 ? p[k] : slope[k] * p[k];
    }
}

void add_share(Nn *nn, Tensor x, float a, Tensor y)
{
    if (!x.data) return;
    FOR_ALL(nn, i, tensor_len(x)) x.data[i] += a * y.data[i];
}

/* Where channel c of the sub-pixel (dy, dx) stands among s * s times as many channels. */
static size_t sub_channel(size_t c, size_t dy, size_t dx, size_t s) { return (c * s + dy) * s + dx; }

Tensor unshuffle(Nn *nn, Tensor x, int s)
{
    Tensor out = tensor_new(nn->arena, 1, x.h / s, x.w / s, x.c * s * s);
    size_t n = (size_t)s, c = (size_t)x.c, w = (size_t)out.w, all = (size_t)out.c;
    for (size_t i = 0; out.data && i < tensor_rows(x); i++) {
        size_t y = i / (size_t)x.w, at = i % (size_t)x.w;
        float *to = out.data + ((y / n) * w + at / n) * all;
        for (size_t k = 0; k < c; k++) to[sub_channel(k, y % n, at % n, n)] = x.data[i * c + k];
    }
    return out;
}

Tensor shuffle(Nn *nn, Tensor x, int s)
{
    Tensor out = tensor_new(nn->arena, 1, x.h * s, x.w * s, x.c / (s * s));
    size_t n = (size_t)s, c = (size_t)out.c, w = (size_t)x.w, all = (size_t)x.c;
    for (size_t i = 0; out.data && i < tensor_rows(out); i++) {
        size_t y = i / (size_t)out.w, at = i % (size_t)out.w;
        const float *from = x.data + ((y / n) * w + at / n) * all;
        for (size_t k = 0; k < c; k++) out.data[i * c + k] = from[sub_channel(k, y % n, at % n, n)];
    }
    return out;
}
