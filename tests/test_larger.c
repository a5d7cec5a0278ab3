/* test_larger.c - latents made larger, noise between two seeds', a second pass: against torch and diffusers (golden/larger.py). */
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/generate.h"
#include "pipeline/ways.h"
#include "pipeline/windows.h"
#include "scheduler/between.h"

#define DIR GOLDEN "/larger"

static void ways_as_torch(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 12, 9 }, { 16, 12 }, { 11, 13 } };
    Fixture f;
    Arena a;
    Err e;
    fixture_open(&f, DIR "/ways.safetensors");
    assert_int_equal(arena_init(&a, 1 << 20, &e), 0);
    Tensor in = fixture_nchw(&f, "in", &a);
    size_t mark = a.used;
    for (const Way *w = ways; w->name; w++)
        for (size_t i = 0; w->latent && i < 3; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%dx%d", w->name, sizes[i][0], sizes[i][1]);
            Tensor want = fixture_nchw(&f, name, &a), got = tensor_like(&a, want);
            way_scale(w, got, in);
            assert_error(relative_l2(got.data, want.data, tensor_len(want)), 1e-6, "%s", name);
            arena_reset(&a, mark);
        }
    arena_release(&a);
    fixture_close(&f);
}

static void names_of_ways(void **state)
{
    (void)state;
    for (const Way *w = ways; w->name; w++) {
        assert_ptr_equal(way_find(w->name), w);
        assert_ptr_equal(way_find(w->a1111), w);
    }
    assert_null(way_find("ESRGAN_4x"));
}

static void between_as_a1111(void **state)
{
    (void)state;
    static const struct {
        const char *name, *other;
        double t;
    } cases[] = {
        { "far.0.1", "b", 0.1 }, { "far.0.5", "b", 0.5 }, { "far.0.9", "b", 0.9 }, { "near.0.3", "near", 0.3 }
    };
    Fixture f;
    Arena a;
    Err e;
    fixture_open(&f, DIR "/between.safetensors");
    assert_int_equal(arena_init(&a, 1 << 20, &e), 0);
    for (size_t i = 0; i < 4; i++) {
        Tensor x = fixture_nchw(&f, "a", &a), other = fixture_nchw(&f, cases[i].other, &a);
        Tensor want = fixture_nchw(&f, cases[i].name, &a);
        noise_between(x, other, cases[i].t);
        assert_error(relative_l2(x.data, want.data, tensor_len(want)), 1e-6, "%s", cases[i].name);
    }
    arena_release(&a);
    fixture_close(&f);
}

static void set(Job *j, const char *name, const char *value)
{
    Err e = { 0 };
    if (job_set(j, option_find(name, strlen(name)), value, &e)) fail_msg("%s: %s", name, e.text);
}

/* As golden/make.py's JOB. */
static void job_of(Job *j)
{
    static const char *const options[][2] = { { "prompt", "a red potion, glowing!" },
                                              { "negative-prompt", "a blue sword on grass" },
                                              { "cfg-scale", "5" },
                                              { "steps", "5" },
                                              { "width", "64" },
                                              { "height", "48" },
                                              { "schedule", "model" },
                                              { "sampler", "euler" },
                                              { "threads", "1" } };
    job_init(j);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) set(j, options[i][0], options[i][1]);
}

static void second_pass(void **state)
{
    (void)state;
    static const char *const kinds[][2] = { { "bilinear", "latent" }, { "nearest", "latent-nearest" } };
    Fixture f;
    Arena a;
    Err e = { 0 };
    fixture_open(&f, DIR "/hires.safetensors");
    assert_int_equal(arena_init(&a, 1 << 20, &e), 0);
    Model *m = model_open(&(ModelPaths){ .path = GOLDEN "/pipeline/sd1" }, &e);
    if (!m) fail_msg("%s", e.text);
    for (size_t i = 0; i < 2; i++) {
        Job j;
        Picture p[2];
        job_of(&j);
        set(&j, "hires", "1.5");
        set(&j, "hires-with", kinds[i][1]);
        Generator *g = generator_new(m, &j, &(Share){ .latents = true, .batch = 2 }, NULL, &e);
        if (!g || generator_run(g, (Request[]){ { .seed = 3 }, { .seed = 7 } }, 2, p, &e)) fail_msg("%s", e.text);
        Tensor want = fixture_nchw(&f, kinds[i][0], &a);
        assert_true(p[1].image.w == 96 && p[1].image.h == 72);
        assert_error(relative_l2(p[1].latent, want.data, tensor_len(want)), 8e-6, "%s", kinds[i][0]);
        picture_release(&p[0]);
        picture_release(&p[1]);
        generator_free(g);
        job_release(&j);
    }
    model_free(m);
    arena_release(&a);
    fixture_close(&f);
}

/* MultiDiffusion: windows that do not divide the picture. */
static void in_windows(void **state)
{
    (void)state;
    Fixture f;
    Arena a;
    Err e = { 0 };
    Job j;
    Picture p;
    fixture_open(&f, DIR "/windows.safetensors");
    assert_int_equal(arena_init(&a, 1 << 20, &e), 0);
    Model *m = model_open(&(ModelPaths){ .path = GOLDEN "/pipeline/sd1" }, &e);
    if (!m) fail_msg("%s", e.text);
    job_of(&j);
    set(&j, "width", "192");
    set(&j, "height", "104");
    set(&j, "diffusion-tile", "64");
    set(&j, "diffusion-overlap", "24");
    Generator *g = generator_new(m, &j, &(Share){ .latents = true }, NULL, &e);
    if (!g || generator_run(g, &(Request){ .seed = 7 }, 1, &p, &e)) fail_msg("%s", e.text);
    Tensor want = fixture_nchw(&f, "latents", &a);
    assert_error(relative_l2(p.latent, want.data, tensor_len(want)), 8e-6, "windows");
    picture_release(&p);
    generator_free(g);
    job_release(&j);
    model_free(m);
    arena_release(&a);
    fixture_close(&f);
}

static void where_windows_are(void **state)
{
    (void)state;
    for (int size = 1; size < 70; size++)
        for (int window = 2; window < 20; window++)
            for (int overlap = 0; overlap < window; overlap++) {
                int end = 0, n = windows_count(size, window, overlap);
                for (int i = 0; i < n; i++) {
                    int at = windows_start(size, window, overlap, i);
                    assert_true(at >= 0 && (i ? at <= end - overlap : at == 0));
                    end = at + (size < window ? size : window);
                }
                assert_int_equal(end, size);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ways_as_torch),    cmocka_unit_test(names_of_ways),
                                        cmocka_unit_test(between_as_a1111), cmocka_unit_test(second_pass),
                                        cmocka_unit_test(in_windows),       cmocka_unit_test(where_windows_are) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
