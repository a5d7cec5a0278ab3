/* resize.c - see resize.h. Two passes, across and then down, each a sum over the pixels that the filter's lobes reach. */
#include "image/resize.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/colour.h"

enum { LOBES = 3, CHANNELS = 4 }; /* light times alpha, alpha */

static const double PI = 3.14159265358979323846;

/* The pixels that make one new pixel. */
typedef struct {
    int count;
    int *from; /* [count] */
    float *weight;
} Taps;

static double lanczos(double x)
{
    if (x == 0) return 1;
    if (fabs(x) >= LOBES) return 0;
    return LOBES * sin(PI * x) * sin(PI * x / LOBES) / (PI * PI * x * x);
}

/* `most` is room for the taps. Beyond an end lies its last pixel, or the other end. */
static void taps_of(Taps *t, int i, int size, double scale, bool wrap)
{
    double centre = (i + 0.5) * scale, sum = 0;
    int first = (int)ceil(centre - LOBES * scale - 0.5), last = (int)floor(centre + LOBES * scale - 0.5);
    t->count = last - first + 1;
    for (int k = 0; k < t->count; k++) {
        int at = first + k;
        double w = lanczos((at + 0.5 - centre) / scale);
        t->from[k] = wrap ? (at % size + size) % size : at < 0 ? 0 : at < size ? at : size - 1;
        t->weight[k] = (float)w;
        sum += w;
    }
    for (int k = 0; k < t->count; k++) t->weight[k] = (float)(t->weight[k] / sum);
}

/* One axis: `lines` lines of `size` pixels `step` floats apart become lines of `out_size`; a line starts `line` floats on. */
typedef struct {
    int size, out_size, lines;
    size_t step, line, out_step, out_line;
    bool wrap;
} Axis;

static void resample(float *out, const float *in, const Axis *a)
{
    double scale = (double)a->size / a->out_size;
    size_t room = (size_t)(2 * LOBES * scale) + 2;
    Taps t = { .from = mem_array(room, sizeof *t.from), .weight = mem_array(room, sizeof *t.weight) };
    for (int i = 0; i < a->out_size; i++) {
        taps_of(&t, i, a->size, scale, a->wrap);
        assert((size_t)t.count <= room);
        for (int l = 0; l < a->lines; l++) {
            float sum[CHANNELS] = { 0 };
            const float *line = in + (size_t)l * a->line;
            for (int k = 0; k < t.count; k++)
                for (int c = 0; c < CHANNELS; c++)
                    sum[c] += t.weight[k] * line[(size_t)t.from[k] * a->step + (size_t)c];
            memcpy(out + (size_t)l * a->out_line + (size_t)i * a->out_step, sum, sizeof sum);
        }
    }
    free(t.from);
    free(t.weight);
}

static float *to_light(const Image *im)
{
    size_t pixels = (size_t)im->w * (size_t)im->h;
    float light[256], *out = mem_array(pixels * CHANNELS, sizeof *out);
    srgb_linear_table(light);
    for (size_t i = 0; i < pixels; i++) {
        float alpha = im->alpha ? (float)im->alpha[i] / 255 : 1;
        for (size_t c = 0; c < 3; c++) out[i * CHANNELS + c] = alpha * light[im->rgb[i * 3 + c]];
        out[i * CHANNELS + 3] = alpha;
    }
    return out;
}

static void from_light(Image *im, const float *in)
{
    for (size_t i = 0; i < (size_t)im->w * (size_t)im->h; i++) {
        const float *p = in + i * CHANNELS;
        float alpha = im->alpha ? p[3] : 1;
        for (size_t c = 0; c < 3; c++) im->rgb[i * 3 + c] = alpha > 0 ? srgb_from_linear(p[c] / alpha) : 0;
        if (im->alpha) im->alpha[i] = (uint8_t)(fminf(fmaxf(alpha, 0), 1) * 255 + 0.5F);
    }
}

void image_resize(Image *out, const Image *im, int w, int h, bool wrap_x, bool wrap_y)
{
    assert(w > 0 && h > 0 && w <= im->w && h <= im->h);
    image_init(out, w, h);
    if (im->alpha) out->alpha = mem_array((size_t)w * (size_t)h, 1);

    size_t c = CHANNELS, row = (size_t)im->w * c, out_row = (size_t)w * c;
    Axis across = { im->w, w, im->h, c, row, c, out_row, wrap_x };
    Axis down = { im->h, h, w, out_row, c, out_row, c, wrap_y };
    float *light = to_light(im), *narrow = mem_array((size_t)im->h * out_row, sizeof *narrow);
    resample(narrow, light, &across);
    free(light);
    float *small = mem_array((size_t)h * out_row, sizeof *small);
    resample(small, narrow, &down);
    free(narrow);
    from_light(out, small);
    free(small);
}

void image_fit(int w, int h, int longer, int *out_w, int *out_h)
{
    int most = w > h ? w : h;
    *out_w = (int)(((int64_t)w * longer * 2 + most) / (2 * (int64_t)most));
    *out_h = (int)(((int64_t)h * longer * 2 + most) / (2 * (int64_t)most));
    if (*out_w < 1) *out_w = 1;
    if (*out_h < 1) *out_h = 1;
}
