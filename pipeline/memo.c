/* memo.c - see memo.h. */
#include "pipeline/memo.h"

#include <assert.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct {
    MemoKey key;
    float *data; /* [len]; NULL: free */
    size_t len;
    uint64_t used;
} Entry;

struct Memo {
    Entry *entries; /* [count] */
    int count, hits;
    uint64_t clock;
};

Memo *memo_new(int entries)
{
    assert(entries > 0);
    Memo *m = mem_alloc(sizeof *m);
    m->entries = mem_array((size_t)entries, sizeof *m->entries);
    m->count = entries;
    return m;
}

void memo_free(Memo *m)
{
    if (!m) return;
    for (int i = 0; i < m->count; i++) free(m->entries[i].data);
    free(m->entries);
    free(m);
}

static void add(struct sha256_ctx *sha, const void *data, size_t len) { sha256_update(sha, len, data); }

static void add_tensor(struct sha256_ctx *sha, Tensor x)
{
    const int shape[4] = { x.n, x.h, x.w, x.c };
    add(sha, shape, sizeof shape);
    add(sha, x.data, tensor_len(x) * sizeof *x.data);
}

MemoKey memo_key(Tensor x, float t, Tensor context, const float *cond, size_t cond_len, unsigned way)
{
    struct sha256_ctx sha;
    MemoKey key;
    sha256_init(&sha);
    add_tensor(&sha, x);
    add_tensor(&sha, context);
    add(&sha, &t, sizeof t);
    add(&sha, &way, sizeof way);
    if (cond) add(&sha, cond, cond_len * sizeof *cond);
    sha256_digest(&sha, sizeof key.digest, key.digest);
    return key;
}

bool memo_get(Memo *m, const MemoKey *key, Tensor out)
{
    for (int i = 0; i < m->count; i++) {
        Entry *x = &m->entries[i];
        if (!x->data || memcmp(&x->key, key, sizeof *key) != 0) continue;
        assert(x->len == tensor_len(out));
        memcpy(out.data, x->data, x->len * sizeof *x->data);
        x->used = ++m->clock;
        m->hits++;
        return true;
    }
    return false;
}

void memo_put(Memo *m, const MemoKey *key, Tensor out)
{
    Entry *x = &m->entries[0];
    for (int i = 1; i < m->count; i++)
        if (m->entries[i].used < x->used) x = &m->entries[i];
    free(x->data);
    *x = (Entry){ .key = *key, .len = tensor_len(out), .used = ++m->clock };
    x->data = mem_array(x->len, sizeof *x->data);
    memcpy(x->data, out.data, x->len * sizeof *x->data);
}

int memo_hits(const Memo *m) { return m->hits; }
