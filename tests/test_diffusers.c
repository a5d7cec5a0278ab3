/*
 * test_diffusers.c - the samplers against diffusers: tests/golden/scheduler/schedulers.json, which came with the project,
 * diffusers.json, made by make.py, and the numbers of diffusers' own tests.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sampling.h"

/* How diffusers lists a sampler's evaluations: where step i begins, and which is its last. */
typedef struct {
    int stages;     /* evaluations a step; the last step has one */
    bool plms, prk; /* the first step has two; the first three have four */
} Listing;

static Listing listing_of(const Sampler *s)
{
    bool two = strcmp(s->name, "heun") == 0 || str_starts(s->name, "dpm_2") || strcmp(s->name, "dpmpp_sde") == 0;
    return (Listing){ two ? 2 : 1, strcmp(s->name, "plms") == 0, strcmp(s->name, "pndm") == 0 };
}

static int begins(Listing l, int i)
{
    if (l.prk) return i < 3 ? 4 * i : i + 9;
    return l.plms ? i + (i > 0) : l.stages * i;
}

static int ends(Listing l, int i, int count)
{
    int last = l.prk ? (i < 3 ? 4 * i + 3 : i + 9) : l.plms ? i + 1 : l.stages * (i + 1) - 1;
    return last < count ? last : count - 1;
}

static void check_timeline(const Run *r, const Sampler *s, const cJSON *row)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const cJSON *t = cJSON_GetObjectItem(row, "timesteps"), *sigma = cJSON_GetObjectItem(row, "sigmas");
    double first = cJSON_GetObjectItem(row, "init_noise_sigma")->valuedouble;
    /* torch's square root there is MKL's, an ulp off in places; EDM's class computes its powers in float32 */
    double digits = r->noise.zero_terminal_snr || r->noise.sigma_data > 0 ? 5e-6 : 3e-7;
    Listing l = listing_of(s);

    if (cJSON_IsArray(t)) assert_int_equal(cJSON_GetArraySize(t), sampler_evals(s, &r->tl));
    assert_error(relative(r->tl.scale * timeline_shown(&r->tl, 0), first), digits, "%s: initial scale", name);
    for (int i = 0; i < r->tl.steps && cJSON_IsArray(t); i++) {
        assert_error(fabs(r->tl.t[i] - number_at(t, begins(l, i))), 5e-4, "%s: timestep %d", name, i);
        double own = r->tl.sigma[i];
        if (r->noise.kind == NETWORK_FLOW) own /= 1 + own; /* a share of noise to diffusers */
        if (cJSON_IsArray(sigma))
            assert_error(relative(own, number_at(sigma, begins(l, i))), digits, "%s: sigma %d", name, i);
    }
}

static void check_golden_row(const cJSON *row)
{
    const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
    const char *class_name = cJSON_GetObjectItem(row, "cls")->valuestring;
    const cJSON *net = cJSON_GetObjectItem(row, "network");
    char *config = cJSON_PrintUnformatted(cJSON_GetObjectItem(row, "config"));
    Run *r = run_new(0);
    Err e = { 0 };

    noise_of(&r->noise, class_name, config);
    const Sampler *s = sampler_find(r->noise.sampler);
    if (!s) fail_msg("no sampler for %s", name);
    r->eta = number_of(row, "eta", s->eta);
    r->tuning.solver = r->noise.solver;
    rng_init(&r->rng, RNG_TORCH, (uint64_t)number_of(row, "seed", 0));
    for (int k = 0; net && k < 4; k++) r->net[k] = number_at(net, k);
    if (timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family,
                      cJSON_GetObjectItem(row, "steps")->valueint, &e))
        fail_msg("%s: %s", name, e.text);
    check_timeline(r, s, row);

    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    run_sampler(r, s);
    const cJSON *sums = cJSON_GetObjectItem(row, "per_step_sum_abssum"),
                *first = cJSON_GetObjectItem(row, "final_first16");
    /*
     * A Brownian tree is asked at six decimals, so the last bit of a sigma moves its noise: torch 1.13, which made
     * schedulers.json, has other last bits than torch 2.13, whose own runs are as far from it.
     */
    double size = 0, limit = strcmp(s->name, "dpmpp_sde") == 0 ? 2e-3 : number_of(row, "limit", 1e-5);
    bool only_last = cJSON_GetArraySize(sums) == 1;
    for (int i = only_last ? r->tl.steps - 1 : 0; i < r->tl.steps; i++) {
        const cJSON *pair = cJSON_GetArrayItem(sums, ends(listing_of(s), i, cJSON_GetArraySize(sums)));
        if (isnan(number_at(pair, 1))) { /* B(h) = h of UniPC is infinite in the last step there, times 0 */
            assert_true(isfinite(r->sums[i][1]));
            continue;
        }
        size = number_at(pair, 1);
        assert_error(fabs(r->sums[i][0] - number_at(pair, 0)) / size, limit, "%s: sum after step %d", name, i);
        assert_error(relative(r->sums[i][1], size), limit, "%s: magnitudes after step %d", name, i);
    }
    float nchw[LATENT];
    tensor_to_nchw(nchw, r->x);
    for (int i = 0; i < 16 && !isnan(number_at(first, i)); i++)
        assert_error(fabs((double)nchw[i] - number_at(first, i)) / (size / LATENT), limit, "%s: value %d", name, i);
    free(config);
    run_free(r);
}

/* Every row of a file. */
static int check_golden_file(const char *file)
{
    cJSON *rows = golden_open(file);
    const cJSON *row;
    int checked = 0;
    cJSON_ArrayForEach(row, rows)
    {
        check_golden_row(row);
        checked++;
    }
    cJSON_Delete(rows);
    return checked;
}

static void test_given(void **state)
{
    (void)state;
    int rows = check_golden_file("schedulers.json");
    if (!golden_given()) assert_int_equal(rows, 143);
}

static void test_more(void **state)
{
    (void)state;
    assert_true(check_golden_file("diffusers.json") >= 42);
}

/*
 * diffusers' own tests (tests/schedulers/test_scheduler_*.py, full_loop): their numbers, to their tolerances. Those of the
 * Euler family feed the scaled input back as the latent, so here the denoiser scales x itself before it looks at it. Left out:
 * LMS from the eighth step on, where diffusers takes order 4's weights for slopes that it does not have; thresholding, which
 * limn refuses; classes without a picture in Stable Diffusion (EDM, IPNDM, UnCLIP, inverse ones), one-dimensional samples, and SASolver.
 */
typedef struct {
    const char *sampler, *class_name, *config;
    int steps, start; /* start > 0: from that timestep on, noise added to the sample */
    double sum, mean; /* of the magnitudes; sum 0: not given */
} OutsideRow;

#define LINEAR(T)   "{\"num_train_timesteps\":" #T ",\"beta_start\":0.0001,\"beta_end\":0.02,\"beta_schedule\":\"linear\""
#define LINEAR_01   "{\"beta_start\":0.01,\"beta_end\":0.02,\"beta_schedule\":\"linear\",\"clip_sample\":true"
#define V           ",\"prediction_type\":\"v_prediction\""
#define KARRAS      ",\"use_karras_sigmas\":true"
#define EXPONENTIAL ",\"use_exponential_sigmas\":true"
#define LU          ",\"use_lu_lambdas\":true"
#define LOW         ",\"final_sigmas_type\":\"sigma_min\""
#define KEEP        ",\"lower_order_final\":false"

static const OutsideRow outside[] = {
    { "ddim", "DDIMScheduler", LINEAR(1000) "}", 10, 0, 172.0067, 0.223967 },
    { "ddim", "DDIMScheduler", LINEAR(1000) V "}", 10, 0, 52.5302, 0.0684 },
    { "ddim", "DDIMScheduler", LINEAR_01 ",\"set_alpha_to_one\":true}", 10, 0, 149.8295, 0.1951 },
    { "ddim", "DDIMScheduler", LINEAR_01 ",\"set_alpha_to_one\":false}", 10, 0, 149.0784, 0.1941 },
    { "ddim", "DDIMScheduler", LINEAR(1000) "}", 10, 8, 354.5418, 0.4616 },
    { "ddpm", "DDPMScheduler", LINEAR(1000) "}", 1000, 0, 258.9606, 0.3372 },
    { "ddpm", "DDPMScheduler", LINEAR(1000) V "}", 1000, 0, 202.0296, 0.2631 },
    { "ddpm", "DDPMScheduler", LINEAR(1000) "}", 1000, 998, 387.9466, 0.5051 },
    { "pndm", "PNDMScheduler", LINEAR(1000) "}", 10, 0, 198.1318, 0.2580 },
    { "pndm", "PNDMScheduler", LINEAR(1000) V "}", 10, 0, 67.3986, 0.0878 },
    { "pndm", "PNDMScheduler", LINEAR_01 ",\"set_alpha_to_one\":true}", 10, 0, 230.0399, 0.2995 },
    { "pndm", "PNDMScheduler", LINEAR_01 ",\"set_alpha_to_one\":false}", 10, 0, 186.9482, 0.2434 },
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
    { "dpm_2", "KDPM2DiscreteScheduler", LINEAR(1100) "}", 10, 0, 20.4125, 0.0266 },
    { "dpm_2", "KDPM2DiscreteScheduler", LINEAR(1100) V "}", 10, 0, 4.6934e-07, 6.1112e-10 },
    { "dpm_2", "KDPM2DiscreteScheduler", LINEAR(1100) "}", 10, 8, 70408.4062, 91.6776 },
    { "dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", LINEAR(1100) "}", 10, 0, 13979.9433, 18.2030 },
    { "dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", LINEAR(1100) V "}", 10, 0, 331.8133, 0.4320 },
    { "dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", LINEAR(1100) "}", 10, 8, 93087.3437, 121.2074 },
    { "lms", "LMSDiscreteScheduler", LINEAR(1100) "}", 10, 0, 1006.388, 1.31 },
    { "lms", "LMSDiscreteScheduler", LINEAR(1100) V "}", 10, 0, 0.0017, 2.2676e-06 },
    { "lms", "LMSDiscreteScheduler", LINEAR(1100) KARRAS "}", 10, 0, 3812.9927, 4.9648 },
    { "dpmpp_sde", "DPMSolverSDEScheduler", LINEAR(1100) ",\"noise_sampler_seed\":0}", 10, 0, 162.52383, 0.21162 },
    { "dpmpp_sde", "DPMSolverSDEScheduler", LINEAR(1100) V ",\"noise_sampler_seed\":0}", 10, 0, 119.84875, 0.15605 },
    { "dpmpp_sde", "DPMSolverSDEScheduler", LINEAR(1100) KARRAS ",\"noise_sampler_seed\":0}", 10, 0, 170.31352,
      0.22176 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) LOW KEEP "}", 10, 0, 0, 0.3301 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) LOW KEEP V "}", 10, 0, 0, 0.2251 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) LOW KEEP V KARRAS "}", 10, 0, 0, 0.2096 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) LOW KEEP V LU "}", 10, 0, 0, 0.1554 },
    { "dpmpp_2m", "DPMSolverMultistepScheduler", LINEAR(1000) LOW KEEP "}", 10, 5, 318.4111, 0.4146 },
    { "dpmpp_2s", "DPMSolverSinglestepScheduler", LINEAR(1000) LOW KEEP "}", 10, 0, 0, 0.2791 },
    { "dpmpp_2s", "DPMSolverSinglestepScheduler", LINEAR(1000) LOW KEEP KARRAS "}", 10, 0, 0, 0.2248 },
    { "dpmpp_2s", "DPMSolverSinglestepScheduler", LINEAR(1000) LOW KEEP V "}", 10, 0, 0, 0.1453 },
    { "dpmpp_2s", "DPMSolverSinglestepScheduler", LINEAR(1000) LOW KEEP V KARRAS "}", 10, 0, 0, 0.0649 },
    { "deis", "DEISMultistepScheduler", LINEAR(1000) "}", 10, 0, 0, 0.23916 },
    { "deis", "DEISMultistepScheduler", LINEAR(1000) V "}", 10, 0, 0, 0.091 },
    { "deis", "DEISMultistepScheduler", LINEAR(1000) "}", 10, 8, 315.3016, 0.41054 },
    { "unipc", "UniPCMultistepScheduler", LINEAR(1000) LOW "}", 10, 0, 0, 0.2464 },
    { "unipc", "UniPCMultistepScheduler", LINEAR(1000) LOW KARRAS "}", 10, 0, 0, 0.2925 },
    { "unipc", "UniPCMultistepScheduler", LINEAR(1000) LOW V "}", 10, 0, 0, 0.1014 },
    { "unipc", "UniPCMultistepScheduler", LINEAR(1000) LOW V KARRAS "}", 10, 0, 0, 0.1966 },
    { "unipc", "UniPCMultistepScheduler", LINEAR(1000) LOW "}", 10, 8, 315.5757, 0.4109 },
    { "lcm", "LCMScheduler", "{\"num_train_timesteps\":1000", 1, 0, 18.7097, 0.0244 },
    { "lcm", "LCMScheduler", "{\"num_train_timesteps\":1000", 10, 0, 197.7616, 0.2575 },
    { "tcd", "TCDScheduler", "{\"num_train_timesteps\":1000", 1, 0, 29.8715, 0.0389 },
    { "tcd", "TCDScheduler", "{\"num_train_timesteps\":1000", 10, 0, 181.2040, 0.2359 },
};

/* D that scales x in place first, as those tests do; the run's timeline says which timestep a sigma has. */
static int rescaling_denoiser(void *ctx, Tensor x0, Tensor x, double sigma, Err *e)
{
    Run *r = ctx;
    int i = 0;
    while (i < r->tl.steps && r->tl.sigma[i] != sigma) i++;
    double t = i < r->tl.steps ? r->tl.t[i] : noise_timestep(&r->noise, sigma);
    float norm = (float)sqrt(sigma * sigma + 1);
    for (size_t k = 0; k < tensor_len(x); k++) x.data[k] /= norm;
    if (dummy_network(ctx, x0, &(Evaluation){ .x = x, .t = (float)t }, e)) return -1;
    for (size_t k = 0; k < tensor_len(x); k++)
        x0.data[k] = r->noise.prediction == PREDICT_EPSILON
                         ? x.data[k] - (float)sigma * x0.data[k]
                         : x0.data[k] * (float)-sigma / norm + x.data[k] / (norm * norm);
    return 0;
}

static void check_outside_row(const OutsideRow *row)
{
    const Sampler *s = sampler_find(row->sampler);
    Run *r = run_new(s->eta);
    Err e = { 0 };
    char config[512];
    snprintf(config, sizeof config, "%s%s", row->config, strchr(row->config, '}') ? "" : "}");
    noise_of(&r->noise, row->class_name, config);
    r->d.ctx = r;
    r->tuning.solver.keep_order = r->noise.solver.keep_order;
    if (strcmp(s->name, "tcd") == 0) r->eta = 0; /* "deter" */
    if (timeline_init(&r->tl, schedule_find(r->noise.schedule), &r->noise, s->family, row->steps, &e))
        fail_msg("%s", e.text);
    if (r->tl.family == FAMILY_SIGMA) r->d.exact = rescaling_denoiser;

    Timeline whole = r->tl;
    r->tl.sigma += row->start;
    r->tl.t += row->start;
    r->tl.to += row->start;
    r->tl.steps -= row->start;

    /* add_noise(): sample + sigma * noise, where the sample has the scheduler's first scale already but for DDIM and DPM */
    if (row->start == 0) r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    else r->x = dummy_latent(&r->arena, r->tl.family == FAMILY_SIGMA ? whole.scale : 1, r->tl.sigma[0]);
    run_sampler(r, s);

    double magnitudes = r->sums[r->tl.steps - 1][1];
    if (row->sum > 0)
        assert_error(fabs(magnitudes - row->sum), row->sum > 1000 ? 1e-6 * row->sum : 1e-2, "%s %s: sum", s->name,
                     config);
    assert_error(fabs(magnitudes / LATENT - row->mean), 1e-3, "%s %s: mean", s->name, config);
    r->tl = whole;
    run_free(r);
}

static void test_outside(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) check_outside_row(&outside[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
