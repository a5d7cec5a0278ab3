/*
 * text_cache.h - embeddings of prompts that were encoded before, so that a batch encodes each once. Rows of ids are what is
 * kept: prompts that mean the same ids, and the empty rows and negative prompts that many share, are one entry.
 */
#ifndef LIMN_PIPELINE_TEXT_CACHE_H
#define LIMN_PIPELINE_TEXT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/tensor.h"

typedef struct TextCache TextCache;

/* For one model. At most so many bytes of embeddings (one at least); what was used longest ago goes first. */
TextCache *text_cache_new(size_t bytes);
void text_cache_free(TextCache *c);

/* ids [count]: one row; way: a number for how it is encoded, of layer and precision. Copies its embedding to out [1, count, 1, width]; false: it is not there. */
bool text_cache_get(TextCache *c, const int *ids, int count, int way, Tensor out);
/* Keeps a copy of an embedding that is not there. */
void text_cache_put(TextCache *c, const int *ids, int count, int way, Tensor embedding);

#endif
