/*
 * component.h - the weights of one component of a diffusers folder: the file or the shards that hold them.
 */
#ifndef LIMN_WEIGHTS_COMPONENT_H
#define LIMN_WEIGHTS_COMPONENT_H

#include "base/str.h"
#include "weights/source.h"
#include "weights/weights.h"

/* Variants of weights in the order in which they are looked for: "" (none said), then "fp32", "fp16", ...; NULL ends them. */
extern const char *const component_variants[];

/*
 * The i-th name (from 0) that the weights of a variant may have, or their index of shards, into *out; false behind the last.
 * Source: diffusers' and transformers' _add_variant(), diffusers' before 0.33, and what other tools write.
 */
bool component_name(Str *out, const char *variant, int i);

/*
 * The file that holds the weights of a folder ("unet", "" for the source itself) into *out: model.safetensors or
 * diffusion_pytorch_model.safetensors, its index of shards, or a variant; 32 bits are preferred.
 * Error: none is there; when there are only pickles, how to convert them.
 */
int component_find(const Source *s, const char *folder, Str *out, Err *e);

/* Reads that file, or all shards of that index, into w. */
int component_read(Source *s, const char *file, Weights *w, Err *e);

#endif
