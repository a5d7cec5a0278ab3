/*
 * flip.h - how different two pictures look when one flips to the other in place: filtered as the eye filters at a distance,
 * compared in a space where equal steps look equal, and more where edges or points come and go.
 * Source: Andersson et al. 2020, "FLIP: a difference evaluator for alternating images" (LDR), with the separable filters and
 * normalisation of its authors' program since version 1.2.
 */
#ifndef LIMN_IMAGE_FLIP_H
#define LIMN_IMAGE_FLIP_H

#include "image/image.h"

/* Pixels of a degree of sight, the authors' default: a screen of 3840 pixels and 0.7 m, seen from 0.7 m. */
#define FLIP_PIXELS_PER_DEGREE (3840.0 / 0.7 * 0.7 * 3.14159265358979323846 / 180)

/* The mean error of two opaque pictures of the same size, 0 (equal) .. 1 (black and white). */
double flip_mean(const Image *a, const Image *b);

#endif
