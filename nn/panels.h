/*
 * panels.h - weights as products read them: panels of PANEL output columns. They stay where the file has them, row by row, in the
 * format that the file has; a panel (or a piece of it) is changed as patches say (patch.h), transposed and converted to a small
 * buffer whenever a product begins on it, which costs little compared with the product. Opening a model copies nothing.
 */
#ifndef LIMN_NN_PANELS_H
#define LIMN_NN_PANELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/kernels.h"

typedef struct Patch Patch; /* patch.h */

enum { PANELS_JOINED = 3 };

/* A piece of a panel: values first .. first + k - 1 of its rows. */
typedef struct {
    size_t panel, first, k;
} PanelPiece;

/*
 * A matrix [n, k], of up to PANELS_JOINED tensors whose rows stand below each other, each as many. A convolution's row has the
 * order of its file, [in, taps].
 */
typedef struct Panels Panels;
struct Panels {
    const unsigned char *data
        [PANELS_JOINED]; /* rows of k values, perhaps unaligned; borrowed. Of formats in blocks (blocks.h) a row may begin inside a block. The first NULL: there are none */
    int parts;           /* tensors; 0 counts as 1 */
    DType type[PANELS_JOINED];
    const float *scale[PANELS_JOINED]; /* what each row of a tensor is multiplied by; NULL: nothing */
    int k, n;                          /* depth; columns, the last panel is filled with zeros */
    bool paired;                       /* GEGLU: half of each panel are values, half their gates; n counts both */
    const Patch *patch;                /* patches of the file's values, applied in turn; NULL: none. Borrowed */
    bool mapped;                       /* data are a file's pages, which panels_evict() may evict */
    /* Instead of data and patches: writes a piece of a matrix computed from the patches on another (low_rank.h). */
    void (*made)(const Kernels *kernels, const Panels *p, PanelPiece at, float *out);
    const Panels *of;
};

/* Panels of a matrix with n columns. */
static inline size_t panels_count(int n) { return ((size_t)n + PANEL - 1) / PANEL; }
static inline size_t panels_of(const Panels *p)
{
    return p->paired ? ((size_t)p->n / 2 + PANEL / 2 - 1) / (PANEL / 2) : panels_count(p->n);
}
size_t panels_bytes(const Panels *p);
/* Columns of panel i that count; of a paired one, those of the result. */
static inline size_t panel_cols(const Panels *p, size_t i)
{
    size_t width = p->paired ? PANEL / 2 : PANEL, n = p->paired ? (size_t)p->n / 2 : (size_t)p->n;
    return n - i * width < width ? n - i * width : width;
}

/* The matrix row (output channel) in column j of panel i, or -1: filled with zeros. */
long panel_row(const Panels *p, size_t i, size_t j);

/*
 * The piece as f32 [k, PANEL]. next: the piece needed after it, which is prefetched; rows are far apart, so the hardware
 * prefetcher does not find it. It may lie beyond the end.
 */
void panel_f32(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, float *out);

/* The same before a given patch of the matrix changes it. */
void panel_before(const Kernels *kernels, const Panels *p, const Patch *until, PanelPiece at, float *out);

/* The same rounded to bfloat16, two values of a column side by side: [k / 2, PANEL, 2]; an odd k ends with zeros. */
void panel_pairs(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, uint16_t *out);

/* The same as integers of 8 bits, whole blocks (kernels.h). at.first: a multiple of BLOCK_I8. */
void panel_i8(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, ColumnsI8 *out);

/* The same as tile registers read it: at.k values, at most I8_TILES_DEPTH, share a scale. */
void panel_i8_tiles(const Kernels *kernels, const Panels *p, PanelPiece at, PanelPiece next, ColumnsI8Tiles *out);

/* Evicts its pages (file.h), since it is not needed soon. Does nothing if it is not mapped. */
void panels_evict(const Panels *p);

#endif
