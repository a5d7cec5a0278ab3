/*
 * tensor.h - activations: f32, channels last, contiguous. [n, h, w, c]; tokens [n, t, c] are h = t, w = 1.
 */
#ifndef LIMN_NN_TENSOR_H
#define LIMN_NN_TENSOR_H

#include <stddef.h>

#include "nn/arena.h"

typedef struct {
    float *data; /* borrowed from an arena or the caller; NULL in a dry pass */
    int n, h, w, c;
} Tensor;

static inline size_t tensor_rows(Tensor t) { return (size_t)t.n * (size_t)t.h * (size_t)t.w; }
static inline size_t tensor_len(Tensor t) { return tensor_rows(t) * (size_t)t.c; }

/* A new tensor in the arena, not cleared. */
Tensor tensor_new(Arena *a, int n, int h, int w, int c);
static inline Tensor tensor_like(Arena *a, Tensor t) { return tensor_new(a, t.n, t.h, t.w, t.c); }

/* The same memory with other dimensions; the length must agree (assert). */
Tensor tensor_view(Tensor t, int n, int h, int w, int c);
/* Samples first .. first + count - 1. */
Tensor tensor_slice(Tensor t, int first, int count);

/* Frees everything allocated since mark except t, which moves down to mark. Blocks free their temporaries with it. */
Tensor tensor_keep(Arena *a, size_t mark, Tensor t);

void tensor_copy(Tensor dst, Tensor src);
/* NCHW <-> channels last. dst and src must not overlap. */
void tensor_from_nchw(Tensor dst, const float *src);
void tensor_to_nchw(float *dst, Tensor src);

#endif
