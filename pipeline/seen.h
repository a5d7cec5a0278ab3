/*
 * seen.h - parts of a model for a picture as input, in addition to text encoder, UNet and VAE. The UNet's class labels show
 * which:
 *
 *   x4 upscaler   the picture, of the latent's size and with noise, is concatenated to the latent; the label is the noise level
 *   unCLIP        the label is the output of CLIP's image encoder for the picture, with noise, and the noise level
 *
 * Sources: diffusers' StableDiffusionUpscalePipeline (low_res_scheduler) and StableUnCLIPImg2ImgPipeline (image_encoder,
 * image_normalizer, image_noising_scheduler).
 */
#ifndef LIMN_PIPELINE_SEEN_H
#define LIMN_PIPELINE_SEEN_H

#include "pipeline/control_encoder.h"
#include "pipeline/model.h"

/* --noise-level of the x4 upscaler, by default and at most: from diffusers, and from the model's training. */
enum { SEEN_SMALL_NOISE = 20, SEEN_SMALL_NOISE_MOST = 350 };

typedef struct Seen {
    Noise noise;             /* the schedule of the noise on the picture */
    ControlEncoder *encoder; /* unCLIP's, else NULL */
    float *mean, *deviation; /* unCLIP's normaliser: [projection] */
} Seen;

/*
 * Opens the parts that the model's UNet needs into m->seen; does nothing if it has no class labels. dry: weights are not read.
 * Error: one is missing or does not fit, or the model is a single file, which has none.
 */
int seen_open(Model *m, bool dry, Err *e);
void seen_close(Model *m);

/* diffusers' guidance scale for such a model; 0: it is not one. */
double seen_cfg_scale(const Model *m);

#endif
