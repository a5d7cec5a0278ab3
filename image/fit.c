/* fit.c - see fit.h. */
#include "image/fit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

Samples fit_window(Samples in, Region r)
{
    Samples out = { mem_array((size_t)r.w * (size_t)r.h, (size_t)in.c), r.w, r.h, in.c };
    size_t c = (size_t)in.c;
    for (int y = 0; y < r.h; y++)
        for (int x = 0; x < r.w; x++) {
            int sx = x + r.x, sy = y + r.y;
            sx = sx < 0 ? 0 : sx >= in.w ? in.w - 1 : sx;
            sy = sy < 0 ? 0 : sy >= in.h ? in.h - 1 : sy;
            memcpy(out.data + ((size_t)y * (size_t)r.w + (size_t)x) * c,
                   in.data + ((size_t)sy * (size_t)in.w + (size_t)sx) * c, c);
        }
    return out;
}

/*
 * A bar of `size` lines at both ends. There Pillow's bicubic filter is asked for a box of no height, and gives 1.125 of the edge's line
 * less 0.125 of the next one; with odd remainders one line at the far end stays black.
 */
static void fill_bars(Samples s, const Samples *inner, Region at, bool rows)
{
    size_t c = (size_t)s.c, in_w = (size_t)inner->w;
    int bar = rows ? at.y : at.x, long_side = rows ? s.w : s.h, end = rows ? inner->h : inner->w;
    for (int i = 0; i < long_side; i++)
        for (size_t k = 0; k < c; k++)
            for (int far = 0; far < 2; far++) {
                int edge = far ? end - 1 : 0, next = end < 2 ? edge : far ? end - 2 : 1;
                size_t e = (rows ? (size_t)edge * in_w + (size_t)i : (size_t)i * in_w + (size_t)edge) * c + k;
                size_t n = (rows ? (size_t)next * in_w + (size_t)i : (size_t)i * in_w + (size_t)next) * c + k;
                int v = (9 * inner->data[e] - inner->data[n] + 4) >> 3;
                v = v < 0 ? 0 : v > 255 ? 255 : v;
                for (int b = 0; b < bar; b++) {
                    int line = far ? bar + end + b : b;
                    if (line >= (rows ? s.h : s.w)) break;
                    size_t to = rows ? (size_t)line * (size_t)s.w + (size_t)i : (size_t)i * (size_t)s.w + (size_t)line;
                    s.data[to * c + k] = (uint8_t)v;
                }
            }
}

/* `inner` on a black ground, with its bars. */
static Samples on_ground(const Samples *inner, const Fit *f)
{
    size_t c = (size_t)inner->c;
    Samples out = { mem_array((size_t)f->w * (size_t)f->h, c), f->w, f->h, inner->c };
    Region at = { f->w / 2 - inner->w / 2, f->h / 2 - inner->h / 2, inner->w, inner->h };
    for (int y = 0; y < at.h; y++)
        memcpy(out.data + ((size_t)(at.y + y) * (size_t)f->w + (size_t)at.x) * c,
               inner->data + (size_t)y * (size_t)at.w * c, (size_t)at.w * c);
    if (at.y > 0) fill_bars(out, inner, at, true);
    if (at.x > 0) fill_bars(out, inner, at, false);
    return out;
}

Samples fit_to(Samples in, const Fit *f)
{
    if (strcmp(f->mode, "stretch") == 0) return resample(in, f->w, f->h, RESAMPLE_LANCZOS);
    bool crop = strcmp(f->mode, "crop") == 0;
    bool wider = (double)f->w / f->h > (double)in.w / in.h;
    bool by_width = crop ? wider : !wider;
    if (!crop && (double)f->w / f->h == (double)in.w / in.h) by_width = false;
    int w = by_width ? f->w : (int)((int64_t)in.w * f->h / in.h),
        h = by_width ? (int)((int64_t)in.h * f->w / in.w) : f->h;
    Samples scaled = resample(in, w < 1 ? 1 : w, h < 1 ? 1 : h, RESAMPLE_LANCZOS), out;
    if (crop) out = fit_window(scaled, (Region){ scaled.w / 2 - f->w / 2, scaled.h / 2 - f->h / 2, f->w, f->h });
    else out = on_ground(&scaled, f);
    free(scaled.data);
    return out;
}

/* Along one axis: first and past are moved apart until they are `wanted` (a real number) away, inside of 0 .. n. */
static void widen(int *first, int *past, double wanted, int n)
{
    int more = (int)(wanted - (*past - *first));
    *first -= more / 2;
    *past += more - more / 2;
    if (*past >= n) {
        *first -= *past - n;
        *past = n;
    }
    if (*first < 0) {
        *past -= *first;
        *first = 0;
    }
    if (*past >= n) *past = n;
}

Region fit_region(Samples mask, int padding, int w, int h)
{
    int x1 = mask.w, x2 = 0, y1 = mask.h, y2 = 0;
    for (int y = 0; y < mask.h; y++)
        for (int x = 0; x < mask.w; x++) {
            if (!mask.data[(size_t)y * (size_t)mask.w + (size_t)x]) continue;
            if (x < x1) x1 = x;
            if (x >= x2) x2 = x + 1;
            if (y < y1) y1 = y;
            if (y >= y2) y2 = y + 1;
        }
    if (x2 == 0) return (Region){ 0 };
    x1 = x1 > padding ? x1 - padding : 0;
    y1 = y1 > padding ? y1 - padding : 0;
    x2 = x2 + padding < mask.w ? x2 + padding : mask.w;
    y2 = y2 + padding < mask.h ? y2 + padding : mask.h;
    double own = (double)(x2 - x1) / (y2 - y1), shape = (double)w / h;
    if (own > shape) widen(&y1, &y2, (x2 - x1) / shape, mask.h);
    else widen(&x1, &x2, (y2 - y1) * shape, mask.w);
    return (Region){ x1, y1, x2 - x1, y2 - y1 };
}
