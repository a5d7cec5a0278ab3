/* rows.h - dividing rows of an activation among threads, by shape alone. Private to nn/. */
#ifndef LIMN_NN_ROWS_H
#define LIMN_NN_ROWS_H

#include "nn/nn.h"

enum { ROWS = 64 }; /* rows of one parallel piece of work */

/* Runs what follows for each piece of `rows` rows; `first` and `last` (past the end) are defined in it. */
#define FOR_ROWS(nn, rows)                                                                                             \
    _Pragma("omp parallel for schedule(static) num_threads((nn)->threads) if ((rows) > ROWS)") for (                   \
        size_t first = 0; first < (rows);                                                                              \
        first += ROWS) for (size_t last = first + ROWS < (rows) ? first + ROWS : (rows), once = 1; once; once = 0)

/* act(x) in place. */
void act_row(const Kernels *k, Act act, float *x, size_t n);

#endif
