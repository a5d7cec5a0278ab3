/*
 * init.h - the initial picture of a run (img2img), and the mask of what may change (inpainting). Internal to pipeline/.
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
    Image picture;         /* the picture to encode, at the size drawn, opaque; w 0: there is none */
    uint8_t *area;         /* [H, W] how much of it may change, 0 to 255; NULL: all of it, and the rest is NULL too */
    float *mask;           /* [h, w] the same for the latent, 0 to 1 */
    float *told;           /* [h, w] the mask input of an inpainting UNet: 0 or 1 */
    Image whole;           /* the picture into which the result is pasted */
    uint8_t *paint;        /* [whole.h, whole.w] 255: the result is seen, 0: the whole's own bytes */
    Region at;             /* the place of the result in the whole (--only-masked); w 0: all of it */
    bool seen;             /* the picture is unchanged, or has the latent's size: for seen.h */
    float *depth;          /* [h, w] -1 (far) to 1; NULL: not needed */
    float *moments;        /* [h, w, 2 latent]: the output of the VAE's encoder for the picture */
    float *masked_moments; /* the same for the picture with the redrawn part in grey; NULL: not needed */
} Init;

/*
 * Reads the files that the recipe names and resizes them to the size drawn; reports to w what was ignored. Puts into r->said
 * their SHA-256. Error: what is wrong with them. init_release() also then.
 */
int init_read(Init *init, Recipe *r, int factor, const Watch *w, Err *e);
void init_release(Init *init);

/* pixels [1, H, W, 3] = the picture in -1..1; hidden: the part that is redrawn becomes 0, which is grey. */
void init_pixels(const Init *init, Tensor pixels, bool hidden);

/* Turns what was drawn into the result: pastes it into the whole picture where the mask allows. */
void init_overlay(const Init *init, Image *drawn);

#endif
