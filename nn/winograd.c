/*
 * winograd.c - 3x3 convolutions by minimal filtering F(4x4, 3x3): a quarter of the multiplications.
 * Source: Lavin & Gray 2016 (arXiv:1509.09308).
 *
 * Every 4x4 of output is a tile that reads a 6x6 of input. In the transformed space a tile is 36 vectors of channels, and the
 * convolution is 36 matrix products [tiles, in] x [in, out]. A block of tiles is transformed at once; then each panel of
 * output channels has its weights transformed, piece by piece of `in`, while that piece is multiplied with all tiles.
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
    TILE = 4,                     /* output pixels of a tile, each way */
    POINTS = 36,                  /* of the transformed space */
    DEPTH = 128,                  /* input channels at once, at most */
    RUN = 16,                     /* tiles whose input is prepared together, at most */
    STRIP = 6 * (TILE * RUN + 2), /* pixels that they read */
    PART = 256,                   /* tiles that a panel's weights are transformed for, at most */
    BLOCK_BYTES = 16 << 20,       /* of transformed input: a share of L3 */
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

static size_t piece_depth(const Pieces *p, size_t piece)
{
    size_t from = piece * p->depth;
    return p->in - from < p->depth ? p->in - from : p->depth;
}

typedef struct {
    const Convolution *c;
    const Kernels *k;
    Pieces d;
    int down, across;    /* tiles of an image */
    size_t tiles, block; /* of all images; transformed at once */
    size_t part;         /* tiles of a piece of work */
    float *v;            /* [pieces][POINTS][block][depth] */
    float *u;            /* [threads][POINTS][depth][PANEL] */
    float *m;            /* [threads][POINTS][part][PANEL] */
    float *g;            /* [threads][depth][9][PANEL]: a piece of a panel in f32 */
    float *strip;        /* [threads][STRIP][depth]: normalised input; only with a norm */
} Work;

bool winograd_suits(const Convolution *c)
{
    return c->conv->k == 3 && c->stride == 1 && c->conv->in % 16 == 0 && c->y.h * c->y.w >= 16;
}

/* Tiles beside each other in one row of tiles. */
typedef struct {
    size_t n;          /* image */
    int y, x;          /* the first input pixel of the first, perhaps beyond the edge */
    size_t row, count; /* they become rows row .. row + count - 1 of the block */
} Run;

/* The run's input, normalised: [6, 4 count + 2, depth] of a piece of the channels, zeros beyond the edge. */
static void normalise(const Work *w, const Run *r, size_t piece, float *strip)
{
    const Convolution *c = w->c;
    size_t in = (size_t)c->conv->in, first = piece * w->d.depth, depth = piece_depth(&w->d, piece);
    size_t width = TILE * r->count + 2, row = width * w->d.depth;
    const float *a = c->ab + r->n * 2 * in + first;
    assert(strip);
    for (int y = 0; y < 6; y++) {
        for (size_t x = 0; x < width; x++) {
            const float *pixel = conv_pixel(c, r->n, r->y + y, r->x + (int)x);
            float *to = strip + (size_t)y * row + x * w->d.depth;
            if (pixel == c->zeros) memset(to, 0, depth * sizeof *to);
            else w->k->affine(to, pixel + first, a, a + in, depth);
            if (depth < w->d.depth) memset(to + depth, 0, (w->d.depth - depth) * sizeof *to);
        }
        act_row(w->k, c->act, strip + (size_t)y * row, row);
    }
}

static void transform_run(const Work *w, const Run *r, float *strip)
{
    const Convolution *c = w->c;
    size_t width = TILE * r->count + 2;
    for (size_t p = 0; p < w->d.pieces; p++) {
        if (c->ab) normalise(w, r, p, strip);
        for (size_t t = 0; t < r->count; t++) {
            const float *pixels[POINTS];
            for (size_t i = 0; i < POINTS; i++) {
                size_t y = i / 6, x = t * TILE + i % 6;
                pixels[i] = c->ab ? strip + (y * width + x) * w->d.depth
                                  : conv_pixel(c, r->n, r->y + (int)y, r->x + (int)x) + p * w->d.depth;
            }
            w->k->winograd_input(w->v + (p * POINTS * w->block + r->row + t) * w->d.depth, w->block * w->d.depth,
                                 pixels, c->ab ? TILE * w->d.depth : (size_t)(TILE / c->up) * (size_t)c->x.c,
                                 piece_depth(&w->d, p));
        }
    }
}

/* Tiles first .. first + count - 1 of the block, which begins at tile `from`. */
static void transform_input(const Work *w, size_t from, size_t first, size_t count)
{
    const Convolution *c = w->c;
    size_t across = (size_t)w->across, each = (size_t)w->down * across, last = first + count;
    float *strip = w->strip ? w->strip + (size_t)omp_get_thread_num() * STRIP * w->d.depth : NULL;
    while (first < last) {
        size_t at = from + first, x = at % across, rest = across - x;
        Run r = { .n = at / each, .row = first, .count = rest < last - first ? rest : last - first };
        r.y = (int)(at % each / across) * TILE - c->pad;
        r.x = (int)x * TILE - c->pad;
        transform_run(w, &r, strip);
        first += r.count;
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
    k->winograd_weights(u, d.depth * PANEL, g, depth);
}

/* Floats of one piece of a panel. */
static size_t piece_floats(const Pieces *d) { return POINTS * d->depth * PANEL; }

size_t winograd_bytes(const Conv *c)
{
    Pieces d = pieces_of(c);
    return c->k == 3 && c->in % 16 == 0 ? panels_of(&c->w) * d.pieces * piece_floats(&d) * sizeof(float) : 0;
}

int winograd_keep(Conv *c, const Kernels *k, BoundMemory *m, Err *e)
{
    Pieces d = pieces_of(c);
    size_t count = panels_of(&c->w) * d.pieces, bytes = winograd_bytes(c);
    if (!bytes || c->u) return 0;
    float *u = bound_new(m, bytes, e);
    if (!u) return -1;
#pragma omp parallel
    {
        float *g = mem_array(9 * d.depth * PANEL, sizeof *g);
#pragma omp for schedule(static)
        for (size_t i = 0; i < count; i++)
            transform_weights(k, c, i / d.pieces, i % d.pieces, u + i * piece_floats(&d), g);
        free(g);
    }
    c->u = u;
    return 0;
}

/* The pixels of a tile, clipped at the picture's edge. m: its vectors, `stride` apart. */
static void transform_output(const Work *w, size_t panel, size_t at, const float *m, size_t stride)
{
    const Convolution *c = w->c;
    size_t each = (size_t)w->down * (size_t)w->across, n = at / each, out = (size_t)c->conv->out;
    int y = (int)(at % each) / w->across * TILE, x = (int)(at % each) % w->across * TILE;
    float pixels[TILE * TILE * PANEL];
    w->k->winograd_output(pixels, m, stride);

    GemmSize size = { .rows = (size_t)(c->y.w - x < TILE ? c->y.w - x : TILE), .cols = panel_cols(&c->conv->w, panel) };
    const float *bias = c->conv->b ? c->conv->b + panel * PANEL : NULL;
    for (int r = 0; r < TILE && y + r < c->y.h; r++) {
        size_t to = ((n * (size_t)c->y.h + (size_t)(y + r)) * (size_t)c->y.w + (size_t)x) * out + panel * PANEL;
        w->k->finish_tile(c->y.data + to, out, pixels + r * TILE * PANEL, bias, c->residual ? c->residual + to : NULL,
                          size);
    }
}

/* A panel times tiles first .. first + count - 1 of the block, which begins at tile `from`. */
static void panel_times(const Work *w, size_t panel, size_t from, size_t first, size_t count)
{
    const Conv *c = w->c->conv;
    size_t me = (size_t)omp_get_thread_num();
    float *u = w->u + me * piece_floats(&w->d), *g = w->g + me * 9 * w->d.depth * PANEL,
          *m = w->m + me * POINTS * w->part * PANEL;
    for (size_t p = 0; p < w->d.pieces; p++) {
        GemmSize size = { .rows = count, .cols = panel_cols(&w->c->conv->w, panel), .k = piece_depth(&w->d, p) };
        const float *weights = u;
        if (c->u) weights = c->u + (panel * w->d.pieces + p) * piece_floats(&w->d);
        else transform_weights(w->k, c, panel, p, u, g);
        for (size_t i = 0; i < POINTS; i++)
            w->k->gemm_f32(m + i * w->part * PANEL, w->v + ((p * POINTS + i) * w->block + first) * w->d.depth,
                           w->d.depth, weights + i * w->d.depth * PANEL, size, p > 0);
    }
    for (size_t t = 0; t < count; t++) transform_output(w, panel, from + first + t, m + t * PANEL, w->part * PANEL);
}

static void work_init(Work *w, const Nn *nn, const Convolution *c)
{
    size_t in = (size_t)c->conv->in, threads = (size_t)nn->threads;
    *w = (Work){ .c = c, .k = nn->k };
    w->down = (c->y.h + TILE - 1) / TILE;
    w->across = (c->y.w + TILE - 1) / TILE;
    w->tiles = (size_t)c->y.n * (size_t)w->down * (size_t)w->across;

    w->d = pieces_of(c->conv);
    size_t most = BLOCK_BYTES / (POINTS * in * sizeof(float));
    if (most < 32) most = 32;
    size_t blocks = (w->tiles + most - 1) / most;
    w->block = (w->tiles + blocks - 1) / blocks;
    size_t parts = (w->block + PART - 1) / PART;
    w->part = (w->block + parts - 1) / parts;

    w->v = arena_alloc(nn->arena, w->d.pieces * POINTS * w->block * w->d.depth * sizeof(float));
    w->u = arena_alloc(nn->arena, threads * piece_floats(&w->d) * sizeof(float));
    w->m = arena_alloc(nn->arena, threads * POINTS * w->part * PANEL * sizeof(float));
    w->g = arena_alloc(nn->arena, threads * 9 * w->d.depth * PANEL * sizeof(float));
    if (c->with_norm) w->strip = arena_alloc(nn->arena, threads * STRIP * w->d.depth * sizeof(float));
}

static void convolve(const Nn *nn, const Convolution *c)
{
    size_t mark = nn->arena->used, panels = panels_of(&c->conv->w);
    Work w;
    work_init(&w, nn, c);
    arena_reset(nn->arena, mark);
    if (arena_dry(nn->arena)) return;

    for (size_t from = 0; from < w.tiles; from += w.block) {
        size_t tiles = w.tiles - from < w.block ? w.tiles - from : w.block, parts = (tiles + w.part - 1) / w.part;
#pragma omp parallel num_threads(nn->threads)
        {
#pragma omp for schedule(static)
            for (size_t t = 0; t < tiles; t += RUN) transform_input(&w, from, t, tiles - t < RUN ? tiles - t : RUN);
#pragma omp for schedule(dynamic)
            for (size_t t = 0; t < parts * panels; t++) {
                size_t part = t / panels, first = part * w.part, rest = tiles - first;
                panel_times(&w, t % panels, from, first, rest < w.part ? rest : w.part);
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
