/*
 * preview.h - previews (--preview): a step's estimate of the clean latent as pixels, at a small part of the step's cost.
 *
 * By a tiny autoencoder (--preview-vae, or the model's own), by the model's VAE where the model is small, else by a linear map
 * from a latent's channels to colours, a pixel for each latent and enlarged.
 */
#ifndef LIMN_PIPELINE_PREVIEW_H
#define LIMN_PIPELINE_PREVIEW_H

#include "base/err.h"
#include "image/image.h"
#include "pipeline/model.h"

typedef struct Preview Preview;

/*
 * vae: --preview-vae, or NULL. h, w: of the latent; nn: its arena is not used. The model must live as long. Error: the file
 * is no VAE for this model, or no map is known for the model's latents, or out of memory.
 */
Preview *preview_new(const Model *m, const char *vae, const Nn *nn, int h, int w, Err *e);
void preview_free(Preview *p);

/* x0 [1, h, w, c], in the sampler's scale. A new image of the picture's size. */
void preview_image(Preview *p, Tensor x0, Image *out);

#endif
