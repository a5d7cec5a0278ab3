/*
 * rotation.c - OFT and BOFT: blocks of a matrix's rows are rotated (Qiu et al. 2023, arXiv:2306.07280; Liu et al. 2023,
 * arXiv:2311.06243), as LyCORIS and kohya's sd-scripts store them: Q = B - B^T, R = (I + Q)(I - Q)^-1, |Q| at most alpha times
 * the rows. BOFT's stages each mix rows further apart; together they are rotations of blocks of 2^(stages - 1) as many rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/internal.h"
#include "base/mem.h"

/* b [n, n] becomes Q = b - b^T. */
static void skew(float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            float q = b[i * n + j] - b[j * n + i];
            b[i * n + j] = q;
            b[j * n + i] = -q;
        }
}

/* Gauss-Jordan: a [n, n] X = x, x [n, n] becomes X. I - Q of a skew Q is never singular. False: the numbers are too large. */
static bool solve(double *a, double *x, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        size_t best = c;
        for (size_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[best * n + c])) best = r;
        double pivot = a[best * n + c];
        if (!(fabs(pivot) > 0) || !isfinite(pivot)) return false;
        for (size_t j = 0; j < n; j++) {
            double t = a[c * n + j], u = x[c * n + j];
            a[c * n + j] = a[best * n + j] / pivot;
            x[c * n + j] = x[best * n + j] / pivot;
            if (best != c) a[best * n + j] = t, x[best * n + j] = u;
        }
        for (size_t r = 0; r < n; r++) {
            double by = a[r * n + c];
            for (size_t j = 0; r != c && by != 0 && j < n; j++) {
                a[r * n + j] -= by * a[c * n + j];
                x[r * n + j] -= by * x[c * n + j];
            }
        }
    }
    return true;
}

/* q [n, n], skew, becomes strength * R + (1 - strength) * I. (I + Q) and (I - Q)^-1 may stand in either order. */
static bool cayley(float *q, size_t n, float strength)
{
    double *a = mem_array(n * n, sizeof *a), *x = mem_array(n * n, sizeof *x);
    for (size_t i = 0; i < n * n; i++) {
        double one = i / n == i % n;
        a[i] = one - (double)q[i];
        x[i] = one + (double)q[i];
    }
    bool solved = solve(a, x, n);
    for (size_t i = 0; i < n * n; i++)
        q[i] = (float)((double)strength * x[i] + (1 - (double)strength) * (double)(i / n == i % n));
    free(a);
    free(x);
    return solved;
}

/* |Q| of all blocks is brought down to the limit. */
static void limit(float *q, size_t n, double most)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += (double)q[i] * (double)q[i];
    double norm = sqrt(squares) + 1e-8;
    for (size_t i = 0; most > 0 && norm > most && i < n; i++) q[i] = (float)((double)q[i] * most / norm);
}

/* Where a row stands after BOFT's reordering of a stage that pairs rows `far` apart: (c, 2, far) -> (c, far, 2). */
static size_t reordered(size_t row, size_t far)
{
    size_t c = row / (2 * far), g = row / far % 2, k = row % far;
    return (c * far + k) * 2 + g;
}

/*
 * All stages as rotations of blocks of n rows: mix [rows, n], row m's of its block. r [stages, rows / b, b, b], each stage's
 * y = R x.
 */
static float *compose(const float *r, size_t stages, size_t rows, size_t b, size_t n)
{
    float *mix = mem_array(rows * n, sizeof *mix), *next = mem_array(rows * n, sizeof *next);
    for (size_t m = 0; m < rows; m++) mix[m * n + m % n] = 1;
    for (size_t s = 0; s < stages; s++) {
        size_t far = (b / 2) << s;
        memset(next, 0, rows * n * sizeof *next);
        for (size_t m = 0; m < rows; m++) {
            size_t to = reordered(m, far), begin = m / (2 * far) * (2 * far);
            for (size_t x = begin; x < begin + 2 * far; x++) {
                size_t from = reordered(x, far);
                if (from / b != to / b) continue;
                float by = r[(s * rows + to) * b + from % b];
                for (size_t i = 0; i < n; i++) next[m * n + i] += by * mix[x * n + i];
            }
        }
        float *t = mix;
        mix = next;
        next = t;
    }
    free(next);
    return mix;
}

/* OFT's blocks mix as R^T: mix [rows, n]. */
static float *turn_blocks(const float *r, size_t rows, size_t n)
{
    float *mix = mem_array(rows * n, sizeof *mix);
    for (size_t m = 0; m < rows; m++)
        for (size_t x = 0; x < n; x++) mix[m * n + x] = r[(m / n * n + x) * n + m % n];
    return mix;
}

/* Each row of the result times its own number. */
static int rescale(const Module *m, float *mix, size_t n, Err *e)
{
    size_t rows = m->place->matrix->rows;
    float *by;
    if (factor_read(m, FACTOR_RESCALE, &by, e)) return -1;
    for (size_t i = 0; by && i < rows * n; i++) mix[i] *= by[i / n];
    free(by);
    return 0;
}

int rotation_make(const Module *m, float strength, Patch **out, Err *e)
{
    const Weight *t = m->factor[FACTOR_OFT_BLOCKS], *row_scale = m->factor[FACTOR_RESCALE];
    bool staged = t->ndim == 4;
    size_t rows = m->place->matrix->rows, stages = staged ? factor_side(t, 0) : 1, b = factor_side(t, staged ? 2 : 1);
    bool fits = t->ndim >= 3 && b && stages && stages < 32 && weight_count(t) == stages * rows * b &&
                factor_side(t, staged ? 3 : 2) == b && rows % b == 0 && (!row_scale || weight_count(row_scale) == rows);
    size_t n = fits && staged ? b << (stages - 1) : b;
    if (!fits || (staged && (b % 2 || rows % n))) return factor_misfit(m, FACTOR_OFT_BLOCKS, FACTOR_OFT_BLOCKS, e);
    if (patch_mixes(module_panels(m)) >= PATCH_MIXES_MAX)
        return err_set(e, "more than %d OFTs change %s: that is too many", PATCH_MIXES_MAX, m->name);
    float *r = factor_floats(t, e), alpha = 0;
    if (!r || (m->factor[FACTOR_ALPHA] && factor_number(m, FACTOR_ALPHA, &alpha, e))) {
        free(r);
        return -1;
    }
    size_t count = stages * rows / b;
    bool solved = true;
    for (size_t i = 0; i < count; i++) skew(r + i * b * b, b);
    limit(r, count * b * b, (double)alpha * (double)rows);
#pragma omp parallel for reduction(&& : solved)
    for (size_t i = 0; i < count; i++) solved = cayley(r + i * b * b, b, strength) && solved;
    float *mix = staged ? compose(r, stages, rows, b, n) : turn_blocks(r, rows, n);
    if (!solved) err_set(e, "%s: its blocks' numbers are too large", m->name);
    else if (!rescale(m, mix, n, e)) *out = patch_rotation(module_rows(m), mix, n, e);
    free(mix);
    free(r);
    return *out ? 0 : -1;
}
