/*
 * background.h - finds a picture's plain background: the colour of most of its border, as a smooth surface, because a
 * plain background is often a little brighter in the middle or in a corner.
 */
#ifndef LIMN_IMAGE_BACKGROUND_H
#define LIMN_IMAGE_BACKGROUND_H

#include <stdbool.h>

#include "image/image.h"

enum { SURFACE_TERMS = 6 }; /* 1, x, y, x x, x y, y y */

typedef struct {
    double term[3][SURFACE_TERMS]; /* of sRGB values 0..255, over x and y from -1 to 1 */
} Surface;

/*
 * The surface through the border's commonest colour. Returns the share of the border within `tolerance` (oklab_distance) of
 * it, 0..1: how plain the background is.
 */
double background_find(Surface *s, const Image *im, double tolerance);

/* The surface through all marked pixels; left as it is when there are too few. mark [h, w]. */
void background_refine(Surface *s, const Image *im, const uint8_t *mark);

/* The background's colour at a pixel, 0..255, and how far the picture's is from it (oklab_distance). */
void background_at(const Surface *s, const Image *im, int x, int y, float rgb[3]);
void background_distances(const Surface *s, const Image *im, float *distance /* [h, w] */);

#endif
