/*
 * patch.h - changes of weights that are laid over them while products read them: the file's values stay as they are, and nothing
 * of the model is copied. A panel's piece (panels.h) is read in its format, then each patch of its matrix changes it in turn.
 * Source of the low-rank form: Hu et al. 2021 (arXiv:2106.09685).
 */
#ifndef LIMN_NN_PATCH_H
#define LIMN_NN_PATCH_H

#include "base/err.h"
#include "nn/panels.h"

typedef struct {
    const char *name; /* "lora", "diff" */
    /* out [at.k, PANEL] holds the piece as it is so far, and afterwards as the product takes it. On any thread. */
    void (*apply)(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out);
} PatchKind;

/* One change of a matrix's rows row .. row + rows - 1: all of them, or one part of those that are joined. */
struct Patch {
    const PatchKind *kind;
    const Patch *next; /* laid over the result of this one; NULL: none */
    size_t row, rows;
    size_t rank;       /* low-rank: terms of a sum; else 0 */
    const float *down; /* low-rank: [k, rank]: what is taken of each input; else the difference, [rows, k] */
    const float *up;   /* low-rank: [panels, rank, PANEL]: where it goes, times the strength */
    float strength;    /* of a difference; in a low-rank patch it is in `up` */
};

/*
 * W += strength * up down, where up [rows, rank] and down [rank, k] lie as files have them: row by row, f32. Both are copied.
 * Error: out of memory.
 */
Patch *patch_low_rank(const Panels *w, size_t row, size_t rows, const float *up, const float *down, size_t rank,
                      float strength, Err *e);
/* W += strength * diff [rows, k], which is borrowed. */
Patch *patch_difference(size_t row, size_t rows, const float *diff, float strength, Err *e);
void patch_free(Patch *p);

/* Lays it over a matrix, after those that are there; the patch stays the caller's. Not while the matrix is used. */
void patch_lay(Panels *w, Patch *p);
/* All of a matrix's patches are taken off. */
void patch_clear(Panels *w);

#endif
