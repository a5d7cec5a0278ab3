/*
 * merge.h - self-attention over fewer tokens. Internal to unet/. Token merging: Bolya and Hoffman 2023, arXiv:2303.17604 (tomesd
 * 0.1.3, its destinations at the top left of each 2x2 cell: no_rand). HyperTile: attention within tiles (tfernd; ComfyUI's node,
 * swap_size 1).
 */
#ifndef LIMN_UNET_MERGE_H
#define LIMN_UNET_MERGE_H

#include "nn/nn.h"

/* The number of tokens left of h x w if the share `ratio` of them is merged away. */
int merge_left(int h, int w, double ratio);

/* x [1, h, w, c]. place [h * w]: the index of each token among those that are left. */
void merge_match(Nn *nn, Tensor x, int left, int *place);

/* to [1, left, 1, c]: the mean of the tokens with the same place; and back: each token from its place in [1, left, 1, c]. */
void merge_tokens(Nn *nn, Tensor to, Tensor x, const int *place);
void merge_undo(Tensor to, Tensor merged, const int *place);

/* How many tiles a side of `size` tokens is cut into: equal ones, the smallest of at least `least`. */
int tiles_of(int size, int least);

/* [n, h, w, c] as [n * down * across, h / down, w / across, c], and back. */
void tiles_cut(Tensor to, Tensor x, int down, int across);
void tiles_join(Tensor to, Tensor tiles, int down, int across);

#endif
