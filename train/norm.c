/*
norm.c - group normalisation, with SiLU behind it if wanted, of bfloat16 in channels_last; forward and backward. For fast_norm.py,
which compiles it. Shapes: x, y, dy, dx [n, pixels, channels]; weight, bias [channels]; mean, rstd, dweight, dbias [n, channels].
*/
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline float wide(uint16_t b)
{
    union {
        uint32_t u;
        float f;
    } v = { (uint32_t)b << 16 };
    return v.f;
}

static inline uint16_t narrow(float f)
{
    union {
        float f;
        uint32_t u;
    } v = { f };
    return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}

static inline float sigmoid(float z) { return 1 / (1 + expf(-z)); }

/* Sums of each group's channels, in the place of each of them. */
static void over_group(float *sums, size_t channels, size_t groups)
{
    size_t width = channels / groups;
    for (size_t g = 0; g < groups; g++) {
        float sum = 0;
        for (size_t c = 0; c < width; c++) sum += sums[g * width + c];
        for (size_t c = 0; c < width; c++) sums[g * width + c] = sum;
    }
}

void norm_forward(const uint16_t *x, const float *weight, const float *bias, uint16_t *y, float *mean, float *rstd,
                  size_t n, size_t pixels, size_t channels, size_t groups, float eps, int silu)
{
    float count = (float)(pixels * (channels / groups));
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) {
        const uint16_t *from = x + i * pixels * channels;
        uint16_t *to = y + i * pixels * channels;
        float sum[channels], square[channels], *m = mean + i * channels, *r = rstd + i * channels;
        memset(sum, 0, sizeof sum);
        memset(square, 0, sizeof square);
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < channels; c++) {
                float v = wide(from[p * channels + c]);
                sum[c] += v;
                square[c] += v * v;
            }
        over_group(sum, channels, groups);
        over_group(square, channels, groups);
        for (size_t c = 0; c < channels; c++) {
            m[c] = sum[c] / count;
            r[c] = 1 / sqrtf(fmaxf(square[c] / count - m[c] * m[c], 0) + eps);
            square[c] = r[c] * weight[c];
            sum[c] = bias[c] - m[c] * square[c];
        }
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < channels; c++) {
                float z = wide(from[p * channels + c]) * square[c] + sum[c];
                to[p * channels + c] = narrow(silu ? z * sigmoid(z) : z);
            }
    }
}

void norm_backward(const uint16_t *x, const uint16_t *dy, const float *weight, const float *bias, const float *mean,
                   const float *rstd, uint16_t *dx, float *dweight, float *dbias, size_t n, size_t pixels,
                   size_t channels, size_t groups, int silu)
{
    float count = (float)(pixels * (channels / groups));
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) {
        size_t at = i * pixels * channels;
        const uint16_t *from = x + at, *slope = dy + at;
        const float *m = mean + i * channels, *r = rstd + i * channels;
        float *d = dweight + i * channels, *a = dbias + i * channels, push[channels], pull[channels];
        float *inner = malloc(sizeof(float) * pixels * channels);
        if (!inner) abort();
        memset(d, 0, sizeof(float) * channels);
        memset(a, 0, sizeof(float) * channels);
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < channels; c++) {
                size_t k = p * channels + c;
                float h = (wide(from[k]) - m[c]) * r[c], g = wide(slope[k]);
                if (silu) {
                    float z = h * weight[c] + bias[c], s = sigmoid(z);
                    g *= s * (1 + z * (1 - s));
                }
                inner[k] = g;
                a[c] += g;
                d[c] += g * h;
            }
        for (size_t c = 0; c < channels; c++) {
            push[c] = a[c] * weight[c];
            pull[c] = d[c] * weight[c];
        }
        over_group(push, channels, groups);
        over_group(pull, channels, groups);
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < channels; c++) {
                size_t k = p * channels + c;
                float h = (wide(from[k]) - m[c]) * r[c];
                dx[at + k] = narrow(r[c] * (inner[k] * weight[c] - (push[c] + h * pull[c]) / count));
            }
        free(inner);
    }
}
