/* resample.c - see resample.h. */
#include "image/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BITS = 22 /* of a weight's fraction: 32 less 8 of a sample less 2 for the negative lobes' excess */ };

/* The weights of one output sample: those of `count` input samples from `first` on. */
typedef struct {
    int first, count;
    int *weight;
} Taps;

static double sinc(double x) { return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x); }

static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static double bicubic(double x)
{
    static const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double bilinear(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static double hamming(double x)
{
    x = fabs(x);
    return x == 0 ? 1 : x >= 1 ? 0 : sin(x * M_PI) / (x * M_PI) * (0.54 + 0.46 * cos(x * M_PI));
}

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

static const struct {
    double (*at)(double x);
    double support;
} filters[] = {
    [RESAMPLE_BOX] = { box, 0.5 },       [RESAMPLE_BILINEAR] = { bilinear, 1 }, [RESAMPLE_HAMMING] = { hamming, 1 },
    [RESAMPLE_BICUBIC] = { bicubic, 2 }, [RESAMPLE_LANCZOS] = { lanczos, 3 },
};

/* One output sample's: normalised in double, then rounded away from zero to fixed point. w: room for all. */
static void fill(Taps *t, int in, double center, double scale, double support, double (*at)(double), double *w)
{
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    double sum = 0;
    if (first < 0) first = 0;
    if (last > in) last = in;
    t->first = first;
    t->count = last - first;
    for (int i = 0; i < t->count; i++) sum += w[i] = at((i + first - center + 0.5) * scale);
    for (int i = 0; i < t->count; i++) {
        double v = (sum != 0 ? w[i] / sum : w[i]) * (1 << BITS);
        t->weight[i] = (int)(v < 0 ? v - 0.5 : v + 0.5);
    }
}

static Taps *taps_new(int in, int out, Filter filter)
{
    double scale = (double)in / out, stretch = scale < 1 ? 1 : scale, support = filters[filter].support * stretch;
    size_t most = (size_t)ceil(support) * 2 + 1;
    Taps *taps = mem_array((size_t)out, sizeof *taps);
    int *weights = mem_array((size_t)out * most, sizeof *weights);
    double *work = mem_array(most, sizeof *work);
    for (int i = 0; i < out; i++) {
        taps[i].weight = weights + (size_t)i * most;
        fill(&taps[i], in, (i + 0.5) * scale, 1 / stretch, support, filters[filter].at, work);
    }
    free(work);
    return taps;
}

static void taps_free(Taps *taps)
{
    free(taps[0].weight);
    free(taps);
}

/* Samples `step` apart, weighted, rounded and clipped. */
static uint8_t weigh(const Taps *t, const uint8_t *from, size_t step)
{
    int sum = 1 << (BITS - 1);
    for (int i = 0; i < t->count; i++) sum += from[(size_t)(t->first + i) * step] * t->weight[i];
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static Samples across(Samples in, int w, Filter filter)
{
    Samples out = { mem_array((size_t)w * (size_t)in.h, (size_t)in.c), w, in.h, in.c };
    Taps *taps = taps_new(in.w, w, filter);
    size_t c = (size_t)in.c;
    for (size_t y = 0; y < (size_t)in.h; y++)
        for (size_t x = 0; x < (size_t)w; x++)
            for (size_t k = 0; k < c; k++)
                out.data[(y * (size_t)w + x) * c + k] = weigh(&taps[x], in.data + y * (size_t)in.w * c + k, c);
    taps_free(taps);
    return out;
}

static Samples down(Samples in, int h, Filter filter)
{
    Samples out = { mem_array((size_t)in.w * (size_t)h, (size_t)in.c), in.w, h, in.c };
    Taps *taps = taps_new(in.h, h, filter);
    size_t row = (size_t)in.w * (size_t)in.c;
    for (size_t y = 0; y < (size_t)h; y++)
        for (size_t x = 0; x < row; x++) out.data[y * row + x] = weigh(&taps[y], in.data + x, row);
    taps_free(taps);
    return out;
}

Samples resample(Samples in, int w, int h, Filter filter)
{
    size_t bytes = (size_t)in.w * (size_t)in.h * (size_t)in.c;
    Samples wide = { mem_array(bytes, 1), in.w, in.h, in.c };
    memcpy(wide.data, in.data, bytes);
    if (w != in.w) {
        free(wide.data);
        wide = across(in, w, filter);
    }
    if (h == in.h) return wide;
    Samples out = down(wide, h, filter);
    free(wide.data);
    return out;
}
