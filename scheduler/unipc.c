/*
 * unipc.c - UniPC. Zhao et al. 2023, arXiv:2302.04867: a multistep predictor, and a corrector that uses the prediction at the
 * predicted place, so that each step takes one evaluation and gains an order. In the estimate x0, or the noise in x (predict_x0
 * false); lambda = -log(sigma).
 */
#include <math.h>

#include "scheduler/step.h"

enum { MOST = 7 }; /* order 6, and the corrector's prediction */

/* The system R w = b for the weights of the estimates' differences: eq. 5 and 9. */
typedef struct {
    double R[MOST][MOST], b[MOST];
} System;

/* w = the solution of the first n equations; Gauss' elimination with the largest pivot. */
static void solve(System m, int n, double *w)
{
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int r = c + 1; r < n; r++)
            if (fabs(m.R[r][c]) > fabs(m.R[pivot][c])) pivot = r;
        for (int k = 0; k < n; k++) {
            double swap = m.R[c][k];
            m.R[c][k] = m.R[pivot][k];
            m.R[pivot][k] = swap;
        }
        double swap = m.b[c];
        m.b[c] = m.b[pivot];
        m.b[pivot] = swap;
        for (int r = c + 1; r < n; r++) {
            double f = m.R[r][c] / m.R[c][c];
            for (int k = c; k < n; k++) m.R[r][k] -= f * m.R[c][k];
            m.b[r] -= f * m.b[c];
        }
    }
    for (int c = n - 1; c >= 0; c--) {
        w[c] = m.b[c];
        for (int k = c + 1; k < n; k++) w[c] -= m.R[c][k] * w[k];
        w[c] /= m.R[c][c];
    }
}

/* How a run steps. */
typedef struct {
    bool bh1;   /* B(h) = h, else e^h - 1 */
    bool noise; /* m is the noise in x, else the estimate */
} Kind;

/* One step: from x at lambda, over h, with the predictions m[0] (at x), m[1], ... r[k] steps away (negative: earlier). */
typedef struct {
    Kind kind;
    double h, to, r[MOST]; /* r[0] is of m[1] */
    int order;
} Step;

static double B_of(const Step *s)
{
    double h = s->kind.noise ? s->h : -s->h;
    return s->kind.bh1 ? h : expm1(h);
}

/* The weights of (m[k + 1] - m[0]) / r[k], and for the corrector of (the new one - m[0]) as the last; all over B(h). */
static void weights(const Step *s, bool corrector, double *w)
{
    double h = s->kind.noise ? s->h : -s->h, phi = expm1(h) / h - 1, factorial = 1, B = B_of(s);
    int n = corrector ? s->order : s->order - 1;
    System m = { 0 };
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) m.R[i][k] = pow(k == s->order - 1 ? 1 : s->r[k], i);
        m.b[i] = phi * factorial / B;
        factorial *= i + 2;
        phi = phi / h - 1 / factorial;
    }
    if (n == 1) w[0] = 0.5; /* the paper's simplification for the first */
    else if (n > 0) solve(m, n, w);
}

/* out = the step from `from`; latest: the prediction at its end, for the corrector, else NULL. */
static void unipc_step(const Step *s, Tensor out, Tensor from, const Tensor *m, const Tensor *latest)
{
    double w[MOST] = { 0 }, scale = s->kind.noise ? s->to : 1, B = scale * B_of(s);
    double center = s->kind.noise ? -scale * expm1(s->h) : -expm1(-s->h);
    weights(s, latest != NULL, w);
    if (isinf(s->h)) B = 0; /* to sigma 0: of the first order, the estimate itself */
    for (int k = 0; k + 1 < s->order; k++) center += B * w[k] / s->r[k];
    if (latest) center += B * w[s->order - 1];
    mix(out, s->kind.noise ? 1 : exp(-s->h), from, center, m[0]);
    for (int k = 0; k + 1 < s->order; k++) add(out, -B * w[k] / s->r[k], m[k + 1]);
    if (latest) add(out, -B * w[s->order - 1], *latest);
}

static Step step_at(const Sampling *s, int i, int order, Kind kind)
{
    double to = sigma_to(s, i);
    Step step = { .h = log(s->tl->sigma[i] / to), .to = to, .order = order, .kind = kind };
    for (int k = 1; k < order; k++) step.r[k - 1] = log(s->tl->sigma[i] / s->tl->sigma[i - k]) / step.h;
    return step;
}

/* disable_corrector: the step's end is left as it was predicted. */
static bool corrects(const Sampling *s, int i)
{
    const Solver *solver = &s->tuning.solver;
    for (int k = 0; k < solver->disabled; k++)
        if (solver->disable[k] == i) return false;
    return true;
}

/* The orders rise to own at the start, and fall to 1 at the end. */
static int predictor_corrector(const Sampling *s, int own, bool bh1, Err *e)
{
    Tensor x = s->x, before = tensor_like(s->arena, x), x0 = tensor_like(s->arena, x),
           m[MOST]; /* before: where the step began */
    int steps = s->tl->steps, most = order_of(s, own, MOST - 1);
    for (int k = 0; k <= most; k++) m[k] = tensor_like(s->arena, x);
    Kind kind = { bh1, s->tuning.solver.algorithm == ALGORITHM_NOISE };
    Step last = { 0 };
    for (int i = 0; i < steps; i++) {
        int order = most;
        if (order > steps - i && !(s->tuning.solver.keep_order && sigma_to(s, i) > 0)) order = steps - i;
        if (order > i + 1) order = i + 1;
        history_rotate(m, most + 1);
        if (denoised(s, x0, x, i, e)) return -1;
        clip(s, x0);
        if (kind.noise) slope_of(m[0], x, x0, s->tl->sigma[i]);
        else if (x.data) tensor_copy(m[0], x0);
        if (i > 0 && corrects(s, s->tl->skipped + i - 1)) unipc_step(&last, x, before, m + 1, &m[0]);
        last = step_at(s, i, order, kind);
        if (x.data) tensor_copy(before, x);
        unipc_step(&last, x, before, m, NULL);
        if (step_done(s, i, x0, e)) return -1;
    }
    return 0;
}

/* ComfyUI takes order 3, less than its steps; diffusers 2; A1111 3. */
static int usual_order(const Sampling *s)
{
    int steps = s->tl->steps;
    if (s->tuning.compat == COMPAT_COMFYUI) return steps - 1 < 3 ? (steps > 1 ? steps - 1 : 1) : 3;
    return s->tuning.compat == COMPAT_DIFFUSERS ? 2 : 3;
}

/* UniPC with B(h) = e^h - 1; in A1111 and ComfyUI "UniPC" is the other. */
int unipc(const Sampling *s, Err *e)
{
    bool bh1 = s->tuning.compat != COMPAT_DIFFUSERS || s->tuning.solver.bh1;
    return predictor_corrector(s, usual_order(s), bh1, e);
}

int unipc_bh1(const Sampling *s, Err *e) { return predictor_corrector(s, usual_order(s), true, e); }
int unipc_bh2(const Sampling *s, Err *e) { return predictor_corrector(s, usual_order(s), false, e); }
