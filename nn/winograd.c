/*
 * winograd.c - 3x3 convolutions by minimal filtering F(4x4, 3x3): a quarter of the multiplications.
 * Source: Lavin & Gray 2016 (arXiv:1509.09308).
 *
 * Every 4x4 of output is a tile that reads a 6x6 of input. In the transformed space a tile is 36 vectors of channels, and the
 * convolution is 36 matrix products [tiles, in] x [in, out]. A block of tiles is transformed at once; then each panel of
 * output channels has its weights transformed, piece by piece of `in`, while that piece is multiplied with all tiles.
 *
 * Where Nn.precision says so these products are of 16-bit integers (kernels_i16.inc): what the transforms make is rounded, not
 * what they read, and sums are exact.
 */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/conv_internal.h"
#include "nn/gemm.h"
#include "nn/rows.h"
#include "nn/winograd.h"

enum {
    TILE = 4,    /* output pixels of a tile, each way */
    POINTS = 36, /* of the transformed space */
    DEPTH = 128, /* input channels at once, at most */
    DOWN = 4,
    ACROSS = 8,                                      /* tiles whose input is normalised together, at most */
    STRIP = (TILE * DOWN + 2) * (TILE * ACROSS + 2), /* pixels that they read */
    PART = 256,                                      /* tiles that are multiplied with a panel at once, at most */
    REUSE = 4,              /* parts that a panel's weights are transformed for, at most; and pieces then */
    BLOCK_BYTES = 16 << 20, /* of transformed input: a share of L3 */
    FEW = 16,               /* tiles of an image: for less, rounding weights takes longer than it saves */
};

/* How the input channels are divided: depth in all pieces but the last, which has what is left. */
typedef struct {
    size_t in, depth, pieces;
} Pieces;

static Pieces pieces_of(const Conv *c)
{
    Pieces p = { .in = (size_t)c->in, .pieces = ((size_t)c->in + DEPTH - 1) / DEPTH };
    p.depth = ((p.in + p.pieces - 1) / p.pieces + 15) / 16 * 16;
    return p;
}

/*
 * Floats from one point of transformed weights to the next. Here and below, distances that were powers of 2 would send all 36
 * points to the same place in the caches.
 */
static size_t point_floats(const Pieces *p) { return (p->depth + 1) * PANEL; }

static size_t piece_depth(const Pieces *p, size_t piece)
{
    size_t from = piece * p->depth;
    return p->in - from < p->depth ? p->in - from : p->depth;
}

/* Tiles of one image whose input is transformed together. */
typedef struct {
    size_t n;   /* image */
    int y, x;   /* the first input pixel of the first, perhaps beyond the edge */
    size_t row; /* the first becomes this row of the block; those below follow a row of tiles later */
    int down, across;
} Region;

typedef struct {
    const Convolution *c;
    const Kernels *k;
    Pieces d;
    size_t down, across; /* tiles of an image */
    size_t lines;        /* rows of tiles that are transformed at once */
    size_t block;        /* tiles in them, or one more */
    size_t part, reuse;  /* tiles multiplied at once; parts that take the same weights */
    Region *regions;     /* of a block */
    float *v;            /* [pieces][POINTS][block][depth] */
    float *u;            /* [threads][POINTS][depth + 1][PANEL]; with reuse [threads][pieces].. */
    float *m;            /* [threads][POINTS][part][PANEL] */
    float *g;            /* [threads][depth][9][PANEL]: a piece of a panel in f32 */
    float *strip;        /* [threads][STRIP][depth]: normalised input; only with a norm */

    bool i16;
    int16_t *v16;   /* in place of v */
    float *v_scale; /* [pieces][POINTS][block] */
    float *tile;    /* [threads][POINTS][depth]: a tile before it is rounded */
    int16_t *u16;   /* [threads][POINTS][depth / 2][PANEL][2]; with reuse [threads][pieces].. */
    float *u_scale; /* [threads][POINTS][PANEL]; with reuse [threads][pieces].. */
} Work;

bool winograd_suits(const Convolution *c)
{
    return c->conv->k == 3 && c->stride == 1 && c->conv->in % 16 == 0 && c->y.h * c->y.w >= 16;
}

/* The region's input, normalised: [4 down + 2, 4 across + 2, depth] of a piece of the channels, zeros beyond the edge. */
static void normalise(const Work *w, const Region *r, size_t piece, float *strip)
{
    const Convolution *c = w->c;
    size_t in = (size_t)c->conv->in, first = piece * w->d.depth, depth = piece_depth(&w->d, piece);
    int height = TILE * r->down + 2, width = TILE * r->across + 2;
    const float *a = c->ab + r->n * 2 * in + first;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, strip += w->d.depth) {
            const float *pixel = conv_pixel(c, r->n, r->y + y, r->x + x);
            const float *below = conv_pixel(c, r->n, r->y + y + 1, r->x + x) + first;
            for (size_t i = 0; i < depth; i += 16) __builtin_prefetch(below + i);
            if (pixel == c->zeros) memset(strip, 0, depth * sizeof *strip);
            else if (c->act == ACT_SILU) w->k->affine_silu(strip, pixel + first, a, a + in, depth);
            else {
                w->k->affine(strip, pixel + first, a, a + in, depth);
                act_row(w->k, c->act, strip, depth);
            }
        }
}

/* Tile `row` of the block, transformed: its vectors of a piece of the channels. */
static void store_tile(const Work *w, size_t piece, size_t row, const float *const pixels[POINTS], size_t ahead)
{
    size_t at = piece * POINTS * w->block + row, stride = w->block * w->d.depth, depth = piece_depth(&w->d, piece);
    if (!w->i16) {
        w->k->winograd_input(w->v + at * w->d.depth, stride, pixels, ahead, depth);
        return;
    }
    float *tile = w->tile + (size_t)omp_get_thread_num() * POINTS * w->d.depth;
    w->k->winograd_input(tile, depth, pixels, ahead, depth);
    w->k->rows_i16(w->v16 + at * w->d.depth, stride, w->v_scale + at, w->block, tile,
                   (GemmSize){ .rows = POINTS, .k = depth });
}

static void transform_input(const Work *w, const Region *r)
{
    const Convolution *c = w->c;
    float *strip = w->strip ? w->strip + (size_t)omp_get_thread_num() * STRIP * w->d.depth : NULL;
    size_t width = TILE * (size_t)r->across + 2, ahead = strip ? w->d.depth : (size_t)c->x.c / (size_t)c->up;
    for (size_t p = 0; p < w->d.pieces; p++) {
        if (strip) normalise(w, r, p, strip);
        for (int y = 0; y < TILE * r->down; y += TILE)
            for (int x = 0; x < TILE * r->across; x += TILE) {
                const float *pixels[POINTS];
                for (int i = 0; i < POINTS; i++) {
                    int py = y + i / 6, px = x + i % 6;
                    pixels[i] = strip ? strip + ((size_t)py * width + (size_t)px) * w->d.depth
                                      : conv_pixel(c, r->n, r->y + py, r->x + px) + p * w->d.depth;
                }
                store_tile(w, p, r->row + (size_t)(y / TILE) * w->across + (size_t)(x / TILE), pixels, TILE * ahead);
            }
    }
}

/* A piece of a panel: u [POINTS][depth][PANEL]. g: room for [depth][9][PANEL]. */
static void transform_weights(const Kernels *k, const Conv *c, size_t panel, size_t piece, float *u, float *g)
{
    Pieces d = pieces_of(c);
    size_t depth = piece_depth(&d, piece), each = 9 * d.depth;
    bool last = piece + 1 == d.pieces;
    PanelPiece next = { last ? panel + (size_t)omp_get_num_threads() : panel, last ? 0 : (piece + 1) * each, each };
    panel_f32(k, &c->w, (PanelPiece){ panel, piece * each, 9 * depth }, next, g);
    k->winograd_weights(u, point_floats(&d), g, depth);
}

/* Floats of one piece of a panel. */
static size_t piece_floats(const Pieces *d) { return POINTS * point_floats(d); }

/* A piece of a panel as integers, and their scales [POINTS][PANEL]. u, g: room for the piece and its taps as floats. */
static void round_weights(const Kernels *k, const Conv *c, size_t panel, size_t piece, int16_t *u16, float *scale,
                          float *u, float *g)
{
    Pieces d = pieces_of(c);
    transform_weights(k, c, panel, piece, u, g);
    for (size_t i = 0; i < POINTS; i++)
        k->columns_i16(u16 + i * point_floats(&d), scale + i * PANEL, u + i * point_floats(&d), piece_depth(&d, piece));
}

size_t winograd_bytes(const Conv *c, bool rounded)
{
    Pieces d = pieces_of(c);
    size_t pieces = c->k == 3 && c->in % 16 == 0 ? panels_of(&c->w) * d.pieces : 0;
    size_t each = piece_floats(&d) * sizeof(float);
    return pieces * (rounded ? each / 2 + POINTS * PANEL * sizeof(float) : each);
}

int winograd_keep(Conv *c, const Kernels *k, bool rounded, BoundMemory *m, Err *e)
{
    Pieces d = pieces_of(c);
    size_t count = panels_of(&c->w) * d.pieces, bytes = winograd_bytes(c, rounded), each = piece_floats(&d);
    if (!bytes || c->u || c->u16) return 0;
    void *kept = bound_new(m, bytes, e);
    if (!kept) return -1;
    float *u = rounded ? NULL : kept, *scale = rounded ? kept : NULL;
    int16_t *u16 = rounded ? (int16_t *)(void *)(scale + count * POINTS * PANEL) : NULL;
#pragma omp parallel
    {
        float *work = mem_array(9 * d.depth * PANEL + (rounded ? each : 0), sizeof *work), *g = work;
#pragma omp for schedule(static)
        for (size_t i = 0; i < count; i++) {
            size_t panel = i / d.pieces, piece = i % d.pieces;
            if (rounded)
                round_weights(k, c, panel, piece, u16 + i * each, scale + i * POINTS * PANEL,
                              work + 9 * d.depth * PANEL, g);
            else transform_weights(k, c, panel, piece, u + i * each, g);
        }
        free(work);
    }
    c->u = u;
    c->u16 = u16;
    c->u_scale = scale;
    return 0;
}

/* The pixels of tile `at` of all, clipped at the picture's edge. m: its vectors, `stride` apart. */
static void transform_output(const Work *w, size_t panel, size_t at, const float *m, size_t stride)
{
    const Convolution *c = w->c;
    size_t each = w->down * w->across, n = at / each, out = (size_t)c->conv->out;
    int y = (int)(at % each / w->across) * TILE, x = (int)(at % each % w->across) * TILE;
    size_t to = ((n * (size_t)c->y.h + (size_t)y) * (size_t)c->y.w + (size_t)x) * out + panel * PANEL;
    WinogradTile tile = { .y = c->y.data + to,
                          .bias = c->conv->b ? c->conv->b + panel * PANEL : NULL,
                          .residual = c->residual ? c->residual + to : NULL,
                          .relu = c->relu,
                          .row = (size_t)c->y.w * out,
                          .pixel = out,
                          .rows = c->y.h - y < TILE ? c->y.h - y : TILE,
                          .cols = c->y.w - x < TILE ? c->y.w - x : TILE,
                          .channels = panel_cols(&c->conv->w, panel) };
    w->k->winograd_output(&tile, m, stride);
}

/* A task: a panel times some tiles of a block, and where it keeps what it works on. */
typedef struct {
    size_t panel, first, count; /* tiles */
    float *u, *m, *g, *u_scale;
    int16_t *u16;
} Task;

/* One piece of a panel times the tiles: added to m unless it is the first. fresh: its weights are not transformed yet. */
static void piece_f32(const Work *w, const Task *t, size_t piece, bool fresh)
{
    const Conv *c = w->c->conv;
    GemmSize size = { t->count, panel_cols(&c->w, t->panel), piece_depth(&w->d, piece) };
    size_t point = point_floats(&w->d), each = piece_floats(&w->d);
    float *own = t->u + (w->reuse > 1 ? piece * each : 0);
    const float *kept = c->w.patch ? NULL : c->u; /* kept weights know nothing of patches */
    const float *u = kept ? kept + (t->panel * w->d.pieces + piece) * each : own;
    if (!kept && fresh) transform_weights(w->k, c, t->panel, piece, own, t->g);
    for (size_t i = 0; i < POINTS; i++)
        w->k->gemm_f32(t->m + i * w->part * PANEL, w->v + ((piece * POINTS + i) * w->block + t->first) * w->d.depth,
                       w->d.depth, u + i * point, size, piece > 0);
}

static void piece_i16(const Work *w, const Task *t, size_t piece, bool fresh)
{
    const Conv *c = w->c->conv;
    GemmSize size = { t->count, panel_cols(&c->w, t->panel), piece_depth(&w->d, piece) };
    size_t point = point_floats(&w->d), each = piece_floats(&w->d), place = w->reuse > 1 ? piece : 0;
    const int16_t *u = t->u16 + place * each;
    const float *scale = t->u_scale + place * POINTS * PANEL;
    if (c->u16 && !c->w.patch) {
        u = c->u16 + (t->panel * w->d.pieces + piece) * each;
        scale = c->u_scale + (t->panel * w->d.pieces + piece) * POINTS * PANEL;
    } else if (fresh) {
        round_weights(w->k, c, t->panel, piece, t->u16 + place * each, t->u_scale + place * POINTS * PANEL, t->u, t->g);
    }
    for (size_t i = 0; i < POINTS; i++) {
        size_t at = (piece * POINTS + i) * w->block + t->first;
        FactorsI16 f = { .a = w->v16 + at * w->d.depth,
                         .lda = w->d.depth,
                         .a_scale = w->v_scale + at,
                         .b = u + i * point,
                         .b_scale = scale + i * PANEL };
        w->k->gemm_i16(t->m + i * w->part * PANEL, &f, size, piece > 0);
    }
}

/* A panel times tiles first .. last - 1 of the block, which begins at tile `from`. */
static void panel_times(const Work *w, size_t panel, size_t from, size_t first, size_t last)
{
    size_t me = (size_t)omp_get_thread_num(), kept = w->reuse > 1 ? w->d.pieces : 1, floats = piece_floats(&w->d);
    Task t = { .panel = panel,
               .u = w->u + me * (w->i16 ? 1 : kept) * floats,
               .m = w->m + me * POINTS * w->part * PANEL,
               .g = w->g + me * 9 * w->d.depth * PANEL };
    if (w->i16) {
        t.u16 = w->u16 + me * kept * floats;
        t.u_scale = w->u_scale + me * kept * POINTS * PANEL;
    }
    for (t.first = first; t.first < last; t.first += t.count) {
        t.count = last - t.first < w->part ? last - t.first : w->part;
        for (size_t p = 0; p < w->d.pieces; p++) {
            if (w->i16) piece_i16(w, &t, p, t.first == first);
            else piece_f32(w, &t, p, t.first == first);
        }
        for (size_t i = 0; i < t.count; i++)
            transform_output(w, panel, from + t.first + i, t.m + i * PANEL, w->part * PANEL);
    }
}

/* The block that begins at a row of tiles, as regions. Returns how many. */
static size_t divide(const Work *w, size_t line, size_t lines)
{
    size_t count = 0, down = lines * w->across >= 512 ? DOWN : lines * w->across >= 64 ? 2 : 1;
    for (size_t at = 0, height; at < lines; at += height) {
        size_t y = (line + at) % w->down, rest = w->down - y < lines - at ? w->down - y : lines - at;
        height = rest < down ? rest : down;
        for (size_t x = 0; x < w->across; x += ACROSS)
            w->regions[count++] = (Region){ .n = (line + at) / w->down,
                                            .y = (int)y * TILE - w->c->pad,
                                            .x = (int)x * TILE - w->c->pad,
                                            .row = at * w->across + x,
                                            .down = (int)height,
                                            .across = (int)(w->across - x < ACROSS ? w->across - x : ACROSS) };
    }
    return count;
}

/* How many there are at once: tiles in a block, in a part, parts to the same weights. */
static void plan(Work *w)
{
    const Convolution *c = w->c;
    w->down = ((size_t)c->y.h + TILE - 1) / TILE;
    w->across = ((size_t)c->y.w + TILE - 1) / TILE;
    w->d = pieces_of(c->conv);
    size_t lines = (size_t)c->y.n * w->down, item = w->i16 ? sizeof(int16_t) : sizeof(float);
    size_t most = BLOCK_BYTES / (POINTS * w->d.in * item * w->across);
    if (most * w->across < 32) most = (32 + w->across - 1) / w->across;
    size_t blocks = (lines + most - 1) / most;
    w->lines = (lines + blocks - 1) / blocks;
    size_t tiles = w->lines * w->across, parts = (tiles + PART - 1) / PART;
    w->block = tiles | 1;
    w->part = ((tiles + parts - 1) / parts) | 1;
    w->reuse = parts < 2 || w->d.pieces > REUSE ? 1 : parts < REUSE ? parts : REUSE;
}

static void work_init(Work *w, const Nn *nn, const Convolution *c)
{
    size_t threads = (size_t)nn->threads;
    *w = (Work){ .c = c, .k = nn->k };
    w->i16 = nn->precision.conv == FACTORS_I16 && nn->k->gemm_i16 && c->y.h * c->y.w >= FEW * TILE * TILE;
    plan(w);

    Arena *a = nn->arena;
    size_t rows = w->d.pieces * POINTS * w->block, kept = threads * (w->reuse > 1 ? w->d.pieces : 1);
    w->regions = arena_alloc(a, w->lines * ((w->across + ACROSS - 1) / ACROSS) * sizeof(Region));
    if (w->i16) {
        w->v16 = arena_alloc(a, rows * w->d.depth * sizeof(int16_t));
        w->v_scale = arena_alloc(a, rows * sizeof(float));
        w->tile = arena_alloc(a, threads * POINTS * w->d.depth * sizeof(float));
        w->u16 = arena_alloc(a, kept * piece_floats(&w->d) * sizeof(int16_t));
        w->u_scale = arena_alloc(a, kept * POINTS * PANEL * sizeof(float));
    } else {
        w->v = arena_alloc(a, rows * w->d.depth * sizeof(float));
    }
    w->u = arena_alloc(a, (w->i16 ? threads : kept) * piece_floats(&w->d) * sizeof(float));
    w->m = arena_alloc(a, threads * POINTS * w->part * PANEL * sizeof(float));
    w->g = arena_alloc(a, threads * 9 * w->d.depth * PANEL * sizeof(float));
    if (c->with_norm) w->strip = arena_alloc(a, threads * STRIP * w->d.depth * sizeof(float));
}

static void convolve(const Nn *nn, const Convolution *c)
{
    size_t mark = nn->arena->used, panels = panels_of(&c->conv->w);
    Work w;
    work_init(&w, nn, c);
    arena_reset(nn->arena, mark);
    if (arena_dry(nn->arena)) return;

    size_t all = (size_t)c->y.n * w.down, step = w.part * w.reuse;
    for (size_t line = 0; line < all; line += w.lines) {
        size_t lines = all - line < w.lines ? all - line : w.lines, tiles = lines * w.across;
        size_t regions = divide(&w, line, lines), steps = (tiles + step - 1) / step;
#pragma omp parallel num_threads(nn->threads)
        {
#pragma omp for schedule(dynamic)
            for (size_t i = 0; i < regions; i++) transform_input(&w, &w.regions[i]);
#pragma omp for schedule(dynamic)
            for (size_t i = 0; i < steps * panels; i++) {
                size_t first = i / panels * step;
                panel_times(&w, i % panels, line * w.across, first, tiles - first < step ? tiles : first + step);
            }
        }
    }
}

void winograd_convolve(const Nn *nn, const Convolution *c)
{
    if (!nn->k->samples_alone || c->x.n < 2) {
        convolve(nn, c);
        return;
    }
    for (int i = 0; i < c->x.n; i++) {
        Convolution one = *c;
        one.x = tensor_slice(c->x, i, 1);
        one.y = tensor_slice(c->y, i, 1);
        if (c->residual) one.residual = c->residual + (size_t)i * tensor_len(one.y);
        if (c->ab) one.ab = c->ab + (size_t)i * 2 * (size_t)c->conv->in;
        convolve(nn, &one);
    }
}
