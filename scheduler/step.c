/* step.c - see step.h. Scalars are double, latents float32. */
#include "scheduler/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/brownian.h"

/* Elements to compute: none in a dry pass. */
static size_t len(Tensor x) { return x.data ? tensor_len(x) : 0; }

void mix(Tensor out, double a, Tensor x, double b, Tensor y)
{
    float u = (float)a, v = (float)b;
    for (size_t k = 0; k < len(out); k++) out.data[k] = u * x.data[k] + v * y.data[k];
}

void add(Tensor x, double a, Tensor y)
{
    float u = (float)a;
    for (size_t k = 0; k < len(x); k++) x.data[k] += u * y.data[k];
}

void slope_of(Tensor out, Tensor x, Tensor x0, double sigma)
{
    float u = (float)sigma;
    for (size_t k = 0; k < len(out); k++) out.data[k] = (x.data[k] - x0.data[k]) / u;
}

static int ask(const Sampling *s, Tensor x0, Tensor x, const double at[2], int i, Err *e)
{
    s->d->step = i;
    if (denoise(s->d, x0, x, at[0], at[1], e) == 0) return 0;
    char where[64];
    snprintf(where, sizeof where, "step %d of %d", i + 1, s->tl->steps);
    return e->code == ERR_INTERRUPTED ? -1 : err_in(e, where);
}

int denoised(const Sampling *s, Tensor x0, Tensor x, int i, Err *e)
{
    int step = i < s->tl->steps ? i : s->tl->steps - 1;
    return ask(s, x0, x, (double[]){ s->tl->sigma[i], s->tl->t[i] }, step, e);
}

int denoised_at(const Sampling *s, Tensor x0, Tensor x, double sigma, int i, Err *e)
{
    return ask(s, x0, x, (double[]){ sigma, NAN }, i, e);
}

void half_done(const Sampling *s, Tensor x, double sigma)
{
    const Kept *k = &s->d->kept;
    if (s->tuning.compat == COMPAT_DIFFUSERS && k->source.n && !k->soft) kept_put(k, x, sigma);
}

int step_done(const Sampling *s, int i, Tensor x0, Err *e)
{
    double to = s->tl->to[i], next = s->tl->sigma[i + 1];
    if (to != next && s->tl->family != FAMILY_SIGMA) {
        float relabel = (float)sqrt((next * next + 1) / (to * to + 1));
        for (size_t k = 0; k < len(s->x); k++) s->x.data[k] *= relabel;
    }
    return s->after_step && !arena_dry(s->arena) ? s->after_step(s->ctx, i, s->x, x0, e) : 0;
}

void fresh_noise(Tensor out, Rng *rng, Arena *arena)
{
    size_t mark = arena->used, count = tensor_len(out) / (size_t)out.n;
    float *nchw = arena_alloc(arena, count * sizeof *nchw);
    for (int k = 0; k < out.n && out.data; k++) {
        rng_randn(&rng[k], nchw, count);
        tensor_from_nchw(tensor_slice(out, k, 1), nchw);
    }
    arena_reset(arena, mark);
}

void split_noise(double sigma, double to, double eta, double *down, double *up)
{
    *up = fmin(to, eta * sqrt(fmax(to * to * (sigma * sigma - to * to) / (sigma * sigma), 0)));
    *down = sqrt(to * to - *up * *up);
}

void add_noise(const Sampling *s, double amount, Tensor noise)
{
    if (amount == 0) return;
    fresh_noise(noise, s->rng, s->arena);
    add(s->x, amount * s_noise(s), noise);
}

double churn(const Sampling *s, int i, Tensor noise)
{
    const Tuning *t = &s->tuning;
    double sigma = s->tl->sigma[i];
    if (!(t->churn > 0)) return sigma;

    bool inside = sigma >= t->tmin && (t->tmax <= 0 || sigma <= t->tmax);
    double gamma = inside ? fmin(t->churn / s->tl->steps, sqrt(2) - 1) : 0, hat = (float)(sigma * (gamma + 1));
    if (gamma > 0) add_noise(s, sqrt(hat * hat - sigma * sigma), noise);
    else if (t->compat == COMPAT_A1111) fresh_noise(noise, s->rng, s->arena);
    return hat;
}

int denoised_hat(const Sampling *s, Tensor x0, double hat, int i, Err *e)
{
    return hat == s->tl->sigma[i] ? denoised(s, x0, s->x, i, e) : denoised_at(s, x0, s->x, hat, i, e);
}

void tree_noise(const Sampling *s, Tensor out, double sigma, double to)
{
    const Timeline *tl = s->tl;
    int last = tl->steps;
    while (last > 0 && !(tl->sigma[last] > 0)) last--;
    size_t mark = s->arena->used;
    double end = tl->to[tl->steps - 1];
    Brownian one = { .low = end > 0 ? end : tl->sigma[last], .high = tl->sigma[0] };
    Brownian *trees = arena_alloc(s->arena, (size_t)out.n * sizeof *trees);
    for (int k = 0; k < out.n && trees; k++) {
        trees[k] = one;
        trees[k].seed = s->seeds ? s->seeds[k] : s->rng[k].seed;
        trees[k].kind = s->tuning.compat == COMPAT_COMFYUI ? RNG_TORCH : s->rng[k].kind; /* there it grows on the CPU */
    }
    brownian_noise(out, trees ? trees : &one, sigma, to, s->arena);
    arena_reset(s->arena, mark);
}

void sde_noise(const Sampling *s, Tensor out, double sigma, double to)
{
    if (s->tuning.compat == COMPAT_DIFFUSERS) fresh_noise(out, s->rng, s->arena);
    else tree_noise(s, out, sigma, to);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The value that a share of the sizes is below; torch.quantile()'s: between two it is interpolated. */
static float size_quantile(const float *x, size_t count, double share, float *sizes)
{
    for (size_t k = 0; k < count; k++) sizes[k] = fabsf(x[k]);
    qsort(sizes, count, sizeof *sizes, by_size);
    float place = (float)share * (float)(count - 1), w = place - floorf(place);
    size_t low = (size_t)place, high = low + 1 < count ? low + 1 : low;
    return sizes[low] + w * (sizes[high] - sizes[low]);
}

/* Dynamic thresholding. Saharia et al. 2022, arXiv:2205.11487, section 2.3, one picture at a time. */
static void threshold(const Sampling *s, Tensor x0)
{
    const Solver *solver = &s->tuning.solver;
    size_t mark = s->arena->used, count = tensor_len(x0) / (size_t)x0.n;
    float *sizes = arena_alloc(s->arena, count * sizeof *sizes);
    for (size_t at = 0; at < len(x0); at += count) {
        float most = size_quantile(x0.data + at, count, solver->threshold, sizes);
        most = fminf(fmaxf(most, 1), (float)solver->threshold_max);
        for (size_t k = at; k < at + count; k++) x0.data[k] = fminf(fmaxf(x0.data[k], -most), most) / most;
    }
    arena_reset(s->arena, mark);
}

bool clips(const Sampling *s)
{
    return s->tuning.compat == COMPAT_DIFFUSERS && (s->tuning.solver.threshold > 0 || s->d->noise->clip_sample > 0);
}

void clip(const Sampling *s, Tensor x0)
{
    float most = (float)s->d->noise->clip_sample;
    if (!clips(s)) return;
    if (s->tuning.solver.threshold > 0) threshold(s, x0);
    else
        for (size_t k = 0; k < len(x0); k++) x0.data[k] = fminf(fmaxf(x0.data[k], -most), most);
}

int order_of(const Sampling *s, int own, int most)
{
    int order = s->tuning.solver.order ? s->tuning.solver.order : own;
    return order < most ? order : most;
}

void history_rotate(Tensor *history, int count)
{
    Tensor oldest = history[count - 1];
    for (int k = count - 1; k > 0; k--) history[k] = history[k - 1];
    history[0] = oldest;
}
