/*
 * group_norm.c - group normalisation, Wu & He 2018 (arXiv:1803.08494), with the activation that follows it.
 * Sums are double: one pass is exact enough, mean^2 and E[x^2] differ by far more than 2^-53.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "nn/group_norm.h"
#include "nn/nn.h"
#include "nn/rows.h"

/* The pixels that count: all of them, or a tile's core. */
typedef struct {
    size_t top, left, bottom, right;
} Rect;

static Rect counted(const Nn *nn, Tensor x)
{
    const GroupStats *s = nn->stats;
    if (!s) return (Rect){ .bottom = (size_t)x.h, .right = (size_t)x.w };
    int up = x.h / s->tile_h; /* a level is 1, 2, 4, .. times as fine as the tile */
    assert(x.n == 1 && up * s->tile_h == x.h && up * s->tile_w == x.w);
    return (Rect){ .top = (size_t)(up * s->top),
                   .left = (size_t)(up * s->left),
                   .bottom = (size_t)(up * s->bottom),
                   .right = (size_t)(up * s->right) };
}

/* Elements of a group, their sum and sum of squares, turned into x a + b for each of its channels. */
static void group_affine(const Norm *g, int group, const double sums[3], float *a, float *b)
{
    int width = g->c / g->groups;
    double mean = sums[1] / sums[0], var = sums[2] / sums[0] - mean * mean;
    double inv = 1 / sqrt((var > 0 ? var : 0) + (double)g->eps);
    for (int c = group * width; c < (group + 1) * width; c++) {
        a[c] = (float)(inv * (double)g->w[c]);
        b[c] = (float)((double)g->b[c] - mean * inv * (double)g->w[c]);
    }
}

/* Sums of each channel over pieces of some image rows; pieces depend on the shape alone. [n, pieces, 2, c] */
static void piece_sums(const Nn *nn, Tensor x, Rect r, size_t piece, size_t pieces, double *sums)
{
    size_t c = (size_t)x.c, w = (size_t)x.w, h = (size_t)x.h;
#pragma omp parallel for schedule(static) num_threads(nn->threads) if (h * w * c > 16384)
    for (size_t t = 0; t < (size_t)x.n * pieces; t++) {
        double *sum = sums + t * 2 * c;
        memset(sum, 0, 2 * c * sizeof *sum);
        size_t from = r.top + t % pieces * piece, to = from + piece < r.bottom ? from + piece : r.bottom;
        for (size_t y = from; y < to; y++)
            for (size_t p = r.left; p < r.right; p++)
                nn->k->moments(sum, sum + c, x.data + ((t / pieces * h + y) * w + p) * c, c);
    }
}

/* The two sums of one group of one sample. */
static void group_sums(const Norm *g, int group, const double *pieces, size_t count, double out[2])
{
    int width = g->c / g->groups;
    out[0] = out[1] = 0;
    for (size_t p = 0; p < count; p++) {
        const double *s = pieces + p * 2 * (size_t)g->c + group * width;
        for (int k = 0; k < width; k++) {
            out[0] += s[k];
            out[1] += s[g->c + k];
        }
    }
}

const float *group_norm_affine(Nn *nn, const Norm *g, Tensor x)
{
    assert(x.c == g->c && g->groups > 0);
    PROFILE(nn, LAYER_GROUP_NORM, x.n, x.h, x.w, x.c, g->groups, 0);
    GroupStats *stats = nn->stats;
    Rect r = counted(nn, x);
    size_t c = (size_t)x.c, n = (size_t)x.n;
    size_t piece = (512 + r.right - r.left - 1) / (r.right - r.left), pieces = (r.bottom - r.top + piece - 1) / piece;

    float *ab = arena_alloc(nn->arena, n * 2 * c * sizeof *ab);
    size_t mark = nn->arena->used;
    double *sums = arena_alloc(nn->arena, n * pieces * 2 * c * sizeof *sums);
    arena_reset(nn->arena, mark);
    if (!ab) return NULL;

    bool given = stats && stats->given;
    size_t width = c / (size_t)g->groups;
    if (!given || stats->collect) piece_sums(nn, x, r, piece, pieces, sums);
    assert(!stats || (stats->layer < stats->layers && g->groups <= stats->groups));
    for (size_t i = 0; i < n; i++) {
        for (int group = 0; group < g->groups; group++) {
            size_t at = stats ? (size_t)(stats->layer * stats->groups + group) * 3 : 0;
            double own[3] = { (double)((r.bottom - r.top) * (r.right - r.left) * width), 0, 0 };
            if (!given || stats->collect) group_sums(g, group, sums + i * pieces * 2 * c, pieces, own + 1);
            if (stats && stats->collect)
                for (int k = 0; k < 3; k++) stats->collect[at + (size_t)k] += own[k];
            group_affine(g, group, given ? stats->given + at : own, ab + i * 2 * c, ab + i * 2 * c + c);
        }
    }
    if (stats) stats->layer++;
    return ab;
}

Tensor nn_group_norm(Nn *nn, const Norm *g, Tensor x, Act act)
{
    Tensor y = tensor_like(nn->arena, x);
    size_t mark = nn->arena->used, c = (size_t)x.c, pixels = (size_t)x.h * (size_t)x.w, rows = tensor_rows(x);
    const float *ab = group_norm_affine(nn, g, x);
    arena_reset(nn->arena, mark);
    if (!y.data) return y;

    FOR_ROWS(nn, rows)
    {
        for (size_t row = first; row < last; row++) {
            const float *a = ab + row / pixels * 2 * c;
            nn->k->affine(y.data + row * c, x.data + row * c, a, a + c, c);
        }
        act_row(nn->k, act, y.data + first * c, (last - first) * c);
    }
    return y;
}
