/* panels.c - see panels.h. */
#include "nn/panels.h"

#include "base/file.h"
#include "nn/patch.h"

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
    size_t row_size = row_bytes(p->type, (size_t)p->k), first = row_bytes(p->type, at.first), each = part_rows(p);
    for (size_t j = 0; j < PANEL; j++) {
        long row = panel_row(p, at.panel, j);
        size_t place = (size_t)row, part = 0;
        rows[j] = none;
        if (row < 0) continue;
        for (; place >= each; place -= each) part++;
        rows[j] = p->data[part] + place * row_size + first;
    }
}

/* A panel's rows where a piece begins, and where the next one does. */
typedef struct {
    const unsigned char *now[PANEL], *next[PANEL];
} Rows;

/* Fetches what is left of the next piece where it is longer than this one, beside which as much as itself is fetched. */
static Rows rows_of(const Panels *p, PanelPiece at, PanelPiece next)
{
    size_t from = row_bytes(p->type, at.k), to = row_bytes(p->type, next.k);
    Rows r;
    find_rows(p, at, NULL, r.now);
    find_rows(p, next, p->data[0], r.next);
    for (size_t j = 0; j < PANEL; j++)
        for (size_t line = from; line < to; line += 64) __builtin_prefetch(r.next[j] + line, 0, 2);
    return r;
}

enum { UNPACKED = 256 /* values of each row at once */ };

/* The piece of a format that no kernel reads: some values of every row are unpacked, and then transposed as f32. */
static void unpack(const Kernels *kernels, const Panels *p, const Rows *r, size_t k, float *out)
{
    const RowFormat *format = &row_formats[p->type];
    float values[PANEL][UNPACKED];
    const unsigned char *rows[PANEL], *next[PANEL];
    for (size_t from = 0; from < k; from += UNPACKED) {
        size_t n = k - from < UNPACKED ? k - from : UNPACKED;
        for (size_t j = 0; j < PANEL; j++) {
            rows[j] = r->now[j] ? (const unsigned char *)values[j] : NULL;
            next[j] = r->next[j];
            if (r->now[j]) format->unpack(values[j], r->now[j] + row_bytes(p->type, from), n);
        }
        kernels->panel_f32(out + from * PANEL, rows, next, PANEL_F32, n);
    }
}

void panel_f32(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, float *out)
{
    Rows r = rows_of(p, at, next);
    if (row_formats[p->type].unpack) unpack(kernels, p, &r, at.k, out);
    else kernels->panel_f32(out, r.now, r.next, p->type, at.k);
    for (const Patch *patch = p->patch; patch; patch = patch->next) patch->kind->apply(kernels, patch, p, at, out);
}

void panel_pairs(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, uint16_t *out)
{
    if (!p->patch && !row_formats[p->type].unpack) {
        Rows r = rows_of(p, at, next);
        kernels->panel_pairs(out, r.now, r.next, p->type, at.k);
        return;
    }
    float values[UNPACKED * PANEL];
    for (size_t from = 0; from < at.k; from += UNPACKED) {
        PanelPiece some = { at.panel, at.first + from, at.k - from < UNPACKED ? at.k - from : UNPACKED };
        panel_f32(kernels, p, some, next, values);
        kernels->pairs_of_panel(out + from * PANEL, values, some.k);
    }
}

void panels_forget(const Panels *p)
{
    size_t bytes = part_rows(p) * row_bytes(p->type, (size_t)p->k);
    for (int i = 0; p->mapped && i < PANELS_JOINED && p->data[i]; i++) file_forget((Bytes){ p->data[i], bytes });
}
