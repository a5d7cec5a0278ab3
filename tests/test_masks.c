/* test_masks.c - blurs, bars, regions and filled masks against Pillow, OpenCV and A1111's rules (golden/masks.py). */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/blur.h"
#include "image/fill.h"
#include "image/fit.h"

enum { W = 41, H = 30 };

static Samples samples_of(Fixture *f, const char *name, int w, int h, int c)
{
    size_t len;
    const float *v = fixture_f32(f, name, &len);
    assert_int_equal(len, (size_t)(w * h * c));
    Samples s = { mem_array(len, 1), w, h, c };
    for (size_t i = 0; i < len; i++) s.data[i] = (uint8_t)v[i];
    return s;
}

static void same(Fixture *f, const char *name, Samples got)
{
    Samples want = samples_of(f, name, got.w, got.h, got.c);
    for (size_t i = 0; i < (size_t)(got.w * got.h * got.c); i++)
        if (got.data[i] != want.data[i]) fail_msg("%s: byte %zu is %d, not %d", name, i, got.data[i], want.data[i]);
    free(want.data);
    free(got.data);
}

static void blurs(void **state)
{
    (void)state;
    static const int pillow[] = { 1, 3, 4, 10, 40 }, opencv[] = { 1, 4, 8, 20 };
    Fixture f;
    char name[32];
    fixture_open(&f, GOLDEN "/masks/masks.safetensors");
    for (size_t i = 0; i < 5; i++) {
        Samples mask = samples_of(&f, "mask", W, H, 1), picture = samples_of(&f, "picture", W, H, 3);
        blur_pillow(mask, (float)pillow[i]);
        blur_pillow(picture, (float)pillow[i]);
        snprintf(name, sizeof name, "blur.%d", pillow[i]);
        same(&f, name, mask);
        snprintf(name, sizeof name, "blur3.%d", pillow[i]);
        same(&f, name, picture);
    }
    for (size_t i = 0; i < 4; i++) {
        Samples mask = samples_of(&f, "mask", W, H, 1);
        blur_opencv(mask, opencv[i]);
        snprintf(name, sizeof name, "opencv.%d", opencv[i]);
        same(&f, name, mask);
    }
    fixture_close(&f);
}

static void filled(void **state)
{
    (void)state;
    Fixture f;
    fixture_open(&f, GOLDEN "/masks/masks.safetensors");
    Samples picture = samples_of(&f, "picture", W, H, 3), mask = samples_of(&f, "mask", W, H, 1);
    fill_masked_part(picture, mask);
    same(&f, "fill", picture);
    free(mask.data);
    fixture_close(&f);
}

static void fitted(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 64, 33 }, { 24, 64 }, { 50, 50 }, { 41, 60 } };
    Fixture f;
    char name[32];
    fixture_open(&f, GOLDEN "/masks/masks.safetensors");
    for (size_t i = 0; i < 4; i++) {
        Samples picture = samples_of(&f, "picture", W, H, 3), mask = samples_of(&f, "mask", W, H, 1);
        Fit fit = { sizes[i][0], sizes[i][1], "fit" };
        snprintf(name, sizeof name, "fit.%dx%d", fit.w, fit.h);
        same(&f, name, fit_to(picture, &fit));
        snprintf(name, sizeof name, "fit1.%dx%d", fit.w, fit.h);
        same(&f, name, fit_to(mask, &fit));
        free(picture.data);
        free(mask.data);
    }
    fixture_close(&f);
}

/* get_crop_region() of diffusers 0.42: mask, padding, shape and what it gives. */
static void regions(void **state)
{
    (void)state;
    static const struct {
        Region white;
        int padding, w, h;
        Region want;
    } cases[] = {
        { { 12, 8, 18, 13 }, 0, 64, 64, { 12, 6, 18, 18 } }, { { 12, 8, 18, 13 }, 4, 64, 32, { 0, 4, 41, 21 } },
        { { 0, 0, 1, 1 }, 2, 64, 64, { 0, 0, 3, 3 } },       { { 40, 29, 1, 1 }, 3, 32, 64, { 37, 22, 4, 8 } },
        { { 0, 0, 41, 30 }, 32, 64, 64, { 0, 0, 41, 30 } },  { { 5, 0, 2, 30 }, 0, 64, 48, { 0, 0, 40, 30 } }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Samples mask = { mem_array((size_t)W, H), W, H, 1 };
        Region r = cases[i].white, want = cases[i].want;
        for (int y = 0; y < r.h; y++) memset(mask.data + (r.y + y) * W + r.x, 1, (size_t)r.w);
        Region got = fit_region(mask, cases[i].padding, cases[i].w, cases[i].h);
        if (memcmp(&got, &want, sizeof got) != 0)
            fail_msg("case %zu: %d %d %d %d, not %d %d %d %d", i, got.x, got.y, got.w, got.h, want.x, want.y, want.w,
                     want.h);
        free(mask.data);
    }
    Samples black = { mem_array((size_t)W, H), W, H, 1 };
    assert_int_equal(fit_region(black, 9, 64, 64).w, 0);
    free(black.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(blurs), cmocka_unit_test(filled), cmocka_unit_test(fitted),
                                        cmocka_unit_test(regions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
