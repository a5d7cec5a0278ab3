/*
 * resample.h - a picture brought to another size as Pillow does it, to the byte: what diffusers, A1111 and their users' scripts do
 * to a picture before a network sees it. Source: Pillow 12, src/libImaging/Resample.c (the arithmetic, not the code).
 */
#ifndef LIMN_IMAGE_RESAMPLE_H
#define LIMN_IMAGE_RESAMPLE_H

#include <stdint.h>

typedef enum { RESAMPLE_BOX, RESAMPLE_BILINEAR, RESAMPLE_HAMMING, RESAMPLE_BICUBIC, RESAMPLE_LANCZOS } Filter;

/* 8-bit samples, c a pixel: [h, w, c]. */
typedef struct {
    uint8_t *data;
    int w, h, c;
} Samples;

/* A new picture (free(.data)) of w x h; horizontally first, with 8 bits in between. */
Samples resample(Samples in, int w, int h, Filter filter);

#endif
