/*
 * controlnet.h - a copy of a UNet's encoder that takes a picture too, and adds its outputs to the UNet's skips and middle.
 * Source: Zhang et al. 2023 (arXiv:2302.05543); names as in diffusers' ControlNetModel.
 */
#ifndef LIMN_CONTROL_CONTROLNET_H
#define LIMN_CONTROL_CONTROLNET_H

#include "base/err.h"
#include "nn/nn.h"
#include "unet/unet.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct ControlNet ControlNet;

/*
 * Reads the config, checks and binds the weights. like: the UNet that a file without a config belongs to: it has its heads and
 * groups, which leave no trace in shapes; NULL: as the config says.
 */
ControlNet *controlnet_new(Config *c, Weights *w, const UNet *like, Err *e);
void controlnet_free(ControlNet *c);

/* 0 if its outputs can be added to that UNet's. factor: pixels per latent. Error: which widths differ. */
int controlnet_fits(const ControlNet *c, const UNet *u, int factor, Err *e);

int controlnet_hint_channels(const ControlNet *c); /* 3: RGB; 1: grey */
int controlnet_in_channels(const ControlNet *c);   /* of the latent, and of what is concatenated to it */
int controlnet_types(
    const ControlNet *c); /* kinds of maps that it distinguishes (ControlNet-Union); 0: it takes one kind */
int controlnet_context_width(const ControlNet *c); /* of the text that it reads */
bool controlnet_pools(const ControlNet *c); /* its results are averaged over the picture: global_pool_conditions */
int controlnet_context_columns(const ControlNet *c);
size_t controlnet_bytes(const ControlNet *c);    /* memory of converted weights */
size_t controlnet_borrowed(const ControlNet *c); /* bytes that are used from the file */

/* Keeps its convolutions' weights in transformed form, as unet_keep_transformed(). */
size_t controlnet_transformed_bytes(const ControlNet *c, bool rounded);
int controlnet_keep_transformed(ControlNet *c, const Kernels *k, bool rounded, Err *e);

/* As unet_context(): kv [n, tokens, 1, controlnet_context_columns()] is filled. */
void controlnet_context(Nn *nn, const ControlNet *c, Tensor context, Tensor kv);

/*
 * hint [1, H, W, hint channels], 0..1; type: a union's, below controlnet_types(). Returns what every step adds to the
 * latent's first layer: [1, H / factor, W / factor, channels].
 */
Tensor controlnet_hint(Nn *nn, const ControlNet *c, Tensor hint, int type);

/*
 * Adds its outputs to residuals, which have the shapes of unet_residual_shapes() for x.n samples; scales: one for each of them. x
 * [n, h, w, in_channels], t and in as the UNet's (kv: its own); hint: controlnet_hint()'s. Temporaries are given back. Cannot
 * fail.
 */
typedef struct {
    Tensor hint;
    const float *scales;
    Tensor *residuals;
    int type; /* as controlnet_hint()'s */
} Controlled;
void controlnet_forward(Nn *nn, const ControlNet *c, Tensor x, float t, const UNetInputs *in, const Controlled *out);

#endif
