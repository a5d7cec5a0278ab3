/*
 * adapter.h - LoRA files: small changes of a model's matrices, laid over them while products read them (nn/patch.h). The model's own
 * weights stay as they are in their file.
 * Source: Hu et al. 2021 (arXiv:2106.09685); names as kohya's sd-scripts, diffusers (of 2023, and PEFT's since 0.21) write them.
 */
#ifndef LIMN_ADAPTER_ADAPTER_H
#define LIMN_ADAPTER_ADAPTER_H

#include "base/err.h"
#include "nn/bind.h"

/* One network of a model, and how adapters' files call it. */
typedef struct {
    const char *kohya[2];        /* beginnings of kohya's names: "lora_te_", "lora_te1_"; NULL: no more */
    const char *dotted;          /* diffusers' and PEFT's: "text_encoder." */
    const BoundMatrix *matrices; /* [count] */
    size_t count;
    bool text;      /* a text encoder: earlier diffusers name its attention as the UNet's */
    int ldm_layers; /* > 0: a UNet of so many residual blocks a level, whose names may be LDM's too (SDXL) */
    float strength;
} AdapterTarget;

typedef struct Adapter Adapter;

/*
 * Reads a file and lays it over the networks' matrices, in the order of the calls. It must be taken off (patch_clear() of all of
 * them) before adapter_free(). Error: a tensor that fits nothing (how many of them, and the first), a kind that limn cannot apply, a
 * shape that is another; then nothing is laid.
 */
Adapter *adapter_lay(const char *path, const AdapterTarget *targets, int count, Err *e);
void adapter_free(Adapter *a);

#endif
