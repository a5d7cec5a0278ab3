/*
 * kernels.h - the inner loops: one row (kernel set) for each CPU family, chosen at start from the CPU's flags.
 * The portable row is plain C + OpenBLAS; every other row is tested against it (tests/test_kernels.c).
 * LIMN_CPU=portable|avx2|avx2vnni|avx512|avx512vnni|avx512bf16|amx|neon chooses another row.
 */
#ifndef LIMN_NN_KERNELS_H
#define LIMN_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/attention.h"
#include "weights/blocks.h"

/* Columns of weights in a panel (panels.h): the width of a product's tile. */
enum { PANEL = 32 };

/* A tile of a product: rows x cols (<= PANEL), k terms each. */
typedef struct {
    size_t rows, cols, k;
} GemmSize;

/* Factors as 16-bit integers, a scale for each row of the left and each column of the right. */
typedef struct {
    const int16_t *a; /* [rows, k], lda from a row to the next */
    size_t lda;
    const float *a_scale; /* [rows] */
    const int16_t *b;     /* [k / 2, PANEL, 2] */
    const float *b_scale; /* [PANEL] */
} FactorsI16;

/* Consecutive terms of 8-bit integers that share a scale. */
enum { BLOCK_I8 = 64 };

/* A block of a row: the scale of its integers, and -128 times their sum. */
typedef struct {
    float scale;
    int32_t offset;
} RowI8;

/* A block of PANEL columns: integers plus 128, four of a column side by side, and each column's scale. */
typedef struct {
    uint8_t q[BLOCK_I8 / 4][PANEL][4];
    float scale[PANEL];
} ColumnsI8;

/* Factors as 8-bit integers. */
typedef struct {
    const int8_t *a;       /* [rows, k], lda bytes from a row to the next */
    const RowI8 *a_blocks; /* [rows, blocks], likewise lda bytes */
    size_t lda;            /* a multiple of 4 */
    const ColumnsI8 *b;    /* [blocks] */
} FactorsI8;

/* Rows of the left side that a product in tile registers reads together, and terms of a sum that it adds at once. */
enum { TILE_STRIP = 32, TILE_DEPTH = 32 };

/* Factors in bfloat16 as tile registers read them. */
typedef struct {
    const uint16_t *a; /* TILE_DEPTH numbers of a row, of the next row ..: there are rows to a multiple of TILE_STRIP */
    const ptrdiff_t *at;  /* [steps]: where those of each step begin, in numbers from a */
    const uint16_t *b;    /* [steps][TILE_DEPTH / 2, PANEL, 2] */
    const uint16_t *next; /* the b of the next call, which is prefetched: a hint; NULL: unknown */
    size_t steps;
} FactorsTiles;

/* Terms of a sum of 8-bit integers in tile registers that share a scale, at most. */
enum { I8_TILES_DEPTH = 256 };

/* PANEL columns of so many terms: each column's scale, and integers, four of a column side by side, up to whole steps of BLOCK_I8. */
typedef struct {
    float scale[PANEL];
    int8_t q[][PANEL][4];
} ColumnsI8Tiles;

/* Factors as 8-bit integers as tile registers read them. */
typedef struct {
    const int8_t *a; /* BLOCK_I8 numbers of a row, of the next row ..: there are rows to a multiple of TILE_STRIP */
    size_t apart;    /* bytes from there to the next step's */
    const float *row_scale; /* [rows] */
    const ColumnsI8Tiles *b;
    const void *next; /* as FactorsTiles has it */
    size_t steps;
} FactorsI8Tiles;

/* A tile of a convolution's result. */
typedef struct {
    float *y;
    const float *bias;     /* [channels], or NULL */
    const float *residual; /* strides as y's, perhaps y; or NULL */
    bool relu;             /* negative results become 0 */
    size_t row, pixel;     /* floats from a row of pixels, or a pixel, to the next */
    int rows, cols;        /* pixels there are, at most 4 each way */
    size_t channels;       /* at most PANEL */
} WinogradTile;

typedef struct {
    const char *name;

    /* y[i] = act(x[i]); y may be x. exp within 2 ulp, erf within 1e-7 absolute. */
    void (*silu)(float *y, const float *x, size_t n);
    void (*gelu)(float *y, const float *x, size_t n);       /* exact: x/2 (1 + erf(x/sqrt 2)) */
    void (*quick_gelu)(float *y, const float *x, size_t n); /* x sigmoid(1.702 x) */

    void (*add)(float *y, const float *x, size_t n);                                         /* y += x */
    void (*scale)(float *y, float s, size_t n);                                              /* y *= s */
    void (*center)(float *y, const float *x, float shift, float scale, size_t n);            /* y = (x + shift) scale */
    void (*affine)(float *y, const float *x, const float *a, const float *b, size_t n);      /* y = x a + b */
    void (*affine_silu)(float *y, const float *x, const float *a, const float *b, size_t n); /* y = silu(x a + b) */

    /* sum[i] += x[i], sq[i] += x[i]^2, in double: the channels of one pixel */
    void (*moments)(double *sum, double *sq, const float *x, size_t n);
    /* out[0] = sum of x, out[1] = sum of x^2, in double */
    void (*row_moments)(double out[2], const float *x, size_t n);

    /*
     * One step of the online softmax over a row of scores: m the running maximum, s scaled by `scale` first.
     * On return s[i] = exp(scale s[i] - m_new), *m = m_new, *sum = the sum of the new s; returns exp(m_old - m_new).
     */
    float (*softmax_step)(float *s, size_t n, float scale, float *m, float *sum);

    /*
     * The bits of a product depend on its number of rows (OpenBLAS): each sample of a batch is multiplied alone, so that a
     * picture does not depend on the rest of its batch.
     */
    bool samples_alone;
    /* y [rows, PANEL] (+)= a [rows, k] b [k, PANEL], lda from a row of a to the next; with `more` y is added to. */
    void (*gemm_f32)(float *y, const float *a, size_t lda, const float *b, GemmSize s, bool more);
    /* The same from bfloat16 factors with f32 sums: b [k / 2, PANEL, 2], k even. NULL where the CPU has no such product. */
    void (*gemm_bf16)(float *y, const uint16_t *a, size_t lda, const uint16_t *b, GemmSize s, bool more);
    void (*to_bf16)(uint16_t *y, const float *x, size_t n); /* rounded to nearest even */
    /* The same in tile registers; y has rows to a multiple of TILE_STRIP. NULL where the CPU has none. */
    void (*gemm_tiles)(float *y, const FactorsTiles *f, size_t rows, bool more);
    /* Its right side for nine taps, [9][TILE_DEPTH / 2, PANEL, 2], of x [TILE_DEPTH * 9 / 2, PANEL, 2], as files order them. */
    void (*tap_pairs)(uint16_t *y, const uint16_t *x);
    /*
     * The same from 16-bit integers: x = scale * integer, of 15 bits or more where the largest sums allow it, so that a
     * product's sum of k terms is exact in 32 bits. k even, at most 256. NULL where the CPU has no such product.
     */
    void (*gemm_i16)(float *y, const FactorsI16 *f, GemmSize s, bool more);
    /* The left side: rows of x, ldx apart, k a multiple of 16. */
    void (*rows_i16)(int16_t *y, size_t ldy, float *scale, size_t lds, const float *x, GemmSize s);
    /* The right side: x [k, PANEL], k even. */
    void (*columns_i16)(int16_t *y, float *scale, const float *x, size_t k);
    /*
     * The same from 8-bit integers; k a multiple of BLOCK_I8. Blocks are added one after the other, each a fused multiply-add:
     * sum * (scale of the column * scale of the row). NULL where the CPU has no such product.
     */
    void (*gemm_i8)(float *y, const FactorsI8 *f, GemmSize s, bool more);
    /* The left side: a row of k numbers, the greatest of each block +-127; y up to a multiple of BLOCK_I8 */
    void (*row_i8)(int8_t *y, RowI8 *blocks, const float *x, size_t k);
    /* The right side, as panel_f32 below has it, and of a panel in f32, x [k, PANEL] */
    void (*panel_i8)(ColumnsI8 *y, const unsigned char *const rows[PANEL], const unsigned char *const next[PANEL],
                     DType type, size_t k);
    void (*i8_of_panel)(ColumnsI8 *y, const float *x, size_t k);
    /*
     * The same in tile registers, where up to I8_TILES_DEPTH terms share a scale: y (+)= sum * (scale of the column * scale of the
     * row), in one fused multiply-add. y has rows to a multiple of TILE_STRIP. NULL where the CPU has none.
     */
    void (*gemm_i8_tiles)(float *y, const FactorsI8Tiles *f, size_t rows, bool more);
    /* The left side: k numbers of a row, BLOCK_I8 of them to each step, `apart` bytes from one to the next; returns their scale */
    float (*row_i8_tiles)(int8_t *y, size_t apart, const float *x, size_t k);
    void (*panel_i8_tiles)(ColumnsI8Tiles *y, const unsigned char *const rows[PANEL],
                           const unsigned char *const next[PANEL], DType type, size_t k);
    void (*i8_tiles_of_panel)(ColumnsI8Tiles *y, const float *x, size_t k);
    /* y = tile + bias + residual, where bias and residual (ldy apart, as y) may be NULL */
    void (*finish_tile)(float *y, size_t ldy, const float *tile, const float *bias, const float *residual, GemmSize s);
    /* The tile's first half of columns times gelu of its second, bias (NULL: none) added to both */
    void (*finish_geglu)(float *y, size_t ldy, const float *tile, const float *bias, GemmSize s);
    /*
     * y [k, PANEL] = k values of each of PANEL rows of weights (F32, F16 or BF16), transposed and as f32. The rows are what a
     * file has, perhaps unaligned, and are not read beyond k; NULL: zeros. next: the rows of the next call, which are prefetched
     * (a hint, but not NULL). NaN and infinity are not checked.
     */
    void (*panel_f32)(float *y, const unsigned char *const rows[PANEL], const unsigned char *const next[PANEL],
                      DType type, size_t k);
    /* The same rounded to bfloat16, for gemm_bf16: [k / 2, PANEL, 2]; an odd k ends with zeros. NULL where gemm_bf16 is. */
    void (*panel_pairs)(uint16_t *y, const unsigned char *const rows[PANEL], const unsigned char *const next[PANEL],
                        DType type, size_t k);
    /* The same of a panel in f32, x [k, PANEL]. */
    void (*pairs_of_panel)(uint16_t *y, const float *x, size_t k);
    /* By DType: blocks of any format to f32 (blocks.h). */
    UnpackBlocks *const *unpack;

    /*
     * Winograd F(4x4, 3x3), vectors of channels; results `stride` floats apart. c: a multiple of 16.
     * input: v[36] of c = B^T d B of a 6x6 neighbourhood of pixels; the next tile's lie `ahead` floats further (a hint).
     * weights: u[36] of [depth, PANEL] = G g G^T of g [depth, 9, PANEL].
     * output: the tile = A^T m A + bias + residual, with relu no less than 0; m[36] of PANEL.
     */
    void (*winograd_input)(float *v, size_t stride, const float *const pixels[36], size_t ahead, size_t c);
    void (*winograd_weights)(float *u, size_t stride, const float *g, size_t depth);
    void (*winograd_output)(const WinogradTile *t, const float *m, size_t stride);

    const AttentionKernel *attention, *attention_bf16; /* the second rounds its factors; NULL: there is none */

    /* x[i] = f32 of half / bfloat16; returns the index of the first NaN or infinity, or n */
    size_t (*from_f16)(float *x, const uint16_t *h, size_t n);
    size_t (*from_bf16)(float *x, const uint16_t *h, size_t n);
    size_t (*find_bad)(const float *x, size_t n); /* the index of the first NaN or infinity, or n */
    /* Returns whether n values of a file, perhaps unaligned, are neither: of 16 bits, where `exponent` is all ones in one; f32 */
    bool (*finite16)(const void *data, size_t n, uint16_t exponent);
    bool (*finite32)(const void *data, size_t n);
} Kernels;

/* The rows there are, best first, NULL-terminated; supported() says whether this CPU runs one. */
extern const Kernels *const kernels_rows[];
bool kernels_supported(const Kernels *k);

/*
 * Must be called before any layer: it also limits OpenBLAS to the calling thread. Returns the best supported row, or
 * the one that LIMN_CPU names. NULL with *why set if LIMN_CPU names none that runs here.
 */
const Kernels *kernels_select(const char **why);

#endif
