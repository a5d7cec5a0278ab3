/* measure.c - see measure.h. */
#include "image/measure.h"

#include <assert.h>
#include <fftw3.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

static bool same_size(const Image *a, const Image *b) { return a->w == b->w && a->h == b->h; }

int measure_check(const Image *a, const Image *b, Err *e)
{
    if (same_size(a, b)) return 0;
    return err_set(e, "%dx%d pixels, the picture that it is measured against has %dx%d", a->w, a->h, b->w, b->h);
}

/* ---- grounds ---- */

static const uint8_t grounds[] = { 0, 255 };

/* How many of them tell different things. */
static int count_grounds(const Image *a, const Image *b) { return a->alpha || b->alpha ? 2 : 1; }

/* im as it looks over a ground; release_view() it. */
static Image view(const Image *im, int ground)
{
    Image over = *im;
    if (im->alpha) image_flatten(&over, im, grounds[ground]);
    return over;
}

static void release_view(Image *over, const Image *im)
{
    if (im->alpha) image_release(over);
}

/* ---- PSNR ---- */

/* A value over a ground, unrounded: in 255ths. */
static int64_t shown(const Image *im, size_t i, int ground)
{
    int alpha = im->alpha ? im->alpha[i / 3] : 255;
    return im->rgb[i] * alpha + grounds[ground] * (255 - alpha);
}

double measure_psnr(const Image *a, const Image *b)
{
    assert(same_size(a, b));
    size_t n = (size_t)a->w * (size_t)a->h * 3;
    int views = count_grounds(a, b);
    uint64_t sum = 0; /* of squares of 255ths: at most 2^64 for two views of PNG_MAX_PIXELS */
    for (int ground = 0; ground < views; ground++) {
        for (size_t i = 0; i < n; i++) {
            int64_t d = shown(a, i, ground) - shown(b, i, ground);
            sum += (uint64_t)(d * d);
        }
    }
    return sum ? 10 * log10(pow(255, 4) * views * (double)n / (double)sum) : INFINITY;
}

double measure_rmse(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return n ? sqrt(sum / (double)n) : 0;
}

/* ---- SSIM ---- */

/* Sums over a window, in whole numbers: nothing is lost however far the window slides. */
typedef struct {
    int64_t x, y, xx, yy, xy;
} Sums;

static void sums_add(Sums *s, int x, int y, int sign)
{
    s->x += sign * x;
    s->y += sign * y;
    s->xx += sign * x * x;
    s->yy += sign * y * y;
    s->xy += sign * x * y;
}

static void sums_join(Sums *s, const Sums *column, int sign)
{
    s->x += sign * column->x;
    s->y += sign * column->y;
    s->xx += sign * column->xx;
    s->yy += sign * column->yy;
    s->xy += sign * column->xy;
}

/* One window's similarity, eq. 13 of the paper. */
static double similarity(const Sums *s)
{
    const double n = SSIM_WINDOW * SSIM_WINDOW, c1 = 0.01 * 255 * (0.01 * 255), c2 = 0.03 * 255 * (0.03 * 255);
    double mx = (double)s->x / n, my = (double)s->y / n;
    double vx = (n * (double)s->xx - (double)s->x * (double)s->x) / (n * (n - 1));
    double vy = (n * (double)s->yy - (double)s->y * (double)s->y) / (n * (n - 1));
    double vxy = (n * (double)s->xy - (double)s->x * (double)s->y) / (n * (n - 1));
    return (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
}

/* The sum of all windows' similarities in one channel. columns [w]: the sums over the window's rows, updated as it goes down. */
static double channel_similarity(const Image *a, const Image *b, int channel, Sums *columns)
{
    const int window = SSIM_WINDOW, w = a->w;
    double total = 0;
    for (int x = 0; x < w; x++) columns[x] = (Sums){ 0 };
    for (int y = 0; y < a->h; y++) {
        for (int x = 0; x < w; x++) {
            size_t at = ((size_t)y * (size_t)w + (size_t)x) * 3 + (size_t)channel;
            size_t gone = at - (size_t)window * (size_t)w * 3;
            sums_add(&columns[x], a->rgb[at], b->rgb[at], 1);
            if (y >= window) sums_add(&columns[x], a->rgb[gone], b->rgb[gone], -1);
        }
        if (y < window - 1) continue;
        Sums s = { 0 };
        for (int x = 0; x < w; x++) {
            sums_join(&s, &columns[x], 1);
            if (x >= window) sums_join(&s, &columns[x - window], -1);
            if (x >= window - 1) total += similarity(&s);
        }
    }
    return total;
}

double measure_ssim(const Image *a, const Image *b)
{
    assert(same_size(a, b));
    if (a->w < SSIM_WINDOW || a->h < SSIM_WINDOW) return NAN;
    Sums *columns = mem_array((size_t)a->w, sizeof *columns);
    int views = count_grounds(a, b);
    double total = 0;
    for (int ground = 0; ground < views; ground++) {
        Image x = view(a, ground), y = view(b, ground);
        for (int channel = 0; channel < 3; channel++) total += channel_similarity(&x, &y, channel, columns);
        release_view(&x, a);
        release_view(&y, b);
    }
    free(columns);
    return total / ((double)(a->w - SSIM_WINDOW + 1) * (double)(a->h - SSIM_WINDOW + 1) * 3 * views);
}

FlipError measure_flip_error(const Image *a, const Image *b)
{
    int views = count_grounds(a, b);
    FlipError out = { 0, 0 };
    assert(same_size(a, b));
    for (int ground = 0; ground < views; ground++) {
        Image x = view(a, ground), y = view(b, ground);
        FlipError over = flip_error(&x, &y);
        out.mean += over.mean / views;
        out.worst = fmax(out.worst, over.worst);
        release_view(&x, a);
        release_view(&y, b);
    }
    return out;
}

double measure_flip(const Image *a, const Image *b) { return measure_flip_error(a, b).mean; }

/* ---- spectra ---- */

/* A Hann window of n points, none of them 0. */
static double *hann(int n)
{
    double *w = mem_array((size_t)n, sizeof *w);
    for (int i = 0; i < n; i++) w[i] = 0.5 - 0.5 * cos(2 * M_PI * (i + 0.5) / n);
    return w;
}

/* The windowed luma without its mean, into [h, w]; returns the window's energy. */
static double windowed_luma(float *out, const Image *im)
{
    size_t n = (size_t)im->w * (size_t)im->h;
    double mean = 0, energy = 0, *wx = hann(im->w), *wy = hann(im->h);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = im->rgb + 3 * i;
        double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        mean += luma / (double)n;
        out[i] = (float)luma;
    }
    for (size_t i = 0; i < n; i++) {
        double weight = wx[i % (size_t)im->w] * wy[i / (size_t)im->w];
        out[i] = (float)((out[i] - mean) * weight);
        energy += weight * weight;
    }
    free(wx);
    free(wy);
    return energy;
}

/* Adds means of |F|^2 over rings; f is the half [h, w / 2 + 1] that a real transform has. */
static void add_rings(Spectrum *s, const fftwf_complex *f, int w, int h, double energy)
{
    double *count = mem_array((size_t)s->bins + 1, sizeof *count), *sum = mem_array((size_t)s->bins + 1, sizeof *sum);
    int half = w / 2 + 1;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < half; x++) {
            double fy = (double)(y <= h / 2 ? y : h - y) / h, fx = (double)x / w;
            int bin = (int)floor(hypot(fx, fy) / s->step + 0.5) - 1;
            if (bin < 0 || bin >= s->bins) continue;
            bool twice = x > 0 && 2 * x != w; /* its mirror image is not in the half */
            const float *c = f[(size_t)y * (size_t)half + (size_t)x];
            double power = ((double)c[0] * c[0] + (double)c[1] * c[1]) / energy;
            sum[bin] += twice ? 2 * power : power;
            count[bin] += twice ? 2 : 1;
        }
    }
    for (int k = 0; k < s->bins; k++)
        if (count[k] > 0) s->power[k] += sum[k] / count[k];
    free(count);
    free(sum);
}

int spectrum_init(Spectrum *s, const Image *im, Err *e)
{
    int longer = im->w > im->h ? im->w : im->h, views = count_grounds(im, im);
    *s = (Spectrum){ .bins = longer / 2, .step = 1.0 / longer };
    s->power = mem_array((size_t)s->bins + 1, sizeof *s->power);
    float *in = fftwf_alloc_real((size_t)im->w * (size_t)im->h);
    fftwf_complex *out = fftwf_alloc_complex((size_t)(im->w / 2 + 1) * (size_t)im->h);
    fftwf_plan plan = in && out ? fftwf_plan_dft_r2c_2d(im->h, im->w, in, out, FFTW_ESTIMATE) : NULL;
    for (int ground = 0; ground < views && plan; ground++) {
        Image over = view(im, ground);
        double energy = windowed_luma(in, &over);
        fftwf_execute(plan);
        add_rings(s, (const fftwf_complex *)out, im->w, im->h, energy * views);
        release_view(&over, im);
    }
    if (plan) fftwf_destroy_plan(plan);
    fftwf_free(in);
    fftwf_free(out);
    return plan ? 0 : err_set(e, "not enough memory for the spectrum of %dx%d pixels", im->w, im->h);
}

void spectrum_release(Spectrum *s)
{
    free(s->power);
    *s = (Spectrum){ 0 };
}

double spectrum_difference(const Spectrum *a, const Spectrum *b, double *db)
{
    const double rounding = 1.0 / 12;
    assert(a->bins == b->bins);
    double sum = 0;
    for (int k = 0; k < b->bins; k++) {
        double d = 10 * log10((a->power[k] + rounding) / (b->power[k] + rounding));
        if (db) db[k] = d;
        sum += d * d;
    }
    return b->bins ? sqrt(sum / b->bins) : 0;
}

SpectrumBands spectrum_bands(const Spectrum *s, const double *db)
{
    double sum[3] = { 0 }, count[3] = { 0 };
    for (int k = 0; k < s->bins; k++) {
        double f = (k + 1) * s->step;
        int band = f <= 1.0 / 16 ? 0 : f <= 1.0 / 4 ? 1 : 2;
        sum[band] += db[k];
        count[band]++;
    }
    return (SpectrumBands){ sum[0] / count[0], sum[1] / count[1], sum[2] / count[2] };
}
