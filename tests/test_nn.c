/*
 * test_nn.c - layers against the plain formula in double, on odd shapes; the same bits on 1, 2 and 3 threads.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/nn.h"
#include "tests/support.h"
#include "scheduler/rng.h"

static Arena arena;
static Nn nn = { .arena = &arena };
static Rng rng;

/* Sums of up to 2,000 products of unit normals in float: 1e-6 relative to the vector's length. */
static const double LIMIT = 1e-6;

static float *normals(size_t n)
{
    float *p = arena_alloc(&arena, n * sizeof *p + 64);
    rng_randn(&rng, p, n);
    return p;
}

static Tensor random_tensor(int n, int h, int w, int c)
{
    Tensor t = { NULL, n, h, w, c };
    t.data = normals(tensor_len(t));
    return t;
}

static float at(Tensor t, int n, int y, int x, int c)
{
    if (y < 0 || y >= t.h || x < 0 || x >= t.w) return 0;
    return t.data[(((size_t)n * (size_t)t.h + (size_t)y) * (size_t)t.w + (size_t)x) * (size_t)t.c + (size_t)c];
}

static void assert_close(Tensor got, const double *want)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < tensor_len(got); i++) {
        d += (got.data[i] - want[i]) * (got.data[i] - want[i]);
        s += want[i] * want[i];
    }
    if (!(sqrt(d / s) < LIMIT)) fail_msg("relative error %.2e, limit %.0e", sqrt(d / s), LIMIT);
}

typedef struct {
    Conv c;
    const float *w; /* [out, in, k, k] */
} RandomConv;

/* A direct convolution; up 2 reads x as if doubled. */
static double *direct(const RandomConv *r, Tensor x, int oh, int ow, int stride, int pad, int up)
{
    const Conv *c = &r->c;
    double *out = calloc((size_t)(x.n * oh * ow * c->out), sizeof *out), *o = out;
    int h = up == 2 ? oh : x.h, w = up == 2 ? ow : x.w;
    for (int n = 0; n < x.n; n++)
        for (int y = 0; y < oh; y++)
            for (int xx = 0; xx < ow; xx++)
                for (int k = 0; k < c->out; k++, o++) {
                    *o = c->b[k];
                    for (int ky = 0; ky < c->k; ky++)
                        for (int kx = 0; kx < c->k; kx++) {
                            int sy = y * stride + ky - pad, sx = xx * stride + kx - pad;
                            if (sy < 0 || sy >= h || sx < 0 || sx >= w) continue;
                            for (int i = 0; i < c->in; i++)
                                *o += (double)at(x, n, sy / up, sx / up, i) *
                                      r->w[((k * c->in + i) * c->k + ky) * c->k + kx];
                        }
                }
    return out;
}

static RandomConv random_conv(int in, int out, int k)
{
    const float *w = normals((size_t)(in * out * k * k));
    Conv c = { .w = test_panels(w, out, in * k * k), .b = normals((size_t)out), .in = in, .out = out, .k = k };
    return (RandomConv){ c, w };
}

static void check_conv(int n, int h, int w, int in, int out)
{
    Tensor x = random_tensor(n, h, w, in), r = random_tensor(n, h, w, out);
    RandomConv c3 = random_conv(in, out, 3), c1 = random_conv(in, out, 1);
    double *want = direct(&c3, x, h, w, 1, 1, 1);
    assert_close(nn_conv2d(&nn, &c3.c, x), want);
    for (size_t i = 0; i < tensor_len(r); i++) want[i] += r.data[i];
    assert_close(nn_conv2d_with(&nn, &c3.c, x, &(With){ .residual = r }), want);
    free(want);
    want = direct(&c1, x, h, w, 1, 0, 1);
    assert_close(nn_conv2d(&nn, &c1.c, x), want);
    free(want);
    for (int pad = 0; pad < 2; pad++) {
        Tensor y = nn_conv2d_down(&nn, &c3.c, x, pad);
        assert_int_equal(y.h, (h + pad + 1 - 3) / 2 + 1);
        want = direct(&c3, x, y.h, y.w, 2, pad, 1);
        assert_close(y, want);
        free(want);
    }
    for (int odd = 0; odd < 2; odd++) {
        want = direct(&c3, x, 2 * h - odd, 2 * w - odd, 1, 1, 2);
        assert_close(nn_conv2d_up(&nn, &c3.c, x, 2 * h - odd, 2 * w - odd), want);
        free(want);
    }
}

static void test_conv2d(void **state)
{
    (void)state;
    check_conv(1, 1, 1, 3, 5);
    check_conv(2, 7, 5, 4, 33);
    check_conv(1, 16, 17, 67, 3);
    check_conv(1, 40, 9, 20, 12);
}

static void test_linear(void **state)
{
    (void)state;
    const int shapes[][3] = { { 1, 1, 1 }, { 77, 13, 400 }, { 300, 65, 7 }, { 513, 31, 801 } };
    for (size_t s = 0; s < 4; s++) {
        int m = shapes[s][0], in = shapes[s][1], out = shapes[s][2];
        Tensor x = random_tensor(1, m, 1, in), r = random_tensor(1, m, 1, out);
        const float *w = normals((size_t)(in * out));
        Linear l = { test_panels(w, out, in), normals((size_t)out), in, out };
        double *want = calloc((size_t)(m * out), sizeof *want);
        for (int i = 0; i < m; i++)
            for (int o = 0; o < out; o++) {
                want[i * out + o] = l.b[o];
                for (int k = 0; k < in; k++) want[i * out + o] += (double)x.data[i * in + k] * w[o * in + k];
            }
        assert_close(nn_linear(&nn, &l, x), want);
        for (int i = 0; i < m * out; i++) want[i] += r.data[i];
        assert_close(nn_linear_add(&nn, &l, x, r), want);
        l.b = NULL;
        Tensor without = nn_linear(&nn, &l, x);
        assert_true(isfinite(without.data[0]));
        free(want);
    }
}

static void check_attention(int n, int tq, int tk, int heads, int d, bool causal)
{
    int c = heads * d;
    Tensor q = random_tensor(n, tq, 1, c), k = random_tensor(n, tk, 1, c), v = random_tensor(n, tk, 1, c);
    double *want = calloc((size_t)(n * tq * c), sizeof *want), *p = calloc((size_t)tk, sizeof *p);
    for (int b = 0; b < n; b++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < tq; i++) {
                int seen = causal ? i + 1 : tk;
                double sum = 0;
                for (int j = 0; j < seen; j++) {
                    double dot = 0;
                    for (int e = 0; e < d; e++) dot += (double)at(q, b, i, 0, h * d + e) * at(k, b, j, 0, h * d + e);
                    sum += p[j] = exp(dot / sqrt(d));
                }
                for (int j = 0; j < seen; j++)
                    for (int e = 0; e < d; e++)
                        want[(b * tq + i) * c + h * d + e] += p[j] / sum * at(v, b, j, 0, h * d + e);
            }
    assert_close(nn_attention(&nn, q, k, v, heads, causal), want);
    free(want);
    free(p);
}

static void test_attention(void **state)
{
    (void)state;
    check_attention(2, 1, 1, 1, 1, false);
    check_attention(2, 130, 77, 3, 5, false);
    check_attention(1, 300, 1100, 2, 8, false); /* several blocks of keys */
    check_attention(1, 77, 77, 2, 16, true);
    check_attention(1, 700, 700, 1, 4, true);
}

static void test_group_norm(void **state)
{
    (void)state;
    Tensor x = random_tensor(2, 37, 29, 12);
    for (size_t i = 0; i < tensor_len(x); i++) x.data[i] = x.data[i] * 0.01f + 100; /* a mean far from 0 */
    Norm g = { normals(12), normals(12), 12, 4, 1e-5f };
    double *want = calloc(tensor_len(x), sizeof *want);
    int pixels = 37 * 29;
    for (int n = 0; n < 2; n++)
        for (int group = 0; group < 4; group++) {
            double mean = 0, var = 0;
            for (int i = 0; i < pixels * 3; i++) mean += x.data[(n * pixels + i / 3) * 12 + group * 3 + i % 3];
            mean /= pixels * 3;
            for (int i = 0; i < pixels * 3; i++)
                var += pow(x.data[(n * pixels + i / 3) * 12 + group * 3 + i % 3] - mean, 2);
            var /= pixels * 3;
            for (int i = 0; i < pixels * 3; i++) {
                int c = group * 3 + i % 3, k = (n * pixels + i / 3) * 12 + c;
                double y = (x.data[k] - mean) / sqrt(var + 1e-5) * g.w[c] + g.b[c];
                want[k] = y / (1 + exp(-y));
            }
        }
    Tensor y = nn_group_norm(&nn, &g, x, ACT_SILU);
    double d = 0, s = 0;
    for (size_t i = 0; i < tensor_len(y); i++) d += pow(y.data[i] - want[i], 2), s += pow(want[i], 2);
    assert_true(sqrt(d / s) < 1e-3); /* x itself is rounded to 8e-6 at 100, against a deviation of 1e-2 */
    free(want);
}

static void test_layer_norm(void **state)
{
    (void)state;
    Tensor x = random_tensor(1, 70, 1, 45);
    Norm g = { normals(45), normals(45), 45, 0, 1e-5f };
    double *want = calloc(tensor_len(x), sizeof *want);
    for (int r = 0; r < 70; r++) {
        double mean = 0, var = 0;
        for (int i = 0; i < 45; i++) mean += x.data[r * 45 + i] / 45.0;
        for (int i = 0; i < 45; i++) var += pow(x.data[r * 45 + i] - mean, 2) / 45;
        for (int i = 0; i < 45; i++)
            want[r * 45 + i] = (x.data[r * 45 + i] - mean) / sqrt(var + 1e-5) * g.w[i] + g.b[i];
    }
    assert_close(nn_layer_norm(&nn, &g, x), want);
    free(want);
}

/* A dry pass must count what the real one takes. */
static void test_dry(void **state)
{
    (void)state;
    Arena dry;
    arena_init_dry(&dry);
    Nn d = nn;
    d.arena = &dry;
    RandomConv c = random_conv(7, 9, 3);
    Norm g = { normals(9), normals(9), 9, 3, 1e-5f };
    Tensor x = random_tensor(1, 31, 33, 7), nothing = { NULL, 1, 31, 33, 7 };
    size_t from = arena.used;
    arena.peak = from;
    Tensor y = nn_group_norm(&nn, &g, nn_conv2d(&nn, &c.c, x), ACT_NONE);
    Tensor n = nn_group_norm(&d, &g, nn_conv2d(&d, &c.c, nothing), ACT_NONE);
    assert_null(n.data);
    assert_int_equal(tensor_len(y), tensor_len(n));
    assert_int_equal(arena.used - from, dry.used);
    assert_int_equal(arena.peak - from, dry.peak);
}

static void test_threads(void **state)
{
    (void)state;
    Tensor x = random_tensor(2, 33, 31, 64);
    RandomConv c = random_conv(64, 96, 3);
    Norm g = { normals(96), normals(96), 96, 32, 1e-5f };
    Tensor first = { NULL, 0, 0, 0, 0 };
    for (int t = 1; t <= 3; t++) {
        Nn many = nn;
        many.threads = t;
        Tensor y = nn_group_norm(&many, &g, nn_conv2d(&many, &c.c, x), ACT_SILU);
        y = nn_attention(&many, y, y, y, 4, false);
        if (t == 1) first = y;
        else assert_memory_equal(first.data, y.data, tensor_len(y) * sizeof(float));
    }
}

static int setup(void **state)
{
    (void)state;
    Err e;
    const char *why;
    rng_init(&rng, RNG_TORCH, 1);
    nn.k = kernels_select(&why);
    nn.threads = 2;
    return arena_init(&arena, 1u << 30, &e);
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv2d),     cmocka_unit_test(test_linear),     cmocka_unit_test(test_attention),
        cmocka_unit_test(test_group_norm), cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_dry),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
