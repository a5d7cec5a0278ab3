/* index.c - see index.h: open addressing, at most two thirds full. */
#include "batch/index.h"

#include <stdlib.h>

#include "base/mem.h"

uint64_t index_hash(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a, then mixed: its low bits alone are poor */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    return h ? h : 1;
}

/* Where a hash is or would be. */
static size_t place(const Index *x, uint64_t hash)
{
    size_t i = (size_t)hash & (x->cap - 1);
    while (x->slots[2 * i] && x->slots[2 * i] != hash) i = (i + 1) & (x->cap - 1);
    return i;
}

uint64_t *index_find(const Index *x, uint64_t hash)
{
    if (!x->cap) return NULL;
    size_t i = place(x, hash);
    return x->slots[2 * i] ? &x->slots[2 * i + 1] : NULL;
}

static void grow(Index *x)
{
    Index old = *x;
    x->cap = old.cap ? 2 * old.cap : 1024;
    x->slots = mem_array(x->cap, 2 * sizeof *x->slots);
    for (size_t k = 0; k < old.cap; k++) {
        if (!old.slots[2 * k]) continue;
        size_t i = place(x, old.slots[2 * k]);
        x->slots[2 * i] = old.slots[2 * k];
        x->slots[2 * i + 1] = old.slots[2 * k + 1];
    }
    free(old.slots);
}

uint64_t *index_add(Index *x, uint64_t hash, bool *fresh)
{
    if (3 * (x->count + 1) > 2 * x->cap) grow(x);
    size_t i = place(x, hash);
    *fresh = !x->slots[2 * i];
    if (*fresh) {
        x->slots[2 * i] = hash;
        x->count++;
    }
    return &x->slots[2 * i + 1];
}

void index_release(Index *x)
{
    free(x->slots);
    *x = (Index){ .slots = NULL };
}
