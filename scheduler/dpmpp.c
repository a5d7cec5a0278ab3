/*
 * dpmpp.c - DPM-Solver++. Lu et al. 2022, arXiv:2211.01095: exponential integrators of the estimate x0 in lambda = -log(sigma).
 *
 * Over a step of length h in lambda, a = e^-h: x' = a x + (1 - a) D0 + c1 D1 - c2 D2, where D0, D1, D2 are the estimate and its
 * differences.
 */
#include <math.h>

#include "scheduler/exponential.h"
#include "scheduler/step.h"

/* ---- multistep, also as an SDE ----------------------------------------------------------------------------------------- */

/* How one multistep sampler differs from another. */
typedef struct {
    int order; /* 1 .. 3 */
    Algorithm algorithm;
    double eta; /* share of fresh noise: the SDE; the noise also shortens what is left of x, by e^(-eta h) */
    bool heun;  /* the second-order formula's correction: by midpoint, or the exact integral (Heun) */
} Scheme;

/*
 * The order of step i. The first ones have no history, the one to 0 is the estimate itself; diffusers lowers the last two of
 * fewer than 15 steps.
 */
static int order_at(const Sampling *s, int order, int i)
{
    int left = s->tl->steps - 1 - i;
    const Solver *solver = &s->tuning.solver;
    bool few = s->tuning.compat == COMPAT_DIFFUSERS && s->tl->steps + s->tl->skipped < 15 && !solver->keep_order;
    if (order > i + 1) order = i + 1;
    if (left == 0 && (few || solver->euler_at_final || sigma_to(s, i) == 0)) return 1;
    return left == 1 && few && order > 2 ? 2 : order;
}

/* The weights of a step from sigma to `to` for what is predicted. diffusers' third-order SDE has a sign that its paper has not. */
static Exponential scheme_weights(const Sampling *s, const Scheme *c, double sigma, double to)
{
    if (c->algorithm == ALGORITHM_NOISE || c->algorithm == ALGORITHM_SDE_NOISE)
        return exponential_noise(sigma, to, c->algorithm == ALGORITHM_SDE_NOISE);
    return exponential_data(sigma, to, c->eta, s->tuning.compat == COMPAT_DIFFUSERS);
}

static int multistep(const Sampling *s, Scheme c, Err *e)
{
    Tensor x = s->x, m[3], noise = tensor_like(s->arena, x); /* m: what was predicted, the newest first */
    for (int k = 0; k < 3; k++) m[k] = tensor_like(s->arena, x);
    double last[2] = { 0 }; /* the lengths of the last steps */
    bool noises = c.algorithm == ALGORITHM_NOISE || c.algorithm == ALGORITHM_SDE_NOISE;
    Tensor x0 = noises ? tensor_like(s->arena, x) : m[0];
    c.order = order_of(s, c.order, 3);
    c.heun = c.heun || s->tuning.solver.heun;
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), h = log(sigma / to);
        int order = order_at(s, c.order, i);
        history_rotate(m, 3);
        if (!noises) x0 = m[0];
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        if (noises) slope_of(m[0], x, x0, sigma);

        Exponential w = scheme_weights(s, &c, sigma, to);
        mix(x, w.keep, x, w.phi1, m[0]);
        if (order == 2 && h > 0) exponential_second(x, &w, c.heun, last[0] / h, m);
        if (order == 3 && h > 0) exponential_third(x, &w, (double[]){ last[0] / h, last[1] / h }, m);
        if (w.noise > 0) {
            sde_noise(s, noise, sigma, to);
            add(x, w.noise * s_noise(s), noise);
        }
        if (step_done(s, i, x0, e)) return -1;
        last[1] = last[0];
        last[0] = h;
    }
    return 0;
}

/* DPM-Solver++(2M). Lu et al. 2022, arXiv:2211.01095, algorithm 2. */
int dpmpp_2m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ .order = 2 }, e); }

/*
 * The same with steps of two lengths evened out: the mean of this step's and the last one's in the estimate's weight, and a shorter
 * extrapolation. From A1111's discussion 8457; stable-diffusion.cpp (denoiser.hpp, DPMPP2Mv2).
 */
int dpmpp_2m_v2(const Sampling *s, Err *e)
{
    Tensor x = s->x, m[2] = { tensor_like(s->arena, x), tensor_like(s->arena, x) };
    double last = 0;
    for (int i = 0; i < s->tl->steps; i++) {
        double to = sigma_to(s, i), h = log(s->tl->sigma[i] / to);
        bool first_order = i == 0 || to == 0;
        history_rotate(m, 2);
        if (denoised(s, m[0], x, i, e)) return -1;
        double low = fmin(h, last), high = fmax(h, last), c = first_order ? 0 : low / (2 * high); /* 1 / 2r */
        double b = first_order ? -expm1(-h) : -expm1(-(low + high) / 2);
        mix(x, exp(-h), x, (1 + c) * b, m[0]);
        if (c > 0) add(x, -c * b, m[1]);
        if (step_done(s, i, m[0], e)) return -1;
        last = h;
    }
    return 0;
}

/* DPM-Solver++(3M). diffusers' DPMSolverMultistepScheduler of order 3. */
int dpmpp_3m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ .order = 3 }, e); }

/* SDE-DPM-Solver++(2M). Lu et al. 2022, arXiv:2211.01095, section 5 and appendix B.5. */
int dpmpp_2m_sde(const Sampling *s, Err *e)
{
    return multistep(s, (Scheme){ 2, ALGORITHM_SDE_DATA, s->eta, false }, e);
}

/* The same with Heun's correction. */
int dpmpp_2m_sde_heun(const Sampling *s, Err *e)
{
    return multistep(s, (Scheme){ 2, ALGORITHM_SDE_DATA, s->eta, true }, e);
}

/* SDE-DPM-Solver++(3M). Crowson, k-diffusion; its second step has Heun's correction, diffusers' the midpoint's. */
int dpmpp_3m_sde(const Sampling *s, Err *e)
{
    return multistep(s, (Scheme){ 3, ALGORITHM_SDE_DATA, s->eta, s->tuning.compat != COMPAT_DIFFUSERS }, e);
}

/* DPM-Solver(2M), (3M) and its SDE: the same on the noise in x. Lu et al. 2022, arXiv:2206.00927 and 2211.01095, appendix B. */
int dpmsolver_2m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 2, ALGORITHM_NOISE, 0, false }, e); }
int dpmsolver_3m(const Sampling *s, Err *e) { return multistep(s, (Scheme){ 3, ALGORITHM_NOISE, 0, false }, e); }
int dpmsolver_2m_sde(const Sampling *s, Err *e)
{
    return multistep(s, (Scheme){ 2, ALGORITHM_SDE_NOISE, 1, false }, e);
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
