/*
 * consistency.c - consistency models: their sigmas and their sampler. Song et al. 2023, arXiv:2303.01469, algorithm 1, as diffusers'
 * CMStochasticIterativeScheduler has it.
 */
#include <math.h>

#include "scheduler/sigmas.h"
#include "scheduler/step.h"

/*
 * Every (timesteps / N)-th place of Karras' sigmas from the top; or the places that are given, counted from the least sigma as diffusers'
 * timesteps=[...] are, whose list it reads from behind.
 */
int sigmas_consistency(const Noise *n, Timeline *tl, bool given, Err *e)
{
    double high = pow(n->sigma_max, 1 / n->rho), low = pow(n->sigma_min, 1 / n->rho);
    int stride = n->timesteps / tl->steps, last = n->timesteps - 1;
    for (int i = 0; i < tl->steps; i++) {
        double place = given ? tl->t[tl->steps - 1 - i] : i * stride;
        if (place > last) return err_usage(e, "timesteps: %g is over the model's last one, %d", place, last);
        tl->sigma[i] = pow(high + place / last * (low - high), n->rho);
    }
    for (int i = 0; i < tl->steps; i++) tl->t[i] = noise_continuous(n, tl->sigma[i]);
    return 0;
}

/* To the estimate, and fresh noise up to the next sigma, of which the estimate has the least one already. */
int cm(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    double least = s->d->noise->sigma_min, share = 1 - s->tuning.solver.noise_less;
    for (int i = 0; i < s->tl->steps; i++) {
        double to = sigma_to(s, i);
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        mix(x, 1, x0, 0, x0);
        add_noise(s, share * sqrt(fmax(to * to - least * least, 0)), noise);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}
