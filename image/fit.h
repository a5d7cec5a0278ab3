/* fit.h - crops a picture and resizes it to another shape, like A1111's and diffusers' resize modes. */
#ifndef LIMN_IMAGE_FIT_H
#define LIMN_IMAGE_FIT_H

#include "image/image.h"
#include "image/resample.h"

typedef struct {
    int x, y, w, h;
} Region;

/* How a picture of another shape is brought to w x h. */
typedef struct {
    int w, h;
    const char
        *mode; /* "stretch", "crop": cover and cut off, "fit": put inside, the bars made of its first and last lines */
} Fit;

/* A new picture (free(.data)), by Lanczos. */
Samples fit_to(Samples in, const Fit *f);

/* A new picture: what lies in the region; outside of the samples their edge is repeated. */
Samples fit_window(Samples in, Region r);

/*
 * Where a mask [h, w, 1] is not 0, with `padding` pixels around it, made wider or higher to the shape of w x h as far as there is
 * room. Source: A1111's modules/masking.py and diffusers' VaeImageProcessor.get_crop_region(). w 0: the mask is 0 everywhere.
 */
Region fit_region(Samples mask, int padding, int w, int h);

#endif
