/*
 * noise.c - see noise.h. Source: diffusers' schedulers/scheduling_*.py; the formulas are the same in all of them.
 */
#include "scheduler/noise.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void noise_defaults(Noise *n)
{
    *n = (Noise){
        .timesteps = 1000,
        .betas = BETA_SCALED_LINEAR,
        .beta_start = 0.00085,
        .beta_end = 0.012,
        .prediction = PREDICT_EPSILON,
        .spacing = SPACING_LEADING,
        .steps_offset = 1,
        .lcm_steps = 50,
        .lcm_scaling = 10,
        .lambda_min = -INFINITY,
        .schedule = "model",
    };
}

int prediction_parse(Prediction *p, const char *text, Err *e)
{
    static const char *const words[] = { "epsilon", "v_prediction", "sample" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) != 0) continue;
        *p = (Prediction)i;
        return 0;
    }
    return err_set(e, "prediction_type is \"%.60s\"; supported: epsilon, v_prediction, sample", text);
}

/* torch.linspace() in float32: from both ends to the middle. */
static float linspace(double start, double end, int count, int i)
{
    float a = (float)start, b = (float)end, step = count > 1 ? (b - a) / (float)(count - 1) : 0;
    return i < count / 2 ? fmaf(step, (float)i, a) : fmaf(-step, (float)(count - 1 - i), b);
}

/*
 * The share of the picture left at a time in 0 .. 1. squaredcos: Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17; laplace: Hang et
 * al. 2024, arXiv:2407.03297.
 */
static double alpha_bar(BetaSchedule betas, double time)
{
    if (betas == BETA_EXP) return exp(-12 * time);
    if (betas == BETA_LAPLACE) {
        double lambda = -0.5 * copysign(1, 0.5 - time) * log(1 - 2 * fabs(0.5 - time) + 1e-6), snr = exp(lambda);
        return sqrt(snr / (1 + snr));
    }
    double c = cos((time + 0.008) / 1.008 * 3.14159265358979323846 / 2);
    return c * c;
}

static float beta(const Noise *n, int i)
{
    if (n->trained_betas) return n->trained_betas[i];
    switch (n->betas) {
    case BETA_LINEAR: return linspace(n->beta_start, n->beta_end, n->timesteps, i);
    case BETA_SCALED_LINEAR: {
        float root = linspace(sqrt(n->beta_start), sqrt(n->beta_end), n->timesteps, i);
        return root * root;
    }
    case BETA_SQUAREDCOS:
    case BETA_EXP:
    case BETA_LAPLACE:
        return (float)fmin(
            1 - alpha_bar(n->betas, (i + 1.0) / n->timesteps) / alpha_bar(n->betas, (double)i / n->timesteps), 0.999);
    case BETA_SIGMOID: {
        float share = 1 / (1 + expf(-linspace(-6, 6, n->timesteps, i)));
        return share * (float)(n->beta_end - n->beta_start) + (float)n->beta_start;
    }
    }
    return 0;
}

/* alphas_cumprod from betas, as torch.cumprod(): summed in double, rounded to float32. */
static void accumulate(float *cumprod, const float *betas, int count)
{
    double product = 1;
    for (int i = 0; i < count; i++) cumprod[i] = (float)(product *= 1 - betas[i]);
}

/*
 * Betas whose last step is pure noise. Lin et al. 2023, arXiv:2305.08891, algorithm 1. The last alpha then is 0; 2^-24
 * stands for it, as in diffusers' Euler and DPM-Solver, so that its sigma (4096) is finite.
 */
static void rescale_zero_terminal_snr(float *betas, float *cumprod, int count)
{
    float first = sqrtf(cumprod[0]), last = sqrtf(cumprod[count - 1]), previous = 1;
    for (int i = 0; i < count; i++) {
        float root = (sqrtf(cumprod[i]) - last) * (first / (first - last));
        float alpha_bar = root * root;
        betas[i] = 1 - alpha_bar / previous;
        previous = alpha_bar;
    }
    accumulate(cumprod, betas, count);
    cumprod[count - 1] = 0x1p-24f;
}

static int check_fields(const Noise *n, Err *e)
{
    if (n->timesteps < 2 || n->timesteps > NOISE_MAX_TIMESTEPS)
        return err_set(e, "num_train_timesteps is %d; 2 to %d are possible", n->timesteps, NOISE_MAX_TIMESTEPS);
    bool ends = n->betas == BETA_LINEAR || n->betas == BETA_SCALED_LINEAR || n->betas == BETA_SIGMOID; /* count */
    if (n->no_sample && n->prediction == PREDICT_SAMPLE)
        return err_set(
            e, "prediction_type is \"sample\", which this scheduler does not take: use ddim, euler or dpmpp_2m");
    if (!n->trained_betas && ends && !(n->beta_start > 0 && n->beta_end >= n->beta_start && n->beta_end < 1))
        return err_set(e, "beta_start is %g and beta_end %g; 0 < beta_start <= beta_end < 1 was expected",
                       n->beta_start, n->beta_end);
    for (int i = 0; n->trained_betas && i < n->timesteps; i++)
        if (!(n->trained_betas[i] > 0 && n->trained_betas[i] < 1))
            return err_set(e, "trained_betas[%d] is %g; 0 < beta < 1 was expected", i, (double)n->trained_betas[i]);
    return 0;
}

/* As many sigmas of EDM's own as there are timesteps: what the others look up. */
static int build_edm(Noise *n, Err *e)
{
    double rho = n->rho, high = pow(n->sigma_max, 1 / rho), low = pow(n->sigma_min, 1 / rho);
    bool exponential = strcmp(n->schedule, "exponential") == 0;
    if (n->sigma_max <= n->sigma_min)
        return err_set(e, "sigma_max %g is not above sigma_min %g", n->sigma_max, n->sigma_min);
    for (int i = 0; i < n->timesteps; i++) {
        double at = (double)i / (n->timesteps - 1);
        n->sigmas[i] = exponential ? exp(log(n->sigma_min) + at * (log(n->sigma_max) - log(n->sigma_min)))
                                   : pow(low + at * (high - low), rho);
        n->alphas_cumprod[i] = 1 / (n->sigmas[i] * n->sigmas[i] + 1);
    }
    return 0;
}

/* Flow matching's: s of timestep t is (t + 1) / timesteps, shifted. The last is pure noise. */
static int build_flow(Noise *n)
{
    for (int i = 0; i < n->timesteps; i++) {
        double s = (i + 1.0) / n->timesteps;
        s = n->flow_shift * s / (1 + (n->flow_shift - 1) * s);
        n->sigmas[i] = s < 1 ? s / (1 - s) : NOISE_INFINITE;
        n->alphas_cumprod[i] = 1 / (n->sigmas[i] * n->sigmas[i] + 1);
    }
    return 0;
}

int noise_build(Noise *n, Err *e)
{
    if (check_fields(n, e)) return -1;
    size_t count = (size_t)n->timesteps;
    if (n->kind != NETWORK_DISCRETE) {
        free(n->alphas_cumprod);
        free(n->sigmas);
        n->alphas_cumprod = mem_array(count, sizeof *n->alphas_cumprod);
        n->sigmas = mem_array(count, sizeof *n->sigmas);
        return n->kind == NETWORK_FLOW ? build_flow(n) : build_edm(n, e);
    }
    float *betas = mem_array(count, sizeof *betas), *cumprod = mem_array(count, sizeof *cumprod);
    for (int i = 0; i < n->timesteps; i++) betas[i] = beta(n, i);
    accumulate(cumprod, betas, n->timesteps);
    if (n->zero_terminal_snr) rescale_zero_terminal_snr(betas, cumprod, n->timesteps);

    free(n->alphas_cumprod);
    free(n->sigmas);
    n->alphas_cumprod = mem_array(count, sizeof *n->alphas_cumprod);
    n->sigmas = mem_array(count, sizeof *n->sigmas);
    bool rising = true; /* but for the stand-in of zero_terminal_snr, which may lie below the sigma before it */
    for (size_t i = 0; i < count; i++) {
        n->alphas_cumprod[i] = cumprod[i];
        n->sigmas[i] = sqrtf((1 - cumprod[i]) / cumprod[i]);
        rising = rising && isfinite(n->sigmas[i]) &&
                 (n->sigmas[i] > (i ? n->sigmas[i - 1] : 0) || (n->zero_terminal_snr && i + 1 == count));
    }
    free(betas);
    free(cumprod);
    return rising ? 0 : err_set(e, "the betas give no rising sequence of sigmas: they are too small or too large");
}

void noise_release(Noise *n)
{
    free(n->trained_betas);
    free(n->alphas_cumprod);
    free(n->sigmas);
    n->trained_betas = NULL;
    n->alphas_cumprod = n->sigmas = NULL;
}

double noise_sigma(const Noise *n, double t)
{
    assert(!isnan(t));
    int last = n->timesteps - 1;
    if (t <= 0) return n->sigmas[0];
    if (t >= last) return n->sigmas[last];
    int low = (int)t;
    double w = t - low;
    return w > 0 ? exp((1 - w) * log(n->sigmas[low]) + w * log(n->sigmas[low + 1])) : n->sigmas[low];
}

Scaling noise_scaling(const Noise *n, double sigma)
{
    double data = n->sigma_data > 0 ? n->sigma_data : 1, variance = sigma * sigma + data * data, root = sqrt(variance);
    switch (n->kind) {
    case NETWORK_EDM: /* for "v" diffusers turns the sign of F */
        return (Scaling){ 1 / root, data * data / variance,
                          (n->prediction == PREDICT_V ? -1 : 1) * sigma * data / root };
    case NETWORK_CONSISTENCY: { /* its appendix C, with sigma_min for epsilon */
        double above = sigma - n->sigma_min;
        return (Scaling){ 1 / root, data * data / (above * above + data * data), above * data / root };
    }
    case NETWORK_FLOW:
        return (Scaling){ 1 / (1 + sigma), 1 / (1 + sigma), (n->flow_rectified ? 1 : -1) * sigma / (1 + sigma) };
    case NETWORK_DISCRETE: break;
    }
    if (n->prediction == PREDICT_EPSILON) return (Scaling){ 1 / root, 1, -sigma };
    if (n->prediction == PREDICT_V) return (Scaling){ 1 / root, 1 / variance, -sigma / root };
    return (Scaling){ 1 / root, 0, 1 };
}

double noise_continuous(const Noise *n, double sigma)
{
    if (n->kind == NETWORK_FLOW) return n->timesteps * (sigma / (1 + sigma));
    if (n->kind == NETWORK_CONSISTENCY) return 250 * log(sigma);
    return n->continuous ? 0.25 * log(sigma) : NAN;
}

double noise_sigma_float(const Noise *n, double t)
{
    float place = (float)t, w = place - floorf(place);
    int low = (int)place;
    if (w <= 0 || low >= n->timesteps - 1) return noise_sigma(n, t);
    return (double)expf((1 - w) * logf((float)n->sigmas[low]) + w * logf((float)n->sigmas[low + 1]));
}

int noise_nearest(const Noise *n, double sigma)
{
    int near = (int)noise_timestep(n, sigma), best = near > 0 ? near - 1 : 0;
    float place = logf((float)sigma), least = INFINITY;
    for (int t = best; t <= near + 2 && t < n->timesteps; t++) {
        float away = fabsf(place - logf((float)n->sigmas[t]));
        if (away < least) best = t, least = away;
    }
    return best;
}

double noise_timestep(const Noise *n, double sigma)
{
    assert(!isnan(sigma));
    int last = n->timesteps - 1;
    if (sigma <= n->sigmas[0]) return 0;
    if (sigma >= n->sigmas[last]) return last;
    int low = 0, high = last; /* sigmas[low] <= sigma < sigmas[high] */
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (n->sigmas[middle] <= sigma) low = middle;
        else high = middle;
    }
    return low + log(sigma / n->sigmas[low]) / log(n->sigmas[high] / n->sigmas[low]);
}
