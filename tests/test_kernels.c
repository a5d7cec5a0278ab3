/* test_kernels.c - every kernel row that this CPU runs: against libm in double, and against the portable row. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/kernels.h"
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
        check_act((*k)->name, "gelu", (*k)->gelu, exact_gelu);
        check_act((*k)->name, "quick_gelu", (*k)->quick_gelu, exact_quick_gelu);
        (*k)->geglu(y, x, N);
        for (int i = 0; i < N; i++) {
            double want = x[i] * exact_gelu(x[N + i]);
            assert_true(fabs(y[i] - want) <= 4e-7 * fabs(want) + 1e-6 * fabs((double)x[i]));
        }
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

/* Each corner of the square, and its middle, may hold a bad value. */
static void test_pack(void **state)
{
    (void)state;
    enum { SQUARE = PANEL * PANEL };
    static uint16_t in16[SQUARE], out16[SQUARE];
    static uint32_t in32[SQUARE], out32[SQUARE];
    static const size_t places[] = { 0, PANEL - 1, SQUARE / 2 + PANEL / 2, SQUARE - PANEL, SQUARE - 1 };
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        for (size_t bad = 0; bad <= sizeof places / sizeof *places; bad++) {
            bool has = bad < sizeof places / sizeof *places;
            for (uint32_t i = 0; i < SQUARE; i++) in16[i] = (uint16_t)(i * 13), in32[i] = i * 2654435761u & 0xff7fffffu;
            if (has) in16[places[bad]] = 0x7c00, in32[places[bad]] = 0x7f800000u;
            assert_int_equal((*k)->pack16(out16, in16, 0x7c00), has);
            assert_int_equal((*k)->pack32(out32, in32), has);
            for (uint32_t i = 0; i < SQUARE; i++) {
                uint32_t from = i % PANEL * PANEL + i / PANEL;
                bool at = has && from == places[bad];
                assert_int_equal(out16[i], at ? 0x7c00 : from * 13);
                assert_int_equal(out32[i], at ? 0x7f800000u : from * 2654435761u & 0xff7fffffu);
            }
        }
        assert_true((*k)->pack16(out16, (uint16_t[SQUARE]){ [77] = 0xff80 }, 0x7f80));
        assert_false((*k)->pack16(out16, (uint16_t[SQUARE]){ [77] = 0x7c00 }, 0x7f80));
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
        cmocka_unit_test(test_halves),      cmocka_unit_test(test_find_bad),     cmocka_unit_test(test_pack),
        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
