/*
 * singlestep.c - DPM-Solver and DPM-Solver++ in steps of several evaluations. Lu et al. 2022, arXiv:2211.01095, algorithm 1, as
 * diffusers' DPMSolverSinglestepScheduler lays it out: the evaluations inside a block are at the timeline's own sigmas, and N
 * counts evaluations.
 */
#include <math.h>

#include "scheduler/exponential.h"
#include "scheduler/step.h"

/*
 * Which of its block's evaluations the i-th is, 1 .. order: a block of k evaluations is one step of order k. With lower (or where the
 * steps do not fill whole blocks) the last blocks are shorter, and the very last is one of its own. The step to sigma 0 is one, too.
 */
static int place_in_block(const Sampling *s, int order, int i)
{
    int steps = s->tl->steps + s->tl->skipped, whole = steps / order * order; /* evaluations in whole blocks */
    bool to_zero = s->tl->to[s->tl->steps - 1] == 0, lower = !s->tuning.solver.keep_order || to_zero || whole != steps;
    i += s->tl->skipped;
    if (to_zero && i == steps - 1) return 1;
    if (!lower) return i % order + 1;
    if (whole == steps) whole -= order;
    if (i < whole) return i % order + 1;
    int rest = steps - whole, place = i - whole; /* 1 .. order evaluations are left: a block, and one alone */
    return rest > 1 && place == rest - 1 && rest == order ? 1 : place + 1;
}

/* x += the corrections of a block's k-th evaluation; m[0] is the block's first, r[j] where its j-th is, in steps. */
static void correct(const Sampling *s, const Exponential *w, int k, const double r[3], const Tensor *m)
{
    double c1 = 0, c2; /* of (m1 - m0) / r1, of (m2 - m0) / r2 */
    bool heun = s->tuning.solver.heun;
    if (k == 2) {
        c2 = (heun ? w->phi2 : 0.5 * w->phi1) / r[1];
        add(s->x, c2, m[1]);
        add(s->x, -c2, m[0]);
        return;
    }
    c2 = w->phi2;
    if (heun) {
        c1 = (w->phi2 * r[2] - 2 * w->phi3) / (r[2] - r[1]);
        c2 = (-w->phi2 * r[1] + 2 * w->phi3) / (r[2] - r[1]);
    }
    add(s->x, c1 / r[1], m[1]);
    add(s->x, c2 / r[2], m[2]);
    add(s->x, -c1 / r[1] - c2 / r[2], m[0]);
}

static int singlestep(const Sampling *s, int own, Algorithm algorithm, Err *e)
{
    Tensor x = s->x, start = tensor_like(s->arena, x), x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    Tensor m[3]; /* what was predicted in the block */
    for (int k = 0; k < 3; k++) m[k] = tensor_like(s->arena, x);
    int order = order_of(s, own, 3);
    double eta = algorithm == ALGORITHM_SDE_DATA ? s->eta : 0, lambda[3] = { 0 }; /* from the block's start */
    for (int i = 0; i < s->tl->steps; i++) {
        int k = place_in_block(s, order, i);
        if (k > i + 1) k = i + 1; /* a run that sets out within a block */
        double sigma = s->tl->sigma[i], to = sigma_to(s, i), first = s->tl->sigma[i + 1 - k], h = log(first / to);
        if (k == 1 && x.data) tensor_copy(start, x);
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        if (algorithm == ALGORITHM_NOISE) slope_of(m[k - 1], x, x0, sigma);
        else if (x.data) tensor_copy(m[k - 1], x0);
        lambda[k - 1] = log(first / sigma);

        Exponential w =
            algorithm == ALGORITHM_NOISE ? exponential_noise(first, to, false) : exponential_data(first, to, eta, true);
        mix(x, w.keep, start, w.phi1, m[0]);
        if (k > 1) correct(s, &w, k, (double[]){ 0, lambda[1] / h, lambda[2] / h }, m);
        if (w.noise > 0) {
            sde_noise(s, noise, first, to);
            add(x, w.noise * s_noise(s), noise);
        }
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

int dpmpp_2s(const Sampling *s, Err *e) { return singlestep(s, 2, ALGORITHM_DATA, e); }
int dpmpp_3s(const Sampling *s, Err *e) { return singlestep(s, 3, ALGORITHM_DATA, e); }
int dpmpp_2s_sde(const Sampling *s, Err *e) { return singlestep(s, 2, ALGORITHM_SDE_DATA, e); }
int dpmpp_3s_sde(const Sampling *s, Err *e) { return singlestep(s, 3, ALGORITHM_SDE_DATA, e); }
int dpmsolver_2s(const Sampling *s, Err *e) { return singlestep(s, 2, ALGORITHM_NOISE, e); }
int dpmsolver_3s(const Sampling *s, Err *e) { return singlestep(s, 3, ALGORITHM_NOISE, e); }
