/*
 * init.h - what a run starts from in place of noise alone: a picture, and the mask of what may change of it. Internal to pipeline/.
 * Source: diffusers' StableDiffusionImg2ImgPipeline and StableDiffusionInpaintPipeline (VaeImageProcessor, prepare_mask_latents).
 */
#ifndef LIMN_PIPELINE_INIT_H
#define LIMN_PIPELINE_INIT_H

#include "base/err.h"
#include "image/image.h"
#include "image/resample.h"
#include "pipeline/recipe.h"
#include "pipeline/watch.h"

typedef struct {
    Image picture;         /* at the size drawn, opaque; w 0: there is none */
    uint8_t *paint;        /* [H, W] 255: drawn anew, 0: stays to the byte; NULL: all is drawn anew */
    float *mask;           /* [h, w] the same for the latent: 0 or 1; NULL */
    float *moments;        /* [h, w, 2 latent]: what the VAE's encoder makes of the picture */
    float *masked_moments; /* the same of the picture with what is drawn anew in grey; NULL: nobody wants it */
} Init;

/*
 * Reads the files that the recipe names and brings them to the size drawn; w hears what of them was passed over. r->said is told
 * their SHA-256. Error: what is wrong with them. init_release() also then.
 */
int init_read(Init *init, Recipe *r, int factor, const Watch *w, Err *e);
void init_release(Init *init);

/* pixels [1, H, W, 3] = the picture in -1..1; hidden: what is drawn anew becomes 0, the grey between. */
void init_pixels(const Init *init, Tensor pixels, bool hidden);

/* Lays the picture over a result wherever the mask keeps it. */
void init_overlay(const Init *init, Image *result);

#endif
