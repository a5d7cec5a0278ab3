/*
 * shapes.h - derives a network's config.json from the shapes of its tensors (diffusers' names), for files
 * that bring none. What shapes cannot tell is as in Stable Diffusion 1.x, 2.x and XL: docs/models.md lists it.
 */
#ifndef LIMN_WEIGHTS_SHAPES_H
#define LIMN_WEIGHTS_SHAPES_H

#include "base/str.h"
#include "weights/weights.h"

/* What leaves no trace in a UNet's shapes. */
typedef struct {
    int sample; /* the size in latents that it was trained at */
    int heads,
        head_channels; /* of attention: so many on each level, or of so many channels each; 0: as in SD 1.x, 2.x and XL */
} UNetHints;

/* Of SD 1.x's and 2.x's VAE, and of XL's. */
#define VAE_SCALING    0.18215
#define VAE_SCALING_XL 0.13025

/* The JSON goes to *out. Error: the tensors are not such a network's. */
int shapes_unet(const Weights *w, const UNetHints *hints, Str *out, Err *e);
/* CLIP's half for pictures (NAMES_CLIP_IMAGE's). */
int shapes_image(const Weights *w, Str *out, Err *e);
/* A ControlNet's. Its heads, groups and the like are the UNet's that it is used with. */
int shapes_controlnet(const Weights *w, Str *out, Err *e);
int shapes_vae(const Weights *w, double scaling_factor, Str *out, Err *e);
/* Of an AutoencoderTiny, whose encoder may be missing. */
int shapes_tiny(const Weights *w, Str *out, Err *e);
/* act: "quick_gelu" (OpenAI's CLIP) or "gelu" (OpenCLIP). pooled: its projection is there, and used. */
int shapes_text(const Weights *w, const char *act, bool pooled, Str *out, Err *e);

/* The width of what a UNet attends to; 0: to nothing. */
int shapes_context(const Weights *w);

/* Returns whether a UNet takes pooled text and sizes in addition to the timestep (SD XL). */
static inline bool shapes_pooled(const Weights *w) { return weights_find(w, "add_embedding.linear_1.weight") != NULL; }

/* Dimension i of the tensor of that name (printf); 0 when the tensor or the dimension is not there, or beyond an int. */
int shapes_dim(const Weights *w, int i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How many tensors there are of a name with 0, 1, 2, ... in the place of its %d. */
int shapes_count(const Weights *w, const char *fmt);

#endif
