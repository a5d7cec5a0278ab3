/*
 * resblock.h - the residual block of UNet and VAE.
 * Source: Rombach et al. 2022 (arXiv:2112.10752); names as in diffusers' ResnetBlock2D.
 */
#ifndef LIMN_NN_RESBLOCK_H
#define LIMN_NN_RESBLOCK_H

#include "nn/bind.h"
#include "nn/nn.h"

typedef struct {
    Norm norm1, norm2;
    Conv conv1, conv2;    /* 3x3: in -> out, out -> out */
    Linear time_emb_proj; /* temb_ch -> out; absent in the VAE */
    Conv conv_shortcut;   /* 1x1; absent when in == out */
} ResBlock;

/* temb_ch 0: no time embedding. eps: 1e-5 in the UNet, 1e-6 in the VAE. */
int resblock_bind(Binder *b, ResBlock *r, int in, int out, int temb_ch, int groups, float eps);

/*
 * x    [n, h, w, in]
 * temb [n, 1, 1, temb_ch], silu applied already; ignored without time_emb_proj
 * Returns [n, h, w, out]; all temporaries are given back. Cannot fail: resblock_bind() checked every shape.
 */
Tensor resblock_forward(Nn *nn, const ResBlock *r, Tensor x, Tensor temb);

/* The same where x, which lies at mark, is not needed any more: the result lies there. */
Tensor resblock_replace(Nn *nn, const ResBlock *r, size_t mark, Tensor x, Tensor temb);

#endif
