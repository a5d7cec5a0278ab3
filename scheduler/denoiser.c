/*
 * denoiser.c - see denoiser.h. float32 and the order of operations as in diffusers' EulerDiscreteScheduler.step().
 */
#include "scheduler/denoiser.h"

#include <math.h>

/* The network's input: x / sqrt(sigma^2 + 1), once or (guidance) twice. */
static Tensor scaled_input(const Denoiser *d, Tensor x, double sigma)
{
    int halves = denoiser_guided(d) ? 2 : 1;
    Tensor in = tensor_new(d->arena, halves * x.n, x.h, x.w, x.c);
    if (arena_dry(d->arena)) return in;

    float norm = (float)sqrt(sigma * sigma + 1);
    size_t len = tensor_len(x);
    for (size_t k = 0; k < len; k++) in.data[k] = x.data[k] / norm;
    if (halves == 2) tensor_copy(tensor_slice(in, x.n, x.n), tensor_slice(in, 0, x.n));
    return in;
}

/* The standard deviation of count values, about their mean (n - 1, as torch's). */
static double deviation(const float *x, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t k = 0; k < count; k++) sum += (double)x[k];
    for (size_t k = 0; k < count; k++)
        squares += ((double)x[k] - sum / (double)count) * ((double)x[k] - sum / (double)count);
    return sqrt(squares / (double)(count - 1));
}

/* One picture's output as v, or back; x in unit variance. sigma / sqrt(sigma^2 + 1) is the share of noise in it. */
static void to_v(float *out, const float *x, size_t count, double sigma, bool back)
{
    double noise = sigma / sqrt(sigma * sigma + 1), alpha = 1 / sqrt(sigma * sigma + 1);
    float a = (float)(back ? alpha : 1 / alpha), b = (float)(back ? noise : -noise / alpha);
    for (size_t k = 0; k < count; k++) out[k] = a * out[k] + b * x[k]; /* epsilon = alpha v + noise x */
}

/*
 * The guided output of one picture with the deviation of the prompt's, as far as `rescale`. Lin et al. 2023, arXiv:2305.08891,
 * eq. 15 and 16. x: the network's input.
 */
static void rescale(const Denoiser *d, float *guided, float *prompt, const float *x, size_t count, double sigma)
{
    bool v = d->guidance.rescale_v && d->noise->prediction == PREDICT_EPSILON;
    if (v) to_v(guided, x, count, sigma, false);
    if (v) to_v(prompt, x, count, sigma, false);
    double ratio = deviation(prompt, count) / deviation(guided, count);
    float factor = (float)((double)d->guidance.rescale * ratio + 1 - (double)d->guidance.rescale);
    for (size_t k = 0; k < count; k++) guided[k] *= factor;
    if (v) to_v(guided, x, count, sigma, true);
}

/* F = negative + scale * (prompt - negative), into the first half. Ho and Salimans 2022, arXiv:2207.12598. */
static void guide(const Denoiser *d, Tensor raw, Tensor in, double sigma)
{
    size_t count = tensor_len(raw) / (size_t)raw.n, len = count * (size_t)raw.n / 2;
    float *negative = raw.data, *prompt = raw.data + len;
    for (size_t k = 0; k < len; k++) negative[k] += d->guidance.scale * (prompt[k] - negative[k]);
    for (size_t k = 0; d->guidance.rescale > 0 && k < len; k += count)
        rescale(d, negative + k, prompt + k, in.data + k, count, sigma);
}

/* What the network predicts, as an estimate of x0. Salimans and Ho 2022, arXiv:2202.00512, for v. */
static void estimate(Prediction prediction, float *x0, const float *x, const float *f, size_t len, double sigma)
{
    float s = (float)sigma, variance = (float)(sigma * sigma + 1), c_out = (float)(-sigma / sqrt(sigma * sigma + 1));
    switch (prediction) {
    case PREDICT_EPSILON:
        for (size_t k = 0; k < len; k++) x0[k] = x[k] - s * f[k];
        break;
    case PREDICT_V:
        for (size_t k = 0; k < len; k++) x0[k] = f[k] * c_out + x[k] / variance;
        break;
    case PREDICT_SAMPLE:
        for (size_t k = 0; k < len; k++) x0[k] = f[k];
        break;
    }
}

static bool all_finite(const float *x, size_t len)
{
    for (size_t k = 0; k < len; k++)
        if (!isfinite(x[k])) return false;
    return true;
}

void kept_put(const Kept *k, Tensor x, double sigma)
{
    size_t c = (size_t)x.c, pixels = (size_t)x.h * (size_t)x.w;
    float s = (float)sigma;
    for (size_t i = 0; x.data && i < tensor_len(x); i++) {
        float m = k->mask.data[i / c % pixels];
        if (m == 1) continue;
        float own = k->source.data[i] + (s != 0 ? s * k->noise.data[i] : 0);
        x.data[i] = (1 - m) * own + m * x.data[i];
    }
}

static int run_network(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e)
{
    Tensor in = scaled_input(d, x, sigma), raw = tensor_like(d->arena, in);
    if (d->network(d->ctx, raw, in, (float)t, e)) return -1;
    if (arena_dry(d->arena)) return 0;

    size_t len = tensor_len(x);
    Prediction p = d->noise->prediction;
    if (d->unguided.n > 0)
        estimate(p, d->unguided.data, x.data, raw.data, len, sigma); /* the first half, or all there is */
    if (denoiser_guided(d)) guide(d, raw, in, sigma);
    estimate(p, x0.data, x.data, raw.data, len, sigma);
    if (all_finite(x0.data, len)) return 0;
    return err_set(
        e,
        "the network's output is not finite at sigma %.4g (timestep %.4g): broken weights, or a precision or "
        "guidance (%.4g) too coarse for them",
        sigma, t, (double)d->guidance.scale);
}

int denoise(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e)
{
    d->evals++;
    if (d->exact) return arena_dry(d->arena) ? 0 : d->exact(d->ctx, x0, x, sigma, e);
    if (isnan(t)) {
        t = d->round_timestep ? noise_nearest(d->noise, sigma) : noise_timestep(d->noise, sigma);
    }

    size_t mark = d->arena->used;
    if (d->kept.in_input) {
        Tensor seen = tensor_like(d->arena, x);
        tensor_copy(seen, x);
        kept_put(&d->kept, seen, sigma);
        x = seen;
    }
    int rc = run_network(d, x0, x, sigma, t, e);
    if (!rc && d->kept.in_estimate) kept_put(&d->kept, x0, 0);
    arena_reset(d->arena, mark);
    return rc;
}
