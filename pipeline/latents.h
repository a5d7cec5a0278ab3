/* latents.h - initial noise from a file (--latents). */
#ifndef LIMN_PIPELINE_LATENTS_H
#define LIMN_PIPELINE_LATENTS_H

#include "base/err.h"
#include "nn/tensor.h"

/*
 * Unit noise as diffusers' `latents` argument takes it, from a safetensors file: the tensor `noise` (a --trace file's will
 * do), else `latents`, else the only one. It must be [1, c, h, w] of shape. Returns [1, h, w, c] on the heap, or NULL.
 */
float *latents_read(const char *path, Tensor shape, Err *e);

#endif
