/*
 * flip.h - FLIP, how different two pictures look when one flips to the other in place: filtered like the eye at a distance,
 * compared in a space where equal steps look equal, and more where edges or points come and go.
 * Source: Andersson et al. 2020, "FLIP: a difference evaluator for alternating images" (LDR), with the separable filters and
 * normalisation of its authors' program since version 1.2.
 */
#ifndef LIMN_IMAGE_FLIP_H
#define LIMN_IMAGE_FLIP_H

#include "image/image.h"

/* Pixels of a degree of sight, the authors' default: a screen of 3840 pixels and 0.7 m, seen from 0.7 m. */
#define FLIP_PIXELS_PER_DEGREE (3840.0 / 0.7 * 0.7 * 3.14159265358979323846 / 180)

/*
 * Errors are 0 (equal) .. 1 (black and white). worst: the mean over the square of about one degree of sight where it is largest,
 * as much as the eye sees sharply when it rests: a change of a small part of a large picture counts there as it would alone. The
 * squares are those of a grid of half a degree; a side of up to 83 pixels is one.
 */
typedef struct {
    double mean, worst;
} FlipError;

/* Of two opaque pictures of the same size. */
FlipError flip_error(const Image *a, const Image *b);

#endif
