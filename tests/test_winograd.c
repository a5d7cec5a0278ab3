/*
 * test_winograd.c - convolutions of stride 1 on every kernel set that this CPU runs, by Winograd's way, in tile registers (and in those
 * of tiles_emulated.h) and as plain products, against sums in double on odd shapes. LIMN_TEST_LONG=1 tries 400 random ones; LIMN_TEST_VERBOSE=1 prints the table of
 * docs/performance.md, the error in each of Stable Diffusion's layers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "nn/winograd.h"
#include "tests/exact.h"
#include "tests/kernels_amx.h"
#include "tests/kernels_evex.h"
#include "tests/support.h"

static Arena arena;
static Rng rng;

typedef struct {
    int n, h, w, in, out, up; /* h and w: of the result */
    DType type;
    bool wrap_x, wrap_y, norm, silu, residual, in_place, relu;
} Case;

/* A case with its numbers. */
typedef struct {
    Case c;
    Matrix m;
    Conv conv;
    Norm norm;
    Tensor x, read, residual; /* read: x as the convolution sees it */
    float *scale, *shift;
} Trial;

/* A kernel set, and what convolutions round their factors to. */
typedef struct {
    const Kernels *k;
    Factors factors;
} Way;

/* Tile registers in C are for the small shapes only. */
static bool small;

static bool listed(const Kernels *set)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        if (*k == set) return true;
    return false;
}

/* Way number i, or one without kernels: there are no more. Rows that do not run here are left out. */
static Way way_at(size_t i)
{
    for (const Kernels *const *k = kernels_rows; *k; k++)
        for (int rounded = 0; rounded < 1 + ((*k)->gemm_i16 != NULL); rounded++)
            if (kernels_supported(*k) && i-- == 0) return (Way){ *k, rounded ? FACTORS_I16 : FACTORS_F32 };
    for (int set = 0; tiles_set(set); set++)
        if ((small || tiles_set(set) != tiles_in_c()) && i-- == 0) return (Way){ tiles_set(set), FACTORS_BF16 };
    const Kernels *last = NULL;
    for (int set = 0; integer_set(set); set++) last = integer_set(set);
    return i == 0 && last && !listed(last) ? (Way){ last, FACTORS_I16 } : (Way){ 0 };
}

static const char *way_name(Way w)
{
    return w.factors == FACTORS_BF16 ? "tiles" : w.factors == FACTORS_I16 ? "16-bit" : w.k->name;
}

static Tensor tensor_random(int n, int h, int w, int c)
{
    Tensor t = { NULL, n, h, w, c };
    t.data = normals(&rng, tensor_len(t), 1);
    return t;
}

static Trial trial_new(Case c)
{
    Trial t = { .c = c, .m = matrix_new(&rng, c.type, 9 * c.in, c.out, false, true) };
    t.conv = (Conv){ .w = t.m.p, .b = t.m.bias_panel, .in = c.in, .out = c.out, .k = 3 };
    t.x = tensor_random(c.n, (c.h + c.up - 1) / c.up, (c.w + c.up - 1) / c.up, c.in);
    t.read = t.x;
    if (c.residual) t.residual = tensor_random(c.n, c.h, c.w, c.out);
    if (c.norm) {
        t.scale = normals(&rng, (size_t)c.in, 1);
        t.shift = normals(&rng, (size_t)c.in, 1);
        t.norm = (Norm){ .w = t.scale, .b = t.shift, .c = c.in, .groups = c.in % 4 ? 1 : c.in / 4, .eps = 1e-5f };
        t.read = exact_norm(&t.norm, t.x, c.silu);
    }
    return t;
}

static void trial_release(Trial *t)
{
    if (t->c.norm) free(t->read.data);
    matrix_release(&t->m);
    free(t->x.data);
    free(t->residual.data);
    free(t->scale);
    free(t->shift);
}

/* Images first .. first + count - 1: a new tensor on the heap. */
static Tensor convolve(const Trial *t, Way way, int threads, int first, int count)
{
    Tensor x = tensor_slice(t->x, first, count), y = { NULL, count, t->c.h, t->c.w, t->c.out };
    y.data = mem_array(tensor_len(y), sizeof *y.data);
    Nn nn = { .arena = &arena, .k = way.k, .threads = threads, .precision = rounding_16(way.factors != FACTORS_F32) };
    nn.precision.conv = way.factors;
    nn.wrap_x = t->c.wrap_x;
    nn.wrap_y = t->c.wrap_y;
    size_t mark = arena.used;
    if (t->c.up == 2) {
        tensor_copy(y, nn_conv2d_up(&nn, &t->conv, x, t->c.h, t->c.w));
    } else {
        With with = {
            .norm = t->c.norm ? &t->norm : NULL, .act = t->c.silu ? ACT_SILU : ACT_NONE, .into = y, .relu = t->c.relu
        };
        if (t->c.residual) with.residual = tensor_slice(t->residual, first, count);
        if (t->c.residual && t->c.in_place) {
            tensor_copy(y, with.residual);
            with.residual = y;
        }
        nn_conv2d_with(&nn, &t->conv, x, &with);
    }
    arena_reset(&arena, mark);
    return y;
}

static void say(const Trial *t, const char *row, const char *what)
{
    const Case *c = &t->c;
    fail_msg(
        "%s: %s: n %d h %d w %d in %d out %d up %d type %d wrap %d %d norm %d silu %d residual %d in place %d relu %d",
        row, what, c->n, c->h, c->w, c->in, c->out, c->up, c->type, c->wrap_x, c->wrap_y, c->norm, c->silu, c->residual,
        c->in_place, c->relu);
}

static bool by_winograd(const Case *c) { return c->in % 16 == 0 && c->h * c->w >= 16; }

/*
 * Shares of UNIT sum|terms| (and 1) of a result. The direct sum: as any float sum (exact.h), a norm's result is rounded twice more.
 * F(4x4, 3x3) adds and takes away numbers up to 100 times as large, of the whole 6x6 that a tile reads, where a pixel's own terms
 * may be small: 12.9 was the most in a run of the long test. A term in 2,000 left out would be some 10,000. Factors rounded to
 * bfloat16 may be off by 2^-8 of their products; those of 16-bit integers were by a third of that.
 */
static const double DIRECT = 6, WINOGRAD = 32, ROUNDED = 66000;

/* The largest share of all pixels, or of some. */
static double worst(const Trial *t, Tensor y, int pixels)
{
    const Case *c = &t->c;
    ExactConv e = { &t->m, t->read, c->h, c->w, c->up, 3, c->wrap_x, c->wrap_y };
    size_t out = (size_t)c->out, all = tensor_rows(y);
    double *want = mem_array(2 * out, sizeof *want), *mass = want + out, most = 0;
    for (int i = 0; i < pixels; i++) {
        size_t at = all <= (size_t)pixels ? (size_t)i : (size_t)below(&rng, (int)all), in = at % (size_t)(c->h * c->w);
        if (at >= all) break;
        exact_pixel(&e, (int)(at / (size_t)(c->h * c->w)), (int)in / c->w, (int)in % c->w, want, mass);
        for (size_t o = 0; o < out; o++) {
            double add = c->residual ? (double)t->residual.data[at * out + o] : 0;
            double whole = c->relu && want[o] + add < 0 ? 0 : want[o] + add;
            double off = fabs((double)y.data[at * out + o] - whole);
            double limit = UNIT * (mass[o] + fabs(add) + 1);
            if (!(off / limit <= most)) most = off / limit;
        }
    }
    free(want);
    return most;
}

static void check_bits(const Trial *t, Tensor want, Tensor got, const char *row, const char *what)
{
    if (memcmp(want.data, got.data, tensor_len(got) * sizeof *got.data) != 0) say(t, row, what);
    free(got.data);
}

/* Threads, kept weights, and each picture alone: the same bits. */
static void check_same(Trial *t, Way way, Tensor y)
{
    const char *name = way_name(way);
    for (int threads = 2; threads <= 4; threads++)
        check_bits(t, y, convolve(t, way, threads, 0, t->c.n), name, "threads change bits");
    for (int i = 0; i < t->c.n && t->c.n > 1; i++)
        check_bits(t, tensor_slice(y, i, 1), convolve(t, way, 1, i, 1), name, "other pictures change bits");
    for (int rounded = 0; rounded < 1 + (way.k->gemm_i16 != NULL); rounded++) { /* also the form that is not wanted */
        BoundMemory kept = { 0 };
        Err e;
        size_t bytes = winograd_bytes(&t->conv, rounded);
        assert_int_equal(bytes > 0, t->c.in % 16 == 0);
        assert_int_equal(winograd_keep(&t->conv, way.k, rounded, &kept, &e), 0);
        assert_int_equal(kept.bytes, bytes);
        check_bits(t, y, convolve(t, way, 2, 0, t->c.n), name, "kept weights change bits");
        t->conv.u = t->conv.u_scale = NULL;
        t->conv.u16 = NULL;
        bound_release(&kept);
    }
}

static void check(Case c, int pixels)
{
    Trial t = trial_new(c);
    for (size_t i = 0; way_at(i).k; i++) {
        Way way = way_at(i);
        Tensor y = convolve(&t, way, 1, 0, c.n);
        double share = worst(&t, y, pixels), limit = way.factors != FACTORS_F32 ? ROUNDED
                                                     : by_winograd(&c)          ? WINOGRAD
                                                                                : DIRECT;
        if (!(share <= limit)) say(&t, way_name(way), "wrong");
        check_same(&t, way, y);
        free(y.data);
    }
    trial_release(&t);
}

static void test_shapes(void **state)
{
    (void)state;
    const Case cases[] = {
        { 1, 1, 1, 16, 1, 1, .norm = true, .silu = true },
        { 2, 1, 1, 5, 33, 1, .wrap_x = true, .wrap_y = true, .residual = true },
        { 1, 1, 16, 16, 3, 1, .wrap_x = true },
        { 1, 2, 8, 32, 70, 1, .wrap_x = true, .wrap_y = true, .norm = true },
        { 3, 3, 5, 16, 31, 1, .norm = true, .silu = true, .residual = true, .in_place = true },
        { 2, 37, 29, 48, 17, 1, .norm = true, .silu = true, .residual = true, .in_place = true },
        { 1, 13, 71, 272, 33, 1, DT_F16, .norm = true, .silu = true, .wrap_x = true },
        { 4, 5, 4, 144, 32, 1, DT_BF16, .residual = true },
        { 1, 7, 9, 20, 12, 1, DT_F16, .norm = true, .silu = true, .wrap_y = true },
        { 1, 9, 1, 67, 3, 1, .norm = true },
        { 1, 6, 10, 32, 9, .up = 2 },
        { 2, 9, 7, 16, 65, 2, .wrap_x = true },
        { 1, 5, 5, 7, 4, 2, .wrap_y = true },
        { 1, 1, 1, 16, 8, .up = 2 },
        { 2, 9, 11, 32, 33, 1, .residual = true, .in_place = true, .relu = true },
        { 1, 3, 4, 5, 7, 1, .residual = true, .relu = true },
        { 1, 8, 8, 16, 40, 1, .relu = true },
        { 3, 8, 8, 64, 40, 1, .norm = true, .silu = true, .residual = true, .relu = true },
        { 2, 5, 3, 32, 70, 1, DT_F16, .wrap_x = true, .wrap_y = true, .norm = true },
        { 2, 7, 9, 96, 33, 2, .wrap_y = true },
    };
    small = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(cases[i], 100);
    small = false;
}

static Case random_case(void)
{
    Case c = {
        .n = below(&rng, 4) + 1, .h = below(&rng, 37) + 1, .w = below(&rng, 29) + 1, .up = below(&rng, 4) ? 1 : 2
    };
    c.in = below(&rng, 4) ? 16 * (below(&rng, 17) + 1) : below(&rng, 90) + 1;
    c.out = below(&rng, 70) + 1;
    c.type = (DType)below(&rng, 3);
    c.wrap_x = below(&rng, 3) == 0;
    c.wrap_y = below(&rng, 3) == 0;
    if (c.up == 2) return c;
    c.norm = below(&rng, 2);
    c.silu = c.norm && below(&rng, 2);
    c.residual = below(&rng, 2);
    c.in_place = below(&rng, 2);
    c.relu = below(&rng, 2);
    return c;
}

static void test_random(void **state)
{
    (void)state;
    int count = getenv("LIMN_TEST_LONG") ? 400 : 5;
    for (int i = 0; i < count; i++) check(random_case(), 25);
}

/* More tiles than are transformed at once (16 MB), in three parts, the last panel with one column. */
static void test_blocks(void **state)
{
    (void)state;
    check((Case){ 1, 61, 130, 272, 33, 1, .norm = true, .silu = true, .wrap_x = true }, 60);
    check((Case){ 2, 66, 66, 16, 1, 1, .residual = true }, 60);
    check((Case){ 1, 70, 64, 992, 1, 1, .norm = true, .silu = true }, 60); /* in bands */
}

/* Relative L2 of some pixels; also of plain float sums, term after term. */
static void layer_errors(const Trial *t, Tensor y, int pixels, double *winograd, double *plain)
{
    ExactConv e = { &t->m, t->read, t->c.h, t->c.w, t->c.up, 3, false, false };
    size_t out = (size_t)t->c.out, in = (size_t)t->c.in;
    double *want = mem_array(2 * out, sizeof *want), d = 0, p = 0, s = 0;
    for (int i = 0; i < pixels; i++) {
        int py = 1 + below(&rng, t->c.h - 2), px = 1 + below(&rng, t->c.w - 2);
        size_t at = ((size_t)py * (size_t)t->c.w + (size_t)px) * out;
        exact_pixel(&e, 0, py, px, want, want + out);
        float *sum = mem_array(out, sizeof *sum);
        for (int tap = 0; tap < 9; tap++)
            for (size_t c = 0; c < in; c++) {
                int sy = (py + tap / 3 - 1) / t->c.up, sx = (px + tap % 3 - 1) / t->c.up;
                float v = t->read.data[((size_t)sy * (size_t)t->x.w + (size_t)sx) * in + c];
                const float *w = t->m.w + ((size_t)tap * in + c) * out;
                for (size_t o = 0; o < out; o++) sum[o] += v * w[o];
            }
        for (size_t o = 0; o < out; o++) {
            d += pow(y.data[at + o] - want[o], 2);
            p += pow(sum[o] + t->m.bias[o] - want[o], 2);
            s += pow(want[o], 2);
        }
        free(sum);
    }
    free(want);
    *winograd = sqrt(d / s);
    *plain = sqrt(p / s);
}

/* The shapes of Stable Diffusion 1.5 at 512x512, as far as Winograd computes them: normalised, SiLU, halves as weights. */
static void test_layers(void **state)
{
    (void)state;
    static const int layers[][4] = {
        /* side, in, out, up */
        { 32, 320, 640, 1 },   { 64, 640, 320, 1 },  { 64, 960, 320, 1 },  { 64, 640, 640, 2 },  { 64, 320, 320, 1 },
        { 32, 640, 640, 1 },   { 32, 1280, 640, 1 }, { 32, 1920, 640, 1 }, { 16, 640, 1280, 1 }, { 16, 1280, 1280, 1 },
        { 16, 2560, 1280, 1 }, { 8, 1280, 1280, 1 }, { 8, 2560, 1280, 1 }, { 64, 320, 4, 1 },    { 64, 512, 512, 1 },
        { 128, 512, 512, 2 },  { 256, 256, 256, 1 }, { 128, 128, 128, 1 }, { 128, 128, 3, 1 },
    };
    size_t count = getenv("LIMN_TEST_VERBOSE") ? sizeof layers / sizeof *layers : 1;
    for (size_t i = 0; i < count; i++) {
        const int *l = layers[i];
        Case c = { 1, l[0], l[0], l[1], l[2], l[3], DT_F16, .norm = l[3] == 1, .silu = l[3] == 1 };
        Trial t = trial_new(c);
        for (size_t j = 0; way_at(j).k; j++) {
            Way way = way_at(j);
            double winograd, plain;
            Tensor y = convolve(&t, way, 2, 0, 1);
            layer_errors(&t, y, count > 1 ? 24 : 6, &winograd, &plain);
            if (count > 1)
                print_message("| %d -> %d | %dx%d%s | %s | %.1e | %.1e |\n", c.in, c.out, c.h, c.w,
                              c.up == 2 ? ", up" : "", way_name(way), winograd, plain);
            /* both factors of a product in tiles have 8 bits: 2^-9 sqrt(2 / 3) off, as the square's mean has it, is 1.6e-3 */
            assert_error(winograd,
                         way.factors == FACTORS_BF16 ? 4e-3
                         : way.factors               ? 1e-3
                                                     : 2e-6,
                         "%s: %d -> %d channels at %dx%d", way_name(way), c.in, c.out, c.h, c.w);
            free(y.data);
        }
        trial_release(&t);
    }
}

static int setup(void **state)
{
    (void)state;
    Err e;
    const char *why;
    rng_init(&rng, RNG_TORCH, 5);
    kernels_select(&why);
    return arena_init(&arena, 512u << 20, &e);
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
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
