/* patch.c - see patch.h. */
#include "nn/patch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Panels that hold one of the patch's rows, and which of them that is in column j: -1 for none. */
static long row_in(const Patch *p, const Panels *w, size_t panel, size_t j)
{
    long row = panel_row(w, panel, j);
    return row >= (long)p->row && row < (long)(p->row + p->rows) ? row - (long)p->row : -1;
}

static bool touches(const Patch *p, const Panels *w, size_t panel)
{
    for (size_t j = 0; j < PANEL; j++)
        if (row_in(p, w, panel, j) >= 0) return true;
    return false;
}

/* out [k, PANEL] += down [k, rank] up [rank, PANEL] */
static void apply_low_rank(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    if (p->rows < (size_t)w->n && !touches(p, w, at.panel)) return;
    GemmSize size = { .rows = at.k, .cols = PANEL, .k = p->rank };
    k->gemm_f32(out, p->down + at.first * p->rank, p->rank, p->up + at.panel * p->rank * PANEL, size, true);
}

static void apply_difference(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    (void)k;
    for (size_t j = 0; j < PANEL; j++) {
        long row = row_in(p, w, at.panel, j);
        const float *from = p->down + (size_t)(row < 0 ? 0 : row) * (size_t)w->k + at.first;
        for (size_t i = 0; row >= 0 && i < at.k; i++) out[i * PANEL + j] += p->strength * from[i];
    }
}

static const PatchKind low_rank = { "lora", apply_low_rank };
static const PatchKind difference = { "diff", apply_difference };

Patch *patch_low_rank(const Panels *w, size_t row, size_t rows, const float *up, const float *down, size_t rank,
                      float strength, Err *e)
{
    size_t depth = (size_t)w->k, panels = panels_of(w), taken = depth * rank, given = panels * rank * PANEL;
    Patch *p = mem_try(sizeof *p + (taken + given) * sizeof(float) + MEM_ALIGN);
    if (!p) {
        err_set(e, "cannot get %.1f MB for an adapter's weights", (double)(taken + given) * 4e-6);
        return NULL;
    }
    float *turned = (float *)(void *)((unsigned char *)p + MEM_ALIGN), *spread = turned + taken;
    *p = (Patch){ .kind = &low_rank, .row = row, .rows = rows, .rank = rank, .down = turned, .up = spread };
    for (size_t i = 0; i < depth; i++)
        for (size_t r = 0; r < rank; r++) turned[i * rank + r] = down[r * depth + i];
    for (size_t panel = 0; panel < panels; panel++)
        for (size_t j = 0; j < PANEL; j++) {
            long from = row_in(p, w, panel, j);
            for (size_t r = 0; r < rank; r++)
                spread[(panel * rank + r) * PANEL + j] = from < 0 ? 0 : strength * up[(size_t)from * rank + r];
        }
    return p;
}

Patch *patch_difference(size_t row, size_t rows, const float *diff, float strength, Err *e)
{
    Patch *p = mem_try(sizeof *p);
    if (p) *p = (Patch){ .kind = &difference, .row = row, .rows = rows, .down = diff, .strength = strength };
    else err_set(e, "cannot get memory for an adapter's weights");
    return p;
}

void patch_free(Patch *p) { free(p); }

void patch_lay(Panels *w, Patch *p)
{
    const Patch **last = &w->patch;
    while (*last) last = (const Patch **)(size_t) & (*last)->next;
    p->next = NULL;
    *last = p;
}

void patch_clear(Panels *w) { w->patch = NULL; }
