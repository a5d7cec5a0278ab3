/*
 * windows.h - evaluates a large latent in overlapping windows, each alone, whose outputs are averaged where they
 * overlap, in every step. Bar-Tal et al. 2023, arXiv:2302.08113 (MultiDiffusion), with equal weights. Internal to pipeline/.
 */
#ifndef LIMN_PIPELINE_WINDOWS_H
#define LIMN_PIPELINE_WINDOWS_H

#include "pipeline/generator.h"

/*
 * The number of windows along an axis of `size` latents: all have size `window`, and each shares at least `overlap` with the
 * next; 1: the axis is not longer than a window.
 */
int windows_count(int size, int window, int overlap);
/* Where the i-th begins; the last one ends where the axis does. */
int windows_start(int size, int window, int overlap, int i);

/* Returns whether the job's latent is larger than a window. */
bool windows_wanted(const Recipe *r);

/* How many there are, and where the i-th is; all are of one size. Without windows: one, all of the latent. */
int windows_all(const Recipe *r);
Region windows_at(const Recipe *r, int i);

/* The part of x [n, h, w, c] in that region, a new tensor in the arena. */
Tensor windows_crop(Arena *a, Tensor x, Region at);

/* out = the network's output for ev, window by window. Error: cancelled. */
int windows_evaluate(Generator *g, Tensor out, const Evaluation *ev, Err *e);

#endif
