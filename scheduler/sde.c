/* sde.c - stochastic exponential integrators: the reverse SDE's noise is drawn for stretches of lambda = -log(sigma). */
#include <math.h>

#include "scheduler/step.h"

/* x += step[2] of the tree's noise from sigma step[0] to step[1]. */
static void tree_step(const Sampling *s, Tensor x, Tensor noise, const double step[3])
{
    if (step[2] == 0) return;
    tree_noise(s, noise, step[0], step[1]);
    add(x, step[2] * s_noise(s), noise);
}

/*
 * DPM-Solver++ SDE, one step of two stages. Crowson, k-diffusion; after Lu et al. 2022, arXiv:2211.01095: half way in lambda with the
 * noise of that half, then the whole way from the start. The points go to the tree as float32 gives them, since it is asked by
 * the sixth decimal.
 */
int dpmpp_sde(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), middle = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), down, up;
        if (denoised(s, x0, x, i, e)) return -1;
        if (to > 0) {
            float t = -logf((float)sigma), h = -logf((float)to) - t, half = expf(-(t + h * 0.5f));
            bool exact = s->tuning.compat == COMPAT_COMFYUI;
            double from = exact ? sigma : (double)expf(-t), goal = exact ? to : (double)expf(-(t + h));
            split_noise(from, (double)half, s->eta, &down, &up);
            mix(middle, down / sigma, x, 1 - down / sigma, x0);
            tree_step(s, middle, noise, (double[]){ from, (double)half, up });
            if (denoised_at(s, x0, middle, (double)half, i, e)) return -1;

            split_noise(sigma, to, s->eta, &down, &up);
            mix(x, down / sigma, x, 1 - down / sigma, x0);
            tree_step(s, x, noise, (double[]){ from, goal, up });
        } else if (x.data) {
            tensor_copy(x, x0);
        }
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* ---- SEEDS ------------------------------------------------------------------------------------------------------------- */

/* The noise gathered since the step's start, which also stands for the whole of it: forgotten by e^-eta h, renewed. */
typedef struct {
    const Sampling *s;
    Tensor sum, fresh;
    double at; /* how far, in lambda */
} Gathered;

/* On to `to`, as far as lambda_to from the step's start. */
static void gather(Gathered *g, double to, bool first)
{
    double h = to - g->at, eta = g->s->eta;
    g->at = to;
    if (!(eta > 0)) return;
    fresh_noise(g->fresh, g->s->rng, g->s->arena);
    double renewed = sqrt(-expm1(-2 * h * eta));
    if (first) mix(g->sum, renewed, g->fresh, 0, g->fresh);
    else mix(g->sum, exp(-h * eta), g->sum, renewed, g->fresh);
}

/* out = x at h from the step's start, from weights of the estimates, and the noise gathered so far. */
static void seeds_stage(const Gathered *g, Tensor out, double sigma, double h)
{
    const Sampling *s = g->s;
    mix(out, exp(-(1 + s->eta) * h), s->x, 0, s->x);
    if (s->eta > 0) add(out, sigma * exp(-h) * s_noise(s), g->sum);
}

static double phi_1(double h) { return -expm1(-h); }          /* the integral of the estimate */
static double phi_2(double h) { return (expm1(-h) + h) / h; } /* and of its rise by one over the step */

/*
 * SEEDS-2. Gonzalez et al. 2023, arXiv:2305.14267, as ComfyUI has it: a second stage at the share r of the step. slope: the second
 * stage corrects by the exact integral (phi_2), else it replaces the first as far as 1 / 2r (phi_1).
 */
static int seeds_two(const Sampling *s, double r, bool slope, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), second = tensor_like(s->arena, x),
           middle = tensor_like(s->arena, x);
    Gathered g = { .s = s, .sum = tensor_like(s->arena, x), .fresh = tensor_like(s->arena, x) };
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), h = log(sigma / to), whole = h * (1 + s->eta);
        if (denoised(s, x0, x, i, e)) return -1;
        if (to == 0) {
            if (x.data) tensor_copy(x, x0);
            if (step_done(s, i, x0, e)) return -1;
            continue;
        }
        double half = r == 1 ? to : (float)(sigma * exp(-r * h)), b;
        g.at = 0;
        gather(&g, r * h, true);
        seeds_stage(&g, middle, sigma, r * h);
        add(middle, phi_1(r * whole), x0);
        if (r == 1 ? denoised(s, second, middle, i + 1, e) : denoised_at(s, second, middle, half, i, e)) return -1;

        gather(&g, h, false);
        seeds_stage(&g, middle, sigma, h);
        b = slope ? phi_2(whole) / r : phi_1(whole) / (2 * r);
        add(middle, phi_1(whole) - b, x0);
        add(middle, b, second);
        if (x.data) tensor_copy(x, middle);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

int seeds_2(const Sampling *s, Err *e) { return seeds_two(s, 0.5, false, e); }

/* Exponential Heun: SEEDS-2 with the second stage at the step's end, exactly integrated; without and with the SDE's noise. */
int exp_heun_2_x0(const Sampling *s, Err *e)
{
    Sampling still = *s;
    still.eta = 0;
    return seeds_two(&still, 1, true, e);
}

int exp_heun_2_x0_sde(const Sampling *s, Err *e) { return seeds_two(s, 1, true, e); }

/* SEEDS-3. Gonzalez et al. 2023, arXiv:2305.14267, algorithm 4: stages at 1/3 and 2/3. */
int seeds_3(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), other = tensor_like(s->arena, x), middle = tensor_like(s->arena, x);
    Gathered g = { .s = s, .sum = tensor_like(s->arena, x), .fresh = tensor_like(s->arena, x) };
    const double r1 = 1 / 3.0, r2 = 2 / 3.0;
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), h = log(sigma / to), whole = h * (1 + s->eta), b;
        if (denoised(s, x0, x, i, e)) return -1;
        if (to == 0) {
            if (x.data) tensor_copy(x, x0);
            if (step_done(s, i, x0, e)) return -1;
            continue;
        }
        g.at = 0;
        gather(&g, r1 * h, true);
        seeds_stage(&g, middle, sigma, r1 * h);
        add(middle, phi_1(r1 * whole), x0);
        if (denoised_at(s, other, middle, (float)(sigma * exp(-r1 * h)), i, e)) return -1;

        gather(&g, r2 * h, false);
        seeds_stage(&g, middle, sigma, r2 * h);
        b = r2 / r1 * phi_2(r2 * whole);
        add(middle, phi_1(r2 * whole) - b, x0);
        add(middle, b, other);
        if (denoised_at(s, other, middle, (float)(sigma * exp(-r2 * h)), i, e)) return -1;

        gather(&g, h, false);
        seeds_stage(&g, middle, sigma, h);
        b = phi_2(whole) / r2;
        add(middle, phi_1(whole) - b, x0);
        add(middle, b, other);
        if (x.data) tensor_copy(x, middle);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* ---- ER-SDE ------------------------------------------------------------------------------------------------------------ */

/* How strong the noise is at sigma: Cui et al. 2023, arXiv:2309.06169, section 4.3, ER-SDE 5. */
static double noise_scale(double sigma) { return sigma * (exp(pow(sigma, 0.3)) + 10); }

/* Integrals over a step, by the rule of 200 points that the paper's code has: of 1 / scale, and of (sigma - from) / scale. */
static void scale_integrals(double from, double to, double out[2])
{
    enum { POINTS = 200 };
    double width = (from - to) / POINTS;
    out[0] = out[1] = 0;
    for (int k = 0; k < POINTS; k++) {
        double sigma = to + k * width, scale = noise_scale(sigma);
        out[0] += width / scale;
        out[1] += width * (sigma - from) / scale;
    }
}

/* ER-SDE-Solver-3 (VE). Cui et al. 2023, arXiv:2309.06169, algorithm 3. */
int er_sde(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0[2], slope[2], noise = tensor_like(s->arena, x);
    for (int k = 0; k < 2; k++) x0[k] = tensor_like(s->arena, x), slope[k] = tensor_like(s->arena, x);
    const double *sigmas = s->tl->sigma;
    int most = order_of(s, 3, 3);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = sigmas[i], to = sigma_to(s, i), scale = noise_scale(to), r = scale / noise_scale(sigma);
        history_rotate(x0, 2);
        history_rotate(slope, 2);
        if (denoised(s, x0[0], x, i, e)) return -1;
        mix(x, to > 0 ? r : 0, x, to > 0 ? 1 - r : 1, x0[0]);
        if (to > 0) {
            double step = to - sigma, integral[2];
            scale_integrals(sigma, to, integral);
            if (i >= 1 && most >= 2) {
                double over = sigma - sigmas[i - 1], curved = i >= 2 ? (sigma - sigmas[i - 2]) / 2 : 1;
                mix(slope[0], 1 / over, x0[0], -1 / over, x0[1]);
                add(x, step + integral[0] * scale, slope[0]);
                double amount = (step * step / 2 + integral[1] * scale) / curved;
                if (i >= 2 && most >= 3) {
                    add(x, amount, slope[0]);
                    add(x, -amount, slope[1]);
                }
            }
            add_noise(s, sqrt(fmax(to * to - sigma * sigma * r * r, 0)), noise);
        }
        if (step_done(s, i, x0[0], e)) return -1;
    }
    return 0;
}
