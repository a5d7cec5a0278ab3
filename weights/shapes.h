/*
 * shapes.h - the config.json that a network must have had, from the shapes of its tensors (diffusers' names), for files
 * that bring none. What shapes cannot tell is as in Stable Diffusion 1.x and 2.x: docs/models.md lists it.
 */
#ifndef LIMN_WEIGHTS_SHAPES_H
#define LIMN_WEIGHTS_SHAPES_H

#include "base/str.h"
#include "weights/weights.h"

/* What leaves no trace in a UNet's shapes. */
typedef struct {
    int sample; /* the size in latents that it was trained at */
    int heads,
        head_channels; /* of attention: so many on each level, or of so many channels each; 0: as in SD 1.x and 2.x */
} UNetHints;

/* Of SD 1.x's and 2.x's VAE. */
#define VAE_SCALING 0.18215

/* The JSON goes to *out. Error: the tensors are not such a network's. */
int shapes_unet(const Weights *w, const UNetHints *hints, Str *out, Err *e);
int shapes_vae(const Weights *w, double scaling_factor, Str *out, Err *e);
/* act: "quick_gelu" (OpenAI's CLIP) or "gelu" (OpenCLIP). */
int shapes_text(const Weights *w, const char *act, Str *out, Err *e);

/* Dimension i of the tensor of that name (printf); 0 when the tensor or the dimension is not there, or beyond an int. */
int shapes_dim(const Weights *w, int i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How many tensors there are of a name with 0, 1, 2, ... in the place of its %d. */
int shapes_count(const Weights *w, const char *fmt);

#endif
