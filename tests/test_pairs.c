/*
 * test_pairs.c - a scheduler's file for every class that may be run, against diffusers: tests/golden/scheduler/pairs.json, made by
 * pairs.py, and the table of classes against their constructors.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/classes.h"
#include "scheduler/config.h"
#include "tests/sampling.h"

enum { SEED = 3 };

/* The file of a row, read for what is run. */
static int read_row(Noise *n, const cJSON *files, const cJSON *row, Err *e)
{
    const cJSON *file = cJSON_GetObjectItem(files, cJSON_GetObjectItem(row, "file")->valuestring);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(file, "config"));
    SchedulerFile f = { .json = { (const unsigned char *)text, strlen(text) },
                        .where = "scheduler_config.json",
                        .pipeline = cJSON_GetObjectItem(file, "pipeline")->valuestring };
    SchedulerRun run = { .name = cJSON_GetObjectItem(row, "run")->valuestring };
    int failed = scheduler_read(n, &f, &run, e) || noise_build(n, e);
    free(text);
    return failed ? -1 : 0;
}

static void check_list(const cJSON *list, const double *got, int count, double limit, const char *what)
{
    int given = cJSON_GetArraySize(list);
    if (given != count) fail_msg("%s: %d values, %d were expected", what, count, given);
    for (int i = 0; i < count; i++) {
        double expected = number_at(list, i);
        assert_error(fabs(got[i] - expected) / fmax(fabs(expected), 1), limit, "%s %d (%.9g, expected %.9g)", what, i,
                     got[i], expected);
    }
}

/*
 * Timesteps and sigmas. Those of samplers with two stages are listed twice by diffusers, and PNDM's have its first ones more often:
 * there the first and the last must do.
 */
static void check_timeline(const Run *r, const Sampler *s, const cJSON *row, const char *name)
{
    const cJSON *t = cJSON_GetObjectItem(row, "t"), *sigmas = cJSON_GetObjectItem(row, "sigmas");
    const Timeline *tl = &r->tl;
    char what[200];
    snprintf(what, sizeof what, "%s: timestep", name);
    if (cJSON_GetArraySize(t) == tl->steps) check_list(t, tl->t, tl->steps, 5e-6, what);
    else assert_error(fabs(tl->t[0] - number_at(t, 0)), 5e-3, "%s", what);
    assert_error(relative(tl->scale * timeline_shown(tl, 0), number_of(row, "scale", 0)), 5e-6, "%s: scale", name);
    if (s->adaptive || cJSON_GetArraySize(sigmas) != tl->steps + 1) return;
    double *all = calloc((size_t)tl->steps + 1, sizeof *all);
    memcpy(all, tl->sigma, (size_t)tl->steps * sizeof *all);
    all[tl->steps] = tl->to[tl->steps - 1];
    snprintf(what, sizeof what, "%s: sigma", name);
    check_list(sigmas, all, tl->steps + 1, 5e-6, what);
    free(all);
}

static void check_values(const Run *r, const cJSON *row, const char *name, double limit)
{
    const cJSON *sums = cJSON_GetObjectItem(row, "sums"), *first = cJSON_GetObjectItem(row, "first");
    double *got = (double *)r->sums[r->reports - 1], size = number_at(sums, 1);
    float nchw[LATENT];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 2; i++)
        assert_error(fabs(got[i] - number_at(sums, i)) / size, limit, "%s: sum %d (%.8g, expected %.8g)", name, i,
                     got[i], number_at(sums, i));
    for (int i = 0; i < cJSON_GetArraySize(first); i++)
        assert_error(fabs((double)nchw[i] - number_at(first, i)) / (size / LATENT), limit,
                     "%s: value %d (%.8g, expected %.8g)", name, i, (double)nchw[i], number_at(first, i));
}

/*
 * The latent to 2e-5 of its mean magnitude, since the tools round to float32 at each step. DPM-Solver-SDE's Brownian tree is asked for
 * times of six decimals, so that a sigma's last bit moves its noise. DEIS' weights of order 3 are differences of near values, which
 * diffusers takes in float32.
 */
static double limit_of(const Sampler *s)
{
    if (strcmp(s->name, "dpmpp_sde") == 0) return 2e-3;
    return strcmp(s->name, "deis") == 0 ? 5e-5 : 2e-5;
}

static void check_row(const cJSON *files, const cJSON *row)
{
    char name[160];
    Err e = { 0 };
    snprintf(name, sizeof name, "%s as %s, %d steps", cJSON_GetObjectItem(row, "file")->valuestring,
             cJSON_GetObjectItem(row, "run")->valuestring, (int)number_of(row, "steps", 0));
    const cJSON *refused = cJSON_GetObjectItem(row, "refused");
    Run *r = run_new(0);
    r->net[0] = 0.5, r->net[1] = 0.4, r->net[2] = 0.8, r->net[3] = 0.3;
    rng_init(&r->rng, RNG_TORCH, SEED);
    int failed = read_row(&r->noise, files, row, &e);
    const Sampler *s = failed ? NULL : sampler_find(r->noise.sampler);
    if (!failed && !s) fail_msg("%s: no sampler %s", name, r->noise.sampler);
    if (!failed)
        failed = timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family,
                               (int)number_of(row, "steps", 0), &e);
    if (failed && !refused) fail_msg("%s: %s", name, e.text);
    if (!failed && !refused) {
        r->eta = sampler_eta(s, COMPAT_DIFFUSERS);
        r->tuning.solver = r->noise.solver;
        check_timeline(r, s, row, name);
        r->x = dummy_latent(&r->arena, r->tl.scale, 0);
        run_sampler(r, s);
        check_values(r, row, name, limit_of(s));
    }
    bool divided =
        refused && strcmp(refused->valuestring, "not finite") == 0; /* by 0, in a last step of length 0 or infinity */
    if (!failed && refused && !divided) fail_msg("%s: taken, but diffusers says %s", name, refused->valuestring);
    run_free(r);
}

static void test_rows(void **state)
{
    (void)state;
    cJSON *golden = golden_open("pairs.json");
    const cJSON *files = cJSON_GetObjectItem(golden, "files"), *row;
    int rows = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "rows"))
    {
        check_row(files, row);
        rows++;
    }
    assert_true(rows > 1000);
    cJSON_Delete(golden);
}

/* A key's default as Python shows it. */
static void check_default(const SchedulerClass *c, const cJSON *key)
{
    const char *text = key->valuestring;
    SchedulerKey k = scheduler_key_find(key->string);
    if (k == KEY_COUNT) fail_msg("%s: no key %s in the table", c->name, key->string);
    if (!(c->keys & (UINT64_C(1) << k))) fail_msg("%s takes %s", c->name, key->string);
    bool is = strcmp(text, "True") == 0;
    switch (k) {
    case KEY_BETA_START: assert_true(c->beta_start == atof(text)); break;
    case KEY_BETA_END: assert_true(c->beta_end == atof(text)); break;
    case KEY_BETA_SCHEDULE: assert_string_equal(text, c->betas == BETA_LINEAR ? "'linear'" : "'scaled_linear'"); break;
    case KEY_TIMESTEP_SPACING:
        assert_string_equal(text, c->spacing == SPACING_LEADING ? "'leading'" : "'linspace'");
        break;
    case KEY_CLIP_SAMPLE: assert_true(c->clip_sample == is); break;
    case KEY_SET_ALPHA_TO_ONE: assert_true(c->set_alpha_to_one == is); break;
    case KEY_LOWER_ORDER_FINAL: assert_true(c->lower_order_final == is); break;
    default: break;
    }
}

static void test_table(void **state)
{
    (void)state;
    cJSON *golden = golden_open("pairs.json");
    const cJSON *classes = cJSON_GetObjectItem(golden, "classes"), *key;
    int count = 0;
    for (const SchedulerClass *c = scheduler_classes; c->name; c++) {
        if (strcmp(c->name, SCHEDULER_RECTIFIED) == 0) continue; /* no class of diffusers' */
        count++;
        const cJSON *keys = cJSON_GetObjectItem(classes, c->name);
        assert_non_null(keys);
        cJSON_ArrayForEach(key, keys) check_default(c, key);
        for (SchedulerKey k = 0; k < KEY_COUNT; k++)
            if (c->keys & (UINT64_C(1) << k) && !cJSON_HasObjectItem(keys, scheduler_keys[k]))
                fail_msg("%s takes no %s", c->name, scheduler_keys[k]);
        assert_true((c->idle & ~c->keys) == 0);
        assert_non_null(sampler_find(c->sampler));
        assert_ptr_equal(sampler_find(c->name), sampler_find(c->sampler));
        if (!c->kind) assert_string_equal(sampler_find(c->sampler)->as.name, c->name);
    }
    assert_int_equal(count, cJSON_GetArraySize(classes));
    cJSON_Delete(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
