/* panels.c - see panels.h. */
#include "nn/panels.h"

#include "base/file.h"

long panel_row(const Panels *p, size_t i, size_t j)
{
    size_t n = (size_t)p->n, half = PANEL / 2;
    size_t row = !p->paired ? i * PANEL + j : j < half ? i * half + j : n / 2 + i * half + j - half;
    bool there = !p->paired ? row < n : i * half + j % half < n / 2;
    return there ? (long)row : -1;
}

static size_t part_rows(const Panels *p) { return (size_t)p->n / (size_t)(p->parts > 1 ? p->parts : 1); }

/* Where the piece begins in the row of each column; `none` where zeros fill the panel. */
static void find_rows(const Panels *p, PanelPiece at, const unsigned char *none, const unsigned char *rows[PANEL])
{
    size_t item = panel_item(p->type), each = part_rows(p);
    for (size_t j = 0; j < PANEL; j++) {
        long row = panel_row(p, at.panel, j);
        size_t place = (size_t)row, part = 0;
        rows[j] = none;
        if (row < 0) continue;
        for (; place >= each; place -= each) part++;
        rows[j] = p->data[part] + (place * (size_t)p->k + at.first) * item;
    }
}

/* A panel's rows where a piece begins, and where the next one does. */
typedef struct {
    const unsigned char *now[PANEL], *next[PANEL];
} Rows;

/* Fetches what is left of the next piece where it is longer than this one, beside which as much as itself is fetched. */
static Rows rows_of(const Panels *p, PanelPiece at, PanelPiece next)
{
    size_t item = panel_item(p->type);
    Rows r;
    find_rows(p, at, NULL, r.now);
    find_rows(p, next, p->data[0], r.next);
    for (size_t j = 0; j < PANEL; j++)
        for (size_t line = at.k * item; line < next.k * item; line += 64) __builtin_prefetch(r.next[j] + line, 0, 2);
    return r;
}

void panel_f32(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, float *out)
{
    Rows r = rows_of(p, at, next);
    kernels->panel_f32(out, r.now, r.next, p->type, at.k);
}

void panel_pairs(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, uint16_t *out)
{
    Rows r = rows_of(p, at, next);
    kernels->panel_pairs(out, r.now, r.next, p->type, at.k);
}

void panels_forget(const Panels *p)
{
    size_t bytes = part_rows(p) * (size_t)p->k * panel_item(p->type);
    for (int i = 0; p->mapped && i < PANELS_JOINED && p->data[i]; i++) file_forget((Bytes){ p->data[i], bytes });
}
