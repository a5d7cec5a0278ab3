/*
 * cutout.h - makes a plain background transparent: a flood fill from the border, then the pixels where
 * it meets the object are unmixed into the object's coverage and its colour.
 */
#ifndef LIMN_IMAGE_CUTOUT_H
#define LIMN_IMAGE_CUTOUT_H

#include <stdbool.h>

#include "image/image.h"

#define CUTOUT_PLAIN 0.5 /* of the border: less is no plain background */

typedef struct {
    double tolerance; /* oklab_distance from the background that still is background */
    bool holes;       /* also background that the flood fill does not reach: inside a ring, between legs */
} Cutout;

/*
 * Gives im an alpha. Laid over its old background the picture is the old one (but for the background's own unevenness).
 * Returns the share of the border that is plain, 0..1; below CUTOUT_PLAIN there is no background to take: all stays opaque.
 */
double image_cut_out(Image *im, const Cutout *c);

/* Gives transparent pixels the colour of their neighbours, a few pixels far, so that a filter finds no dark fringe. */
void image_bleed(Image *im);

#endif
