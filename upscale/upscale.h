/*
 * upscale.h - upscaler networks: ESRGAN's and Real-ESRGAN's RRDBNet, Real-ESRGAN's SRVGGNetCompact. The network of a file
 * is recognised by its tensors' names and shapes.
 */
#ifndef LIMN_UPSCALE_UPSCALE_H
#define LIMN_UPSCALE_UPSCALE_H

#include <stdbool.h>

#include "base/err.h"
#include "image/image.h"
#include "nn/nn.h"

typedef struct Upscaler Upscaler;

/* A safetensors file. Error: missing, broken, or of a network that limn does not know (the text names it where it can). */
Upscaler *upscaler_open(const char *path, Err *e);
void upscaler_free(Upscaler *u);

/* How many times as large a picture becomes: 1 to 8. */
int upscaler_factor(const Upscaler *u);
const char *upscaler_name(const Upscaler *u);   /* the file's, without its folder and ending */
const char *upscaler_sha256(const Upscaler *u); /* of the file */
const char *upscaler_what(const Upscaler *u);   /* "RRDBNet, 23 blocks of 64 channels, x4" */

enum { UPSCALE_MEMORY = 512 << 20 /* bytes of activations that suit every machine */ };

typedef struct {
    int threads;         /* at least 1 */
    Precision precision; /* what products round their factors to */
    size_t memory;       /* bytes of activations at most, as far as a tile of 32 pixels allows; 0: UPSCALE_MEMORY */
    int tile;            /* pixels of the source on a side; 0: as large as memory allows */
    /* Called before each tile; may be NULL. Returns whether the work is to go on. */
    bool (*progress)(void *ctx, int done, int tiles);
    void *ctx;
} UpscaleHow;

/*
 * A new image (image_release() it), factor times as large; its alpha by Lanczos. Tiles see as much of their surroundings as a
 * compact network's pixel does, so that they show nowhere; an RRDBNet sees further than that, and differs from the whole
 * picture's by less than a grey level. Error: too large, memory, stopped (ERR_INTERRUPTED).
 */
int upscaler_run(const Upscaler *u, const Image *in, const UpscaleHow *how, Image *out, Err *e);

/*
 * The same to w x h: the network runs again while the picture is smaller, three times at most, and the result is resized to that
 * size by Lanczos.
 */
int upscaler_enlarge(const Upscaler *u, const Image *in, int w, int h, const UpscaleHow *how, Image *out, Err *e);

#endif
