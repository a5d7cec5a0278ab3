/*
 * ip.h - IP-Adapter: a picture becomes a few tokens, which every cross-attention attends to in addition to the prompt's.
 * Source: Ye et al. 2023 (arXiv:2308.06721); names as tencent-ailab/IP-Adapter releases them.
 */
#ifndef LIMN_CONTROL_IP_H
#define LIMN_CONTROL_IP_H

#include "base/err.h"
#include "nn/nn.h"
#include "unet/unet.h"
#include "weights/weights.h"

typedef struct IpAdapter IpAdapter;

/*
 * Checks and binds the weights; the tensors show its kind. u: the UNet whose attentions its matrices belong to; NULL: it is only
 * described. Error: a kind that limn does not run, another number of attentions or other widths than the UNet's.
 */
IpAdapter *ip_new(Weights *w, const UNet *u, Err *e);
void ip_free(IpAdapter *a);

const char *ip_kind(const IpAdapter *a); /* "plain", "plus", "full face" */
bool ip_takes_tokens(
    const IpAdapter *a); /* the image encoder's tokens (image_encoder_forward()'s all); else its vector */
int ip_feature_width(const IpAdapter *a);        /* of its input */
int ip_tokens(const IpAdapter *a, int features); /* of one picture, of so many feature tokens (1: the vector) */
int ip_context_width(const IpAdapter *a);        /* of a token */
size_t ip_bytes(const IpAdapter *a);
size_t ip_borrowed(const IpAdapter *a);

/* features [1, n, 1, feature_width]. Returns [1, ip_tokens(n), 1, context_width] in nn->arena. */
Tensor ip_project(Nn *nn, const IpAdapter *a, Tensor features);

/*
 * The keys and values of the tokens [n, t, 1, context_width], for UNetInputs.pictures: kv [n, t, 1, unet_context_columns()] is
 * filled; values are multiplied by scale.
 */
void ip_context(Nn *nn, const IpAdapter *a, Tensor tokens, float scale, Tensor kv);

#endif
