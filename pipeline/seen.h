/*
 * seen.h - what a model has of its own to see a picture with, beside text encoder, UNet and VAE. Its UNet's class labels tell:
 *
 *   x4 upscaler   the picture, of the latent's size and with noise, stands beside the latent; the label is how much noise
 *   unCLIP        the label is what CLIP's image encoder makes of the picture, with noise, and how much that is
 *
 * Sources: diffusers' StableDiffusionUpscalePipeline (low_res_scheduler) and StableUnCLIPImg2ImgPipeline (image_encoder,
 * image_normalizer, image_noising_scheduler).
 */
#ifndef LIMN_PIPELINE_SEEN_H
#define LIMN_PIPELINE_SEEN_H

#include "pipeline/control_encoder.h"
#include "pipeline/model.h"

/* --noise-level of a picture that is drawn larger, where none is said, and at most: diffusers' and the model's training. */
enum { SEEN_SMALL_NOISE = 20, SEEN_SMALL_NOISE_MOST = 350 };

typedef struct Seen {
    Noise noise;             /* how noise is laid on what is seen */
    ControlEncoder *encoder; /* unCLIP's, else NULL */
    float *mean, *deviation; /* unCLIP's normaliser: [projection] */
} Seen;

/*
 * The parts that the model's UNet wants, into m->seen; nothing where it has no class labels. dry: the weights are not read. Error: one is
 * missing or does not fit, or the model is a single file, which has none.
 */
int seen_open(Model *m, bool dry, Err *e);
void seen_close(Model *m);

/* diffusers' guidance for such a model; 0: it is none. */
double seen_cfg_scale(const Model *m);

#endif
