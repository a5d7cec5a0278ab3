/* gemm.c - see gemm.h. */
#include "nn/gemm.h"

#include <assert.h>
#include <omp.h>
#include <string.h>

#include "nn/low_rank.h"

enum {
    DEPTH = 256,              /* of k at once: a converted panel of 32 KB */
    PART = 512,               /* rows that a panel is converted for */
    FEW = 64,                 /* rows of a sample: for less, rounding weights to 8 bits takes longer than it saves */
    PREPARED_BYTES = 8 << 20, /* of the left side at once: a share of L3 */
    ALL_BYTES = 16 << 20,     /* of all panels at once, likewise */
    STEP_BYTES = 64,          /* of a row at each step in tile registers */
    TILES_DEPTH = 512, /* of k at once in tile registers, at most: 32 KB of a panel, so that sums seldom leave them */
    STEPS = TILES_DEPTH / TILE_DEPTH,
    STAY_BYTES = 768 << 10, /* of the left side that stay in L2 from panel to panel: tile registers read it so fast */
    TILES_ALL_BYTES = 64 << 20 /* of all panels for them: their weights are to be converted once */
};

typedef struct {
    const Product *p;
    const Kernels *k;
    Factors factors;
    bool tiles; /* in tile registers: `left` is [steps][strips][STEP_BYTES]; of 8 bits [pieces][strips] scales follow */
    size_t strips; /* rows up to a multiple of TILE_STRIP, and one more: distances of powers of 2 crowd the caches */
    size_t part;   /* rows that a panel is multiplied with at once, at most */
    size_t piece;  /* of k at once */
    size_t depth;  /* k, even for bfloat16, whole blocks for 8 bits, whole steps for tiles */
    size_t lda;    /* bytes from one prepared row to the next */
    size_t blocks; /* where a row's RowI8 begin, in bytes */
    size_t rows;   /* prepared at once */
    size_t threads;
    bool own;             /* of tiles: each thread prepares the part that it multiplies with all panels */
    unsigned char *left;  /* [rows, lda]; own: [threads] parts */
    bool whole;           /* panels that cost much are prepared once for all parts of the rows, */
    bool all;             /* all of them before the products */
    size_t room;          /* bytes of a place in `right`: a piece's, or a whole panel's */
    unsigned char *right; /* [threads][room]; all: [panels][room] */
    float *tile;          /* [threads][PART * PANEL] */
    float *line;          /* [threads][depth]: a row before it is rounded; and for tiles after it */
} Work;

static Factors factors_of(const Nn *nn, const Product *p)
{
    size_t samples = p->samples ? p->samples : 1;
    Factors f = nn->precision.linear;
    if (f == FACTORS_I8 && (p->gathered || p->rows / samples < FEW)) f = nn->precision.attention;
    if (f == FACTORS_I8 && nn->k->gemm_i8) return f;
    return f == FACTORS_BF16 && nn->k->gemm_bf16 ? f : FACTORS_F32;
}

/* Bytes of the left side's k numbers. */
static size_t row_bytes(Factors f, size_t k)
{
    if (f == FACTORS_I8) return k + k / BLOCK_I8 * sizeof(RowI8);
    return k * (f == FACTORS_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static size_t pieces_of(const Work *w, size_t k) { return (k + w->piece - 1) / w->piece; }

/* Bytes of a panel's first k rows. */
static size_t panel_bytes(const Work *w, size_t k)
{
    if (w->factors == FACTORS_I8 && w->tiles) return pieces_of(w, k) * sizeof(ColumnsI8Tiles) + k * PANEL;
    if (w->factors == FACTORS_I8) return k / BLOCK_I8 * sizeof(ColumnsI8);
    return k * PANEL * (w->factors == FACTORS_BF16 ? sizeof(uint16_t) : sizeof(float));
}

static size_t depth_of(Factors f, bool tiles, size_t k)
{
    size_t unit = f == FACTORS_I8 ? BLOCK_I8 : tiles ? TILE_DEPTH : f == FACTORS_BF16 ? 2 : 1;
    return (k + unit - 1) / unit * unit;
}

/* Rows 4096 bytes apart (or nearly) would all want the same place in L1. */
static size_t spread(size_t bytes)
{
    size_t stride = (bytes + 63) / 64 * 64;
    return stride % 1024 == 0 ? stride + 64 : stride;
}

/* The left side can be read where it is. */
static bool in_place(const Product *p, Factors f)
{
    return !p->row && f == FACTORS_F32 && p->ldx * sizeof(float) % 1024 != 0;
}

static unsigned char *left_of(const Work *w)
{
    return w->left + (w->own ? (size_t)omp_get_thread_num() * w->strips * w->lda : 0);
}

/* Bytes of a row for tile registers: whole lines of the caches. */
static size_t tiles_bytes(const Work *w)
{
    if (w->factors == FACTORS_BF16) return w->depth * sizeof(uint16_t);
    return (w->depth + pieces_of(w, w->depth) * sizeof(float) + 63) / 64 * 64;
}

/* The scales of a piece's rows, of 8 bits in tiles. */
static float *scales_of(const Work *w, size_t k)
{
    return (float *)(void *)(left_of(w) + w->depth * w->strips) + k / w->piece * w->strips;
}

/* A row for tile registers: STEP_BYTES to each step. */
static void prepare_steps(const Work *w, const float *src, uint16_t *line, size_t r)
{
    size_t k = (size_t)w->p->w->k, apart = w->strips * STEP_BYTES;
    unsigned char *to = left_of(w) + r * STEP_BYTES;
    if (w->factors == FACTORS_I8) {
        for (size_t at = 0; at < k; at += w->piece)
            scales_of(w, at)[r] = w->k->row_i8_tiles((int8_t *)to + at * w->strips, apart, src + at,
                                                     k - at < w->piece ? k - at : w->piece);
        return;
    }
    w->k->to_bf16(line, src, k);
    memset(line + k, 0, (w->depth - k) * sizeof *line);
    for (size_t at = 0; at < w->depth; at += TILE_DEPTH, to += apart) memcpy(to, line + at, STEP_BYTES);
}

/* Row from + r of the product becomes row r of `left`. */
static void prepare_row(const Work *w, size_t from, size_t r)
{
    const Product *p = w->p;
    size_t k = (size_t)p->w->k;
    float *line = w->line + (size_t)omp_get_thread_num() * 2 * w->depth;
    const float *src = p->row ? line : p->x + (from + r) * p->ldx;
    void *to = w->left + r * w->lda;
    if (w->factors == FACTORS_F32) {
        if (p->row) p->row(p->ctx, to, p->first + from + r);
        else memcpy(to, src, k * sizeof *src);
        return;
    }
    if (p->row) p->row(p->ctx, line, p->first + from + r);
    if (w->tiles) {
        prepare_steps(w, src, (uint16_t *)(void *)(line + w->depth), r);
        return;
    }
    if (w->factors == FACTORS_I8) {
        w->k->row_i8(to, (RowI8 *)(void *)(w->left + r * w->lda + w->blocks), src, k);
        return;
    }
    w->k->to_bf16(to, src, k);
    if (k < w->depth) ((uint16_t *)to)[k] = 0;
}

/* Where a panel from k on is prepared: in its own place, or the thread's. */
static void *place_of(const Work *w, size_t panel, size_t k)
{
    size_t place = w->all ? panel : (size_t)omp_get_thread_num();
    return w->right + place * w->room + (w->whole ? panel_bytes(w, k) : 0);
}

static void *prepare_piece(const Work *w, size_t panel, size_t k)
{
    size_t left = (size_t)w->p->w->k - k;
    bool last = k + w->piece >= w->depth;
    PanelPiece piece = { panel, k, left < w->piece ? left : w->piece };
    PanelPiece next = { last ? panel + w->threads : panel, last ? 0 : k + w->piece, w->piece };
    void *right = place_of(w, panel, k);
    switch (w->factors) {
    case FACTORS_I8:
        if (w->tiles) panel_i8_tiles(w->k, w->p->w, piece, next, right);
        else panel_i8(w->k, w->p->w, piece, next, right);
        break;
    case FACTORS_BF16: panel_pairs(w->k, w->p->w, piece, next, right); break;
    default: panel_f32(w->k, w->p->w, piece, next, right); break;
    }
    if (w->tiles && w->factors == FACTORS_BF16 && left < w->piece) {
        size_t given = (left + 1) / 2 * 2 * PANEL, steps = (left + TILE_DEPTH - 1) / TILE_DEPTH;
        memset((uint16_t *)right + given, 0, (steps * TILE_DEPTH * PANEL - given) * sizeof(uint16_t));
    }
    return right;
}

static void prepare_panel(const Work *w, size_t panel)
{
    for (size_t k = 0; k < w->depth; k += w->piece) prepare_piece(w, panel, k);
}

/* tile (+)= the prepared rows from `first` on, times a piece of a panel. */
static void multiply_tiles(const Work *w, float *tile, size_t first, const void *right, size_t k, GemmSize s)
{
    const unsigned char *next = NULL, *a = left_of(w) + first * STEP_BYTES;
    if (w->whole && k + w->piece < w->depth) next = (const unsigned char *)right + panel_bytes(w, w->piece);
    else if (w->own) next = (const unsigned char *)right - panel_bytes(w, k) + w->room; /* the next panel's */
    if (w->factors == FACTORS_I8) {
        FactorsI8Tiles f = { .b = right, .apart = w->strips * STEP_BYTES, .next = next, .steps = s.k / BLOCK_I8 };
        f.a = (const int8_t *)a + k * w->strips;
        f.row_scale = scales_of(w, k) + first;
        w->k->gemm_i8_tiles(tile, &f, s.rows, k > 0);
        return;
    }
    ptrdiff_t at[STEPS];
    FactorsTiles f = { .at = at, .b = right, .steps = s.k / TILE_DEPTH };
    f.a = (const uint16_t *)(const void *)a + k * w->strips;
    f.next = (const uint16_t *)(const void *)next;
    for (size_t i = 0; i < f.steps; i++) at[i] = (ptrdiff_t)(i * TILE_DEPTH * w->strips);
    w->k->gemm_tiles(tile, &f, s.rows, k > 0);
}

/* tile (+)= the prepared rows from `row` on, times a piece of a panel; k: where it begins. */
static void multiply_piece(const Work *w, float *tile, const unsigned char *row, const void *right, size_t k,
                           GemmSize s)
{
    if (w->factors == FACTORS_I8) {
        FactorsI8 f = { .a = (const int8_t *)row + k, .lda = w->lda, .b = right };
        f.a_blocks = (const RowI8 *)(const void *)(row + w->blocks) + k / BLOCK_I8;
        w->k->gemm_i8(tile, &f, s, k > 0);
        return;
    }
    const void *a = row + row_bytes(w->factors, k);
    if (w->factors == FACTORS_BF16) w->k->gemm_bf16(tile, a, w->lda / sizeof(uint16_t), right, s, k > 0);
    else w->k->gemm_f32(tile, a, w->lda / sizeof(float), right, s, k > 0);
}

/* One panel times rows first .. first + rows - 1 of the prepared ones, which begin at row `from` of the product. */
static void panel_times(const Work *w, size_t panel, size_t from, size_t first, size_t rows)
{
    const Product *p = w->p;
    size_t me = (size_t)omp_get_thread_num(), cols = panel_cols(p->w, panel);
    float *tile = w->tile + me * PART * PANEL;
    GemmSize size = { .rows = rows, .cols = p->w->paired ? PANEL : cols };
    const unsigned char *x = w->left ? w->left : (const unsigned char *)(p->x + from * p->ldx);

    for (size_t k = 0; k < w->depth; k += w->piece) {
        size.k = w->depth - k < w->piece ? w->depth - k : w->piece;
        const void *right = w->whole ? place_of(w, panel, k) : prepare_piece(w, panel, k);
        if (w->tiles) multiply_tiles(w, tile, first, right, k, size);
        else multiply_piece(w, tile, x + first * w->lda, right, k, size);
    }

    size_t at = panel * (p->w->paired ? PANEL / 2 : PANEL);
    const float *bias = p->bias ? p->bias + panel * PANEL : NULL;
    float *y = p->y + (from + first) * p->ldy + at;
    size.cols = cols;
    if (p->w->paired) w->k->finish_geglu(y, p->ldy, tile, bias, size);
    else
        w->k->finish_tile(y, p->ldy, tile, bias, p->residual ? p->residual + (from + first) * p->ldy + at : NULL, size);
}

/* Rows first .. last - 1, as far as there are, prepared and multiplied with all panels. */
static void part_times(const Work *w, size_t first, size_t last)
{
    size_t rows = (last < w->p->rows ? last : w->p->rows) - first;
    for (size_t r = 0; r < rows; r++) prepare_row(w, first, r);
    for (size_t panel = 0; panel < panels_of(w->p->w); panel++) panel_times(w, panel, first, 0, rows);
}

static void work_init(Work *w, const Nn *nn, const Product *p)
{
    Factors f = factors_of(nn, p);
    bool tiles = f == FACTORS_BF16 ? nn->k->gemm_tiles != NULL : f == FACTORS_I8 && nn->k->gemm_i8_tiles;
    size_t threads = (size_t)nn->threads, depth = depth_of(f, tiles, (size_t)p->w->k);
    *w = (Work){
        .p = p, .k = nn->k, .factors = f, .tiles = tiles, .part = PART, .depth = depth, .blocks = depth, .rows = p->rows
    };
    w->piece = DEPTH;
    if (tiles) { /* pieces of nearly equal depth */
        size_t most = f == FACTORS_I8 ? I8_TILES_DEPTH : TILES_DEPTH, unit = f == FACTORS_I8 ? BLOCK_I8 : TILE_DEPTH;
        size_t pieces = (depth + most - 1) / most;
        w->piece = ((depth + pieces - 1) / pieces + unit - 1) / unit * unit;
    }
    bool copied = !in_place(p, f);
    w->lda = tiles ? tiles_bytes(w) : copied ? spread(row_bytes(f, depth)) : p->ldx * sizeof(float);
    w->threads = threads;
    if (tiles) {
        w->part = STAY_BYTES / w->lda / TILE_STRIP * TILE_STRIP;
        if (w->part > PART) w->part = PART;
        if (w->part < 4 * TILE_STRIP) w->part = 4 * TILE_STRIP;
    }
    if (copied) {
        size_t most = PREPARED_BYTES / w->lda / PART * PART, blocks;
        if (most < PART) most = PART;
        blocks = p->rows > most ? (p->rows + most - 1) / most : 1;
        w->rows = (p->rows + blocks - 1) / blocks;
    }
    size_t panels = panels_of(p->w);
    w->whole = (p->w->patch || f == FACTORS_I8 || tiles) && w->rows > w->part && panels >= threads;
    w->room = panel_bytes(w, w->whole ? depth + w->piece : w->piece);
    w->all = w->whole && panels * w->room <= (tiles ? TILES_ALL_BYTES : ALL_BYTES);
    w->own = tiles && w->all && p->rows >= 2 * threads * w->part;
    if (w->own) w->rows = p->rows;
    w->strips = (w->own ? w->part : (w->rows + TILE_STRIP - 1) / TILE_STRIP * TILE_STRIP) + 1;
    if (copied) w->left = arena_alloc(nn->arena, (w->own ? threads * w->strips : tiles ? w->strips : w->rows) * w->lda);
    w->right = arena_alloc(nn->arena, (w->all ? panels : threads) * w->room);
    w->tile = arena_alloc(nn->arena, threads * PART * PANEL * sizeof(float));
    w->line = arena_alloc(nn->arena, threads * 2 * w->depth * sizeof(float));
}

static void multiply(const Nn *nn, const Product *p)
{
    size_t mark = nn->arena->used, panels = panels_of(p->w);
    Work w;
    work_init(&w, nn, p);
    arena_reset(nn->arena, mark);
    if (arena_dry(nn->arena)) return;

    const bool each = w.whole && !w.all; /* a task is a panel and all rows */
    for (size_t from = 0; from < p->rows; from += w.rows) {
        size_t rows = p->rows - from < w.rows ? p->rows - from : w.rows, parts = (rows + w.part - 1) / w.part;
        /* of tiles whole strips */
        size_t unit = w.tiles ? TILE_STRIP : 1, units = (rows + unit - 1) / unit;
#pragma omp parallel num_threads(nn->threads) if (rows * w.depth * panels > 4096)
        {
            if (w.left && !w.own) {
#pragma omp for schedule(static)
                for (size_t r = 0; r < rows; r++) prepare_row(&w, from, r);
            }
            if (w.all) {
#pragma omp for schedule(dynamic)
                for (size_t t = 0; t < panels; t++) prepare_panel(&w, t);
            }
#pragma omp for schedule(dynamic)
            for (size_t t = 0; t < (w.own ? parts : each ? panels : parts * panels); t++) {
                if (w.own) {
                    part_times(&w, units * t / parts * unit, units * (t + 1) / parts * unit);
                    continue;
                }
                if (each) prepare_panel(&w, t);
                for (size_t part = each ? 0 : t / panels; part < (each ? parts : t / panels + 1); part++) {
                    size_t first = units * part / parts * unit, last = units * (part + 1) / parts * unit;
                    panel_times(&w, t % panels, from, first, (last < rows ? last : rows) - first);
                }
            }
        }
    }
}

/* Each sample alone where the kernels want it so. */
static void multiply_samples(const Nn *nn, const Product *p)
{
    if (!nn->k->samples_alone || p->samples < 2) {
        multiply(nn, p);
        return;
    }
    size_t each = p->rows / p->samples;
    for (size_t i = 0; i < p->samples; i++) {
        Product one = *p;
        one.rows = each;
        one.first = i * each;
        if (p->x) one.x = p->x + i * each * p->ldx;
        if (p->y) one.y = p->y + i * each * p->ldy;
        if (p->residual) one.residual = p->residual + i * each * p->ldy;
        multiply(nn, &one);
    }
}

void gemm_low_rank(const Nn *nn, const Product *p)
{
    size_t mark = nn->arena->used, ranks;
    Panels down = low_rank_down(p->w), up = low_rank_up(p->w);
    ranks = (size_t)down.n;
    float *h = arena_alloc(nn->arena, p->rows * ranks * sizeof *h);
    Product to = *p,
            back = { .rows = p->rows, .samples = p->samples, .w = &up, .gathered = true, .x = h, .ldx = ranks };
    to.w = &down;
    to.gathered = true; /* 8 bits are too few */
    to.y = h;
    to.ldy = ranks;
    to.bias = to.residual = NULL;
    back.y = p->y;
    back.residual = p->y;
    back.ldy = p->ldy;
    multiply_samples(nn, &to);
    multiply_samples(nn, &back);
    arena_reset(nn->arena, mark);
}

void gemm(const Nn *nn, const Product *p)
{
    if (!low_rank_pays(p->w, p->rows / (p->samples ? p->samples : 1))) {
        multiply_samples(nn, p);
        return;
    }
    Product bare = *p;
    Panels w = *p->w;
    w.patch = NULL;
    bare.w = &w;
    multiply_samples(nn, &bare);
    gemm_low_rank(nn, p);
}

void evict_weights(const Nn *nn, const Panels *w, size_t rows)
{
    if (nn->evict_rows && rows >= nn->evict_rows && !arena_dry(nn->arena)) panels_evict(w);
}
