/* ways.c - see ways.h. */
#include "pipeline/ways.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/names.h"

const Way ways[] = {
    { "latent", "Latent", true, SCALE_BILINEAR, false },
    { "latent-antialiased", "Latent (antialiased)", true, SCALE_BILINEAR, true },
    { "latent-bicubic", "Latent (bicubic)", true, SCALE_BICUBIC, false },
    { "latent-bicubic-antialiased", "Latent (bicubic antialiased)", true, SCALE_BICUBIC, true },
    { "latent-nearest", "Latent (nearest)", true, SCALE_NEAREST, false },
    { "latent-nearest-exact", "Latent (nearest-exact)", true, SCALE_NEAREST_EXACT, false },
    { "lanczos", "Lanczos", false, 0, false },
    { .name = NULL },
};

const Way *way_find(const char *name)
{
    char plain[64];
    size_t n = 0;
    for (const char *p = name; *p && n + 1 < sizeof plain; p++)
        if (*p != '(' && *p != ')') plain[n++] = *p;
    plain[n] = 0;
    for (const Way *w = ways; w->name; w++)
        if (names_have(w->name, plain)) return w;
    return NULL;
}

/* ---- one axis ---------------------------------------------------------------------------------------------------------- */

/* What an output sample is made of: `count` input samples from `first` on; one beyond an end is the end's. */
typedef struct {
    int first, count;
    float weight[16];
} Taps;

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double filter_at(ScaleKind kind, double x)
{
    if (kind == SCALE_BICUBIC) return cubic(x, -0.5); /* with antialias Pillow's */
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* With antialias: the filter is as wide as an output sample, and what lies beyond an end does not count. */
static Taps wide_taps(const Way *w, int i, int in, double scale)
{
    double wide = scale > 1 ? scale : 1, support = (w->kind == SCALE_BICUBIC ? 2 : 1) * wide, at = scale * (i + .5),
           sum = 0;
    int first = (int)(at - support + .5), end = (int)(at + support + .5);
    Taps t = { .first = first > 0 ? first : 0 };
    if (end > in) end = in;
    for (int k = t.first; k < end && t.count < 16; k++) {
        double v = filter_at(w->kind, (k - at + .5) / wide);
        t.weight[t.count++] = (float)v;
        sum += v;
    }
    for (int k = 0; k < t.count; k++) t.weight[k] = (float)((double)t.weight[k] / sum);
    return t;
}

static Taps taps_of(const Way *w, int i, int in, int out)
{
    double scale = (double)in / out;
    if (w->antialias) return wide_taps(w, i, in, scale);
    if (w->kind == SCALE_NEAREST) return (Taps){ .first = (int)floor(i * scale), .count = 1, .weight = { 1 } };
    if (w->kind == SCALE_NEAREST_EXACT)
        return (Taps){ .first = (int)floor((i + .5) * scale), .count = 1, .weight = { 1 } };
    double at = (i + .5) * scale - .5;
    if (w->kind == SCALE_BILINEAR && at < 0) at = 0;
    int before = (int)floor(at);
    double t = at - before;
    if (w->kind == SCALE_BILINEAR) return (Taps){ before, 2, { (float)(1 - t), (float)t } };
    Taps four = { .first = before - 1, .count = 4 };
    for (int k = 0; k < 4; k++) four.weight[k] = (float)cubic(t + 1 - k, -0.75);
    return four;
}

/* Along rows of `step` floats a sample: lines of in samples become lines of out. */
static void scale_axis(const Way *w, float *to, const float *from, int in, int out, size_t step)
{
    for (int i = 0; i < out; i++) {
        Taps t = taps_of(w, i, in, out);
        float *p = to + (size_t)i * step;
        memset(p, 0, step * sizeof *p);
        for (int k = 0; k < t.count; k++) {
            int at = t.first + k < 0 ? 0 : t.first + k >= in ? in - 1 : t.first + k;
            const float *q = from + (size_t)at * step;
            for (size_t c = 0; c < step; c++) p[c] += t.weight[k] * q[c];
        }
    }
}

void way_scale(const Way *w, Tensor out, Tensor in)
{
    size_t c = (size_t)in.c, row = (size_t)out.w * c;
    if (!out.data) return;
    float *wide = mem_array((size_t)in.h * row, sizeof *wide);
    for (int n = 0; n < in.n; n++) {
        const float *from = tensor_slice(in, n, 1).data;
        for (int y = 0; y < in.h; y++)
            scale_axis(w, wide + (size_t)y * row, from + (size_t)y * (size_t)in.w * c, in.w, out.w, c);
        scale_axis(w, tensor_slice(out, n, 1).data, wide, in.h, out.h, row);
    }
    free(wide);
}
