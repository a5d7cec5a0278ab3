/*
 * sa_solver.c - SA-Solver. Xue et al. 2023, arXiv:2309.05019: Adams and Bashforth's predictor and Adams and Moulton's corrector for the
 * reverse SDE, in lambda = -log(sigma). Its noise is as strong as tau says: 1 in the middle of the timesteps, 0 elsewhere.
 *
 * diffusers and ComfyUI (comfy/k_diffusion/sampling.py) take other orders, see predictor_at(); in ComfyUI tau looks at where a step goes,
 * in diffusers at where it sets out, and order 2 has a correction; ComfyUI's last step is the estimate itself.
 */
#include <math.h>

#include "scheduler/step.h"

enum { MOST = 4 };

/* The polynomial in u = lambda - lambda_t that is 1 at node k and 0 at the others: c[j] is the coefficient of u^j. */
static void lagrange(const double *node, int order, int k, double *c)
{
    for (int j = 0; j < MOST; j++) c[j] = j == 0;
    for (int i = 0, degree = 0; i < order; i++) {
        if (i == k) continue;
        double over = 1 / (node[k] - node[i]);
        degree++;
        for (int j = degree; j >= 0; j--) c[j] = ((j ? c[j - 1] : 0) - node[i] * c[j]) * over;
    }
}

/* The integral of e^(a u) u^j over u = -h .. 0. By parts: I_j = (-(-h)^j e^(-a h) - j I_(j-1)) / a. */
static double moment(double a, double h, int j)
{
    double sum = -expm1(-a * h) / a;
    for (int i = 1; i <= j; i++) sum = (-pow(-h, i) * exp(-a * h) - i * sum) / a;
    return sum;
}

/* One step from lambda_s over h, and how strong its noise is. */
typedef struct {
    double h, to, tau;
    bool noise; /* the noise in x is what is predicted, else the estimate */
    bool plain; /* order 2 is not corrected */
} Step;

/*
 * The weights of the predictions at the nodes (in lambda, from the step's end), which they are taken to be a polynomial through. With two
 * of the estimate diffusers adds a correction; at: where the first node is the step's start, else (the corrector) its end.
 */
static void weights(const Step *s, const double *node, int order, bool corrector, double *w)
{
    double a = s->noise ? -1 : 1 + s->tau * s->tau, c[MOST];
    double scale = s->noise ? -s->to * (1 + s->tau * s->tau) : a;
    for (int k = 0; k < order; k++) {
        w[k] = 0;
        lagrange(node, order, k, c);
        for (int j = 0; j < order; j++) w[k] += scale * c[j] * moment(a, s->h, j);
    }
    if (s->noise || s->plain || order != 2) return;
    double h = s->h, third = (h * a + expm1(-a * h)) / (a * a);
    double more = a * (corrector ? h / 2 - third / h : (h * h / 2 - third) / (node[0] - node[1]));
    if (h > 0) w[0] += more, w[1] -= more;
}

/* out = the step from `from` with the predictions m, and the noise that belongs to it. */
static void sa_step(const Step *s, Tensor out, Tensor from, const Tensor *m, const double *w, int order, Tensor noise,
                    double s_noise)
{
    double square = s->tau * s->tau;
    double keep = s->noise ? 1 : exp(-(1 + square) * s->h);
    double up = s->to * (s->noise ? s->tau * sqrt(expm1(2 * s->h)) : sqrt(-expm1(-2 * square * s->h)));
    mix(out, keep, from, w[0], m[0]);
    for (int k = 1; k < order; k++) add(out, w[k], m[k]);
    if (up > 0) add(out, up * s_noise, noise);
}

static bool is_diffusers(const Sampling *s) { return s->tuning.compat == COMPAT_DIFFUSERS; }

static int least(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* The orders of a run: they rise to their own at the start, and fall at the end. */
typedef struct {
    int steps, predictor, corrector;
    bool falls;
} Orders;

static Orders orders_of(const Sampling *s)
{
    const Solver *solver = &s->tuning.solver;
    int steps = s->tl->steps;
    Orders o = { .steps = steps, .corrector = solver->corrector, .falls = !solver->keep_order };
    o.predictor = order_of(s, is_diffusers(s) ? 2 : 3, MOST);
    if (!o.corrector) o.corrector = is_diffusers(s) ? 2 : 4;
    if (!is_diffusers(s)) o.falls = s->tl->to[steps - 1] == 0;
    return o;
}

static int predictor_at(const Sampling *s, const Orders *o, int i)
{
    int left = o->falls ? o->steps - i - !is_diffusers(s) : MOST;
    return least(o->predictor, left > 1 ? left : 1, i + 1);
}

/* Of the correction of step i - 1, which the prediction at step i allows; 0: none. */
static int corrector_at(const Sampling *s, const Orders *o, int i)
{
    if (i == 0 || (!is_diffusers(s) && sigma_to(s, i) == 0)) return 0;
    int left = o->falls ? o->steps - i + (is_diffusers(s) ? 2 : 0) : MOST;
    return least(o->corrector, left, i + 1);
}

static double tau_at(const Sampling *s, int i)
{
    const Noise *n = s->d->noise;
    double t = s->tl->t[i], to = sigma_to(s, i);
    if (is_diffusers(s)) return t >= 200 && t <= 800 ? s->eta : 0;
    double last = n->timesteps - 1;
    bool middle = n->sigmas && to <= noise_sigma(n, 0.8 * last) && to >= noise_sigma(n, 0.2 * last);
    return middle ? s->eta : 0;
}

int sa_solver(const Sampling *s, Err *e)
{
    Tensor x = s->x, before = tensor_like(s->arena, x), x0 = tensor_like(s->arena, x), noise = tensor_like(s->arena, x);
    Tensor m[MOST + 1];
    for (int k = 0; k <= MOST; k++) m[k] = tensor_like(s->arena, x);
    Orders o = orders_of(s);
    double lambda[MOST + 1] = { 0 }; /* of the predictions, the newest first */
    Step step = { .noise = s->tuning.solver.algorithm == ALGORITHM_NOISE, .plain = !is_diffusers(s) };
    for (int i = 0; i < o.steps; i++) {
        double sigma = s->tl->sigma[i], node[MOST], w[MOST];
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        history_rotate(m, MOST + 1);
        for (int k = MOST; k > 0; k--) lambda[k] = lambda[k - 1];
        lambda[0] = -log(sigma);
        if (step.noise) slope_of(m[0], x, x0, sigma);
        else if (x.data) tensor_copy(m[0], x0);
        int order = corrector_at(s, &o, i);
        if (order > 0) {
            for (int k = 0; k < order; k++) node[k] = lambda[k] - lambda[0];
            weights(&step, node, order, true, w);
            sa_step(&step, x, before, m, w, order, noise, s_noise(s));
        }

        step.to = sigma_to(s, i);
        step.h = log(sigma / step.to);
        step.tau = tau_at(s, i);
        order = predictor_at(s, &o, i);
        if (x.data) tensor_copy(before, x);
        if (step.to == 0) { /* in ComfyUI; diffusers ends above 0 */
            if (x.data) tensor_copy(x, x0);
        } else {
            for (int k = 0; k < order; k++) node[k] = lambda[k] - lambda[0] - step.h;
            if (is_diffusers(s) || step.tau > 0) fresh_noise(noise, s->rng, s->arena);
            weights(&step, node, order, false, w);
            sa_step(&step, x, before, m, w, order, noise, s_noise(s));
        }
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}
