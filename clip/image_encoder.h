/*
 * image_encoder.h - CLIP's half for pictures: what a picture shows, as a vector or as one vector a patch.
 * Source: Radford et al. 2021 (arXiv:2103.00020); names as in transformers' CLIPVisionModelWithProjection.
 */
#ifndef LIMN_CLIP_IMAGE_ENCODER_H
#define LIMN_CLIP_IMAGE_ENCODER_H

#include "base/err.h"
#include "nn/nn.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct ImageEncoder ImageEncoder;

/* Reads the config, checks and binds the weights (NAMES_CLIP_IMAGE's). */
ImageEncoder *image_encoder_new(Config *c, Weights *w, Err *e);
void image_encoder_free(ImageEncoder *t);

int image_encoder_side(const ImageEncoder *t);       /* pixels of its square: 224 */
int image_encoder_tokens(const ImageEncoder *t);     /* a class token and one a patch: 257 */
int image_encoder_width(const ImageEncoder *t);      /* of a token */
int image_encoder_projection(const ImageEncoder *t); /* of the whole picture's vector */

/*
 * pixels [1, side, side, 3], normalised. all: the last layer but one's tokens, [1, tokens, 1, width], without its norm; else the
 * projected class token, [1, 1, 1, projection]. In nn->arena; temporaries are given back.
 */
Tensor image_encoder_forward(Nn *nn, const ImageEncoder *t, Tensor pixels, bool all);

#endif
