/* gemm.c - see gemm.h. */
#include "nn/gemm.h"

#include <assert.h>
#include <omp.h>
#include <string.h>

enum {
    DEPTH = 256, /* of k at once: a converted panel of 32 KB */
    PART = 512,  /* rows that a panel is converted for */
    RIGHT = DEPTH * PANEL,
    PREPARED_BYTES = 8 << 20 /* of the left side at once: a share of L3 */
};

typedef struct {
    const Product *p;
    const Kernels *k;
    bool bf16;
    size_t depth; /* k, even for bfloat16 */
    size_t lda;   /* items from one prepared row to the next */
    size_t rows;  /* prepared at once */
    size_t threads;
    void *left;   /* [rows, lda] */
    bool whole;   /* a panel is patched, which costs: all of it is prepared once for all parts of the rows */
    size_t room;  /* floats of `right` a thread: a piece's, or a whole panel's */
    float *right; /* [threads][room]: as f32 or as pairs */
    float *tile;  /* [threads][PART * PANEL] */
    float *line;  /* [threads][depth]: a row before it is rounded */
} Work;

/* Rows 4096 bytes apart (or nearly) would all want the same place in L1. */
static size_t spread(size_t items, size_t item)
{
    size_t line = 64 / item, stride = (items + line - 1) / line * line;
    return stride * item % 1024 == 0 ? stride + line : stride;
}

/* The left side can be read where it is. */
static bool in_place(const Product *p, bool bf16) { return !p->row && !bf16 && p->ldx * sizeof(float) % 1024 != 0; }

static void prepare_row(const Work *w, size_t from, size_t r)
{
    const Product *p = w->p;
    size_t k = (size_t)p->w->k;
    float *line = w->line + (size_t)omp_get_thread_num() * w->depth;
    const float *src = p->row ? line : p->x + (from + r) * p->ldx;
    if (!w->bf16) {
        float *dst = (float *)w->left + r * w->lda;
        if (p->row) p->row(p->ctx, dst, p->first + from + r);
        else memcpy(dst, src, k * sizeof *dst);
        return;
    }
    uint16_t *dst = (uint16_t *)w->left + r * w->lda;
    if (p->row) p->row(p->ctx, line, p->first + from + r);
    w->k->to_bf16(dst, src, k);
    if (k < w->depth) dst[k] = 0;
}

/* A piece of a panel from k on into the thread's place; which of its floats come first. */
static float *prepare_piece(const Work *w, size_t panel, size_t k)
{
    size_t me = (size_t)omp_get_thread_num(), left = (size_t)w->p->w->k - k;
    bool last = k + DEPTH >= w->depth;
    PanelPiece piece = { panel, k, left < DEPTH ? left : DEPTH };
    PanelPiece next = { last ? panel + w->threads : panel, last ? 0 : k + DEPTH, DEPTH };
    float *right = w->right + me * w->room + (w->whole ? k * PANEL / (w->bf16 ? 2 : 1) : 0);
    if (w->bf16) panel_pairs(w->k, w->p->w, piece, next, (uint16_t *)(void *)right);
    else panel_f32(w->k, w->p->w, piece, next, right);
    return right;
}

/* One panel times rows first .. first + rows - 1 of the prepared ones, which begin at row `from` of the product. */
static void panel_times(const Work *w, size_t panel, size_t from, size_t first, size_t rows)
{
    const Product *p = w->p;
    size_t me = (size_t)omp_get_thread_num(), cols = panel_cols(p->w, panel);
    float *tile = w->tile + me * PART * PANEL;
    GemmSize size = { .rows = rows, .cols = p->w->paired ? PANEL : cols };
    const float *x = w->left ? (const float *)w->left : p->x + from * p->ldx;

    for (size_t k = 0; k < w->depth; k += DEPTH) {
        size.k = w->depth - k < DEPTH ? w->depth - k : DEPTH;
        const float *right =
            w->whole ? w->right + me * w->room + k * PANEL / (w->bf16 ? 2 : 1) : prepare_piece(w, panel, k);
        if (w->bf16)
            w->k->gemm_bf16(tile, (const uint16_t *)w->left + first * w->lda + k, w->lda,
                            (const uint16_t *)(const void *)right, size, k > 0);
        else w->k->gemm_f32(tile, x + first * w->lda + k, w->lda, right, size, k > 0);
    }

    size_t at = panel * (p->w->paired ? PANEL / 2 : PANEL);
    const float *bias = p->bias ? p->bias + panel * PANEL : NULL;
    float *y = p->y + (from + first) * p->ldy + at;
    size.cols = cols;
    if (p->w->paired) w->k->finish_geglu(y, p->ldy, tile, bias, size);
    else
        w->k->finish_tile(y, p->ldy, tile, bias, p->residual ? p->residual + (from + first) * p->ldy + at : NULL, size);
}

static void work_init(Work *w, const Nn *nn, const Product *p)
{
    bool bf16 = nn->bf16 && nn->k->gemm_bf16;
    size_t k = (size_t)p->w->k, item = bf16 ? sizeof(uint16_t) : sizeof(float), threads = (size_t)nn->threads;
    *w = (Work){ .p = p, .k = nn->k, .bf16 = bf16, .depth = bf16 ? (k + 1) / 2 * 2 : k };
    bool copied = !in_place(p, bf16);
    w->lda = copied ? spread(w->depth, item) : p->ldx;
    w->rows = p->rows;
    w->threads = threads;
    if (copied) {
        size_t most = PREPARED_BYTES / (w->lda * item) / PART * PART, blocks;
        if (most < PART) most = PART;
        blocks = (p->rows + most - 1) / most;
        w->rows = (p->rows + blocks - 1) / blocks;
        w->left = arena_alloc(nn->arena, w->rows * w->lda * item);
    }
    w->whole = p->w->patch && w->rows > PART && panels_of(p->w) >= threads;
    w->room = w->whole ? (w->depth + DEPTH) * PANEL / (bf16 ? 2 : 1) : RIGHT;
    w->right = arena_alloc(nn->arena, threads * w->room * sizeof(float));
    w->tile = arena_alloc(nn->arena, threads * PART * PANEL * sizeof(float));
    w->line = arena_alloc(nn->arena, threads * w->depth * sizeof(float));
}

static void multiply(const Nn *nn, const Product *p)
{
    size_t mark = nn->arena->used, panels = panels_of(p->w);
    Work w;
    work_init(&w, nn, p);
    arena_reset(nn->arena, mark);
    if (arena_dry(nn->arena)) return;

    for (size_t from = 0; from < p->rows; from += w.rows) {
        size_t rows = p->rows - from < w.rows ? p->rows - from : w.rows, parts = (rows + PART - 1) / PART;
#pragma omp parallel num_threads(nn->threads) if (rows * w.depth * panels > 4096)
        {
            if (w.left) {
#pragma omp for schedule(static)
                for (size_t r = 0; r < rows; r++) prepare_row(&w, from, r);
            }
#pragma omp for schedule(dynamic)
            for (size_t t = 0; t < (w.whole ? panels : parts * panels); t++) {
                for (size_t k = 0; w.whole && k < w.depth; k += DEPTH) prepare_piece(&w, t, k);
                for (size_t part = w.whole ? 0 : t / panels; part < (w.whole ? parts : t / panels + 1); part++) {
                    size_t first = rows * part / parts;
                    panel_times(&w, t % panels, from, first, rows * (part + 1) / parts - first);
                }
            }
        }
    }
}

void gemm(const Nn *nn, const Product *p)
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

void forget_weights(const Nn *nn, const Panels *w, size_t rows)
{
    if (nn->forget && rows >= nn->forget && !arena_dry(nn->arena)) panels_forget(w);
}
