/*
 * trace.h - all intermediate tensors from prompt to picture, for comparison with a reference: one safetensors file.
 *
 * tokens [rows, 77] (I64), prompt_embeds [1, tokens, width], negative_* the same; noise [1, c, h, w] (unit variance), latents.K
 * [1, c, h, w] after step K (0-based, in diffusers' scale), sigmas [steps + 1], timesteps [steps], latents [1, c, h, w] the last
 * one, image [1, 3, H, W] (-1..1, not clamped). F32, NCHW. With --hires these are the first pass's, without an image if the
 * latent is enlarged; the second pass's are called hires.NAME.
 */
#ifndef LIMN_PIPELINE_TRACE_H
#define LIMN_PIPELINE_TRACE_H

#include "base/err.h"
#include "nn/tensor.h"
#include "weights/safetensors.h"

typedef struct {
    TensorOut *items; /* names and data on the heap */
    size_t count;
} Trace;

void trace_ids(Trace *t, const char *name, const int *ids, int rows, int columns);
void trace_numbers(Trace *t, const char *name, const double *v, int count);
/* An embedding [1, tokens, width]. */
void trace_tokens(Trace *t, const char *name, Tensor x);
/* A latent or image, times scale, as NCHW; index >= 0 is put after the name ("latents.3"). */
void trace_image(Trace *t, const char *name, int index, Tensor x, double scale);

/* Moves all items of `from` to t, with a word before their names. */
void trace_adopt(Trace *t, Trace *from, const char *before);

int trace_write(const Trace *t, const char *path, Err *e);
void trace_clear(Trace *t);

#endif
