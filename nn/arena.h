/*
 * arena.h - one block of memory for all activations: a forward pass sets a mark, works, and resets to the mark.
 *
 * A dry arena only counts: run on it, the same code measures how much memory the real one needs, so that a forward pass
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

/* Reserves size bytes (64-byte aligned, pages touched on first use). Error: out of memory; the text has the size. */
int arena_init(Arena *a, size_t size, Err *e);
/* A dry arena: returns NULL and counts. */
void arena_init_dry(Arena *a);
void arena_release(Arena *a);

/* 64-byte aligned, not cleared. NULL in a dry arena. Asserts that the arena is large enough. */
void *arena_alloc(Arena *a, size_t bytes);

/* Returns unused pages to the system; they are allocated again on the next use. */
void arena_rest(Arena *a);

/* size_t mark = a->used; ... arena_reset(a, mark); */
void arena_reset(Arena *a, size_t mark);

static inline bool arena_dry(const Arena *a) { return !a->base; }

#endif
