/*
 * dora.c - DoRA: the changed weights keep a direction and are given a length that was trained (Liu et al. 2024,
 * arXiv:2402.09353). V = W + dV at full strength, W' = m V / |V|, and the strength leads from W to W'; |V| of the weights as they
 * are. By rows (PEFT, LyCORIS since 3.1) or by inputs (LyCORIS before, OneTrainer): the place of the 1 in the scale's shape
 * tells.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "adapter/internal.h"
#include "base/mem.h"

static const double EPS = 1.2e-7; /* added to the norm: float32's, as in LyCORIS */

/* Whether a scale is one for each input: 1: yes, 0: one for each row; MODULE_MISFIT + 1: neither. */
static int by_input(const Module *m, const Weight *t)
{
    size_t n = weight_count(t), rows = m->place->matrix->rows, depth = module_depth(m);
    bool first = t->ndim > 1 && factor_side(t, 0) == 1 && n != 1 && !m->factor[FACTOR_MAGNITUDE];
    if (first && n && depth % n == 0) return 1;
    return !first && n == rows ? 0 : MODULE_MISFIT + 1;
}

/* |V|, one for each of n rows or inputs. */
static double *norms(const Module *m, const Patch *change, bool input, size_t n)
{
    assert(n > 0 && "by_input() has refused it");
    size_t depth = module_depth(m), taps = input ? depth / n : 1;
    double *sum = mem_array(input ? depth : n, sizeof *sum);
    if (input) patch_input_squares(module_panels(m), module_rows(m), change, sum);
    else patch_row_squares(module_panels(m), module_rows(m), change, sum);
    for (size_t i = 0; i < n; i++) {
        double all = 0;
        for (size_t t = 0; t < taps; t++) all += sum[i * taps + t];
        sum[i] = sqrt(all) + EPS;
    }
    return sum;
}

int dora_wrap(const Module *m, float strength, Patch **out, Err *e)
{
    Factor f = m->factor[FACTOR_DORA] ? FACTOR_DORA : FACTOR_MAGNITUDE;
    const Weight *t = m->factor[f];
    Patch *change = *out;
    int input = by_input(m, t);
    size_t n = weight_count(t);
    float *length = NULL;
    *out = NULL;
    if (input <= 1) length = factor_floats(t, e);
    if (!length) {
        patch_free(change);
        return input <= 1 ? -1 : factor_misfit(m, f, f, e);
    }
    double *norm = norms(m, change, input, n);
    float *keep = mem_array(n, sizeof *keep);
    for (size_t i = 0; i < n; i++) {
        double by = (double)length[i] / norm[i];
        keep[i] = (float)(1 - (double)strength + (double)strength * by);
        length[i] = (float)((double)strength * by);
    }
    PatchScale s = { input, input && n ? module_depth(m) / n : 1, keep, length };
    *out = patch_scale(module_panels(m), module_rows(m), s, change, e);
    free(norm);
    free(keep);
    free(length);
    return *out ? 0 : -1;
}
