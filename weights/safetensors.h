/*
 * safetensors.h - the safetensors format, both ways.
 * Source: https://github.com/huggingface/safetensors (README, "Format"): u64 little-endian header length N, N bytes of
 * JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {str: str}}, then the data.
 */
#ifndef LIMN_WEIGHTS_SAFETENSORS_H
#define LIMN_WEIGHTS_SAFETENSORS_H

#include "weights/weights.h"

/*
 * Adds every tensor of a mapped file to w. Checked before use: header length, JSON, dtype, shape x size = bytes, offsets
 * inside the file, no overlap, no gap, no overflow, no duplicate name. Tensors of 0 bytes are allowed.
 */
int safetensors_read(Weights *w, Bytes file, Err *e);

/* "__metadata__" of a mapped file: the value of key copied into a heap string, NULL when absent. */
char *safetensors_metadata(Bytes file, const char *key);

/* All of "__metadata__", as weights_texts() (read.h). */
char **safetensors_texts(Bytes file);

/* One tensor to write; data is f32 or i64, row-major. */
typedef struct {
    const char *name;
    DType dtype; /* DT_F32 or DT_I64 */
    int ndim;
    int64_t shape[WEIGHT_MAX_DIMS];
    const void *data;
} TensorOut;

/* A whole file in *out (heap: free((void *)out->data)). metadata is a NULL-terminated list of key, value, ...; may be NULL. */
int safetensors_encode(const TensorOut *t, size_t count, const char *const *metadata, Bytes *out, Err *e);
/* The same written (file_write). */
int safetensors_write(const char *path, const TensorOut *t, size_t count, const char *const *metadata, Err *e);

#endif
