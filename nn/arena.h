/*
 * arena.h - one block of memory for all activations: a forward marks, works and resets.
 *
 * A dry arena only counts: the same code run over it measures how much the real one must hold, so that a forward pass
 * can never run out of memory.
 */
#ifndef LIMN_NN_ARENA_H
#define LIMN_NN_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct {
    unsigned char *base; /* NULL in a dry arena */
    size_t size, used, peak;
} Arena;

/* Reserves size bytes (64-byte aligned, pages touched on first use). Error: the system refuses; the text has the size. */
int arena_init(Arena *a, size_t size, Err *e);
/* A dry arena: hands out NULL, counts. */
void arena_init_dry(Arena *a);
void arena_release(Arena *a);

/* 64-byte aligned, not cleared. NULL in a dry arena. Asserts that the arena is large enough. */
void *arena_alloc(Arena *a, size_t bytes);

/* What is not in use goes back to the system; it comes anew on the next use. */
void arena_rest(Arena *a);

/* size_t mark = a->used; ... arena_reset(a, mark); */
void arena_reset(Arena *a, size_t mark);

static inline bool arena_dry(const Arena *a) { return !a->base; }

#endif
