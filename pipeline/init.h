/*
 * init.h - what a run starts from in place of noise alone: a picture, and the mask of what may change of it. Internal to pipeline/.
 * Source: diffusers' StableDiffusionImg2ImgPipeline and StableDiffusionInpaintPipeline (VaeImageProcessor, prepare_mask_latents);
 * A1111's StableDiffusionProcessingImg2Img; ComfyUI's SetLatentNoiseMask.
 */
#ifndef LIMN_PIPELINE_INIT_H
#define LIMN_PIPELINE_INIT_H

#include "base/err.h"
#include "image/fit.h"
#include "image/image.h"
#include "pipeline/recipe.h"
#include "pipeline/watch.h"

typedef struct {
    Image picture;         /* what is encoded, at the size drawn, opaque; w 0: there is none */
    uint8_t *area;         /* [H, W] how much of it may change, 0 to 255; NULL: all of it, and the rest is NULL too */
    float *mask;           /* [h, w] the same for the latent, 0 to 1 */
    float *told;           /* [h, w] what a UNet is told of it that takes a mask: 0 or 1 */
    Image whole;           /* what the result is laid into */
    uint8_t *paint;        /* [whole.h, whole.w] 255: the result is seen, 0: the whole's own bytes */
    Region at;             /* where in the whole the result belongs (--only-masked); w 0: all of it */
    bool seen;             /* the picture is as it is, or of the latent's size: for seen.h */
    float *depth;          /* [h, w] -1 (far) to 1; NULL: none is wanted */
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

/* What was drawn becomes the result: laid into the whole wherever the mask lets it. */
void init_overlay(const Init *init, Image *drawn);

#endif
