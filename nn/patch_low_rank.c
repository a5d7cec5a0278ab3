/*
 * patch_low_rank.c - see patch.h and low_rank.h: W + strength * up down, added to the weights as they are read, or as two
 * products of their own, in addition to the layer's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/low_rank.h"
#include "nn/patch_internal.h"

/* Of floats, or rounded to bfloat16: then rank is even, the last term may be zeros. */
typedef struct {
    Patch base;
    size_t rank, depth;
    const void *down; /* [depth, rank]: what is taken of each input */
    const void
        *up; /* [panels, rank, PANEL]: where it goes, times the strength; rounded: [panels, rank / 2, PANEL, 2] */
} LowRank;

/* Inputs of the piece that the patch knows. */
static size_t inputs_of(const LowRank *l, PanelPiece at)
{
    return at.first >= l->depth ? 0 : at.first + at.k > l->depth ? l->depth - at.first : at.k;
}

/* out [k, PANEL] += down [k, rank] up [rank, PANEL] */
static void apply_low_rank(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const LowRank *l = (const LowRank *)p;
    GemmSize size = { .rows = inputs_of(l, at), .cols = PANEL, .k = l->rank };
    if (!size.rows || !patch_touches(p, w, at.panel)) return;
    const float *down = (const float *)l->down + at.first * l->rank;
    k->gemm_f32(out, down, l->rank, (const float *)l->up + at.panel * l->rank * PANEL, size, true);
}

static void apply_rounded(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const LowRank *l = (const LowRank *)p;
    const Kernels *own = k->gemm_bf16 ? k : kernels_select(&(const char *){ NULL });
    GemmSize size = { .rows = inputs_of(l, at), .cols = PANEL, .k = l->rank };
    if (!size.rows || !patch_touches(p, w, at.panel)) return;
    const uint16_t *down = (const uint16_t *)l->down + at.first * l->rank;
    own->gemm_bf16(out, down, l->rank, (const uint16_t *)l->up + at.panel * l->rank * PANEL, size, true);
}

static const PatchKind low_rank = { "low-rank", apply_low_rank, NULL, false };
static const PatchKind rounded_low_rank = { "low-rank, rounded", apply_rounded, NULL, false };

/* The rows of one panel, times the strength: out [rank, PANEL]. */
static void spread_panel(const Patch *p, const Panels *w, size_t panel, const float *up, size_t rank, float strength,
                         float *out)
{
    for (size_t j = 0; j < PANEL; j++) {
        long from = patch_row(p, w, panel, j);
        for (size_t r = 0; r < rank; r++) out[r * PANEL + j] = from < 0 ? 0 : strength * up[(size_t)from * rank + r];
    }
}

Patch *patch_low_rank(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank, size_t depth,
                      float strength, Err *e)
{
    size_t panels = panels_of(w), taken = depth * rank, given = panels * rank * PANEL;
    float *turned;
    LowRank *l = patch_new(sizeof *l, taken + given + PANEL, &turned, e);
    if (!l) return NULL;
    float *spread = turned + (taken + 15) / 16 * 16; /* aligned as the first is */
    *l = (LowRank){ { &low_rank, NULL, at }, rank, depth, turned, spread };
    for (size_t i = 0; i < depth; i++)
        for (size_t r = 0; r < rank; r++) turned[i * rank + r] = down[r * depth + i];
    for (size_t panel = 0; panel < panels; panel++)
        spread_panel(&l->base, w, panel, up, rank, strength, spread + panel * rank * PANEL);
    return &l->base;
}

Patch *patch_low_rank_rounded(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank,
                              size_t depth, float strength, Err *e)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t even = rank + rank % 2, panels = panels_of(w);
    float *data, *line;
    if (!k->gemm_bf16) return patch_low_rank(w, at, up, down, rank, depth, strength, e);
    LowRank *l = patch_new(sizeof *l, ((depth + panels * PANEL) * even + PANEL) / 2 + PANEL, &data, e);
    if (!l) return NULL;
    uint16_t *turned = (uint16_t *)(void *)data, *spread = turned + (depth * even + 31) / 32 * 32;
    *l = (LowRank){ { &rounded_low_rank, NULL, at }, even, depth, turned, spread };
    line = mem_array(even * PANEL, sizeof *line);
    for (size_t i = 0; i < depth; i++) {
        for (size_t r = 0; r < rank; r++) line[r] = down[r * depth + i];
        for (size_t r = rank; r < even; r++) line[r] = 0;
        k->to_bf16(turned + i * even, line, even);
    }
    for (size_t panel = 0; panel < panels; panel++) {
        memset(line, 0, even * PANEL * sizeof *line);
        spread_panel(&l->base, w, panel, up, rank, strength, line);
        k->pairs_of_panel(spread + panel * even * PANEL, line, even);
    }
    free(line);
    return &l->base;
}

/* ---- as products of their own ---- */

static bool is_low_rank(const Patch *p) { return p->kind == &low_rank || p->kind == &rounded_low_rank; }

/* Ranks of all of them together, joined as columns of the down matrix and rows of the up matrix. */
static size_t rank_of_all(const Patch *p)
{
    size_t rank = 0;
    for (; p; p = p->next) rank += ((const LowRank *)p)->rank;
    return rank;
}

bool low_rank_pays(const Panels *w, size_t rows)
{
    enum {
        SMALLEST = 1 << 19,
        SAMPLES = 3
    }; /* as many as share the weights' change; and what two products cost more */
    size_t k = (size_t)w->k, n = (size_t)w->n;
    if (!w->patch || w->paired || k * n < SMALLEST || SAMPLES * rows * (k + n) > k * n) return false;
    for (const Patch *p = w->patch; p; p = p->next)
        if (!is_low_rank(p) || ((const LowRank *)p)->depth != k) return false;
    return true;
}

static void floats_of(const Kernels *k, const LowRank *l, const void *from, size_t at, size_t n, float *out)
{
    if (l->base.kind == &low_rank) memcpy(out, (const float *)from + at, n * sizeof *out);
    else k->from_bf16(out, (const uint16_t *)from + at, n);
}

/* Columns of a panel are ranks of one patch after the other. */
static void read_down(const Kernels *k, const Panels *w, PanelPiece at, float *out)
{
    size_t first = at.panel * PANEL, end = first + PANEL, begin = 0;
    memset(out, 0, at.k * PANEL * sizeof *out);
    for (const Patch *p = w->of->patch; p; p = p->next) {
        const LowRank *l = (const LowRank *)p;
        size_t from = begin > first ? begin : first, to = begin + l->rank < end ? begin + l->rank : end;
        for (size_t i = 0; i < at.k && from < to; i++)
            floats_of(k, l, l->down, (at.first + i) * l->rank + from - begin, to - from,
                      out + i * PANEL + from - first);
        begin += l->rank;
    }
}

/* Row r of a patch's way up in a panel. */
static void read_up_row(const LowRank *l, size_t panel, size_t r, float *out)
{
    if (l->base.kind == &low_rank) {
        memcpy(out, (const float *)l->up + (panel * l->rank + r) * PANEL, PANEL * sizeof *out);
        return;
    }
    const uint16_t *pairs = (const uint16_t *)l->up + (panel * l->rank + r / 2 * 2) * PANEL + r % 2;
    for (size_t j = 0; j < PANEL; j++) {
        uint32_t bits = (uint32_t)pairs[2 * j] << 16;
        memcpy(out + j, &bits, sizeof bits);
    }
}

static void read_up(const Kernels *k, const Panels *w, PanelPiece at, float *out)
{
    size_t begin = 0, end = at.first + at.k;
    (void)k;
    for (const Patch *p = w->of->patch; p; p = p->next) {
        const LowRank *l = (const LowRank *)p;
        size_t from = begin > at.first ? begin : at.first, to = begin + l->rank < end ? begin + l->rank : end;
        for (size_t r = from; r < to; r++) read_up_row(l, at.panel, r - begin, out + (r - at.first) * PANEL);
        begin += l->rank;
    }
}

Panels low_rank_down(const Panels *w)
{
    return (Panels){ .made = read_down, .of = w, .k = w->k, .n = (int)rank_of_all(w->patch) };
}

Panels low_rank_up(const Panels *w)
{
    return (Panels){ .made = read_up, .of = w, .k = (int)rank_of_all(w->patch), .n = w->n };
}
