/* cutout.c - see cutout.h. */
#include "image/cutout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "image/background.h"

enum {
    BLEED = 4,       /* pixels */
    NARROW_EDGE = 2, /* how far an edge may reach: pixels of a small picture, and of a large one */
    WIDE_EDGE = 8,
    EDGE_SHARE = 128,   /* between, the side over this */
    SPECK_SHARE = 1024, /* of all pixels: what is smaller and pale is the background's noise */
    HOLE_SHARE = 2048,
};

static const float CLIMB = 1.1F;    /* along an edge the distance grows by a tenth a pixel, or it has ended */
static const float OFF_LINE = 0.1F; /* of the way from background to thing: a mixture lies on the line between them */

typedef struct {
    const Image *im; /* the opaque picture */
    Surface surface;
    float *distance; /* [h, w] from the background */
    uint8_t *clear;  /* [h, w] 1: background */
    size_t *queue;   /* [h * w] */
    float tolerance;
} Work;

static size_t pixels(const Image *im) { return (size_t)im->w * (size_t)im->h; }

/* ---- regions --------------------------------------------------------------------------------------------------------- */

/*
 * The pixels connected to `start` that have the same class, marked `mark` in label; they are queue[0 .. returned). Background
 * connects along sides, things along corners too: a line one pixel wide then holds.
 */
static size_t flood(Work *w, uint8_t *label, const uint8_t *class, size_t start, uint8_t mark)
{
    static const int dx[] = { 1, -1, 0, 0, 1, 1, -1, -1 }, dy[] = { 0, 0, 1, -1, 1, -1, 1, -1 };
    size_t count = 0;
    int ways = class[start] ? 4 : 8;
    label[start] = mark;
    w->queue[count++] = start;
    for (size_t i = 0; i < count; i++) {
        int x = (int)(w->queue[i] % (size_t)w->im->w), y = (int)(w->queue[i] / (size_t)w->im->w);
        for (int d = 0; d < ways; d++) {
            int nx = x + dx[d], ny = y + dy[d];
            if (nx < 0 || ny < 0 || nx >= w->im->w || ny >= w->im->h) continue;
            size_t n = (size_t)ny * (size_t)w->im->w + (size_t)nx;
            if (label[n] || class[n] != class[start]) continue;
            label[n] = mark;
            w->queue[count++] = n;
        }
    }
    return count;
}

static bool on_border(const Image *im, size_t i)
{
    size_t x = i % (size_t)im->w, y = i / (size_t)im->w;
    return x == 0 || y == 0 || x + 1 == (size_t)im->w || y + 1 == (size_t)im->h;
}

/* Background that the flood did not reach, large enough to be a hole and nearer to the background than it need be. */
static bool is_hole(const Work *w, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += w->distance[w->queue[i]];
    return count >= pixels(w->im) / HOLE_SHARE && count > 1 && sum / (double)count <= 0.6 * w->tolerance;
}

/* A few pale pixels. */
static bool is_speck(const Work *w, size_t count)
{
    if (count > pixels(w->im) / SPECK_SHARE) return false;
    for (size_t i = 0; i < count; i++)
        if (w->distance[w->queue[i]] > 3 * w->tolerance) return false;
    return true;
}

/* Fills w->clear from w->distance. */
static void find_background(Work *w, bool holes)
{
    size_t n = pixels(w->im);
    uint8_t *near = mem_array(n, 1), *label = mem_array(n, 1);
    memset(w->clear, 0, n);
    for (size_t i = 0; i < n; i++) near[i] = w->distance[i] <= w->tolerance;
    for (size_t i = 0; i < n; i++)
        if (near[i] && !label[i] && on_border(w->im, i)) flood(w, label, near, i, 1);
    for (size_t i = 0; i < n; i++) w->clear[i] = label[i];
    for (size_t i = 0; holes && i < n; i++) {
        if (!near[i] || label[i]) continue;
        size_t count = flood(w, label, near, i, 1);
        if (is_hole(w, count))
            for (size_t k = 0; k < count; k++) w->clear[w->queue[k]] = 1;
    }
    memset(label, 0, n);
    memcpy(near, w->clear, n);
    for (size_t i = 0; i < n; i++) {
        if (near[i] || label[i]) continue;
        size_t count = flood(w, label, near, i, 1);
        if (is_speck(w, count))
            for (size_t k = 0; k < count; k++) w->clear[w->queue[k]] = 1;
    }
    free(near);
    free(label);
}

/* ---- edges ----------------------------------------------------------------------------------------------------------- */

static int edge_reach(const Image *im)
{
    int reach = (im->w < im->h ? im->w : im->h) / EDGE_SHARE;
    return reach < NARROW_EDGE ? NARROW_EDGE : reach > WIDE_EDGE ? WIDE_EDGE : reach;
}

/* steps[h, w]: how far a pixel is from the other class (diagonals count 1), at most `most` + 1. */
static void steps_to_edge(const Work *w, int most, uint8_t *steps)
{
    const Image *im = w->im;
    size_t row = (size_t)im->w;
    memset(steps, most + 1, pixels(im));
    for (int pass = 1; pass <= most; pass++)
        for (int y = 0; y < im->h; y++)
            for (int x = 0; x < im->w; x++) {
                size_t i = (size_t)y * row + (size_t)x;
                if (steps[i] <= pass) continue;
                for (int ny = y ? y - 1 : 0; ny <= y + 1 && ny < im->h; ny++)
                    for (int nx = x ? x - 1 : 0; nx <= x + 1 && nx < im->w; nx++) {
                        size_t n = (size_t)ny * row + (size_t)nx;
                        bool meets =
                            pass == 1 ? w->clear[n] != w->clear[i] : w->clear[n] == w->clear[i] && steps[n] == pass - 1;
                        if (meets) steps[i] = (uint8_t)pass;
                    }
            }
}

/* How far p is along the way from b to f, and how far it is off that way, as parts of its length. */
static void along(const float b[3], const uint8_t *p, const uint8_t *f, float *share, float *off)
{
    float way = 0, dot = 0, square = 0;
    for (int c = 0; c < 3; c++) {
        float bf = (float)f[c] - b[c], bp = (float)p[c] - b[c];
        way += bf * bf;
        dot += bf * bp;
        square += bp * bp;
    }
    *share = way > 0 ? dot / way : 1;
    *off = way > 0 ? sqrtf(fmaxf(square - dot * dot / way, 0) / way) : 0;
}

static float far_from(const float b[3], const uint8_t *p)
{
    float r = (float)p[0] - b[0], g = (float)p[1] - b[1], blue = (float)p[2] - b[2];
    return sqrtf(r * r + g * g + blue * blue);
}

/*
 * The pixel of the thing whose colour this one has a part of: away from the background's colour while that grows fast and
 * the colours stay on one line. A pixel that is no mixture is its own.
 */
static size_t climb(const Work *w, size_t from, const float b[3], int reach)
{
    const Image *im = w->im;
    size_t at = from, row = (size_t)im->w;
    for (int step = 0; step < reach; step++) {
        size_t x = at % row, y = at / row, best = at;
        float farthest = CLIMB * far_from(b, im->rgb + at * 3);
        for (size_t ny = y ? y - 1 : 0; ny <= y + 1 && ny < (size_t)im->h; ny++)
            for (size_t nx = x ? x - 1 : 0; nx <= x + 1 && nx < row; nx++) {
                size_t n = ny * row + nx;
                float share, off, far = far_from(b, im->rgb + n * 3);
                if (far <= farthest) continue;
                along(b, im->rgb + from * 3, im->rgb + n * 3, &share, &off);
                if (share <= 0 || off > OFF_LINE) continue;
                best = n;
                farthest = far;
            }
        if (best == at) break;
        at = best;
    }
    return at;
}

/*
 * Whether a pale pixel at the edge is a sharpener's or decoder's overshoot: on the other side of the background's colour than
 * what is next to it.
 */
static bool overshoots(const Work *w, size_t i, const float b[3])
{
    const Image *im = w->im;
    size_t row = (size_t)im->w, x = i % row, y = i / row;
    bool opposed = false;
    for (size_t ny = y ? y - 1 : 0; ny <= y + 1 && ny < (size_t)im->h; ny++)
        for (size_t nx = x ? x - 1 : 0; nx <= x + 1 && nx < row; nx++) {
            size_t n = ny * row + nx;
            float share, off;
            along(b, im->rgb + i * 3, im->rgb + n * 3, &share, &off);
            opposed = opposed || (share < 0 && w->distance[n] > 2 * w->distance[i]);
        }
    return opposed;
}

/* A pale pixel right at the edge that is no mixture of what is near: as much as it stands out. */
static float pale(const Work *w, size_t i, const float b[3])
{
    float over = (w->distance[i] - w->tolerance) / w->tolerance;
    if (over >= 1) return 1;
    return overshoots(w, i, b) ? 0 : over;
}

/*
 * The pixel's alpha, and its colour without the background's part. edge: it has neighbours of the other class; faint: what
 * the background's own noise may look like.
 */
static void unmix(const Work *w, size_t i, bool edge, float faint, Image *out)
{
    int reach = edge_reach(w->im);
    const Image *im = w->im;
    float b[3], share, off;
    background_at(&w->surface, im, (int)(i % (size_t)im->w), (int)(i / (size_t)im->w), b);
    size_t thing = climb(w, i, b, reach);
    if (w->clear[thing] || (thing == i && !edge)) return;
    along(b, im->rgb + i * 3, im->rgb + thing * 3, &share, &off);
    float alpha = thing == i ? pale(w, i, b) : fminf(fmaxf(share, 0), 1);
    if (w->clear[i]) {
        float noise = fminf(faint / w->distance[thing], 0.9F);
        alpha = fmaxf(alpha - noise, 0) / (1 - noise);
    }
    out->alpha[i] = (uint8_t)(alpha * 255 + 0.5F);

    /* the fainter, the more a difference would be blown up */
    float trust = fminf(alpha * 3, 1);
    for (size_t c = 0; c < 3; c++) {
        float pure = alpha > 0 ? b[c] + ((float)im->rgb[i * 3 + c] - b[c]) / alpha : 0;
        float v = trust * fminf(fmaxf(pure, 0), 255) + (1 - trust) * (float)im->rgb[thing * 3 + c];
        out->rgb[i * 3 + c] = (uint8_t)(v + 0.5F);
    }
}

static void unmix_edges(const Work *w, Image *out)
{
    size_t n = pixels(w->im), count = 0;
    int reach = edge_reach(w->im);
    uint8_t *steps = mem_array(n, 1);
    double square = 0;
    steps_to_edge(w, reach, steps);
    for (size_t i = 0; i < n; i++) {
        if (!w->clear[i] || steps[i] <= reach) continue;
        square += (double)w->distance[i] * (double)w->distance[i];
        count++;
    }
    float faint = count ? 2 * (float)sqrt(square / (double)count) : w->tolerance;
    for (size_t i = 0; i < n; i++)
        if (steps[i] <= reach) unmix(w, i, steps[i] == 1, faint, out);
    free(steps);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------- */

void image_bleed(Image *im)
{
    size_t n = pixels(im), row = (size_t)im->w;
    if (!im->alpha) return;
    uint8_t *known = mem_array(n, 1);
    for (size_t i = 0; i < n; i++) {
        known[i] = im->alpha[i] ? 1 : 0;
        if (!known[i]) memset(im->rgb + i * 3, 0, 3);
    }
    for (int pass = 1; pass <= BLEED; pass++)
        for (size_t i = 0; i < n; i++) {
            if (known[i]) continue;
            size_t x = i % row, y = i / row;
            unsigned sum[3] = { 0 }, count = 0;
            for (size_t ny = y ? y - 1 : 0; ny <= y + 1 && ny < (size_t)im->h; ny++)
                for (size_t nx = x ? x - 1 : 0; nx <= x + 1 && nx < row; nx++) {
                    size_t k = ny * row + nx;
                    if (!known[k] || known[k] > pass) continue; /* not this pass's own */
                    for (size_t c = 0; c < 3; c++) sum[c] += im->rgb[k * 3 + c];
                    count++;
                }
            if (!count) continue;
            for (size_t c = 0; c < 3; c++) im->rgb[i * 3 + c] = (uint8_t)((sum[c] + count / 2) / count);
            known[i] = (uint8_t)(pass + 1);
        }
    free(known);
}

double image_cut_out(Image *im, const Cutout *c)
{
    size_t n = pixels(im);
    free(im->alpha);
    im->alpha = mem_array(n, 1);
    memset(im->alpha, 255, n);

    Work w = { .im = im, .tolerance = (float)c->tolerance };
    double plain = background_find(&w.surface, im, c->tolerance);
    if (plain < CUTOUT_PLAIN) return plain;
    w.distance = mem_array(n, sizeof *w.distance);
    w.clear = mem_array(n, 1);
    w.queue = mem_array(n, sizeof *w.queue);
    background_distances(&w.surface, im, w.distance);
    find_background(&w, false);
    background_refine(&w.surface, im, w.clear); /* by the whole of it, not only the border */
    background_distances(&w.surface, im, w.distance);
    find_background(&w, c->holes);

    Image opaque = { .w = im->w, .h = im->h, .rgb = mem_array(n, 3) };
    memcpy(opaque.rgb, im->rgb, n * 3);
    w.im = &opaque;
    for (size_t i = 0; i < n; i++) im->alpha[i] = w.clear[i] ? 0 : 255;
    unmix_edges(&w, im);
    image_bleed(im);

    image_release(&opaque);
    free(w.distance);
    free(w.clear);
    free(w.queue);
    return plain;
}
