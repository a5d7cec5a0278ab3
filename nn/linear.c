/* linear.c - linear layers, layer norm, activations, and what is done a row at a time. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "nn/gemm.h"
#include "nn/nn.h"
#include "nn/rows.h"

void act_row(const Kernels *k, Act act, float *x, size_t n)
{
    switch (act) {
    case ACT_NONE: break;
    case ACT_SILU: k->silu(x, x, n); break;
    case ACT_GELU: k->gelu(x, x, n); break;
    case ACT_QUICK_GELU: k->quick_gelu(x, x, n); break;
    }
}

static Tensor linear(Nn *nn, const Linear *l, Tensor x, int width, const float *residual)
{
    assert(x.c == l->in);
    PROFILE(nn, LAYER_LINEAR, x.n, x.h, x.w, l->in, l->out, 0);
    Tensor y = tensor_new(nn->arena, x.n, x.h, x.w, width);
    gemm(nn, &(Product){ .rows = tensor_rows(x),
                         .w = &l->w,
                         .x = x.data,
                         .ldx = (size_t)x.c,
                         .y = y.data,
                         .ldy = (size_t)width,
                         .bias = l->b,
                         .residual = residual });
    return y;
}

Tensor nn_linear(Nn *nn, const Linear *l, Tensor x)
{
    assert(!l->w.paired);
    return linear(nn, l, x, l->out, NULL);
}

Tensor nn_linear_geglu(Nn *nn, const Linear *l, Tensor x)
{
    assert(l->w.paired);
    return linear(nn, l, x, l->out / 2, NULL);
}

Tensor nn_linear_add(Nn *nn, const Linear *l, Tensor x, Tensor r)
{
    assert(r.c == l->out && tensor_rows(x) == tensor_rows(r) && !l->w.paired);
    return linear(nn, l, x, l->out, r.data);
}

Tensor nn_layer_norm(Nn *nn, const Norm *g, Tensor x)
{
    assert(x.c == g->c);
    PROFILE(nn, LAYER_NORM, x.n, x.h, x.w, x.c, x.c, 0);
    Tensor y = tensor_like(nn->arena, x);
    if (!y.data) return y;

    size_t rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows)
    {
        for (size_t r = first; r < last; r++) {
            const float *in = x.data + r * c;
            float *out = y.data + r * c;
            double m[2];
            nn->k->row_moments(m, in, c);
            double mean = m[0] / (double)c, var = m[1] / (double)c - mean * mean;
            float inv = (float)(1 / sqrt((var > 0 ? var : 0) + (double)g->eps)), shift = (float)-mean;
            for (size_t k = 0; k < c; k++) out[k] = (in[k] + shift) * inv;
            nn->k->affine(out, out, g->w, g->b, c);
        }
    }
    return y;
}

void nn_act(Nn *nn, Act act, Tensor x)
{
    if (!x.data) return;
    PROFILE(nn, LAYER_ACT, x.n, x.h, x.w, x.c, x.c, 0);
    size_t rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows) act_row(nn->k, act, x.data + first * c, (last - first) * c);
}

Tensor nn_geglu(Nn *nn, Tensor x)
{
    PROFILE(nn, LAYER_GEGLU, x.n, x.h, x.w, x.c, x.c / 2, 0);
    Tensor y = tensor_new(nn->arena, x.n, x.h, x.w, x.c / 2);
    if (!y.data) return y;
    size_t rows = tensor_rows(x), c = (size_t)y.c;
    FOR_ROWS(nn, rows)
    for (size_t r = first; r < last; r++) nn->k->geglu(y.data + r * c, x.data + r * 2 * c, c);
    return y;
}

void nn_add(Nn *nn, Tensor x, Tensor y)
{
    assert(tensor_len(x) == tensor_len(y));
    if (!x.data) return;
    PROFILE(nn, LAYER_ADD, x.n, x.h, x.w, x.c, x.c, 0);
    size_t rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows) nn->k->add(x.data + first * c, y.data + first * c, (last - first) * c);
}

void nn_add_channels(Nn *nn, Tensor x, Tensor v)
{
    assert(v.c == x.c && tensor_rows(v) == (size_t)x.n);
    if (!x.data) return;
    PROFILE(nn, LAYER_ADD, x.n, x.h, x.w, x.c, x.c, 0);
    size_t pixels = (size_t)x.h * (size_t)x.w, rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows)
    for (size_t r = first; r < last; r++) nn->k->add(x.data + r * c, v.data + r / pixels * c, c);
}

Tensor nn_concat(Nn *nn, Tensor a, Tensor b)
{
    assert(a.n == b.n && a.h == b.h && a.w == b.w);
    PROFILE(nn, LAYER_CONCAT, a.n, a.h, a.w, a.c + b.c, a.c + b.c, 0);
    Tensor y = tensor_new(nn->arena, a.n, a.h, a.w, a.c + b.c);
    if (!y.data) return y;
    size_t rows = tensor_rows(a), ac = (size_t)a.c, bc = (size_t)b.c;
    FOR_ROWS(nn, rows)
    {
        for (size_t r = first; r < last; r++) {
            memcpy(y.data + r * (ac + bc), a.data + r * ac, ac * sizeof(float));
            memcpy(y.data + r * (ac + bc) + ac, b.data + r * bc, bc * sizeof(float));
        }
    }
    return y;
}

Tensor nn_timestep_embedding(Nn *nn, const float *t, int n, int dim, bool flip, float shift)
{
    Tensor y = tensor_new(nn->arena, n, 1, 1, dim);
    if (!y.data) return y;
    int half = dim / 2;
    memset(y.data, 0, tensor_len(y) * sizeof(float)); /* an odd dim ends with a zero */
    for (int i = 0; i < n; i++) {
        float *sine = y.data + (size_t)i * (size_t)dim + (flip ? half : 0);
        float *cosine = y.data + (size_t)i * (size_t)dim + (flip ? 0 : half);
        for (int k = 0; k < half; k++) {
            /* in float, as the reference does: the exponent's rounding decides the phase at t = 999 */
            float freq = expf(-logf(10000.0f) * (float)k / ((float)half - shift));
            sine[k] = sinf(t[i] * freq);
            cosine[k] = cosf(t[i] * freq);
        }
    }
    return y;
}
