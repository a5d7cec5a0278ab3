/*
 * test_guidance.c - the denoiser between network and sampler: prediction types, guidance, its rescaling and its interval, CFG++.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/job.h"
#include "tests/sampling.h"

/* A network that notes how it was called; the second half's output is 10 more than the first's. */
typedef struct {
    int calls, batch;
    float t, first;
    const char *trouble; /* what to return: an error of this text */
    float add;
} Probe;

static int probe_network(void *ctx, Tensor out, const Evaluation *ev, Err *e)
{
    Tensor x = ev->x;
    Probe *p = ctx;
    p->calls++;
    p->batch = x.n;
    p->t = ev->t;
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
    Run *r = run_new(0);
    Err e = { 0 };
    noise_defaults(&r->noise);
    assert_int_equal(noise_build(&r->noise, &e), 0);
    r->d.network = probe_network;
    r->d.ctx = &p;
    Tensor x = tensor_new(&r->arena, 1, 2, 2, 3), x0 = tensor_like(&r->arena, x);
    for (int k = 0; k < 12; k++) x.data[k] = 5;

    r->d.guidance.scale = 7;
    assert_int_equal(denoise(&r->d, x0, x, 2, NAN, &e), 0);
    assert_int_equal(p.batch, 2);
    assert_error(fabs((double)p.first - 5 / sqrt(5)), 1e-6, "scaled input");
    assert_error(fabs((double)p.t - noise_timestep(&r->noise, 2)), 1e-4, "timestep of sigma 2");
    assert_error(fabs((double)x0.data[7] - (5 - 2 * (1 + 7 * 10))), 1e-5, "guided estimate");

    r->d.guidance.scale = 1; /* one half */
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
    run_free(r);
}

/* ---- two halves that differ ---- */

/* F of the two halves: tanh of the input, and half of it plus a little. */
static int two_halves(void *ctx, Tensor out, const Evaluation *ev, Err *e)
{
    Tensor x = ev->x;
    (void)e;
    int *calls = ctx;
    calls[x.n == 2]++;
    if (!x.data) return 0;
    size_t half = tensor_len(x) / (size_t)x.n;
    for (size_t k = 0; k < tensor_len(x); k++) {
        bool prompt = x.n == 1 || k >= half;
        out.data[k] = prompt ? 0.5f * x.data[k] + 0.2f : tanhf(x.data[k]);
    }
    return 0;
}

static double deviation(const float *x, int n)
{
    double mean = 0, squares = 0;
    for (int k = 0; k < n; k++) mean += (double)x[k] / n;
    for (int k = 0; k < n; k++) squares += ((double)x[k] - mean) * ((double)x[k] - mean);
    return sqrt(squares / (n - 1));
}

/* Lin et al. 2023, eq. 15 and 16, written out; in v for ComfyUI. */
static void test_rescale(void **state)
{
    (void)state;
    enum { N = 48 };
    for (int v = 0; v < 2; v++) {
        int calls[2] = { 0 };
        Run *r = run_new(0);
        Err e = { 0 };
        noise_defaults(&r->noise);
        assert_int_equal(noise_build(&r->noise, &e), 0);
        r->d.network = two_halves;
        r->d.ctx = calls;
        r->d.guidance.scale = 6;
        guide_values(&r->d.guidance, "cfg-rescale")[0] = 0.7;
        r->d.guidance.comfyui = v;
        Tensor x = tensor_new(&r->arena, 1, 4, 4, 3), x0 = tensor_like(&r->arena, x);
        rng_randn(&r->rng, x.data, N);
        double sigma = 2, norm = sqrt(sigma * sigma + 1), alpha = 1 / norm, noise = sigma / norm;
        float prompt[N], guided[N];
        for (int k = 0; k < N; k++) {
            double in = (double)x.data[k] / norm, p = 0.5 * in + 0.2, n = tanh(in);
            if (v) { /* epsilon = alpha v + noise in */
                p = (p - noise * in) / alpha;
                n = (n - noise * in) / alpha;
            }
            prompt[k] = (float)p;
            guided[k] = (float)(n + 6 * (p - n));
        }
        double factor = 0.7 * deviation(prompt, N) / deviation(guided, N) + 0.3;
        assert_int_equal(denoise(&r->d, x0, x, sigma, 500, &e), 0);
        for (int k = 0; k < N; k++) {
            double f = (double)guided[k] * factor, in = (double)x.data[k] / norm;
            if (v) f = alpha * f + noise * in;
            assert_error(fabs((double)x0.data[k] - ((double)x.data[k] - sigma * f)), 2e-5, "rescaled estimate (%d)", v);
        }
        run_free(r);
    }
}

/* Outside of the interval only the prompt's half is evaluated, and the picture is the unguided one's there. */
static void test_interval(void **state)
{
    (void)state;
    static const int intervals[][3] = { { 0, 10, 10 }, { 2, 7, 5 }, { 0, 0, 0 }, { 5, 20, 5 }, { 9, 10, 1 } };
    for (size_t k = 0; k < sizeof intervals / sizeof *intervals; k++) {
        int calls[2] = { 0 };
        Run *r = run_new(0);
        Err e = { 0 };
        noise_defaults(&r->noise);
        assert_int_equal(noise_build(&r->noise, &e), 0);
        assert_int_equal(timeline_init(&r->tl, schedule_find("model"), &r->noise, FAMILY_SIGMA, 10, &e), 0);
        r->d.network = two_halves;
        r->d.ctx = calls;
        r->d.guidance.scale = 6;
        r->d.guidance.limited = true;
        r->d.guidance.from = intervals[k][0];
        r->d.guidance.end = intervals[k][1];
        r->x = dummy_latent(&r->arena, r->tl.scale, 0);
        run_sampler(r, sampler_find("euler"));
        assert_int_equal(calls[1], intervals[k][2]);
        assert_int_equal(calls[0], 10 - intervals[k][2]);
        run_free(r);
    }
}

/*
 * CFG++ with F_negative = c x of N(0, s^2) data, F_prompt the same: then it is the plain sampler. And with two halves that
 * differ, Euler's step as the paper writes it.
 */
static void test_cfg_pp(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "euler_cfg_pp", "euler" },
                                            { "ddim_cfg_pp", "ddim" },
                                            { "dpmpp_2m_cfg_pp", "dpmpp_2m" },
                                            { "euler_ancestral_cfg_pp", "euler_ancestral" },
                                            { "dpmpp_2s_ancestral_cfg_pp", "dpmpp_2s_ancestral" },
                                            { "res_multistep_cfg_pp", "res_multistep" },
                                            { "res_multistep_ancestral_cfg_pp", "res_multistep_ancestral" },
                                            { "gradient_estimation_cfg_pp", "gradient_estimation" } };
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        double last[2];
        for (int i = 0; i < 2; i++) {
            const Sampler *s = sampler_find(pairs[k][i]);
            Run *r = run_new(s->eta);
            Err e = { 0 };
            noise_defaults(&r->noise);
            assert_int_equal(noise_build(&r->noise, &e), 0);
            assert_int_equal(timeline_init(&r->tl, schedule_find("karras"), &r->noise, FAMILY_SIGMA, 8, &e), 0);
            r->d.guidance.scale = 3;
            r->d.guidance.both = s->cfg_pp;
            r->x = dummy_latent(&r->arena, r->tl.scale, 0);
            run_sampler(r, s);
            last[i] = r->sums[r->reports - 1][0];
            run_free(r);
        }
        assert_error(relative(last[0], last[1]), 1e-5, "%s without a difference", pairs[k][0]);
    }

    int calls[2] = { 0 };
    Run *r = run_new(0);
    Err e = { 0 };
    noise_defaults(&r->noise);
    assert_int_equal(noise_build(&r->noise, &e), 0);
    assert_int_equal(timeline_init(&r->tl, schedule_find("karras"), &r->noise, FAMILY_SIGMA, 3, &e), 0);
    r->d.network = two_halves;
    r->d.ctx = calls;
    r->d.guidance.scale = 0.6f;
    r->d.guidance.both = true;
    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    double x = (double)r->x.data[5];
    for (int i = 0; i < 3; i++) {
        double sigma = r->tl.sigma[i], in = x / sqrt(sigma * sigma + 1), negative = tanh(in), prompt = 0.5 * in + 0.2;
        double x0 = x - sigma * (negative + 0.6 * (prompt - negative));
        x = x0 + r->tl.sigma[i + 1] * negative;
    }
    run_sampler(r, sampler_find("euler_cfg_pp"));
    assert_error(fabs((double)r->x.data[5] - x), 1e-5 * fabs(x) + 1e-6, "euler_cfg_pp");
    run_free(r);
}

/* Each row can be listed, and its numbers are options. */
static void test_table(void **state)
{
    (void)state;
    for (const Guide *g = guides; g->name; g++) {
        assert_true(g->on && g->help && g->paper && (g->branches || g->join));
        for (int i = 0; i < GUIDE_VALUES && g->options[i]; i++)
            assert_non_null(option_find(g->options[i], strlen(g->options[i])));
    }
    Guidance g = { .scale = 1 };
    assert_false(guidance_wants(&g, BRANCH_NEGATIVE));
    assert_true(guidance_wants(&g, BRANCH_PROMPT));
    g.both = true;
    assert_true(guidance_wants(&g, BRANCH_NEGATIVE));
    g = (Guidance){ .scale = 2, .limited = true, .from = 9, .end = 9 };
    assert_true(guidance_wants(&g, BRANCH_NEGATIVE) && !guidance_in(&g, 9));
}

/* ComfyUI's formulas, written out for one value of the latent: u without the prompt, d guided. */
static double by_res(double x, double d, double u, const double *s, int i, double *last)
{
    double to = s[i + 1], h = log(s[i] / to), out = d + (x - u) / s[i] * to;
    if (i > 0 && to > 0) {
        double c2 = log(s[i] / s[i - 1]) / h; /* the last step came to s[i], for there was no noise */
        double phi1 = expm1(-h) / -h, phi2 = (phi1 - 1) / -h;
        out = exp(-h) * (x + d - u) + h * ((phi1 - phi2 / c2) * u + phi2 / c2 * *last);
    }
    *last = u;
    return out;
}

static double by_gradient(double x, double d, double u, const double *s, int i, double *last)
{
    double slope = (x - u) / s[i], to = s[i + 1], out = to == 0 ? d : d + slope * to;
    if (i > 0 && to > 0) out += (slope - *last) * (to - s[i]);
    *last = slope;
    return out;
}

static void test_cfg_pp_that_remembers(void **state)
{
    (void)state;
    static const struct {
        const char *sampler;
        double (*step)(double x, double d, double u, const double *s, int i, double *last);
    } rows[] = { { "res_multistep_cfg_pp", by_res }, { "gradient_estimation_cfg_pp", by_gradient } };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        int calls[2] = { 0 };
        Run *r = run_new(0);
        Err e = { 0 };
        noise_defaults(&r->noise);
        assert_int_equal(noise_build(&r->noise, &e), 0);
        assert_int_equal(timeline_init(&r->tl, schedule_find("karras"), &r->noise, FAMILY_SIGMA, 6, &e), 0);
        r->d.network = two_halves;
        r->d.ctx = calls;
        r->d.guidance.scale = 0.6f;
        r->d.guidance.both = true;
        r->x = dummy_latent(&r->arena, r->tl.scale, 0);
        double x = (double)r->x.data[5], last = 0, sigma[7];
        for (int i = 0; i <= 6; i++) sigma[i] = r->tl.sigma[i];
        for (int i = 0; i < 6; i++) {
            double in = x / sqrt(sigma[i] * sigma[i] + 1), f = tanh(in), p = 0.5 * in + 0.2;
            x = rows[k].step(x, x - sigma[i] * (f + 0.6 * (p - f)), x - sigma[i] * f, sigma, i, &last);
        }
        run_sampler(r, sampler_find(rows[k].sampler));
        assert_error(fabs((double)r->x.data[5] - x), 2e-5 * fabs(x) + 2e-6, "%s", rows[k].sampler);
        run_free(r);
    }
}

/* A run of ten steps of a row's method; calls: evaluations of the prompt alone, and of both. */
static void run_with(const char *row, double a, double b, const char *sampler, int calls[2], float *last)
{
    Run *r = run_new(0);
    Err e = { 0 };
    GuideMemory memory[GUIDES_MAX];
    noise_defaults(&r->noise);
    assert_int_equal(noise_build(&r->noise, &e), 0);
    assert_int_equal(timeline_init(&r->tl, schedule_find("karras"), &r->noise, FAMILY_SIGMA, 10, &e), 0);
    calls[0] = calls[1] = 0;
    r->d.network = two_halves;
    r->d.ctx = calls;
    r->d.guidance.scale = 3;
    r->d.guidance.evaluations = 10;
    guide_values(&r->d.guidance, row)[0] = a;
    guide_values(&r->d.guidance, row)[1] = b;
    r->x = dummy_latent(&r->arena, r->tl.scale, 0);
    guides_begin(&r->d.guidance, r->x, &r->arena, memory);
    r->d.memory = memory;
    run_sampler(r, sampler_find(sampler));
    *last = r->x.data[5];
    run_free(r);
}

/* Evaluations that leave the negative prompt out: which they are is A1111's rule, and off is off to the bit. */
static void test_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *row, *sampler;
        double a, b;
        int alone, both;
    } rows[] = {
        { "ngms", "euler", 0, 0, 0, 10 },          { "ngms", "euler", 100, 0, 5, 5 }, /* the odd ones */
        { "ngms", "euler", 100, 1, 10, 0 },        { "ngms", "euler", 1e-4, 1, 0, 10 },
        { "ngms", "heun", 100, 0, 9, 10 },         { "skip-early", "euler", 0, 0, 0, 10 },
        { "skip-early", "euler", 0.2, 0, 3, 7 }, /* 0, 1, 2 of 10 */
        { "skip-early", "euler", 1, 0, 10, 0 },    { "reuse-negative", "euler", 1, 0, 0, 10 },
        { "reuse-negative", "euler", 2, 0, 5, 5 }, { "reuse-negative", "euler", 4, 0, 7, 3 }, /* 0, 4, 8 */
        { "reuse-negative", "heun", 2, 0, 10, 9 }, /* whole steps; the last has one evaluation */
    };
    float plain, other;
    int calls[2];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_with(rows[i].row, 0, 0, rows[i].sampler, calls, &plain);
        run_with(rows[i].row, rows[i].a, rows[i].b, rows[i].sampler, calls, &other);
        if (calls[0] != rows[i].alone || calls[1] != rows[i].both)
            fail_msg("%s %g %g: %d evaluations alone and %d of both", rows[i].row, rows[i].a, rows[i].b, calls[0],
                     calls[1]);
        assert_true((memcmp(&plain, &other, sizeof plain) == 0) == (rows[i].alone == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_guidance),
        cmocka_unit_test(test_rescale),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_cfg_pp),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_cfg_pp_that_remembers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
