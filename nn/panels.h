/*
 * panels.h - weights laid out as products read them: panels of PANEL output columns, [panels][k][PANEL], in the precision
 * that the file has. A panel is converted (or transformed: winograd.c) to a small buffer whenever a product begins on it,
 * which costs little beside the product, so that half-precision weights stay half as large and exact.
 */
#ifndef LIMN_NN_PANELS_H
#define LIMN_NN_PANELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/kernels.h"

typedef enum { PANEL_F32, PANEL_F16, PANEL_BF16 } PanelType;

typedef struct {
    const void *data; /* 64-byte aligned; NULL: there are none */
    PanelType type;
    int k, n;    /* depth; columns that count, the last panel is filled with zeros */
    bool paired; /* GEGLU: half of each panel are values, half their gates; n counts both */
} Panels;

static inline size_t panel_item(PanelType t) { return t == PANEL_F32 ? 4 : 2; }
/* Panels of a matrix with n columns. */
static inline size_t panels_count(int n) { return ((size_t)n + PANEL - 1) / PANEL; }
static inline size_t panels_of(const Panels *p)
{
    return p->paired ? ((size_t)p->n / 2 + PANEL / 2 - 1) / (PANEL / 2) : panels_count(p->n);
}
static inline size_t panels_bytes(const Panels *p) { return panels_of(p) * (size_t)p->k * PANEL * panel_item(p->type); }
/* Columns of panel i that count; of a paired one, those of the result. */
static inline size_t panel_cols(const Panels *p, size_t i)
{
    size_t width = p->paired ? PANEL / 2 : PANEL, n = p->paired ? (size_t)p->n / 2 : (size_t)p->n;
    return n - i * width < width ? n - i * width : width;
}

/* The matrix row (output channel) that stands in column j of panel i, or -1: filled with zeros. */
long panel_row(const Panels *p, size_t i, size_t j);

/*
 * dst, of panels_bytes(), from rows as files have them: n times [channels, taps] in the panels' own type, perhaps unaligned.
 * k = taps * channels, taps first. All cores. Returns the index (row * k + place) of the first NaN or infinity, or n * k.
 */
size_t panels_pack(const Panels *p, void *dst, const unsigned char *const *rows, int taps);

/* Rows first .. first + k - 1 of a panel. */
typedef struct {
    size_t first, k;
} PanelRange;

/* That range of panel i as f32 [k, PANEL]: where it lies, or converted to buffer. */
const float *panel_f32(const Kernels *kernels, const Panels *p, size_t i, PanelRange r, float *buffer);

/* The same rounded to bfloat16, two rows side by side: [k / 2, PANEL, 2]; an odd k ends with zeros. buffer: k * PANEL floats. */
void panel_pairs(const Kernels *kernels, const Panels *p, size_t i, PanelRange r, float *buffer, uint16_t *pairs);

#endif
