/*
 * write.h - writes files of weights tensor by tensor, with a few pages of memory for any size; they appear whole or not at all.
 */
#ifndef LIMN_WEIGHTS_WRITE_H
#define LIMN_WEIGHTS_WRITE_H

#include "weights/weights.h"

/* A tensor to write: its name, dtype and shape, and where its numbers come from. */
typedef struct {
    const char *name;
    DType dtype;
    int ndim;
    int64_t shape[WEIGHT_MAX_DIMS];
    const Weight *same; /* its bytes are copied as they are; NULL: numbers() makes them */
    float scale;        /* of 8-bit floats: the numbers are divided by it, and it is written too; 0: none */
} WeightOut;

typedef struct {
    const WeightOut *tensor;
    size_t count;
    const char *const *metadata; /* key, value, ..., NULL; may be NULL */
    /* Numbers from .. from + n - 1 of tensor i, all finite. n: a multiple of BLOCK_MOST but at the tensor's end. */
    int (*numbers)(void *ctx, size_t i, size_t from, size_t n, float *out, Err *e);
    /* Told after each piece, of all bytes; true: stop. NULL: nobody. */
    bool (*done)(void *ctx, uint64_t bytes, uint64_t all);
    void *ctx;
} WeightsOut;

/*
 * The path's ending tells the format: ".gguf", or safetensors. In GGUF a tensor whose rows are no whole blocks is laid in rows of
 * 256, as ComfyUI-GGUF does. Error: nothing has changed; stopped (ERR_INTERRUPTED); a type that the format does not have.
 */
int weights_write(const char *path, const WeightsOut *out, Err *e);

/* The scale that lets numbers of at most `largest` use all of an 8-bit float's range; 0: the type has no scale, or needs none. */
float weights_out_scale(DType t, float largest);

#endif
