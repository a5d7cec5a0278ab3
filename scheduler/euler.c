/* euler.c - samplers that step along a slope in sigma: Euler, Heun, and what was made of them. */
#include <math.h>

#include "scheduler/step.h"

/* Euler. Karras et al. 2022, arXiv:2206.00364, algorithm 2 with Euler steps: dx/dsigma = (x - x0) / sigma. */
int euler(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), slope = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = churn(s, i, slope);
        if (denoised_hat(s, x0, sigma, i, e)) return -1;
        slope_of(slope, x, x0, sigma);
        add(x, sigma_to(s, i) - sigma, slope);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* Euler ancestral. Crowson, k-diffusion: an Euler step below the goal, and fresh noise up to it. */
int euler_ancestral(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), work = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        if (denoised(s, x0, x, i, e)) return -1;
        split_noise(sigma, sigma_to(s, i), s->eta, &down, &up);
        slope_of(work, x, x0, sigma);
        add(x, down - sigma, work);
        add_noise(s, up, work);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* Heun. Karras et al. 2022, arXiv:2206.00364, algorithm 2: the slope is the mean of those at both ends. */
int heun(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), end = tensor_like(s->arena, x), slope = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = churn(s, i, slope), next = sigma_to(s, i);
        if (denoised_hat(s, x0, sigma, i, e)) return -1;
        clip(s, x0);
        slope_of(slope, x, x0, sigma);
        if (next > 0) {
            mix(end, 1, x, next - sigma, slope);
            half_done(s, end, next);
            if (denoised(s, x0, end, i + 1, e)) return -1;
            clip(s, x0);
            slope_of(end, end, x0, next);
            mix(slope, 0.5, slope, 0.5, end);
        }
        add(x, next - sigma, slope);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * Heun++. Wang et al. 2024, arXiv:2310.14558 (HeunPP2 of diff-sampler, which Forge and ComfyUI took over): slopes at this sigma,
 * the next and the one after, weighted by their sigmas; the last but one step has two slopes, the last one.
 */
int heunpp2(const Sampling *s, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), at = tensor_like(s->arena, x);
    Tensor slope = tensor_like(s->arena, x), other = tensor_like(s->arena, x);
    int steps = s->tl->steps;
    for (int i = 0; i < steps; i++) {
        double sigma = churn(s, i, slope), next = s->tl->sigma[i + 1];
        if (denoised_hat(s, x0, sigma, i, e)) return -1;
        slope_of(slope, x, x0, sigma);
        int more = steps - 1 - i < 2 ? steps - 1 - i : 2; /* slopes in addition to the first */
        double total = (more + 1) * s->tl->sigma[0], first = 1;
        mix(at, 1, x, next - sigma, slope);
        for (int k = 1; k <= more; k++) first -= s->tl->sigma[i + k] / total;
        mix(slope, first, slope, 0, slope);
        for (int k = 1; k <= more; k++) {
            double here = s->tl->sigma[i + k];
            if (denoised(s, x0, at, i + k, e)) return -1;
            slope_of(other, at, x0, here);
            if (k < more) add(at, s->tl->sigma[i + k + 1] - here, other);
            add(slope, here / total, other);
        }
        add(x, next - sigma, slope);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/*
 * CFG++. Chung et al. 2024, arXiv:2406.08070, algorithm 2: to the guided estimate, and back up with the noise of the estimate
 * without the prompt.
 */
static int cfg_pp(const Sampling *s, double eta, Err *e)
{
    Tensor x = s->x, x0 = tensor_like(s->arena, x), work = tensor_like(s->arena, x);
    Tensor unguided = s->d->unguided = tensor_like(s->arena, x);
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        if (denoised(s, x0, x, i, e)) return -1;
        split_noise(sigma, sigma_to(s, i), eta, &down, &up);
        slope_of(work, x, unguided, sigma);
        mix(x, 1, x0, down, work);
        add_noise(s, up, work);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

int euler_cfg_pp(const Sampling *s, Err *e) { return cfg_pp(s, 0, e); }
int euler_ancestral_cfg_pp(const Sampling *s, Err *e) { return cfg_pp(s, s->eta, e); }

/* ---- Restart --------------------------------------------------------------------------------------------------------- */

/* One stretch: count steps over Karras et al.'s sigmas from high to low. */
typedef struct {
    double high, low;
    int count;
    bool to_zero; /* one step more, from low to 0 */
} Stretch;

/* Karras et al. 2022, eq. 5: the i-th of `count` steps' ends. */
static double karras_at(const Stretch *r, int i)
{
    double high = pow(r->high, 1 / 7.0), low = pow(r->low, 1 / 7.0);
    return i > r->count ? 0 : r->count == 0 ? r->high : (float)pow(high + i * (low - high) / r->count, 7);
}

static int heun_step(const Sampling *s, Tensor x0, Tensor work[2], const double ends[2], Err *e)
{
    Tensor x = s->x, slope = work[0], end = work[1];
    double sigma = ends[0], next = ends[1];
    int i = s->d->step;
    if (denoised_at(s, x0, x, sigma, i, e)) return -1;
    slope_of(slope, x, x0, sigma);
    if (next > 0) {
        mix(end, 1, x, next - sigma, slope);
        if (denoised_at(s, x0, end, next, i, e)) return -1;
        slope_of(end, end, x0, next);
        mix(slope, 0.5, slope, 0.5, end);
    }
    add(x, next - sigma, slope);
    return 0;
}

/* Which of the sigmas of a stretch (its end 0 included) is nearest to a value. */
static int nearest_sigma(const Stretch *r, double sigma)
{
    int best = 0;
    for (int i = 0; i <= r->count + r->to_zero; i++)
        if (fabs(karras_at(r, i) - sigma) < fabs(karras_at(r, best) - sigma)) best = i;
    return best;
}

/*
 * Restart. Xu et al. 2023, arXiv:2306.14878: Heun's steps, and near the end back up to sigma 2 with fresh noise and down again.
 * How many of the steps are spent so is A1111's rule (modules/sd_samplers_extra.py): none below 20, 9 once from 20, a quarter
 * twice from 36. Then the sigmas are Karras et al.'s between the schedule's ends.
 */
int restart(const Sampling *s, Err *e)
{
    Tensor x0 = tensor_like(s->arena, s->x), work[2] = { tensor_like(s->arena, s->x), tensor_like(s->arena, s->x) };
    const Timeline *tl = s->tl;
    int steps = tl->steps, times = steps < 20 ? 0 : steps < 36 ? 1 : 2, extra = times == 2 ? steps / 4 : 9, done = 0;
    Stretch main = { tl->sigma[0], tl->sigma[steps - 1], steps - extra * times - 1, true };
    int low = nearest_sigma(&main, 0.1), high = nearest_sigma(&main, 2);
    bool again = times && high < low;
    Stretch back = { karras_at(&main, high), karras_at(&main, low), extra, false };

    for (int i = 0; i <= main.count; i++) {
        double ends[2] = { karras_at(&main, i), karras_at(&main, i + 1) };
        if (!times) ends[0] = tl->sigma[i], ends[1] = tl->sigma[i + 1];
        s->d->step = done;
        if (heun_step(s, x0, work, ends, e) || step_done(s, done++, x0, e)) return -1;
        for (int k = 0; again && i + 1 == low && k < times; k++) {
            add_noise(s, sqrt(back.high * back.high - back.low * back.low), work[0]);
            for (int j = 0; j < back.count; j++) {
                s->d->step = done;
                if (heun_step(s, x0, work, (double[]){ karras_at(&back, j), karras_at(&back, j + 1) }, e)) return -1;
                if (step_done(s, done++, x0, e)) return -1;
            }
        }
    }
    return 0;
}
