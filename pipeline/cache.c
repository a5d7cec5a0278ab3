/* cache.c - see cache.h. A few hundred entries, found by a walk over their digests. */
#include "pipeline/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct {
    uint8_t digest[SHA256_DIGEST_SIZE];
    float *data; /* [len] */
    size_t len;
    uint64_t used; /* when last, on the cache's clock */
} Entry;

struct Cache {
    Entry *entries;
    size_t count, cap;
    size_t bytes, most; /* of tensors */
    uint64_t clock;
};

Cache *cache_new(size_t bytes)
{
    Cache *c = mem_alloc(sizeof *c);
    c->most = bytes;
    return c;
}

void cache_free(Cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->count; i++) free(c->entries[i].data);
    free(c->entries);
    free(c);
}

void key_begin(CacheKey *k, const char *what)
{
    sha256_init(&k->sha);
    key_add(k, what, strlen(what) + 1);
}

void key_add(CacheKey *k, const void *data, size_t len) { sha256_update(&k->sha, len, data); }

void key_add_tensor(CacheKey *k, Tensor x)
{
    const int shape[4] = { x.n, x.h, x.w, x.c };
    key_add(k, shape, sizeof shape);
    key_add(k, x.data, tensor_len(x) * sizeof *x.data);
}

void key_end(CacheKey *k) { sha256_digest(&k->sha, sizeof k->digest, k->digest); }

static Entry *find(Cache *c, const CacheKey *k)
{
    for (size_t i = 0; i < c->count; i++)
        if (memcmp(c->entries[i].digest, k->digest, sizeof k->digest) == 0) return &c->entries[i];
    return NULL;
}

bool cache_get(Cache *c, const CacheKey *k, Tensor out)
{
    Entry *x = find(c, k);
    if (!x) return false;
    assert(x->len == tensor_len(out) && "the key tells the shape");
    x->used = ++c->clock;
    memcpy(out.data, x->data, x->len * sizeof *x->data);
    return true;
}

static void drop_oldest(Cache *c)
{
    size_t oldest = 0;
    for (size_t i = 1; i < c->count; i++)
        if (c->entries[i].used < c->entries[oldest].used) oldest = i;
    Entry gone = c->entries[oldest];
    c->count--;
    memmove(c->entries + oldest, c->entries + oldest + 1, (c->count - oldest) * sizeof *c->entries);
    c->bytes -= gone.len * sizeof(float);
    free(gone.data);
}

void cache_put(Cache *c, const CacheKey *k, Tensor x)
{
    if (find(c, k)) return;
    Entry new = { .len = tensor_len(x), .used = ++c->clock };
    while (c->count && c->bytes + new.len * sizeof *new.data > c->most) drop_oldest(c);
    memcpy(new.digest, k->digest, sizeof new.digest);
    new.data = mem_array(new.len, sizeof *new.data);
    memcpy(new.data, x.data, new.len * sizeof *new.data);
    if (c->count == c->cap) c->entries = mem_grow(c->entries, (c->cap = 2 * c->cap + 8) * sizeof *c->entries);
    c->entries[c->count++] = new;
    c->bytes += new.len * sizeof *new.data;
}
