/*
 * component.h - the weights of one component of a diffusers folder: the file or the shards that hold them.
 */
#ifndef LIMN_WEIGHTS_COMPONENT_H
#define LIMN_WEIGHTS_COMPONENT_H

#include "base/str.h"
#include "weights/source.h"
#include "weights/weights.h"

/*
 * The file that holds the weights of a folder ("unet", "" for the source itself) into *out: model.safetensors or
 * diffusion_pytorch_model.safetensors, its index of shards, or a variant (fp16, bf16, non_ema); 32 bits are preferred.
 * Error: none is there; when there are only pickles, how to convert them.
 */
int component_find(const Source *s, const char *folder, Str *out, Err *e);

/* Reads that file, or all shards of that index, into w. */
int component_read(Source *s, const char *file, Weights *w, Err *e);

#endif
