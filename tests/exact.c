/* exact.c - see exact.h. */
#include "tests/exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

float *normals(Rng *r, size_t n, double scale)
{
    float *x = mem_array(n, sizeof *x);
    rng_randn(r, x, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)(x[i] * scale);
    return x;
}

int below(Rng *r, int n)
{
    float x;
    rng_rand(r, &x, 1);
    return (int)(x * (float)n) % n;
}

/* The nearest number whose significand has `bits` bits. */
static double rounded(double x, int bits)
{
    int exponent;
    double m = frexp(x, &exponent);
    return ldexp(nearbyint(ldexp(m, bits)), exponent - bits);
}

double rounded_bf16(double x) { return rounded(x, 8); }

/* x, which the type holds exactly. */
static void put(unsigned char *data, size_t at, DType type, float x)
{
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    if (type == DT_F32) {
        memcpy(data + 4 * at, &word, 4);
        return;
    }
    uint16_t half = (uint16_t)(word >> 16);
    if (type == DT_F16) {
        int exponent;
        double m = frexp(fabs((double)x), &exponent); /* x = m 2^exponent, m in [1/2, 1) */
        int bits = x == 0 ? 0 : (exponent + 14) << 10 | ((int)ldexp(m, 11) - 1024);
        half = (uint16_t)(bits | (x < 0) << 15);
    }
    memcpy(data + 2 * at, &half, 2);
}

Matrix matrix_new(Rng *r, DType type, int k, int n, bool paired, bool bias)
{
    size_t len = (size_t)k * (size_t)n;
    Matrix m = { .p = { .type = { type }, .k = k, .n = n, .paired = paired }, .w = normals(r, len, 1 / sqrt(k)) };
    for (size_t i = 0; i < len && type != DT_F32; i++) {
        m.w[i] = (float)rounded((double)m.w[i], type == DT_F16 ? 11 : 8);
        if (type == DT_F16 && fabsf(m.w[i]) < 0x1p-14f) m.w[i] = 0; /* a half's subnormals have fewer bits */
    }
    m.bias = bias ? normals(r, (size_t)n, 1) : mem_array((size_t)n, sizeof *m.bias);

    unsigned char *data = mem_alloc(panels_bytes(&m.p) + 1); /* a file may have it at an odd address */
    if (bias) m.bias_panel = mem_array(panels_of(&m.p) * PANEL, sizeof *m.bias_panel);
    for (size_t i = 0; i < panels_of(&m.p); i++)
        for (size_t j = 0; j < PANEL; j++) {
            long row = panel_row(&m.p, i, j);
            for (size_t d = 0; row >= 0 && d < (size_t)k; d++)
                put(data + 1, (size_t)row * (size_t)k + d, type, m.w[d * (size_t)n + (size_t)row]);
            if (bias && row >= 0) m.bias_panel[i * PANEL + j] = m.bias[row];
        }
    m.p.data[0] = data + 1;
    return m;
}

void matrix_release(Matrix *m)
{
    free((void *)(uintptr_t)(m->p.data[0] - 1));
    free(m->w);
    free(m->bias);
    free(m->bias_panel);
}

/* Where a coordinate lies in a picture of `size`; -1: nowhere, zeros are read. */
static int place(int at, int size, bool wrap)
{
    if (at >= 0 && at < size) return at;
    return !wrap ? -1 : at < 0 ? place(at + size, size, wrap) : place(at - size, size, wrap);
}

void exact_pixel(const ExactConv *c, int n, int y, int x, double *out, double *mass)
{
    int in = c->x.c, width = c->w->p.n;
    for (int o = 0; o < width; o++) mass[o] = fabs(out[o] = (double)c->w->bias[o]);
    for (int tap = 0; tap < c->k * c->k; tap++) {
        int sy = place(y + tap / c->k - c->k / 2, c->h, c->wrap_y);
        int sx = place(x + tap % c->k - c->k / 2, c->wide, c->wrap_x);
        if (sy < 0 || sx < 0) continue;
        const float *pixel = c->x.data + ((n * c->x.h + sy / c->up) * c->x.w + sx / c->up) * in;
        for (int i = 0; i < in; i++) {
            const float *w = c->w->w + (size_t)(i * c->k * c->k + tap) * (size_t)width;
            double v = (double)pixel[i], size = fabs(v);
            for (int o = 0; o < width; o++) {
                out[o] += v * (double)w[o];
                mass[o] += size * fabs((double)w[o]);
            }
        }
    }
}

Tensor exact_norm(const Norm *g, Tensor x, bool silu)
{
    Tensor y = x;
    y.data = mem_array(tensor_len(x), sizeof *y.data);
    size_t c = (size_t)x.c, pixels = (size_t)(x.h * x.w), width = c / (size_t)g->groups;
    for (size_t n = 0; n < (size_t)x.n; n++)
        for (size_t first = 0; first < c; first += width) {
            const float *from = x.data + n * pixels * c;
            double mean = 0, var = 0, count = (double)(pixels * width);
            for (size_t i = 0; i < pixels * width; i++) mean += from[i / width * c + first + i % width] / count;
            for (size_t i = 0; i < pixels * width; i++)
                var += pow(from[i / width * c + first + i % width] - mean, 2) / count;
            for (size_t i = 0; i < pixels * width; i++) {
                size_t channel = first + i % width, at = i / width * c + channel;
                double v = (from[at] - mean) / sqrt(var + (double)g->eps) * g->w[channel] + g->b[channel];
                y.data[n * pixels * c + at] = (float)(silu ? v / (1 + exp(-v)) : v);
            }
        }
    return y;
}
