/* text_cache.c - see text_cache.h. A few hundred entries, found by a walk over their hashes. */
#include "pipeline/text_cache.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct {
    uint64_t hash, used; /* used: when last, on the cache's clock */
    int count, way;
    int *ids;    /* [count] */
    float *data; /* [len] */
    size_t len;
} Entry;

struct TextCache {
    Entry *entries;
    size_t count, cap;
    size_t bytes, most; /* of embeddings */
    uint64_t clock;
};

TextCache *text_cache_new(size_t bytes)
{
    TextCache *c = mem_alloc(sizeof *c);
    c->most = bytes;
    return c;
}

static void entry_release(Entry *x)
{
    free(x->ids);
    free(x->data);
    *x = (Entry){ .ids = NULL };
}

void text_cache_free(TextCache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->count; i++) entry_release(&c->entries[i]);
    free(c->entries);
    free(c);
}

/* FNV-1a over the numbers. */
static uint64_t hash_of(const int *ids, int count, int way)
{
    uint64_t h = (UINT64_C(14695981039346656037) ^ (uint64_t)way) * UINT64_C(1099511628211);
    for (int i = 0; i < count; i++) h = (h ^ (uint64_t)ids[i]) * UINT64_C(1099511628211);
    return h;
}

static Entry *find(TextCache *c, const int *ids, int count, int way)
{
    uint64_t hash = hash_of(ids, count, way);
    for (size_t i = 0; i < c->count; i++) {
        Entry *x = &c->entries[i];
        if (x->hash == hash && x->count == count && x->way == way &&
            memcmp(x->ids, ids, (size_t)count * sizeof *ids) == 0)
            return x;
    }
    return NULL;
}

bool text_cache_get(TextCache *c, const int *ids, int count, int way, Tensor out)
{
    Entry *x = find(c, ids, count, way);
    if (!x) return false;
    assert(x->len == tensor_len(out) && "a cache serves one model");
    x->used = ++c->clock;
    memcpy(out.data, x->data, x->len * sizeof *x->data);
    return true;
}

static void drop_oldest(TextCache *c)
{
    size_t oldest = 0;
    for (size_t i = 1; i < c->count; i++)
        if (c->entries[i].used < c->entries[oldest].used) oldest = i;
    c->bytes -= c->entries[oldest].len * sizeof(float);
    entry_release(&c->entries[oldest]);
    c->entries[oldest] = c->entries[--c->count];
}

void text_cache_put(TextCache *c, const int *ids, int count, int way, Tensor embedding)
{
    Entry x = {
        .hash = hash_of(ids, count, way), .used = ++c->clock, .count = count, .way = way, .len = tensor_len(embedding)
    };
    if (find(c, ids, count, way)) return;
    if (c->count && c->bytes + x.len * sizeof *x.data > c->most) drop_oldest(c); /* a model's rows have one size */
    x.ids = mem_array((size_t)count, sizeof *ids);
    memcpy(x.ids, ids, (size_t)count * sizeof *ids);
    x.data = mem_array(x.len, sizeof *x.data);
    memcpy(x.data, embedding.data, x.len * sizeof *x.data);
    if (c->count == c->cap) c->entries = mem_grow(c->entries, (c->cap = 2 * c->cap + 8) * sizeof *c->entries);
    c->entries[c->count++] = x;
    c->bytes += x.len * sizeof *x.data;
}
