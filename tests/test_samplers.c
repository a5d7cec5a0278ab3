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
    if (noise_read(n, (Bytes){ (const unsigned char *)json.s, json.len }, &e) || noise_build(n, &e))
        fail_msg("%s", e.text);
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

static void sum_up(Tensor x, double scale, double sums[2])
{
    sums[0] = sums[1] = 0;
    for (size_t k = 0; k < tensor_len(x); k++) {
        double v = scale * (double)x.data[k];
        sums[0] += v;
        sums[1] += fabs(v);
    }
}

static int record(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    (void)x0;
    (void)e;
    Run *r = ctx;
    sum_up(x, timeline_shown(&r->tl, i + 1), r->sums[i]);
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
    Sampling sampling = { .d = &r->d,
                          .x = r->x,
                          .tl = &r->tl,
                          .rng = &r->rng,
                          .eta = r->eta,
                          .arena = &r->arena,
                          .after_step = record,
                          .ctx = r };
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
    double digits =
        r->noise.zero_terminal_snr ? 5e-6 : 2e-7; /* torch's square root there is MKL's, an ulp off in places */

    assert_int_equal(cJSON_GetArraySize(t), r->tl.steps * s->evals_per_step - (s->evals_per_step - 1));
    assert_error(relative(r->tl.scale * timeline_shown(&r->tl, 0), first), digits, "%s: initial scale", name);
    for (int i = 0; i < r->tl.steps; i++) {
        assert_error(fabs(r->tl.t[i] - number_at(t, listed(s, i))), 1e-4, "%s: timestep %d", name, i);
        if (cJSON_IsArray(sigma))
            assert_error(relative(r->tl.sigma[i], number_at(sigma, listed(s, i))), digits, "%s: sigma %d", name, i);
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
    const cJSON *eta = cJSON_GetObjectItem(row, "eta");
    run_init(r, eta ? eta->valuedouble : s->eta);
    if (timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family,
                      cJSON_GetObjectItem(row, "steps")->valueint, &e))
        fail_msg("%s: %s", name, e.text);
    check_timeline(r, s, row);

    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    run_sampler(r, s);
    const cJSON *sums = cJSON_GetObjectItem(row, "per_step_sum_abssum"),
                *first = cJSON_GetObjectItem(row, "final_first16");
    double size = 0;
    for (int i = 0; i < r->tl.steps; i++) {
        bool last = i + 1 == r->tl.steps;
        const cJSON *pair =
            cJSON_GetArrayItem(sums, last ? cJSON_GetArraySize(sums) - 1 : (i + 1) * s->evals_per_step - 1);
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

/* Every row of a file, or its reason to be out of scope; the counts are given so that none slips out unseen. */
static void check_golden_file(const char *path, int in_scope, int beyond)
{
    cJSON *rows = open_json(path);
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
    assert_int_equal(checked, in_scope);
    assert_int_equal(skipped, beyond);
}

static void test_diffusers(void **state)
{
    (void)state;
    check_golden_file(GOLDEN "/scheduler/schedulers.json", 49, 94);
    check_golden_file(GOLDEN "/scheduler/diffusers.json", 42, 0);
}

/* k-diffusion's denoiser of the reference: x / (1 + sigma^2) + 0.3 tanh(x / (1 + sigma)). */
static int kdiffusion_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx;
    (void)e;
    float s = (float)sigma;
    for (size_t k = 0; k < tensor_len(x); k++) x0.data[k] = x.data[k] / (1 + s * s) + 0.3f * tanhf(x.data[k] / (1 + s));
    return 0;
}

/* A timeline of given sigmas for a sampler; timeline_release() frees it. */
static Timeline timeline_of(const double *sigma, int steps, Family family)
{
    size_t n = (size_t)steps;
    Timeline tl = { .steps = steps, .family = family };
    tl.sigma = mem_array(n + 1, sizeof *tl.sigma);
    tl.t = mem_array(n + 1, sizeof *tl.t);
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
    assert_error(fabs(r->sums[steps - 1][0] - cJSON_GetObjectItem(row, "final_sum")->valuedouble) / size, 1e-5,
                 "%s: sum", name);
    assert_error(relative(r->sums[steps - 1][1], size), 1e-5, "%s: magnitudes", name);
    float nchw[256];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16; i++)
        assert_error(fabs((double)nchw[i] - number_at(cJSON_GetObjectItem(row, "final_first16"), i)) / (size / 256),
                     1e-5, "%s: value %d", name, i);
    assert_int_equal(r->d.evals, cJSON_GetObjectItem(row, "nfe")->valueint);
    assert_int_equal(r->d.evals, sampler_evals(s, &r->tl));
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
        check_kdiffusion_row(row, cJSON_GetObjectItem(cJSON_GetObjectItem(golden, "schedules"), key),
                             eta ? eta->valuedouble : s->eta);
        checked++;
    }
    cJSON_Delete(golden);
    assert_int_equal(checked, 10);
}

/*
 * diffusers' own tests (tests/schedulers/test_scheduler_*.py, full_loop): their numbers, to their tolerances. Those of the
 * Euler family feed the scaled input back as the latent, so here the denoiser scales x itself before it looks at it.
 */
typedef struct {
    const char *sampler, *class_name, *config;
    int steps, start; /* start > 0: from that timestep on, noise added to the sample */
    double sum, mean; /* of the magnitudes; sum 0: not given */
} OutsideRow;

#define LINEAR(T) "{\"num_train_timesteps\":" #T ",\"beta_start\":0.0001,\"beta_end\":0.02,\"beta_schedule\":\"linear\""
#define LINEAR_01 "{\"beta_start\":0.01,\"beta_end\":0.02,\"beta_schedule\":\"linear\",\"clip_sample\":true"
#define V         ",\"prediction_type\":\"v_prediction\""
#define KARRAS    ",\"use_karras_sigmas\":true"

static const OutsideRow outside[] = {
    { "ddim", "DDIMScheduler", LINEAR(1000) "}", 10, 0, 172.0067, 0.223967 },
    { "ddim", "DDIMScheduler", LINEAR(1000) V "}", 10, 0, 52.5302, 0.0684 },
    { "ddim", "DDIMScheduler", LINEAR_01 ",\"set_alpha_to_one\":true}", 10, 0, 149.8295, 0.1951 },
    { "ddim", "DDIMScheduler", LINEAR_01 ",\"set_alpha_to_one\":false}", 10, 0, 149.0784, 0.1941 },
    { "ddim", "DDIMScheduler", LINEAR(1000) "}", 10, 8, 354.5418, 0.4616 },
    { "euler", "EulerDiscreteScheduler", LINEAR(1100) "}", 10, 0, 10.0807, 0.0131 },
    { "euler", "EulerDiscreteScheduler", LINEAR(1100) V "}", 10, 0, 0.0002, 2.2676e-06 },
    { "euler", "EulerDiscreteScheduler", LINEAR(1100) KARRAS "}", 10, 0, 124.52299, 0.162139 },
    { "euler", "EulerDiscreteScheduler", LINEAR(1100) "}", 10, 8, 57062.9297, 74.3007 },
    { "euler_ancestral", "EulerAncestralDiscreteScheduler", LINEAR(1100) "}", 10, 0, 152.3192, 0.1983 },
    { "euler_ancestral", "EulerAncestralDiscreteScheduler", LINEAR(1100) V "}", 10, 0, 108.4439, 0.1412 },
    { "euler_ancestral", "EulerAncestralDiscreteScheduler", LINEAR(1100) "}", 10, 8, 56163.0508, 73.1290 },
    { "heun", "HeunDiscreteScheduler", LINEAR(1100) "}", 10, 0, 0.1233, 0.0002 },
    { "heun", "HeunDiscreteScheduler", LINEAR(1100) V "}", 10, 0, 4.6934e-07, 6.1112e-10 },
    { "heun", "HeunDiscreteScheduler", LINEAR(1100) KARRAS "}", 10, 0, 0.00015, 1.9869554535034695e-07 },
    { "heun", "HeunDiscreteScheduler", LINEAR(1100) "}", 10, 8, 75074.8906, 97.7538 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) "}", 10, 0, 0, 0.3301 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) V "}", 10, 0, 0, 0.2251 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) V KARRAS "}", 10, 0, 0, 0.2096 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) "}", 10, 5, 318.4111, 0.4146 },
    { "lcm", "LCMScheduler", "{\"num_train_timesteps\":1000", 1, 0, 18.7097, 0.0244 },
    { "lcm", "LCMScheduler", "{\"num_train_timesteps\":1000", 10, 0, 197.7616, 0.2575 },
};

/* D that scales x in place first, as those tests do; the run's timeline says which timestep a sigma has. */
static int rescaling_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    Run *r = ctx;
    int i = 0;
    while (r->tl.sigma[i] != sigma) i++;
    float norm = (float)sqrt(sigma * sigma + 1);
    for (size_t k = 0; k < tensor_len(x); k++) x.data[k] /= norm;
    if (dummy_network(ctx, x0, x, (float)r->tl.t[i], e)) return -1;
    for (size_t k = 0; k < tensor_len(x); k++)
        x0.data[k] = r->noise.prediction == PREDICT_EPSILON
                         ? x.data[k] - (float)sigma * x0.data[k]
                         : x0.data[k] * (float)-sigma / norm + x.data[k] / (norm * norm);
    return 0;
}

static void check_outside_row(const OutsideRow *row)
{
    const Sampler *s = sampler_find(row->sampler);
    Run *r = mem_alloc(sizeof *r);
    Err e = { 0 };
    char config[512];
    snprintf(config, sizeof config, "%s%s", row->config, strchr(row->config, '}') ? "" : "}");
    noise_of(&r->noise, row->class_name, config);
    run_init(r, s->eta);
    r->d.ctx = r;
    if (s->family == FAMILY_SIGMA) r->d.exact = rescaling_denoiser;
    if (timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family, row->steps, &e))
        fail_msg("%s", e.text);

    Timeline whole = r->tl;
    bool karras = strcmp(r->noise.schedule, "karras") == 0;
    if (s->family == FAMILY_DPM && !karras)
        whole.sigma[row->steps] = r->noise.sigmas[0]; /* final_sigmas_type sigma_min */
    r->tl.sigma += row->start;
    r->tl.t += row->start;
    r->tl.to += row->start;
    r->tl.steps -= row->start;
    if (s->family == FAMILY_DPM && !karras) r->tl.to[r->tl.steps - 1] = r->noise.sigmas[0];

    /* add_noise(): sample + sigma * noise, where the sample has the scheduler's first scale already but for DDIM and DPM */
    if (row->start == 0) r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    else r->x = dummy_latent(&r->arena, s->family == FAMILY_SIGMA ? whole.scale : 1, r->tl.sigma[0]);
    run_sampler(r, s);

    double magnitudes = r->sums[r->tl.steps - 1][1];
    if (row->sum > 0)
        assert_error(fabs(magnitudes - row->sum), row->sum > 1000 ? 1e-6 * row->sum : 1e-2, "%s %s: sum", s->name,
                     config);
    assert_error(fabs(magnitudes / LATENT - row->mean), 1e-3, "%s %s: mean", s->name, config);
    r->tl = whole;
    run_release(r);
    free(r);
}

static void test_outside(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) check_outside_row(&outside[i]);
}

/* The exact denoiser of N(0, 1) data. */
static int gaussian_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    (void)ctx;
    (void)e;
    for (size_t k = 0; k < tensor_len(x); k++) x0.data[k] = (float)((double)x.data[k] / (1 + sigma * sigma));
    return 0;
}

/* From sigma 10 to 0.1 the solution shrinks by sqrt((1 + 0.1^2) / (1 + 10^2)): the relative error of N steps. */
static double final_error(const Sampler *s, int steps)
{
    enum { MOST = 64 };
    double sigma[MOST + 1];
    for (int i = 0; i <= steps; i++)
        sigma[i] = pow(pow(10, 1 / 7.0) + i * (pow(0.1, 1 / 7.0) - pow(10, 1 / 7.0)) / steps, 7);

    Run *r = mem_alloc(sizeof *r);
    run_init(r, 0);
    noise_defaults(&r->noise);
    r->d.exact = gaussian_denoiser;
    r->tl = timeline_of(sigma, steps, s->family);
    r->x = tensor_new(&r->arena, 1, 1, 1, 1);
    r->x.data[0] = 10;
    run_sampler(r, s);
    double exact = 10 * sqrt((1 + 0.01) / (1 + 100.0)), error = relative((double)r->x.data[0], exact);
    run_release(r);
    free(r);
    return error;
}

static void test_order(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        if (s->order == 0) continue;
        double coarse = final_error(s, 32), fine = final_error(s, 64);
        assert_error(fabs(log2(coarse / fine) - s->order), 0.25, "%s: order of convergence", s->name);
    }
}

/* Fresh noise replaces what a step takes away: N(0, 1) data stay N(0, 1), up to the error of 200 first-order steps. */
static void test_variance(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        if (!s->takes_eta) continue;
        Run *r = mem_alloc(sizeof *r);
        Err e = { 0 };
        run_init(r, 1);
        noise_defaults(&r->noise);
        assert_int_equal(noise_build(&r->noise, &e), 0);
        assert_int_equal(timeline_init(&r->tl, schedule_find("model"), &r->noise, s->family, 200, &e), 0);
        r->d.exact = gaussian_denoiser;
        r->x = tensor_new(&r->arena, 1, 64, 64, 4);
        fresh_noise(r->x, &r->rng, &r->arena);
        for (size_t k = 0; k < tensor_len(r->x); k++) r->x.data[k] *= (float)r->tl.scale;
        run_sampler(r, s);
        double squares = 0;
        for (size_t k = 0; k < tensor_len(r->x); k++) squares += (double)r->x.data[k] * (double)r->x.data[k];
        assert_error(fabs(squares / (double)tensor_len(r->x) - 1), 0.05, "%s: variance", s->name);
        run_release(r);
        free(r);
    }
}

/* Each picture draws from its own generator, as torch draws [c, h, w]; so a picture of a batch is reproducible alone. */
static void test_fresh_noise(void **state)
{
    (void)state;
    Arena a;
    Err e = { 0 };
    if (arena_init(&a, 1 << 20, &e)) fail_msg("%s", e.text);
    Rng rng[2], same;
    for (uint64_t k = 0; k < 2; k++) rng_init(&rng[k], RNG_TORCH, 40 + k);
    Tensor x = tensor_new(&a, 2, 6, 5, 4);
    size_t used = a.used;
    fresh_noise(x, rng, &a);
    assert_int_equal(a.used, used);

    float nchw[2 * 4 * 6 * 5], alone[4 * 6 * 5];
    tensor_to_nchw(nchw, x);
    for (uint64_t k = 0; k < 2; k++) {
        rng_init(&same, RNG_TORCH, 40 + k);
        rng_randn(&same, alone, 4 * 6 * 5);
        assert_memory_equal(nchw + k * 4 * 6 * 5, alone, sizeof alone);
    }
    arena_release(&a);
}

/* A network that notes how it was called; the second half's output is 10 more than the first's. */
typedef struct {
    int calls, batch;
    float t, first;
    const char *trouble; /* what to return: an error of this text */
    float add;
} Probe;

static int probe_network(void *ctx, Tensor out, Tensor x, float t, Err *e)
{
    Probe *p = ctx;
    p->calls++;
    p->batch = x.n;
    p->t = t;
    if (p->trouble) return err_set(e, "%s", p->trouble);
    if (!x.data) return 0;
    p->first = x.data[0];
    size_t half = tensor_len(x) / (size_t)x.n;
    assert_true(x.n == 1 || memcmp(x.data, x.data + half, half * sizeof *x.data) == 0);
    for (size_t k = 0; k < tensor_len(x); k++) out.data[k] = p->add + (k < half ? 0 : 10);
    return 0;
}

static void test_guidance(void **state)
{
    (void)state;
    Probe p = { .add = 1 };
    Run *r = mem_alloc(sizeof *r);
    Err e = { 0 };
    run_init(r, 0);
    noise_defaults(&r->noise);
    assert_int_equal(noise_build(&r->noise, &e), 0);
    r->d.network = probe_network;
    r->d.ctx = &p;
    Tensor x = tensor_new(&r->arena, 1, 2, 2, 3), x0 = tensor_like(&r->arena, x);
    for (int k = 0; k < 12; k++) x.data[k] = 5;

    r->d.cfg_scale = 7;
    assert_int_equal(denoise(&r->d, x0, x, 2, NAN, &e), 0);
    assert_int_equal(p.batch, 2);
    assert_error(fabs((double)p.first - 5 / sqrt(5)), 1e-6, "scaled input");
    assert_error(fabs((double)p.t - noise_timestep(&r->noise, 2)), 1e-4, "timestep of sigma 2");
    assert_error(fabs((double)x0.data[7] - (5 - 2 * (1 + 7 * 10))), 1e-5, "guided estimate");

    r->d.cfg_scale = 1; /* one half */
    r->d.round_timestep = true;
    assert_int_equal(denoise(&r->d, x0, x, 2, NAN, &e), 0);
    assert_int_equal(p.batch, 1);
    assert_true(p.t == rintf(p.t));
    assert_error(fabs((double)x0.data[7] - (5 - 2 * 1)), 1e-6, "unguided estimate");

    r->noise.prediction = PREDICT_V;
    assert_int_equal(denoise(&r->d, x0, x, 2, 500, &e), 0);
    assert_error(fabs((double)x0.data[0] - (5 / 5.0 - 2 / sqrt(5))), 1e-6, "v");
    r->noise.prediction = PREDICT_SAMPLE;
    assert_int_equal(denoise(&r->d, x0, x, 2, 500, &e), 0);
    assert_error(fabs((double)x0.data[0] - 1), 0, "sample");
    assert_int_equal(r->d.evals, 4);

    p.add = NAN;
    assert_int_equal(denoise(&r->d, x0, x, 2, 500, &e), -1);
    assert_non_null(strstr(e.text, "sigma 2 (timestep 500)"));
    p.trouble = "cancelled";
    assert_int_equal(denoise(&r->d, x0, x, 2, 500, &e), -1);
    assert_string_equal(e.text, "cancelled");
    run_release(r);
    free(r);
}

/* A dry run asks for exactly the memory that the run takes, and calls the network as often. */
static void test_dry_run(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        size_t peak[2];
        int calls[2];
        for (int wet = 0; wet < 2; wet++) {
            Probe p = { 0 };
            Run *r = mem_alloc(sizeof *r);
            Err e = { 0 };
            run_init(r, s->eta);
            noise_defaults(&r->noise);
            assert_int_equal(noise_build(&r->noise, &e), 0);
            assert_int_equal(timeline_init(&r->tl, schedule_find("model"), &r->noise, s->family, 4, &e), 0);
            if (!wet) {
                arena_release(&r->arena);
                arena_init_dry(&r->arena);
            }
            r->d.network = probe_network;
            r->d.ctx = &p;
            r->d.cfg_scale = 2;
            r->x = tensor_new(&r->arena, 1, 6, 6, 4);
            if (wet) fresh_noise(r->x, &r->rng, &r->arena);
            run_sampler(r, s);
            peak[wet] = r->arena.peak;
            calls[wet] = p.calls;
            run_release(r);
            free(r);
        }
        assert_int_equal(peak[0], peak[1]);
        assert_int_equal(calls[0], calls[1]);
    }
}

static int stop_after_two(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    (void)ctx;
    assert_int_equal(tensor_len(x), tensor_len(x0));
    return i == 1 ? err_set(e, "stopped") : 0;
}

static void test_stops(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        Run *r = mem_alloc(sizeof *r);
        Err e = { 0 };
        run_init(r, s->eta);
        noise_defaults(&r->noise);
        assert_int_equal(noise_build(&r->noise, &e), 0);
        assert_int_equal(timeline_init(&r->tl, schedule_find("model"), &r->noise, s->family, 10, &e), 0);
        r->x = dummy_latent(&r->arena, r->tl.scale, 0);
        Sampling sampling = { .d = &r->d,
                              .x = r->x,
                              .tl = &r->tl,
                              .rng = &r->rng,
                              .eta = r->eta,
                              .arena = &r->arena,
                              .after_step = stop_after_two };
        size_t used = r->arena.used;
        assert_int_equal(sampler_run(s, &sampling, &e), -1);
        assert_string_equal(e.text, "stopped");
        assert_int_equal(r->d.evals, 2 * s->evals_per_step);
        assert_int_equal(r->arena.used, used);
        run_release(r);
        free(r);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        { "DPM++ 2M", "dpmpp_2m" },       { "dpm++_2m", "dpmpp_2m" }, { "DPMSolverMultistepScheduler", "dpmpp_2m" },
        { "euler a", "euler_ancestral" }, { "Euler", "euler" },       { "k_euler_a", "euler_ancestral" },
        { "sample_heun", "heun" },        { "DDIM", "ddim" },         { "LCMScheduler", "lcm" },
        { "Euler-A", "euler_ancestral" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const Sampler *s = sampler_find(same[i][0]);
        assert_non_null(s);
        assert_string_equal(s->name, same[i][1]);
    }
    static const char *const none[] = { "", " ", "_", ",", "eule", "euler,heun", "euler b", "PNDMScheduler", NULL };
    for (size_t i = 0; none[i]; i++) assert_null(sampler_find(none[i]));
    assert_null(sampler_find(NULL));

    for (const Sampler *s = samplers; s->name; s++) { /* no name or alias is taken twice, and each finds its row */
        assert_ptr_equal(sampler_find(s->name), s);
        assert_ptr_equal(sampler_find(s->a1111), s);
        Str alias = { 0 };
        for (const char *at = s->aliases; *at;) {
            size_t n = strcspn(at, ",");
            str_clear(&alias);
            str_addn(&alias, at, n);
            assert_ptr_equal(sampler_find(str_text(&alias)), s);
            at += n + (at[n] == ',');
        }
        str_release(&alias);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diffusers), cmocka_unit_test(test_kdiffusion), cmocka_unit_test(test_outside),
        cmocka_unit_test(test_order),     cmocka_unit_test(test_variance),   cmocka_unit_test(test_fresh_noise),
        cmocka_unit_test(test_guidance),  cmocka_unit_test(test_dry_run),    cmocka_unit_test(test_stops),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
