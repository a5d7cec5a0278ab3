/* upscale_internal.h - what the networks share: a table of functions each. Private to upscale/. */
#ifndef LIMN_UPSCALE_UPSCALE_INTERNAL_H
#define LIMN_UPSCALE_UPSCALE_INTERNAL_H

#include "nn/bind.h"
#include "upscale/upscale.h"

typedef struct {
    const char *name;
    bool (*is)(const Weights *w); /* whether the tensors are its, in the names of the first release */
    Upscaler *(*open)(Binder *b);
    void (*free)(Upscaler *u);
    Tensor (*forward)(Nn *nn, const Upscaler *u, Tensor x); /* [1, h, w, 3] of 0..1 -> [1, factor h, factor w, 3] */
} UpscalerClass;

extern const UpscalerClass upscaler_rrdb, upscaler_compact;

/* The first member of every network. */
struct Upscaler {
    const UpscalerClass *class;
    int factor;
    int multiple; /* what a picture's sides must be multiples of */
    int halo;     /* pixels that a tile sees on each side; a multiple of `multiple` */
    char what[96];
    char *name;
    char sha256[65];
    Bytes file;
    Weights *weights;
    BoundMemory memory;
};

/* names.c: the tensors under Real-ESRGAN's names, whatever release they are of. NULL: error. */
Weights *upscaler_rename(Weights *all, Err *e);

/* layers.c: x *= slope where it is below 0; the slope of each channel; x += a * y; torch's PixelUnshuffle and PixelShuffle. */
void leaky(Nn *nn, Tensor x, float slope);
void prelu(Nn *nn, Tensor x, const float *slope);
void add_share(Nn *nn, Tensor x, float a, Tensor y);
Tensor unshuffle(Nn *nn, Tensor x, int s);
Tensor shuffle(Nn *nn, Tensor x, int s);

#endif
