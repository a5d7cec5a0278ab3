/* conv_internal.h - what the ways to convolve share. Private to nn/. */
#ifndef LIMN_NN_CONV_INTERNAL_H
#define LIMN_NN_CONV_INTERNAL_H

#include "nn/nn.h"

/* One convolution: where it reads, and what it writes. */
typedef struct {
    const Conv *conv;
    Tensor x;
    int h, w;              /* the input as the kernel sees it, after upsampling */
    int stride, pad, up;   /* up 2: each pixel of x stands twice in both directions (nearest upsampling) */
    bool wrap_x, wrap_y;   /* beyond the edge is the opposite edge, not zeros */
    bool with_norm;        /* x is normalised as it is read: */
    const float *ab;       /* x a + b, [n, 2, in]; NULL without a norm, and in a dry pass */
    Act act;               /* of the normalised input */
    Tensor y;              /* [n, oh, ow, out] */
    const float *residual; /* as y, or NULL */
    bool relu;             /* of the sum of both */
    const float *zeros;    /* [in] */
} Convolution;

/* The channels of a pixel of image n, which may lie beyond the edge. */
const float *conv_pixel(const Convolution *c, size_t n, int y, int x);

/* Returns whether Winograd's way suits it: 3x3, stride 1, channels in whole vectors, and a picture large enough to win. */
bool winograd_suits(const Convolution *c);
/* In a dry arena it only counts its memory. */
void winograd_convolve(const Nn *nn, const Convolution *c);

/* Returns whether it is to be done in tile registers: 3x3, stride 1, bfloat16 asked for and to be had, channels in whole steps. */
bool direct_suits(const Nn *nn, const Convolution *c);
/* In a dry arena it only counts its memory. Without relu. */
void direct_convolve(const Nn *nn, const Convolution *c);

#endif
