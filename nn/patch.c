/* patch.c - see patch.h: laying and taking off, sums over weights as they are, and differences. */
#include "nn/patch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nn/patch_internal.h"

long patch_row(const Patch *p, const Panels *w, size_t panel, size_t j)
{
    long row = panel_row(w, panel, j);
    return row >= (long)p->at.row && row < (long)(p->at.row + p->at.rows) ? row - (long)p->at.row : -1;
}

bool patch_touches(const Patch *p, const Panels *w, size_t panel)
{
    if (p->at.rows == (size_t)w->n) return true;
    for (size_t j = 0; j < PANEL; j++)
        if (patch_row(p, w, panel, j) >= 0) return true;
    return false;
}

void *patch_new(size_t size, size_t floats, float **data, Err *e)
{
    unsigned char *p = mem_try(size + floats * sizeof(float) + 2 * MEM_ALIGN);
    if (!p) {
        err_set(e, "cannot get %.1f MB for an adapter's weights", (double)floats * 4e-6);
        return NULL;
    }
    memset(p, 0, size);
    *data = (float *)(void *)(p + (size + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN);
    return p;
}

/* ---- a difference as large as the matrix ---- */

typedef struct {
    Patch base;
    PatchValues diff;
    float strength;
} Difference;

static void apply_difference(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out)
{
    const Difference *d = (const Difference *)p;
    _Alignas(MEM_ALIGN) float values[PATCH_CHUNK * PANEL];
    size_t row_size = dtype_size(d->diff.type) * d->diff.depth;
    if (at.first >= d->diff.depth || !patch_touches(p, w, at.panel)) return;
    size_t all = at.first + at.k > d->diff.depth ? d->diff.depth - at.first : at.k;
    for (size_t from = 0; from < all; from += PATCH_CHUNK) {
        const unsigned char *rows[PANEL], *next[PANEL];
        size_t n = all - from < PATCH_CHUNK ? all - from : PATCH_CHUNK;
        for (size_t j = 0; j < PANEL; j++) {
            long row = patch_row(p, w, at.panel, j);
            next[j] = d->diff.data;
            rows[j] =
                row < 0 ? NULL : d->diff.data + (size_t)row * row_size + dtype_size(d->diff.type) * (at.first + from);
        }
        k->panel_f32(values, rows, next, d->diff.type, n);
        for (size_t i = 0; i < n * PANEL; i++) out[from * PANEL + i] += d->strength * values[i];
    }
}

static const PatchKind difference = { "difference", apply_difference, NULL, false };

Patch *patch_difference(PatchRows at, PatchValues diff, float strength, Err *e)
{
    float *none;
    Difference *d = patch_new(sizeof *d, 0, &none, e);
    if (!d) return NULL;
    *d = (Difference){ { &difference, NULL, at }, diff, strength };
    return &d->base;
}

/* ---- laid over matrices ---- */

void patch_free(Patch *p)
{
    if (p && p->kind->release) p->kind->release(p);
    free(p);
}

void patch_lay(Panels *w, Patch *p)
{
    const Patch **last = &w->patch;
    while (*last) last = (const Patch **)(size_t) & (*last)->next;
    p->next = NULL;
    *last = p;
}

void patch_take_off(Panels *w, const Patch *p)
{
    const Patch **at = &w->patch;
    while (*at && *at != p) at = (const Patch **)(size_t) & (*at)->next;
    if (*at) *at = p->next;
}

int patch_mixes(const Panels *w)
{
    int count = 0;
    for (const Patch *p = w->patch; p; p = p->next) count += p->kind->mixes;
    return count;
}

/* ---- sums over the weights as they are ---- */

/* A piece with all patches and one more. */
static void read_piece(const Kernels *k, const Panels *w, const Patch *more, PanelPiece at, float *out)
{
    panel_f32(k, w, at, at, out);
    if (more) more->kind->apply(k, more, w, at, out);
}

/* The part's row in column j, or -1. */
static long row_of(const Panels *w, PatchRows at, size_t panel, size_t j)
{
    const Patch p = { .at = at };
    return patch_row(&p, w, panel, j);
}

static size_t chunk_at(const Panels *w, size_t from)
{
    return (size_t)w->k - from < PATCH_CHUNK ? (size_t)w->k - from : PATCH_CHUNK;
}

void patch_row_squares(const Panels *w, PatchRows at, const Patch *more, double *sum)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t panels = panels_of(w);
#pragma omp parallel for schedule(dynamic)
    for (size_t panel = 0; panel < panels; panel++) {
        _Alignas(MEM_ALIGN) float piece[PATCH_CHUNK * PANEL];
        double squares[PANEL] = { 0 };
        for (size_t from = 0; from < (size_t)w->k; from += PATCH_CHUNK) {
            size_t n = chunk_at(w, from);
            read_piece(k, w, more, (PanelPiece){ panel, from, n }, piece);
            for (size_t i = 0; i < n * PANEL; i++) squares[i % PANEL] += (double)piece[i] * (double)piece[i];
        }
        for (size_t j = 0; j < PANEL; j++) {
            long row = row_of(w, at, panel, j);
            if (row >= 0) sum[row] = squares[j];
        }
    }
}

void patch_input_squares(const Panels *w, PatchRows at, const Patch *more, double *sum)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t panels = panels_of(w), depth = (size_t)w->k;
    memset(sum, 0, depth * sizeof *sum);
#pragma omp parallel for schedule(dynamic)
    for (size_t from = 0; from < depth; from += PATCH_CHUNK) {
        _Alignas(MEM_ALIGN) float piece[PATCH_CHUNK * PANEL];
        size_t n = chunk_at(w, from);
        for (size_t panel = 0; panel < panels; panel++) {
            read_piece(k, w, more, (PanelPiece){ panel, from, n }, piece);
            for (size_t j = 0; j < PANEL; j++)
                for (size_t i = 0; i < n && row_of(w, at, panel, j) >= 0; i++)
                    sum[from + i] += (double)piece[i * PANEL + j] * (double)piece[i * PANEL + j];
        }
    }
}

void patch_times(const Panels *w, PatchRows at, const float *a, size_t rank, size_t taps, float *out)
{
    const Kernels *k = kernels_select(&(const char *){ NULL });
    size_t panels = panels_of(w), depth = (size_t)w->k;
    memset(out, 0, at.rows * rank * taps * sizeof *out);
#pragma omp parallel for schedule(dynamic)
    for (size_t panel = 0; panel < panels; panel++) {
        _Alignas(MEM_ALIGN) float piece[PATCH_CHUNK * PANEL];
        for (size_t from = 0; from < depth; from += PATCH_CHUNK) {
            size_t n = chunk_at(w, from);
            read_piece(k, w, NULL, (PanelPiece){ panel, from, n }, piece);
            for (size_t j = 0; j < PANEL; j++) {
                long row = row_of(w, at, panel, j);
                for (size_t i = 0; row >= 0 && i < n; i++) {
                    float *to = out + (size_t)row * rank * taps + (from + i) % taps;
                    const float *by = a + (from + i) / taps * rank;
                    for (size_t r = 0; r < rank; r++) to[r * taps] += piece[i * PANEL + j] * by[r];
                }
            }
        }
    }
}
