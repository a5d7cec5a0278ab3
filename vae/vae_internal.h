/* vae_internal.h - what the autoencoders share: a table of functions a class, and the geometry of tiles. Private to vae/. */
#ifndef LIMN_VAE_VAE_INTERNAL_H
#define LIMN_VAE_VAE_INTERNAL_H

#include "nn/bind.h"
#include "vae/vae.h"

/* A class of autoencoders: its functions are called by those of vae.h, which say what they do. */
typedef struct {
    const char *name; /* _class_name: "AutoencoderKL" */
    Vae *(*open)(Config *c, Weights *w, bool encoder, Err *e);
    void (*free)(Vae *v);
    Tensor (*decode)(Nn *nn, const Vae *v, Tensor z);
    Tensor (*decode_tiled)(Nn *nn, const Vae *v, Tensor z, int tile);
    Tensor (*encode)(Nn *nn, const Vae *v, Tensor image);
} VaeClass;

enum { VAE_SHIFTED = 64 }; /* channels at most */

extern const VaeClass vae_kl, vae_tiny;

/* The first member of every autoencoder. */
struct Vae {
    const VaeClass *class;
    int factor, latent;
    int halo; /* latents that a pixel sees on each side, where the work is done in tiles */
    float scaling;
    bool shifted; /* mean and std count, a number for each channel */
    float mean[VAE_SHIFTED], std[VAE_SHIFTED];
    bool has_encoder;
    bool draws; /* the encoder gives a distribution */
    BoundMemory memory;
};

/*
 * One tile along one axis: it reads from..to, and what it draws counts from core_from to core_to. Where the axis is tiled (the
 * picture's ends are neighbours) it may read beyond an end: that is the other end.
 */
typedef struct {
    int from, to, core_from, core_to;
} Span;

/* The i-th of span_count() tiles that cover `size` latents: a core and a halo on each side that is not the picture's edge. */
int span_count(const Vae *v, int size, int tile);
Span span_at(const Vae *v, int size, int tile, bool wrap, int i);

/* What a tile reads of x, a new tensor; and its core of the pixels it made, laid into the image. */
Tensor tile_crop(Nn *nn, Tensor x, Span y, Span w);
void tile_paste(Tensor image, Tensor tile, Span y, Span x, int factor);

#endif
