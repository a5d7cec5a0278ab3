/* test_measure.c - PSNR, SSIM and spectra against scikit-image and numpy (golden/measure), and where the answer is known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "image/measure.h"
#include "tests/support.h"

/* The pictures of golden/measure/make.py. */
static void make_pictures(Image *a, Image *b, int w, int h, int64_t strength)
{
    uint32_t state = 12345;
    image_init(a, w, h);
    image_init(b, w, h);
    for (int i = 0; i < w * h * 3; i++) {
        int c = i % 3, x = i / 3 % w, y = i / 3 / w;
        state = state * 1664525 + 1013904223;
        int v = (x * (c + 1) + 2 * y + x * y / 16) % 256;
        int64_t noisy = v + ((((int64_t)(state >> 16) - 32768) * strength) >> 23);
        a->rgb[i] = (uint8_t)v;
        b->rgb[i] = (uint8_t)(noisy < 0 ? 0 : noisy > 255 ? 255 : noisy);
    }
}

static double number(const cJSON *row, const char *key) { return cJSON_GetObjectItem(row, key)->valuedouble; }

static Spectrum spectrum_of(const Image *im)
{
    Spectrum s;
    Err e;
    assert_int_equal(spectrum_init(&s, im, &e), 0);
    return s;
}

static void check_row(const cJSON *row)
{
    Image a, b;
    make_pictures(&a, &b, (int)number(row, "w"), (int)number(row, "h"), (int64_t)number(row, "strength"));
    assert_error(fabs(measure_psnr(&b, &a) - number(row, "psnr")), 1e-9, "PSNR %dx%d", a.w, a.h);
    assert_error(fabs(measure_ssim(&b, &a) - number(row, "ssim")), 1e-9, "SSIM %dx%d", a.w, a.h);

    Spectrum sa = spectrum_of(&a), sb = spectrum_of(&b);
    assert_error(fabs(spectrum_difference(&sb, &sa, NULL) - number(row, "spectrum")), 1e-3, "spectrum %dx%d", a.w, a.h);
    const cJSON *power = cJSON_GetObjectItem(row, "power");
    int every = sb.bins / 6 > 1 ? sb.bins / 6 : 1;
    for (int i = 0; i < cJSON_GetArraySize(power); i++) {
        double expected = cJSON_GetArrayItem(power, i)->valuedouble;
        assert_error(fabs(sb.power[i * every] / expected - 1), 1e-4, "power %d of %dx%d", i * every, a.w, a.h);
    }
    spectrum_release(&sa);
    spectrum_release(&sb);
    image_release(&a);
    image_release(&b);
}

static void test_golden(void **state)
{
    Bytes file;
    Err e;
    (void)state;
    assert_int_equal(file_map(&file, GOLDEN "/measure/measure.json", &e), 0);
    cJSON *rows = cJSON_ParseWithLength((const char *)file.data, file.len);
    assert_true(cJSON_GetArraySize(rows) >= 7);
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) check_row(row);
    cJSON_Delete(rows);
    file_unmap(&file);
}

/* The second picture of golden/measure/flip.py. */
static void change(const Image *a, Image *b, const char *kind)
{
    for (int i = 0; i < a->w * a->h * 3 && strcmp(kind, "inverted") == 0; i++) b->rgb[i] = (uint8_t)(255 - a->rgb[i]);
    for (int y = 0; y < a->h && strcmp(kind, "moved") == 0; y++)
        memmove(b->rgb + (y * a->w + 1) * 3, a->rgb + y * a->w * 3, (size_t)(a->w - 1) * 3);
}

static void test_flip(void **state)
{
    Bytes file;
    Err e;
    int count = 0;
    (void)state;
    assert_int_equal(file_map(&file, GOLDEN "/measure/flip.json", &e), 0);
    cJSON *rows = cJSON_ParseWithLength((const char *)file.data, file.len);
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        Image a, b;
        make_pictures(&a, &b, (int)number(row, "w"), (int)number(row, "h"), (int64_t)number(row, "strength"));
        change(&a, &b, cJSON_GetStringValue(cJSON_GetObjectItem(row, "kind")));
        double found = measure_flip(&a, &b);
        assert_error(fabs(found - number(row, "flip")), 3e-5, "FLIP %dx%d", a.w, a.h);
        assert_true(measure_flip(&a, &a) == 0);
        assert_error(fabs(measure_flip(&b, &a) - found), 1e-9, "FLIP the other way round, %dx%d", a.w, a.h);
        image_release(&a);
        image_release(&b);
        count++;
    }
    assert_int_equal(count, 20);
    cJSON_Delete(rows);
    file_unmap(&file);
}

/* A grey picture, and a part of it lighter. */
static void make_spot(Image *a, Image *b, int w, int h, int side)
{
    image_init(a, w, h);
    image_init(b, w, h);
    memset(a->rgb, 128, (size_t)w * (size_t)h * 3);
    memset(b->rgb, 128, (size_t)w * (size_t)h * 3);
    for (int y = 0; y < side; y++) memset(b->rgb + ((h / 2 + y) * w + w / 2) * 3, 160, (size_t)side * 3);
}

/* A change of a small part of a large picture counts where it is; a small picture is all of what is seen at once. */
static void test_flip_where_it_is_largest(void **state)
{
    Image a, b;
    (void)state;
    make_spot(&a, &b, 80, 80, 20);
    FlipError alone = measure_flip_error(&a, &b);
    assert_true(alone.worst == alone.mean && alone.mean > 0);
    image_release(&a);
    image_release(&b);
    make_spot(&a, &b, 700, 640, 20);
    FlipError large = measure_flip_error(&a, &b);
    assert_error(large.mean * 700 * 640 / (alone.mean * 80 * 80) - 1, 0.02, "the sum of errors");
    assert_true(large.worst > 0.5 * alone.mean * 80 * 80 / (67 * 67) && large.worst > 20 * large.mean);
    image_release(&a);
    image_release(&b);
}

/* What VISIBLE_FLIP says. */
static void test_what_is_visible(void **state)
{
    (void)state;
    for (int levels = 1; levels < 6; levels++) {
        Image a, b;
        image_init(&a, 40, 40);
        image_init(&b, 40, 40);
        memset(a.rgb, 128, 40 * 40 * 3);
        memset(b.rgb, 128 + levels, 40 * 40 * 3);
        assert_true((measure_flip_error(&a, &b).worst > VISIBLE_FLIP) == (levels > 3));
        image_release(&a);
        image_release(&b);
    }
}

static void test_equal_pictures(void **state)
{
    Image a, b;
    Err e;
    (void)state;
    make_pictures(&a, &b, 20, 30, 0);
    assert_true(isinf(measure_psnr(&a, &b)));
    assert_true(measure_ssim(&a, &b) == 1);
    Spectrum s = spectrum_of(&a);
    assert_true(spectrum_difference(&s, &s, NULL) == 0);
    spectrum_release(&s);
    assert_int_equal(measure_check(&a, &b, &e), 0);
    b.h--;
    assert_int_equal(measure_check(&a, &b, &e), -1);
    assert_non_null(strstr(e.text, "20x30"));
    image_release(&a);
    image_release(&b);
}

static void test_small_pictures(void **state)
{
    (void)state;
    for (int w = 1; w < 9; w++) {
        Image a, b;
        make_pictures(&a, &b, w, 9 - w, 60000);
        assert_true(isnan(measure_ssim(&a, &b)));
        assert_true(!isnan(measure_psnr(&a, &b)));
        Spectrum s = spectrum_of(&a);
        assert_true(!isnan(spectrum_difference(&s, &s, NULL)));
        spectrum_release(&s);
        image_release(&a);
        image_release(&b);
    }
}

/* White noise of variance v has power v at all frequencies: that is what the window's energy is divided by. */
static void test_noise_is_white(void **state)
{
    Image im;
    uint32_t r = 7;
    double variance = 0, sum = 0;
    (void)state;
    image_init(&im, 200, 150);
    for (int i = 0; i < 200 * 150; i++) {
        r = r * 1664525 + 1013904223;
        int v = (int)(r >> 24);
        im.rgb[3 * i] = im.rgb[3 * i + 1] = im.rgb[3 * i + 2] = (uint8_t)v;
        variance += (v - 127.5) * (v - 127.5) / (200 * 150);
    }
    Spectrum s = spectrum_of(&im);
    assert_int_equal(s.bins, 100);
    for (int k = 20; k < s.bins; k++) sum += s.power[k] / (s.bins - 20);
    assert_error(fabs(sum / variance - 1), 0.03, "power of white noise");
    spectrum_release(&s);
    image_release(&im);
}

/* A wave of one frequency is found in its bin, and taking its amplitude to a tenth is -20 dB there. */
static void test_a_wave(void **state)
{
    Image a, b;
    (void)state;
    image_init(&a, 128, 64);
    image_init(&b, 128, 64);
    for (int i = 0; i < 128 * 64 * 3; i++) {
        double phase = 2 * M_PI * 16 * (i / 3 % 128) / 128;
        a.rgb[i] = (uint8_t)lrint(128 + 100 * sin(phase));
        b.rgb[i] = (uint8_t)lrint(128 + 10 * sin(phase));
    }
    Spectrum sa = spectrum_of(&a), sb = spectrum_of(&b);
    double db[64];
    spectrum_difference(&sb, &sa, db);
    assert_error(fabs(db[15] + 20), 0.1, "the wave's own bin");
    int best = 0;
    for (int k = 1; k < sa.bins; k++)
        if (sa.power[k] > sa.power[best]) best = k;
    assert_int_equal(best, 15);
    SpectrumBands bands = spectrum_bands(&sa, db);
    assert_true(bands.middle < bands.coarse && bands.middle < bands.fine);
    spectrum_release(&sa);
    spectrum_release(&sb);
    image_release(&a);
    image_release(&b);
}

static void test_rmse(void **state)
{
    const float a[] = { 1, 2, 3, 4 }, b[] = { 1, 4, 3, 8 };
    (void)state;
    assert_error(fabs(measure_rmse(a, b, 4) - sqrt(5)), 1e-12, "RMSE");
    assert_true(measure_rmse(a, b, 0) == 0);
}

/* ---- alpha ---- */

static void add_alpha(Image *im, uint8_t (*alpha)(int x, int y))
{
    im->alpha = mem_array((size_t)im->w * (size_t)im->h, 1);
    for (int i = 0; i < im->w * im->h; i++) im->alpha[i] = alpha(i % im->w, i / im->w);
}

static uint8_t ramp(int x, int y) { return (uint8_t)((x * 9 + y * 5) % 256); }
static uint8_t hole(int x, int y) { return x < 10 && y < 12 ? 0 : 255; }
static uint8_t opaque(int x, int y) { return (void)x, (void)y, 255; }

static double spectra_apart(const Image *a, const Image *b)
{
    Spectrum sa = spectrum_of(a), sb = spectrum_of(b);
    double apart = spectrum_difference(&sa, &sb, NULL);
    spectrum_release(&sa);
    spectrum_release(&sb);
    return apart;
}

static void test_hidden_colours_do_not_count(void **state)
{
    Image a, b;
    (void)state;
    make_pictures(&a, &b, 40, 30, 0);
    add_alpha(&a, hole);
    add_alpha(&b, hole);
    for (int y = 0; y < 12; y++) memset(b.rgb + y * 40 * 3, 200 - y, 10 * 3);
    assert_true(isinf(measure_psnr(&a, &b)));
    assert_true(measure_ssim(&a, &b) == 1 && measure_flip(&a, &b) == 0);
    assert_true(spectra_apart(&a, &b) == 0);
    b.rgb[12 * 40 * 3] ^= 1; /* the first that shows */
    assert_true(isfinite(measure_psnr(&a, &b)));
    image_release(&a);
    image_release(&b);
}

static void test_alpha_alone(void **state)
{
    Image a, b;
    (void)state;
    make_pictures(&a, &b, 40, 30, 0);
    add_alpha(&a, opaque);
    assert_true(isinf(measure_psnr(&a, &b))); /* 255 everywhere is as good as none */
    for (int alpha = 254; alpha >= 0; alpha -= 127) {
        for (int colour = 0; colour < 256; colour += 51) {
            memset(b.rgb, colour, 3);
            memset(a.rgb, colour, 3);
            a.alpha[0] = (uint8_t)alpha;
            assert_true(isfinite(measure_psnr(&a, &b))); /* over one of the grounds even black and white show it */
        }
    }
    memset(a.alpha, 0, 40 * 30);
    assert_true(measure_psnr(&a, &b) < 8 && measure_ssim(&a, &b) < 0.2 && spectra_apart(&a, &b) > 10);
    image_release(&a);
    image_release(&b);
}

/* The means over the two grounds; over any other the difference is a mixture of theirs. */
static void test_grounds(void **state)
{
    Image a, b, over[2][2];
    (void)state;
    make_pictures(&a, &b, 40, 30, 60000);
    double plain = measure_psnr(&a, &b), flip = 0;
    add_alpha(&a, opaque);
    assert_error(fabs(measure_psnr(&a, &b) - plain), 1e-9, "PSNR of an opaque picture with alpha");
    image_release(&a);
    image_release(&b);

    make_pictures(&a, &b, 40, 30, 60000);
    add_alpha(&a, ramp);
    add_alpha(&b, hole);
    double ssim = 0, square = 0, worst = INFINITY;
    for (int ground = 0; ground < 2; ground++) {
        image_flatten(&over[ground][0], &a, ground ? 255 : 0);
        image_flatten(&over[ground][1], &b, ground ? 255 : 0);
        double psnr_db = measure_psnr(&over[ground][0], &over[ground][1]);
        ssim += measure_ssim(&over[ground][0], &over[ground][1]) / 2;
        flip += measure_flip(&over[ground][0], &over[ground][1]) / 2;
        square += pow(10, -psnr_db / 10) / 2;
        worst = fmin(worst, psnr_db);
        image_release(&over[ground][0]);
        image_release(&over[ground][1]);
    }
    assert_error(fabs(measure_ssim(&a, &b) - ssim), 1e-12, "SSIM");
    assert_error(fabs(measure_flip(&a, &b) - flip), 1e-12, "FLIP");
    assert_error(fabs(measure_psnr(&a, &b) + 10 * log10(square)), 0.01, "PSNR"); /* these views are rounded */
    for (int ground = 0; ground < 256; ground += 15) {
        Image x, y;
        image_flatten(&x, &a, (uint8_t)ground);
        image_flatten(&y, &b, (uint8_t)ground);
        assert_true(measure_psnr(&x, &y) > worst - 0.01);
        image_release(&x);
        image_release(&y);
    }
    image_release(&a);
    image_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_flip),
        cmocka_unit_test(test_flip_where_it_is_largest),
        cmocka_unit_test(test_what_is_visible),
        cmocka_unit_test(test_equal_pictures),
        cmocka_unit_test(test_small_pictures),
        cmocka_unit_test(test_noise_is_white),
        cmocka_unit_test(test_a_wave),
        cmocka_unit_test(test_rmse),
        cmocka_unit_test(test_hidden_colours_do_not_count),
        cmocka_unit_test(test_alpha_alone),
        cmocka_unit_test(test_grounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
