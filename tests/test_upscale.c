/*
 * test_upscale.c - networks that make pictures larger, in every release's names, whole and in tiles, against torch
 * (golden/upscale.py).
 */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/files.h"
#include "upscale/upscale.h"

#define DIR GOLDEN "/upscale"

/* [1, 3, h, w] of 0..1, not clamped yet, as pixels. */
static Image image_of(Fixture *f, const char *name)
{
    int s[4];
    fixture_shape(f, name, s);
    const float *v = fixture_f32(f, name, NULL);
    Image im;
    image_init(&im, s[3], s[2]);
    size_t n = (size_t)s[2] * (size_t)s[3];
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float x = v[c * n + i];
            im.rgb[3 * i + c] = (uint8_t)nearbyintf(255 * (x > 1 ? 1 : x > 0 ? x : 0));
        }
    return im;
}

static Upscaler *opened(const char *name)
{
    Err e = { 0 };
    Str path = { 0 };
    str_addf(&path, DIR "/%s.safetensors", name);
    Upscaler *u = upscaler_open(path.s, &e);
    if (!u) fail_msg("%s", e.text);
    str_release(&path);
    return u;
}

/* How far two pictures are apart at most; float32 in another order may round the other way. */
static int apart(const Image *a, const Image *b)
{
    int most = 0;
    assert_true(a->w == b->w && a->h == b->h);
    for (int i = 0; i < a->w * a->h * 3; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        if (d > most) most = d;
    }
    return most;
}

static Image run(const Upscaler *u, const Image *in, const UpscaleHow *how)
{
    Err e = { 0 };
    Image out;
    if (upscaler_run(u, in, how, &out, &e)) fail_msg("%s", e.text);
    return out;
}

static void as_torch(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int factor;
    } nets[] = { { "x4", 4 },         { "x4-first", 4 },   { "x4-second", 4 }, { "x2", 2 },
                 { "x1", 1 },         { "x2-first", 2 },   { "x1-first", 1 },  { "x8-first", 8 },
                 { "compact-x4", 4 }, { "compact-x2", 2 }, { "compact-x1", 1 } };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Fixture io;
        fixture_open(&io, DIR "/%s-io.safetensors", nets[i].name);
        Upscaler *u = opened(nets[i].name);
        assert_int_equal(upscaler_factor(u), nets[i].factor);
        Image in = image_of(&io, "in"), want = image_of(&io, "out");
        Image got = run(u, &in, &(UpscaleHow){ .threads = 2 });
        if (apart(&got, &want) > 1) fail_msg("%s: %d levels apart", nets[i].name, apart(&got, &want));
        image_release(&got);
        image_release(&want);
        image_release(&in);
        upscaler_free(u);
        fixture_close(&io);
    }
}

static Image noise_image(int w, int h)
{
    Image im;
    image_init(&im, w, h);
    for (int i = 0; i < w * h * 3; i++) im.rgb[i] = (uint8_t)(((unsigned)i * 2654435761U) >> 13);
    return im;
}

/* A compact network's tiles see all that its pixels do. */
static void in_tiles(void **state)
{
    (void)state;
    static const char *const nets[] = { "compact-x4", "compact-x2", "x4", "x2", "x1" };
    static const int limit[] = { 0, 0, 2, 2, 2 };
    for (size_t i = 0; i < 5; i++) {
        Upscaler *u = opened(nets[i]);
        Image in = noise_image(71, 53), whole = run(u, &in, &(UpscaleHow){ .threads = 1 });
        Image tiled = run(u, &in, &(UpscaleHow){ .threads = 2, .tile = 24 });
        if (apart(&whole, &tiled) > limit[i]) fail_msg("%s: %d levels apart", nets[i], apart(&whole, &tiled));
        image_release(&whole);
        image_release(&tiled);
        image_release(&in);
        upscaler_free(u);
    }
}

/* One pixel, one row, alpha; sides that a folding network must fill up. */
static void small_pictures(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 9 }, { 7, 1 }, { 2, 3 }, { 5, 5 } };
    static const char *const nets[] = { "x4", "x2", "x1", "compact-x4" };
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < 4; k++) {
            Upscaler *u = opened(nets[k]);
            Image in = noise_image(sizes[i][0], sizes[i][1]);
            in.alpha = mem_array((size_t)(in.w * in.h), 1);
            memset(in.alpha, 200, (size_t)(in.w * in.h));
            Image out = run(u, &in, &(UpscaleHow){ .threads = 1 });
            assert_int_equal(out.w, in.w * upscaler_factor(u));
            assert_int_equal(out.h, in.h * upscaler_factor(u));
            assert_int_equal(out.alpha[0], 200);
            image_release(&in);
            image_release(&out);
            upscaler_free(u);
        }
}

static bool stop_at_second(void *ctx, int done, int tiles)
{
    (void)tiles;
    *(int *)ctx = done;
    return done < 1;
}

static void stopped_and_refused(void **state)
{
    const char *dir = *state;
    Err e = { 0 };
    int done = 0;
    Image in = noise_image(64, 64), out;
    Upscaler *u = opened("x4");
    UpscaleHow how = { .threads = 1, .tile = 32, .progress = stop_at_second, .ctx = &done };
    assert_int_equal(upscaler_run(u, &in, &how, &out, &e), -1);
    assert_int_equal(e.code, ERR_INTERRUPTED);
    assert_int_equal(done, 1);
    image_release(&in);
    upscaler_free(u);

    static const struct {
        const char *header, *says;
    } files[] = {
        { "{\"conv_first.weight\":{\"dtype\":\"F16\",\"shape\":[8,3,3,3],\"data_offsets\":[0,432]}}", "no upscaler" },
        { "{\"body.0.rdb1.conv1.weight\":{\"dtype\":\"F16\",\"shape\":[4,8,3,3],\"data_offsets\":[0,576]}}",
          "0 channels in" },
        { "{\"model.1.sub.0.RDB1.conv1x1.weight\":{\"dtype\":\"F16\",\"shape\":[4,8,1,1],\"data_offsets\":[0,64]}}",
          "ESRGAN+" },
        { "{\"unet.x\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", "diffusion model" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t sizes[] = { 432, 576, 64, 2 };
        Bytes bytes = safetensors_of(files[i].header, sizes[i]);
        put_file(dir, "x.safetensors", bytes);
        char *path = path_in(dir, "x.safetensors");
        Upscaler *bad = upscaler_open(path, &e);
        assert_null(bad);
        assert_said(-1, &e, files[i].says);
        free(path);
        free((void *)(size_t)bytes.data);
    }
    put_text(dir, "x.pth", "PK\3\4");
    char *path = path_in(dir, "x.pth");
    assert_null(upscaler_open(path, &e));
    assert_said(-1, &e, "safetensors");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_torch), cmocka_unit_test(in_tiles), cmocka_unit_test(small_pictures),
        cmocka_unit_test_setup_teardown(stopped_and_refused, folder_setup, folder_teardown)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
