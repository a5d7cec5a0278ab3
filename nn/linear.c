/* linear.c - linear layers, layer norm, activations, and what is done a row at a time. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "nn/gemm.h"
#include "nn/group_norm.h"
#include "nn/nn.h"
#include "nn/rows.h"

void act_row(const Kernels *k, Act act, float *x, size_t n)
{
    switch (act) {
    case ACT_NONE: break;
    case ACT_SILU: k->silu(x, x, n); break;
    case ACT_GELU: k->gelu(x, x, n); break;
    case ACT_QUICK_GELU: k->quick_gelu(x, x, n); break;
    case ACT_RELU:
        for (size_t i = 0; i < n; i++) x[i] = x[i] < 0 ? 0 : x[i]; /* a NaN stays one */
        break;
    }
}

/* A row of a layer norm. */
static void layer_norm_row(const Kernels *k, const Norm *g, float *out, const float *in)
{
    size_t c = (size_t)g->c;
    double m[2];
    k->row_moments(m, in, c);
    double mean = m[0] / (double)c, var = m[1] / (double)c - mean * mean;
    float inv = (float)(1 / sqrt((var > 0 ? var : 0) + (double)g->eps));
    k->center(out, in, (float)-mean, inv, c);
    k->affine(out, out, g->w, g->b, c);
}

/* What a product reads in place of x: its rows, normalised. */
typedef struct {
    const Kernels *k;
    const Norm *norm;
    Tensor x;
    const float *ab; /* of a group norm */
} Normalised;

static void normalised_row(const void *ctx, float *dst, size_t row)
{
    const Normalised *s = ctx;
    size_t c = (size_t)s->x.c, pixels = (size_t)s->x.h * (size_t)s->x.w;
    const float *src = s->x.data + row * c, *ab = s->ab + row / pixels * 2 * c;
    if (s->norm->groups) s->k->affine(dst, src, ab, ab + c, c);
    else layer_norm_row(s->k, s->norm, dst, src);
}

Tensor nn_linear_with(Nn *nn, const Linear *l, Tensor x, const With *with)
{
    int width = l->w.paired ? l->out / 2 : l->out;
    assert(x.c == l->in && (!with->norm || with->norm->c == x.c) && with->act == ACT_NONE);
    PROFILE(nn, LAYER_LINEAR, x.n, x.h, x.w, l->in, l->out, 0);
    Tensor y = with->into.c ? with->into : tensor_new(nn->arena, x.n, x.h, x.w, width);
    assert(y.c == width && tensor_rows(y) == tensor_rows(x));
    assert(!with->residual.c || (tensor_len(with->residual) == tensor_len(y) && !l->w.paired));
    size_t mark = nn->arena->used;
    Normalised in = { .k = nn->k, .norm = with->norm, .x = x };
    if (in.norm && in.norm->groups) in.ab = group_norm_affine(nn, in.norm, x);
    gemm(nn, &(Product){ .rows = tensor_rows(x),
                         .samples = (size_t)x.n,
                         .w = &l->w,
                         .x = x.data,
                         .ldx = (size_t)x.c,
                         .row = in.norm ? normalised_row : NULL,
                         .ctx = &in,
                         .y = y.data,
                         .ldy = (size_t)width,
                         .bias = l->b,
                         .residual = with->residual.data });
    evict_weights(nn, &l->w, tensor_rows(x));
    arena_reset(nn->arena, mark);
    return y;
}

Tensor nn_linear(Nn *nn, const Linear *l, Tensor x) { return nn_linear_with(nn, l, x, &(With){ 0 }); }

Tensor nn_linear_add(Nn *nn, const Linear *l, Tensor x, Tensor r)
{
    return nn_linear_with(nn, l, x, &(With){ .residual = r });
}

Tensor nn_layer_norm(Nn *nn, const Norm *g, Tensor x)
{
    assert(x.c == g->c);
    PROFILE(nn, LAYER_NORM, x.n, x.h, x.w, x.c, x.c, 0);
    Tensor y = tensor_like(nn->arena, x);
    if (!y.data) return y;
    size_t rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows)
    for (size_t r = first; r < last; r++) layer_norm_row(nn->k, g, y.data + r * c, x.data + r * c);
    return y;
}

void nn_act(Nn *nn, Act act, Tensor x)
{
    if (!x.data) return;
    PROFILE(nn, LAYER_ACT, x.n, x.h, x.w, x.c, x.c, 0);
    size_t rows = tensor_rows(x), c = (size_t)x.c;
    FOR_ROWS(nn, rows) act_row(nn->k, act, x.data + first * c, (last - first) * c);
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
