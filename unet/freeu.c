/*
 * freeu.c - see freeu.h. The filter is the paper's Fourier mask of threshold 1: after the shift the 2x2 block above and left of the
 * middle, which is the mean and the first wave of each axis in one direction. The rest of the spectrum is unchanged, so only these
 * four sums are taken, and their share taken off; tests/test_freeu.c compares with FFTW and the whole spectrum.
 */
#include "unet/freeu.h"

#include <math.h>
#include <string.h>

/* ---- the backbone ---- */

/* How strongly each place counts, 0 .. 1: the mean over its channels between the least and the largest of the sample. */
static void strengths(float *out, const float *x, size_t places, size_t c)
{
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < places; i++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += (double)x[i * c + k];
        out[i] = (float)(sum / (double)c);
        least = fminf(least, out[i]);
        most = fmaxf(most, out[i]);
    }
    for (size_t i = 0; i < places; i++) out[i] = most > least ? (out[i] - least) / (most - least) : 0;
}

Tensor freeu_backbone(Nn *nn, Tensor x, double b, bool by_place)
{
    Tensor y = tensor_like(nn->arena, x);
    size_t mark = nn->arena->used, c = (size_t)x.c, places = (size_t)x.h * (size_t)x.w;
    float *strength = arena_alloc(nn->arena, places * sizeof *strength);
    tensor_copy(y, x);
    for (int n = 0; y.data && n < x.n; n++) {
        float *p = tensor_slice(y, n, 1).data;
        if (by_place) strengths(strength, p, places, c);
        for (size_t i = 0; i < places; i++) {
            float factor = by_place ? ((float)b - 1) * strength[i] + 1 : (float)b;
            for (size_t k = 0; k < c / 2; k++) p[i * c + k] *= factor;
        }
    }
    arena_reset(nn->arena, mark);
    return y;
}

/* ---- the skip ---- */

/* The wave of `down` periods over the height and `across` over the width, of one sample: y less share times it. sums: [2, c]. */
static void take_wave(float *y, const float *x, Tensor shape, int down, int across, double share, double *sums)
{
    size_t c = (size_t)shape.c, places = (size_t)shape.h * (size_t)shape.w;
    memset(sums, 0, 2 * c * sizeof *sums);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < places; i++) {
            size_t row = i / (size_t)shape.w, column = i % (size_t)shape.w;
            double at = 2 * acos(-1) * (down * (double)row / shape.h + across * (double)column / shape.w), u = cos(at),
                   v = sin(at);
            double a = share * u / (double)places, b = share * v / (double)places;
            for (size_t k = 0; k < c && pass == 0; k++) {
                sums[k] += u * (double)x[i * c + k];
                sums[c + k] += v * (double)x[i * c + k];
            }
            for (size_t k = 0; k < c && pass == 1; k++) y[i * c + k] -= (float)(a * sums[k] + b * sums[c + k]);
        }
}

Tensor freeu_filter(Nn *nn, Tensor x, double s)
{
    Tensor y = tensor_like(nn->arena, x);
    size_t mark = nn->arena->used, each = 2 * (size_t)x.c;
    double *sums = arena_alloc(nn->arena, (size_t)x.n * each * sizeof *sums);
    tensor_copy(y, x);
#pragma omp parallel for num_threads(nn->threads) schedule(static)
    for (int n = 0; n < x.n; n++)
        for (int wave = 0; y.data && wave < 4; wave++) {
            int down = wave / 2, across = wave % 2;
            if ((down && x.h == 1) || (across && x.w == 1)) continue; /* an axis of one place has its mean alone */
            take_wave(tensor_slice(y, n, 1).data, tensor_slice(x, n, 1).data, x, down, across, 1 - s,
                      sums + (size_t)n * each);
        }
    arena_reset(nn->arena, mark);
    return y;
}

/* ---- where ---- */

/*
 * diffusers: the first two up blocks. The authors, A1111 and ComfyUI: by what comes from below, four and two times the
 * first level's.
 */
static int stage_of(const UNetFreeU *f, const UNetShape *s, int i, int channels)
{
    if (!f->by_channels) return i;
    return channels == 4 * s->channels[0] ? 0 : channels == 2 * s->channels[0] ? 1 : 2;
}

void freeu_apply(Nn *nn, const UNetFreeU *f, const UNetShape *s, int i, Tensor *x, Tensor *skip)
{
    int stage = f->version ? stage_of(f, s, i, x->c) : 2;
    if (stage > 1) return;
    *x = freeu_backbone(nn, *x, f->b[stage], f->version == 2);
    *skip = freeu_filter(nn, *skip, f->s[stage]);
}
