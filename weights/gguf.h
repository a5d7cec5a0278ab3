/*
 * gguf.h - the GGUF format, read: named tensors of whole numbers or of blocks (blocks.h), behind a list of keys and values.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; `comfy.gguf.orig_shape.*` is city96/ComfyUI-GGUF's: the shape of
 * a tensor that was laid in rows of 256 so that its blocks fit.
 */
#ifndef LIMN_WEIGHTS_GGUF_H
#define LIMN_WEIGHTS_GGUF_H

#include <stdbool.h>

#include "weights/weights.h"

/* What a file may have; the largest models have some thousands of tensors and dozens of keys. */
enum { GGUF_MAX_TENSORS = 1 << 17, GGUF_MAX_KEYS = 1 << 16, GGUF_MAX_NAME = 1000, GGUF_MAX_NESTING = 4 };

/* By its first bytes. */
bool gguf_is(Bytes file);

/*
 * Adds every tensor of a mapped file to w, with torch's order of dimensions. Checked before use: counts and lengths against what is
 * left of the file, types, dimensions, whole blocks, offsets, overlaps, names and keys that are there twice.
 */
int gguf_read(Weights *w, Bytes file, Err *e);

/* The type of that number in GGUF; false: none that limn reads. */
bool gguf_dtype(uint32_t id, DType *out);

/* All strings among them, as weights_texts() (read.h). */
char **gguf_texts(Bytes file);

/* A string among the keys' values of a mapped file, on the heap; NULL when absent. */
char *gguf_metadata(Bytes file, const char *key);

#endif
