/*
 * kind.h - recognises what a safetensors file is, by what most of its tensors' names belong to.
 */
#ifndef LIMN_WEIGHTS_KIND_H
#define LIMN_WEIGHTS_KIND_H

#include "weights/weights.h"

typedef enum {
    KIND_UNKNOWN,
    KIND_CHECKPOINT,   /* a whole Stable Diffusion model in one file, in LDM's names or diffusers' */
    KIND_VAE,          /* a VAE, perhaps with a text encoder */
    KIND_UNET,         /* a UNet */
    KIND_TEXT_ENCODER, /* CLIP's text half */
    KIND_TINY,         /* a tiny autoencoder, or one of its halves; from here on nothing that a checkpoint has */
    KIND_CONTROL,      /* a network that steers one by pictures: ControlNet, T2I-Adapter, IP-Adapter */
    KIND_OTHER,        /* known by name, not usable as a model */
} KindId;

typedef struct {
    KindId id;
    const char *what;   /* "a LoRA" */
    const char *advice; /* what to do with it when a model was expected; NULL for a checkpoint */
} Kind;

/* Never NULL. A few tensors of another kind, left over from a merge or a training, do not count. */
const Kind *kind_of(Weights *w);

/* What a tensor of that name belongs to, "a LoRA"; NULL when that is not known, or a part of a model. */
const char *kind_of_tensor(const char *name);

#endif
