/*
 * guide_project.c - guidance by projections of the two outputs. Each picture is a vector of its own; sums are in double,
 * results in float32, as in diffusers' guiders.
 */
#include <math.h>

#include "scheduler/guide_internal.h"

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += (double)a[k] * (double)b[k];
    return sum;
}

/* A new output; each picture's length, 0 in a dry arena. */
static size_t begin(GuideStep *s)
{
    s->out = tensor_like(s->arena, guide_raw(s, BRANCH_PROMPT));
    return s->out.data ? tensor_len(s->out) / (size_t)s->out.n : 0;
}

static float *picture(Tensor t, int i) { return tensor_slice(t, i, 1).data; }

/* ---- CFG-Zero*. Fan et al. 2025, arXiv:2503.18886, section 4.1; diffusers' ClassifierFreeZeroStarGuidance ---- */

bool zero_star_on(const Guidance *g, const double *value) { return value[0] > 0 && cfg_on(g, value); }

/* F = a negative + scale (prompt - a negative), a the negative's best scale to be the prompt's. */
void zero_star_join(GuideStep *s, const double *value)
{
    (void)value;
    size_t count = begin(s);
    for (int i = 0; count && i < s->out.n; i++) {
        const float *n = picture(guide_raw(s, BRANCH_NEGATIVE), i), *p = picture(guide_raw(s, BRANCH_PROMPT), i);
        float a = (float)(dot(p, n, count) / (dot(n, n, count) + 1e-8)), *out = picture(s->out, i);
        for (size_t k = 0; k < count; k++) out[k] = a * n[k] + s->guidance->scale * (p[k] - a * n[k]);
    }
}

/* ---- APG. Sadat et al. 2024, arXiv:2410.02416, algorithm 1; diffusers' AdaptiveProjectedGuidance ---- */

/* value: the share of what points along the prompt's that is left out, the longest update, what earlier ones take from it. */
bool apg_on(const Guidance *g, const double *value)
{
    return (value[0] > 0 || value[1] > 0 || value[2] > 0) && cfg_on(g, value);
}

static void apg_picture(const GuideStep *s, const double *value, int i, float *average)
{
    Tensor all = guide_raw(s, BRANCH_PROMPT);
    size_t count = tensor_len(all) / (size_t)all.n;
    const float *n = picture(guide_raw(s, BRANCH_NEGATIVE), i), *p = picture(all, i);
    float *out = picture(s->out, i), momentum = (float)value[2];
    for (size_t k = 0; k < count; k++) {
        out[k] = p[k] - n[k];
        if (average) out[k] = average[k] = out[k] - momentum * average[k];
    }
    double length = sqrt(dot(out, out, count)), shrink = value[1] > 0 ? fmin(1, value[1] / length) : 1;
    for (size_t k = 0; shrink < 1 && k < count; k++) out[k] *= (float)shrink;
    double square = dot(p, p, count), along = square > 0 ? dot(out, p, count) / square : 0, left_out = value[0];
    for (size_t k = 0; k < count; k++) {
        float update = (float)((double)out[k] - left_out * along * (double)p[k]);
        out[k] = n[k] + s->guidance->scale * update;
    }
}

void apg_join(GuideStep *s, const double *value)
{
    GuideMemory *m = value[2] > 0 ? guide_memory(s, "apg") : NULL;
    size_t count = begin(s);
    for (int i = 0; count && i < s->out.n; i++) apg_picture(s, value, i, m ? picture(m->x, i) : NULL);
}

/* ---- Perp-Neg. Armandpour et al. 2023, arXiv:2304.04968 ---- */

bool perp_neg_on(const Guidance *g, const double *value) { return value[0] > 0 && cfg_on(g, value); }

void perp_neg_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round) return;
    guide_want(s, (Branch){ .of = BRANCH_NEGATIVE });
    guide_want(s, (Branch){ .of = BRANCH_EMPTY });
    guide_want(s, (Branch){ .of = BRANCH_PROMPT });
}

/* F = empty + scale (p - weight n'), p and n less the empty prompt's output, n' what of n stands upright on p. */
void perp_neg_join(GuideStep *s, const double *value)
{
    size_t count = begin(s);
    float weight = (float)value[0], scale = s->guidance->scale;
    for (int i = 0; count && i < s->out.n; i++) {
        const float *n = picture(guide_raw(s, BRANCH_NEGATIVE), i), *p = picture(guide_raw(s, BRANCH_PROMPT), i);
        const float *e = picture(guide_raw(s, BRANCH_EMPTY), i);
        float *out = picture(s->out, i);
        double both = 0, square = 0;
        for (size_t k = 0; k < count; k++) {
            double a = (double)(p[k] - e[k]);
            both += a * (double)(n[k] - e[k]);
            square += a * a;
        }
        float share = square > 0 ? (float)(both / square) : 0;
        for (size_t k = 0; k < count; k++) {
            float a = p[k] - e[k], upright = n[k] - e[k] - share * a;
            out[k] = e[k] + scale * (a - weight * upright);
        }
    }
}
