/*
 * index.h - from the hash of a text to a number, in 16 bytes an entry: names of a million pictures in 32 MB. Two texts with one
 * hash are so rare that the caller may look again at what it finds (index_hash() of 64 bits).
 */
#ifndef LIMN_BATCH_INDEX_H
#define LIMN_BATCH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t *slots; /* [cap, 2]: hash (0: free), value */
    size_t cap, count;
} Index;

uint64_t index_hash(const char *text);

/* The place of the value of a hash, or NULL. */
uint64_t *index_find(const Index *x, uint64_t hash);
/* The same, made with *fresh = true and the value 0 if it was not there. */
uint64_t *index_add(Index *x, uint64_t hash, bool *fresh);
void index_release(Index *x);

#endif
