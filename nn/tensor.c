/* tensor.c - see tensor.h. */
#include "nn/tensor.h"

#include <assert.h>
#include <string.h>

Tensor tensor_new(Arena *a, int n, int h, int w, int c)
{
    Tensor t = { .n = n, .h = h, .w = w, .c = c };
    t.data = arena_alloc(a, tensor_len(t) * sizeof(float));
    return t;
}

Tensor tensor_view(Tensor t, int n, int h, int w, int c)
{
    Tensor v = { t.data, n, h, w, c };
    assert(tensor_len(v) == tensor_len(t));
    return v;
}

Tensor tensor_slice(Tensor t, int first, int count)
{
    assert(first >= 0 && first + count <= t.n);
    Tensor s = t;
    s.n = count;
    if (t.data) s.data = t.data + tensor_len(t) / (size_t)t.n * (size_t)first;
    return s;
}

Tensor tensor_keep(Arena *a, size_t mark, Tensor t)
{
    arena_reset(a, mark);
    Tensor kept = tensor_like(a, t);
    if (kept.data) memmove(kept.data, t.data, tensor_len(t) * sizeof(float));
    return kept;
}

void tensor_copy(Tensor dst, Tensor src)
{
    assert(tensor_len(dst) == tensor_len(src));
    if (dst.data) memcpy(dst.data, src.data, tensor_len(src) * sizeof(float));
}

void tensor_from_nchw(Tensor dst, const float *src)
{
    size_t hw = (size_t)dst.h * (size_t)dst.w, c = (size_t)dst.c;
    for (size_t n = 0; n < (size_t)dst.n; n++)
        for (size_t p = 0; p < hw; p++)
            for (size_t k = 0; k < c; k++) dst.data[(n * hw + p) * c + k] = src[(n * c + k) * hw + p];
}

void tensor_to_nchw(float *dst, Tensor src)
{
    size_t hw = (size_t)src.h * (size_t)src.w, c = (size_t)src.c;
    for (size_t n = 0; n < (size_t)src.n; n++)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < hw; p++) dst[(n * c + k) * hw + p] = src.data[(n * hw + p) * c + k];
}
