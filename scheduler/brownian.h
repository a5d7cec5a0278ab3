/*
 * brownian.h - torchsde's BrownianTree: one path of Brownian motion over the sigmas, the same whatever points are queried and in
 * whatever order. Source: Li et al. 2020, arXiv:2001.01328; torchsde's _brownian/brownian_interval.py (halfway_tree, tol 1e-6).
 */
#ifndef LIMN_SCHEDULER_BROWNIAN_H
#define LIMN_SCHEDULER_BROWNIAN_H

#include "nn/tensor.h"
#include "scheduler/rng.h"

/* A tree over low .. high; this kind of generator draws each part of it. */
typedef struct {
    double low, high;
    uint64_t seed; /* entropy */
    RngKind kind;
} Brownian;

/*
 * out[count] = W(b) - W(a) for low <= a <= b <= high; count values drawn at once, so a latent is [c, h, w]. Times count to six
 * decimals, as in torchsde. Temporaries are in the arena and freed; a dry arena counts the most that any query takes.
 */
void brownian_increment(const Brownian *tree, float *out, size_t count, double a, double b, Arena *arena);

/*
 * out [n, h, w, c] = noise of unit variance between two sigmas, as k-diffusion's BrownianTreeNoiseSampler: tree k is
 * picture k's.
 */
void brownian_noise(Tensor out, const Brownian *trees, double sigma, double to, Arena *arena);

#endif
