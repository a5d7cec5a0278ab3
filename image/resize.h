/*
 * resize.h - pictures made smaller: Lanczos (a windowed sinc of 3 lobes at the new size) on light, not on sRGB values, with
 * colours premultiplied by alpha. What is finer than the new pixels can show goes; nothing is shifted.
 * Source: Duchon 1979, "Lanczos filtering in one and two dimensions".
 */
#ifndef LIMN_IMAGE_RESIZE_H
#define LIMN_IMAGE_RESIZE_H

#include <stdbool.h>

#include "image/image.h"

/* A new image (image_release() it) of w x h, each at most that of im. wrap: that axis is tiled, so its ends are neighbours. */
void image_resize(Image *out, const Image *im, int w, int h, bool wrap_x, bool wrap_y);

/* The size whose longer side is `longer`, the shorter in proportion and at least 1. */
void image_fit(int w, int h, int longer, int *out_w, int *out_h);

#endif
