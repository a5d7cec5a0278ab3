/*
 * test_schedules.c - scheduler_config.json read and refused, the tables of a model's noise, and the sigmas that each
 * schedule takes from them.
 */
#include "tests/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/beta.h"
#include "scheduler/config.h"
#include "scheduler/schedules.h"
#include "tests/sampling.h"

/* Stable Diffusion's noise. */
static Noise noise_sd(void)
{
    Noise n;
    Err e = { 0 };
    noise_defaults(&n);
    if (noise_build(&n, &e)) fail_msg("%s", e.text);
    return n;
}

static Timeline timeline(const Noise *n, const char *schedule, Family family, int steps)
{
    Timeline tl;
    Err e = { 0 };
    if (timeline_init(&tl, schedule_find(schedule), n, family, steps, &e)) fail_msg("%s", e.text);
    return tl;
}

static int read_noise(Noise *n, const char *json, Err *e)
{
    SchedulerFile f = { .json = { (const unsigned char *)json, strlen(json) }, .where = "scheduler_config.json" };
    return scheduler_read(n, &f, NULL, e);
}

/* The configurations of the checkpoints that people have. */
static void test_read(void **state)
{
    (void)state;
    static const char pndm[] =
        "{\"_class_name\":\"PNDMScheduler\",\"_diffusers_version\":\"0.6.0\",\"beta_end\":0.012,"
        "\"beta_schedule\":\"scaled_linear\",\"beta_start\":0.00085,\"num_train_timesteps\":1000,"
        "\"set_alpha_to_one\":false,\"skip_prk_steps\":true,\"steps_offset\":1,\"trained_betas\":null,"
        "\"clip_sample\":false}";
    Noise n;
    Err e = { 0 };
    assert_int_equal(read_noise(&n, pndm, &e), 0);
    assert_string_equal(n.sampler, "plms");
    assert_string_equal(n.schedule, "model");
    assert_int_equal(n.betas, BETA_SCALED_LINEAR);
    assert_int_equal(n.spacing, SPACING_LEADING);
    assert_int_equal(n.steps_offset, 1);
    assert_false(n.set_alpha_to_one);
    assert_true(n.clip_sample == 0);
    assert_int_equal(noise_build(&n, &e), 0);
    assert_error(fabs(n.sigmas[999] - 14.614647), 1e-6, "sigma_max");
    assert_error(fabs(n.sigmas[0] - 0.029167533), 1e-9, "sigma_min");
    noise_release(&n);

    static const char dpm[] =
        "{\"_class_name\":\"DPMSolverMultistepScheduler\",\"algorithm_type\":\"dpmsolver++\","
        "\"lambda_min_clipped\":-Infinity,\"use_karras_sigmas\":true,\"prediction_type\":\"v_prediction\","
        "\"variance_type\":null,\"solver_order\":2,\"thresholding\":false,\"euler_at_final\":false}";
    assert_int_equal(read_noise(&n, dpm, &e), 0);
    assert_string_equal(n.schedule, "karras");
    assert_int_equal(n.prediction, PREDICT_V);
    assert_int_equal(n.spacing, SPACING_LINSPACE); /* the class' default */

    assert_int_equal(read_noise(&n, "{\"_class_name\":\"DDIMScheduler\"}", &e), 0);
    assert_true(n.clip_sample == 1 && n.set_alpha_to_one && n.betas == BETA_LINEAR && n.steps_offset == 0);
    assert_int_equal(read_noise(&n, "{}", &e), 0); /* no class: Stable Diffusion's */
    assert_true(n.steps_offset == 1 && n.betas == BETA_SCALED_LINEAR && n.sampler[0] == 0);
}

#define CLASS(name) "{\"_class_name\":\"" name "Scheduler\","

/* What would change the picture and is not there is refused, by name, and the file is named once. */
static void test_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *json, *word;
    } rows[] = {
        { "", "scheduler_config.json" },
        { "[]", "scheduler_config.json" },
        { "{\"beta_start\":", "scheduler_config.json" },
        { CLASS("FlowMatchHeunDiscrete") "\"shift\":3}", "FlowMatchEulerDiscreteScheduler" },
        { CLASS("FlowMatchEulerDiscrete") "\"use_dynamic_shifting\":true}", "use_dynamic_shifting" },
        { CLASS("FlowMatchEulerDiscrete") "\"invert_sigmas\":true}", "invert_sigmas" },
        { CLASS("FlowMatchEulerDiscrete") "\"shift_terminal\":1}", "shift_terminal" },
        { CLASS("FlowMatchEulerDiscrete") "\"shift\":0}", "shift" },
        { CLASS("CMStochasticIterative") "\"sigma_data\":0}", "sigma_data" },
        { "{\"_class_name\":\"IPNDMScheduler\"}", "IPNDMScheduler" },
        { "{\"_class_name\":5}", "_class_name" },
        { CLASS("EulerDiscrete") "\"use_karras_sigmas\":true,\"use_exponential_sigmas\":true}", "use_karras_sigmas" },
        { CLASS("DPMSolverMultistep") "\"use_beta_sigmas\":true,\"use_exponential_sigmas\":true}", "use_beta_sigmas" },
        { CLASS("EulerDiscrete") "\"timestep_type\":\"other\"}", "timestep_type" },
        { CLASS("EulerDiscrete") "\"interpolation_type\":\"cubic\"}", "interpolation_type" },
        { CLASS("EulerDiscrete") "\"final_sigmas_type\":\"none\"}", "final_sigmas_type" },
        { CLASS("EulerDiscrete") "\"sigma_min\":-1}", "sigma_min" },
        { CLASS("EulerDiscrete") "\"beta_schedule\":\"sigmoid\"}", "beta_schedule" },
        { CLASS("HeunDiscrete") "\"beta_schedule\":\"laplace\"}", "beta_schedule" },
        { CLASS("EulerDiscrete") "\"prediction_type\":\"flow_prediction\"}", "prediction_type" },
        { CLASS("EulerDiscrete") "\"timestep_spacing\":\"random\"}", "timestep_spacing" },
        { CLASS("DPMSolverMultistep") "\"algorithm_type\":\"dpmsolver\"}", "final_sigmas_type" },
        { CLASS("DPMSolverMultistep") "\"algorithm_type\":\"sde-dpmsolver\"}", "final_sigmas_type" },
        { CLASS("DPMSolverMultistep") "\"algorithm_type\":\"sde-dpmsolver\",\"final_sigmas_type\":\"sigma_min\","
                                      "\"solver_order\":3}",
          "solver_order" },
        { CLASS("DPMSolverMultistep") "\"algorithm_type\":\"euler\"}", "algorithm_type" },
        { CLASS("DPMSolverMultistep") "\"solver_type\":\"runge\"}", "solver_type" },
        { CLASS("DPMSolverMultistep") "\"use_flow_sigmas\":true}", "use_flow_sigmas" },
        { CLASS("DPMSolverMultistep") "\"variance_type\":\"learned_range\"}", "variance_type" },
        { CLASS("DPMSolverSinglestep") "\"algorithm_type\":\"sde-dpmsolver\",\"final_sigmas_type\":\"sigma_min\"}",
          "algorithm_type" },
        { CLASS("DPMSolverSinglestep") "\"solver_order\":4}", "solver_order" },
        { CLASS("DPMSolverSinglestep") "\"algorithm_type\":\"dpmsolver\",\"final_sigmas_type\":\"sigma_min\","
                                       "\"thresholding\":true}",
          "thresholding" },
        { CLASS("UniPCMultistep") "\"predict_x0\":false}", "predict_x0" },
        { CLASS("UniPCMultistep") "\"solver_order\":7}", "solver_order" },
        { CLASS("UniPCMultistep") "\"solver_p\":{\"_class_name\":\"DDIMScheduler\"}}", "solver_p" },
        { CLASS("UniPCMultistep") "\"use_dynamic_shifting\":true}", "use_dynamic_shifting" },
        { CLASS("UniPCMultistep") "\"shift_terminal\":0.1}", "shift_terminal" },
        { CLASS("UniPCMultistep") "\"disable_corrector\":\"all\"}", "disable_corrector" },
        { CLASS("UniPCMultistep") "\"disable_corrector\":[\"x\"]}", "disable_corrector" },
        { CLASS("SASolver") "\"tau_func\":\"x\"}", "tau_func" },
        { CLASS("SASolver") "\"predictor_order\":5}", "predictor_order" },
        { CLASS("SASolver") "\"algorithm_type\":\"noise_prediction\",\"thresholding\":true}", "thresholding" },
        { CLASS("DDPM") "\"variance_type\":\"learned_range\"}", "variance_type" },
        { CLASS("DDPM") "\"variance_type\":\"learned\"}", "variance_type" },
        { CLASS("DDPM") "\"variance_type\":\"fixed_large_log\"}", "variance_type" },
        { CLASS("DDIM") "\"num_train_timesteps\":0}", "num_train_timesteps" },
        { CLASS("DDIM") "\"num_train_timesteps\":1e9}", "num_train_timesteps" },
        { CLASS("DDIM") "\"num_train_timesteps\":\"1000\"}", "num_train_timesteps" },
        { CLASS("DDIM") "\"beta_start\":-0.1}", "beta_start" },
        { CLASS("DDIM") "\"beta_end\":-Infinity}", "beta_end" },
        { CLASS("DDIM") "\"trained_betas\":[0.1,0.2]}", "trained_betas" },
        { CLASS("DDIM") "\"trained_betas\":0.1}", "trained_betas" },
        { CLASS("DDIM") "\"clip_sample\":\"no\"}", "clip_sample" },
        { CLASS("DDIM") "\"steps_offset\":-1}", "steps_offset" },
        { CLASS("DDIM") "\"thresholding\":3}", "thresholding" },
        { CLASS("DDIM") "\"num_train_timesteps\":2,\"trained_betas\":[0.1,\"x\"]}", "trained_betas" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Noise n;
        Err e = { 0 };
        int rc = read_noise(&n, rows[i].json, &e);
        if (rc == 0) fail_msg("%s was taken", rows[i].json);
        if (!strstr(e.text, rows[i].word)) fail_msg("%s: \"%s\" does not name %s", rows[i].json, e.text, rows[i].word);
        const char *file = strstr(e.text, "scheduler_config.json");
        if (file != e.text || strstr(file + 1, "scheduler_config.json")) fail_msg("%s: \"%s\"", rows[i].json, e.text);
        noise_release(&n);
    }
}

/* What diffusers does not look at is no matter: keys of other classes, of earlier versions, null; what nobody takes is told. */
static void test_passed_over(void **state)
{
    (void)state;
    Noise n;
    Err e = { 0 };
    static const char *const none[] = {
        CLASS(
            "EulerDiscrete") "\"thresholding\":\"x\",\"solver_p\":1,\"tensor_format\":\"pt\",\"timestep_values\":null}",
        CLASS("DDIM") "\"use_karras_sigmas\":3,\"algorithm_type\":\"dpmsolver\",\"variance_type\":\"learned\"}",
        CLASS("PNDM") "\"_diffusers_version\":\"0.4.0\",\"predict_epsilon\":true,\"new\":null}",
        "{\"_class_name\":\"FlaxDDIMScheduler\"}",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (read_noise(&n, none[i], &e)) fail_msg("%s", e.text);
        assert_string_equal(n.passed_over, "");
        noise_release(&n);
    }
    assert_int_equal(read_noise(&n, CLASS("DDIM") "\"something_new\":3,\"other\":2,\"predict_epsilon\":false}", &e), 0);
    assert_string_equal(n.passed_over, "\"predict_epsilon\", \"something_new\", \"other\"");
    noise_release(&n);

    /* A configuration of diffusers' own making says which keys stood at their defaults; null is no for a yes or no. */
    static const char handed_on[] =
        CLASS("PNDM") "\"steps_offset\":3,\"timestep_spacing\":\"leading\",\"set_alpha_to_one\":null,"
                      "\"_use_default_values\":[\"steps_offset\",\"timestep_spacing\"]}";
    SchedulerFile f = { .json = { (const unsigned char *)handed_on, strlen(handed_on) },
                        .where = "scheduler_config.json" };
    assert_int_equal(scheduler_read(&n, &f, &(SchedulerRun){ .name = "DDIMScheduler" }, &e), 0);
    assert_true(n.steps_offset == 0 && n.spacing == SPACING_LEADING && !n.set_alpha_to_one && n.clip_sample == 1);
    assert_int_equal(scheduler_read(&n, &f, &(SchedulerRun){ .name = "EulerDiscreteScheduler" }, &e), 0);
    assert_int_equal(n.spacing, SPACING_LINSPACE);

    f.of = "EulerDiscreteScheduler"; /* model_index.json's class is what diffusers makes of the file */
    assert_int_equal(scheduler_read(&n, &f, NULL, &e), 0);
    assert_string_equal(n.sampler, "euler");
}

/* Fields that the command line may set are checked again where the tables are made. */
static void test_build_refuses(void **state)
{
    (void)state;
    static const double bad[][2] = { { 0, 0.01 },  { 0.02, 0.01 }, { 0.1, 1 },
                                     { NAN, 0.1 }, { 0.1, NAN },   { 1e-300, 1e-299 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Noise n;
        Err e = { 0 };
        noise_defaults(&n);
        n.beta_start = bad[i][0];
        n.beta_end = bad[i][1];
        assert_int_equal(noise_build(&n, &e), -1);
        noise_release(&n);
    }
    Noise n;
    Err e = { 0 };
    noise_defaults(&n);
    n.timesteps = 1;
    assert_int_equal(noise_build(&n, &e), -1);
    noise_release(&n);
}

static void test_interpolation(void **state)
{
    (void)state;
    Noise n = noise_sd();
    for (int t = 0; t < n.timesteps; t += 37) assert_true(noise_sigma(&n, t) == n.sigmas[t]);
    for (double t = 0; t <= 999; t += 3.7) /* each is the other's inverse */
        assert_error(fabs(noise_timestep(&n, noise_sigma(&n, t)) - t), 1e-9, "timestep of the sigma of %g", t);
    assert_true(noise_timestep(&n, 0) == 0 && noise_timestep(&n, 1e9) == 999 && noise_timestep(&n, INFINITY) == 999);
    assert_true(noise_sigma(&n, -5) == n.sigmas[0] && noise_sigma(&n, 1e9) == n.sigmas[999]);
    assert_error(fabs(noise_sigma(&n, 500.5) - sqrt(n.sigmas[500] * n.sigmas[501])), 1e-12, "between two");
    noise_release(&n);
}

/* One timeline, as it must be. */
static void check_timeline(const Timeline *tl, const TimelinePlan *p, const Noise *n)
{
    double most = n->sigmas[999];
    if (p->schedule == schedule_find("vp")) most = 156; /* of another model */
    assert_true(tl->sigma[tl->steps] == 0);
    for (int i = 0; i < tl->steps; i++) {
        assert_true(tl->sigma[i] > tl->sigma[i + 1] && tl->sigma[i] <= most * 1.0001);
        assert_true(tl->t[i] >= 0 && tl->t[i] <= 999);
        bool whole = p->compat == COMPAT_COMFYUI || (p->compat == COMPAT_DIFFUSERS && p->family >= FAMILY_DPM);
        assert_true(!whole || tl->t[i] == rint(tl->t[i]));
        assert_true(tl->to[i] >= 0 && tl->to[i] <= tl->sigma[i]);
    }
    assert_true(tl->scale >= tl->sigma[0] && tl->scale <= sqrt(tl->sigma[0] * tl->sigma[0] + 1) * 1.000001);
}

/* Whatever the schedule, the sampler's family, the tool and the steps: falling, ending at 0, timesteps in range, or refused. */
static void test_every_schedule(void **state)
{
    (void)state;
    static const int counts[] = {
        -1, 0, 1, 2, 3, 4, 5, 7, 8, 10, 15, 20, 29, 30, 50, 97, 250, 333, 600, 999, 1000, 1001
    };
    Noise n = noise_sd();
    for (const Schedule *s = schedules; s->name; s++) {
        for (Family family = FAMILY_SIGMA; family <= FAMILY_TCD; family++) {
            int made = 0;
            for (int compat = COMPAT_DIFFUSERS; compat <= COMPAT_COMFYUI; compat++) {
                for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                    int steps = counts[k];
                    Timeline tl;
                    Err e = { 0 };
                    TimelinePlan p = { .schedule = s,
                                       .family = family,
                                       .steps = steps,
                                       .compat = (Compat)compat,
                                       .drop = steps % 2 == 0 && compat != COMPAT_DIFFUSERS };
                    if (timeline_plan(&tl, &p, &n, &e)) {
                        assert_int_equal(e.code, ERR_USAGE);
                        assert_non_null(strstr(e.text, "step"));
                        continue;
                    }
                    made++;
                    check_timeline(&tl, &p, &n);
                    timeline_release(&tl);
                }
            }
            if (made < (s == schedule_find("sd_turbo") ? 15 : 30))
                fail_msg("%s made only %d timelines for family %d", s->name, made, (int)family);
        }
    }
    noise_release(&n);
}

static void assert_sigmas(const Timeline *tl, const double *expected, double tolerance)
{
    for (int i = 0; i <= tl->steps; i++)
        assert_error(fabs(tl->sigma[i] - expected[i]), tolerance * expected[i], "sigma %d of %d", i, tl->steps);
}

/* k-diffusion's get_sigmas_*(n, 0.029167, 14.614641), whose ends are rounded. */
static void test_kdiffusion(void **state)
{
    (void)state;
    cJSON *golden = golden_open("kdiffusion.json");
    Noise n = noise_sd();
    static const char *const names[] = { "karras", "exponential", "polyexponential", "vp" };
    for (int k = 0; k < 12; k++) {
        char key[32];
        int steps = 5 << (k / 4);
        double expected[21];
        snprintf(key, sizeof key, "%s_%d", names[k % 4], steps);
        const cJSON *list = cJSON_GetObjectItem(cJSON_GetObjectItem(golden, "schedules"), key);
        assert_int_equal(cJSON_GetArraySize(list), steps + 1);
        for (int i = 0; i <= steps; i++) expected[i] = number_at(list, i);
        Timeline tl = timeline(&n, names[k % 4], FAMILY_DPM, steps);
        assert_sigmas(&tl, expected, k % 4 == 3 ? 3e-4 : 3e-5); /* vp's float32 takes 1 from exp(0.0001) */
        timeline_release(&tl);
    }
    noise_release(&n);
    cJSON_Delete(golden);
}

/* A1111's and ComfyUI's rules run in Python: tests/golden/scheduler/schedules.py. */
static void test_rules(void **state)
{
    (void)state;
    cJSON *golden = golden_open("schedules.json");
    const cJSON *row;
    int rows = 0;
    Noise n = noise_sd();
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(golden, "rows"))
    {
        const char *name = cJSON_GetObjectItem(row, "schedule")->valuestring;
        const cJSON *list = cJSON_GetObjectItem(row, "sigmas");
        int count = cJSON_GetArraySize(list);
        Compat compat =
            strcmp(cJSON_GetObjectItem(row, "compat")->valuestring, "comfyui") == 0 ? COMPAT_COMFYUI : COMPAT_A1111;
        TimelinePlan p = { .schedule = schedule_for(schedule_find(name), compat),
                           .family = FAMILY_SIGMA,
                           .steps = (int)number_of(row, "steps", 0),
                           .compat = compat,
                           .drop = number_of(row, "drop", 0) > 0 };
        Timeline tl;
        Err e = { 0 };
        if (timeline_plan(&tl, &p, &n, &e)) fail_msg("%s, %d steps: %s", name, p.steps, e.text);
        assert_int_equal(tl.steps, count - 1);
        for (int i = 0; i < count; i++) {
            double got = i < tl.steps ? tl.sigma[i] : tl.to[tl.steps - 1];
            assert_error(fabs(got - number_at(list, i)) / fmax(number_at(list, i), 1e-6), 2e-5,
                         "%s, %d steps: sigma %d", name, p.steps, i);
        }
        timeline_release(&tl);
        rows++;
    }
    cJSON_Delete(golden);
    noise_release(&n);
    assert_true(rows > 50);
}

/*
 * The timesteps that ComfyUI's networks are told, many of them half way between two. There the last bit of a float32 root and logarithm
 * decides, and torch's are MKL's, which are not rounded to the nearest: so three of four must be right there, and all elsewhere.
 */
static void test_nearest(void **state)
{
    (void)state;
    cJSON *golden = golden_open("schedules.json");
    const cJSON *list;
    int lists = 0, halves = 0, other = 0;
    Noise n = noise_sd();
    cJSON_ArrayForEach(list, cJSON_GetObjectItem(golden, "nearest"))
    {
        TimelinePlan p = { .schedule = schedule_find("normal"),
                           .steps = cJSON_GetArraySize(list),
                           .compat = COMPAT_COMFYUI };
        Timeline tl;
        Err e = { 0 };
        if (timeline_plan(&tl, &p, &n, &e)) fail_msg("%s", e.text);
        for (int i = 0; i < tl.steps; i++) {
            double t = 999 - i * 999.0 / (tl.steps - 1), away = fabs(tl.t[i] - number_at(list, i));
            bool half = fabs(t - floor(t) - 0.5) < 1e-3;
            if (away > 1 || (away > 0 && !half))
                fail_msg("%d steps: timestep %d is %g, expected %g", tl.steps, i, tl.t[i], number_at(list, i));
            halves += half;
            other += away > 0;
        }
        timeline_release(&tl);
        lists++;
    }
    assert_int_equal(lists, 13);
    assert_true(halves > 100 && other * 4 < halves);
    noise_release(&n);
    cJSON_Delete(golden);
}

/* scipy.stats.beta.ppf(p, 0.6, 0.6), and what symmetry and the arcsine law say. */
static void test_beta(void **state)
{
    (void)state;
    static const double rows[][2] = { { 0.0, 0 },
                                      { 0.001, 1.855873851745199e-05 },
                                      { 0.05, 0.012554456873611399 },
                                      { 0.1, 0.039584405588780847 },
                                      { 0.3, 0.23401700387523572 },
                                      { 0.5, 0.50000000000000011 },
                                      { 0.77, 0.84616241423235017 },
                                      { 0.99, 0.99913876117845712 },
                                      { 1.0, 1 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_error(fabs(beta_quantile(rows[i][0], 0.6, 0.6) - rows[i][1]), 1e-14, "quantile of %g", rows[i][0]);
    for (double p = 0.001; p < 1; p += 0.037) {
        assert_error(fabs(beta_quantile(p, 0.6, 0.6) + beta_quantile(1 - p, 0.6, 0.6) - 1), 1e-13, "symmetry at %g", p);
        double arcsine = pow(sin(p * 3.14159265358979323846 / 2), 2);
        assert_error(fabs(beta_quantile(p, 0.5, 0.5) - arcsine), 1e-13, "arcsine law at %g", p);
        assert_error(fabs(beta_quantile(p, 1, 3) - (1 - cbrt(1 - p))), 1e-13, "Beta(1, 3) at %g", p);
    }
}

/* ComfyUI's rules, from its formulas: which timesteps, in the model's sigmas. */
static void test_comfyui(void **state)
{
    (void)state;
    Noise n = noise_sd();
    for (int steps = 1; steps <= 40; steps += 3) {
        Timeline normal = timeline(&n, "normal", FAMILY_SIGMA, steps),
                 sgm = timeline(&n, "sgm_uniform", FAMILY_SIGMA, steps),
                 simple = timeline(&n, "simple", FAMILY_SIGMA, steps),
                 ddim = timeline(&n, "ddim_uniform", FAMILY_SIGMA, steps);
        for (int i = 0; i < steps; i++) {
            double ends = steps > 1 ? 999 - i * 999.0 / (steps - 1) : 999;
            assert_error(fabs(normal.t[i] - ends), 1e-4, "normal");
            assert_error(fabs(sgm.t[i] - (999 - i * 999.0 / steps)), 1e-4, "sgm_uniform");
            assert_true(simple.sigma[i] == n.sigmas[1000 - (1 + (int)(i * (1000.0 / steps)))]);
        }
        int x = 1, count = 0, stride = 1000 / steps;
        for (; x < 1000; x += stride) count++;
        assert_int_equal(ddim.steps, count);
        for (int i = 0; i < count; i++) assert_true(ddim.sigma[i] == n.sigmas[1 + (count - 1 - i) * stride]);
        timeline_release(&normal);
        timeline_release(&sgm);
        timeline_release(&simple);
        timeline_release(&ddim);
    }
    noise_release(&n);
}

/* diffusers' FAMILY_SIGMA fills karras over the spaced timesteps only; its DPM-Solver, k-diffusion and ComfyUI over all. */
static void test_karras_range(void **state)
{
    (void)state;
    Noise n = noise_sd();
    Timeline sigma = timeline(&n, "karras", FAMILY_SIGMA, 10), dpm = timeline(&n, "karras", FAMILY_DPM, 10);
    assert_error(fabs(sigma.sigma[0] - n.sigmas[901]) + fabs(sigma.sigma[9] - n.sigmas[1]), 1e-5, "leading, 10 steps");
    assert_error(fabs(dpm.sigma[0] - n.sigmas[999]) + fabs(dpm.sigma[9] - n.sigmas[0]), 1e-5, "the model's range");
    timeline_release(&sigma);
    timeline_release(&dpm);
    noise_release(&n);
}

/* From pure noise (sigma infinite) epsilon says nothing; diffusers' Euler starts at 4096 and can. */
static void test_zero_terminal_snr(void **state)
{
    (void)state;
    Noise n;
    Timeline tl;
    Err e = { 0 };
    noise_defaults(&n);
    n.zero_terminal_snr = true;
    assert_int_equal(noise_build(&n, &e), 0);
    assert_error(fabs(n.sigmas[999] - 4096), 1e-3, "4096");
    assert_int_equal(timeline_init(&tl, schedule_find("trailing"), &n, FAMILY_DDIM, 10, &e), -1);
    assert_non_null(strstr(e.text, "zero terminal SNR"));
    tl = timeline(&n, "trailing", FAMILY_SIGMA, 10);
    timeline_release(&tl);
    n.prediction = PREDICT_V;
    tl = timeline(&n, "trailing", FAMILY_DDIM, 10);
    assert_true(tl.sigma[0] > 1e8 && isfinite(tl.sigma[0]));
    timeline_release(&tl);
    noise_release(&n);
}

static void test_names(void **state)
{
    (void)state;
    assert_ptr_equal(schedule_find("SGM Uniform"), schedule_find("sgm_uniform"));
    assert_ptr_equal(schedule_find("Karras"), schedule_find("use_karras_sigmas"));
    assert_ptr_equal(schedule_find("Uniform"), schedule_find("normal"));
    assert_ptr_equal(schedule_find("DDIM"), schedule_find("ddim_uniform"));
    assert_null(schedule_find("karra"));
    assert_null(schedule_find(""));
    assert_null(schedule_find(NULL));
    for (const Schedule *s = schedules; s->name; s++) assert_ptr_equal(schedule_find(s->name), s);

    Prediction p;
    Err e = { 0 };
    assert_int_equal(prediction_parse(&p, "v_prediction", &e), 0);
    assert_int_equal(p, PREDICT_V);
    assert_int_equal(prediction_parse(&p, "x0", &e), -1);
    assert_non_null(strstr(e.text, "epsilon, v_prediction, sample"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_build_refuses),
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_every_schedule),
        cmocka_unit_test(test_kdiffusion),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_beta),
        cmocka_unit_test(test_comfyui),
        cmocka_unit_test(test_karras_range),
        cmocka_unit_test(test_zero_terminal_snr),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
