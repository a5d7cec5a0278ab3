/*
 * cache.h - caches computed tensors under the digest of all their inputs: embeddings of prompts, first
 * evaluations of the UNet. The least recently used one is dropped first.
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

/* The digest of a tensor's inputs, added one by one: key_begin(), key_add()..., key_end(). */
typedef struct {
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
} CacheKey;

/* Keeps at most so many bytes of tensors (but at least one tensor). */
Cache *cache_new(size_t bytes);
void cache_free(Cache *c);

void key_begin(CacheKey *k, const char *what); /* what: the kind of tensor */
void key_add(CacheKey *k, const void *data, size_t len);
void key_add_tensor(CacheKey *k, Tensor x); /* shape and values */
void key_end(CacheKey *k);

/* Copies the cached tensor into out, of the same shape. Returns false if there is none under that key. */
bool cache_get(Cache *c, const CacheKey *k, Tensor out);
/* Keeps a copy. */
void cache_put(Cache *c, const CacheKey *k, Tensor x);

#endif
