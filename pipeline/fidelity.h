/*
 * fidelity.h - how close a model's pictures in 8 bits are to those in f32, and how much faster: measured once by `limn bench -m
 * MODEL` (engine/fidelity.h), remembered in limn's cache folder by the model's SHA-256, the CPU and limn's version. Rounding to 8
 * bits is as exact as the weights allow, which is not known before it is measured: --precision auto takes it only if this says
 * so.
 */
#ifndef LIMN_PIPELINE_FIDELITY_H
#define LIMN_PIPELINE_FIDELITY_H

#include "pipeline/precision.h"

/* Final pictures in 8 bits compared with f32's: the worst of them. */
typedef struct {
    double psnr, flip; /* dB, the least; 0 .. 1, the most */
    double of_16;      /* an evaluation's time in 8 bits, of that in what auto takes otherwise */
    int width, height, steps, pictures;
} Fidelity;

/* auto's requirements for 8 bits. */
extern const double fidelity_psnr, fidelity_of_16;

/* NULL: auto may take them; else a short reason why not. */
const char *fidelity_short(const Fidelity *f);

/* What is remembered for a model on this CPU with these kernels. false: nothing. */
bool fidelity_known(const char *sha256, const Kernels *k, Fidelity *f);
/* Does nothing if a value is NaN or the file cannot be written. */
void fidelity_remember(const char *sha256, const Kernels *k, const Fidelity *f);

/* What auto needs to know about a model. */
typedef struct {
    size_t weights;     /* the UNet's bytes */
    const char *sha256; /* "": not known yet (model_hash_begin()) */
    bool bare;          /* without LoRA and ControlNet, as it was measured */
} FidelityModel;

/* precision_choose() for a model: auto takes 8 bits if they were measured exact and fast enough. */
int fidelity_choose(Precision *p, const char *asked, const Kernels *k, const FidelityModel *m, Err *e);

#endif
