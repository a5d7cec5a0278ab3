/*
 * cfg_pp.c - CFG++ (Chung et al. 2024, arXiv:2406.08070) for solvers that remember: to the guided estimate, back up with the noise of the
 * estimate without the prompt, which is the one that is remembered. As in ComfyUI (comfy/k_diffusion/sampling.py); see multistep.c for
 * the solvers themselves.
 */
#include <math.h>

#include "scheduler/step.h"

/* RES. */
static int res_cfg_pp(const Sampling *s, double eta, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    Tensor without[2] = { tensor_like(s->arena, x), tensor_like(s->arena, x) };
    double came_to = 0; /* where the last step went before its noise */
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up, c = 0;
        history_rotate(without, 2);
        s->d->unguided = without[0];
        if (denoised(s, x0, x, i, e)) return -1;
        split_noise(sigma, sigma_to(s, i), eta, &down, &up);
        double a = down / sigma;
        bool first = i == 0 || down == 0;
        if (!first) {
            double h = -log(a), behind = log(came_to / s->tl->sigma[i - 1]) / h;
            c = (1 - (1 - a) / h) / behind; /* h phi_2(-h) / behind */
            if (!isfinite(c)) c = 0;
        }
        mix(x, a, x, -a, without[0]);
        add(x, first ? 1 : a, x0);
        if (!first) add(x, 1 - a, without[0]);
        if (c != 0) {
            add(x, c, without[1]);
            add(x, -c, without[0]);
        }
        add_noise(s, up, noise);
        if (step_done(s, i, x0, e)) return -1;
        came_to = down;
    }
    return 0;
}

int res_multistep_cfg_pp(const Sampling *s, Err *e) { return res_cfg_pp(s, 0, e); }
int res_multistep_ancestral_cfg_pp(const Sampling *s, Err *e) { return res_cfg_pp(s, s->eta, e); }

/* Gradient estimation, gamma = 2. */
int gradient_estimation_cfg_pp(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), without = s->d->unguided = tensor_like(s->arena, x);
    Tensor slope[2] = { tensor_like(s->arena, x), tensor_like(s->arena, x) };
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], to = sigma_to(s, i);
        history_rotate(slope, 2);
        if (denoised(s, x0, x, i, e)) return -1;
        slope_of(slope[0], x, without, sigma);
        mix(x, 1, x0, to, slope[0]);
        if (i > 0 && to > 0) {
            add(x, to - sigma, slope[0]);
            add(x, sigma - to, slope[1]);
        }
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}
