/*
 * vae.h - latents to pixels and back: AutoencoderKL and AutoencoderTiny (TAESD) of diffusers, built from their config.json.
 * Source: Rombach et al. 2022 (arXiv:2112.10752); diffusers models/autoencoders/autoencoder_kl.py and autoencoder_tiny.py.
 */
#ifndef LIMN_VAE_VAE_H
#define LIMN_VAE_VAE_H

#include "base/err.h"
#include "nn/nn.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct Vae Vae;

/* Reads the config, checks all weights, binds the decoder's, and the encoder's when it is wanted (vae_encode() needs it). */
Vae *vae_new(Config *c, Weights *w, bool encoder, Err *e);
void vae_free(Vae *v);

int vae_factor(const Vae *v);           /* pixels a latent: 8 */
int vae_latent_channels(const Vae *v);  /* 4 */
float vae_scaling_factor(const Vae *v); /* 0.18215: latents are multiplied by it after encoding; TAESD's 1 */
/*
 * From the sampler's latents to those that vae_decode() takes: z = x / scaling_factor, or with latents_mean and latents_std in its config
 * (Playground v2.5) z = x std / scaling_factor + mean; z may be x. And back, in place.
 */
void vae_unscale(const Vae *v, Tensor z, Tensor x);
void vae_scale(const Vae *v, Tensor x);
bool vae_draws(const Vae *v);      /* what it encodes is a distribution, to be drawn from; TAESD's is the latent */
bool vae_is_tiny(const Vae *v);    /* TAESD: decoding costs no more than a small part of a step */
size_t vae_bytes(const Vae *v);    /* memory of converted weights */
size_t vae_borrowed(const Vae *v); /* bytes that are read where the file has them */

/* z [n, h, w, latent], unscaled (already divided by scaling_factor). Returns [n, h*f, w*f, 3], -1..1 nominally, not clamped. */
Tensor vae_decode(Nn *nn, const Vae *v, Tensor z);

/*
 * The same with the fine levels worked in overlapping tiles of tile x tile latents: memory is that of one tile, the
 * latent-sized layers and the picture. TAESD's layers are all local. Of AutoencoderKL what is not local is the whole picture's: the attention, and the group norms'
 * statistics, which cost more passes over the tiles (four to seven times the work of a whole decode, and the overlap). So
 * there are no seams and no drift of colour.
 */
Tensor vae_decode_tiled(Nn *nn, const Vae *v, Tensor z, int tile);

/* The smallest tile: an overlap as wide as a pixel sees on each side, and as much between. 21 latents for SD's, 57 for TAESD. */
int vae_min_tile(const Vae *v);

/* image [n, h, w, 3], -1..1. Returns [n, h/f, w/f, 2 * latent]: mean, then logvar clamped to -30..20; of one
 * that does not draw [n, h/f, w/f, latent], the latent. */
Tensor vae_encode(Nn *nn, const Vae *v, Tensor image);

/* out = mean + exp(logvar / 2) * noise; moments from vae_encode(), noise [n, h, w, latent]. */
void vae_sample(Tensor out, Tensor moments, const float *noise);

#endif
