/* dpm.c - DPM-Solver. Lu et al. 2022, arXiv:2206.00927; in the forms that k-diffusion gave them. lambda = -log(sigma). */
#include <math.h>

#include "scheduler/step.h"

/* The slope half way in log sigma; Karras et al.'s churn as in Euler's. */
static int two_stage(const Sampling *s, double eta, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), slope = tensor_like(s->arena, x), middle = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = eta > 0 ? s->tl->sigma[i] : churn(s, i, slope), down, up;
        split_noise(sigma, sigma_to(s, i), eta, &down, &up);
        if (denoised_hat(s, x0, sigma, i, e)) return -1;
        slope_of(slope, x, x0, sigma);
        if (down > 0) {
            double half = (float)sqrt(sigma * down);
            mix(middle, 1, x, half - sigma, slope);
            half_done(s, middle, sigma_to(s, i));
            if (denoised_at(s, x0, middle, half, i, e)) return -1;
            slope_of(slope, middle, x0, half);
        }
        add(x, down - sigma, slope);
        add_noise(s, up, slope);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

int dpm_2(const Sampling *s, Err *e) { return two_stage(s, 0, e); }
int dpm_2_ancestral(const Sampling *s, Err *e) { return two_stage(s, s->eta, e); }

/* ---- steps of order 1, 2 and 3 over any stretch of lambda ------------------------------------------------------------- */

/* A stretch, and the noise estimates at its start, at r1 and at r2 of it; those that are there are not asked for again. */
typedef struct {
    const Sampling *s;
    Tensor x0, at; /* places */
    Tensor eps[3];
    bool have[3];
    double lambda, h;
    int step; /* for messages, and whether guidance counts */
} Stretch;

static double sigma_of(double lambda) { return exp(-lambda); }

/* eps[k] at x, lambda + r * h. */
static int estimate(Stretch *t, int k, Tensor x, double r, Err *e)
{
    double sigma = (float)sigma_of(t->lambda + r * t->h);
    if (t->have[k]) return 0;
    if (denoised_at(t->s, t->x0, x, sigma, t->step, e)) return -1;
    slope_of(t->eps[k], x, t->x0, sigma);
    t->have[k] = true;
    return 0;
}

/* out = x at lambda + r * h, to first order. */
static void first_order(const Stretch *t, Tensor out, Tensor x, double r)
{
    mix(out, 1, x, -sigma_of(t->lambda + r * t->h) * expm1(r * t->h), t->eps[0]);
}

/* out += amount * (eps[k] - eps[0]) */
static void correct(const Stretch *t, Tensor out, double amount, int k)
{
    add(out, amount, t->eps[k]);
    add(out, -amount, t->eps[0]);
}

/* Algorithm 1, with r1. */
static int second_order(Stretch *t, Tensor out, Tensor x, double r1, Err *e)
{
    first_order(t, t->at, x, r1);
    if (estimate(t, 1, t->at, r1, e)) return -1;
    first_order(t, out, x, 1);
    correct(t, out, -sigma_of(t->lambda + t->h) / (2 * r1) * expm1(t->h), 1);
    return 0;
}

/* Algorithm 2, r1 = 1/3, r2 = 2/3. */
static int third_order(Stretch *t, Tensor out, Tensor x, Err *e)
{
    const double r1 = 1 / 3.0, r2 = 2 / 3.0, h = t->h;
    first_order(t, t->at, x, r1);
    if (estimate(t, 1, t->at, r1, e)) return -1;
    first_order(t, t->at, x, r2);
    correct(t, t->at, -sigma_of(t->lambda + r2 * h) * (r2 / r1) * (expm1(r2 * h) / (r2 * h) - 1), 1);
    if (estimate(t, 2, t->at, r2, e)) return -1;
    first_order(t, out, x, 1);
    correct(t, out, -sigma_of(t->lambda + h) / r2 * (expm1(h) / h - 1), 2);
    return 0;
}

static Stretch stretch_new(const Sampling *s)
{
    Stretch t = { .s = s, .x0 = tensor_like(s->arena, s->x), .at = tensor_like(s->arena, s->x) };
    for (int k = 0; k < 3; k++) t.eps[k] = tensor_like(s->arena, s->x);
    return t;
}

/*
 * Begins a stretch from lambda to `to`, which with eta ends later, so that noise of *up leads back up to `to`; it does not go
 * beyond end. The estimate at its start.
 */
static int stretch_begin(Stretch *t, const double range[3], double *up, Err *e)
{
    double lambda = range[0], to = range[1], end = range[2], down, later = to;
    *up = 0;
    if (t->s->eta > 0) {
        split_noise(sigma_of(lambda), sigma_of(to), t->s->eta, &down, up);
        later = fmin(end, -log(down));
        *up = sqrt(fmax(sigma_of(to) * sigma_of(to) - sigma_of(later) * sigma_of(later), 0));
    }
    t->lambda = lambda;
    t->h = later - lambda;
    t->have[0] = t->have[1] = t->have[2] = false;
    return estimate(t, 0, t->s->x, 0, e);
}

/* Where the two go: the schedule's first sigma and its last above 0, whatever lies between. */
static void ends(const Sampling *s, double *start, double *end)
{
    int last = s->tl->steps;
    while (last > 1 && !(s->tl->sigma[last] > 0)) last--;
    if (s->tl->steps == 1) last = 0;
    double low = s->tl->sigma[last];
    if (last == 0 && s->d->noise->sigmas) low = s->d->noise->sigmas[0];
    *start = -log(s->tl->sigma[0]);
    *end = -log(low);
}

/* DPM-Solver-fast. Lu et al. 2022, arXiv:2206.00927, section 3.4: N evaluations in steps of order 3, and one or two lower. */
int dpm_fast(const Sampling *s, Err *e)
{
    Stretch t = stretch_new(s);
    Tensor next = tensor_like(s->arena, s->x);
    double start, end, up;
    int n = s->tl->steps, parts = n / 3 + 1, evals = 0;
    ends(s, &start, &end);
    for (int i = 0; i < parts; i++) {
        int order = n - evals < 3 ? n - evals : n % 3 == 0 && i == parts - 2 ? 2 : 3;
        double from = start + i * (end - start) / parts, to = start + (i + 1) * (end - start) / parts;
        t.step = evals;
        if (stretch_begin(&t, (double[]){ from, to, end }, &up, e)) return -1;
        if (order == 1) first_order(&t, next, s->x, 1);
        if (order == 2 && second_order(&t, next, s->x, 0.5, e)) return -1;
        if (order == 3 && third_order(&t, next, s->x, e)) return -1;
        if (s->x.data) tensor_copy(s->x, next);
        add_noise(s, up, next);
        evals += order;
        if (step_done(s, evals - 1, t.x0, e)) return -1;
    }
    return 0;
}

/* The root of the mean square of the difference, measured in tolerances: 0.0078 or 5 % of the value. */
static double error_of(Tensor low, Tensor high, Tensor previous)
{
    double sum = 0;
    size_t n = low.data ? tensor_len(low) : 0;
    for (size_t k = 0; k < n; k++) {
        float size = fmaxf(fabsf(low.data[k]), fabsf(previous.data[k]));
        double off = (double)((low.data[k] - high.data[k]) / fmaxf(0.0078f, 0.05f * size));
        sum += off * off;
    }
    return n ? sqrt(sum / (double)n) : 0;
}

/* One picture: the step size follows the error, as k-diffusion's integral controller has it. */
static int adaptive(const Sampling *s, Err *e)
{
    enum { MOST = 5000 }; /* steps, tried ones counted */
    Stretch t = stretch_new(s);
    Tensor x = s->x, low = tensor_like(s->arena, x), high = tensor_like(s->arena, x),
           previous = tensor_like(s->arena, x);
    double lambda, start, end, h = 0.05, up;
    ends(s, &start, &end);
    lambda = start;
    if (x.data) tensor_copy(previous, x);
    for (int tried = 0; lambda < end - 1e-5; tried++) {
        if (tried == MOST)
            return err_set(e, "dpm_adaptive: no step is small enough after %d; take another sampler", MOST);
        double to = fmin(end, lambda + h);
        t.step = (int)fmin((lambda - start) / (end - start) * s->tl->steps, s->tl->steps - 1);
        if (stretch_begin(&t, (double[]){ lambda, to, end }, &up, e)) return -1;
        if (second_order(&t, low, x, 1 / 3.0, e) || third_order(&t, high, x, e)) return -1;

        double inverse = 1 / (error_of(low, high, previous) + 1e-8);
        double factor = 1 + atan(pow(inverse, 1 / (s->eta > 0 ? 1.5 : 3)) - 1);
        if (factor >= 0.81) {
            if (x.data) {
                tensor_copy(previous, low);
                tensor_copy(x, high);
            }
            add_noise(s, up, low);
            lambda = to;
        }
        h *= factor;
        if (arena_dry(s->arena)) break;
    }
    return 0;
}

/*
 * DPM-Solver-23, adaptive. Lu et al. 2022, arXiv:2206.00927, section 3.4, appendix C: the schedule gives only the ends. Each
 * picture has its own steps, so that it does not depend on the others in the batch.
 */
int dpm_adaptive(const Sampling *s, Err *e)
{
    size_t mark = s->arena->used;
    for (int k = 0; k < s->x.n; k++) {
        Sampling one = *s;
        one.x = tensor_slice(s->x, k, 1);
        one.rng = s->rng ? s->rng + k : NULL;
        if (adaptive(&one, e)) return -1;
        arena_reset(s->arena, mark);
    }
    Tensor x0 = tensor_like(s->arena, s->x);
    if (x0.data) tensor_copy(x0, s->x);
    return step_done(s, s->tl->steps - 1, x0, e);
}
