/* blur.c - see blur.h. */
#include "image/blur.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* ---- Pillow ------------------------------------------------------------------------------------------------------------ */

enum { PASSES = 3 };

/* A box of 2 * whole + 1 samples and a share of the two beyond, as 24-bit fractions. */
typedef struct {
    int whole;
    uint32_t inside, beyond;
} Box;

/* The box whose three passes have the Gaussian's variance (Gwosdek et al. 2011, "extended box filter"). */
static Box box_of(float radius)
{
    float variance = radius * radius / PASSES;
    float len = sqrtf(12 * variance + 1), l = floorf((len - 1) / 2);
    float a = (2 * l + 1) * (l * (l + 1) - 3 * variance) / (6 * (variance - (l + 1) * (l + 1)));
    float r = l + a;
    int whole = (int)r;
    uint32_t inside = (uint32_t)((float)(1 << 24) / (r * 2 + 1));
    return (Box){ whole, inside, ((1U << 24) - (uint32_t)(2 * whole + 1) * inside) / 2 };
}

/* n samples, `step` apart, once. work: room for them. */
static void box_line(uint8_t *x, uint8_t *work, int n, size_t step, const Box *b)
{
    for (int i = 0; i < n; i++) work[i] = x[(size_t)i * step];
    uint32_t sum = 0;
    for (int i = -b->whole; i <= b->whole; i++) sum += work[clamp(i, n)];
    for (int i = 0; i < n; i++) {
        int before = clamp(i - b->whole - 1, n), after = clamp(i + b->whole + 1, n);
        uint32_t v = sum * b->inside + (uint32_t)(work[before] + work[after]) * b->beyond + (1U << 23);
        x[(size_t)i * step] = (uint8_t)(v >> 24);
        sum += work[after];
        sum -= work[clamp(i - b->whole, n)];
    }
}

void blur_pillow(Samples s, float radius)
{
    if (radius <= 0) return;
    Box b = box_of(radius);
    size_t c = (size_t)s.c, w = (size_t)s.w;
    uint8_t *work = mem_array((size_t)(s.w > s.h ? s.w : s.h), 1);
    for (int y = 0; y < s.h; y++)
        for (size_t k = 0; k < c; k++)
            for (int pass = 0; pass < PASSES; pass++) box_line(s.data + (size_t)y * w * c + k, work, s.w, c, &b);
    for (size_t x = 0; x < w * c; x++)
        for (int pass = 0; pass < PASSES; pass++) box_line(s.data + x, work, s.h, w * c, &b);
    free(work);
}

/* ---- OpenCV ------------------------------------------------------------------------------------------------------------ */

/* 256 * gaussian, rounded from the outside in with the error carried on; the centre gets what is missing to 256. */
static int *taps_of(int half, double sigma)
{
    int n = 2 * half + 1, left = 256;
    double sum = 0, error = 0, *g = mem_array((size_t)n, sizeof *g);
    int *taps = mem_array((size_t)n, sizeof *taps);
    for (int i = 0; i < n; i++) sum += g[i] = exp(-0.5 * (i - half) * (i - half) / (sigma * sigma));
    for (int i = 0; i < half; i++) {
        double v = 256 * g[i] / sum + error;
        taps[i] = taps[n - 1 - i] = (int)nearbyint(v);
        error = v - taps[i];
        left -= 2 * taps[i];
    }
    taps[half] = left;
    free(g);
    return taps;
}

/* Beyond an edge the line goes back, without the edge's own sample again. */
static int reflect(int i, int n)
{
    while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

static void gauss_line(uint8_t *x, uint8_t *work, int n, size_t step, const int *taps, int half)
{
    for (int i = 0; i < n; i++) work[i] = x[(size_t)i * step];
    for (int i = 0; i < n; i++) {
        int sum = 128;
        for (int k = -half; k <= half; k++) sum += taps[k + half] * work[reflect(i + k, n)];
        x[(size_t)i * step] = (uint8_t)(sum >> 8);
    }
}

void blur_opencv(Samples s, int blur)
{
    if (blur <= 0) return;
    int half = (int)(2.5 * blur + 0.5), *taps = taps_of(half, blur);
    uint8_t *work = mem_array((size_t)(s.w > s.h ? s.w : s.h), 1);
    for (int y = 0; y < s.h; y++) gauss_line(s.data + (size_t)y * (size_t)s.w, work, s.w, 1, taps, half);
    for (int x = 0; x < s.w; x++) gauss_line(s.data + x, work, s.h, (size_t)s.w, taps, half);
    free(work);
    free(taps);
}
