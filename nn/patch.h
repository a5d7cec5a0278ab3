/*
 * patch.h - changes of weights that are applied while products read them: the file's values stay as they are, and nothing
 * of the model is copied. A panel's piece (panels.h) is read in its format, then each patch of its matrix changes it in turn.
 *
 * Those that add to the weights (low-rank, difference, product, Kronecker) are independent; scales and rotations change what the
 * earlier patches left. Sources: Hu et al. 2021 (LoRA, arXiv:2106.09685), Hyeon-Woo et al. 2021 (arXiv:2108.06098), Edalati et
 * al. 2022 (arXiv:2212.10650), Liu et al. 2024 (DoRA, arXiv:2402.09353), Qiu et al. 2023 (OFT, arXiv:2306.07280).
 */
#ifndef LIMN_NN_PATCH_H
#define LIMN_NN_PATCH_H

#include "base/err.h"
#include "nn/panels.h"

typedef struct {
    const char *name; /* "low-rank", "difference" */
    /* out [at.k, PANEL] holds the piece as it is so far, and afterwards as the product takes it. On any thread. */
    void (*apply)(const Kernels *k, const Patch *p, const Panels *w, PanelPiece at, float *out);
    void (*release)(Patch *p); /* frees what it holds outside its own block; NULL: nothing */
    bool mixes;                /* it reads other panels than its own: few of these can lie on one matrix */
} PatchKind;

/* Which rows of a matrix: all of them, or one part of those that are joined. */
typedef struct {
    size_t row, rows;
} PatchRows;

/* One change of a matrix; the first member of what each kind keeps. */
struct Patch {
    const PatchKind *kind;
    const Patch *next; /* laid over the result of this one; NULL: none */
    PatchRows at;
};

/* The patch's row that stands in column j of a panel; -1: none does. */
long patch_row(const Patch *p, const Panels *w, size_t panel, size_t j);

/*
 * All of these return NULL with e set where memory is out. What they are given as floats is copied; patches that they are given
 * are theirs from then on, in any case.
 */

/*
 * W += strength * up down, where up [rows, rank] and down [rank, depth] lie as files have them: row by row. depth: of
 * the k inputs.
 */
Patch *patch_low_rank(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank, size_t depth,
                      float strength, Err *e);

/*
 * The same with factors of bfloat16, which take half of the memory and of the time: for products that round the changed weights
 * to 16 bits anyway. Where no kernel multiplies those it is patch_low_rank().
 */
Patch *patch_low_rank_rounded(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank,
                              size_t depth, float strength, Err *e);

/* W += strength * diff [rows, depth], of a file's format; the data are borrowed. */
typedef struct {
    const unsigned char *data;
    DType type;   /* F32, F16, BF16 */
    size_t depth; /* of the k inputs */
} PatchValues;
Patch *patch_difference(PatchRows at, PatchValues diff, float strength, Err *e);

/* First a, then b, as one. */
Patch *patch_both(Patch *a, Patch *b, Err *e);

/* W += a o b, element by element, of two low-rank patches of the same rows. */
Patch *patch_product(Patch *a, Patch *b, Err *e);

/*
 * W += strength * kron(left, right): left [a, b]; right [rows / a, k / b], whole or up [rows / a, rank] down [rank, k / b]. Taps
 * of a convolution are innermost in right.
 */
typedef struct {
    const float *left;
    size_t a, b;
    const float *whole; /* NULL: up and down count */
    const float *up, *down;
    size_t rank;
} PatchKronecker;
Patch *patch_kronecker(const Panels *w, PatchRows at, const PatchKronecker *f, float strength, Err *e);

/* W = keep * W + add * (what inner adds to nothing); a factor for each row, or for each input (of `taps` values). inner: NULL. */
typedef struct {
    bool by_input;
    size_t taps;
    const float *keep, *add; /* [rows] or [k / taps]; add is not read without inner */
} PatchScale;
Patch *patch_scale(const Panels *w, PatchRows at, PatchScale s, Patch *inner, Err *e);

/*
 * W[o, q, t] += sum over r of up[o, r, t] down[r, q]: a low-rank change of the inputs at each tap. up [rows, rank, taps], down
 * [rank, k / taps].
 */
Patch *patch_taps(const Panels *w, PatchRows at, const float *up, const float *down, size_t rank, size_t taps, Err *e);

/*
 * W[g * n + m] = sum over x of mix[g, m, x] W[g * n + x]: blocks of n rows become mixtures of themselves. mix [rows / n, n, n].
 */
Patch *patch_rotation(PatchRows at, const float *mix, size_t n, Err *e);

void patch_free(Patch *p); /* NULL too */

/* Attaches it to a matrix, after the patches that are there; it stays the caller's. Not while the matrix is used. */
void patch_lay(Panels *w, Patch *p);
/* Detaches it; patches attached after it stay. */
void patch_take_off(Panels *w, const Patch *p);

/* Patches that read other panels than their own may lie on a matrix to this number, as each reads through those before it. */
enum { PATCH_MIXES_MAX = 4 };
int patch_mixes(const Panels *w);

/* Sums of squares of the weights with all patches, and with `more` (or NULL) too: over each row, or over each input's rows. */
void patch_row_squares(const Panels *w, PatchRows at, const Patch *more, double *sum);   /* [rows] */
void patch_input_squares(const Panels *w, PatchRows at, const Patch *more, double *sum); /* [k] */

/* out [rows, rank, taps] = sum over p of W[o, p, t] a[p, rank], of the weights as they are with all patches. */
void patch_times(const Panels *w, PatchRows at, const float *a, size_t rank, size_t taps, float *out);

#endif
