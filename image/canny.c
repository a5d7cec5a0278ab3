/*
 * canny.c - see canny.h.
 *
 * Easy to get wrong: there is no blur first; a maximum is strict on one side and not on the other, along rows and columns only; a
 * diagonal's direction is told from 16-bit fixed-point tangents; the border's gradient is of a replicated edge, while beyond it the
 * magnitude is 0.
 */
#include "image/canny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TAN_22_5 = 13573, SHIFT = 15 }; /* tan(22.5 degrees) * 2^15 */

enum { WEAK = 1, STRONG = 2 };

typedef struct {
    int w, h;
    int16_t *dx, *dy;
    int32_t *m; /* magnitude, [h + 2, w + 2]: zeros around it */
} Gradient;

static int clamp(int v, int most) { return v < 0 ? 0 : v > most ? most : v; }

/* The kernel's two factors: smoothing across, difference along. */
static const int smooths[2][5] = { { 1, 2, 1 }, { 1, 4, 6, 4, 1 } },
                 differs[2][5] = { { -1, 0, 1 }, { -1, -2, 0, 2, 1 } };

static void sobel(Samples in, int c, int x, int y, int aperture, int *dx, int *dy)
{
    const int *smooth = smooths[aperture == 5], *differ = differs[aperture == 5];
    int r = aperture == 5 ? 2 : 1;
    *dx = *dy = 0;
    for (int j = -r; j <= r; j++) {
        const uint8_t *row = in.data + (size_t)clamp(y + j, in.h - 1) * (size_t)in.w * (size_t)in.c;
        for (int i = -r; i <= r; i++) {
            int v = row[(size_t)clamp(x + i, in.w - 1) * (size_t)in.c + (size_t)c];
            *dx += v * differ[i + r] * smooth[j + r];
            *dy += v * smooth[i + r] * differ[j + r];
        }
    }
}

static void gradient(Gradient *g, Samples in, const Canny *how)
{
    for (int y = 0; y < g->h; y++)
        for (int x = 0; x < g->w; x++) {
            size_t at = (size_t)y * (size_t)g->w + (size_t)x;
            int best = -1;
            for (int c = 0; c < in.c; c++) {
                int dx, dy;
                sobel(in, c, x, y, how->aperture, &dx, &dy);
                int m = how->l2 ? dx * dx + dy * dy : abs(dx) + abs(dy);
                if (m <= best) continue;
                best = m;
                g->dx[at] = (int16_t)dx;
                g->dy[at] = (int16_t)dy;
            }
            g->m[(size_t)(y + 1) * (size_t)(g->w + 2) + (size_t)(x + 1)] = best;
        }
}

/* Whether the pixel is a maximum along its gradient. */
static bool is_maximum(const Gradient *g, int x, int y)
{
    size_t at = (size_t)y * (size_t)g->w + (size_t)x;
    ptrdiff_t row = g->w + 2;
    const int32_t *m = g->m + (y + 1) * row + x + 1;
    int64_t X = abs(g->dx[at]), Y = (int64_t)abs(g->dy[at]) << SHIFT, T = X * TAN_22_5;
    if (Y < T) return m[0] > m[-1] && m[0] >= m[1];
    if (Y > T + (X << (SHIFT + 1))) return m[0] > m[-row] && m[0] >= m[row];
    int s = (g->dx[at] ^ g->dy[at]) < 0 ? -1 : 1;
    return m[0] > m[-row - s] && m[0] > m[row + s];
}

/* Kept pixels that hang together with an edge become edges. */
static void follow(uint8_t *mark, int w, int h)
{
    size_t n = (size_t)w * (size_t)h, count = 0;
    size_t *stack = mem_array(n + 1, sizeof *stack);
    for (size_t i = 0; i < n; i++)
        if (mark[i] == STRONG) stack[count++] = i;
    while (count) {
        size_t at = stack[--count];
        int x = (int)(at % (size_t)w), y = (int)(at / (size_t)w);
        for (int v = y - 1; v <= y + 1; v++)
            for (int u = x - 1; u <= x + 1; u++) {
                if (u < 0 || v < 0 || u >= w || v >= h) continue;
                size_t to = (size_t)v * (size_t)w + (size_t)u;
                if (mark[to] != WEAK) continue;
                mark[to] = STRONG;
                stack[count++] = to;
            }
    }
    free(stack);
}

/* As the magnitude is an integer, a threshold is one too; a squared magnitude's is squared. */
static int64_t threshold(double v, bool l2)
{
    if (!l2) return (int64_t)floor(v);
    v = fmin(v, 32767);
    return (int64_t)floor(v > 0 ? v * v : v);
}

Samples canny(Samples in, const Canny *how)
{
    size_t n = (size_t)in.w * (size_t)in.h;
    Gradient g = { in.w, in.h, mem_array(n, sizeof *g.dx), mem_array(n, sizeof *g.dy),
                   mem_array((size_t)(in.w + 2) * (size_t)(in.h + 2), sizeof *g.m) };
    Samples out = { mem_array(n, 1), in.w, in.h, 1 };
    int64_t low = threshold(fmin(how->low, how->high), how->l2), high = threshold(fmax(how->low, how->high), how->l2);
    gradient(&g, in, how);
    for (int y = 0; y < in.h; y++)
        for (int x = 0; x < in.w; x++) {
            int32_t m = g.m[(size_t)(y + 1) * (size_t)(in.w + 2) + (size_t)(x + 1)];
            bool kept = m > low && is_maximum(&g, x, y);
            out.data[(size_t)y * (size_t)in.w + (size_t)x] = !kept ? 0 : m > high ? STRONG : WEAK;
        }
    follow(out.data, in.w, in.h);
    for (size_t i = 0; i < n; i++) out.data[i] = out.data[i] == STRONG ? 255 : 0;
    free(g.dx);
    free(g.dy);
    free(g.m);
    return out;
}
