/*
 * low_rank.h - low-rank changes of a matrix as two additional products: x W^T + (x down^T) up^T instead of x (W + up down)^T. For
 * a layer with few rows that is less work than changing every weight: the small levels of a large UNet.
 */
#ifndef LIMN_NN_LOW_RANK_H
#define LIMN_NN_LOW_RANK_H

#include "nn/patch.h"

/*
 * Returns whether all patches of w are low-rank and separate products are less work, for so many rows of one sample: the same for
 * any number of samples, so that results have the same bits alone and together.
 */
bool low_rank_pays(const Panels *w, size_t rows);

/* The two matrices, [ranks of all patches, k] and [n, ranks]; they read w's patches, so they live as long as w. */
Panels low_rank_down(const Panels *w);
Panels low_rank_up(const Panels *w);

#endif
