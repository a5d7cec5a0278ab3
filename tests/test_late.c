/*
 * test_late.c - runs that begin later than their schedule (from a picture, after a hand-over) or at timesteps that are given, against
 * diffusers: tests/golden/scheduler/late.json, made by late.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/job.h"
#include "tests/sampling.h"

static void plan(Run *r, const Sampler *s, const cJSON *row)
{
    Err e = { 0 };
    const cJSON *given = cJSON_GetObjectItem(row, "given");
    TimelinePlan p = { .schedule = schedule_find(r->noise.schedule),
                       .family = s->family,
                       .steps = cJSON_GetObjectItem(row, "steps")->valueint };
    double *t = NULL;
    if (given) assert_int_equal(job_timesteps(given->valuestring, &t), p.steps);
    if (given) p.schedule = schedule_find("model");
    p.timesteps = t;
    if (timeline_plan(&r->tl, &p, &r->noise, &e)) fail_msg("%s: %s", s->name, e.text);
    int begin = cJSON_GetObjectItem(row, "begin")->valueint;
    if (begin) timeline_skip(&r->tl, begin);
    free(t);
}

static void check_row(const cJSON *row)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const cJSON *net = cJSON_GetObjectItem(row, "network"), *t = cJSON_GetObjectItem(row, "timesteps"),
                *sums = cJSON_GetObjectItem(row, "per_step_sum_abssum"),
                *last = cJSON_GetObjectItem(row, "final_first16");
    char *config = cJSON_PrintUnformatted(cJSON_GetObjectItem(row, "config"));
    Run *r = run_new(0);
    noise_of(&r->noise, cJSON_GetObjectItem(row, "cls")->valuestring, config);
    const Sampler *s = sampler_find(r->noise.sampler);
    r->eta = number_of(row, "eta", s->eta);
    r->tuning.solver = r->noise.solver;
    rng_init(&r->rng, RNG_TORCH, (uint64_t)number_of(row, "seed", 0));
    for (int k = 0; k < 4; k++) r->net[k] = number_at(net, k);
    plan(r, s, row);
    int each =
        cJSON_GetArraySize(t) / r->tl.steps + (cJSON_GetArraySize(t) % r->tl.steps != 0); /* evaluations a step */
    for (int i = 0; i < r->tl.steps; i++)
        assert_error(fabs(r->tl.t[i] - number_at(t, each * i)), 1e-3, "%s: timestep %d", name, i);

    r->x = dummy_latent(&r->arena, number_of(row, "init_noise_sigma", 1) / timeline_shown(&r->tl, 0), 0);
    run_sampler(r, s);
    double size = 0;
    for (int i = 0; i < r->tl.steps; i++) {
        int at = each * (i + 1) - 1, count = cJSON_GetArraySize(sums);
        const cJSON *pair = cJSON_GetArrayItem(sums, at < count ? at : count - 1);
        size = number_at(pair, 1);
        assert_error(fabs(r->sums[i][0] - number_at(pair, 0)) / size, 2e-5, "%s: sum after step %d", name, i);
        assert_error(relative(r->sums[i][1], size), 2e-5, "%s: magnitudes after step %d", name, i);
    }
    float nchw[LATENT];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16; i++)
        assert_error(fabs((double)nchw[i] - number_at(last, i)) / (size / LATENT), 2e-5, "%s: value %d", name, i);
    free(config);
    run_free(r);
}

static void test_late(void **state)
{
    (void)state;
    cJSON *rows = golden_open("late.json");
    const cJSON *row;
    int checked = 0;
    cJSON_ArrayForEach(row, rows)
    {
        check_row(row);
        checked++;
    }
    assert_int_equal(checked, 20);
    cJSON_Delete(rows);
}

/* What is no list of timesteps, and what the model does not have. */
static void test_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", ",", "1,2", "5,5", "999,,1", "-1", "1e9", "800 ;3", "nan", "x", "999,749,499,249,0,0"
    };
    Job j;
    Err e;
    job_init(&j);
    for (size_t i = 1; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(job_set(&j, option_find("timesteps", strlen("timesteps")), wrong[i], &e), -1);
    assert_int_equal(job_set(&j, option_find("timesteps", strlen("timesteps")), "999, 749.5, 0", &e), 0);
    double *t;
    assert_int_equal(job_timesteps(j.timesteps, &t), 3);
    assert_true(t[0] == 999 && t[1] == 749.5 && t[2] == 0);
    free(t);
    job_release(&j);

    Run *r = run_new(0);
    noise_of(&r->noise, "EulerDiscreteScheduler",
             "{\"beta_start\":0.00085,\"beta_end\":0.012,\"beta_schedule\":\"scaled_linear\"}");
    double over[] = { 1000, 3 };
    TimelinePlan p = { .schedule = schedule_find("model"), .family = FAMILY_SIGMA, .steps = 2, .timesteps = over };
    assert_int_equal(timeline_plan(&r->tl, &p, &r->noise, &e), -1);
    assert_non_null(strstr(e.text, "1000 is over the model's last one, 999"));
    over[0] = 900;
    p.compat = COMPAT_A1111;
    p.family = FAMILY_DDIM;
    assert_int_equal(timeline_plan(&r->tl, &p, &r->noise, &e), -1);
    assert_non_null(strstr(e.text, "those of their own"));
    run_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_late), cmocka_unit_test(test_wrong) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
