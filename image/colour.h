/*
 * colour.h - sRGB as light, for arithmetic on pictures, and as OKLab, for how different two colours look.
 * Source: IEC 61966-2-1; Ottosson 2020, "A perceptual color space for image processing"; 2021, "Okhsv and Okhsl": the toe of its
 * lightness, without which two shades of black would be as far apart as grey and white.
 */
#ifndef LIMN_IMAGE_COLOUR_H
#define LIMN_IMAGE_COLOUR_H

#include <stdint.h>

void srgb_linear_table(float light[256]); /* an 8-bit sRGB value's light, 0..1 */
uint8_t srgb_from_linear(float light);    /* the nearest; what is outside 0..1 is clamped */

typedef struct {
    float l, a, b; /* black 0, 0, 0; white 1, 0, 0 */
} OkLab;

OkLab oklab_from_linear(float r, float g, float b);

/* In hundredths: black to white is 100; 2 is just seen side by side. */
float oklab_distance(OkLab x, OkLab y);

#endif
