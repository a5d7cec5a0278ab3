/*
 * direct.c - 3x3 convolutions as sums over the nine taps in tile registers (kernels_tiles.inc), factors in bfloat16.
 *
 * The input is normalised and rounded once, into a flat row of pixels with zeros around each picture:
 *
 *     [in / 32][positions][32]       position (y + 1) pitch + x + 1 is pixel (y, x); pitch is the width and a border
 *
 * The result at y pitch + x reads the nine positions dy pitch + dx beyond it. So 32 results that follow each other read 32 pixels
 * that follow each other, whatever the tap, and the taps of 32 channels find them in L1. Results whose x is beyond the picture
 * are multiplied too, and dropped. A border is shared by neighbours, where the picture does not wrap.
 *
 * Bands of rows are prepared at once. Where results are many, all weights are converted before; otherwise each panel's as
 * it is multiplied.
 */
#include <omp.h>
#include <string.h>

#include "nn/conv_internal.h"
#include "nn/gemm.h"
#include "nn/rows.h"

enum {
    TAPS = 9,
    TOGETHER = 2,              /* blocks that are summed before results go back to memory */
    PIECE = TAPS * TILE_DEPTH, /* terms of TILE_DEPTH channels */
    PART_LEAST = 256,          /* results that a panel is multiplied with at once */
    PART_MOST = 640,
    STAY_BYTES = 768 << 10,   /* of pixels that stay in L2 from panel to panel */
    BAND_BYTES = 8 << 20,     /* of pixels at once: a share of L3 */
    WEIGHTS_BYTES = 64 << 20, /* of weights converted beforehand, at most */
};

/* Some rows of the results: of one picture, or whole pictures. */
typedef struct {
    size_t n, pictures;
    int y, rows; /* of each picture */
    size_t positions, results;
} Band;

typedef struct {
    const Convolution *c;
    const Kernels *k;
    size_t blocks, panels; /* of TILE_DEPTH channels of input, of PANEL of output */
    int pitch, rise;       /* positions from a row to the next; rows from a picture to the next */
    size_t room;           /* positions of the greatest band, and a strip that is read beyond them */
    size_t part;
    bool before;       /* weights are converted before */
    size_t group;      /* panels of them */
    uint16_t *pixels;  /* [blocks][room][TILE_DEPTH] */
    uint16_t *weights; /* [group][blocks][PIECE, PANEL]; or [threads][PIECE, PANEL] */
    uint16_t *g;       /* [threads][PIECE / 2][PANEL][2] */
    float *tile;       /* [threads][PART_MOST][PANEL] */
    float *line;       /* [threads][2][in]: a pixel normalised, and rounded */
} Work;

bool direct_suits(const Nn *nn, const Convolution *c)
{
    return nn->precision.conv == FACTORS_BF16 && nn->k->gemm_tiles && c->conv->k == 3 && c->stride == 1 &&
           c->conv->in % TILE_DEPTH == 0;
}

static void band_measure(const Work *w, Band *b)
{
    size_t pitch = (size_t)w->pitch, rows = b->pictures > 1 ? b->pictures * (size_t)w->rise : (size_t)b->rows + 1;
    b->results = (rows - 1) * pitch;
    b->positions = (rows + 1) * pitch + 2; /* what the last result reads */
}

/* The rows from y of picture n on; *n and *y become the next band's. */
static Band band_next(const Work *w, size_t *n, int *y)
{
    const Convolution *c = w->c;
    size_t row = (size_t)w->pitch * (size_t)c->conv->in * sizeof(uint16_t), all = (size_t)c->y.n;
    int most = (int)(BAND_BYTES / row);
    Band b = { .n = *n, .pictures = 1, .y = *y, .rows = most < 8 ? 8 : most };
    if (*y == 0 && b.rows >= w->rise) {
        b.pictures = (size_t)(b.rows / w->rise);
        if (b.pictures > all - *n) b.pictures = all - *n;
        b.rows = c->y.h;
    }
    if (b.rows >= c->y.h - *y) {
        b.rows = c->y.h - *y;
        *n += b.pictures;
        *y = 0;
    } else *y += b.rows;
    band_measure(w, &b);
    return b;
}

/* ---- pixels --------------------------------------------------------------------------------------------------------- */

static void put_zeros(const Work *w, size_t position)
{
    for (size_t i = 0; i < w->blocks; i++)
        memset(w->pixels + (i * w->room + position) * TILE_DEPTH, 0, TILE_DEPTH * sizeof *w->pixels);
}

static void put_pixel(const Work *w, size_t n, int y, int x, size_t position)
{
    const Convolution *c = w->c;
    size_t in = (size_t)c->conv->in;
    const float *pixel = conv_pixel(c, n, y, x);
    if (pixel == c->zeros) {
        put_zeros(w, position);
        return;
    }
    float *line = w->line + (size_t)omp_get_thread_num() * 2 * in;
    uint16_t *rounded = (uint16_t *)(void *)(line + in);
    if (c->with_norm) {
        const float *a = c->ab + n * 2 * in;
        if (c->act == ACT_SILU) w->k->affine_silu(line, pixel, a, a + in, in);
        else {
            w->k->affine(line, pixel, a, a + in, in);
            act_row(w->k, c->act, line, in);
        }
        pixel = line;
    }
    w->k->to_bf16(rounded, pixel, in);
    for (size_t i = 0; i < w->blocks; i++)
        memcpy(w->pixels + (i * w->room + position) * TILE_DEPTH, rounded + i * TILE_DEPTH,
               TILE_DEPTH * sizeof *rounded);
}

/* Row r of the band's positions, borders included. */
static void put_row(const Work *w, const Band *b, size_t r)
{
    size_t picture = b->pictures > 1 ? r / (size_t)w->rise : 0, at = r * (size_t)w->pitch;
    int y = b->y + (int)(r - picture * (size_t)w->rise) - 1;
    if (picture == b->pictures) { /* the border below the last */
        picture--;
        y += w->rise;
    }
    for (int x = -1; x < w->pitch - 1; x++) put_pixel(w, b->n + picture, y, x, at + (size_t)(x + 1));
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

static void convert(const Work *w, size_t panel, size_t block, uint16_t *to)
{
    uint16_t *g = w->g + (size_t)omp_get_thread_num() * PIECE * PANEL;
    bool last = block + 1 == w->blocks;
    PanelPiece piece = { panel, block * PIECE, PIECE };
    PanelPiece next = { last ? panel + 1 : panel, last ? 0 : (block + 1) * PIECE, PIECE };
    panel_pairs(w->k, &w->c->conv->w, piece, next, g);
    w->k->tap_pairs(to, g);
}

/* ---- products ------------------------------------------------------------------------------------------------------- */

/* The results of a part are written where the picture has pixels. */
static void finish(const Work *w, const Band *b, size_t panel, const float *tile, size_t first, size_t last)
{
    const Convolution *c = w->c;
    size_t pitch = (size_t)w->pitch, width = (size_t)c->y.w, out = (size_t)c->conv->out;
    const float *bias = c->conv->b ? c->conv->b + panel * PANEL : NULL;
    for (size_t r = first / pitch; r * pitch < last; r++) {
        size_t picture = b->pictures > 1 ? r / (size_t)w->rise : 0, y = r - picture * (size_t)w->rise;
        size_t from = r * pitch < first ? first : r * pitch, to = r * pitch + width < last ? r * pitch + width : last;
        if (y >= (size_t)b->rows || from >= to) continue;
        size_t pixel = ((b->n + picture) * (size_t)c->y.h + (size_t)b->y + y) * width + from - r * pitch;
        size_t at = pixel * out + panel * PANEL;
        w->k->finish_tile(c->y.data + at, out, tile + (from - first) * PANEL, bias,
                          c->residual ? c->residual + at : NULL,
                          (GemmSize){ .rows = to - from, .cols = panel_cols(&c->conv->w, panel) });
    }
}

/* weights: the panel's, or NULL: they are to be converted. */
static void multiply(const Work *w, const Band *b, size_t panel, const uint16_t *weights, size_t first, size_t last)
{
    size_t me = (size_t)omp_get_thread_num();
    float *tile = w->tile + me * PART_MOST * PANEL;
    uint16_t *own = weights ? NULL : w->weights + me * TOGETHER * PIECE * PANEL;
    ptrdiff_t at[TOGETHER * TAPS];
    for (size_t i = 0; i < TOGETHER; i++)
        for (int t = 0; t < TAPS; t++)
            at[i * TAPS + (size_t)t] = (ptrdiff_t)(i * w->room) * TILE_DEPTH + (t / 3 * w->pitch + t % 3) * TILE_DEPTH;
    for (size_t block = 0, count; block < w->blocks; block += count) {
        count = w->blocks - block < TOGETHER ? w->blocks - block : TOGETHER;
        for (size_t i = 0; own && i < count; i++) convert(w, panel, block + i, own + i * PIECE * PANEL);
        FactorsTiles f = { .a = w->pixels + (block * w->room + first) * TILE_DEPTH,
                           .at = at,
                           .b = own ? own : weights + block * PIECE * PANEL,
                           .steps = count * TAPS };
        w->k->gemm_tiles(tile, &f, last - first, block > 0);
    }
    finish(w, b, panel, tile, first, last);
}

static void work_init(Work *w, const Nn *nn, const Convolution *c)
{
    size_t threads = (size_t)nn->threads, in = (size_t)c->conv->in, n = 0, most = 0, results = 0, bands = 0;
    *w = (Work){ .c = c, .k = nn->k, .blocks = in / TILE_DEPTH, .panels = panels_of(&c->conv->w) };
    w->pitch = c->y.w + 1 + c->wrap_x;
    w->rise = c->y.h + 1 + c->wrap_y;
    for (int y = 0; n < (size_t)c->y.n; bands++) {
        Band b = band_next(w, &n, &y);
        if (b.positions > most) most = b.positions;
        if (b.results > results) results = b.results;
    }
    w->room = most + TILE_STRIP;
    w->part = STAY_BYTES / (in * sizeof *w->pixels) / TILE_STRIP * TILE_STRIP;
    if (w->part < PART_LEAST) w->part = PART_LEAST;
    if (w->part > PART_MOST || results <= PART_MOST) w->part = PART_MOST;
    w->before = bands > 1 || results > w->part;
    size_t panel = w->blocks * PIECE * PANEL * sizeof *w->weights;
    w->group = WEIGHTS_BYTES / panel < w->panels ? WEIGHTS_BYTES / panel : w->panels;
    if (!w->group) w->group = 1;
    w->pixels = arena_alloc(nn->arena, w->blocks * w->room * TILE_DEPTH * sizeof *w->pixels);
    w->weights =
        arena_alloc(nn->arena, w->before ? w->group * panel : threads * TOGETHER * PIECE * PANEL * sizeof *w->weights);
    w->g = arena_alloc(nn->arena, threads * PIECE * PANEL * sizeof *w->g);
    w->tile = arena_alloc(nn->arena, threads * PART_MOST * PANEL * sizeof *w->tile);
    w->line = arena_alloc(nn->arena, threads * 2 * in * sizeof *w->line);
}

static void convert_group(const Work *w, size_t from, size_t count)
{
#pragma omp for schedule(dynamic)
    for (size_t t = 0; t < count * w->blocks; t++)
        convert(w, from + t / w->blocks, t % w->blocks, w->weights + t * PIECE * PANEL);
}

void direct_convolve(const Nn *nn, const Convolution *c)
{
    size_t mark = nn->arena->used;
    Work w;
    work_init(&w, nn, c);
    arena_reset(nn->arena, mark);
    if (arena_dry(nn->arena)) return;

    int y = 0;
    for (size_t n = 0, count = 0; n < (size_t)c->y.n; count++) {
        Band b = band_next(&w, &n, &y);
        size_t parts = (b.results + w.part - 1) / w.part, strips = (b.results + TILE_STRIP - 1) / TILE_STRIP;
#pragma omp parallel num_threads(nn->threads)
        {
#pragma omp for schedule(static)
            for (size_t r = 0; r < b.positions / (size_t)w.pitch; r++) put_row(&w, &b, r);
#pragma omp for schedule(static)
            for (size_t at = b.positions - b.positions % (size_t)w.pitch; at < w.room; at++) put_zeros(&w, at);
            for (size_t from = 0; from < w.panels; from += w.group) {
                size_t group = w.panels - from < w.group ? w.panels - from : w.group;
                if (w.before && (count == 0 || w.group < w.panels)) convert_group(&w, from, group);
#pragma omp for schedule(dynamic)
                for (size_t t = 0; t < parts * group; t++) {
                    size_t part = t / group, panel = from + t % group, last = strips * (part + 1) / parts * TILE_STRIP;
                    const uint16_t *weights = w.before ? w.weights + t % group * w.blocks * PIECE * PANEL : NULL;
                    multiply(&w, &b, panel, weights, strips * part / parts * TILE_STRIP,
                             last < b.results ? last : b.results);
                }
            }
        }
    }
}
