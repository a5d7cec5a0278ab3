/*
 * self.h - variants of self-attention: perturbed ones for guidance, and ones with less work. Internal to unet/.
 * Sources: PAG, Ahn et al. 2024 (arXiv:2403.17377); SEG, Hong 2024 (arXiv:2408.00760); SAG, Hong et al. 2022 (arXiv:2210.00939).
 */
#ifndef LIMN_UNET_SELF_H
#define LIMN_UNET_SELF_H

#include "nn/nn.h"
#include "unet/unet.h"

/* The requested variant, and the latent's size, which determines an attention's level. */
typedef struct SelfPlace {
    const UNetSelf *asked;
    int h, w;
} SelfPlace;

/* Returns whether anything but plain attention is requested. */
bool self_wanted(const UNetSelf *s);

/*
 * Self-attention number `at` of the network. x [n, h, w, c]: its input, before its norm; qkv [n, h, w, 3 heads*d] computed from
 * it, whose queries may be changed. Returns [n, h, w, heads*d]. Plain attention has the bits of nn_attention_joined().
 */
Tensor self_attend(Nn *nn, const SelfPlace *s, int at, Tensor x, Tensor qkv, int heads);

#endif
