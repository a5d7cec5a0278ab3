/*
 * guide_mimic.c - dynamic thresholding: the estimate at full guidance, with the range that a lower guidance would give it. mcmonkey's
 * sd-dynamic-thresholding (dynthres_core.py: constant scales, channels apart, start at their mean, range by absolute values), on the
 * estimate of the clean latent, as Forge and ComfyUI have it.
 */
#include <math.h>
#include <stdlib.h>

#include "scheduler/guide_internal.h"

/* value: the guidance to mimic, the share of values that lie within the range (0: all). */
bool mimic_on(const Guidance *g, const double *value) { return value[0] > 0 && cfg_on(g, value); }

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* torch.quantile: linear between the two nearest. sizes is sorted in place. */
static double quantile(float *sizes, size_t count, double share)
{
    qsort(sizes, count, sizeof *sizes, by_size);
    double at = share * (double)(count - 1);
    size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;
    return (double)sizes[below] + (at - (double)below) * (double)(sizes[above] - sizes[below]);
}

/* One channel of one picture: rows of n, p, and the result, `step` floats apart. full and sizes: room for count. */
static void channel(const GuideStep *s, const double *value, const float *n, const float *p, float *out, float *full,
                    float *sizes, size_t count, size_t step)
{
    double share = value[1] > 0 ? value[1] : 1, mean = 0, low_mean = 0, most = 0;
    for (size_t k = 0; k < count; k++) {
        double a = (double)n[k * step], b = (double)p[k * step];
        full[k] = (float)(a + (double)s->guidance->scale * (b - a));
        mean += (double)full[k] / (double)count;
        low_mean += (a + value[0] * (b - a)) / (double)count;
    }
    for (size_t k = 0; k < count; k++) {
        double a = (double)n[k * step], b = (double)p[k * step];
        most = fmax(most, fabs(a + value[0] * (b - a) - low_mean));
        full[k] -= (float)mean;
        sizes[k] = fabsf(full[k]);
    }
    double range = fmax(most, quantile(sizes, count, share));
    for (size_t k = 0; k < count; k++) {
        double v = fmax(-range, fmin(range, (double)full[k]));
        out[k * step] = (float)((range > 0 ? v / range * most : 0) + mean);
    }
}

/* What a raw output says of the clean latent. */
static Tensor estimate(const GuideStep *s, Tensor raw)
{
    Tensor d = tensor_like(s->arena, raw);
    size_t len = d.data ? tensor_len(d) : 0;
    for (size_t k = 0; k < len; k++)
        d.data[k] = (float)(s->c_skip * (double)s->x.data[k] + s->c_out * (double)raw.data[k]);
    return d;
}

void mimic_join(GuideStep *s, const double *value)
{
    Tensor out = tensor_like(s->arena, guide_raw(s, BRANCH_PROMPT));
    Tensor n = estimate(s, guide_raw(s, BRANCH_NEGATIVE)), p = estimate(s, guide_raw(s, BRANCH_PROMPT));
    size_t step = (size_t)out.c, count = (size_t)out.h * (size_t)out.w, each = count * step;
    Tensor room = tensor_new(s->arena, 2, out.h, out.w, 1);
    for (int i = 0; out.data && i < out.n; i++)
        for (size_t c = 0; c < step; c++) {
            size_t at = (size_t)i * each + c;
            channel(s, value, n.data + at, p.data + at, out.data + at, room.data, room.data + count, count, step);
        }
    size_t len = out.data ? tensor_len(out) : 0;
    for (size_t k = 0; k < len; k++)
        out.data[k] = (float)(((double)out.data[k] - s->c_skip * (double)s->x.data[k]) / s->c_out);
    s->out = out;
}
