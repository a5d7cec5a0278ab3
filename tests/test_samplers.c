/*
 * test_samplers.c - every sampler against the runs of diffusers and k-diffusion that name it, against diffusers' own test
 * numbers, and against the order of convergence that its row claims.
 */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/samplers.h"
#include "weights/json.h"

enum { PIXELS = 8 * 8, CHANNELS = 12, LATENT = PIXELS * CHANNELS }; /* the reference's [4, 3, 8, 8] as one picture */

static cJSON *open_json(const char *path)
{
    Bytes file;
    Err e = { 0 };
    if (file_map(&file, path, &e)) fail_msg("%s", e.text);
    char *text = mem_alloc(file.len + 1);
    memcpy(text, file.data, file.len);
    cJSON *json = cJSON_Parse(text);
    if (!json) fail_msg("%s is no JSON", path);
    free(text);
    file_unmap(&file);
    return json;
}

static double number_at(const cJSON *list, int i) { return cJSON_GetArrayItem(list, i)->valuedouble; }

static double relative(double a, double b) { return fabs(a - b) / fmax(fabs(b), 1e-30); }

/* The noise of a scheduler_config.json given as text, of a class. */
static void noise_of(Noise *n, const char *class_name, const char *config)
{
    Str json = { 0 };
    Err e = { 0 };
    str_addf(&json, "{\"_class_name\":\"%s\"%s%s", class_name, strlen(config) > 2 ? "," : "", config + 1);
    noise_defaults(n);
    if (noise_read(n, (Bytes){ (const unsigned char *)json.s, json.len }, &e) || noise_build(n, &e)) fail_msg("%s", e.text);
    str_release(&json);
}

/* A run over one 12-channel picture, with what it saw. */
typedef struct {
    Noise noise;
    Timeline tl;
    Denoiser d;
    Arena arena;
    Rng rng;
    Tensor x;
    double eta;
    double sums[256][2]; /* after each step, in diffusers' scale: sum, sum of magnitudes */
} Run;

static void sum_up(const Run *r, Tensor x, double scale, double sums[2])
{
    sums[0] = sums[1] = 0;
    for (size_t k = 0; k < tensor_len(x); k++) {
        double v = scale * (double)x.data[k];
        sums[0] += v;
        sums[1] += fabs(v);
    }
    (void)r;
}

static int record(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    (void)x0;
    (void)e;
    Run *r = ctx;
    sum_up(r, x, timeline_shown(&r->tl, i + 1), r->sums[i]);
    return 0;
}

/* diffusers' dummy_model() */
static int dummy_network(void *ctx, Tensor out, Tensor x, float t, Err *e)
{
    (void)ctx;
    (void)e;
    for (size_t k = 0; k < tensor_len(x); k++) out.data[k] = x.data[k] * t / (t + 1);
    return 0;
}

/* diffusers' dummy_sample_deter, [4, 3, 8, 8] = arange(768) / 768 with the batch innermost; reversed: dummy_noise_deter. */
static double dummy_sample(int index, bool reversed)
{
    int batch = index / 192, rest = index % 192, at = rest * 4 + batch;
    return (reversed ? LATENT - 1 - at : at) / (double)LATENT;
}

static Tensor dummy_latent(Arena *a, double scale, double noise_scale)
{
    float nchw[LATENT];
    Tensor x = tensor_new(a, 1, 8, 8, CHANNELS);
    for (int k = 0; k < LATENT; k++)
        nchw[k] = (float)(scale * dummy_sample(k, false) + noise_scale * dummy_sample(k, true));
    tensor_from_nchw(x, nchw);
    return x;
}

static void run_init(Run *r, double eta)
{
    Err e = { 0 };
    if (arena_init(&r->arena, 1 << 20, &e)) fail_msg("%s", e.text);
    r->d = (Denoiser){ .noise = &r->noise, .network = dummy_network, .cfg_scale = 1, .arena = &r->arena };
    r->eta = eta;
    rng_init(&r->rng, RNG_TORCH, 0);
}

static void run_release(Run *r)
{
    timeline_release(&r->tl);
    noise_release(&r->noise);
    arena_release(&r->arena);
}

static void run_sampler(Run *r, const Sampler *s)
{
    Err e = { 0 };
    Sampling sampling = { .d = &r->d, .x = r->x, .tl = &r->tl, .rng = &r->rng, .eta = r->eta, .arena = &r->arena,
                          .after_step = record, .ctx = r };
    if (sampler_run(s, &sampling, &e)) fail_msg("%s: %s", s->name, e.text);
}

/* Rows of the reference whose settings name something that limn does not have, and what that is; NULL: limn must match. */
static const char *out_of_scope(const cJSON *row)
{
    const cJSON *config = cJSON_GetObjectItem(row, "config");
    const char *class_name = cJSON_GetObjectItem(row, "cls")->valuestring;
    const char *algorithm = cJSON_GetStringValue(cJSON_GetObjectItem(config, "algorithm_type"));
    const char *solver = cJSON_GetStringValue(cJSON_GetObjectItem(config, "solver_type"));
    const cJSON *order = cJSON_GetObjectItem(config, "solver_order");

    if (!sampler_find(class_name)) return "a sampler that limn does not have";
    if (cJSON_HasObjectItem(config, "use_beta_sigmas")) return "beta sigmas";
    if (cJSON_HasObjectItem(config, "use_lu_lambdas")) return "Lu's lambdas";
    if (algorithm && strcmp(algorithm, "dpmsolver++") != 0) return "DPM-Solver++ as an SDE";
    if (order && order->valueint != 2) return "DPM-Solver++ of order 1 or 3";
    if (solver && strcmp(solver, "midpoint") != 0) return "DPM-Solver++ with Heun's correction";
    return NULL;
}

/* diffusers lists Heun's second evaluations too: 0, 1, 1, 2, 2, ... */
static int listed(const Sampler *s, int i) { return s->evals_per_step == 2 && i > 0 ? 2 * i - 1 : i; }

static void check_timeline(const Run *r, const Sampler *s, const cJSON *row)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const cJSON *t = cJSON_GetObjectItem(row, "timesteps"), *sigma = cJSON_GetObjectItem(row, "sigmas");
    double first = cJSON_GetObjectItem(row, "init_noise_sigma")->valuedouble;

    assert_int_equal(cJSON_GetArraySize(t), r->tl.steps * s->evals_per_step - (s->evals_per_step - 1));
    assert_error(relative(r->tl.scale * timeline_shown(&r->tl, 0), first), 3e-7, "%s: initial scale", name);
    for (int i = 0; i < r->tl.steps; i++) {
        assert_error(fabs(r->tl.t[i] - number_at(t, listed(s, i))), 1e-4, "%s: timestep %d", name, i);
        if (cJSON_IsArray(sigma)) assert_error(relative(r->tl.sigma[i], number_at(sigma, listed(s, i))), 2e-7, "%s: sigma %d", name, i);
    }
}

static void check_golden_row(const cJSON *row)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const char *class_name = cJSON_GetObjectItem(row, "cls")->valuestring;
    const Sampler *s = sampler_find(class_name);
    char *config = cJSON_PrintUnformatted(cJSON_GetObjectItem(row, "config"));
    Run *r = mem_alloc(sizeof *r);
    Err e = { 0 };

    noise_of(&r->noise, class_name, config);
    run_init(r, s->eta);
    if (timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family,
                      cJSON_GetObjectItem(row, "steps")->valueint, &e))
        fail_msg("%s: %s", name, e.text);
    check_timeline(r, s, row);

    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    run_sampler(r, s);
    const cJSON *sums = cJSON_GetObjectItem(row, "per_step_sum_abssum"), *first = cJSON_GetObjectItem(row, "final_first16");
    double size = 0;
    for (int i = 0; i < r->tl.steps; i++) {
        bool last = i + 1 == r->tl.steps;
        const cJSON *pair = cJSON_GetArrayItem(sums, last ? cJSON_GetArraySize(sums) - 1 : (i + 1) * s->evals_per_step - 1);
        size = number_at(pair, 1);
        assert_error(fabs(r->sums[i][0] - number_at(pair, 0)) / size, 1e-5, "%s: sum after step %d", name, i);
        assert_error(relative(r->sums[i][1], size), 1e-5, "%s: magnitudes after step %d", name, i);
    }
    float nchw[LATENT];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16; i++)
        assert_error(fabs((double)nchw[i] - number_at(first, i)) / (size / LATENT), 1e-5, "%s: value %d", name, i);
    free(config);
    run_release(r);
    free(r);
}

static void test_diffusers(void **state)
{
    (void)state;
    cJSON *rows = open_json(GOLDEN "/scheduler/schedulers.json");
    const cJSON *row;
    int checked = 0, skipped = 0;
    cJSON_ArrayForEach(row, rows)
    {
        if (out_of_scope(row)) {
            skipped++;
            continue;
        }
        check_golden_row(row);
        checked++;
    }
    cJSON_Delete(rows);
    assert_int_equal(checked, 48); /* so that no row slips out of scope */
    assert_int_equal(skipped, 95);
}

/* k-diffusion's denoiser of the reference: x / (1 + sigma^2) + 0.3 tanh(x / (1 + sigma)). */
static int kdiffusion_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx;
    (void)e;
    float s = (float)sigma;
    for (size_t k = 0; k < tensor_len(x); k++)
        x0.data[k] = x.data[k] / (1 + s * s) + 0.3f * tanhf(x.data[k] / (1 + s));
    return 0;
}

/* A timeline of given sigmas for a sampler; timeline_release() frees it. */
static Timeline timeline_of(const double *sigma, int steps, Family family)
{
    size_t n = (size_t)steps;
    Timeline tl = { .steps = steps, .family = family };
    tl.sigma = mem_array(n + 1, sizeof *tl.sigma);
    tl.t = mem_array(n, sizeof *tl.t);
    tl.to = mem_array(n, sizeof *tl.to);
    memcpy(tl.sigma, sigma, (n + 1) * sizeof *sigma);
    memcpy(tl.to, sigma + 1, n * sizeof *sigma);
    return tl;
}

static void check_kdiffusion_row(const cJSON *row, const cJSON *karras, double eta)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const Sampler *s = sampler_find(name);
    int steps = cJSON_GetObjectItem(row, "steps")->valueint;
    double sigma[32];
    for (int i = 0; i <= steps; i++) sigma[i] = number_at(karras, i);

    Run *r = mem_alloc(sizeof *r);
    run_init(r, eta);
    noise_defaults(&r->noise);
    r->d.exact = kdiffusion_denoiser;
    r->tl = timeline_of(sigma, steps, s->family);
    r->x = tensor_new(&r->arena, 1, 8, 8, 4);
    fresh_noise(r->x, &r->rng, &r->arena);
    for (size_t k = 0; k < tensor_len(r->x); k++) r->x.data[k] *= (float)sigma[0];
    run_sampler(r, s);

    const cJSON *sums = cJSON_GetObjectItem(row, "per_step_x_sum_denoised_sum");
    for (int i = 1; i < steps; i++) /* there before step i, here after step i - 1 */
        assert_error(fabs(r->sums[i - 1][0] / timeline_shown(&r->tl, i) - number_at(cJSON_GetArrayItem(sums, i), 0)) /
                         (r->sums[i - 1][1] / timeline_shown(&r->tl, i)),
                     1e-5, "%s, %d steps: sum before step %d", name, steps, i);
    double size = cJSON_GetObjectItem(row, "final_abssum")->valuedouble;
    assert_error(fabs(r->sums[steps - 1][0] - cJSON_GetObjectItem(row, "final_sum")->valuedouble) / size, 1e-5, "%s: sum", name);
    assert_error(relative(r->sums[steps - 1][1], size), 1e-5, "%s: magnitudes", name);
    float nchw[256];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16; i++)
        assert_error(fabs((double)nchw[i] - number_at(cJSON_GetObjectItem(row, "final_first16"), i)) / (size / 256), 1e-5,
                     "%s: value %d", name, i);
    assert_int_equal(r->d.evals, cJSON_GetObjectItem(row, "nfe")->valueint);
    assert_int_equal(r->d.evals, steps * s->evals_per_step - (s->evals_per_step - 1));
    run_release(r);
    free(r);
}

static void test_kdiffusion(void **state)
{
    (void)state;
    cJSON *golden = open_json(GOLDEN "/scheduler/kdiffusion.json");
    const cJSON *row;
    int checked = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "samplers"))
    {
        const cJSON *kw = cJSON_GetObjectItem(row, "kw"), *eta = cJSON_GetObjectItem(kw, "eta");
        const Sampler *s = sampler_find(cJSON_GetObjectItem(row, "name")->valuestring);
        if (!s || cJSON_HasObjectItem(kw, "s_churn")) continue; /* Euler with churn is not limn's euler */
        char key[32];
        snprintf(key, sizeof key, "karras_%d", cJSON_GetObjectItem(row, "steps")->valueint);
        check_kdiffusion_row(row, cJSON_GetObjectItem(cJSON_GetObjectItem(golden, "schedules"), key), eta ? eta->valuedouble : s->eta);
        checked++;
    }
    cJSON_Delete(golden);
    assert_int_equal(checked, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diffusers),
        cmocka_unit_test(test_kdiffusion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
