/*
 * test_patch.c - a product through patched weights is the product with merged ones, for every kernel set: linear, joined and
 * GEGLU layers, 1x1, gathered and Winograd convolutions, in the file's three formats.
 *
 * In f32 the change is added to the weight in the same precision as merging does, but the sum over the rank has another order.
 * With 16-bit factors the changed weight is rounded, as a merged one would be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/low_rank.h"
#include "nn/patch.h"
#include "nn/winograd.h"
#include "scheduler/rng.h"
#include "tests/support.h"

/* Measured: at most 7e-7 and 8e-5; as separate products 1.4e-6 and 3e-3, as what is between its two factors is rounded too. */
static const double F32_LIMIT = 1e-6, ROUNDED_LIMIT = 1e-4, BESIDE_F32_LIMIT = 2e-6, BESIDE_ROUNDED_LIMIT = 5e-3;

enum { ARENA = 64 << 20 };

static void fill(Rng *r, float *x, size_t n, float spread)
{
    rng_rand(r, x, n);
    for (size_t i = 0; i < n; i++) x[i] = spread * (x[i] * 2 - 1);
}

/* A layer and its merged twin: rows row .. row + rows - 1 are changed. */
typedef struct {
    int in, taps, out;
    bool paired;
    int parts; /* joined */
    size_t row, rows, rank;
} Shape;

typedef struct {
    Panels plain, merged;
    float *w, *m, *up, *down;
    Patch *patch;
} Pair;

static Pair pair_new(Rng *r, const Shape *s)
{
    size_t k = (size_t)s->in * (size_t)s->taps, n = (size_t)s->out;
    Pair p = { .w = mem_array(n * k, sizeof(float)), .m = mem_array(n * k, sizeof(float)) };
    Err e = { 0 };
    p.up = mem_array(s->rows * s->rank, sizeof(float));
    p.down = mem_array(s->rank * k, sizeof(float));
    fill(r, p.w, n * k, 1);
    fill(r, p.up, s->rows * s->rank, 0.5f);
    fill(r, p.down, s->rank * k, 0.5f);
    memcpy(p.m, p.w, n * k * sizeof(float));
    for (size_t i = 0; i < s->rows; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = 0;
            for (size_t t = 0; t < s->rank; t++) sum += (double)p.up[i * s->rank + t] * (double)p.down[t * k + j];
            p.m[(s->row + i) * k + j] = (float)((double)p.w[(s->row + i) * k + j] + 0.7 * sum);
        }
    p.plain = p.merged = (Panels){
        .type = { DT_F32, DT_F32, DT_F32 }, .k = (int)k, .n = s->out, .paired = s->paired, .parts = s->parts
    };
    for (int i = 0; i < (s->parts ? s->parts : 1); i++) {
        size_t at = (size_t)i * n / (size_t)(s->parts ? s->parts : 1) * k;
        p.plain.data[i] = (const unsigned char *)(p.w + at);
        p.merged.data[i] = (const unsigned char *)(p.m + at);
    }
    p.patch = patch_low_rank(&p.plain, (PatchRows){ s->row, s->rows }, p.up, p.down, s->rank, k, 0.7f, &e);
    assert_non_null(p.patch);
    patch_lay(&p.plain, p.patch);
    return p;
}

static void pair_free(Pair *p)
{
    patch_free(p->patch);
    free(p->w);
    free(p->m);
    free(p->up);
    free(p->down);
}

static double limit_of(const Nn *nn, bool beside)
{
    if (nn->precision.linear) return beside ? BESIDE_ROUNDED_LIMIT : ROUNDED_LIMIT;
    return beside ? BESIDE_F32_LIMIT : F32_LIMIT;
}

static void check(Nn *nn, const char *what, bool beside, Tensor a, Tensor b)
{
    assert_int_equal(tensor_len(a), tensor_len(b));
    assert_error(relative_l2(a.data, b.data, tensor_len(a)), limit_of(nn, beside), "%s %s%s%s", nn->k->name, what,
                 beside ? ", separate" : "", nn->precision.linear ? ", rounded" : "");
}

static void check_linear(Nn *nn, Rng *r, const char *what, const Shape *s)
{
    Pair p = pair_new(r, s);
    Tensor x = tensor_new(nn->arena, 1, 37, 1, s->in);
    fill(r, x.data, tensor_len(x), 1);
    Linear plain = { .w = p.plain, .in = s->in, .out = s->out }, merged = { .w = p.merged, .in = s->in, .out = s->out };
    check(nn, what, low_rank_pays(&plain.w, 37), nn_linear(nn, &plain, x), nn_linear(nn, &merged, x));
    pair_free(&p);
    arena_reset(nn->arena, 0);
}

static void check_conv(Nn *nn, Rng *r, const char *what, const Shape *s, int h, int w, bool down)
{
    Pair p = pair_new(r, s);
    Tensor x = tensor_new(nn->arena, 1, h, w, s->in);
    fill(r, x.data, tensor_len(x), 1);
    int k = s->taps == 9 ? 3 : 1;
    Conv plain = { .w = p.plain, .in = s->in, .out = s->out, .k = k }, merged = plain;
    merged.w = p.merged;
    bool beside = low_rank_pays(&plain.w, (size_t)(down ? (h / 2) * (w / 2) : h * w));
    if (down) check(nn, what, beside, nn_conv2d_down(nn, &plain, x, 1), nn_conv2d_down(nn, &merged, x, 1));
    else check(nn, what, beside, nn_conv2d(nn, &plain, x), nn_conv2d(nn, &merged, x));
    pair_free(&p);
    arena_reset(nn->arena, 0);
}

static void check_all(Nn *nn)
{
    Rng r;
    rng_init(&r, RNG_TORCH, 7);
    check_linear(nn, &r, "linear", &(Shape){ 320, 1, 77, false, 0, 0, 77, 16 });
    check_linear(nn, &r, "linear of odd size", &(Shape){ 513, 1, 47, false, 0, 3, 30, 5 });
    check_linear(nn, &r, "joined", &(Shape){ 96, 1, 3 * 40, false, 3, 40, 40, 4 });
    check_linear(nn, &r, "GEGLU", &(Shape){ 64, 1, 2 * 98, true, 0, 0, 2 * 98, 8 });
    check_linear(nn, &r, "half of GEGLU", &(Shape){ 64, 1, 2 * 98, true, 0, 98, 98, 8 });
    check_conv(nn, &r, "1x1", &(Shape){ 40, 1, 70, false, 0, 0, 70, 3 }, 5, 7, false);
    check_conv(nn, &r, "gathered", &(Shape){ 20, 9, 33, false, 0, 0, 33, 4 }, 9, 7, true);
    check_conv(nn, &r, "Winograd", &(Shape){ 144, 9, 40, false, 0, 0, 40, 16 }, 24, 20, false);
    /* of few rows: as separate products (low_rank.h) */
    check_linear(nn, &r, "wide linear", &(Shape){ 1024, 1, 777, false, 0, 0, 777, 16 });
    check_linear(nn, &r, "wide joined", &(Shape){ 640, 1, 3 * 320, false, 3, 320, 320, 5 });
    check_conv(nn, &r, "wide gathered", &(Shape){ 260, 9, 270, false, 0, 3, 250, 7 }, 9, 7, true);
    check_conv(nn, &r, "wide Winograd", &(Shape){ 256, 9, 264, false, 0, 0, 264, 40 }, 6, 5, false);
}

static void test_low_rank(void **state)
{
    (void)state;
    Err e;
    Arena arena;
    assert_int_equal(arena_init(&arena, ARENA, &e), 0);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        Nn nn = { .arena = &arena, .k = *k, .threads = 2 };
        check_all(&nn);
        nn.precision = rounding_16((*k)->gemm_bf16 != NULL);
        if (nn.precision.linear) check_all(&nn);
    }
    arena_release(&arena);
}

/* Two patches on one matrix, one of them a full difference; taken off, the bits are the file's again. */
static void test_several(void **state)
{
    (void)state;
    Err e = { 0 };
    Arena arena;
    Rng r;
    assert_int_equal(arena_init(&arena, ARENA, &e), 0);
    rng_init(&r, RNG_TORCH, 9);
    Nn nn = { .arena = &arena, .k = kernels_select(&(const char *){ NULL }), .threads = 1 };
    Shape s = { 48, 1, 35, false, 0, 2, 20, 3 };
    Pair p = pair_new(&r, &s);
    float *diff = mem_array(35 * 48, sizeof *diff);
    fill(&r, diff, 35 * 48, 1);
    for (int i = 0; i < 35 * 48; i++) p.m[i] += -0.5f * diff[i];
    Patch *second =
        patch_difference((PatchRows){ 0, 35 }, (PatchValues){ (const unsigned char *)diff, DT_F32, 48 }, -0.5f, &e);
    assert_non_null(second);
    Tensor x = tensor_new(&arena, 1, 9, 1, 48);
    fill(&r, x.data, tensor_len(x), 1);
    Linear plain = { .w = p.plain, .in = 48, .out = 35 }, merged = plain, bare = plain;
    patch_lay(&plain.w, second);
    merged.w = p.merged;
    check(&nn, "two patches", false, nn_linear(&nn, &plain, x), nn_linear(&nn, &merged, x));
    patch_take_off(&plain.w, p.patch);
    patch_take_off(&plain.w, second);
    patch_take_off(&bare.w, p.patch);
    patch_take_off(&bare.w, second);
    Tensor a = nn_linear(&nn, &plain, x), b = nn_linear(&nn, &bare, x);
    assert_memory_equal(a.data, b.data, tensor_len(a) * sizeof(float));
    patch_free(second);
    pair_free(&p);
    free(diff);
    arena_release(&arena);
}

enum { LAID = 3 };

/*
 * Some low-rank patches of one wide layer, as separate products: as if merged, alone and with other samples, and not
 * with a scale.
 */
static void check_beside(Nn *nn, bool rounded)
{
    enum { K = 1024, N = 600, ROWS = 20 };
    Rng r;
    Err e = { 0 };
    rng_init(&r, RNG_TORCH, 11);
    Shape s = { K, 1, N, false, 0, 0, N, 3 };
    Pair p = pair_new(&r, &s);
    Linear plain = { .w = p.plain, .in = K, .out = N }, merged = { .w = p.merged, .in = K, .out = N };
    Patch *more[LAID];
    for (int i = 0; i < LAID; i++) {
        size_t rank = 16 * (size_t)i + 13, first = 10 * (size_t)i, rows = N - 2 * first;
        float *up = mem_array(rows * rank, sizeof *up), *down = mem_array(rank * K, sizeof *down);
        fill(&r, up, rows * rank, 0.5f);
        fill(&r, down, rank * K, 0.5f);
        more[i] = (rounded ? patch_low_rank_rounded : patch_low_rank)(&plain.w, (PatchRows){ first, rows }, up, down,
                                                                      rank, K, 0.5f, &e);
        assert_non_null(more[i]);
        patch_lay(&plain.w, more[i]);
        for (size_t o = 0; o < rows; o++)
            for (size_t t = 0; t < rank; t++)
                for (size_t k = 0; k < K; k++) p.m[(first + o) * K + k] += 0.5f * up[o * rank + t] * down[t * K + k];
        free(up);
        free(down);
    }
    assert_true(low_rank_pays(&plain.w, ROWS));
    assert_false(low_rank_pays(&plain.w, K));
    Tensor x = tensor_new(nn->arena, 2, ROWS, 1, K), one = x;
    fill(&r, x.data, tensor_len(x), 1);
    one.n = 1;
    Tensor y = nn_linear(nn, &plain, x), alone = nn_linear(nn, &plain, one), want = nn_linear(nn, &merged, x);
    assert_error(relative_l2(y.data, want.data, tensor_len(y)), rounded ? BESIDE_ROUNDED_LIMIT : BESIDE_F32_LIMIT,
                 "%s three separate%s", nn->k->name, rounded ? ", rounded" : "");
    assert_memory_equal(y.data, alone.data, tensor_len(alone) * sizeof(float));
    float keep[N];
    for (int i = 0; i < N; i++) keep[i] = 0.5f;
    Patch *scale = patch_scale(&plain.w, (PatchRows){ 0, N }, (PatchScale){ .keep = keep }, NULL, &e);
    assert_non_null(scale);
    patch_lay(&plain.w, scale);
    assert_false(low_rank_pays(&plain.w, ROWS));
    patch_free(scale);
    for (int i = 0; i < LAID; i++) patch_free(more[i]);
    pair_free(&p);
    arena_reset(nn->arena, 0);
}

static void test_beside(void **state)
{
    (void)state;
    Err e;
    Arena arena;
    assert_int_equal(arena_init(&arena, ARENA, &e), 0);
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        Nn nn = { .arena = &arena, .k = *k, .threads = 2 };
        check_beside(&nn, false);
        nn.precision = rounding_16((*k)->gemm_bf16 != NULL);
        check_beside(&nn, true);
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_low_rank), cmocka_unit_test(test_beside),
                                        cmocka_unit_test(test_several) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
