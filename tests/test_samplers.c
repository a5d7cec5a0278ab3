/*
 * test_samplers.c - what every sampler of the table must show: the order that its row claims, the right variance, a dry run that
 * measures the real one, names that are found.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sampling.h"

/* From sigma 10 to 0.1 the solution of N(0, 1) data shrinks by sqrt((1 + 0.1^2) / (1 + 10^2)): the relative error of N steps. */
static double final_error(const Sampler *s, int steps)
{
    enum { MOST = 384 };
    double sigma[MOST + 1];
    for (int i = 0; i <= steps; i++)
        sigma[i] = pow(pow(10, 1 / 7.0) + i * (pow(0.1, 1 / 7.0) - pow(10, 1 / 7.0)) / steps, 7);

    Run *r = run_new(0);
    noise_defaults(&r->noise);
    r->d.exact = gaussian_denoiser;
    r->tl = timeline_of(sigma, steps, FAMILY_SIGMA);
    r->x = tensor_new(&r->arena, 1, 1, 1, 1);
    r->x.data[0] = 10;
    run_sampler(r, s);
    double exact = 10 * sqrt((1 + 0.01) / (1 + 100.0)), error = relative((double)r->x.data[0], exact);
    run_free(r);
    return error;
}

static void test_order(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        if (s->order == 0 || s->cfg_pp || s->adaptive) continue; /* CFG++ wants a network; see test_guidance */
        int few = s->order > 2 ? 12 : s->order > 1 ? 48 : 96;    /* a higher order soon meets float32's end */
        if (strcmp(s->name, "ipndm_v") == 0) few = 192;          /* its error changes sign at 40 steps */
        double coarse = final_error(s, few), fine = final_error(s, 2 * few);
        assert_error(fabs(log2(coarse / fine) - s->order), 0.35, "%s: order of convergence", s->name);
    }
}

/* Chooses its own steps: the error is what its tolerance says. */
static void test_adaptive(void **state)
{
    (void)state;
    assert_error(final_error(sampler_find("dpm_adaptive"), 10), 0.05, "dpm_adaptive");
}

/* Fresh noise replaces what a step takes away: N(0, 1) data stay N(0, 1), up to the error of 40 steps. */
static void test_variance(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        if (s->kind == SAMPLER_ODE || s->cfg_pp) continue;
        bool distilled = s->family == FAMILY_LCM || s->family == FAMILY_TCD; /* right only for their own models */
        if (distilled) continue;
        for (int compat = COMPAT_DIFFUSERS; compat <= COMPAT_COMFYUI; compat++) {
            Run *r = run_new(s->eta);
            Err e = { 0 };
            noise_defaults(&r->noise);
            assert_int_equal(noise_build(&r->noise, &e), 0);
            TimelinePlan p = { .schedule = schedule_find("karras"),
                               .family = s->family,
                               .steps = 40,
                               .compat = (Compat)compat,
                               .drop = s->drops[compat] };
            r->tuning.compat = (Compat)compat;
            assert_int_equal(timeline_plan(&r->tl, &p, &r->noise, &e), 0);
            r->d.exact = gaussian_denoiser;
            r->x = tensor_new(&r->arena, 1, 16, 16, 4);
            fresh_noise(r->x, &r->rng, &r->arena);
            for (size_t k = 0; k < tensor_len(r->x); k++) r->x.data[k] *= (float)r->tl.scale;
            run_sampler(r, s);
            double squares = 0;
            for (size_t k = 0; k < tensor_len(r->x); k++) squares += (double)r->x.data[k] * (double)r->x.data[k];
            /* 1024 values: 0.044 is one standard error; diffusers' 3M SDE carries its wrong sign; 40 singlesteps are 20 blocks */
            assert_error(fabs(squares / (double)tensor_len(r->x) - 1), s->family == FAMILY_SINGLE ? 0.35 : 0.2,
                         "%s (%d): variance", s->name, compat);
            run_free(r);
        }
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

/* A dry run asks for exactly the memory that the run takes, and calls the network as often. */
static void test_dry_run(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        size_t peak[2];
        int calls[2];
        for (int wet = 0; wet < 2; wet++) {
            Run *r = run_new(s->eta);
            Err e = { 0 };
            noise_defaults(&r->noise);
            assert_int_equal(noise_build(&r->noise, &e), 0);
            assert_int_equal(timeline_init(&r->tl, schedule_find("model"), &r->noise, s->family, 4, &e), 0);
            if (!wet) {
                arena_release(&r->arena);
                arena_init_dry(&r->arena);
            }
            r->d.guidance.scale = 2;
            r->x = tensor_new(&r->arena, 1, 6, 6, 4);
            if (wet) fresh_noise(r->x, &r->rng, &r->arena);
            run_sampler(r, s);
            peak[wet] = r->arena.peak;
            calls[wet] = r->d.evals;
            run_free(r);
        }
        if (peak[0] != peak[1]) fail_msg("%s: %zu bytes measured, %zu taken", s->name, peak[0], peak[1]);
        assert_true(s->adaptive || calls[0] == calls[1]);
    }
}

static int stop_after_two(void *ctx, int i, Tensor x, Tensor x0, Err *e)
{
    (void)ctx;
    assert_int_equal(tensor_len(x), tensor_len(x0));
    return i >= 1 ? err_set(e, "stopped") : 0;
}

static void test_stops(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        Run *r = run_new(s->eta);
        Err e = { 0 };
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
        assert_true(s->adaptive || r->d.evals < sampler_evals(s, &r->tl));
        assert_int_equal(r->arena.used, used);
        run_free(r);
    }
}

/* From 1 step up, whatever the sampler: a finite latent, or a word. */
static void test_few_steps(void **state)
{
    (void)state;
    for (const Sampler *s = samplers; s->name; s++) {
        for (int compat = COMPAT_DIFFUSERS; compat <= COMPAT_COMFYUI; compat++) {
            for (int steps = 1; steps <= 4; steps++) {
                Run *r = run_new(s->eta);
                Err e = { 0 };
                noise_defaults(&r->noise);
                assert_int_equal(noise_build(&r->noise, &e), 0);
                TimelinePlan p = { .schedule = schedule_find("normal"),
                                   .family = s->family,
                                   .steps = steps,
                                   .compat = (Compat)compat,
                                   .drop = s->drops[compat] };
                r->tuning.compat = (Compat)compat;
                if (timeline_plan(&r->tl, &p, &r->noise, &e)) {
                    assert_non_null(strstr(e.text, "step"));
                } else {
                    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
                    Sampling sampling = { .d = &r->d,
                                          .x = r->x,
                                          .tl = &r->tl,
                                          .rng = &r->rng,
                                          .eta = r->eta,
                                          .arena = &r->arena,
                                          .tuning = r->tuning };
                    if (sampler_run(s, &sampling, &e)) assert_non_null(strstr(e.text, "step"));
                    for (size_t k = 0; k < tensor_len(r->x); k++)
                        if (!isfinite(r->x.data[k]))
                            fail_msg("%s, %d steps, compat %d: not finite", s->name, steps, compat);
                }
                run_free(r);
            }
        }
    }
}

static void test_evals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int ten; /* evaluations of 10 steps */
    } rows[] = { { "euler", 10 },    { "heun", 19 },    { "dpm_2", 19 },     { "dpmpp_2m", 10 },
                 { "plms", 11 },     { "pndm", 19 },    { "dpm_fast", 10 },  { "heunpp2", 27 },
                 { "seeds_2", 19 },  { "seeds_3", 28 }, { "dpmpp_sde", 19 }, { "dpmpp_2s", 10 },
                 { "dpmpp_3s", 10 }, { "unipc", 10 },   { "restart", 19 },   { "dpm_adaptive", 0 } };
    Noise n;
    Timeline tl;
    Err e = { 0 };
    noise_defaults(&n);
    assert_int_equal(noise_build(&n, &e), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const Sampler *s = sampler_find(rows[i].name);
        assert_int_equal(timeline_init(&tl, schedule_find("model"), &n, s->family, 10, &e), 0);
        assert_int_equal(sampler_evals(s, &tl), rows[i].ten);
        timeline_release(&tl);
    }
    noise_release(&n);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const same[][3] = {
        { "DPM++ 2M", "dpmpp_2m", NULL },
        { "dpm++_2m", "dpmpp_2m", NULL },
        { "DPMSolverMultistepScheduler", "dpmpp_2m", NULL },
        { "euler a", "euler_ancestral", NULL },
        { "Euler", "euler", NULL },
        { "k_euler_a", "euler_ancestral", NULL },
        { "sample_heun", "heun", NULL },
        { "DDIM", "ddim", NULL },
        { "LCMScheduler", "lcm", NULL },
        { "Euler-A", "euler_ancestral", NULL },
        { "DPM2 a", "dpm_2_ancestral", NULL },
        { "PNDMScheduler", "plms", NULL },
        { "uni_pc_bh2", "unipc_bh2", NULL },
        { "dpmpp_3m_sde_gpu", "dpmpp_3m_sde", NULL },
        { "DPM++ 2M Karras", "dpmpp_2m", "karras" },
        { "DPM++ 2M SDE Heun Exponential", "dpmpp_2m_sde_heun", "exponential" },
        { "DPM++ SDE Karras", "dpmpp_sde", "karras" },
        { "euler_k", "euler", "karras" },
        { "dpmpp_2m_sde_k", "dpmpp_2m_sde", "karras" },
        { "Euler a SGM Uniform", "euler_ancestral", "sgm_uniform" },
        { "lms Align Your Steps", "lms", "ays" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *schedule;
        const Sampler *s = sampler_split(same[i][0], &schedule);
        if (!s) fail_msg("%s is not found", same[i][0]);
        assert_string_equal(s->name, same[i][1]);
        if (same[i][2]) assert_string_equal(schedule, same[i][2]);
        else assert_null(schedule);
    }
    static const char *const none[] = {
        "", " ", "_", ",", "eule", "euler,heun", "euler b", "karras", "euler karras karras", NULL
    };
    for (size_t i = 0; none[i]; i++) assert_null(sampler_find(none[i]));
    assert_null(sampler_find(NULL));

    for (const Sampler *s = samplers; s->name; s++) { /* no name or alias is taken twice, and each finds its row */
        assert_ptr_equal(sampler_find(s->name), s);
        assert_ptr_equal(sampler_find(s->a1111), s);
        assert_true(*s->paper && *s->help && *s->when);
        Str alias = { 0 };
        for (const char *at = s->aliases; *at;) {
            size_t n = strcspn(at, ",");
            str_clear(&alias);
            str_addn(&alias, at, n);
            if (sampler_find(str_text(&alias)) != s)
                fail_msg("%s finds another row than %s", str_text(&alias), s->name);
            at += n + (at[n] == ',');
        }
        str_release(&alias);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_adaptive), cmocka_unit_test(test_variance),
        cmocka_unit_test(test_fresh_noise), cmocka_unit_test(test_dry_run),  cmocka_unit_test(test_stops),
        cmocka_unit_test(test_few_steps),   cmocka_unit_test(test_evals),    cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
