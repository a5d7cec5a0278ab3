/*
 * cache.h - tensors that were computed before, found by the digest of all that they were made of: embeddings of prompts, first
 * evaluations of the UNet. What was used longest ago is dropped first.
 */
#ifndef LIMN_PIPELINE_CACHE_H
#define LIMN_PIPELINE_CACHE_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/tensor.h"

/* Serves one model, on one thread at a time. */
typedef struct Cache Cache;

/* What a tensor was made of, added piece by piece: key_begin(), key_add()..., key_end(). */
typedef struct {
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
} CacheKey;

/* At most so many bytes of tensors (one at least). */
Cache *cache_new(size_t bytes);
void cache_free(Cache *c);

void key_begin(CacheKey *k, const char *what); /* what: the kind of tensor */
void key_add(CacheKey *k, const void *data, size_t len);
void key_add_tensor(CacheKey *k, Tensor x); /* shape and values */
void key_end(CacheKey *k);

/* Copies what was kept into out, of the same shape. Returns false where there is nothing of that key. */
bool cache_get(Cache *c, const CacheKey *k, Tensor out);
/* Keeps a copy. */
void cache_put(Cache *c, const CacheKey *k, Tensor x);

#endif
