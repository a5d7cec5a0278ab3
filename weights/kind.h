/*
 * kind.h - what a safetensors file is, told from the names in it.
 */
#ifndef LIMN_WEIGHTS_KIND_H
#define LIMN_WEIGHTS_KIND_H

#include "weights/weights.h"

typedef enum {
    KIND_UNKNOWN,
    KIND_CHECKPOINT,   /* a whole Stable Diffusion 1.x or 2.x model in LDM naming */
    KIND_LDM_VAE,      /* a VAE in LDM naming, names with or without "first_stage_model." */
    KIND_VAE,          /* a VAE in diffusers naming */
    KIND_UNET,         /* a UNet in diffusers naming */
    KIND_TEXT_ENCODER, /* CLIP's text half */
    KIND_OTHER,        /* known by name, not usable as a model */
} KindId;

typedef struct {
    KindId id;
    const char
        *marker;      /* a part of a tensor's name that only this kind has; '^' at its beginning: the name begins so */
    const char *what; /* "a LoRA" */
    const char *advice; /* what to do with it when a model was expected; NULL for a checkpoint */
} Kind;

/* Never NULL. */
const Kind *kind_of(Weights *w);

#endif
