/*
 * guide_sag.c - self-attention guidance. Hong et al. 2022, arXiv:2210.00939; diffusers' StableDiffusionSAGPipeline: where the
 * middle's self-attention is above average, the estimate of the clean latent is blurred, noise is added again, and the network
 * evaluated again; out += scale (first output - second output).
 */
#include <math.h>

#include "scheduler/guide_internal.h"

enum { REACH = 4 /* of the blur's 9 taps */ };

bool sag_on(const Guidance *g, const double *value)
{
    (void)g;
    return value[0] > 0;
}

/* Whose evaluation is followed: the negative prompt's, without guidance the prompt's. */
static int followed(const GuideStep *s)
{
    int prompt = 0;
    for (int i = 0; i < s->branches; i++) {
        if (s->branch[i].of == BRANCH_NEGATIVE) return i;
        if (s->branch[i].of == BRANCH_PROMPT) prompt = i;
    }
    return prompt;
}

/* Reflected at the ends, which do not stand twice. */
static int reflect(int i, int size) { return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i; }

/* Along one axis: count samples `step` floats apart. */
static void blur_line(float *to, const float *from, int count, size_t step, const float *taps)
{
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int k = -REACH; k <= REACH; k++)
            sum += (double)taps[k + REACH] * (double)from[(size_t)reflect(i + k, count) * step];
        to[(size_t)i * step] = (float)sum;
    }
}

/* out = x blurred by a Gaussian of deviation 1; between: of x's shape. */
static void blur(Tensor out, Tensor between, Tensor x)
{
    float taps[2 * REACH + 1];
    double sum = 0;
    for (int k = -REACH; k <= REACH; k++) sum += exp(-.5 * k * k);
    for (int k = -REACH; k <= REACH; k++) taps[k + REACH] = (float)(exp(-.5 * k * k) / sum);
    size_t c = (size_t)x.c, row = (size_t)x.w * c;
    for (size_t y = 0; y < (size_t)x.n * (size_t)x.h; y++)
        for (size_t k = 0; k < c; k++) blur_line(between.data + y * row + k, x.data + y * row + k, x.w, c, taps);
    for (size_t n = 0; n < (size_t)x.n; n++)
        for (size_t k = 0; k < row; k++) {
            size_t at = n * (size_t)x.h * row + k;
            blur_line(out.data + at, between.data + at, x.h, row, taps);
        }
}

/* s->other = x + mask * (blurred estimate - estimate) */
static void degrade(GuideStep *s, Tensor raw, Tensor map)
{
    Tensor x = s->x, d = tensor_like(s->arena, x), between = tensor_like(s->arena, x);
    s->other = tensor_like(s->arena, x);
    if (!x.data) return;
    for (size_t k = 0; k < tensor_len(x); k++)
        d.data[k] = (float)(s->c_skip * (double)x.data[k] + s->c_out * (double)raw.data[k]);
    blur(s->other, between, d);
    for (size_t k = 0; k < tensor_len(x); k++) {
        size_t pixel = k / (size_t)x.c, column = pixel % (size_t)x.w, line = pixel / (size_t)x.w % (size_t)x.h;
        size_t n = pixel / ((size_t)x.w * (size_t)x.h), at = column * (size_t)map.w / (size_t)x.w;
        at += (n * (size_t)map.h + line * (size_t)map.h / (size_t)x.h) * (size_t)map.w;
        s->other.data[k] = map.data[at] > 1 ? x.data[k] + s->other.data[k] - d.data[k] : x.data[k];
    }
}

void sag_branches(GuideStep *s, const double *value, int round)
{
    (void)value;
    if (round == 0) s->wants_map = true;
    if (round != 1) return;
    int from = followed(s);
    if (s->map.n) degrade(s, s->raw[from], tensor_slice(s->map, from * s->x.n, s->x.n));
    guide_want(s, (Branch){ .of = s->branch[from].of == BRANCH_NEGATIVE ? BRANCH_DEGRADED : BRANCH_DEGRADED_PROMPT });
}

void sag_join(GuideStep *s, const double *value)
{
    Tensor was = s->out, told = s->raw[followed(s)], other = guide_raw(s, BRANCH_DEGRADED);
    if (!other.n) other = guide_raw(s, BRANCH_DEGRADED_PROMPT);
    float scale = (float)value[0];
    s->out = tensor_like(s->arena, was);
    size_t len = s->out.data ? tensor_len(s->out) : 0;
    for (size_t k = 0; k < len; k++) s->out.data[k] = was.data[k] + scale * (told.data[k] - other.data[k]);
}
