/* gemm.c - see gemm.h. */
#include "nn/gemm.h"

#include <cblas.h>
#include <string.h>

/* Rows and columns of a tile: OpenBLAS packs both operands anew for each, which costs about 5/rows + 5/cols of the product. */
enum { TILE_ROWS = 256, TILE_COLS = 384 };

/* Splits `total` into equal parts of at most `most`, a multiple of 16 each. */
static size_t even_tile(size_t total, size_t most)
{
    size_t parts = (total + most - 1) / most;
    return ((total + parts - 1) / parts + 15) / 16 * 16;
}

static void tile(float *y, size_t ldy, const float *x, size_t ldx, const float *w, const float *bias,
                 const float *residual, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++) {
        float *row = y + i * ldy;
        if (residual && residual + i * ldy != row) memcpy(row, residual + i * ldy, n * sizeof *row);
        if (bias && residual)
            for (size_t j = 0; j < n; j++) row[j] += bias[j];
        else if (bias) memcpy(row, bias, n * sizeof *row);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, x, (int)ldx, w, (int)k,
                bias || residual ? 1 : 0, y, (int)ldy);
}

void gemm_bias(const Nn *nn, float *y, const float *x, size_t ldx, const float *w, const float *bias,
               const float *residual, size_t m, size_t n, size_t k)
{
    size_t rows = even_tile(m, TILE_ROWS), cols = even_tile(n, m <= TILE_ROWS ? TILE_COLS / 2 : TILE_COLS);
    size_t down = (m + rows - 1) / rows, across = (n + cols - 1) / cols;

#pragma omp parallel for schedule(dynamic) num_threads(nn->threads) if (m * n * k > 65536)
    for (size_t t = 0; t < down * across; t++) {
        size_t i = t / across * rows, j = t % across * cols;
        tile(y + i * n + j, n, x + i * ldx, ldx, w + j * k, bias ? bias + j : NULL,
             residual ? residual + i * n + j : NULL, m - i < rows ? m - i : rows, n - j < cols ? n - j : cols, k);
    }
}
