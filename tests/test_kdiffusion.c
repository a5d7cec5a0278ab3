/*
 * test_kdiffusion.c - the samplers against runs of k-diffusion: tests/golden/scheduler/kdiffusion.json, which came with the
 * project, and samplers.json, made by samplers.py: random sigmas and denoisers, 1 to 999 steps, eta, churn. The rows of samplers
 * that k-diffusion lacks are of ComfyUI's and A1111's formulas, written out there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sampling.h"

static void read_sigmas(const cJSON *row, const cJSON *given, double *sigma, int steps)
{
    char key[32];
    snprintf(key, sizeof key, "karras_%d", steps);
    const cJSON *list = cJSON_GetObjectItem(row, "sigmas");
    if (!list) list = cJSON_GetObjectItem(given, key);
    assert_int_equal(cJSON_GetArraySize(list), steps + 1);
    for (int i = 0; i <= steps; i++) sigma[i] = number_at(list, i);
}

/* The keyword arguments of a row. */
static const Sampler *read_settings(const cJSON *row, Run *r)
{
    const cJSON *kw = cJSON_GetObjectItem(row, "kw"), *net = cJSON_GetObjectItem(row, "denoiser");
    char name[64];
    const char *solver = cJSON_GetStringValue(cJSON_GetObjectItem(kw, "solver_type"));
    const char *compat = cJSON_GetStringValue(cJSON_GetObjectItem(row, "compat"));
    snprintf(name, sizeof name, "%s%s", cJSON_GetObjectItem(row, "name")->valuestring,
             solver && strcmp(solver, "heun") == 0 ? "_heun" : "");
    const Sampler *s = sampler_find(str_starts(name, "sample_") ? name + 7 : name);
    if (!s) fail_msg("no sampler %s", name);

    r->eta = number_of(kw, "eta", s->adaptive || strcmp(s->name, "dpm_fast") == 0 ? 0 : s->eta);
    r->tuning = (Tuning){ .compat = compat && strcmp(compat, "comfyui") == 0 ? COMPAT_COMFYUI : COMPAT_A1111,
                          .churn = number_of(kw, "s_churn", 0),
                          .tmin = number_of(kw, "s_tmin", 0),
                          .tmax = number_of(kw, "s_tmax", 0),
                          .solver.order = (int)number_of(kw, "order", 0),
                          .noise_less = 1 - number_of(kw, "s_noise", 1) };
    for (int k = 0; net && k < 4; k++) r->net[k] = number_at(net, k);
    return s;
}

static void check_row(const cJSON *row, const cJSON *given)
{
    double sigma[RUN_STEPS], size = number_of(row, "final_abssum", 0), limit = number_of(row, "limit", 2e-5);
    int steps = cJSON_GetObjectItem(row, "steps")->valueint;
    char what[128];
    Run *r = run_new(0);
    const Sampler *s = read_settings(row, r);
    if (s->adaptive) limit = fmax(limit, 3e-4); /* the next step's length hangs on the last digits of the error */
    char *kw = cJSON_PrintUnformatted(cJSON_GetObjectItem(row, "kw"));
    snprintf(what, sizeof what, "%s, %d steps %.80s", s->name, steps, kw);
    free(kw);
    read_sigmas(row, given, sigma, steps);
    noise_defaults(&r->noise);
    Err e = { 0 };
    if (cJSON_HasObjectItem(row, "noise"))
        assert_int_equal(noise_build(&r->noise, &e), 0); /* the sampler looks at it */
    rng_init(&r->rng, RNG_TORCH, (uint64_t)number_of(row, "seed", 0));
    r->d.exact = kdiffusion_denoiser;
    r->tl = timeline_of(sigma, steps, FAMILY_SIGMA);
    r->x = tensor_new(&r->arena, 1, 8, 8, 4);
    fresh_noise(r->x, &r->rng, &r->arena);
    for (size_t k = 0; k < tensor_len(r->x); k++) r->x.data[k] *= (float)sigma[0];
    run_sampler(r, s);

    const cJSON *sums = cJSON_GetObjectItem(row, "per_step_x_sum_denoised_sum"),
                *first = cJSON_GetObjectItem(row, "final_first16");
    for (int i = 1; sums && !s->adaptive && i < cJSON_GetArraySize(sums);
         i++) /* there before a step, here after the last */
        if (number_of(cJSON_GetObjectItem(row, "kw"), "s_churn", 0) == 0)
            assert_error(fabs(r->sums[i - 1][0] - number_at(cJSON_GetArrayItem(sums, i), 0)) / r->sums[i - 1][1], limit,
                         "%s: sum before step %d", what, i);
    const double *last = r->sums[r->reports - 1];
    assert_error(fabs(last[0] - number_of(row, "final_sum", 0)) / size, limit, "%s: sum", what);
    assert_error(relative(last[1], size), limit, "%s: magnitudes", what);
    float nchw[256];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16; i++)
        assert_error(fabs((double)nchw[i] - number_at(first, i)) / (size / 256), 3 * limit, "%s: value %d", what, i);
    assert_int_equal(r->d.evals, (int)number_of(row, "nfe", r->d.evals));
    if (!s->adaptive) assert_int_equal(r->d.evals, sampler_evals(s, &r->tl));
    run_free(r);
}

/* Returns how many rows there were. */
static int check_file(const char *name)
{
    cJSON *golden = golden_open(name);
    const cJSON *row, *given = cJSON_GetObjectItem(golden, "schedules");
    int checked = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "samplers"))
    {
        check_row(row, given);
        checked++;
    }
    cJSON_Delete(golden);
    return checked;
}

static void test_given(void **state)
{
    (void)state;
    int rows = check_file("kdiffusion.json");
    if (!golden_given()) assert_int_equal(rows, 32);
}

static void test_random(void **state)
{
    (void)state;
    assert_true(check_file("samplers.json") >= 100);
}

/* A sampler that no row names would go unchecked. */
static void test_all_named(void **state)
{
    (void)state;
    static const char *const files[] = { "kdiffusion.json", "samplers.json" };
    static const char *const elsewhere[] = {
        "dpmpp_2s",
        "dpmpp_3s",
        "dpmpp_2s_sde",
        "dpmpp_3s_sde",
        "dpmsolver_2s",
        "dpmsolver_3s",
        "dpmsolver_2m",
        "dpmsolver_3m",
        "dpmsolver_2m_sde",
        "sa_solver",
        "dpmpp_3m",
        "ddim",
        "plms",
        "pndm",
        "unipc_bh1",
        "unipc",
        "unipc_bh2",
        "tcd",
        "cm",
        "flow_euler",
        "res_multistep_cfg_pp",
        "res_multistep_ancestral_cfg_pp",
        "gradient_estimation_cfg_pp",
        "euler_cfg_pp",
        "euler_ancestral_cfg_pp",
        "ddim_cfg_pp",
        "dpmpp_2m_cfg_pp",
        "dpmpp_2s_ancestral_cfg_pp"
    }; /* test_diffusers, test_pairs, test_guidance */
    for (const Sampler *s = samplers; s->name; s++) {
        bool named = false;
        for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) named |= strcmp(s->name, elsewhere[i]) == 0;
        for (int f = 0; f < 2 && !named; f++) {
            cJSON *golden = golden_open(files[f]);
            const cJSON *row;
            cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "samplers"))
            {
                const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
                named |= strcmp(str_starts(name, "sample_") ? name + 7 : name, s->name) == 0;
                named |= strcmp(s->name, "dpmpp_2m_sde_heun") == 0 &&
                         cJSON_HasObjectItem(cJSON_GetObjectItem(row, "kw"), "solver_type");
            }
            cJSON_Delete(golden);
        }
        if (!named) fail_msg("no golden row is of %s", s->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_all_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
