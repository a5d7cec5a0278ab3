/*
 * layer.h - a layer of CLIP's transformers, of the text encoder and of the image encoder. Internal to clip/.
 * Source: Radford et al. 2021 (arXiv:2103.00020); names as in transformers' CLIPEncoderLayer.
 */
#ifndef LIMN_CLIP_LAYER_H
#define LIMN_CLIP_LAYER_H

#include "nn/bind.h"
#include "nn/nn.h"
#include "weights/config.h"

typedef struct {
    int width, inner, heads;
    float eps;
    Act act;
    bool causal;
} ClipShape;

typedef struct {
    Norm norm1, norm2;
    Linear qkv, out; /* width -> 3 width, side by side; width -> width */
    Linear fc1, fc2; /* width -> inner -> width */
} ClipLayer;

/* "encoder.layers.i" */
int clip_layer_bind(Binder *b, const ClipShape *s, ClipLayer *l, int i);

/* x [n, tokens, 1, width], in place. */
void clip_layer_forward(Nn *nn, const ClipShape *s, const ClipLayer *l, Tensor x);

/*
 * The keys that both halves' configs have. Error: heads that do not divide the width, another activation (act: where
 * none is said).
 */
int clip_shape_read(ClipShape *s, Config *c, Err *e);

/* What any transformers config may carry and limn need not read; ends with NULL. */
extern const char *const clip_harmless[];

#endif
