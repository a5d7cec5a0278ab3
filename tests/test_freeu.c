/*
 * test_freeu.c - what the UNet does otherwise than plain: FreeU's filter against FFTW and the whole spectrum, token merging against its
 * definition written out, tiles cut and joined. Whole networks are compared in test_pipeline.c (guide_freeu, guide_tome, ...).
 */
#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/rng.h"
#include "tests/support.h"
#include "unet/freeu.h"
#include "unet/merge.h"

enum { ROOM = 64 << 20 };

static Nn start(Arena *a, int threads)
{
    Err e;
    const char *why;
    assert_int_equal(arena_init(a, ROOM, &e), 0);
    return (Nn){ .arena = a, .k = kernels_select(&why), .threads = threads };
}

static Tensor noise(Arena *a, int n, int h, int w, int c)
{
    Tensor x = tensor_new(a, n, h, w, c);
    Rng rng;
    rng_init(&rng, RNG_TORCH, (uint64_t)(h * 100 + w * 10 + c));
    rng_randn(&rng, x.data, tensor_len(x));
    return x;
}

/* ---- FreeU ---- */

/* The paper's: fft, shift, the 2x2 block above and left of the middle times s, back, the real part. One channel of one sample. */
static void by_fft(Tensor x, int n, int c, double s, double *out)
{
    int h = x.h, w = x.w;
    fftwf_complex *f = fftwf_alloc_complex((size_t)(h * w));
    fftwf_plan there = fftwf_plan_dft_2d(h, w, f, f, FFTW_FORWARD, FFTW_ESTIMATE);
    fftwf_plan back = fftwf_plan_dft_2d(h, w, f, f, FFTW_BACKWARD, FFTW_ESTIMATE);
    for (int i = 0; i < h * w; i++) {
        f[i][0] = tensor_slice(x, n, 1).data[i * x.c + c];
        f[i][1] = 0;
    }
    fftwf_execute(there);
    for (int y = 0; y < h; y++)
        for (int k = 0; k < w; k++) {
            int row = (y + h / 2) % h, column = (k + w / 2) % w; /* after the shift */
            bool low = row >= h / 2 - 1 && row < h / 2 + 1 && column >= w / 2 - 1 && column < w / 2 + 1;
            if (h == 1) low = low || (column >= w / 2 - 1 && column < w / 2 + 1);
            if (low) f[y * w + k][0] *= (float)s, f[y * w + k][1] *= (float)s;
        }
    fftwf_execute(back);
    for (int i = 0; i < h * w; i++) out[i] = (double)f[i][0] / (h * w);
    fftwf_destroy_plan(there);
    fftwf_destroy_plan(back);
    fftwf_free(f);
}

static void test_filter(void **state)
{
    (void)state;
    static const int sizes[][3] = { { 8, 8, 5 }, { 6, 10, 3 }, { 7, 5, 2 }, { 16, 16, 4 }, { 2, 2, 3 },
                                    { 2, 9, 1 }, { 1, 6, 2 },  { 1, 1, 2 }, { 24, 31, 2 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 3; k++) {
            Arena a;
            Nn nn = start(&a, 2);
            double s = (double[]){ 0.2, 0.9, 1.5 }[k], expected[31 * 24];
            Tensor x = noise(&a, 2, sizes[i][0], sizes[i][1], sizes[i][2]), y = freeu_filter(&nn, x, s);
            for (int n = 0; n < 2; n++)
                for (int c = 0; c < x.c; c++) {
                    by_fft(x, n, c, s, expected);
                    for (int p = 0; p < x.h * x.w; p++)
                        assert_error(fabs((double)tensor_slice(y, n, 1).data[p * x.c + c] - expected[p]), 2e-6,
                                     "%dx%d, s %g", x.h, x.w, s);
                }
            arena_release(&a);
        }
}

static void test_backbone(void **state)
{
    (void)state;
    Arena a;
    Nn nn = start(&a, 1);
    Tensor x = noise(&a, 2, 4, 6, 7), one = freeu_backbone(&nn, x, 1.3, false), two = freeu_backbone(&nn, x, 1.3, true);
    for (int n = 0; n < 2; n++) {
        double mean[24], least = INFINITY, most = -INFINITY;
        const float *p = tensor_slice(x, n, 1).data;
        for (int i = 0; i < 24; i++) {
            mean[i] = 0;
            for (int c = 0; c < 7; c++) mean[i] += (double)p[i * 7 + c] / 7;
            least = fmin(least, mean[i]);
            most = fmax(most, mean[i]);
        }
        for (int i = 0; i < 24 * 7; i++) {
            bool half = i % 7 < 3;
            double share = (mean[i / 7] - least) / (most - least), v = (double)p[i];
            assert_error(fabs((double)tensor_slice(one, n, 1).data[i] - (half ? 1.3 : 1) * v), 1e-6, "version 1");
            assert_error(fabs((double)tensor_slice(two, n, 1).data[i] - (half ? 0.3 * share + 1 : 1) * v), 1e-6,
                         "version 2");
        }
    }
    Tensor flat = tensor_new(&a, 1, 2, 2, 4);
    for (int i = 0; i < 16; i++) flat.data[i] = 2;
    assert_true(freeu_backbone(&nn, flat, 1.3, true).data[0] == 2); /* not 0 / 0 */
    arena_release(&a);
}

/* ---- token merging ---- */

static bool target(int w, int h, int i)
{
    return i / w % 2 == 0 && i % w % 2 == 0 && i / w < h / 2 * 2 && i % w < w / 2 * 2;
}

static double similarity(const float *a, const float *b, int c)
{
    double ab = 0, aa = 0, bb = 0;
    for (int k = 0; k < c; k++) {
        ab += (double)a[k] * (double)b[k];
        aa += (double)a[k] * (double)a[k];
        bb += (double)b[k] * (double)b[k];
    }
    return ab / sqrt(aa * bb);
}

/* What merging and undoing make of x, from the paper's words: the nearest pairs go together, a place has their mean. */
static void check_merge(int h, int w, int c, double ratio)
{
    Arena a;
    Nn nn = start(&a, 2);
    int tokens = h * w, left = merge_left(h, w, ratio), gone = tokens - left;
    Tensor x = noise(&a, 1, h, w, c), fewer = tensor_new(&a, 1, left, 1, c), back = tensor_like(&a, x);
    int *place = arena_alloc(&a, (size_t)tokens * sizeof *place), *to = calloc((size_t)tokens, sizeof *to);
    double *near = calloc((size_t)tokens, sizeof *near);
    merge_match(&nn, x, left, place);
    merge_tokens(&nn, fewer, x, place);
    merge_undo(back, fewer, place);
    for (int i = 0; i < tokens; i++) {
        to[i] = i;
        near[i] = -2;
        for (int k = 0; k < tokens && !target(w, h, i); k++) {
            double s = target(w, h, k) ? similarity(x.data + i * c, x.data + k * c, c) : -2;
            if (s > near[i]) near[i] = s, to[i] = k;
        }
    }
    for (int i = 0; i < tokens; i++) { /* the gone nearest stay merged */
        int before = 0;
        for (int k = 0; k < tokens; k++) before += near[k] > near[i];
        if (!target(w, h, i) && before >= gone) to[i] = i;
    }
    for (int i = 0; i < tokens; i++)
        for (int j = 0; j < c; j++) {
            double sum = 0, count = 0;
            for (int k = 0; k < tokens; k++)
                if (to[k] == to[i]) sum += (double)x.data[k * c + j], count++;
            assert_error(fabs((double)back.data[i * c + j] - sum / count), 1e-5, "%dx%d, %g of the tokens", h, w,
                         ratio);
        }
    free(near);
    free(to);
    arena_release(&a);
}

static void test_merge(void **state)
{
    (void)state;
    assert_int_equal(merge_left(8, 8, 0.5), 32);
    assert_int_equal(merge_left(8, 8, 0), 64);
    assert_int_equal(merge_left(8, 8, 1), 16);  /* only sources go */
    assert_int_equal(merge_left(1, 9, 0.5), 9); /* there is no cell */
    check_merge(8, 8, 12, 0.5);
    check_merge(6, 8, 16, 0.4);
    check_merge(10, 8, 9, 0.75);
    check_merge(7, 9, 8, 0.3);
    check_merge(5, 5, 3, 1);
}

/* tomesd's own, where the goldens are there. */
static void test_merge_outside(void **state)
{
    (void)state;
    const char *dir = getenv("LIMN_GOLDEN");
    if (!dir) skip();
    Fixture f;
    fixture_open(&f, "%s/tasks/cases/tome.safetensors", dir);
    for (int i = 0; i < 4; i++) {
        Arena a;
        Nn nn = start(&a, 2);
        char name[32];
        int shape[4];
        snprintf(name, sizeof name, "%d.whr", i);
        const int *whr = fixture_ints(&f, name, NULL);
        snprintf(name, sizeof name, "%d.x", i);
        const float *x = fixture_f32(&f, name, NULL);
        fixture_shape(&f, name, shape);
        snprintf(name, sizeof name, "%d.roundtrip", i);
        const float *expected = fixture_f32(&f, name, NULL);
        int tokens = whr[0] * whr[1], c = shape[3];
        for (int n = 0; n < 2; n++) {
            Tensor t = { (float *)(size_t)x + n * tokens * c, 1, whr[1], whr[0], c };
            Tensor fewer = tensor_new(&a, 1, tokens - whr[2], 1, c), back = tensor_like(&a, t);
            int *place = arena_alloc(&a, (size_t)tokens * sizeof *place);
            merge_match(&nn, t, fewer.h, place);
            merge_tokens(&nn, fewer, t, place);
            merge_undo(back, fewer, place);
            assert_error(relative_l2(back.data, expected + n * tokens * c, (size_t)(tokens * c)), 1e-6, "tome %d", i);
        }
        arena_release(&a);
    }
    fixture_close(&f);
}

/* ---- tiles ---- */

static void test_tiles(void **state)
{
    (void)state;
    Arena a;
    start(&a, 1);
    assert_int_equal(tiles_of(64, 32), 2);
    assert_int_equal(tiles_of(63, 32), 1);
    assert_int_equal(tiles_of(96, 32), 3);
    assert_int_equal(tiles_of(66, 32), 2); /* of 33 */
    assert_int_equal(tiles_of(16, 32), 1);
    Tensor x = noise(&a, 2, 6, 8, 3), tiles = tensor_new(&a, 2 * 3 * 2, 2, 4, 3), back = tensor_like(&a, x);
    tiles_cut(tiles, x, 3, 2);
    tiles_join(back, tiles, 3, 2);
    assert_memory_equal(x.data, back.data, tensor_len(x) * sizeof *x.data);
    /* the second sample's tile of row 1 and column 1 begins at row 2 and column 4 */
    assert_memory_equal(tensor_slice(tiles, 6 + 3, 1).data, tensor_slice(x, 1, 1).data + (2 * 8 + 4) * 3,
                        4 * 3 * sizeof *x.data);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_filter), cmocka_unit_test(test_backbone),
                                        cmocka_unit_test(test_merge), cmocka_unit_test(test_merge_outside),
                                        cmocka_unit_test(test_tiles) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
