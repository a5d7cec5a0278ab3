/*
 * denoiser.c - see denoiser.h. float32 and the order of operations as in diffusers' EulerDiscreteScheduler.step().
 */
#include "scheduler/denoiser.h"

#include <math.h>

/* The latents in unit variance, once for each branch of a call. */
static Tensor scaled_input(const Denoiser *d, Tensor x, double sigma, int branches)
{
    Tensor in = tensor_new(d->arena, branches * x.n, x.h, x.w, x.c);
    if (arena_dry(d->arena)) return in;

    double data = d->noise->sigma_data > 0 ? d->noise->sigma_data : 1; /* the deviation of the data */
    float norm = (float)(d->noise->kind == NETWORK_FLOW ? 1 + sigma : sqrt(sigma * sigma + data * data));
    size_t len = tensor_len(x);
    for (size_t k = 0; k < len; k++) in.data[k] = x.data[k] / norm;
    for (int i = 1; i < branches; i++) tensor_copy(tensor_slice(in, i * x.n, x.n), tensor_slice(in, 0, x.n));
    return in;
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

static void estimate_by(const Denoiser *d, float *x0, const float *x, const float *f, size_t len, double sigma)
{
    const Noise *n = d->noise;
    if (n->kind == NETWORK_DISCRETE) {
        estimate(n->prediction, x0, x, f, len, sigma);
        return;
    }
    Scaling by = noise_scaling(n, sigma);
    float skip = (float)by.skip, out = (float)by.out;
    for (size_t k = 0; k < len; k++) x0[k] = skip * x[k] + out * f[k];
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

/* Round by round, until no guide wants more. */
static int evaluate(Denoiser *d, GuideStep *s, Tensor x, double t, Err *e)
{
    for (int round = 0, done = 0;; round++, done = s->branches) {
        guides_branches(s, round);
        int more = s->branches - done;
        if (!more) return 0;
        Tensor in = scaled_input(d, s->other.n ? s->other : x, s->sigma, more), raw = tensor_like(d->arena, in);
        Evaluation ev = { .x = in,
                          .branch = s->branch + done,
                          .branches = more,
                          .step = s->step,
                          .call = d->before + s->evaluation,
                          .sigma = s->sigma,
                          .t = (float)t,
                          .map = round == 0 && s->wants_map ? &s->map : NULL };
        if (d->network(d->ctx, raw, &ev, e)) return -1;
        for (int i = 0; i < more; i++) s->raw[done + i] = tensor_slice(raw, i * x.n, x.n);
        if (round == 0) s->in = tensor_slice(in, 0, x.n);
    }
}

void kept_put_below(const Kept *k, Tensor x, double sigma, double threshold)
{
    size_t c = (size_t)x.c, pixels = (size_t)x.h * (size_t)x.w;
    float s = (float)sigma, limit = (float)threshold;
    for (size_t i = 0; x.data && i < tensor_len(x); i++) {
        float m = k->mask.data[i / c % pixels];
        if (m < limit) x.data[i] = k->source.data[i] + (s != 0 ? s * k->noise.data[i] : 0);
    }
}

/* What the network sees, or its estimate, at timestep t. ComfyUI: nodes_differential_diffusion.py. */
static void keep(const Kept *k, Tensor x, double sigma, double t)
{
    if (k->soft) kept_put_below(k, x, sigma, (t - k->t_to) / (k->t_from - k->t_to));
    else kept_put(k, x, sigma);
}

static int run_network(Denoiser *d, Tensor x0, Tensor x, double sigma, double t, Err *e)
{
    GuideStep s = { .guidance = &d->guidance,
                    .memory = d->memory,
                    .step = d->step,
                    .evaluation = d->evals - 1,
                    .sigma = sigma,
                    .t = t,
                    .prediction = d->noise->prediction,
                    .x = x,
                    .arena = d->arena };
    Scaling by = noise_scaling(d->noise, sigma);
    s.c_skip = by.skip;
    s.c_out = by.out;
    if (evaluate(d, &s, x, t, e)) return -1;
    guides_join(&s);
    if (arena_dry(d->arena)) return 0;

    size_t len = tensor_len(x);
    Tensor unguided = guide_raw(&s, BRANCH_NEGATIVE);
    if (!unguided.n) unguided = guide_raw(&s, BRANCH_PROMPT);
    if (d->unguided.n > 0) estimate_by(d, d->unguided.data, x.data, unguided.data, len, sigma);
    estimate_by(d, x0.data, x.data, s.out.data, len, sigma);
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
    if (isnan(t)) t = noise_continuous(d->noise, sigma);
    if (isnan(t)) t = d->round_timestep ? noise_nearest(d->noise, sigma) : noise_timestep(d->noise, sigma);

    size_t mark = d->arena->used;
    if (d->kept.in_input) {
        Tensor seen = tensor_like(d->arena, x);
        tensor_copy(seen, x);
        keep(&d->kept, seen, sigma, t);
        x = seen;
    }
    int rc = run_network(d, x0, x, sigma, t, e);
    if (!rc && d->kept.in_estimate) keep(&d->kept, x0, 0, t);
    arena_reset(d->arena, mark);
    return rc;
}
