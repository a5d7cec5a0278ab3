/* multistep.c - samplers that remember earlier steps' slopes or estimates. slope = dx/dsigma = (x - x0) / sigma. */
#include <math.h>

#include "scheduler/step.h"

enum { MOST = 4 };

/* The slopes of the last steps; slope[0] is the newest. */
typedef struct {
    Tensor x0, slope[MOST];
} Slopes;

static Slopes slopes_new(const Sampling *s)
{
    Slopes h = { .x0 = tensor_like(s->arena, s->x) };
    for (int k = 0; k < MOST; k++) h.slope[k] = tensor_like(s->arena, s->x);
    return h;
}

static int slopes_next(const Sampling *s, Slopes *h, int i, Err *e)
{
    history_rotate(h->slope, MOST);
    if (denoised(s, h->x0, s->x, i, e)) return -1;
    slope_of(h->slope[0], s->x, h->x0, s->tl->sigma[i]);
    return 0;
}

/* x += the sum of c[k] * slope[k] */
static void slopes_apply(const Sampling *s, const Slopes *h, const double *c, int order)
{
    for (int k = 0; k < order; k++) add(s->x, c[k], h->slope[k]);
}

/* x = x0: the step to sigma 0 */
static void to_estimate(const Sampling *s, Tensor x0)
{
    if (s->x.data) tensor_copy(s->x, x0);
}

/* The k-th Lagrange polynomial over the places at[0 .. order - 1]. */
static double lagrange(const double *at, int order, int k, double x)
{
    double p = 1;
    for (int j = 0; j < order; j++)
        if (j != k) p *= (x - at[j]) / (at[k] - at[j]);
    return p;
}

/* Its integral from a to b; exact to degree 7 (Gauss and Legendre's rule of four points). */
static double lagrange_integral(const double *at, int order, int k, double a, double b)
{
    static const double node[] = { 0.3399810435848563, 0.8611363115940526 };
    static const double weight[] = { 0.6521451548625461, 0.3478548451374538 };
    double middle = (a + b) / 2, half = (b - a) / 2, sum = 0;
    for (int j = 0; j < 2; j++)
        sum += weight[j] *
               (lagrange(at, order, k, middle - half * node[j]) + lagrange(at, order, k, middle + half * node[j]));
    return sum * half;
}

/*
 * LMS: Adams and Bashforth's linear multistep method over uneven steps in sigma. Crowson, k-diffusion; order 4. diffusers' class counts
 * the steps that a run from a picture leaves out: its first steps have the weights of an order that they have no slopes for.
 */
int lms(const Sampling *s, Err *e)
{
    Slopes h = slopes_new(s);
    int left_out = 0;
    bool counts = s->tuning.compat == COMPAT_DIFFUSERS;
    while (counts && left_out < TIMELINE_BEFORE && s->tl->before[left_out] > 0) left_out++;
    for (int i = 0; i < s->tl->steps; i++) {
        double at[MOST], c[MOST], to = sigma_to(s, i);
        int counted = i + 1 + left_out, order = order_of(s, 4, counted < MOST ? counted : MOST);
        if (slopes_next(s, &h, i, e)) return -1;
        for (int k = 0; k < order; k++) at[k] = k <= i ? s->tl->sigma[i - k] : s->tl->before[k - i - 1];
        for (int k = 0; k < order; k++) c[k] = lagrange_integral(at, order, k, at[0], to);
        if (order > i + 1) order = i + 1;
        if (to == 0 && s->tuning.compat == COMPAT_COMFYUI) to_estimate(s, h.x0);
        else slopes_apply(s, &h, c, order);
        if (step_done(s, i, h.x0, e)) return -1;
    }
    return 0;
}

/* Adams and Bashforth's weights for even steps. Liu et al. 2022, arXiv:2202.09778, eq. 12. */
static const double even[MOST][MOST] = {
    { 1 },
    { 3 / 2.0, -1 / 2.0 },
    { 23 / 12.0, -16 / 12.0, 5 / 12.0 },
    { 55 / 24.0, -59 / 24.0, 37 / 24.0, -9 / 24.0 },
};

/* iPNDM. Zhang and Chen 2023, arXiv:2204.13902, appendix: PNDM without its Runge-Kutta start; weights as if steps were even. */
int ipndm(const Sampling *s, Err *e)
{
    Slopes h = slopes_new(s);
    for (int i = 0; i < s->tl->steps; i++) {
        double c[MOST], to = sigma_to(s, i);
        int order = order_of(s, 4, i + 1 < MOST ? i + 1 : MOST);
        if (slopes_next(s, &h, i, e)) return -1;
        for (int k = 0; k < order; k++) c[k] = (to - s->tl->sigma[i]) * even[order - 1][k];
        if (to == 0) to_estimate(s, h.x0);
        else slopes_apply(s, &h, c, order);
        if (step_done(s, i, h.x0, e)) return -1;
    }
    return 0;
}

/*
 * iPNDM-v's weights, from the lengths of this step and the last ones. Zhou et al. 2024, diff-sampler (arXiv:2312.00094), whose
 * formulas these are: not quite Adams and Bashforth's.
 */
static void uneven(const double *h, int order, double *c)
{
    double r = h[0] / h[1];
    c[0] = order == 1 ? 1 : (2 + r) / 2;
    c[1] = -r / 2;
    if (order < 3) return;

    double q = h[1] / h[2], two = h[0] + h[1], before = h[1] + h[2];
    double u = (1 - h[0] / (3 * two) * (h[0] * two) / (h[1] * before)) / 2;
    c[0] += u;
    c[1] -= (1 + q) * u;
    c[2] = q * u;
    if (order < 4) return;

    double p = h[1] * before / (h[2] * (h[2] + h[3])), three = two + h[2];
    double v = ((1 - h[0] / (3 * two)) / 2 + (1 - h[0] / (2 * two)) * h[0] / (6 * three)) * (h[0] * two * three) /
               (h[1] * before * (before + h[3]));
    c[0] += v;
    c[1] -= (1 + q + p) * v;
    c[2] += (q + p * (1 + h[2] / h[3])) * v;
    c[3] = -v * p * q;
}

/* iPNDM with the steps' own lengths. */
int ipndm_v(const Sampling *s, Err *e)
{
    Slopes slopes = slopes_new(s);
    for (int i = 0; i < s->tl->steps; i++) {
        double c[MOST], h[MOST] = { 0 }, to = sigma_to(s, i);
        int order = order_of(s, 4, i + 1 < MOST ? i + 1 : MOST);
        if (slopes_next(s, &slopes, i, e)) return -1;
        h[0] = to - s->tl->sigma[i];
        for (int k = 1; k < order; k++) h[k] = s->tl->sigma[i - k + 1] - s->tl->sigma[i - k];
        uneven(h, order, c);
        for (int k = 0; k < order; k++) c[k] *= h[0];
        if (to == 0) to_estimate(s, slopes.x0);
        else slopes_apply(s, &slopes, c, order);
        if (step_done(s, i, slopes.x0, e)) return -1;
    }
    return 0;
}

/* ---- DEIS -------------------------------------------------------------------------------------------------------------- */

/* The integral over sigma of the k-th Lagrange polynomial in log sigma, up to x; closed forms, as diffusers has them. */
static double log_integral(const double *l, int order, int k, double x)
{
    double y = log(x), b = l[k], c = l[(k + 1) % order], d = order == 3 ? l[(k + 2) % 3] : 0;
    if (order == 1) return x;
    if (order == 2) return x * (y - 1 - c) / (b - c);
    return x * (c * (d - y + 1) - d * y + d + y * y - 2 * y + 2) / ((b - c) * (b - d));
}

/* The weights of DEIS in log sigma (rhoAB), order 1 .. 3. */
static void deis_log(const Sampling *s, int i, int order, double *c)
{
    double l[3] = { 0 }, sigma = s->tl->sigma[i], to = sigma_to(s, i);
    for (int k = 0; k < order; k++) l[k] = log(s->tl->sigma[i - k]);
    for (int k = 0; k < order; k++) c[k] = log_integral(l, order, k, to) - log_integral(l, order, k, sigma);
}

/*
 * The weights of DEIS in the time t of a linear beta over sigma 0.002 .. 80 (tAB), as in diff-sampler and ComfyUI: a sum over
 * 10,000 points, both ends among them.
 */
static void deis_time(const Sampling *s, int i, int order, double *c)
{
    enum { POINTS = 10000 };
    const double start = 1e-3, low = log(0.002 * 0.002 + 1), high = log(80.0 * 80 + 1);
    const double slope = 2 * (low / start - high) / (start - 1),
                 base = high - 0.5 * slope; /* beta(t) = base + slope t */
    double t[MOST + 1] = { 0 };
    for (int k = -1; k < order; k++) {
        double sigma = k < 0 ? sigma_to(s, i) : s->tl->sigma[i - k];
        t[k + 1] = (sqrt(base * base + 2 * slope * log(sigma * sigma + 1)) - base) / slope;
    }
    for (int k = 0; k < order; k++) c[k] = 0;
    for (int j = 0; j < POINTS; j++) {
        double at = t[1] + j * (t[0] - t[1]) / (POINTS - 1), beta = base + slope * at;
        double alpha = exp(-0.5 * at * at * slope - at * base);
        double density = 0.5 * beta / sqrt(alpha * (1 - alpha)) * (t[0] - t[1]) / POINTS;
        for (int k = 0; k < order; k++) c[k] += density * lagrange(t + 1, order, k, at);
    }
}

/*
 * DEIS. Zhang and Chen 2023, arXiv:2204.13902: the slope's polynomial integrated exactly. diffusers' is of order 2 in log sigma
 * and lowers the last steps of fewer than 15; ComfyUI's and Forge's of order 3 in time.
 */
int deis(const Sampling *s, Err *e)
{
    Slopes h = slopes_new(s);
    bool in_log = s->tuning.compat == COMPAT_DIFFUSERS;
    int steps = s->tl->steps, own = order_of(s, in_log ? 2 : 3, 3);
    for (int i = 0; i < steps; i++) {
        double c[MOST], sigma = s->tl->sigma[i], to = sigma_to(s, i);
        int order = own < i + 1 ? own : i + 1, left = steps - 1 - i;
        bool few = in_log && steps + s->tl->skipped < 15 && !s->tuning.solver.keep_order;
        if (to == 0 || (few && left == 0)) order = 1;
        if (few && left == 1 && order > 2) order = 2;
        if (slopes_next(s, &h, i, e)) return -1;
        if (clips(s)) {
            clip(s, h.x0);
            slope_of(h.slope[0], s->x, h.x0, sigma);
        }
        if (order == 1) c[0] = to - sigma;
        else if (in_log) deis_log(s, i, order, c);
        else deis_time(s, i, order, c);
        slopes_apply(s, &h, c, order);
        if (step_done(s, i, h.x0, e)) return -1;
    }
    return 0;
}

/* ---- others ------------------------------------------------------------------------------------------------------------ */

static int res(const Sampling *s, double eta, Err *e)
{
    Tensor x = s->x, x0[2] = { tensor_like(s->arena, x), tensor_like(s->arena, x) }, noise = tensor_like(s->arena, x);
    double came_to = 0; /* where the last step went before its noise */
    for (int i = 0; i < s->tl->steps; i++) {
        double sigma = s->tl->sigma[i], down, up;
        history_rotate(x0, 2);
        if (denoised(s, x0[0], x, i, e)) return -1;
        split_noise(sigma, sigma_to(s, i), eta, &down, &up);
        double a = down / sigma;
        mix(x, a, x, 1 - a, x0[0]);
        if (i > 0 && down > 0) {
            double h = -log(a),
                   behind = log(came_to / s->tl->sigma[i - 1]) / h; /* the earlier estimate's place, in steps */
            double c = (1 - (1 - a) / h) / behind;                  /* h phi_2(-h) / behind */
            if (isfinite(c)) {
                add(x, c, x0[1]);
                add(x, -c, x0[0]);
            }
        }
        add_noise(s, up, noise);
        if (step_done(s, i, x0[0], e)) return -1;
        came_to = down;
    }
    return 0;
}

/* RES. Zhang et al. 2023, arXiv:2308.02157: the second-order exponential integrator with one remembered estimate. */
int res_multistep(const Sampling *s, Err *e) { return res(s, 0, e); }
int res_multistep_ancestral(const Sampling *s, Err *e) { return res(s, s->eta, e); }

/* Gradient estimation. Permenter and Yuan 2024, arXiv:2306.04848, eq. 12, gamma = 2: Euler along 2 slope - last slope. */
int gradient_estimation(const Sampling *s, Err *e)
{
    Slopes h = slopes_new(s);
    for (int i = 0; i < s->tl->steps; i++) {
        double step = sigma_to(s, i) - s->tl->sigma[i];
        if (slopes_next(s, &h, i, e)) return -1;
        if (sigma_to(s, i) == 0) to_estimate(s, h.x0);
        else slopes_apply(s, &h, (double[]){ i ? 2 * step : step, -step }, i ? 2 : 1);
        if (step_done(s, i, h.x0, e)) return -1;
    }
    return 0;
}
