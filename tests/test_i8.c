/*
 * test_i8.c - products of 8-bit integers: every kernel set that has them, against a plain row in C, to the bit. In addition to
 * the sets that this CPU runs also avx2vnni in another encoding of the same instructions (kernels_evex.c), where the CPU has only
 * that, and tile registers in C (kernels_amx.c).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "nn/gemm.h"
#include "nn/patch.h"
#include "tests/exact.h"
#include "tests/kernels_amx.h"
#include "tests/kernels_evex.h"
#include "tests/support.h"

static Arena arena;
static Rng rng;

/* Number i of the sets: those with tile registers in C too. */
static const Kernels *set_of(int i)
{
    int n = 0;
    while (integer_set(n)) n++;
    return i < n ? integer_set(i) : i == n ? tiles_in_c() : NULL;
}

#define FOR_SETS(k)                                                                                                    \
    for (int set_ = 0; set_ >= 0; set_ = -1)                                                                           \
        for (const Kernels *k; (k = set_of(set_)); set_++)

/* ---- the plain row ------------------------------------------------------------------------------------------------------ */

/* n numbers as integers; returns their scale. Not a number and infinity are the greatest of all. */
static float plain_scale(int8_t *y, const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float size;
    memcpy(&size, &most, sizeof size);
    bool nothing = size < 0x1p-100f;
    float by = nothing ? 0 : 127.0f / size;
    for (size_t i = 0; i < n; i++) y[i] = isfinite(size) ? (int8_t)lrintf(x[i] * by) : 0;
    return nothing ? 0 : size / 127.0f;
}

static float plain_block(int8_t *y, const float *x) { return plain_scale(y, x, BLOCK_I8); }

/* Terms of a sum of k that share a scale: in tile registers blocks are longer, and of nearly equal length (gemm.c). */
static size_t block_of(const Kernels *set, size_t k)
{
    size_t steps = (k + BLOCK_I8 - 1) / BLOCK_I8, most = I8_TILES_DEPTH / BLOCK_I8, blocks = (steps + most - 1) / most;
    return set->gemm_i8_tiles ? (steps + blocks - 1) / blocks * BLOCK_I8 : BLOCK_I8;
}

/* y [rows, cols] of x [rows, k] and w [cols, k]: blocks one after the other. */
static void plain_product(float *y, const float *x, const float *w, size_t rows, size_t cols, size_t k, size_t block)
{
    int8_t *i = mem_array(rows * k, 1), *j = mem_array(cols * k, 1);
    float *row = mem_array(rows, sizeof *row), *column = mem_array(cols, sizeof *column);
    memset(y, 0, rows * cols * sizeof *y);
    for (size_t at = 0; at < k; at += block) {
        size_t n = k - at < block ? k - at : block;
        for (size_t r = 0; r < rows; r++) row[r] = plain_scale(i + r * k, x + r * k + at, n);
        for (size_t c = 0; c < cols; c++) column[c] = plain_scale(j + c * k, w + c * k + at, n);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) {
                int32_t sum = 0;
                for (size_t t = 0; t < n; t++) sum += i[r * k + t] * j[c * k + t];
                y[r * cols + c] = fmaf((float)sum, column[c] * row[r], y[r * cols + c]);
            }
    }
    free(i);
    free(j);
    free(row);
    free(column);
}

/* ---- kernels ------------------------------------------------------------------------------------------------------------ */

/* Numbers of any size, zeros, whole blocks of them, ties, and what is as small as nothing. */
static void fill(float *x, size_t n)
{
    float *kinds = normals(&rng, n, 1);
    for (size_t i = 0; i < n; i++) {
        int kind = below(&rng, 12);
        x[i] = kind == 0   ? 0
               : kind == 1 ? (float)(below(&rng, 255) - 127) * 0.5f
               : kind == 2 ? kinds[i] * 1e-38f
               : kind == 3 ? kinds[i] * 30
                           : kinds[i];
    }
    for (size_t i = 0; i + BLOCK_I8 <= n; i += BLOCK_I8) {
        int kind = below(&rng, 8);
        for (size_t j = 0; j < BLOCK_I8 && kind < 2; j++) x[i + j] *= kind ? 0x1p-110f : 0;
    }
    free(kinds);
}

static void test_rows(void **state)
{
    (void)state;
    float x[3 * BLOCK_I8], filled[3 * BLOCK_I8];
    FOR_SETS(k)
    for (int trial = 0; trial < 200; trial++) {
        size_t n = (size_t)below(&rng, 3 * BLOCK_I8) + 1, blocks = (n + BLOCK_I8 - 1) / BLOCK_I8;
        int8_t got[3 * BLOCK_I8], want[BLOCK_I8];
        RowI8 of[3];
        fill(x, n);
        memset(filled, 0, sizeof filled);
        memcpy(filled, x, n * sizeof *x);
        k->row_i8(got, of, x, n);
        for (size_t b = 0; b < blocks; b++) {
            float scale = plain_block(want, filled + b * BLOCK_I8);
            int32_t sum = 0;
            for (int i = 0; i < BLOCK_I8; i++) sum += want[i];
            assert_memory_equal(got + b * BLOCK_I8, want, BLOCK_I8);
            assert_memory_equal(&of[b].scale, &scale, sizeof scale);
            assert_int_equal(of[b].offset, -128 * sum);
        }
    }
}

static void to_half(uint16_t *h, const float *x, size_t n) /* of numbers that it holds */
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h[i] = (uint16_t)(bits >> 16);
    }
}

/* A panel from rows of a file, some of which are not there, and the same as f32 columns. */
static void test_columns(void **state)
{
    (void)state;
    enum { MOST = 3 * BLOCK_I8 };
    static float x[PANEL][MOST], panel[MOST * PANEL];
    static uint16_t halves[PANEL][MOST];
    FOR_SETS(k)
    for (int trial = 0; trial < 60; trial++) {
        size_t n = (size_t)below(&rng, MOST) + 1, blocks = (n + BLOCK_I8 - 1) / BLOCK_I8;
        DType type = trial % 2 ? DT_F32 : DT_BF16;
        const unsigned char *rows[PANEL], *next[PANEL];
        ColumnsI8 got[3], turned[3];
        memset(panel, 0, sizeof panel);
        for (size_t j = 0; j < PANEL; j++) {
            fill(x[j], MOST);
            to_half(halves[j], x[j], MOST);
            if (type == DT_BF16) k->from_bf16(x[j], halves[j], MOST);
            bool there = below(&rng, 8) > 0;
            rows[j] = !there ? NULL : type == DT_F32 ? (unsigned char *)x[j] : (unsigned char *)halves[j];
            next[j] = (unsigned char *)x[j];
            for (size_t i = 0; i < n && there; i++) panel[i * PANEL + j] = x[j][i];
        }
        k->panel_i8(got, rows, next, type, n);
        k->i8_of_panel(turned, panel, n);
        assert_memory_equal(got, turned, blocks * sizeof *got);
        for (size_t b = 0; b < blocks; b++)
            for (size_t j = 0; j < PANEL; j++) {
                float column[BLOCK_I8] = { 0 };
                int8_t want[BLOCK_I8];
                for (size_t i = 0; i < BLOCK_I8 && b * BLOCK_I8 + i < n; i++)
                    column[i] = panel[(b * BLOCK_I8 + i) * PANEL + j];
                float scale = plain_block(want, column);
                assert_memory_equal(&got[b].scale[j], &scale, sizeof scale);
                for (size_t i = 0; i < BLOCK_I8; i++) assert_int_equal(got[b].q[i / 4][j][i % 4], want[i] + 128);
            }
    }
}

/* The same for tile registers, where all of a piece shares a scale. */
static void test_columns_of_tiles(void **state)
{
    (void)state;
    static float x[PANEL][I8_TILES_DEPTH], panel[I8_TILES_DEPTH * PANEL];
    static uint16_t halves[PANEL][I8_TILES_DEPTH];
    enum { BYTES = sizeof(ColumnsI8Tiles) + I8_TILES_DEPTH * PANEL };
    ColumnsI8Tiles *got = mem_array(2, BYTES), *turned = got + BYTES / sizeof *got;
    FOR_SETS(k)
    for (int trial = 0; trial < 60 && k->gemm_i8_tiles; trial++) {
        size_t n = (size_t)below(&rng, I8_TILES_DEPTH) + 1, steps = (n + BLOCK_I8 - 1) / BLOCK_I8;
        const DType type = (DType[]){ DT_F32, DT_BF16, DT_F16 }[trial % 3];
        const unsigned char *rows[PANEL], *next[PANEL];
        memset(panel, 0, sizeof panel);
        for (size_t j = 0; j < PANEL; j++) {
            fill(x[j], I8_TILES_DEPTH);
            to_half(halves[j], x[j], I8_TILES_DEPTH);
            for (size_t i = 0; i < I8_TILES_DEPTH && type == DT_F16; i++) halves[j][i] &= 0xbfff; /* all finite */
            if (type == DT_BF16) k->from_bf16(x[j], halves[j], I8_TILES_DEPTH);
            if (type == DT_F16) k->from_f16(x[j], halves[j], I8_TILES_DEPTH);
            bool there = below(&rng, 8) > 0;
            rows[j] = !there ? NULL : type == DT_F32 ? (unsigned char *)x[j] : (unsigned char *)halves[j];
            next[j] = (unsigned char *)x[j];
            for (size_t i = 0; i < n && there; i++) panel[i * PANEL + j] = x[j][i];
        }
        k->panel_i8_tiles(got, rows, next, type, n);
        k->i8_tiles_of_panel(turned, panel, n);
        assert_memory_equal(got, turned, sizeof *got + steps * BLOCK_I8 * PANEL);
        for (size_t j = 0; j < PANEL; j++) {
            float column[I8_TILES_DEPTH] = { 0 };
            int8_t want[I8_TILES_DEPTH];
            for (size_t i = 0; i < n; i++) column[i] = panel[i * PANEL + j];
            float scale = plain_scale(want, column, steps * BLOCK_I8);
            assert_memory_equal(&got->scale[j], &scale, sizeof scale);
            for (size_t i = 0; i < steps * BLOCK_I8; i++) assert_int_equal(got->q[i / 4][j][i % 4], want[i]);
        }
    }
    free(got);
}

/* The largest sums that there can be, of every sign, on every number of rows and columns. */
static void test_extremes(void **state)
{
    (void)state;
    enum { ROWS = 31, DEEP = 2 * BLOCK_I8 };
    float x[ROWS * DEEP], w[PANEL * DEEP], want[ROWS * PANEL];
    for (size_t i = 0; i < ROWS * DEEP; i++) x[i] = i / DEEP % 3 == 0 && i % 2 ? -3 : 3;
    for (size_t i = 0; i < PANEL * DEEP; i++) w[i] = i / DEEP % 5 == 1 ? -1 : 1;
    plain_product(want, x, w, ROWS, PANEL, DEEP, BLOCK_I8);
    FOR_SETS(k)
    {
        _Alignas(64) int8_t a[ROWS][DEEP + 2 * sizeof(RowI8)];
        ColumnsI8 b[2];
        const unsigned char *rows[PANEL];
        for (size_t j = 0; j < PANEL; j++) rows[j] = (unsigned char *)(w + j * DEEP);
        k->panel_i8(b, rows, rows, DT_F32, DEEP);
        for (size_t r = 0; r < ROWS; r++) k->row_i8(a[r], (RowI8 *)(void *)(a[r] + DEEP), x + r * DEEP, DEEP);
        for (size_t n = 1; n <= ROWS; n++)
            for (size_t cols = 1; cols <= PANEL; cols += 5) {
                float y[ROWS * PANEL];
                const FactorsI8 f = { a[0], (RowI8 *)(void *)(a[0] + DEEP), sizeof a[0], b };
                k->gemm_i8(y, &f, (GemmSize){ n, cols, DEEP }, false);
                for (size_t r = 0; r < n; r++) assert_memory_equal(y + r * PANEL, want + r * PANEL, cols * sizeof *y);
            }
    }
}

/* ---- whole products ----------------------------------------------------------------------------------------------------- */

static float *product(const Kernels *k, int threads, const Panels *w, const float *x, size_t rows)
{
    float *y = mem_array(rows * (size_t)w->n, sizeof *y);
    Nn nn = { .arena = &arena, .k = k, .threads = threads, .precision = { .linear = FACTORS_I8 } };
    Product p = { .rows = rows, .w = w, .x = x, .ldx = (size_t)w->k, .y = y, .ldy = (size_t)w->n };
    Arena dry;
    arena_init_dry(&dry);
    Nn counting = nn;
    counting.arena = &dry;
    gemm(&counting, &p);
    arena.peak = arena.used;
    gemm(&nn, &p);
    assert_int_equal(arena.peak - arena.used, dry.peak);
    return y;
}

static void test_products(void **state)
{
    (void)state;
    const struct {
        size_t rows;
        int k, n;
    } cases[] = { { 64, 1, 1 },   { 65, 63, 33 },   { 70, 65, 31 },   { 130, 320, 64 }, { 81, 257, 40 },
                  { 77, 700, 9 }, { 1030, 70, 70 }, { 1537, 130, 5 }, { 600, 320, 70 }, { 1100, 900, 35 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t rows = cases[i].rows, k = (size_t)cases[i].k, n = (size_t)cases[i].n;
        float *x = mem_array(rows * k, sizeof *x), *w = mem_array(n * k, sizeof *w),
              *want = mem_array(rows * n, sizeof *want);
        fill(x, rows * k);
        fill(w, n * k);
        const Panels p = { .data = { (unsigned char *)w }, .k = cases[i].k, .n = cases[i].n };
        FOR_SETS(set)
        {
            plain_product(want, x, w, rows, n, k, block_of(set, k));
            for (size_t j = 0; j < rows * n; j++) want[j] += 0; /* without a bias -0 becomes 0 */
            for (int threads = 1; threads < 4; threads++) {
                float *y = product(set, threads, &p, x, rows);
                if (memcmp(y, want, rows * n * sizeof *y) != 0)
                    fail_msg("%s: %zu rows, %zu terms, %zu columns on %d threads: other bits", set->name, rows, k, n,
                             threads);
                free(y);
            }
        }
        free(x);
        free(w);
        free(want);
    }
}

/* A bad number reaches the results: a run ends with a word, not with a wrong picture. */
static void test_bad_numbers(void **state)
{
    (void)state;
    enum { ROWS = 64, DEEP = 100, WIDE = 40 };
    const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    float *x = normals(&rng, ROWS * DEEP, 1), *w = normals(&rng, WIDE * DEEP, 1);
    const Panels p = { .data = { (unsigned char *)w }, .k = DEEP, .n = WIDE };
    FOR_SETS(k)
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const float was = x[7 * DEEP + 93];
        x[7 * DEEP + 93] = bad[i];
        float *y = product(k, 1, &p, x, ROWS);
        for (size_t j = 0; j < ROWS * WIDE; j++) assert_int_equal(!isfinite(y[j]), j / WIDE == 7);
        x[7 * DEEP + 93] = was;
        free(y);
    }
    free(x);
    free(w);
}

/* Samples of few rows are not rounded to 8 bits, nor is anything where there are no such products. */
static void test_few_rows(void **state)
{
    (void)state;
    float *x = normals(&rng, 63 * 96, 1), *w = normals(&rng, 40 * 96, 1);
    const Panels p = { .data = { (unsigned char *)w }, .k = 96, .n = 40 };
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        float *y = product(*k, 1, &p, x, 63), *want = mem_array(63 * 40, sizeof *want);
        Nn nn = { .arena = &arena, .k = *k, .threads = 1 };
        gemm(&nn, &(Product){ .rows = 63, .w = &p, .x = x, .ldx = 96, .y = want, .ldy = 40 });
        assert_memory_equal(y, want, 63 * 40 * sizeof *y);
        free(y);
        free(want);
    }
    free(x);
    free(w);
}

/* What 8 bits cost: some 0.8 % of normal numbers, whatever the length. */
static void test_cost(void **state)
{
    (void)state;
    enum { ROWS = 90, DEEP = 640, WIDE = 96 };
    float *x = normals(&rng, ROWS * DEEP, 1), *w = normals(&rng, WIDE * DEEP, 1);
    const Panels p = { .data = { (unsigned char *)w }, .k = DEEP, .n = WIDE };
    FOR_SETS(k)
    {
        float *y = product(k, 2, &p, x, ROWS);
        double off = 0, all = 0;
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < WIDE; c++) {
                double sum = 0;
                for (size_t i = 0; i < DEEP; i++) sum += (double)x[r * DEEP + i] * (double)w[c * DEEP + i];
                off += pow((double)y[r * WIDE + c] - sum, 2);
                all += sum * sum;
            }
        /* where more terms share a scale, their greatest is greater */
        assert_error(sqrt(off / all), k->gemm_i8_tiles ? 1.1e-2 : 1e-2, "%s: factors of 640 terms rounded to 8 bits",
                     k->name);
        assert_true(sqrt(off / all) > 4e-3);
        free(y);
    }
    free(x);
    free(w);
}

/* With a patch the changed weights are rounded: the same bits as of weights that were changed before. */
static void test_patched(void **state)
{
    (void)state;
    enum { ROWS = 600, DEEP = 200, WIDE = 70 };
    Err e;
    float *x = normals(&rng, ROWS * DEEP, 1), *w = normals(&rng, WIDE * DEEP, 1), *more = normals(&rng, WIDE * DEEP, 1);
    Panels p = { .data = { (unsigned char *)w }, .k = DEEP, .n = WIDE };
    Patch *patch =
        patch_difference((PatchRows){ 0, WIDE }, (PatchValues){ (unsigned char *)more, DT_F32, DEEP }, 0.5f, &e);
    assert_non_null(patch);
    FOR_SETS(k)
    {
        patch_lay(&p, patch);
        float *y = product(k, 2, &p, x, ROWS);
        patch_take_off(&p, patch);
        float *merged = mem_array(WIDE * DEEP, sizeof *merged);
        for (size_t i = 0; i < WIDE * DEEP; i++) merged[i] = w[i] + 0.5f * more[i];
        const Panels m = { .data = { (unsigned char *)merged }, .k = DEEP, .n = WIDE };
        float *want = product(k, 1, &m, x, ROWS);
        assert_memory_equal(y, want, ROWS * WIDE * sizeof *y);
        free(y);
        free(want);
        free(merged);
    }
    patch_free(patch);
    free(x);
    free(w);
    free(more);
}

static int setup(void **state)
{
    (void)state;
    Err e;
    const char *why;
    rng_init(&rng, RNG_TORCH, 5);
    kernels_select(&why);
    return arena_init(&arena, 64u << 20, &e);
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
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_columns),  cmocka_unit_test(test_columns_of_tiles),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_products), cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_few_rows), cmocka_unit_test(test_cost),     cmocka_unit_test(test_patched),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
