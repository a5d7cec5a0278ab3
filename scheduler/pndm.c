/*
 * pndm.c - pseudo numerical methods. Liu et al. 2022, arXiv:2202.09778: Runge and Kutta's and Adams and Bashforth's weights on
 * the network's outputs, each step DDIM's.
 *
 * diffusers' scheduler walks over whole timesteps, N-th parts of the trained ones apart, also where a step then ends off the
 * next timestep. So x is held here with unit variance, as there, and each step says its own two sigmas.
 */
#include <math.h>

#include "scheduler/step.h"

enum { MOST = 4 };

typedef struct {
    const Sampling *s;
    Tensor x0, work;
    Tensor out[MOST]; /* the network's outputs, the newest first */
    int held;
} Pndm;

static Pndm pndm_new(const Sampling *s)
{
    Pndm p = { .s = s, .x0 = tensor_like(s->arena, s->x), .work = tensor_like(s->arena, s->x) };
    for (int k = 0; k < MOST; k++) p.out[k] = tensor_like(s->arena, s->x);
    return p;
}

static double unit(double sigma) { return 1 / sqrt(sigma * sigma + 1); }

static bool predicts_v(const Sampling *s) { return s->d->noise->prediction == PREDICT_V; }

/* The sigma of a timestep; below 0 lies the last alpha. */
static double sigma_at(const Sampling *s, double t)
{
    const Noise *n = s->d->noise;
    if (t < 0) return n->set_alpha_to_one ? 0 : n->sigmas[0];
    return n->sigmas[t < n->timesteps ? (int)t : n->timesteps - 1];
}

/* out = what the network said of x (unit variance) at sigma: v, or else epsilon. */
static int output(Pndm *p, Tensor out, Tensor x, const double at[2], int i, Err *e)
{
    const Sampling *s = p->s;
    double sigma = at[0], a = unit(sigma);
    mix(p->work, 1 / a, x, 0, x);
    s->d->step = i;
    if (denoise(s->d, p->x0, p->work, sigma, at[1], e)) return -1;
    if (predicts_v(s)) mix(out, 1 / sigma, x, -1 / (sigma * a), p->x0); /* (a x - x0) / (sigma a) */
    else mix(out, 1 / (sigma * a), x, -1 / sigma, p->x0);
    return 0;
}

/* x = x moved along the output from one sigma to another: DDIM's step, both of unit variance. */
static void transfer(const Sampling *s, Tensor x, Tensor from, Tensor out, const double sigma[2])
{
    double a = unit(sigma[0]), b = unit(sigma[1]), h = (sigma[1] - sigma[0]) * b;
    if (predicts_v(s)) mix(x, b / a + h * sigma[0] * a, from, h * a, out); /* epsilon = a v + sigma a x */
    else mix(x, b / a, from, h, out);
}

/* p->work = the sum of c[k] * out[k]; none is held beyond count. */
static void combine(Pndm *p, const double *c, int count)
{
    mix(p->work, c[0], p->out[0], 0, p->out[0]);
    for (int k = 1; k < count; k++) add(p->work, c[k], p->out[k]);
}

static void keep(Pndm *p)
{
    history_rotate(p->out, MOST);
    if (p->held < MOST) p->held++;
}

/* Adams and Bashforth's step with the outputs held: eq. 12. */
static void multistep(Pndm *p, Tensor x, const double sigma[2])
{
    static const double even[MOST][MOST] = {
        { 1 },
        { 3 / 2.0, -1 / 2.0 },
        { 23 / 12.0, -16 / 12.0, 5 / 12.0 },
        { 55 / 24.0, -59 / 24.0, 37 / 24.0, -9 / 24.0 },
    };
    combine(p, even[p->held - 1], p->held);
    transfer(p->s, x, x, p->work, sigma);
}

/* Back to the samplers' scale, at the sigma that the step came to; step_done() makes it count as at sigma[i + 1]. */
static int pndm_done(const Pndm *p, Tensor x, int i, Err *e)
{
    mix(p->s->x, 1 / unit(p->s->tl->to[i]), x, 0, x);
    return step_done(p->s, i, p->x0, e);
}

/* Back to the samplers' scale where x stands at sigma[i + 1] itself. */
static int pndm_met(const Pndm *p, Tensor x, int i, Err *e)
{
    const Sampling *s = p->s;
    mix(s->x, 1 / unit(s->tl->sigma[i + 1]), x, 0, x);
    return s->after_step && !arena_dry(s->arena) ? s->after_step(s->ctx, i, s->x, p->x0, e) : 0;
}

/* Whether the run is diffusers': whole timesteps of the model. */
static bool whole_timesteps(const Sampling *s)
{
    return s->tuning.compat == COMPAT_DIFFUSERS && s->d->noise->sigmas && s->tl->family == FAMILY_DDIM;
}

/* x, of unit variance at a sigma, as the caller's after_step() may have changed the samplers' latent. */
static void read_back(const Sampling *s, Tensor x, double sigma)
{
    if (s->d->kept.source.n) mix(x, unit(sigma), s->x, 0, s->x);
}

/* Between the two evaluations of the first step. */
static void half_way(const Sampling *s, Tensor x, double sigma)
{
    if (!s->d->kept.source.n) return;
    mix(x, 1 / unit(sigma), x, 0, x);
    half_done(s, x, sigma);
    mix(x, unit(sigma), x, 0, x);
}

/*
 * PLMS from a picture, as diffusers' pipelines run its scheduler: they cut the list of timesteps, in which the second one stands
 * twice, so the run's own second timestep is not repeated, and from the third evaluation on the latent is a step behind the
 * timestep that the network is told. Where only the first timestep is cut off, the second one is evaluated twice (first_twice).
 */
static int plms_from_picture(const Sampling *s, Err *e)
{
    Pndm p = pndm_new(s);
    const Timeline *tl = s->tl;
    Tensor x = tensor_like(s->arena, s->x), before = tensor_like(s->arena, s->x);
    int twice = s->tuning.first_twice, stride = s->d->noise->timesteps / (tl->steps + tl->skipped);
    mix(x, unit(tl->sigma[0]), s->x, 0, s->x);
    for (int call = 0; call < tl->steps + twice; call++) {
        int i = call > twice ? call - twice : 0;
        double sigma = tl->sigma[i];
        if (call != 1) keep(&p);
        if (output(&p, p.out[call == 1], x, (double[]){ sigma, tl->t[i] }, i, e)) return -1;
        if (call == 0) {
            if (x.data) tensor_copy(before, x);
            transfer(s, x, x, p.out[0], (double[]){ sigma, tl->to[0] });
        } else if (call == 1) {
            mix(p.work, 0.5, p.out[0], 0.5, p.out[1]);
            transfer(s, x, before, p.work, (double[]){ sigma_at(s, tl->t[i] + stride), sigma });
        } else {
            multistep(&p, x, (double[]){ sigma, tl->to[i] });
        }
        bool last = i + 1 == tl->steps;
        if (call < twice) {
            half_way(s, x, sigma);
            continue;
        }
        if (last ? pndm_done(&p, x, i, e) : pndm_met(&p, x, i, e)) return -1;
        if (!last) read_back(s, x, tl->sigma[i + 1]);
    }
    return 0;
}

/*
 * PLMS: the first step is Heun's, with two evaluations; then Adams and Bashforth's. diffusers' PNDMScheduler with skip_prk_steps,
 * as Stable Diffusion has it; CompVis' PLMSSampler, A1111's PLMS.
 */
int plms(const Sampling *s, Err *e)
{
    if (whole_timesteps(s) && s->tuning.cut) return plms_from_picture(s, e);
    Pndm p = pndm_new(s);
    Tensor x = tensor_like(s->arena, s->x), end = tensor_like(s->arena, s->x);
    const Timeline *tl = s->tl;
    mix(x, unit(tl->sigma[0]), s->x, 0, s->x);
    for (int i = 0; i < tl->steps; i++) {
        double step[2] = { tl->sigma[i], tl->to[i] };
        keep(&p);
        if (output(&p, p.out[0], x, (double[]){ tl->sigma[i], tl->t[i] }, i, e)) return -1;
        if (i == 0 && tl->steps > 1) {
            transfer(s, end, x, p.out[0], step);
            half_way(s, end, tl->sigma[1]);
            if (output(&p, p.out[1], end, (double[]){ tl->sigma[1], tl->t[1] }, 1, e)) return -1;
            mix(p.work, 0.5, p.out[0], 0.5, p.out[1]);
            if (whole_timesteps(s)) { /* from one part before the second timestep, to it */
                int stride = s->d->noise->timesteps / (tl->steps + tl->skipped);
                step[0] = sigma_at(s, tl->t[1] + stride);
                step[1] = tl->sigma[1];
            }
            transfer(s, x, x, p.work, step);
            if (pndm_met(&p, x, i, e)) return -1;
            read_back(s, x, tl->sigma[i + 1]);
            continue;
        }
        multistep(&p, x, step);
        if (pndm_done(&p, x, i, e)) return -1;
        if (i + 1 < tl->steps) read_back(s, x, tl->sigma[i + 1]);
    }
    return 0;
}

/* Runge and Kutta's step of four evaluations; diffusers walks over the timestep half way. Liu et al. 2022, eq. 13. */
static int runge_kutta(Pndm *p, Tensor x, const Tensor places[3], int i, Err *e)
{
    static const double weight[] = { 1 / 6.0, 1 / 3.0, 1 / 3.0, 1 / 6.0 };
    const Sampling *s = p->s;
    const Timeline *tl = s->tl;
    Tensor at = places[0], sum = places[1], other = places[2];
    double from = tl->sigma[i], next = tl->sigma[i + 1], middle = (from + next) / 2, half = middle, t = NAN;
    if (whole_timesteps(s)) {
        int stride = s->d->noise->timesteps / (tl->steps + tl->skipped) / 2;
        t = tl->t[i + 1] + stride;
        middle = sigma_at(s, t);
        half = sigma_at(s, tl->t[i] - stride); /* where the first evaluation leads */
    }
    const double to[] = { half, middle, next, next };
    const double sigma[] = { from, middle, middle, next }, times[] = { tl->t[i], t, t, tl->t[i + 1] };
    for (int k = 0; k < 4; k++) {
        Tensor o = k ? other : p->out[0]; /* the first is kept */
        if (output(p, o, k ? at : x, (double[]){ sigma[k], times[k] }, i, e)) return -1;
        if (k) add(sum, weight[k], o);
        else mix(sum, weight[0], o, 0, o);
        transfer(s, at, x, k < 3 ? o : sum, (double[]){ from, to[k] });
    }
    if (x.data) tensor_copy(x, at);
    return 0;
}

/* PNDM: three steps of Runge and Kutta, then Adams and Bashforth's. diffusers' PNDMScheduler without skip_prk_steps. */
int pndm(const Sampling *s, Err *e)
{
    enum { WARM = 3 };
    if (s->tl->steps <= WARM)
        return err_usage(e, "%d steps: PNDM begins with %d of Runge and Kutta; take %d or more, or plms", s->tl->steps,
                         WARM, WARM + 1);
    Pndm p = pndm_new(s);
    Tensor x = tensor_like(s->arena, s->x), places[3];
    for (int k = 0; k < 3; k++) places[k] = tensor_like(s->arena, s->x);
    const Timeline *tl = s->tl;
    mix(x, unit(tl->sigma[0]), s->x, 0, s->x);
    for (int i = 0; i < tl->steps; i++) {
        keep(&p);
        if (i < WARM) {
            if (runge_kutta(&p, x, places, i, e) || pndm_met(&p, x, i, e)) return -1;
            continue;
        }
        if (output(&p, p.out[0], x, (double[]){ tl->sigma[i], tl->t[i] }, i, e)) return -1;
        multistep(&p, x, (double[]){ tl->sigma[i], tl->to[i] });
        if (pndm_done(&p, x, i, e)) return -1;
    }
    return 0;
}
