/*
 * t2i.h - T2I-Adapter: a small network that turns a picture into maps which are added in the UNet's encoder, the same in every
 * step. Source: Mou et al. 2023 (arXiv:2302.08453); names as in diffusers' T2IAdapter, and as in TencentARC/T2I-Adapter.
 */
#ifndef LIMN_CONTROL_T2I_H
#define LIMN_CONTROL_T2I_H

#include "base/err.h"
#include "nn/nn.h"
#include "unet/unet.h"
#include "weights/config.h"
#include "weights/weights.h"

typedef struct T2iAdapter T2iAdapter;

enum { T2I_MAX_MAPS = 9 };

/* Reads the config (NULL: derived from the tensors' shapes), checks and binds the weights. */
T2iAdapter *t2i_new(Config *c, Weights *w, Err *e);
void t2i_free(T2iAdapter *a);

int t2i_hint_channels(const T2iAdapter *a); /* 3: RGB; 1: grey */
int t2i_factor(const T2iAdapter *a);        /* pixels per output pixel; sides must be multiples of it: 8; XL 16 */
size_t t2i_bytes(const T2iAdapter *a);
size_t t2i_borrowed(const T2iAdapter *a);
/* "full_adapter", "full_adapter_xl", "light_adapter" */
const char *t2i_type(const T2iAdapter *a);

/*
 * Returns whether its maps of a picture of that size can be added to that UNet's; factor: pixels a latent. Error: which
 * one cannot.
 */
int t2i_fits(const T2iAdapter *a, const UNet *u, int factor, int width, int height, Err *e);

/* hint [1, H, W, hint channels], 0..1. Fills maps, [1, h, w, c] each, in nn->arena, and returns how many. */
int t2i_forward(Nn *nn, const T2iAdapter *a, Tensor hint, Tensor maps[T2I_MAX_MAPS]);

#endif
