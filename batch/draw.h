/*
 * draw.h - drawing by weight without putting back, in O(log n) a draw: a tree of sums over the weights. Private to batch/.
 */
#ifndef LIMN_BATCH_DRAW_H
#define LIMN_BATCH_DRAW_H

#include <stddef.h>

typedef struct Draw Draw;

/* weights: [count], >= 0, borrowed. Where all that are left weigh nothing, all of them weigh the same. */
Draw *draw_new(const double *weights, size_t count);
void draw_free(Draw *d);

/* Takes the one at this share of the weight that is left, 0 <= share < 1. Not more often than there are. */
size_t draw_take(Draw *d, double share);

/* Puts back what was taken. */
void draw_put_back(Draw *d, const size_t *taken, size_t count);

#endif
