/* blur.h - Gaussian blurs of 8-bit samples that equal those of Pillow and OpenCV, byte for byte. */
#ifndef LIMN_IMAGE_BLUR_H
#define LIMN_IMAGE_BLUR_H

#include "image/resample.h"

/*
 * Pillow's ImageFilter.GaussianBlur(radius): three box blurs along x, then three along y, of 8 bits each. In place. Source:
 * Pillow 12, src/libImaging/BoxBlur.c (the arithmetic).
 */
void blur_pillow(Samples s, float radius);

/*
 * What A1111 softens a mask with: cv2.GaussianBlur of sigma `blur`, of 2 * int(2.5 * blur + 0.5) + 1 taps, along x and then along
 * y. In place, one sample a pixel. Source: OpenCV's fixed-point kernels for 8 bits (modules/imgproc/src/smooth.dispatch.cpp).
 */
void blur_opencv(Samples s, int blur);

#endif
