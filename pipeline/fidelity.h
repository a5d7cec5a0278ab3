/*
 * fidelity.h - how near a model's pictures in 8 bits are to its own in f32, and how much faster: found out once by `limn bench -m MODEL`
 * (engine/fidelity.h), remembered in limn's cache folder by the model's SHA-256, the CPU and limn's version. Rounding to 8 bits is as exact
 * as the weights let it be, which nobody knows of a model before: --precision auto takes it only where this says so.
 */
#ifndef LIMN_PIPELINE_FIDELITY_H
#define LIMN_PIPELINE_FIDELITY_H

#include "pipeline/precision.h"

/* Final pictures in 8 bits beside f32's: the worst of them. */
typedef struct {
    double psnr, flip; /* dB, the least; 0 .. 1, the most */
    double of_16;      /* an evaluation's time in 8 bits, of that in what auto takes otherwise */
    int width, height, steps, pictures;
} Fidelity;

/* What auto asks of 8 bits. */
extern const double fidelity_psnr, fidelity_of_16;

/* NULL: auto may take them; else why not, a few words. */
const char *fidelity_short(const Fidelity *f);

/* What is remembered of a model on this CPU with these kernels. false: nothing. */
bool fidelity_known(const char *sha256, const Kernels *k, Fidelity *f);
/* What is no number, or cannot be written, is not. */
void fidelity_remember(const char *sha256, const Kernels *k, const Fidelity *f);

/* What auto is to know of a model. */
typedef struct {
    size_t weights;     /* the UNet's bytes */
    const char *sha256; /* "": not known yet (model_hash_begin()) */
    bool bare;          /* no LoRA and no ControlNet is laid over what was measured */
} FidelityModel;

/* precision_choose() of a model: auto takes 8 bits where they were found near and fast enough. */
int fidelity_choose(Precision *p, const char *asked, const Kernels *k, const FidelityModel *m, Err *e);

#endif
