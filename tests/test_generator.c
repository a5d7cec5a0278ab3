/*
 * test_generator.c - several pictures at once: the same bytes as each alone, on every kernel set; what runs share changes
 * none of them; memory that is not there is said.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "nn/gemm.h"
#include "nn/kernels.h"
#include "pipeline/generate.h"
#include "tests/support.h"

enum { MOST = 3 };

static Model *model;

static int setup(void **state)
{
    (void)state;
    Err e;
    model = model_open(&(ModelPaths){ .path = "sprites" }, &e);
    return model ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    model_free(model);
    return 0;
}

/* Options and values in turn, ended by NULL. */
static void read_job(Job *j, const char *const *options)
{
    Err e = { 0 };
    job_init(j);
    for (; *options; options += 2) {
        const Option *o = option_find(options[0], strlen(options[0]));
        if (!o || job_set(j, o, options[1], &e)) fail_msg("%s %s: %s", options[0], options[1], e.text);
    }
}

/* Draws the requests, `at_once` of them together. */
static void draw(const char *const *options, const Request *requests, int n, int at_once, Picture *out)
{
    Err e = { 0 };
    Job j;
    read_job(&j, options);
    Generator *g = generator_new(model, &j, &(Share){ .batch = at_once, .latents = true }, NULL, &e);
    if (!g) fail_msg("%s", e.text);
    assert_int_equal(generator_batch(g), at_once);
    double text = generator_timing(g)->text;
    assert_true(text > 0);
    for (int i = 0; i < n; i += at_once)
        if (generator_run(g, requests + i, n - i < at_once ? n - i : at_once, out + i, &e)) fail_msg("%s", e.text);
    if (n <= at_once) assert_true(generator_timing(g)->text > text); /* what was done before the run counts */
    generator_free(g);
    job_release(&j);
}

static void check_same(const Picture *a, const Picture *b, int latent_channels, const char *what)
{
    size_t pixels = (size_t)a->image.w * (size_t)a->image.h, latents = pixels / 64 * (size_t)latent_channels;
    assert_int_equal(a->image.w, b->image.w);
    assert_int_equal(a->image.h, b->image.h);
    if (memcmp(a->latent, b->latent, latents * sizeof *a->latent) != 0) fail_msg("%s: another latent", what);
    if (memcmp(a->image.rgb, b->image.rgb, 3 * pixels) != 0) fail_msg("%s: another picture", what);
}

static void check_batch(const char *const *options, const char *what)
{
    const Request requests[MOST] = { { .seed = 1 },
                                     { .seed = 2, .negative_prompt = "gold" },
                                     { .seed = 1, .prompt = "a helmet", .negative_prompt = "blurry" } };
    Picture alone[MOST], together[MOST];
    draw(options, requests, MOST, 1, alone);
    for (int at_once = 2; at_once <= MOST; at_once++) {
        char name[128];
        snprintf(name, sizeof name, "%s, %d at once", what, at_once);
        draw(options, requests, MOST, at_once, together);
        for (int i = 0; i < MOST; i++) {
            check_same(&together[i], &alone[i], vae_latent_channels(model->vae), name);
            picture_release(&together[i]);
        }
    }
    for (int i = 0; i < MOST; i++) picture_release(&alone[i]);
}

static void test_batch(void **state)
{
    (void)state;
    static const char *const jobs[][16] = {
        { "prompt", "a red potion", "width", "32", "height", "32", "steps", "2", NULL },
        { "prompt", "a red potion", "width", "40", "height", "72", "steps", "2", "sampler", "euler_ancestral", NULL },
        { "prompt", "a red potion", "width", "64", "height", "32", "steps", "1", "cfg-scale", "1", NULL },
        { "prompt", "a red potion", "width", "32", "height", "48", "steps", "1", "precision", "bf16", NULL },
    };
    for (const Kernels *const *k = kernels_rows; *k; k++) {
        if (!kernels_supported(*k)) continue;
        setenv("LIMN_CPU", (*k)->name, 1);
        size_t cases =
            sizeof jobs / sizeof *jobs - !strstr((*k)->name, "bf16"); /* the last needs products of bfloat16 */
        for (size_t i = 0; i < cases; i++) check_batch(jobs[i], (*k)->name);
    }
    unsetenv("LIMN_CPU");
}

/* Runs that begin with the same evaluation: with the first one's at hand the others' pictures are the same. */
static void test_shared_evaluation(void **state)
{
    (void)state;
    Err e = { 0 };
    Cache *firsts = cache_new(1 << 20);
    Cache *texts = cache_new(1 << 20);
    static const char *const runs[][2] = { { "euler", "2" }, { "heun", "2" }, { "euler", "3" } };
    for (int i = 0; i < 3; i++) {
        const char *const options[] = { "prompt",   "a key",   "width",    "32",       "height", "32", "steps",
                                        runs[i][1], "sampler", runs[i][0], "schedule", "karras", NULL };
        Picture alone, shared;
        Job j;
        draw(options, &(Request){ .seed = 3 }, 1, 1, &alone);
        read_job(&j, options);
        Generator *g =
            generator_new(model, &j, &(Share){ .firsts = firsts, .texts = texts, .latents = true }, NULL, &e);
        if (!g || generator_run(g, &(Request){ .seed = 3 }, 1, &shared, &e)) fail_msg("%s", e.text);
        check_same(&shared, &alone, vae_latent_channels(model->vae), runs[i][0]);
        assert_int_equal(generator_timing(g)->shared, i > 0);
        generator_free(g);
        job_release(&j);
        picture_release(&alone);
        picture_release(&shared);
    }
    cache_free(firsts);
    cache_free(texts);
}

static CacheKey key_for(const char *what, const int *ids, size_t count)
{
    CacheKey k;
    key_begin(&k, what);
    key_add(&k, ids, count * sizeof *ids);
    key_end(&k);
    return k;
}

static void test_cache(void **state)
{
    (void)state;
    float a[4] = { 1, 2, 3, 4 }, b[4] = { 5, 6, 7, 8 }, out[4];
    CacheKey one = key_for("x", (int[]){ 1, 2 }, 2), two = key_for("x", (int[]){ 1, 3 }, 2),
             other = key_for("y", (int[]){ 1, 2 }, 2);
    Tensor ta = { a, 1, 2, 1, 2 }, tb = { b, 1, 2, 1, 2 }, to = { out, 1, 2, 1, 2 };
    Cache *c = cache_new(2 * sizeof a);
    assert_false(cache_get(c, &one, to));
    cache_put(c, &one, ta);
    cache_put(c, &two, tb);
    assert_true(cache_get(c, &one, to));
    assert_memory_equal(out, a, sizeof a);
    assert_false(cache_get(c, &other, to)); /* another kind of tensor */
    cache_put(c, &other, tb);               /* the one used longest ago is dropped: two */
    assert_false(cache_get(c, &two, to));
    assert_true(cache_get(c, &one, to));
    assert_true(cache_get(c, &other, to));
    assert_memory_equal(out, b, sizeof b);
    cache_put(c, &two, (Tensor){ (float[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 1, 12, 1, 1 }); /* larger than all */
    assert_false(cache_get(c, &one, to));
    cache_free(c);
}

static size_t activations(const Job *j, int batch)
{
    Err e = { 0 };
    Job copy;
    job_copy(&copy, j);
    Generator *g = generator_new(model, &copy, &(Share){ .batch = batch }, NULL, &e);
    if (!g) fail_msg("%s", e.text);
    size_t bytes = generator_timing(g)->memory;
    generator_free(g);
    job_release(&copy);
    return bytes;
}

/* There is room for two pictures, and four are wanted: said, or made fewer. */
static void test_memory(void **state)
{
    (void)state;
    Err e = { 0 };
    Job j;
    struct rlimit old, low;
    read_job(&j, (const char *const[]){ "prompt", "a key", "width", "1024", "height", "1024", "steps", "1", "vae-tile",
                                        "128", "threads", "1", NULL });
    size_t two = activations(&j, 2), four = activations(&j, 4), mapped = 0;
    assert_true(four > two + (1 << 19) && four < 4 * two);
    assert_true(generator_memory(model, &j, 4) > four);

    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &mapped), 1);
    fclose(f);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    low = old;
    low.rlim_cur = mapped * 4096 + GEMM_MAPPED + two + (four - two) / 2;
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    Generator *none = generator_new(model, &j, &(Share){ .batch = 4 }, NULL, &e);
    Err e2 = { 0 };
    Generator *g = generator_new(model, &j, &(Share){ .batch = 4, .shrink = true }, NULL, &e2);
    setrlimit(RLIMIT_AS, &old);
    assert_null(none);
    assert_non_null(strstr(e.text, "4 pictures of 1024x1024 at once need"));
    if (!g) fail_msg("%s", e2.text);
    assert_int_equal(generator_batch(g), 2);
    generator_free(g);
    job_release(&j);
}

/* A timeline that is given in place of the schedule's, with the same numbers in it, draws the same. */
static void test_given_timeline(void **state)
{
    const char *const options[] = { "prompt", "a red potion", "width", "32",       "height",   "32", "steps",
                                    "4",      "sampler",      "euler", "schedule", "trailing", NULL };
    const Request request = { .seed = 5 };
    Picture by_schedule, given;
    Timeline tl, copy;
    Err e = { 0 };
    Job j;
    (void)state;
    draw(options, &request, 1, 1, &by_schedule);
    assert_int_equal(timeline_init(&tl, schedule_find("trailing"), &model->noise, FAMILY_SIGMA, 4, &e), 0);
    timeline_from(&copy, tl.sigma, tl.steps, tl.scale, &model->noise);
    for (int i = 0; i < 4; i++) assert_true(fabs(copy.t[i] - tl.t[i]) < 1e-2);
    timeline_release(&copy);
    timeline_copy(&copy, &tl);
    read_job(&j, options);
    j.steps = 20; /* is not what counts */
    Generator *g = generator_new(model, &j, &(Share){ .latents = true, .timeline = &copy }, NULL, &e);
    if (!g || generator_run(g, &request, 1, &given, &e)) fail_msg("%s", e.text);
    check_same(&by_schedule, &given, 4, "a given timeline");
    picture_release(&given);
    generator_free(g);
    timeline_release(&copy);
    timeline_release(&tl);
    picture_release(&by_schedule);
    job_release(&j);
}

/* The last step's estimate is the picture where the last step goes to a clean latent; the first is another. */
static void test_steps(void **state)
{
    const char *const options[] = { "prompt", "a red potion", "width", "32", "height", "32", "steps",
                                    "3",      "sampler",      "euler", NULL };
    const Request requests[] = { { .seed = 5 }, { .seed = 6 } };
    Picture plain[2], p[2];
    Err e = { 0 };
    Job j;
    (void)state;
    draw(options, requests, 2, 2, plain);
    read_job(&j, options);
    Generator *g = generator_new(model, &j, &(Share){ .batch = 2, .latents = true, .steps = true }, NULL, &e);
    if (!g || generator_run(g, requests, 2, p, &e)) fail_msg("%s", e.text);
    for (int k = 0; k < 2; k++) {
        check_same(&plain[k], &p[k], 4, "with its steps");
        assert_int_equal(p[k].step_count, 3);
        assert_null(plain[k].steps);
        int most = 0, differs = 0;
        for (int i = 0; i < 32 * 32 * 3; i++) {
            int d = abs(p[k].steps[2].rgb[i] - p[k].image.rgb[i]);
            if (d > most) most = d;
            differs += p[k].steps[0].rgb[i] != p[k].image.rgb[i];
        }
        assert_in_range(most, 0, 1); /* x + (x0 - x) / sigma * sigma is x0 but for rounding */
        assert_true(differs > 100);
        picture_release(&plain[k]);
        picture_release(&p[k]);
    }
    generator_free(g);
    job_release(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_batch), cmocka_unit_test(test_shared_evaluation),
                                        cmocka_unit_test(test_cache), cmocka_unit_test(test_given_timeline),
                                        cmocka_unit_test(test_steps), cmocka_unit_test(test_memory) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
