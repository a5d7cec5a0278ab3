/*
 * image.h - 8-bit images: RGB, and alpha where a background was taken away.
 */
#ifndef LIMN_IMAGE_IMAGE_H
#define LIMN_IMAGE_IMAGE_H

#include <stdint.h>

#include "nn/tensor.h"

typedef struct {
    int w, h;
    uint8_t *rgb;   /* [h, w, 3], heap, sRGB, not premultiplied */
    uint8_t *alpha; /* [h, w], heap, 255: opaque; NULL: all of it is */
} Image;

void image_init(Image *im, int w, int h); /* black, opaque */
void image_release(Image *im);
void image_copy(Image *out, const Image *im);

/* A colour's value with that alpha over a ground's, as browsers and most viewers lay one over the other: sRGB values, rounded. */
uint8_t image_over(uint8_t value, uint8_t alpha, uint8_t ground);

/* A new image, opaque: im over a ground of that grey. */
void image_flatten(Image *out, const Image *im, uint8_t ground);

/*
 * A new image (image_release() it) from -1..1 [1, h, w, 3]: x/2 + 0.5 clamped to 0..1, times 255, rounded half to even.
 * Source: diffusers' VaeImageProcessor (denormalize, pt_to_numpy, numpy_to_pil).
 */
void image_from_tensor(Image *im, Tensor x);

#endif
