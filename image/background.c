/* background.c - see background.h. */
#include "image/background.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/colour.h"

enum {
    RING = 2,      /* pixels: how deep the border is */
    SAMPLES = 600, /* of the border, about: each is compared with each */
};

typedef struct {
    int x, y;
    OkLab lab;
} Sample;

static void terms_at(const Image *im, int x, int y, double t[SURFACE_TERMS])
{
    double u = im->w > 1 ? 2.0 * x / (im->w - 1) - 1 : 0, v = im->h > 1 ? 2.0 * y / (im->h - 1) - 1 : 0;
    t[0] = 1;
    t[1] = u;
    t[2] = v;
    t[3] = u * u;
    t[4] = u * v;
    t[5] = v * v;
}

static const uint8_t *pixel(const Image *im, int x, int y)
{
    return im->rgb + ((size_t)y * (size_t)im->w + (size_t)x) * 3;
}

static OkLab lab_of(const float light[256], const uint8_t *p)
{
    return oklab_from_linear(light[p[0]], light[p[1]], light[p[2]]);
}

/* ---- least squares --------------------------------------------------------------------------------------------------- */

typedef struct {
    double a[SURFACE_TERMS][SURFACE_TERMS], b[3][SURFACE_TERMS];
    size_t count;
} Fit;

static void fit_add(Fit *f, const Image *im, int x, int y)
{
    double t[SURFACE_TERMS];
    const uint8_t *p = pixel(im, x, y);
    terms_at(im, x, y, t);
    for (int i = 0; i < SURFACE_TERMS; i++) {
        for (int k = 0; k < SURFACE_TERMS; k++) f->a[i][k] += t[i] * t[k];
        for (int c = 0; c < 3; c++) f->b[c][i] += t[i] * p[c];
    }
    f->count++;
}

/* Cholesky; a small weight on every term but the constant keeps what the pixels do not tell at zero. */
static void fit_solve(Fit *f, Surface *s)
{
    double l[SURFACE_TERMS][SURFACE_TERMS] = { 0 };
    for (int i = 0; i < SURFACE_TERMS; i++) f->a[i][i] += (i ? 1e-3 : 1e-9) * (double)f->count;
    for (int i = 0; i < SURFACE_TERMS; i++)
        for (int k = 0; k <= i; k++) {
            double sum = f->a[i][k];
            for (int m = 0; m < k; m++) sum -= l[i][m] * l[k][m];
            l[i][k] = i == k ? sqrt(fmax(sum, 1e-12)) : sum / l[k][k];
        }
    for (int c = 0; c < 3; c++) {
        double y[SURFACE_TERMS];
        for (int i = 0; i < SURFACE_TERMS; i++) {
            y[i] = f->b[c][i];
            for (int m = 0; m < i; m++) y[i] -= l[i][m] * y[m];
            y[i] /= l[i][i];
        }
        for (int i = SURFACE_TERMS - 1; i >= 0; i--) {
            s->term[c][i] = y[i];
            for (int m = i + 1; m < SURFACE_TERMS; m++) s->term[c][i] -= l[m][i] * s->term[c][m];
            s->term[c][i] /= l[i][i];
        }
    }
}

/* ---- the border ------------------------------------------------------------------------------------------------------ */

static size_t border(const Image *im, Sample *out)
{
    float light[256];
    srgb_linear_table(light);
    int step = 2 * RING * (im->w + im->h) / SAMPLES + 1;
    size_t count = 0, seen = 0;
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++) {
            if (x >= RING && y >= RING && x < im->w - RING && y < im->h - RING) {
                x = im->w - RING - 1;
                continue;
            }
            if (seen++ % (size_t)step == 0) out[count++] = (Sample){ x, y, lab_of(light, pixel(im, x, y)) };
        }
    return count;
}

/* The sample with the most others near it. */
static OkLab commonest(const Sample *s, size_t count, double tolerance)
{
    size_t best = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t near = 0;
        for (size_t k = 0; k < count; k++) near += oklab_distance(s[i].lab, s[k].lab) <= tolerance;
        if (near > most) most = near, best = i;
    }
    return s[best].lab;
}

double background_find(Surface *s, const Image *im, double tolerance)
{
    Sample *ring = mem_array((size_t)(2 * RING * (im->w + im->h)) + 1, sizeof *ring);
    size_t count = border(im, ring), near = 0;
    OkLab centre = commonest(ring, count, tolerance);
    Fit f = { .count = 0 };
    for (size_t i = 0; i < count; i++)
        if (oklab_distance(ring[i].lab, centre) <= 2 * tolerance) fit_add(&f, im, ring[i].x, ring[i].y);
    fit_solve(&f, s);

    float light[256];
    srgb_linear_table(light);
    for (size_t i = 0; i < count; i++) {
        float rgb[3];
        background_at(s, im, ring[i].x, ring[i].y, rgb);
        uint8_t p[3] = { (uint8_t)(rgb[0] + 0.5F), (uint8_t)(rgb[1] + 0.5F), (uint8_t)(rgb[2] + 0.5F) };
        near += oklab_distance(ring[i].lab, lab_of(light, p)) <= tolerance;
    }
    free(ring);
    return (double)near / (double)count;
}

void background_refine(Surface *s, const Image *im, const uint8_t *mark)
{
    Fit f = { .count = 0 };
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++)
            if (mark[(size_t)y * (size_t)im->w + (size_t)x]) fit_add(&f, im, x, y);
    if (f.count > 4 * SURFACE_TERMS) fit_solve(&f, s);
}

void background_at(const Surface *s, const Image *im, int x, int y, float rgb[3])
{
    double t[SURFACE_TERMS];
    terms_at(im, x, y, t);
    for (int c = 0; c < 3; c++) {
        double v = 0;
        for (int i = 0; i < SURFACE_TERMS; i++) v += s->term[c][i] * t[i];
        rgb[c] = (float)fmin(fmax(v, 0), 255);
    }
}

void background_distances(const Surface *s, const Image *im, float *distance)
{
    float light[256];
    srgb_linear_table(light);
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++) {
            float rgb[3], l[3];
            background_at(s, im, x, y, rgb);
            for (int c = 0; c < 3; c++) {
                int low = (int)rgb[c] < 254 ? (int)rgb[c] : 254;
                l[c] = light[low] + (rgb[c] - (float)low) * (light[low + 1] - light[low]);
            }
            *distance++ = oklab_distance(lab_of(light, pixel(im, x, y)), oklab_from_linear(l[0], l[1], l[2]));
        }
}
