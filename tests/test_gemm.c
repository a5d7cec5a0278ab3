/*
 * test_gemm.c - the matrix products of every kernel set that this CPU runs, against plain sums in double, on odd shapes.
 * LIMN_TEST_LONG=1 tries 1,500 random ones.
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
#include "tests/exact.h"
#include "tests/support.h"

static Arena arena;
static Rng rng;

typedef enum { NOTHING, ADDED, IN_PLACE } Residual;

typedef struct {
    size_t rows;
    int k, n;
    size_t gap_x, gap_y; /* ldx - k, ldy - the result's width */
    DType type;
    bool paired, bias, made; /* made: the left side's rows come from a function */
    Residual residual;
} Case;

/* A case with its numbers; the results are y's first `width` of each row's ldy. */
typedef struct {
    Case c;
    Matrix m;
    size_t width, ldx, ldy;
    float *x, *residual;
    double *a, *b;        /* the factors as they are multiplied: x without gaps, and the matrix */
    double *want, *limit; /* [rows, width] */
} Trial;

static const float GUARD = 12345;

static double gelu(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }

/* The sum of a row and a column, and of its terms' sizes. */
static double sum_of(const Trial *t, size_t row, size_t col, double *mass)
{
    double sum = (double)t->m.bias[col];
    *mass = fabs(sum);
    for (size_t k = 0; k < (size_t)t->c.k; k++) {
        double term = t->a[row * (size_t)t->c.k + k] * t->b[k * (size_t)t->c.n + col];
        sum += term;
        *mass += fabs(term);
    }
    return sum;
}

/*
 * 5 UNIT of the terms' sizes is eight deviations of a float sum's error (exact.h), one of a single product, bias and residual
 * too. GEGLU: the same in both factors, |gelu'| < 1.13, and what test_kernels.c allows gelu.
 */
static void reckon(Trial *t, bool round)
{
    size_t k = (size_t)t->c.k;
    for (size_t i = 0; i < t->c.rows * k; i++) t->a[i] = (double)t->x[i / k * t->ldx + i % k];
    for (size_t i = 0; i < k * (size_t)t->c.n; i++) t->b[i] = (double)t->m.w[i];
    for (size_t i = 0; round && i < t->c.rows * k; i++) t->a[i] = rounded_bf16(t->a[i]);
    for (size_t i = 0; round && i < k * (size_t)t->c.n; i++) t->b[i] = rounded_bf16(t->b[i]);
    for (size_t r = 0; r < t->c.rows; r++)
        for (size_t j = 0; j < t->width; j++) {
            double mass, *want = &t->want[r * t->width + j], *limit = &t->limit[r * t->width + j];
            *want = sum_of(t, r, j, &mass);
            if (t->residual && t->c.residual != NOTHING) {
                double add = (double)t->residual[r * t->ldy + j];
                *want += add;
                mass += fabs(add);
            }
            *limit = 5 * UNIT * mass;
            if (t->c.paired) {
                double size, gate = sum_of(t, r, t->width + j, &size), g = gelu(gate);
                double off = 1.13 * 5 * UNIT * size + (4e-7 + 1.2e-7 * fabs(gate)) * fabs(g) + 1e-7;
                *limit = *limit * fabs(g) + fabs(*want) * off + UNIT * fabs(*want * g);
                *want *= g;
            }
        }
}

static Trial trial_new(Case c)
{
    Trial t = { .c = c, .ldx = (size_t)c.k + c.gap_x, .width = (size_t)(c.paired ? c.n / 2 : c.n) };
    t.ldy = t.width + c.gap_y;
    t.m = matrix_new(&rng, c.type, c.k, c.n, c.paired, c.bias);
    t.x = normals(&rng, (c.rows - 1) * t.ldx + (size_t)c.k, 1);
    if (c.residual != NOTHING) t.residual = normals(&rng, (c.rows - 1) * t.ldy + t.width, 1);
    t.a = mem_array(c.rows * (size_t)c.k, sizeof *t.a);
    t.b = mem_array((size_t)c.k * (size_t)c.n, sizeof *t.b);
    t.want = mem_array(c.rows * t.width, sizeof *t.want);
    t.limit = mem_array(c.rows * t.width, sizeof *t.limit);
    return t;
}

static void trial_release(Trial *t)
{
    matrix_release(&t->m);
    free(t->x);
    free(t->residual);
    free(t->a);
    free(t->b);
    free(t->want);
    free(t->limit);
}

static void make_row(const void *ctx, float *dst, size_t row)
{
    const Trial *t = ctx;
    memcpy(dst, t->x + row * t->ldx, (size_t)t->c.k * sizeof *dst);
}

/* How a trial is run. */
typedef struct {
    const Kernels *k;
    int threads;
    bool bf16, made;
    size_t first, rows;
} Run;

/* y [rows, ldy], on the heap; what lies between the rows must stay as it was. */
static float *multiply(const Trial *t, Run run)
{
    size_t len = (run.rows - 1) * t->ldy + t->width;
    float *y = mem_array(len, sizeof *y);
    for (size_t i = 0; i < len; i++) y[i] = GUARD;
    if (t->c.residual == IN_PLACE) memcpy(y, t->residual + run.first * t->ldy, len * sizeof *y);

    Nn nn = { .arena = &arena, .k = run.k, .threads = run.threads, .precision = rounding_16(run.bf16) };
    Product p = { .rows = run.rows, .w = &t->m.p, .y = y, .ldy = t->ldy, .bias = t->m.bias_panel };
    if (t->c.residual != NOTHING) p.residual = t->c.residual == IN_PLACE ? y : t->residual + run.first * t->ldy;
    if (run.made) p.row = make_row, p.ctx = t;
    else p.x = t->x + run.first * t->ldx, p.ldx = t->ldx;
    assert_true(run.first == 0 || !run.made);

    Arena dry;
    arena_init_dry(&dry);
    Nn counting = nn;
    counting.arena = &dry;
    gemm(&counting, &p);
    arena.peak = arena.used;
    gemm(&nn, &p);
    assert_int_equal(arena.peak - arena.used, dry.peak);
    for (size_t i = 0; i < len; i++) {
        float was = t->c.residual == IN_PLACE ? t->residual[run.first * t->ldy + i] : GUARD;
        if (i % t->ldy >= t->width && y[i] != was) fail_msg("%s writes beyond a row", run.k->name);
    }
    return y;
}

static void say(const Trial *t, const char *row, const char *what)
{
    const Case *c = &t->c;
    fail_msg("%s: %s: rows %zu k %d n %d ldx %zu ldy %zu type %d paired %d bias %d made %d residual %d", row, what,
             c->rows, c->k, c->n, t->ldx, t->ldy, c->type, c->paired, c->bias, c->made, c->residual);
}

/* The largest share of its limit that an error takes. */
static double worst(const Trial *t, const float *y)
{
    double most = 0;
    for (size_t r = 0; r < t->c.rows; r++)
        for (size_t j = 0; j < t->width; j++) {
            size_t at = r * t->width + j;
            double share = fabs(y[r * t->ldy + j] - t->want[at]) / (t->limit[at] + 1e-30);
            if (!(share <= most)) most = share;
        }
    return most;
}

/*
 * Other threads, another way to the left side, fewer rows: the same bits. OpenBLAS rounds otherwise where rows are
 * divided otherwise.
 */
static void check_bits(const Trial *t, Run run, const float *y)
{
    size_t all = t->c.rows;
    Run others[5] = { run, run, run, run, run };
    for (int i = 0; i < 3; i++) others[i].threads = i + 2;
    others[3].made = !run.made;
    others[4].made = false;
    others[4].first = all / 3;
    others[4].rows = (all - all / 3 + 1) / 2;
    for (int i = 0; i < 5; i++) {
        if (i >= 3 && strcmp(run.k->name, "portable") == 0) break;
        float *z = multiply(t, others[i]);
        for (size_t r = 0; r < others[i].rows; r++)
            if (memcmp(z + r * t->ldy, y + (others[i].first + r) * t->ldy, t->width * sizeof *z) != 0)
                say(t, run.k->name,
                    i < 3   ? "threads change bits"
                    : i < 4 ? "a row function changes bits"
                            : "rows change bits");
        free(z);
    }
}

static void check(Case c)
{
    Trial t = trial_new(c);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        reckon(&t, bf16);
        for (const Kernels *const *k = kernels_rows; *k; k++) {
            if (!kernels_supported(*k) || (bf16 && !(*k)->gemm_bf16)) continue;
            Run run = { *k, 1, bf16, c.made, 0, c.rows };
            float *y = multiply(&t, run);
            if (!(worst(&t, y) <= 1)) say(&t, (*k)->name, bf16 ? "bfloat16 is wrong" : "f32 is wrong");
            check_bits(&t, run, y);
            free(y);
        }
    }
    trial_release(&t);
}

static void test_shapes(void **state)
{
    (void)state;
    const Case cases[] = {
        { .rows = 1, .k = 1, .n = 1 },
        { .rows = 1, .k = 1, .n = 2, .paired = true, .bias = true },
        { .rows = 130, .k = 700, .n = 100, .bias = true, .residual = IN_PLACE },
        { .rows = 15, .k = 257, .n = 33, .gap_x = 3, .gap_y = 5, .residual = ADDED },
        { .rows = 29, .k = 511, .n = 15, .type = DT_F16, .bias = true, .gap_x = 1 },
        { .rows = 43, .k = 513, .n = 47, .type = DT_BF16, .made = true, .residual = IN_PLACE, .gap_y = 1 },
        { .rows = 77, .k = 320, .n = 98, .type = DT_F16, .paired = true, .bias = true, .made = true },
        { .rows = 14, .k = 63, .n = 34, .type = DT_BF16, .paired = true, .gap_x = 7, .gap_y = 2 },
        { .rows = 33, .k = 256, .n = 64, .gap_x = 768 },                   /* rows 1024 floats apart */
        { .rows = 17, .k = 255, .n = 31, .gap_x = 1793, .bias = true },    /* and 2048 */
        { .rows = 530, .k = 9, .n = 70, .bias = true },                    /* two parts */
        { .rows = 1025, .k = 6, .n = 7, .made = true, .residual = ADDED }, /* three */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i]);
}

static Case random_case(void)
{
    Case c = { .rows = (size_t)below(&rng, 130) + 1, .k = below(&rng, 700) + 1, .n = below(&rng, 100) + 1 };
    int shape = below(&rng, 8);
    if (shape == 0) c.rows = (size_t)below(&rng, 16) + 1;
    if (shape == 1) c.n = below(&rng, 17) + 1;
    if (shape == 2) c.k = below(&rng, 8) + 1;
    c.gap_x = below(&rng, 2) ? 0 : (size_t)below(&rng, 9);
    if (below(&rng, 4) == 0) c.gap_x = (size_t)(1024 - c.k % 1024);
    c.gap_y = below(&rng, 2) ? 0 : (size_t)below(&rng, 40);
    c.type = (DType)below(&rng, 3);
    c.paired = below(&rng, 3) == 0;
    if (c.paired) c.n = (c.n + 1) / 2 * 2;
    c.bias = below(&rng, 2);
    c.made = below(&rng, 2);
    if (!c.paired) c.residual = (Residual)below(&rng, 3);
    return c;
}

static void test_random(void **state)
{
    (void)state;
    int count = getenv("LIMN_TEST_LONG") ? 1500 : 12;
    for (int i = 0; i < count; i++) check(random_case());
}

/* More rows than are prepared at once: blocks of 8 MB. */
static void test_blocks(void **state)
{
    (void)state;
    check((Case){ .rows = 5300, .k = 401, .n = 3, .made = true, .bias = true });
}

/* A row without bfloat16 products computes in f32, whatever it is asked. */
static void test_without_bf16(void **state)
{
    (void)state;
    Trial t = trial_new((Case){ .rows = 21, .k = 95, .n = 40, .bias = true });
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        Run run = { *k, 1, false, false, 0, 21 }, asked = { *k, 1, true, false, 0, 21 };
        float *y = multiply(&t, run), *z = multiply(&t, asked);
        assert_int_equal(memcmp(y, z, 21 * 40 * sizeof *y) == 0, (*k)->gemm_bf16 == NULL);
        free(y);
        free(z);
    }
    trial_release(&t);
}

/*
 * What bfloat16 costs: each factor is rounded by up to 2^-9 of itself, by 0.41 of that in the mean square where significands
 * are as often small as large; two factors: 0.58 * 2^-9 = 1.1e-3 relative L2 whatever the length.
 */
static void test_bf16_cost(void **state)
{
    (void)state;
    Trial t = trial_new((Case){ .rows = 90, .k = 640, .n = 96 });
    reckon(&t, false);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k) || !(*k)->gemm_bf16) continue;
        float *y = multiply(&t, (Run){ *k, 2, true, false, 0, 90 });
        double d = 0, s = 0;
        for (size_t i = 0; i < 90 * 96; i++) d += pow(y[i] - t.want[i], 2), s += pow(t.want[i], 2);
        assert_error(sqrt(d / s), 2.5e-3, "%s: factors of 640 terms rounded to bfloat16", (*k)->name);
        assert_true(sqrt(d / s) > 1e-3); /* they were rounded at all */
        free(y);
    }
    trial_release(&t);
}

static int setup(void **state)
{
    (void)state;
    Err e;
    const char *why;
    rng_init(&rng, RNG_TORCH, 3);
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
        cmocka_unit_test(test_shapes),       cmocka_unit_test(test_random),    cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_without_bf16), cmocka_unit_test(test_bf16_cost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
