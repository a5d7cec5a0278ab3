/* test_kernels.c - every kernel set that this CPU runs: against libm in double, and against the portable set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/kernels.h"
#include "tests/kernels_evex.h"
#include "scheduler/rng.h"

enum { N = 1037 }; /* odd, so that every vector width has a tail */

static float x[2 * N], y[2 * N], z[2 * N];

static void fill(float scale)
{
    Rng r;
    rng_init(&r, RNG_TORCH, 7);
    rng_randn(&r, x, 2 * N);
    for (int i = 0; i < 2 * N; i++) x[i] *= scale;
    x[0] = 0, x[1] = -0.0f, x[2] = 1e-30f, x[3] = -88, x[4] = 88, x[5] = -1000, x[6] = 1000;
}

static double exact_gelu(double v) { return v * 0.5 * erfc(-v / sqrt(2)); }
static double exact_silu(double v) { return v / (1 + exp(-v)); }
static double exact_quick_gelu(double v) { return v / (1 + exp(-1.702 * v)); }

/*
 * 4e-7: two ulp of exp, half a unit in each of four roundings; the rounding of exp's argument counts |x| times. GELU's
 * polynomials are exact to 1e-7 absolute. 1e-34: exp(-88) is where clamping begins.
 */
static void check_act(const char *row, const char *name, void (*f)(float *, const float *, size_t),
                      double (*exact)(double))
{
    f(y, x, N);
    for (int i = 0; i < N; i++) {
        double want = exact(x[i]), error = fabs(y[i] - want);
        if (!(error <= (4e-7 + 1.2e-7 * fabs((double)x[i])) * fabs(want) + 1e-7 * (name[0] == 'g') + 1e-34))
            fail_msg("%s %s(%g) = %.9g, exactly %.9g", row, name, (double)x[i], (double)y[i], want);
    }
}

static void test_activations(void **state)
{
    (void)state;
    fill(4);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        check_act((*k)->name, "silu", (*k)->silu, exact_silu);
        for (size_t n = 0; n < 70; n++) {
            (*k)->affine_silu(y, x, x + 200, x + 400, n);
            for (size_t i = 0; i < n; i++) {
                double v = (double)x[i] * (double)x[200 + i] + (double)x[400 + i], want = exact_silu(v);
                double off = (fabs(v) + fabs((double)x[i] * (double)x[200 + i])) * 0x1p-23;
                assert_true(fabs((double)y[i] - want) <= 1.2 * off + (4e-7 + 1.2e-7 * fabs(v)) * fabs(want) + 1e-34);
            }
        }
        check_act((*k)->name, "gelu", (*k)->gelu, exact_gelu);
        check_act((*k)->name, "quick_gelu", (*k)->quick_gelu, exact_quick_gelu);
    }
}

static void test_softmax_step(void **state)
{
    (void)state;
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (size_t n = 1; n <= N; n += 129) { /* in two blocks, as attention does */
            fill(30);
            memcpy(y, x, sizeof y);
            float top = -INFINITY, sum = 0, total;
            size_t half = n / 2;
            (*k)->softmax_step(y, half ? half : n, 0.5f, &top, &total);
            float keep = 1;
            if (half) keep = (*k)->softmax_step(y + half, n - half, 0.5f, &top, &sum);
            total = total * keep + sum;
            double most = -INFINITY, all = 0;
            for (size_t i = 0; i < n; i++) most = fmax(most, 0.5 * x[i]);
            for (size_t i = 0; i < n; i++) all += exp(0.5 * x[i] - most);
            assert_float_equal(top, most, 1e-4);
            assert_true(fabs(total - all) < 1e-5 * all);
            for (size_t i = 0; i < n; i++) {
                double got = y[i] * (i < half ? keep : 1) / total, want = exp(0.5 * x[i] - most) / all;
                assert_true(fabs(got - want) < 1e-5 * want + 1e-30); /* the argument's ulp at 500 is 3e-5 / 2 */
            }
        }
    }
}

static void test_simple(void **state)
{
    (void)state;
    const Kernels *p = NULL;
    for (const Kernels *const *k = kernels_rows; *k; k++) p = *k; /* the last is the portable one */
    assert_string_equal(p->name, "portable");
    fill(3);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        memcpy(y, x, sizeof y), memcpy(z, x, sizeof z);
        (*k)->add(y, x + N, N), p->add(z, x + N, N);
        (*k)->scale(y, 0.3f, N), p->scale(z, 0.3f, N);
        assert_memory_equal(y, z, sizeof y);

        (*k)->affine(y, x, x + 1, x + 2, N); /* with and without fused multiply-add */
        for (int i = 0; i < N; i++)
            assert_true(fabs(y[i] - ((double)x[i] * x[i + 1] + x[i + 2])) <=
                        1e-7 * (fabs((double)x[i] * x[i + 1]) + fabs((double)y[i])));

        double sum[N] = { 0 }, sq[N] = { 0 }, row[2], s = 0, q = 0;
        (*k)->moments(sum, sq, x, N), (*k)->moments(sum, sq, x + N, N);
        (*k)->row_moments(row, x, N);
        for (int i = 0; i < N; i++) {
            assert_true(sum[i] == (double)x[i] + x[N + i]);
            assert_true(fabs(sq[i] - ((double)x[i] * x[i] + (double)x[N + i] * x[N + i])) <= 1e-15 * sq[i]);
            s += x[i], q += (double)x[i] * x[i];
        }
        assert_true(fabs(row[0] - s) < 1e-9 && fabs(row[1] - q) < 1e-12 * q);
    }
}

/* All 65,536 values of both types, against arithmetic. */
static void test_halves(void **state)
{
    (void)state;
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t h = (uint16_t)bits;
            float f;
            int exponent = bits >> 10 & 31, fraction = bits & 1023;
            size_t good = (*k)->from_f16(&f, &h, 1);
            double want = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
            assert_int_equal(good, exponent != 31);
            if (exponent != 31) assert_true((double)f == (bits >> 15 ? -want : want));

            good = (*k)->from_bf16(&f, &h, 1);
            uint32_t word;
            memcpy(&word, &f, sizeof word);
            assert_int_equal(good, (bits >> 7 & 255) != 255);
            assert_int_equal(word, bits << 16);
        }
        uint16_t halves[N] = { [N - 1] = 0x7c00 };
        assert_int_equal((*k)->from_f16(y, halves, N), N - 1);
    }
}

static void test_find_bad(void **state)
{
    (void)state;
    const float bad[] = { NAN, INFINITY, -INFINITY };
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (int b = 0; b < 3; b++) {
            for (size_t at = 0; at <= 40; at++) {
                fill(1e30f);
                x[at] = bad[b];
                assert_int_equal((*k)->find_bad(x, 40), at < 40 ? at : 40);
            }
        }
    }
}

/* Memory with room for n floats (or as many bytes) and guards on both sides, which guarded() looks at. */
enum { GUARDS = 64, ROOM = 4096 };
static unsigned char fence[4 * (ROOM + 2 * GUARDS)];

static void *fenced(void)
{
    memset(fence, 0xa5, sizeof fence);
    return fence + 4 * GUARDS;
}

static void guarded(const char *row, const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof fence; i++)
        if ((i < 4 * GUARDS || i >= 4 * GUARDS + bytes) && fence[i] != 0xa5)
            fail_msg("%s %s writes %ld bytes from its output's end", row, name, (long)(i - 4 * GUARDS - bytes));
}

/* 8 bits of significand, ties to even; as the bits of a bfloat16. */
static uint16_t nearest_bf16(float f)
{
    int exponent;
    double m = frexp((double)f, &exponent);
    float near = (float)ldexp(nearbyint(ldexp(m, 8)), exponent - 8);
    uint32_t word;
    memcpy(&word, &near, sizeof word);
    return (uint16_t)(word >> 16);
}

static void test_bf16(void **state)
{
    (void)state;
    const float odd[] = {
        0,          -0.0f,     1,         0x1.01p0f, 0x1.03p0f, -0x1.01p0f, -0x1.03p0f,    0x1.010002p0f,
        0x1.fffp3f, 0x1.fep7f, 0x1p-126f, 3e38f,     -3e38f,    1e-37f,     0x1.00fffep0f, 0x1.ffp-1f
    };
    fill(3);
    x[2] = 1e-20f;
    memcpy(x, odd, sizeof odd);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (size_t n = 0; n < 140; n++) {
            uint16_t *to = fenced();
            (*k)->to_bf16(to, x, n);
            guarded((*k)->name, "to_bf16", n * 2);
            for (size_t i = 0; i < n; i++) assert_int_equal(to[i], nearest_bf16(x[i]));
        }
    }
}

static void test_center(void **state)
{
    (void)state;
    fill(3);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (size_t n = 0; n < 140; n++) {
            float *to = fenced();
            (*k)->center(to, x, 0.7f, 1.3f, n);
            guarded((*k)->name, "center", n * sizeof *to);
            for (size_t i = 0; i < n; i++) assert_true(to[i] == (x[i] + 0.7f) * 1.3f);
        }
    }
}

/* The results' rows lie 40 apart, so that there is something between them to spoil. */
static void check_finish(const Kernels *k, GemmSize s, bool bias, bool residual)
{
    enum { LDY = 40 };
    size_t len = (s.rows - 1) * LDY + s.cols;
    const float *b = bias ? x + 1100 : NULL, *r = residual ? x + 1200 : NULL;
    float *to = fenced(), untouched;
    memcpy(&untouched, to, sizeof untouched);
    k->finish_tile(to, LDY, x, b, r, s);
    guarded(k->name, "finish_tile", len * sizeof *to);
    for (size_t i = 0; i < len; i++) {
        float want = x[i / LDY * PANEL + i % LDY] + (bias ? b[i % LDY] : 0);
        if (residual) want += r[i];
        assert_memory_equal(&to[i], i % LDY < s.cols ? &want : &untouched, sizeof want);
    }
    if (residual || s.cols > PANEL / 2) return;
    to = fenced();
    k->finish_geglu(to, LDY, x, b, s);
    guarded(k->name, "finish_geglu", len * sizeof *to);
    for (size_t i = 0; i < len; i++) {
        if (i % LDY >= s.cols) {
            assert_memory_equal(&to[i], &untouched, sizeof untouched);
            continue;
        }
        size_t at = i / LDY * PANEL + i % LDY;
        float value = x[at] + (bias ? b[i % LDY] : 0), gate = x[at + PANEL / 2] + (bias ? b[i % LDY + PANEL / 2] : 0);
        double want = (double)value * exact_gelu((double)gate);
        assert_true(fabs(to[i] - want) <= 6e-7 * fabs(want) + 1e-6 * fabs((double)value));
    }
}

static void test_finish(void **state)
{
    (void)state;
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        fill(1);
        for (size_t rows = 1; rows <= 9; rows += 4)
            for (size_t cols = 1; cols <= PANEL; cols++)
                for (int how = 0; how < 4; how++)
                    check_finish(*k, (GemmSize){ .rows = rows, .cols = cols }, how & 1, how & 2);
    }
}

/* The matrices for the points 0, a, -a, b, -b and infinity, a = 3/4 and b = 3/2 (Lavin & Gray 2016; Toom-Cook). */
enum { POINT_4THS = 3, FAR_4THS = 6 };
static const double A = POINT_4THS / 4.0, B = FAR_4THS / 4.0;

static void matrices(double bt[6][6], double g[6][3], double at[4][6])
{
    const double points[5] = { 0, A, -A, B, -B };
    memset(bt, 0, 36 * sizeof(double));
    memset(g, 0, 18 * sizeof(double));
    memset(at, 0, 24 * sizeof(double));
    for (int i = 0; i < 6; i++) {
        double others[7] = { 1 }, scale = 1; /* the product of x - p over all other finite points, by rising powers */
        int degree = 0;
        for (int j = 0; j < 5; j++) {
            if (j == i) continue;
            for (int d = ++degree; d > 0; d--) others[d] = others[d - 1] - points[j] * others[d];
            others[0] *= -points[j];
            if (i < 5) scale *= points[i] - points[j];
        }
        for (int d = 0; d < 6; d++) bt[i][d] = d <= degree ? others[d] : 0;
        for (int d = 0; d < 3; d++) g[i][d] = i < 5 ? pow(points[i], d) / scale : d == 2;
        for (int d = 0; d < 4; d++) at[d][i] = i < 5 ? pow(points[i], d) : d == 3;
    }
}

/*
 * out [rows, rows] = M d M^T, M [rows, cols], d's numbers `step` apart. Returns no more than the sum of its terms' sizes:
 * a result's error is a few roundings of that.
 */
static void transform(const double *m, size_t rows, size_t cols, const float *d, size_t step, double *out, double *size)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < rows; c++) {
            double sum = 0, all = 0;
            for (size_t i = 0; i < cols; i++)
                for (size_t j = 0; j < cols; j++) {
                    double term = m[r * cols + i] * m[c * cols + j] * (double)d[(i * cols + j) * step];
                    sum += term, all += fabs(term);
                }
            out[r * rows + c] = sum;
            size[r * rows + c] = all;
        }
}

/* One channel of a transform's result; 4 roundings in each of two dimensions, 2^-24 of all terms each. */
static void check_transform(const char *row, const double want[36], const double size[36], const float *got,
                            size_t step, int n)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(got[(size_t)i * step] - want[i]) <= 8 * 0x1p-24 * size[i]))
            fail_msg("%s: number %d of %d is %g, exactly %g", row, i, n, (double)got[(size_t)i * step], want[i]);
}

/* Pixels of a tile lie 40 apart, rows of pixels 170: there is something between them to spoil. */
static void check_output(const Kernels *k, const double at[4][6], WinogradTile t, const float *residual)
{
    enum { STRIDE = 57, PIXEL = 40, ROW = 170 };
    double want[36], size[36];
    float *to = fenced(), untouched;
    memcpy(&untouched, to, sizeof untouched);
    if (residual && t.residual != residual) { /* in place */
        memcpy(to, residual, 4 * ROW * sizeof *to);
        t.residual = to;
    }
    t.y = to;
    t.row = ROW;
    t.pixel = PIXEL;
    bool in_place = t.residual == to;
    k->winograd_output(&t, x, STRIDE);
    if (!in_place)
        guarded(k->name, "winograd_output",
                ((size_t)(t.rows - 1) * ROW + (size_t)(t.cols - 1) * PIXEL + t.channels) * sizeof *to);
    for (size_t i = 0; i < 4 * ROW; i++) {
        size_t row = i / ROW, col = i % ROW / PIXEL, c = i % ROW % PIXEL;
        if ((int)row >= t.rows || (int)col >= t.cols || c >= t.channels) {
            assert_memory_equal(to + i, in_place ? residual + i : &untouched, sizeof untouched);
            continue;
        }
        transform(at[0], 4, 6, x + c, STRIDE, want, size);
        double add = (t.bias ? (double)t.bias[c] : 0) + (residual ? (double)residual[i] : 0);
        size_t n = 4 * row + col;
        double whole = want[n] + add;
        if (t.relu && whole < 0) whole = 0;
        assert_true(fabs(to[i] - whole) <= 8 * 0x1p-24 * size[n] + 2 * 0x1p-24 * (size[n] + 3 * fabs(add) + 8));
    }
}

static void test_winograd(void **state)
{
    (void)state;
    enum { STEP = 83 }; /* floats from one of the 36 to the next: 48 are written */
    double want[36], size[36], bt[6][6], g[6][3], at[4][6];
    matrices(bt, g, at);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        fill(1);
        for (size_t c = 16; c <= 48; c += 16) {
            const float *pixels[36];
            for (size_t i = 0; i < 36; i++) pixels[i] = x + i * 51;
            float *v = fenced();
            (*k)->winograd_input(v, STEP, pixels, 0, c);
            guarded((*k)->name, "winograd_input", (35 * STEP + c) * sizeof *v);
            for (size_t i = 0; i < c; i++) {
                transform(bt[0], 6, 6, x + i, 51, want, size);
                check_transform((*k)->name, want, size, v + i, STEP, 36);
            }
        }
        for (size_t depth = 1; depth < 3; depth++) {
            float *u = fenced();
            (*k)->winograd_weights(u, STEP, x, depth);
            guarded((*k)->name, "winograd_weights", (35 * STEP + depth * PANEL) * sizeof *u);
            for (size_t i = 0; i < depth * PANEL; i++) {
                transform(g[0], 6, 3, x + i / PANEL * 9 * PANEL + i % PANEL, PANEL, want, size);
                check_transform((*k)->name, want, size, u + i, STEP, 36);
            }
        }
        for (int how = 0; how < 12; how++) /* bias; no residual, one, one in place; relu */
            for (size_t c = 1; c <= PANEL; c += c == 5 ? 10 : 1)
                for (int pixels = 0; pixels < 16; pixels++)
                    check_output(*k, at,
                                 (WinogradTile){ .bias = how & 1 ? x + 1100 : NULL,
                                                 .residual = how / 2 % 3 == 1 ? x + 1200 : NULL,
                                                 .relu = how >= 6,
                                                 .rows = 1 + pixels / 4,
                                                 .cols = 1 + pixels % 4,
                                                 .channels = c },
                                 how / 2 % 3 ? x + 1200 : NULL);
    }
}

/* ---- 16-bit integers ---- */

/* What a length may be: just so small that no sum of products leaves 32 bits. */
static void check_lengths(const int16_t *row, size_t row_step, const int16_t *column, size_t k)
{
    double a = 0, b = 0;
    for (size_t i = 0; i < k; i++) {
        a += pow(row[i * row_step], 2);
        b += pow(column[i / 2 * 2 * PANEL + i % 2], 2);
    }
    assert_true(sqrt(a) * sqrt(b) < 0x1p31);
}

/* Rounded to the nearest multiple of the scale, which uses the bits there are. */
static void check_rounded(float v, int16_t got, float scale)
{
    assert_true(fabs((double)v - (double)got * (double)scale) <= (double)scale * 0.505);
}

/* Rows and columns: how 0, normal; 1, one large element; 2, all equal; 3, tiny; 4, huge; 5, zeros. */
static void numbers(int how, size_t n)
{
    fill(how == 3 ? 1e-15f : how == 4 ? 1e15f : 1);
    for (size_t i = 0; i < n; i++) {
        if (how == 1) x[i] = i % 61 == 7 ? 1000 : 1e-3f * x[i];
        if (how == 2) x[i] = 3;
        if (how == 5) x[i] = 0;
    }
}

static void check_i16(const Kernels *k, int how, GemmSize s)
{
    enum { MOST = 256, ROWS_MOST = 17, LDY = MOST + 16 };
    static _Alignas(64) int16_t a[ROWS_MOST * LDY], b[MOST * PANEL];
    static _Alignas(64) float right[MOST * PANEL], out[ROWS_MOST * PANEL];
    float a_scale[2 * ROWS_MOST], b_scale[PANEL];
    numbers(how, 2 * N);
    for (size_t i = 0; i < s.k * PANEL; i++) right[i] = x[i * 7 % (2 * N)];
    size_t rows = s.rows * s.k > 2 * N ? 2 * N / s.k : s.rows;
    k->rows_i16(a, LDY, a_scale, 2, x, (GemmSize){ .rows = rows, .k = s.k });
    k->columns_i16(b, b_scale, right, s.k);
    for (size_t i = 0; i < rows * s.k; i++) check_rounded(x[i], a[i / s.k * LDY + i % s.k], a_scale[i / s.k * 2]);
    for (size_t i = 0; i < s.k * PANEL; i++)
        check_rounded(right[i], b[i / PANEL / 2 * 2 * PANEL + i % PANEL * 2 + i / PANEL % 2], b_scale[i % PANEL]);

    float scales[ROWS_MOST];
    for (size_t i = 0; i < rows; i++) scales[i] = a_scale[2 * i];
    s.rows = rows;
    for (int more = 0; more < 2; more++) {
        for (size_t i = 0; i < rows * PANEL; i++) out[i] = (float)i;
        k->gemm_i16(out, &(FactorsI16){ a, LDY, scales, b, b_scale }, s, more);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < s.cols; j++) {
                int64_t sum = 0;
                for (size_t p = 0; p < s.k; p++) sum += (int64_t)a[i * LDY + p] * b[p / 2 * 2 * PANEL + j * 2 + p % 2];
                check_lengths(a + i * LDY, 1, b + 2 * j, s.k);
                double want = (double)sum * (double)b_scale[j] * (double)scales[i],
                       had = more ? (double)(i * PANEL + j) : 0;
                assert_true(fabs((double)out[i * PANEL + j] - want - had) <= 4 * 0x1p-24 * (fabs(want) + had));
            }
    }
}

static void test_i16(void **state)
{
    (void)state;
    const Kernels *k;
    for (int i = 0; (k = integer_set(i)); i++) {
        for (int how = 0; how < 6; how++)
            for (size_t depth = 16; depth <= 256; depth += depth < 64 ? 16 : 64)
                for (size_t rows = 1; rows <= 17; rows++)
                    check_i16(k, how, (GemmSize){ rows, rows % 3 ? PANEL : rows, depth });

        float row[16] = { NAN, 1 }, scale;
        int16_t to[16];
        k->rows_i16(to, 16, &scale, 1, row, (GemmSize){ .rows = 1, .k = 16 });
        assert_true(isnan(scale)); /* and so is every product with it */
    }
}

static void test_select(void **state)
{
    (void)state;
    const char *why = NULL;
    setenv("LIMN_CPU", "portable", 1);
    assert_string_equal(kernels_select(&why)->name, "portable");
    setenv("LIMN_CPU", "abacus", 1);
    assert_null(kernels_select(&why));
    assert_non_null(why);
    unsetenv("LIMN_CPU");
    assert_non_null(kernels_select(&why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations), cmocka_unit_test(test_softmax_step), cmocka_unit_test(test_simple),
        cmocka_unit_test(test_halves),      cmocka_unit_test(test_find_bad),     cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_center),      cmocka_unit_test(test_finish),       cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_select),      cmocka_unit_test(test_i16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
