/*
 * regions.c - see regions.h. What of latent couple (opparco) and ComfyUI's areas is common: predictions weighted by
 * masks, whose sum is 1.
 */
#include "pipeline/regions.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double SOFT = 16; /* pixels */

static const char *read_number(const char *s, double *out)
{
    char *end;
    if (!strchr("0123456789.", *s) || !*s) return NULL;
    *out = strtod(s, &end);
    return isfinite(*out) ? end : NULL;
}

/* "soft=8", "strength=0.5", "over" or "area" behind a comma; NULL: something else. */
static const char *read_field(const char *s, RegionWish *r)
{
    bool area = strncmp(s, ",area", 5) == 0;
    if ((area || strncmp(s, ",over", 5) == 0) && strchr(",=", s[5])) {
        r->over = true;
        r->area = r->area || area;
        return s + 5;
    }
    if (strncmp(s, ",soft=", 6) == 0) return read_number(s + 6, &r->soft);
    return strncmp(s, ",strength=", 10) == 0 ? read_number(s + 10, &r->strength) : NULL;
}

int region_line_parse(const char *line, RegionWish *out, Err *e)
{
    *out = (RegionWish){ .soft = -1, .strength = 1 };
    double *const numbers[] = { &out->x, &out->y, &out->w, &out->h };
    const char *s = line;
    for (int i = 0; i < 4 && s; i++) {
        s = read_number(s, numbers[i]);
        if (s && i < 3) s = *s == ',' ? s + 1 : NULL;
    }
    while (s && *s == ',') s = read_field(s, out);
    if (!s || *s != '=' || !s[1])
        return err_usage(e, "\"%.80s\" is not X,Y,W,H[,soft=PIXELS][,strength=X][,over|,area]=TEXT", line);
    if (out->w <= 0 || out->h <= 0) return err_usage(e, "\"%.80s\": a width and a height above 0 are expected", line);
    if (out->area && out->soft >= 0)
        return err_usage(e, "\"%.80s\": soft is not for an area, whose edges are ComfyUI's", line);
    if (out->soft < 0) out->soft = SOFT;
    double most = out->over ? 10 : 1;
    if (out->strength > most)
        return err_usage(e, "strength %g: a number from 0 to %g is expected", out->strength, most);
    out->text = s + 1;
    return 0;
}

int region_lines_check(const char *line, Err *e)
{
    RegionWish r;
    return region_line_parse(line, &r, e);
}

int regions_count(const char *lines)
{
    int count = lines && *lines;
    for (const char *p = lines; p && *p; p++) count += *p == '\n';
    return count;
}

/* How far a place is within from .. to, 0 .. 1; an edge at the picture's own is none. */
static double within(double at, double from, double to, double size, double soft)
{
    double left = soft > 0 ? fmin(fmax((at - from) / soft + .5, 0), 1) : at >= from;
    double right = soft > 0 ? fmin(fmax((to - at) / soft + .5, 0), 1) : at < to;
    return (from <= 0 ? 1 : left) * (to >= size ? 1 : right);
}

/* Whether all four are shares of the picture. */
static bool in_shares(const RegionWish *r) { return r->x + r->w <= 1 && r->y + r->h <= 1; }

/* Latents, from `size` of them: of shares the nearest, ties to the even one; of pixels those that are whole. */
static int latents_of(double v, bool share, int size, int factor, double scale)
{
    return (int)fmin(share ? nearbyint(v * size) : floor(v * scale / factor), size);
}

Region region_area(const RegionWish *r, int factor, int w, int h, double scale)
{
    bool share = in_shares(r);
    int least = share ? 1 : 0;
    Region at = { latents_of(r->x, share, w, factor, scale), latents_of(r->y, share, h, factor, scale),
                  latents_of(r->w, share, w, factor, scale), latents_of(r->h, share, h, factor, scale) };
    at.w = at.w < least ? least : at.w;
    at.h = at.h < least ? least : at.h;
    if (at.w > w - at.x) at.w = w - at.x;
    if (at.h > h - at.y) at.h = h - at.y;
    return at.w > 0 && at.h > 0 ? at : (Region){ 0 };
}

/* Of one axis: up to 8 places, a quarter of the area at most, rise from an edge that is not the picture's. */
static double rise(int at, int from, int length, int size)
{
    int places = length / 4 < 8 ? length / 4 : 8, left = at - from, right = from + length - 1 - at;
    double by = 1;
    if (from != 0 && left < places) by *= (double)(left + 1) / places;
    if (from + length < size && right < places) by *= (double)(right + 1) / places;
    return by;
}

double region_area_weight(const RegionWish *r, Region at, int w, int h, int x, int y)
{
    if (x < at.x || y < at.y || x >= at.x + at.w || y >= at.y + at.h) return 0;
    return r->strength * rise(x, at.x, at.w, w) * rise(y, at.y, at.h, h);
}

static void add_area(const RegionWish *r, int factor, int w, int h, double scale, float *share)
{
    Region at = region_area(r, factor, w, h, scale);
    for (int i = 0; i < w * h; i++) share[i] = (float)region_area_weight(r, at, w, h, i % w, i / w);
}

static void add_share(const RegionWish *r, int factor, int w, int h, double scale, float *share)
{
    bool shares = in_shares(r);
    double width = w * factor, height = h * factor, sx = shares ? width : scale, sy = shares ? height : scale,
           soft = r->soft * scale;
    for (int i = 0; i < w * h; i++) {
        int row = i / w;
        double x = (i % w + .5) * factor, y = (row + .5) * factor;
        share[i] = (float)(r->strength * within(x, r->x * sx, (r->x + r->w) * sx, width, soft) *
                           within(y, r->y * sy, (r->y + r->h) * sy, height, soft));
    }
}

/* The shares of regions in the prompt's place, at most 1 in all, then all divided by 1 and what is over them. */
static void normalise(float *shares, const bool *over, int count, size_t n, size_t i)
{
    double in_place = 0, above = 0;
    for (int k = 1; k <= count; k++) *(over[k - 1] ? &above : &in_place) += (double)shares[(size_t)k * n + i];
    shares[i] = (float)(fmax(1 - in_place, 0) / (1 + above));
    for (int k = 1; k <= count && (in_place > 1 || above > 0); k++) {
        double by = over[k - 1] ? 1 + above : fmax(in_place, 1) * (1 + above);
        shares[(size_t)k * n + i] = (float)((double)shares[(size_t)k * n + i] / by);
    }
}

void regions_shares(const char *lines, int factor, int w, int h, double scale, float *shares)
{
    int count = regions_count(lines);
    size_t n = (size_t)w * (size_t)h;
    bool over[REGIONS_MAX] = { false };
    const char *line = lines;
    for (int k = 0; k < count; k++, line += strcspn(line, "\n") + 1) {
        RegionWish r;
        Err e;
        if (region_line_parse(line, &r, &e)) continue;
        (r.area ? add_area : add_share)(&r, factor, w, h, scale, shares + (size_t)(k + 1) * n);
        over[k] = r.over;
    }
    for (size_t i = 0; i < n; i++) normalise(shares, over, count, n, i);
}
