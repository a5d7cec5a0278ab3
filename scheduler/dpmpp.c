/*
 * dpmpp.c - DPM-Solver++. Lu et al. 2022, arXiv:2211.01095: exponential integrators of the estimate x0 in lambda = -log(sigma).
 *
 * Over a step of length h in lambda, a = e^-h: x' = a x + (1 - a) D0 + c1 D1 - c2 D2, where D0, D1, D2 are the estimate and its
 * differences.
 */
#include <math.h>

#include "scheduler/step.h"

/* ---- multistep, also as an SDE ----------------------------------------------------------------------------------------- */

/* How one multistep sampler differs from another. */
typedef struct {
    int order;  /* 1 .. 3 */
    bool heun;  /* the second-order formula's correction: (1 - a) / 2 by midpoint, or the exact integral (Heun) */
    double eta; /* share of fresh noise: the SDE; the noise also shortens what is left of x, by e^(-eta h) */
} Scheme;

/* x += the corrections for D1, D2; h is the step with its noise, r how long the last steps were, in steps. */
static void correct(const Sampling *s, const Scheme *c, int order, double h, const double r[2], const Tensor *x0)
{
    double phi2 = expm1(-h) / h + 1, phi3 = phi2 / h - 0.5;
    if (order == 2) {
        double c1 = (c->heun ? phi2 : -0.5 * expm1(-h)) / r[0];
        add(s->x, c1, x0[0]);
        add(s->x, -c1, x0[1]);
        return;
    }
    /* D1 = d0 + (d0 - d1) r0 / (r0 + r1), D2 = (d0 - d1) / (r0 + r1), d0 = (x0 - x1) / r0, d1 = (x1 - x2) / r1 */
    bool sde = c->eta > 0 && s->tuning.compat == COMPAT_DIFFUSERS;
    double c2 = sde ? phi2 / h + 0.5 : phi3; /* there a sign is wrong, and its pictures have it */
    double d1 = -(phi2 * r[0] - c2) / (r[0] + r[1]), d0 = phi2 - d1; /* how much of each */
    add(s->x, d0 / r[0], x0[0]);
    add(s->x, d1 / r[1] - d0 / r[0], x0[1]);
    add(s->x, -d1 / r[1], x0[2]);
}

/*
 * The order of step i. The first ones have no history, the one to 0 is the estimate itself; diffusers lowers the last two of
 * fewer than 15 steps.
 */
static int order_at(const Sampling *s, int order, int i)
{
    int left = s->tl->steps - 1 - i;
    bool few = s->tuning.compat == COMPAT_DIFFUSERS && s->tl->steps < 15 && !s->tuning.keep_order;
    if (order > i + 1) order = i + 1;
    if (left == 0 && (few || sigma_to(s, i) == 0)) return 1;
    return left == 1 && few && order > 2 ? 2 : order;
}

static int multistep(const Sampling *s, Scheme c, Err *e)
{
    Tensor x = s->x, x0[3], noise = tensor_like(s->arena, x);
    for (int k = 0; k < 3; k++) x0[k] = tensor_like(s->arena, x);
    double last[2] = { 0 }; /* the lengths of the last steps */
    c.order = order_of(s, c.order, 3);
    c.heun = c.heun || s->tuning.heun;
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), h = log(sigma / to), all = (1 + c.eta) * h;
        int order = order_at(s, c.order, i);
        history_rotate(x0, 3);
        if (denoised(s, x0[0], x, i, e)) return -1;
        mix(x, exp(-all), x, -expm1(-all), x0[0]);
        if (order > 1 && h > 0) correct(s, &c, order, all, (double[]){ last[0] / h, last[1] / h }, x0);
        if (c.eta > 0 && to > 0) {
            sde_noise(s, noise, sigma, to);
            add(x, to * sqrt(-expm1(-2 * c.eta * h)) * s_noise(s), noise);
        }
        if (step_done(s, i, x0[0], e)) return -1;
        last[1] = last[0];
        last[0] = h;
    }
    return 0;
}

/* DPM-Solver++(2M). Lu et al. 2022, arXiv:2211.01095, algorithm 2. */
int dpmpp_2m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 2, false, 0 }, e); }

/* DPM-Solver++(3M). diffusers' DPMSolverMultistepScheduler of order 3. */
int dpmpp_3m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 3, false, 0 }, e); }

/* SDE-DPM-Solver++(2M). Lu et al. 2022, arXiv:2211.01095, section 5 and appendix B.5. */
int dpmpp_2m_sde(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 2, false, s->eta }, e); }

/* The same with Heun's correction. */
int dpmpp_2m_sde_heun(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 2, true, s->eta }, e); }

/* SDE-DPM-Solver++(3M). Crowson, k-diffusion; its second step has Heun's correction, diffusers' the midpoint's. */
int dpmpp_3m_sde(const Sampling *s, Err *e)
{
    return multistep(s, (Scheme){ 3, s->tuning.compat != COMPAT_DIFFUSERS, s->eta }, e);
}

/* DPM-Solver++(2M) with CFG++ (Chung et al. 2024, arXiv:2406.08070): the estimate without the prompt is what is remembered. */
int dpmpp_2m_cfg_pp(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), free[2] = { tensor_like(s->arena, x), tensor_like(s->arena, x) };
    double last = 0;
    for (int i = 0; i < s->tl->steps; i++) {
        double h = log(s->tl->sigma[i] / sigma_to(s, i)), a = exp(-h);
        history_rotate(free, 2);
        s->d->unguided = free[0];
        if (denoised(s, x0, x, i, e)) return -1;
        double c = i > 0 && a > 0 ? (1 - a) * h / (2 * last) : 0;
        mix(x, a, x, -a, free[0]);
        add(x, 1 + c, x0);
        if (c != 0) add(x, -c, free[1]);
        if (step_done(s, i, x0, e)) return -1;
        last = h;
    }
    return 0;
}

/* ---- ancestral --------------------------------------------------------------------------------------------------------- */

/* DPM-Solver++(2S) ancestral. Lu et al. 2022, arXiv:2211.01095, algorithm 1 with r = 1/2, down to where fresh noise begins. */
int dpmpp_2s_ancestral(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), middle = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        split_noise(sigma, sigma_to(s, i), s->eta, &down, &up);
        if (denoised(s, x0, x, i, e)) return -1;
        if (down > 0) {
            double half = (float)sqrt(sigma * down), a = half / sigma;
            mix(middle, a, x, 1 - a, x0);
            if (denoised_at(s, x0, middle, half, i, e)) return -1;
        }
        mix(x, down / sigma, x, 1 - down / sigma, x0);
        add_noise(s, up, middle);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* The same with CFG++, as ComfyUI has it: along the estimate without the prompt, the guidance added at the end of a step. */
int dpmpp_2s_ancestral_cfg_pp(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), work = tensor_like(s->arena, x),
           guidance = tensor_like(s->arena, x);
    Tensor unguided = s->d->unguided = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        split_noise(sigma, sigma_to(s, i), s->eta, &down, &up);
        if (denoised(s, x0, x, i, e)) return -1;
        mix(guidance, 1, x0, -1, unguided);
        if (down > 0) {
            double half = (float)sqrt(sigma * down), a = half / sigma;
            mix(work, a, x, 1 - a, unguided);
            if (denoised_at(s, x0, work, half, i, e)) return -1;
        }
        mix(x, down / sigma, x, 1 - down / sigma, unguided);
        add_noise(s, up, work);
        add(x, 1, guidance);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* ---- singlestep -------------------------------------------------------------------------------------------------------- */

/*
 * Which of the blocks' evaluations is the i-th, 1 .. order: a block of k evaluations is one step of order k. Where the way leads
 * to 0, or its steps do not fill whole blocks, the last ones are shorter, and the very last is a block of its own.
 */
static int place_in_block(int order, int i, int steps, bool to_zero)
{
    if (!to_zero && steps % order == 0) return i % order + 1;
    if (to_zero && i == steps - 1) return 1;
    int whole = steps / order * order; /* evaluations in whole blocks */
    if (steps % order == 0) whole -= order;
    if (i < whole) return i % order + 1;
    int rest = steps - whole, place = i - whole; /* 1 .. order evaluations are left */
    if (rest == order) return place == rest - 1 ? 1 : place + 1;
    return place + 1;
}

/*
 * DPM-Solver++(2S), (3S). Lu et al. 2022, arXiv:2211.01095, algorithm 1, as diffusers' DPMSolverSinglestepScheduler lays it out:
 * the evaluations inside a block are at the timeline's own sigmas, and N counts evaluations.
 */
static int singlestep(const Sampling *s, int order, Err *e)
{
    Tensor x = s->x, start = tensor_like(s->arena, x), x0[3]; /* x0[k]: the block's k-th estimate */
    for (int k = 0; k < 3; k++) x0[k] = tensor_like(s->arena, x);
    bool to_zero = s->tl->to[s->tl->steps - 1] == 0;
    double lambda[3] = { 0 };
    for (int i = 0; i < s->tl->steps; i++) {
        int k = place_in_block(order, i, s->tl->steps, to_zero);
        double to = sigma_to(s, i), first = s->tl->sigma[i + 1 - k], a = to / first, h = -log(a);
        if (k == 1 && x.data) tensor_copy(start, x);
        if (denoised(s, x0[k - 1], x, i, e)) return -1;
        lambda[k - 1] = log(first / s->tl->sigma[i]); /* from the block's start */

        double phi2 = (a - 1) / h + 1, phi3 = (a - 1 + h) / (h * h) - 0.5;
        mix(x, a, start, 1 - a, x0[0]);
        if (k == 2) {
            double c = (s->tuning.heun ? phi2 : 0.5 * (1 - a)) * h / lambda[1];
            add(x, c, x0[1]);
            add(x, -c, x0[0]);
        } else if (k == 3) {
            double r0 = lambda[2] / h, r1 = lambda[1] / h, d1 = 0, d2 = phi2; /* of (x1 - x0) / r1 and (x2 - x0) / r0 */
            if (s->tuning.heun) {
                d1 = (phi2 * r0 + 2 * phi3) / (r0 - r1);
                d2 = (-phi2 * r1 - 2 * phi3) / (r0 - r1);
            }
            add(x, d1 / r1, x0[1]);
            add(x, d2 / r0, x0[2]);
            add(x, -d1 / r1 - d2 / r0, x0[0]);
        }
        if (step_done(s, i, x0[k - 1], e)) return -1;
    }
    return 0;
}

int dpmpp_2s(const Sampling *s, Err *e) { return singlestep(s, order_of(s, 2, 3), e); }
int dpmpp_3s(const Sampling *s, Err *e) { return singlestep(s, order_of(s, 3, 3), e); }
